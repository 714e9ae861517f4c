//! A full node, whose relays hold what is for peers that take nothing. It counts for the peer that it waits for: a model says
//! whom the node has to close, whom it must not, and what of all that waits. One of them is at the other end of a link.

use std::collections::{BTreeMap, VecDeque};

use razor::machine::Machine as _;
use razor::node::{Config, ConnectionId, Delivery, Event, Flow, FlowControlId, Input, Mailbox, Output, Spec};
use razor::routing::{Address, Message, Route};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::{Passer, Stage};
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 120;

/// How many peers there are, each with a relay of its own. The first is at the other end of a link.
const LANES: usize = 4;
const LINK: usize = 0;

/// An application that takes late: it is no peer, and nothing is closed for it.
const SLOW: &str = "slow";

/// How many messages have room, and in one inbox: more than in all inboxes together.
const QUEUE: usize = 24;
const INBOX: usize = 4;

/// Payloads.
const SIZES: [usize; 3] = [20, 20, 3_000];

/// A message that waits: its memory, and what it is on its way.
#[derive(Debug, Clone, Copy)]
struct Letter {
    cost: usize,
    wire: u64,
}

/// What the model knows of a peer: what waits for it, and what waits at its relay for that to become less.
struct Peer {
    id: ConnectionId,
    address: Address,
    inbox: VecDeque<Letter>,
    outbox: VecDeque<Letter>,
    /// Bytes that have left and not arrived.
    on_its_way: u64,
}

impl Peer {
    fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.inbox.iter().chain(&self.outbox)
    }

    fn amount(&self, by_number: bool) -> usize {
        if by_number { self.letters().count() } else { self.letters().map(|letter| letter.cost).sum() }
    }
}

struct Queues {
    stage: Stage,
    random: Stream,
    accepted: FlowControlId,
    queue_bytes: usize,
    transmit: u64,
    /// Who is there, by lane.
    peers: BTreeMap<usize, Peer>,
    slow: VecDeque<Letter>,
    handed: usize,
    /// Who says much at once; nobody if bytes are counted: what that costs is the node's own affair.
    talker: Option<(ConnectionId, Address)>,
    /// How many messages are lost with a peer until the next look.
    lost: usize,
}

/// What it is once it is on the wire.
fn wire(back: Vec<Address>, size: usize) -> u64 {
    Frame { onward: vec!["far".into()], back, payload: vec![7; size], tracing: None }.encode().len() as u64
}

fn relay(lane: usize) -> Address {
    Address::local(&format!("relay {lane}"))
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a node full behind relays");
    let transmit = 2 * wire(vec!["owner".into()], SIZES[0]);
    let by_number = random.below(2) == 0;
    let queue_bytes = if by_number { Config::DEFAULT.queue_bytes } else { 45_000 };
    let config = Config { queue: QUEUE, queue_bytes, inbox: INBOX, hand_over: 1, transmit, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "a full node with relays", config);
    let accepted = stage.node.new_flow_control_id();
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(SLOW.into()), Flow::default())).expect("a free address");
    for lane in 0..LANES {
        let flow = Flow { consumer_of: vec![accepted], ..Flow::default() };
        let spec =
            Spec { mailboxes: vec![Mailbox::open(relay(lane))], flow, worker: Box::new(Passer { relays: true }) };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    let talker = by_number.then(|| stage.connect(Some(accepted), None).expect("few connections"));
    if let Some((id, _)) = &talker {
        stage.receive(*id, vec![VERSION])?;
    }
    let (peers, slow) = (BTreeMap::new(), VecDeque::new());
    let mut scene = Queues { stage, random, accepted, queue_bytes, transmit, peers, slow, handed: 0, talker, lost: 0 };
    for _ in 0..LINES {
        scene.line()?;
    }
    Ok(())
}

impl Queues {
    fn line(&mut self) -> Outcome {
        for lane in 0..LANES {
            if !self.peers.contains_key(&lane) {
                self.connect(lane)?;
            }
        }
        let lane = self.random.index(LANES);
        match self.random.below(16) {
            0..=3 => self.send(Some(lane), false),
            4..=6 => self.send(Some(lane), true),
            7..=9 => self.talk(lane),
            10..=11 => self.send(None, false),
            12 => self.take(),
            13..=14 => self.arrive(lane),
            _ if lane == LINK => self.arrive(lane),
            _ => self.hang_up(lane),
        }
    }

