//! The mutation proof: bugs are planted in the core, and the simulator's worlds have to find each of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use clap::Args;
use serde_json::Value;

use crate::{Outcome, succeed};

/// The table of the last whole hunt, for the guide.
const TABLE: &str = "docs/planted-table.md";

/// Where the core is built with bugs.
const BUILD: &str = "target/planted";

/// What to hunt, and how far.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The bugs to hunt; all of them, if none is named
    bugs: Vec<String>,
    /// In how many worlds each bug is looked for
    #[arg(long, value_name = "N", default_value_t = 640)]
    seeds: u64,
    /// On how many threads; as many as there are cores, unless it is said
    #[arg(long, value_name = "J")]
    jobs: Option<usize>,
    /// Write the table for the guide, or the lines of the bugs that are named
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Only look whether each bug of the guide's table is found where the table says that it was found first
    #[arg(long, conflicts_with_all = ["bugs", "seeds"])]
    check: bool,
}

/// What became of the hunt for one bug, or for none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    bug: String,
    layer: String,
    requirement: String,
    what: String,
    seeds: u64,
    found: u64,
    first: Option<u64>,
    detail: String,
    properties: BTreeMap<String, u64>,
    presets: Vec<String>,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let properties = value["properties"].as_object()?.iter();
        Some(Self {
            bug: text("bug"),
            layer: text("layer"),
            requirement: text("requirement"),
            what: text("what"),
            seeds: value["seeds"].as_u64()?,
            found: value["found"].as_u64()?,
            first: value["first"].as_u64(),
            detail: text("detail"),
            properties: properties.map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect::<Option<_>>()?,
            presets: value["presets"].as_array()?.iter().filter_map(|preset| Some(preset.as_str()?.into())).collect(),
        })
    }

    /// Whether it is as it should be: a bug is found, and where there is none nothing is.
    fn is_right(&self) -> bool {
        (self.found > 0) == (self.bug != "none")
    }

    /// The properties that did not hold, most often first, with how often.
    fn properties(&self) -> String {
        let mut properties: Vec<_> = self.properties.iter().collect();
        properties.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        properties.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// Its line in the table of the guide.
    fn line(&self) -> String {
        let Self { bug, layer, requirement, what, found, seeds, .. } = self;
        let first = self.first.map_or("never".to_owned(), |seed| seed.to_string());
        let (properties, presets) = (self.properties(), self.presets.join(", "));
        format!(
            "| `{bug}` | {layer} | {what} | {requirement} | {found} of {seeds} | {first} | {properties} | {presets} |"
        )
    }

    fn print(&self) {
        let Self { bug, layer, requirement, found, seeds, detail, .. } = self;
        let first = self.first.map_or("-".to_owned(), |seed| seed.to_string());
        let (properties, presets) = (self.properties(), self.presets.join(" "));
        println!(
            "{bug:<28} {layer:<9} {requirement:<7} {found:>4} of {seeds:<4} first {first:<5} {properties}; {presets}"
        );
        if !self.is_right() {
            println!("    {}", if *found == 0 { "NOT FOUND" } else { detail });
        }
    }
}

/// Hunts.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let targets = if options.check {
        let table = fs::read_to_string(root.join(TABLE))?;
        let firsts = lines(&table).into_iter().filter_map(|(bug, _)| Some((first(&table, &bug)?, bug)));
        firsts.flat_map(|(seed, bug)| [format!("none={seed}"), format!("{bug}={seed}")]).collect()
    } else {
        options.bugs.clone()
    };
    let rows = hunt(root, options.seeds, jobs, &targets)?;
    if options.update {
        let before = fs::read_to_string(root.join(TABLE)).unwrap_or_default();
        let bugs = bugs(&fs::read_to_string(root.join("impl/core/src/planted.rs"))?);
        fs::write(root.join(TABLE), markdown(&rows, &before, &bugs))?;
    }
    let wrong: Vec<&str> = rows.iter().filter(|row| !row.is_right()).map(|row| row.bug.as_str()).collect();
    let bugs = rows.iter().filter(|row| row.bug != "none").count();
    println!("{bugs} bugs, {} worlds", rows.iter().map(|row| row.seeds).sum::<u64>());
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as it should be: {}", wrong.join(", ")).into()) }
}

/// Builds the hunt with bugs in the core, and lets it loose.
fn hunt(root: &Path, seeds: u64, jobs: usize, targets: &[String]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--quiet", "--release", "--locked", "--package", "razor-sim"]);
    cargo.args(["--bin", "planted", "--target-dir", BUILD]).env("RUSTFLAGS", "--cfg razor_planted");
    succeed(&mut cargo)?;
    let mut command = Command::new(root.join(BUILD).join("release/planted"));
    command.args([seeds.to_string(), jobs.to_string()]).args(targets).stdout(Stdio::piped());
    let mut hunt = command.spawn()?;
    let mut rows = Vec::new();
    for line in BufReader::new(hunt.stdout.take().ok_or("the hunt says nothing")?).lines() {
        let row = Row::read(&line?).ok_or("the hunt says something else than lines of results")?;
        row.print();
        rows.push(row);
    }
    let status = hunt.wait()?;
    if status.success() { Ok(rows) } else { Err(format!("the hunt ended with {status}").into()) }
}

