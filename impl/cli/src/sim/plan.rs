//! `razor sim plan`: what a seed draws, as a file.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Result;

use super::family::Which;

/// Print the whole plan of a seed, or a plan file with its gaps filled
///
/// The file that it prints is the same world: change a line, and `razor sim run` runs that.
#[derive(Debug, Args)]
pub(super) struct PlanCommand {
    #[command(flatten)]
    which: Which,
}

impl PlanCommand {
    /// Prints the plan.
    pub(super) fn run(self) -> Result {
        crate::out!("{}", self.which.plan()?.to_toml());
        Ok(ExitCode::SUCCESS)
    }
}
