//! Plans: what a world is made of, in full. A [`Sketch`] says some of it; a seed draws the rest.
//!
//! A plan is data: nodes, the links between them, the channels that applications open, faults, adversaries. Everything
//! that happens by chance besides is drawn from the streams of its seed, by the names of nodes and links, so that
//! leaving one thing out of a plan changes as little as possible of the rest. Plans are TOML files; a sketch is a file
//! with parts missing.

mod check;
mod draw;
mod file;
mod owed;
mod preset;
mod topology;
mod units;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adversary::{Capability, Class, Lie};
use crate::seed::{Ppm, Seed};

pub(crate) use check::way;
pub use check::{Invalid, MAX_HOPS};
pub use file::Sketch;
pub(crate) use owed::HALF_OPEN;
pub use preset::Preset;
pub use topology::{Shape, Topology};

/// What a world is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Makes every draw.
    pub seed: u64,
    /// The family that it was drawn from.
    pub preset: Preset,
    /// What all channels are made of.
    pub suite: Suite,
    /// How long the faults last.
    #[serde(with = "units::time")]
    pub faulty: Duration,
    /// How long the healed world may take for everything that it owes.
    #[serde(with = "units::time")]
    pub healed: Duration,
    /// The nodes.
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
    /// The links between them.
    #[serde(rename = "link")]
    pub links: Vec<Link>,
    /// What applications open and say.
    #[serde(rename = "channel", skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// What breaks.
    #[serde(rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Who attacks.
    #[serde(rename = "adversary", skip_serializing_if = "Vec::is_empty")]
    pub adversaries: Vec<Adversary>,
}

/// The suite of a world's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suite {
    /// X25519, AES-256-GCM, SHA-256.
    #[serde(rename = "aes256")]
    Aes256,
    /// X25519, AES-128-GCM, SHA-256.
    #[serde(rename = "aes128")]
    Aes128,
    /// X25519, ChaCha20-Poly1305, BLAKE2s.
    #[serde(rename = "chacha")]
    ChaCha,
    /// Nothing protects anything: for speed. Whatever reads plaintext on a link reads it here.
    #[serde(rename = "null")]
    Null,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Node {
    /// Its name, unique in the plan.
    pub name: String,
    /// Who may open channels to it: everybody, or these nodes.
    #[serde(default)]
    pub trusts: Trusts,
    /// What signs for its identity.
    #[serde(default)]
    pub signing: Signing,
    /// How long its vault and its store take at most for an answer.
    #[serde(default, with = "units::time", skip_serializing_if = "Duration::is_zero")]
    pub lateness: Duration,
    /// How often its identity has changed its key before the world begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rotations: u8,
    /// How many seconds its wall clock is ahead of the true time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clock: i64,
    /// How many open channels its listener bears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// How many bytes the histories of strangers share in its store; plenty if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strangers: Option<usize>,
    /// How often its store fails: it answers with an error, or with what it was never given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub store_fails: Ppm,
}

/// Whom a node trusts to open channels to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Trusts {
    /// `"everybody"`: anyone who proves an identity.
    #[default]
    #[serde(with = "everybody")]
    Everybody,
    /// These nodes, by name.
    These(Vec<String>),
}

/// What signs for an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signing {
    /// Ed25519.
    #[default]
    Ed25519,
    /// ECDSA on P-256.
    P256,
}

/// How many open channels a listener bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Places {
    /// In all.
    pub open: usize,
    /// Of one source: a connection, or a channel that others are inside of.
    pub open_per_source: usize,
    /// Of one peer.
    pub open_per_peer: usize,
    /// Handshakes that have begun and are not finished, in all; plenty if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_open: Option<usize>,
    /// The same of one source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_open_per_source: Option<usize>,
}

/// How what is sent over a link gets to the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Like TCP: nothing is lost, everything is in order, and cut anywhere.
    #[default]
    Stream,
    /// Like UDP: each transport message by itself, lost, doubled, overtaken or damaged.
    Datagram,
    /// A slow line: a stream of 11 520 bytes per second unless it says otherwise.
    Serial,
}

