//! The driver's files: keys on their way to the disk and back.

use std::fs;
use std::path::Path;

use razor::env::{Env, Instant, Seeded};
use razor::identity::Identity;
use razor::vault::{SigningKind, SoftwareVault};
use razor_erasure::Watch;
use razor_tokio::storage::{Kept, StaticKey, Storage};
use zeroize::Zeroizing;

use crate::pair::NOW;

/// As they are, and as they stand in a file.
fn tell(watch: &Watch, name: &str, secret: &[u8; 32]) {
    watch.secret(name, secret);
    let digits = secret.map(|byte| format!("{byte:02x}")).concat();
    watch.secret(&format!("{name} in digits"), digits.as_bytes());
    // What the test itself has of it is not given back.
    std::mem::forget(digits);
}

#[test]
fn what_is_written_to_files_and_read_again_leaves_no_secret_behind() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("storage");
    let _ = fs::remove_dir_all(&dir);
    let storage = Storage::at(&dir);

    let (signing, fixed) = (std::array::from_fn(|n| 7 + 5 * n as u8), std::array::from_fn(|n| 251 - 7 * n as u8));
    let mut entropy = Seeded::from_u64(7);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let mut vault = SoftwareVault::new();
    let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
    let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();

    let watch = Watch::new();
    tell(&watch, "the signing key", &signing);
    tell(&watch, "the static key", &fixed);
    // That they are not the identity's is found out only when they have been read.
    let kept = Kept { identity: identity.clone(), kind: SigningKind::Ed25519, secret: Zeroizing::new(signing) };
    storage.add_identity("alice", &kept).unwrap();
    assert!(storage.load_identity("alice").is_err());
    watch.nothing_was_left();
    storage.save_static_key("alice", &StaticKey { secret: Zeroizing::new(fixed), attestation }).unwrap();
    assert!(storage.load_static_key("alice", &identity, NOW).is_err());
    watch.nothing_was_left();
    fs::remove_dir_all(&dir).unwrap();
}
