//! A few nodes in one process, in a line, each joined to the next by one connection.
//!
//! Everything between two calls happens at once and in order, unless a message goes through a `middle`:
//! that is an inbox where the test picks messages up, and does with them as a hostile node would.
#![allow(dead_code, unreachable_pub, reason = "shared by several tests; none uses all of it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Addresses, Config, Listening, Places};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{Identifier, Identity, MemoryStore, PurposeKeyAttestation};
use razor::machine::{Machine, Refused, Snapshot};
use razor::node::{
    self, Answer, Connected, ConnectionId, Delivery, Echoer, Event, Flow, FlowControlId, Hop, Input, Mailbox, Node,
    Output, Request, RequestId, Spec, Worker,
};
use razor::routing::{Address, Message, Route, RouteRef};
use razor::vault::suite::Aes256GcmSha256;
use razor::vault::{SigningKind, SoftwareVault};

/// The wall-clock time in all tests.
pub(crate) const NOW: Timestamp = Timestamp(1_750_000_000);

/// The bytes that one call gives to a node.
const CHUNK: usize = 4096;

/// One node with its world.
pub(crate) struct Party {
    pub node: Node,
    pub entropy: Seeded,
    pub vault: SoftwareVault,
    pub store: MemoryStore,
    pub identity: Identity,
    pub attestation: PurposeKeyAttestation,
    pub config: Config,
    pub events: Vec<Event>,
    /// What its inboxes received.
    pub delivered: VecDeque<(Address, Delivery)>,
    /// Set to keep requests instead of answering them.
    pub late: bool,
    pub requests: VecDeque<(RequestId, Request)>,
    /// Connection, and the node at its other end.
    wires: Vec<(ConnectionId, usize)>,
}

impl Party {
    fn new(seed: u64, node: node::Config) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut vault = SoftwareVault::new();
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
        Self {
            node: Node::new(node, &mut entropy),
            entropy,
            vault,
            store: MemoryStore::default(),
            config: Config::new(&identity, &attestation, &[], NOW).unwrap(),
            identity,
            attestation,
            events: Vec::new(),
            delivered: VecDeque::new(),
            late: false,
            requests: VecDeque::new(),
            wires: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> Identifier {
        self.identity.identifier()
    }

    pub(crate) fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.node.trusted(&mut picture);
        picture
    }

    /// The ids of all its connections.
    fn connections(&self, senders: &[Address]) -> Vec<FlowControlId> {
        senders.iter().filter_map(|sender| self.node.producer_at(sender)).collect()
    }

    /// The requirements named by everything that was dropped so far; forgets them.
    pub(crate) fn drops(&mut self) -> Vec<&'static str> {
        let mut drops = Vec::new();
        self.events.retain(|event| match event {
            Event::Dropped { error, .. } => {
                drops.push(error.requirement());
                false
            }
            _ => true,
        });
        drops
    }

    /// Who is at the other end of the channel with this encryptor.
    pub(crate) fn peer_of(&self, encryptor: &Address) -> Option<Identifier> {
        self.events.iter().find_map(|event| match event {
            Event::ChannelOpened { encryptor: opened, peer, .. } if opened == encryptor => Some(*peer),
            _ => None,
        })
    }

    /// The encryptors of all channels that were opened, in order, whether or not they still are.
    pub(crate) fn opened(&self) -> Vec<Address> {
        let opened = self.events.iter().filter_map(|event| match event {
            Event::ChannelOpened { encryptor, .. } => Some(encryptor.clone()),
            _ => None,
        });
        opened.collect()
    }

    /// Why channels could not be opened.
    pub(crate) fn failures(&self) -> Vec<&'static str> {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::ChannelFailed { error, .. } => Some(error.requirement()),
            _ => None,
        });
        failures.collect()
    }
}

/// Some nodes in a line.
pub(crate) struct Network {
    pub parties: Vec<Party>,
    pub now: Instant,
    /// By node: the senders of its connections to the left and to the right.
    senders: Vec<[Option<Address>; 2]>,
    /// Bytes on their way, to a node on a connection.
    flying: VecDeque<(usize, ConnectionId, Vec<u8>)>,
    /// Outputs that nobody has looked at yet.
    outputs: VecDeque<(usize, Output)>,
    settling: bool,
    /// Set so that bytes are written only when the other end has read them.
    pub slow_wires: bool,
    /// Set so that nothing that is on its way arrives.
    pub stopped: bool,
    /// Inboxes from which the test takes by [`Network::taken`].
    pub untaken: Vec<Address>,
    /// How many connections there have been.
    connections: u64,
}

