//! Attestations of purpose keys, and what a party presents in a handshake.

use serde::{Deserialize, Serialize};
use serde_json::json;

use razor::env::Timestamp;
use razor::identity::{
    CLOCK_SKEW, ChangeHash, Identifier, Identity, Presentation, PresentationLimits, PurposeKeyAttestation,
};
use razor::vault::{PublicKey, SoftwareVault, VerifyingKey};

use super::forge::{self, Attestation, ChangeData, Keys, cbor, envelope, history, signed};
use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "purpose-keys",
        name: "attestation",
        committed: include_str!("../../purpose-keys/attestation.json"),
        generate: || generate("attestation", "Attestations, verified at a time.", attestations(), verify),
        check: |kind, text, progress| check(kind, text, progress, verify),
    },
    Kind {
        layer: "purpose-keys",
        name: "presentation",
        committed: include_str!("../../purpose-keys/presentation.json"),
        generate: || generate("presentation", "What a party presents in a handshake.", presentations(), present),
        check: |kind, text, progress| check(kind, text, progress, present),
    },
];

#[derive(Debug, Serialize, Deserialize)]
struct Input {
    history: Hex,
    attestation: Hex,
    /// The verifier's clock, in seconds since the Unix epoch.
    now: u64,
}

fn verify(input: &Input) -> Outcome {
    let subject = Identity::import(&input.history, None)?;
    let attestation = PurposeKeyAttestation::decode(&input.attestation)?;
    let attested = attestation.verify(&subject, Timestamp(input.now))?;
    let key = attested
        .secure_channel_static()
        .map(|key| json!({ "static": Hex::from(key.0) }))
        .or_else(|_| attested.credential_signing().map(|key| json!({ "signing": Hex::from(key.as_bytes()) })))?;
    Ok(json!({
        "subject": attested.subject().to_string(),
        "key": key,
        "created_at": attested.created_at().0,
        "expires_at": attested.expires_at().0,
    }))
}

/// The subject of the vectors: an identity that rotated once, from key 1 to key 2.
pub(super) struct Subject {
    keys: Keys,
    old: VerifyingKey,
    new: VerifyingKey,
    pub(super) history: Vec<u8>,
    identity: Identity,
    static_key: PublicKey,
}

pub(super) const NOW: u64 = 1_750_000_000;

impl Subject {
    pub(super) fn new(old: u8, new: u8) -> Self {
        let mut keys = Keys::new();
        let (old, new) = (keys.ed25519(old), keys.ed25519(new));
        let one = ChangeData::new(old).signed();
        let two = ChangeData::new(new).after(&one).signed();
        let history = history(&[
            signed(&one, &keys.sign(&old, &one), None),
            signed(&two, &keys.sign(&new, &two), Some(&keys.sign(&old, &two))),
        ]);
        let identity = Identity::import(&history, None).expect("a history made right");
        let static_key = SoftwareVault::new().import_static_key(&[9; 32]);
        Self { keys, old, new, history, identity, static_key }
    }

    pub(super) fn data(&self) -> Attestation {
        Attestation {
            subject: self.identity.identifier(),
            change: *self.identity.latest().hash(),
            key: forge::static_key(&self.static_key.0),
            created: NOW - 1000,
            expires: NOW + 1000,
        }
    }

    pub(super) fn sign(&self, data: &Attestation) -> Vec<u8> {
        let data = data.signed();
        signed(&data, &self.keys.sign(&self.new, &data), None)
    }

    pub(super) fn sign_with_the_old_key(&self, data: &Attestation) -> Vec<u8> {
        let data = data.signed();
        signed(&data, &self.keys.sign(&self.old, &data), None)
    }

    /// The history with this attestation, and no credentials.
    pub(super) fn presentation(&self, attestation: &[u8]) -> Vec<u8> {
        [&[0x83], &self.history[..], attestation, &[0x80]].concat()
    }

    fn input(&self, attestation: Vec<u8>) -> Input {
        Input { history: Hex(self.history.clone()), attestation: Hex(attestation), now: NOW }
    }
}

