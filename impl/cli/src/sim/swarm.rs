//! `razor sim swarm`: many seeds.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use razor_sim::Campaign;
use razor_sim::results::{FORMAT, Results, Shard};

use crate::failure::{Failure, Result};

use super::family::Family;
use super::patience::Patience;
use super::report;

/// Version and commit.
const BUILD: &str = env!("RAZOR_BUILD");

/// Run the worlds of many seeds on all processors
///
/// Prints in how many worlds each situation was reached, what does not hold and how to see it again. Exits with 0 if
/// every property holds in every world; with 1 if one does not, or if 2000 worlds of the whole mixture ran and a
/// situation was never reached.
#[derive(Debug, Args)]
pub(super) struct Swarm {
    /// How many seeds, one after the other; 0 comes after the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,
    /// How many worlds at a time; without it, as many as there are processors
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    family: Family,
    /// Run only the k-th of n equal parts of the seeds: 2/8
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Write the results to this file as JSON, for `razor sim merge`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many seconds a world may take: one that takes longer ends the swarm, and is named
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Do not mind situations that were never reached
    #[arg(long)]
    allow_unreached: bool,
}

impl Swarm {
    /// Runs the worlds and reports.
    pub(super) fn run(self) -> Result {
        let source = self.family.read()?;
        let shard = self.shard.unwrap_or(Shard::WHOLE);
        let worlds = shard.worlds(self.seeds);
        // What is wrong with a plan is mostly wrong for every seed: better now than in the middle.
        source.plan(self.first.wrapping_add(worlds.start))?;
        let bar = ProgressBar::new(worlds.end - worlds.start);
        let template = "{pos}/{len} worlds [{bar:40}] {per_sec}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let jobs = self.jobs.map(usize::from);
        let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let patience = Patience::new(Duration::from_secs(self.patience));
        let world = |n| {
            let seed = self.first.wrapping_add(n);
            let plan = source.draw(seed)?;
            Ok(patience.run(seed, || razor_sim::run(plan, |world| world)))
        };
        let outcome = Campaign::run(worlds, jobs, world, |_| bar.inc(1));
        bar.finish_and_clear();
        let outcome = outcome.map_err(|invalid| Failure::usage(format!("not every seed has a plan: {invalid}")))?;
        let swarm = source.swarm(self.first, self.seeds);
        let results = Results { format: FORMAT, build: BUILD.into(), swarm, shards: shard.into(), outcome };
        self.json.iter().try_for_each(|path| write(&results, path))?;
        Ok(super::verdict(report::print(&results, self.allow_unreached)))
    }
}

/// Writes results to a file.
pub(super) fn write(results: &Results, path: &Path) -> Result<()> {
    std::fs::write(path, results.to_json()).map_err(|error| Failure::file("write", path, &error))
}
