//! Adversaries: who reads, keeps and rewrites what passes.
//!
//! An adversary has ways: the directions of a link, or those that leave a node. Whatever is sent along one goes through
//! [`Adversary::on_frame`]. It knows what it saw and holds no key but those that its class gives it, and where it
//! speaks the protocol it does so with the code that honest nodes use. To add a kind, give it a [`Class`]; to add
//! something that can be done, a [`Capability`] and an arm in `tampering` (to what passes) or `injection` (of one's own
//! accord).

mod class;
mod injection;
mod knowledge;
mod lie;
mod misfits;
mod overtaking;
mod tampering;

use std::collections::BTreeMap;
use std::time::Duration;

use razor::routing::Address;

use crate::frame::{Frame, Kind};
use crate::plan;
use crate::record::{Fact, Occasion};
use crate::seed::{Ppm, Stream};
use crate::situation::Situation;

pub use class::{Capability, Class};
pub use knowledge::{Knowledge, KnownChannel};
pub use lie::{Claims, Lie};
pub(crate) use misfits::{TRESPASS, trespasses};
use overtaking::Line;

/// Out of how many chances to act on a message of a channel one changes its place among the others: that takes a long
/// time, in which nothing else is done to the channel.
const OVERTAKES: u64 = 8;

/// One direction of a link: what is sent along it arrives at `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// The link.
    pub link: usize,
    /// The node at its end.
    pub to: usize,
}

/// What a frame is, in the eyes of the checkers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// An honest node made it and nobody changed it.
    Honest,
    /// Something that no key protects was changed, or an honest message comes at the wrong time: its
    /// receiver may act on it as far as its rules go.
    Tampered,
    /// A message that no key holder made: its receiver's trusted state must not change.
    Forged,
    /// A message that leads nowhere: its receiver drops it, does nothing else, and keeps the connection.
    Futile,
    /// What is no frame: its receiver closes the connection.
    Broken,
}

/// Where a frame goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Out along this way.
    Along(Way),
    /// Into the adversary's own node, as if it had come over the connection that has this address there.
    Own(Address),
}

/// A frame that an adversary lets pass, changes, or makes.
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
    /// What the adversary did, if it did anything.
    pub by: Option<Capability>,
}

impl Emission {
    fn now(way: Way, bytes: Vec<u8>, intent: Intent) -> Self {
        Self { delay: Duration::ZERO, target: Target::Along(way), bytes, intent, by: None }
    }
}

/// An adversary's will.
#[derive(Debug)]
pub struct Adversary {
    class: Class,
    /// The node that it has.
    node: Option<usize>,
    ways: Vec<Way>,
    capabilities: Vec<Capability>,
    acts: Ppm,
    every: Duration,
    random: Stream,
    knowledge: Knowledge,
    /// How many listeners of its own show somebody else's name.
    masks: usize,
    /// Where the messages go that it swallows, and how many more, once it has begun.
    black_hole: Option<(Vec<Address>, u32)>,
    /// The channels whose messages it gives another order, by their routes.
    lines: BTreeMap<(Way, Vec<Address>), Line>,
    situations: Vec<Situation>,
    /// What it learnt and did, if somebody asks.
    notes: Option<Notes>,
}

/// What an adversary learnt and did since it was last asked.
#[derive(Debug, Default)]
pub struct Notes {
    /// What it learnt.
    pub facts: Vec<Fact>,
    /// What it did, and why.
    pub deed: Option<(Capability, Occasion)>,
}

impl Adversary {
    /// The adversary of a plan, which has these ways, and this node if any.
    pub fn new(plan: &plan::Adversary, node: Option<usize>, ways: Vec<Way>, random: Stream) -> Self {
        Self {
            class: plan.class,
            node,
            ways,
            capabilities: plan.capabilities().to_vec(),
            acts: plan.acts,
            every: plan.every,
            random,
            knowledge: Knowledge::default(),
            masks: if plan.class == Class::Forger {
                plan.lies().iter().filter(|lie| lie.claims() == Claims::Victim).count()
            } else {
                0
            },
            black_hole: None,
            lines: BTreeMap::new(),
            situations: Vec::new(),
            notes: None,
        }
    }

    /// From now on it takes notes of what it learns and does.
    pub fn take_notes(&mut self) {
        self.notes = Some(Notes::default());
    }

