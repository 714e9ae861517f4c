//! Runs the symbolic models of the specification, each with its broken twin, and holds what was found against what
//! they say is to be found.

mod model;
mod page;
mod tool;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

pub(crate) use model::{Pair, read};
pub(crate) use page::{cited, section, sources};

use crate::Outcome;
use crate::requirements::Spec;
use model::{Expected, FOLDER, Model, Query};
use tool::{Finding, Verdict};

/// How to get the tool.
const INSTALL: &str = "cargo install verifpal --version 1.6.7 --locked (spec/models/README.md says more)";

/// How much of what an attacker achieves the table shows, in characters.
const LINE: usize = 100;

/// Which models, and how hard.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these models, by name; a model brings its twin along
    models: Vec<String>,
    /// Fail if the tool is not installed
    #[arg(long)]
    require: bool,
    /// As many of each party side by side, whatever the models say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    sessions: Option<u8>,
    /// Give up a model after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    most: u64,
}

/// Checks what the models say of themselves; then, if the tool is there, runs them.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let known: BTreeSet<String> = Spec::read(root)?.requirements.into_iter().map(|r| r.id).collect();
    let mut pairs = read(root, &known)?;
    if let Some(unknown) = options.models.iter().find(|name| !pairs.iter().any(|pair| pair.model.name() == **name)) {
        return Err(format!("no model is called {unknown}").into());
    }
    pairs.retain(|pair| options.models.is_empty() || options.models.iter().any(|name| pair.model.name() == name));
    let Some(version) = tool::version()? else {
        let sentence = format!("not run: verifpal is not installed. To install it: {INSTALL}");
        if options.require {
            return Err(sentence.into());
        }
        println!("{sentence}");
        return Ok(());
    };
    println!("{version}: {} models, each with a broken twin", pairs.len());
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for model in pairs.iter().flat_map(|pair| [&pair.model, &pair.twin]) {
        let sessions = options.sessions.unwrap_or(model.sessions);
        eprintln!("{}", model.file);
        let finding = tool::verify(&root.join(FOLDER).join(&model.file), sessions, Duration::from_secs(options.most));
        match finding {
            Ok(finding) => {
                wrong.extend(surprises(model, &finding));
                rows.push(row(model, sessions, &finding));
            }
            Err(error) => wrong.push(format!("{}: {error}", model.file)),
        }
    }
    println!("{}", table(&rows));
    if !wrong.is_empty() {
        return Err(format!("\n{}", wrong.join("\n")).into());
    }
    let sessions: BTreeSet<u8> = pairs.iter().map(|pair| options.sessions.unwrap_or(pair.model.sessions)).collect();
    let sessions: Vec<String> = sessions.iter().map(u8::to_string).collect();
    println!(
        "\nNo attack was found where none is expected, with {} sessions of each party: that is a search, not a proof.\n\
         Every broken twin was attacked.",
        sessions.join(" or ")
    );
    Ok(())
}

/// A sentence for everything that was found otherwise than the model says.
fn surprises(model: &Model, Finding { verdicts, .. }: &Finding) -> Vec<String> {
    let mut wrong = Vec::new();
    for Query { line, expected, claim, .. } in &model.queries {
        let place = format!("{}:{line}", model.file);
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.line == *line as u64) else {
            wrong.push(format!("{place}: the tool says nothing about it"));
            continue;
        };
        match (expected, &verdict.attack) {
            (Expected::Holds, Some(attack)) => wrong.push(format!("{place}: an attack on `{claim}`: {attack}")),
            (Expected::Holds, None) if !verdict.exhausted => {
                wrong.push(format!("{place}: the search was cut short, so that nothing is known about `{claim}`"));
            }
            (Expected::Attack, None) => wrong.push(format!("{place}: no attack, and one is expected: `{claim}`")),
            _ => {}
        }
    }
    wrong
}

/// One line of the table.
fn row(model: &Model, sessions: u8, Finding { verdicts, time }: &Finding) -> [String; 6] {
    let attacks: Vec<&str> = verdicts.iter().filter_map(|Verdict { attack, .. }| attack.as_deref()).collect();
    let found = match attacks[..] {
        [] => "no attack".to_owned(),
        [one] => format!("1 attack: {}", short(one)),
        [first, ..] => format!("{} attacks: {}", attacks.len(), short(first)),
    };
    [
        model.name().to_owned(),
        sessions.to_string(),
        verdicts.len().to_string(),
        format!("{:.1}", time.as_secs_f64()),
        found,
        model.requirements.join(" "),
    ]
}

fn table(rows: &[[String; 6]]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "model",
        "sessions",
        "queries",
        "seconds",
        "found",
        "requirements, or in a twin those it breaks",
    ]);
    table.add_rows(rows);
    table.column_iter_mut().skip(1).take(3).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// The beginning of a sentence.
fn short(sentence: &str) -> String {
    match sentence.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}...", &sentence[..end]),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "// It is.\n// covers: ABC-1\n// twin: x.broken.vp\n// sessions: 1\nqueries[\n\
        confidentiality? m // holds: m is secret\nconfidentiality? n // attack: n is not\n]\n";

    fn finding(attacks: [Option<&str>; 2], exhausted: bool) -> Finding {
        let verdict =
            |(line, attack): (u64, Option<&str>)| Verdict { line, attack: attack.map(str::to_owned), exhausted };
        Finding { verdicts: [6, 7].into_iter().zip(attacks).map(verdict).collect(), time: Duration::ZERO }
    }

    fn wrong(attacks: [Option<&str>; 2], exhausted: bool) -> Vec<String> {
        surprises(&Model::parse("x.vp", MODEL).unwrap(), &finding(attacks, exhausted))
    }

    #[test]
    fn what_is_expected_is_no_surprise() {
        assert_eq!(wrong([None, Some("n is obtained")], true), Vec::<String>::new());
    }

    #[test]
    fn an_attack_where_none_is_expected_and_none_where_one_is_are_surprises() {
        let expected =
            ["x.vp:6: an attack on `m is secret`: m is obtained", "x.vp:7: no attack, and one is expected: `n is not`"];
        assert_eq!(wrong([Some("m is obtained"), None], true), expected);
    }

    #[test]
    fn a_search_that_was_cut_short_and_a_query_without_a_verdict_are_surprises() {
        assert!(wrong([None, Some("n is obtained")], false)[0].starts_with("x.vp:6: the search was cut short"));
        let model = Model::parse("x.vp", MODEL).unwrap();
        let nothing = Finding { verdicts: Vec::new(), time: Duration::ZERO };
        assert_eq!(surprises(&model, &nothing).len(), 2);
    }

    #[test]
    fn a_long_attack_is_cut_between_letters() {
        assert_eq!(short("short"), "short");
        assert_eq!(short(&"ä".repeat(LINE + 1)), format!("{}...", "ä".repeat(LINE)));
    }
}
