//! `razor sim run`: the world of a plan file.

use std::path::PathBuf;

use clap::Args;
use razor_sim::Preset;

use crate::failure::Result;

use super::brief;
use super::family::Family;

/// Run the world of a plan file, and say what came of it
///
/// What the file leaves open is drawn from the seed. Exits with 0 if every property holds, 1 if one does not, 2 if the
/// file is no plan.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The plan
    plan: PathBuf,
    /// The seed; without it, that of the plan, or 0
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Draw what is missing from this family, whatever the plan says
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
}

impl Run {
    /// Runs the world and reports.
    pub(super) fn run(self) -> Result {
        let plan = Family::of_file(&self.plan, self.preset).read()?.own_plan(self.seed)?;
        let report = razor_sim::run(plan, |world| world);
        crate::out!("{}", brief::plan(&report.plan));
        report.situations.iter().for_each(|situation| crate::outln!("reached    {situation}"));
        report.refusals.iter().for_each(|(id, times)| crate::outln!("refused    {id:<7} {times} times"));
        crate::outln!("{report}");
        Ok(super::verdict(report.passed()))
    }
}
