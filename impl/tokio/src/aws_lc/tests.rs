//! The suites of AWS-LC do the same as those of the core, and pass the same third-party vectors.

use razor::env::Seeded;
use razor::error::Blame;
use razor::noise::{Ockam, initiator, responder};
use razor::vault::{Agreement, Cipher, Key, MAX_TEXT, PublicKey, RESERVED_NONCE, SecretKey};
use serde_json::Value;

use super::*;

type Core256 = <suite::Aes256GcmSha256 as Suite>::Cipher;
type Core128 = <suite::Aes128GcmSha256 as Suite>::Cipher;

/// A key whose two halves differ.
fn key() -> Key {
    Key::new(std::array::from_fn(|index| index as u8))
}

fn bytes(number: u64, len: usize) -> Vec<u8> {
    (0..len).map(|index| (index as u8).wrapping_mul(31).wrapping_add(number as u8)).collect()
}

//= spec/src/vaults.md#vlt-1
//= type=test
//# A suite MUST be one of the three of the table, under exactly the name that stands there.
#[test]
fn the_suites_have_the_names_of_the_cores() {
    assert_eq!(Aes256GcmSha256::NAME, suite::Aes256GcmSha256::NAME);
    assert_eq!(Aes128GcmSha256::NAME, suite::Aes128GcmSha256::NAME);
}

fn seals_as<Own: Cipher, Core: Cipher>() {
    let (own, core) = (Own::new(&key()), Core::new(&key()));
    for (nonce, size) in [0, 1, 2, u64::from(u32::MAX) + 1, RESERVED_NONCE].into_iter().zip([0, 1, 16, 4_097, 61_440]) {
        let (data, text) = (bytes(nonce, size % 50), bytes(size as u64, size));
        let (mut sealed, mut expected) = (text.clone(), text.clone());
        let tag = own.seal(nonce, &data, &mut sealed).unwrap();
        assert_eq!(tag, core.seal(nonce, &data, &mut expected).unwrap());
        assert_eq!(sealed, expected);
        core.open(nonce, &data, &mut expected, &tag).unwrap();
        own.open(nonce, &data, &mut sealed, &tag).unwrap();
        assert_eq!((&sealed, &expected), (&text, &text));
    }
    assert_eq!(own.renewed_key().unwrap().as_bytes(), core.renewed_key().unwrap().as_bytes());
}

//= spec/src/vaults.md#vlt-2
//= type=test
//# The cipher key of AES-128-GCM MUST be the first 16 of the 32 bytes of the key.
//= spec/src/vaults.md#vlt-3
//= type=test
//# The nonce of AES-GCM MUST be four zero bytes and the number as 8 bytes big endian.
#[test]
fn the_ciphers_seal_and_open_as_the_cores() {
    seals_as::<Aes256Gcm, Core256>();
    seals_as::<Aes128Gcm, Core128>();
}

//= spec/src/vaults.md#vlt-8
//= type=test
//# A cipher MUST NOT give out plaintext when the tag is wrong.
#[test]
fn a_wrong_tag_nonce_or_data_opens_nothing_and_shows_nothing() {
    fn check<C: Cipher>() {
        let cipher = C::new(&key());
        let text = *b"a text of more than one block of the cipher";
        let mut sealed = text;
        let tag = cipher.seal(5, b"data", &mut sealed).unwrap();
        let mut attempts = vec![(6, &b"data"[..], tag), (5, b"date", tag)];
        for bit in 0..128 {
            let mut forged = tag;
            forged[bit / 8] ^= 1 << (bit % 8);
            attempts.push((5, b"data", forged));
        }
        for (nonce, data, tag) in attempts {
            let mut buffer = sealed;
            let error = cipher.open(nonce, data, &mut buffer, &tag).unwrap_err();
            assert_eq!((error.blame(), error.requirement()), (Blame::Misbehaved, "VLT-8"));
            assert!(text.windows(4).all(|part| buffer.windows(4).all(|shown| shown != part)), "plaintext is shown");
        }
    }
    check::<Aes256Gcm>();
    check::<Aes128Gcm>();
}

//= spec/src/vaults.md#vlt-9
//= type=test
//# An implementation MUST refuse to encrypt a text of more than 16 MiB.
#[test]
fn a_text_of_16_mib_is_encrypted_and_a_longer_one_left_alone() {
    let cipher = Aes256Gcm::new(&key());
    let mut text = vec![1; MAX_TEXT + 1];
    let error = cipher.seal(0, &[], &mut text).unwrap_err();
    assert_eq!((error.blame(), error.requirement()), (Blame::Limit, "VLT-9"));
    assert!(text.iter().all(|byte| *byte == 1));
    text.pop();
    cipher.seal(0, &[], &mut text).unwrap();
}

