//! A secure channel, and a middle that carries, damages and replays what its peer sends.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::channel::{Addresses, Channel, Config, Input, Output, Ticket};
use crate::env::{Env, Instant, Seeded};
use crate::identity::{Identity, MemoryStore};
use crate::machine::Machine;
use crate::node::{Answer, Request};
use crate::routing::{Address, Message, Route};
use crate::vault::suite::Aes256GcmSha256;
use crate::vault::{SigningKind, SoftwareVault};
use arbitrary::Arbitrary;
#[cfg(test)]
use proptest::prelude::*;

use super::{Act, WALL, World, show};

type Side = Channel<Aes256GcmSha256>;

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Step {
    /// Whatever an honest run would do next.
    Next,
    /// The message that was delivered that many ago, again.
    Replay(usize),
    /// The next message of the peer, damaged.
    Damaged(Damage),
    Garbage(Vec<u8>),
    /// An answer to the request that many before the newest.
    Answer(usize, Reply),
    Send(u16),
    PeerSends(u16),
    SetRoute(u8),
    Refresh,
    Close,
    PeerCloses,
    Wait(u32),
}

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Damage {
    Flip(u16),
    Cut(u8),
    Longer(Vec<u8>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Reply {
    Right,
    OfTheOtherKind,
    Failure,
}

/// Steps as in an honest life, with some hostility.
#[cfg(test)]
pub(super) fn step() -> impl Strategy<Value = Step> {
    let damage = prop_oneof![
        any::<u16>().prop_map(Damage::Flip),
        any::<u8>().prop_map(Damage::Cut),
        any::<Vec<u8>>().prop_map(Damage::Longer)
    ];
    let reply = prop_oneof![8 => Just(Reply::Right), 1 => Just(Reply::OfTheOtherKind), 1 => Just(Reply::Failure)];
    prop_oneof![
        24 => Just(Step::Next),
        3 => (0..6usize).prop_map(Step::Replay),
        4 => damage.prop_map(Step::Damaged),
        2 => any::<Vec<u8>>().prop_map(Step::Garbage),
        2 => (0..4usize, reply).prop_map(|(ago, reply)| Step::Answer(ago, reply)),
        4 => (0..2_000u16).prop_map(Step::Send),
        8 => (0..2_000u16).prop_map(Step::PeerSends),
        1 => any::<u8>().prop_map(Step::SetRoute),
        1 => Just(Step::Refresh),
        1 => Just(Step::Close),
        1 => Just(Step::PeerCloses),
        2 => (0..60_000u32).prop_map(Step::Wait),
    ]
}

/// An identity with its keys; made once for all runs.
pub(crate) struct Person {
    vault: SoftwareVault,
    pub(crate) config: Arc<Config>,
    history: Vec<u8>,
}

impl Person {
    fn new(seed: u64) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut env = Env::new(Instant::ZERO, WALL, &mut entropy);
        let mut vault = SoftwareVault::new();
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
        let config = Arc::new(Config::new(&identity, &attestation, &[], WALL).unwrap());
        Self { vault, config, history: identity.export().to_vec() }
    }

    pub(crate) fn reply(&self, store: &mut MemoryStore, request: &Request) -> Answer {
        match request {
            Request::Vault(request) => Answer::Vault(self.vault.answer(request)),
            Request::Store(request) => Answer::Store(store.answer(request)),
        }
    }
}

std::thread_local!(pub(crate) static PEOPLE: [Rc<Person>; 2] = [1, 2].map(|seed| Rc::new(Person::new(seed))));

/// Which side is put through the contract.
pub(crate) trait Role {
    const INITIATES: bool;
}

/// The side that begins.
pub(crate) struct Initiator;

impl Role for Initiator {
    const INITIATES: bool = true;
}

/// The side that answers.
pub(crate) struct Responder;

impl Role for Responder {
    const INITIATES: bool = false;
}

/// Everything around one side: its vault and store, the messages on their way, and the whole other side.
pub(crate) struct Middle<R> {
    own: Rc<Person>,
    store: MemoryStore,
    requests: Vec<(Ticket, Request)>,
    answered: usize,
    /// From the own side to the peer.
    outgoing: VecDeque<Message>,
    /// From the peer, all of them.
    incoming: Vec<Message>,
    delivered: usize,
    peer: Peer,
    role: PhantomData<R>,
}

/// The other side, honest and prompt. Its clock stands still.
struct Peer {
    person: Rc<Person>,
    store: MemoryStore,
    entropy: Seeded,
    channel: Option<Side>,
}

fn addresses(name: &str) -> Addresses {
    Addresses {
        decryptor: Address::local(&format!("{name}.decryptor")),
        encryptor: Address::local(&format!("{name}.encryptor")),
    }
}

fn message(size: u16) -> Message {
    Message::new(Route::new().then("echo").as_ref(), Route::new().then("app").as_ref(), &vec![7; size.into()])
}

impl Peer {
    fn initiate(&mut self) -> Vec<Message> {
        let config = self.person.config.clone();
        let mut env = Env::new(Instant::ZERO, WALL, &mut self.entropy);
        self.channel = Some(Side::initiate(&mut env, config, addresses("peer"), &Route::new().then("api")));
        self.drain()
    }

    /// Takes what it can make sense of, and gives what it sends.
    fn receive(&mut self, message: Message) -> Vec<Message> {
        if self.channel.is_none() {
            let config = self.person.config.clone();
            let mut env = Env::new(Instant::ZERO, WALL, &mut self.entropy);
            self.channel = Side::respond(&mut env, config, addresses("peer"), &message).ok();
            return self.drain();
        }
        self.input(Input::Receive(message))
    }

    fn input(&mut self, input: Input) -> Vec<Message> {
        let Some(channel) = &mut self.channel else { return Vec::new() };
        let _ = channel.handle(&mut Env::new(Instant::ZERO, WALL, &mut self.entropy), input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        let Some(channel) = &mut self.channel else { return sent };
        while let Some(output) = channel.poll_output() {
            match output {
                Output::Transmit(message) => sent.push(message),
                Output::Request { ticket, request, .. } => {
                    let answer = self.person.reply(&mut self.store, &request);
                    return [sent, self.input(Input::Answer(ticket, answer))].concat();
                }
                Output::Deliver(_) | Output::Event(_) => {}
            }
        }
        sent
    }
}

impl<R: Role> Middle<R> {
    fn next(&mut self) -> Act<Side> {
        if let Some((ticket, request)) = self.requests.get(self.answered) {
            self.answered += 1;
            return Act::Input(Input::Answer(*ticket, self.own.reply(&mut self.store, request)));
        }
        if let Some(message) = self.incoming.get(self.delivered) {
            self.delivered += 1;
            return Act::Input(Input::Receive(message.clone()));
        }
        if let Some(message) = self.outgoing.pop_front() {
            self.incoming.extend(self.peer.receive(message));
        }
        Act::Nothing
    }

    fn answer(&mut self, ago: usize, reply: Reply) -> Act<Side> {
        let Some((ticket, request)) = self.requests.iter().rev().nth(ago) else { return Act::Nothing };
        let failure = Error::misuse("VLT-31", "the key is gone");
        let answer = match (reply, request) {
            (Reply::Right, _) => self.own.reply(&mut self.store, request),
            (Reply::Failure, Request::Vault(_)) | (Reply::OfTheOtherKind, Request::Store(_)) => {
                Answer::Vault(Err(failure))
            }
            (Reply::Failure, Request::Store(_)) | (Reply::OfTheOtherKind, Request::Vault(_)) => {
                Answer::Store(Err(failure))
            }
        };
        Act::Input(Input::Answer(*ticket, answer))
    }
}

impl Damage {
    fn apply(&self, message: &Message) -> Message {
        let mut payload = message.payload().to_vec();
        match self {
            Damage::Flip(bit) => {
                let bit = usize::from(*bit) % (payload.len() * 8);
                payload[bit / 8] ^= 1 << (bit % 8);
            }
            Damage::Cut(count) => payload.truncate(payload.len() - 1 - usize::from(*count).min(payload.len() - 1)),
            Damage::Longer(bytes) => payload.extend([&[1], bytes.as_slice()].concat()),
        }
        Message::new(message.onward(), message.return_route(), &payload)
    }
}

impl<R: Role> World for Middle<R> {
    type Machine = Side;
    type Step = Step;

    const OUTPUTS: usize = 32;

    fn new(env: &mut Env<'_>) -> (Self, Side) {
        let [own, person] = PEOPLE.with(Clone::clone);
        let config = own.config.clone();
        let store = MemoryStore::default();
        let mut peer = Peer { person, store: store.clone(), entropy: Seeded::from_u64(9), channel: None };
        let side = if R::INITIATES {
            Side::initiate(env, config, addresses("own"), &Route::new().then("api"))
        } else {
            let first = peer.initiate().pop().expect("message 1");
            Side::respond(env, config, addresses("own"), &first).expect("it is a message 1")
        };
        let (requests, outgoing, incoming) = Default::default();
        let world =
            Self { own, store, requests, answered: 0, outgoing, incoming, delivered: 0, peer, role: PhantomData };
        (world, side)
    }

    fn act(&mut self, step: &Step) -> Act<Side> {
        match step {
            Step::Next => self.next(),
            Step::Replay(ago) => match self.incoming.iter().take(self.delivered).rev().nth(*ago) {
                Some(message) => Act::Input(Input::Receive(message.clone())),
                None => Act::Nothing,
            },
            Step::Damaged(damage) => match self.incoming.get(self.delivered).or(self.incoming.last()) {
                Some(message) => Act::Stranger(Input::Receive(damage.apply(message))),
                None => Act::Nothing,
            },
            Step::Garbage(bytes) => {
                let back = Route::new().then("stranger");
                Act::Stranger(Input::Receive(Message::new(Route::new().as_ref(), back.as_ref(), bytes)))
            }
            Step::Answer(ago, reply) => self.answer(*ago, *reply),
            Step::Send(size) => Act::Input(Input::Send(message(*size))),
            Step::PeerSends(size) => {
                self.incoming.extend(self.peer.input(Input::Send(message(*size))));
                Act::Nothing
            }
            Step::SetRoute(hops) => {
                let way = (0..*hops).map(|hop| Address::local(&format!("hop {hop}"))).collect();
                Act::Input(Input::SetRoute(way))
            }
            Step::Refresh => {
                // An empty list.
                let (history, credentials) = (self.peer.person.history.clone(), vec![0x80]);
                self.incoming.extend(self.peer.input(Input::RefreshCredentials { history, credentials }));
                Act::Nothing
            }
            Step::Close => Act::Input(Input::Close),
            Step::PeerCloses => {
                self.incoming.extend(self.peer.input(Input::Close));
                Act::Nothing
            }
            Step::Wait(millis) => Act::Wait(Duration::from_millis((*millis).into())),
        }
    }

    fn take(&mut self, output: Output) -> String {
        match output {
            Output::Transmit(message) => {
                let shown = format!("transmit {}", show(&message));
                self.outgoing.push_back(message);
                shown
            }
            Output::Deliver(message) => format!("deliver {}", show(&message)),
            Output::Request { ticket, deadline, request } => {
                let shown = format!("request {ticket:?} {deadline:?} {request:?}");
                self.requests.push((ticket, request));
                shown
            }
            Output::Event(event) => format!("{event:?}"),
        }
    }

    fn describe(input: &Input) -> String {
        match input {
            Input::Receive(message) | Input::Send(message) => show(message),
            other => format!("{other:?}"),
        }
    }
}
