//! What a forger encodes and signs: structures with any field, which honest code would never make.

use razor::env::Timestamp;
use razor::identity::{Change, Identity, PurposeKey};
use razor::vault::{Signature, VerifyingKey};
use razor::wire::cbor::Encoder;

/// The tags of what is signed.
pub(super) const CHANGE: u8 = 1;
pub(super) const ATTESTATION: u8 = 2;
pub(super) const CREDENTIAL: u8 = 3;
/// A tag of nothing.
pub(super) const UNKNOWN: u8 = 9;
/// The version of everything that is signed.
pub(super) const VERSION: u8 = 1;

fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

/// `[version, tag, data]`, which is signed.
pub(super) fn envelope(version: u8, tag: u8, data: &[u8]) -> Vec<u8> {
    cbor(|e| {
        let _ = e.array(3).and_then(|e| e.u8(version)).and_then(|e| e.u8(tag)).and_then(|e| e.bytes(data));
    })
}

/// `[kind, [bytes]]`: a key or a signature.
fn variant(kind: u8, bytes: &[u8]) -> Vec<u8> {
    cbor(|e| {
        let _ = e.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(bytes));
    })
}

pub(super) fn key(key: &VerifyingKey) -> Vec<u8> {
    key_of_kind(u8::from(matches!(key, VerifyingKey::P256(_))), key)
}

pub(super) fn key_of_kind(kind: u8, key: &VerifyingKey) -> Vec<u8> {
    variant(kind, key.as_bytes())
}

fn signature(signature: &Signature) -> Vec<u8> {
    variant(u8::from(matches!(signature, Signature::P256(_))), signature.as_bytes())
}

/// What a change says.
#[derive(Clone)]
pub(super) struct ChangeData {
    /// The hash of the change before.
    pub(super) previous: Option<Vec<u8>>,
    /// The key, encoded.
    pub(super) key: Vec<u8>,
    pub(super) revokes: bool,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl ChangeData {
    /// What this change says.
    pub(super) fn of(change: &Change) -> Self {
        let data = change.data();
        Self {
            previous: data.previous.map(|hash| hash.0.to_vec()),
            key: key(&data.key),
            revokes: data.revoke_all_purpose_keys,
            from: data.valid_from,
            until: data.valid_until,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = cbor(|e| {
            let _ = e.array(5);
            let _ = match &self.previous {
                Some(hash) => e.bytes(hash),
                None => e.null(),
            };
        });
        bytes.extend(&self.key);
        bytes.extend(cbor(|e| {
            let _ = e.bool(self.revokes).and_then(|e| e.u64(self.from.0)).and_then(|e| e.u64(self.until.0));
        }));
        bytes
    }

    /// The bytes that are signed.
    pub(super) fn signed(&self) -> Vec<u8> {
        envelope(VERSION, CHANGE, &self.encode())
    }
}

/// What an attestation says.
#[derive(Clone)]
pub(super) struct AttestationData {
    pub(super) subject: Vec<u8>,
    pub(super) change: [u8; 32],
    /// The attested key, encoded with its purpose.
    pub(super) key: Vec<u8>,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
}

impl AttestationData {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend(cbor(|e| {
            let _ = e.u64(self.created.0).and_then(|e| e.u64(self.expires.0));
        }));
        bytes
    }

    /// As [`encode`](Self::encode), with times of eight bytes each whether they need them or not.
    pub(super) fn encode_long(&self) -> Vec<u8> {
        let time = |time: Timestamp| [&[0x1b][..], &time.0.to_be_bytes()].concat();
        [self.head(), time(self.created), time(self.expires)].concat()
    }

    /// Everything but the times.
    fn head(&self) -> Vec<u8> {
        let mut bytes = cbor(|e| {
            let _ = e.array(5).and_then(|e| e.bytes(&self.subject)).and_then(|e| e.bytes(&self.change));
        });
        bytes.extend(&self.key);
        bytes
    }

    /// The bytes that are signed.
    pub(super) fn signed(&self) -> Vec<u8> {
        envelope(VERSION, ATTESTATION, &self.encode())
    }
}

/// A key with its purpose.
pub(super) fn attested(purpose: &PurposeKey) -> Vec<u8> {
    match purpose {
        PurposeKey::SecureChannelStatic(key) => variant(0, &key.0),
        PurposeKey::CredentialSigning(verifying) => {
            let head = cbor(|e| {
                let _ = e.array(2).and_then(|e| e.u8(1)).and_then(|e| e.array(1));
            });
            [head, key(verifying)].concat()
        }
    }
}

/// Bytes as a key of a purpose that nobody knows.
pub(super) fn attested_for_nothing(key: &[u8]) -> Vec<u8> {
    variant(2, key)
}

/// `[data, signature, previous signature?]`: a change, or an attestation.
pub(super) fn sealed(data: &[u8], own: &Signature, previous: Option<&Signature>) -> Vec<u8> {
    let mut bytes = cbor(|e| {
        let _ = e.array(if previous.is_some() { 3 } else { 2 }).and_then(|e| e.bytes(data));
    });
    bytes.extend(signature(own));
    bytes.extend(previous.map(signature).unwrap_or_default());
    bytes
}

/// The changes of a verified history, each encoded.
pub(super) fn changes(identity: &Identity) -> Vec<Vec<u8>> {
    let encode =
        |change: &Change| sealed(&ChangeData::of(change).signed(), change.signature(), change.previous_signature());
    identity.changes().map(encode).collect()
}

/// A history of changes, or a list of credentials, that are encoded already.
pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = cbor(|e| {
        let _ = e.array(items.len() as u64);
    });
    bytes.extend(items.concat());
    bytes
}

/// What a party presents, without credentials.
pub(super) fn presentation(history: &[u8], attestation: &[u8]) -> Vec<u8> {
    [&[0x83], history, attestation, &[0x80]].concat()
}

/// The other of the two signatures that anyone can write down who sees one: of P-256 `(r, -s)`, which is as good; of
/// Ed25519 `(R, S + L)`, which is not.
pub(super) fn malleated(signature: &Signature) -> Signature {
    // The order of the group of P-256, big endian (FIPS 186-5).
    const P256: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    // That of Curve25519, little endian (RFC 8032).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = *signature.as_bytes();
    let mut carry = 0i16;
    match signature {
        Signature::P256(_) => {
            for (place, order) in bytes[32..].iter_mut().zip(P256).rev() {
                let difference = i16::from(order) - i16::from(*place) - carry;
                carry = i16::from(difference < 0);
                *place = difference.rem_euclid(256) as u8;
            }
            Signature::P256(bytes)
        }
        Signature::Ed25519(_) => {
            for (place, order) in bytes[32..].iter_mut().zip(L) {
                let sum = i16::from(*place) + i16::from(order) + carry;
                (*place, carry) = (sum as u8, sum >> 8);
            }
            Signature::Ed25519(bytes)
        }
    }
}
