//! Authenticated encryption, in place. Spec: "Vaults and suites", section "Encryption".

use core::fmt;

use aes_gcm::KeyInit;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{self, AeadInOut};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Key;
use crate::error::{Error, Result};

/// What authenticates a ciphertext.
pub type Tag = [u8; 16];

/// The longest text that is encrypted at once, in bytes: nothing longer fits into a frame. What one nonce allows is far
/// more with each of the ciphers.
pub const MAX_TEXT: usize = 16 * 1024 * 1024;

const TOO_LONG: Error = Error::limit("VLT-9", "a text is too long to be encrypted");

/// The nonce that encrypts no message: [`Cipher::renewed_key`] uses it.
pub const RESERVED_NONCE: u64 = u64::MAX;

/// A key, expanded for use: as large as a few hundred bytes, and costly to make for a small message.
pub trait Cipher: ZeroizeOnDrop + Send + Sync + 'static {
    /// Expands `key`.
    fn new(key: &Key) -> Self;

    /// Encrypts `text` in place and returns its tag, which covers `data` too.
    ///
    /// # Errors
    /// `VLT-9` when the text is longer than [`MAX_TEXT`]; it is untouched then.
    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<Tag>;

    /// Decrypts `text` in place, if `tag` is that of `text` and `data`.
    ///
    /// # Errors
    /// `VLT-8` when the tag is wrong. No plaintext is in `text` then.
    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()>;

    /// The key that follows this one.
    ///
    /// # Errors
    /// None in practice: those of [`seal`](Self::seal) for 32 bytes.
    fn renewed_key(&self) -> Result<Key> {
        //= spec/src/vaults.md#vlt-7
        //# A renewed key MUST be the first 32 bytes of the encryption of 32 zero bytes under the old key, with nonce 2^64 - 1 and empty associated data.
        let mut next = Key::new([0; 32]);
        let nonce = if planted!(RenewsUnderFirstNonce) { 0 } else { RESERVED_NONCE };
        self.seal(nonce, &[], next.as_mut_bytes())?;
        Ok(next)
    }
}

/// AES-256-GCM.
pub(super) type Aes256Gcm = Aead<aes_gcm::Aes256Gcm, BigEndian>;
/// AES-128-GCM.
pub(super) type Aes128Gcm = Aead<aes_gcm::Aes128Gcm, BigEndian>;
/// ChaCha20-Poly1305 of RFC 8439; Noise calls it ChaChaPoly.
pub(super) type ChaCha20Poly1305 = Aead<chacha20poly1305::ChaCha20Poly1305, LittleEndian>;

/// An AEAD of the RustCrypto project, with the nonces that Noise gives it.
pub struct Aead<A, N> {
    aead: A,
    nonces: core::marker::PhantomData<fn() -> N>,
}

/// How a nonce is written.
pub trait NonceLayout: 'static {
    /// The eight bytes after four zeros.
    fn number(nonce: u64) -> [u8; 8];
}

/// The nonces of AES-GCM.
#[derive(Debug, Clone, Copy)]
pub struct BigEndian;

/// The nonces of ChaCha20-Poly1305.
#[derive(Debug, Clone, Copy)]
pub struct LittleEndian;

impl NonceLayout for BigEndian {
    fn number(nonce: u64) -> [u8; 8] {
        //= spec/src/vaults.md#vlt-3
        //# The nonce of AES-GCM MUST be four zero bytes and the number as 8 bytes big endian.
        nonce.to_be_bytes()
    }
}

impl NonceLayout for LittleEndian {
    fn number(nonce: u64) -> [u8; 8] {
        //= spec/src/vaults.md#vlt-4
        //# The nonce of ChaCha20-Poly1305 MUST be four zero bytes and the number as 8 bytes little endian.
        nonce.to_le_bytes()
    }
}

fn nonce<N: NonceLayout>(nonce: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes.iter_mut().skip(4).zip(N::number(nonce)).for_each(|(to, from)| *to = from);
    bytes
}

impl<A, N> Aead<A, N>
where
    A: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    /// [`Cipher::seal`] with a whole nonce, as vectors that others made have it: Noise makes all of its own from a
    /// number.
    ///
    /// # Errors
    /// Those of [`Cipher::seal`].
    pub fn seal_under(&self, nonce: &[u8; 12], data: &[u8], text: &mut [u8]) -> Result<Tag> {
        //= spec/src/vaults.md#vlt-9
        //# An implementation MUST refuse to encrypt a text of more than 16 MiB.
        if text.len() > MAX_TEXT {
            return Err(TOO_LONG);
        }
        let tag = self.aead.encrypt_inout_detached(&(*nonce).into(), data, text.into());
        tag.map(Into::into).map_err(|_| TOO_LONG)
    }

    /// [`Cipher::open`] with a whole nonce.
    ///
    /// # Errors
    /// Those of [`Cipher::open`].
    pub fn open_under(&self, nonce: &[u8; 12], data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        //= spec/src/vaults.md#vlt-8
        //# A cipher MUST NOT give out plaintext when the tag is wrong.
        //= spec/src/erasure.md#era-2
        //# Tags, keys and shared secrets MUST be compared in constant time.
        let opened = self.aead.decrypt_inout_detached(&(*nonce).into(), data, text.into(), &(*tag).into());
        opened.map_err(|_| Error::misbehaved("VLT-8", "a tag is wrong"))
    }
}

impl<A, N> Cipher for Aead<A, N>
where
    A: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit + ZeroizeOnDrop + Send + Sync + 'static,
    N: NonceLayout,
{
    fn new(key: &Key) -> Self {
        //= spec/src/vaults.md#vlt-2
        //# The cipher key of AES-128-GCM MUST be the first 16 of the 32 bytes of the key.
        let mut bytes = aead::Key::<A>::default();
        bytes.iter_mut().zip(key.as_bytes()).for_each(|(to, from)| *to = *from);
        let aead = A::new(&bytes);
        bytes.as_mut_slice().zeroize();
        Self { aead, nonces: core::marker::PhantomData }
    }

    fn seal(&self, number: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        self.seal_under(&nonce::<N>(number), data, text)
    }

    fn open(&self, number: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        self.open_under(&nonce::<N>(number), data, text, tag)
    }
}

// The AEAD wipes its expanded key; nothing else in here is secret.
impl<A: ZeroizeOnDrop, N> ZeroizeOnDrop for Aead<A, N> {}

impl<A, N> fmt::Debug for Aead<A, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}
