//! `razor sim view`: a world as a page.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use razor_sim::view;

use crate::failure::{Failure, Result};

use super::family::Which;

/// Make a page of a world: a diagram of everything that happened, and what each attacker knew
///
/// The page is one file that needs nothing else; open it in a browser. Exits with 0 if every property of the world
/// holds, 1 if one does not; the page is written either way, and opens at what does not hold.
#[derive(Debug, Args)]
pub(super) struct View {
    #[command(flatten)]
    which: Which,
    /// Write the page to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl View {
    /// Runs the world and writes its page.
    pub(super) fn run(self) -> Result {
        let report = razor_sim::world(self.which.plan()?).recording().run();
        let page = view::page(&report);
        match &self.output {
            Some(path) => {
                fs::write(path, page).map_err(|error| Failure::file("write", path, &error))?;
                crate::outln!("{report}");
                crate::outln!("the page of this world is {}", path.display());
            }
            None => crate::out!("{page}"),
        }
        Ok(super::verdict(report.passed()))
    }
}
