//! `razor sim swarm`: many seeds.

use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use razor_sim::{Campaign, Situation};

use crate::failure::Result;

use super::family::Family;

/// Run the worlds of many seeds on all processors
#[derive(Debug, Args)]
pub(super) struct Swarm {
    /// How many seeds, one after the other; 0 comes after the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,
    /// How many worlds at a time; without it, as many as there are processors
    #[arg(long, value_name = "J")]
    jobs: Option<usize>,
    #[command(flatten)]
    family: Family,
}

impl Swarm {
    /// Runs the worlds and reports.
    pub(super) fn run(self) -> Result {
        let source = self.family.read()?;
        source.plan(self.first)?;
        let bar = ProgressBar::new(self.seeds);
        if let Ok(style) = ProgressStyle::with_template("worlds [{bar:40}] {pos:>7}/{len:<7} {per_sec} {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let jobs = self.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let world = |n| match source.plan(self.first.wrapping_add(n)) {
            Ok(plan) => razor_sim::world(plan).run(),
            Err(failure) => panic!("{failure}"),
        };
        let campaign = Campaign::run(0..self.seeds, jobs, world, |_| bar.inc(1));
        bar.finish_and_clear();
        campaign.failures.iter().for_each(|report| crate::outln!("{report}\n  {}\n", source.command(report.seed)));
        for situation in Situation::ALL {
            let word = if campaign.situations.contains(situation) { "reached" } else { "never" };
            crate::outln!("{word:<9} {situation}");
        }
        crate::outln!("{campaign}");
        Ok(super::verdict(campaign.failures.is_empty()))
    }
}
