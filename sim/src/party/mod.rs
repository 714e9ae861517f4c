//! A real node at a place of the network: the machines of `razor`, a vault, a store and an identity.
//!
//! What stands between the node and the world is what a driver would be: it carries bytes, answers
//! requests, some of them late, and takes what arrives in the application's inbox. An adversary's node is the same
//! machine with other papers.

mod connections;
mod forge;
mod furniture;
mod lies;
mod papers;
mod questions;
mod suite;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Config, HandshakeTime, HoldLimits, Trust};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{Identifier, MemoryStore, PresentationLimits, StoreAnswer, StoreRequest};
use razor::machine::{Deadline, Machine, Snapshot};
use razor::node::{self, Answer, Command, ConnectionId, Event, FlowControlId, Node, Provenance, Request, RequestId};
use razor::routing::{Address, Message, Route, TransportType};
use razor::session::{self, Keeping, Kept};
use razor::vault::null::NullSuite;
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};

use crate::checker::{Book, Bytes32, Counts, Draws};
use crate::host::{APP, Burden, ECHO, Face, HOP, Host, Input, Origin, Output, Shown, Work};
use crate::plan::{self, HALF_OPEN, Plan, Trusts};
use crate::seed::{Ppm, Seed, Stream};

use self::connections::Connection;
pub use self::papers::BEGIN;
use self::papers::Papers;
use self::questions::store;
use self::suite::Counted;

/// More outputs than one input of a node ever has: draining ends.
const OUTPUTS: usize = 1_000_000;

/// What listeners bear unless a plan says otherwise: no more half-open handshakes in all than from one source, so that a
/// flood is enough to fill them.
const PLACES: channel::Places =
    channel::Places { half_open: HALF_OPEN, half_open_per_source: HALF_OPEN, ..channel::Places::DEFAULT };

/// The limits of a node in a world where little is said: small enough that some are reached.
const NODE: node::Config = node::Config { inbox: 16, transmit: 4_096, ..node::Config::DEFAULT };

/// The times of a session in a world that lasts for seconds: the shortest there are.
const SESSION: session::Config = session::Config::FLOOR;

/// A real node.
struct Party<S: Suite> {
    seed: Seed,
    plan: plan::Node,
    node: Node,
    entropy: Seeded,
    draws: Draws,
    now: Instant,
    /// How far the wall clock is ahead of the true time, in seconds.
    ahead: i64,
    papers: Papers<S::Agreement>,
    store: MemoryStore,
    trust: Trust,
    /// Names that differ from those of this world in the last bit.
    lookalikes: Arc<[Identifier]>,
    /// How often it has forgotten everything.
    lives: u32,
    /// All connections deliver under this id.
    connections_id: FlowControlId,
    connections: BTreeMap<usize, Connection>,
    /// The link of each connection.
    links: BTreeMap<ConnectionId, usize>,
    next_connection: u64,
    /// The world's number of each channel that this end opened, by encryptor.
    tags: BTreeMap<Address, usize>,
    /// How often the identity had changed its key when each of them began.
    began: BTreeMap<usize, usize>,
    /// The world's number of each session, by the address that names it in events.
    sessions: BTreeMap<Address, usize>,
    /// What its listener bears, as long as the world can count along.
    places: Option<channel::Places>,
    /// The peer of each channel that others ever opened here, by encryptor.
    guests: BTreeMap<Address, Identifier>,
    /// The channels that are open, by encryptor.
    open: BTreeSet<Address>,
    /// How many workers it has that are always there.
    furniture: usize,
    /// How long the vault and the store take at most.
    lateness: Duration,
    late: Stream,
    /// Late answers, and whose history they are about if they say that all is well with it.
    answers: Vec<(Instant, RequestId, Answer, Option<Identifier>)>,
    /// How often the store fails.
    store_fails: Ppm,
    failing: Stream,
    /// How many more channels may open with each peer for what the store has said: one for each time that it was asked
    /// for a history and answered, unless it was then asked to keep one and has not done so.
    admitted: BTreeMap<Identifier, i64>,
    work: Work,
    /// Unless nothing is checked.
    counts: Option<Counts>,
    /// What does not hold of a call of its node.
    miscount: Option<String>,
    /// What the node is told next; empty between calls, and kept for its memory.
    inputs: VecDeque<node::Input>,
    out: VecDeque<Output>,
    suite: PhantomData<fn() -> S>,
}

