//! Razor's own vectors: one file per kind, made by the generator from fixed seeds, checked here.
//!
//! A file is a list of cases; a case has an input and what is expected of it: a value, or a refusal
//! with its blame and requirement. A kind is its inputs and one function from an input to an outcome;
//! the generator runs it to write the file, the checker runs it against the committed file.

mod channels;
mod codecs;
pub mod forge;
mod identities;
mod noise;
mod presentations;
mod routing;
mod serial;
mod sessions;
mod tcp;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use razor::Error;

use crate::report::{Check, Options, Progress, Row, Tally};

/// The version of the file format. It grows when a reader of the old one would misread the new.
pub const FORMAT: u32 = 1;

/// A kind of vector: one file, one schema.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The folder, named after the chapter of the specification.
    pub layer: &'static str,
    /// The file's name, without `.json`.
    pub name: &'static str,
    /// The file as it was committed.
    pub committed: &'static str,
    /// Makes the file anew.
    pub generate: fn() -> String,
    check: fn(&Kind, &str, &mut dyn FnMut(Progress)) -> Row,
}

/// All kinds, by layer.
pub fn kinds() -> Vec<Kind> {
    [
        codecs::KINDS,
        routing::KINDS,
        tcp::KINDS,
        serial::KINDS,
        noise::KINDS,
        identities::KINDS,
        presentations::KINDS,
        channels::KINDS,
        sessions::KINDS,
    ]
    .concat()
}

/// All kinds of one layer, checked.
pub(crate) fn layer(layer: &str, _: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    kinds().iter().filter(|kind| kind.layer == layer).map(|kind| kind.check(progress)).collect()
}

impl Kind {
    /// The file's path inside the folder `vectors`.
    pub fn path(&self) -> String {
        format!("{}/{}.json", self.layer, self.name)
    }

    /// Checks the committed file.
    pub fn check(&self, progress: &mut dyn FnMut(Progress)) -> Row {
        (self.check)(self, self.committed, progress)
    }

    /// Checks another text in the place of the committed file.
    pub fn check_text(&self, text: &str) -> Row {
        (self.check)(self, text, &mut |_| {})
    }
}

/// A file of vectors.
#[derive(Debug, Serialize, Deserialize)]
struct File<I> {
    format: u32,
    kind: String,
    about: String,
    cases: Vec<Case<I>>,
}

/// One case.
#[derive(Debug, Serialize, Deserialize)]
struct Case<I> {
    name: String,
    input: I,
    expect: Expect,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    /// It works, and this comes out.
    Ok(Value),
    /// It is refused.
    Refused { blame: String, requirement: String },
}

/// What came of an input.
type Outcome = Result<Value, Error>;

impl From<Outcome> for Expect {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(value) => Expect::Ok(value),
            Err(error) => {
                Expect::Refused { blame: error.blame().name().into(), requirement: error.requirement().into() }
            }
        }
    }
}

/// An input and what the author of the generator means to come of it: that it works, or that it breaks the named
/// requirement. The generator stops when the implementation disagrees: no vector is written that nobody meant.
struct Meant<I> {
    name: String,
    breaks: Option<&'static str>,
    input: I,
}

fn good<I>(name: &str, input: I) -> Meant<I> {
    Meant { name: name.into(), breaks: None, input }
}

fn bad<I>(name: &str, requirement: &'static str, input: I) -> Meant<I> {
    Meant { name: name.into(), breaks: Some(requirement), input }
}

fn generate<I: Serialize>(kind: &str, about: &str, inputs: Vec<Meant<I>>, run: impl Fn(&I) -> Outcome) -> String {
    let mut surprises = Vec::new();
    let mut cases = Vec::new();
    for meant in inputs {
        let outcome = run(&meant.input);
        if outcome.as_ref().err().map(Error::requirement) != meant.breaks {
            surprises.push(format!("{}: meant to break {:?}, gives {outcome:?}", meant.name, meant.breaks));
        }
        cases.push(Case { name: meant.name, expect: outcome.into(), input: meant.input });
    }
    assert!(surprises.is_empty(), "{kind}: {surprises:#?}");
    let file = File { format: FORMAT, kind: kind.into(), about: about.into(), cases };
    let mut text = serde_json::to_string_pretty(&file).expect("plain data");
    text.push('\n');
    text
}

fn check<I: DeserializeOwned>(
    kind: &Kind,
    text: &str,
    progress: &mut dyn FnMut(Progress),
    run: impl Fn(&I) -> Outcome,
) -> Row {
    let group = format!("{}/{}", kind.layer, kind.name);
    let file: File<I> = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(e) => return Row::broken("razor", &group, format!("the file does not parse: {e}")),
    };
    if file.format != FORMAT || file.kind != kind.name {
        return Row::broken("razor", &group, format!("it is format {}, kind {}", file.format, file.kind));
    }
    let mut tally = Tally::new("razor", &group, file.cases.len(), progress);
    for case in file.cases {
        tally.check(&case.name, compare(&case.expect, &run(&case.input).into()));
    }
    tally.finish()
}

fn compare(theirs: &Expect, ours: &Expect) -> Check {
    if ours == theirs {
        return Ok(());
    }
    let tell = |expect: &Expect| match expect {
        Expect::Ok(value) => format!("accepted as {value}"),
        Expect::Refused { blame, requirement } => format!("refused as {blame} by {requirement}"),
    };
    Err(format!("it is {}, the vector says {}", tell(ours), tell(theirs)))
}
