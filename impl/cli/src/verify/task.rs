//! What there is to verify.

use std::path::{Path, PathBuf};

use razor_vectors::captures::{self, Recording};
use razor_vectors::{Options, Progress, Row, Section};

use crate::failure::{Failure, Result};

/// One thing to verify.
#[derive(Debug)]
pub(super) enum Task {
    /// Vectors, and live peers.
    Section(&'static Section),
    /// A recording from a file.
    Recording { path: PathBuf, recording: Box<Recording> },
}

/// Everything that is part of the program, in the order of the report.
pub(super) fn all() -> Vec<Task> {
    razor_vectors::sections().iter().map(Task::Section).collect()
}

impl Task {
    /// Reads a recording.
    pub(super) fn recording(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
        let recording = Recording::parse(&text).map_err(|why| {
            Failure::failed(format!(
                "{} cannot be replayed: {why}; the format is that of vectors/production/production-captures.json",
                path.display()
            ))
        })?;
        Ok(Self::Recording { path: path.into(), recording: Box::new(recording) })
    }

    /// The name that `--only` takes.
    pub(super) fn selector(&self) -> String {
        match self {
            Task::Section(section) => format!("{}/{}", section.source, section.name),
            Task::Recording { path, .. } => format!("{}/captures", source(path)),
        }
    }

    /// One line about it.
    pub(super) fn about(&self) -> &str {
        match self {
            Task::Section(section) => section.about,
            Task::Recording { .. } => "a recording from a file",
        }
    }

    /// Whether `--only name` selects it.
    pub(super) fn selected_by(&self, name: &str) -> bool {
        match self {
            Task::Section(section) => section.selected_by(name),
            Task::Recording { path, .. } => {
                name == "captures" || name == source(path) || name == format!("{}/captures", source(path))
            }
        }
    }

    /// Checks it.
    pub(super) fn run(self, options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
        match self {
            Task::Section(section) => section.run(options, progress),
            Task::Recording { path, recording } => captures::check(&source(&path), &recording, progress),
        }
    }
}

/// A recording's source in the report: its file's name.
fn source(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
