//! Signing keys, static keys, and signatures that should not verify.

use super::super::*;
use super::{bytes, refused};
use crate::env::Seeded;
use crate::error::Blame;

const HASH: [u8; 32] = [7; 32];

fn signed(kind: SigningKind) -> (VerifyingKey, Signature) {
    let mut vault = SoftwareVault::new();
    let key = vault.generate_signing_key(kind, &mut Seeded::from_u64(1)).unwrap();
    let signature = vault.sign(&key.handle(), &HASH).unwrap();
    key.verify(&HASH, &signature).unwrap();
    (key, signature)
}

//= spec/src/vaults.md#vlt-21
//= type=test
//# A verifier MUST refuse a signature whose kind is not the kind of the key.
#[test]
fn a_signature_of_the_other_kind_is_refused() {
    let (ed, by_ed) = signed(SigningKind::Ed25519);
    let (p256, by_p256) = signed(SigningKind::P256);
    refused(ed.verify(&HASH, &by_p256), Blame::Misbehaved, "VLT-21");
    refused(p256.verify(&HASH, &by_ed), Blame::Misbehaved, "VLT-21");
    refused(ed.verify(&[8; 32], &by_ed), Blame::Misbehaved, "VLT-22");
    refused(p256.verify(&[8; 32], &by_p256), Blame::Misbehaved, "VLT-24");
    refused(p256.verify(&HASH, &Signature::P256([0; 64])), Blame::Misbehaved, "VLT-24");
    refused(p256.verify(&HASH, &Signature::P256([0xff; 64])), Blame::Misbehaved, "VLT-24");
}

