//! A program without P-256 refuses what it cannot check.

use super::super::*;
use super::refused;
use crate::env::Seeded;
use crate::error::Blame;

#[test]
fn neither_keys_nor_signatures_of_p256_are_taken() {
    //= spec/src/vaults.md#vlt-34
    //= type=test
    //# An implementation without ECDSA P-256 MUST refuse every key and every signature of this kind.
    let key = VerifyingKey::P256([4; 65]);
    refused(key.validate(), Blame::Denied, "VLT-34");
    refused(key.verify(&[7; 32], &Signature::P256([1; 64])), Blame::Denied, "VLT-34");
    let mut vault = SoftwareVault::new();
    refused(vault.import_signing_key(SigningKind::P256, &[1; 32]), Blame::Denied, "VLT-34");
    refused(vault.generate_signing_key(SigningKind::P256, &mut Seeded::from_u64(1)), Blame::Denied, "VLT-34");
    assert!(vault.is_empty());
}

#[test]
fn keys_of_ed25519_sign_as_ever() {
    let mut vault = SoftwareVault::new();
    let key = vault.generate_signing_key(SigningKind::Ed25519, &mut Seeded::from_u64(1)).unwrap();
    let signature = vault.sign(&key.handle(), &[7; 32]).unwrap();
    key.verify(&[7; 32], &signature).unwrap();
    refused(key.verify(&[8; 32], &signature), Blame::Misbehaved, "VLT-22");
}
