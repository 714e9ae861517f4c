//! No secret of a channel or a vault is left in memory that is given back.

mod messages;
mod pair;
mod randomness;
mod storage;
mod vault;

use std::hint::black_box;

use pair::{ALICE, BOB, Pair};
use razor::channel::Trust;
use razor::identity::Identifier;
use razor::node::Event;
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Answer, Cipher, Key, SecretKey, SharedSecret, SigningKind};
use razor_erasure::Watch;

type Aes = Aes256GcmSha256;

fn closed(event: &Event) -> bool {
    matches!(event, Event::ChannelClosed { .. })
}

fn failed(event: &Event) -> bool {
    matches!(event, Event::ChannelFailed { .. })
}

/// From the first message to the last, then another, which the nodes have when they go.
fn a_life<S: Suite>() {
    for (seed, kind) in [(100, SigningKind::Ed25519), (102, SigningKind::P256)] {
        let mut pair = Pair::new::<S>(seed, kind, None);
        let channel = pair.open::<S>();
        pair.watch.nothing_was_left();
        (0..140).for_each(|n| pair.say(&channel, &[n; 200]));
        assert_eq!(pair.parties[ALICE].received, 140);
        pair.watch.nothing_was_left();
        // Expanded keys are dropped after a minute without a message, and made anew.
        pair.advance(120);
        pair.say(&channel, b"again");
        pair.watch.nothing_was_left();
        pair.with(ALICE, |node, env| node.stop_worker(env, &channel.encryptor)).unwrap();
        pair.run();
        pair.parties.iter().for_each(|party| assert_eq!(party.count(closed), 1));
        pair.watch.nothing_was_left();
        let channel = pair.begin::<S>();
        (0..3).for_each(|_| pair.say(&channel, b"and again"));
        let Pair { parties, watch, .. } = pair;
        drop(parties);
        watch.nothing_was_left();
    }
}

//= spec/src/erasure.md#era-1
//= type=test
//# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
//= spec/src/channels.md#chn-49
//= type=test
//# A party MUST erase all keys of a channel when the channel is closed.
#[test]
fn a_channel_leaves_no_secret_behind() {
    a_life::<Aes256GcmSha256>();
    a_life::<Aes128GcmSha256>();
    a_life::<ChaChaPolyBlake2s>();
}

//= spec/src/erasure.md#era-1
//= type=test
//# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
#[test]
fn a_handshake_that_is_refused_or_given_up_leaves_no_secret_behind() {
    // Bob does not trust Alice: she believes that she has a channel.
    let mut pair = Pair::new::<Aes>(200, SigningKind::Ed25519, Some(Trust::One(Identifier([7; 32]))));
    pair.begin::<Aes>();
    assert_eq!(pair.parties[BOB].count(failed), 1);
    pair.watch.nothing_was_left();
    drop(pair);

    // Alice knows another history of Bob, and waits for another message 2.
    let mut pair = Pair::new::<Aes>(200, SigningKind::Ed25519, None);
    pair.parties[ALICE].forgetful = true;
    pair.begin::<Aes>();
    pair.watch.nothing_was_left();
    pair.advance(300);
    assert_eq!(pair.parties[ALICE].count(failed), 1);
    pair.watch.nothing_was_left();
    drop(pair);

    // Something is damaged on the way, and the time passes: message 2, message 3, and no answer of a vault or store.
    for step in 0..6usize {
        let mut pair = Pair::new::<Aes>(200, SigningKind::Ed25519, None);
        match step {
            0 => pair.middle = |frame| frame.len() < 300 || damage(frame),
            1 => pair.middle = |frame| !frame.windows(3).any(|part| part == b"api") || damage(frame),
            _ => pair.parties.iter_mut().for_each(|party| party.late = true),
        }
        pair.begin::<Aes>();
        // The answers that come: Bob's key; what Alice knows of Bob, that she keeps it, her key; what Bob knows.
        for who in [BOB, ALICE, ALICE, ALICE].into_iter().take(step.saturating_sub(2)) {
            assert!(pair.answer(who), "{step}");
            pair.run();
        }
        pair.watch.nothing_was_left();
        pair.advance(300);
        let failures = pair.parties.iter().map(|party| party.count(failed)).sum::<usize>();
        assert!(failures > 0, "{step}");
        pair.watch.nothing_was_left();
    }
}

/// Flips a bit of the tag, and lets the frame go.
fn damage(frame: &mut [u8]) -> bool {
    frame.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
    true
}

/// Each kind of secret, in a block of its own.
fn dropped_secrets<S: Suite>() {
    let secret = *b"nobody may find these bytes here";
    let watch = Watch::new();
    watch.secret("the secret", &secret);
    let boxes: (Box<Key>, Box<SecretKey>, Box<SharedSecret>, Box<S::Cipher>) = black_box((
        Box::new(Key::new(secret)),
        Box::new(SecretKey::new(secret)),
        Box::new(SharedSecret(secret)),
        Box::new(S::Cipher::new(&Key::new(secret))),
    ));
    drop(boxes);
    // An answer that nobody has taken.
    drop(black_box(vec![Some(Answer::Shared(SharedSecret(secret)))]));
    watch.nothing_was_left();
}

//= spec/src/erasure.md#era-1
//= type=test
//# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
#[test]
fn every_kind_of_secret_is_overwritten_when_it_is_dropped() {
    dropped_secrets::<Aes256GcmSha256>();
    dropped_secrets::<Aes128GcmSha256>();
    dropped_secrets::<ChaChaPolyBlake2s>();
}

/// A picture of trusted state shows what keys there are, and is overwritten like them.
#[test]
fn a_picture_of_a_node_leaves_no_secret_behind() {
    let mut pair = Pair::new::<Aes>(300, SigningKind::Ed25519, None);
    let channel = pair.open::<Aes>();
    (0..70).for_each(|n| pair.say(&channel, &[n; 20]));
    for party in &pair.parties {
        assert!(party.picture() == party.picture());
    }
    pair.watch.nothing_was_left();
}
