//! ECDSA on P-256. Spec: "Vaults and suites", section "Signing".

use p256::ecdsa::signature::{Signer, Verifier};
use zeroize::ZeroizeOnDrop;

use crate::error::{Error, Result};

/// A secret key.
#[derive(ZeroizeOnDrop)]
pub(super) struct SigningKey(p256::ecdsa::SigningKey);

impl SigningKey {
    /// The key with this scalar, big endian, and its public key.
    pub(super) fn new(secret: &[u8; 32]) -> Result<(Self, [u8; 65])> {
        //= spec/src/vaults.md#vlt-30
        //# A vault MUST refuse to import a P-256 secret that is zero or not below the order of the group.
        let key = p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| INVALID_SECRET)?;
        let point = key.verifying_key().to_sec1_point(false);
        Ok((Self(key), point.as_bytes().try_into().map_err(|_| INVALID_SECRET)?))
    }

    /// Signs a hash.
    pub(super) fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        // RFC 6979: `sign` hashes its input, which is the second of the two hashes.
        let signature: p256::ecdsa::Signature = self.0.sign(hash);
        signature.to_bytes().into()
    }
}

/// Checks that the bytes are a point of the curve.
pub(super) fn validate(key: &[u8; 65]) -> Result<()> {
    verifying_key(key).map(|_| ())
}

/// Checks a signature over the SHA-256 of a message.
pub(super) fn verify(key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> Result<()> {
    let wrong = Error::misbehaved("VLT-24", "an ECDSA P-256 signature does not verify");
    let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| wrong)?;
    //= spec/src/vaults.md#vlt-24
    //# An ECDSA P-256 signature MUST be made and verified over the SHA-256 of the 32-byte hash.
    //= spec/src/vaults.md#vlt-25
    //# A verifier MUST accept an ECDSA P-256 signature whether its s is in the lower or in the upper half.
    verifying_key(key)?.verify(message, &signature).map_err(|_| wrong)
}

fn verifying_key(bytes: &[u8; 65]) -> Result<p256::ecdsa::VerifyingKey> {
    //= spec/src/vaults.md#vlt-26
    //# A verifier MUST refuse a P-256 public key that is not the uncompressed encoding of a point on the curve.
    p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
        .map_err(|_| Error::malformed("VLT-26", "a P-256 public key is not a point of the curve"))
}

const INVALID_SECRET: Error = Error::misuse("VLT-30", "these bytes are no P-256 secret key");