/// The table of the guide: a line for each of these bugs, in this order, from the new rows or as it was before.
fn markdown(rows: &[Row], before: &str, bugs: &[String]) -> String {
    let mut text = "<!-- Written by `cargo planted --update`. -->\n\n\
        | bug | layer | what is wrong | violates | found in | first seed | which property fails, in how many worlds | presets |\n\
        |---|---|---|---|---:|---:|---|---|\n"
        .to_owned();
    let before = lines(before);
    for bug in bugs {
        let new = rows.iter().find(|row| row.bug == *bug).map(Row::line);
        let old = || before.iter().find(|(name, _)| name == bug).map(|(_, line)| line.clone());
        if let Some(line) = new.or_else(old) {
            text += &line;
            text.push('\n');
        }
    }
    text
}

/// The lines of a table that are about bugs, by bug.
fn lines(table: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let bug = line.strip_prefix("| `")?.split_once('`')?.0;
        Some((bug.to_owned(), line.to_owned()))
    };
    table.lines().filter_map(line).collect()
}

/// The first seed that finds a bug, if the table has one.
fn first(table: &str, bug: &str) -> Option<u64> {
    let (_, line) = lines(table).into_iter().find(|(name, _)| name == bug)?;
    line.split('|').nth(6)?.trim().parse().ok()
}

/// The bugs of the core's list by name, in its order: a variant, then the requirement that it violates.
fn bugs(source: &str) -> Vec<String> {
    list(source).into_iter().map(|(bug, _)| hyphenated(&bug)).collect()
}

/// The list of bugs in the core's source: variants and requirements.
fn list(source: &str) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let (bug, requirement) = line.trim().strip_suffix("\",")?.split_once(" \"")?;
        let is_name = bug.starts_with(char::is_uppercase) && bug.chars().all(char::is_alphanumeric);
        is_name.then(|| (bug.to_owned(), requirement.to_owned()))
    };
    source.lines().filter_map(entry).collect()
}

fn hyphenated(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::{Spec, files};
    use crate::root;

    fn committed() -> Vec<(String, String)> {
        list(&fs::read_to_string(root().join("impl/core/src/planted.rs")).unwrap())
    }

    #[test]
    fn each_bug_is_made_at_exactly_one_place_and_each_place_makes_a_bug() {
        let mut places = BTreeMap::<String, u64>::new();
        for path in files(&root().join("impl/core/src"), "rs").unwrap() {
            if path.ends_with("planted.rs") {
                continue;
            }
            let source = fs::read_to_string(path).unwrap();
            for place in source.split("planted!(").skip(1) {
                *places.entry(place[..place.find(')').unwrap()].to_owned()).or_default() += 1;
            }
        }
        assert!(places.values().all(|count| *count == 1), "{places:?}");
        let mut bugs: Vec<String> = committed().into_iter().map(|(bug, _)| bug).collect();
        bugs.sort();
        assert_eq!(bugs, places.into_keys().collect::<Vec<_>>());
        assert!(bugs.len() >= 45, "{} bugs", bugs.len());
    }

    #[test]
    fn each_bug_violates_a_requirement_that_there_is() {
        let spec = Spec::read(&root()).unwrap();
        for (bug, id) in committed() {
            let requirement = spec.requirements.iter().find(|requirement| requirement.id == id);
            assert!(requirement.is_some_and(|requirement| requirement.is_binding()), "{bug}: {id}");
        }
    }

    #[test]
    fn the_table_in_the_guide_has_every_bug_and_a_seed_that_finds_it() {
        let table = fs::read_to_string(root().join(TABLE)).unwrap();
        let bugs: Vec<String> = lines(&table).into_iter().map(|(bug, _)| bug).collect();
        assert_eq!(bugs, committed().iter().map(|(bug, _)| hyphenated(bug)).collect::<Vec<_>>());
        assert!(bugs.iter().all(|bug| first(&table, bug).is_some()));
    }

    #[test]
    fn a_row_is_read_printed_as_markdown_and_found_again() {
        let line = r#"{"bug":"takes-replays","layer":"channel","requirement":"CHN-14","what":"A nonce.","seeds":140,
            "found":3,"first":7,"detail":"twice","properties":{"at most once":2,"agreement":1},"presets":["lossy","swarm"]}"#;
        let row = Row::read(line).unwrap();
        assert!(row.is_right());
        let bugs = ["trusts-everyone", "takes-replays"].map(str::to_owned);
        let text = markdown(std::slice::from_ref(&row), "", &bugs);
        let line = "| `takes-replays` | channel | A nonce. | CHN-14 | 3 of 140 | 7 | at most once 2, agreement 1 | lossy, swarm |";
        assert_eq!(lines(&text), [("takes-replays".to_owned(), line.to_owned())]);
        assert_eq!((first(&text, "takes-replays"), first(&text, "trusts-everyone")), (Some(7), None));
        let other = Row { bug: "trusts-everyone".into(), ..row };
        let text = markdown(&[other], &text, &bugs);
        assert_eq!(lines(&text).into_iter().map(|(bug, _)| bug).collect::<Vec<_>>(), bugs);
        assert!(text.contains(line));
    }
}
