//! The firmware on an emulated board. The harness is a program of its own, and this hands over to it.

use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// Builds the harness and has it do something.
pub(crate) fn run(root: &Path, what: &[&str]) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["run", "--quiet", "--locked", "--package", "razor-embedded-test", "--"]).args(what);
    // What went wrong is in its table.
    std::process::exit(cargo.status()?.code().unwrap_or(1))
}
