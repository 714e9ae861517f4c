//! A crowd at a listener with few places. Callers begin handshakes and leave them, finish them, speak, are silent for
//! minutes or close; some come through a channel of another, some are not let in, some say nothing that begins anything.
//! A model says after each line who has a place, and who had to make room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Addresses, Channel, HandshakeTime, LISTENER, Listening, Places, Trust, listen};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{Identifier, MemoryStore, StoreAnswer, StoreRequest};
use razor::machine::Machine as _;
use razor::node::{Answer, Config, ConnectionId, Event, Flow, FlowControlId, Input, Mailbox, Output, Request};
use razor::routing::{Address, Message, Route};
use razor::transport::VERSION;
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::{Frame, View};
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::pair::{APP, Papers};
use super::stage::Stage;
use super::{Fault, Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 120;

const CONNECTIONS: usize = 3;

/// Those whom the listener trusts, and one more.
const TRUSTED: usize = 3;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(90);

/// For how long somebody who speaks is not noted again.
const SILENCE: Duration = Duration::from_secs(60);

/// How many come at once at the end.
const FLOOD: usize = 48;

/// Where a handshake comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Connection(usize),
    Peer(usize),
}

/// A caller, and the place that the model gives him.
struct Caller {
    channel: Channel<NullSuite>,
    /// Where he is told something.
    own: Address,
    papers: usize,
    connection: usize,
    /// The caller through whose channel this one speaks.
    outer: Option<usize>,
    source: Source,
    /// The listener's end of it.
    decryptor: Address,
    since: Instant,
    /// When the listener has last heard that he speaks, once he is in.
    heard: Option<Instant>,
    there: bool,
    /// What has come for him.
    waiting: VecDeque<Message>,
}

impl Caller {
    fn is_half_open(&self) -> bool {
        self.there && self.heard.is_none()
    }

    fn is_open(&self) -> bool {
        self.there && self.heard.is_some()
    }
}

struct Crowd {
    stage: Stage,
    entropy: Seeded,
    random: Stream,
    places: Places,
    listener: Papers,
    store: MemoryStore,
    papers: Vec<Papers>,
    connections: Vec<ConnectionId>,
    callers: Vec<Caller>,
    words: u64,
    /// The listener's ends of channels that have opened, and were not looked at.
    opened: BTreeSet<Address>,
    /// What came to the application, and who said it.
    got: Vec<(Vec<u8>, Option<Identifier>)>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a crowd");
    let places = Places {
        half_open: random.within(4..=6) as usize,
        half_open_per_source: random.within(2..=4) as usize,
        open: random.within(4..=6) as usize,
        open_per_source: random.within(2..=4) as usize,
        open_per_peer: random.within(2..=3) as usize,
    };
    let papers: Vec<Papers> =
        (0..=TRUSTED).map(|number| Papers::new(seed, &format!("one of a crowd {number}"))).collect();
    let listener = Papers::new(seed, "who is called by a crowd");
    let mut stage = Stage::new(seed, "a crowd's node", Config::DEFAULT);
    let accepted = stage.node.new_flow_control_id();
    let trusted = papers.iter().take(TRUSTED).map(|papers| papers.name).collect();
    let mut config = listener.config.clone().trusting(Trust::AnyOf(trusted));
    config.timeout = HandshakeTime(HANDSHAKE);
    let spawner = begin_to_listen(&mut stage, config, places, accepted);
    let flow = Flow { consumer_of: vec![spawner], ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(APP.into()), flow)).expect("a free address");
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let (id, _) = stage.connect(Some(accepted), None).expect("few connections");
        stage.receive(id, vec![VERSION])?;
        connections.push(id);
    }
    stage.said.clear();
    let mut crowd = Crowd {
        stage,
        entropy: Seeded::new(seed.derive("a crowd's keys")),
        random,
        places,
        listener,
        store: MemoryStore::default(),
        papers,
        connections,
        callers: Vec::new(),
        words: 0,
        opened: BTreeSet::new(),
        got: Vec::new(),
    };
    for _ in 0..LINES {
        crowd.line()?;
    }
    crowd.flood()
}

fn begin_to_listen(
    stage: &mut Stage,
    config: channel::Config,
    places: Places,
    accepted: FlowControlId,
) -> FlowControlId {
    let listening = Listening { address: LISTENER.into(), places, reached_through: vec![accepted] };
    stage.with(|node, env| listen::<NullSuite>(node, env, Arc::new(config), listening)).expect("a free address")
}

