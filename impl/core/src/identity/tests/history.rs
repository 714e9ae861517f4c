//! Every rule of the chapter "Identities", broken one at a time.

use super::*;
use crate::identity::envelope::{SignedType, encode};
use crate::vault::{Answer, PublicKey};

fn ed() -> (Owner, Identity) {
    let mut owner = Owner::new(1);
    let identity = owner.create(SigningKind::Ed25519);
    (owner, identity)
}

/// The history of `identity` with one more change as the test wants it.
fn extended(owner: &Owner, identity: &Identity, data: &ChangeData) -> Vec<u8> {
    identity.extended(&owner.change(data, Some(identity.latest().key())))
}

#[test]
fn a_created_identity_has_one_change_of_ten_years_and_128_bytes() {
    let (_, identity) = ed();
    assert_eq!(identity.export().len(), 128);
    assert_eq!(identity.latest().valid_from(), NOW);
    assert_eq!(identity.latest().valid_until().0 - NOW.0, 315_360_000);
    let again = Identity::import(identity.export(), Some(&identity.identifier())).unwrap();
    assert_eq!(Identity::compare(&identity, &again), Comparison::Equal);
}

#[test]
fn rotations_between_all_kinds_of_key_verify_and_wipe_the_old_key() {
    for first in [SigningKind::Ed25519, SigningKind::P256] {
        for second in [SigningKind::Ed25519, SigningKind::P256] {
            let mut owner = Owner::new(2);
            let identity = owner.create(first);
            let rotated = owner.rotate(&identity, second, NOW).unwrap();
            assert_eq!(rotated.identifier(), identity.identifier());
            assert_eq!(rotated.changes().len(), 2);
            assert!(!owner.vault.holds(&identity.latest().key().handle()));
            assert!(owner.vault.holds(&rotated.latest().key().handle()));
            import(rotated.export()).unwrap();
        }
    }
}

//= spec/src/identities.md#idn-26
//= type=test
//# A node that rotates an identity MUST wipe the old key only after the new history has been verified.
#[test]
fn a_rotation_that_fails_leaves_the_vault_as_it_was() {
    let (mut owner, identity) = ed();
    let before = owner.vault.len();
    refused(owner.rotate(&identity, SigningKind::P256, Timestamp(NOW.0 - 1)), Blame::Misbehaved, "IDN-17");
    assert_eq!(owner.vault.len(), before);
    assert!(owner.vault.holds(&identity.latest().key().handle()));
}

//= spec/src/identities.md#idn-24
//= type=test
//# A node MUST verify the whole history that it made, before it shows or stores it.
#[test]
fn a_draft_refuses_the_answers_of_a_faulty_vault() {
    let mut owner = Owner::new(3);
    let (key, other) = (owner.key(SigningKind::Ed25519), owner.key(SigningKind::Ed25519));
    let draft = IdentityDraft::create(&NewKey::starting(key, NOW));
    let wrong_key = owner.sign(&other, b"");
    refused(draft.clone().answer(Answer::Signed(wrong_key)), Blame::Misbehaved, "IDN-16");
    let shared = owner.vault.generate_static_key(&mut owner.entropy);
    let shared = owner.vault.static_dh(&crate::vault::KeyHandle::of(&shared.0), &PublicKey([9; 32])).unwrap();
    refused(draft.clone().answer(Answer::Shared(shared)), Blame::Misuse, "IDN-24");
    let identity = draft.sign_with(&owner.vault).unwrap();

    // A rotation whose two answers arrive in the wrong order.
    let rotation = IdentityDraft::rotate(&identity, &NewKey::starting(other, NOW)).unwrap();
    let first = owner.vault.answer(&rotation.request()).unwrap();
    let Drafted::Pending(second) = rotation.clone().answer(first.clone()).unwrap() else { panic!("two are needed") };
    refused(second.answer(first), Blame::Misbehaved, "IDN-15");
}

//= spec/src/identities.md#idn-25
//= type=test
//# A rotation MUST NOT bring in the key that it takes out.
#[test]
fn we_do_not_rotate_to_the_same_key_but_accept_it_from_others() {
    let (owner, identity) = ed();
    let same = *identity.latest().key();
    refused(IdentityDraft::rotate(&identity, &NewKey::starting(same, NOW)), Blame::Misuse, "IDN-25");
    import(&extended(&owner, &identity, &data(same, Some(&identity)))).unwrap();
}