/// A node for each place of a plan; those of adversaries with what their class gives them.
pub fn cast(plan: &Plan) -> Vec<Box<dyn Host>> {
    match plan.suite {
        plan::Suite::Aes256 => cast_of::<Counted<Aes256GcmSha256>>(plan),
        plan::Suite::Aes128 => cast_of::<Counted<Aes128GcmSha256>>(plan),
        plan::Suite::ChaCha => cast_of::<Counted<ChaChaPolyBlake2s>>(plan),
        plan::Suite::Null => cast_of::<Counted<NullSuite>>(plan),
    }
}

fn cast_of<S: Suite>(plan: &Plan) -> Vec<Box<dyn Host>> {
    let seed = Seed(plan.seed);
    let mut papers: Vec<Papers<S::Agreement>> = plan.nodes.iter().map(|node| Papers::new(seed, node, 0)).collect();
    let honest: Vec<Identifier> = papers.iter().map(|papers| papers.identity.identifier()).collect();
    for adversary in &plan.adversaries {
        let number = |name: &Option<String>| name.as_ref().and_then(|name| plan.node(name));
        let Some(node) = number(&adversary.at) else { continue };
        let another = |number: usize| Papers::new(seed, &plan.nodes[number], 0);
        let (victim, other) = (number(&adversary.victim).map(another), number(&adversary.poses_as).map(another));
        papers[node].turn(adversary.class, victim.as_ref(), other.as_ref(), adversary.lies());
        // What anybody has shown, anybody can show again.
        let mut met =
            plan.channels.iter().flat_map(|channel| [&channel.from, &channel.to]).filter_map(|name| plan.node(name));
        if papers[node].another.is_none() && adversary.class.has_a_node() {
            papers[node].another = met.next_back().map(|met| papers[met].identity.export().to_vec());
        }
    }
    let trust = |node: &plan::Node| match &node.trusts {
        Trusts::Everybody => Trust::Everyone,
        Trusts::These(names) => {
            Trust::AnyOf(names.iter().filter_map(|name| plan.node(name)).map(|number| honest[number]).collect())
        }
    };
    let lookalikes: Arc<[Identifier]> = papers.iter().flat_map(Papers::names).map(lookalike).collect();
    let party = |(node, papers)| Box::new(Party::<S>::new(seed, node, papers, trust(node), lookalikes.clone())) as _;
    plan.nodes.iter().zip(papers).map(party).collect()
}

impl<S: Suite> Party<S> {
    fn new(
        seed: Seed,
        plan: &plan::Node,
        papers: Papers<S::Agreement>,
        trust: Trust,
        lookalikes: Arc<[Identifier]>,
    ) -> Self {
        let own = seed.derive(&format!("entropy of {}", plan.name));
        let mut entropy = Seeded::new(own);
        let mut node = Node::new(NODE, &mut entropy);
        let mut party = Self {
            connections_id: node.new_flow_control_id(),
            late: seed.stream(&format!("lateness of {}", plan.name)),
            failing: seed.stream(&format!("failing store of {}", plan.name)),
            store_fails: plan.store_fails,
            admitted: BTreeMap::new(),
            lateness: plan.lateness,
            places: plan.places.map(|places| channel::Places {
                open: places.open,
                open_per_source: places.open_per_source,
                open_per_peer: places.open_per_peer,
                half_open: places.half_open.unwrap_or(PLACES.half_open),
                half_open_per_source: places.half_open_per_source.unwrap_or(PLACES.half_open_per_source),
            }),
            plan: plan.clone(),
            seed,
            node,
            entropy,
            draws: Draws::new(own),
            now: Instant::ZERO,
            ahead: plan.clock,
            papers,
            store: store(plan),
            trust,
            lookalikes,
            lives: 0,
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            next_connection: 1,
            tags: BTreeMap::new(),
            began: BTreeMap::new(),
            sessions: BTreeMap::new(),
            guests: BTreeMap::new(),
            open: BTreeSet::new(),
            furniture: 0,
            answers: Vec::new(),
            work: Work::default(),
            counts: Some(Counts::new(&NODE)),
            miscount: None,
            inputs: VecDeque::new(),
            out: VecDeque::new(),
            suite: PhantomData,
        };
        party.furnish();
        party
    }

