//! The board's factory: its memory, for the linker, and its identity.

#[path = "src/known.rs"]
mod known;

use std::path::PathBuf;
use std::{env, fs};

use razor::env::{Entropy, Env, Instant, Purpose, Timestamp};
use razor::identity::{AttestationDraft, Identity, PurposeKey};
use razor::vault::{SigningKind, SoftwareVault};

use known::{Known, MADE};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("the folder can be written to");
    write("memory.x", memory().as_bytes());
    // The names of a device's interrupts: there are none.
    write("device.x", b"");
    let [secret, history, attestation] = identity().expect("the keys are good");
    write("static-key", &secret);
    write("history", &history);
    write("attestation", &attestation);
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/known.rs");
}

/// The board's memory: the linker refuses what does not fit. Of flash it is a little more than the small images aim at.
fn memory() -> String {
    let has = |feature: &str| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let (flash, ram) = match (has("ALL"), has("RESPONDER")) {
        (true, _) => ("512K", "128K"),
        (false, true) => ("136K", "80K"),
        (false, false) => ("136K", "48K"),
    };
    format!(
        "MEMORY\n{{\n  FLASH : ORIGIN = 0x00000000, LENGTH = {flash}\n  RAM : ORIGIN = 0x20000000, LENGTH = {ram}\n}}\n"
    )
}

/// The secret of the board's static key, and what the identity says of it. The identity's own key is forgotten here: the
/// board has no need of it.
fn identity() -> razor::Result<[Vec<u8>; 3]> {
    let mut entropy = Known(1 << 32);
    let mut secret = [0; 32];
    entropy.fill(Purpose::LongTermKey, &mut secret);
    let mut env = Env::new(Instant::ZERO, Timestamp(MADE), &mut entropy);
    let mut vault = SoftwareVault::new();
    let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env)?;
    let key = PurposeKey::SecureChannelStatic(vault.import_static_key(&secret));
    let attestation = AttestationDraft::valid_from(&identity, key, env.wall).sign_with(&vault)?;
    Ok([secret.to_vec(), identity.export().to_vec(), attestation.export().to_vec()])
}
