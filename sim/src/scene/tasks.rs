//! What workers have from their node: addresses, news of those that they have started, a call when it is time. And what a node
//! does of all that in one call: no more than it may, and the rest in the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use razor::env::{Env, Instant};
use razor::error::Result as Handled;
use razor::identity::Identifier;
use razor::machine::{Deadline, Machine as _};
use razor::node::{
    Config, ConnectionId, Context, Delivery, Event, Flow, Input, Mailbox, News, Node, Output, Spec, Worker,
};
use razor::routing::{Address, Limits, Route, TransportType};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::Stage;
use super::{Fault, Outcome, demand};

/// How many addresses a worker has at most.
const ADDRESSES: usize = 8;

/// What happened to workers, in order. A stage is played by one thread.
type Log<T> = Arc<Mutex<Vec<T>>>;

fn note<T>(log: &Log<T>, entry: T) {
    log.lock().expect("one thread").push(entry);
}

fn noted<T>(log: &Log<T>) -> Vec<T> {
    std::mem::take(&mut *log.lock().expect("one thread"))
}

fn spec(name: &str, worker: impl Worker + 'static) -> Spec {
    Spec { mailboxes: vec![Mailbox::open(name.into())], flow: Flow::default(), worker: Box::new(worker) }
}

/// Takes anything.
struct Idler;

impl Worker for Idler {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }
}

/// Starts children, and stops those whose numbers it gets, in their order.
struct Parent {
    children: usize,
    tales: Log<Tale>,
}

/// Who tells what.
type Tale = (Address, News);

fn child(number: usize) -> Address {
    Address::local(&format!("child {number}"))
}

impl Worker for Parent {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        (0..self.children).for_each(|number| cx.start_child(spec(&format!("child {number}"), Child)));
        Ok(())
    }

    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        delivery.message.payload().iter().for_each(|number| cx.stop_worker(child((*number).into())));
        Ok(())
    }

    fn handle_news(&mut self, _: &mut Context<'_>, child: &Address, news: News) -> Handled<()> {
        note(&self.tales, (child.clone(), news));
        Ok(())
    }
}

/// Tells its parent each byte that it gets; 0 stops it.
struct Child;

fn tale(byte: u8) -> News {
    if byte == 0 { News::Gone } else { News::Opened(Identifier([byte; 32])) }
}

impl Worker for Child {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        for byte in delivery.message.payload() {
            if *byte == 0 { cx.stop() } else { cx.tell_parent(tale(*byte)) }
        }
        Ok(())
    }
}

/// Has a time to be called, and says who it is when it is.
struct Sleeper {
    number: u8,
    at: Instant,
    woken: Log<u8>,
}

impl Worker for Sleeper {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        cx.set_timer(Some(Deadline::new(self.at, "sleep")));
        Ok(())
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) -> Handled<()> {
        note(&self.woken, self.number);
        Ok(())
    }
}

struct Tasks {
    stage: Stage,
    random: Stream,
    steps: usize,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("tasks");
    let steps = random.within(1..=12) as usize;
    let stage = Stage::new(seed, "a busy node", Config { steps, reports: 1_024, ..Config::DEFAULT });
    let mut scene = Tasks { stage, random, steps };
    scene.addresses()?;
    scene.news()?;
    scene.timers()?;
    scene.frames()?;
    scene.receivers()
}

impl Tasks {
    /// As many addresses as a worker may have, one more, none; one that is another's, of another node, or there twice.
    fn addresses(&mut self) -> Outcome {
        self.stage.with(|node, env| node.start_worker(env, spec("settled", Idler))).expect("a free address");
        for count in 0..=ADDRESSES + 1 {
            let names = (0..count).map(|number| Address::local(&format!("address {number}"))).collect();
            self.start(names, (1..=ADDRESSES).contains(&count))?;
        }
        let kinds = [TransportType::TCP, TransportType::UDP, TransportType::UDS, TransportType(200)];
        let foreign = kinds.map(|kind| Address::new(kind, b"settled"));
        for wrong in foreign.into_iter().chain(["settled".into(), "address 0".into()]) {
            // The first is the one that it would be known by, and the one that may be there twice.
            let mut names = vec![Address::local("address 0")];
            let others = self.random.below(ADDRESSES as u64 - 1) as usize;
            names.extend((0..others).map(|number| Address::local(&format!("other {number}"))));
            let least = usize::from(wrong == "address 0".into());
            names.insert(least + self.random.index(names.len() + 1 - least), wrong);
            self.start(names, false)?;
        }
        Ok(())
    }