//= spec/src/identities.md#idn-5
//= type=test
//# A verifier MUST refuse a change whose version is not 1.
#[test]
fn another_version_is_refused_alone_and_as_a_downgrade() {
    let (mut owner, identity) = ed();
    let new = owner.key(SigningKind::Ed25519);
    for version in [0u8, 2, 23] {
        // `83 version type data`: the version is the second byte.
        let mut signed = data(new, None).encode();
        signed[1] = version;
        let first = Change::encode(&signed, &owner.sign(&new, &signed), None);
        refused(import(&history(&[&first])), Blame::Malformed, "IDN-5");

        let mut signed = data(new, Some(&identity)).encode();
        signed[1] = version;
        let previous = owner.sign(identity.latest().key(), &signed);
        let later = Change::encode(&signed, &owner.sign(&new, &signed), Some(&previous));
        refused(import(&identity.extended(&later)), Blame::Malformed, "IDN-5");
    }
}

//= spec/src/identities.md#idn-6
//= type=test
//# A verifier MUST refuse a change whose type tag is not 1, before it decodes what the envelope holds.
//= spec/src/purpose-keys.md#pur-2
//= type=test
//# A verifier MUST refuse an attestation whose type tag is not 2, before it decodes what the envelope holds.
//= spec/src/purpose-keys.md#pur-22
//= type=test
//# A receiver MUST refuse a presentation with a credential whose version is not 1 or whose type tag is not 3.
#[test]
fn nothing_signed_passes_for_something_else() {
    let all = [SignedType::Change, SignedType::Attestation, SignedType::Credential];
    let ids = ["IDN-6", "PUR-2", "PUR-22"];
    for holds in all {
        // The contents are no CBOR: whoever decoded them first would say so.
        let sealed = holds.seal(b"\xff");
        for (expected, id) in all.into_iter().zip(ids) {
            if expected == holds {
                assert_eq!(expected.open(&sealed, 1).unwrap(), b"\xff");
            } else {
                refused(expected.open(&sealed, 1), Blame::Misbehaved, id);
            }
        }
    }
    for tag in [0u8, 4, 23] {
        let sealed = [0x83, 1, tag, 0x40];
        for (expected, id) in all.into_iter().zip(ids) {
            refused(expected.open(&sealed, 1), Blame::Malformed, id);
        }
    }
    for version in [0u8, 2] {
        refused(SignedType::Credential.open(&[0x83, version, 3, 0x40], 1), Blame::Malformed, "PUR-22");
    }
}

#[test]
fn a_stolen_attestation_replayed_as_a_change_is_refused() {
    // The scenario of the design review: an attestation is rightly signed by the identity's key, and a
    // thief presents its bytes as the identity's next change.
    let (mut owner, identity) = ed();
    let (_, attestation) = owner.attest(&identity);
    let mut reader = crate::wire::cbor::Reader::new(attestation.export());
    reader.array_of(2).unwrap();
    let signed = reader.bytes(512).unwrap();
    let signature = owner.sign(identity.latest().key(), signed);
    let change = encode(|e| {
        let _ = e.array(3).and_then(|e| e.bytes(signed));
        crate::identity::envelope::put_signature(e, &signature);
        crate::identity::envelope::put_signature(e, &signature);
    });
    refused(import(&identity.extended(&change)), Blame::Misbehaved, "IDN-6");
    // And a change as an attestation.
    let change_as_attestation = &identity.export()[1..];
    refused(PurposeKeyAttestation::decode(change_as_attestation), Blame::Misbehaved, "PUR-2");
}

