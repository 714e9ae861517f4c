//! Outcomes: whoever begins a handshake hears what becomes of it, in the time that he gave it.

use std::collections::BTreeMap;
use std::time::Duration;

use razor::channel::HandshakeTime;
use razor::env::Instant;

use super::{Property, Violation};

/// How much later it may be: a machine may have paused.
const LATER: Duration = Duration::from_secs(1);

/// The handshakes that have begun and of which nothing has been heard, by number.
#[derive(Debug, Default)]
pub struct Outcomes {
    waiting: BTreeMap<usize, (usize, Instant)>,
}

impl Outcomes {
    /// `node` begins the handshake of this number.
    pub fn begins(&mut self, number: usize, node: usize, now: Instant) {
        self.waiting.insert(number, (node, now));
    }

    /// It has succeeded, or failed.
    pub fn ends(&mut self, number: usize) {
        self.waiting.remove(&number);
    }

    /// `node` has lost what it had begun.
    pub fn forgets(&mut self, node: usize) {
        self.waiting.retain(|_, (at, _)| *at != node);
    }

    /// When the last of those that have begun must have been heard of.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, begun)| *begun + HandshakeTime::FLOOR.0 + LATER).max()
    }

    /// Checks that nobody waits for longer than he should.
    pub fn check(&self, now: Instant) -> Result<(), Violation> {
        let late = self.waiting.iter().find(|(_, (_, begun))| *begun + HandshakeTime::FLOOR.0 + LATER <= now);
        match late {
            None => Ok(()),
            Some((_, (node, _))) => {
                let detail = "a handshake has neither succeeded nor failed in its time";
                Err(Violation::new(Property::Liveness, *node, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_of_which_nothing_is_heard_is_noticed() {
        let mut outcomes = Outcomes::default();
        outcomes.begins(1, 4, Instant::ZERO);
        outcomes.begins(2, 5, Instant::ZERO);
        outcomes.begins(3, 6, Instant::ZERO);
        outcomes.ends(1);
        outcomes.forgets(5);
        let due = outcomes.due().unwrap();
        assert_eq!(outcomes.check(Instant::ZERO + HandshakeTime::FLOOR.0), Ok(()));
        let violation = outcomes.check(due).unwrap_err();
        assert_eq!((violation.property, violation.node), (Property::Liveness, Some(6)));
        outcomes.ends(3);
        assert_eq!((outcomes.check(due), outcomes.due()), (Ok(()), None));
    }
}
