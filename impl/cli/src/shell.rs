//! `razor completions` and `razor man`: what shells and manuals know of the command, made from its own description.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Failure, Result};

/// Print a shell's completions
///
/// For example: razor completions bash > ~/.local/share/bash-completion/completions/razor
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the completions of `command`.
    pub(crate) fn run(self, mut command: Command) -> Result {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "razor", &mut text);
        print(&text)
    }
}

/// Print a page of the manual
///
/// For example: razor man node start | man -l -
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command that the page is about; razor itself without one
    command: Vec<String>,
    /// Write all pages into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    all: Option<PathBuf>,
}

impl Man {
    /// Prints the page, or writes all of them.
    pub(crate) fn run(self, mut command: Command) -> Result {
        if let Some(dir) = self.all {
            return clap_mangen::generate_to(command, &dir)
                .map(|()| ExitCode::SUCCESS)
                .map_err(|e| Failure::file("write into", &dir, &e));
        }
        command.build();
        let mut page = &command;
        for name in &self.command {
            page = page.find_subcommand(name).ok_or_else(|| {
                let names: Vec<&str> = page.get_subcommands().map(Command::get_name).collect();
                Failure::usage(format!("there is no `{name}` here; choose one of {}", names.join(", ")))
            })?;
        }
        let name = ["razor"].into_iter().chain(self.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone())
            .title(name.to_uppercase())
            .render(&mut text)
            .map_err(|e| Failure::failed(format!("the page cannot be made: {e}; please report this")))?;
        print(&text)
    }
}

fn print(text: &[u8]) -> Result {
    crate::out!("{}", String::from_utf8_lossy(text));
    Ok(ExitCode::SUCCESS)
}
