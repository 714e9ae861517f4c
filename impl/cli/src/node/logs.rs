//! Logs on standard error.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Nothing
    Off,
    /// What keeps the node from working
    Error,
    /// What somebody should look at
    Warn,
    /// Connections and channels
    #[default]
    Info,
    /// Dropped messages
    Debug,
    /// Everything
    Trace,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object on each line
    Json,
}

/// From now on logs are written.
pub(super) fn begin(level: Level, format: Format) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // What this project says, and not what its libraries do.
    let ours = tracing_subscriber::registry().with(Targets::new().with_target("razor", level));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        Format::Text => ours.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        Format::Json => ours.with(lines.json().flatten_event(true)).init(),
    }
}
