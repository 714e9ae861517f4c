//! A real node at a place of the line: the machines of `razor`, a vault, a store and an identity.
//!
//! What stands between the node and the world is what a driver would be: it carries bytes, answers
//! requests, some of them late, and takes what arrives in the application's inbox.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Config, HandshakeTime, Listening, Places, Trust};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{Identifier, Identity, MemoryStore};
use razor::machine::{Deadline, Machine, Refused, Snapshot};
use razor::node::{
    self, Answer, Connected, ConnectionId, Event, Flow, FlowControlId, Hop, Mailbox, Node, Provenance, Request,
    RequestId, Spec,
};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{SigningKind, SoftwareVault};

use crate::host::{APP, HOP, Host, Input, Origin, Output, Side};
use crate::plan::Plan;
use crate::seed::{Seed, Stream};

/// The wall-clock time at which worlds begin.
const BEGIN: u64 = 1_750_000_000;

/// The bytes that one call gives to a node.
const CHUNK: usize = 4096;

/// A real node.
pub struct Party<S> {
    node: Node,
    entropy: Seeded,
    now: Instant,
    vault: SoftwareVault,
    store: MemoryStore,
    identity: Identity,
    config: Config,
    secrets: Vec<Vec<u8>>,
    /// All connections deliver under this id.
    connections_id: FlowControlId,
    connections: [Option<(ConnectionId, Address)>; 2],
    next_connection: u64,
    /// Bytes that the node could not take yet.
    held: [VecDeque<u8>; 2],
    /// The world's number of each channel that this end opened, by encryptor.
    tags: BTreeMap<Address, usize>,
    /// What its listener bears, if it has one.
    places: Option<Places>,
    /// The peer of each channel that others ever opened here, by encryptor.
    guests: BTreeMap<Address, Identifier>,
    /// How long the vault and the store take at most.
    lateness: Duration,
    late: Stream,
    answers: Vec<(Instant, RequestId, Answer)>,
    out: VecDeque<Output>,
    suite: PhantomData<fn() -> S>,
}

/// A line of real nodes for `plan`. Its ends trust one another alone, unless the far one is welcoming; the middle
/// trusts everybody.
pub fn line(seed: Seed, plan: &Plan) -> Vec<Box<dyn Host>> {
    match seed.stream("suite").below(3) {
        0 => line_of::<Aes256GcmSha256>(seed, plan),
        1 => line_of::<Aes128GcmSha256>(seed, plan),
        _ => line_of::<ChaChaPolyBlake2s>(seed, plan),
    }
}

fn line_of<S: Suite>(seed: Seed, plan: &Plan) -> Vec<Box<dyn Host>> {
    let mut parties: Vec<Party<S>> = (0..plan.nodes).map(|node| Party::new(seed, plan, node)).collect();
    let (first, last) = (parties[0].identifier(), plan.nodes - 1);
    if !plan.welcoming {
        parties[last].config = parties[last].config.clone().trusting(Trust::One(first));
    }
    for listener in [plan.middle, last] {
        parties[listener].listen(plan.places);
    }
    parties.into_iter().map(|party| Box::new(party) as Box<dyn Host>).collect()
}

impl<S: Suite> Party<S> {
    fn new(seed: Seed, plan: &Plan, node: usize) -> Self {
        let mut draw = seed.stream(&format!("party {node}"));
        let mut entropy = Seeded::new(seed.derive(&format!("node {node}")));
        let mut vault = SoftwareVault::new();
        let wall = wall(Instant::ZERO);
        let mut env = Env::new(Instant::ZERO, wall, &mut entropy);
        let kind = if draw.below(3) == 0 { SigningKind::P256 } else { SigningKind::Ed25519 };
        let identity = Identity::create(&mut vault, kind, &mut env).expect("a new identity");
        let (static_key, attestation) = identity.attest_static_key(&mut vault, &mut env).expect("a new static key");
        let mut config = Config::new(&identity, &attestation, &[], wall).expect("a short presentation");
        config.timeout = HandshakeTime::FLOOR;
        let mut node = Node::new(node::Config::default(), &mut entropy);
        let connections_id = node.new_flow_control_id();
        let mut party = Self {
            secrets: vec![identity.identifier().0.to_vec(), static_key.0.to_vec()],
            node,
            entropy,
            now: Instant::ZERO,
            vault,
            store: MemoryStore::default(),
            identity,
            config,
            connections_id,
            connections: [None, None],
            next_connection: 1,
            held: [VecDeque::new(), VecDeque::new()],
            tags: BTreeMap::new(),
            places: None,
            guests: BTreeMap::new(),
            lateness: plan.lateness,
            late: draw,
            answers: Vec::new(),
            out: VecDeque::new(),
            suite: PhantomData,
        };
        let flow = Flow { consumer_of: vec![connections_id], ..Flow::default() };
        let hop = Spec { mailboxes: vec![Mailbox::open(HOP.into())], flow: flow.clone(), worker: Box::new(Hop) };
        party.with(|node, env| node.start_worker(env, hop)).expect("a free address");
        party.with(|node, env| node.open_inbox(env, Mailbox::open(APP.into()), flow)).expect("a free address");
        party
    }

