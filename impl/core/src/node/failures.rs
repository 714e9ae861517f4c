//! What failed, and how often.

use crate::error::{Blame, Error};
use crate::ordered::Map;

/// Failures by requirement and blame. Both are constants of the program, so there are as many entries as
/// it has kinds of errors, whatever a peer does; only the first failure of a kind allocates.
#[derive(Debug, Default)]
pub(super) struct Failures {
    kinds: Map<(&'static str, Blame), u64>,
    /// The sums by blame, in its order.
    pub(super) by_blame: [u64; 5],
}

impl Failures {
    pub(super) fn count(&mut self, error: Error) {
        let kind = (error.requirement(), error.blame());
        match self.kinds.get_mut(&kind) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.kinds.insert(kind, 1)),
        }
        if let Some(sum) = self.by_blame.get_mut(error.blame() as usize) {
            *sum = sum.saturating_add(1);
        }
    }

    /// In the order of the requirements' names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, Blame, u64)> {
        self.kinds.iter().map(|(&(requirement, blame), &count)| (requirement, blame, count))
    }
}
