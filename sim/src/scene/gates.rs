//! Gates before a link that is slow: what has been taken for the far node waits on this side or on that, and comes in its
//! order; and the two nodes give out no id twice.

use std::collections::{BTreeSet, VecDeque};

use razor::machine::{Machine as _, Refused};
use razor::node::{Config, ConnectionId, Crossing, Flow, FlowControlId, Input, Mailbox, Output, Spec};
use razor::routing::{Address, Route};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::{Passer, Stage};
use super::{Fault, Outcome, demand, fault};

/// The number of the link at both ends.
const LINK: ConnectionId = ConnectionId(100);

/// Lines of the script.
const LINES: usize = 150;

/// A worker of the far node, with its gate; and a worker of the near one that sends on what it gets.
const FAR: &str = "far";
const RELAY: &str = "relay";

/// So many may wait for a worker, and one is handed over at a time.
const INBOX: usize = 4;

/// Bytes on the way over the link from which on no more leaves: less than two messages.
const ON_THE_WAY: u64 = 200;

/// More than both nodes take.
const MANY: usize = 40;

/// Who speaks: the owner, or one of two strangers, straight to the gate or by way of the relay.
const LANES: u8 = 4;

struct Gates {
    near: Stage,
    far: Stage,
    random: Stream,
    strangers: [ConnectionId; 2],
    /// What crosses, and what the far node has taken of it and the near does not know of.
    there: VecDeque<Crossing>,
    arrived: VecDeque<u64>,
    on_the_way: u64,
    /// At the far node: what it has let in, and its owner has not taken.
    inside: usize,
    handed: usize,
    said: u32,
    /// Of each lane, what has to come, in its order.
    owed: [VecDeque<Vec<u8>>; LANES as usize],
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("gates");
    let first = random.within(0..=3) as u16;
    let second = first + random.within(1..=3) as u16;
    let config = |shard| Config { shard, inbox: INBOX, hand_over: 1, transmit: ON_THE_WAY, ..Config::DEFAULT };
    let mut near = Stage::new(seed, "a node with gates", config(first));
    let mut far = Stage::new(seed, "a node behind gates", config(second));
    let accepted = near.node.new_flow_control_id();
    let mut strangers = [LINK; 2];
    for stranger in &mut strangers {
        (*stranger, _) = near.connect(Some(accepted), None).expect("few connections");
        near.receive(*stranger, vec![VERSION])?;
    }
    for stage in [&mut near, &mut far] {
        stage
            .with(|node, env| node.link(env, LINK))
            .map_err(|_| fault(Property::Liveness, "two nodes have no link"))?;
    }
    let reached = || Flow { consumer_of: vec![accepted], ..Flow::default() };
    near.with(|node, env| node.open_gate(env, Mailbox::open(FAR.into()), reached(), LINK)).expect("there is a link");
    let relay = Spec {
        mailboxes: vec![Mailbox::open(RELAY.into())],
        flow: reached(),
        worker: Box::new(Passer { relays: true }),
    };
    near.with(|node, env| node.start_worker(env, relay)).expect("a free address");
    far.with(|node, env| node.open_inbox(env, Mailbox::open(FAR.into()), Flow::default())).expect("a free address");
    ids(&mut near, &mut far, &mut random)?;
    let mut scene = Gates {
        near,
        far,
        random,
        strangers,
        there: VecDeque::new(),
        arrived: VecDeque::new(),
        on_the_way: 0,
        inside: 0,
        handed: 0,
        said: 0,
        owed: Default::default(),
    };
    for _ in 0..LINES {
        scene.line()?;
    }
    scene.nothing_crosses()?;
    scene.end()
}

/// Whatever ids two linked nodes give out, now one and now the other, they are all different.
fn ids(near: &mut Stage, far: &mut Stage, random: &mut Stream) -> Outcome {
    let mut all: BTreeSet<FlowControlId> = BTreeSet::new();
    for _ in 0..20 {
        let stage = if random.below(2) == 0 { &mut *near } else { &mut *far };
        let id = stage.node.new_flow_control_id();
        demand(all.insert(id), Property::Access, || format!("two nodes that are linked have both given out {id:?}"))?;
    }
    Ok(())
}

impl Gates {
    fn line(&mut self) -> Outcome {
        // The far owner is the slowest, so that a message waits for room there, and the next behind it.
        match self.random.below(12) {
            0..=4 => {
                let lane = self.random.below(LANES.into()) as u8;
                self.speak(lane).map(|_| ())
            }
            5..=7 => self.cross().map(|_| ()),
            8..=10 => self.acknowledge(),
            _ => self.take(),
        }
    }