    /// A worker with these addresses is started if it may be, or has none of them.
    fn start(&mut self, names: Vec<Address>, may: bool) -> Outcome {
        let mailboxes: Vec<Mailbox> = names.iter().cloned().map(Mailbox::open).collect();
        let there = |stage: &Stage| names.iter().filter(|name| stage.node.has_worker(name)).count();
        let (before, workers) = (there(&self.stage), self.stage.node.workers());
        let spec = Spec { mailboxes, flow: Flow::default(), worker: Box::new(Idler) };
        let started = self.stage.with(|node, env| node.start_worker(env, spec)).is_ok();
        let (after, more) = (there(&self.stage), self.stage.node.workers() - workers);
        let right = if may { (true, names.len(), 1) } else { (false, before, 0) };
        demand((started, after, more) == right, Property::Conformance, || {
            format!("a worker with the addresses {names:?}: started {started}, {after} of them are there")
        })?;
        if started {
            self.stage.with(|node, env| node.stop_worker(env, &names[0])).expect("it is there");
        }
        demand(there(&self.stage) == before, Property::Conformance, || "a worker has stopped and is there".into())
    }

    /// What is sent to a connection's sender leaves on it, and what is sent to its receiver does not; so at a link.
    fn receivers(&mut self) -> Outcome {
        for link in [false, true] {
            let mut foresight = self.stage.foresight();
            let [sender, receiver] = [(); 2].map(|()| Address::random(&mut foresight));
            let made = if link { self.stage.link() } else { self.stage.connect(None, None) };
            let (_, address) = made.expect("few connections");
            let known = address == sender && self.stage.node.has_worker(&receiver);
            demand(known, Property::Conformance, || "the addresses of a connection are not the ones drawn".into())?;
            for (to, may) in [(sender, 1), (receiver, 0)] {
                self.stage.said.clear();
                self.stage.send(Route::from_iter([to, "far".into()]), Route::from_iter(["owner"]), b"?")?;
                let (mut left, mut dropped) = (0, 0);
                for output in std::mem::take(&mut self.stage.said) {
                    match output {
                        Output::Transmit { .. } | Output::Cross { .. } => left += 1,
                        Output::Event(Event::Dropped { .. }) => dropped += 1,
                        _ => {}
                    }
                }
                demand((left, dropped) == (may, 1 - may), Property::Conformance, || {
                    let end = if may == 1 { "sender" } else { "receiver" };
                    format!("of a message to the {end} of a connection {left} left, and {dropped} were dropped")
                })?;
            }
        }
        Ok(())
    }

    /// What children tell, and that they are gone, their parent hears in the order in which it happened.
    fn news(&mut self) -> Outcome {
        let children = self.random.within(2..=5) as usize;
        let tales = Log::default();
        let parent = Parent { children, tales: tales.clone() };
        self.stage.with(|node, env| node.start_worker(env, spec("parent", parent))).expect("a free address");
        let mut alive: Vec<usize> = (0..children).collect();
        while !alive.is_empty() {
            let expected: Vec<Tale> = if self.random.below(3) == 0 {
                let mut numbers = Vec::new();
                for _ in 0..self.random.within(1..=3).min(alive.len() as u64) {
                    numbers.push(alive.remove(self.random.index(alive.len())) as u8);
                }
                self.stage.send(Route::from_iter(["parent"]), Route::new(), &numbers)?;
                numbers.iter().map(|number| (child((*number).into()), News::Gone)).collect()
            } else {
                let number = self.random.index(alive.len());
                let name = child(alive[number]);
                let count = self.random.below(6);
                let mut said: Vec<u8> = (0..count).map(|_| self.random.within(1..=255) as u8).collect();
                if self.random.below(3) == 0 {
                    said.push(0);
                    alive.remove(number);
                }
                self.stage.send(Route::from_iter([name.clone()]), Route::new(), &said)?;
                said.iter().map(|byte| (name.clone(), tale(*byte))).collect()
            };
            self.stage.pass(Duration::ZERO)?;
            let heard = noted(&tales);
            demand(heard == expected, Property::Conformance, || {
                format!("of its children a worker heard {heard:?}, and had to hear {expected:?}")
            })?;
        }
        Ok(())
    }

