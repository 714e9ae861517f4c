//! Two parties, a vault and a store each, and a middle that does as the test says.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use proptest::prelude::*;

mod attacks;
mod worker;

use super::*;
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::error::{Error, Result};
use crate::identity::{
    Identifier, Identity, MemoryStore, PresentedCredential, PurposeKeyAttestation, StoreAnswer, StoreRequest,
};
use crate::machine::{Machine, Refused, Snapshot};
use crate::node::{Answer, Request};
use crate::noise::{initiator, responder};
use crate::routing::{Address, Message, Route};
use crate::vault::suite::Aes256GcmSha256;
use crate::vault::{PublicKey, SigningKind, SoftwareVault};
use crate::wire::cbor::{Encoder, Reader};

const NOW: Timestamp = Timestamp(1_750_000_000);

type Machine1 = Channel<Aes256GcmSha256>;

/// An identity with its keys.
struct Person {
    vault: SoftwareVault,
    identity: Identity,
    attestation: PurposeKeyAttestation,
    static_key: PublicKey,
}

impl Person {
    fn new(seed: u64) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let mut vault = SoftwareVault::new();
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let (static_key, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
        Self { vault, identity, attestation, static_key }
    }

    fn id(&self) -> Identifier {
        self.identity.identifier()
    }

    fn config(&self) -> Config {
        Config::new(&self.identity, &self.attestation, &[], NOW).unwrap()
    }

    /// What a liar shows who holds the static key of `self` but shows the papers of another.
    fn posing_with(&self, identity: &Identity, attestation: &PurposeKeyAttestation) -> Config {
        let mut config = self.config();
        config.presentation = crate::identity::Presentation::encode(identity, attestation, &[]);
        config
    }
}

/// One side: the machine and its world.
struct Side {
    person: Person,
    config: Config,
    store: MemoryStore,
    entropy: Seeded,
    now: Instant,
    name: &'static str,
    channel: Option<Machine1>,
    /// Set to keep requests instead of answering them.
    late: bool,
    requests: VecDeque<(Ticket, Request)>,
    sent: VecDeque<Message>,
    delivered: Vec<Message>,
    events: Vec<Event>,
}

impl Side {
    fn new(name: &'static str, seed: u64) -> Self {
        let person = Person::new(seed);
        Self {
            config: person.config(),
            person,
            store: MemoryStore::default(),
            entropy: Seeded::from_u64(seed + 1000),
            now: Instant::ZERO,
            name,
            channel: None,
            late: false,
            requests: VecDeque::new(),
            sent: VecDeque::new(),
            delivered: Vec::new(),
            events: Vec::new(),
        }
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            decryptor: Address::local(&format!("{}.decryptor", self.name)),
            encryptor: Address::local(&format!("{}.encryptor", self.name)),
        }
    }

    fn initiate(&mut self) {
        let mut env = Env::new(self.now, NOW, &mut self.entropy);
        let addresses = Addresses {
            decryptor: Address::local(&format!("{}.decryptor", self.name)),
            encryptor: Address::local(&format!("{}.encryptor", self.name)),
        };
        let route = Route::from_iter(["hop", "api"]);
        self.channel = Some(Channel::initiate(&mut env, Arc::new(self.config.clone()), addresses, &route));
        self.drain();
    }

    fn respond(&mut self, message_1: &Message) -> Result<()> {
        let addresses = self.addresses();
        let mut env = Env::new(self.now, NOW, &mut self.entropy);
        self.channel = Some(Channel::respond(&mut env, Arc::new(self.config.clone()), addresses, message_1)?);
        self.drain();
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<()> {
        let mut env = Env::new(self.now, NOW, &mut self.entropy);
        let result = self.channel.as_mut().unwrap().handle(&mut env, input);
        self.drain();
        result.map_err(|refused| match refused {
            Refused::Error(error) => error,
            Refused::Full(_) => panic!("full"),
        })
    }

    fn receive(&mut self, message: &Message) -> Result<()> {
        self.input(Input::Receive(message.clone()))
    }

    fn send(&mut self, payload: &[u8]) -> Message {
        let message = Message::new(Route::from_iter(["echo"]).as_ref(), Route::from_iter(["app"]).as_ref(), payload);
        self.input(Input::Send(message)).unwrap();
        self.sent.pop_back().unwrap()
    }

    fn drain(&mut self) {
        loop {
            while let Some(output) = self.channel.as_mut().unwrap().poll_output() {
                match output {
                    Output::Transmit(message) => self.sent.push_back(message),
                    Output::Deliver(message) => self.delivered.push(message),
                    Output::Request { ticket, request, .. } => self.requests.push_back((ticket, request)),
                    Output::Event(event) => self.events.push(event),
                }
            }
            if self.late || !self.answer_one() {
                break;
            }
        }
    }

    /// Answers the oldest request and takes the answer in.
    fn answer_one(&mut self) -> bool {
        let Some((ticket, request)) = self.requests.pop_front() else { return false };
        let answer = match &request {
            Request::Vault(request) => Answer::Vault(self.person.vault.answer(request)),
            Request::Store(request) => Answer::Store(self.store.answer(request)),
        };
        let mut env = Env::new(self.now, NOW, &mut self.entropy);
        let _ = self.channel.as_mut().unwrap().handle(&mut env, Input::Answer(ticket, answer));
        true
    }

    fn state(&self) -> State {
        self.channel.as_ref().unwrap().state()
    }

    fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.channel.as_ref().unwrap().trusted(&mut picture);
        picture
    }
}

