//! Every interleaving of a few secure channels, and the page that shows what came of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;

use crate::{Outcome, succeed};

/// Where the guide shows it.
const PAGE: &str = "docs/exploring.txt";

/// Where the guide shows which planted bugs are found.
const PLANTED_PAGE: &str = "docs/exploring-planted.txt";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The small bounds of the tests: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// Look for the bugs that are planted in the core, in a build of its own
    #[arg(long, conflicts_with = "quick")]
    planted: bool,
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
    if options.planted {
        explore.arg("--planted").env("RUSTFLAGS", "--cfg razor_planted").env("CARGO_TARGET_DIR", "target/planted");
    }
    if !options.write {
        return succeed(&mut explore);
    }
    let found = explore.stderr(Stdio::inherit()).output()?;
    let page = if options.planted { PLANTED_PAGE } else { PAGE };
    fs::write(root.join(page), &found.stdout)?;
    if found.status.success() { Ok(()) } else { Err(format!("not everything is as it should be: see {page}").into()) }
}
