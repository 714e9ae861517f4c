use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::initiator::AwaitsMessage2;
use super::*;
use crate::env::{Entropy, Purpose, Seeded};
use crate::error::Blame;
use crate::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use crate::vault::{Agreement, Hash, SecretKey, SharedSecret, X25519};

/// Values that the Ockam projects publish, or that were computed by a program of others.
const PUBLISHED: &str = include_str!("../../../../vectors/production/ockam-published-vectors.json");

/// Both sides of a handshake, with known keys.
struct Pair {
    initiator_s: SecretKey,
    initiator_e: SecretKey,
    responder_s: SecretKey,
    responder_e: SecretKey,
    payloads: [Vec<u8>; 3],
}

/// Gives one key to whoever asks for an ephemeral key.
struct Fixed([u8; 32]);

impl Entropy for Fixed {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Ephemeral);
        out.copy_from_slice(&self.0);
    }
}

/// What came of it: the messages, and how each side finished.
struct Run {
    messages: [Vec<u8>; 3],
    initiator: Finished<Steps>,
    responder: Finished<Steps>,
}

impl Pair {
    fn seeded(seed: u64) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut key = || SecretKey::generate(Purpose::LongTermKey, &mut entropy);
        let (initiator_s, initiator_e, responder_s, responder_e) = (key(), key(), key(), key());
        let payloads = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        Self { initiator_s, initiator_e, responder_s, responder_e, payloads }
    }

    fn published(entry: &Value) -> Self {
        let key = |name| SecretKey::new(bytes(entry, name).try_into().unwrap());
        Self {
            initiator_s: key("initiator_static_key"),
            initiator_e: key("initiator_ephemeral_key"),
            responder_s: key("responder_static_key"),
            responder_e: key("responder_ephemeral_key"),
            payloads: ["payload1", "payload2", "payload3"].map(|name| bytes(entry, name)),
        }
    }

    fn start<S: Suite, P: Profile<S>>(&self) -> (AwaitsMessage2<S, P, Steps>, Vec<u8>) {
        let s = S::Agreement::public_key(&self.initiator_s);
        let mut entropy = Fixed(*self.initiator_e.as_bytes());
        AwaitsMessage2::start_with_payload(s, &mut entropy, &self.payloads[0]).unwrap()
    }

    fn answer<S: Suite, P: Profile<S>>(
        &self,
        message_1: &[u8],
    ) -> Result<(responder::AwaitsMessage3<S, P, Steps>, Vec<u8>)> {
        let s = S::Agreement::public_key(&self.responder_s);
        let mut entropy = Fixed(*self.responder_e.as_bytes());
        let (state, payload) = responder::NeedsStaticDh::read_message_1(s, &mut entropy, message_1)?;
        assert_eq!(payload, self.payloads[0]);
        let shared = S::Agreement::agree(&self.responder_s, &state.dh_with());
        state.write_message_2(&shared, &self.payloads[1])
    }

    fn run<S: Suite, P: Profile<S>>(&self) -> Run {
        let (initiator, message_1) = self.start::<S, P>();
        let (responder, message_2) = self.answer::<S, P>(&message_1).unwrap();
        let (initiator, payload) = initiator.read_message_2(&message_2).unwrap();
        assert_eq!(payload, self.payloads[1]);
        assert_eq!(*initiator.remote_static(), S::Agreement::public_key(&self.responder_s));
        let shared = S::Agreement::agree(&self.initiator_s, &initiator.dh_with());
        let (initiator, message_3) = initiator.write_message_3(&shared, &self.payloads[2]).unwrap();
        let (responder, payload) = responder.read_message_3(&message_3).unwrap();
        assert_eq!(payload, self.payloads[2]);
        assert_eq!(responder.remote_static, S::Agreement::public_key(&self.initiator_s));
        Run { messages: [message_1, message_2, message_3], initiator, responder }
    }
}

/// The values of an entry of the published vectors.
fn published(id: &str) -> Value {
    let file: Value = serde_json::from_str(PUBLISHED).unwrap();
    let groups = ["published", "derived"].map(|group| file[group].as_array().unwrap().clone());
    groups.into_iter().flatten().find(|entry| entry["id"] == id).unwrap()["fields"].take()
}

fn bytes(entry: &Value, name: &str) -> Vec<u8> {
    hex::decode(entry[name].as_str().unwrap_or_else(|| panic!("{name} stands in the entry"))).unwrap()
}

