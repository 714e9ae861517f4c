//! One change of an identity: what it says, and how it is encoded.

use alloc::vec::Vec;
use core::ops::Range;

use super::envelope::{SignedType, encode, key, put_key, put_signature, signature};
use super::identifier::ChangeHash;
use super::limits::CHANGE_MAX;
use crate::env::Timestamp;
use crate::error::{Error, Result};
use crate::vault::{Signature, VerifyingKey};
use crate::wire::cbor::Reader;

/// What one change says about its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeData {
    /// The hash of the change before; `None` in the first.
    pub previous: Option<ChangeHash>,
    /// The identity's key from this change on.
    pub key: VerifyingKey,
    /// Says that the owner gave up all purpose keys that were attested before. It changes nothing for
    /// a verifier: attestations that name an older change are refused with or without it.
    pub revoke_all_purpose_keys: bool,
    /// Attestations by this key are valid no earlier.
    pub valid_from: Timestamp,
    /// Attestations by this key are valid no later.
    pub valid_until: Timestamp,
}

impl ChangeData {
    /// The bytes that are signed.
    pub(super) fn encode(&self) -> Vec<u8> {
        let data = encode(|e| {
            let _ = e.array(5);
            let _ = match &self.previous {
                Some(hash) => e.bytes(&hash.0),
                None => e.null(),
            };
            put_key(e, &self.key);
            let _ = e
                .bool(self.revoke_all_purpose_keys)
                .and_then(|e| e.u64(self.valid_from.0))
                .and_then(|e| e.u64(self.valid_until.0));
        });
        SignedType::Change.seal(&data)
    }

    fn decode(signed: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(SignedType::Change.open(signed, CHANGE_MAX)?);
        //= spec/src/extensions.md#ext-3
        //# A verifier MUST refuse a signed structure with another number of items than its version has.
        reader.array_of(5)?;
        let previous = if reader.null()? { None } else { Some(ChangeHash(reader.array_bytes()?)) };
        let key = key(&mut reader)?;
        let revoke_all_purpose_keys = reader.boolean()?;
        let valid_from = Timestamp(reader.uint()?);
        let valid_until = Timestamp(reader.uint()?);
        reader.finish()?;
        Ok(Self { previous, key, revoke_all_purpose_keys, valid_from, valid_until })
    }
}

/// A change of a verified identity.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) hash: ChangeHash,
    pub(super) data: ChangeData,
    pub(super) signature: Signature,
    pub(super) previous_signature: Option<Signature>,
    /// Where the change stands in the encoded history.
    pub(super) span: Range<usize>,
}

impl Change {
    /// Reads one change and checks what it says of itself. No signature is looked at yet.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let start = reader.position();
        let items = reader.array()?;
        let signed = reader.bytes(CHANGE_MAX)?;
        let own = signature(reader)?;
        let previous_signature = match items {
            2 => None,
            3 => Some(signature(reader)?),
            _ => return Err(Error::malformed("COD-3", "a change has two or three items")),
        };
        let data = ChangeData::decode(signed)?;
        //= spec/src/identities.md#idn-18
        //# A verifier MUST refuse a change whose `attestations_valid_from` is later than its `attestations_valid_until`.
        if data.valid_from > data.valid_until || planted!(MomentRefused) && data.valid_from == data.valid_until {
            return Err(Error::misbehaved("IDN-18", "a change ends before it begins"));
        }
        let span = start..reader.position();
        Ok(Self { hash: ChangeHash::of(signed), data, signature: own, previous_signature, span })
    }

    /// Encodes a change.
    pub(super) fn encode(signed: &[u8], own: &Signature, previous: Option<&Signature>) -> Vec<u8> {
        encode(|e| {
            let _ = e.array(if previous.is_some() { 3 } else { 2 }).and_then(|e| e.bytes(signed));
            put_signature(e, own);
            if let Some(previous) = previous {
                put_signature(e, previous);
            }
        })
    }

    /// The change's name: the SHA-256 of its signed bytes.
    pub fn hash(&self) -> &ChangeHash {
        &self.hash
    }

    /// What it says.
    pub fn data(&self) -> &ChangeData {
        &self.data
    }

    /// The key it brings in.
    pub fn key(&self) -> &VerifyingKey {
        &self.data.key
    }

    /// When attestations by its key begin to be valid.
    pub fn valid_from(&self) -> Timestamp {
        self.data.valid_from
    }

    /// When attestations by its key end to be valid.
    pub fn valid_until(&self) -> Timestamp {
        self.data.valid_until
    }

    /// The signature by its own key.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The signature by the key before; `None` in the first change.
    pub fn previous_signature(&self) -> Option<&Signature> {
        self.previous_signature.as_ref()
    }
}
