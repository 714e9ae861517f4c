//! Purpose keys: what an identity says its other keys are for. Spec: "Purpose keys".

use alloc::vec::Vec;

use super::change::Change;
use super::envelope::{SignedType, encode, key, put_key, put_signature, signature};
use super::history::Identity;
use super::identifier::{ChangeHash, Identifier};
use super::limits::ATTESTATION_MAX;
use crate::env::{Env, Timestamp};
use crate::error::{Error, Result};
use crate::vault::{self, Agreement, KeyHandle, PublicKey, Signature, SoftwareVault, VerifyingKey, sha256};
use crate::wire::cbor::Reader;

/// How long a purpose key is attested unless its owner says otherwise: five years, in seconds.
pub const PURPOSE_KEY_VALIDITY: u64 = 5 * 365 * 24 * 3600;

/// How far another node's clock may be ahead of ours, in seconds.
pub const CLOCK_SKEW: u64 = 60;

/// A key and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurposeKey {
    /// The static key of the identity's secure channels.
    SecureChannelStatic(PublicKey),
    /// Signs the credentials that the identity issues.
    CredentialSigning(VerifyingKey),
}

/// An attestation as it was received: decoded, and nothing more. [`verify`](Self::verify) makes it an
/// [`Attested`] key.
#[derive(Debug, Clone)]
pub struct PurposeKeyAttestation {
    bytes: Vec<u8>,
    hash: [u8; 32],
    signature: Signature,
    claim: Claim,
}

#[derive(Debug, Clone)]
struct Claim {
    subject: Identifier,
    change: ChangeHash,
    key: PurposeKey,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// Proof that an identity attested a key: exists only if every rule of the chapter "Purpose keys" held
/// when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    subject: Identifier,
    key: PurposeKey,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl PurposeKeyAttestation {
    /// Reads an attestation.
    ///
    /// # Errors
    /// `COD-*`, `PUR-1`, `PUR-2` when the bytes are none, `VLT-*` when the attested key is no key.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let attestation = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(attestation)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let start = reader.position();
        reader.array_of(2)?;
        let signed = reader.bytes(ATTESTATION_MAX)?;
        let signature = signature(reader)?;
        let claim = Claim::decode(SignedType::Attestation.open(signed, ATTESTATION_MAX)?)?;
        Ok(Self { bytes: reader.since(start).to_vec(), hash: sha256(signed), signature, claim })
    }

    /// The encoded attestation, as it was received.
    pub fn export(&self) -> &[u8] {
        &self.bytes
    }

    /// The identity that is said to have made it; unverified.
    pub fn claimed_subject(&self) -> &Identifier {
        &self.claim.subject
    }