impl Network {
    /// `nodes` nodes in a line. The inner ones have a hop and a middle, open to both sides.
    pub(crate) fn line(nodes: usize) -> Self {
        Self::line_of(nodes, &node::Config::default())
    }

    /// The same, of nodes that are configured like this.
    pub(crate) fn line_of(nodes: usize, config: &node::Config) -> Self {
        let parties = (0..nodes).map(|n| Party::new(n as u64 + 1, config.clone())).collect();
        let mut network = Self {
            parties,
            now: Instant::ZERO,
            senders: vec![[None, None]; nodes],
            flying: VecDeque::new(),
            outputs: VecDeque::new(),
            settling: false,
            slow_wires: false,
            stopped: false,
            untaken: Vec::new(),
            connections: 0,
        };
        for left in 0..nodes - 1 {
            network.connect(left, left + 1);
        }
        for inner in 1..nodes.saturating_sub(1) {
            let both = network.connection_ids(inner);
            network.start(inner, "hop", Hop, &both);
            network.inbox(inner, "middle", &both);
        }
        network.run();
        network
    }

    fn connect(&mut self, left: usize, right: usize) {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        for (node, other, side) in [(left, right, 1), (right, left, 0)] {
            self.parties[node].wires.push((id, other));
            let how = Connected { alias: Some(self.dialled(other)), accepted_by: None };
            let sender = self.with(node, |node, env| node.connected(env, id, how)).unwrap();
            self.senders[node][side] = Some(sender);
        }
    }

    /// The transport address at which a node is dialled.
    pub(crate) fn dialled(&self, node: usize) -> Address {
        format!("1#node:{node}").parse().unwrap()
    }

    /// The connection of two neighbours breaks; what was on its way is gone.
    pub(crate) fn cut(&mut self, left: usize, right: usize) {
        let (id, _) = *self.parties[left].wires.iter().find(|(_, other)| *other == right).unwrap();
        self.flying.retain(|(_, connection, _)| *connection != id);
        for node in [left, right] {
            self.parties[node].wires.retain(|(connection, _)| *connection != id);
            self.with(node, |node, env| node.handle(env, Input::Disconnected { connection: id })).unwrap();
        }
    }

    /// Two neighbours have another connection. The inner of them is in the middle again.
    pub(crate) fn join(&mut self, left: usize, right: usize) {
        self.connect(left, right);
        for node in [left, right] {
            if self.parties[node].node.has_worker(&"middle".into()) {
                self.with(node, |node, env| node.stop_worker(env, &"middle".into())).unwrap();
                let both = self.connection_ids(node);
                self.inbox(node, "middle", &both);
            }
        }
    }

    /// The flow control ids of a node's connections.
    pub(crate) fn connection_ids(&self, node: usize) -> Vec<FlowControlId> {
        let senders: Vec<Address> = self.senders[node].iter().flatten().cloned().collect();
        self.parties[node].connections(&senders)
    }

    /// The address at `node` that leads to its neighbour.
    pub(crate) fn sender(&self, node: usize, neighbour: usize) -> Address {
        self.senders[node][usize::from(neighbour > node)].clone().unwrap()
    }

    /// The route from one node to a worker of another, through `via` at every node between.
    pub(crate) fn route(&self, from: usize, to: usize, via: &str, last: &str) -> Route {
        let mut route = Route::new();
        let mut node = from;
        while node != to {
            let next = if to > node { node + 1 } else { node - 1 };
            if node != from {
                route = route.then(via);
            }
            route = route.then(self.sender(node, next));
            node = next;
        }
        route.then(last)
    }

    /// Runs `call` on a node, takes what comes out, and lets nothing fly yet.
    pub(crate) fn with<T>(&mut self, node: usize, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let party = &mut self.parties[node];
        let mut env = Env::new(self.now, NOW, &mut party.entropy);
        let result = call(&mut party.node, &mut env);
        self.outputs.extend(std::iter::from_fn(|| party.node.poll_output()).map(|output| (node, output)));
        if !self.settling {
            self.settling = true;
            while let Some((node, output)) = self.outputs.pop_front() {
                self.happened(node, output);
            }
            self.settling = false;
        }
        result
    }

