//! Progress bars, the final table, and its JSON form.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use razor_vectors::{Progress, Row};
use serde::Serialize;

use super::Outcome;
use crate::failure::{Failure, Result, quoted};

/// Failures of one group that are shown in full.
const SHOWN: usize = 5;

/// Progress bars on standard error; nothing when that is no terminal.
#[derive(Debug)]
pub(super) struct Bars(MultiProgress);

/// One progress bar.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bars {
    pub(super) fn new() -> Self {
        Self(MultiProgress::new())
    }

    pub(super) fn add(&self, name: &str, about: &str) -> Bar {
        let bar = self.0.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{prefix:26} [{bar:24}] {pos:>6}/{len:<6} {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.set_message(about.to_owned());
        Bar(bar)
    }
}

impl Bar {
    pub(super) fn show(&self, progress: Progress) {
        self.0.set_length(progress.total as u64);
        self.0.set_position(progress.done as u64);
    }

    pub(super) fn finish(self) {
        self.0.finish_and_clear();
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Totals {
    checked: usize,
    failed: usize,
    not_yet: usize,
    outside: usize,
}

impl Totals {
    fn of(rows: &[Row]) -> Self {
        rows.iter().fold(Self::default(), |sum, row| Self {
            checked: sum.checked + row.checked,
            failed: sum.failed + row.failed.len(),
            not_yet: sum.not_yet + row.not_yet_count(),
            outside: sum.outside + row.outside_count(),
        })
    }
}

/// The machine-readable answer.
#[derive(Serialize)]
struct Answer<'a> {
    version: u8,
    holds: bool,
    seconds: f64,
    totals: Totals,
    rows: &'a [Row],
}

/// The answer as JSON.
pub(super) fn json(outcome: &Outcome) -> Result<String> {
    let totals = Totals::of(&outcome.rows);
    let seconds = outcome.took.as_secs_f64();
    let answer = Answer { version: 1, holds: totals.failed == 0, seconds, totals, rows: &outcome.rows };
    serde_json::to_string_pretty(&answer).map_err(|e| Failure::failed(format!("the report cannot be written: {e}")))
}

/// The answer for people: the table, what failed and how to repeat it, what is not yet checked.
pub(super) fn table(outcome: &Outcome, repeat: &str) -> String {
    let totals = Totals::of(&outcome.rows);
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["source", "group", "checked", "failed", "not yet", "outside"]);
    for row in &outcome.rows {
        table.add_row([
            row.source.clone(),
            row.group.clone(),
            row.checked.to_string(),
            row.failed.len().to_string(),
            row.not_yet_count().to_string(),
            row.outside_count().to_string(),
        ]);
    }
    table.add_row([
        "total".into(),
        String::new(),
        totals.checked.to_string(),
        totals.failed.to_string(),
        totals.not_yet.to_string(),
        totals.outside.to_string(),
    ]);
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = format!("{table}\n");
    // Writing to a string cannot fail.
    for row in &outcome.rows {
        for waiting in &row.not_yet {
            let _ = writeln!(out, "not yet: {} of {} {}: {}", waiting.count, row.source, row.group, waiting.reason);
        }
        for outside in &row.outside {
            let _ = writeln!(out, "outside: {} of {} {}: {}", outside.count, row.source, row.group, outside.reason);
        }
    }
    for (row, selector) in outcome.rows.iter().zip(&outcome.selectors) {
        for failure in row.failed.iter().take(SHOWN) {
            let _ = writeln!(out, "FAILED: {} {}: {failure}", row.source, row.group);
        }
        if row.failed.len() > SHOWN {
            let _ = writeln!(out, "        and {} more; --json lists them all", row.failed.len() - SHOWN);
        }
        if !row.holds() {
            let _ = writeln!(out, "        repeat with: razor verify --only {} {repeat}", quoted(selector));
        }
    }
    let verdict = if totals.failed == 0 { "everything that was checked holds" } else { "NOT everything holds" };
    let _ = writeln!(
        out,
        "{verdict}: {} checked, {} failed, {} not yet, in {}",
        totals.checked,
        totals.failed,
        totals.not_yet,
        seconds(outcome.took)
    );
    out
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
