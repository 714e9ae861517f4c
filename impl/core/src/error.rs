//! Errors, typed by blame.
//!
//! Every failure answers two questions: *whose fault is it* and *which requirement of the
//! specification says so*. The first decides what a caller does next; the second is what an auditor,
//! a port or a vector compares. Spec: "Conventions", section "Errors".

use core::fmt;

/// Who or what is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The bytes are not an encoding of anything this protocol knows.
    Malformed,
    /// The bytes decode, but no correct peer sends them here and now: a forgery, a replay, a broken rule.
    Misbehaved,
    /// The message is well formed and honest; a local policy refuses it.
    Denied,
    /// The caller of this library used it wrongly.
    Misuse,
    /// A bound was reached: a size, a count, a time.
    Limit,
}

impl Blame {
    /// Its name in one word, as vectors, counters and reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Blame::Malformed => "malformed",
            Blame::Misbehaved => "misbehaved",
            Blame::Denied => "denied",
            Blame::Misuse => "misuse",
            Blame::Limit => "limit",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blame::Malformed => "malformed message",
            Blame::Misbehaved => "peer misbehaved",
            Blame::Denied => "denied by policy",
            Blame::Misuse => "API misuse",
            Blame::Limit => "limit reached",
        })
    }
}

/// A failure: its blame, the requirement that was not met, and a sentence about it.
///
/// Small and `Copy`: an error about peer bytes never carries peer bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    blame: Blame,
    requirement: &'static str,
    what: &'static str,
}

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    const fn new(blame: Blame, requirement: &'static str, what: &'static str) -> Self {
        Self { blame, requirement, what: if cfg!(feature = "words") { what } else { "" } }
    }

    /// The peer's bytes are no encoding of anything. `requirement` is the spec's id, for example `"COD-2"`.
    pub const fn malformed(requirement: &'static str, what: &'static str) -> Self {
        Self::new(Blame::Malformed, requirement, what)
    }

    /// The peer sent what no correct peer sends.
    pub const fn misbehaved(requirement: &'static str, what: &'static str) -> Self {
        Self::new(Blame::Misbehaved, requirement, what)
    }

    /// A local policy said no.
    pub const fn denied(requirement: &'static str, what: &'static str) -> Self {
        Self::new(Blame::Denied, requirement, what)
    }

    /// The caller used the library wrongly.
    pub const fn misuse(requirement: &'static str, what: &'static str) -> Self {
        Self::new(Blame::Misuse, requirement, what)
    }

    /// A bound was reached.
    pub const fn limit(requirement: &'static str, what: &'static str) -> Self {
        Self::new(Blame::Limit, requirement, what)
    }

    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        self.blame
    }

    /// The id of the requirement that was not met, as in the specification (`"CHN-14"`).
    pub const fn requirement(&self) -> &'static str {
        self.requirement
    }

    /// One sentence for people; not stable. Nothing in a program without the feature `words`.
    pub const fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.blame, self.what, self.requirement)
    }
}

impl core::error::Error for Error {}
