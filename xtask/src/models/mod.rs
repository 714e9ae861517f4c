//! Runs the symbolic models of the specification, each with its broken twin, and holds what was found against what
//! they say is to be found.

mod model;
mod page;
mod tool;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

pub(crate) use model::{Pair, read};
pub(crate) use page::{cited, section, sources};

use crate::Outcome;
use crate::requirements::Spec;
use model::{Expected, Model, Needed, Query};
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
    let mut campaign = Campaign { options, folder: root.join("target/models"), rows: Vec::new(), wrong: Vec::new() };
    fs::create_dir_all(&campaign.folder)?;
    for Pair { model, twin } in &pairs {
        let sessions = options.sessions.unwrap_or(model.sessions);
        campaign.attack(model.name(), model, &model.text, sessions, &model.requirements, surprises)?;
        campaign.attack(twin.name(), twin, &twin.text, twin.sessions, &twin.requirements, surprises)?;
        for line in &model.needed {
            let name = format!("{} without line {}", model.name(), line.line);
            let check = |model: &Model, found: &Finding| idle(model, line, found).into_iter().collect();
            campaign.attack(&name, model, &model.without(line), twin.sessions, &line.requirements, check)?;
        }
    }
    println!("{}", table(&campaign.rows));
    if !campaign.wrong.is_empty() {
        return Err(format!("\n{}", campaign.wrong.join("\n")).into());
    }
    let sessions: BTreeSet<u8> = pairs.iter().map(|pair| options.sessions.unwrap_or(pair.model.sessions)).collect();
    let sessions: Vec<String> = sessions.iter().map(u8::to_string).collect();
    println!(
        "\nNo attack was found where none is expected, with {} sessions of each party: that is a search, not a proof.\n\
         Every broken twin was attacked, and every model from which a line was taken that it is said to need.",
        sessions.join(" or ")
    );
    Ok(())
}

/// What was found so far.
struct Campaign<'a> {
    options: &'a Options,
    /// Where texts are written before they are run.
    folder: PathBuf,
    rows: Vec<[String; 6]>,
    wrong: Vec<String>,
}

impl Campaign<'_> {
    /// Looks for attacks on a model or on a changed text of it, and for what is wrong with what was found.
    fn attack(
        &mut self,
        name: &str,
        model: &Model,
        text: &str,
        sessions: u8,
        requirements: &[String],
        check: impl Fn(&Model, &Finding) -> Vec<String>,
    ) -> Outcome {
        eprintln!("{name}");
        let path = self.folder.join(format!("{}.vp", name.replace(' ', "-")));
        fs::write(&path, text)?;
        match tool::verify(&path, sessions, Duration::from_secs(self.options.most)) {
            Ok(finding) => {
                self.wrong.extend(check(model, &finding));
                self.rows.push(row(name, sessions, requirements, model, &finding));
            }
            Err(error) => self.wrong.push(format!("{name}: {error}")),
        }
        Ok(())
    }
}

/// A sentence for everything that was found otherwise than the model says.
fn surprises(model: &Model, Finding { verdicts, .. }: &Finding) -> Vec<String> {
    let mut wrong = Vec::new();
    for Query { line, expected, claim, .. } in &model.queries {
        let place = format!("{}:{line}", model.file);
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.line == *line) else {
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

/// A sentence if all holds that is expected to hold, although a line was taken away.
fn idle(model: &Model, needed: &Needed, Finding { verdicts, .. }: &Finding) -> Option<String> {
    let held = |query: &&Query| query.expected == Expected::Holds;
    let attacked = |query: &Query| verdicts.iter().any(|v| v.line == query.line && v.attack.is_some());
    let sentence = format!("{}:{}: no attack without this line, which is said to be needed", model.file, needed.line);
    (!model.queries.iter().filter(held).any(attacked)).then_some(sentence)
}

/// One line of the table. The first attack is told in the words of the model, or of the tool if the model has none.
fn row(name: &str, sessions: u8, requirements: &[String], model: &Model, finding: &Finding) -> [String; 6] {
    let mut attacks = finding.verdicts.iter().filter_map(|verdict| Some((verdict.line, verdict.attack.as_deref()?)));
    let found = attacks.clone().count();
    let found = match attacks.next() {
        None => "no attack".to_owned(),
        Some((line, attack)) => {
            let expected = model.queries.iter().find(|query| query.line == line && query.expected == Expected::Attack);
            format!("{found} attacked: {}", short(expected.map_or(attack, |query| &query.claim)))
        }
    };
    let (queries, seconds) = (finding.verdicts.len().to_string(), format!("{:.1}", finding.time.as_secs_f64()));
    [name.to_owned(), sessions.to_string(), queries, seconds, found, requirements.join(" ")]
}

fn table(rows: &[[String; 6]]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["model", "sessions", "queries", "seconds", "found", "requirements, or those that are broken"]);
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
            |(line, attack): (usize, Option<&str>)| Verdict { line, attack: attack.map(str::to_owned), exhausted };
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
    fn a_line_that_can_be_taken_away_without_an_attack_is_not_needed() {
        let model = Model::parse("x.vp", MODEL).unwrap();
        let line = Needed { line: 5, requirements: Vec::new() };
        assert_eq!(idle(&model, &line, &finding([Some("m is obtained"), Some("n is obtained")], true)), None);
        assert!(
            idle(&model, &line, &finding([None, Some("n is obtained")], true))
                .unwrap()
                .starts_with("x.vp:5: no attack")
        );
    }

    #[test]
    fn a_long_attack_is_cut_between_letters() {
        assert_eq!(short("short"), "short");
        assert_eq!(short(&"ä".repeat(LINE + 1)), format!("{}...", "ä".repeat(LINE)));
    }
}