    fn connect(&mut self, lane: usize) -> Outcome {
        let (id, address) =
            if lane == LINK { self.stage.link() } else { self.stage.connect(Some(self.accepted), None) }
                .expect("few connections");
        self.stage.said.clear();
        if lane != LINK {
            self.stage.must(Input::Sent { connection: id, bytes: 1 })?;
        }
        let peer = Peer { id, address, inbox: VecDeque::new(), outbox: VecDeque::new(), on_its_way: 0 };
        self.peers.insert(lane, peer);
        Ok(())
    }

    /// All that waits: messages, bytes, and in how many queues.
    fn load(&self) -> (usize, usize, usize) {
        let queues = self.peers.values().flat_map(|peer| [&peer.inbox, &peer.outbox]).chain([&self.slow]);
        queues.fold((0, 0, 0), |(messages, bytes, busy), queue| {
            let sum: usize = queue.iter().map(|letter| letter.cost).sum();
            (messages + queue.len(), bytes + sum, busy + usize::from(!queue.is_empty()))
        })
    }

    /// Who has to go before another message of this cost has room; or that it has none.
    fn make_room(&mut self, cost: usize) -> (Vec<ConnectionId>, bool) {
        let mut closed = Vec::new();
        loop {
            let (messages, bytes, busy) = self.load();
            let by_number = messages >= QUEUE;
            if !by_number && bytes + cost <= self.queue_bytes {
                return (closed, true);
            }
            let all = if by_number { messages } else { bytes };
            let takes_nothing = |(lane, peer): &(&usize, &Peer)| **lane != LINK && peer.on_its_way >= self.transmit;
            let blocked = self.peers.iter().filter(takes_nothing);
            let greediest = blocked.map(|(lane, peer)| (peer.amount(by_number), peer.id, *lane)).max();
            match greediest.filter(|(amount, ..)| *amount > 0 && amount * busy >= all) {
                Some((.., id, lane)) => {
                    self.lose(lane);
                    closed.push(id);
                }
                None => return (closed, false),
            }
        }
    }

    /// A peer is gone: what is left for it with its relay goes nowhere.
    fn lose(&mut self, lane: usize) {
        self.lost += self.peers.remove(&lane).map_or(0, |peer| peer.outbox.len());
    }

    /// Something is for a peer, or comes to its relay, where nothing waits.
    fn put(&mut self, lane: usize, letter: Letter) {
        match self.peers.get_mut(&lane) {
            Some(peer) if peer.outbox.is_empty() && peer.inbox.len() < INBOX => peer.inbox.push_back(letter),
            Some(peer) => peer.outbox.push_back(letter),
            None => self.lost += 1,
        }
    }

    /// The owner says something to a peer, itself or over its relay, or to the application that takes late.
    fn send(&mut self, to: Option<usize>, relayed: bool) -> Outcome {
        let size = SIZES[self.random.index(SIZES.len())];
        let peer = to.map(|lane| (lane, &self.peers[&lane]));
        // Who has no room himself is told so, whoever else has.
        let full = match &peer {
            Some((_, peer)) if relayed => !peer.outbox.is_empty(),
            Some((_, peer)) => peer.inbox.len() >= INBOX,
            None => self.slow.len() >= INBOX,
        };
        let mut onward = Vec::from_iter(to.filter(|_| relayed).map(relay));
        onward.push(peer.map_or(SLOW.into(), |(_, peer)| peer.address.clone()));
        onward.push("far".into());
        let (onward, back) = (Route::from_iter(onward), Route::from_iter(["owner"]));
        let message = Message::new(onward.as_ref(), back.as_ref(), &vec![7; size]);
        let footprint = message.footprint();
        let wire = if to == Some(LINK) { footprint as u64 } else { wire(vec!["owner".into()], size) };
        let letter = Letter { cost: footprint + size_of::<Delivery>(), wire };
        let (closed, mut fits) = if full { (Vec::new(), false) } else { self.make_room(letter.cost) };
        match to {
            _ if !fits => {}
            None => self.slow.push_back(letter),
            // It was closed itself.
            Some(lane) if !relayed && !self.peers.contains_key(&lane) => fits = false,
            Some(lane) => self.put(lane, letter),
        }
        let taken = self.stage.give(Input::Send(message))?.is_ok();
        demand(taken == fits, Property::Bounds, || {
            format!("with {:?} waiting, another message was taken: {taken}", self.load())
        })?;
        self.look(&closed)
    }

