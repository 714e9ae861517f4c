//! One search for attacks: on a model, on its broken twin, or on the model without one of its checks.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::model::{Check, Expected, Model, Pair, Query};
use super::tool::{self, Finding, Verdict};

/// How much of what an attacker achieves the table shows, in characters.
const LINE: usize = 90;

/// One search.
pub(super) struct Trial<'a> {
    pub(super) name: String,
    sessions: u8,
    /// The model as it should be.
    whole: &'a Model,
    kind: Kind<'a>,
}

/// What is searched.
enum Kind<'a> {
    Whole,
    Twin(&'a Model),
    Without(&'a Check),
}

/// All searches of a model: with so many sessions, or with as many as it says. What is broken takes what its attacks take.
pub(super) fn of(Pair { model: whole, twin }: &Pair, sessions: Option<u8>) -> Vec<Trial<'_>> {
    let trial = |name: String, sessions, kind| Trial { name, sessions, whole, kind };
    let mut trials = vec![
        trial(whole.name().to_owned(), sessions.unwrap_or(whole.sessions), Kind::Whole),
        trial(twin.name().to_owned(), twin.sessions, Kind::Twin(twin)),
    ];
    trials.extend(whole.checks.iter().map(|check| {
        trial(format!("{} without line {}", whole.name(), check.line), twin.sessions, Kind::Without(check))
    }));
    trials
}

impl Trial<'_> {
    /// Runs the tool on a file that it writes into the folder.
    pub(super) fn run(&self, folder: &Path, most: Duration) -> Result<Finding, Box<dyn Error>> {
        let text = match self.kind {
            Kind::Whole => self.whole.text.clone(),
            Kind::Twin(twin) => twin.text.clone(),
            Kind::Without(check) => self.whole.without(check),
        };
        let path = folder.join(format!("{}.vp", self.name.replace(' ', "-")));
        fs::write(&path, text)?;
        tool::verify(&path, self.sessions, most)
    }

    /// The file whose queries are asked.
    fn asked(&self) -> &Model {
        match self.kind {
            Kind::Twin(twin) => twin,
            Kind::Whole | Kind::Without(_) => self.whole,
        }
    }

    /// A sentence for everything that was found otherwise than the files say.
    pub(super) fn surprises(&self, finding: &Finding) -> Vec<String> {
        let file = &self.asked().file;
        match self.kind {
            Kind::Without(Check { line, needed, .. }) => match (needed, self.telling(finding)) {
                (true, None) => {
                    vec![format!("{file}:{line}: no attack without this check, which is said to be needed")]
                }
                (false, Some(attack)) => {
                    vec![format!("{file}:{line}: an attack without this check, which is said to be spare: {attack}")]
                }
                _ => Vec::new(),
            },
            Kind::Whole | Kind::Twin(_) => {
                let judged = self.asked().queries.iter().filter_map(|query| surprise(query, finding));
                judged.map(|(line, sentence)| format!("{file}:{line}: {sentence}")).collect()
            }
        }
    }

    /// The first attack where the model as it should be has none.
    fn telling(&self, finding: &Finding) -> Option<String> {
        let queries = self.asked().queries.iter().zip(&self.whole.queries);
        let mut broken = queries.filter(|(_, whole)| whole.expected == Expected::Holds).map(|(query, _)| query);
        broken.find_map(|query| {
            let attack = verdict(query, finding)?.attack.as_ref()?;
            Some(if query.expected == Expected::Attack { query.claim.clone() } else { attack.clone() })
        })
    }

    /// One line of the table.
    pub(super) fn row(&self, finding: &Finding) -> [String; 6] {
        let attacks = finding.verdicts.iter().filter(|verdict| verdict.attack.is_some()).count();
        let found = match (attacks, self.telling(finding)) {
            (0, _) => "no attack".to_owned(),
            (_, None) => format!("{attacks} attacked, as stated; the others are not"),
            (_, Some(attack)) => format!("{attacks} attacked: {}", short(&attack)),
        };
        let requirements = match self.kind {
            Kind::Whole => &self.whole.requirements,
            Kind::Twin(twin) => &twin.requirements,
            Kind::Without(check) => &check.requirements,
        };
        let (queries, seconds) = (finding.verdicts.len().to_string(), format!("{:.1}", finding.time.as_secs_f64()));
        [self.name.clone(), self.sessions.to_string(), queries, seconds, found, requirements.join(" ")]
    }
}

fn verdict<'a>(query: &Query, finding: &'a Finding) -> Option<&'a Verdict> {
    finding.verdicts.iter().find(|verdict| verdict.line == query.line)
}

