//! The ephemeral keys of a node, drawn once more.

use std::collections::BTreeMap;
use std::fmt;

use razor::env::{Entropy as _, Purpose, Seeded};

use super::book::{Bytes32, public_key};

/// The ephemeral keys that a node has drawn from its randomness so far.
pub struct Draws {
    entropy: Seeded,
    secrets: BTreeMap<Bytes32, Bytes32>,
}

impl Draws {
    /// Those of a node whose randomness is made of this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { entropy: Seeded::new(seed), secrets: BTreeMap::new() }
    }

    /// The secret half of a key, if `node` has drawn it by now.
    pub fn secret_of(&mut self, node: &Seeded, public: &Bytes32) -> Option<Bytes32> {
        let position = |entropy: &Seeded| entropy.positions()[Purpose::Ephemeral as usize];
        while position(&self.entropy) < position(node) {
            let mut secret = [0; 32];
            self.entropy.fill(Purpose::Ephemeral, &mut secret);
            self.secrets.insert(public_key(&secret), secret);
        }
        self.secrets.get(public).copied()
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draws").field("keys", &self.secrets.len()).finish_non_exhaustive()
    }
}