/// Adds the order of the group to S: the same number, in another form.
fn with_large_s(signature: &[u8; 64]) -> [u8; 64] {
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order: [u8; 32] = bytes(ORDER);
    let mut out = *signature;
    let mut carry = 0u16;
    for (byte, add) in out[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    out
}

//= spec/src/vaults.md#vlt-22
//= type=test
//# A verifier MUST refuse an Ed25519 signature whose S is not below the order of the group, or whose R is not the canonical encoding of a point of large order.
#[test]
fn an_ed25519_signature_has_one_form_only() {
    let (key, Signature::Ed25519(signature)) = signed(SigningKind::Ed25519) else { panic!("Ed25519 was asked for") };
    refused(key.verify(&HASH, &Signature::Ed25519(with_large_s(&signature))), Blame::Misbehaved, "VLT-22");
    for point in SMALL_ORDER {
        let mut weak = signature;
        weak[..32].copy_from_slice(&bytes::<32>(point));
        refused(key.verify(&HASH, &Signature::Ed25519(weak)), Blame::Misbehaved, "VLT-22");
    }
    // S = k·a with R the neutral element: the holder of a key can make it, and the equation alone accepts it.
    let secret = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let trivial = signature_with_trivial_r(&secret);
    let lenient = ed25519_dalek::Signature::from_bytes(&trivial);
    ed25519_dalek::Verifier::verify(&secret.verifying_key(), &HASH, &lenient).unwrap();
    let key = VerifyingKey::Ed25519(secret.verifying_key().to_bytes());
    refused(key.verify(&HASH, &Signature::Ed25519(trivial)), Blame::Misbehaved, "VLT-22");
}

fn signature_with_trivial_r(secret: &ed25519_dalek::SigningKey) -> [u8; 64] {
    use sha2::{Digest, Sha512};
    let mut signature = [0; 64];
    signature[0] = 1;
    let k = Sha512::new().chain_update(&signature[..32]).chain_update(secret.verifying_key()).chain_update(HASH);
    let a = secret.to_scalar();
    let k = reduce(a, &k.finalize().into());
    signature[32..].copy_from_slice(&(k * a).to_bytes());
    signature
}

/// The 64-byte little-endian number modulo the order, by Horner's rule. `_like` only names the type.
fn reduce<S>(_like: S, wide: &[u8; 64]) -> S
where
    S: Copy + From<u64> + core::ops::Mul<Output = S> + core::ops::Add<Output = S>,
{
    wide.iter().rev().fold(S::from(0u64), |sum, byte| sum * S::from(256u64) + S::from(u64::from(*byte)))
}

/// The points of small order of edwards25519, and forms of them that are not canonical.
const SMALL_ORDER: [&str; 11] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

//= spec/src/vaults.md#vlt-23
//= type=test
//# A verifier MUST refuse an Ed25519 public key that is not the canonical encoding of a point of large order.
#[test]
fn ed25519_keys_of_small_order_and_other_forms_of_keys_are_refused() {
    for point in SMALL_ORDER {
        let error = VerifyingKey::Ed25519(bytes(point)).validate().unwrap_err();
        assert_eq!(error.requirement(), "VLT-23", "{point}");
    }
    // y = p + n, for every n that fits: the same points as y = n, in a form nobody should send.
    for n in 0..19u8 {
        for sign in [0, 0x80] {
            let mut key = [0xff; 32];
            key[0] = 0xed + n;
            key[31] = 0x7f | sign;
            let error = VerifyingKey::Ed25519(key).validate().unwrap_err();
            assert_eq!(error.requirement(), "VLT-23", "p + {n}");
        }
    }
    signed(SigningKind::Ed25519).0.validate().unwrap();
}

//= spec/src/vaults.md#vlt-26
//= type=test
//# A verifier MUST refuse a P-256 public key that is not the uncompressed encoding of a point on the curve.
#[test]
fn p256_keys_off_the_curve_or_in_another_form_are_refused() {
    let (VerifyingKey::P256(key), signature) = signed(SigningKind::P256) else { panic!("P-256 was asked for") };
    for (at, value) in [(0, 2), (0, 5), (0, 6), (0, 0), (64, key[64] ^ 1), (1, key[1] ^ 1)] {
        let mut wrong = key;
        wrong[at] = value;
        refused(VerifyingKey::P256(wrong).validate(), Blame::Malformed, "VLT-26");
        refused(VerifyingKey::P256(wrong).verify(&HASH, &signature), Blame::Malformed, "VLT-26");
    }
    refused(VerifyingKey::P256([0; 65]).validate(), Blame::Malformed, "VLT-26");
}

//= spec/src/vaults.md#vlt-28
//= type=test
//# The handle of a long-term key MUST be the SHA-256 of the bytes of its public key.
#[test]
fn keys_are_found_by_the_hash_of_their_public_key() {
    let mut vault = SoftwareVault::new();
    let entropy = &mut Seeded::from_u64(2);
    let signing = vault.generate_signing_key(SigningKind::P256, entropy).unwrap();
    let key = vault.generate_static_key(entropy);
    assert!(vault.holds(&KeyHandle(sha256(signing.as_bytes()))));
    assert!(vault.holds(&KeyHandle(sha256(&key.0))));
    assert_eq!(vault.len(), 2);
}

//= spec/src/vaults.md#vlt-29
//= type=test
//# A software vault MUST overwrite a secret key with zeros when the key is deleted or the vault is dropped.
#[test]
fn a_deleted_key_is_gone() {
    // That dropping a key overwrites it is a bound on its type, checked where the vault is compiled.
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<ed25519_dalek::SigningKey>();
    wiped_on_drop::<::p256::ecdsa::SigningKey>();
    wiped_on_drop::<x25519_dalek::StaticSecret>();
    let mut vault = SoftwareVault::new();
    let key = vault.import_signing_key(SigningKind::Ed25519, &[1; 32]).unwrap().handle();
    assert!(vault.delete(&key));
    assert!(!vault.delete(&key));
    assert!(!vault.holds(&key) && vault.is_empty());
    refused(vault.sign(&key, &HASH), Blame::Misuse, "VLT-31");
}

//= spec/src/vaults.md#vlt-30
//= type=test
//# A vault MUST refuse to import a P-256 secret that is zero or not below the order of the group.
#[test]
fn what_is_no_p256_secret_is_not_imported() {
    let mut vault = SoftwareVault::new();
    for secret in [[0; 32], [0xff; 32]] {
        refused(vault.import_signing_key(SigningKind::P256, &secret), Blame::Misuse, "VLT-30");
    }
    assert!(vault.is_empty());
}

//= spec/src/vaults.md#vlt-31
//= type=test
//# A vault MUST refuse to use a key for another operation than the one it was made for.
#[test]
fn signing_keys_sign_and_static_keys_agree() {
    let mut vault = SoftwareVault::new();
    let signing = vault.import_signing_key(SigningKind::Ed25519, &[1; 32]).unwrap().handle();
    let a = vault.import_static_key(&[2; 32]);
    let b = vault.import_static_key(&[3; 32]);
    refused(vault.answer(&Request::Sign(KeyHandle::of(&a.0), HASH)), Blame::Misuse, "VLT-31");
    refused(vault.answer(&Request::StaticDh(signing, a)), Blame::Misuse, "VLT-31");
    refused(vault.answer(&Request::StaticDh(KeyHandle([0; 32]), a)), Blame::Misuse, "VLT-31");
    let ab = vault.static_dh(&KeyHandle::of(&a.0), &b).unwrap();
    let ba = vault.static_dh(&KeyHandle::of(&b.0), &a).unwrap();
    assert_eq!(ab.0, ba.0);
}

//= spec/src/vaults.md#vlt-32
//= type=test
//# A vault MUST refuse a static Diffie-Hellman whose result is all zeros.
#[test]
fn a_static_key_does_not_agree_with_a_point_of_small_order() {
    let mut vault = SoftwareVault::new();
    let key = KeyHandle::of(&vault.import_static_key(&[2; 32]).0);
    let mut one = [0; 32];
    one[0] = 1;
    for peer in [[0; 32], one] {
        refused(vault.static_dh(&key, &PublicKey(peer)), Blame::Misbehaved, "VLT-32");
    }
}

//= spec/src/vaults.md#vlt-33
//= type=test
//# A vault MUST NOT print a secret, not even in a debug form.
#[test]
fn nothing_secret_is_printed() {
    let mut vault = SoftwareVault::new();
    vault.import_signing_key(SigningKind::Ed25519, &[0xab; 32]).unwrap();
    let a = KeyHandle::of(&vault.import_static_key(&[0xab; 32]).0);
    assert_eq!(format!("{vault:?}"), "SoftwareVault { keys: 2, .. }");
    let peer = vault.import_static_key(&[2; 32]);
    let shared = vault.static_dh(&a, &peer).unwrap();
    assert_eq!(format!("{shared:?} {:?}", Answer::Shared(shared.clone())), "SharedSecret(..) Shared(..)");
}
