//! What a check reports.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A small share of whatever is generated on the fly; fixed data is always checked whole.
    pub quick: bool,
    /// The seed of whatever is generated on the fly.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { quick: false, seed: 1 }
    }
}

/// How far a section has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Cases done so far.
    pub done: usize,
    /// Cases in all, as far as known; never less than `done`.
    pub total: usize,
}

/// The result for one group of cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Who made the data.
    pub source: String,
    /// Which of their data.
    pub group: String,
    /// How many cases were checked, failed ones included.
    pub checked: usize,
    /// The cases that do not hold.
    pub failed: Vec<Failure>,
    /// Cases that are not checked because a part of the protocol is still to come, by reason.
    pub not_yet: Vec<Unchecked>,
    /// Cases that are not checked because the protocol has nothing of the kind, by reason.
    pub outside: Vec<Unchecked>,
}

impl Row {
    /// Whether everything that was checked holds.
    pub fn holds(&self) -> bool {
        self.failed.is_empty()
    }

    /// A row for data that cannot even be read.
    pub(crate) fn broken(source: &str, group: &str, sentence: String) -> Self {
        let failure = Failure { case: "the file".into(), sentence };
        Self {
            source: source.into(),
            group: group.into(),
            checked: 1,
            failed: vec![failure],
            not_yet: vec![],
            outside: vec![],
        }
    }

    /// How many cases wait for a part of the protocol.
    pub fn not_yet_count(&self) -> usize {
        self.not_yet.iter().map(|unchecked| unchecked.count).sum()
    }

    /// How many cases are of a kind that the protocol does not have.
    pub fn outside_count(&self) -> usize {
        self.outside.iter().map(|unchecked| unchecked.count).sum()
    }
}

/// A case that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which case.
    pub case: String,
    /// What is wrong with it, in a sentence.
    pub sentence: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.sentence)
    }
}

/// Cases that are not checked, and why. Nothing is ever skipped without a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// Why.
    pub reason: String,
    /// How many cases.
    pub count: usize,
}

/// What a single check says: nothing, or a sentence about what is wrong.
pub(crate) type Check = Result<(), String>;

/// Collects the results of one group.
pub(crate) struct Tally<'a> {
    row: Row,
    waiting: BTreeMap<String, usize>,
    outside: BTreeMap<String, usize>,
    total: usize,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Tally<'a> {
    /// A group of about `total` cases.
    pub(crate) fn new(source: &str, group: &str, total: usize, progress: &'a mut dyn FnMut(Progress)) -> Self {
        let row = Row {
            source: source.into(),
            group: group.into(),
            checked: 0,
            failed: vec![],
            not_yet: vec![],
            outside: vec![],
        };
        Self { row, waiting: BTreeMap::new(), outside: BTreeMap::new(), total, progress }
    }

    /// Records the check of one case.
    pub(crate) fn check(&mut self, case: impl fmt::Display, result: Check) {
        self.row.checked += 1;
        if let Err(sentence) = result {
            self.row.failed.push(Failure { case: case.to_string(), sentence });
        }
        self.tick();
    }

    /// Records a case that waits for a part of the protocol.
    pub(crate) fn not_yet(&mut self, reason: impl fmt::Display) {
        *self.waiting.entry(reason.to_string()).or_default() += 1;
        self.tick();
    }

    /// Records a case of a kind that the protocol does not have.
    pub(crate) fn outside(&mut self, reason: impl fmt::Display) {
        *self.outside.entry(reason.to_string()).or_default() += 1;
        self.tick();
    }

    fn tick(&mut self) {
        let done = self.row.checked + self.waiting.values().chain(self.outside.values()).sum::<usize>();
        (self.progress)(Progress { done, total: self.total.max(done) });
    }

    /// The row.
    pub(crate) fn finish(mut self) -> Row {
        let list =
            |cases: BTreeMap<String, usize>| cases.into_iter().map(|(reason, count)| Unchecked { reason, count });
        self.row.not_yet = list(self.waiting).collect();
        self.row.outside = list(self.outside).collect();
        self.row
    }
}

/// Compares bytes; the sentence names the first that differs.
pub(crate) fn equal(what: &str, ours: &[u8], theirs: &[u8]) -> Check {
    if ours == theirs {
        return Ok(());
    }
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let show = |bytes: &[u8]| bytes.get(at).map_or("the end".to_owned(), |byte| format!("{byte:02x}"));
    Err(format!(
        "{what} differs from byte {at} on: ours has {} ({} bytes in all), the vector {} ({} bytes in all)",
        show(ours),
        ours.len(),
        show(theirs),
        theirs.len()
    ))
}

/// A sentence unless `condition` holds.
pub(crate) fn ensure(condition: bool, sentence: impl FnOnce() -> String) -> Check {
    if condition { Ok(()) } else { Err(sentence()) }
}