/// A link between two nodes: the same in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Link {
    /// The two nodes.
    pub between: [String; 2],
    /// How bytes get across.
    #[serde(default)]
    pub kind: Kind,
    /// One-way delay: drawn anew for each frame, hence jitter.
    #[serde(default = "one_or_two_millis", with = "units::times")]
    pub latency: RangeInclusive<Duration>,
    /// Loss of single datagrams.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss: Ppm,
    /// Loss of datagrams in bursts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// A datagram arrives twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub duplicate: Ppm,
    /// A datagram is held back, so that later ones overtake it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reorder: Ppm,
    /// One bit of a datagram is flipped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub corrupt: Ppm,
    /// Bytes per second; without limit if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// The most bytes of datagrams that wait for bandwidth; what does not fit is lost. On a stream the sender waits.
    #[serde(default = "sixteen_kib", skip_serializing_if = "is_sixteen_kib")]
    pub buffer: u64,
    /// The longest datagram, and the longest piece of a stream, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<usize>,
    /// One of the two nodes that nobody can connect to: it alone makes the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_nat: Option<String>,
    /// How long a NAT remembers a connection on which its node says nothing; then nothing more gets in.
    #[serde(default, with = "units::maybe_time", skip_serializing_if = "Option::is_none")]
    pub nat_idle: Option<Duration>,
}

/// Loss that comes in bursts: a two-state Gilbert-Elliott chain, stepped once per datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// From good to bad.
    pub enter: Ppm,
    /// From bad to good.
    pub leave: Ppm,
    /// Loss while bad.
    pub loss: Ppm,
}

/// A secure channel that an application opens, and what is said through it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Channel {
    /// Its name, for channels that go through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who opens it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The channel that it goes through, from the same node: a channel inside a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// Whether a session keeps it: pings, and a new channel when it is dead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kept: bool,
    /// When it is opened.
    #[serde(default, with = "units::time")]
    pub at: Duration,
    /// Messages in each direction.
    #[serde(default = "ten")]
    pub messages: usize,
    /// The time between two of them.
    #[serde(default = "ten_millis", with = "units::time")]
    pub pace: Duration,
    /// The longest payload, in bytes.
    #[serde(default = "two_hundred")]
    pub payload: usize,
}

/// Something that breaks, or changes, at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// A node is gone, with all its connections, and comes back after a while.
    Crash {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// Which.
        node: String,
        /// For how long.
        #[serde(with = "units::time")]
        lasts: Duration,
        /// Whether it also forgets its keys, so that it comes back as somebody else.
        #[serde(default)]
        forgets: bool,
    },
    /// A node does nothing for a while; what arrives waits.
    Pause {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// Which.
        node: String,
        /// For how long.
        #[serde(with = "units::time")]
        lasts: Duration,
    },
    /// A node's wall clock jumps.
    Clock {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// Which.
        node: String,
        /// By how many seconds.
        by: i64,
    },
    /// Nothing gets from one node to its neighbour. Datagrams are lost; what is in a stream waits.
    Cut {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// From where.
        from: String,
        /// To which neighbour.
        to: String,
        /// Whether the other direction is cut, too.
        #[serde(default)]
        both: bool,
        /// For how long.
        #[serde(with = "units::time")]
        lasts: Duration,
    },
    /// The connection over a link breaks.
    Break {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// Whose.
        between: [String; 2],
    },
    /// A node changes the key of its identity, and attests its static key anew.
    Rotate {
        /// When.
        #[serde(with = "units::time")]
        at: Duration,
        /// Which.
        node: String,
    },
}

