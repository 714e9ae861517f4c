//! Hashes, ciphers and key agreement. Third-party vectors of each primitive are checked by the crate of vectors; here
//! stands what this crate puts around the primitives.

use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;
use serde_json::Value;
use zeroize::ZeroizeOnDrop;

use super::super::*;
use super::{bytes, refused};
use crate::error::Blame;
use crate::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};

type Aes256 = <Aes256GcmSha256 as Suite>::Cipher;
type Aes128 = <Aes128GcmSha256 as Suite>::Cipher;
type ChaCha = <ChaChaPolyBlake2s as Suite>::Cipher;
type Sha256 = <Aes256GcmSha256 as Suite>::Hash;
type Blake2s = <ChaChaPolyBlake2s as Suite>::Hash;

/// A key whose two halves differ.
fn key() -> Key {
    Key::new(core::array::from_fn(|index| index as u8))
}

/// What the primitive of the library makes of a text, with this key and this nonce, in one piece.
fn raw<A: AeadInOut + KeyInit>(key: &[u8], nonce: &[u8], data: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let (key, nonce) = (key.try_into().unwrap(), nonce.try_into().unwrap());
    let tag = A::new(key).encrypt_inout_detached(nonce, data, out.as_mut_slice().into()).unwrap();
    [&out[..], &tag].concat()
}

fn sealed<C: Cipher>(key: &Key, nonce: u64, data: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let tag = C::new(key).seal(nonce, data, &mut out).unwrap();
    [&out[..], &tag].concat()
}

//= spec/src/vaults.md#vlt-1
//= type=test
//# A suite MUST be one of the three of the table, under exactly the name that stands there.
#[test]
fn the_suites_have_the_names_of_the_specification() {
    const CHAPTER: &str = include_str!("../../../../../spec/src/vaults.md");
    let names = [Aes256GcmSha256::NAME, Aes128GcmSha256::NAME, ChaChaPolyBlake2s::NAME];
    for name in names {
        assert!(CHAPTER.contains(&alloc::format!("| `{name}` |")), "{name} stands in the table");
        assert_eq!(name.len(), 32);
    }
    assert_eq!(CHAPTER.matches("| `OCKAM_XX_").count(), names.len());
}

//= spec/src/vaults.md#vlt-2
//= type=test
//# The cipher key of AES-128-GCM MUST be the first 16 of the 32 bytes of the key.
//= spec/src/vaults.md#vlt-3
//= type=test
//# The nonce of AES-GCM MUST be four zero bytes and the number as 8 bytes big endian.
//= spec/src/vaults.md#vlt-4
//= type=test
//# The nonce of ChaCha20-Poly1305 MUST be four zero bytes and the number as 8 bytes little endian.
#[test]
fn a_cipher_gives_its_key_and_nonce_to_the_primitive_as_specified() {
    let number = 0x0102_0304_0506_0708;
    let (big, little) = (*b"\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08", *b"\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01");
    let key = key();
    let whole = key.as_bytes();
    let (data, text) = (b"data", b"a text");
    assert_eq!(sealed::<Aes256>(&key, number, data, text), raw::<aes_gcm::Aes256Gcm>(whole, &big, data, text));
    assert_eq!(sealed::<Aes128>(&key, number, data, text), raw::<aes_gcm::Aes128Gcm>(&whole[..16], &big, data, text));
    let expected = raw::<chacha20poly1305::ChaCha20Poly1305>(whole, &little, data, text);
    assert_eq!(sealed::<ChaCha>(&key, number, data, text), expected);
}

//= spec/src/vaults.md#vlt-7
//= type=test
//# A renewed key MUST be the first 32 bytes of the encryption of 32 zero bytes under the old key, with nonce 2^64 - 1 and empty associated data.
#[test]
fn a_renewed_key_is_what_others_computed() {
    const FILE: &str = include_str!("../../../../../vectors/production/ockam-published-vectors.json");
    let file: Value = serde_json::from_str(FILE).unwrap();
    let entry = file["derived"].as_array().unwrap().iter().find(|entry| entry["id"] == "D005").unwrap();
    let mut keys: Vec<[u8; 32]> = Vec::new();
    for message in entry["fields"]["messages"].as_array().unwrap() {
        let key = bytes(message["key"].as_str().unwrap());
        if keys.last() != Some(&key) {
            keys.push(key);
        }
    }
    assert!(keys.len() >= 2);
    let mut key = Key::new(keys[0]);
    for expected in &keys[1..] {
        key = Aes256::new(&key).renewed_key().unwrap();
        assert_eq!(key.as_bytes(), expected);
    }

    // The other suites by their definition.
    let zeros = [0; 32];
    let old = self::key();
    for (renewed, encrypted) in [
        (Aes128::new(&old).renewed_key(), sealed::<Aes128>(&old, RESERVED_NONCE, &[], &zeros)),
        (ChaCha::new(&old).renewed_key(), sealed::<ChaCha>(&old, RESERVED_NONCE, &[], &zeros)),
    ] {
        assert_eq!(renewed.unwrap().as_bytes(), &encrypted[..32]);
    }
    assert_eq!(RESERVED_NONCE, u64::MAX);
}

