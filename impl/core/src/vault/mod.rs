//! Keys and what is done with them. Spec: "Vaults and suites".
//!
//! **Long-term keys** stay in a vault and are used by handle: a machine asks with a [`Request`] and the
//! [`Answer`] comes when it comes. **Session secrets** ([`Key`], [`SecretKey`], [`SharedSecret`]) are
//! values that the machine owns, and that wipe themselves.
//!
//! A [`suite::Suite`] names the primitives of a channel: its hash, its cipher, its key agreement.

mod cipher;
mod hash;
mod key;
#[cfg(any(test, feature = "null-vault"))]
pub mod null;
#[cfg(feature = "p256")]
mod p256;
#[cfg(not(feature = "p256"))]
#[path = "without_p256.rs"]
mod p256;
mod signing;
mod software;
mod static_key;
pub mod suite;
mod x25519;

pub use cipher::{Cipher, MAX_TEXT, RESERVED_NONCE, Tag};
pub use hash::Hash;
pub use key::Key;
pub use signing::sha256;
pub use software::{SigningKind, SoftwareVault};
pub use static_key::StaticKey;
pub use x25519::{Agreement, SecretKey, X25519};

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names a long-term key in a vault: the SHA-256 of its public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHandle(pub [u8; 32]);

/// A public verifying key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum VerifyingKey {
    /// Ed25519, 32 bytes.
    Ed25519([u8; 32]),
    /// ECDSA P-256, 65 bytes, uncompressed SEC1.
    P256([u8; 65]),
}

/// A signature over a 32-byte hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// Ed25519, 64 bytes.
    Ed25519([u8; 64]),
    /// ECDSA P-256: r then s, 32 bytes each, big endian. High S is accepted.
    P256([u8; 64]),
}

/// An X25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// The secret that two X25519 keys share.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret(pub [u8; 32]);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A use of a long-term key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Sign this SHA-256 with a signing key.
    Sign(KeyHandle, [u8; 32]),
    /// Diffie-Hellman of a static key with this public key.
    StaticDh(KeyHandle, PublicKey),
}

/// What came of it.
#[derive(Clone)]
pub enum Answer {
    /// The signature.
    Signed(Signature),
    /// The shared secret.
    Shared(SharedSecret),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Signed(_) => "Signed(..)",
            Answer::Shared(_) => "Shared(..)",
        })
    }
}

#[cfg(test)]
mod tests;
