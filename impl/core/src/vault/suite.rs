//! Cipher suites: the hash, the key derivation and the AEAD that a channel is made of.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm as Aead, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::noise::Key;

/// A cipher suite. Chosen per node, never negotiated.
pub trait Suite: Send + Sync + 'static {
    /// The protocol name, 32 bytes.
    const NAME: [u8; 32];
    /// An expanded key.
    type Cipher: Send;

    /// Expands a key.
    fn cipher(key: &Key) -> Self::Cipher;
    /// Encrypts in place and returns the tag.
    ///
    /// # Errors
    /// `VLT-40` when the text is too long.
    fn seal(cipher: &Self::Cipher, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<[u8; 16]>;
    /// Decrypts in place.
    ///
    /// # Errors
    /// `VLT-41` when the tag is wrong.
    fn open(cipher: &Self::Cipher, nonce: u64, data: &[u8], text: &mut [u8], tag: &[u8; 16]) -> Result<()>;
    /// The hash of several parts.
    fn hash(parts: &[&[u8]]) -> [u8; 32];
    /// HKDF with two outputs.
    fn hkdf(salt: &[u8; 32], input: &[u8]) -> ([u8; 32], [u8; 32]);

    /// The next key: Noise's REKEY.
    ///
    /// # Errors
    /// None in practice: the text is 32 bytes.
    fn rekey(key: &Key) -> Result<Key> {
        let mut next = [0; 32];
        Self::seal(&Self::cipher(key), u64::MAX, &[], &mut next)?;
        Ok(Key::new(next))
    }
}

/// `OCKAM_XX_25519_AES256_GCM_SHA256`.
#[derive(Debug, Clone, Copy)]
pub struct Aes256Gcm;

impl Suite for Aes256Gcm {
    const NAME: [u8; 32] = *b"OCKAM_XX_25519_AES256_GCM_SHA256";
    type Cipher = Aead;

    fn cipher(key: &Key) -> Aead {
        Aead::new(&(*key.as_bytes()).into())
    }

    fn seal(cipher: &Aead, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<[u8; 16]> {
        let tag = cipher.encrypt_inout_detached(&expand(nonce).into(), data, text.into());
        Ok(tag.map_err(|_| Error::limit("VLT-40", "a text is too long to encrypt"))?.into())
    }

    fn open(cipher: &Aead, nonce: u64, data: &[u8], text: &mut [u8], tag: &[u8; 16]) -> Result<()> {
        cipher
            .decrypt_inout_detached(&expand(nonce).into(), data, text.into(), &(*tag).into())
            .map_err(|_| Error::misbehaved("VLT-41", "a tag is wrong"))
    }

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
    }

    fn hkdf(salt: &[u8; 32], input: &[u8]) -> ([u8; 32], [u8; 32]) {
        let mac = |key: &[u8; 32], parts: &[&[u8]]| -> [u8; 32] {
            let mut block = [0; 64];
            block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            let mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
            parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().into()
        };
        let key = mac(salt, &[input]);
        let first = mac(&key, &[&[1]]);
        let second = mac(&key, &[&first, &[2]]);
        (first, second)
    }
}

fn expand(nonce: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes.iter_mut().skip(4).zip(nonce.to_be_bytes()).for_each(|(to, from)| *to = from);
    bytes
}
