//! The contract that every state machine of this crate keeps.
//!
//! See the crate's front page for the contract in words. The generic tests in `fuzzing/contract` put
//! every machine through it.

use alloc::vec::Vec;

use zeroize::Zeroize;

use crate::env::{Env, Instant};
use crate::error::{Error, Result};

/// When a machine wants to be called next, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Why, in a word or two: it stands in traces.
    pub reason: &'static str,
}

impl Deadline {
    /// A deadline.
    pub const fn new(at: Instant, reason: &'static str) -> Self {
        Self { at, reason }
    }

    /// The earlier of two optional deadlines.
    pub fn earlier(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

/// Why an input was not taken.
#[derive(Debug)]
pub enum Refused<I> {
    /// A bounded queue is full. The input comes back, untouched: offer it again after draining outputs.
    Full(I),
    /// The input is wrong. Trusted state is what it was before, but for one thing: an authentic message
    /// from a peer that makes no sense has used up its nonce.
    Error(Error),
}

impl<I> From<Error> for Refused<I> {
    fn from(error: Error) -> Self {
        Refused::Error(error)
    }
}

impl<I> Refused<I> {
    /// The error; [`Refused::Full`] becomes a limit error that names `requirement`.
    pub fn into_error(self, requirement: &'static str) -> Error {
        match self {
            Refused::Full(_) => Error::limit(requirement, "the queue is full"),
            Refused::Error(error) => error,
        }
    }
}

/// A canonical picture of a machine's *trusted* state. Two equal pictures mean that nothing trusted
/// changed; secrets are only ever compared, never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Snapshot(Vec<u8>);

impl Snapshot {
    /// An empty picture.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds bytes, with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.append(&(bytes.len() as u64).to_le_bytes());
        self.append(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.append(&number.to_le_bytes());
        self
    }

    /// A picture that grows leaves none of its bytes where it was.
    fn append(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.max(self.0.capacity().saturating_mul(2)));
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl core::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Snapshot({} bytes)", self.0.len())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A state machine: inputs in, outputs out, nothing else.
pub trait Machine {
    /// What it takes.
    type Input;
    /// What it gives.
    type Output;

    /// Takes one input. Drain [`poll_output`](Machine::poll_output) until `None` before the next.
    ///
    /// # Errors
    /// [`Refused::Full`] gives the input back; [`Refused::Error`] says what was wrong with it.
    fn handle(&mut self, env: &mut Env<'_>, input: Self::Input) -> Result<(), Refused<Self::Input>>;

    /// Lets time pass. Harmless when called early or for nothing.
    fn handle_timeout(&mut self, env: &mut Env<'_>);

    /// The next output. Draining always terminates.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When to call [`handle_timeout`](Machine::handle_timeout) next, and why.
    fn deadline(&self) -> Option<Deadline>;

    /// Adds the machine's trusted state to `picture`.
    fn trusted(&self, picture: &mut Snapshot);

    /// How many bytes of unauthenticated, provisional state the machine holds now.
    fn provisional(&self) -> usize;

    /// The most that [`provisional`](Machine::provisional) ever says.
    fn provisional_limit(&self) -> usize;
}

/// One row of a machine's transition table.
///
/// Each machine with states has `pub fn transitions() -> &'static [Transition]` next to the code that
/// moves between them, and a test that every move it makes is in the table. The state diagrams of the
/// specification are drawn from these tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before; `"[*]"` is not being there yet.
    pub from: &'static str,
    /// What happens, and what is sent if anything: `"message 2 / send message 3"`.
    pub event: &'static str,
    /// The state after; `"[*]"` is being gone.
    pub to: &'static str,
}

impl Transition {
    /// A row.
    pub const fn new(from: &'static str, event: &'static str, to: &'static str) -> Self {
        Self { from, event, to }
    }
}
