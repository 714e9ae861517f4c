//! The null suite with texts that only a holder of the key can read, and suites that are broken in one way each.
//!
//! What is not broken is as good as perfect here: the attacker of this crate inverts nothing and guesses nothing, it
//! calls these functions with what it has.

use std::fmt;
use std::marker::PhantomData;

use razor::Result;
use razor::error::Error;
use razor::vault::null::{Checksum, NullAgreement, NullSuite};
use razor::vault::suite::Suite;
use razor::vault::{Agreement, Cipher, Hash, Key, PublicKey, SecretKey, SharedSecret, Tag};

/// The suite that is explored: keys and tags of the null suite, and texts under a mask that depends on key and nonce.
pub type Masked = Toy<AnyKey<true>, Mask<true>, Checksum>;

/// Broken: the null suite itself, whose texts are in the clear.
pub type Clear = NullSuite;

/// Broken: no tag is ever wrong.
pub type TagBlind = Toy<AnyKey<true>, Mask<false>, Checksum>;

/// Broken: every Diffie-Hellman gives the same.
pub type OneSecret = Toy<AnyKey<false>, Mask<true>, Checksum>;

/// Broken: both directions have one key.
pub type TwinKeys = Toy<AnyKey<true>, Mask<true>, Twins>;

/// A suite of these parts: agreement, cipher and hash.
pub struct Toy<A, C, H>(PhantomData<Parts<A, C, H>>);

/// Sent and shared whatever the parts are: a suite is a name.
type Parts<A, C, H> = fn() -> (A, C, H);

impl<A, C, H> Clone for Toy<A, C, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, C, H> Copy for Toy<A, C, H> {}

impl<A: Agreement, C: Cipher, H: Hash> Suite for Toy<A, C, H> {
    const NAME: &'static str = "NULL_XX_MASKS_FOR_WHO_HAS_NO_KEY";
    type Agreement = A;
    type Cipher = C;
    type Hash = H;
}

/// A cipher that hides its text from whoever has not its key. `CHECKS` is whether it looks at tags.
pub struct Mask<const CHECKS: bool>(Key);

impl<const CHECKS: bool> Mask<CHECKS> {
    fn apply(&self, nonce: u64, text: &mut [u8]) {
        for (block, number) in text.chunks_mut(32).zip(0u64..) {
            let mask = Checksum::hash(&[b"mask", self.0.as_bytes(), &nonce.to_be_bytes(), &number.to_be_bytes()]);
            block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }

    fn tag(&self, nonce: u64, data: &[u8], sealed: &[u8]) -> Tag {
        let length = (data.len() as u64).to_be_bytes();
        let sum = Checksum::hash(&[b"tag", self.0.as_bytes(), &nonce.to_be_bytes(), &length, data, sealed]);
        std::array::from_fn(|at| sum[at])
    }
}

impl<const CHECKS: bool> Cipher for Mask<CHECKS> {
    fn new(key: &Key) -> Self {
        Self(key.clone())
    }

    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        self.apply(nonce, text);
        Ok(self.tag(nonce, data, text))
    }

    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        if CHECKS && self.tag(nonce, data, text) != *tag {
            return Err(Error::misbehaved("VLT-8", "a tag is wrong"));
        }
        self.apply(nonce, text);
        Ok(())
    }
}

// Its key wipes itself.
impl<const CHECKS: bool> zeroize::ZeroizeOnDrop for Mask<CHECKS> {}

impl<const CHECKS: bool> fmt::Debug for Mask<CHECKS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(..)")
    }
}

/// The agreement of the null suite, which takes any 32 bytes for a public key: whatever comes to a listener begins a
/// handshake there. Half of all bytes are no key of X25519, by chance. One that does not agree gives a secret that
/// everybody knows.
#[derive(Debug, Clone, Copy)]
pub struct AnyKey<const AGREES: bool>;

impl<const AGREES: bool> Agreement for AnyKey<AGREES> {
    fn public_key(secret: &SecretKey) -> PublicKey {
        NullAgreement::public_key(secret)
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        if AGREES { NullAgreement::agree(secret, peer) } else { SharedSecret([1; 32]) }
    }

    fn validate(_: &PublicKey) -> Result<()> {
        Ok(())
    }
}

/// A derivation whose two outputs are one.
#[derive(Debug, Clone, Copy)]
pub struct Twins;

impl Hash for Twins {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        Checksum::hash(parts)
    }

    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key) {
        let (first, _) = Checksum::hkdf(salt, input);
        (first.clone(), first)
    }
}