//= spec/src/vaults.md#vlt-8
//= type=test
//# A cipher MUST NOT give out plaintext when the tag is wrong.
#[test]
fn a_wrong_tag_nonce_key_or_data_opens_nothing_and_shows_nothing() {
    fn check<C: Cipher>() {
        let text = *b"a text of more than one block of the cipher";
        let whole = sealed::<C>(&key(), 5, b"data", &text);
        let (cipher_text, tag) = whole.split_last_chunk::<16>().unwrap();
        let mut other_key = *key().as_bytes();
        other_key[0] ^= 1;
        let mut attempts = alloc::vec![(key(), 6, &b"data"[..], *tag), (key(), 5, &b"date"[..], *tag)];
        attempts.push((Key::new(other_key), 5, b"data", *tag));
        for bit in 0..128 {
            let mut forged = *tag;
            forged[bit / 8] ^= 1 << (bit % 8);
            attempts.push((key(), 5, b"data", forged));
        }
        for (key, nonce, data, tag) in attempts {
            let mut buffer = cipher_text.to_vec();
            refused(C::new(&key).open(nonce, data, &mut buffer, &tag), Blame::Misbehaved, "VLT-8");
            assert_ne!(buffer, text);
        }
        let mut buffer = cipher_text.to_vec();
        C::new(&key()).open(5, b"data", &mut buffer, tag).unwrap();
        assert_eq!(buffer, text);
    }
    check::<Aes256>();
    check::<Aes128>();
    check::<ChaCha>();
}

//= spec/src/vaults.md#vlt-9
//= type=test
//# An implementation MUST refuse to encrypt a text of more than 16 MiB.
#[test]
fn a_text_of_16_mib_is_encrypted_and_a_longer_one_left_alone() {
    let cipher = ChaCha::new(&key());
    let mut text = alloc::vec![1; MAX_TEXT + 1];
    refused(cipher.seal(0, &[], &mut text), Blame::Limit, "VLT-9");
    assert!(text.iter().all(|byte| *byte == 1));
    text.pop();
    let tag = cipher.seal(0, &[], &mut text).unwrap();
    cipher.open(0, &[], &mut text, &tag).unwrap();
    assert!(text.iter().all(|byte| *byte == 1));
}

/// HMAC of RFC 2104 with a block of 64 bytes, straight from its definition.
fn hmac<H: Hash>(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| -> [u8; 64] { core::array::from_fn(|at| key.get(at).copied().unwrap_or(0) ^ with) };
    H::hash(&[&padded(0x5c), &H::hash(&[&padded(0x36), text])])
}

//= spec/src/vaults.md#vlt-5
//= type=test
//# HKDF MUST be that of RFC 5869 with the suite's hash, empty info and 64 bytes of output: two keys of 32 bytes.
//= spec/src/vaults.md#vlt-6
//= type=test
//# With BLAKE2s, HMAC MUST be that of RFC 2104 with a block of 64 bytes, and not the keyed mode of BLAKE2s.
#[test]
fn keys_are_derived_as_the_rfcs_define_it() {
    fn check<H: Hash>() {
        for input in [&b""[..], b"input", &[7; 100]] {
            let extracted = hmac::<H>(key().as_bytes(), input);
            let first = hmac::<H>(&extracted, &[1]);
            let second = hmac::<H>(&extracted, &[&first[..], &[2]].concat());
            let (one, two) = H::hkdf(&key(), input);
            assert_eq!((one.as_bytes(), two.as_bytes()), (&first, &second));
        }
    }
    check::<Sha256>();
    check::<Blake2s>();
    assert_ne!(Sha256::hash(&[b"a"]), Blake2s::hash(&[b"a"]));
    assert_eq!(Sha256::hash(&[b"a", b"", b"b"]), Sha256::hash(&[b"ab"]));
}

