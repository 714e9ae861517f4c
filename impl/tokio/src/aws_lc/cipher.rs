//! AES-GCM, in place.

use std::fmt;
use std::marker::PhantomData;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use razor::error::{Error, Result};
use razor::vault::{Cipher, Key, MAX_TEXT, Tag};
use zeroize::ZeroizeOnDrop;

const TOO_LONG: Error = Error::limit("VLT-9", "a text is too long to be encrypted");
const WRONG_TAG: Error = Error::misbehaved("VLT-8", "a tag is wrong");

/// AES-256-GCM.
pub type Aes256Gcm = AesGcm<Aes256>;
/// AES-128-GCM, with the first half of the key.
pub type Aes128Gcm = AesGcm<Aes128>;

/// How long a key is.
pub trait Size: Send + Sync + 'static {
    /// The algorithm.
    const ALGORITHM: &'static Algorithm;
    /// Its part of a key of 32 bytes.
    fn part(key: &Key) -> &[u8];
}

/// Keys of 32 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Aes256;

/// Keys of 16 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Aes128;

impl Size for Aes256 {
    const ALGORITHM: &'static Algorithm = &AES_256_GCM;

    fn part(key: &Key) -> &[u8] {
        key.as_bytes()
    }
}

impl Size for Aes128 {
    const ALGORITHM: &'static Algorithm = &AES_128_GCM;

    fn part(key: &Key) -> &[u8] {
        //= spec/src/vaults.md#vlt-2
        //# The cipher key of AES-128-GCM MUST be the first 16 of the 32 bytes of the key.
        let (first, _) = key.as_bytes().split_at(16);
        first
    }
}

/// An expanded key. AWS-LC wipes it when it is dropped.
pub struct AesGcm<S> {
    /// `None` is never seen: AWS-LC refuses no key of the right length, and one that it had refused could not be used.
    key: Option<LessSafeKey>,
    size: PhantomData<S>,
}

fn nonce(number: u64) -> [u8; 12] {
    //= spec/src/vaults.md#vlt-3
    //# The nonce of AES-GCM MUST be four zero bytes and the number as 8 bytes big endian.
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

impl<S: Size> AesGcm<S> {
    /// [`Cipher::seal`] with a whole nonce, as vectors that others made have it.
    ///
    /// # Errors
    /// Those of [`Cipher::seal`].
    pub fn seal_under(&self, nonce: [u8; 12], data: &[u8], text: &mut [u8]) -> Result<Tag> {
        //= spec/src/vaults.md#vlt-9
        //# An implementation MUST refuse to encrypt a text of more than 16 MiB.
        let key = self.key.as_ref().filter(|_| text.len() <= MAX_TEXT).ok_or(TOO_LONG)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(data), text).map_err(|_| TOO_LONG)?;
        tag.as_ref().try_into().map_err(|_| TOO_LONG)
    }

    /// [`Cipher::open`] with a whole nonce.
    ///
    /// # Errors
    /// Those of [`Cipher::open`].
    pub fn open_under(&self, nonce: [u8; 12], data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        //= spec/src/vaults.md#vlt-8
        //# A cipher MUST NOT give out plaintext when the tag is wrong.
        let key = self.key.as_ref().ok_or(WRONG_TAG)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.open_in_place_separate_tag(nonce, Aad::from(data), tag, text).map(|_| ()).map_err(|_| WRONG_TAG)
    }
}

impl<S: Size> Cipher for AesGcm<S> {
    fn new(key: &Key) -> Self {
        let key = UnboundKey::new(S::ALGORITHM, S::part(key)).ok().map(LessSafeKey::new);
        Self { key, size: PhantomData }
    }

    fn seal(&self, number: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        self.seal_under(nonce(number), data, text)
    }

    fn open(&self, number: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        self.open_under(nonce(number), data, text, tag)
    }
}

impl<S> ZeroizeOnDrop for AesGcm<S> {}

impl<S> fmt::Debug for AesGcm<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}
