//! The firmware is built, QEMU runs it, and its UART is a line to a Razor node on this machine.
//!
//! `cargo embedded-test` plays scenes, one row for each; exit code 1 if one fails. `cargo embedded-figures` measures what
//! the images take. `cargo embedded-board` leaves the board to other nodes.

mod elf;
mod emulator;
mod figures;
mod line;
mod noise;
mod scenes;
mod status;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::Table;
use tokio::net::TcpListener;

use crate::emulator::Image;
use crate::line::Line;
use crate::scenes::Stage;
use crate::status::Status;

/// What goes wrong, in a sentence.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What a scene has to say of itself if it succeeds.
pub(crate) type Outcome = Result<String, Fault>;

/// No scene takes longer on the slowest machine.
const LONG: Duration = Duration::from_secs(120);

pub(crate) fn demand(held: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if held { Ok(()) } else { Err(what().into()) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test().await,
        ["board", address] => board(address).await,
        ["figures"] => figures::run(false).await,
        ["figures", "--check"] => figures::run(true).await,
        _ => Err("say `test`, `board ADDRESS`, `figures` or `figures --check`".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Switches a board on that nodes reach at this address, until it is switched off.
async fn board(address: &str) -> Result<bool, Fault> {
    let built = Image::ALL.build()?;
    let listener = TcpListener::bind(address).await?;
    let uart = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let _board = emulator::start(&built, uart.local_addr()?)?;
    let line = Line::open(uart, listener).await?;
    println!("the board runs; its serial line is at {}", line.address);
    line.closed().await;
    Err("the board is gone".into())
}

/// Plays all scenes on each board, one after the other: each finds it as the last has left it.
async fn test() -> Result<bool, Fault> {
    let mut good = true;
    for image in [Image::ALL, Image::RESPONDER] {
        good &= play(image).await?;
    }
    Ok(good)
}

async fn play(image: Image) -> Result<bool, Fault> {
    eprintln!("image: {}", image.name);
    let mut stage = Stage::open(image, &image.build()?).await?;
    let mut table = Table::new();
    table.set_header(["scene", "", "s", "heap, at most, stack", "what was seen"]);
    let mut good = true;
    for (name, scene) in scenes::ALL {
        if name == scenes::BY_BOARD && !image.begins_channels() {
            continue;
        }
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(LONG, scene(&mut stage)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it did not end".into()),
        };
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f64());
        let (verdict, seen) = match outcome {
            Ok(seen) => ("ok", seen),
            Err(fault) => ("FAILED", fault.to_string()),
        };
        good &= verdict == "ok";
        let Status { heap, heap_most, stack_most, stack_left, .. } = stage.status().await?;
        demand(stack_left > 0, || format!("after the scene `{name}` the stack has run into the heap"))?;
        let memory = format!("{heap}, {heap_most}, {stack_most}");
        eprintln!("{verdict:6} {seconds:>6} s  {name}");
        table.add_row([name, verdict, &seconds, &memory, &seen]);
    }
    println!("{}\n{table}", image.name);
    Ok(good)
}
