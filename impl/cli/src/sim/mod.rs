//! `razor sim`: worlds of real nodes with adversaries who know the protocol. One file for each command.

mod brief;
mod explain;
mod family;
mod list;
mod merge;
mod minimise;
mod patience;
mod pcap;
mod plan;
mod replay;
mod report;
mod run;
mod swarm;
mod view;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Result;

/// Run worlds of real nodes with adversaries who know the protocol
///
/// A seed makes a world: nodes and the links between them, what breaks, who attacks and how, and what is said through
/// secure channels. The same seed gives the same events, byte for byte.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Swarm(swarm::Swarm),
    Merge(merge::Merge),
    Replay(replay::Replay),
    Explain(explain::Explain),
    View(view::View),
    Minimise(minimise::Minimise),
    Plan(plan::PlanCommand),
    List(list::List),
    Pcap(pcap::Pcap),
}

impl Sim {
    /// Runs the command.
    pub(crate) fn run(self) -> Result {
        match self.command {
            Command::Run(command) => command.run(),
            Command::Swarm(command) => command.run(),
            Command::Merge(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::View(command) => command.run(),
            Command::Minimise(command) => command.run(),
            Command::Plan(command) => command.run(),
            Command::List(command) => command.run(),
            Command::Pcap(command) => command.run(),
        }
    }
}

/// Exit code 0 if everything holds, 1 if not.
fn verdict(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