/// What was found otherwise than a query says, and the line of the query.
fn surprise(query: &Query, finding: &Finding) -> Option<(usize, String)> {
    let Query { line, expected, claim, .. } = query;
    let sentence = match (expected, verdict(query, finding)) {
        (_, None) => "the tool says nothing about it".to_owned(),
        (Expected::Holds, Some(Verdict { attack: Some(attack), .. })) => format!("an attack on `{claim}`: {attack}"),
        (Expected::Holds, Some(Verdict { exhausted: false, .. })) => {
            format!("the search was cut short, so that nothing is known about `{claim}`")
        }
        (Expected::Attack, Some(Verdict { attack: None, .. })) => {
            format!("no attack, and one is expected: `{claim}`")
        }
        _ => return None,
    };
    Some((*line, sentence))
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

    const WHOLE: &str = "// It is.\n// covers: ABC-1\n// twin: x.broken.vp\n// sessions: 2\nthe line // needed for ABC-1\n\
        queries[\nconfidentiality? m // holds: m is secret\nconfidentiality? n // attack: n is not\n]\n";

    const TWIN: &str = "// It is not.\n// breaks: ABC-1\n// twin of: x.vp\n// sessions: 1\n\n\
        queries[\nconfidentiality? m // attack: everybody has m\nconfidentiality? n // attack: n is not\n]\n";

    fn pair() -> Pair {
        let [model, twin] = [("x.vp", WHOLE), ("x.broken.vp", TWIN)].map(|(f, text)| Model::parse(f, text).unwrap());
        Pair { model, twin }
    }

    fn finding(attacks: [Option<&str>; 2], exhausted: bool) -> Finding {
        let verdict =
            |(line, attack): (usize, Option<&str>)| Verdict { line, attack: attack.map(str::to_owned), exhausted };
        Finding { verdicts: [7, 8].into_iter().zip(attacks).map(verdict).collect(), time: Duration::ZERO }
    }

    /// The surprises in the model, in its twin, and in the model without the check.
    fn surprises(attacks: [Option<&str>; 2], exhausted: bool) -> [Vec<String>; 3] {
        let pair = pair();
        let found = finding(attacks, exhausted);
        let all: Vec<_> = of(&pair, None).iter().map(|trial| trial.surprises(&found)).collect();
        all.try_into().unwrap()
    }

    #[test]
    fn a_model_is_searched_whole_broken_and_without_each_of_its_marked_checks() {
        let pair = pair();
        let names = |sessions| of(&pair, sessions).iter().map(|t| (t.name.clone(), t.sessions)).collect::<Vec<_>>();
        let [name, twin, without] = ["x", "x.broken", "x without line 5"].map(str::to_owned);
        assert_eq!(names(None), [(name.clone(), 2), (twin.clone(), 1), (without.clone(), 1)]);
        assert_eq!(names(Some(3)), [(name, 3), (twin, 1), (without, 1)]);
    }

    #[test]
    fn what_the_files_say_is_no_surprise() {
        assert_eq!(surprises([None, Some("n is obtained")], true)[0], Vec::<String>::new());
        assert_eq!(
            surprises([Some("m is obtained"), Some("n is obtained")], true)[1..],
            [Vec::<String>::new(), vec![]]
        );
    }

    #[test]
    fn an_attack_where_none_is_expected_and_none_where_one_is_are_surprises() {
        let [whole, ..] = surprises([Some("m is obtained"), None], true);
        let expected =
            ["x.vp:7: an attack on `m is secret`: m is obtained", "x.vp:8: no attack, and one is expected: `n is not`"];
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_twin_without_its_attack_and_a_check_that_is_not_needed_are_surprises() {
        let [_, twin, without] = surprises([None, Some("n is obtained")], true);
        assert_eq!(twin, ["x.broken.vp:7: no attack, and one is expected: `everybody has m`"]);
        assert_eq!(without, ["x.vp:5: no attack without this check, which is said to be needed"]);
    }

    #[test]
    fn an_attack_without_a_check_that_is_spare_is_a_surprise() {
        let mut pair = pair();
        pair.model.checks[0].needed = false;
        let wrong = |attack| of(&pair, None)[2].surprises(&finding([attack, Some("n is obtained")], true));
        assert_eq!(wrong(None), Vec::<String>::new());
        let sentence = "x.vp:5: an attack without this check, which is said to be spare: m is obtained";
        assert_eq!(wrong(Some("m is obtained")), [sentence]);
    }

    #[test]
    fn a_search_that_was_cut_short_and_a_query_without_a_verdict_are_surprises() {
        assert!(surprises([None, Some("n is obtained")], false)[0][0].starts_with("x.vp:7: the search was cut short"));
        let pair = pair();
        let nothing = Finding { verdicts: Vec::new(), time: Duration::ZERO };
        let counts: Vec<_> = of(&pair, None).iter().map(|trial| trial.surprises(&nothing).len()).collect();
        assert_eq!(counts, [2, 2, 1]);
    }

    #[test]
    fn the_table_tells_the_attack_that_the_model_as_it_should_be_does_not_have() {
        let pair = pair();
        let found = finding([Some("m is obtained"), Some("n is obtained")], true);
        let rows: Vec<_> = of(&pair, None).iter().map(|trial| trial.row(&found)[4].clone()).collect();
        assert_eq!(rows[1..], ["2 attacked: everybody has m", "2 attacked: m is obtained"]);
        let stated = of(&pair, None)[0].row(&finding([None, Some("n is obtained")], true))[4].clone();
        assert_eq!(stated, "1 attacked, as stated; the others are not");
    }

    #[test]
    fn a_long_attack_is_cut_between_letters() {
        assert_eq!(short("short"), "short");
        assert_eq!(short(&"ä".repeat(LINE + 1)), format!("{}...", "ä".repeat(LINE)));
    }
}
