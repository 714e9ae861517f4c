//! Signatures over 32-byte hashes, and who may be trusted to have made them. Spec: "Vaults and
//! suites", section "Signing".
//!
//! Two kinds, with different promises: Ed25519, verified strictly, is strongly unforgeable; ECDSA
//! P-256 is not, because whoever sees `(r, s)` can write down `(r, -s)`. Production makes both forms,
//! so both are accepted, and nothing in this crate identifies anything by the bytes of a signature.

use core::fmt;

use sha2::{Digest, Sha256};

use super::x25519::below_prime;
use super::{KeyHandle, Signature, VerifyingKey, p256};
use crate::error::{Error, Result};

/// SHA-256, the hash of everything that is signed.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl VerifyingKey {
    /// The key's bytes: 32 for Ed25519, 65 for P-256.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            VerifyingKey::Ed25519(bytes) => bytes,
            VerifyingKey::P256(bytes) => bytes,
        }
    }

    /// The name that a vault gives the key.
    pub fn handle(&self) -> KeyHandle {
        KeyHandle::of(self.as_bytes())
    }

    /// Checks that the bytes are the one encoding of a usable point.
    ///
    /// # Errors
    /// `VLT-23` for Ed25519, `VLT-26` for P-256.
    pub fn validate(&self) -> Result<()> {
        match self {
            VerifyingKey::Ed25519(bytes) => ed25519(bytes).map(|_| ()),
            VerifyingKey::P256(bytes) => p256::validate(bytes),
        }
    }

    /// Checks that the holder of this key signed `hash`, which is all that is ever signed.
    ///
    /// # Errors
    /// `VLT-21` when key and signature are of different kinds, `VLT-22` or `VLT-24` when the signature
    /// is wrong, and those of [`validate`](Self::validate).
    pub fn verify(&self, hash: &[u8; 32], signature: &Signature) -> Result<()> {
        self.verify_message(hash, signature)
    }

    /// [`verify`](Self::verify) for a message of any length, as vectors that others made have them.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    pub fn verify_message(&self, message: &[u8], signature: &Signature) -> Result<()> {
        match (self, signature) {
            (VerifyingKey::Ed25519(key), Signature::Ed25519(signature)) => {
                //= spec/src/vaults.md#vlt-22
                //# A verifier MUST refuse an Ed25519 signature whose S is not below the order of the group, or whose R is not the canonical encoding of a point of large order.
                ed25519(key)?
                    .verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
                    .map_err(|_| Error::misbehaved("VLT-22", "an Ed25519 signature does not verify"))
            }
            (VerifyingKey::P256(key), Signature::P256(signature)) => p256::verify(key, message, signature),
            //= spec/src/vaults.md#vlt-21
            //# A verifier MUST refuse a signature whose kind is not the kind of the key.
            _ => Err(Error::misbehaved("VLT-21", "a signature is of another kind than the key")),
        }
    }
}

impl KeyHandle {
    /// The handle of the key pair with these public key bytes.
    pub fn of(public_key: &[u8]) -> Self {
        //= spec/src/vaults.md#vlt-28
        //# The handle of a long-term key MUST be the SHA-256 of the bytes of its public key.
        Self(sha256(public_key))
    }
}

impl Signature {
    /// The 64 bytes. They identify nothing: two different signatures may say the same.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        match self {
            Signature::Ed25519(bytes) | Signature::P256(bytes) => bytes,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VerifyingKey::Ed25519(_) => "Ed25519(",
            VerifyingKey::P256(_) => "P256(",
        })?;
        hex(f, self.as_bytes())?;
        f.write_str(")")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signature::Ed25519(_) => "Ed25519(",
            Signature::P256(_) => "P256(",
        })?;
        hex(f, self.as_bytes())?;
        f.write_str(")")
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn ed25519(bytes: &[u8; 32]) -> Result<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
        .map_err(|_| Error::malformed("VLT-23", "an Ed25519 public key is not a point"))?;
    //= spec/src/vaults.md#vlt-23
    //# A verifier MUST refuse an Ed25519 public key that is not the canonical encoding of a point of large order.
    // The sign of x, in the highest bit, can be chosen but where x is 0, and these points are of small order.
    let mut y = *bytes;
    y[31] &= 0x7f;
    if key.is_weak() || !below_prime(&y) && !planted!(NonCanonicalKeys) {
        return Err(Error::misbehaved("VLT-23", "an Ed25519 public key is of small order or not canonical"));
    }
    Ok(key)
}
