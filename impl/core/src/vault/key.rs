//! Symmetric secrets.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A symmetric secret of 32 bytes: the key of a cipher, or a chaining key.
///
/// It belongs to the machine that uses it, is wiped when it is dropped, and is never printed.
//= spec/src/erasure.md#era-1
//# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its bytes, to be written in place.
    pub(super) const fn as_mut_bytes(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
