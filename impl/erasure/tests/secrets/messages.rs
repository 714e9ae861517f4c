//! What a channel drops, and what a message leaves when it grows.

use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Decryptor, Encryptor, HoldLimits, Input, Output};
use razor::env::{Env, Instant, Seeded};
use razor::identity::{Identifier, Identity};
use razor::machine::{Machine, Refused};
use razor::routing::{Address, Message, Route, RouteRef};
use razor::vault::suite::{Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Key, SigningKind, SoftwareVault};
use razor_erasure::Watch;

use crate::pair::{NOW, clean_stack};

const KEY: [u8; 32] = [7; 32];

/// Bytes that nothing else contains.
const TEXT: [u8; 48] = *b"the quick brown fox knows what the lazy dog says";

fn config() -> Config {
    let (mut entropy, mut vault) = (Seeded::from_u64(1), SoftwareVault::new());
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
    let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
    Config::new(&identity, &attestation, &[], NOW).unwrap()
}

fn addresses() -> Addresses {
    Addresses { decryptor: Address::local("d"), encryptor: Address::local("e") }
}

/// An open channel whose peer sends under [`KEY`].
fn channel<S: Suite>() -> Channel<S> {
    let keys = (Encryptor::new(Key::new(KEY)), Decryptor::new(Key::new(KEY)));
    Channel::resumed(Arc::new(config()), addresses(), Identifier([1; 32]), Route::from_iter(["peer"]), keys, true)
}

/// What the peer would send to say `text`, whether or not that says anything.
fn sealed<S: Suite>(text: &[u8]) -> Message {
    let mut message = Message::raw([&[0; 64], text].concat(), 64);
    Encryptor::<S>::new(Key::new(KEY)).seal(&mut message).unwrap();
    message
}

/// Gives a message to the channel, which refuses it by this requirement.
fn refused<S: Suite>(channel: &mut Channel<S>, message: Message) -> &'static str {
    let mut entropy = Seeded::from_u64(2);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    match channel.handle(&mut env, Input::Receive(message)) {
        Err(Refused::Error(error)) => error.requirement(),
        other => panic!("{other:?}"),
    }
}

/// The last bytes before the tag.
fn ciphertext(message: &Message) -> [u8; 48] {
    *message.payload().split_last_chunk::<16>().unwrap().0.last_chunk().unwrap()
}

fn what_is_refused_is_wiped<S: Suite>() {
    let watch = Watch::new();
    let mut channel = channel::<S>();

    // Nothing of it is authentic.
    let mut forged = sealed::<S>(&TEXT);
    *forged.payload_mut().last_mut().unwrap() ^= 1;
    watch.secret("what a forged message says", &TEXT);
    watch.secret("a forged ciphertext", &ciphertext(&forged));
    assert_eq!(refused(&mut channel, forged), "CHN-37");
    watch.nothing_was_left();

    // It is authentic, and says nothing that a peer may say: it was decrypted for nothing.
    let message = sealed::<S>(&TEXT);
    watch.secret("a ciphertext", &ciphertext(&message));
    let replay = Message::raw([&[0; 64], message.payload()].concat(), 64);
    assert!(refused(&mut channel, message).starts_with("CHN-"));
    watch.nothing_was_left();
    assert_eq!(refused(&mut channel, replay), "CHN-14");
    watch.nothing_was_left();

    // It comes when nobody reads it any more.
    let mut entropy = Seeded::from_u64(3);
    channel.handle(&mut Env::new(Instant::ZERO, NOW, &mut entropy), Input::Close).unwrap();
    while channel.poll_output().is_some() {}
    assert_eq!(refused(&mut channel, sealed::<S>(&TEXT)), "CHN-49");
    clean_stack();
    watch.nothing_was_left();
}

//= spec/src/channels.md#chn-39
//= type=test
//# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
#[test]
fn what_a_channel_refuses_is_wiped_before_its_memory_is_given_back() {
    what_is_refused_is_wiped::<Aes256GcmSha256>();
    what_is_refused_is_wiped::<ChaChaPolyBlake2s>();
}

/// What comes before a channel is open: to an initiator that awaits message 2, and to a responder that awaits its vault
/// and holds nothing.
#[test]
fn what_a_handshake_refuses_is_wiped_before_its_memory_is_given_back() {
    let watch = Watch::new();
    watch.secret("what came too early", &TEXT);
    let mut config = config();
    config.hold = HoldLimits::FLOOR;
    let config = Arc::new(config);
    let mut entropy = Seeded::from_u64(4);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let route = Route::from_iter(["api"]);
    let mut alice = Channel::<Aes256GcmSha256>::initiate(&mut env, config.clone(), addresses(), &route);
    let Some(Output::Transmit(message_1)) = alice.poll_output() else { panic!("message 1 comes first") };
    let mut bob = Channel::<Aes256GcmSha256>::respond(&mut env, config, addresses(), &message_1).unwrap();
    while bob.poll_output().is_some() {}
    let early = || Message::new(RouteRef::default(), Route::from_iter(["way back"]).as_ref(), &[TEXT; 4].concat());
    let (for_alice, for_bob) = (early(), early());
    watch.findings();
    assert!(refused(&mut alice, for_alice).starts_with("NOI-"));
    assert_eq!(refused(&mut bob, for_bob), "CHN-21");
    watch.nothing_was_left();
}

#[test]
fn a_message_that_grows_into_another_place_leaves_nothing_in_the_old_one() {
    let watch = Watch::new();
    let mut message = Message::new(RouteRef::default(), RouteRef::default(), &TEXT);
    watch.secret("a payload", &TEXT);
    for n in 0..40 {
        message.push_return(Address::local(&format!("an address that needs some room {n}")).as_ref());
    }
    watch.nothing_was_left();
    message.wipe();
    drop(message);
    watch.nothing_was_left();
}