/// The same message with another payload.
fn with_payload(message: &Message, payload: &[u8]) -> Message {
    Message::new(message.onward(), message.return_route(), payload)
}

/// The two sides with message 1 on its way.
fn pair() -> (Side, Side) {
    (Side::new("alice", 1), Side::new("bob", 2))
}

/// Runs the handshake as far as it goes.
fn shake(alice: &mut Side, bob: &mut Side) -> [Message; 3] {
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    alice.receive(&m2).unwrap();
    let m3 = alice.sent.pop_front().unwrap();
    bob.receive(&m3).unwrap();
    [m1, m2, m3]
}

fn opened() -> (Side, Side) {
    let (mut alice, mut bob) = pair();
    shake(&mut alice, &mut bob);
    assert_eq!((alice.state(), bob.state()), (State::Open, State::Open));
    (alice, bob)
}

//= spec/src/channels.md#chn-1
//= type=test
//# A handshake message MUST travel as the payload of a routed message, without a prefix or wrapper, with the sender's decryptor address as its return route.
//= spec/src/channels.md#chn-2
//= type=test
//# An initiator MUST send message 1 with an empty payload.
//= spec/src/channels.md#chn-13
//= type=test
//# Message 3 and everything after it MUST be sent along the return route of message 2, and what a responder sends along that of message 1 or 3.
#[test]
fn three_raw_messages_open_a_channel_between_two_who_know_each_other_then() {
    let (mut alice, mut bob) = pair();
    let [m1, m2, m3] = shake(&mut alice, &mut bob);
    assert_eq!(m1.payload().len(), 32);
    assert_eq!(m1.onward().to_owned(), Route::from_iter(["hop", "api"]));
    assert_eq!(m1.return_route().to_owned(), Route::from_iter(["alice.decryptor"]));
    assert_eq!(m2.onward().to_owned(), Route::from_iter(["alice.decryptor"]));
    assert_eq!(m2.payload().len(), 32 + 48 + 16 + bob.config.presentation.len());
    assert_eq!(m3.onward().to_owned(), Route::from_iter(["bob.decryptor"]));
    assert_eq!(alice.events, [Event::Opened(bob.person.id())]);
    assert_eq!(bob.events, [Event::Opened(alice.person.id())]);
    assert_eq!((alice.store.len(), bob.store.len()), (1, 1), "strangers are remembered");
    assert!(alice.channel.as_ref().unwrap().deadline().is_none());
}

//= spec/src/channels.md#chn-43
//= type=test
//# An encrypted Payload MUST be sent to the remote route with an empty return route.
//= spec/src/channels.md#chn-44
//= type=test
//# An encryptor MUST put both routes and the payload of a message, and not its tracing text, under the encryption.
//= spec/src/channels.md#chn-45
//= type=test
//# A decryptor MUST put its encryptor address at the front of the inner return route before it delivers a message.
#[test]
fn a_message_comes_out_as_it_went_in_with_the_way_back_through_the_channel() {
    let (mut alice, mut bob) = opened();
    let mut message = Message::new(Route::from_iter(["echo"]).as_ref(), Route::from_iter(["app"]).as_ref(), b"hello");
    message.set_tracing(Some("{}"));
    alice.input(Input::Send(message)).unwrap();
    let sealed = alice.sent.pop_front().unwrap();
    assert_eq!(sealed.onward().to_owned(), Route::from_iter(["bob.decryptor"]));
    assert!(sealed.return_route().is_empty());
    bob.receive(&sealed).unwrap();
    let delivered = &bob.delivered[0];
    assert_eq!(delivered.payload(), b"hello");
    assert_eq!(delivered.onward().to_owned(), Route::from_iter(["echo"]));
    assert_eq!(delivered.return_route().to_owned(), Route::from_iter(["bob.encryptor", "app"]));
    assert_eq!(delivered.tracing(), None);
}

