//! What a world writes down for those who tell its story: what each adversary learnt and did, and who said what.
//!
//! A world keeps a record only if it is told to ([`World::recording`](crate::World::recording)); nothing of it is
//! digested, so a world that keeps one is the same world.

use std::collections::BTreeMap;
use std::time::Duration;

use razor::env::Instant;
use razor::identity::Identifier;
use razor::routing::Address;

use crate::adversary::{Capability, Way};
use crate::checker::Sent;
use crate::frame::Kind;

/// The record of one world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What adversaries learnt, in order.
    pub lessons: Vec<Lesson>,
    /// What adversaries did, in order: an entry of the trace names its deed by its place here.
    pub deeds: Vec<Deed>,
    /// What honest applications sent, by number.
    pub messages: Vec<Sent>,
    /// Which node has made which identity.
    pub owners: BTreeMap<Identifier, usize>,
    /// The channels that applications were to open: those of the plan, then those of the healed world.
    pub channels: Vec<Conversation>,
}

/// A channel that two applications were to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Who opens it.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// The channel that it goes through.
    pub inside: Option<usize>,
    /// Whether a session keeps it.
    pub kept: bool,
    /// Messages each way.
    pub messages: usize,
}

/// Something that an adversary learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Which adversary of the plan.
    pub adversary: usize,
    /// The number of the entry of the trace that follows.
    pub before: u64,
    /// What it learnt.
    pub fact: Fact,
}

/// A piece of an adversary's knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A frame of this kind passed, and is kept.
    Frame {
        /// Which way it went.
        way: Way,
        /// What its payload looks like.
        kind: Kind,
        /// Whether an older one had to make room.
        displaced: bool,
    },
    /// Where a listener is.
    Listener {
        /// The way that leads there.
        way: Way,
        /// The route.
        route: Vec<Address>,
    },
    /// Where the messages of a channel go.
    Channel {
        /// The way that leads there.
        way: Way,
        /// The route to the decryptor.
        route: Vec<Address>,
    },
    /// A channel's largest nonce.
    Nonce {
        /// The route to the decryptor.
        route: Vec<Address>,
        /// The nonce.
        nonce: u64,
    },
    /// The keys of a channel of its own.
    Keys {
        /// Whom the other end proved to be.
        peer: Identifier,
    },
    /// A text that somebody sent to its application.
    Plaintext {
        /// The text.
        text: Vec<u8>,
    },
}

/// Something that an adversary did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Which adversary of the plan.
    pub adversary: usize,
    /// When it chose to.
    pub at: Instant,
    /// What.
    pub capability: Capability,
    /// Why then.
    pub occasion: Occasion,
}

/// Why an adversary acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// A frame passed, and it acts on some of them.
    Passing {
        /// Which way the frame went.
        way: Way,
        /// The frame as it came.
        bytes: Vec<u8>,
    },
    /// It swallows a run of frames, and this one is in it.
    Run {
        /// The frame.
        bytes: Vec<u8>,
        /// How many more it will swallow.
        left: u32,
    },
    /// It holds a run of frames back, and this one is in it.
    Held {
        /// The frame.
        bytes: Vec<u8>,
        /// How many more may come before they pass.
        left: u64,
    },
    /// It was time for something of its own accord.
    OwnAccord {
        /// The time between two of those.
        every: Duration,
        /// At which node, if it is about one.
        target: Option<usize>,
    },
}
