//! `razor sim minimise`: the smallest world that goes wrong in the same way.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use razor_sim::minimise::{Minimised, as_regression, minimise};
use razor_sim::{Plan, Seed};

use crate::failure::{Failure, Result};

use super::family::Which;

/// Make a world that goes wrong smaller, until nothing more can be left out
///
/// Leaves out or makes plainer one thing at a time: nodes, links, channels, messages, faults, adversaries and what they
/// can do; and keeps whatever still breaks the same property. What is left is a plan that can be kept as a regression:
/// `razor sim run` runs it. Exits with 1 if the world holds every property.
#[derive(Debug, Args)]
pub(super) struct Minimise {
    #[command(flatten)]
    which: Which,
    /// Run at most so many worlds
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    runs: u64,
    /// Write the plan to this file instead of printing it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Minimise {
    /// Runs smaller and smaller worlds.
    pub(super) fn run(self) -> Result {
        let plan = self.which.plan()?;
        let seed = Seed(plan.seed);
        let broken = |plan: &Plan| razor_sim::run(plan.clone(), |world| world).violations.first().cloned();
        let Some(violation) = broken(&plan) else {
            return Err(Failure::failed(format!(
                "the world of seed {} holds every property: there is nothing to minimise",
                seed.0
            )));
        };
        eprintln!("seed {} breaks {violation}", seed.0);
        let bar = ProgressBar::new_spinner();
        let property = violation.property;
        let smallest = minimise(
            plan,
            property,
            self.runs,
            |plan| broken(plan).map(|violation| violation.property),
            |words, plan| {
                bar.set_message(format!("{} nodes, {} channels: {words}", plan.nodes.len(), plan.channels.len()));
                bar.tick();
            },
        );
        bar.finish_and_clear();
        let Minimised { plan, runs, steps } = &smallest;
        let messages: usize = plan.channels.iter().map(|channel| channel.messages).sum();
        eprintln!(
            "after {runs} worlds and {} steps: {} nodes, {} channels with {messages} messages each way, {} faults, {} adversaries",
            steps.len(),
            plan.nodes.len(),
            plan.channels.len(),
            plan.faults.len(),
            plan.adversaries.len()
        );
        if let Some(violation) = broken(plan) {
            eprintln!("it breaks {violation}");
        }
        let text = as_regression(&smallest, property, seed);
        match &self.output {
            Some(path) => std::fs::write(path, text).map_err(|error| Failure::file("write", path, &error))?,
            None => crate::out!("{text}"),
        }
        Ok(super::verdict(true))
    }
}
