//! Custody: what a node has learnt of an identity it keeps, and nothing older or other takes its place.

use std::collections::BTreeMap;

use razor::identity::{Identifier, Identity};

use super::{Bytes32, Property, Violation};

/// The histories that nodes have stored, by node and identity: the hashes of their changes.
#[derive(Debug, Default)]
pub struct Custody {
    kept: BTreeMap<(usize, Identifier), Vec<Bytes32>>,
    /// What has been read before, and need not be verified again.
    read: BTreeMap<Vec<u8>, Vec<Bytes32>>,
}

impl Custody {
    /// `node` has forgotten everything.
    pub fn forgets(&mut self, node: usize) {
        self.kept.retain(|(at, _), _| *at != node);
    }

    /// The hashes of the changes in a stored history, if it is one of this identity.
    pub fn read(&mut self, whose: &Identifier, history: Vec<u8>) -> Option<Vec<Bytes32>> {
        if let Some(hashes) = self.read.get(&history).filter(|hashes| hashes.first() == Some(&whose.0)) {
            return Some(hashes.clone());
        }
        let identity = Identity::import(&history, Some(whose)).ok()?;
        let hashes: Vec<_> = identity.changes().map(|change| change.hash().0).collect();
        self.read.insert(history, hashes.clone());
        Some(hashes)
    }

    /// `node` has just accepted `peer`, and keeps this history of it. `shown` is how often that peer had changed its key
    /// when it was accepted, as far as that is known.
    pub fn accepted(
        &mut self,
        node: usize,
        peer: Identifier,
        stored: Option<Vec<Bytes32>>,
        shown: Option<usize>,
    ) -> Result<(), Violation> {
        let no = |detail: String| Err(Violation::new(Property::Agreement, node, detail));
        let Some(stored) = stored else { return no(format!("{peer} was accepted, and nothing of it was stored")) };
        if shown.is_some_and(|shown| stored.len() <= shown) {
            return no(format!("a newer history of {peer} was accepted, and not stored"));
        }
        let known = self.kept.entry((node, peer)).or_default();
        if !stored.starts_with(known) {
            return no(format!("the history of {peer} that was known has made way for an older or conflicting one"));
        }
        *known = stored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Identifier = Identifier([1; 32]);

    #[test]
    fn a_history_grows_and_neither_shrinks_nor_changes() {
        let stored = |changes: &[u8]| Some(changes.iter().map(|change| [*change; 32]).collect());
        let mut custody = Custody::default();
        for (changes, holds) in
            [(&[1][..], true), (&[1, 2], true), (&[1, 2], true), (&[1], false), (&[1, 3], false), (&[1, 2, 3], true)]
        {
            assert_eq!(custody.accepted(0, ALICE, stored(changes), None).is_ok(), holds, "{changes:?}");
        }
        custody.forgets(0);
        assert_eq!(custody.accepted(0, ALICE, stored(&[1]), None), Ok(()));
    }

    #[test]
    fn what_was_shown_is_stored() {
        let mut custody = Custody::default();
        assert_eq!(custody.accepted(0, ALICE, None, None).unwrap_err().property, Property::Agreement);
        for (shown, holds) in [(0, true), (1, true), (2, false)] {
            let stored = Some(vec![[1; 32], [2; 32]]);
            assert_eq!(custody.accepted(0, ALICE, stored, Some(shown)).is_ok(), holds, "{shown}");
        }
    }
}
