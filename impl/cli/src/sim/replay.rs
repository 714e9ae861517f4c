//! `razor sim replay`: one world again, with its events.

use std::str::FromStr;

use clap::Args;

use crate::failure::{Failure, Result};

use super::family::Which;

/// Run one world again, and print how it ends
///
/// Prints the last events, what does not hold, and the digest over everything that happened. Exits with 0 if every
/// property holds.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
    /// How many of the last events to print, or `all`
    #[arg(long, value_name = "N", default_value = "40")]
    events: Events,
    /// Run it twice and compare the two runs, byte for byte
    #[arg(long)]
    twice: bool,
}

/// How many events.
#[derive(Debug, Clone, Copy)]
struct Events(usize);

impl FromStr for Events {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Self(usize::MAX));
        }
        text.parse().map(Self).map_err(|_| format!("{text:?} is neither a number nor `all`"))
    }
}

impl Replay {
    /// Runs the world and prints its end.
    pub(super) fn run(self) -> Result {
        let plan = self.which.plan()?;
        let keep = if self.twice { usize::MAX } else { self.events.0 };
        let run = || razor_sim::run(plan.clone(), |world| world.keeping(keep));
        let report = run();
        if self.twice && run() != report {
            return Err(Failure::failed(format!("two runs of seed {} differ; please report this", report.seed)));
        }
        let skipped = report.entries.len().saturating_sub(self.events.0);
        report.entries.iter().skip(skipped).for_each(|entry| crate::outln!("{entry}"));
        crate::outln!("{report}");
        crate::outln!("digest {}", hex::encode(report.digest));
        if self.twice {
            crate::outln!("both runs are the same, byte for byte: {} events", report.events);
        }
        Ok(super::verdict(report.passed()))
    }
}
