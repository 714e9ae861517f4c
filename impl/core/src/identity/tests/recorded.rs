//! Identities and attestations that we did not make: published by production, or recorded from it.

use serde_json::Value;

use super::*;
use crate::vault::PublicKey;

fn published() -> Value {
    serde_json::from_str(include_str!("../../../../../vectors/production/ockam-published-vectors.json")).unwrap()
}

fn captures() -> Value {
    serde_json::from_str(include_str!("../../../../../vectors/production/production-captures.json")).unwrap()
}

fn entry<'a>(vectors: &'a Value, group: &str, id: &str) -> &'a Value {
    let entry = vectors[group].as_array().unwrap().iter().find(|entry| entry["id"] == id);
    &entry.unwrap_or_else(|| panic!("{id} is missing"))["fields"]
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn secret(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

/// Verifies every published history of the current format; gives how many there were.
fn check_all(group: &Value) -> usize {
    let mut checked = 0;
    for entry in group.as_array().unwrap() {
        let fields = &entry["fields"];
        if !fields["change_history"].is_string() || entry["id"] == "P023" {
            continue;
        }
        let encoded = bytes(&fields["change_history"]);
        let identity = import(&encoded).unwrap();
        assert_eq!(identity.identifier().to_string(), fields["identifier_text"].as_str().unwrap());
        assert_eq!(identity.export(), encoded);
        if let Some(key) = fields["public_key"].as_str() {
            assert_eq!(hex::encode(identity.latest().key().as_bytes()), key);
        }
        if let Some(from) = fields["attestations_valid_from"].as_u64() {
            assert_eq!(identity.changes().next().unwrap().valid_from().0, from);
            assert_eq!(identity.changes().next().unwrap().valid_until().0, fields["attestations_valid_until"]);
        }
        checked += 1;
    }
    checked
}

//= spec/src/identities.md#idn-1
//= type=test
//# The hash of a change MUST be the whole 32-byte SHA-256 of the change's data bytes.
//= spec/src/identities.md#idn-2
//= type=test
//# An identifier MUST be the hash of the identity's first change.
//= spec/src/identities.md#idn-22
//= type=test
//# A node that passes a history on MUST pass on the bytes that it received.
#[test]
fn every_published_identity_has_the_published_identifier() {
    let vectors = published();
    assert_eq!(check_all(&vectors["published"]), 14);
    assert_eq!(check_all(&vectors["derived"]), 2);
}

#[test]
fn the_obsolete_format_with_short_identifiers_is_refused() {
    let vectors = published();
    let old = entry(&vectors, "published", "P023");
    refused(import(&bytes(&old["change_history"])), Blame::Malformed, "COD-3");
    let text = old["identifier_text"].as_str().unwrap();
    refused(text.parse::<Identifier>(), Blame::Malformed, "IDN-4");
}

//= spec/src/vaults.md#vlt-24
//= type=test
//# An ECDSA P-256 signature MUST be made and verified over the SHA-256 of the 32-byte hash.
#[test]
fn the_identity_of_productions_controller_verifies_with_its_doubly_hashed_signature() {
    let vectors = published();
    let controller = import(&bytes(&entry(&vectors, "published", "P012")["change_history"])).unwrap();
    assert!(matches!(controller.latest().key(), VerifyingKey::P256(_)));
    let named = entry(&vectors, "published", "P024")["identifier_text"].as_str().unwrap();
    assert_eq!(controller.identifier(), named.parse().unwrap());
}

//= spec/src/vaults.md#vlt-20
//= type=test
//# An Ed25519 signature MUST be plain Ed25519 over the 32-byte hash.
#[test]
fn our_drafts_make_productions_bytes_from_productions_keys() {
    let vectors = published();
    let mut vault = SoftwareVault::new();
    let (from, until) = (Timestamp(1_700_000_000), Timestamp(4_102_444_800));
    let new = |key| NewKey { key, valid_from: from, valid_until: until, revoke_all_purpose_keys: false };

    let one = entry(&vectors, "derived", "D009");
    let key = vault.import_signing_key(SigningKind::Ed25519, &secret(&one["signing_secret"])).unwrap();
    let identity = IdentityDraft::create(&new(key)).sign_with(&vault).unwrap();
    assert_eq!(identity.export(), bytes(&one["change_history"]));

    let two = entry(&vectors, "derived", "D010");
    let encoded = bytes(&two["change_history"]);
    let expected = import(&encoded).unwrap();
    assert_eq!(expected.latest().hash().to_string(), two["latest_change_hash"].as_str().unwrap());
    let key = vault.import_signing_key(SigningKind::Ed25519, &secret(&two["signing_secret_2"])).unwrap();
    let again = NewKey {
        key,
        valid_from: expected.latest().valid_from(),
        valid_until: expected.latest().valid_until(),
        revoke_all_purpose_keys: expected.latest().data().revoke_all_purpose_keys,
    };
    let rotated = IdentityDraft::rotate(&identity, &again).unwrap().sign_with(&vault).unwrap();
    assert_eq!(rotated.export(), encoded);

    let attested = entry(&vectors, "derived", "D011");
    let static_key = vault.import_static_key(&secret(&attested["x25519_secret"]));
    assert_eq!(static_key.0.to_vec(), bytes(&attested["x25519_public"]));
    for (subject, field) in
        [(&identity, "attestation_for_identity_one_change"), (&rotated, "attestation_for_identity_rotated")]
    {
        let recorded = PurposeKeyAttestation::decode(&bytes(&attested[field])).unwrap();
        let proof = recorded.verify_at_creation(subject).unwrap();
        assert_eq!(proof.secure_channel_static().unwrap(), &static_key);
        let draft = AttestationDraft::new(subject, *proof.key(), proof.created_at(), proof.expires_at());
        let ours = draft.clone().answer(vault.answer(&draft.request()).unwrap());
        assert_eq!(ours.unwrap().export(), recorded.export());
    }
}

#[test]
fn recorded_handshake_payloads_verify_and_encode_to_the_same_bytes() {
    let vectors = published();
    let payloads = [
        (bytes(&entry(&vectors, "derived", "D013")["payload"]), None),
        (bytes(&entry(&vectors, "recorded", "R001")["payload3"]), None),
        (
            bytes(&entry(&vectors, "recorded", "R001")["payload2"]),
            entry(&vectors, "recorded", "R001")["responder_identifier_text"].as_str(),
        ),
        (
            bytes(&entry(&vectors, "recorded", "R002")["payload3"]),
            entry(&vectors, "recorded", "R002")["initiator_identifier_text"].as_str(),
        ),
    ];
    for (payload, who) in payloads {
        let presentation = Presentation::decode(&payload, &PresentationLimits::DEFAULT).unwrap();
        let identity = presentation.claimed_identity();
        if let Some(who) = who {
            assert_eq!(identity.identifier().to_string(), who);
        }
        let attestation = presentation.attestation();
        let now = attestation.verify_at_creation(identity).unwrap();
        let again = Presentation::encode(identity, attestation, presentation.credentials());
        assert_eq!(again, payload);
        let key = *now.secure_channel_static().unwrap();
        presentation.verify(&key, now.created_at()).unwrap();
    }
}

#[test]
fn captured_identities_verify_and_a_rotation_to_p256_is_reproduced_byte_for_byte() {
    let captures = captures();
    for (name, entry) in captures["identities"].as_object().unwrap() {
        let encoded = bytes(&entry["change_history_hex"]);
        let identity = import(&encoded).unwrap();
        assert_eq!(identity.identifier().to_string(), entry["identifier"].as_str().unwrap(), "{name}");
        let changes = entry["changes"].as_array().unwrap();
        assert_eq!(identity.changes().len(), changes.len());

        let mut vault = SoftwareVault::new();
        let mut ours: Option<Identity> = None;
        for ((change, recorded), key) in identity.changes().zip(changes).zip(entry["keys_in_order"].as_array().unwrap())
        {
            assert_eq!(change.hash().to_string(), recorded["change_hash"].as_str().unwrap());
            let kind = if key["type"] == "EdDSACurve25519" { SigningKind::Ed25519 } else { SigningKind::P256 };
            let key = vault.import_signing_key(kind, &secret(&key["secret_hex"])).unwrap();
            let new = NewKey {
                key,
                valid_from: change.valid_from(),
                valid_until: change.valid_until(),
                revoke_all_purpose_keys: change.data().revoke_all_purpose_keys,
            };
            let draft = match &ours {
                None => IdentityDraft::create(&new),
                Some(identity) => IdentityDraft::rotate(identity, &new).unwrap(),
            };
            ours = Some(draft.sign_with(&vault).unwrap());
        }
        assert_eq!(ours.unwrap().export(), encoded, "{name}");
    }
}

#[test]
fn captured_attestations_verify_and_so_do_the_forms_of_captured_credentials() {
    let captures = captures();
    let identities = &captures["identities"];
    let history_of = |identifier: &Value| {
        let found = identities.as_object().unwrap().values().find(|entry| entry["identifier"] == *identifier);
        found.map(|entry| import(&bytes(&entry["change_history_hex"])).unwrap())
    };
    let (mut verified, mut without_history) = (0, 0);
    for entry in captures["purpose_key_attestations"].as_array().unwrap() {
        let attestation = PurposeKeyAttestation::decode(&bytes(&entry["attestation_hex"])).unwrap();
        assert_eq!(attestation.claimed_subject().to_string(), entry["identifier"].as_str().unwrap());
        let Some(subject) = history_of(&entry["identifier"]) else {
            without_history += 1;
            continue;
        };
        let attested = attestation.verify(&subject, Timestamp(1_800_000_000)).unwrap();
        assert_eq!(attested.created_at().0, entry["created_at"]);
        assert_eq!(attested.expires_at().0, entry["expires_at"]);
        let PublicKey(key) = attested.secure_channel_static().unwrap();
        assert_eq!(hex::encode(key), entry["x25519_public_hex"].as_str().unwrap());
        verified += 1;
    }
    assert_eq!((verified, without_history), (2, 1));
    for entry in captures["credentials"].as_array().unwrap() {
        let encoded = bytes(&entry["credential_and_purpose_key_hex"]);
        let credential = PresentedCredential::decode(&encoded, 2048).unwrap();
        assert_eq!(credential.export(), encoded);
    }
}
