//! Channels, and what applications say through them.

use std::time::Duration;

use razor::identity::Identifier;
use razor::routing::Address;

use crate::adversary::{Intent, TRESPASS};
use crate::checker::{Property, Violation};
use crate::host::{APP, Input, LISTENER, Origin};
use crate::plan::{self, Plan};
use crate::record::Conversation;
use crate::situation::Situation;
use crate::trace::{Entry, What};

use super::{Event, World};

/// How long an application waits before it tries again to open what goes through a channel that is not open yet, or
/// over a link that is down.
const AGAIN: Duration = Duration::from_millis(20);

/// How often it tries.
const TRIES: u32 = 20;

/// From this many links on a way is long.
const FAR: usize = 4;

/// A channel of two applications.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) messages: usize,
    pub(super) pace: Duration,
    pub(super) payload: usize,
    /// The channel that it goes through.
    inside: Option<usize>,
    /// Whether a session keeps it.
    pub(super) kept: bool,
    /// Whom the opener expects, from when it has opened.
    pub(super) expects: Option<Identifier>,
    /// How often the opener's identity had changed its key then: a session goes on showing the papers of its beginning.
    pub(super) rotations: usize,
    /// Where the opener sends to, while the channel is open.
    pub(super) near: Option<Address>,
    /// Where the responder sends to, from when it has heard something.
    pub(super) far: Option<Address>,
    /// Where the opener sends to once its session is up.
    pub(super) kept_at: Option<Address>,
    /// How often its session has come up.
    pub(super) ups: u32,
    /// The links of its way, and how often each had been connected when it began.
    pub(super) links: Vec<(usize, u32)>,
    tries: u32,
    /// Whether each side has begun to speak.
    spoken: [bool; 2],
}

impl Talk {
    /// A channel of the plan.
    pub(super) fn planned(plan: &Plan, channel: &plan::Channel) -> Self {
        let node = |name: &String| plan.node(name).expect("a plan that was checked");
        let inside = channel.inside.as_ref().and_then(|name| plan.channel(name));
        Self {
            pace: channel.pace,
            payload: channel.payload,
            inside,
            kept: channel.kept,
            ..Self::between(node(&channel.from), node(&channel.to), channel.messages)
        }
    }

    /// A plain channel between these two, and so many messages each way.
    pub(super) fn between(from: usize, to: usize, messages: usize) -> Self {
        Self {
            from,
            to,
            messages,
            pace: Duration::from_millis(10),
            payload: 200,
            inside: None,
            kept: false,
            expects: None,
            rotations: 0,
            near: None,
            far: None,
            kept_at: None,
            ups: 0,
            links: Vec::new(),
            tries: 0,
            spoken: [false; 2],
        }
    }

    /// For the record.
    pub(super) fn conversation(&self) -> Conversation {
        let Self { from, to, inside, kept, messages, .. } = *self;
        Conversation { from, to, inside, kept, messages }
    }

    pub(super) fn speaker(&self, forward: bool) -> usize {
        if forward { self.from } else { self.to }
    }
}

impl World {
    pub(super) fn open(&mut self, tag: usize) {
        let Some(route) = self.route_of(tag) else {
            let talk = &mut self.talks[tag];
            talk.tries += 1;
            if talk.tries < TRIES {
                self.queue.schedule(self.queue.now() + AGAIN, Event::Open { tag });
            }
            return;
        };
        let (from, to, kept) = (self.talks[tag].from, self.talks[tag].to, self.talks[tag].kept);
        let expect = self.hosts[to].face().identifier;
        let way = plan::way(&self.neighbours, from, to, |link| self.wires[link].is_up()).unwrap_or_default();
        if way.len() >= FAR {
            self.reached(Situation::Far);
        }
        let talk = &mut self.talks[tag];
        talk.expects = Some(expect);
        talk.rotations = self.hosts[from].face().rotations;
        talk.links = way.into_iter().map(|(link, _)| (link, self.wires[link].epoch)).collect();
        let words = format!("open channel {tag} to node {to}");
        self.trace.add(Entry { frame: tag as u64, ..Entry::new(self.queue.now(), from, What::Asked, words) });
        self.trace.because_of_last();
        if !kept {
            self.outcomes.begins(tag, from, self.queue.now());
        }
        self.step(from, Input::Open { tag, route, expect, kept }, Intent::Honest);
    }

    /// The route to the listener of a channel: over links, or through the channel that it is inside of.
    fn route_of(&self, tag: usize) -> Option<Vec<Address>> {
        let talk = &self.talks[tag];
        let Some(outer) = talk.inside else { return self.route(talk.from, talk.to, LISTENER, false) };
        let outer = &self.talks[outer];
        let mut route = vec![outer.near.clone()?];
        route.extend(self.route(outer.to, talk.to, LISTENER, true)?);
        Some(route)
    }

    /// A channel of the world's is open at the end that opened it.
    pub(super) fn channel_begins(&mut self, tag: usize, encryptor: Address) {
        if self.talks[tag].inside.is_some() {
            self.reached(Situation::Nested);
        }
        self.talks[tag].near = Some(encryptor);
        self.begin(tag, true);
    }

    /// A session is up, or down.
    pub(super) fn session(&mut self, tag: usize, up: bool) {
        let talk = &mut self.talks[tag];
        if !up {
            talk.near = None;
            return;
        }
        talk.near = talk.kept_at.clone();
        talk.ups += 1;
        if talk.ups > 1 {
            self.reached(Situation::SessionReplaced);
        }
        self.begin(tag, true);
    }

