//! Instructions, counted by valgrind: the same in every run of a build, whatever else the machine does. What is
//! counted is the second run of each: the first has found out what the processor can do.

#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use gungraun::prelude::*;
use razor::channel::{Decryptor, Encryptor};
use razor::routing::{Message, Route};
use razor::vault::Key;
use razor::vault::suite::Aes256GcmSha256;
use razor_benches::channel::{Opened, Party, open};
use razor_benches::node::{Host, message};
use razor_benches::primitives::{self, Raw, Use};

const KEY: [u8; 32] = [7; 32];

fn parties() -> [Party; 2] {
    let [mut alice, mut bob] = [1, 2].map(Party::new);
    open::<Aes256GcmSha256>(&mut alice, &mut bob);
    [alice, bob]
}

#[library_benchmark]
#[bench::razor(parties())]
fn handshake([mut alice, mut bob]: [Party; 2]) -> (Opened<Aes256GcmSha256>, [Party; 2]) {
    (open(black_box(&mut alice), black_box(&mut bob)), [alice, bob])
}

fn raw() -> (Raw, Vec<Use>) {
    let (mut raw, uses) = (Raw::default(), primitives::of_a_handshake());
    raw.all(&uses);
    (raw, uses)
}

#[library_benchmark]
#[bench::primitives(raw())]
fn handshake_primitives((mut raw, uses): (Raw, Vec<Use>)) -> (Raw, Vec<Use>) {
    raw.all(black_box(&uses));
    (raw, uses)
}

type Ends = (Encryptor<Aes256GcmSha256>, Decryptor<Aes256GcmSha256>, Message);

fn ends(size: usize) -> Ends {
    let mut ends = (Encryptor::new(Key::new(KEY)), Decryptor::new(Key::new(KEY)), text(size));
    seal_and_open(&mut ends);
    ends
}

fn text(size: usize) -> Message {
    let none = Route::new();
    Message::new(none.as_ref(), none.as_ref(), &vec![1; size])
}

fn seal_and_open((encryptor, decryptor, message): &mut Ends) {
    encryptor.seal(message).expect("a nonce is left");
    decryptor.open(message).expect("it is authentic");
}

#[library_benchmark]
#[bench::bytes_64(ends(64))]
#[bench::bytes_1024(ends(1024))]
#[bench::bytes_16384(ends(16 * 1024))]
#[bench::bytes_61440(ends(60 * 1024))]
fn channel(mut ends: Ends) -> Ends {
    seal_and_open(black_box(&mut ends));
    ends
}

fn cipher(size: usize) -> (Aes256Gcm, Vec<u8>) {
    let mut ready = (Aes256Gcm::new(&KEY.into()), vec![1; size]);
    encrypt_and_decrypt(&mut ready);
    ready
}

fn encrypt_and_decrypt((cipher, text): &mut (Aes256Gcm, Vec<u8>)) {
    let nonce = [0; 12].into();
    let tag = cipher.encrypt_inout_detached(&nonce, &[], text.as_mut_slice().into()).expect("it is short");
    cipher.decrypt_inout_detached(&nonce, &[], text.as_mut_slice().into(), &tag).expect("it is authentic");
}

#[library_benchmark]
#[bench::bytes_64(cipher(64))]
#[bench::bytes_1024(cipher(1024))]
#[bench::bytes_16384(cipher(16 * 1024))]
#[bench::bytes_61440(cipher(60 * 1024))]
fn aead(mut ready: (Aes256Gcm, Vec<u8>)) -> (Aes256Gcm, Vec<u8>) {
    encrypt_and_decrypt(black_box(&mut ready));
    ready
}

fn host(hops: usize) -> (Host, Message) {
    let mut host = Host::new(hops);
    for _ in 0..10 {
        host.deliver(message(hops));
    }
    (host, message(hops))
}

#[library_benchmark]
#[bench::hops_0(host(0))]
#[bench::hops_1(host(1))]
#[bench::hops_10(host(10))]
fn node((mut host, message): (Host, Message)) -> (Host, Message) {
    let delivered = black_box(&mut host).deliver(message);
    (host, delivered)
}

library_benchmark_group!(name = all, benchmarks = [handshake, handshake_primitives, channel, aead, node]);

main!(library_benchmark_groups = all);