    /// Checks every rule for an attestation by `subject`, whose history is the newest one known, at `now`.
    ///
    /// # Errors
    /// `PUR-3` to `PUR-10`, one for each rule.
    pub fn verify(&self, subject: &Identity, now: Timestamp) -> Result<Attested> {
        let Claim { change, key, created_at, expires_at, .. } = self.claim;
        let latest = subject.latest();
        //= spec/src/purpose-keys.md#pur-3
        //# A verifier MUST refuse an attestation whose subject is not the identity that it is verified for.
        if self.claim.subject != subject.identifier() && !planted!(SkipsSubject) {
            return Err(Error::misbehaved("PUR-3", "an attestation is of another identity"));
        }
        //= spec/src/purpose-keys.md#pur-4
        //# A verifier MUST refuse an attestation that names any other change than the latest one it knows of the subject.
        //= spec/src/identities.md#idn-21
        //# The flag `revoke_all_purpose_keys` MUST NOT change whether an attestation is accepted.
        // The flag is not looked at.
        if change != latest.hash && !planted!(TakesOldAttestation) {
            return Err(Error::misbehaved("PUR-4", "an attestation does not name the latest change"));
        }
        //= spec/src/purpose-keys.md#pur-5
        //# A verifier MUST refuse an attestation that expires after the latest change's `attestations_valid_until`.
        let ending = if planted!(MeasuresByFirstKey) { subject.changes().next().unwrap_or(latest) } else { latest };
        if expires_at > ending.data.valid_until && !planted!(OutlivesIdentityKey) {
            return Err(Error::misbehaved("PUR-5", "an attestation outlives the key that made it"));
        }
        //= spec/src/purpose-keys.md#pur-6
        //# A verifier MUST refuse an attestation created before the latest change's `attestations_valid_from`.
        if created_at < latest.data.valid_from {
            return Err(Error::misbehaved("PUR-6", "an attestation is older than the key that made it"));
        }
        //= spec/src/purpose-keys.md#pur-7
        //# A verifier MUST refuse an attestation created more than 60 seconds after now.
        if created_at > now.plus(if planted!(BearsAnHour) { 3_600 } else { CLOCK_SKEW })
            && !planted!(TakesFutureAttestation)
        {
            return Err(Error::misbehaved("PUR-7", "an attestation comes from the future"));
        }
        //= spec/src/purpose-keys.md#pur-8
        //# A verifier MUST refuse an attestation that expired before now.
        let expires_at = expires_at.plus(if planted!(GraceAfterExpiry) { CLOCK_SKEW } else { 0 });
        if expires_at < now && !planted!(TakesExpiredAttestation) {
            return Err(Error::misbehaved("PUR-8", "an attestation has expired"));
        }
        //= spec/src/purpose-keys.md#pur-9
        //# A verifier MUST refuse an attestation that expires before it was created.
        if expires_at < created_at {
            return Err(Error::misbehaved("PUR-9", "an attestation ends before it begins"));
        }
        //= spec/src/purpose-keys.md#pur-10
        //# A verifier MUST refuse an attestation that is not signed by the key of the subject's latest change.
        let signed = latest.data.key.verify(&self.hash, &self.signature).is_ok();
        let by_any = planted!(AttestedByAnyKey)
            && subject.changes().any(|by| by.data.key.verify(&self.hash, &self.signature).is_ok());
        if !signed && !by_any && !planted!(SkipsAttestationSignature) {
            return Err(Error::misbehaved("PUR-10", "an attestation is not signed by the identity's key"));
        }
        Ok(Attested { subject: self.claim.subject, key, created_at, expires_at })
    }

    /// [`verify`](Self::verify) at the time at which the attestation says that it was made: what its maker
    /// checks, and whoever explains recorded bytes.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_at_creation(&self, subject: &Identity) -> Result<Attested> {
        self.verify(subject, self.claim.created_at)
    }
}

impl Attested {
    /// Who attested.
    pub fn subject(&self) -> &Identifier {
        &self.subject
    }

    /// The key and its purpose.
    pub fn key(&self) -> &PurposeKey {
        &self.key
    }

    /// When it was attested.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The last second at which the attestation is good.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The key, if it is a secure channel's.
    ///
    /// # Errors
    /// `PUR-11` when it is for another purpose.
    pub fn secure_channel_static(&self) -> Result<&PublicKey> {
        //= spec/src/purpose-keys.md#pur-11
        //# A node MUST NOT use an attested key for another purpose than the attestation names.
        match &self.key {
            PurposeKey::SecureChannelStatic(key) => Ok(key),
            PurposeKey::CredentialSigning(_) => Err(WRONG_PURPOSE),
        }
    }

    /// The key, if it signs credentials.
    ///
    /// # Errors
    /// `PUR-11` when it is for another purpose.
    pub fn credential_signing(&self) -> Result<&VerifyingKey> {
        match &self.key {
            PurposeKey::CredentialSigning(key) => Ok(key),
            PurposeKey::SecureChannelStatic(_) => Err(WRONG_PURPOSE),
        }
    }
}

const WRONG_PURPOSE: Error = Error::misbehaved("PUR-11", "a key is attested for another purpose");

impl Claim {
    fn encode(&self) -> Vec<u8> {
        let data = encode(|e| {
            let _ = e.array(5).and_then(|e| e.bytes(&self.subject.0)).and_then(|e| e.bytes(&self.change.0));
            match &self.key {
                PurposeKey::SecureChannelStatic(key) => {
                    let _ = e.array(2).and_then(|e| e.u8(0)).and_then(|e| e.array(1)).and_then(|e| e.bytes(&key.0));
                }
                PurposeKey::CredentialSigning(key) => {
                    let _ = e.array(2).and_then(|e| e.u8(1)).and_then(|e| e.array(1));
                    put_key(e, key);
                }
            }
            let _ = e.u64(self.created_at.0).and_then(|e| e.u64(self.expires_at.0));
        });
        SignedType::Attestation.seal(&data)
    }

