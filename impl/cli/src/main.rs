//! The command `razor`: verifies the protocol stack, explains bytes, keeps identities, runs worlds.

mod decode;
mod failure;
mod identity;
mod input;
mod os;
mod sim;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The Ockam protocols, checked and explained.
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
    Sim(sim::Sim),
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
        Command::Sim(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