fn refused<T>(result: Result<T>, blame: Blame, id: &str) {
    let error = result.err().expect("refused");
    assert_eq!((error.blame(), error.requirement()), (blame, id));
}

/// The names of the tokens that a trace saw, in order.
fn tokens(steps: &Steps) -> String {
    steps.0.iter().map(|step| alloc::format!("{:?} ", step.token)).collect()
}

/// The step after the last token of the message with this number.
fn after_message(steps: &Steps, number: usize) -> &Step {
    steps.0.iter().filter(|step| step.token == Token::Payload).nth(number - 1).unwrap()
}

fn both_sides_agree<S: Suite, P: Profile<S>>() {
    let run = Pair::seeded(1).run::<S, P>();
    assert_eq!(run.initiator.send.as_bytes(), run.responder.receive.as_bytes());
    assert_eq!(run.initiator.receive.as_bytes(), run.responder.send.as_bytes());
    assert_ne!(run.initiator.send.as_bytes(), run.initiator.receive.as_bytes());
    assert_eq!(run.initiator.handshake_hash, run.responder.handshake_hash);
    // The tokens of a message come in the same order on both sides, with the same values after each.
    let name = "Name Prologue E Payload E Ee S Es Payload S Se Payload ";
    assert_eq!((tokens(&run.initiator.trace).as_str(), tokens(&run.responder.trace).as_str()), (name, name));
    for (ours, theirs) in run.initiator.trace.0.iter().zip(&run.responder.trace.0) {
        assert_eq!((ours.h, ours.ck.as_bytes(), ours.n), (theirs.h, theirs.ck.as_bytes(), theirs.n));
        assert_eq!(ours.k.as_ref().map(|k| *k.as_bytes()), theirs.k.as_ref().map(|k| *k.as_bytes()));
    }
}

#[test]
fn both_sides_of_every_suite_and_profile_agree_on_everything() {
    both_sides_agree::<Aes256GcmSha256, Ockam>();
    both_sides_agree::<Aes128GcmSha256, Ockam>();
    both_sides_agree::<ChaChaPolyBlake2s, Ockam>();
    both_sides_agree::<Aes256GcmSha256, Noise>();
    both_sides_agree::<ChaChaPolyBlake2s, Noise>();
}

//= spec/src/noise.md#noi-3
//= type=test
//# The hash `h` MUST start as the protocol name, padded with zeros to 32 bytes if it is shorter and hashed if it is longer, and the chaining key `ck` as the same bytes.
//= spec/src/noise.md#noi-4
//= type=test
//# A party MUST mix the prologue into `h` before the first message, even if it is empty.
//= spec/src/noise.md#noi-12
//= type=test
//# Under the profile `ockam` the protocol name MUST be that of the suite, and the prologue empty.
#[test]
fn the_hash_begins_with_the_name_and_the_prologue() {
    fn first<S: Suite, P: Profile<S>>() -> [Step; 2] {
        let steps = Pair::seeded(2).run::<S, P>().initiator.trace.0;
        [steps[0].clone(), steps[1].clone()]
    }
    // Shorter than 32 characters, as published; exactly 32; longer.
    let entry = published("P001");
    let [name, prologue] = first::<Aes256GcmSha256, Noise>();
    assert_eq!(name.h[..], bytes(&entry, "protocol_name"));
    assert_eq!((&prologue.h[..], &prologue.ck.as_bytes()[..]), (&bytes(&entry, "h")[..], &bytes(&entry, "ck")[..]));
    let [name, prologue] = first::<Aes256GcmSha256, Ockam>();
    assert_eq!(name.h, *b"OCKAM_XX_25519_AES256_GCM_SHA256");
    assert_eq!(prologue.h[..], bytes(&published("D002"), "h_initial"));
    let [name, _] = first::<ChaChaPolyBlake2s, Noise>();
    assert_eq!(name.h, <ChaChaPolyBlake2s as Suite>::Hash::hash(&[b"Noise_XX_25519_ChaChaPoly_BLAKE2s"]));
    assert_eq!(name.ck.as_bytes(), &name.h);
}

