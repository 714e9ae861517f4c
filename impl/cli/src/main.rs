//! The command `razor`: verifies the protocol stack, explains bytes, keeps identities, runs nodes and worlds.

mod decode;
mod failure;
mod identity;
mod input;
mod message;
mod node;
mod os;
mod shell;
mod signals;
mod sim;
mod suite;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// The Ockam protocols: checked, explained, and run.
#[derive(Debug, Parser)]
#[command(name = "razor", version, arg_required_else_help = true)]
struct Razor {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Verify),
    Decode(decode::Decode),
    Identity(identity::IdentityCommand),
    Node(node::NodeCommand),
    Message(message::MessageCommand),
    Sim(sim::Sim),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// `print!`, but for whoever stops reading.
macro_rules! out {
    ($($text:tt)*) => { $crate::os::print(format_args!($($text)*)) };
}

/// `println!`, but for whoever stops reading.
macro_rules! outln {
    () => { $crate::os::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::os::print(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {out, outln};

fn main() -> ExitCode {
    let result = match Razor::parse().command {
        Command::Verify(command) => command.run(),
        Command::Decode(command) => command.run(),
        Command::Identity(command) => command.run(),
        Command::Node(command) => command.run(),
        Command::Message(command) => command.run(),
        Command::Sim(command) => command.run(),
        Command::Completions(command) => command.run(Razor::command()),
        Command::Man(command) => command.run(Razor::command()),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: [&str; 2] = [include_str!("../../../docs/command.md"), include_str!("../../../docs/simulator.md")];

    /// The words of a line as a shell sees them, up to where something else begins.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            let mut pieces = part.split(if index % 2 == 0 { ' ' } else { '\0' });
            words.last_mut().expect("one at least").push_str(pieces.next().unwrap_or_default());
            words.extend(pieces.map(str::to_owned));
        }
        words.retain(|word| !word.is_empty());
        words.into_iter().take_while(|word| !["|", ">", "<", "&"].contains(&word.as_str())).collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Razor::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_guide_is_understood() {
        let lines = GUIDE.iter().flat_map(|page| page.lines());
        let commands: Vec<&str> = lines.filter_map(|line| line.strip_prefix("    $ ")).collect();
        assert!(commands.len() > 20);
        for command in commands {
            if let Err(error) = Razor::try_parse_from(words(command)) {
                panic!("{command}: {error}");
            }
        }
    }
}
