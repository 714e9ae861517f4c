//! What all ends of an exploration share.

use razor::vault::suite::Suite;

use crate::cast::Cast;
use crate::forger::Forger;
use crate::message::{Kind, MessageId, MessageSet, Messages, Text};
use crate::scenario::{End, Scenario};
use crate::subject::Fault;

/// What honest parties do wrong, if anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// They let everybody in who proves an identity.
    pub trusts_everyone: bool,
    /// They draw the same ephemeral key again and again.
    pub repeats_randomness: bool,
    /// Their machines have this fault.
    pub fault: Option<Fault>,
}

/// Who takes part, within which bounds.
pub(crate) struct Stage<S: Suite> {
    pub(crate) scenario: Scenario,
    pub(crate) ends: Vec<End>,
    pub(crate) habits: Habits,
    pub(crate) cast: Cast<S>,
    pub(crate) forger: Forger<S>,
}

impl<S: Suite> Stage<S> {
    pub(crate) fn new(scenario: Scenario, habits: Habits) -> Self {
        let cast = Cast::new(&scenario, habits.trusts_everyone);
        let forger = Forger::new(&scenario, &cast);
        Self { ends: scenario.ends(), scenario, habits, cast, forger }
    }

    /// Gives a message of an honest end to the network, and what the attacker makes of it.
    pub(crate) fn publish(&self, messages: &mut Messages, bytes: Vec<u8>, from: End, kind: Kind) -> MessageId {
        let answered = match kind {
            Kind::Second(to) | Kind::Third(to) => Some(messages.get(to).bytes.clone()),
            _ => None,
        };
        let (id, new) = messages.add(bytes.clone(), Some(from), kind, "");
        if new {
            let made = self.forger.make(id, &bytes, kind, answered.as_deref());
            let made: MessageSet =
                made.into_iter().map(|(bytes, kind, note)| messages.add(bytes, None, kind, note).0).collect();
            messages.derive(id, made);
        }
        id
    }

    /// What a text is called.
    pub(crate) fn name(&self, text: Text) -> String {
        let end = self.ends.get(text.end).map_or("a new channel".to_owned(), |end| end.name());
        format!("text {} of {end}", text.number + 1)
    }
}
