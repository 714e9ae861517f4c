//! A device's static key, and what peers have shown of themselves.

use razor::Result;
use razor::channel;
use razor::env::Timestamp;
use razor::identity::{Identity, MemoryStore, PurposeKeyAttestation};
use razor::node::{Answer, Request};
use razor::vault::{SecretKey, StaticKey};

/// What answers the questions of channels on a device whose identity was made elsewhere.
///
/// The identity's own key stays where the device was made: there it signs, once, that the static key is the identity's.
/// Whoever reads out the device's memory has the static key, and not the identity.
pub struct Keys {
    key: StaticKey,
    histories: MemoryStore,
}

impl Keys {
    /// A device with this static key.
    pub fn new(key: SecretKey) -> Self {
        Self { key: StaticKey::new(key), histories: MemoryStore::new(MemoryStore::FLOOR_LIMIT) }
    }

    /// Answers a channel.
    pub fn answer(&mut self, request: &Request) -> Answer {
        match request {
            Request::Vault(request) => Answer::Vault(self.key.answer(request)),
            Request::Store(request) => Answer::Store(self.histories.answer(request)),
        }
    }
}

/// What the device says of itself in handshakes: its change history, and the attestation of its static key, as they were
/// exported where they were made.
///
/// # Errors
/// Those of reading them; `PUR-*` when the attestation would not convince a peer now.
pub fn presenting(history: &[u8], attestation: &[u8], now: Timestamp) -> Result<channel::Config> {
    let identity = Identity::import(history, None)?;
    channel::Config::new(&identity, &PurposeKeyAttestation::decode(attestation)?, &[], now)
}