    fn decode(data: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(data);
        reader.array_of(5)?;
        let subject = Identifier(reader.array_bytes()?);
        let change = ChangeHash(reader.array_bytes()?);
        reader.array_of(2)?;
        let purpose = reader.uint()?;
        reader.array_of(1)?;
        let key = match purpose {
            0 => PurposeKey::SecureChannelStatic(PublicKey(reader.array_bytes()?)),
            1 => PurposeKey::CredentialSigning(key(&mut reader)?),
            //= spec/src/purpose-keys.md#pur-12
            //# A decoder MUST refuse an attestation whose purpose is neither 0 nor 1.
            _ => return Err(Error::malformed("PUR-12", "an attestation names an unknown purpose")),
        };
        let created_at = Timestamp(reader.uint()?);
        let expires_at = Timestamp(reader.uint()?);
        reader.finish()?;
        Ok(Self { subject, change, key, created_at, expires_at })
    }
}

/// An attestation that waits for its signature.
#[derive(Debug, Clone)]
pub struct AttestationDraft {
    subject: Identity,
    signer: KeyHandle,
    signed: Vec<u8>,
    hash: [u8; 32],
}

impl AttestationDraft {
    /// Drafts an attestation of `key` by the latest key of `subject`.
    pub fn new(subject: &Identity, key: PurposeKey, created_at: Timestamp, expires_at: Timestamp) -> Self {
        let Change { hash: change, data, .. } = subject.latest();
        let signed = Claim { subject: subject.identifier(), change: *change, key, created_at, expires_at }.encode();
        Self { subject: subject.clone(), signer: data.key.handle(), hash: sha256(&signed), signed }
    }

    /// Drafts an attestation from `now` for [`PURPOSE_KEY_VALIDITY`], or as long as the identity's own
    /// key may attest, whichever ends first.
    pub fn valid_from(subject: &Identity, key: PurposeKey, now: Timestamp) -> Self {
        //= spec/src/purpose-keys.md#pur-14
        //# An attestation MUST NOT be made to expire after the `attestations_valid_until` of the change that it names.
        let expires_at = now.plus(PURPOSE_KEY_VALIDITY).min(subject.latest().data.valid_until);
        Self::new(subject, key, now, expires_at)
    }

    /// What to ask the vault for.
    pub fn request(&self) -> vault::Request {
        vault::Request::Sign(self.signer, self.hash)
    }

    /// Takes the vault's answer.
    ///
    /// # Errors
    /// `PUR-13` when it is no signature; whatever [`PurposeKeyAttestation::verify`] finds wrong with the
    /// result at the time of its creation.
    pub fn answer(self, answer: vault::Answer) -> Result<PurposeKeyAttestation> {
        let vault::Answer::Signed(signature) = answer else {
            return Err(Error::misuse("PUR-13", "a draft asked for a signature"));
        };
        let attestation = PurposeKeyAttestation::decode(&self.encode(&signature))?;
        //= spec/src/purpose-keys.md#pur-13
        //# A node MUST verify an attestation that it made, before it uses it.
        attestation.verify_at_creation(&self.subject)?;
        Ok(attestation)
    }

    /// Finishes the draft with a vault that answers at once.
    ///
    /// # Errors
    /// Those of the vault and of [`answer`](Self::answer).
    pub fn sign_with<A: Agreement>(self, vault: &SoftwareVault<A>) -> Result<PurposeKeyAttestation> {
        let answer = vault.answer(&self.request())?;
        self.answer(answer)
    }

    pub(super) fn encode(&self, signature: &Signature) -> Vec<u8> {
        encode(|e| {
            let _ = e.array(2).and_then(|e| e.bytes(&self.signed));
            put_signature(e, signature);
        })
    }
}

impl Identity {
    /// Makes a static key for secure channels in `vault` and attests it, with the default validity.
    ///
    /// # Errors
    /// Those of the vault, and `PUR-8` when the identity's own key may no longer attest.
    pub fn attest_static_key(
        &self,
        vault: &mut SoftwareVault,
        env: &mut Env<'_>,
    ) -> Result<(PublicKey, PurposeKeyAttestation)> {
        let key = vault.generate_static_key(env.entropy);
        let draft = AttestationDraft::valid_from(self, PurposeKey::SecureChannelStatic(key), env.wall);
        let attestation = draft.sign_with(vault);
        if attestation.is_err() {
            vault.delete(&KeyHandle::of(&key.0));
        }
        Ok((key, attestation?))
    }
}
