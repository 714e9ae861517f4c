//! Two nodes joined by one connection, and everything secret that they are going to have.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Addresses, Config, Listening, Trust};
use razor::env::{Entropy, Env, Instant, Purpose, Seeded, Timestamp};
use razor::identity::{Identifier, Identity, MemoryStore, StoreAnswer, StoreRequest};
use razor::machine::{Machine, Snapshot};
use razor::node::{self, Answer, Connected, ConnectionId, Echoer, Event, Flow, Input, Mailbox, Node, Output, Request};
use razor::node::{RequestId, Spec};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Suite;
use razor::vault::{Agreement, Cipher, Hash, Key, SecretKey, SharedSecret, SigningKind, SoftwareVault};
use razor_erasure::Watch;

pub(crate) const NOW: Timestamp = Timestamp(1_750_000_000);

const WIRE: ConnectionId = ConnectionId(1);

/// How many times a test renews the keys of a channel, at most.
const RENEWALS: usize = 6;

/// A node with its world.
pub(crate) struct Party {
    pub(crate) node: Node,
    pub(crate) vault: SoftwareVault,
    pub(crate) events: Vec<Event>,
    pub(crate) received: usize,
    /// Set to keep requests instead of answering them.
    pub(crate) late: bool,
    /// Set so that its store knows something else of everybody.
    pub(crate) forgetful: bool,
    requests: VecDeque<(RequestId, Request)>,
    identity: Identity,
    config: Config,
    store: MemoryStore,
    entropy: Seeded,
    sender: Address,
}

impl Party {
    fn new(seed: u64, kind: SigningKind) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut vault = SoftwareVault::new();
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let identity = Identity::create(&mut vault, kind, &mut env).unwrap();
        let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
        let config = Config::new(&identity, &attestation, &[], NOW).unwrap();
        Self {
            node: Node::new(node::Config::default(), &mut entropy),
            vault,
            events: Vec::new(),
            received: 0,
            late: false,
            forgetful: false,
            requests: VecDeque::new(),
            identity,
            config,
            store: MemoryStore::default(),
            entropy,
            sender: Address::local(""),
        }
    }

    /// Answers the oldest request. A function of its own, so that no answer is left in the frame of another.
    #[inline(never)]
    fn answer(&mut self, now: Instant) -> bool {
        let Some((id, request)) = self.requests.pop_front() else { return false };
        let answer = match &request {
            Request::Vault(request) => Answer::Vault(self.vault.answer(request)),
            Request::Store(StoreRequest::Load(_)) if self.forgetful => {
                Answer::Store(Ok(StoreAnswer::Loaded(Some(b"no history".to_vec()))))
            }
            Request::Store(request) => Answer::Store(self.store.answer(request)),
        };
        let mut env = Env::new(now, NOW, &mut self.entropy);
        self.node.handle(&mut env, Input::Answer { id, answer }).unwrap();
        true
    }

    pub(crate) fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.node.trusted(&mut picture);
        picture
    }

    pub(crate) fn opened(&self) -> Vec<(Address, Identifier)> {
        let opened = |event: &Event| match event {
            Event::ChannelOpened { encryptor, peer, .. } => Some((encryptor.clone(), *peer)),
            _ => None,
        };
        self.events.iter().filter_map(opened).collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

/// What a party draws, in this order.
struct Drawn {
    signing: [u8; 32],
    fixed: SecretKey,
    ephemerals: Vec<SecretKey>,
}

impl Drawn {
    fn ahead(seed: u64) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut draw = |purpose| <dyn Entropy>::array(&mut entropy as &mut dyn Entropy, purpose);
        let (signing, fixed) = (draw(Purpose::LongTermKey), SecretKey::new(draw(Purpose::LongTermKey)));
        Self { signing, fixed, ephemerals: (0..4).map(|_| SecretKey::new(draw(Purpose::Ephemeral))).collect() }
    }
}

