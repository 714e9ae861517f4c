//! `razor sim`: worlds of real nodes with a hostile middle.

use std::process::ExitCode;
use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use razor_sim::{Campaign, Preset, Situation};

use crate::failure::Result;

/// Run worlds of real nodes with a hostile node in the middle
///
/// A seed and a preset make a world: a line of nodes, the links between them, what the middle does, and what is
/// said through secure channels. The same seed gives the same events, byte for byte. Exits with 0 only if every
/// property holds in every world; a world in which one does not prints what led to it.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// The seed of the first world
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How many worlds, with seeds one after the other; 0 comes after the last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    worlds: u64,
    /// The family of worlds: calm, lossy, faults, hostile, impostors, siege or swarm
    #[arg(long, value_name = "NAME", default_value_t = Preset::Swarm)]
    preset: Preset,
    /// Print the last N events of a world; with more than one world, of those that fail
    #[arg(long, value_name = "N")]
    events: Option<usize>,
}

impl Sim {
    /// Runs the worlds and reports.
    pub(crate) fn run(self) -> Result {
        let run = |seed| {
            let world = razor_sim::drawn(seed, self.preset);
            self.events.into_iter().fold(world, razor_sim::World::keeping).run()
        };
        if self.worlds == 1 {
            let report = run(self.seed);
            if report.passed() {
                crate::out!("{}", report.plan.to_toml());
                self.events.iter().for_each(|_| report.entries.iter().for_each(|line| crate::outln!("{line}")));
                report.situations.iter().for_each(|situation| crate::outln!("reached       {situation}"));
            }
            crate::outln!("{report}");
            return Ok(code(report.passed()));
        }
        let bar = ProgressBar::new(self.worlds);
        if let Ok(style) = ProgressStyle::with_template("worlds [{bar:40}] {pos:>6}/{len:<6} {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let campaign = Campaign::run(0..self.worlds, threads, |n| run(self.seed.wrapping_add(n)), |_| bar.inc(1));
        bar.finish_and_clear();
        campaign.failures.iter().for_each(|report| crate::outln!("{report}\n"));
        for situation in Situation::ALL {
            let word = if campaign.situations.contains(situation) { "reached" } else { "never" };
            crate::outln!("{word:<13} {situation}");
        }
        crate::outln!("{campaign}");
        Ok(code(campaign.failures.is_empty()))
    }
}

fn code(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