/// Somebody who attacks: a class, a place, and what it can do there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adversary {
    /// What kind.
    pub class: Class,
    /// The node that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The link that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[String; 2]>,
    /// Whose keys or papers it has, if its class has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim: Option<String>,
    /// Whom it says that it is, if it is neither itself nor the victim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poses_as: Option<String>,
    /// In which points the papers of a forger are false, in turns; in all that there are, if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lies: Option<Vec<Lie>>,
    /// What it can do; everything that its class can, if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can: Option<Vec<Capability>>,
    /// How often it acts on a frame that passes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub acts: Ppm,
    /// The time between two things that it does of its own accord; zero for never.
    #[serde(default, with = "units::time", skip_serializing_if = "Duration::is_zero")]
    pub every: Duration,
}

impl Plan {
    /// The plan of `seed` in this family.
    pub fn draw(seed: Seed, preset: Preset) -> Self {
        Sketch::of(preset).draw(seed).unwrap_or_else(|invalid| panic!("a preset draws what is valid: {invalid}"))
    }

    /// The number of the node of this name.
    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The number of the link between these nodes.
    pub fn link(&self, one: &str, other: &str) -> Option<usize> {
        let joins = |link: &Link| link.between == [one, other] || link.between == [other, one];
        self.links.iter().position(joins)
    }

    /// The number of the channel of this name.
    pub fn channel(&self, name: &str) -> Option<usize> {
        self.channels.iter().position(|channel| channel.name.as_deref() == Some(name))
    }
}

impl Link {
    /// A good stream between two nodes.
    pub fn good(one: &str, other: &str) -> Self {
        Self {
            between: [one.to_owned(), other.to_owned()],
            kind: Kind::Stream,
            latency: one_or_two_millis(),
            loss: Ppm::NEVER,
            burst: None,
            duplicate: Ppm::NEVER,
            reorder: Ppm::NEVER,
            corrupt: Ppm::NEVER,
            bandwidth: None,
            buffer: sixteen_kib(),
            mtu: None,
            behind_nat: None,
            nat_idle: None,
        }
    }

    /// Bytes per second, if they are limited.
    pub fn rate(&self) -> Option<u64> {
        self.bandwidth.or((self.kind == Kind::Serial).then_some(11_520))
    }
}

impl Fault {
    /// When it happens.
    pub fn at(&self) -> Duration {
        match self {
            Self::Crash { at, .. }
            | Self::Pause { at, .. }
            | Self::Clock { at, .. }
            | Self::Cut { at, .. }
            | Self::Break { at, .. }
            | Self::Rotate { at, .. } => *at,
        }
    }
}

impl Fault {
    /// How long it lasts, if it does.
    pub(crate) fn lasts(&self) -> Duration {
        match self {
            Self::Crash { lasts, .. } | Self::Pause { lasts, .. } | Self::Cut { lasts, .. } => *lasts,
            Self::Clock { .. } | Self::Break { .. } | Self::Rotate { .. } => Duration::ZERO,
        }
    }
}

impl Adversary {
    /// What it can do.
    pub fn capabilities(&self) -> &[Capability] {
        self.can.as_deref().unwrap_or(self.class.capabilities())
    }

    /// In which points its papers are false.
    pub fn lies(&self) -> &[Lie] {
        self.lies.as_deref().unwrap_or(Lie::ALL)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one_or_two_millis() -> RangeInclusive<Duration> {
    Duration::from_millis(1)..=Duration::from_millis(2)
}

fn ten_millis() -> Duration {
    Duration::from_millis(10)
}

fn sixteen_kib() -> u64 {
    16_384
}

fn is_sixteen_kib(bytes: &u64) -> bool {
    *bytes == sixteen_kib()
}

fn ten() -> usize {
    10
}

fn two_hundred() -> usize {
    200
}

/// The word `everybody`.
mod everybody {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("everybody")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
        match String::deserialize(from)?.as_str() {
            "everybody" => Ok(()),
            other => Err(de::Error::custom(format!("{other:?} is neither \"everybody\" nor a list of nodes"))),
        }
    }
}
