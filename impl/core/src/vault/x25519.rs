//! Diffie-Hellman on Curve25519. Spec: "Vaults and suites", section "Key agreement".

use core::fmt;

use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{PublicKey, SharedSecret};
use crate::env::{Entropy, Purpose};
use crate::error::{Error, Result};

/// A secret X25519 key. Any 32 bytes are one. It is wiped when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key.
    pub fn generate(purpose: Purpose, entropy: &mut dyn Entropy) -> Self {
        let mut key = Self([0; 32]);
        if purpose != Purpose::Ephemeral || !planted!(RepeatsEphemeralKey) {
            entropy.fill(purpose, &mut key.0);
        }
        key
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// How two keys agree on a secret.
pub trait Agreement: 'static {
    /// The public half of `secret`.
    fn public_key(secret: &SecretKey) -> PublicKey;

    /// What `secret` and `peer` share. Any public key is taken; small points give zeros.
    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret;

    /// Checks that `key` is one that a correct peer can have.
    ///
    /// # Errors
    /// `VLT-11` when it is not the one encoding of its number, `VLT-12` when its order is small.
    fn validate(key: &PublicKey) -> Result<()>;
}

/// X25519 of RFC 7748.
#[derive(Debug, Clone, Copy)]
pub struct X25519;

impl Agreement for X25519 {
    fn public_key(secret: &SecretKey) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&StaticSecret::from(secret.0)).to_bytes())
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        //= spec/src/vaults.md#vlt-10
        //# Key agreement MUST be X25519 of RFC 7748: the secret is clamped, and the highest bit of the public key masked.
        let shared = StaticSecret::from(secret.0).diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
        SharedSecret(*shared.as_bytes())
    }

    fn validate(key: &PublicKey) -> Result<()> {
        //= spec/src/vaults.md#vlt-11
        //# The strict check of a public key MUST refuse every encoding of a number that is not below 2^255 - 19, the highest bit included.
        if !below_prime(&key.0) {
            return Err(Error::malformed("VLT-11", "an X25519 public key is not in its canonical form"));
        }
        //= spec/src/vaults.md#vlt-12
        //# The strict check of a public key MUST refuse the points whose order divides 8.
        if SMALL_ORDER.contains(&key.0) {
            return Err(Error::misbehaved("VLT-12", "an X25519 public key is of small order"));
        }
        Ok(())
    }
}

impl SharedSecret {
    /// Whether it is all zeros: then the other key is of small order, and everyone knows it.
    pub fn is_zero(&self) -> bool {
        //= spec/src/erasure.md#era-2
        //# Tags, keys and shared secrets MUST be compared in constant time.
        self.0.ct_eq(&[0; 32]).into()
    }
}

/// Whether a number, little endian, is below the prime of the field: the one form of each of its elements.
pub(super) fn below_prime(number: &[u8; 32]) -> bool {
    number.iter().rev().lt(PRIME.iter().rev())
}

/// 2^255 - 19, little endian.
const PRIME: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed;
    bytes[31] = 0x7f;
    bytes
};

/// The u-coordinates of the points of the curve and its twist whose order divides 8: of orders 2, 4, 4, 8, 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
    *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
    *b"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
];
