//! What an attacker would encode and sign: structures with any field, which the core would never make.

use razor::identity::{ChangeHash, Identifier};
use razor::vault::{Signature, SigningKind, SoftwareVault, VerifyingKey, sha256};
use razor::wire::cbor::Encoder;

/// A party: a vault and the keys it imported, each from a seed of one repeated byte.
#[derive(Default)]
pub struct Keys {
    vault: SoftwareVault,
}

impl Keys {
    /// A party without keys.
    pub fn new() -> Self {
        Self { vault: SoftwareVault::new() }
    }

    /// Imports an Ed25519 key.
    pub fn ed25519(&mut self, seed: u8) -> VerifyingKey {
        self.vault.import_signing_key(SigningKind::Ed25519, &[seed; 32]).expect("any 32 bytes")
    }

    /// Imports a P-256 key.
    pub fn p256(&mut self, seed: u8) -> VerifyingKey {
        self.vault.import_signing_key(SigningKind::P256, &[seed; 32]).expect("a scalar")
    }

    /// Signs what is to be signed of `data`: its hash.
    pub fn sign(&self, key: &VerifyingKey, data: &[u8]) -> Signature {
        self.vault.sign(&key.handle(), &sha256(data)).expect("a key of this vault")
    }
}

/// What `write` encodes.
pub fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

/// The envelope of everything that is signed.
pub fn envelope(version: u8, data_type: u8, data: &[u8]) -> Vec<u8> {
    cbor(|e| {
        e.array(3).unwrap().u8(version).unwrap().u8(data_type).unwrap().bytes(data).unwrap();
    })
}

fn variant(kind: u8, bytes: &[u8]) -> Vec<u8> {
    cbor(|e| {
        e.array(2).unwrap().u8(kind).unwrap().array(1).unwrap().bytes(bytes).unwrap();
    })
}

/// A public key.
pub fn key(key: &VerifyingKey) -> Vec<u8> {
    variant(u8::from(matches!(key, VerifyingKey::P256(_))), key.as_bytes())
}

/// A signature.
pub fn signature(signature: &Signature) -> Vec<u8> {
    variant(u8::from(matches!(signature, Signature::P256(_))), signature.as_bytes())
}

/// The data of a change, before its envelope.
#[derive(Clone)]
pub struct ChangeData {
    /// The hash of the change before it.
    pub previous: Option<Vec<u8>>,
    /// The key that it brings in.
    pub key: VerifyingKey,
    /// Its flag.
    pub revoke: bool,
    /// When attestations become valid, in Unix seconds.
    pub from: u64,
    /// When they cease to be.
    pub until: u64,
}

impl ChangeData {
    /// The key that it brings in.
    pub fn new(key: VerifyingKey) -> Self {
        Self { previous: None, key, revoke: false, from: 1_700_000_000, until: 2_000_000_000 }
    }

    /// The same as a later change, after the one whose envelope is `signed`.
    pub fn after(self, signed: &[u8]) -> Self {
        Self { previous: Some(sha256(signed).to_vec()), ..self }
    }

    /// Without the envelope.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = cbor(|e| {
            e.array(5).unwrap();
            match &self.previous {
                Some(hash) => e.bytes(hash).unwrap(),
                None => e.null().unwrap(),
            };
        });
        bytes.extend(key(&self.key));
        bytes.extend(cbor(|e| {
            e.bool(self.revoke).unwrap().u64(self.from).unwrap().u64(self.until).unwrap();
        }));
        bytes
    }

    /// In the envelope that is signed.
    pub fn signed(&self) -> Vec<u8> {
        envelope(1, 1, &self.encode())
    }
}

/// `[data, signature, previous signature?]`: a change, or an attestation.
pub fn signed(data: &[u8], own: &Signature, previous: Option<&Signature>) -> Vec<u8> {
    let mut bytes = cbor(|e| {
        e.array(if previous.is_some() { 3 } else { 2 }).unwrap().bytes(data).unwrap();
    });
    bytes.extend(signature(own));
    bytes.extend(previous.map(signature).unwrap_or_default());
    bytes
}

/// A change history.
pub fn history(changes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = cbor(|e| {
        e.array(changes.len() as u64).unwrap();
    });
    bytes.extend(changes.concat());
    bytes
}

/// The data of an attestation of a static key.
#[derive(Clone)]
pub struct Attestation {
    /// Whose it is.
    pub subject: Identifier,
    /// The latest change of the subject.
    pub change: ChangeHash,
    /// The key, encoded.
    pub key: Vec<u8>,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// When it expires.
    pub expires: u64,
}

impl Attestation {
    /// Without the envelope.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = cbor(|e| {
            e.array(5).unwrap().bytes(&self.subject.0).unwrap().bytes(&self.change.0).unwrap();
        });
        bytes.extend(&self.key);
        bytes.extend(cbor(|e| {
            e.u64(self.created).unwrap().u64(self.expires).unwrap();
        }));
        bytes
    }

    /// In the envelope that is signed.
    pub fn signed(&self) -> Vec<u8> {
        envelope(1, 2, &self.encode())
    }
}

/// A static key as an attestation holds it.
pub fn static_key(bytes: &[u8]) -> Vec<u8> {
    variant(0, bytes)
}

/// A key for signing credentials as an attestation holds it.
pub fn signing_key(verifying: &VerifyingKey) -> Vec<u8> {
    let mut bytes = cbor(|e| {
        e.array(2).unwrap().u8(1).unwrap().array(1).unwrap();
    });
    bytes.extend(key(verifying));
    bytes
}

/// The other of the two signatures that anyone can write down who sees one: `(r, -s)`.
pub fn malleated(signature: &Signature) -> Signature {
    // The order of the group of P-256, big endian (FIPS 186-5).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut bytes = *signature.as_bytes();
    let mut borrow = 0i16;
    for (place, order) in bytes[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*place) - borrow;
        borrow = i16::from(difference < 0);
        *place = difference.rem_euclid(256) as u8;
    }
    Signature::P256(bytes)
}
