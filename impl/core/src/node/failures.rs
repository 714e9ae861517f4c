//! What failed, and how often.

use crate::error::{Blame, Error};
use crate::ordered::Map;

/// Failures by requirement and blame. Both are constants of the program, so there are as many entries as
/// it has kinds of errors, whatever a peer does; only the first failure of a kind allocates.
#[derive(Debug, Default)]
pub(super) struct Failures(Map<(&'static str, Blame), u64>);

impl Failures {
    pub(super) fn count(&mut self, error: Error) {
        let kind = (error.requirement(), error.blame());
        match self.0.get_mut(&kind) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.0.insert(kind, 1)),
        }
    }

    /// In the order of the requirements' names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, Blame, u64)> {
        self.0.iter().map(|(&(requirement, blame), &count)| (requirement, blame, count))
    }

    /// The sums by blame, in its order.
    pub(super) fn by_blame(&self) -> [u64; 5] {
        let mut sums = [0; 5];
        for (_, blame, count) in self.iter() {
            if let Some(sum) = sums.get_mut(blame as usize) {
                *sum = count.saturating_add(*sum);
            }
        }
        sums
    }
}