    /// A stranger says much at once to a peer over its relay, as long as there is room for all of it.
    fn talk(&mut self, lane: usize) -> Outcome {
        let count = self.random.within(1..=INBOX as u64) as usize;
        let Some((id, address)) = self.talker.clone() else { return self.send(Some(lane), true) };
        let (messages, ..) = self.load();
        let peer = &self.peers[&lane];
        // What crosses a link has the memory that the node gave it.
        if lane == LINK || messages + count > QUEUE || !peer.outbox.is_empty() {
            return Ok(());
        }
        let onward = vec![relay(lane), peer.address.clone(), "far".into()];
        let frame = Frame { onward, back: vec!["peer".into()], payload: vec![7; SIZES[0]], tracing: None };
        let wire = wire(vec![address, "peer".into()], SIZES[0]);
        (0..count).for_each(|_| self.put(lane, Letter { cost: 0, wire }));
        let taken = self.stage.receive(id, frame.encode().repeat(count))?;
        demand(taken, Property::Liveness, || "a node that has room does not read".into())?;
        self.look(&[])
    }

    /// Bytes arrive: all that were on their way, or some.
    fn arrive(&mut self, lane: usize) -> Outcome {
        let some = self.random.below(3) == 0;
        let Some(peer) = self.peers.get_mut(&lane) else { return Ok(()) };
        let bytes = if some { peer.on_its_way / 2 } else { peer.on_its_way };
        peer.on_its_way -= bytes;
        let connection = peer.id;
        self.stage.must(Input::Sent { connection, bytes })?;
        self.look(&[])
    }

    /// The application takes one.
    fn take(&mut self) -> Outcome {
        if self.handed > 0 {
            self.handed -= 1;
            self.stage.must(Input::Taken { inbox: SLOW.into(), messages: 1 })?;
        }
        self.look(&[])
    }

    fn hang_up(&mut self, lane: usize) -> Outcome {
        let connection = self.peers[&lane].id;
        self.lose(lane);
        self.stage.must(Input::Disconnected { connection })?;
        self.look(&[])
    }

    /// What leaves and is lost, what is closed, and what waits is what the model says.
    fn look(&mut self, closed: &[ConnectionId]) -> Outcome {
        let mut expected: BTreeMap<ConnectionId, Vec<u64>> = BTreeMap::new();
        for peer in self.peers.values_mut() {
            while peer.on_its_way < self.transmit
                && let Some(letter) = peer.inbox.pop_front()
            {
                peer.on_its_way += letter.wire;
                expected.entry(peer.id).or_default().push(letter.wire);
                peer.inbox.extend(peer.outbox.pop_front());
            }
        }
        if self.handed == 0 && self.slow.pop_front().is_some() {
            self.handed = 1;
        }
        let (mut left, mut gone, mut dropped) = (BTreeMap::<ConnectionId, Vec<u64>>::new(), Vec::new(), 0);
        for output in std::mem::take(&mut self.stage.said) {
            match output {
                Output::Transmit { connection, frame } => {
                    left.entry(connection).or_default().push(frame.payload().len() as u64);
                }
                Output::Cross { connection, crossing } => left.entry(connection).or_default().push(crossing.size()),
                Output::Close { connection, .. } => gone.push(connection),
                Output::Event(Event::Dropped { .. }) => dropped += 1,
                Output::Deliver { .. } => {}
                other => return Err(fault(Property::Conformance, format!("a full node did {other:?}"))),
            }
        }
        demand(gone == closed, Property::Bounds, || {
            format!("a full node closed {gone:?}, and had to close {closed:?}: with {:?} left", self.load())
        })?;
        demand(left == expected, Property::Bounds, || {
            format!("{left:?} bytes left, and {expected:?} had to, while {} may be on their way", self.transmit)
        })?;
        let lost = std::mem::take(&mut self.lost);
        demand(dropped == lost, Property::Bounds, || {
            format!("{dropped} messages were dropped, and {lost} were for somebody who is gone")
        })?;
        let (messages, bytes, _) = self.load();
        let held = self.stage.node.provisional();
        let right = if self.talker.is_some() { (held > 0) == (messages > 0) } else { held == bytes };
        demand(right, Property::Bounds, || format!("{held} bytes of {messages} messages wait, and {bytes} should"))
    }
}