//= spec/src/noise.md#noi-5
//= type=test
//# A Diffie-Hellman token MUST replace `ck` and `k` by the first and the second output of HKDF with salt `ck` and the shared secret as input, and set `n` to 0.
//= spec/src/noise.md#noi-6
//= type=test
//# A static key or payload after the first Diffie-Hellman MUST be encrypted with `k`, nonce `n` and `h` as associated data; then ciphertext and tag are mixed into `h`, and `n` grows by one.
//= spec/src/noise.md#noi-8
//= type=test
//# After message 3 the two transport keys MUST be the two outputs of HKDF with salt `ck` and no input.
//= spec/src/noise.md#noi-10
//= type=test
//# The payload of message 1 MUST be mixed into `h` as it is, in the clear.
//= spec/src/noise.md#noi-15
//= type=test
//# Under the profile `ockam` the initiator MUST encrypt with the second key of the split and decrypt with the first, and under the profile `noise` with the first and the second.
#[test]
fn published_handshakes_come_out_byte_for_byte_and_each_side_has_its_key_of_the_split() {
    fn check(id: &str, run: Run, (first, second): (&Key, &Key)) {
        let entry = published(id);
        for (number, message) in run.messages.iter().enumerate() {
            let number = number + 1;
            assert_eq!(*message, bytes(&entry, &alloc::format!("message{number}")), "{id} message {number}");
            let h = bytes(&entry, &alloc::format!("h_after_message{number}"));
            assert_eq!(after_message(&run.initiator.trace, number).h[..], h, "{id} h after message {number}");
        }
        let last = after_message(&run.responder.trace, 3);
        assert_eq!((last.n, run.initiator.handshake_hash), (1, last.h));
        assert_eq!(first.as_bytes()[..], bytes(&entry, "k1"), "{id} k1");
        assert_eq!(second.as_bytes()[..], bytes(&entry, "k2"), "{id} k2");
    }
    for id in ["D001", "D003"] {
        let run = Pair::published(&published(id)).run::<Aes256GcmSha256, Noise>();
        // The standard: the initiator sends under the first key.
        let split = (run.initiator.send.clone(), run.initiator.receive.clone());
        check(id, run, (&split.0, &split.1));
    }
    for id in ["D002", "D004"] {
        let entry = published(id);
        assert_eq!(
            (&entry["initiator_encrypts_with"], &entry["responder_encrypts_with"]),
            (&"k2".into(), &"k1".into())
        );
        let run = Pair::published(&entry).run::<Aes256GcmSha256, Ockam>();
        let split = (run.initiator.receive.clone(), run.initiator.send.clone());
        assert_eq!(run.responder.send.as_bytes(), split.0.as_bytes());
        check(id, run, (&split.0, &split.1));
    }
}

//= spec/src/noise.md#noi-1
//= type=test
//# A party MUST refuse a handshake message that is shorter than its fixed parts: 32 bytes for message 1, 96 for message 2, 64 for message 3.
#[test]
fn a_message_that_is_cut_short_is_refused_at_every_length() {
    let mut pair = Pair::seeded(3);
    pair.payloads = [Vec::new(), Vec::new(), Vec::new()];
    let run = pair.run::<Aes256GcmSha256, Ockam>();
    assert_eq!(run.messages.each_ref().map(Vec::len), [32, 96, 64]);
    let (initiator, _) = pair.start::<Aes256GcmSha256, Ockam>();
    let (responder, _) = pair.answer::<Aes256GcmSha256, Ockam>(&run.messages[0]).unwrap();
    for length in 0..32 {
        let short = pair.answer::<Aes256GcmSha256, Ockam>(&run.messages[0][..length]).map(|_| ());
        refused(short, Blame::Malformed, "NOI-1");
    }
    for length in 0..96 {
        refused(initiator.read_message_2(&run.messages[1][..length]), Blame::Malformed, "NOI-1");
    }
    for length in 0..64 {
        refused(responder.read_message_3(&run.messages[2][..length]), Blame::Malformed, "NOI-1");
    }
}

