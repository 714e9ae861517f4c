//! Change histories: created, rotated, of mixed keys, and every way to get one wrong.

use std::slice::from_ref;

use serde::{Deserialize, Serialize};
use serde_json::json;

use razor::identity::{HistoryLimits, Identifier, Identity};
use razor::vault::{Signature, VerifyingKey, sha256};

use super::forge::{self, ChangeData, Keys, envelope, history, malleated, signed};
use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[Kind {
    layer: "identities",
    name: "history",
    committed: include_str!("../../identities/history.json"),
    generate: || generate("history", "Change histories, imported under the default limits.", inputs(), import),
    check: |kind, text, progress| check(kind, text, progress, import),
}];

#[derive(Debug, Serialize, Deserialize)]
struct Input {
    history: Hex,
    /// Whose history it is said to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Hex>,
}

fn import(input: &Input) -> Outcome {
    let expected = input.expected.as_ref().map(|bytes| Identifier(bytes.array().expect("an identifier of 32 bytes")));
    let identity = Identity::import(&input.history, expected.as_ref())?;
    let changes: Vec<_> = identity
        .changes()
        .map(|change| {
            json!({
                "hash": Hex::from(change.hash().0),
                "key": Hex::from(change.key().as_bytes()),
                "revoke_all_purpose_keys": change.data().revoke_all_purpose_keys,
                "valid_from": change.valid_from().0,
                "valid_until": change.valid_until().0,
            })
        })
        .collect();
    Ok(json!({ "identifier": identity.identifier().to_string(), "changes": changes }))
}

fn of(changes: &[Vec<u8>]) -> Input {
    Input { history: Hex(history(changes)), expected: None }
}

/// A first change with this data, signed by its own key.
fn first(keys: &Keys, data: &ChangeData) -> Vec<u8> {
    let bytes = data.signed();
    signed(&bytes, &keys.sign(&data.key, &bytes), None)
}

/// A later change, signed by its own key and by the one before.
fn later(keys: &Keys, before: &VerifyingKey, data: &ChangeData) -> Vec<u8> {
    let bytes = data.signed();
    signed(&bytes, &keys.sign(&data.key, &bytes), Some(&keys.sign(before, &bytes)))
}

fn flipped(bytes: &[u8], from_end: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    bytes
}

