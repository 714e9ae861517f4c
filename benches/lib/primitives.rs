//! Which primitives a handshake uses, and the same with the libraries' own functions and nothing around them.
//!
//! The list is recorded and not written by hand: a handshake runs with a suite that notes what it is asked for. What
//! the suite does not see are the vaults' agreements, which the machine asks for, and what a presentation costs to
//! check: its two signatures and the hashes that they sign.

use std::cell::RefCell;
use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use razor::error::Result;
use razor::vault::suite::{Aes256GcmSha256, Suite};
use razor::vault::{Agreement, Cipher, Hash, Key, PublicKey, SecretKey, SharedSecret, Tag};
use sha2::{Digest, Sha256};
use x25519_dalek::StaticSecret;
use zeroize::ZeroizeOnDrop;

use crate::channel::{Party, open};

/// One use of a primitive, with the sizes that decide what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A new X25519 key.
    KeyGeneration,
    /// X25519.
    Agreement,
    /// A check of an Ed25519 signature over 32 bytes.
    SignatureCheck,
    /// A key expanded, and a text encrypted with it: bytes of associated data and of text.
    Seal(usize, usize),
    /// The same backwards.
    Open(usize, usize),
    /// HKDF with two outputs, for so many bytes of input.
    Hkdf(usize),
    /// SHA-256 of so many bytes.
    Hash(usize),
}

thread_local! {
    static NOTED: RefCell<Vec<Use>> = const { RefCell::new(Vec::new()) };
}

fn note(what: Use) {
    NOTED.with_borrow_mut(|noted| noted.push(what));
}

/// What a handshake with identities uses, both roles together.
pub fn of_a_handshake() -> Vec<Use> {
    let (mut alice, mut bob) = (Party::new(1), Party::new(2));
    NOTED.take();
    let opened = open::<Noting>(&mut alice, &mut bob);
    let mut uses = NOTED.take();
    uses.extend(vec![Use::Agreement; opened.agreements]);
    for shown in [&alice, &bob].map(|party| party.presentation().len()) {
        // A change and an attestation: each is hashed, and its hash is signed.
        uses.extend([Use::Hash(shown / 2), Use::SignatureCheck, Use::Hash(shown / 2), Use::SignatureCheck]);
    }
    uses
}

/// The default suite, which notes what it is asked for.
#[derive(Clone, Copy)]
struct Noting;

type Real = Aes256GcmSha256;

impl Suite for Noting {
    const NAME: &'static str = Real::NAME;
    type Agreement = NotingAgreement;
    type Cipher = NotingCipher;
    type Hash = NotingHash;
}

struct NotingAgreement;

impl Agreement for NotingAgreement {
    fn public_key(secret: &SecretKey) -> PublicKey {
        note(Use::KeyGeneration);
        <Real as Suite>::Agreement::public_key(secret)
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        note(Use::Agreement);
        <Real as Suite>::Agreement::agree(secret, peer)
    }

    fn validate(key: &PublicKey) -> Result<()> {
        <Real as Suite>::Agreement::validate(key)
    }
}

#[derive(ZeroizeOnDrop)]
struct NotingCipher(<Real as Suite>::Cipher);

impl Cipher for NotingCipher {
    fn new(key: &Key) -> Self {
        Self(Cipher::new(key))
    }

    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        note(Use::Seal(data.len(), text.len()));
        self.0.seal(nonce, data, text)
    }

    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        note(Use::Open(data.len(), text.len()));
        self.0.open(nonce, data, text, tag)
    }
}

struct NotingHash;

impl Hash for NotingHash {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        note(Use::Hash(parts.iter().map(|part| part.len()).sum()));
        <Real as Suite>::Hash::hash(parts)
    }

    fn hkdf(salt: &Key, input: &[u8]) -> (Key, Key) {
        note(Use::Hkdf(input.len()));
        <Real as Suite>::Hash::hkdf(salt, input)
    }
}

/// The libraries' primitives, with inputs that are ready.
pub struct Raw {
    secret: [u8; 32],
    public: x25519_dalek::PublicKey,
    signature: ed25519_dalek::Signature,
    signer: [u8; 32],
    data: [u8; 64],
    bytes: Vec<u8>,
}

const NONCE: [u8; 12] = [0; 12];
const SIGNED: [u8; 32] = [5; 32];

impl Default for Raw {
    fn default() -> Self {
        let signing = SigningKey::from_bytes(&[3; 32]);
        Self {
            secret: [1; 32],
            public: (&StaticSecret::from([2; 32])).into(),
            signature: signing.sign(&SIGNED),
            signer: signing.verifying_key().to_bytes(),
            data: [6; 64],
            bytes: vec![4; 64 * 1024],
        }
    }
}

impl Raw {
    /// Each of `uses` once.
    pub fn all(&mut self, uses: &[Use]) {
        uses.iter().for_each(|what| self.once(*what));
    }

    /// The primitive, once.
    pub fn once(&mut self, what: Use) {
        match what {
            Use::KeyGeneration => {
                black_box(x25519_dalek::PublicKey::from(&StaticSecret::from(black_box(self.secret))));
            }
            Use::Agreement => {
                black_box(StaticSecret::from(black_box(self.secret)).diffie_hellman(&self.public));
            }
            Use::SignatureCheck => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(black_box(&self.signer)).expect("a point");
                key.verify_strict(&SIGNED, &self.signature).expect("it is right");
            }
            // Both directions of these ciphers are the same work, and encryption needs no tag that is right.
            Use::Seal(data, text) | Use::Open(data, text) => {
                let cipher = Aes256Gcm::new(&black_box(self.secret).into());
                let text = self.bytes[..text].as_mut().into();
                let tag = cipher.encrypt_inout_detached(&NONCE.into(), &self.data[..data], text);
                black_box(tag.expect("it is short"));
            }
            Use::Hkdf(input) => {
                black_box(hkdf(black_box(&self.secret), &self.bytes[..input]));
            }
            Use::Hash(size) => {
                black_box(Sha256::digest(black_box(&self.bytes[..size])));
            }
        }
    }
}

/// HKDF-SHA-256 with empty info and 64 bytes of output.
fn hkdf(salt: &[u8; 32], input: &[u8]) -> [[u8; 32]; 2] {
    let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    let mac = keyed(&keyed(salt).chain_update(input).finalize().into_bytes());
    let first: [u8; 32] = mac.clone().chain_update([1]).finalize().into_bytes().into();
    let second = mac.chain_update(first).chain_update([2]).finalize().into_bytes().into();
    [first, second]
}
