//! TOB-OCK-1: what an archivist can do later, by what it has come to know by then. The recording is that of a world; the
//! machines are those that honest nodes use.

use std::collections::BTreeMap;

use razor::channel::Decryptor;
use razor::env::{Entropy, Purpose, Seeded};
use razor::noise::initiator::AwaitsMessage2;
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Aes256GcmSha256;
use razor::vault::{Agreement, Key, PublicKey, SecretKey, X25519};
use razor_sim::checker::contains_mark;
use razor_sim::frame::{Frame, Kind};
use razor_sim::trace::What;
use razor_sim::{Seed, Sketch};

const SEED: u64 = 5;

/// How many keys a node draws at most in this world.
const DRAWN: usize = 64;

/// The frames of one channel as they passed on one link.
struct Recording {
    message_1: Frame,
    message_2: Frame,
    sealed: [Vec<Vec<u8>>; 2],
    /// How many messages were sent through all channels.
    sent: u64,
}

fn record() -> Recording {
    let text = super::read(super::plans().join("ock-1-archivist.toml"));
    let plan = Sketch::parse(&text).and_then(|sketch| sketch.draw(Seed(SEED))).expect("a plan");
    let messages = plan.channels[0].messages;
    let report = razor_sim::world(plan).keeping(usize::MAX).run();
    assert!(report.passed(), "{report}");
    let on_the_link = report.entries.iter().filter(|entry| entry.what == What::Sent);
    let on_the_link = on_the_link.filter(|entry| entry.way.is_some_and(|way| way.link == 0));
    let frames: Vec<_> = on_the_link.filter_map(|entry| Frame::decode(&entry.bytes).ok()).collect();
    let first = |kind: Kind, to: Option<&Address>| {
        let found = frames.iter().find(|frame| frame.kind() == kind && (to.is_none() || frame.onward.last() == to));
        found.expect("a handshake").clone()
    };
    let message_1 = first(Kind::FirstMessage, None);
    let message_2 = first(Kind::Handshake, message_1.back.last());
    let sealed = |to: &Frame| {
        let to_this = frames.iter().filter(|frame| frame.onward.last() == to.back.last());
        let sealed = to_this.filter(|frame| matches!(frame.kind(), Kind::Channel(_)));
        sealed.map(|frame| frame.payload.clone()).collect::<Vec<_>>()
    };
    let sealed = [sealed(&message_2), sealed(&message_1)];
    assert!(sealed.iter().all(|direction| direction.len() == messages), "all of it was recorded");
    Recording { message_1, message_2, sealed, sent: 2 * messages as u64 }
}

/// Gives this secret and nothing else.
struct Known([u8; 32]);

impl Entropy for Known {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Ephemeral);
        out.copy_from_slice(&self.0);
    }
}

fn static_key(name: &str) -> SecretKey {
    SecretKey::new(Seed(SEED).derive(&format!("static key of {name} 0")))
}

/// The ephemeral keys of a node, by their public halves: what whoever solves discrete logarithms has of them.
fn ephemeral_keys(name: &str) -> BTreeMap<[u8; 32], [u8; 32]> {
    let mut entropy = Seeded::new(Seed(SEED).derive(&format!("entropy of {name}")));
    let mut draw = || {
        let mut secret = [0; 32];
        entropy.fill(Purpose::Ephemeral, &mut secret);
        (X25519::public_key(&SecretKey::new(secret)).0, secret)
    };
    (0..DRAWN).map(|_| draw()).collect()
}

/// The keys of the channel, to the responder and to the initiator, for whoever has both secrets of the initiator.
fn keys(recording: &Recording, ephemeral: [u8; 32], long_term: &SecretKey) -> razor::error::Result<[Key; 2]> {
    let public: PublicKey = X25519::public_key(long_term);
    let (waiting, _) = AwaitsMessage2::<Aes256GcmSha256>::start(public, &mut Known(ephemeral));
    let (needs, _) = waiting.read_message_2(&recording.message_2.payload)?;
    let shared = X25519::agree(long_term, &needs.dh_with());
    // The keys do not depend on what message 3 presents.
    let (finished, _) = needs.write_message_3(&shared, b"")?;
    Ok([finished.send, finished.receive])
}

/// How many messages of honest applications these keys open.
fn read(recording: &Recording, keys: [Key; 2]) -> u64 {
    let nowhere = Route::from_iter(Vec::<Address>::new());
    let mut read = 0;
    for (sealed, key) in recording.sealed.iter().zip(keys) {
        let mut decryptor = Decryptor::<Aes256GcmSha256>::new(key);
        for payload in sealed {
            let mut message = Message::new(nowhere.as_ref(), nowhere.as_ref(), payload);
            read += u64::from(decryptor.open(&mut message).is_ok() && contains_mark(message.payload()));
        }
    }
    read
}

#[test]
fn whoever_solves_discrete_logarithms_later_reads_what_was_recorded() {
    let recording = record();
    let public: [u8; 32] = recording.message_1.payload[..].try_into().expect("a key");
    let ephemeral = ephemeral_keys("alice")[&public];
    let keys = keys(&recording, ephemeral, &static_key("alice")).expect("the keys of the channel");
    assert_eq!(read(&recording, keys), recording.sent);
}

#[test]
fn whoever_steals_all_long_term_keys_later_reads_nothing() {
    let recording = record();
    // With any other ephemeral key than the one that is gone, message 2 does not even open.
    let others = ephemeral_keys("bob").into_values().chain([[7; 32], *static_key("bob").as_bytes()]);
    for ephemeral in others {
        for name in ["alice", "bob"] {
            assert_eq!(keys(&recording, ephemeral, &static_key(name)).unwrap_err().requirement(), "NOI-7");
        }
    }
}

#[test]
fn neither_half_of_the_initiators_secrets_is_enough() {
    let recording = record();
    let public: [u8; 32] = recording.message_1.payload[..].try_into().expect("a key");
    let ephemeral = ephemeral_keys("alice")[&public];
    // Whoever has the ephemeral key alone learns who answered, and nothing of what was said.
    let keys = keys(&recording, ephemeral, &SecretKey::new([7; 32])).expect("message 2 opens");
    assert_eq!(read(&recording, keys), 0);
}
