//! Hashes, and keys derived with them. Spec: "Vaults and suites", section "Hashes and key derivation".

use hmac::digest::{Digest, FixedOutput, KeyInit, Mac, consts::U32};
use zeroize::Zeroize;

use super::Key;

/// A hash of 32 bytes, and the key derivation made of it.
pub trait Hash: 'static {
    /// The hash of the parts, one after the other.
    fn hash(parts: &[&[u8]]) -> [u8; 32];

    /// HKDF with empty info and two outputs.
    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key);
}

/// SHA-256.
#[derive(Debug, Clone, Copy)]
pub struct Sha256;

/// BLAKE2s with 32 bytes of output and without a key of its own.
#[derive(Debug, Clone, Copy)]
pub struct Blake2s;

impl Hash for Sha256 {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        hash::<sha2::Sha256>(parts)
    }

    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key) {
        hkdf::<hmac::Hmac<sha2::Sha256>>(salt, input)
    }
}

impl Hash for Blake2s {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        hash::<blake2::Blake2s256>(parts)
    }

    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key) {
        //= spec/src/vaults.md#vlt-6
        //# With BLAKE2s, HMAC MUST be that of RFC 2104 with a block of 64 bytes, and not the keyed mode of BLAKE2s.
        hkdf::<hmac::SimpleHmac<blake2::Blake2s256>>(salt, input)
    }
}

fn hash<D: Digest<OutputSize = U32>>(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

fn hkdf<M>(salt: &Key, input: &[u8]) -> (Key, Key)
where
    M: Mac + KeyInit + FixedOutput<OutputSize = U32> + Clone,
{
    //= spec/src/vaults.md#vlt-5
    //# HKDF MUST be that of RFC 5869 with the suite's hash, empty info and 64 bytes of output: two keys of 32 bytes.
    let mac = keyed::<M>(&tag(keyed::<M>(salt).chain_update(input)));
    let first = tag(mac.clone().chain_update([1]));
    let second = tag(mac.chain_update(first.as_bytes()).chain_update([2]));
    (first, second)
}

/// HMAC under a key that is shorter than a block: padded with zeros.
fn keyed<M: Mac + KeyInit>(key: &Key) -> M {
    let mut block = hmac::digest::Key::<M>::default();
    block.iter_mut().zip(key.as_bytes()).for_each(|(to, from)| *to = *from);
    let mac = <M as KeyInit>::new(&block);
    block.as_mut_slice().zeroize();
    mac
}

fn tag<M: Mac + FixedOutput<OutputSize = U32>>(mac: M) -> Key {
    // The output wipes itself.
    Key::new((*mac.finalize().as_bytes()).into())
}
