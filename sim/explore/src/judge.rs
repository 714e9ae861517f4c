//! What must hold in every state.

use razor::channel::{State, WINDOW};
use razor::vault::suite::Suite;

use crate::eavesdropper::{Eavesdropper, Leak};
use crate::live::{Ending, Live, Record, Step};
use crate::memo::{LocalId, Machines};
use crate::message::{Kind, MessageId, MessageSet, Text};
use crate::scenario::{ENDS, End};
use crate::set::NumberSet;

/// What is proven of every state within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// Who has opened has one partner, who it takes it for: same messages, same hash, and nobody else has these.
    Agreement,
    /// The attacker reads no text, even if both static keys are lost afterwards.
    Secrecy,
    /// Every delivered text was sent by the partner, in this channel, and is delivered once.
    Delivery,
    /// Only the two ends of a channel, and time, end it.
    Endurance,
    /// Nobody is stuck: what is half-open ends by itself; what can still be finished is finished by honest delivery;
    /// what is open carries texts both ways; and a new channel opens and does, too.
    Progress,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Agreement, Self::Secrecy, Self::Delivery, Self::Endurance, Self::Progress];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Secrecy => "secrecy",
            Self::Delivery => "delivery",
            Self::Endurance => "endurance",
            Self::Progress => "progress",
        }
    }
}

/// A property that does not hold, and why.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// What is the case instead.
    pub what: String,
}

/// Where all ends stand.
pub(crate) type Global = [LocalId; ENDS];

/// Judges states.
pub(crate) struct Judge {
    eavesdropper: Eavesdropper,
    leaks: Vec<Leak>,
    /// Global of one end, and of two, that were found good.
    good: NumberSet,
}

type Verdict = Result<(), Violation>;

fn fail(property: Property, what: String) -> Verdict {
    Err(Violation { property, what })
}

impl Judge {
    pub(crate) fn new<S: Suite>(machines: &Machines<S>) -> Self {
        let eavesdropper = Eavesdropper::new(&machines.stage.cast);
        Self { eavesdropper, leaks: Vec::new(), good: NumberSet::default() }
    }

    /// Judges a state in which the attacker has these messages. `knows` is, by end, whether its store knows the peer.
    pub(crate) fn judge<S: Suite>(
        &mut self,
        machines: &mut Machines<S>,
        state: &Global,
        pool: &MessageSet,
        knows: &[bool; ENDS],
    ) -> Verdict {
        self.leaks.extend(self.eavesdropper.look(&machines.stage, &machines.messages));
        for end in 0..machines.stage.ends.len() {
            agreement(machines, state, end)?;
            delivery(machines, state, end)?;
            endurance(machines, state, end)?;
        }
        if let Some(leak) = self.leaks.iter().find(|leak| leak.needs.is_subset(pool)) {
            return fail(Property::Secrecy, leak.what.clone());
        }
        self.progress(machines, state, knows)
    }

    fn progress<S: Suite>(&mut self, machines: &mut Machines<S>, state: &Global, knows: &[bool; ENDS]) -> Verdict {
        for end in 0..machines.stage.ends.len() {
            if self.good.insert(1 << 60 | (end as u64) << 16 | u64::from(state[end].0)) {
                ends_by_itself(machines, end, state[end])?;
            }
            for other in 0..machines.stage.ends.len() {
                let (from, to) = (machines.stage.ends[end], machines.stage.ends[other]);
                if !from.initiates || to.initiates || from.who == to.who {
                    continue;
                }
                let known = u64::from(knows[end]) << 1 | u64::from(knows[other]);
                if self.good.insert(3 << 60 | (from.who as u64) << 2 | known) {
                    opens_anew(machines, from, to, [knows[end], knows[other]])?;
                }
                if !belong_together(machines, state, end, other) {
                    continue;
                }
                let places = u64::from(state[end].0) << 16 | u64::from(state[other].0);
                if self.good.insert(2 << 60 | known << 40 | (end as u64) << 36 | (other as u64) << 32 | places) {
                    goes_on(machines, [(end, state[end]), (other, state[other])], [knows[end], knows[other]])?;
                }
            }
        }
        Ok(())
    }
}

/// The ends of the other role that have the same beginning of a handshake, and belong to the peer.
fn partners<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Vec<usize> {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let others = machines.stage.ends.iter().filter(|other| {
        let [first, second, _] = machines.record(other.index, state[other.index]).transcript;
        other.initiates != own.initiates
            && other.who == own.who.peer()
            && [first, second] == record.transcript[..2]
            && second.is_some()
    });
    others.map(|other| other.index).collect()
}