    /// The time of many workers comes at once: each is called once, and in one call of the node as many as may be.
    fn timers(&mut self) -> Outcome {
        let woken = Log::default();
        let due = self.stage.now + Duration::from_secs(1);
        let many = self.random.within(1..=3 * self.steps as u64) as u8;
        for number in 0..=many {
            // The last is for later.
            let late = if number == many { 1_000 } else { self.random.below(2) };
            let sleeper = Sleeper { number, at: due + Duration::from_millis(late), woken: woken.clone() };
            let sleeper = spec(&format!("sleeper {number}"), sleeper);
            self.stage.with(|node, env| node.start_worker(env, sleeper)).expect("a free address");
        }
        self.stage.now = due + Duration::from_millis(1);
        let mut called = Vec::new();
        while called.len() < many.into() {
            let wants = self.stage.node.deadline().is_some_and(|deadline| deadline.at <= self.stage.now);
            self.stage.with(|node, env| node.handle_timeout(env));
            let now = noted(&woken);
            let right = (usize::from(many) - called.len()).min(self.steps);
            demand(wants && now.len() == right, Property::Bounds, || {
                format!("of {many} timers that were due {} were called in one call, and {right} had to be", now.len())
            })?;
            called.extend(now);
        }
        called.sort_unstable();
        let next = self.stage.node.deadline().map(|deadline| deadline.at);
        demand(called.into_iter().eq(0..many) && next == Some(due + Duration::from_secs(1)), Property::Bounds, || {
            format!("each of {many} timers was to be called once, and a later one is due at {next:?}")
        })?;
        self.stage.pass(Duration::from_secs(2))
    }

    /// Peers send more frames at once than may be taken in a call, none of which is for anybody: each costs as much as one
    /// that is. While there are more, nothing is read from whoever sent them.
    fn frames(&mut self) -> Outcome {
        let accepted = self.stage.node.new_flow_control_id();
        let ids = [(); 2].map(|()| self.stage.connect(Some(accepted), None).expect("few connections").0);
        for id in ids {
            self.stage.receive(id, vec![VERSION])?;
        }
        let mut left = 0;
        for connection in ids {
            let count = self.random.within(1..=4 * self.steps as u64) as usize;
            let bytes = (0..count).flat_map(|_| self.frame().encode()).collect();
            left += count;
            left -= self.take(left, |node, env| node.handle(env, Input::Received { connection, bytes }).is_ok())?;
        }
        while left > 0 {
            let busy: Vec<ConnectionId> = ids.into_iter().filter(|id| !self.stage.node.reads(*id)).collect();
            for connection in &busy {
                let more = Input::Received { connection: *connection, bytes: vec![0] };
                let refused = self.stage.with(|node, env| node.handle(env, more)).is_err();
                demand(refused, Property::Bounds, || "a connection is read that has more than was taken".into())?;
            }
            demand(!busy.is_empty(), Property::Bounds, || "not all is taken, and everybody is read".into())?;
            left -= self.take(left, |node, env| {
                let due = node.deadline().is_some_and(|deadline| deadline.at <= env.now);
                node.handle_timeout(env);
                due
            })?;
        }
        let read = ids.into_iter().all(|id| self.stage.node.reads(id));
        demand(read, Property::Liveness, || "all is taken, and somebody is not read".into())
    }

    /// For nobody, along a route that is as long as may be or longer.
    fn frame(&mut self) -> Frame {
        let hops = usize::from(Limits::DEFAULT.hops) + self.random.below(2) as usize;
        let back = vec![Address::local("b"); hops];
        Frame { onward: vec!["nobody".into()], back, payload: Vec::new(), tracing: None }
    }

    /// The node is called, and takes as many frames as it may of those that are left. Gives how many.
    fn take(&mut self, left: usize, call: impl FnOnce(&mut Node, &mut Env<'_>) -> bool) -> Result<usize, Fault> {
        let failures = |stage: &Stage| stage.node.counters().failures.iter().sum::<u64>() as usize;
        let before = failures(&self.stage);
        let called = self.stage.with(call);
        let taken = failures(&self.stage) - before;
        demand(called && taken == left.min(self.steps), Property::Bounds, || {
            format!("of {left} messages of connections {taken} were taken in a call, and {} may be", self.steps)
        })?;
        Ok(taken)
    }
}
