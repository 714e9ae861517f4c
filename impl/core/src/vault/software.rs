//! The software vault: long-term keys in memory. Spec: "Vaults and suites", section "Signing".

use alloc::boxed::Box;
use core::fmt;

use ed25519_dalek::Signer;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{
    Agreement, Answer, KeyHandle, PublicKey, Request, SecretKey, SharedSecret, Signature, StaticKey, VerifyingKey,
    X25519, p256,
};
use crate::env::{Entropy, Purpose};
use crate::error::{Error, Result};
use crate::ordered::Map;

/// The two kinds of signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningKind {
    /// Ed25519; the default of production.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
}

/// A long-term secret. Each kind wipes itself when it is dropped, and stays where it is until then: in the tree of keys
/// it would be moved about, and leave its bytes in each place.
enum Secret<A> {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::SigningKey>),
    X25519(Box<StaticKey<A>>),
}

//= spec/src/vaults.md#vlt-29
//# A software vault MUST overwrite a secret key with zeros when the key is deleted or the vault is dropped.
const _: () = {
    const fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<ed25519_dalek::SigningKey>();
    wiped_on_drop::<p256::SigningKey>();
    wiped_on_drop::<SecretKey>();
};

/// Signing keys and static X25519 keys, by handle. Secrets go in or are made here, and never come out.
///
/// It answers every [`Request`] at once; give its answers back to the machine that asked.
///
/// `A` is how static keys agree; anything but X25519 is for fuzzing and simulation.
pub struct SoftwareVault<A = X25519> {
    keys: Map<KeyHandle, Secret<A>>,
}

impl SoftwareVault {
    /// An empty vault.
    pub fn new() -> Self {
        Self::with_agreement()
    }
}

impl<A: Agreement> SoftwareVault<A> {
    /// An empty vault whose static keys agree as `A` says.
    pub fn with_agreement() -> Self {
        Self { keys: Map::new() }
    }

    /// Makes a signing key.
    ///
    /// # Errors
    /// `VLT-34` for P-256 in a program without it. None else in practice: `VLT-30` if the randomness gave no P-256 scalar
    /// sixteen times in a row.
    pub fn generate_signing_key(&mut self, kind: SigningKind, entropy: &mut dyn Entropy) -> Result<VerifyingKey> {
        // A random string is no P-256 scalar once in 2^32 times.
        let mut tries = 15_u8;
        loop {
            let secret = Zeroizing::new(entropy.array(Purpose::LongTermKey));
            match self.import_signing_key(kind, &secret) {
                Err(_) if tries > 0 => tries = tries.saturating_sub(1),
                made => return made,
            }
        }
    }

    /// Takes a signing key: the 32-byte seed of Ed25519, or the big-endian scalar of P-256.
    ///
    /// # Errors
    /// `VLT-30` when the bytes are no P-256 scalar, `VLT-34` when the program has no P-256.
    pub fn import_signing_key(&mut self, kind: SigningKind, secret: &[u8; 32]) -> Result<VerifyingKey> {
        let (secret, public) = match kind {
            SigningKind::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(secret);
                let public = VerifyingKey::Ed25519(key.verifying_key().to_bytes());
                (Secret::Ed25519(Box::new(key)), public)
            }
            SigningKind::P256 => {
                let (key, public) = p256::SigningKey::new(secret)?;
                (Secret::P256(Box::new(key)), VerifyingKey::P256(public))
            }
        };
        self.keys.insert(public.handle(), secret);
        Ok(public)
    }

    /// Makes a static X25519 key.
    pub fn generate_static_key(&mut self, entropy: &mut dyn Entropy) -> PublicKey {
        self.keep_static_key(SecretKey::generate(Purpose::LongTermKey, entropy))
    }

    /// Takes a static X25519 key. Any 32 bytes are one.
    pub fn import_static_key(&mut self, secret: &[u8; 32]) -> PublicKey {
        self.keep_static_key(SecretKey::new(*secret))
    }

    fn keep_static_key(&mut self, secret: SecretKey) -> PublicKey {
        let key = StaticKey::new(secret);
        let public = key.public();
        self.keys.insert(KeyHandle::of(&public.0), Secret::X25519(Box::new(key)));
        public
    }

    /// Whether the vault holds the key.
    pub fn holds(&self, handle: &KeyHandle) -> bool {
        self.keys.contains_key(handle)
    }

    /// How many keys the vault holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the vault holds no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Wipes a key. `false` when there was none.
    pub fn delete(&mut self, handle: &KeyHandle) -> bool {
        self.keys.remove(handle).is_some()
    }

    /// Signs a SHA-256 with a signing key. The same key and hash always give the same signature.
    ///
    /// # Errors
    /// `VLT-31` when there is no such signing key.
    pub fn sign(&self, handle: &KeyHandle, hash: &[u8; 32]) -> Result<Signature> {
        match self.keys.get(handle) {
            //= spec/src/vaults.md#vlt-20
            //# An Ed25519 signature MUST be plain Ed25519 over the 32-byte hash.
            Some(Secret::Ed25519(key)) => Ok(Signature::Ed25519(key.sign(hash).to_bytes())),
            Some(Secret::P256(key)) => Ok(Signature::P256(key.sign(hash))),
            //= spec/src/vaults.md#vlt-31
            //# A vault MUST refuse to use a key for another operation than the one it was made for.
            Some(Secret::X25519(_)) => Err(Error::misuse("VLT-31", "a static X25519 key cannot sign")),
            None => Err(UNKNOWN_KEY),
        }
    }

    /// Diffie-Hellman of a static key with `peer`.
    ///
    /// # Errors
    /// `VLT-31` when there is no such static key; `VLT-32` when the result is all zeros.
    pub fn static_dh(&self, handle: &KeyHandle, peer: &PublicKey) -> Result<SharedSecret> {
        match self.keys.get(handle) {
            Some(Secret::X25519(key)) => key.agree(peer),
            Some(_) => Err(Error::misuse("VLT-31", "a signing key cannot do Diffie-Hellman")),
            None => Err(UNKNOWN_KEY),
        }
    }

    /// Answers a machine's request.
    ///
    /// # Errors
    /// Those of [`sign`](Self::sign) and [`static_dh`](Self::static_dh).
    pub fn answer(&self, request: &Request) -> Result<Answer> {
        match request {
            Request::Sign(handle, hash) => self.sign(handle, hash).map(Answer::Signed),
            Request::StaticDh(handle, peer) => self.static_dh(handle, peer).map(Answer::Shared),
        }
    }
}

impl Default for SoftwareVault {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> fmt::Debug for SoftwareVault<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= spec/src/vaults.md#vlt-33
        //# A vault MUST NOT print a secret, not even in a debug form.
        f.debug_struct("SoftwareVault").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

const UNKNOWN_KEY: Error = Error::misuse("VLT-31", "the vault holds no key of this handle");