    /// A session has one channel at a time.
    pub(super) fn check_session(&self, tag: usize) -> Result<(), Violation> {
        let Talk { from, to, expects, .. } = self.talks[tag];
        let Some(peer) = expects else { return Ok(()) };
        // Nobody else opens channels between these two.
        let opens = self.talks.iter().any(|talk| (talk.from, talk.to) == (to, from));
        let poses = self.plan.adversaries.iter().any(|adversary| adversary.victim.is_some());
        let sessions =
            self.talks.iter().filter(|talk| talk.kept && talk.from == from && talk.expects == expects).count();
        let open = self.hosts[from].unasked(&peer);
        if opens || poses || open <= sessions {
            return Ok(());
        }
        let detail = format!("{sessions} sessions have {open} channels");
        Err(Violation::new(Property::Bounds, from, detail))
    }

    /// One side begins to speak, if it has not yet.
    fn begin(&mut self, tag: usize, forward: bool) {
        if !std::mem::replace(&mut self.talks[tag].spoken[usize::from(forward)], true) {
            self.queue.schedule(self.queue.now(), Event::Say { tag, forward, order: 0 });
        }
    }

    /// One side of a channel says something, and will again.
    pub(super) fn say(&mut self, tag: usize, forward: bool, order: u64) {
        let talk = &self.talks[tag];
        if order >= talk.messages as u64 {
            return;
        }
        let (node, to) = (talk.speaker(forward), talk.speaker(!forward));
        let (end, pace, most) = (if forward { &talk.near } else { &talk.far }, talk.pace, talk.payload);
        let Some(encryptor) = end.clone() else {
            // A session may come up again; a channel does not.
            if talk.kept && !self.healed {
                self.queue.schedule(self.queue.now() + pace, Event::Say { tag, forward, order });
            }
            return;
        };
        let filler_len = self.words.within(0..=most as u64) as usize;
        let filler = self.words.bytes(filler_len);
        let payload = self.ledger.send(tag, self.hosts[node].face().identifier, to, order, &filler);
        self.trace.frame(self.queue.now(), node, What::Asked, None, order, Intent::Honest, &payload);
        self.trace.because_of_last();
        self.step(node, Input::Say { route: vec![encryptor, APP.into()], payload }, Intent::Honest);
        self.queue.schedule(self.queue.now() + pace, Event::Say { tag, forward, order: order + 1 });
    }

    /// The application of `node` has received something.
    pub(super) fn delivered(&mut self, node: usize, payload: &[u8], origin: Origin, back: &[Address]) {
        let now = self.queue.now();
        let other =
            back.first().and_then(|encryptor| self.agreement.other_end(node, encryptor)).map(|other| other.node);
        if let (Some(encryptor), Some(guests)) = (back.first(), self.guests.get_mut(&node)) {
            guests.heard(now, encryptor);
        }
        if !self.checks {
            return self.answered(node, payload, back);
        }
        if let Some(auditor) = &mut self.auditor {
            let verdict = auditor.delivered(node, payload);
            self.judge(verdict);
        }
        if payload.starts_with(&TRESPASS) {
            let detail = "an answer came from somebody who is not for whoever asked";
            return self.judge(Err(Violation::new(Property::Access, node, detail)));
        }
        if self.hostile.contains(&node) {
            // What is said to a thief is said to a thief.
            let betrayed = self.situations.contains(&Situation::ThiefAccepted);
            let verdict = if betrayed || self.watch.is_none() { Ok(()) } else { self.check_secrecy(node, payload) };
            return self.judge(verdict);
        }
        if other.is_some_and(|other| self.hostile.contains(&other)) {
            let verdict = self.ledger.of_a_guest(node, payload);
            return self.judge(verdict);
        }
        let agreement = &self.agreement;
        match self.ledger.deliver(node, payload, origin, back, |peer| agreement.is_known(peer)) {
            Err(violation) => self.judge(Err(violation)),
            Ok(None) => {}
            Ok(Some(receipt)) => {
                if receipt.out_of_order {
                    self.reached(Situation::OutOfOrder);
                }
                if receipt.order >= 32 {
                    self.reached(Situation::Rekeyed);
                }
                self.heard(node, receipt.channel, receipt.encryptor);
            }
        }
    }

    /// As [`delivered`](Self::delivered), without a check.
    fn answered(&mut self, node: usize, payload: &[u8], back: &[Address]) {
        if let (Some(channel), Some(encryptor)) = (self.ledger.note(node, payload), back.first()) {
            self.heard(node, channel, encryptor.clone());
        }
    }

    /// A message of a channel has arrived.
    fn heard(&mut self, node: usize, tag: usize, encryptor: Address) {
        let talk = &mut self.talks[tag];
        if talk.kept {
            self.situations.insert(Situation::SessionDelivered);
        }
        // A session's newest channel is the one to answer through.
        if node == talk.to && (talk.far.is_none() || talk.kept) {
            talk.far = Some(encryptor);
            self.begin(tag, false);
        }
    }

    /// Whether `node` has a session with `peer`: that opens channels which the world did not ask for.
    pub(super) fn is_a_session(&self, node: usize, peer: &Identifier) -> bool {
        self.talks.iter().any(|talk| talk.kept && talk.from == node && talk.expects == Some(*peer))
    }

    /// Whether `node` lets `peer` open channels to it.
    pub(super) fn trusts(&self, node: usize, peer: &Identifier) -> bool {
        match &self.plan.nodes[node].trusts {
            plan::Trusts::Everybody => true,
            plan::Trusts::These(names) => {
                let owner = self.agreement.owner(peer);
                names.iter().any(|name| self.plan.node(name) == owner && owner.is_some())
            }
        }
    }
}
