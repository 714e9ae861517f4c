//! What a campaign came to, for people; `swarm` and `merge` print the same.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use razor_sim::campaign::ENOUGH;
use razor_sim::{Results, Situation};

use super::family::replay;

/// Of each property, so many failures are printed.
const SHOWN: usize = 5;

/// Prints results: what was reached, what was refused, what does not hold, the sum. Says whether every property held, and
/// whatever ought to happen did.
pub(super) fn print(results: &Results, allow_unreached: bool) -> bool {
    let Results { build, swarm, shards, outcome, .. } = results;
    crate::out!("{}", situations(results));
    let mut text = String::new();
    for (property, failures) in &outcome.failures {
        let _ = writeln!(text, "\nFAILED {property}: in {} of {} worlds", failures.worlds, outcome.worlds);
        for failure in failures.first.iter().take(SHOWN) {
            let _ = writeln!(text, "  {failure}\n    see it with: {}", replay(swarm, failure.seed));
        }
        if failures.worlds > SHOWN as u64 {
            let _ = writeln!(text, "  and {} more; --json lists them", failures.worlds - SHOWN as u64);
        }
    }
    let unreached = results.unreached();
    if !unreached.is_empty() {
        let _ = writeln!(text, "\nNEVER reached, and {ENOUGH} worlds ought to reach everything:");
        for situation in &unreached {
            let _ = writeln!(text, "  {situation}");
        }
    }
    let presets: Vec<_> = outcome.presets.iter().map(|(preset, worlds)| format!("{worlds} {preset}")).collect();
    let _ = writeln!(text, "\nworlds    {}", presets.join(", "));
    let refusals: Vec<_> = outcome.refusals.iter().map(|(id, times)| format!("{id} {times}")).collect();
    let _ = writeln!(text, "refusals  {}", if refusals.is_empty() { "none".into() } else { refusals.join(", ") });
    let _ = writeln!(text, "campaign  {swarm}");
    if shards.of > 1 {
        let done: Vec<_> = shards.done.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "shards    {} of {}", done.join(", "), shards.of);
    }
    let _ = writeln!(
        text,
        "sums      {} arrivals, {} messages delivered, {} attacks, {} states compared",
        outcome.arrivals, outcome.deliveries, outcome.attacks, outcome.guarded
    );
    let _ = writeln!(text, "build     {build}");
    let (seconds, rate) = (outcome.elapsed.as_secs_f64(), outcome.rate());
    let _ = writeln!(text, "took      {seconds:.1} s, {rate:.1} worlds per second");
    let holds = if outcome.passed() { "every property holds" } else { "NOT every property holds" };
    let _ = writeln!(text, "{holds}: {} worlds, {} failed", outcome.worlds, outcome.failed);
    crate::out!("{text}");
    outcome.passed() && (allow_unreached || unreached.is_empty())
}

/// Every situation: in how many worlds, and where first.
fn situations(results: &Results) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["situation", "worlds", "first seed"]);
    // What never happened comes last, where it is seen.
    let reached = |situation: &&Situation| results.outcome.situations.contains_key(situation);
    let (some, none): (Vec<_>, Vec<_>) = Situation::ALL.iter().partition(reached);
    for situation in some.into_iter().chain(none) {
        let [worlds, first] = match results.outcome.situations.get(situation) {
            Some(reached) => [reached.worlds.to_string(), reached.first.to_string()],
            None => ["never".into(), String::new()],
        };
        table.add_row([situation.to_string(), worlds, first]);
    }
    for column in 1..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}