fn agreement<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let Some(peer) = record.peer else { return Ok(()) };
    let fail = |what: String| fail(Property::Agreement, what);
    if peer != Some(own.who.peer()) {
        let who = peer.map_or("somebody unknown", |peer| peer.name());
        return fail(format!("{} is open with {who}", own.name()));
    }
    let partners = partners(machines, state, end);
    let [partner] = partners[..] else {
        let names: Vec<_> = partners.iter().map(|partner| machines.stage.ends[*partner].name()).collect();
        let (own, peer) = (own.name(), own.who.peer().name());
        return fail(if names.is_empty() {
            format!("{own} is open with {peer}, and no end of {peer}'s had this handshake")
        } else {
            format!("{own} is open with {} at once", names.join(" and "))
        });
    };
    let sharers = partners_of_same(machines, state, end, partner);
    if let Some(sharer) = sharers {
        let [own, sharer, partner] = [end, sharer, partner].map(|end| machines.stage.ends[end].name());
        return fail(format!("{own} and {sharer} are both open with {partner}"));
    }
    let other = machines.record(partner, state[partner]);
    // A responder opens last; an initiator need not wait to see it.
    let finished = if own.initiates { other.peer.is_some() } else { true };
    // Who opens and is closed at once, by what it held, shows no hash.
    let differ = record.hash.zip(other.hash).is_some_and(|(own, other)| own != other);
    if finished && (other.peer.is_none() || other.transcript != record.transcript || differ) {
        return fail(format!(
            "{} and {} do not have the same handshake",
            own.name(),
            machines.stage.ends[partner].name()
        ));
    }
    Ok(())
}

/// Another end that is open with the partner of this one.
fn partners_of_same<S: Suite>(machines: &Machines<S>, state: &Global, end: usize, partner: usize) -> Option<usize> {
    let mut rivals = partners(machines, state, partner).into_iter();
    rivals.find(|rival| *rival != end && machines.record(*rival, state[*rival]).peer.is_some())
}

fn delivery<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let fail = |what: String| fail(Property::Delivery, format!("{} delivers {what}", own.name()));
    if let Some(twice) = record.delivered.windows(2).find(|pair| pair[0] == pair[1]) {
        return fail(format!("{} twice", name(machines, twice[0])));
    }
    for text in &record.delivered {
        let of_partner = text.is_some_and(|Text { end: from, number }| {
            partners(machines, state, end).contains(&from) && number < machines.record(from, state[from]).texts
        });
        if !of_partner {
            return fail(format!("{}, which its partner did not send", name(machines, *text)));
        }
    }
    Ok(())
}

fn name<S: Suite>(machines: &Machines<S>, text: Option<Text>) -> String {
    text.map_or("what nobody said".to_owned(), |text| machines.stage.name(text))
}

fn endurance<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let is_honest = |id: MessageId| {
        let said = machines.messages.get(id);
        said.kind == Kind::First && said.from.is_some()
    };
    match record.ending {
        Some(Ending::ClosedByPeer) => {
            let closed = |partner: usize| machines.record(partner, state[partner]).ending == Some(Ending::Closed);
            if !partners(machines, state, end).into_iter().any(closed) {
                return fail(
                    Property::Endurance,
                    format!("{} is closed, and its partner did not close it", own.name()),
                );
            }
        }
        // A stranger who proves to be one is refused for good; a peer is not.
        Some(Ending::Refused) if record.transcript[0].is_none_or(is_honest) => {
            return fail(Property::Endurance, format!("a message has ended the handshake of {}", own.name()));
        }
        _ => {}
    }
    Ok(())
}

/// What is half-open has a time at which it is over, and then it is.
fn ends_by_itself<S: Suite>(machines: &mut Machines<S>, end: usize, at: LocalId) -> Verdict {
    if !machines.record(end, at).is_half_open() {
        return Ok(());
    }
    let mut live = machines.revive(end, at);
    let has_deadline = live.has_deadline();
    machines.steps += 1;
    live.step(&machines.stage, Step::TimeOut, &[], false);
    if has_deadline && live.record.ending == Some(Ending::TimedOut) {
        return Ok(());
    }
    fail(Property::Progress, format!("{} is half-open and never ends", machines.stage.ends[end].name()))
}