    fn happened(&mut self, node: usize, output: Output) {
        let party = &mut self.parties[node];
        match output {
            Output::Transmit { connection, frame } => {
                let (_, other) = *party.wires.iter().find(|(id, _)| *id == connection).unwrap();
                let bytes = frame.payload().to_vec();
                let sent = Input::Sent { connection, bytes: bytes.len() as u64 };
                self.flying.push_back((other, connection, bytes));
                if !self.slow_wires {
                    self.with(node, |node, env| node.handle(env, sent)).unwrap();
                }
            }
            Output::Close { error, .. } => panic!("a connection of node {node} is closed: {error}"),
            Output::Deliver { inbox, delivery } => {
                party.delivered.push_back((inbox.clone(), delivery));
                if self.untaken.contains(&inbox) {
                    return;
                }
                self.with(node, |node, env| node.handle(env, Input::Taken { inbox, messages: 1 })).unwrap();
            }
            Output::Request { id, request, .. } => {
                party.requests.push_back((id, request));
                if !party.late {
                    self.answer(node);
                }
            }
            Output::Cross { .. } => panic!("nothing is linked here"),
            Output::Event(event) => party.events.push(event),
        }
    }

    /// Answers the oldest request of a node.
    pub(crate) fn answer(&mut self, node: usize) -> bool {
        let party = &mut self.parties[node];
        let Some((id, request)) = party.requests.pop_front() else { return false };
        let answer = match &request {
            Request::Vault(request) => Answer::Vault(party.vault.answer(request)),
            Request::Store(request) => Answer::Store(party.store.answer(request)),
        };
        self.with(node, |node, env| node.handle(env, Input::Answer { id, answer })).unwrap();
        true
    }

    /// Lets everything happen that is going to happen now.
    pub(crate) fn run(&mut self) {
        loop {
            let reads =
                |(to, connection, _): &(usize, ConnectionId, Vec<u8>)| self.parties[*to].node.reads(*connection);
            if let Some(first) = self.flying.iter().position(reads).filter(|_| !self.stopped) {
                self.fly(first);
                continue;
            }
            let due = |party: &Party| party.node.deadline().is_some_and(|deadline| deadline.at <= self.now);
            let Some(node) = self.parties.iter().position(due) else { return };
            self.wake(node);
        }
    }

    /// Some of the bytes that are on their way arrive.
    fn fly(&mut self, index: usize) {
        let (to, connection, bytes) = &mut self.flying[index];
        let (to, connection) = (*to, *connection);
        let rest = bytes.split_off(bytes.len().min(CHUNK));
        let bytes = std::mem::replace(bytes, rest);
        if self.flying[index].2.is_empty() {
            self.flying.remove(index);
        }
        if self.slow_wires {
            let (_, from) = *self.parties[to].wires.iter().find(|(id, _)| *id == connection).unwrap();
            let sent = Input::Sent { connection, bytes: bytes.len() as u64 };
            self.with(from, |node, env| node.handle(env, sent)).unwrap();
        }
        let input = Input::Received { connection, bytes };
        self.with(to, |node, env| node.handle(env, input)).unwrap();
    }

    /// Takes a message from an inbox that is not taken from by itself.
    pub(crate) fn taken(&mut self, node: usize, inbox: &str) {
        let inbox = Address::local(inbox);
        self.with(node, |node, env| node.handle(env, Input::Taken { inbox, messages: 1 })).unwrap();
        self.run();
    }

    /// Sends from the owner of a node, if there is room for it.
    pub(crate) fn offer(&mut self, node: usize, onward: &Route, payload: &[u8]) -> bool {
        let message = Message::new(onward.as_ref(), Route::new().as_ref(), payload);
        let refused = self.with(node, |node, env| node.handle(env, Input::Send(message)));
        self.run();
        match refused {
            Ok(()) => true,
            Err(Refused::Full(_)) => false,
            Err(refused) => panic!("{refused:?}"),
        }
    }

    fn wake(&mut self, node: usize) {
        self.with(node, |node, env| node.handle_timeout(env));
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.run();
        self.now = self.now + by;
        self.run();
    }

