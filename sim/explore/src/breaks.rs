//! Proof that the explorer can fail: the same machines, each broken in one way from outside.

use crate::cast::Who;
use crate::judge::Property;
use crate::scenario::Scenario;
use crate::search::{Extent, Outcome, explore};
use crate::stage::Habits;
use crate::subject::Fault;
use crate::suite::{Clear, Masked, OneSecret, TagBlind, TwinKeys};

/// Something that is broken on purpose.
pub struct Break {
    /// What is wrong.
    pub name: &'static str,
    /// What must be found; `None` is that the exploration itself is not to be trusted then.
    pub refutes: Option<Property>,
    what: What,
}

/// What is explored instead of what is right.
enum What {
    /// Another suite, or other habits.
    Other(fn() -> (Outcome, Extent)),
    /// A machine with a fault.
    Faulty(Fault),
}

/// More states than any of the breaks needs.
const LIMIT: usize = 1_000_000;

impl Break {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::new("a cipher that leaves texts in the clear", Property::Secrecy, || {
            explore::<Clear>(Scenario::plain("clear"), Habits::default(), LIMIT)
        }),
        Self::new("a key agreement that always gives the same: an eavesdropper", Property::Secrecy, || {
            explore::<OneSecret>(Scenario::plain("constant"), Habits::default(), LIMIT)
        }),
        Self::new("a key agreement that always gives the same: a forger", Property::Agreement, || {
            explore::<OneSecret>(Scenario { forges: true, ..Scenario::plain("constant") }, Habits::default(), LIMIT)
        }),
        Self::new("a cipher that looks at no tag", Property::Agreement, || {
            explore::<TagBlind>(Scenario { changes: true, ..Scenario::plain("blind") }, Habits::default(), LIMIT)
        }),
        Self::new("one key for both directions", Property::Delivery, || {
            explore::<TwinKeys>(Scenario::plain("twins"), Habits::default(), LIMIT)
        }),
        Self::new("parties that trust everybody", Property::Agreement, || {
            let habits = Habits { trusts_everyone: true, ..Habits::default() };
            explore::<Masked>(Scenario { forges: true, ..Scenario::plain("trusting") }, habits, LIMIT)
        }),
        Self::new("randomness that repeats itself", Property::Agreement, || {
            let habits = Habits { repeats_randomness: true, ..Habits::default() };
            explore::<Masked>(
                Scenario { initiators: vec![Who::Alice; 2], ..Scenario::plain("repeating") },
                habits,
                LIMIT,
            )
        }),
        Self::faulty("a channel that delivers twice", Fault::DeliversTwice, Some(Property::Delivery)),
        Self::faulty("a channel that takes replays", Fault::TakesReplays, Some(Property::Delivery)),
        Self::faulty("a handshake that a bad message ends", Fault::GivesUp, Some(Property::Endurance)),
        Self::faulty("a channel that a bad message ends", Fault::BreaksOff, Some(Property::Endurance)),
        Self::faulty("a handshake that never times out", Fault::WaitsForEver, Some(Property::Progress)),
        Self::faulty("a machine that counts what it refuses", Fault::Counts, Some(Property::Contract)),
        Self::faulty("a machine that bears a grudge where nobody sees it", Fault::Sulks, None),
    ];

    const fn new(name: &'static str, refutes: Property, run: fn() -> (Outcome, Extent)) -> Self {
        Self { name, refutes: Some(refutes), what: What::Other(run) }
    }

    const fn faulty(name: &'static str, fault: Fault, refutes: Option<Property>) -> Self {
        Self { name, refutes, what: What::Faulty(fault) }
    }

    /// Goes through the states of the broken thing.
    pub fn run(&self) -> (Outcome, Extent) {
        match self.what {
            What::Other(run) => run(),
            What::Faulty(fault) => {
                let habits = Habits { fault: Some(fault), ..Habits::default() };
                explore::<Masked>(Scenario { hold: 0, ..Scenario::plain("faulty") }, habits, LIMIT)
            }
        }
    }

    /// Whether this is what had to be found.
    pub fn is_found(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Refuted(violation, _) => self.refutes == Some(violation.property),
            Outcome::Unsound(_) => self.refutes.is_none(),
            Outcome::Proven | Outcome::TooLarge => false,
        }
    }
}