/// Every secret of Alice and Bob of these seeds: their long-term keys, and what their channels make of them, when the
/// n-th that Alice begins is the n-th that Bob answers.
fn secrets<S: Suite>(alice: u64, bob: u64) -> Vec<(String, [u8; 32])> {
    let (alice, bob) = (Drawn::ahead(alice), Drawn::ahead(bob));
    let mut all = Vec::new();
    let mut add = |name: String, secret: &[u8; 32]| all.push((name, *secret));
    for (who, drawn) in [("Alice", &alice), ("Bob", &bob)] {
        add(format!("{who}'s signing key"), &drawn.signing);
        // The scalar of P-256 lies in memory as a number does.
        let mut number = drawn.signing;
        number.reverse();
        add(format!("{who}'s signing key as a number"), &number);
        add(format!("{who}'s static key"), drawn.fixed.as_bytes());
    }
    for (n, (e, r)) in alice.ephemerals.iter().zip(&bob.ephemerals).enumerate() {
        add(format!("Alice's ephemeral key {n}"), e.as_bytes());
        add(format!("Bob's ephemeral key {n}"), r.as_bytes());
        let agree = |secret, peer| S::Agreement::agree(secret, &S::Agreement::public_key(peer));
        let tokens = [("ee", agree(e, r)), ("es", agree(e, &bob.fixed)), ("se", agree(r, &alice.fixed))];
        let mut ck = Key::new(S::NAME.as_bytes().try_into().unwrap());
        for (token, SharedSecret(shared)) in tokens.iter().map(|(token, shared)| (token, shared)) {
            add(format!("the shared secret {token} of handshake {n}"), shared);
            let (next, k) = S::Hash::hkdf(&ck, shared);
            add(format!("ck after {token} of handshake {n}"), next.as_bytes());
            add(format!("k after {token} of handshake {n}"), k.as_bytes());
            ck = next;
        }
        let (to_bob, to_alice) = S::Hash::hkdf(&ck, &[]);
        for (way, first) in [("to the responder", to_bob), ("to the initiator", to_alice)] {
            let mut key = first;
            for renewal in 0..=RENEWALS {
                add(format!("key {renewal} {way} of channel {n}"), key.as_bytes());
                key = S::Cipher::new(&key).renewed_key().unwrap();
            }
        }
    }
    all
}

/// Overwrites the stack below: what calls left there gets into blocks by way of bytes that a value does not use, and
/// it is not the stack that is examined.
#[inline(never)]
pub(crate) fn clean_stack() {
    std::hint::black_box(&mut [0u8; 256 * 1024]);
}

/// Alice, who opens channels, and Bob, who listens.
pub(crate) struct Pair {
    pub(crate) parties: [Party; 2],
    pub(crate) watch: Watch,
    pub(crate) now: Instant,
    /// What is on its way, and to whom.
    flying: VecDeque<(usize, Vec<u8>)>,
    /// What becomes of each frame from now on.
    pub(crate) middle: fn(&mut Vec<u8>) -> bool,
}

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;

impl Pair {
    /// Both, with keys of this kind. Bob trusts everybody, or nobody at all.
    pub(crate) fn new<S: Suite>(seed: u64, kind: SigningKind, trust: Option<Trust>) -> Self {
        let watch = Watch::new();
        // On another stack, of which nothing can get into this one's blocks, and never given back.
        let secrets = std::thread::spawn(move || secrets::<S>(seed, seed + 1)).join().unwrap();
        secrets.leak().iter().for_each(|(name, secret)| watch.secret(name, secret));
        let mut parties = [Party::new(seed, kind), Party::new(seed + 1, kind)];
        if let Some(trust) = trust {
            parties[BOB].config = parties[BOB].config.clone().trusting(trust);
        }
        let mut pair = Self { parties, watch, now: Instant::ZERO, flying: VecDeque::new(), middle: |_| true };
        for who in [ALICE, BOB] {
            let connected = |node: &mut Node, env: &mut Env<'_>| node.connected(env, WIRE, Connected::default());
            pair.parties[who].sender = pair.with(who, connected).unwrap();
        }
        let through = pair.parties[BOB].node.producer_at(&pair.parties[BOB].sender.clone()).unwrap();
        let config = Arc::new(pair.parties[BOB].config.clone());
        let listening = Listening { reached_through: vec![through], ..Listening::default() };
        let id = pair.with(BOB, |node, env| channel::listen::<S>(node, env, config, listening)).unwrap();
        let flow = Flow { consumer_of: vec![id], ..Flow::default() };
        let echo = Spec { mailboxes: vec![Mailbox::open("echo".into())], flow, worker: Box::new(Echoer) };
        pair.with(BOB, |node, env| node.start_worker(env, echo)).unwrap();
        pair.run();
        pair
    }

