//! Noise XX as Ockam speaks it, written down once more: from the specification, over other code than the core's own.
//!
//! The core's nodes agree with each other even if all of them are wrong in the same way. This does not agree with them
//! then.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, aead::AeadInOut};
use blake2::Blake2s256;
use chacha20poly1305::ChaCha20Poly1305;
use sha2::{Digest, Sha256};

/// A hash, a key, half of a pair of keys.
pub type Bytes32 = [u8; 32];

/// Which suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Book {
    /// X25519, AES-256-GCM, SHA-256.
    Aes256,
    /// X25519, AES-128-GCM, SHA-256.
    Aes128,
    /// X25519, ChaCha20-Poly1305, BLAKE2s.
    ChaCha,
}

/// The number that renews a key.
const RENEWS: u64 = u64::MAX;

impl Book {
    /// The book of a suite, by its name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Aes256, Self::Aes128, Self::ChaCha].into_iter().find(|book| book.name() == name.as_bytes())
    }

    fn name(self) -> Bytes32 {
        *match self {
            Self::Aes256 => b"OCKAM_XX_25519_AES256_GCM_SHA256",
            Self::Aes128 => b"OCKAM_XX_25519_AES128_GCM_SHA256",
            Self::ChaCha => b"OCKAM_XX_25519_ChaChaPolyBLAKE2s",
        }
    }

    fn hash(self, parts: &[&[u8]]) -> Bytes32 {
        match self {
            Self::ChaCha => digest::<Blake2s256>(parts),
            _ => digest::<Sha256>(parts),
        }
    }

    /// HMAC of RFC 2104: the blocks of both hashes have 64 bytes.
    fn hmac(self, key: &Bytes32, message: &[u8]) -> Bytes32 {
        let pad = |with: u8| std::array::from_fn::<u8, 64, _>(|n| key.get(n).copied().unwrap_or(0) ^ with);
        self.hash(&[&pad(0x5c), &self.hash(&[&pad(0x36), message])])
    }

    /// HKDF of Noise: two outputs.
    pub(super) fn hkdf(self, salt: &Bytes32, input: &[u8]) -> [Bytes32; 2] {
        let key = self.hmac(salt, input);
        let first = self.hmac(&key, &[1]);
        [first, self.hmac(&key, &[&first[..], &[2]].concat())]
    }

    /// What encrypts under this key.
    pub(super) fn cipher(self, key: &Bytes32) -> Cipher {
        match self {
            Self::Aes256 => Cipher::Aes256(Aes256Gcm::new(&(*key).into()).into()),
            Self::Aes128 => Cipher::Aes128(Aes128Gcm::new(&half(key).into()).into()),
            Self::ChaCha => Cipher::ChaCha(ChaCha20Poly1305::new(&(*key).into()).into()),
        }
    }
}

/// A key, made ready for use.
#[derive(Debug, Clone)]
pub(super) enum Cipher {
    Aes256(Box<Aes256Gcm>),
    Aes128(Box<Aes128Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
}

impl Cipher {
    fn nonce(&self, number: u64) -> Nonce {
        let number = if let Self::ChaCha(_) = self { number.to_le_bytes() } else { number.to_be_bytes() };
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number);
        nonce
    }

    /// Decrypts a text with its tag behind it.
    pub(super) fn open(&self, number: u64, data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (text, tag) = sealed.split_last_chunk::<16>()?;
        let (nonce, tag, mut text) = (self.nonce(number), *tag, text.to_vec());
        match self {
            Self::Aes256(cipher) => open_with(&**cipher, nonce, data, &mut text, tag),
            Self::Aes128(cipher) => open_with(&**cipher, nonce, data, &mut text, tag),
            Self::ChaCha(cipher) => open_with(&**cipher, nonce, data, &mut text, tag),
        }
        .then_some(text)
    }

    /// The key of the next interval: zeros, encrypted under the last number of all.
    pub(super) fn renewed(&self) -> Bytes32 {
        let (nonce, mut zeros) = (self.nonce(RENEWS), [0; 32]);
        match self {
            Self::Aes256(cipher) => seal_with(&**cipher, nonce, &mut zeros),
            Self::Aes128(cipher) => seal_with(&**cipher, nonce, &mut zeros),
            Self::ChaCha(cipher) => seal_with(&**cipher, nonce, &mut zeros),
        }
        zeros
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Bytes32 {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    std::array::from_fn({
        let bytes = digest.finalize();
        move |n| bytes[n]
    })
}

fn half(key: &Bytes32) -> [u8; 16] {
    std::array::from_fn(|n| key[n])
}

type Nonce = [u8; 12];

fn open_with<A>(cipher: &A, nonce: Nonce, data: &[u8], text: &mut [u8], tag: [u8; 16]) -> bool
where
    A: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    cipher.decrypt_inout_detached(&Array::from(nonce), data, text.into(), &Array::from(tag)).is_ok()
}

fn seal_with<A>(cipher: &A, nonce: Nonce, text: &mut [u8])
where
    A: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    cipher.encrypt_inout_detached(&Array::from(nonce), &[], text.into()).expect("a short text");
}

/// The public half of a secret.
pub(super) fn public_key(secret: &Bytes32) -> Bytes32 {
    x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*secret)).to_bytes()
}

/// What two keys share.
pub(super) fn x25519(secret: &Bytes32, public: &Bytes32) -> Bytes32 {
    x25519_dalek::StaticSecret::from(*secret).diffie_hellman(&(*public).into()).to_bytes()
}

/// A handshake as far as it has come.
#[derive(Debug, Clone)]
pub(super) struct Transcript {
    book: Book,
    h: Bytes32,
    ck: Bytes32,
    k: Bytes32,
    n: u64,
}

impl Transcript {
    /// After message 1, with its payload.
    pub(super) fn begun(book: Book, ephemeral: &Bytes32, payload: &[u8]) -> Self {
        let name = book.name();
        let mut new = Self { book, h: name, ck: name, k: [0; 32], n: 0 };
        // No prologue.
        new.mix(&[]);
        new.mix(ephemeral);
        new.mix(payload);
        new
    }

    pub(super) fn mix(&mut self, data: &[u8]) {
        self.h = self.book.hash(&[&self.h, data]);
    }

    pub(super) fn mix_shared(&mut self, shared: &Bytes32) {
        [self.ck, self.k] = self.book.hkdf(&self.ck, shared);
        self.n = 0;
    }

    /// Decrypts what comes next.
    pub(super) fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let text = self.book.cipher(&self.k).open(self.n, &self.h, sealed)?;
        self.mix(sealed);
        self.n += 1;
        Some(text)
    }

    /// The hash of all that was said.
    pub(super) fn hash(&self) -> Bytes32 {
        self.h
    }

    /// The keys of the responder and of the initiator.
    pub(super) fn keys(&self) -> [Bytes32; 2] {
        self.book.hkdf(&self.ck, &[])
    }
}