impl Crowd {
    fn line(&mut self) -> Outcome {
        // No two things happen at the same time.
        self.wait(Duration::from_millis(1))?;
        let connection = self.random.index(CONNECTIONS);
        let half_open = self.some(Caller::is_half_open);
        let open = self.some(Caller::is_open);
        match self.random.below(16) {
            0..=3 => self.knock(connection, None),
            4..=7 => half_open.map_or(Ok(()), |one| self.enter(one)),
            8..=10 => open.map_or(Ok(()), |one| self.speak(one)),
            11 => open.map_or(Ok(()), |one| self.mumble(one)),
            12 => self.stammer(connection),
            13 => open.map_or(Ok(()), |one| self.close(one)),
            14 => match open.filter(|one| self.callers[*one].outer.is_none()) {
                Some(outer) => self.knock(self.callers[outer].connection, Some(outer)),
                None => Ok(()),
            },
            _ => {
                let time = self.random.duration(&(Duration::ZERO..=SILENCE + SILENCE / 2));
                self.wait(time)
            }
        }
    }

    /// One of those callers.
    fn some(&mut self, wanted: impl Fn(&Caller) -> bool) -> Option<usize> {
        let some: Vec<usize> = (0..self.callers.len()).filter(|one| wanted(&self.callers[*one])).collect();
        self.random.pick(&some).copied()
    }

    /// Time passes. Handshakes that have taken too long are over.
    fn wait(&mut self, time: Duration) -> Outcome {
        self.stage.pass(time)?;
        let now = self.stage.now;
        for caller in self.callers.iter_mut().filter(|caller| caller.is_half_open()) {
            caller.there = caller.since + HANDSHAKE > now;
        }
        self.stage.said.clear();
        self.look("when time had passed")
    }

    /// Everybody who has a place has it, and nobody else.
    fn look(&self, when: &str) -> Outcome {
        for (number, caller) in self.callers.iter().enumerate() {
            let there = self.stage.node.has_worker(&caller.decryptor);
            demand(there == caller.there, Property::Bounds, || {
                let what = if caller.heard.is_some() { "the open channel" } else { "the handshake" };
                format!(
                    "{when}, {what} of caller {number} from {:?} {}",
                    caller.source,
                    if there { "has a place that it lost" } else { "is gone" }
                )
            })?;
        }
        Ok(())
    }