fn inputs() -> Vec<Meant<Input>> {
    let mut keys = Keys::new();
    let (a, b, p) = (keys.ed25519(1), keys.ed25519(2), keys.p256(3));
    let one = ChangeData::new(a);
    let two = ChangeData::new(b).after(&one.signed());
    let (change_1, change_2) = (first(&keys, &one), later(&keys, &a, &two));
    let mixed = ChangeData::new(p).after(&one.signed());
    let identifier = Hex(sha256(&one.signed()).to_vec());

    let mut cases = vec![
        good("one Ed25519 key", of(from_ref(&change_1))),
        good("one P-256 key", of(&[first(&keys, &ChangeData::new(p))])),
        good("a rotation", of(&[change_1.clone(), change_2.clone()])),
        good("a rotation to another kind of key", of(&[change_1.clone(), later(&keys, &a, &mixed)])),
        good("a rotation that revokes all purpose keys", {
            let two = ChangeData { revoke: true, ..two.clone() };
            of(&[change_1.clone(), later(&keys, &a, &two)])
        }),
        good("a rotation that begins when the change before does", of(&[change_1.clone(), change_2.clone()])),
        good("a rotation after a gap in validity", {
            let two = ChangeData { from: one.until + 1, until: one.until + 2, ..two.clone() };
            of(&[change_1.clone(), later(&keys, &a, &two)])
        }),
        good("the identity that is expected", Input { expected: Some(identifier.clone()), ..of(from_ref(&change_1)) }),
        good("a P-256 signature with the other s", {
            let data = ChangeData::new(p).signed();
            of(&[signed(&data, &malleated(&keys.sign(&p, &data)), None)])
        }),
        bad("another identity than is expected", "IDN-19", {
            Input { expected: Some(Hex(vec![7; 32])), ..of(from_ref(&change_1)) }
        }),
        bad("no change", "IDN-10", of(&[])),
        bad("a first change that names one before it", "IDN-11", of(&[first(&keys, &one.clone().after(b"nothing"))])),
        bad("a second change that names none before it", "IDN-12", {
            of(&[change_1.clone(), later(&keys, &a, &ChangeData::new(b))])
        }),
        bad("a second change that names another before it", "IDN-12", {
            of(&[change_1.clone(), later(&keys, &a, &ChangeData::new(b).after(b"another"))])
        }),
        bad("a second change that names the one before by 20 bytes", "COD-3", {
            let previous = two.previous.as_ref().map(|hash| hash[..20].to_vec());
            of(&[change_1.clone(), later(&keys, &a, &ChangeData { previous, ..two.clone() })])
        }),
        bad("a second change before the first", "IDN-11", of(&[change_2.clone(), change_1.clone()])),
        bad("the first change twice", "IDN-12", of(&[change_1.clone(), change_1.clone()])),
        bad("a rotation that begins before the change before it", "IDN-17", {
            let two = ChangeData { from: one.from - 1, ..two.clone() };
            of(&[change_1.clone(), later(&keys, &a, &two)])
        }),
        bad("a change that ends before it begins", "IDN-18", {
            of(&[first(&keys, &ChangeData { until: one.from - 1, ..one.clone() })])
        }),
        bad("a byte after the history", "COD-5", {
            Input { history: Hex([history(from_ref(&change_1)), vec![0]].concat()), expected: None }
        }),
        bad("a history that ends early", "COD-4", {
            let bytes = history(from_ref(&change_1));
            Input { history: Hex(bytes[..bytes.len() - 1].to_vec()), expected: None }
        }),
        bad("a history in an indefinite array", "COD-1", {
            Input { history: Hex([vec![0x9f], change_1.clone(), vec![0xff]].concat()), expected: None }
        }),
    ];
    cases.extend(wrong_signatures(&keys, a, b, &one, &two));
    cases.extend(wrong_envelopes(&keys, a, &one, &two));
    cases.extend(wrong_keys(&keys, &one));
    cases.extend(many_changes(&keys, a));
    cases
}

fn wrong_signatures(
    keys: &Keys,
    a: VerifyingKey,
    b: VerifyingKey,
    one: &ChangeData,
    two: &ChangeData,
) -> Vec<Meant<Input>> {
    let change_1 = first(keys, one);
    let (data_1, data_2) = (one.signed(), two.signed());
    let (by_a, by_b) = (keys.sign(&a, &data_2), keys.sign(&b, &data_2));
    let second =
        |own: &Signature, previous: Option<&Signature>| of(&[change_1.clone(), signed(&data_2, own, previous)]);
    let zeros = Signature::Ed25519([0; 64]);
    vec![
        bad("a first change signed by another key", "IDN-16", of(&[signed(&data_1, &keys.sign(&b, &data_1), None)])),
        bad("a first change with a flipped bit in its signature", "IDN-16", of(&[flipped(&change_1, 1)])),
        bad("a first change with a flipped bit in its data", "VLT-23", of(&[flipped(&change_1, change_1.len() - 20)])),
        bad("a first change signed with zeros", "IDN-16", of(&[signed(&data_1, &zeros, None)])),
        bad("a signature of another kind than the key", "IDN-16", {
            of(&[signed(&data_1, &Signature::P256(*keys.sign(&a, &data_1).as_bytes()), None)])
        }),
        bad("a rotation without the old key's signature", "IDN-14", second(&by_b, None)),
        bad("a rotation without the new key's signature", "IDN-16", second(&by_a, Some(&by_a))),
        bad("the new key's signature in both places", "IDN-15", second(&by_b, Some(&by_b))),
        bad("both signatures, swapped", "IDN-16", second(&by_a, Some(&by_b))),
        bad(
            "the first change's own signature copied for the old key's",
            "IDN-15",
            second(&by_b, Some(&keys.sign(&a, &data_1))),
        ),
        bad("an old key's signature of zeros", "IDN-15", second(&by_b, Some(&zeros))),
        bad("a rotation with a flipped bit in the old key's signature", "IDN-15", {
            of(&[change_1.clone(), flipped(&signed(&data_2, &by_b, Some(&by_a)), 1)])
        }),
    ]
}

