//! An application takes late, so that what is for it waits: in its inbox, with relays and producers, at connections. What
//! has waited is what it was: from whom, for whom, in its order, once. Then the application takes nothing for longer than
//! anybody waits, comes back, and goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use razor::error::Result as Handled;
use razor::machine::Machine as _;
use razor::node::{
    AccessControl, Config, ConnectionId, Context, Delivery, Flow, Input, LocalOnly, Mailbox, News, Output, Spec, Worker,
};
use razor::routing::{Address, Message, Route};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::{Passer, Stage};
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 80;

/// The time of a line.
const LINE: Duration = Duration::from_millis(40);

/// After so many lines the slow application takes something, so that nobody waits for as long as he may at most.
const LAZY: usize = 3;

const STALL: Duration = Duration::from_secs(2);

const CONNECTIONS: usize = 3;

/// The application that takes late, and one that does not.
const SLOW: &str = "slow";
const PROMPT: &str = "prompt";
/// Applications for nobody outside.
const PRIVATE: &str = "private";
const INTERNAL: &str = "internal";
/// Who sends on what it gets: as a relay, as a producer. They are children of one worker, who tells in an inbox of his own
/// what he hears of them.
const RELAY: &str = "relay";
const PRODUCER: &str = "producer";
const PARENT: &str = "parent";
const TOLD: &str = "told";

/// What passes, and whether it may arrive.
const WAYS: [(&[&str], bool); 11] = [
    (&[SLOW], true),
    (&[SLOW], true),
    (&[RELAY, SLOW], true),
    (&[PRODUCER, SLOW], true),
    (&[PROMPT], true),
    (&[PRIVATE], false),
    (&[INTERNAL], false),
    (&[RELAY, PRIVATE], false),
    (&[PRODUCER, INTERNAL], false),
    (&[RELAY, PROMPT], true),
    (&[PRODUCER, PROMPT], true),
];

/// Starts them, and tells who of them is gone.
struct Parent(Vec<Spec>);

impl Worker for Parent {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        self.0.drain(..).for_each(|child| cx.start_child(child));
        Ok(())
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }

    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, _: News) -> Handled<()> {
        let told = Route::from_iter([TOLD]);
        cx.send(0, Message::new(told.as_ref(), Route::new().as_ref(), child.as_ref().value));
        Ok(())
    }
}

/// Who sends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    Owner,
    Connection(usize),
}

/// What is written on a message: who sends it, which way, and which of those it is.
type Mark = (Sender, usize, u32);

struct Waiting {
    stage: Stage,
    random: Stream,
    connections: Vec<(ConnectionId, Address)>,
    /// What each connection's peer has sent and the node does not read yet.
    socket: Vec<VecDeque<Vec<u8>>>,
    /// What was sent and may arrive, and has not.
    owed: BTreeSet<Mark>,
    sent: BTreeMap<(Sender, usize), u32>,
    delivered: BTreeMap<(Sender, usize), u32>,
    /// Handed over to the slow application, and not taken.
    handed: u64,
    /// Whether waiting may have been in vain.
    lossy: bool,
    /// Whether the slow application's address is for nobody outside now.
    closed: bool,
    hand_over: u64,
    /// Who is gone, as their parent tells it.
    gone: Vec<Vec<u8>>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("late applications");
    let hand_over = random.within(1..=3);
    let config = Config {
        inbox: random.within(4..=6) as usize,
        hand_over,
        stall: STALL,
        queue: 64,
        transmit: 64,
        steps: random.within(1..=40) as usize,
        ..Config::DEFAULT
    };
    let mut stage = Stage::new(seed, "late applications' node", config);
    let accepted = stage.node.new_flow_control_id();
    let producer = stage.node.new_flow_control_id();
    let outside = Flow { consumer_of: vec![accepted, producer], ..Flow::default() };
    let local = Some(Arc::new(LocalOnly) as Arc<dyn AccessControl>);
    for (name, incoming, flow) in [
        (SLOW, None, outside.clone()),
        (PROMPT, None, outside.clone()),
        (PRIVATE, local, outside.clone()),
        (INTERNAL, None, Flow::default()),
        (TOLD, None, Flow::default()),
    ] {
        let mailbox = Mailbox { incoming, ..Mailbox::open(name.into()) };
        stage.with(|node, env| node.open_inbox(env, mailbox, flow)).expect("a free address");
    }
    let spec = |name: &str, flow, worker| Spec { mailboxes: vec![Mailbox::open(name.into())], flow, worker };
    let passer = |(name, relays, producer): (&str, bool, _)| {
        spec(name, Flow { producer, ..outside.clone() }, Box::new(Passer { relays }) as Box<dyn Worker>)
    };
    let children = [(RELAY, true, None), (PRODUCER, false, Some(producer))].map(passer);
    let parent = spec(PARENT, Flow::default(), Box::new(Parent(children.into())));
    stage.with(|node, env| node.start_worker(env, parent)).expect("a free address");
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(stage.connect(Some(accepted), None).expect("few connections"));
    }
    let mut scene = Waiting {
        stage,
        random,
        socket: vec![VecDeque::from([vec![VERSION]]); connections.len()],
        connections,
        owed: BTreeSet::new(),
        sent: BTreeMap::new(),
        delivered: BTreeMap::new(),
        handed: 0,
        lossy: false,
        closed: false,
        hand_over,
        gone: Vec::new(),
    };
    scene.look()?;
    scene.late()?;
    scene.dead()?;
    scene.back()?;
    scene.credit()?;
    scene.senders_go()?;
    scene.gone()
}

