//! The trace: a digest over every event and every byte, and the last events in words.

use std::collections::VecDeque;
use std::fmt;

use razor::env::Instant;
use sha2::{Digest, Sha256};

/// How many events a report has unless told otherwise.
const LAST: usize = 40;

/// What happened at one place at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A node sent a frame.
    Sent,
    /// A frame, or a piece of one, reached a node.
    Arrived,
    /// The adversary kept a frame to itself.
    Swallowed,
    /// The adversary sent a frame of its own making.
    Injected,
    /// A message was delivered to an application.
    Delivered,
    /// An application sent a message.
    Asked,
    /// A node told its owner something.
    Event,
    /// A connection went up or down.
    Connection,
    /// A property does not hold.
    Violated,
    /// The world enters another phase.
    Phase,
}

/// One line of the trace.
#[derive(Debug, Clone)]
struct Line {
    at: Instant,
    node: usize,
    what: What,
    bytes: usize,
    detail: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.as_nanos() / 1_000_000;
        let micros = self.at.as_nanos() / 1_000 % 1_000;
        write!(
            f,
            "{millis:>7}.{micros:03}  node {}  {:<10} {:>6} B  {}",
            self.node,
            format!("{:?}", self.what),
            self.bytes,
            self.detail
        )
    }
}

/// Everything that happened, as a digest; the end of it in words.
#[derive(Debug)]
pub struct Trace {
    hash: Sha256,
    events: u64,
    keep: usize,
    last: VecDeque<Line>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: Sha256::default(), events: 0, keep: LAST, last: VecDeque::new() }
    }
}

impl Trace {
    /// Keeps the words of the last `events` events.
    pub fn keep(&mut self, events: usize) {
        self.keep = events;
    }

    /// Adds an event. `bytes` go into the digest in full; `detail` is for people and goes in too.
    pub fn add(&mut self, at: Instant, node: usize, what: What, bytes: &[u8], detail: String) {
        self.events += 1;
        self.hash.update(at.as_nanos().to_le_bytes());
        self.hash.update([node as u8, what as u8]);
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        self.hash.update((detail.len() as u64).to_le_bytes());
        self.hash.update(detail.as_bytes());
        self.last.push_back(Line { at, node, what, bytes: bytes.len(), detail });
        if self.last.len() > self.keep {
            self.last.pop_front();
        }
    }

    /// How many events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The digest of all events so far.
    pub fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.last.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_covers_time_place_bytes_and_words() {
        let digest = |at, node, bytes: &[u8], detail: &str| {
            let mut trace = Trace::default();
            trace.add(Instant::from_millis(at), node, What::Sent, bytes, detail.into());
            trace.digest()
        };
        let base = digest(1, 1, b"x", "y");
        assert_eq!(base, digest(1, 1, b"x", "y"));
        for other in
            [digest(2, 1, b"x", "y"), digest(1, 2, b"x", "y"), digest(1, 1, b"z", "y"), digest(1, 1, b"x", "z")]
        {
            assert_ne!(base, other);
        }
    }
}
