//! Verdicts: what a receiver has to do with a frame that is wrong, or leads nowhere.

use crate::adversary::Intent;
use crate::host::Output;

use super::{Property, Violation};

/// What a host did because of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doings {
    /// It sent something.
    pub sent: bool,
    /// It delivered something to its application.
    pub delivered: bool,
    /// It closed a connection.
    pub closed: bool,
}

impl Doings {
    /// Takes note of an output.
    pub fn note(&mut self, output: &Output) {
        match output {
            Output::Transmit(..) => self.sent = true,
            Output::Delivered { .. } => self.delivered = true,
            Output::Disconnect(_) => self.closed = true,
            _ => {}
        }
    }

    /// Checks what `node` did with a frame of which it is known what has to be done.
    pub fn check(self, node: usize, intent: Intent) -> Result<(), Violation> {
        let detail = match intent {
            Intent::Broken if !self.closed => "something that is no frame came, and the connection stayed",
            Intent::Broken | Intent::Futile if self.delivered => "something was delivered that leads nowhere",
            Intent::Futile if self.sent => "a message that leads nowhere was answered or sent on",
            Intent::Futile if self.closed => "a message that leads nowhere closed a connection",
            _ => return Ok(()),
        };
        Err(Violation::new(Property::Verdict, node, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_closes_the_connection_and_does_nothing_else() {
        let closed = Doings { closed: true, ..Doings::default() };
        assert_eq!(closed.check(0, Intent::Broken), Ok(()));
        for doings in [Doings::default(), Doings { delivered: true, ..closed }] {
            assert_eq!(doings.check(0, Intent::Broken).unwrap_err().property, Property::Verdict);
        }
    }

    #[test]
    fn what_leads_nowhere_does_nothing() {
        assert_eq!(Doings::default().check(0, Intent::Futile), Ok(()));
        let all = [
            Doings { sent: true, ..Doings::default() },
            Doings { delivered: true, ..Doings::default() },
            Doings { closed: true, ..Doings::default() },
        ];
        for doings in all {
            assert_eq!(doings.check(0, Intent::Futile).unwrap_err().property, Property::Verdict);
            assert_eq!(doings.check(0, Intent::Tampered), Ok(()));
        }
    }
}
