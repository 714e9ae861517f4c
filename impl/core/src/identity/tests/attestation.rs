//! Every rule of the chapter "Purpose keys", broken one at a time.

use super::*;
use crate::identity::envelope::{encode, put_signature};
use crate::vault::PublicKey;

const KEY: PurposeKey = PurposeKey::SecureChannelStatic(PublicKey([9; 32]));

fn draft(subject: &Identity, owner: &Owner, created: u64, expires: u64) -> Result<PurposeKeyAttestation> {
    let draft = AttestationDraft::new(subject, KEY, Timestamp(created), Timestamp(expires));
    draft.clone().answer(owner.vault.answer(&draft.request())?)
}

fn setup() -> (Owner, Identity, PurposeKeyAttestation) {
    let mut owner = Owner::new(11);
    let key = owner.key(SigningKind::Ed25519);
    let identity = import(&history(&[&owner.change(&data(key, None), None)])).unwrap();
    let attestation = draft(&identity, &owner, NOW.0, NOW.0 + 1000).unwrap();
    (owner, identity, attestation)
}

#[test]
fn an_attestation_verifies_for_both_purposes_and_all_kinds_of_key() {
    let mut owner = Owner::new(12);
    for kind in [SigningKind::Ed25519, SigningKind::P256] {
        let identity = owner.create(kind);
        let keys = [SigningKind::Ed25519, SigningKind::P256].map(|kind| PurposeKey::CredentialSigning(owner.key(kind)));
        for key in [KEY].into_iter().chain(keys) {
            let draft = AttestationDraft::valid_from(&identity, key, NOW);
            let answer = owner.vault.answer(&draft.request()).unwrap();
            let attestation = draft.answer(answer).unwrap();
            let again = PurposeKeyAttestation::decode(attestation.export()).unwrap();
            let attested = again.verify(&identity, NOW).unwrap();
            assert_eq!((attested.key(), attested.subject()), (&key, &identity.identifier()));
            assert_eq!(attested.expires_at().0 - attested.created_at().0, 157_680_000);
        }
    }
}

//= spec/src/purpose-keys.md#pur-1
//= type=test
//# A verifier MUST refuse an attestation whose version is not 1.
//= spec/src/purpose-keys.md#pur-12
//= type=test
//# A decoder MUST refuse an attestation whose purpose is neither 0 nor 1.
#[test]
fn unknown_versions_and_purposes_are_refused() {
    let (_, _, attestation) = setup();
    let bytes = attestation.export();
    // `82 58 len 83 version type 58 len 85 5820 <32> 5820 <32> 82 purpose`.
    let (version, purpose) = (4, 9 + 34 + 34 + 1);
    assert_eq!((bytes[version], bytes[purpose - 1], bytes[purpose]), (1, 0x82, 0));
    for (at, value, id) in [(version, 0, "PUR-1"), (version, 2, "PUR-1"), (purpose, 2, "PUR-12")] {
        let mut wrong = bytes.to_vec();
        wrong[at] = value;
        refused(PurposeKeyAttestation::decode(&wrong), Blame::Malformed, id);
    }
}

//= spec/src/purpose-keys.md#pur-3
//= type=test
//# A verifier MUST refuse an attestation whose subject is not the identity that it is verified for.
#[test]
fn another_identitys_attestation_is_refused() {
    let (mut owner, _, attestation) = setup();
    let other = owner.create(SigningKind::Ed25519);
    refused(attestation.verify(&other, NOW), Blame::Misbehaved, "PUR-3");
}

//= spec/src/purpose-keys.md#pur-4
//= type=test
//# A verifier MUST refuse an attestation that names any other change than the latest one it knows of the subject.
//= spec/src/identities.md#idn-21
//= type=test
//# The flag `revoke_all_purpose_keys` MUST NOT change whether an attestation is accepted.
#[test]
fn an_attestation_of_an_older_or_newer_change_is_refused_with_or_without_the_flag() {
    for revoke in [false, true] {
        let (mut owner, before, old) = setup();
        let key = owner.key(SigningKind::P256);
        let change = ChangeData { revoke_all_purpose_keys: revoke, ..data(key, Some(&before)) };
        let after = import(&before.extended(&owner.change(&change, Some(before.latest().key())))).unwrap();
        let new = draft(&after, &owner, NOW.0, NOW.0 + 1000).unwrap();
        old.verify(&before, NOW).unwrap();
        new.verify(&after, NOW).unwrap();
        refused(old.verify(&after, NOW), Blame::Misbehaved, "PUR-4");
        refused(new.verify(&before, NOW), Blame::Misbehaved, "PUR-4");
        // The flag of the latest change itself revokes nothing that it attests.
        assert_eq!(after.latest().data().revoke_all_purpose_keys, revoke);
    }
}

