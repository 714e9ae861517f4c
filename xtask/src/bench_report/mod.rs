//! The benchmarks in one run, held against the bars of the design: a table, a page with plots, and JSON.
//!
//! | file | what |
//! |---|---|
//! | `measures` | runs the benchmarks and reads what they measured |
//! | `bars` | what is put beside what, and which ratio the design asks for |
//! | `machine` | on what it was measured, with which versions |
//! | `page` | the report as HTML |

mod bars;
mod machine;
mod measures;
mod page;

use std::fs;
use std::path::Path;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use crate::Outcome;
use bars::{Rates, Row};
use machine::Machine;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take fewer samples: a minute instead of ten, and times that are less certain
    #[arg(long)]
    quick: bool,
    /// Measure the ciphers of AWS-LC too, and have them under the channels over TCP
    #[arg(long)]
    aws_lc: bool,
    /// Fail if a bar does not hold that does not depend on the clock: instructions, memory, allocations
    #[arg(long)]
    check: bool,
    /// Measure nothing; make the report of the measurements that are there
    #[arg(long)]
    again: bool,
}

/// Everything that the report says.
struct Report {
    machine: Machine,
    rows: Vec<Row>,
    /// Who seals and opens how fast.
    throughput: Vec<(&'static str, Rates)>,
    /// What could not be measured, and why.
    missing: Vec<String>,
}

/// Runs the benchmarks and writes the report below `target/bench-report`.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let folder = root.join("target/bench-report");
    let (machine, measures) = if options.again {
        measures::Measures::read(&folder)?
    } else {
        let before = machine::load();
        let measures = measures::Measures::take(root, &folder, options)?;
        let machine = Machine::describe(root, before, options)?;
        measures.keep(&folder, &machine)?;
        (machine, measures)
    };
    let (rows, throughput) = (bars::rows(&measures), bars::throughput(&measures));
    let report = Report { machine, rows, throughput, missing: measures.missing };
    println!("\n{}", report.table());
    for line in report.machine.lines().into_iter().chain(report.missing.iter().cloned()) {
        println!("{line}");
    }
    fs::write(folder.join("report.json"), format!("{:#}\n", report.json()))?;
    fs::write(folder.join("index.html"), page::render(&report))?;
    println!("\nwritten: target/bench-report/index.html and report.json");
    let broken: Vec<_> = report.rows.iter().filter(|row| row.is_steady() && row.holds() == Some(false)).collect();
    match (options.check, &broken[..]) {
        (true, [first, ..]) => Err(format!("{} bars do not hold, the first: {}", broken.len(), first.what()).into()),
        _ => Ok(()),
    }
}

const COLUMNS: [&str; 6] = ["what", "measured", "beside", "ratio", "bar", "holds"];

impl Report {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(COLUMNS);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        for index in [1, 3] {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "machine": self.machine.json(),
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "missing": self.missing,
        })
    }
}
