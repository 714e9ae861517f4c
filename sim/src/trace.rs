//! The trace: a digest over everything that happened, and the last of it, or all of it, in full.
//!
//! The digest covers every byte, so that two runs with the same digest are the same run: nobody makes worlds up to deceive
//! it, and SipHash is much faster than a digest that bears that. A *symbolic* digest leaves out
//! what depends on the cryptography (bytes, identifiers) and keeps who did what, when and of which size: runs with and
//! without cryptography have the same.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hasher as _;

use razor::env::Instant;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::adversary::{Intent, Way};
use crate::frame::{Frame, Kind};
use crate::host::Output;

/// What happened at one place at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A node sent a frame.
    Sent,
    /// A frame, or a piece of one, reached a node.
    Arrived,
    /// A link lost a frame.
    Lost,
    /// An adversary kept a frame to itself.
    Swallowed,
    /// An adversary sent a frame of its own making.
    Injected,
    /// A message was delivered to an application.
    Delivered,
    /// An application asked for something, or sent a message.
    Asked,
    /// A node told its owner something.
    Event,
    /// A connection went up or down.
    Connection,
    /// Something broke, or was changed, or came back.
    Fault,
    /// A property does not hold.
    Violated,
    /// The world enters another phase.
    Phase,
}

/// What led to something, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// The number of the entry before it; zero if there is none.
    pub entry: u64,
    /// The deed of an adversary, by its place in the record of the world.
    pub deed: Option<usize>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place among all events of the world, from one on.
    pub number: u64,
    /// What led to it.
    pub cause: Cause,
    /// When.
    pub at: Instant,
    /// At which node.
    pub node: usize,
    /// What.
    pub what: What,
    /// Along which way, if it is about a frame.
    pub way: Option<Way>,
    /// The number of the frame: an arrival has that of what was put on the link. Of what an application asks, the
    /// number of the channel to open, or of the message in its channel.
    pub frame: u64,
    /// What the frame is in the eyes of the checkers.
    pub intent: Intent,
    /// The bytes of the frame or the payload; of a piece, the piece.
    pub bytes: Vec<u8>,
    /// In words.
    pub words: String,
    /// What a node told its owner, in a world that keeps a record.
    pub told: Option<Output>,
}

impl Entry {
    /// Something that happened to no frame.
    pub fn new(at: Instant, node: usize, what: What, words: impl Into<String>) -> Self {
        Self {
            number: 0,
            cause: Cause::default(),
            at,
            node,
            what,
            way: None,
            frame: 0,
            intent: Intent::Honest,
            bytes: Vec::new(),
            words: words.into(),
            told: None,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, micros) = (self.at.as_nanos() / 1_000_000, self.at.as_nanos() / 1_000 % 1_000);
        write!(f, "{millis:>7}.{micros:03}  node {:<3} {:<10}", self.node, format!("{:?}", self.what))?;
        if let Some(Way { link, to }) = self.way.filter(|_| self.what != What::Connection) {
            write!(f, " frame {} on link {link} to node {to}, {} B", self.frame, self.bytes.len())?;
            if self.intent != Intent::Honest {
                write!(f, ", {:?}", self.intent)?;
            }
        }
        if self.words.is_empty() { Ok(()) } else { write!(f, " {}", self.words) }
    }
}

/// What a digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digested {
    /// Every byte.
    #[default]
    Bytes,
    /// What does not depend on the cryptography.
    Symbols,
    /// Nothing: for speed.
    Nothing,
}

/// Everything that happened, as a digest; the end of it in full.
#[derive(Debug, Default)]
pub struct Trace {
    hash: SipHasher13,
    digested: Digested,
    events: u64,
    keep: usize,
    last: VecDeque<Entry>,
    /// What leads to whatever is added.
    cause: Cause,
    /// What the next entry is about.
    told: Option<Output>,
}

impl Trace {
    /// Keeps the last `events` events in full.
    pub fn keep(&mut self, events: usize) {
        self.keep = events;
    }

    /// Covers this from now on.
    pub fn digest_over(&mut self, digested: Digested) {
        self.digested = digested;
    }

    /// Adds something that happened to no frame.
    pub fn add(&mut self, entry: Entry) {
        let Entry { at, node, what, .. } = entry;
        // The words of an event may name identities.
        self.digest(at, node, what, None, 0, 0, if what == What::Event { &[] } else { entry.words.as_bytes() });
        if self.digested == Digested::Bytes && what == What::Event {
            self.hash.write(entry.words.as_bytes());
        }
        self.remember(|| entry);
    }

