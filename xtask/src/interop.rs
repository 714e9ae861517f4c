//! Live sessions with other implementations. They are in a workspace of their own, and this hands over to it.

use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::Outcome;

/// The workspace.
const WORKSPACE: &str = "impl/interop";

/// What is asked: see `cargo interop --help`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The options of the harness
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Builds the harness and runs it.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root.join(WORKSPACE)).args(["run", "--quiet", "--locked", "--package", "razor-interop", "--"]);
    let status = cargo.args(&options.options).status()?;
    // What went wrong is in its table.
    std::process::exit(status.code().unwrap_or(1))
}