//= spec/src/purpose-keys.md#pur-5
//= type=test
//# A verifier MUST refuse an attestation that expires after the latest change's `attestations_valid_until`.
//= spec/src/purpose-keys.md#pur-6
//= type=test
//# A verifier MUST refuse an attestation created before the latest change's `attestations_valid_from`.
//= spec/src/purpose-keys.md#pur-9
//= type=test
//# A verifier MUST refuse an attestation that expires before it was created.
//= spec/src/purpose-keys.md#pur-13
//= type=test
//# A node MUST verify an attestation that it made, before it uses it.
#[test]
fn an_attestation_stays_within_the_validity_of_its_key() {
    let (owner, identity, _) = setup();
    let (from, until) = (NOW.0, NOW.0 + 1000);
    draft(&identity, &owner, from, until).unwrap();
    draft(&identity, &owner, until, until).unwrap();
    refused(draft(&identity, &owner, from, until + 1), Blame::Misbehaved, "PUR-5");
    refused(draft(&identity, &owner, from - 1, until), Blame::Misbehaved, "PUR-6");
    // Verified at its creation it has expired; verified within the skew before that, it ends before it begins.
    refused(draft(&identity, &owner, from + 10, from + 9), Blame::Misbehaved, "PUR-8");
    let upside_down = unchecked(&identity, &owner, from + 10, from + 9);
    refused(upside_down.verify(&identity, NOW), Blame::Misbehaved, "PUR-9");
}

/// An attestation that its maker did not verify.
fn unchecked(subject: &Identity, owner: &Owner, created: u64, expires: u64) -> PurposeKeyAttestation {
    let draft = AttestationDraft::new(subject, KEY, Timestamp(created), Timestamp(expires));
    let crate::vault::Answer::Signed(signature) = owner.vault.answer(&draft.request()).unwrap() else {
        panic!("a signature was asked for")
    };
    PurposeKeyAttestation::decode(&draft.encode(&signature)).unwrap()
}

//= spec/src/purpose-keys.md#pur-7
//= type=test
//# A verifier MUST refuse an attestation created more than 60 seconds after now.
//= spec/src/purpose-keys.md#pur-8
//= type=test
//# A verifier MUST refuse an attestation that expired before now.
#[test]
fn the_clock_counts_to_the_second_in_both_directions() {
    let (owner, identity, _) = setup();
    let attestation = draft(&identity, &owner, NOW.0 + 100, NOW.0 + 200).unwrap();
    let at = |now: u64| attestation.verify(&identity, Timestamp(NOW.0 + now));
    refused(at(39), Blame::Misbehaved, "PUR-7");
    at(40).unwrap();
    at(200).unwrap();
    refused(at(201), Blame::Misbehaved, "PUR-8");
    // The clock goes back: nothing is remembered.
    at(200).unwrap();
    refused(attestation.verify(&identity, Timestamp(u64::MAX)), Blame::Misbehaved, "PUR-8");
    refused(attestation.verify(&identity, Timestamp(0)), Blame::Misbehaved, "PUR-7");
}

//= spec/src/purpose-keys.md#pur-10
//= type=test
//# A verifier MUST refuse an attestation that is not signed by the key of the subject's latest change.
#[test]
fn an_attestation_signed_by_another_key_is_refused() {
    let (mut owner, identity, attestation) = setup();
    let other = owner.key(SigningKind::Ed25519);
    let mut reader = crate::wire::cbor::Reader::new(attestation.export());
    reader.array_of(2).unwrap();
    let signed = reader.bytes(512).unwrap();
    let forged = encode(|e| {
        let _ = e.array(2).and_then(|e| e.bytes(signed));
        put_signature(e, &owner.sign(&other, signed));
    });
    refused(PurposeKeyAttestation::decode(&forged).unwrap().verify(&identity, NOW), Blame::Misbehaved, "PUR-10");
}

#[test]
fn a_malleated_signature_on_an_attestation_is_accepted() {
    let mut owner = Owner::new(13);
    let identity = owner.create(SigningKind::P256);
    let draft = AttestationDraft::valid_from(&identity, KEY, NOW);
    let crate::vault::Answer::Signed(signature) = owner.vault.answer(&draft.request()).unwrap() else {
        panic!("a signature was asked for")
    };
    let twins = [signature, malleated(&signature)]
        .map(|signature| PurposeKeyAttestation::decode(&draft.encode(&signature)).unwrap());
    assert_ne!(twins[0].export(), twins[1].export());
    assert_eq!(twins[0].verify(&identity, NOW).unwrap(), twins[1].verify(&identity, NOW).unwrap());
}

