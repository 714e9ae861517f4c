//! The hostile middle: a node of the line that reads, keeps and rewrites whatever passes.
//!
//! It is an honest node whose frames go through [`Adversary::on_frame`] on their way out. It knows what
//! it saw and holds no key but its own, and it speaks the protocol with the code that honest nodes use.

mod injection;
mod knowledge;
mod tampering;

use std::time::Duration;

use crate::frame::{Frame, Kind};
use crate::plan::Plan;
use crate::seed::{Ppm, Stream};
use crate::situation::Situation;

pub use knowledge::{Knowledge, KnownChannel};

/// Something that the middle is able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Swallow a frame.
    Drop,
    /// Swallow a run of frames that is longer than the replay window.
    BlackHole,
    /// Hold a frame back.
    Delay,
    /// Send a frame twice.
    Duplicate,
    /// Send an old frame again.
    Replay,
    /// Send an old message into another channel.
    ReplayAcross,
    /// Cut a payload short.
    Truncate,
    /// Add bytes to a payload.
    Extend,
    /// Flip a bit of a payload.
    Flip,
    /// Edit the onward route.
    SpliceOnward,
    /// Edit the return route.
    SpliceReturn,
    /// Send a route of extreme length.
    LongRoute,
    /// Send a message back to where it came from.
    Reflect,
    /// Give the payload of one channel to another.
    Swap,
    /// Send garbage to a channel, a listener, or as a frame.
    Garbage,
    /// Make channel messages with nonces of its choice.
    ForgeNonce,
    /// Make a Close, encrypted under nothing.
    ForgeClose,
    /// Answer handshakes that are meant for somebody else.
    Impersonate,
    /// Begin handshakes of its own.
    Intrude,
    /// Begin very many handshakes.
    Flood,
    /// Open channels of its own without end, and leave them open.
    Siege,
    /// Rewrite the tracing text.
    Tracing,
}

impl Capability {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Drop,
        Self::BlackHole,
        Self::Delay,
        Self::Duplicate,
        Self::Replay,
        Self::ReplayAcross,
        Self::Truncate,
        Self::Extend,
        Self::Flip,
        Self::SpliceOnward,
        Self::SpliceReturn,
        Self::LongRoute,
        Self::Reflect,
        Self::Swap,
        Self::Garbage,
        Self::ForgeNonce,
        Self::ForgeClose,
        Self::Impersonate,
        Self::Intrude,
        Self::Flood,
        Self::Siege,
        Self::Tracing,
    ];
}

/// A side of the middle node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Towards the first node of the line.
    Left,
    /// Towards the last node of the line.
    Right,
}

impl Side {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// What a frame of the adversary is, in the eyes of the checkers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// An honest node made it and nobody changed it.
    Honest,
    /// Something that no key protects was changed, or an honest message comes at the wrong time: its
    /// receiver may act on it as far as its rules go.
    Tampered,
    /// A message that no key holder made: its receiver's trusted state must not change.
    Forged,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Out to this side.
    Link(Side),
    /// Into the middle node itself, as if it had come from this side.
    Own(Side),
}

/// A frame that the adversary sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// How long it waits first.
    pub delay: Duration,
    /// Where it goes.
    pub target: Target,
    /// The frame.
    pub bytes: Vec<u8>,
    /// What it is.
    pub intent: Intent,
}

impl Emission {
    fn now(side: Side, bytes: Vec<u8>, intent: Intent) -> Self {
        Self { delay: Duration::ZERO, target: Target::Link(side), bytes, intent }
    }
}

/// The middle's will.
#[derive(Debug)]
pub struct Adversary {
    capabilities: Vec<Capability>,
    act: Ppm,
    random: Stream,
    knowledge: Knowledge,
    /// How many more frames it swallows, once it has begun.
    black_hole: u32,
    situations: Vec<Situation>,
}

impl Adversary {
    /// The adversary of a plan.
    pub fn new(plan: &Plan, random: Stream) -> Self {
        Self {
            capabilities: plan.capabilities.clone(),
            act: plan.act,
            random,
            knowledge: Knowledge::default(),
            black_hole: 0,
            situations: Vec::new(),
        }
    }

    /// Everything it has seen.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Whether it can do this.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// The situations that it brought about since the last call.
    pub fn take_situations(&mut self) -> Vec<Situation> {
        std::mem::take(&mut self.situations)
    }

    /// It watches from now on, and does nothing else.
    pub fn retire(&mut self) {
        self.capabilities.clear();
        self.black_hole = 0;
    }

    /// A frame is about to leave towards `side`: what leaves instead.
    pub fn on_frame(&mut self, side: Side, bytes: Vec<u8>) -> Vec<Emission> {
        let Ok(frame) = Frame::decode(&bytes) else {
            return vec![Emission::now(side, bytes, Intent::Honest)];
        };
        self.knowledge.saw(side, &frame, &bytes);
        if self.black_hole > 0 {
            self.black_hole -= 1;
            return Vec::new();
        }
        let acts = self.random.chance(self.act);
        match self.choose(frame.kind()) {
            Some(capability) if acts => self.tamper(capability, side, frame, bytes),
            _ => vec![Emission::now(side, bytes, Intent::Honest)],
        }
    }

    /// What to do to a frame. Few first messages pass, and they alone can be answered for somebody else.
    fn choose(&mut self, kind: Kind) -> Option<Capability> {
        let choice = self.random.pick(&self.capabilities).copied();
        let answers = kind == Kind::FirstMessage && self.can(Capability::Impersonate) && self.random.below(2) == 0;
        if answers { Some(Capability::Impersonate) } else { choice }
    }

    fn reached(&mut self, situation: Situation) {
        self.situations.push(situation);
    }

    fn begin_black_hole(&mut self) {
        self.black_hole = self.random.within(33..=80) as u32;
        self.reached(Situation::BeyondWindow);
    }

    /// Whether changing this payload makes a forgery. A first message is authenticated by nothing: any
    /// 32 bytes are one.
    fn changed(kind: Kind) -> Intent {
        match kind {
            Kind::Channel(_) | Kind::Handshake => Intent::Forged,
            Kind::FirstMessage | Kind::Other => Intent::Tampered,
        }
    }
}
