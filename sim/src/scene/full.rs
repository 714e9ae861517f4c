//! A node that is full, of messages or of bytes, while peers take nothing of what they are sent. A model says whom it has to
//! close, whom it must not, and what of all that waits.

use std::collections::{BTreeMap, VecDeque};

use razor::machine::Machine as _;
use razor::node::{Config, ConnectionId, Delivery, Flow, Input, Mailbox, Output};
use razor::routing::{Address, Message, Route};

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::Stage;
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 120;

const CONNECTIONS: usize = 4;

/// An application that takes late: it is no peer, and nothing is closed for it.
const SLOW: &str = "slow";

/// How many messages have room.
const QUEUE: usize = 14;

/// Payloads.
const SIZES: [usize; 3] = [20, 20, 3_000];

/// A message that waits: its memory, and what it is on the wire.
#[derive(Debug, Clone, Copy)]
struct Letter {
    cost: usize,
    wire: u64,
}

/// What the model knows of a connection.
struct Peer {
    address: Address,
    waiting: VecDeque<Letter>,
    /// Bytes that have left and not arrived.
    on_its_way: u64,
}

impl Peer {
    fn amount(&self, by_number: bool) -> usize {
        if by_number { self.waiting.len() } else { self.waiting.iter().map(|letter| letter.cost).sum() }
    }
}

struct Full {
    stage: Stage,
    random: Stream,
    queue_bytes: usize,
    transmit: u64,
    peers: BTreeMap<ConnectionId, Peer>,
    slow: VecDeque<Letter>,
    handed: usize,
}

fn message(first: &Address, size: usize) -> Message {
    let (onward, back) = (Route::from_iter([first.clone(), "far".into()]), Route::from_iter(["owner"]));
    Message::new(onward.as_ref(), back.as_ref(), &vec![7; size])
}

/// What it is once it is on the wire.
fn wire(size: usize) -> u64 {
    let frame = Frame { onward: vec!["far".into()], back: vec!["owner".into()], payload: vec![7; size], tracing: None };
    frame.encode().len() as u64
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a full node");
    // Short messages reach it exactly.
    let transmit = 2 * wire(SIZES[0]);
    let queue_bytes = if random.below(2) == 0 { Config::DEFAULT.queue_bytes } else { 24_000 };
    let config = Config { queue: QUEUE, queue_bytes, inbox: 64, hand_over: 1, transmit, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "a full node", config);
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(SLOW.into()), Flow::default())).expect("a free address");
    let mut scene =
        Full { stage, random, queue_bytes, transmit, peers: BTreeMap::new(), slow: VecDeque::new(), handed: 0 };
    for _ in 0..LINES {
        scene.line()?;
    }
    Ok(())
}

impl Full {
    fn line(&mut self) -> Outcome {
        while self.peers.len() < CONNECTIONS {
            self.connect()?;
        }
        let ids: Vec<ConnectionId> = self.peers.keys().copied().collect();
        let id = ids[self.random.index(ids.len())];
        match self.random.below(16) {
            0..=9 => self.send(Some(id)),
            10..=11 => self.send(None),
            12 => self.take(),
            13..=14 => self.arrive(id),
            _ => self.hang_up(id),
        }
    }

    fn connect(&mut self) -> Outcome {
        let (id, address) = self.stage.connect(None, None).expect("few connections");
        self.stage.said.clear();
        self.stage.must(Input::Sent { connection: id, bytes: 1 })?;
        self.peers.insert(id, Peer { address, waiting: VecDeque::new(), on_its_way: 0 });
        Ok(())
    }

    /// All that waits: messages, bytes, and in how many queues.
    fn load(&self) -> (usize, usize, usize) {
        let queues = self.peers.values().map(|peer| &peer.waiting).chain([&self.slow]);
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
            let blocked = self.peers.iter().filter(|(_, peer)| peer.on_its_way >= self.transmit);
            let greediest = blocked.map(|(id, peer)| (peer.amount(by_number), *id)).max();
            match greediest.filter(|(amount, _)| *amount > 0 && amount * busy >= all) {
                Some((_, id)) => {
                    self.peers.remove(&id);
                    closed.push(id);
                }
                None => return (closed, false),
            }
        }
    }

    /// The owner says something to a peer, or to the application that takes late.
    fn send(&mut self, to: Option<ConnectionId>) -> Outcome {
        let size = SIZES[self.random.index(SIZES.len())];
        let first = to.map_or(SLOW.into(), |id| self.peers[&id].address.clone());
        let message = message(&first, size);
        let letter = Letter { cost: message.footprint() + size_of::<Delivery>(), wire: wire(size) };
        let (closed, mut fits) = self.make_room(letter.cost);
        match to {
            None if fits => self.slow.push_back(letter),
            None => {}
            Some(id) => match self.peers.get_mut(&id) {
                Some(peer) if fits => peer.waiting.push_back(letter),
                Some(_) => {}
                None => fits = false,
            },
        }
        let taken = self.stage.give(Input::Send(message))?.is_ok();
        demand(taken == fits, Property::Bounds, || {
            format!("with {:?} waiting, another message was taken: {taken}", self.load())
        })?;
        self.look(&closed)
    }

    /// Bytes arrive: all that were on their way, or some.
    fn arrive(&mut self, id: ConnectionId) -> Outcome {
        let some = self.random.below(3) == 0;
        let on_its_way = self.peers.get_mut(&id).map(|peer| &mut peer.on_its_way);
        let Some(on_its_way) = on_its_way else { return Ok(()) };
        let bytes = if some { *on_its_way / 2 } else { *on_its_way };
        *on_its_way -= bytes;
        self.stage.must(Input::Sent { connection: id, bytes })?;
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

    fn hang_up(&mut self, id: ConnectionId) -> Outcome {
        self.peers.remove(&id);
        self.stage.must(Input::Disconnected { connection: id })?;
        self.look(&[])
    }

    /// What leaves and is handed over, what is closed, and what waits is what the model says.
    fn look(&mut self, closed: &[ConnectionId]) -> Outcome {
        let mut expected: BTreeMap<ConnectionId, Vec<u64>> = BTreeMap::new();
        for (id, peer) in &mut self.peers {
            while peer.on_its_way < self.transmit
                && let Some(letter) = peer.waiting.pop_front()
            {
                peer.on_its_way += letter.wire;
                expected.entry(*id).or_default().push(letter.wire);
            }
        }
        if self.handed == 0 && self.slow.pop_front().is_some() {
            self.handed = 1;
        }
        let (mut left, mut gone) = (BTreeMap::<ConnectionId, Vec<u64>>::new(), Vec::new());
        for output in std::mem::take(&mut self.stage.said) {
            match output {
                Output::Transmit { connection, frame } => {
                    left.entry(connection).or_default().push(frame.payload().len() as u64);
                }
                Output::Close { connection, .. } => gone.push(connection),
                Output::Deliver { .. } | Output::Event(_) => {}
                other => return Err(fault(Property::Conformance, format!("a full node did {other:?}"))),
            }
        }
        demand(gone == closed, Property::Bounds, || {
            format!("a full node closed {gone:?}, and had to close {closed:?}: with {:?} left", self.load())
        })?;
        demand(left == expected, Property::Bounds, || {
            format!(
                "frames of {left:?} bytes left, and {expected:?} had to, while {} may be on their way",
                self.transmit
            )
        })?;
        let (_, bytes, _) = self.load();
        let held = self.stage.node.provisional();
        demand(held == bytes, Property::Bounds, || format!("{held} bytes wait, and {bytes} should"))
    }
}