/// Whether an initiator and a responder are on the way to a channel with each other, or have one.
fn belong_together<S: Suite>(machines: &Machines<S>, state: &Global, initiator: usize, responder: usize) -> bool {
    let [a, b] = [initiator, responder].map(|end| machines.record(end, state[end]));
    let alive = |record: &Record| record.ending.is_none() && record.state.is_some();
    let same = a.transcript[0] == b.transcript[0] && (a.transcript[1].is_none() || a.transcript[1] == b.transcript[1]);
    alive(a) && alive(b) && same && a.transcript[0].is_some()
}

/// Honest delivery finishes the handshake of two ends, and carries a text each way.
fn goes_on<S: Suite>(machines: &mut Machines<S>, ends: [(usize, LocalId); 2], knows: [bool; 2]) -> Verdict {
    let said = |machines: &Machines<S>, (end, at): (usize, LocalId), place: usize| {
        let id = machines.record(end, at).transcript[place];
        id.map(|id| machines.messages.get(id).bytes.clone())
    };
    let sent = [None, said(machines, ends[1], 1), said(machines, ends[0], 2)];
    let [mut a, mut b] = ends.map(|(end, at)| machines.revive(end, at));
    let names = [a.end.name(), b.end.name()];
    finish(machines, [&mut a, &mut b], knows, sent)
        .or_else(|what| fail(Property::Progress, format!("{} and {}: {what}", names[0], names[1])))
}

/// A new channel opens and carries a text each way.
fn opens_anew<S: Suite>(machines: &mut Machines<S>, from: End, to: End, knows: [bool; 2]) -> Verdict {
    let ends = [End::fresh(from.who, true), End::fresh(to.who, false)];
    let [mut a, mut b] = ends.map(|end| Live::new(&machines.stage, end));
    let first = a.sent().pop();
    finish(machines, [&mut a, &mut b], knows, [first, None, None]).or_else(|what| {
        fail(Property::Progress, format!("a new channel from {} to {}: {what}", from.who.name(), to.who.name()))
    })
}

/// No message of the exploration has this number: it is one for trying out.
const TRIAL: MessageId = MessageId(u16::MAX);

/// Delivers honestly what is missing of a handshake, then a text each way: unless so many were lost before that it is
/// beyond the receiver's window. `sent` are the messages that were sent before.
fn finish<S: Suite>(
    machines: &mut Machines<S>,
    [a, b]: [&mut Live; 2],
    knows: [bool; 2],
    mut sent: [Option<Vec<u8>>; 3],
) -> Result<(), String> {
    let stage = &machines.stage;
    let mut steps = 0;
    let mut step = |live: &mut Live, step: Step, bytes: &[u8], knows: bool| -> Option<Vec<u8>> {
        live.step(stage, step, bytes, knows);
        steps += 1;
        while live.record.asks.is_some() {
            live.step(stage, Step::Answer, &[], knows);
            steps += 1;
        }
        live.sent().pop()
    };
    for _ in 0..2 {
        for (live, knows, own) in [(&mut *a, knows[0], 2), (&mut *b, knows[1], 1)] {
            if live.record.asks.is_some() {
                let answered = step(live, Step::Answer, &[], knows);
                sent[own] = answered.or(sent[own].take());
            }
            let wants = match live.record.state {
                None => 0,
                Some(State::AwaitMessage2) => 1,
                Some(State::AwaitMessage3) => 2,
                _ => continue,
            };
            if let Some(message) = sent[wants].clone() {
                let answer = step(live, Step::Receive(TRIAL), &message, knows);
                sent[own] = answer.or(sent[own].take());
            }
        }
    }
    if !a.record.is_open() || !b.record.is_open() {
        return Err("honest delivery does not open the channel".to_owned());
    }
    for back in [false, true] {
        let (from, to) = if back { (&mut *b, &mut *a) } else { (&mut *a, &mut *b) };
        let message = step(from, Step::Send, &[], false).ok_or("an open channel sends nothing")?;
        let text = Text { end: from.end.index, number: from.record.texts.saturating_sub(1) };
        step(to, Step::Receive(TRIAL), &message, false);
        let is_beyond = u64::from(text.number) > to.record.largest(text.end).map_or(0, u64::from) + WINDOW;
        if !is_beyond && !to.record.delivered.contains(&Some(text)) {
            return Err("what one sends now the other does not deliver".to_owned());
        }
    }
    machines.steps += steps;
    Ok(())
}
