//! A suite and a vault that protect **nothing**, for fuzzing and for fast simulations.
//!
//! They keep the structure of the real ones: keys agree, tags are 16 bytes and notice accidents, hashes
//! have 32 bytes. Texts stay in the clear, a public key tells its secret key, and anybody can make a tag.
//! [`NullSuite`] is no [`Secure`](super::suite::Secure) suite, so that no driver takes it.

use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::suite::Suite;
use super::{Agreement, Cipher, Hash, Key, PublicKey, SecretKey, SharedSecret, SoftwareVault, Tag, X25519};
use crate::error::{Error, Result};

/// The suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NullSuite;

impl Suite for NullSuite {
    const NAME: &'static str = "NULL_XX_NOTHING_PROTECTS_NOTHING";
    type Agreement = NullAgreement;
    type Cipher = NullCipher;
    type Hash = Checksum;
}

/// A vault whose static keys agree as the suite's do. Its signatures are real.
pub type NullVault = SoftwareVault<NullAgreement>;

/// A public key is its secret key with every bit flipped, but for the highest, which no key of X25519 has; two keys
/// share the exclusive or of their public halves. What no key of X25519 is, is none here.
#[derive(Debug, Clone, Copy)]
pub struct NullAgreement;

impl Agreement for NullAgreement {
    fn public_key(secret: &SecretKey) -> PublicKey {
        let mut public = secret.as_bytes().map(|byte| !byte);
        public[31] &= 0x7f;
        PublicKey(public)
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        let mut shared = Self::public_key(secret).0;
        shared.iter_mut().zip(peer.0).for_each(|(own, peer)| *own ^= peer);
        SharedSecret(shared)
    }

    fn validate(key: &PublicKey) -> Result<()> {
        X25519::validate(key)
    }
}

/// A checksum instead of a hash.
#[derive(Debug, Clone, Copy)]
pub struct Checksum;

impl Hash for Checksum {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        // FNV-1a, then one step of SplitMix64 for each eight bytes.
        let sum = parts
            .iter()
            .flat_map(|part| part.iter())
            .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut out = [0; 32];
        for (eight, round) in out.chunks_exact_mut(8).zip(1u64..) {
            let mut word = sum.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            eight.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
        }
        out
    }

    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key) {
        let output = |number: u8| Key::new(Self::hash(&[salt.as_bytes(), input, &[number]]));
        (output(1), output(2))
    }
}

/// Texts in the clear, checksums as tags.
pub struct NullCipher(Key);

impl NullCipher {
    fn tag(&self, nonce: u64, data: &[u8], text: &[u8]) -> Tag {
        let sum = Checksum::hash(&[self.0.as_bytes(), &nonce.to_be_bytes(), data, text]);
        let mut tag = [0; 16];
        tag.iter_mut().zip(sum).for_each(|(to, from)| *to = from);
        tag
    }
}

impl Cipher for NullCipher {
    fn new(key: &Key) -> Self {
        Self(key.clone())
    }

    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        Ok(self.tag(nonce, data, text))
    }

    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        if self.tag(nonce, data, text) == *tag { Ok(()) } else { Err(Error::misbehaved("VLT-8", "a tag is wrong")) }
    }

    fn renewed_key(&self) -> Result<Key> {
        Ok(Key::new(Checksum::hash(&[self.0.as_bytes()])))
    }
}

impl ZeroizeOnDrop for NullCipher {}

impl fmt::Debug for NullCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NullCipher(..)")
    }
}