//= spec/src/noise.md#noi-2
//= type=test
//# A party MUST NOT read or write a handshake message of more than 65 535 bytes.
#[test]
fn a_message_has_65535_bytes_at_most() {
    type Initiator = AwaitsMessage2<Aes256GcmSha256>;
    let s = X25519::public_key(&SecretKey::new([1; 32]));
    let mut entropy = Seeded::from_u64(4);
    let most = MAX_MESSAGE - 32;
    let (_, message) = Initiator::start_with_payload(s, &mut entropy, &alloc::vec![0; most]).unwrap();
    assert_eq!(message.len(), MAX_MESSAGE);
    refused(Initiator::start_with_payload(s, &mut entropy, &alloc::vec![0; most + 1]), Blame::Limit, "NOI-2");

    let mut pair = Pair::seeded(4);
    pair.payloads[1] = alloc::vec![0; MAX_MESSAGE - 96];
    pair.payloads[2] = alloc::vec![0; MAX_MESSAGE - 64];
    let run = pair.run::<Aes256GcmSha256, Ockam>();
    let (initiator, message_1) = pair.start::<Aes256GcmSha256, Ockam>();
    let (responder, mut long) = pair.answer::<Aes256GcmSha256, Ockam>(&message_1).unwrap();
    let (next, _) = initiator.read_message_2(&long).unwrap();
    long.push(0);
    refused(initiator.read_message_2(&long), Blame::Limit, "NOI-2");
    let shared = X25519::agree(&pair.initiator_s, &next.dh_with());
    refused(next.write_message_3(&shared, &alloc::vec![0; MAX_MESSAGE - 63]), Blame::Limit, "NOI-2");
    refused(responder.read_message_3(&[&run.messages[2][..], &[0]].concat()), Blame::Limit, "NOI-2");
    pair.payloads[1].push(0);
    refused(pair.answer::<Aes256GcmSha256, Ockam>(&message_1), Blame::Limit, "NOI-2");
    let long = alloc::vec![9; MAX_MESSAGE + 1];
    refused(pair.answer::<Aes256GcmSha256, Ockam>(&long), Blame::Limit, "NOI-2");
}

//= spec/src/noise.md#noi-7
//= type=test
//# A party MUST refuse a handshake message in which a tag is wrong.
//= spec/src/noise.md#noi-11
//= type=test
//# A message that a party refuses MUST leave its state as it was.
#[test]
fn a_message_with_any_byte_changed_is_refused_and_the_genuine_one_is_taken_after_it() {
    fn check<S: Suite>() {
        let pair = Pair::seeded(5);
        let run = pair.run::<S, Ockam>();
        let (initiator, _) = pair.start::<S, Ockam>();
        let (responder, _) = pair.answer::<S, Ockam>(&run.messages[0]).unwrap();
        for at in 0..run.messages[1].len() {
            let mut forged = run.messages[1].clone();
            forged[at] ^= 1;
            let error = initiator.read_message_2(&forged).err().expect("refused");
            assert!(matches!(error.requirement(), "NOI-7" | "VLT-11" | "VLT-12"), "byte {at}: {error}");
        }
        for at in 0..run.messages[2].len() {
            let mut forged = run.messages[2].clone();
            forged[at] ^= 0x80;
            refused(responder.read_message_3(&forged), Blame::Misbehaved, "NOI-7");
        }
        // Another message 1 gives another transcript, so that everything after it fails.
        let mut other = run.messages[0].clone();
        *other.last_mut().unwrap() ^= 1;
        let mut answering = Pair::seeded(5);
        answering.payloads[0] = other[32..].to_vec();
        let (_, message_2) = answering.answer::<S, Ockam>(&other).unwrap();
        refused(initiator.read_message_2(&message_2), Blame::Misbehaved, "NOI-7");

        let (next, _) = initiator.read_message_2(&run.messages[1]).unwrap();
        let shared = S::Agreement::agree(&pair.initiator_s, &next.dh_with());
        let (finished, _) = next.write_message_3(&shared, &pair.payloads[2]).unwrap();
        let (answered, _) = responder.read_message_3(&run.messages[2]).unwrap();
        assert_eq!(finished.send.as_bytes(), run.initiator.send.as_bytes());
        assert_eq!(answered.send.as_bytes(), run.responder.send.as_bytes());
        assert_eq!(answered.trace.0.len(), run.responder.trace.0.len(), "what was refused left no trace");
    }
    check::<Aes256GcmSha256>();
    check::<ChaChaPolyBlake2s>();
}

//= spec/src/noise.md#noi-9
//= type=test
//# A party MUST make a new ephemeral key for each handshake.
#[test]
fn every_handshake_draws_a_new_ephemeral_key_on_either_side() {
    let mut entropy = Seeded::from_u64(6);
    let s = X25519::public_key(&SecretKey::new([1; 32]));
    let (_, first) = AwaitsMessage2::<Aes256GcmSha256>::start(s, &mut entropy);
    let (_, second) = AwaitsMessage2::<Aes256GcmSha256>::start(s, &mut entropy);
    assert_ne!(first, second);
    let mut answer = || {
        let read = responder::NeedsStaticDh::<Aes256GcmSha256>::read_message_1(s, &mut entropy, &first);
        let (state, _) = read.unwrap();
        let shared = X25519::agree(&SecretKey::new([1; 32]), &state.dh_with());
        state.write_message_2(&shared, &[]).unwrap().1
    };
    let (one, two) = (answer(), answer());
    assert_ne!(one[..32], two[..32]);
}

