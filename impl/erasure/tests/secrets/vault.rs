//! Long-term keys.

use razor::env::Seeded;
use razor::env::{Entropy, Purpose};
use razor::vault::{KeyHandle, SigningKind, SoftwareVault};
use razor_erasure::Watch;

/// A vault with `each` keys of every kind, and their handles.
fn filled(watch: &Watch, each: usize) -> (SoftwareVault, Vec<KeyHandle>) {
    let mut entropy = Seeded::from_u64(5);
    let mut vault = SoftwareVault::new();
    let mut handles = Vec::new();
    for n in 0..3 * each {
        let mut secret: [u8; 32] = (&mut entropy as &mut dyn Entropy).array(Purpose::LongTermKey);
        let handle = match n % 3 {
            0 => vault.import_signing_key(SigningKind::Ed25519, &secret).unwrap().handle(),
            1 => vault.import_signing_key(SigningKind::P256, &secret).unwrap().handle(),
            _ => KeyHandle::of(&vault.import_static_key(&secret).0),
        };
        handles.push(handle);
        watch.secret(&format!("secret {n}"), &secret);
        // The scalar of P-256 lies in memory as a number does.
        secret.reverse();
        watch.secret(&format!("secret {n} as a number"), &secret);
    }
    (vault, handles)
}

//= spec/src/vaults.md#vlt-29
//= type=test
//# A software vault MUST overwrite a secret key with zeros when the key is deleted or the vault is dropped.
#[test]
fn a_deleted_key_is_nowhere_in_the_memory_of_its_vault() {
    let watch = Watch::new();
    // Enough for a tree of keys that splits as it grows, and is joined again as it shrinks.
    let (mut vault, handles) = filled(&watch, 40);
    watch.nothing_was_left();
    handles.iter().for_each(|handle| assert!(vault.delete(handle)));
    assert!(vault.is_empty());
    drop(vault);
    watch.nothing_was_left();
}

//= spec/src/vaults.md#vlt-29
//= type=test
//# A software vault MUST overwrite a secret key with zeros when the key is deleted or the vault is dropped.
#[test]
fn a_dropped_vault_leaves_no_key_behind() {
    let watch = Watch::new();
    drop(filled(&watch, 40));
    watch.nothing_was_left();
}