    /// One of these, if there are any, has lost its place; it is the model's business which they are.
    fn make_room(&mut self, candidates: &BTreeSet<usize>, when: &str) -> Result<Option<usize>, Fault> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let gone = candidates.iter().copied().find(|one| !self.stage.node.has_worker(&self.callers[*one].decryptor));
        let Some(gone) = gone else {
            let others = (0..self.callers.len())
                .filter(|one| self.callers[*one].there && !self.stage.node.has_worker(&self.callers[*one].decryptor));
            return Err(fault(
                Property::Bounds,
                format!(
                    "{when}, all places are taken, one of {candidates:?} had to go, and gone are {:?}",
                    others.collect::<Vec<_>>()
                ),
            ));
        };
        self.callers[gone].there = false;
        Ok(Some(gone))
    }

    /// Whose handshake may be ended for another of this source.
    fn in_the_way_of_half_open(&self, source: Source) -> BTreeSet<usize> {
        let half_open = || (0..self.callers.len()).filter(|one| self.callers[*one].is_half_open());
        let of = |source: Source| half_open().filter(move |one| self.callers[*one].source == source);
        if of(source).count() >= self.places.half_open_per_source {
            return of(source).collect();
        }
        if half_open().count() >= self.places.half_open {
            let most = half_open().map(|one| of(self.callers[one].source).count()).max();
            return half_open().filter(|one| Some(of(self.callers[*one].source).count()) == most).collect();
        }
        BTreeSet::new()
    }

    /// The source of what comes from there: a channel of this listener leads to its own.
    fn root(&self, source: Source) -> Source {
        let Source::Peer(papers) = source else { return source };
        let outer = self.callers.iter().filter(|caller| caller.is_open() && caller.papers == papers);
        // Of several channels of a peer, it is the one that has been silent for longest.
        outer.min_by_key(|caller| caller.heard).map_or(source, |caller| caller.source)
    }

    /// Whose channel may be closed for another of this source and this peer.
    fn in_the_way_of_open(&self, source: Source, papers: usize) -> BTreeSet<usize> {
        let open = || (0..self.callers.len()).filter(|one| self.callers[*one].is_open());
        let silent = |among: Vec<usize>| among.into_iter().min_by_key(|one| self.callers[*one].heard);
        let of_peer: Vec<usize> = open().filter(|one| self.callers[*one].papers == papers).collect();
        if of_peer.len() >= self.places.open_per_peer {
            return silent(of_peer).into_iter().collect();
        }
        let of = |source: Source| open().filter(move |one| self.callers[*one].source == source).collect::<Vec<_>>();
        let sources: BTreeSet<Source> = if of(source).len() >= self.places.open_per_source {
            BTreeSet::from([source])
        } else if open().count() >= self.places.open {
            let most = open().map(|one| of(self.callers[one].source).len()).max();
            open().map(|one| self.callers[one].source).filter(|source| Some(of(*source).len()) == most).collect()
        } else {
            return BTreeSet::new();
        };
        let of_source = |source: Source| {
            let held = of(source);
            let count = |one: usize| {
                held.iter().filter(|other| self.callers[**other].papers == self.callers[one].papers).count()
            };
            let most = held.iter().map(|one| count(*one)).max();
            silent(held.iter().copied().filter(|one| Some(count(*one)) == most).collect())
        };
        sources.into_iter().filter_map(of_source).collect()
    }

    /// Somebody says message 1, and is answered.
    fn knock(&mut self, connection: usize, outer: Option<usize>) -> Outcome {
        self.knock_and_see(connection, outer).map(|_| ())
    }

    /// The same, and who had to go for it.
    fn knock_and_see(&mut self, connection: usize, outer: Option<usize>) -> Result<Option<usize>, Fault> {
        let papers = self.random.index(self.papers.len());
        let source = outer.map_or(Source::Connection(connection), |outer| Source::Peer(self.callers[outer].papers));
        let candidates = self.in_the_way_of_half_open(source);
        let addresses = Addresses::random(&mut self.entropy);
        let own = addresses.decryptor.clone();
        let config = Arc::new(self.papers[papers].config.clone());
        let mut env = Env::new(self.stage.now, wall(self.stage.now), &mut self.entropy);
        let channel = Channel::initiate(&mut env, config, addresses, &Route::from_iter([LISTENER]));
        let (now, one) = (self.stage.now, self.callers.len());
        let caller = Caller {
            channel,
            own,
            papers,
            connection,
            outer,
            source,
            decryptor: Address::local("not known yet"),
            since: now,
            heard: None,
            there: false,
            waiting: VecDeque::new(),
        };
        self.callers.push(caller);
        self.carry(one)?;
        let caller = &mut self.callers[one];
        let answer = caller.waiting.front().and_then(|answer| answer.return_route().last());
        let Some(way) = answer else { return Err(fault(Property::Liveness, "message 1 was not answered")) };
        (caller.decryptor, caller.there) = (way.to_owned(), true);
        let gone = self.make_room(&candidates, "at message 1")?;
        self.look("after message 1")?;
        Ok(gone)
    }

    /// Whoever has been answered says message 3: he is in, if he is trusted.
    fn enter(&mut self, one: usize) -> Outcome {
        if !self.has_way(one) {
            return Ok(());
        }
        self.rouse(one)?;
        if !self.callers[one].there {
            return Ok(());
        }
        while let Some(message) = self.callers[one].waiting.pop_front() {
            self.give(one, channel::Input::Receive(message))?;
        }
        self.carry(one)?;
        self.callers[one].there = false;
        let (papers, source) = (self.callers[one].papers, self.callers[one].source);
        let is_in = self.opened.remove(&self.callers[one].decryptor);
        demand(is_in == (papers < TRUSTED), Property::Agreement, || {
            format!(
                "caller {one}, who is {}trusted, has {}a channel",
                if papers < TRUSTED { "" } else { "not " },
                if is_in { "" } else { "not " }
            )
        })?;
        if is_in {
            let source = self.root(source);
            while self.make_room(&self.in_the_way_of_open(source, papers), "at a new channel")?.is_some() {}
            let now = self.stage.now;
            let caller = &mut self.callers[one];
            (caller.source, caller.heard, caller.there) = (source, Some(now), true);
        }
        self.look("after message 3")
    }

    /// Whether what he says comes to the listener's node.
    fn has_way(&self, one: usize) -> bool {
        self.callers[one].outer.is_none_or(|outer| self.callers[outer].there)
    }

    /// Whoever he speaks through speaks himself, a moment before: no two are heard at one time.
    fn rouse(&mut self, one: usize) -> Outcome {
        match self.callers[one].outer {
            None => Ok(()),
            Some(outer) => {
                self.speak(outer)?;
                self.wait(Duration::from_millis(1))
            }
        }
    }

    /// What he says arrives.
    fn speak(&mut self, one: usize) -> Outcome {
        if !self.has_way(one) {
            return Ok(());
        }
        self.rouse(one)?;
        self.words += 1;
        let words = self.words.to_be_bytes();
        let message = Message::new(Route::from_iter([APP]).as_ref(), Route::from_iter(["caller"]).as_ref(), &words);
        self.give(one, channel::Input::Send(message))?;
        self.got.clear();
        self.carry(one)?;
        self.is_heard(one);
        let name = self.papers[self.callers[one].papers].name;
        let came = matches!(&self.got[..], [(payload, peer)] if *payload == words && *peer == Some(name));
        demand(came, Property::Liveness, || format!("of what caller {one} said came {:?}", self.got))?;
        self.look("after somebody spoke")
    }

    /// Something authentic has come through his channel: once a minute the listener is told.
    fn is_heard(&mut self, one: usize) {
        let now = self.stage.now;
        if let Some(heard) = self.callers[one].heard.as_mut().filter(|heard| now.since(**heard) >= SILENCE) {
            *heard = now;
        }
    }

    /// Somebody else says something to his end of the channel: it counts for nothing.
    fn mumble(&mut self, one: usize) -> Outcome {
        let garbage = self.random.bytes(60);
        let onward = vec![self.callers[one].decryptor.clone()];
        self.frame(self.callers[one].connection, onward, garbage)?;
        self.look("after garbage")?;
        if self.random.below(2) == 0 { self.speak(one) } else { Ok(()) }
    }

    /// Somebody says what begins no handshake. Only what looks as if it did may cost another his place.
    fn stammer(&mut self, connection: usize) -> Outcome {
        let nothing = BTreeSet::new();
        let (candidates, when) = match self.random.below(3) {
            0 => {
                self.frame(connection, vec![LISTENER.into()], vec![7; 31])?;
                (nothing, "after a message 1 that is too short")
            }
            1 => {
                self.stage.send(Route::from_iter([LISTENER]), Route::new(), &[7; 32])?;
                (nothing, "after a message 1 without a way back")
            }
            _ => {
                let candidates = self.in_the_way_of_half_open(Source::Connection(connection));
                self.frame(connection, vec![LISTENER.into()], vec![0; 32])?;
                (candidates, "after a message 1 with a key that is none")
            }
        };
        self.hear()?;
        self.make_room(&candidates, when)?;
        self.look(when)
    }

    fn close(&mut self, one: usize) -> Outcome {
        if !self.has_way(one) {
            return Ok(());
        }
        self.give(one, channel::Input::Close)?;
        self.carry(one)?;
        self.callers[one].there = false;
        self.look("after somebody closed his channel")
    }

    /// One source begins so much that it displaces its own: whom, is random.
    fn flood(&mut self) -> Outcome {
        let (mut by_age, mut by_address) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..FLOOD {
            self.wait(Duration::from_millis(1))?;
            let mine: Vec<usize> = (0..self.callers.len())
                .filter(|one| self.callers[*one].is_half_open() && self.callers[*one].source == Source::Connection(0))
                .collect();
            let Some(gone) = self.knock_and_see(0, None)?.filter(|gone| mine.contains(gone)) else { continue };
            let address = &self.callers[gone].decryptor;
            by_age.insert(mine.iter().filter(|one| **one < gone).count());
            by_address.insert(mine.iter().filter(|one| self.callers[**one].decryptor < *address).count());
        }
        self.frame(0, vec![LISTENER.into()], vec![7; 31])?;
        self.look("after a message 1 that is too short, with all places taken")?;
        let drawn: Vec<&[u8]> = self.callers.iter().map(|caller| caller.decryptor.as_ref().value).collect();
        for digit in 0..32 {
            let digits: BTreeSet<_> = drawn.iter().map(|drawn| drawn.get(digit)).collect();
            demand(digits.len() > 1 && !digits.contains(&None), Property::Conformance, || {
                format!("digit {digit} of the addresses of {} workers is the same, or is not there", drawn.len())
            })?;
        }
        demand(by_age.len() > 1 && by_address.len() > 1, Property::Bounds, || {
            "who floods a listener can tell whose handshake is ended: it is always the same place".into()
        })
    }

    /// A frame of a stranger.
    fn frame(&mut self, connection: usize, onward: Vec<Address>, payload: Vec<u8>) -> Outcome {
        let frame = Frame { onward, back: vec!["caller".into()], payload, tracing: None };
        self.stage.receive(self.connections[connection], frame.encode())?;
        self.hear()
    }

    fn give(&mut self, one: usize, input: channel::Input) -> Outcome {
        let mut env = Env::new(self.stage.now, wall(self.stage.now), &mut self.entropy);
        let given = self.callers[one].channel.handle(&mut env, input);
        given.map_err(|error| fault(Property::Liveness, format!("a caller's own channel fails: {error:?}")))
    }

    /// What he has to say goes where it has to, and so does what comes of it.
    fn carry(&mut self, one: usize) -> Outcome {
        while let Some(output) = self.callers[one].channel.poll_output() {
            match output {
                channel::Output::Transmit(message) => match self.callers[one].outer {
                    None => {
                        let frame = Frame::from(&message).encode();
                        self.stage.receive(self.connections[self.callers[one].connection], frame)?;
                    }
                    Some(outer) => {
                        let mut message = message;
                        // An answer leads back through the encryptor of this end, where a node would take it.
                        let encryptor = &self.callers[outer].channel.addresses().encryptor;
                        if message.onward().first() == Some(encryptor.as_ref()) {
                            message.pop_onward().expect("it has a first address");
                        }
                        self.give(outer, channel::Input::Send(message))?;
                        self.is_heard(outer);
                        self.carry(outer)?;
                    }
                },
                channel::Output::Request { ticket, request, .. } => {
                    let answer = match request {
                        Request::Vault(request) => {
                            Answer::Vault(self.papers[self.callers[one].papers].vault.answer(&request))
                        }
                        Request::Store(StoreRequest::Load(_)) => Answer::Store(Ok(StoreAnswer::Loaded(None))),
                        Request::Store(StoreRequest::Store(..)) => Answer::Store(Ok(StoreAnswer::Stored)),
                    };
                    // It asks one thing at a time, and says nothing else meanwhile.
                    self.give(one, channel::Input::Answer(ticket, answer))?;
                }
                // For somebody who speaks through this channel.
                channel::Output::Deliver(message) => self.wait_for(message),
                channel::Output::Event(_) => {}
            }
        }
        self.hear()
    }

    /// What comes for a caller waits until he looks; whoever others speak through looks at once.
    fn wait_for(&mut self, message: Message) {
        let to = message.onward().first();
        if let Some(caller) = self.callers.iter_mut().find(|caller| Some(caller.own.as_ref()) == to) {
            caller.waiting.push_back(message);
        }
    }

    /// What the node says: answers to what it asks, and frames for its callers.
    fn hear(&mut self) -> Outcome {
        while let Some(output) = self.stage.said.pop_front() {
            match output {
                Output::Transmit { connection, frame } => {
                    let bytes = frame.payload().len() as u64;
                    self.stage.must(Input::Sent { connection, bytes })?;
                    if let Ok(frame) = View::new(frame.payload()) {
                        self.wait_for(frame.message());
                    }
                }
                Output::Request { id, request, .. } => {
                    let answer = match request {
                        Request::Vault(request) => Answer::Vault(self.listener.vault.answer(&request)),
                        Request::Store(request) => Answer::Store(self.store.answer(&request)),
                    };
                    self.stage.must(Input::Answer { id, answer })?;
                }
                Output::Deliver { inbox, delivery } => {
                    self.got.push((delivery.message.payload().to_vec(), delivery.provenance.peer().copied()));
                    self.stage.must(Input::Taken { inbox, messages: 1 })?;
                }
                Output::Event(Event::ChannelOpened { decryptor, .. }) => {
                    self.opened.insert(decryptor);
                }
                Output::Event(_) => {}
                Output::Close { .. } | Output::Cross { .. } => {
                    return Err(fault(Property::Bounds, "a connection was closed for no reason"));
                }
            }
        }
        // What has come through a channel that is open there.
        let listens = |caller: &Caller| caller.is_open() && !caller.waiting.is_empty();
        while let Some(one) = self.callers.iter().position(listens) {
            while let Some(message) = self.callers[one].waiting.pop_front() {
                self.give(one, channel::Input::Receive(message))?;
            }
            self.carry(one)?;
        }
        Ok(())
    }
}

fn wall(now: Instant) -> Timestamp {
    Timestamp(BEGIN + now.since(Instant::ZERO).as_secs())
}
