//! Identities whose keys are in a node's vault.

use std::fmt;

use razor::env::{Entropy, Purpose, Seeded, Timestamp};
use razor::identity::{
    self, AttestationDraft, Identifier, IdentityDraft, NewKey, PURPOSE_KEY_VALIDITY, PurposeKey, PurposeKeyAttestation,
};
use razor::vault::{SigningKind, SoftwareVault};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::node::{Node, entropy};
use crate::storage::{Kept, StaticKey, Storage};

/// An identity that a node can speak as: its keys are in the node's vault.
#[derive(Clone)]
pub struct Identity {
    pub(crate) identity: identity::Identity,
    pub(crate) attestation: PurposeKeyAttestation,
}

impl Identity {
    /// Its name for everybody.
    pub fn identifier(&self) -> Identifier {
        self.identity.identifier()
    }

    /// Its change history, encoded, to be given to others.
    pub fn export(&self) -> &[u8] {
        self.identity.export()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.identifier())
    }
}

impl Node {
    /// Makes a new identity with an Ed25519 key. It is gone when the node is.
    ///
    /// # Errors
    /// [`Error::Io`] when the operating system gives no randomness.
    pub async fn create_identity(&self) -> Result<Identity> {
        let now = self.clock().wall();
        let mut entropy = entropy()?;
        let kept = create(&mut entropy, now)?;
        let key = attest(&kept, &mut entropy, now)?;
        self.take_in(kept, key)
    }

    /// The identity that the node's storage keeps under this name; it is made when there is none, and so is its
    /// static key when peers would not believe the one that is there for much longer.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] when the node has no storage; [`Error::Damaged`] and [`Error::Io`] when it has a bad one.
    pub async fn identity(&self, name: &str) -> Result<Identity> {
        let now = self.clock().wall();
        let name = name.to_owned();
        let Some(storage) = self.keys().storage().cloned() else {
            return Err(Error::NoIdentity { name, dir: "a node without storage".into() });
        };
        let loaded = tokio::task::spawn_blocking(move || load(&storage, &name, now));
        let (kept, key) = loaded.await.map_err(|_| Error::Stopped)??;
        self.take_in(kept, key)
    }

    /// Puts the keys of an identity into the vault.
    fn take_in(&self, kept: Kept, key: StaticKey) -> Result<Identity> {
        {
            let mut vault = self.keys().vault();
            vault.import_signing_key(kept.kind, &kept.secret)?;
            vault.import_static_key(&key.secret);
        }
        self.keys().pin(&kept.identity)?;
        Ok(Identity { identity: kept.identity, attestation: key.attestation })
    }
}

/// Reads an identity and its static key, and makes what is not there.
fn load(storage: &Storage, name: &str, now: Timestamp) -> Result<(Kept, StaticKey)> {
    let _alone = storage.lock()?;
    let mut entropy = entropy()?;
    let kept = match storage.load_identity(name) {
        Err(Error::NoIdentity { .. }) => {
            let kept = create(&mut entropy, now)?;
            storage.add_identity(name, &kept)?;
            kept
        }
        loaded => loaded?,
    };
    // A quarter of its time before it ends, a key is replaced: never in the middle of a handshake.
    let ahead = now.plus(PURPOSE_KEY_VALIDITY / 4);
    let good = storage.load_static_key(name, &kept.identity, now)?;
    let lasts = |key: &StaticKey| key.attestation.verify(&kept.identity, ahead).is_ok();
    let key = match good {
        Some(key) if lasts(&key) => key,
        _ => {
            let key = attest(&kept, &mut entropy, now)?;
            storage.save_static_key(name, &key)?;
            key
        }
    };
    Ok((kept, key))
}

/// A new identity. The secret is drawn here and not by a vault, which never gives one out.
fn create(entropy: &mut Seeded, now: Timestamp) -> Result<Kept> {
    let secret = draw(entropy);
    let mut vault = SoftwareVault::new();
    let key = vault.import_signing_key(SigningKind::Ed25519, &secret)?;
    let identity = IdentityDraft::create(&NewKey::starting(key, now)).sign_with(&vault)?;
    Ok(Kept { identity, kind: SigningKind::Ed25519, secret })
}

/// A new static key of an identity.
fn attest(kept: &Kept, entropy: &mut Seeded, now: Timestamp) -> Result<StaticKey> {
    let secret = draw(entropy);
    let mut vault = SoftwareVault::new();
    vault.import_signing_key(kept.kind, &kept.secret)?;
    let key = PurposeKey::SecureChannelStatic(vault.import_static_key(&secret));
    let attestation = AttestationDraft::valid_from(&kept.identity, key, now).sign_with(&vault)?;
    Ok(StaticKey { secret, attestation })
}

fn draw(entropy: &mut Seeded) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    entropy.fill(Purpose::LongTermKey, &mut secret[..]);
    secret
}