    /// Lets strangers open channels, and speak to the application through them.
    fn listen(&mut self, places: Places) {
        self.places = Some(places);
        let config = Arc::new(self.config.clone());
        let listening = Listening { places, reached_through: vec![self.connections_id], ..Listening::default() };
        let id = self.with(|node, env| channel::listen::<S>(node, env, config, listening)).expect("a free address");
        self.node.add_consumer(&APP.into(), id).expect("the inbox is there");
    }

    /// Calls the node, then gives it what follows from what it says until it says nothing more.
    fn with<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let result = call(&mut self.node, &mut Env::new(self.now, wall(self.now), &mut self.entropy));
        let mut inputs = VecDeque::new();
        loop {
            while let Some(output) = self.node.poll_output() {
                inputs.extend(self.happened(output));
            }
            let Some(input) = inputs.pop_front() else { return result };
            let mut env = Env::new(self.now, wall(self.now), &mut self.entropy);
            self.node.handle(&mut env, input).expect("a node takes what it asked for");
        }
    }

    /// Something came out of the node; what it is told at once.
    fn happened(&mut self, output: node::Output) -> Option<node::Input> {
        match output {
            node::Output::Transmit { connection, frame } => {
                let bytes = frame.payload().to_vec();
                let sent = node::Input::Sent { connection, bytes: bytes.len() as u64 };
                let side = self.side_of(connection)?;
                self.out.push_back(Output::Transmit(side, bytes));
                return Some(sent);
            }
            node::Output::Close { connection, .. } => {
                let side = self.side_of(connection)?;
                self.forget(side);
                self.out.push_back(Output::Disconnect(side));
            }
            node::Output::Deliver { inbox, delivery } => {
                let back = delivery.message.return_route().iter().map(|address| address.to_owned()).collect();
                let payload = delivery.message.payload().to_vec();
                let origin = origin(&delivery.provenance);
                self.out.push_back(Output::Delivered { payload, origin, back });
                return Some(node::Input::Taken { inbox, messages: 1 });
            }
            node::Output::Request { id, request, .. } => {
                let answer = match &request {
                    Request::Vault(request) => Answer::Vault(self.vault.answer(request)),
                    Request::Store(request) => Answer::Store(self.store.answer(request)),
                };
                let wait = self.late.duration(&(Duration::ZERO..=self.lateness));
                if wait.is_zero() {
                    return Some(node::Input::Answer { id, answer });
                }
                self.answers.push((self.now + wait, id, answer));
            }
            // Nothing is linked here.
            node::Output::Cross { .. } => {}
            node::Output::Event(event) => self.told(event),
        }
        None
    }

    fn told(&mut self, event: Event) {
        let output = match event {
            Event::ChannelOpened { encryptor, peer, .. } => {
                let tag = self.tags.remove(&encryptor);
                if tag.is_none() {
                    self.guests.insert(encryptor.clone(), peer);
                }
                if tag.is_some()
                    && let Some(id) = self.node.producer_at(&encryptor)
                {
                    self.node.add_consumer(&APP.into(), id).expect("the inbox is there");
                }
                Output::Opened { tag, encryptor, peer }
            }
            Event::ChannelFailed { encryptor, error } => Output::Failed { tag: self.tags.remove(&encryptor), error },
            Event::ChannelClosed { encryptor } => Output::Closed { encryptor },
            Event::Dropped { error, .. } => Output::Dropped(error),
            _ => return,
        };
        self.out.push_back(output);
    }

    fn side_of(&self, connection: ConnectionId) -> Option<Side> {
        let is = |side: &Side| matches!(&self.connections[*side as usize], Some((id, _)) if *id == connection);
        [Side::Left, Side::Right].into_iter().find(is)
    }

    fn forget(&mut self, side: Side) -> Option<ConnectionId> {
        self.held[side as usize].clear();
        self.connections[side as usize].take().map(|(id, _)| id)
    }

    fn connect(&mut self, side: Side) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let how = Connected { accepted_by: Some(self.connections_id), ..Connected::default() };
        // The opening byte comes out of this call: it has to be known whose it is.
        self.connections[side as usize] = Some((id, Address::local("")));
        let address = self.with(|node, env| node.connected(env, id, how)).expect("few connections");
        self.connections[side as usize] = Some((id, address));
    }

    /// Gives held bytes to the node, as far as it takes them.
    fn feed(&mut self, side: Side) {
        while let Some((connection, _)) = self.connections[side as usize] {
            let chunk = self.held[side as usize].len().min(CHUNK);
            if chunk == 0 {
                return;
            }
            let bytes: Vec<u8> = self.held[side as usize].drain(..chunk).collect();
            let input = node::Input::Received { connection, bytes };
            let refused = self.with(|node, env| node.handle(env, input));
            if let Err(Refused::Full(node::Input::Received { bytes, .. })) = refused {
                bytes.into_iter().rev().for_each(|byte| self.held[side as usize].push_front(byte));
                return;
            }
        }
    }

    fn open(&mut self, tag: usize, route: Vec<Address>, expect: Identifier) {
        let config = Arc::new(self.config.clone().trusting(Trust::One(expect)));
        let route = Route::from_iter(route);
        if let Ok(addresses) = self.with(|node, env| channel::create::<S>(node, env, config, &route)) {
            self.tags.insert(addresses.encryptor, tag);
        }
    }

    fn say(&mut self, route: Vec<Address>, payload: &[u8]) {
        let back = Route::from_iter([APP]);
        let message = Message::new(Route::from_iter(route).as_ref(), back.as_ref(), payload);
        if let Err(error) = self.with(|node, env| node.send(env, message)) {
            self.out.push_back(Output::Dropped(error));
        }
    }

    /// Answers that are due.
    fn answer(&mut self) {
        while let Some(due) = self.answers.iter().position(|(at, ..)| *at <= self.now) {
            let (_, id, answer) = self.answers.remove(due);
            let input = node::Input::Answer { id, answer };
            self.with(|node, env| node.handle(env, input)).expect("a late answer is harmless");
        }
    }
}