impl Waiting {
    /// Everybody speaks, and the application takes late.
    fn late(&mut self) -> Outcome {
        for line in 0..LINES {
            for _ in 0..self.random.within(1..=4) {
                let way = self.random.index(WAYS.len());
                match self.random.index(CONNECTIONS + 1) {
                    CONNECTIONS => self.own(way)?,
                    one => self.speak(one, way),
                }
            }
            self.listen()?;
            if line % LAZY == 0 {
                for _ in 0..self.random.within(1..=6) {
                    self.take()?;
                }
            }
            self.wait(LINE)?;
        }
        self.finish()
    }

    /// Nothing more is said, and all of it is taken: it takes no time, as nobody waits for room that there is.
    fn finish(&mut self) -> Outcome {
        self.listen()?;
        while self.handed > 0 {
            self.take()?;
        }
        if !self.lossy {
            demand(self.owed.is_empty(), Property::Liveness, || {
                format!("{} messages waited no longer than they may and never came", self.owed.len())
            })?;
        }
        self.owed.clear();
        let left = self.stage.node.provisional();
        demand(left == 0 && self.socket.iter().all(VecDeque::is_empty), Property::Bounds, || {
            format!("all is taken, and {left} bytes wait, or somebody is not read")
        })
    }

    fn mark(&mut self, sender: Sender, way: usize) -> (Vec<u8>, Mark) {
        let number = self.sent.entry((sender, way)).or_default();
        *number += 1;
        let who = match sender {
            Sender::Owner => 0xff,
            Sender::Connection(one) => one as u8,
        };
        let mut payload = vec![who, way as u8];
        payload.extend(number.to_be_bytes());
        (payload, (sender, way, *number))
    }

    /// A connection's peer says something, several frames in a piece now and then.
    fn speak(&mut self, one: usize, way: usize) {
        let (route, may) = WAYS[way];
        let (payload, mark) = self.mark(Sender::Connection(one), way);
        if may {
            self.owed.insert(mark);
        }
        let onward = route.iter().map(|name| Address::local(name)).collect();
        let frame = Frame { onward, back: vec!["peer".into()], payload, tracing: None }.encode();
        let joins = self.random.below(2) == 0;
        match self.socket[one].back_mut().filter(|last| joins && last.len() < 2_000) {
            Some(last) => last.extend(frame),
            None => self.socket[one].push_back(frame),
        }
    }

    /// The owner says something to itself: it is told at once if there is no room.
    fn own(&mut self, way: usize) -> Outcome {
        let (route, _) = WAYS[way];
        // Whoever is private is so for others. The producer speaks for those outside alone.
        let may = way != 8;
        if !may || route[0] == RELAY {
            return Ok(());
        }
        let before = self.sent.get(&(Sender::Owner, way)).copied();
        let (payload, mark) = self.mark(Sender::Owner, way);
        self.owed.insert(mark);
        if !self.stage.send(Route::from_iter(route.iter().copied()), Route::from_iter(["owner"]), &payload)? {
            self.owed.remove(&mark);
            self.sent.insert((Sender::Owner, way), before.unwrap_or_default());
        }
        self.look()
    }