    /// Calls the node, then gives it what follows from what it says until it says nothing more.
    fn with<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let wall = self.wall(self.now);
        let result = call(&mut self.node, &mut Env::new(self.now, wall, &mut self.entropy));
        let mut inputs = std::mem::take(&mut self.inputs);
        let mut outputs = 0;
        loop {
            while let Some(output) = self.node.poll_output() {
                outputs += 1;
                assert!(outputs < OUTPUTS, "one input has {OUTPUTS} outputs");
                if let Some(counts) = &mut self.counts {
                    counts.hear(&output);
                }
                inputs.extend(self.happened(output));
            }
            if let Some(counts) = &mut self.counts {
                let miscount = counts.end(self.now, self.node.counters()).err();
                self.miscount = self.miscount.take().or(miscount);
                let circles = counts.circles();
                assert!(circles.is_none(), "{} messages went round in circles", circles.unwrap_or_default());
            }
            let Some(input) = inputs.pop_front() else {
                self.inputs = inputs;
                return result;
            };
            let mut env = Env::new(self.now, wall, &mut self.entropy);
            self.node.handle(&mut env, input).expect("a node takes what it asked for");
        }
    }

    /// Something came out of the node; what it is told at once.
    fn happened(&mut self, output: node::Output) -> Option<node::Input> {
        match output {
            node::Output::Transmit { connection, frame } => {
                let bytes = frame.payload().to_vec();
                let link = *self.links.get(&connection)?;
                let length = bytes.len() as u64;
                let sent = node::Input::Sent { connection, bytes: length };
                self.out.push_back(Output::Transmit(link, bytes));
                let connection = self.connections.get_mut(&link)?;
                if !connection.slow {
                    return Some(sent);
                }
                connection.is_overdrawn |= connection.on_its_way >= NODE.transmit;
                connection.on_its_way += length;
            }
            node::Output::Close { connection, .. } => {
                let link = self.links.remove(&connection)?;
                self.connections.remove(&link);
                self.out.push_back(Output::Disconnect(link));
            }
            node::Output::Deliver { inbox, delivery } => {
                let back = delivery.message.return_route().iter().map(|address| address.to_owned()).collect();
                let payload = delivery.message.payload().to_vec();
                let origin = origin(&delivery.provenance);
                self.out.push_back(if inbox == Address::local(APP) {
                    Output::Delivered { payload, origin, back }
                } else {
                    Output::Trespassed { worker: inbox.clone() }
                });
                return Some(node::Input::Taken { inbox, messages: 1 });
            }
            node::Output::Request { id, request, .. } => {
                self.work.requests += 1;
                let (answer, whose) = match &request {
                    Request::Vault(request) => (Answer::Vault(self.papers.answer(request)), None),
                    Request::Store(request) => self.ask_store(request),
                };
                let wait = self.late.duration(&(Duration::ZERO..=self.lateness));
                if wait.is_zero() {
                    self.admit(whose);
                    return Some(node::Input::Answer { id, answer });
                }
                self.answers.push((self.now + wait, id, answer, whose));
            }
            // Nothing is linked here.
            node::Output::Cross { .. } => {}
            node::Output::Event(event) => self.told(event),
        }
        None
    }

    fn told(&mut self, event: Event) {
        let output = match event {
            Event::ChannelOpened { encryptor, peer, handshake_hash: handshake, .. } => {
                let tag = self.tags.remove(&encryptor);
                self.open.insert(encryptor.clone());
                let admitted = self.admitted.entry(peer).or_default();
                *admitted -= 1;
                if *admitted < 0 {
                    self.out.push_back(Output::Unstored { peer });
                }
                if tag.is_none() {
                    self.guests.insert(encryptor.clone(), peer);
                }
                if tag.is_some()
                    && let Some(id) = self.node.producer_at(&encryptor)
                {
                    for worker in [APP, ECHO, HOP] {
                        self.node.add_consumer(&worker.into(), id).expect("the worker is there");
                    }
                }
                Output::Opened { tag, encryptor, peer, handshake }
            }
            Event::ChannelFailed { encryptor, error } => Output::Failed { tag: self.tags.remove(&encryptor), error },
            Event::ChannelClosed { encryptor } => {
                self.open.remove(&encryptor);
                Output::Closed { encryptor }
            }
            Event::Dropped { error, .. } => Output::Dropped(error),
            Event::SessionUp { session } | Event::SessionDown { session } if !self.sessions.contains_key(&session) => {
                return;
            }
            Event::SessionUp { session } => Output::Session { tag: self.sessions[&session], up: true },
            Event::SessionDown { session } => Output::Session { tag: self.sessions[&session], up: false },
            Event::ChannelCredentials { encryptor, .. } => Output::Presented { encryptor },
        };
        self.out.push_back(output);
    }

    fn open(&mut self, tag: usize, route: Vec<Address>, expect: Identifier, kept: bool) {
        let config = Arc::new(patient(self.papers.config(tag).clone()).trusting(Trust::One(expect)));
        if kept {
            return self.keep(tag, route, config);
        }
        let route = Route::from_iter(route);
        match self.with(|node, env| channel::create::<S>(node, env, config, &route)) {
            Ok(addresses) => {
                self.tags.insert(addresses.encryptor, tag);
                self.began.insert(tag, self.papers.rotations());
            }
            Err(error) => self.out.push_back(Output::Failed { tag: Some(tag), error }),
        }
    }

    fn keep(&mut self, tag: usize, route: Vec<Address>, config: Arc<Config>) {
        let keeping = Keeping { channel: config, route: Route::from_iter(route), echo: ECHO.into(), session: SESSION };
        let kept = self.with(|node, env| session::keep::<S>(node, env, keeping));
        if let Ok(Kept { way, session, reached_through }) = kept {
            self.node.add_consumer(&APP.into(), reached_through).expect("the inbox is there");
            self.sessions.insert(session, tag);
            self.out.push_back(Output::Kept { tag, way });
        }
    }

    fn say(&mut self, route: Vec<Address>, payload: &[u8]) {
        let back = Route::from_iter([APP]);
        let message = Message::new(Route::from_iter(route).as_ref(), back.as_ref(), payload);
        if let Err(error) = self.with(|node, env| node.send(env, message)) {
            self.out.push_back(Output::Dropped(error));
        }
    }

    fn rotate(&mut self) {
        let wall = self.wall(self.now);
        if let Err(error) = self.papers.rotate(wall) {
            return self.out.push_back(Output::Dropped(error));
        }
        let history = self.papers.identity.export().to_vec();
        // Whoever poses as others has nothing of his own to show.
        let open = self.guests.keys().filter(|_| self.papers.another.is_none());
        for encryptor in open.cloned().collect::<Vec<_>>() {
            self.present(&encryptor, history.clone());
        }
        // A listener shows what it was started with.
        self.with(|node, env| node.stop_worker(env, &channel::LISTENER.into())).expect("the listener is there");
        self.places = None;
        self.listen();
    }

    /// The peers of the channels that others opened here, as often as they have one: not what the node told, but what
    /// it holds.
    fn open_guests(&self) -> impl Iterator<Item = &Identifier> {
        let open = self.guests.iter().filter(|(encryptor, _)| self.node.producer_at(encryptor).is_some());
        open.map(|(_, peer)| peer)
    }

    /// Presents a history through an open channel; one that is closed already has nobody to hear it.
    fn present(&mut self, encryptor: &Address, history: Vec<u8>) {
        let command = Command::PresentCredentials { history, credentials: Vec::new() };
        let _ = self.with(|node, env| node.command(env, encryptor, command));
    }

    /// A new machine in the same place.
    fn restart(&mut self, forgets: bool) {
        if forgets {
            self.lives += 1;
            self.papers = Papers::new(self.seed, &self.plan, self.lives);
            self.store = store(&self.plan);
        }
        self.node = Node::new(NODE, &mut self.entropy);
        self.counts = self.counts.take().map(|_| Counts::new(&NODE));
        self.connections_id = self.node.new_flow_control_id();
        self.connections.clear();
        self.links.clear();
        self.tags.clear();
        self.began.clear();
        self.sessions.clear();
        self.guests.clear();
        self.open.clear();
        self.admitted.clear();
        self.answers.clear();
        self.out.clear();
        self.furnish();
    }
}