//= spec/src/purpose-keys.md#pur-11
//= type=test
//# A node MUST NOT use an attested key for another purpose than the attestation names.
//= spec/src/purpose-keys.md#pur-15
//= type=test
//# A party of a secure channel MUST refuse a presentation whose attested key is not the static key that the other side used in the handshake.
#[test]
fn a_presentation_binds_the_static_key_of_the_handshake_to_the_identity() {
    let mut owner = Owner::new(14);
    let identity = owner.create(SigningKind::Ed25519);
    let (key, attestation) = owner.attest(&identity);
    let decode = |bytes: &[u8]| Presentation::decode(bytes, &PresentationLimits::DEFAULT).unwrap();
    let bytes = Presentation::encode(&identity, &attestation, &[]);
    let presented = decode(&bytes).verify(&key, NOW).unwrap();
    assert_eq!(presented.identity.identifier(), identity.identifier());
    refused(decode(&bytes).verify(&PublicKey([9; 32]), NOW), Blame::Misbehaved, "PUR-15");

    // Somebody else's attestation next to one's own history.
    let mallory = owner.create(SigningKind::Ed25519);
    let bytes = Presentation::encode(&mallory, &attestation, &[]);
    refused(decode(&bytes).verify(&key, NOW), Blame::Misbehaved, "PUR-3");

    // A key for credentials is no key for channels.
    let signing = owner.key(SigningKind::Ed25519);
    let draft = AttestationDraft::valid_from(&identity, PurposeKey::CredentialSigning(signing), NOW);
    let answer = owner.vault.answer(&draft.request()).unwrap();
    let bytes = Presentation::encode(&identity, &draft.answer(answer).unwrap(), &[]);
    refused(decode(&bytes).verify(&key, NOW), Blame::Misbehaved, "PUR-11");
}

//= spec/src/purpose-keys.md#pur-20
//= type=test
//# A receiver MUST refuse a presentation that announces more credentials than its limit, before it decodes any of them.
//= spec/src/purpose-keys.md#pur-21
//= type=test
//# A receiver MUST refuse a presentation with a credential of more bytes than its limit.
#[test]
fn a_presentation_beyond_the_limits_is_refused() {
    let mut owner = Owner::new(15);
    let identity = owner.create(SigningKind::Ed25519);
    let (_, attestation) = owner.attest(&identity);
    let limits = PresentationLimits::DEFAULT;
    let mut many = Presentation::encode(&identity, &attestation, &[]);
    assert_eq!(many.pop(), Some(0x80));
    many.push(0x85);
    refused(Presentation::decode(&many, &limits), Blame::Limit, "PUR-20");

    let signed = crate::identity::envelope::SignedType::Credential.seal(b"anything");
    let mut credential = encode(|e| {
        let _ = e.array(2).and_then(|e| e.array(2)).and_then(|e| e.bytes(&signed));
        put_signature(e, &owner.sign(identity.latest().key(), &signed));
    });
    credential.extend_from_slice(attestation.export());
    let credential = PresentedCredential::decode(&credential, credential.len()).unwrap();
    let len = credential.export().len();
    let bytes = Presentation::encode(&identity, &attestation, &[credential.clone(), credential]);
    let within = |credential| Presentation::decode(&bytes, &PresentationLimits { credential, ..limits });
    assert_eq!(within(len).unwrap().credentials().len(), 2);
    refused(within(len - 1), Blame::Limit, "PUR-21");
    refused(Presentation::decode(&[&bytes[..], &[0]].concat(), &limits), Blame::Malformed, "COD-5");
}

