//! Two parties, a vault and a store each, and a middle that does as the test says.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

mod attacks;
mod credentials;
mod handshake;
mod open;
mod worker;

use super::*;
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::error::{Error, Result};
use crate::identity::{
    Identifier, Identity, MemoryStore, PresentedCredential, PurposeKeyAttestation, StoreAnswer, StoreRequest,
};
use crate::machine::{Deadline, Machine, Refused, Snapshot};
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
    /// When the answer to each request so far is of no use any more.
    deadlines: Vec<Instant>,
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
            deadlines: Vec::new(),
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
                    Output::Request { ticket, deadline, request } => {
                        self.deadlines.push(deadline);
                        self.requests.push_back((ticket, request));
                    }
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
