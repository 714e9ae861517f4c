//! The vault's operations beside the functions of the libraries that it calls.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use razor::env::{Purpose, Seeded};
use razor::vault::suite::{Aes256GcmSha256, Suite};
use razor::vault::{Agreement, Cipher, Hash, Key, PublicKey, SecretKey, SigningKind, SoftwareVault, X25519};
use razor_benches::primitives::{Raw, Use};

type Aes = <Aes256GcmSha256 as Suite>::Cipher;
type Sha256 = <Aes256GcmSha256 as Suite>::Hash;

const HASH: [u8; 32] = [5; 32];

/// One operation of the vault, and the library's own.
fn beside(c: &mut Criterion, name: &str, raw: Use, mut own: impl FnMut()) {
    let mut group = c.benchmark_group(name);
    group.bench_function("razor", |b| b.iter(&mut own));
    let mut primitives = Raw::default();
    group.bench_function("library", |b| b.iter(|| primitives.once(black_box(raw))));
    group.finish();
}

fn primitives(c: &mut Criterion) {
    let secret = SecretKey::new([1; 32]);
    let peer = X25519::public_key(&SecretKey::new([2; 32]));
    let mut entropy = Seeded::from_u64(1);
    beside(c, "key generation", Use::KeyGeneration, || {
        let secret = SecretKey::generate(Purpose::Ephemeral, &mut entropy);
        black_box::<PublicKey>(X25519::public_key(&secret));
    });
    beside(c, "Diffie-Hellman", Use::Agreement, || {
        black_box(X25519::agree(black_box(&secret), &peer));
    });
    let key = Key::new([1; 32]);
    beside(c, "HKDF", Use::Hkdf(32), || {
        black_box(Sha256::hkdf(black_box(&key), &HASH));
    });
    let bytes = [4; 1024];
    beside(c, "hash of 1 KiB", Use::Hash(bytes.len()), || {
        black_box(Sha256::hash(&[black_box(&bytes)]));
    });
    let mut text = [4; 64];
    beside(c, "AEAD, new key, 64 B", Use::Seal(32, text.len()), || {
        black_box(Aes::new(black_box(&key)).seal(0, &HASH, &mut text).expect("it is short"));
    });
}

fn signatures(c: &mut Criterion) {
    for (kind, name) in [(SigningKind::Ed25519, "Ed25519"), (SigningKind::P256, "P-256")] {
        let mut vault = SoftwareVault::new();
        let key = vault.generate_signing_key(kind, &mut Seeded::from_u64(1)).expect("a key can be made");
        let signature = vault.sign(&key.handle(), &HASH).expect("the key is there");
        let check = || key.verify(black_box(&HASH), &signature).expect("it is right");
        match kind {
            SigningKind::Ed25519 => beside(c, "signature check, Ed25519", Use::SignatureCheck, check),
            SigningKind::P256 => {
                c.bench_function("signature check, P-256/razor", |b| b.iter(check));
            }
        }
        c.bench_function(&format!("signature, {name}/razor"), |b| b.iter(|| vault.sign(&key.handle(), &HASH)));
    }
}

criterion_group!(benches, primitives, signatures);
criterion_main!(benches);