fn wall(now: Instant) -> Timestamp {
    Timestamp(BEGIN + now.since(Instant::ZERO).as_secs())
}

fn origin(provenance: &Provenance) -> Origin {
    match provenance.peer() {
        Some(peer) => Origin::Peer(*peer),
        None if provenance.is_local() => Origin::Local,
        None => Origin::Connection,
    }
}

impl<S: Suite> Host for Party<S> {
    fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        match input {
            Input::Connected(side) => self.connect(side),
            Input::Disconnected(side) => {
                if let Some(connection) = self.forget(side) {
                    let input = node::Input::Disconnected { connection };
                    self.with(|node, env| node.handle(env, input)).expect("a connection may always go");
                }
            }
            Input::Bytes(side, bytes) => self.held[side as usize].extend(bytes),
            Input::Open { tag, route, expect } => self.open(tag, route, expect),
            Input::Say { route, payload } => self.say(route, &payload),
            Input::Timeout => {
                self.with(|node, env| node.handle_timeout(env));
                self.answer();
            }
        }
        [Side::Left, Side::Right].into_iter().for_each(|side| self.feed(side));
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        let answers = self.answers.iter().map(|(at, ..)| Deadline::new(*at, "an answer is due"));
        answers.chain(self.node.deadline()).min_by_key(|deadline| deadline.at)
    }

    fn trusted(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.node.trusted(&mut picture);
        picture
    }

    fn provisional(&self) -> (usize, usize) {
        (self.node.provisional(), self.node.provisional_limit())
    }

    fn guests(&self) -> Option<(Vec<Identifier>, Places)> {
        // Not what the node told, but what it holds.
        let open = self.guests.iter().filter(|(encryptor, _)| self.node.producer_at(encryptor).is_some());
        Some((open.map(|(_, peer)| *peer).collect(), self.places?))
    }

    fn identifier(&self) -> Identifier {
        self.identity.identifier()
    }

    fn connection(&self, side: Side) -> Option<Address> {
        self.connections[side as usize].as_ref().map(|(_, address)| address.clone())
    }

    fn heal(&mut self) {
        self.lateness = Duration::ZERO;
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.secrets.clone()
    }
}
