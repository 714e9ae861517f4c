//! AES-GCM and X25519 of AWS-LC, for servers that seal and open much: the feature `aws-lc`.
//!
//! The suites of this module are those of the specification: the same names, the same bytes, another library behind
//! [`Suite`]. They talk to every peer of the suite whose name they have, and with the feature a node uses them wherever
//! it is configured with one of these names. Hashes, signatures and long-term keys stay where they are, in the core.
//!
//! AWS-LC is written in C and assembler. What the core promises of itself, no `unsafe` code, does not hold for it.

mod agreement;
mod cipher;

pub use agreement::X25519;
pub use cipher::{Aes128, Aes128Gcm, Aes256, Aes256Gcm, AesGcm, Size};

use razor::vault::suite::{self, Secure, Suite};

/// X25519, AES-256-GCM, SHA-256: the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aes256GcmSha256;

/// X25519, AES-128-GCM, SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aes128GcmSha256;

impl Suite for Aes256GcmSha256 {
    const NAME: &'static str = suite::Aes256GcmSha256::NAME;
    type Agreement = X25519;
    type Cipher = Aes256Gcm;
    type Hash = <suite::Aes256GcmSha256 as Suite>::Hash;
}

impl Suite for Aes128GcmSha256 {
    const NAME: &'static str = suite::Aes128GcmSha256::NAME;
    type Agreement = X25519;
    type Cipher = Aes128Gcm;
    type Hash = <suite::Aes128GcmSha256 as Suite>::Hash;
}

impl Secure for Aes256GcmSha256 {}
impl Secure for Aes128GcmSha256 {}

#[cfg(test)]
mod tests;
