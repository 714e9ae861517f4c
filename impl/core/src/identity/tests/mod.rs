//! Tests of identities and purpose keys: helpers first.

mod attestation;
mod history;
mod properties;
mod recorded;
mod store;

use alloc::vec::Vec;

use super::change::{Change, ChangeData};
use super::*;
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::error::{Blame, Error, Result};
use crate::vault::{Signature, SigningKind, SoftwareVault, VerifyingKey};

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000);

/// A vault, its randomness, and a clock to set.
pub(super) struct Owner {
    pub(super) vault: SoftwareVault,
    pub(super) entropy: Seeded,
}

impl Owner {
    pub(super) fn new(seed: u64) -> Self {
        Self { vault: SoftwareVault::new(), entropy: Seeded::from_u64(seed) }
    }

    pub(super) fn key(&mut self, kind: SigningKind) -> VerifyingKey {
        self.vault.generate_signing_key(kind, &mut self.entropy).unwrap()
    }

    pub(super) fn create(&mut self, kind: SigningKind) -> Identity {
        Identity::create(&mut self.vault, kind, &mut Env::new(Instant::ZERO, NOW, &mut self.entropy)).unwrap()
    }

    pub(super) fn rotate(&mut self, identity: &Identity, kind: SigningKind, at: Timestamp) -> Result<Identity> {
        identity.rotate(&mut self.vault, kind, &mut Env::new(Instant::ZERO, at, &mut self.entropy))
    }

    pub(super) fn attest(&mut self, identity: &Identity) -> (crate::vault::PublicKey, PurposeKeyAttestation) {
        identity.attest_static_key(&mut self.vault, &mut Env::new(Instant::ZERO, NOW, &mut self.entropy)).unwrap()
    }

    pub(super) fn sign(&self, key: &VerifyingKey, signed: &[u8]) -> Signature {
        self.vault.sign(&key.handle(), &crate::vault::sha256(signed)).unwrap()
    }

    /// An encoded change with whatever the test wants in it.
    pub(super) fn change(&self, data: &ChangeData, previous: Option<&VerifyingKey>) -> Vec<u8> {
        let signed = data.encode();
        let previous = previous.map(|key| self.sign(key, &signed));
        Change::encode(&signed, &self.sign(&data.key, &signed), previous.as_ref())
    }
}

pub(super) fn data(key: VerifyingKey, previous: Option<&Identity>) -> ChangeData {
    ChangeData {
        previous: previous.map(|identity| *identity.latest().hash()),
        key,
        revoke_all_purpose_keys: false,
        valid_from: NOW,
        valid_until: NOW.plus(1000),
    }
}

pub(super) fn history(changes: &[&[u8]]) -> Vec<u8> {
    Identity::encode(changes.len(), changes)
}

/// The encoded first change of `identity`, or all of them.
pub(super) fn items(identity: &Identity) -> Vec<u8> {
    assert!(identity.changes().len() < 24);
    identity.export()[1..].to_vec()
}

pub(super) fn import(bytes: &[u8]) -> Result<Identity> {
    Identity::import(bytes, None)
}

#[track_caller]
pub(super) fn refused<T: core::fmt::Debug>(result: Result<T>, blame: Blame, id: &str) {
    let error: Error = result.unwrap_err();
    assert_eq!((error.blame(), error.requirement()), (blame, id), "{error}");
}

/// The other form of a P-256 signature: `(r, n - s)`.
pub(super) fn malleated(signature: &Signature) -> Signature {
    let Signature::P256(bytes) = signature else { panic!("only P-256 signatures have two forms") };
    let signature = p256::ecdsa::Signature::from_slice(bytes).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    Signature::P256(other.to_bytes().into())
}