fn attestations() -> Vec<Meant<Input>> {
    let subject = Subject::new(1, 2);
    let data = subject.data();
    let sign = |data: &Attestation| subject.input(subject.sign(data));
    let latest = subject.identity.latest();
    let first = *subject.identity.changes().next().expect("a first change").hash();
    let sealed = |version: u8, data_type: u8| {
        let data = envelope(version, data_type, &data.encode());
        subject.input(signed(&data, &subject.keys.sign(&subject.new, &data), None))
    };
    let signed_by = |key: &VerifyingKey| {
        let data = data.signed();
        subject.input(signed(&data, &subject.keys.sign(key, &data), None))
    };
    let at = |created: u64, expires: u64| sign(&Attestation { created, expires, ..data.clone() });
    let mut zero = data.clone();
    zero.key = forge::static_key(&[]);
    vec![
        good("a static key", sign(&data)),
        good(
            "a key that signs credentials",
            sign(&Attestation { key: forge::signing_key(&subject.old), ..data.clone() }),
        ),
        good("created as far in the future as clocks may differ", at(NOW + CLOCK_SKEW, NOW + 1000)),
        bad("created a second later than that", "PUR-7", at(NOW + CLOCK_SKEW + 1, NOW + 1000)),
        good("expires now", at(NOW - 1000, NOW)),
        bad("expired a second ago", "PUR-8", at(NOW - 1000, NOW - 1)),
        bad("expires before it is created", "PUR-9", at(NOW + 30, NOW + 10)),
        bad("created before the key is valid", "PUR-6", at(latest.valid_from().0 - 1, NOW + 1000)),
        good("created when the key becomes valid", at(latest.valid_from().0, NOW + 1000)),
        good("expires when the key does", at(NOW, latest.valid_until().0)),
        bad("expires after the key does", "PUR-5", at(NOW, latest.valid_until().0 + 1)),
        bad("names an older change, signed by the old key", "PUR-4", {
            let data = Attestation { change: first, ..data.clone() }.signed();
            subject.input(signed(&data, &subject.keys.sign(&subject.old, &data), None))
        }),
        bad(
            "names an older change, signed by the latest key",
            "PUR-4",
            sign(&Attestation { change: first, ..data.clone() }),
        ),
        bad("names an unknown change", "PUR-4", sign(&Attestation { change: ChangeHash([5; 32]), ..data.clone() })),
        bad("names another subject", "PUR-3", sign(&Attestation { subject: Identifier([5; 32]), ..data.clone() })),
        bad("signed by the old key", "PUR-10", signed_by(&subject.old)),
        bad("of version 0", "PUR-1", sealed(0, 2)),
        bad("of version 2", "PUR-1", sealed(2, 2)),
        bad("in the envelope of a change", "PUR-2", sealed(1, 1)),
        bad("in the envelope of a credential", "PUR-2", sealed(1, 3)),
        bad("in an envelope of an unknown type", "PUR-2", sealed(1, 4)),
        bad("a change in the place of an attestation", "PUR-2", {
            let data = ChangeData::new(subject.new).signed();
            subject.input(signed(&data, &subject.keys.sign(&subject.new, &data), None))
        }),
        bad("a change's data in the envelope of an attestation", "COD-3", {
            let data = envelope(1, 2, &ChangeData::new(subject.new).encode());
            subject.input(signed(&data, &subject.keys.sign(&subject.new, &data), None))
        }),
        bad("a static key of no bytes", "COD-3", sign(&zero)),
        bad("a flipped bit in the signature", "PUR-10", {
            let mut bytes = subject.sign(&data);
            *bytes.last_mut().expect("bytes") ^= 1;
            subject.input(bytes)
        }),
        bad("a byte after it", "COD-5", subject.input([subject.sign(&data), vec![0]].concat())),
    ]
}

