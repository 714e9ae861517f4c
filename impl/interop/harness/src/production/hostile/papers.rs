//! Papers of an attacker: well made, or with one thing wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use razor::identity::{Identifier, Identity};
use razor::vault::{SoftwareVault, VerifyingKey, sha256};
use razor_vectors::own::forge::{self, Attestation, ChangeData, Keys, signed};

use crate::table::Outcome;

/// Somebody with an identity whose key was changed once, and a static key.
pub(super) struct Person {
    pub(super) keys: Keys,
    pub(super) old: VerifyingKey,
    pub(super) new: VerifyingKey,
    static_secret: [u8; 32],
    pub(super) now: u64,
}

impl Person {
    /// Somebody whom nobody has met.
    pub(super) fn new() -> Outcome<Self> {
        let mut seeds = [0; 35];
        getrandom::fill(&mut seeds)?;
        let mut keys = Keys::new();
        let [old, new] = [keys.ed25519(seeds[0]), keys.ed25519(seeds[1] ^ seeds[0].rotate_left(3) ^ 1)];
        let static_secret = *seeds.last_chunk::<32>().ok_or("35 bytes hold 32")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self { keys, old, new, static_secret, now })
    }

    pub(super) fn static_secret(&self) -> &[u8; 32] {
        &self.static_secret
    }

    /// A change with this key, valid from a thousand seconds ago for a day.
    pub(super) fn change(&self, key: VerifyingKey) -> ChangeData {
        ChangeData { from: self.now - 1000, until: self.now + 86_400, ..ChangeData::new(key) }
    }

    /// A history of these two changes, each signed as it should be.
    pub(super) fn history_of(&self, one: &ChangeData, two: ChangeData) -> Vec<u8> {
        let one = one.signed();
        let two = two.after(&one).signed();
        forge::history(&[
            signed(&one, &self.keys.sign(&self.old, &one), None),
            signed(&two, &self.keys.sign(&self.new, &two), Some(&self.keys.sign(&self.old, &two))),
        ])
    }

    pub(super) fn history(&self) -> Vec<u8> {
        self.history_of(&self.change(self.old), self.change(self.new))
    }

    /// What an honest person says of the static key, for a history of two changes.
    pub(super) fn attestation(&self) -> Attestation {
        let one = self.change(self.old).signed();
        let two = self.change(self.new).after(&one).signed();
        self.attestation_for(Identifier(sha256(&one)), sha256(&two))
    }

    pub(super) fn attestation_for(&self, subject: Identifier, change: [u8; 32]) -> Attestation {
        let key = SoftwareVault::new().import_static_key(&self.static_secret);
        Attestation {
            subject,
            change: razor::identity::ChangeHash(change),
            key: forge::static_key(&key.0),
            created: self.now - 100,
            expires: self.now + 3600,
        }
    }

    /// Signs what is in an envelope with the latest key.
    pub(super) fn sign(&self, envelope: &[u8]) -> Vec<u8> {
        signed(envelope, &self.keys.sign(&self.new, envelope), None)
    }

    /// History, attestation, no credentials.
    pub(super) fn present(&self, history: &[u8], attestation: &[u8]) -> Vec<u8> {
        [&[0x83], history, attestation, &[0x80]].concat()
    }

    /// This attestation with the right history.
    pub(super) fn attesting(&self, attestation: &Attestation) -> Vec<u8> {
        self.present(&self.history(), &self.sign(&attestation.signed()))
    }

    /// This history, with an attestation that fits it.
    pub(super) fn of_history(&self, history: &[u8], latest: &[u8], first: &[u8]) -> Vec<u8> {
        let attestation = self.attestation_for(Identifier(sha256(first)), sha256(latest));
        self.present(history, &self.sign(&attestation.signed()))
    }

    /// What an honest person presents.
    pub(super) fn presentation(&self) -> Vec<u8> {
        let presentation = self.attesting(&self.attestation());
        debug_assert!(Identity::import(&self.history(), None).is_ok(), "an honest history holds");
        presentation
    }
}
