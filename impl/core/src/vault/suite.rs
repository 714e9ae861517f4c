//! Cipher suites: which hash, which cipher and which key agreement a channel is made of.
//! Spec: "Vaults and suites", section "Suites".

use super::cipher::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305, Cipher};
use super::hash::{Blake2s, Hash, Sha256};
use super::x25519::{Agreement, X25519};

/// A cipher suite: a type that names its parts. Chosen per node, never negotiated.
pub trait Suite: Copy + Send + Sync + 'static {
    /// The protocol name under the profile `ockam`: 32 characters.
    const NAME: &'static str;
    /// The key agreement of the handshake.
    type Agreement: Agreement;
    /// The cipher of handshake and transport.
    type Cipher: Cipher;
    /// The hash of the handshake, and the key derivation made of it.
    type Hash: Hash;
}

/// A suite that protects what it encrypts. Whatever drives real sockets asks for this.
///
/// To implement it is to promise that the type does exactly what the specification says of the suite with its name:
/// another library under the same bytes. The null suite does not have it.
pub trait Secure: Suite {}

/// X25519, AES-256-GCM, SHA-256: the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aes256GcmSha256;

/// X25519, AES-128-GCM, SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aes128GcmSha256;

/// X25519, ChaCha20-Poly1305, BLAKE2s. Production knows only its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChaChaPolyBlake2s;

//= spec/src/vaults.md#vlt-1
//# A suite MUST be one of the three of the table, under exactly the name that stands there.
impl Suite for Aes256GcmSha256 {
    const NAME: &'static str = "OCKAM_XX_25519_AES256_GCM_SHA256";
    type Agreement = X25519;
    type Cipher = Aes256Gcm;
    type Hash = Sha256;
}

impl Suite for Aes128GcmSha256 {
    const NAME: &'static str = "OCKAM_XX_25519_AES128_GCM_SHA256";
    type Agreement = X25519;
    type Cipher = Aes128Gcm;
    type Hash = Sha256;
}

impl Suite for ChaChaPolyBlake2s {
    const NAME: &'static str = "OCKAM_XX_25519_ChaChaPolyBLAKE2s";
    type Agreement = X25519;
    type Cipher = ChaCha20Poly1305;
    type Hash = Blake2s;
}

impl Secure for Aes256GcmSha256 {}
impl Secure for Aes128GcmSha256 {}
impl Secure for ChaChaPolyBlake2s {}