    pub(crate) fn with<T>(&mut self, who: usize, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        clean_stack();
        self.call(who, call)
    }

    /// With a frame of its own: it lies where the stack has just been overwritten.
    #[inline(never)]
    fn call<T>(&mut self, who: usize, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let party = &mut self.parties[who];
        let result = call(&mut party.node, &mut Env::new(self.now, NOW, &mut party.entropy));
        clean_stack();
        let mut inputs = VecDeque::new();
        loop {
            while let Some(output) = party.node.poll_output() {
                match output {
                    Output::Transmit { connection, frame } => {
                        let mut bytes = frame.payload().to_vec();
                        inputs.push_back(Input::Sent { connection, bytes: bytes.len() as u64 });
                        if (self.middle)(&mut bytes) {
                            self.flying.push_back((1 - who, bytes));
                        }
                    }
                    Output::Deliver { inbox, .. } => {
                        party.received += 1;
                        inputs.push_back(Input::Taken { inbox, messages: 1 });
                    }
                    Output::Request { id, request, .. } => party.requests.push_back((id, request)),
                    Output::Event(event) => party.events.push(event),
                    output => panic!("{output:?}"),
                }
            }
            if let Some(input) = inputs.pop_front() {
                party.node.handle(&mut Env::new(self.now, NOW, &mut party.entropy), input).unwrap();
            } else if party.late || !party.answer(self.now) {
                return result;
            }
            clean_stack();
        }
    }

    /// Lets everything happen that is going to happen now.
    pub(crate) fn run(&mut self) {
        loop {
            if let Some((to, bytes)) = self.flying.pop_front() {
                self.with(to, |node, env| node.handle(env, Input::Received { connection: WIRE, bytes })).unwrap();
                continue;
            }
            let due = |party: &Party| party.node.deadline().is_some_and(|deadline| deadline.at <= self.now);
            let Some(who) = self.parties.iter().position(due) else { return };
            self.with(who, |node, env| node.handle_timeout(env));
        }
    }

    /// Gives `who` the answer to the oldest of its requests.
    pub(crate) fn answer(&mut self, who: usize) -> bool {
        let now = self.now;
        let answered = self.parties[who].answer(now);
        clean_stack();
        self.with(who, |_, _| ());
        answered
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.run();
    }

    /// Alice begins a channel, and what follows happens.
    pub(crate) fn begin<S: Suite>(&mut self) -> Addresses {
        let route = Route::new().then(self.parties[ALICE].sender.clone()).then("api");
        let config = Arc::new(self.parties[ALICE].config.clone());
        let channel = self.with(ALICE, |node, env| channel::create::<S>(node, env, config, &route)).unwrap();
        self.run();
        channel
    }

    /// Alice opens a channel and an inbox `app`.
    pub(crate) fn open<S: Suite>(&mut self) -> Addresses {
        let channel = self.begin::<S>();
        let bob = self.parties[BOB].identity.identifier();
        assert!(
            self.parties[ALICE].opened().contains(&(channel.encryptor.clone(), bob)),
            "{:?}",
            self.parties[0].events
        );
        let through = self.parties[ALICE].node.producer_at(&channel.encryptor).unwrap();
        let flow = Flow { consumer_of: vec![through], ..Flow::default() };
        self.with(ALICE, |node, env| node.open_inbox(env, Mailbox::open("app".into()), flow)).unwrap();
        channel
    }

    /// Alice says this to Bob's echo.
    pub(crate) fn say(&mut self, channel: &Addresses, payload: &[u8]) {
        let (onward, back) = (Route::new().then(channel.encryptor.clone()).then("echo"), Route::new().then("app"));
        let message = Message::new(onward.as_ref(), back.as_ref(), payload);
        self.with(ALICE, |node, env| node.send(env, message)).unwrap();
        self.run();
    }
}