/// The address by which the applications of both ends name a link in routes, whichever connection is up over it.
pub(crate) fn alias(link: usize) -> Address {
    Address::new(TransportType::TCP, format!("link-{link}:1").as_bytes())
}

/// The name that differs from this one in the last bit.
fn lookalike(mut name: Identifier) -> Identifier {
    name.0[31] ^= 1;
    name
}

/// How large papers may be: the least that every receiver accepts.
const PAPERS: PresentationLimits = PresentationLimits::FLOOR;

/// What a channel holds that comes too early: few enough bytes that a world may reach it.
const HOLD: HoldLimits = HoldLimits { bytes: 8_192, ..HoldLimits::DEFAULT };

/// The same, waiting for a handshake no longer than it has to, and keeping little of what nobody has authenticated.
fn patient(mut config: Config) -> Config {
    config.timeout = HandshakeTime::FLOOR;
    config.hold = HOLD;
    config.presentation_limits = PAPERS;
    config
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
        suite::take_counts();
        match input {
            Input::Connected { link, slow } => self.connect(link, slow),
            Input::Disconnected(link) => self.disconnect(link),
            Input::Bytes(link, bytes) => self.receive(link, bytes),
            Input::Left(link, bytes) => self.left(link, bytes),
            Input::Open { tag, route, expect, kept } => self.open(tag, route, expect, kept),
            Input::Say { route, payload } => self.say(route, &payload),
            Input::Close { encryptor } => {
                // It may be closed already.
                let _ = self.with(|node, env| node.stop_worker(env, &encryptor));
            }
            Input::PresentAnother { encryptor } => {
                if let Some(history) = self.papers.another.clone() {
                    self.present(&encryptor, history);
                }
            }
            Input::Clock(by) => self.ahead += by,
            Input::Rotate => self.rotate(),
            Input::Restart { forgets } => self.restart(forgets),
            Input::Timeout => {
                self.with(|node, env| node.handle_timeout(env));
                self.answer();
            }
        }
        self.feed_all();
        let (agreements, texts) = suite::take_counts();
        self.work.agreements += agreements;
        self.work.texts += texts;
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

    fn burden(&self) -> Burden {
        let node::Burden { held, limit, overdrawn } = self.node.burden();
        let worker = overdrawn.map(|worker| format!("the worker {worker} holds more than it says that it ever does"));
        let burdened = || self.connections.iter().find(|(_, connection)| connection.is_overdrawn);
        let sent = |link| format!("more was sent over link {link} while the limit of bytes was on its way");
        Burden {
            held,
            limit,
            overdrawn: worker.or_else(|| burdened().map(|(link, _)| sent(link))).or(self.miscount.clone()),
        }
    }

    fn is_behind(&self) -> bool {
        self.connections.values().any(|connection| !connection.held.is_empty())
    }

    fn workers(&self) -> usize {
        self.node.workers()
    }

    fn unasked(&self, peer: &Identifier) -> usize {
        self.open_guests().filter(|guest| *guest == peer).count()
    }

    fn stored(&self, identifier: &Identifier) -> Option<Vec<u8>> {
        // To look is no use of it.
        match self.store.clone().answer(&StoreRequest::Load(*identifier)) {
            Ok(StoreAnswer::Loaded(history)) => history,
            _ => None,
        }
    }

    fn leftovers(&self) -> usize {
        // A session is two workers, and may be about to open a channel.
        let open = self.furniture + self.connections.len() + self.open.len() + 3 * self.sessions.len();
        self.node.workers().saturating_sub(open)
    }

    fn work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    fn guests(&self) -> Option<(Vec<Identifier>, channel::Places)> {
        // Sessions open channels of their own, which look the same from here.
        let places = self.places.filter(|_| self.sessions.is_empty())?;
        Some((self.open_guests().copied().collect(), places))
    }

    fn face(&self) -> Face {
        Face {
            identifier: self.papers.identity.identifier(),
            rotations: self.papers.rotations(),
            attested: self.papers.shown(None).attested,
        }
    }

    fn shown(&self, attempt: Option<usize>) -> Shown {
        let began = attempt.and_then(|tag| self.began.get(&tag).copied());
        let shown = self.papers.shown(attempt);
        Shown { rotations: began.unwrap_or(shown.rotations), ..shown }
    }

    fn names(&self) -> Vec<Identifier> {
        self.papers.names()
    }

    fn strangers(&self) -> Option<(usize, usize)> {
        Some((self.store.len(), self.plan.strangers?))
    }

    fn wall(&self, now: Instant) -> Timestamp {
        Timestamp((BEGIN + now.since(Instant::ZERO).as_secs()).saturating_add_signed(self.ahead))
    }

    fn connection(&self, link: usize) -> Option<Address> {
        self.connections.get(&link).map(|connection| connection.address.clone())
    }

    fn unchecked(&mut self) {
        self.counts = None;
    }

    fn heal(&mut self) {
        self.store_fails = Ppm::NEVER;
        self.lateness = Duration::ZERO;
    }

    fn lateness(&self) -> Duration {
        self.lateness
    }

    fn secret_of(&mut self, public: &Bytes32) -> Option<Bytes32> {
        self.draws.secret_of(&self.entropy, public)
    }

    fn book(&self) -> Option<Book> {
        Book::of(S::NAME)
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![self.papers.identity.identifier().0.to_vec(), self.papers.static_key.0.to_vec()]
    }
}
