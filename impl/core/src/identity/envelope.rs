//! What every signed thing shares: the versioned, typed envelope and the encodings of keys and
//! signatures.

use alloc::vec::Vec;

use crate::error::{Error, Result};
use crate::vault::{Signature, VerifyingKey};
use crate::wire::cbor::{Encoder, Reader};

/// The one version of everything signed.
pub(super) const VERSION: u64 = 1;

/// What a signed envelope holds. The tag is signed along, so that one can never pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignedType {
    /// A change of an identity.
    Change = 1,
    /// An attestation of a purpose key.
    Attestation = 2,
    /// A credential.
    Credential = 3,
}

/// The requirements of one signed type, for its errors.
struct Ids {
    version: Error,
    misplaced: Error,
    unknown: Error,
}

impl SignedType {
    const fn ids(self) -> Ids {
        const VERSION: &str = "signed data has an unknown version";
        const UNKNOWN: &str = "signed data has an unknown type tag";
        match self {
            //= spec/src/identities.md#idn-5
            //# A verifier MUST refuse a change whose version is not 1.
            //= spec/src/identities.md#idn-6
            //# A verifier MUST refuse a change whose type tag is not 1, before it decodes what the envelope holds.
            SignedType::Change => Ids {
                version: Error::malformed("IDN-5", VERSION),
                misplaced: Error::misbehaved("IDN-6", "something else that was signed stands for a change"),
                unknown: Error::malformed("IDN-6", UNKNOWN),
            },
            //= spec/src/purpose-keys.md#pur-1
            //# A verifier MUST refuse an attestation whose version is not 1.
            //= spec/src/purpose-keys.md#pur-2
            //# A verifier MUST refuse an attestation whose type tag is not 2, before it decodes what the envelope holds.
            SignedType::Attestation => Ids {
                version: Error::malformed("PUR-1", VERSION),
                misplaced: Error::misbehaved("PUR-2", "something else that was signed stands for an attestation"),
                unknown: Error::malformed("PUR-2", UNKNOWN),
            },
            //= spec/src/purpose-keys.md#pur-22
            //# A receiver MUST refuse a presentation with a credential whose version is not 1 or whose type tag is not 3.
            SignedType::Credential => Ids {
                version: Error::malformed("PUR-22", VERSION),
                misplaced: Error::misbehaved("PUR-22", "something else that was signed stands for a credential"),
                unknown: Error::malformed("PUR-22", UNKNOWN),
            },
        }
    }

    /// Opens an envelope: checks version and type, and only then gives what it holds, at most `max` bytes.
    pub(super) fn open(self, envelope: &[u8], max: usize) -> Result<&[u8]> {
        let ids = self.ids();
        let mut reader = Reader::new(envelope);
        //= spec/src/extensions.md#ext-3
        //# A verifier MUST refuse a signed structure with another number of items than its version has.
        reader.array_of(3)?;
        if reader.uint()? != VERSION {
            return Err(ids.version);
        }
        match reader.uint()? {
            tag if tag == self as u64 || planted!(IgnoresTypeTag) => {}
            1..=3 => return Err(ids.misplaced),
            _ => return Err(ids.unknown),
        }
        let data = reader.bytes(max)?;
        reader.finish()?;
        Ok(data)
    }

    /// Puts `data` into an envelope.
    pub(super) fn seal(self, data: &[u8]) -> Vec<u8> {
        encode(|e| {
            let _ = e.array(3).and_then(|e| e.u64(VERSION)).and_then(|e| e.u64(self as u64));
            let _ = e.bytes(data);
        })
    }
}

/// Encodes into a fresh vector. Writing to a vector cannot fail.
pub(super) fn encode(write: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder);
    encoder.into_writer()
}

/// Appends a key: `[kind, [bytes]]`.
pub(super) fn put_key(e: &mut Encoder<Vec<u8>>, key: &VerifyingKey) {
    let kind = match key {
        VerifyingKey::Ed25519(_) => 0,
        VerifyingKey::P256(_) => 1,
    };
    let _ = e.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(key.as_bytes()));
}

/// Reads a key and checks that it is one.
pub(super) fn key(reader: &mut Reader<'_>) -> Result<VerifyingKey> {
    reader.array_of(2)?;
    let kind = reader.uint()?;
    reader.array_of(1)?;
    let key = match kind {
        0 => VerifyingKey::Ed25519(reader.array_bytes()?),
        1 => VerifyingKey::P256(reader.array_bytes()?),
        _ => return Err(UNKNOWN_KIND),
    };
    if !planted!(WeakKeysTaken) {
        key.validate()?;
    }
    Ok(key)
}

/// Appends a signature: `[kind, [64 bytes]]`.
pub(super) fn put_signature(e: &mut Encoder<Vec<u8>>, signature: &Signature) {
    let kind = match signature {
        Signature::Ed25519(_) => 0,
        Signature::P256(_) => 1,
    };
    let _ = e.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(signature.as_bytes()));
}

/// Reads a signature.
pub(super) fn signature(reader: &mut Reader<'_>) -> Result<Signature> {
    reader.array_of(2)?;
    let kind = reader.uint()?;
    reader.array_of(1)?;
    match kind {
        0 => Ok(Signature::Ed25519(reader.array_bytes()?)),
        1 => Ok(Signature::P256(reader.array_bytes()?)),
        _ => Err(UNKNOWN_KIND),
    }
}

//= spec/src/identities.md#idn-7
//# A decoder MUST refuse a key or signature whose kind is neither 0 nor 1.
const UNKNOWN_KIND: Error = Error::malformed("IDN-7", "a key or signature is of an unknown kind");