    /// What it learnt and did since the last call.
    pub fn notes(&mut self) -> Notes {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What kind it is.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The node that it has.
    pub fn node(&self) -> Option<usize> {
        self.node
    }

    /// The ways on which it sees what passes.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// The time between two things that it does of its own accord; zero for never.
    pub fn every(&self) -> Duration {
        self.every
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
        self.black_hole = None;
        self.lines.clear();
    }

    /// A frame is about to go along `way`: what goes instead.
    pub fn on_frame(&mut self, way: Way, bytes: Vec<u8>, intent: Intent) -> Vec<Emission> {
        let honest = |bytes| vec![Emission::now(way, bytes, intent)];
        let Ok(frame) = Frame::decode(&bytes) else { return honest(bytes) };
        self.knowledge.saw(way, &frame, &bytes, self.notes.as_mut().map(|notes| &mut notes.facts));
        if self.capabilities.is_empty() {
            return honest(bytes);
        }
        if let (Kind::Channel(nonce), Intent::Honest) = (frame.kind(), intent)
            && let Some(emissions) = self.in_line(way, nonce, &frame, &bytes)
        {
            return emissions;
        }
        if let Some((_, left)) = self.black_hole.as_mut().filter(|(route, _)| *route == frame.onward) {
            *left -= 1;
            let left = *left;
            self.black_hole.take_if(|(_, left)| *left == 0);
            self.did(Capability::BlackHole, || Occasion::Run { bytes, left });
            return Vec::new();
        }
        // Of handshakes there are few: who has something to answer them with misses none.
        let poses = Class::IMPOSTORS.contains(&self.class) && frame.kind() == Kind::FirstMessage;
        let acts = self.random.chance(self.acts) || poses;
        match self.choose(frame.kind()) {
            // Who changes what another made leaves it to the checkers what that other meant.
            Some(capability) if acts && intent == Intent::Honest => {
                let before = self.notes.is_some().then(|| bytes.clone());
                let mut emissions = self.tamper(capability, way, frame, bytes);
                let acted = !matches!(&emissions[..], [emission] if emission.intent == Intent::Honest);
                if let Some(bytes) = before.filter(|_| acted) {
                    self.did(capability, || Occasion::Passing { way, bytes });
                }
                for emission in emissions.iter_mut().filter(|emission| emission.intent != Intent::Honest) {
                    emission.by = Some(capability);
                }
                emissions
            }
            _ => honest(bytes),
        }
    }

    /// Time for mischief.
    pub fn on_timer(&mut self) -> Vec<Emission> {
        let Some(capability) = self.random.pick(&self.capabilities).copied() else { return Vec::new() };
        let mut emissions = self.inject(capability);
        if !emissions.is_empty() {
            let every = self.every;
            self.did(capability, || Occasion::OwnAccord { every, target: None });
        }
        emissions.iter_mut().for_each(|emission| emission.by = Some(capability));
        emissions
    }

    /// What to do to a frame. Few messages of handshakes pass, and those alone can be answered for
    /// somebody else, or disturbed.
    fn choose(&mut self, kind: Kind) -> Option<Capability> {
        let choice = self.random.pick(&self.capabilities).copied();
        let answers = kind == Kind::FirstMessage && self.can(Capability::Impersonate) && self.random.below(2) == 0;
        let chances = if kind == Kind::Handshake { 2 } else { OVERTAKES };
        let overtakes = matches!(kind, Kind::Channel(_) | Kind::Handshake)
            && self.can(Capability::Overtake)
            && self.random.below(chances) == 0;
        let disturbs = matches!(kind, Kind::FirstMessage | Kind::Handshake) && self.can(Capability::Disturb);
        if answers {
            Some(Capability::Impersonate)
        } else if disturbs {
            Some(Capability::Disturb)
        } else if overtakes {
            Some(Capability::Overtake)
        } else {
            choice
        }
    }

    fn did(&mut self, capability: Capability, occasion: impl FnOnce() -> Occasion) {
        if let Some(notes) = &mut self.notes {
            notes.deed = Some((capability, occasion()));
        }
    }

    fn reached(&mut self, situation: Situation) {
        self.situations.push(situation);
    }

    /// Swallows so many messages of this channel from now on: as many as the window reaches, one more or less, or many more.
    fn begin_black_hole(&mut self, route: Vec<Address>) {
        let edge = self.random.below(2) == 0;
        let messages = self.random.within(if edge { 31..=33 } else { 33..=80 }) as u32;
        // The first has just been swallowed.
        self.black_hole = Some((route, messages - 1));
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