fn wrong_envelopes(keys: &Keys, a: VerifyingKey, one: &ChangeData, two: &ChangeData) -> Vec<Meant<Input>> {
    let sealed = |version: u8, data_type: u8| {
        let data = envelope(version, data_type, &one.encode());
        of(&[signed(&data, &keys.sign(&a, &data), None)])
    };
    let rotated = |version: u8, data_type: u8| {
        let data = envelope(version, data_type, &two.encode());
        let change = signed(&data, &keys.sign(&two.key, &data), Some(&keys.sign(&a, &data)));
        of(&[first(keys, one), change])
    };
    vec![
        bad("a change of version 0", "IDN-5", sealed(0, 1)),
        bad("a change of version 2", "IDN-5", sealed(2, 1)),
        bad("a change in the envelope of an attestation", "IDN-6", sealed(1, 2)),
        bad("a change in the envelope of a credential", "IDN-6", sealed(1, 3)),
        bad("a change in an envelope of an unknown type", "IDN-6", sealed(1, 4)),
        bad("a change in an envelope of type 0", "IDN-6", sealed(1, 0)),
        bad("a rotation to a lower version", "IDN-5", rotated(0, 1)),
        bad("a rotation in the envelope of an attestation", "IDN-6", rotated(1, 2)),
        bad("an attestation of its own key in the place of a change", "IDN-6", {
            let hash = sha256(&one.signed());
            let attestation = forge::Attestation {
                subject: Identifier(hash),
                change: razor::identity::ChangeHash(hash),
                key: forge::signing_key(&a),
                created: one.from,
                expires: one.until,
            };
            let data = attestation.signed();
            of(&[signed(&data, &keys.sign(&a, &data), None)])
        }),
    ]
}

fn wrong_keys(keys: &Keys, one: &ChangeData) -> Vec<Meant<Input>> {
    // The signature is of another key, but the key itself is refused first.
    let with = |key: VerifyingKey| {
        let data = ChangeData { key, ..one.clone() }.signed();
        of(&[signed(&data, &keys.sign(&one.key, &data), None)])
    };
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
    let mut off_curve = [1; 65];
    off_curve[0] = 4;
    vec![
        bad("an Ed25519 key of small order", "VLT-23", with(VerifyingKey::Ed25519(identity_point))),
        bad("an Ed25519 key of zeros", "VLT-23", with(VerifyingKey::Ed25519([0; 32]))),
        bad("an Ed25519 key that is not canonical", "VLT-23", with(VerifyingKey::Ed25519(not_canonical))),
        bad("a P-256 key that is not on the curve", "VLT-26", with(VerifyingKey::P256(off_curve))),
        bad("a P-256 key in a hybrid form", "VLT-26", with(VerifyingKey::P256([6; 65]))),
    ]
}

/// As many changes as a receiver takes by default, and one more.
fn many_changes(keys: &Keys, a: VerifyingKey) -> Vec<Meant<Input>> {
    let most = usize::from(HistoryLimits::DEFAULT.changes);
    let mut data = ChangeData::new(a);
    let mut changes = vec![first(keys, &data)];
    while changes.len() <= most {
        data = ChangeData::new(a).after(&data.signed());
        changes.push(later(keys, &a, &data));
    }
    vec![
        good("as many changes as the default limit", of(&changes[..most])),
        bad("one change more than the default limit", "IDN-8", of(&changes)),
    ]
}