    pub(crate) fn start(
        &mut self,
        node: usize,
        name: &str,
        worker: impl Worker + 'static,
        reached_through: &[FlowControlId],
    ) {
        let flow = Flow { consumer_of: reached_through.to_vec(), ..Flow::default() };
        let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow, worker: Box::new(worker) };
        self.with(node, |node, env| node.start_worker(env, spec)).unwrap();
    }

    pub(crate) fn inbox(&mut self, node: usize, name: &str, reached_through: &[FlowControlId]) {
        let flow = Flow { consumer_of: reached_through.to_vec(), ..Flow::default() };
        self.with(node, |node, env| node.open_inbox(env, Mailbox::open(name.into()), flow)).unwrap();
    }

    /// A listener at `api`, an `echo` behind it, and a `sink` whose messages the test takes.
    pub(crate) fn listen(&mut self, node: usize, places: Places) -> FlowControlId {
        let config = Arc::new(self.parties[node].config.clone());
        let listening = Listening { places, reached_through: self.connection_ids(node), ..Listening::default() };
        let id = self.with(node, |node, env| channel::listen::<Aes256GcmSha256>(node, env, config, listening)).unwrap();
        self.start(node, "echo", Echoer, &[id]);
        self.inbox(node, "sink", &[id]);
        id
    }

    /// Begins a channel; nothing flies yet.
    pub(crate) fn create(&mut self, node: usize, route: &Route) -> Addresses {
        let config = Arc::new(self.parties[node].config.clone());
        self.with(node, |node, env| channel::create::<Aes256GcmSha256>(node, env, config, route)).unwrap()
    }

    /// Opens a channel and an inbox for what comes back through it.
    pub(crate) fn open(&mut self, node: usize, route: &Route, inbox: &str) -> Addresses {
        let addresses = self.create(node, route);
        self.run();
        assert!(self.parties[node].peer_of(&addresses.encryptor).is_some(), "{:?}", self.parties[node].events);
        let id = self.parties[node].node.producer_at(&addresses.encryptor).unwrap();
        self.inbox(node, inbox, &[id]);
        addresses
    }

    /// Sends from the owner of a node, and lets it fly.
    pub(crate) fn send(&mut self, node: usize, onward: &Route, back: &str, payload: &[u8]) {
        let message = Message::new(onward.as_ref(), Route::new().then(back).as_ref(), payload);
        self.inject(node, message);
        self.run();
    }

    /// Puts a message at its first address of a node, as whoever runs the node can.
    pub(crate) fn inject(&mut self, node: usize, message: Message) {
        self.with(node, |node, env| node.send(env, message)).unwrap();
    }

    /// What an inbox of a node received; the inbox is empty then.
    pub(crate) fn take(&mut self, node: usize, inbox: &str) -> Vec<Delivery> {
        let inbox = Address::local(inbox);
        let (taken, left) = self.parties[node].delivered.drain(..).partition(|(address, _)| *address == inbox);
        self.parties[node].delivered = left;
        let taken: VecDeque<(Address, Delivery)> = taken;
        taken.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// The payloads of what an inbox received.
    pub(crate) fn payloads(&mut self, node: usize, inbox: &str) -> Vec<Vec<u8>> {
        self.take(node, inbox).iter().map(|delivery| delivery.message.payload().to_vec()).collect()
    }

    /// What waits at the middle of a node, as a hop would send it on.
    pub(crate) fn caught(&mut self, node: usize) -> Vec<Message> {
        self.run();
        let hop = |mut delivery: Delivery| {
            delivery.message.pop_onward().unwrap();
            delivery.message.push_return(Address::local("middle").as_ref());
            delivery.message
        };
        self.take(node, "middle").into_iter().map(hop).collect()
    }

    /// Lets a caught message go on its way.
    pub(crate) fn release(&mut self, node: usize, message: &Message) {
        self.inject(node, message.clone());
        self.run();
    }

    /// Catches what comes and lets it go until nothing comes any more.
    pub(crate) fn pass(&mut self, node: usize) {
        loop {
            let caught = self.caught(node);
            if caught.is_empty() {
                return;
            }
            caught.iter().for_each(|message| self.release(node, message));
        }
    }
}

/// The same message with another payload.
pub(crate) fn with_payload(message: &Message, payload: &[u8]) -> Message {
    Message::new(message.onward(), message.return_route(), payload)
}

/// The addresses of a route.
pub(crate) fn names(route: RouteRef<'_>) -> Vec<Address> {
    route.iter().map(|address| address.to_owned()).collect()
}