//= spec/src/channels.md#chn-29
//= type=test
//# The initiator MUST encrypt with the second key of the split and decrypt with the first, and the responder the other way round.
#[test]
fn each_side_encrypts_and_decrypts_with_the_keys_that_the_profile_gives_to_its_role() {
    // The other side is the handshake alone, whose keys are held against known ones in its own tests.
    let (mut alice, bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    let mut entropy = Seeded::from_u64(5);
    let (needs, _) =
        responder::NeedsStaticDh::<Aes256GcmSha256>::read_message_1(bob.person.static_key, &mut entropy, m1.payload())
            .unwrap();
    let shared = bob.person.vault.static_dh(&bob.config.static_handle, &needs.dh_with()).unwrap();
    let (waits, m2) = needs.write_message_2(&shared, &bob.config.presentation).unwrap();
    let way = Route::from_iter(["bob.decryptor"]);
    alice.receive(&Message::new(Route::new().as_ref(), way.as_ref(), &m2)).unwrap();
    let (responder, _) = waits.read_message_3(alice.sent.pop_front().unwrap().payload()).unwrap();
    Decryptor::<Aes256GcmSha256>::new(responder.receive).open(&mut alice.send(b"there")).unwrap();
    let mut back = Message::raw([&[0; 64][..], &encode_close(Padding::None)].concat(), 64);
    Encryptor::<Aes256GcmSha256>::new(responder.send).seal(&mut back).unwrap();
    alice.receive(&back).unwrap();
    assert_eq!(alice.state(), State::Closed);

    let (alice, mut bob) = pair();
    let (waits, m1) = initiator::AwaitsMessage2::<Aes256GcmSha256>::start(alice.person.static_key, &mut entropy);
    let way = Route::from_iter(["alice.decryptor"]);
    bob.respond(&Message::new(Route::new().as_ref(), way.as_ref(), &m1)).unwrap();
    let (needs, _) = waits.read_message_2(bob.sent.pop_front().unwrap().payload()).unwrap();
    let shared = alice.person.vault.static_dh(&alice.config.static_handle, &needs.dh_with()).unwrap();
    let (initiator, m3) = needs.write_message_3(&shared, &alice.config.presentation).unwrap();
    bob.receive(&Message::new(Route::new().as_ref(), way.as_ref(), &m3)).unwrap();
    Decryptor::<Aes256GcmSha256>::new(initiator.receive).open(&mut bob.send(b"back")).unwrap();
    let mut there = Message::raw([&[0; 64][..], &encode_close(Padding::None)].concat(), 64);
    Encryptor::<Aes256GcmSha256>::new(initiator.send).seal(&mut there).unwrap();
    bob.receive(&there).unwrap();
    assert_eq!(bob.state(), State::Closed);
}

//= spec/src/channels.md#chn-3
//= type=test
//# A responder MUST take any payload in message 1 into the handshake hash, and use it for nothing else.
#[test]
fn a_payload_in_message_1_is_hashed_so_that_adding_one_on_the_way_is_noticed() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let mut m1 = alice.sent.pop_front().unwrap();
    m1 = with_payload(&m1, &[m1.payload(), b"x"].concat());
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    assert!(alice.receive(&m2).is_err());
    assert_eq!(alice.state(), State::AwaitMessage2);
}

//= spec/src/channels.md#chn-15
//= type=test
//# A message 2 that fails any check MUST leave the initiator waiting with its state unchanged.
#[test]
fn a_garbage_message_2_does_not_kill_the_handshake() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    let before = alice.picture();
    for len in [0, 1, 31, 32, 79, 80, 96, 200, 65_535, 65_536] {
        let garbage = with_payload(&m2, &vec![0xa5; len]);
        assert!(alice.receive(&garbage).is_err(), "{len} bytes");
    }
    for position in (0..m2.payload().len()).step_by(7) {
        let mut flipped = m2.clone();
        flipped.payload_mut()[position] ^= 1;
        assert!(alice.receive(&flipped).is_err(), "byte {position}");
    }
    assert_eq!(alice.picture(), before);
    alice.receive(&m2).unwrap();
    assert_eq!(alice.state(), State::Open);
}

//= spec/src/channels.md#chn-16
//= type=test
//# A message 3 that is not authentic MUST leave the responder waiting with its state unchanged.
#[test]
fn a_garbage_message_3_does_not_kill_the_handshake() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    let m3 = alice.sent.pop_front().unwrap();
    for position in (0..m3.payload().len()).step_by(11) {
        let mut flipped = m3.clone();
        flipped.payload_mut()[position] ^= 0x80;
        let _ = bob.receive(&flipped);
        assert_eq!(bob.state(), State::AwaitMessage3);
    }
    bob.receive(&m3).unwrap();
    assert_eq!(bob.state(), State::Open);
}

/// Alice opens a channel to a liar with this configuration; the error that she sees.
fn alice_meets(mut liar: Side) -> Error {
    let mut alice = Side::new("alice", 1);
    alice.initiate();
    liar.respond(&alice.sent.pop_front().unwrap()).unwrap();
    let error = alice.receive(&liar.sent.pop_front().unwrap()).unwrap_err();
    assert_eq!(alice.state(), State::AwaitMessage2);
    assert!(alice.store.is_empty() && alice.sent.is_empty() && alice.events.is_empty());
    error
}

//= spec/src/channels.md#chn-8
//= type=test
//# A party MUST refuse a peer whose attested key is not of kind `SecureChannelStatic` or not the static key of the handshake.
#[test]
fn the_papers_of_another_do_not_open_a_channel() {
    let victim = Person::new(9);
    let mut liar = Side::new("liar", 3);
    liar.config = liar.person.posing_with(&victim.identity, &victim.attestation);
    assert_eq!(alice_meets(liar).requirement(), "PUR-15");
}

