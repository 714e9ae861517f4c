//! A line for room in one inbox. Who waits is a connection, a relay or a producer, with a short message or a long one; some
//! go before their turn. Whoever there is room for goes on at once, in the order in which they came, and nobody else.

use std::collections::VecDeque;
use std::time::Duration;

use razor::machine::Machine as _;
use razor::node::{Config, ConnectionId, Delivery, Flow, FlowControlId, Input, Mailbox, Output, Spec};
use razor::routing::{Address, HEADROOM, TAILROOM};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::{Passer, Stage};
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 120;

/// The application that takes one at a time.
const SLOW: &str = "slow";

/// So many have room in its inbox, or one long one.
const SHORT: usize = 4;
const LONG_BYTES: usize = 8_000;
/// What a message costs besides its payload: room around it, its routes, its place in a queue.
const AROUND: usize = HEADROOM + TAILROOM + size_of::<Delivery>();
/// Beside a long one there is no room for a short one.
const ROOM: usize = LONG_BYTES + AROUND + AROUND / 2;

/// Longer than the scene.
const STALL: Duration = Duration::from_secs(3_600);

/// Where each of those who send comes in: at the application itself, at a relay, at a producer.
const LANES: [Option<(&str, bool)>; 6] = [None, None, None, None, Some(("relay", true)), Some(("producer", false))];

/// A message: who sent it, which of his it is, and whether it is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    lane: usize,
    number: u8,
    long: bool,
}

struct Line {
    stage: Stage,
    random: Stream,
    accepted: FlowControlId,
    connections: Vec<ConnectionId>,
    sent: u8,
    /// What is in the inbox, who waits for room in it, and what the application was handed and has not taken.
    inbox: VecDeque<Letter>,
    line: VecDeque<Letter>,
    handed: VecDeque<Letter>,
    /// What it has to have been handed since the last look.
    due: Vec<Letter>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a line");
    let steps = [1, 2, 1_024][random.index(3)];
    let config = Config { inbox: SHORT, inbox_bytes: ROOM, hand_over: 1, stall: STALL, steps, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "a node with a line", config);
    let accepted = stage.node.new_flow_control_id();
    let producer = stage.node.new_flow_control_id();
    let flow = Flow { consumer_of: vec![accepted, producer], ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(SLOW.into()), flow)).expect("a free address");
    for (name, relays) in LANES.into_iter().flatten() {
        let producer = (!relays).then_some(producer);
        let flow = Flow { producer, consumer_of: vec![accepted], ..Flow::default() };
        let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow, worker: Box::new(Passer { relays }) };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    let mut scene = Line {
        stage,
        random,
        accepted,
        connections: Vec::new(),
        sent: 0,
        inbox: VecDeque::new(),
        line: VecDeque::new(),
        handed: VecDeque::new(),
        due: Vec::new(),
    };
    for lane in 0..LANES.len() {
        scene.connect(lane)?;
    }
    for _ in 0..LINES {
        scene.line()?;
    }
    while !scene.handed.is_empty() {
        scene.take()?;
    }
    let left = scene.stage.node.provisional();
    demand(left == 0, Property::Bounds, || format!("all is taken, and {left} bytes wait"))
}

impl Line {
    fn line(&mut self) -> Outcome {
        let lane = self.random.index(LANES.len());
        match self.random.below(14) {
            0..=7 => self.speak(lane),
            8..=10 => self.take(),
            11 => self.leave(lane),
            _ => self.leave_when_called(),
        }
    }

    /// Somebody comes, in the place of whoever was there.
    fn connect(&mut self, lane: usize) -> Outcome {
        let (id, _) = self.stage.connect(Some(self.accepted), None).expect("few connections");
        self.stage.receive(id, vec![VERSION])?;
        if lane == self.connections.len() {
            self.connections.push(id);
        }
        self.connections[lane] = id;
        Ok(())
    }

    fn waits(&self, lane: usize) -> bool {
        self.line.iter().any(|letter| letter.lane == lane)
    }

    /// Somebody who does not wait says something.
    fn speak(&mut self, lane: usize) -> Outcome {
        if self.waits(lane) {
            return self.speak_in_vain(lane);
        }
        self.sent = self.sent.wrapping_add(1);
        let letter = Letter { lane, number: self.sent, long: self.random.below(4) == 0 };
        let mut payload = vec![lane as u8, letter.number];
        payload.resize(if letter.long { LONG_BYTES } else { 2 }, 7);
        let passer = LANES[lane].map(|(name, _)| Address::local(name));
        let onward = passer.into_iter().chain([SLOW.into()]).collect();
        let frame = Frame { onward, back: Vec::new(), payload, tracing: None };
        self.stage.receive(self.connections[lane], frame.encode())?;
        if self.has_room(letter) {
            self.inbox.push_back(letter)
        } else {
            self.line.push_back(letter)
        }
        self.look("after somebody spoke")
    }

