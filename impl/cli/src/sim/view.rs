//! `razor sim view`: a world as a page.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use razor_sim::{World, view};

use crate::failure::{Failure, Result};

use super::family::Which;

/// The most events that fit on a page which a browser still shows: 60 MB.
const EVENTS: u64 = 60_000;

/// Make a page of a world: a diagram of everything that happened, and what each attacker knew
///
/// The page is one file that needs nothing else; open it in a browser. Exits with 0 if every property of the world
/// holds, 1 if one does not; the page is written either way, and opens at what does not hold. A world of more than 60000
/// events has no page.
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
        let plan = self.which.plan()?;
        let events = razor_sim::run(plan.clone(), |world| world).events;
        if events > EVENTS {
            return Err(Failure::usage(format!(
                "this world has {events} events and a page shows at most {EVENTS}: `minimise` it if it fails, or `explain` it"
            )));
        }
        let report = razor_sim::run(plan, World::recording);
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
