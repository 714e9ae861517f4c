//! The findings of the public review of the protocols, each attacked. The tables in `docs/findings.md` say by which
//! scenario, and what has to come of it; the scenarios are plans in `sim/plans/findings`.

mod archivist;
mod equivocation;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use razor_sim::{Report, Seed, Situation, Sketch};

/// How many worlds are made of each scenario.
const WORLDS: u64 = 4;

/// A row of one of the tables.
#[derive(Debug)]
struct Row {
    finding: String,
    scenario: String,
    refused_by: Vec<String>,
    catches: Vec<String>,
    reached: Situation,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn plans() -> PathBuf {
    root().join("sim/plans/findings")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All rows that name a scenario.
fn rows() -> Vec<Row> {
    let words = |cell: &str| {
        let words = cell.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty() && *word != "–");
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [finding, _, scenario, refused_by, catches, reached] = cells[..] else { return None };
        let scenario = scenario.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let known = Situation::ALL.iter().find(|situation| situation.to_string() == reached);
        let reached = *known.unwrap_or_else(|| panic!("no situation is called {reached:?}"));
        let (refused_by, catches) = (words(refused_by), words(catches));
        Some(Row { finding: finding.to_owned(), scenario, refused_by, catches, reached })
    };
    read(root().join("docs/findings.md")).lines().filter_map(row).collect()
}

fn world(scenario: &str, seed: u64) -> Report {
    let sketch = Sketch::parse(&read(plans().join(scenario).with_extension("toml")));
    let plan = sketch.and_then(|sketch| sketch.draw(Seed(seed))).unwrap_or_else(|error| panic!("{scenario}: {error}"));
    razor_sim::world(plan).run()
}

#[test]
fn the_tables_and_the_scenarios_agree() {
    let rows = rows();
    let named: BTreeSet<_> = rows.iter().map(|row| row.scenario.clone()).collect();
    let there: BTreeSet<_> = fs::read_dir(plans())
        .expect("a folder of plans")
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(named, there);
    for number in 1..=6 {
        assert!(rows.iter().any(|row| row.finding == format!("TOB-OCK-{number}")), "TOB-OCK-{number}");
    }
    let chapters = fs::read_dir(root().join("spec/src")).expect("the specification");
    let spec: String = chapters.filter_map(|entry| Some(read(entry.ok()?.path()))).collect();
    let bugs = read(root().join("impl/core/src/planted.rs"));
    for Row { finding, refused_by, catches, .. } in &rows {
        for id in refused_by {
            assert!(spec.contains(&format!("\n#### {id}\n")), "{finding}: {id}");
        }
        for bug in catches {
            let name: String = bug.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            assert!(bugs.contains(&format!(" {name} \"")), "{finding}: {bug}");
        }
    }
}

#[test]
fn every_attack_happens_and_every_property_holds() {
    let mut scenarios = BTreeMap::<_, Vec<_>>::new();
    for row in rows() {
        scenarios.entry(row.scenario.clone()).or_default().push(row);
    }
    let mut wrong = Vec::new();
    for (scenario, rows) in scenarios {
        let reports: Vec<_> = (0..WORLDS).map(|seed| world(&scenario, seed)).collect();
        for report in &reports {
            wrong.extend(report.violations.iter().map(|violation| format!("{scenario} {}: {violation}", report.seed)));
        }
        for Row { finding, refused_by, reached, .. } in rows {
            if !reports.iter().any(|report| report.situations.contains(&reached)) {
                wrong.push(format!("{scenario} ({finding}): never {reached}"));
            }
            let refused = |id: &&String| reports.iter().any(|report| report.refusals.contains_key(id.as_str()));
            for id in refused_by.iter().filter(|id| !refused(id)) {
                wrong.push(format!("{scenario} ({finding}): nothing was refused by {id}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[cfg(razor_planted)]
#[test]
fn every_planted_bug_is_noticed_by_the_scenario_that_is_said_to_catch_it() {
    use razor::planted::{Bug, plant};

    std::panic::set_hook(Box::new(|_| ()));
    let noticed = |scenario: &str, bug: Bug, seed| {
        plant(Some(bug));
        let outcome = std::panic::catch_unwind(|| world(scenario, seed));
        plant(None);
        outcome.map_or(true, |report| !report.passed())
    };
    let missed = rows().into_iter().flat_map(|row| {
        let bugs = row.catches.into_iter();
        let missed = bugs.filter(|name| {
            let bug = name.parse().expect("a bug's name");
            !(0..2 * WORLDS).any(|seed| noticed(&row.scenario, bug, seed))
        });
        missed.map(|bug| format!("{} ({}): {bug}", row.scenario, row.finding)).collect::<Vec<_>>()
    });
    let missed: Vec<_> = missed.collect();
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not noticed:\n{}", missed.join("\n"));
}