    /// Something is said for the far node. `false` if it was not taken.
    fn speak(&mut self, lane: u8) -> Result<bool, Fault> {
        self.said += 1;
        let words = [&[lane][..], &self.said.to_be_bytes()].concat();
        let way: Vec<Address> = if lane.is_multiple_of(2) { vec![FAR.into()] } else { vec![RELAY.into(), FAR.into()] };
        let taken = match lane / 2 {
            0 => self.near.send(way.into_iter().collect(), Route::new(), &words)?,
            _ => {
                let frame = Frame { onward: way, back: vec!["peer".into()], payload: words.clone(), tracing: None };
                self.near.receive(self.strangers[usize::from(lane % 2)], frame.encode())?
            }
        };
        if taken {
            self.owed[usize::from(lane)].push_back(words);
        }
        self.listen()?;
        Ok(taken)
    }

    /// What both say.
    fn listen(&mut self) -> Outcome {
        for output in std::mem::take(&mut self.near.said) {
            match output {
                Output::Cross { crossing, .. } => {
                    demand(self.on_the_way < ON_THE_WAY, Property::Bounds, || {
                        format!("{} bytes are on their way over a link, and more left", self.on_the_way)
                    })?;
                    self.on_the_way += crossing.size();
                    self.there.push_back(crossing);
                }
                Output::Close { .. } => return Err(fault(Property::Bounds, "a connection was closed for no reason")),
                _ => {}
            }
        }
        for output in std::mem::take(&mut self.far.said) {
            let Output::Deliver { delivery, .. } = output else { continue };
            self.handed += 1;
            let words = delivery.message.payload();
            let owed = words.first().and_then(|lane| self.owed.get_mut(usize::from(*lane)));
            let next = owed.and_then(VecDeque::pop_front);
            demand(next.as_deref() == Some(words), Property::Liveness, || {
                format!("through a gate came {words:?}, and the next in that line was {next:?}")
            })?;
        }
        Ok(())
    }

    /// The next message crosses, if the far node reads. `false` if nothing did.
    fn cross(&mut self) -> Result<bool, Fault> {
        let Some(crossing) = self.there.pop_front() else { return Ok(false) };
        let bytes = crossing.size();
        // One is handed over, some wait in the inbox, and the last one waits for room there.
        let reads = self.inside < 1 + INBOX + 1;
        match self.far.give(Input::Crossed { connection: LINK, crossing })? {
            Ok(()) => {
                demand(reads, Property::Bounds, || {
                    format!("{} messages wait at the far node, the last for room, and it reads on", self.inside)
                })?;
                self.inside += 1;
                self.arrived.push_back(bytes);
                self.listen()?;
                Ok(true)
            }
            Err(Refused::Full(input)) => {
                let Input::Crossed { crossing, .. } = input else {
                    return Err(fault(Property::Conformance, "another input came back than was given"));
                };
                self.there.push_front(crossing);
                let inside = self.inside;
                demand(!reads, Property::Liveness, || {
                    format!("{inside} messages are at the far node, and it reads none")
                })?;
                Ok(false)
            }
            Err(Refused::Error(error)) => Err(fault(Property::Conformance, format!("nothing crosses: {error}"))),
        }
    }

    /// The near node hears that something has arrived.
    fn acknowledge(&mut self) -> Outcome {
        let Some(bytes) = self.arrived.pop_front() else { return Ok(()) };
        self.on_the_way -= bytes;
        self.near.must(Input::Sent { connection: LINK, bytes })?;
        self.listen()
    }

    /// The far owner takes what it was handed.
    fn take(&mut self) -> Outcome {
        if self.handed == 0 {
            return Ok(());
        }
        self.handed -= 1;
        self.inside -= 1;
        self.far.must(Input::Taken { inbox: FAR.into(), messages: 1 })?;
        self.listen()
    }

    /// Nothing crosses for a while: there is an end to what is taken, and nobody loses anything.
    fn nothing_crosses(&mut self) -> Outcome {
        for lane in 0..LANES {
            let mut refused = false;
            for _ in 0..MANY {
                refused |= !self.speak(lane)?;
            }
            demand(refused, Property::Bounds, || "nothing crosses a link, and all that is for it is taken".into())?;
        }
        Ok(())
    }

    /// All crosses, and all comes.
    fn end(&mut self) -> Outcome {
        while self.cross()? || !self.arrived.is_empty() || self.handed > 0 {
            self.acknowledge()?;
            self.take()?;
        }
        let left: usize = self.owed.iter().map(VecDeque::len).sum();
        demand(left == 0, Property::Liveness, || format!("{left} messages for a gate were taken, and never came"))?;
        let waits = [self.near.node.provisional(), self.far.node.provisional()];
        demand(waits == [0; 2], Property::Bounds, || format!("all came through a gate, and {waits:?} bytes wait"))
    }
}
