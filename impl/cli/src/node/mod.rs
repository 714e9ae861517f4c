//! `razor node`: runs a node, and shows what one is doing.

mod endpoint;
mod entrance;
mod logs;
mod onward;
mod report;
mod serve;
mod settings;
mod show;
mod start;

use clap::{Args, Subcommand};

use crate::failure::Result;

/// Run a node, or show what one is doing
#[derive(Debug, Args)]
pub(crate) struct NodeCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Start),
    Show(show::Show),
}

impl NodeCommand {
    /// Does what the command says.
    pub(crate) fn run(self) -> Result {
        match self.command {
            Command::Start(command) => command.run(),
            Command::Show(command) => command.run(),
        }
    }
}