//= spec/src/purpose-keys.md#pur-22
//= type=test
//# A receiver MUST refuse a presentation with a credential whose version is not 1 or whose type tag is not 3.
#[test]
fn a_presentation_with_something_else_signed_for_a_credential_is_refused() {
    let mut owner = Owner::new(17);
    let identity = owner.create(SigningKind::Ed25519);
    let (_, attestation) = owner.attest(&identity);
    let presented = |version: u8, tag: u8| {
        let signed = [0x83, version, tag, 0x41, 0];
        let mut credential = encode(|e| {
            let _ = e.array(1).and_then(|e| e.array(2)).and_then(|e| e.array(2)).and_then(|e| e.bytes(&signed));
            put_signature(e, &owner.sign(identity.latest().key(), &signed));
        });
        credential.extend_from_slice(attestation.export());
        let bytes = Presentation::encode(&identity, &attestation, &[]);
        let (_, whole) = bytes.split_last().unwrap();
        Presentation::decode(&[whole, &credential].concat(), &PresentationLimits::DEFAULT)
    };
    assert_eq!(presented(1, 3).unwrap().credentials().len(), 1);
    for (version, tag, blame) in [
        (0, 3, Blame::Malformed),
        (2, 3, Blame::Malformed),
        (1, 1, Blame::Misbehaved),
        (1, 2, Blame::Misbehaved),
        (1, 4, Blame::Malformed),
    ] {
        refused(presented(version, tag), blame, "PUR-22");
    }
}

//= spec/src/purpose-keys.md#pur-14
//= type=test
//# An attestation MUST NOT be made to expire after the `attestations_valid_until` of the change that it names.
#[test]
fn an_attestation_by_a_key_near_its_end_ends_with_it() {
    let (owner, identity, _) = setup();
    let draft = AttestationDraft::valid_from(&identity, KEY, NOW);
    let attestation = draft.clone().answer(owner.vault.answer(&draft.request()).unwrap()).unwrap();
    assert_eq!(attestation.verify(&identity, NOW).unwrap().expires_at(), identity.latest().valid_until());
    // Beyond its end it attests nothing.
    let late = AttestationDraft::valid_from(&identity, KEY, NOW.plus(1001));
    refused(late.clone().answer(owner.vault.answer(&late.request()).unwrap()), Blame::Misbehaved, "PUR-8");
}

//= spec/src/extensions.md#ext-1
//= type=test
//# A receiver MUST skip up to 4 well-formed unknown items at the end of a transport message or a handshake payload, and refuse more.
#[test]
fn a_presentation_may_have_a_few_items_more_than_we_know() {
    let mut owner = Owner::new(16);
    let identity = owner.create(SigningKind::Ed25519);
    let (key, attestation) = owner.attest(&identity);
    let mut bytes = Presentation::encode(&identity, &attestation, &[]);
    let decode = |bytes: &[u8]| Presentation::decode(bytes, &PresentationLimits::DEFAULT);
    for _ in 0..4 {
        bytes[0] += 1;
        refused(decode(&bytes), Blame::Malformed, "COD-4");
        bytes.extend_from_slice(&[0x82, 1, 0x61, b'x']);
        decode(&bytes).unwrap().verify(&key, NOW).unwrap();
    }
    bytes[0] += 1;
    bytes.push(0);
    refused(decode(&bytes), Blame::Limit, "EXT-1");
    bytes[0] = 0x82;
    refused(decode(&bytes), Blame::Malformed, "COD-3");
}

//= spec/src/extensions.md#ext-3
//= type=test
//# A verifier MUST refuse a signed structure with another number of items than its version has.
#[test]
fn nothing_signed_has_an_item_more() {
    let (owner, identity, attestation) = setup();
    // The attestation around its envelope, the envelope, and what it holds; each rightly signed.
    let outer = [&[0x83], &attestation.export()[1..], &[0]].concat();
    refused(PurposeKeyAttestation::decode(&outer), Blame::Malformed, "COD-3");
    let envelope = |signed: &[u8]| {
        let mut bytes = encode(|e| {
            let _ = e.array(2).and_then(|e| e.bytes(signed));
        });
        bytes.extend(encode(|e| put_signature(e, &owner.sign(identity.latest().key(), signed))));
        bytes
    };
    let mut reader = crate::wire::cbor::Reader::new(attestation.export());
    reader.array_of(2).unwrap();
    let signed = reader.bytes(512).unwrap();
    assert_eq!(envelope(signed), attestation.export());
    refused(
        PurposeKeyAttestation::decode(&envelope(&[&[0x84], &signed[1..], &[0]].concat())),
        Blame::Malformed,
        "COD-3",
    );
    let kind = crate::identity::envelope::SignedType::Attestation;
    let claim = kind.open(signed, 512).unwrap();
    let longer = kind.seal(&[&[0x86], &claim[1..], &[0]].concat());
    refused(PurposeKeyAttestation::decode(&envelope(&longer)), Blame::Malformed, "COD-3");
    // And a change.
    let mut signed = identity.latest().data().encode();
    signed[0] = 0x84;
    signed.push(0);
    let change = Change::encode(&signed, &owner.sign(identity.latest().key(), &signed), None);
    refused(import(&history(&[&change])), Blame::Malformed, "COD-3");
}
