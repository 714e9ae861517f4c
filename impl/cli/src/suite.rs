//! The suites, as the command names them.

use clap::ValueEnum;
use razor_tokio::Suite;
use serde::{Deserialize, Serialize};

/// Hash, cipher and key agreement of a channel. Both sides have to be told the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
pub(crate) enum SuiteName {
    /// AES-256-GCM and SHA-256, that of production
    #[default]
    #[value(name = "aes-256-gcm")]
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// AES-128-GCM and SHA-256
    #[value(name = "aes-128-gcm")]
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// ChaCha20-Poly1305 and BLAKE2s
    #[value(name = "chachapoly-blake2s")]
    #[serde(rename = "chachapoly-blake2s")]
    ChaChaPolyBlake2s,
}

impl From<SuiteName> for Suite {
    fn from(name: SuiteName) -> Self {
        match name {
            SuiteName::Aes256Gcm => Self::Aes256GcmSha256,
            SuiteName::Aes128Gcm => Self::Aes128GcmSha256,
            SuiteName::ChaChaPolyBlake2s => Self::ChaChaPolyBlake2s,
        }
    }
}