    /// The node reads what it does of what peers have sent.
    fn listen(&mut self) -> Outcome {
        for one in 0..self.connections.len() {
            while let Some(bytes) = self.socket[one].pop_front() {
                let taken = self.stage.receive(self.connections[one].0, bytes.clone())?;
                self.look()?;
                if !taken {
                    self.socket[one].push_front(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The slow application takes one, if it was handed one.
    fn take(&mut self) -> Outcome {
        if self.handed > 0 {
            self.handed -= 1;
            self.stage.must(Input::Taken { inbox: SLOW.into(), messages: 1 })?;
            self.look()?;
        }
        self.listen()
    }

    fn wait(&mut self, time: Duration) -> Outcome {
        self.stage.pass(time)?;
        self.look()?;
        self.listen()
    }

    /// Looks at what was said: each delivery is held against what was sent.
    fn look(&mut self) -> Outcome {
        while let Some(output) = self.stage.said.pop_front() {
            match output {
                Output::Deliver { inbox, delivery } if inbox == Address::local(TOLD) => {
                    self.gone.push(delivery.message.payload().to_vec());
                    self.stage.must(Input::Taken { inbox, messages: 1 })?;
                }
                Output::Deliver { inbox, delivery } => self.delivered(inbox, &delivery)?,
                Output::Transmit { connection, frame } => {
                    let bytes = frame.payload().len() as u64;
                    self.stage.must(Input::Sent { connection, bytes })?;
                }
                Output::Close { .. } => return Err(fault(Property::Bounds, "a connection was closed for no reason")),
                _ => {}
            }
        }
        demand(self.stage.node.burden().overdrawn.is_none(), Property::Bounds, || {
            "more waits for a worker than may".into()
        })
    }

    fn delivered(&mut self, inbox: Address, delivery: &Delivery) -> Outcome {
        let Some((&[who, way], number)) = delivery.message.payload().split_first_chunk::<2>() else {
            return Err(fault(Property::Authenticity, "something was delivered that nobody sent"));
        };
        let number = u32::from_be_bytes(number.try_into().unwrap_or_default());
        let sender = if who == 0xff { Sender::Owner } else { Sender::Connection(who.into()) };
        let way = usize::from(way);
        let (route, may) = WAYS[way];
        let slow = inbox == Address::local(SLOW);
        if slow {
            self.handed += 1;
            demand(self.handed <= self.hand_over, Property::Bounds, || {
                format!("{} messages were handed over, and none was taken", self.handed)
            })?;
        } else {
            self.stage.must(Input::Taken { inbox: inbox.clone(), messages: 1 })?;
        }
        let last = route.last().map(|name| Address::local(name));
        demand(last == Some(inbox), Property::Authenticity, || format!("a message for {route:?} came elsewhere"))?;
        let allowed = sender == Sender::Owner || may && !(slow && self.closed);
        demand(allowed, Property::Access, || format!("a stranger's message reached {route:?}, which is not for him"))?;
        let (true_source, back) = match sender {
            Sender::Owner => (delivery.provenance.is_local(), Route::from_iter(["owner"])),
            Sender::Connection(one) => {
                let (id, address) = &self.connections[one];
                let back = Route::from_iter([address.clone(), "peer".into()]);
                (delivery.provenance.from_connection() == Some(*id), back)
            }
        };
        demand(true_source, Property::Provenance, || {
            format!("a message of {sender:?} to {route:?} came as one of {:?}", delivery.provenance)
        })?;
        demand(delivery.message.return_route() == back.as_ref(), Property::Provenance, || {
            format!("a message of {sender:?} to {route:?} does not lead back to it")
        })?;
        let last = self.delivered.insert((sender, way), number).unwrap_or_default();
        demand(number > last, Property::AtMostOnce, || {
            format!("message {number} of {sender:?} to {route:?} came after its message {last}")
        })?;
        self.owed.remove(&(sender, way, number));
        Ok(())
    }

    /// The application takes nothing: whoever waits for it does so for the stall time, and then nobody does.
    fn dead(&mut self) -> Outcome {
        self.lossy = true;
        // A connection's messages, or a producer's.
        let way = if self.random.below(2) == 0 { 0 } else { 3 };
        for _ in 0..12 {
            (0..CONNECTIONS).for_each(|one| self.speak(one, way));
            self.listen()?;
            self.wait(Duration::from_millis(1))?;
        }
        let early = STALL - Duration::from_millis(20);
        self.wait(early)?;
        let waits = |scene: &Self| scene.connections.iter().filter(|(id, _)| !scene.stage.node.reads(*id)).count();
        demand(waits(self) > 0, Property::Bounds, || "nobody waits for who takes nothing".into())?;
        // All began to wait at about the same time. Behind a producer, connections wait for it once more.
        let more = if way == 0 { Duration::ZERO } else { STALL };
        let mut left = more + Duration::from_millis(100);
        while !left.is_zero() {
            self.wait(Duration::from_millis(20))?;
            left = left.saturating_sub(Duration::from_millis(20));
        }
        demand(waits(self) == 0 && self.socket.iter().all(VecDeque::is_empty), Property::Liveness, || {
            "who takes nothing holds up a connection for longer than the stall time".into()
        })?;
        // What is for others gets through.
        self.owed.clear();
        for one in 0..CONNECTIONS {
            self.speak(one, 4);
        }
        self.listen()?;
        self.wait(Duration::from_millis(1))?;
        demand(self.owed.is_empty(), Property::Liveness, || "a dead application holds up what is for others".into())
    }

    /// The application is back: from now on nothing is lost.
    fn back(&mut self) -> Outcome {
        self.finish()?;
        self.lossy = false;
        for _ in 0..6 {
            for way in [0, 3] {
                (0..CONNECTIONS).for_each(|one| self.speak(one, way));
            }
        }
        self.listen()?;
        self.finish()
    }

    /// What has left a connection is no longer on its way.
    fn credit(&mut self) -> Outcome {
        let (id, address) = self.connections[0].clone();
        for _ in 0..80 {
            let onward = Route::from_iter([address.clone(), "far".into()]);
            self.stage.send(onward, Route::from_iter(["owner"]), b"x")?;
            let leaves = self
                .stage
                .said
                .iter()
                .any(|output| matches!(output, Output::Transmit { connection, .. } if *connection == id));
            demand(leaves, Property::Liveness, || "all that was sent has left, and nothing more does".into())?;
            self.look()?;
        }
        // Until it has, the next waits.
        let mut on_its_way = 0;
        let mut frames = Vec::new();
        for _ in 0..8 {
            let onward = Route::from_iter([address.clone(), "far".into()]);
            let taken = self.stage.send(onward, Route::from_iter(["owner"]), &[7; 30])?;
            for output in std::mem::take(&mut self.stage.said) {
                let Output::Transmit { frame, .. } = output else { continue };
                demand(on_its_way < 64, Property::Bounds, || "more is sent while the limit is on its way".into())?;
                on_its_way += frame.payload().len() as u64;
                frames.push(frame.payload().len() as u64);
            }
            if !taken {
                break;
            }
        }
        demand(frames.len() < 8, Property::Bounds, || "nothing waits for bytes to leave".into())?;
        for bytes in frames {
            self.stage.must(Input::Sent { connection: id, bytes })?;
            self.look()?;
        }
        self.finish()
    }

    /// A relay and a producer stop while what they have sent waits: it was sent, and their parent hears at once that they
    /// are gone. It is taken, or has waited for the stall time; then nothing is left of them.
    fn senders_go(&mut self) -> Outcome {
        self.fill()?;
        self.speak(0, 2);
        self.speak(1, 3);
        self.listen()?;
        let workers = self.stage.node.workers();
        let names = [RELAY, PRODUCER];
        for (number, name) in names.into_iter().enumerate() {
            let stopped = self.stage.with(|node, env| node.stop_worker(env, &name.into()));
            demand(stopped.is_ok() && !self.stage.node.has_worker(&name.into()), Property::Conformance, || {
                format!("the worker {name} was stopped and is there")
            })?;
            self.look()?;
            self.told_of(&names[..=number])?;
        }
        if self.random.below(2) == 0 {
            self.wait(STALL)?;
            self.owed.retain(|(sender, ..)| *sender == Sender::Owner);
        } else {
            self.finish()?;
        }
        let left = workers - self.stage.node.workers();
        demand(left == names.len(), Property::Bounds, || {
            format!("{} workers have stopped, and of {left} nothing is left", names.len())
        })?;
        self.finish()?;
        self.told_of(&names)
    }

    /// Their parent has heard that these are gone, each once.
    fn told_of(&self, gone: &[&str]) -> Outcome {
        let told = self.gone.iter().map(Vec::as_slice);
        demand(told.eq(gone.iter().map(|name| name.as_bytes())), Property::Conformance, || {
            format!("{gone:?} are gone, and their parent has heard of {}", self.gone.len())
        })
    }

    /// The owner fills the slow inbox.
    fn fill(&mut self) -> Outcome {
        for _ in 0..16 {
            self.own(0)?;
        }
        Ok(())
    }

    /// The application goes while others wait for it, and another takes its address, for nobody outside.
    fn gone(&mut self) -> Outcome {
        self.fill()?;
        (0..CONNECTIONS).for_each(|one| self.speak(one, 0));
        self.listen()?;
        self.stage.with(|node, env| node.stop_worker(env, &SLOW.into())).expect("it is there");
        self.owed.clear();
        (self.closed, self.lossy, self.handed) = (true, true, 0);
        let local = self.random.below(2) == 0;
        let incoming = local.then(|| Arc::new(LocalOnly) as Arc<dyn AccessControl>);
        let mailbox = Mailbox { incoming, ..Mailbox::open(SLOW.into()) };
        self.stage.with(|node, env| node.open_inbox(env, mailbox, Flow::default())).expect("a free address");
        self.look()?;
        self.wait(LINE)?;
        self.finish()
    }
}