#[derive(Debug, Serialize, Deserialize)]
struct Presented {
    presentation: Hex,
    /// The static key that the other side used in the handshake.
    static_key: Hex,
    now: u64,
}

fn present(input: &Presented) -> Outcome {
    let static_key = PublicKey(input.static_key.array().expect("a key of 32 bytes"));
    let presentation = Presentation::decode(&input.presentation, &PresentationLimits::DEFAULT)?;
    let presented = presentation.verify(&static_key, Timestamp(input.now))?;
    Ok(json!({
        "identifier": presented.identity.identifier().to_string(),
        "credentials": presented.credentials.len(),
    }))
}

/// A credential that has the right form and says nothing true.
pub(super) fn credential(subject: &Subject, data_type: u8) -> Vec<u8> {
    let data = envelope(1, data_type, &[0]);
    let attestation = subject.sign(&Attestation { key: forge::signing_key(&subject.new), ..subject.data() });
    [vec![0x82], signed(&data, &subject.keys.sign(&subject.new, &data), None), attestation].concat()
}

fn presentations() -> Vec<Meant<Presented>> {
    let (alice, mallory) = (Subject::new(1, 2), Subject::new(3, 4));
    let parts = |history: &[u8], attestation: &[u8], credentials: &[Vec<u8>]| {
        let head = cbor(|e| {
            e.array(credentials.len() as u64).unwrap();
        });
        let presentation = [vec![0x83], history.to_vec(), attestation.to_vec(), head, credentials.concat()].concat();
        Presented { presentation: Hex(presentation), static_key: alice.static_key.0.into(), now: NOW }
    };
    let attestation = alice.sign(&alice.data());
    let whole = || parts(&alice.history, &attestation, &[]);
    let credentials = |count: usize| vec![credential(&alice, 3); count];
    let most = usize::from(PresentationLimits::DEFAULT.credentials);
    vec![
        good("an identity and its static key", whole()),
        good("with a credential", parts(&alice.history, &attestation, &credentials(1))),
        good("with as many credentials as the default limit", parts(&alice.history, &attestation, &credentials(most))),
        bad("with one credential more", "PUR-20", parts(&alice.history, &attestation, &credentials(most + 1))),
        bad("with a change for a credential", "PUR-22", parts(&alice.history, &attestation, &[credential(&alice, 1)])),
        bad(
            "with an attestation for a credential",
            "PUR-22",
            parts(&alice.history, &attestation, &[credential(&alice, 2)]),
        ),
        bad(
            "of another static key than the handshake's",
            "PUR-15",
            Presented { static_key: Hex(vec![9; 32]), ..whole() },
        ),
        bad("with another's history", "PUR-3", parts(&mallory.history, &attestation, &[])),
        bad("with another's attestation", "PUR-3", parts(&alice.history, &mallory.sign(&mallory.data()), &[])),
        bad(
            "with an attestation that another signed",
            "PUR-10",
            parts(&alice.history, &mallory.sign(&alice.data()), &[]),
        ),
        bad("with a key that signs credentials", "PUR-11", {
            let data = Attestation { key: forge::signing_key(&alice.new), ..alice.data() };
            parts(&alice.history, &alice.sign(&data), &[])
        }),
        bad("with an older history than the attestation names", "PUR-4", {
            let one = ChangeData::new(alice.old).signed();
            parts(&history(&[signed(&one, &alice.keys.sign(&alice.old, &one), None)]), &attestation, &[])
        }),
        bad("after it has expired", "PUR-8", Presented { now: NOW + 1001, ..whole() }),
        bad("without a list of credentials", "COD-3", {
            let presentation = [vec![0x82], alice.history.clone(), attestation.clone()].concat();
            Presented { presentation: Hex(presentation), ..whole() }
        }),
        bad("with a byte after it", "COD-5", {
            let presentation = [whole().presentation.0, vec![0]].concat();
            Presented { presentation: Hex(presentation), ..whole() }
        }),
        bad("of nothing", "COD-4", Presented { presentation: Hex(vec![]), ..whole() }),
    ]
}