    /// Somebody who waits himself says more: it is not read.
    fn speak_in_vain(&mut self, lane: usize) -> Outcome {
        if LANES[lane].is_some() {
            return Ok(());
        }
        let frame = Frame { onward: vec![SLOW.into()], back: Vec::new(), payload: vec![7; 2], tracing: None };
        let taken = self.stage.receive(self.connections[lane], frame.encode())?;
        demand(!taken, Property::Bounds, || format!("connection {lane} is read while its last message waits"))
    }

    fn has_room(&self, letter: Letter) -> bool {
        let some_long = letter.long || self.inbox.iter().any(|letter| letter.long);
        self.inbox.is_empty() || !some_long && self.inbox.len() < SHORT
    }

    /// What the node has to have done: it hands over one, and lets in whom there is room for.
    fn go_on(&mut self) {
        if self.handed.is_empty() {
            self.handed.extend(self.inbox.pop_front());
            self.due.extend(&self.handed);
        }
        while let Some(letter) = self.line.front().copied().filter(|letter| self.has_room(*letter)) {
            self.line.pop_front();
            self.inbox.push_back(letter);
        }
    }

    /// The application takes what it was handed.
    fn take(&mut self) -> Outcome {
        if self.handed.pop_front().is_none() {
            return Ok(());
        }
        self.stage.must(Input::Taken { inbox: SLOW.into(), messages: 1 })?;
        self.look("after the application took one")
    }

    /// Somebody leaves, or a relay stops whose message waits: that was sent.
    fn leave(&mut self, lane: usize) -> Outcome {
        if let Some((name, relays)) = LANES[lane] {
            // The producer's id is not known to another one.
            if relays {
                self.stage.with(|node, env| node.stop_worker(env, &name.into())).expect("it is there");
                let flow = Flow { consumer_of: vec![self.accepted], ..Flow::default() };
                let worker = Box::new(Passer { relays });
                let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow, worker };
                self.stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
            }
            return self.look("after a relay stopped");
        }
        self.line.retain(|letter| letter.lane != lane);
        self.stage.must(Input::Disconnected { connection: self.connections[lane] })?;
        self.connect(lane)?;
        self.look("after somebody left")
    }

    /// Whoever is the first in line leaves when there is room, before the node has come to him or right after.
    fn leave_when_called(&mut self) -> Outcome {
        let Some(Letter { lane, .. }) = self.line.front().copied().filter(|letter| LANES[letter.lane].is_none()) else {
            return Ok(());
        };
        let id = self.connections[lane];
        let taken = Input::Taken { inbox: SLOW.into(), messages: self.handed.len() };
        self.handed.clear();
        let called = self.stage.with(|node, env| node.handle(env, taken)).is_ok();
        demand(called, Property::Conformance, || "what was taken cannot be taken".into())?;
        if self.stage.node.reads(id) {
            self.go_on();
        }
        self.line.retain(|letter| letter.lane != lane);
        self.stage.must(Input::Disconnected { connection: id })?;
        self.connect(lane)?;
        self.look("after somebody left whose turn it was")
    }

    /// Exactly what has to be handed over was, and exactly those are read who do not wait.
    fn look(&mut self, when: &str) -> Outcome {
        self.stage.pass(Duration::ZERO)?;
        self.go_on();
        let mut handed = Vec::new();
        for output in std::mem::take(&mut self.stage.said) {
            match output {
                Output::Deliver { delivery, .. } => handed.push(delivery.message.payload()[..2].to_vec()),
                Output::Transmit { .. } => {}
                other => return Err(fault(Property::Conformance, format!("{when}, a node did {other:?}"))),
            }
        }
        let due = std::mem::take(&mut self.due);
        let expected = due.iter().map(|letter| vec![letter.lane as u8, letter.number]);
        demand(expected.eq(handed.iter().cloned()), Property::Liveness, || {
            format!("{when}, {handed:?} were handed over, and had to be {due:?}")
        })?;
        for (lane, id) in self.connections.iter().enumerate().filter(|(lane, _)| LANES[*lane].is_none()) {
            let (reads, waits) = (self.stage.node.reads(*id), self.waits(lane));
            demand(reads != waits, Property::Liveness, || {
                let is = if waits { "is read, and there is no room" } else { "is not read, and there is room" };
                format!("{when}, connection {lane} {is}: in the inbox {:?}, in line {:?}", self.inbox, self.line)
            })?;
        }
        Ok(())
    }
}