//= spec/src/channels.md#chn-7
//= type=test
//# A party MUST verify the peer's attestation with that identifier as its subject.
#[test]
fn an_attestation_of_another_subject_or_an_older_change_or_without_its_signature_is_refused() {
    let victim = Person::new(9);
    let mut liar = Side::new("liar", 3);
    liar.config = liar.person.posing_with(&victim.identity, &liar.person.attestation);
    assert_eq!(alice_meets(liar).requirement().split('-').next(), Some("PUR"));

    let mut liar = Side::new("liar", 3);
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated = liar.person.identity.clone().rotate(&mut liar.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    liar.config = liar.person.posing_with(&rotated, &liar.person.attestation);
    assert_eq!(alice_meets(liar).requirement().split('-').next(), Some("PUR"));

    let mut liar = Side::new("liar", 3);
    let last = liar.config.presentation.len() - 2;
    liar.config.presentation[last] ^= 1;
    alice_meets(liar);
}

//= spec/src/channels.md#chn-6
//= type=test
//# A party MUST verify the peer's change history and derive the peer's identifier from it.
#[test]
fn a_history_with_any_changed_byte_is_refused() {
    let len = Person::new(3).identity.export().len();
    for position in (1..len).step_by(5) {
        let mut liar = Side::new("liar", 3);
        liar.config.presentation[1 + position] ^= 1;
        alice_meets(liar);
    }
}

//= spec/src/channels.md#chn-10
//= type=test
//# A party MUST NOT open a channel with an identity that its trust policy does not trust.
#[test]
fn an_untrusted_peer_is_refused_on_either_side_and_not_even_remembered() {
    let (mut alice, mut bob) = pair();
    alice.config.trust = Trust::One(alice.person.id());
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!(alice.receive(&bob.sent.pop_front().unwrap()).unwrap_err().requirement(), "CHN-10");
    assert!(alice.store.is_empty());

    let (mut alice, mut bob) = pair();
    bob.config.trust = Trust::AnyOf(vec![]);
    shake(&mut alice, &mut bob);
    assert_eq!(bob.state(), State::Closed);
    assert!(matches!(&bob.events[..], [Event::Failed(error)] if error.requirement() == "CHN-10"));
    assert!(bob.store.is_empty());
}

//= spec/src/channels.md#chn-17
//= type=test
//# A responder MUST end the handshake when an authentic message 3 carries a presentation that it refuses.
#[test]
fn an_initiator_with_the_papers_of_another_ends_the_responders_handshake() {
    let victim = Person::new(9);
    let (mut alice, mut bob) = pair();
    alice.config = alice.person.posing_with(&victim.identity, &victim.attestation);
    shake(&mut alice, &mut bob);
    assert_eq!(bob.state(), State::Closed);
    assert!(matches!(&bob.events[..], [Event::Failed(error)] if error.requirement() == "PUR-15"));
}

//= spec/src/channels.md#chn-9
//= type=test
//# A party MUST refuse a peer whose change history is older than the one it knows or conflicts with it.
#[test]
fn a_peer_with_an_older_history_than_the_known_one_is_refused() {
    let (mut alice, mut bob) = pair();
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let mut vault = SoftwareVault::new();
    core::mem::swap(&mut vault, &mut bob.person.vault);
    let rotated = bob.person.identity.rotate(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
    core::mem::swap(&mut vault, &mut bob.person.vault);
    alice.store.pin(&rotated).unwrap();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    assert_eq!(alice.state(), State::AwaitMessage2);
    assert!(alice.sent.is_empty());
    alice.now = Instant::from_millis(120_000);
    alice.channel.as_mut().unwrap().handle_timeout(&mut Env::new(alice.now, NOW, &mut alice.entropy));
    alice.drain();
    let [Event::Dropped(dropped), Event::Failed(failed)] = &alice.events[..] else { panic!("{:?}", alice.events) };
    assert_eq!((dropped.requirement(), failed), ("IDN-28", dropped), "the reason of the timeout is the last refusal");
}

//= spec/src/channels.md#chn-12
//= type=test
//# A party MUST NOT send or show anything that depends on the store before the store has answered.
//= spec/src/channels.md#chn-19
//= type=test
//# An answer that comes late, twice, or to no question MUST change nothing.
#[test]
fn answers_may_come_late_twice_or_wrong_and_nothing_shows_before_them() {
    let (mut alice, mut bob) = pair();
    (alice.late, bob.late) = (true, true);
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    assert!(bob.sent.is_empty());
    assert_eq!(bob.state(), State::AwaitKeyForMessage2);
    bob.answer_one();
    bob.drain();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    for expected in [State::LoadPeer, State::StorePeer, State::AwaitKeyForMessage3] {
        assert_eq!(alice.state(), expected);
        assert!(alice.sent.is_empty() && alice.events.is_empty());
        let before = alice.picture();
        let (ticket, _) = alice.requests[0];
        for wrong in [Ticket(ticket.0 + 1), Ticket(ticket.0.wrapping_sub(1))] {
            alice.input(Input::Answer(wrong, Answer::Store(Ok(StoreAnswer::Stored)))).unwrap();
        }
        assert_eq!(alice.picture(), before);
        alice.answer_one();
        alice.drain();
    }
    assert_eq!(alice.state(), State::Open);
    let before = alice.picture();
    alice.input(Input::Answer(Ticket(0), Answer::Store(Ok(StoreAnswer::Loaded(None))))).unwrap();
    assert_eq!(alice.picture(), before);
}

#[test]
fn a_vault_that_refuses_ends_the_handshake() {
    let (mut alice, mut bob) = pair();
    bob.late = true;
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    let (ticket, _) = bob.requests.pop_front().unwrap();
    let refused = Error::misuse("VLT-31", "no such key");
    bob.input(Input::Answer(ticket, Answer::Vault(Err(refused)))).unwrap();
    assert_eq!((bob.state(), &bob.events[..]), (State::Closed, &[Event::Failed(refused)][..]));
}

//= spec/src/channels.md#chn-18
//= type=test
//# Each party MUST give up a handshake that is not finished when its timeout has passed, and erase its keys.
#[test]
fn both_sides_give_up_after_their_timeout_and_not_before() {
    let (mut alice, mut bob) = pair();
    bob.config.timeout = HandshakeTime(core::time::Duration::from_secs(7));
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    for (side, seconds) in [(&mut alice, 120), (&mut bob, 7)] {
        assert_eq!(side.channel.as_ref().unwrap().deadline().unwrap().at, Instant::from_millis(seconds * 1000));
        for (millis, state) in [(seconds * 1000 - 1, None), (seconds * 1000, Some(State::Closed))] {
            let now = Instant::from_millis(millis);
            side.channel.as_mut().unwrap().handle_timeout(&mut Env::new(now, NOW, &mut side.entropy));
            side.drain();
            assert!(state.is_none_or(|state| side.state() == state));
            assert_eq!(side.events.len(), usize::from(state.is_some()));
        }
        assert!(matches!(side.events[0], Event::Failed(error) if error.requirement() == "CHN-18"));
    }
}

#[test]
fn a_timeout_beyond_the_limits_counts_as_the_nearest_within() {
    for (configured, counts) in [(0, 5), (5, 5), (3600, 3600), (86_400, 3600)] {
        let mut alice = Side::new("alice", 1);
        alice.config.timeout = HandshakeTime(core::time::Duration::from_secs(configured));
        alice.initiate();
        let deadline = alice.channel.as_ref().unwrap().deadline().unwrap().at;
        assert_eq!(deadline, Instant::from_millis(counts * 1000));
    }
}

#[test]
fn a_genuine_message_2_that_comes_while_the_store_is_asked_about_a_thief_is_taken_after_all() {
    // Bob has rotated his key, and Alice knows; the thief answers first, with the older history.
    let (mut alice, mut thief) = pair();
    let mut bob = Side::new("bob", 2);
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated = bob.person.identity.clone().rotate(&mut bob.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    let (_, attestation) = rotated.attest_static_key(&mut bob.person.vault, &mut env).unwrap();
    bob.config = Config::new(&rotated, &attestation, &[], NOW).unwrap();
    alice.store.pin(&rotated).unwrap();
    alice.late = true;
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    for side in [&mut thief, &mut bob] {
        side.respond(&m1).unwrap();
        alice.receive(&side.sent.pop_front().unwrap()).unwrap();
        assert_eq!(alice.state(), State::LoadPeer);
    }
    alice.late = false;
    alice.answer_one();
    alice.drain();
    assert_eq!(alice.state(), State::Open);
    let [Event::Dropped(dropped), Event::Opened(peer)] = &alice.events[..] else { panic!("{:?}", alice.events) };
    assert_eq!((dropped.requirement(), *peer), ("IDN-28", rotated.identifier()));
}

//= spec/src/channels.md#chn-20
//= type=test
//# A party MUST send each handshake message at most once.
//= spec/src/channels.md#chn-37
//= type=test
//# A decryptor MUST NOT change its window, its keys or its route before the tag of the message has been verified.
#[test]
fn duplicates_of_the_handshake_change_nothing_in_an_open_channel() {
    let (mut alice, mut bob) = pair();
    let messages = shake(&mut alice, &mut bob);
    let before = (alice.picture(), bob.picture());
    for message in &messages {
        assert!(alice.receive(message).is_err());
        assert!(bob.receive(message).is_err());
    }
    assert!((alice.picture(), bob.picture()) == before);
    assert!(alice.sent.is_empty() && bob.sent.is_empty());
}

#[test]
fn data_that_overtakes_message_3_is_held_and_delivered() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    let m3 = alice.sent.pop_front().unwrap();
    let (one, two) = (alice.send(b"one"), alice.send(b"two"));
    let mut forged = two.clone();
    forged.payload_mut()[12] ^= 1;
    for early in [&two, &forged, &one, &two] {
        bob.receive(early).unwrap();
        assert!(bob.delivered.is_empty());
    }
    bob.receive(&m3).unwrap();
    let payloads: Vec<_> = bob.delivered.iter().map(Message::payload).collect();
    assert_eq!(payloads, [b"two", b"one"]);
    assert_eq!(bob.events.iter().filter(|event| matches!(event, Event::Dropped(_))).count(), 2);
}

//= spec/src/channels.md#chn-21
//= type=test
//# A party MUST bound the number and the bytes of messages that it holds until the handshake is finished, and drop what exceeds them.
#[test]
fn what_is_held_is_bounded_in_number_and_bytes() {
    for (len, hold, most) in [
        (8, HoldLimits::DEFAULT, 8),
        (10_000, HoldLimits::DEFAULT, 3),
        (8, HoldLimits { messages: 2, ..HoldLimits::DEFAULT }, 2),
        (8, HoldLimits::FLOOR, 0),
    ] {
        let (mut alice, mut bob) = pair();
        bob.config.hold = hold;
        alice.initiate();
        bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
        let flood = Message::new(Route::new().as_ref(), Route::new().as_ref(), &vec![1; len]);
        let taken = (0..100).filter(|_| bob.receive(&flood).is_ok()).count();
        assert_eq!(taken, most);
        let channel = bob.channel.as_ref().unwrap();
        assert!(channel.provisional() <= channel.provisional_limit());
    }
}

//= spec/src/channels.md#chn-39
//= type=test
//# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
#[test]
fn forgeries_reflections_and_replays_change_nothing() {
    let (mut alice, mut bob) = opened();
    let (mut carol, mut dave) = (Side::new("carol", 5), Side::new("dave", 6));
    shake(&mut carol, &mut dave);
    let message = alice.send(b"text");
    bob.receive(&message).unwrap();
    let elsewhere = carol.send(b"from another session");
    let before = (alice.picture(), bob.picture());
    assert_eq!(bob.receive(&message).unwrap_err().requirement(), "CHN-14");
    assert_eq!(alice.receive(&message).unwrap_err().requirement(), "CHN-37");
    assert_eq!(bob.receive(&elsewhere).unwrap_err().requirement(), "CHN-14");
    for nonce in [1u64, 31, 32, 33, 64, u64::MAX] {
        let mut forged = message.clone();
        forged.payload_mut()[..8].copy_from_slice(&nonce.to_be_bytes());
        assert!(bob.receive(&forged).is_err());
    }
    assert!((alice.picture(), bob.picture()) == before);
    assert_eq!(bob.delivered.len(), 1);
}

//= spec/src/channels.md#chn-39
//= type=test
//# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
#[test]
fn what_is_refused_is_wiped_whether_or_not_it_was_authentic() {
    let (mut alice, mut bob) = opened();
    let genuine = alice.send(b"text");
    let mut forged = genuine.clone();
    forged.payload_mut()[9] ^= 1;
    let machine::Phase::Open(session) = &mut alice.channel.as_mut().unwrap().phase else { panic!() };
    let mut nonsense = Message::raw([&[0; 64][..], b"nothing that a channel says"].concat(), 64);
    session.seal(&mut nonsense).unwrap();
    let Channel { shared, phase: machine::Phase::Open(session) } = bob.channel.as_mut().unwrap() else { panic!() };
    for (mut message, requirement) in
        [(forged, "CHN-37"), (nonsense, "CHN-40"), (Message::raw(vec![7; 9], 0), "CHN-31")]
    {
        let error = session.receive(shared, &mut message).unwrap_err();
        assert_eq!(error.requirement(), requirement);
        assert!(message.payload().is_empty());
    }
    bob.receive(&genuine).unwrap();
}

//= spec/src/channels.md#chn-46
//= type=test
//# Only a responder, and only for a Payload with a greater nonce than any Payload before, MUST take the message's return route as its way to the peer.
#[test]
fn only_a_fresher_payload_moves_the_route_of_a_responder_and_nothing_moves_an_initiators() {
    let (mut alice, mut bob) = opened();
    let via = |message: &Message, hop: &str| {
        let mut message = message.clone();
        message.push_return(Address::local(hop).as_ref());
        message
    };
    let route = |side: &Side| side.channel.as_ref().unwrap().remote_route().unwrap().clone();
    let messages: Vec<_> = (0..4).map(|n| alice.send(&[n])).collect();
    bob.receive(&via(&messages[0], "zero")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["alice.decryptor"]), "nonce 0 is not greater than 0");
    bob.receive(&via(&messages[2], "two")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    bob.receive(&via(&messages[1], "late")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    let mut forged = via(&messages[3], "forged");
    forged.payload_mut()[20] ^= 1;
    assert!(bob.receive(&forged).is_err());
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    for _ in 0..3 {
        let answer = bob.send(b"answer");
        alice.receive(&via(&answer, "detour")).unwrap();
    }
    assert_eq!(route(&alice), Route::from_iter(["bob.decryptor"]));
    alice.input(Input::SetRoute(Route::from_iter(["new", "way"]))).unwrap();
    assert_eq!(route(&alice), Route::from_iter(["new", "way", "bob.decryptor"]));
}

//= spec/src/channels.md#chn-47
//= type=test
//# A party that closes an open channel MUST send one Close, with its encryptor address as return route.
//= spec/src/channels.md#chn-48
//= type=test
//# A party that receives a Close MUST close the channel and send nothing.
//= spec/src/channels.md#chn-49
//= type=test
//# A party MUST erase all keys of a channel when the channel is closed.
#[test]
fn close_is_sent_once_and_answered_by_nothing() {
    let (mut alice, mut bob) = opened();
    alice.input(Input::Close).unwrap();
    alice.input(Input::Close).unwrap();
    assert_eq!(alice.sent.len(), 1);
    let close = alice.sent.pop_front().unwrap();
    assert_eq!(close.return_route().to_owned(), Route::from_iter(["alice.encryptor"]));
    let mut forged = close.clone();
    forged.payload_mut()[9] ^= 1;
    assert!(bob.receive(&forged).is_err());
    assert_eq!(bob.state(), State::Open);
    bob.receive(&close).unwrap();
    for side in [&alice, &bob] {
        assert_eq!((side.state(), side.events.last()), (State::Closed, Some(&Event::Closed)));
        assert!(matches!(side.channel.as_ref().unwrap().phase, machine::Phase::Closed), "no key is left");
    }
    assert!(bob.sent.is_empty());
    assert_eq!(bob.receive(&close).unwrap_err().requirement(), "CHN-49");
}

/// A credential of the right form whose data is `data`.
fn credential(person: &Person, data: &[u8]) -> PresentedCredential {
    let attestation = person.attestation.export();
    let mut reader = Reader::new(attestation);
    reader.array_of(2).unwrap();
    reader.bytes(usize::MAX).unwrap();
    let signature = &attestation[reader.position()..];
    let mut signed = Encoder::new(Vec::new());
    signed.array(3).unwrap().u8(1).unwrap().u8(3).unwrap().bytes(data).unwrap();
    let mut encoder = Encoder::new(vec![0x82, 0x82]);
    encoder.bytes(&signed.into_writer()).unwrap();
    let bytes = [&encoder.into_writer(), signature, attestation].concat();
    PresentedCredential::decode(&bytes, bytes.len()).unwrap()
}

/// What a side was told of its peer's credentials.
fn told(side: &Side) -> Vec<&[PresentedCredential]> {
    let list = side.events.iter().filter_map(|event| match event {
        Event::Credentials(list) => Some(&list[..]),
        _ => None,
    });
    list.collect()
}

#[test]
fn credentials_of_the_handshake_are_told_when_the_channel_is_open() {
    let (mut alice, mut bob) = pair();
    let shown = [credential(&alice.person, b"one"), credential(&alice.person, b"two")];
    alice.config = Config::new(&alice.person.identity, &alice.person.attestation, &shown, NOW).unwrap();
    shake(&mut alice, &mut bob);
    assert_eq!(bob.events, [Event::Opened(alice.person.id()), Event::Credentials(shown.to_vec())]);
    assert_eq!(alice.events, [Event::Opened(bob.person.id())]);
}

//= spec/src/channels.md#chn-50
//= type=test
//# A party MUST drop a RefreshCredentials whose change history does not verify as that of the channel's peer.
#[test]
fn credentials_are_refreshed_by_the_peer_and_by_nobody_else() {
    let (mut alice, mut bob) = opened();
    let stranger = Person::new(9);
    let shown = credential(&alice.person, b"renewed");
    let credentials = PresentedCredential::encode_list(core::slice::from_ref(&shown));
    for (identity, expected) in [(&stranger.identity, 0), (&alice.person.identity.clone(), 1)] {
        let history = identity.export().to_vec();
        alice.input(Input::RefreshCredentials { history, credentials: credentials.clone() }).unwrap();
        let message = alice.sent.pop_front().unwrap();
        assert_eq!(message.return_route().to_owned(), Route::from_iter(["alice.encryptor"]));
        assert_eq!(bob.receive(&message).is_ok(), expected == 1);
        assert_eq!(told(&bob).len(), expected);
    }
    assert_eq!(told(&bob), [[shown]]);
    assert_eq!((bob.state(), bob.delivered.len()), (State::Open, 0));
}

//= spec/src/channels.md#chn-59
//= type=test
//# A party MUST drop a RefreshCredentials whose credentials would be refused in a presentation.
#[test]
fn a_refresh_with_credentials_that_are_too_many_too_long_or_none_is_dropped() {
    let (mut alice, mut bob) = opened();
    let limits = crate::identity::PresentationLimits::DEFAULT;
    let small = credential(&alice.person, b"");
    let many = vec![small.clone(); usize::from(limits.credentials) + 1];
    let long = credential(&alice.person, &vec![0; limits.credential]);
    let lists = [
        (PresentedCredential::encode_list(&many), "PUR-20"),
        (PresentedCredential::encode_list(&[long]), "COD-6"),
        (vec![0x81, 0x00], "COD-3"),
    ];
    for (credentials, requirement) in lists {
        let history = alice.person.identity.export().to_vec();
        alice.input(Input::RefreshCredentials { history, credentials }).unwrap();
        let message = alice.sent.pop_front().unwrap();
        assert_eq!(bob.receive(&message).unwrap_err().requirement(), requirement);
        assert_eq!(bob.channel.as_ref().unwrap().provisional(), 0);
    }
    assert!(bob.requests.is_empty() && told(&bob).is_empty());
}

//= spec/src/channels.md#chn-51
//= type=test
//# A party MUST give up a refresh for which its store has not answered within the timeout of handshakes.
#[test]
fn one_refresh_at_a_time_waits_for_the_store_and_not_for_ever() {
    let (mut alice, mut bob) = opened();
    bob.late = true;
    let mut refresh = || {
        let history = alice.person.identity.export().to_vec();
        let credentials = PresentedCredential::encode_list(&[credential(&alice.person, b"new")]);
        alice.input(Input::RefreshCredentials { history, credentials }).unwrap();
        alice.sent.pop_front().unwrap()
    };
    bob.receive(&refresh()).unwrap();
    let held = bob.channel.as_ref().unwrap().provisional();
    assert!(held > 0 && held <= bob.channel.as_ref().unwrap().provisional_limit());
    assert_eq!(bob.receive(&refresh()).unwrap_err().requirement(), "CHN-50");
    for (millis, dropped) in [(119_999, 0), (120_000, 1)] {
        bob.now = Instant::from_millis(millis);
        bob.channel.as_mut().unwrap().handle_timeout(&mut Env::new(bob.now, NOW, &mut bob.entropy));
        bob.drain();
        let count = bob.events.iter().filter(|event| matches!(event, Event::Dropped(e) if e.requirement() == "CHN-51"));
        assert_eq!(count.count(), dropped);
    }
    // The answer to a refresh that was given up tells nothing; the next refresh is as good as the first.
    bob.answer_one();
    bob.drain();
    assert!(told(&bob).is_empty());
    bob.late = false;
    bob.receive(&refresh()).unwrap();
    assert_eq!(told(&bob).len(), 1);
}

#[test]
fn a_refresh_with_a_newer_history_is_told_when_the_history_is_stored_and_not_before() {
    let (mut alice, mut bob) = opened();
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated =
        alice.person.identity.clone().rotate(&mut alice.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    let old = alice.person.identity.export().to_vec();
    bob.late = true;
    let mut refresh = |history: &[u8]| {
        alice.input(Input::RefreshCredentials { history: history.to_vec(), credentials: vec![0x80] }).unwrap();
        alice.sent.pop_front().unwrap()
    };
    bob.receive(&refresh(rotated.export())).unwrap();
    for (asked, shown) in [("load", 0), ("store", 0), ("nothing", 1)] {
        let request = bob.requests.front().map_or("nothing", |(_, request)| match request {
            Request::Store(StoreRequest::Load(_)) => "load",
            Request::Store(StoreRequest::Store(..)) => "store",
            Request::Vault(_) => "vault",
        });
        assert_eq!((request, told(&bob).len()), (asked, shown));
        bob.answer_one();
        bob.drain();
    }
    // Bob knows the newer history now: the older one is that of a thief.
    bob.late = false;
    bob.receive(&refresh(&old)).unwrap();
    assert_eq!(told(&bob).len(), 1);
    assert_eq!(
        bob.store.answer(&StoreRequest::Load(rotated.identifier())).ok().and_then(loaded),
        Some(rotated.export().to_vec())
    );
}

fn loaded(answer: StoreAnswer) -> Option<Vec<u8>> {
    match answer {
        StoreAnswer::Loaded(known) => known,
        StoreAnswer::Stored => None,
    }
}

#[test]
fn a_refresh_is_not_shown_on_an_answer_that_does_not_fit() {
    let (mut alice, mut bob) = opened();
    bob.late = true;
    let history = alice.person.identity.export().to_vec();
    alice.input(Input::RefreshCredentials { history, credentials: vec![0x80] }).unwrap();
    bob.receive(&alice.sent.pop_front().unwrap()).unwrap();
    let (ticket, _) = bob.requests.pop_front().unwrap();
    let stored = Answer::Store(Ok(StoreAnswer::Stored));
    assert_eq!(bob.input(Input::Answer(ticket, stored)).unwrap_err().requirement(), "CHN-19");
    assert!(told(&bob).is_empty());
}

//= spec/src/channels.md#chn-58
//= type=test
//# A party MUST NOT present more than 65 439 bytes.
#[test]
fn a_presentation_that_fits_into_no_handshake_message_is_refused_when_it_is_configured() {
    let (mut alice, mut bob) = pair();
    let (identity, attestation) = (&alice.person.identity, &alice.person.attestation);
    let config = |len| Config::new(identity, attestation, &[credential(&alice.person, &vec![7; len])], NOW);
    let overhead = config(60_000).unwrap().presentation.len() - 60_000;
    assert_eq!(config(65_440 - overhead).unwrap_err().requirement(), "CHN-58");
    let largest = config(65_439 - overhead).unwrap();
    let limits = crate::identity::PresentationLimits { credential: 65_535, ..bob.config.presentation_limits };
    alice.config.presentation_limits = limits;
    bob.config.presentation_limits = limits;
    let shown = [credential(&bob.person, &vec![7; 65_439 - overhead])];
    bob.config.presentation =
        Config::new(&bob.person.identity, &bob.person.attestation, &shown, NOW).unwrap().presentation;
    alice.config.presentation = largest.presentation;
    let [_, m2, _] = shake(&mut alice, &mut bob);
    assert_eq!((m2.payload().len(), bob.state()), (65_535, State::Open));
}

#[test]
fn nothing_can_be_sent_before_the_channel_is_open_or_after() {
    let (mut alice, _) = pair();
    alice.initiate();
    let message = || Message::new(Route::from_iter(["x"]).as_ref(), Route::new().as_ref(), b"");
    assert_eq!(alice.input(Input::Send(message())).unwrap_err().requirement(), "CHN-43");
    alice.input(Input::Close).unwrap();
    assert_eq!(alice.sent.len(), 1, "message 1 and no Close");
    assert_eq!(alice.input(Input::Send(message())).unwrap_err().requirement(), "CHN-49");
}

#[test]
fn two_hundred_messages_pass_in_both_directions_through_all_renewals() {
    let (mut alice, mut bob) = opened();
    for n in 0..200u8 {
        let (a, b) = (alice.send(&[n]), bob.send(&[n, n]));
        bob.receive(&a).unwrap();
        alice.receive(&b).unwrap();
    }
    assert_eq!((alice.delivered.len(), bob.delivered.len()), (200, 200));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What the window promises, whatever the network does.
    #[test]
    fn under_loss_duplication_and_disorder_everything_in_the_window_is_delivered_exactly_once(
        fates in prop::collection::vec((0u8..100, 0usize..24), 1..300),
    ) {
        let (mut alice, mut bob) = opened();
        let mut network: Vec<(usize, u64, Message)> = Vec::new();
        for (n, (fate, delay)) in fates.iter().enumerate() {
            let message = alice.send(&(n as u64).to_be_bytes());
            let copies = match fate { 0..15 => 0, 15..85 => 1, _ => 2 };
            for copy in 0..copies {
                network.push((n + delay + copy, n as u64, message.clone()));
            }
        }
        network.sort_by_key(|(at, _, _)| *at);
        let mut model = Window::new();
        let mut expected = Vec::new();
        for (_, nonce, message) in network {
            if let Ok(fresh) = model.check(nonce) {
                model.commit(fresh);
                expected.push(nonce);
            }
            let _ = bob.receive(&message);
        }
        let got: Vec<u64> = bob.delivered.iter().map(|m| u64::from_be_bytes(m.payload().try_into().unwrap())).collect();
        prop_assert_eq!(got, expected);
    }
}
