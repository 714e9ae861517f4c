//! Identities and purpose keys. Spec: "Identities" and "Purpose keys".

use core::fmt;

use alloc::vec::Vec;

/// An identity's name for ever: the SHA-256 of its first change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(pub [u8; 32]);

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A question to the store of known change histories.
#[derive(Debug, Clone)]
pub enum StoreRequest {
    /// Which history is known of this identity?
    Load(Identifier),
    /// Keep this history, in place of an older one.
    Store(Identifier, Vec<u8>),
}

/// The store's answer.
#[derive(Debug, Clone)]
pub enum StoreAnswer {
    /// The encoded history, if one is known.
    Loaded(Option<Vec<u8>>),
    /// It is kept.
    Stored,
}
