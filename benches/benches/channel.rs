//! A channel beside the raw cipher that it is made of; the handshake beside its primitives, and Noise XX beside the
//! crate `snow`.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use razor::channel::{Decryptor, Encryptor};
use razor::env::Seeded;
use razor::noise::{Noise, initiator, responder};
use razor::routing::{Message, Route};
use razor::vault::suite::{Aes256GcmSha256, Suite};
use razor::vault::{Agreement, Key, SecretKey, X25519};
use razor_benches::channel::{Party, open};
use razor_benches::primitives::{self, Raw};

/// What is sealed, in bytes.
const SIZES: [usize; 5] = [64, 1024, 4 * 1024, 16 * 1024, 60 * 1024];

const KEY: [u8; 32] = [7; 32];

fn message(size: usize) -> Message {
    let none = Route::new();
    Message::new(none.as_ref(), none.as_ref(), &vec![1; size])
}

/// Seal and open of a channel, in place, beside the raw AEAD on as many bytes.
fn seal_and_open(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal + open");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("channel", size), |b| channel::<Aes256GcmSha256>(b, size));
        #[cfg(feature = "aws-lc")]
        group.bench_function(BenchmarkId::new("AWS-LC", size), |b| {
            channel::<razor_tokio::aws_lc::Aes256GcmSha256>(b, size);
        });
        let aead = Aes256Gcm::new(&KEY.into());
        group.bench_function(BenchmarkId::new("AEAD", size), |b| {
            b.iter_batched_ref(
                || vec![1; size],
                |text| {
                    let nonce = [0; 12].into();
                    let tag = aead.encrypt_inout_detached(&nonce, &[], text.as_mut_slice().into()).expect("short");
                    aead.decrypt_inout_detached(&nonce, &[], text.as_mut_slice().into(), &tag).expect("authentic");
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn channel<S: Suite>(b: &mut Bencher<'_>, size: usize) {
    let (mut sender, mut receiver) = (Encryptor::<S>::new(Key::new(KEY)), Decryptor::<S>::new(Key::new(KEY)));
    b.iter_batched_ref(
        || message(size),
        |message| {
            sender.seal(message).expect("a nonce is left");
            receiver.open(message).expect("it is authentic");
        },
        BatchSize::SmallInput,
    );
}

/// The mutual handshake with identities, both machines and both vaults, beside all the primitives that it uses.
fn handshake(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake with identities");
    let (mut alice, mut bob) = (Party::new(1), Party::new(2));
    group.bench_function("razor", |b| b.iter(|| open::<Aes256GcmSha256>(&mut alice, &mut bob)));
    #[cfg(feature = "aws-lc")]
    group.bench_function("AWS-LC", |b| b.iter(|| open::<razor_tokio::aws_lc::Aes256GcmSha256>(&mut alice, &mut bob)));
    let (uses, mut raw) = (primitives::of_a_handshake(), Raw::default());
    group.bench_function("primitives", |b| b.iter(|| raw.all(&uses)));
    group.finish();
}

/// Noise XX with static keys that exist, both sides, empty payloads.
fn noise(c: &mut Criterion) {
    let mut group = c.benchmark_group("Noise XX");
    let (alice, bob) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
    let [alice_public, bob_public] = [&alice, &bob].map(X25519::public_key);
    let mut entropy = Seeded::from_u64(1);
    group.bench_function("razor", |b| {
        b.iter(|| {
            type Initiator = initiator::AwaitsMessage2<Aes256GcmSha256, Noise>;
            type Responder = responder::NeedsStaticDh<Aes256GcmSha256, Noise>;
            let (initiator, one) = Initiator::start(alice_public, &mut entropy);
            let (responder, _) = Responder::read_message_1(bob_public, &mut entropy, &one).expect("message 1");
            let shared = X25519::agree(&bob, &responder.dh_with());
            let (responder, two) = responder.write_message_2(&shared, &[]).expect("message 2");
            let (initiator, _) = initiator.read_message_2(&two).expect("message 2");
            let shared = X25519::agree(&alice, &initiator.dh_with());
            let (finished, three) = initiator.write_message_3(&shared, &[]).expect("message 3");
            responder.read_message_3(&three).expect("message 3");
            finished
        });
    });
    group.bench_function("snow", |b| {
        let mut buffers = [[0; 256]; 2];
        b.iter(|| {
            let [message, payload] = &mut buffers;
            let mut initiator = snow_of(&alice).build_initiator().expect("an initiator");
            let mut responder = snow_of(&bob).build_responder().expect("a responder");
            let len = initiator.write_message(&[], message).expect("message 1");
            responder.read_message(&message[..len], payload).expect("message 1");
            let len = responder.write_message(&[], message).expect("message 2");
            initiator.read_message(&message[..len], payload).expect("message 2");
            let len = initiator.write_message(&[], message).expect("message 3");
            responder.read_message(&message[..len], payload).expect("message 3");
            initiator.into_transport_mode().expect("it is finished")
        });
    });
    group.finish();
}

fn snow_of(key: &SecretKey) -> snow::Builder<'_> {
    let name = "Noise_XX_25519_AESGCM_SHA256".parse().expect("a name");
    snow::Builder::new(name).local_private_key(key.as_bytes()).expect("a key")
}

criterion_group!(benches, seal_and_open, handshake, noise);
criterion_main!(benches);
