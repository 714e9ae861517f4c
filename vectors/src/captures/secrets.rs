//! The secrets that a session was recorded with.

use std::collections::BTreeMap;

use razor::env::Timestamp;
use razor::identity::{AttestationDraft, Identity, PurposeKey, PurposeKeyAttestation};
use razor::vault::{PublicKey, SigningKind, SoftwareVault, VerifyingKey};

use super::format::{Operation, Recording, Session, Times};
use crate::Hex;
use crate::report::{Check, equal};

/// Secret keys by their public halves.
type Pool = BTreeMap<[u8; 32], [u8; 32]>;

/// Everything secret that is known about a session.
pub(super) struct Secrets {
    ephemerals: Pool,
    statics: Pool,
    signing: SoftwareVault,
}

impl Secrets {
    /// # Errors
    /// A sentence when a secret is none, or recorded differently in two places.
    pub(super) fn new(recording: &Recording, session: &Session) -> Result<Self, String> {
        let mut all = Self { ephemerals: Pool::new(), statics: Pool::new(), signing: SoftwareVault::new() };
        for (_, operations) in session.operations() {
            for operation in operations? {
                if let Operation::GenerateEphemeral { secret, .. } = operation {
                    insert(&mut all.ephemerals, &secret)?;
                }
            }
        }
        for secret in recording.purpose_key_attestations.iter().filter_map(|attestation| attestation.secret.as_ref()) {
            insert(&mut all.statics, secret)?;
        }
        for secrets in session.secrets.iter().flat_map(|parties| parties.values()) {
            if let Some(secret) = &secrets.static_x25519 {
                insert(&mut all.statics, secret)?;
            }
            if let Some(secret) = &secrets.ephemeral_x25519 {
                insert(&mut all.ephemerals, secret)?;
            }
            if let Some(secret) = &secrets.identity_ed25519 {
                all.signing.import_signing_key(SigningKind::Ed25519, &secret.array()?).map_err(|e| e.to_string())?;
            }
        }
        Ok(all)
    }

    /// Whether nothing is known that a channel begins with.
    pub(super) fn is_empty(&self) -> bool {
        self.ephemerals.is_empty()
    }

    /// The secret half of an ephemeral key.
    pub(super) fn ephemeral(&self, public: &[u8; 32]) -> Option<&[u8; 32]> {
        self.ephemerals.get(public)
    }

    /// The secret half of a static key.
    pub(super) fn static_key(&self, public: &PublicKey) -> Option<&[u8; 32]> {
        self.statics.get(&public.0)
    }

    /// All static keys: secret halves by public ones.
    pub(super) fn statics(&self) -> &Pool {
        &self.statics
    }

    /// The attestation made again, when the identity's latest key is known and its signatures repeat.
    pub(super) fn attests(
        &self,
        identity: &Identity,
        key: PublicKey,
        times: Times,
        recorded: &PurposeKeyAttestation,
    ) -> Check {
        let signer = identity.latest().key();
        if !matches!(signer, VerifyingKey::Ed25519(_)) || !self.signing.holds(&signer.handle()) {
            return Ok(());
        }
        let (from, until) = (Timestamp(times.created_at), Timestamp(times.expires_at));
        let draft = AttestationDraft::new(identity, PurposeKey::SecureChannelStatic(key), from, until);
        let again = draft.sign_with(&self.signing).map_err(|e| e.to_string())?;
        equal("the attestation, made again,", again.export(), recorded.export())
    }
}

/// The public half of an X25519 key.
pub(super) fn public(secret: &Hex) -> Result<[u8; 32], String> {
    Ok(SoftwareVault::new().import_static_key(&secret.array()?).0)
}

/// Adds a secret key.
fn insert(pool: &mut Pool, secret: &Hex) -> Check {
    let (public, secret) = (public(secret)?, secret.array()?);
    match pool.insert(public, secret) {
        Some(other) if other != secret => Err("one public key has two secret ones in the recording".into()),
        _ => Ok(()),
    }
}
