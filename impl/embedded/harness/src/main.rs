//! `cargo embedded-test`: the firmware is built, QEMU runs it, and its UART is a line to a Razor node on this machine.
//! One row for each scene; exit code 1 if one fails.

mod emulator;
mod line;
mod noise;
mod scenes;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::Table;

/// What goes wrong, in a sentence.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What a scene has to say of itself if it succeeds.
pub(crate) type Outcome = Result<String, Fault>;

/// No scene takes longer on the slowest machine.
const LONG: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Plays all scenes on one board, one after the other: each finds it as the last has left it.
async fn run() -> Result<bool, Fault> {
    let image = emulator::build()?;
    let board = emulator::start(&image)?;
    let line = line::Line::open(board.uart).await?;
    let mut stage = scenes::Stage::new(line).await?;
    let mut table = Table::new();
    table.set_header(["scene", "", "s", "what was seen"]);
    let mut good = true;
    for (name, scene) in scenes::ALL {
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
        eprintln!("{verdict:6} {seconds:>6} s  {name}");
        table.add_row([name, verdict, &seconds, &seen]);
    }
    println!("{table}");
    Ok(good)
}