fn groups(json: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(json).unwrap();
    file["testGroups"].as_array().unwrap().clone()
}

fn field<const N: usize>(case: &Value, name: &str) -> [u8; N] {
    text(case, name).try_into().unwrap()
}

fn text(case: &Value, name: &str) -> Vec<u8> {
    hex::decode(case[name].as_str().unwrap()).unwrap()
}

fn wycheproof<S: Size>(case: &Value) {
    let mut key = text(case, "key");
    key.resize(32, 0);
    let cipher = AesGcm::<S>::new(&Key::new(key.try_into().unwrap()));
    let (nonce, data, tag) = (field(case, "iv"), text(case, "aad"), field(case, "tag"));
    let mut buffer = text(case, "ct");
    let opened = cipher.open_under(nonce, &data, &mut buffer, &tag).is_ok();
    assert_eq!(opened, case["result"] == "valid", "{case}");
    if opened {
        assert_eq!(buffer, text(case, "msg"), "{case}");
        assert_eq!(cipher.seal_under(nonce, &data, &mut buffer).unwrap(), tag, "{case}");
        assert_eq!(buffer, text(case, "ct"), "{case}");
    }
}

#[test]
fn the_ciphers_pass_wycheproofs_cases() {
    let mut count = 0;
    for group in groups(include_str!("../../../../vectors/third-party/wycheproof/aes_gcm_test.json")) {
        // Other nonces and tags, and AES-192, do not occur here.
        let check = match (group["keySize"].as_u64(), group["ivSize"].as_u64(), group["tagSize"].as_u64()) {
            (Some(128), Some(96), Some(128)) => wycheproof::<Aes128>,
            (Some(256), Some(96), Some(128)) => wycheproof::<Aes256>,
            _ => continue,
        };
        for case in group["tests"].as_array().unwrap() {
            check(case);
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

//= spec/src/vaults.md#vlt-10
//= type=test
//# Key agreement MUST be X25519 of RFC 7748: the secret is clamped, and the highest bit of the public key masked.
#[test]
fn the_agreement_passes_wycheproofs_cases_and_gives_what_the_cores_gives() {
    let mut count = 0;
    for group in groups(include_str!("../../../../vectors/third-party/wycheproof/x25519_test.json")) {
        for case in group["tests"].as_array().unwrap() {
            let (secret, peer) = (SecretKey::new(field(case, "private")), PublicKey(field(case, "public")));
            let shared = X25519::agree(&secret, &peer);
            assert_eq!(shared.0, field(case, "shared"), "{case}");
            assert_eq!(shared.0, razor::vault::X25519::agree(&secret, &peer).0, "{case}");
            assert_eq!(X25519::public_key(&secret), razor::vault::X25519::public_key(&secret), "{case}");
            assert_eq!(X25519::validate(&peer), razor::vault::X25519::validate(&peer), "{case}");
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

/// A handshake between two suites of one name.
fn handshake<A: Suite, B: Suite>() {
    let (alice, bob) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
    let mut entropy = Seeded::from_u64(1);
    type Initiator<S> = initiator::AwaitsMessage2<S, Ockam>;
    type Responder<S> = responder::NeedsStaticDh<S, Ockam>;
    let (initiator, one) = Initiator::<A>::start(A::Agreement::public_key(&alice), &mut entropy);
    let public = B::Agreement::public_key(&bob);
    let (responder, _) = Responder::<B>::read_message_1(public, &mut entropy, &one).unwrap();
    let shared = B::Agreement::agree(&bob, &responder.dh_with());
    let (responder, two) = responder.write_message_2(&shared, b"from Bob").unwrap();
    let (initiator, said) = initiator.read_message_2(&two).unwrap();
    assert_eq!(said, b"from Bob");
    let shared = A::Agreement::agree(&alice, &initiator.dh_with());
    let (alices, three) = initiator.write_message_3(&shared, b"from Alice").unwrap();
    let (bobs, said) = responder.read_message_3(&three).unwrap();
    assert_eq!(said, b"from Alice");
    assert_eq!(alices.handshake_hash, bobs.handshake_hash);
    assert_eq!(alices.send.as_bytes(), bobs.receive.as_bytes());
    assert_eq!(alices.receive.as_bytes(), bobs.send.as_bytes());
}

#[test]
fn either_side_of_a_handshake_may_be_aws_lc() {
    handshake::<Aes256GcmSha256, suite::Aes256GcmSha256>();
    handshake::<suite::Aes256GcmSha256, Aes256GcmSha256>();
    handshake::<Aes128GcmSha256, suite::Aes128GcmSha256>();
    handshake::<suite::Aes128GcmSha256, Aes128GcmSha256>();
}