//= spec/src/identities.md#idn-7
//= type=test
//# A decoder MUST refuse a key or signature whose kind is neither 0 nor 1.
#[test]
fn unknown_kinds_of_key_and_signature_are_refused() {
    let (owner, identity) = ed();
    let mut signed = identity.latest().data().encode();
    // `83 01 01 58 32 85 f6 82 kind`.
    assert_eq!(signed[6..9], [0xf6, 0x82, 0]);
    signed[8] = 2;
    let change = Change::encode(&signed, &owner.sign(identity.latest().key(), &signed), None);
    refused(import(&history(&[&change])), Blame::Malformed, "IDN-7");

    let mut bytes = identity.export().to_vec();
    let kind = bytes.len() - 68;
    assert_eq!(bytes[kind - 1..kind + 2], [0x82, 0, 0x81]);
    bytes[kind] = 2;
    refused(import(&bytes), Blame::Malformed, "IDN-7");
    bytes[kind] = 1;
    refused(import(&bytes), Blame::Misbehaved, "IDN-16");
}

//= spec/src/identities.md#idn-8
//= type=test
//# A receiver MUST refuse a history that announces more changes than its limit, before it decodes any of them.
//= spec/src/identities.md#idn-9
//= type=test
//# A receiver MUST refuse a history of more bytes than its limit, before it decodes any of them.
#[test]
fn a_history_beyond_the_limits_is_refused_and_one_at_the_limit_is_not() {
    let mut owner = Owner::new(4);
    let mut identity = owner.create(SigningKind::P256);
    while identity.changes().len() < 16 {
        identity = owner.rotate(&identity, SigningKind::P256, NOW).unwrap();
    }
    // The floor of bytes has room for the floor of changes, of the largest kind.
    Identity::import_within(identity.export(), None, &HistoryLimits::FLOOR).unwrap();
    let exact = HistoryLimits { changes: 16, bytes: identity.export().len() };
    Identity::import_within(identity.export(), None, &exact).unwrap();
    let fewer = HistoryLimits { changes: 15, ..exact };
    refused(Identity::import_within(identity.export(), None, &fewer), Blame::Limit, "IDN-8");
    let shorter = HistoryLimits { bytes: exact.bytes - 1, ..exact };
    refused(Identity::import_within(identity.export(), None, &shorter), Blame::Limit, "IDN-9");
    let mut reader = crate::wire::cbor::Reader::new(identity.export());
    refused(Identity::read(&mut reader, None, &shorter), Blame::Limit, "IDN-9");

    // Announced, and not there: refused by the number alone.
    refused(import(&[0x98, 65]), Blame::Limit, "IDN-8");
    refused(import(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Blame::Limit, "IDN-8");
    refused(import(&alloc::vec![0; HistoryLimits::DEFAULT.bytes + 1]), Blame::Limit, "IDN-9");
}

//= spec/src/identities.md#idn-10
//= type=test
//# A verifier MUST refuse a history without changes.
#[test]
fn an_empty_history_is_refused() {
    refused(import(&[0x80]), Blame::Misbehaved, "IDN-10");
}

//= spec/src/identities.md#idn-11
//= type=test
//# A verifier MUST refuse a history whose first change names a previous change.
#[test]
fn the_tail_of_a_history_is_no_history() {
    let (mut owner, identity) = ed();
    let new = owner.key(SigningKind::P256);
    let tail = owner.change(&data(new, Some(&identity)), None);
    refused(import(&history(&[&tail])), Blame::Misbehaved, "IDN-11");
}

//= spec/src/identities.md#idn-12
//= type=test
//# A verifier MUST refuse a later change that does not name the hash of the change right before it.
#[test]
fn a_later_change_names_the_change_right_before_it() {
    let (mut owner, identity) = ed();
    let key = owner.key(SigningKind::Ed25519);
    let second = import(&extended(&owner, &identity, &data(key, Some(&identity)))).unwrap();
    let third = owner.key(SigningKind::Ed25519);
    // None, itself out of thin air, and one too early.
    let skipping = data(third, Some(&identity));
    for wrong in [data(third, None), ChangeData { previous: Some(ChangeHash([7; 32])), ..skipping.clone() }, skipping] {
        refused(import(&extended(&owner, &second, &wrong)), Blame::Misbehaved, "IDN-12");
    }
    // Reordered and duplicated changes.
    let (a, b) = (items(&identity), items(&second)[items(&identity).len()..].to_vec());
    refused(import(&history(&[&b, &a])), Blame::Misbehaved, "IDN-11");
    refused(import(&history(&[&a, &a])), Blame::Misbehaved, "IDN-12");
    refused(import(&history(&[&a, &b, &b])), Blame::Misbehaved, "IDN-12");
}

//= spec/src/identities.md#idn-13
//= type=test
//# A verifier MUST refuse a history whose first change carries a previous signature.
#[test]
fn a_first_change_with_a_previous_signature_is_refused() {
    let (owner, identity) = ed();
    let key = *identity.latest().key();
    let change = owner.change(identity.latest().data(), Some(&key));
    refused(import(&history(&[&change])), Blame::Misbehaved, "IDN-13");
}

//= spec/src/identities.md#idn-14
//= type=test
//# A verifier MUST refuse a later change without a previous signature.
//= spec/src/identities.md#idn-15
//= type=test
//# A verifier MUST refuse a later change whose previous signature is not by the key of the change before it.
//= spec/src/identities.md#idn-16
//= type=test
//# A verifier MUST refuse a change that is not signed by its own key.
#[test]
fn the_two_signatures_of_a_rotation_cannot_be_omitted_swapped_or_copied() {
    let (mut owner, identity) = ed();
    let (old, new) = (*identity.latest().key(), owner.key(SigningKind::Ed25519));
    let signed = data(new, Some(&identity)).encode();
    let (by_new, by_old) = (owner.sign(&new, &signed), owner.sign(&old, &signed));
    let with = |own: &Signature, previous: Option<&Signature>| {
        import(&identity.extended(&Change::encode(&signed, own, previous)))
    };
    with(&by_new, Some(&by_old)).unwrap();
    refused(with(&by_new, None), Blame::Misbehaved, "IDN-14");
    refused(with(&by_old, Some(&by_new)), Blame::Misbehaved, "IDN-16");
    refused(with(&by_new, Some(&by_new)), Blame::Misbehaved, "IDN-15");
    refused(with(&by_old, Some(&by_old)), Blame::Misbehaved, "IDN-16");
    // The copy attack: the old key's signature of its own first change as its approval of the second.
    let first = *identity.latest().signature();
    refused(with(&by_new, Some(&first)), Blame::Misbehaved, "IDN-15");
    refused(with(&first, Some(&by_old)), Blame::Misbehaved, "IDN-16");
}

//= spec/src/identities.md#idn-17
//= type=test
//# A verifier MUST refuse a change whose `attestations_valid_from` is earlier than that of the change before it.
#[test]
fn a_change_may_begin_with_the_one_before_it_but_not_earlier() {
    let (mut owner, identity) = ed();
    let new = owner.key(SigningKind::Ed25519);
    for (from, accepted) in [(NOW.0 - 1, false), (NOW.0, true), (NOW.0 + 1, true)] {
        let change = ChangeData { valid_from: Timestamp(from), ..data(new, Some(&identity)) };
        let result = import(&extended(&owner, &identity, &change));
        if accepted { drop(result.unwrap()) } else { refused(result, Blame::Misbehaved, "IDN-17") }
    }
}

//= spec/src/identities.md#idn-18
//= type=test
//# A verifier MUST refuse a change whose `attestations_valid_from` is later than its `attestations_valid_until`.
#[test]
fn a_change_may_end_when_it_begins_but_not_earlier() {
    let mut owner = Owner::new(5);
    let key = owner.key(SigningKind::P256);
    for (until, accepted) in [(NOW.0 - 1, false), (NOW.0, true)] {
        let change = ChangeData { valid_until: Timestamp(until), ..data(key, None) };
        let result = import(&history(&[&owner.change(&change, None)]));
        if accepted { drop(result.unwrap()) } else { refused(result, Blame::Misbehaved, "IDN-18") }
    }
}

//= spec/src/identities.md#idn-19
//= type=test
//# A verifier that expects an identifier MUST refuse a history of another one.
#[test]
fn a_history_of_somebody_else_is_refused() {
    let (mut owner, identity) = ed();
    let other = owner.create(SigningKind::Ed25519);
    refused(Identity::import(other.export(), Some(&identity.identifier())), Blame::Misbehaved, "IDN-19");
}

//= spec/src/identities.md#idn-20
//= type=test
//# A verifier MUST NOT refuse a history because of the time at which it is verified.
#[test]
fn an_expired_key_still_rotates_and_the_owners_own_rotation_beats_the_thiefs() {
    let (mut owner, _) = ed();
    let key = owner.key(SigningKind::Ed25519);
    let long_ago = ChangeData { valid_from: Timestamp(0), valid_until: Timestamp(1), ..data(key, None) };
    let expired = import(&history(&[&owner.change(&long_ago, None)])).unwrap();
    let (honest, stolen) = (owner.key(SigningKind::Ed25519), owner.key(SigningKind::Ed25519));
    let honest = import(&extended(&owner, &expired, &data(honest, Some(&expired)))).unwrap();
    let stolen = import(&extended(&owner, &expired, &data(stolen, Some(&expired)))).unwrap();
    // To a node that knows only the beginning, both are continuations ...
    for rotated in [&honest, &stolen] {
        assert!(matches!(admit(Some(expired.export()), rotated.clone()), Ok(Admission::Newer(_))));
    }
    // ... and to a node that knows one, the other is a conflict.
    refused(admit(Some(honest.export()), stolen), Blame::Misbehaved, "IDN-29");
}

//= spec/src/vaults.md#vlt-25
//= type=test
//# A verifier MUST accept an ECDSA P-256 signature whether its s is in the lower or in the upper half.
//= spec/src/vaults.md#vlt-27
//= type=test
//# An implementation MUST NOT use the bytes of a signature to identify, compare or look up anything.
//= spec/src/identities.md#idn-27
//= type=test
//# Two histories MUST be compared position by position by the hashes of their changes, and by nothing else.
#[test]
fn a_malleated_p256_signature_is_accepted_and_changes_nothing() {
    let mut owner = Owner::new(6);
    let mut identity = owner.create(SigningKind::P256);
    identity = owner.rotate(&identity, SigningKind::P256, NOW).unwrap();
    let changes: Vec<Vec<u8>> = identity
        .changes()
        .map(|change| {
            let previous = change.previous_signature().map(malleated);
            Change::encode(&change.data().encode(), &malleated(change.signature()), previous.as_ref())
        })
        .collect();
    let twin = import(&history(&[&changes[0], &changes[1]])).unwrap();
    assert_ne!(twin.export(), identity.export());
    assert_eq!(twin.identifier(), identity.identifier());
    assert_eq!(twin.latest().hash(), identity.latest().hash());
    assert_eq!(Identity::compare(&identity, &twin), Comparison::Equal);
    // A store that knows one form neither takes the other for new nor for a conflict, and keeps its own.
    let admission = admit(Some(identity.export()), twin.clone()).unwrap();
    assert!(matches!(admission, Admission::Same(_)));
    assert!(admission.to_store().is_none());
    assert_eq!(admission.identity().export(), identity.export());
    // What one form attests, the other verifies, and so with the attestation's own signature.
    let (_, attestation) = owner.attest(&identity);
    attestation.verify(&twin, NOW).unwrap();
}

#[test]
fn what_is_not_canonical_is_refused() {
    let (_, identity) = ed();
    let bytes = identity.export();
    refused(import(&[bytes, &[0]].concat()), Blame::Malformed, "COD-5");
    // What is cheap to see is seen before a signature is looked at.
    let mut forged = [bytes, &[0]].concat();
    forged[bytes.len() - 1] ^= 1;
    refused(import(&forged), Blame::Malformed, "COD-5");
    refused(import(&forged[..bytes.len()]), Blame::Misbehaved, "IDN-16");
    refused(import(&bytes[..bytes.len() - 1]), Blame::Malformed, "COD-4");
    refused(import(&[&[0x98, 1], &bytes[1..]].concat()), Blame::Malformed, "COD-2");
    refused(import(&[&[0x9f], &bytes[1..], &[0xff]].concat()), Blame::Malformed, "COD-1");
    refused(import(&[&[0x81, 0x84], &bytes[2..]].concat()), Blame::Malformed, "COD-3");
    // A previous signature that is present and null.
    refused(import(&[&[0x81, 0x83], &bytes[2..], &[0xf6]].concat()), Blame::Malformed, "COD-3");
}
