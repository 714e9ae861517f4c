//! Every interleaving of a few secure channels, and the page that shows what came of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;

use crate::{Outcome, succeed};

/// Where the guide shows it.
const PAGE: &str = "docs/exploring.txt";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The small bounds of the tests: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// Write what is found where the guide shows it
    #[arg(long, conflicts_with = "quick")]
    write: bool,
}

/// Explores, optimised.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let mut explore = Command::new("cargo");
    explore.current_dir(root).args(["run", "--quiet", "--release", "--package", "razor-explore", "--"]);
    if options.quick {
        explore.arg("--quick");
    }
    if !options.write {
        return succeed(&mut explore);
    }
    let found = explore.stderr(Stdio::inherit()).output()?;
    fs::write(root.join(PAGE), &found.stdout)?;
    if found.status.success() { Ok(()) } else { Err(format!("not everything is as it should be: see {PAGE}").into()) }
}
