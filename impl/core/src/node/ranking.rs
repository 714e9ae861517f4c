//! Who has the most of something, found without looking at everybody.

use super::worker::ConnectionId;
use crate::ordered::Set;

/// Connections by an amount. Those that have nothing are not in it.
#[derive(Default)]
pub(super) struct Ranking(Set<(usize, ConnectionId)>);

impl Ranking {
    /// The amount of a connection has changed.
    pub(super) fn change(&mut self, id: ConnectionId, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.0.remove(&(before, id));
        if after > 0 {
            self.0.insert((after, id));
        }
    }

    /// Who has the most, and how much; of several the youngest.
    pub(super) fn greatest(&self) -> Option<(ConnectionId, usize)> {
        self.0.last().map(|(amount, id)| (*id, *amount))
    }

    #[cfg(test)]
    pub(super) fn contains(&self, id: ConnectionId, amount: usize) -> bool {
        self.0.contains(&(amount, id))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
