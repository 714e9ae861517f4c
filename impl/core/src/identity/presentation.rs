//! What a party of a secure channel says of itself in the handshake: its history, the attestation of
//! its static key, and credentials. Spec: "Purpose keys", section "Presentation".

use alloc::vec::Vec;

use super::attestation::{Attested, PurposeKeyAttestation};
use super::envelope::{SignedType, encode, signature};
use super::history::Identity;
use super::limits::PresentationLimits;
use crate::env::Timestamp;
use crate::error::{Error, Result};
use crate::vault::PublicKey;
use crate::wire::cbor::Reader;

/// A handshake payload as it was received: its history verifies, and nothing ties it to the channel
/// yet. [`verify`](Self::verify) does.
#[derive(Debug, Clone)]
pub struct Presentation {
    identity: Identity,
    attestation: PurposeKeyAttestation,
    credentials: Vec<PresentedCredential>,
}

/// Proof that the owner of a channel's static key is an identity.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Who it is.
    pub identity: Identity,
    /// The attested static key.
    pub attested: Attested,
    /// The credentials that came along: of the right form, and not verified.
    pub credentials: Vec<PresentedCredential>,
}

/// A credential with the attestation of its issuer's key, encoded as it was received. Its form has been
/// checked; whether it is true has not.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedCredential(Vec<u8>);

impl Presentation {
    /// Encodes what a party says of itself.
    pub fn encode(
        identity: &Identity,
        attestation: &PurposeKeyAttestation,
        credentials: &[PresentedCredential],
    ) -> Vec<u8> {
        let mut bytes = encode(|e| {
            let _ = e.array(3);
        });
        bytes.extend_from_slice(identity.export());
        bytes.extend_from_slice(attestation.export());
        bytes.extend(PresentedCredential::encode_list(credentials));
        bytes
    }

    /// Reads a handshake payload and verifies its history.
    ///
    /// # Errors
    /// `COD-*`, `IDN-*`, `PUR-1`, `PUR-2`, `PUR-12`, `VLT-*` as for histories and attestations; `PUR-20`
    /// when there are too many credentials, `EXT-1` too many unknown items, `PUR-21` when one is too long, `PUR-22` when one is none.
    // Large on the stack, as the next, and neither is there while the other is.
    #[inline(never)]
    pub fn decode(bytes: &[u8], limits: &PresentationLimits) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let unknown = reader.open_array_of(3)?;
        let identity = Identity::read(&mut reader, None, &limits.history)?;
        let attestation = PurposeKeyAttestation::read(&mut reader)?;
        let credentials = PresentedCredential::read_list(&mut reader, limits)?;
        reader.skip_unknown(unknown)?;
        reader.finish()?;
        Ok(Self { identity, attestation, credentials })
    }

    /// Who is claimed to speak; the history is verified, that it is the speaker's is not.
    pub fn claimed_identity(&self) -> &Identity {
        &self.identity
    }

    /// The attestation that came along, unverified.
    pub fn attestation(&self) -> &PurposeKeyAttestation {
        &self.attestation
    }

    /// The credentials that came along: of the right form, and not verified.
    pub fn credentials(&self) -> &[PresentedCredential] {
        &self.credentials
    }

    /// Checks that the identity attested the static key that the other side of the channel used.
    ///
    /// # Errors
    /// `PUR-3` to `PUR-11` as for every attestation; `PUR-15` when it attests another key.
    #[inline(never)]
    pub fn verify(self, static_key: &PublicKey, now: Timestamp) -> Result<Presented> {
        let attested = self.attestation.verify(&self.identity, now)?;
        //= spec/src/purpose-keys.md#pur-15
        //# A party of a secure channel MUST refuse a presentation whose attested key is not the static key that the other side used in the handshake.
        if attested.secure_channel_static()? != static_key && !planted!(SkipsAttestedKey) {
            return Err(Error::misbehaved("PUR-15", "an attestation is of another static key than the channel's"));
        }
        Ok(Presented { identity: self.identity, attested, credentials: self.credentials })
    }
}

impl PresentedCredential {
    /// Reads a credential with its attestation and checks its form.
    ///
    /// # Errors
    /// `COD-*`, `PUR-1`, `PUR-2`, `PUR-21`, `PUR-22`.
    pub fn decode(bytes: &[u8], max: usize) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let credential = Self::read(&mut reader, max)?;
        reader.finish()?;
        Ok(credential)
    }

    /// Encodes a list of them.
    pub fn encode_list(credentials: &[Self]) -> Vec<u8> {
        let mut bytes = encode(|e| {
            let _ = e.array(credentials.len() as u64);
        });
        credentials.iter().for_each(|credential| bytes.extend_from_slice(&credential.0));
        bytes
    }

    /// Reads a list of them and checks their form.
    ///
    /// # Errors
    /// As for one of them; `PUR-20` when there are too many.
    pub fn decode_list(bytes: &[u8], limits: &PresentationLimits) -> Result<Vec<Self>> {
        let mut reader = Reader::new(bytes);
        let credentials = Self::read_list(&mut reader, limits)?;
        reader.finish()?;
        Ok(credentials)
    }

    fn read_list(reader: &mut Reader<'_>, limits: &PresentationLimits) -> Result<Vec<Self>> {
        let count = reader.array()?;
        //= spec/src/purpose-keys.md#pur-20
        //# A receiver MUST refuse a presentation that announces more credentials than its limit, before it decodes any of them.
        if count > u64::from(limits.credentials) && !planted!(TakesManyCredentials) {
            return Err(Error::limit("PUR-20", "a presentation has too many credentials"));
        }
        (0..count).map(|_| Self::read(reader, limits.credential)).collect()
    }

    fn read(reader: &mut Reader<'_>, max: usize) -> Result<Self> {
        let start = reader.position();
        reader.array_of(2)?;
        reader.array_of(2)?;
        SignedType::Credential.open(reader.bytes(max)?, max)?;
        signature(reader)?;
        PurposeKeyAttestation::read(reader)?;
        let bytes = reader.since(start);
        //= spec/src/purpose-keys.md#pur-21
        //# A receiver MUST refuse a presentation with a credential of more bytes than its limit.
        if bytes.len() > max {
            return Err(Error::limit("PUR-21", "a credential has too many bytes"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The encoded credential and attestation, as they were received.
    pub fn export(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for PresentedCredential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PresentedCredential({} bytes)", self.0.len())
    }
}
