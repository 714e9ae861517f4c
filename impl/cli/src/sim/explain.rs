//! `razor sim explain`: the story of a world.

use clap::Args;
use razor_sim::World;
use razor_sim::explain::explain;

use crate::failure::Result;

use super::family::Which;

/// Tell the story of a world in sentences
///
/// Who is there, what they wanted, what broke, what attackers did and knew, what was refused and by which requirement,
/// what went through, and how it ended. Of a property that does not hold it tells what led to that, step by step. Exits
/// with 0 if every property holds, 1 if one does not.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    which: Which,
    /// Tell every event, too
    #[arg(long)]
    all: bool,
}

impl Explain {
    /// Runs the world and tells its story.
    pub(super) fn run(self) -> Result {
        let report = razor_sim::run(self.which.plan()?, World::recording);
        crate::out!("{}", explain(&report, self.all));
        Ok(super::verdict(report.passed()))
    }
}