    /// Adds something that happened to a frame or a payload.
    #[expect(clippy::too_many_arguments, reason = "an entry without a copy of its bytes")]
    pub fn frame(
        &mut self,
        at: Instant,
        node: usize,
        what: What,
        way: Option<Way>,
        frame: u64,
        intent: Intent,
        bytes: &[u8],
    ) {
        let symbols = |bytes: &[u8]| -> [u8; 9] {
            let kind = match Frame::decode(bytes).map(|frame| frame.kind()) {
                Ok(Kind::FirstMessage) => (1, 0),
                Ok(Kind::Handshake) => (2, 0),
                Ok(Kind::Channel(nonce)) => (3, nonce),
                Ok(Kind::Other) | Err(_) => (0, 0),
            };
            let mut symbols = [kind.0; 9];
            symbols[1..].copy_from_slice(&u64::to_le_bytes(kind.1));
            symbols
        };
        match (self.digested, what) {
            // What arrives is named by the number of what was sent.
            (Digested::Bytes, What::Arrived) => self.digest(at, node, what, way, frame, bytes.len(), &[]),
            (Digested::Bytes, _) => self.digest(at, node, what, way, frame, bytes.len(), bytes),
            (Digested::Symbols, What::Sent | What::Injected) => {
                self.digest(at, node, what, way, frame, bytes.len(), &symbols(bytes));
            }
            _ => self.digest(at, node, what, way, frame, bytes.len(), &[]),
        }
        self.remember(|| Entry { way, frame, intent, bytes: bytes.to_vec(), ..Entry::new(at, node, what, "") });
    }

    #[expect(clippy::too_many_arguments, reason = "one header, laid out once")]
    fn digest(&mut self, at: Instant, node: usize, what: What, way: Option<Way>, frame: u64, len: usize, bytes: &[u8]) {
        self.events += 1;
        if self.digested == Digested::Nothing {
            return;
        }
        let Way { link, to } = way.unwrap_or(Way { link: usize::MAX, to: usize::MAX });
        let mut head = [0; 33];
        head[..8].copy_from_slice(&at.as_nanos().to_le_bytes());
        head[8..12].copy_from_slice(&(node as u32).to_le_bytes());
        head[12] = what as u8;
        head[13..17].copy_from_slice(&(link as u32).to_le_bytes());
        head[17..21].copy_from_slice(&(to as u32).to_le_bytes());
        head[21..29].copy_from_slice(&frame.to_le_bytes());
        head[29..].copy_from_slice(&(len as u32).to_le_bytes());
        self.hash.write(&head);
        self.hash.write(bytes);
    }

    fn remember(&mut self, entry: impl FnOnce() -> Entry) {
        if self.keep == 0 {
            return;
        }
        if self.last.len() == self.keep {
            self.last.pop_front();
        }
        let (number, cause, told) = (self.events, self.cause, self.told.take());
        self.last.push_back(Entry { number, cause, told, ..entry() });
    }

    /// What leads to whatever is added.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// From now on whatever is added is a consequence of this; what it was of before.
    pub fn because(&mut self, cause: Cause) -> Cause {
        std::mem::replace(&mut self.cause, cause)
    }

    /// From now on whatever is added is a consequence of the last entry; what it was of before.
    pub fn because_of_last(&mut self) -> Cause {
        self.because(Cause { entry: self.events, deed: None })
    }

    /// What the next entry is about.
    pub fn tell(&mut self, told: Output) {
        self.told = Some(told);
    }

    /// How many events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The digest of all events so far.
    pub fn digest_so_far(&self) -> [u8; 16] {
        self.hash.finish128().as_bytes()
    }

    /// The last events.
    pub fn into_entries(self) -> Vec<Entry> {
        self.last.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way { link: 3, to: 1 };

    fn digest(digested: Digested, at: u64, node: usize, way: Way, bytes: &[u8], words: &str) -> [u8; 16] {
        let mut trace = Trace::default();
        trace.digest_over(digested);
        trace.frame(Instant::from_millis(at), node, What::Sent, Some(way), 7, Intent::Honest, bytes);
        trace.add(Entry::new(Instant::from_millis(at), node, What::Event, words));
        trace.digest_so_far()
    }

    #[test]
    fn the_digest_covers_time_place_way_bytes_and_words() {
        let whole = |at, node, way, bytes, words| digest(Digested::Bytes, at, node, way, bytes, words);
        let base = whole(1, 1, WAY, b"x", "y");
        assert_eq!(base, whole(1, 1, WAY, b"x", "y"));
        let others = [
            whole(2, 1, WAY, b"x", "y"),
            whole(1, 2, WAY, b"x", "y"),
            whole(1, 1, Way { link: 4, to: 1 }, b"x", "y"),
            whole(1, 1, WAY, b"z", "y"),
            whole(1, 1, WAY, b"x", "z"),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn a_symbolic_digest_covers_time_place_way_and_size() {
        let symbols = |at, node, way, bytes| digest(Digested::Symbols, at, node, way, bytes, "");
        let base = symbols(1, 1, WAY, b"x");
        assert_eq!(base, symbols(1, 1, WAY, b"z"));
        let others = [
            symbols(2, 1, WAY, b"x"),
            symbols(1, 2, WAY, b"x"),
            symbols(1, 1, Way { link: 4, to: 1 }, b"x"),
            symbols(1, 1, WAY, b"xx"),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut trace = Trace::default();
        trace.keep(2);
        (0..5).for_each(|n| trace.add(Entry::new(Instant::ZERO, n, What::Phase, "")));
        assert_eq!(trace.events(), 5);
        assert_eq!(trace.into_entries().iter().map(|entry| entry.node).collect::<Vec<_>>(), [3, 4]);
    }
}