//= spec/src/vaults.md#vlt-10
//= type=test
//# Key agreement MUST be X25519 of RFC 7748: the secret is clamped, and the highest bit of the public key masked.
#[test]
fn keys_agree_as_rfc_7748_has_it() {
    let secret = SecretKey::new([0xff; 32]);
    let mut clamped = [0xff; 32];
    (clamped[0], clamped[31]) = (0xf8, 0x7f);
    assert_eq!(X25519::public_key(&secret), X25519::public_key(&SecretKey::new(clamped)));

    let peer = X25519::public_key(&SecretKey::new([3; 32]));
    let mut high = peer;
    high.0[31] |= 0x80;
    assert_eq!(X25519::agree(&secret, &peer).0, X25519::agree(&secret, &high).0);
    let theirs = X25519::agree(&SecretKey::new([3; 32]), &X25519::public_key(&secret));
    assert_eq!(X25519::agree(&secret, &peer).0, theirs.0);
}

/// The point plus a multiple of 2^255 - 19: the same number in another form.
fn plus_prime(key: [u8; 32]) -> [u8; 32] {
    let mut out = key;
    let mut carry = 0u16;
    for (at, byte) in out.iter_mut().enumerate() {
        let add = [0xed, 0xff, 0x7f][usize::from(at > 0) + usize::from(at == 31)];
        carry += u16::from(*byte) + add;
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    out
}

//= spec/src/vaults.md#vlt-11
//= type=test
//# The strict check of a public key MUST refuse every encoding of a number that is not below 2^255 - 19, the highest bit included.
//= spec/src/vaults.md#vlt-12
//= type=test
//# The strict check of a public key MUST refuse the points whose order divides 8.
#[test]
fn the_strict_check_refuses_other_forms_of_a_key_and_points_of_small_order() {
    // Every point of small order gives zeros with every secret; those of the list are found by that.
    let secret = SecretKey::new([9; 32]);
    let mut small = 0;
    for list in ["00", "01", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"]
        .into_iter()
        .chain(["e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"])
        .chain(["5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"])
    {
        let mut point = [0; 32];
        let given = hex::decode(list).unwrap();
        point[..given.len()].copy_from_slice(&given);
        assert!(X25519::agree(&secret, &PublicKey(point)).is_zero(), "{list}");
        refused(X25519::validate(&PublicKey(point)), Blame::Misbehaved, "VLT-12");
        small += 1;
    }
    assert_eq!(small, 5, "orders 1 or 2, 4 and 8 on the curve and its twist");
    for low in 0..19 {
        let mut key = [0; 32];
        key[0] = low;
        refused(X25519::validate(&PublicKey(plus_prime(key))), Blame::Malformed, "VLT-11");
        key[31] = 0x80;
        refused(X25519::validate(&PublicKey(key)), Blame::Malformed, "VLT-11");
    }
    // The largest number that is a key, but for the one of small order.
    let mut largest = [0xff; 32];
    (largest[0], largest[31]) = (0xeb, 0x7f);
    X25519::validate(&PublicKey(largest)).unwrap();
    for seed in 1..100 {
        X25519::validate(&X25519::public_key(&SecretKey::new([seed; 32]))).unwrap();
    }
}

//= spec/src/erasure.md#era-2
//= type=test
//# Tags, keys and shared secrets MUST be compared in constant time.
#[test]
fn secrets_offer_no_comparison_but_that_with_zeros() {
    // What cannot be compared with `==` cannot be compared in the wrong way. The trick: a method of the trait is
    // found only where the inherent one, which needs `PartialEq`, is not.
    struct Probe<T>(core::marker::PhantomData<T>);
    trait Otherwise {
        fn comparable(&self) -> bool {
            false
        }
    }
    impl<T> Otherwise for Probe<T> {}
    impl<T: PartialEq> Probe<T> {
        fn comparable(&self) -> bool {
            true
        }
    }
    assert!(Probe::<PublicKey>(core::marker::PhantomData).comparable());
    assert!(!Probe::<Key>(core::marker::PhantomData).comparable());
    assert!(!Probe::<SecretKey>(core::marker::PhantomData).comparable());
    assert!(!Probe::<SharedSecret>(core::marker::PhantomData).comparable());
    assert!(SharedSecret([0; 32]).is_zero());
    for bit in 0..256 {
        let mut bytes = [0; 32];
        bytes[bit / 8] = 1 << (bit % 8);
        assert!(!SharedSecret(bytes).is_zero());
    }
}

//= spec/src/erasure.md#era-1
//= type=test
//# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
#[test]
fn every_session_secret_wipes_itself() {
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<Key>();
    wiped_on_drop::<SecretKey>();
    wiped_on_drop::<SharedSecret>();
    wiped_on_drop::<Aes256>();
    wiped_on_drop::<Aes128>();
    wiped_on_drop::<ChaCha>();
    let mut key = key();
    zeroize::Zeroize::zeroize(&mut key);
    assert_eq!(key.as_bytes(), &[0; 32]);
}
