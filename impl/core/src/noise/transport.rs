//! Encryption after the handshake as Noise has it: nonces that count by themselves, messages in order.
//!
//! Only the profile `noise` uses it, for vectors and for sessions with other libraries. The profile
//! `ockam` has explicit nonces, a window and its own renewal of keys: see [`crate::channel`].

use alloc::vec::Vec;
use core::fmt;

use super::bounded;
use crate::error::{Error, Result};
use crate::vault::suite::Suite;
use crate::vault::{Cipher, Key, RESERVED_NONCE};

/// One direction.
pub struct CipherState<S: Suite> {
    cipher: S::Cipher,
    n: u64,
}

impl<S: Suite> CipherState<S> {
    /// Starts with a key of the split, at nonce 0.
    pub fn new(key: &Key) -> Self {
        Self { cipher: S::Cipher::new(key), n: 0 }
    }

    /// The nonce of the next message.
    pub const fn nonce(&self) -> u64 {
        self.n
    }

    /// Encrypts the next message.
    ///
    /// # Errors
    /// `NOI-17` when all nonces are used, `NOI-2` when the message would be too long.
    pub fn encrypt(&mut self, data: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        let next = self.next()?;
        let mut message = Vec::with_capacity(text.len().saturating_add(16));
        message.extend_from_slice(text);
        let tag = self.cipher.seal(self.n, data, &mut message)?;
        message.extend_from_slice(&tag);
        bounded(message.len())?;
        self.n = next;
        Ok(message)
    }

    /// Decrypts the next message.
    ///
    /// # Errors
    /// `NOI-17` when all nonces are used, `NOI-2` and `NOI-18` for its length, `VLT-8` when it is not the
    /// next authentic one. Nothing has changed then.
    pub fn decrypt(&mut self, data: &[u8], message: &[u8]) -> Result<Vec<u8>> {
        let next = self.next()?;
        bounded(message.len())?;
        //= spec/src/noise.md#noi-18
        //# Under the profile `noise` a party MUST refuse a transport message that is shorter than a tag.
        let (text, tag) = message
            .split_last_chunk::<16>()
            .ok_or(Error::malformed("NOI-18", "a transport message is shorter than a tag"))?;
        let mut text = text.to_vec();
        self.cipher.open(self.n, data, &mut text, tag)?;
        //= spec/src/noise.md#noi-16
        //# Under the profile `noise` each direction MUST count its nonces from 0, and a message that is not authentic leaves the count as it was.
        self.n = next;
        Ok(text)
    }

    /// Renews the key; the nonce goes on.
    ///
    /// # Errors
    /// None in practice: those of [`Cipher::renewed_key`].
    pub fn rekey(&mut self) -> Result<()> {
        self.cipher = S::Cipher::new(&self.cipher.renewed_key()?);
        Ok(())
    }

    /// As if `n` messages had passed.
    #[cfg(test)]
    pub(super) fn at(key: &Key, n: u64) -> Self {
        Self { n, ..Self::new(key) }
    }

    fn next(&self) -> Result<u64> {
        //= spec/src/noise.md#noi-17
        //# A party MUST NOT encrypt or accept a transport message with the nonce 2^64 - 1.
        if self.n == RESERVED_NONCE {
            return Err(Error::limit("NOI-17", "all nonces are used"));
        }
        Ok(self.n.saturating_add(1))
    }
}

impl<S: Suite> fmt::Debug for CipherState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CipherState").field("n", &self.n).finish_non_exhaustive()
    }
}
