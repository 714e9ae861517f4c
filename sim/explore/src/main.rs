//! `explore`: goes through the scenarios, then through what is broken on purpose.
//!
//! With `--planted`, in a build with `--cfg razor_planted`: which of the bugs that are planted in the core it finds.
//!
//! What it found goes to standard output, the same in every run; how long it took, to standard error.

mod planted;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use razor_explore::suite::Masked;
use razor_explore::{Break, Extent, Habits, Outcome, Property, Scenario, explore};

/// Every interleaving of a few secure channels in the hands of an attacker.
#[derive(Debug, Parser)]
#[command(name = "cargo explore")]
struct Arguments {
    /// The small bounds of the tests: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// Look for the bugs that are planted in the core, within the small bounds
    #[arg(long, conflicts_with = "quick")]
    planted: bool,
    /// Give up a scenario with more states
    #[arg(long, default_value_t = 100_000_000)]
    limit: usize,
}

fn main() -> ExitCode {
    let Arguments { quick, planted, limit } = Arguments::parse();
    if planted {
        return planted::hunt(limit);
    }
    let scenarios = if quick { Scenario::small() } else { Scenario::full() };
    let are_proven = prove(scenarios, limit);
    let are_found = refute();
    if are_proven && are_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const COLUMNS: [&str; 9] = ["scenario", "states", "depth", "moves", "refused", "messages", "places", "ways", "steps"];

/// Goes through the scenarios. Whether everything holds in all of them.
fn prove(scenarios: Vec<Scenario>, limit: usize) -> bool {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(COLUMNS);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    let (mut bounds, mut failures) = (Table::new(), Vec::new());
    bounds.load_style(presets::NOTHING);
    let (mut states, mut moves) = (0, 0);
    for scenario in scenarios {
        let (name, bound) = (scenario.name, scenario.bound());
        let begun = Instant::now();
        let (outcome, extent) = explore::<Masked>(scenario, Habits::default(), limit);
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{name}: {} states in {seconds:.1} s", grouped(extent.states as u64));
        table.add_row([vec![name.to_owned()], numbers(&extent)].concat());
        bounds.add_row([name, &bound]);
        if !matches!(outcome, Outcome::Proven) {
            failures.push(format!("{name}: {}", describe(&outcome)));
        }
        states += extent.states as u64;
        moves += extent.moves;
    }
    println!("{}\n\n{}\n", table.trim_fmt(), bounds.trim_fmt());
    println!("{} states, {} moves.", grouped(states), grouped(moves));
    if failures.is_empty() {
        println!("In every state: {}.", Property::ALL.map(Property::name).join(", "));
    }
    failures.iter().for_each(|failure| println!("NOT PROVEN: {failure}"));
    failures.is_empty()
}

/// In the order of the columns.
fn numbers(extent: &Extent) -> Vec<String> {
    let Extent { states, depth, moves, refused, messages, places, ways, steps } = *extent;
    let sizes = [states, depth, messages, places].map(|size| size as u64);
    let [states, depth, messages, places] = sizes;
    [states, depth, moves, refused, messages, places, ways, steps].map(grouped).to_vec()
}

/// Goes through what is broken. Whether every break is found.
fn refute() -> bool {
    println!("\nBroken on purpose:");
    let mut are_found = true;
    for broken in Break::ALL {
        let (outcome, _) = broken.run();
        let is_found = broken.is_found(&outcome);
        are_found &= is_found;
        let verdict = if is_found { "" } else { "NOT FOUND: " };
        println!("\n{}\n{verdict}{}", broken.name, describe(&outcome).trim_end());
    }
    are_found
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Proven => "everything holds".to_owned(),
        Outcome::Refuted(violation, story) => {
            format!("no {}: {}.\n\n{story}", violation.property.name(), violation.what)
        }
        Outcome::TooLarge => "more states than are allowed".to_owned(),
        Outcome::Unsound(what) => format!("nothing is proven, for what looks alike is not: {what}."),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(" ")
}