/// 2^255 - 19 in its own encoding: zero, written otherwise.
fn prime() -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xed, 0x7f);
    bytes
}

//= spec/src/noise.md#noi-13
//= type=test
//# Under the profile `ockam` a party MUST refuse a public key of the peer, ephemeral or static, that fails the strict check.
#[test]
fn a_public_key_that_no_correct_peer_has_is_refused_wherever_it_stands() {
    let s = X25519::public_key(&SecretKey::new([1; 32]));
    let mut high = s.0;
    high[31] |= 0x80;
    for (key, blame, id) in [
        (prime(), Blame::Malformed, "VLT-11"),
        (high, Blame::Malformed, "VLT-11"),
        ([0; 32], Blame::Misbehaved, "VLT-12"),
    ] {
        // The ephemeral key of message 1; nothing is drawn for it.
        let mut entropy = Seeded::from_u64(7);
        let before = entropy.positions();
        let read = responder::NeedsStaticDh::<Aes256GcmSha256>::read_message_1(s, &mut entropy, &key).map(|_| ());
        refused(read, blame, id);
        assert_eq!(entropy.positions(), before);
        // The profile of the standard takes it.
        responder::NeedsStaticDh::<Aes256GcmSha256, Noise>::read_message_1(s, &mut entropy, &key).unwrap();
        // The ephemeral key of message 2.
        let (state, _) = AwaitsMessage2::<Aes256GcmSha256>::start(s, &mut entropy);
        refused(state.read_message_2(&[&key[..], &[0; 64]].concat()), blame, id);

        // The static keys of messages 2 and 3: encrypted as they should be, by a peer that has such a key.
        let pair = Pair::seeded(7);
        let (initiator, message_1) = pair.start::<Aes256GcmSha256, Ockam>();
        type Misbound = responder::NeedsStaticDh<Aes256GcmSha256, Ockam, Steps>;
        let odd = PublicKey(key);
        let mut fixed = Fixed(*pair.responder_e.as_bytes());
        let (peer, _) = Misbound::read_message_1(odd, &mut fixed, &message_1).unwrap();
        let (_, message_2) = peer.write_message_2(&SharedSecret([5; 32]), &[]).unwrap();
        refused(initiator.read_message_2(&message_2), blame, id);

        let mut fixed = Fixed(*pair.initiator_e.as_bytes());
        let (peer, message_1) = AwaitsMessage2::<Aes256GcmSha256, Ockam, Steps>::start(odd, &mut fixed);
        let mut silent = Pair::seeded(7);
        silent.payloads[0].clear();
        let (responder, message_2) = silent.answer::<Aes256GcmSha256, Ockam>(&message_1).unwrap();
        let (peer, _) = peer.read_message_2(&message_2).unwrap();
        let (_, message_3) = peer.write_message_3(&SharedSecret([5; 32]), &[]).unwrap();
        refused(responder.read_message_3(&message_3), blame, id);
    }
}

//= spec/src/noise.md#noi-14
//= type=test
//# Under the profile `ockam` a party MUST refuse a shared secret of zeros, whoever computed it.
#[test]
fn a_shared_secret_of_zeros_is_refused_from_the_vault_too() {
    let pair = Pair::seeded(8);
    let zeros = SharedSecret([0; 32]);
    let (initiator, message_1) = pair.start::<Aes256GcmSha256, Ockam>();
    let s = X25519::public_key(&pair.responder_s);
    let mut entropy = Fixed(*pair.responder_e.as_bytes());
    type Responder<P> = responder::NeedsStaticDh<Aes256GcmSha256, P>;
    let (state, _) = Responder::<Ockam>::read_message_1(s, &mut entropy, &message_1).unwrap();
    refused(state.write_message_2(&zeros, &[]), Blame::Misbehaved, "NOI-14");
    let (state, _) = Responder::<Noise>::read_message_1(s, &mut entropy, &message_1).unwrap();
    state.write_message_2(&zeros, &[]).unwrap();

    let (_, message_2) = pair.answer::<Aes256GcmSha256, Ockam>(&message_1).unwrap();
    let (state, _) = initiator.read_message_2(&message_2).unwrap();
    refused(state.write_message_3(&zeros, &[]), Blame::Misbehaved, "NOI-14");
}

