//! The hunt for the bugs that are planted in the core.

use std::process::ExitCode;

/// There is nothing to look for.
#[cfg(not(razor_planted))]
pub(crate) fn hunt(_: usize) -> ExitCode {
    eprintln!("no bugs are planted in this build: cargo explore --planted");
    ExitCode::FAILURE
}

/// Plants one bug after the other into what channels are made of, and prints where it is found first, in a table.
///
/// What is not found lies outside the bounds: in nodes, routes and listeners, in histories that change, in what only
/// another implementation notices.
#[cfg(razor_planted)]
pub(crate) fn hunt(limit: usize) -> ExitCode {
    use comfy_table::{Table, presets};
    use razor::planted::{Bug, Layer, plant};

    std::panic::set_hook(Box::new(|_| ()));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["bug", "requirement", "scenario", "what does not hold"]);
    let bugs = Bug::ALL.iter().filter(|bug| matches!(bug.layer(), Layer::Noise | Layer::Identity | Layer::Channel));
    let (mut found, mut all) = (0, 0);
    for bug in bugs {
        plant(Some(*bug));
        let first = search(limit);
        plant(None);
        all += 1;
        found += u32::from(first.is_some());
        let (scenario, what) = first.unwrap_or_default();
        table.add_row([&format!("{bug:?}"), bug.requirement(), &scenario, &what]);
    }
    println!("{}\n\n{found} of {all} are found.", table.trim_fmt());
    ExitCode::SUCCESS
}

/// The first scenario in which something does not hold, and what.
#[cfg(razor_planted)]
fn search(limit: usize) -> Option<(String, String)> {
    use razor_explore::suite::Masked;
    use razor_explore::{Habits, Outcome, Scenario, explore};

    Scenario::small().into_iter().find_map(|scenario| {
        let name = scenario.name.to_owned();
        let run = std::panic::AssertUnwindSafe(|| explore::<Masked>(scenario, Habits::default(), limit));
        let what = match std::panic::catch_unwind(run) {
            Ok((Outcome::Proven, _)) => return None,
            Ok((Outcome::Refuted(violation, _), _)) => violation.property.name().to_owned(),
            Ok((Outcome::TooLarge, _)) => "an end of the states".to_owned(),
            Ok((Outcome::Unsound(_), _)) => "that what looks alike is alike".to_owned(),
            Err(_) => "no panic".to_owned(),
        };
        Some((name, what))
    })
}
