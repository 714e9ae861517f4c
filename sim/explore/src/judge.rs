//! What must hold in every state.

use razor::vault::suite::Suite;

use crate::eavesdropper::{Eavesdropper, Leak};
use crate::live::Ending;
use crate::memo::{LocalId, Machines};
use crate::message::{Kind, MessageId, MessageSet, Text};
use crate::progress;
use crate::scenario::ENDS;
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
    /// what is open carries all texts, old and new, both ways, or hears that it is closed; and a new channel opens and
    /// does, too.
    Progress,
    /// What a machine refuses changes nothing that it trusts, and it holds no more than it may.
    Contract,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Agreement, Self::Secrecy, Self::Delivery, Self::Endurance, Self::Progress, Self::Contract];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Secrecy => "secrecy",
            Self::Delivery => "delivery",
            Self::Endurance => "endurance",
            Self::Progress => "progress",
            Self::Contract => "contract",
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
    /// Places of one end, and of two, that were found good; and stores.
    good: NumberSet,
}

pub(crate) type Verdict = Result<(), Violation>;

pub(crate) fn fail(property: Property, what: String) -> Verdict {
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
            contract(machines, state, end)?;
        }
        if let Some(leak) = self.leaks.iter().find(|leak| leak.needs.is_subset(pool)) {
            return fail(Property::Secrecy, leak.what.clone());
        }
        self.progress(machines, state, knows)
    }

    fn progress<S: Suite>(&mut self, machines: &mut Machines<S>, state: &Global, knows: &[bool; ENDS]) -> Verdict {
        let ends = machines.stage.ends.clone();
        for end in &ends {
            if self.good.insert(1 << 60 | (end.index as u64) << 16 | u64::from(state[end.index].0)) {
                progress::ends_by_itself(machines, (end.index, state[end.index]))?;
            }
        }
        let pairs = ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to)));
        for (from, to) in pairs.filter(|(from, to)| from.initiates && !to.initiates && from.who != to.who) {
            let knows = [knows[from.index], knows[to.index]];
            let known = u64::from(knows[0]) << 1 | u64::from(knows[1]);
            if self.good.insert(3 << 60 | (from.who as u64) << 2 | known) {
                progress::opens_anew(machines, [*from, *to], knows)?;
            }
            if !may_have_a_channel(machines, state, from.index, to.index) {
                continue;
            }
            let pair = [from.index, to.index].map(|end| (end, state[end]));
            let places = u64::from(pair[0].1.0) << 16 | u64::from(pair[1].1.0);
            if self.good.insert(2 << 60 | known << 40 | (from.index as u64) << 36 | (to.index as u64) << 32 | places) {
                progress::goes_on(machines, pair, knows)?;
            }
        }
        Ok(())
    }
}

/// Whether an initiator and a responder are on the way to a channel with each other, or have one.
fn may_have_a_channel<S: Suite>(machines: &Machines<S>, state: &Global, initiator: usize, responder: usize) -> bool {
    let [a, b] = [initiator, responder].map(|end| machines.record(end, state[end]).transcript);
    a[0].is_some() && a[0] == b[0] && (a[1].is_none() || a[1] == b[1])
}

/// The ends of the other role that have the same beginning of a handshake, and belong to the peer.
fn partners<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> impl Iterator<Item = usize> {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let others = machines.stage.ends.iter().filter(move |other| {
        let [first, second, _] = machines.record(other.index, state[other.index]).transcript;
        other.initiates != own.initiates
            && other.who == own.who.peer()
            && [first, second] == record.transcript[..2]
            && second.is_some()
    });
    others.map(|other| other.index)
}

fn agreement<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let Some(peer) = record.peer else { return Ok(()) };
    let name = |end: usize| machines.stage.ends[end].name();
    let fail = |what: String| fail(Property::Agreement, format!("{} {what}", own.name()));
    if peer != Some(own.who.peer()) {
        return fail(format!("is open with {}", peer.map_or("somebody unknown", |peer| peer.name())));
    }
    let mut partners = partners(machines, state, end);
    let Some(partner) = partners.next() else {
        let peer = own.who.peer().name();
        return fail(format!("is open with {peer}, and no end of {peer}'s had this handshake"));
    };
    if let Some(another) = partners.next() {
        return fail(format!("is open with {} and {} at once", name(partner), name(another)));
    }
    if let Some(rival) = rival(machines, state, end, partner) {
        return fail(format!("and {} are both open with {}", name(rival), name(partner)));
    }
    let other = machines.record(partner, state[partner]);
    // An initiator opens first, and does not know whether its partner will.
    let is_first = own.initiates && other.peer.is_none();
    // Who opens and is closed at once, by what it held, shows no hash.
    let same_hash = record.hash.zip(other.hash).is_none_or(|(own, other)| own == other);
    if is_first || other.peer.is_some() && other.transcript == record.transcript && same_hash {
        return Ok(());
    }
    fail(format!("and {} do not have the same handshake", name(partner)))
}

/// Another end that is open with the partner of this one.
fn rival<S: Suite>(machines: &Machines<S>, state: &Global, end: usize, partner: usize) -> Option<usize> {
    partners(machines, state, partner)
        .find(|other| *other != end && machines.record(*other, state[*other]).peer.is_some())
}

fn delivery<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let (own, record) = (machines.stage.ends[end], machines.record(end, state[end]));
    let fail = |what: String| fail(Property::Delivery, format!("{} delivers {what}", own.name()));
    if let Some(twice) = record.delivered.windows(2).find(|pair| pair[0] == pair[1]) {
        return fail(format!("{} twice", name(machines, twice[0])));
    }
    for text in &record.delivered {
        let of_partner = text.is_some_and(|Text { end: from, number }| {
            partners(machines, state, end).any(|partner| partner == from)
                && number < machines.record(from, state[from]).texts
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
            if !partners(machines, state, end).any(closed) {
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

fn contract<S: Suite>(machines: &Machines<S>, state: &Global, end: usize) -> Verdict {
    let own = machines.stage.ends[end];
    let breach = machines.record(end, state[end]).breach;
    breach.map_or(Ok(()), |breach| fail(Property::Contract, format!("{} {breach}", own.name())))
}