#[test]
fn sides_with_another_prologue_or_suite_do_not_understand_each_other() {
    type Initiator = AwaitsMessage2<Aes256GcmSha256, Noise>;
    type Responder = responder::NeedsStaticDh<Aes256GcmSha256, Noise>;
    let secret = SecretKey::new([1; 32]);
    let s = X25519::public_key(&secret);
    let mut entropy = Seeded::from_u64(9);
    let mut meet = |ours: &[u8], theirs: &[u8]| {
        let (initiator, message_1) = Initiator::start_with_prologue(ours, s, &mut entropy, &[]).unwrap();
        let (state, _) = Responder::read_message_1_with_prologue(theirs, s, &mut entropy, &message_1).unwrap();
        let shared = X25519::agree(&secret, &state.dh_with());
        let (_, message_2) = state.write_message_2(&shared, &[]).unwrap();
        initiator.read_message_2(&message_2).map(|_| ())
    };
    meet(b"prologue", b"prologue").unwrap();
    refused(meet(b"prologue", b"other"), Blame::Misbehaved, "NOI-7");
    refused(meet(b"prologue", b""), Blame::Misbehaved, "NOI-7");

    let pair = Pair::seeded(9);
    let (initiator, message_1) = pair.start::<Aes256GcmSha256, Ockam>();
    let (_, message_2) = pair.answer::<Aes128GcmSha256, Ockam>(&message_1).unwrap();
    refused(initiator.read_message_2(&message_2), Blame::Misbehaved, "NOI-7");
    let (_, message_2) = pair.answer::<Aes256GcmSha256, Noise>(&message_1).unwrap();
    refused(initiator.read_message_2(&message_2), Blame::Misbehaved, "NOI-7");
}

//= spec/src/noise.md#noi-16
//= type=test
//# Under the profile `noise` each direction MUST count its nonces from 0, and a message that is not authentic leaves the count as it was.
//= spec/src/noise.md#noi-18
//= type=test
//# Under the profile `noise` a party MUST refuse a transport message that is shorter than a tag.
#[test]
fn transport_messages_come_in_order_and_a_forged_one_costs_no_nonce() {
    fn check<S: Suite>() {
        let key = Key::new([3; 32]);
        let (mut sender, mut receiver) = (CipherState::<S>::new(&key), CipherState::<S>::new(&key));
        for round in 0..100u8 {
            if round == 50 {
                sender.rekey().unwrap();
            }
            assert_eq!(receiver.nonce(), u64::from(round));
            let message = sender.encrypt(b"data", &[round; 20]).unwrap();
            refused(receiver.decrypt(b"other", &message), Blame::Misbehaved, "VLT-8");
            refused(receiver.decrypt(b"data", &message[..15]), Blame::Malformed, "NOI-18");
            if round == 50 {
                refused(receiver.decrypt(b"data", &message), Blame::Misbehaved, "VLT-8");
                receiver.rekey().unwrap();
            }
            assert_eq!(receiver.decrypt(b"data", &message).unwrap(), [round; 20]);
            refused(receiver.decrypt(b"data", &message), Blame::Misbehaved, "VLT-8");
        }
    }
    check::<Aes256GcmSha256>();
    check::<ChaChaPolyBlake2s>();
}

//= spec/src/noise.md#noi-17
//= type=test
//# A party MUST NOT encrypt or accept a transport message with the nonce 2^64 - 1.
#[test]
fn the_last_nonce_encrypts_nothing() {
    let key = Key::new([3; 32]);
    let mut sender = CipherState::<Aes256GcmSha256>::at(&key, u64::MAX - 1);
    let mut receiver = CipherState::<Aes256GcmSha256>::at(&key, u64::MAX - 1);
    let message = sender.encrypt(&[], b"last").unwrap();
    assert_eq!(receiver.decrypt(&[], &message).unwrap(), b"last");
    refused(sender.encrypt(&[], b"more"), Blame::Limit, "NOI-17");
    refused(receiver.decrypt(&[], &message), Blame::Limit, "NOI-17");
}

#[test]
fn a_handshake_prints_no_key() {
    let run = Pair::seeded(10).run::<Aes256GcmSha256, Ockam>();
    let printed = alloc::format!("{:?} {:?}", run.initiator, CipherState::<Aes256GcmSha256>::new(&run.initiator.send));
    assert!(printed.contains("Key(..)"));
    for key in [&run.initiator.send, &run.initiator.receive] {
        assert!(!printed.contains(&alloc::format!("{:?}", &key.as_bytes()[..4])[1..10]), "{printed}");
    }
}
