//! A world: hosts, the links between them, adversaries on the way, and the checkers.
//!
//! Time is virtual. Everything that happens is an event in one queue; a step gives one host one input and does what
//! it says. Read in this order:
//!
//! | file | what |
//! |---|---|
//! | `mod` | the loop: events, steps, what hosts say |
//! | `wiring` | connections, frames on their way, who sits on the links |
//! | `acceptance` | who is let in, and who is refused |
//! | `calls` | nodes are called when they want to be |
//! | `talk` | channels and what applications say through them |
//! | `faults` | crashes, pauses, clocks, cuts |
//! | `mischief` | what adversaries do of their own accord |
//! | `healed` | the end: everything is good again, and what is owed must come |

mod acceptance;
mod calls;
mod faults;
mod healed;
mod mischief;
mod talk;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use razor::env::Instant;
use razor::routing::Address;

use crate::adversary::{Adversary, Capability, Class, Emission, Intent, Way};
use crate::checker::{
    Agreement, Auditor, Custody, Doings, Guard, Guests, Ledger, Outcomes, Property, Stolen, Violation, Watch,
    check_bounds, check_growth, check_places, check_strangers, check_work,
};
use crate::host::{Burden, Host, Input, Output};
use crate::link::Arrival;
use crate::plan::{Fault, Plan, Suite};
use crate::queue::Queue;
use crate::record::{Deed, Fact, Lesson, Occasion, Record};
use crate::report::Report;
use crate::scene::Line;
use crate::seed::{Seed, Stream};
use crate::situation::Situation;
use crate::trace::{Cause, Digested, Entry, Trace, What};

use self::faults::Standing;
use self::talk::Talk;
use self::wiring::{Stalled, Wire};

/// More events than anything in a plan needs but what applications say: a world that goes round in circles ends.
const EVENTS: u64 = 2_000_000;

/// More events than a message of an application needs, with all that is said about it.
const EVENTS_OF_A_MESSAGE: u64 = 400;

/// Attempts of adversaries have numbers from here on; channels of the plan, and those of the healed world, lower ones.
const ATTEMPTS: usize = 1 << 32;

#[derive(Debug)]
enum Event {
    Arrive {
        way: Way,
        bytes: Vec<u8>,
        intent: Intent,
        epoch: u32,
        frame: u64,
    },
    /// So many bytes have left a node over a slow link.
    Left {
        node: usize,
        link: usize,
        bytes: u64,
        epoch: u32,
    },
    Emit {
        adversary: usize,
        emission: Box<Emission>,
        cause: Cause,
    },
    Timer {
        node: usize,
        at: Instant,
    },
    Open {
        tag: usize,
    },
    Say {
        tag: usize,
        forward: bool,
        order: u64,
    },
    Mischief {
        adversary: usize,
    },
    Connect {
        link: usize,
    },
    Fault {
        number: usize,
    },
    /// A node that crashed comes back.
    Recover {
        node: usize,
    },
    /// A connection breaks.
    Break {
        link: usize,
        epoch: u32,
    },
}

/// A world.
pub struct World {
    plan: Plan,
    queue: Queue<Event>,
    trace: Trace,
    record: Option<Record>,
    hosts: Vec<Box<dyn Host>>,
    /// When each host is to be called.
    timers: Vec<Option<Instant>>,
    /// When a host was last called because it wanted to be, and how many calls there were at that time.
    called: (Instant, u64),
    /// The provisional state of each host after its last step, in bytes.
    provisional: Vec<usize>,
    /// What faults have done to each node.
    standing: Vec<Standing>,
    wires: Vec<Wire>,
    /// What becomes of a frame; empty between frames, and kept for its memory.
    landing: Vec<Arrival>,
    /// For each node its links, and who is at their other ends.
    neighbours: Vec<Vec<(usize, usize)>>,
    adversaries: Vec<Adversary>,
    /// Which nodes are adversaries'.
    hostile: BTreeSet<usize>,
    mischief: Stream,
    words: Stream,
    talks: Vec<Talk>,
    /// The channels that each adversary's node has opened, by encryptor.
    siege: BTreeMap<usize, Vec<Address>>,
    attempts: usize,
    /// The node that was last given something.
    stepping: usize,
    healed: bool,
    /// A connection comes up: the bytes that open it pass whatever the link is.
    opening: bool,
    checks: bool,
    watch: Option<Watch>,
    auditor: Option<Auditor>,
    ledger: Ledger,
    agreement: Agreement,
    guests: BTreeMap<usize, Guests>,
    outcomes: Outcomes,
    custody: Custody,
    /// The ends that have closed, by node and encryptor.
    closed: BTreeSet<(usize, Address)>,
    /// Frames that were begun and never ended.
    stalled: Vec<Stalled>,
    situations: BTreeSet<Situation>,
    refusals: BTreeMap<&'static str, u64>,
    violations: Vec<Violation>,
    /// The scene that failed.
    played: Vec<Line>,
    next_frame: u64,
    most_events: u64,
    arrivals: u64,
    attacks: u64,
    guarded: u64,
    opened: u64,
}

impl World {
    /// A world of these hosts, one for each node of the plan.
    pub fn new(plan: Plan, hosts: Vec<Box<dyn Host>>) -> Self {
        assert_eq!(hosts.len(), plan.nodes.len(), "one host for each node");
        let seed = Seed(plan.seed);
        let mut watch = (plan.suite != Suite::Null).then(Watch::default);
        let mut agreement = Agreement::default();
        let hostile: BTreeSet<usize> = plan
            .adversaries
            .iter()
            .filter(|adversary| adversary.class.has_a_node())
            .filter_map(|adversary| plan.node(adversary.at.as_ref()?))
            .collect();
        for (node, host) in hosts.iter().enumerate() {
            host.names().into_iter().for_each(|name| agreement.owns(node, name));
            if plan.nodes[node].strangers.is_some() {
                agreement.is_forgetful(node);
            }
            if let Some(watch) = watch.as_mut().filter(|_| !hostile.contains(&node)) {
                host.secrets().into_iter().for_each(|secret| watch.guard(secret));
            }
        }
        for adversary in &plan.adversaries {
            let Some(node) = adversary.at.as_ref().and_then(|name| plan.node(name)) else { continue };
            if let Some(victim) = adversary.victim.as_ref().and_then(|name| plan.node(name)) {
                let from = hosts[victim].face().identifier;
                match adversary.class {
                    Class::PurposeThief => agreement.has_stolen(node, Stolen { from, branches: false }),
                    Class::OldKeyThief => agreement.has_stolen(node, Stolen { from, branches: true }),
                    _ => {}
                }
            }
            if adversary.class == Class::Equivocator {
                agreement.is_two_faced(node);
            }
        }
        let guests = hosts.iter().enumerate().filter_map(|(node, host)| {
            let (_, places) = host.guests()?;
            Some((node, Guests::new(node, places)))
        });
        let messages: u64 = plan.channels.iter().map(|channel| 2 * channel.messages as u64).sum();
        let mut world = Self {
            guests: guests.collect(),
            timers: vec![None; hosts.len()],
            called: (Instant::ZERO, 0),
            provisional: vec![0; hosts.len()],
            standing: plan.nodes.iter().map(|node| Standing::new(node.clock)).collect(),
            wires: plan.links.iter().map(|link| Wire::new(seed, &plan, link)).collect(),
            landing: Vec::new(),
            neighbours: plan.neighbours(),
            adversaries: Vec::new(),
            hostile,
            mischief: seed.stream("mischief"),
            words: seed.stream("words"),
            talks: Vec::new(),
            siege: BTreeMap::new(),
            attempts: 0,
            stepping: 0,
            healed: false,
            opening: false,
            checks: true,
            ledger: Ledger::default(),
            outcomes: Outcomes::default(),
            custody: Custody::default(),
            closed: BTreeSet::new(),
            stalled: Vec::new(),
            situations: BTreeSet::new(),
            refusals: BTreeMap::new(),
            violations: Vec::new(),
            played: Vec::new(),
            next_frame: 0,
            most_events: EVENTS + EVENTS_OF_A_MESSAGE * messages,
            arrivals: 0,
            attacks: 0,
            guarded: 0,
            opened: 0,
            queue: Queue::default(),
            trace: Trace::default(),
            record: None,
            auditor: hosts[0].book().map(Auditor::new),
            watch,
            agreement,
            hosts,
            plan,
        };
        world.place_adversaries();
        world
    }

    /// The same world, whose report has the last `events` events in full.
    #[must_use]
    pub fn keeping(mut self, events: usize) -> Self {
        self.trace.keep(events);
        self
    }

    /// The same world, whose report has all events in full, and the record of what adversaries learnt and did.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.trace.keep(usize::MAX);
        self.record = Some(Record::default());
        self.adversaries.iter_mut().for_each(Adversary::take_notes);
        self
    }

    /// The same world, whose digest covers this.
    #[must_use]
    pub fn digesting(mut self, digested: Digested) -> Self {
        self.trace.digest_over(digested);
        self
    }

    /// The same world, in which nothing is checked: to measure what the checkers cost.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.checks = false;
        self.watch = None;
        self.auditor = None;
        self.hosts.iter_mut().for_each(|host| host.unchecked());
        self
    }

    /// Runs the world to its end: first with faults, then healed. A panic ends it as a violation.
    pub fn run(mut self) -> Report {
        // Nothing of what the panic left behind is used but the trace, and what was counted.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.live())) {
            self.judge(Err(Violation::of_panic(Some(self.stepping), &*panic)));
        }
        self.report()
    }

    fn live(&mut self) {
        self.phase("faults");
        (0..self.wires.len()).for_each(|link| self.connect(link));
        for (tag, channel) in self.plan.channels.iter().enumerate() {
            self.talks.push(Talk::planned(&self.plan, channel));
            self.queue.schedule(Instant::ZERO + channel.at, Event::Open { tag });
        }
        for (number, fault) in self.plan.faults.iter().enumerate() {
            self.queue.schedule(Instant::ZERO + fault.at(), Event::Fault { number });
        }
        for (adversary, will) in self.adversaries.iter().enumerate().filter(|(_, will)| !will.every().is_zero()) {
            self.queue.schedule(Instant::ZERO + will.every(), Event::Mischief { adversary });
        }
        let end = Instant::ZERO + self.plan.faulty;
        self.run_until(end, |_| false);
        if self.plan.loses_nothing() {
            self.check_calm();
        }
        self.heal();
        self.play_scenes();
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        while self.violations.is_empty() && !done(self) {
            let Some(event) = self.queue.pop_until(end) else {
                self.queue.advance(end);
                break;
            };
            if self.trace.events() > self.most_events {
                let detail = format!("the world goes round in circles: {} events", self.trace.events());
                return self.judge(Err(Violation::new(Property::Liveness, self.stepping, detail)));
            }
            self.take(event);
        }
        // What is judged now follows from no single event.
        self.trace.because(Cause::default());
    }

    fn take(&mut self, event: Event) {
        self.trace.because(Cause::default());
        // Who pauses takes everything later, in the same order.
        let concerned = match &event {
            Event::Arrive { way, .. } => Some(way.to),
            Event::Left { node, .. } | Event::Timer { node, .. } => Some(*node),
            Event::Open { tag } => Some(self.talks[*tag].from),
            Event::Say { tag, forward, .. } => Some(self.talks[*tag].speaker(*forward)),
            _ => None,
        };
        if let Some(node) = concerned {
            let standing = &self.standing[node];
            if standing.is_down {
                return;
            }
            if let Some(until) = standing.paused_until.filter(|until| *until > self.queue.now()) {
                if let Event::Timer { node, .. } = event {
                    self.timers[node] = Some(until);
                    return self.queue.schedule(until, Event::Timer { node, at: until });
                }
                return self.queue.schedule(until, event);
            }
        }
        match event {
            Event::Arrive { way, bytes, intent, epoch, frame } => self.arrive(way, bytes, intent, epoch, frame),
            Event::Left { node, link, bytes, epoch } => {
                if self.wires[link].is_up_since(epoch) {
                    self.step(node, Input::Left(link, bytes), Intent::Honest);
                }
            }
            Event::Emit { adversary, emission, cause } => {
                self.trace.because(cause);
                self.emit(adversary, *emission);
            }
            Event::Timer { node, at } => self.went_off(node, at),
            Event::Open { tag } => self.open(tag),
            Event::Say { tag, forward, order } => self.say(tag, forward, order),
            Event::Mischief { adversary } => self.make_mischief(adversary),
            Event::Connect { link } => {
                self.reached(Situation::Reconnected);
                self.connect(link);
            }
            Event::Fault { number } => {
                let fault: Fault = self.plan.faults[number].clone();
                self.break_something(&fault);
            }
            Event::Break { link, epoch } if self.wires[link].is_up_since(epoch) => self.disconnect(link),
            Event::Break { .. } => {}
            Event::Recover { node } => self.recover(node),
        }
    }

    /// Gives `node` an input and does what it says; a forged input is held against the node's state.
    fn step(&mut self, node: usize, input: Input, intent: Intent) {
        self.stepping = node;
        let watched = self.checks && !self.hostile.contains(&node);
        // Whoever is behind does now what came before.
        let has_verdict =
            watched && !matches!(intent, Intent::Honest | Intent::Tampered) && !self.hosts[node].is_behind();
        let forged = has_verdict && intent == Intent::Forged;
        if forged {
            self.hosts[node].work();
        }
        let judged = has_verdict && !forged;
        let mut doings = Doings::default();
        let came = if let Input::Bytes(_, bytes) = &input { Some(bytes.len()) } else { None };
        let guard = forged.then(|| Guard::before(self.hosts[node].trusted(), self.hosts[node].workers()));
        self.hosts[node].handle(self.queue.now(), input);
        while let Some(output) = self.hosts[node].poll() {
            doings.note(&output);
            self.act(node, output, intent);
        }
        if let Some(guard) = guard {
            self.guarded += 1;
            let verdict = guard.after(node, &self.hosts[node].trusted(), self.hosts[node].workers());
            self.judge(verdict);
            let verdict = check_work(node, self.hosts[node].work());
            self.judge(verdict);
        }
        if let Some(auditor) = &mut self.auditor {
            let verdict = auditor.settle(node, self.hosts[node].is_behind());
            self.judge(verdict);
        }
        if judged {
            let verdict = doings.check(node, intent);
            self.judge(verdict);
        }
        if watched {
            let Burden { held, limit, overdrawn } = self.hosts[node].burden();
            let verdict = check_bounds(node, held, limit);
            self.judge(verdict);
            if let Some(detail) = overdrawn {
                self.judge(Err(Violation::new(Property::Bounds, node, detail)));
            }
            let before = std::mem::replace(&mut self.provisional[node], held);
            let verdict = came.map_or(Ok(()), |came| check_growth(node, before, held, came));
            self.judge(verdict);
            if let Some((strangers, limit)) = self.hosts[node].strangers() {
                let verdict = check_strangers(node, strangers, limit);
                self.judge(verdict);
                if check_strangers(node, strangers + 2, limit).is_err() {
                    self.reached(Situation::StoreFull);
                }
            }
            if let Some((peers, places)) = self.hosts[node].guests() {
                let verdict = check_places(node, &peers, &places, self.is_one_source(node));
                self.judge(verdict);
            }
        }
        self.wind(node);
    }

    fn act(&mut self, node: usize, output: Output, intent: Intent) {
        let now = self.queue.now();
        self.write_down(node, &output);
        match output {
            Output::Transmit(link, bytes) => self.transmit(node, link, bytes, intent),
            Output::Disconnect(link) => self.disconnect(link),
            Output::Delivered { payload, origin, back } => {
                self.trace.frame(now, node, What::Delivered, None, 0, intent, &payload);
                let cause = self.trace.because_of_last();
                self.delivered(node, &payload, origin, &back);
                self.trace.because(cause);
            }
            Output::Trespassed { worker } => {
                let detail = format!("somebody reached the worker {worker}, who may not");
                self.judge(Err(Violation::new(Property::Access, node, detail)));
            }
            Output::Opened { tag, encryptor, peer, handshake } => {
                self.tell(node, || format!("opened {tag:?} with {peer}"));
                tag.into_iter().for_each(|tag| self.outcomes.ends(tag));
                let cause = self.trace.because_of_last();
                self.channel_opened(node, tag, encryptor, peer, handshake);
                self.trace.because(cause);
            }
            Output::Unstored { peer } => {
                let detail =
                    format!("a channel with {peer} opened before the store had answered, or though it had failed");
                self.judge(Err(Violation::new(Property::Conformance, node, detail)));
            }
            Output::Kept { tag, way } => self.talks[tag].kept_at = Some(way),
            Output::Session { tag, up } => {
                self.tell(node, || format!("the session of channel {tag} is {}", if up { "up" } else { "down" }));
                self.session(tag, up);
                let verdict = self.check_session(tag);
                self.judge(verdict);
            }
            Output::Failed { tag, error } => {
                self.tell(node, || format!("failed {tag:?}: {error}"));
                tag.into_iter().for_each(|tag| self.outcomes.ends(tag));
                self.refused(node, error);
                if !self.hostile.contains(&node) {
                    self.reached(Situation::HandshakeFailed);
                }
            }
            Output::Presented { encryptor } => {
                self.tell(node, || "the peer of a channel presents itself anew".into());
                let verdict = self.agreement.presented(node, &encryptor, |node| self.hostile.contains(&node));
                self.judge(verdict);
            }
            Output::Closed { encryptor } => {
                self.tell(node, || "a channel is closed".into());
                if let Some(auditor) = &mut self.auditor {
                    auditor.closed(node, &encryptor);
                }
                match self.guests.get_mut(&node).map(|guests| guests.closed(&encryptor)) {
                    None | Some(Ok(false)) => {}
                    Some(Ok(true)) => self.reached(Situation::Displaced),
                    Some(Err(violation)) => self.judge(Err(violation)),
                }
                if let Some(siege) = self.siege.get_mut(&node) {
                    siege.retain(|own| *own != encryptor);
                }
                self.closed.insert((node, encryptor));
            }
            Output::Dropped(error) => {
                self.tell(node, || format!("dropped: {error}"));
                self.refused(node, error);
            }
        }
    }

    /// What a node told its owner, for the record.
    fn write_down(&mut self, node: usize, output: &Output) {
        let Some(record) = &mut self.record else { return };
        let fact = match output {
            Output::Transmit(..) | Output::Disconnect(_) | Output::Kept { .. } => return,
            Output::Delivered { payload, .. } => Some(Fact::Plaintext { text: payload.clone() }),
            Output::Opened { peer, .. } => Some(Fact::Keys { peer: *peer }),
            _ => None,
        };
        self.trace.tell(output.clone());
        let owner = self.adversaries.iter().position(|adversary| adversary.node() == Some(node));
        if let (Some(adversary), Some(fact)) = (owner, fact) {
            record.lessons.push(Lesson { adversary, before: self.trace.events() + 1, fact });
        }
    }

    /// What an adversary has learnt and done, for the record; which deed it was.
    fn note(&mut self, adversary: usize) -> Option<usize> {
        let record = self.record.as_mut()?;
        let notes = self.adversaries[adversary].notes();
        let before = self.trace.events() + 1;
        record.lessons.extend(notes.facts.into_iter().map(|fact| Lesson { adversary, before, fact }));
        let (capability, occasion) = notes.deed?;
        record.deeds.push(Deed { adversary, at: self.queue.now(), capability, occasion });
        Some(record.deeds.len() - 1)
    }

    /// An adversary does something of its own accord that is no frame, for the record.
    fn note_deed(&mut self, adversary: usize, capability: Capability, target: usize) -> Cause {
        let deed = self.record.as_mut().map(|record| {
            let occasion = Occasion::OwnAccord { every: self.adversaries[adversary].every(), target: Some(target) };
            record.deeds.push(Deed { adversary, at: self.queue.now(), capability, occasion });
            record.deeds.len() - 1
        });
        Cause { entry: 0, deed }
    }

    fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            let words = violation.to_string();
            self.trace.add(Entry::new(self.queue.now(), violation.node.unwrap_or_default(), What::Violated, words));
            self.violations.push(violation);
        }
    }

    fn reached(&mut self, situation: Situation) {
        self.situations.insert(situation);
    }

    fn phase(&mut self, name: &str) {
        self.trace.add(Entry::new(self.queue.now(), 0, What::Phase, name));
    }

    /// A node tells its owner something.
    fn tell(&mut self, node: usize, words: impl FnOnce() -> String) {
        self.trace.add(Entry::new(self.queue.now(), node, What::Event, words()));
    }

    /// Whether all that ever reached a node came over one connection.
    fn is_one_source(&self, node: usize) -> bool {
        matches!(self.neighbours[node][..], [(link, _)] if self.wires[link].epoch == 0)
    }

    fn report(self) -> Report {
        let record = self.record.map(|record| Record {
            messages: self.ledger.messages().to_vec(),
            owners: self.agreement.owners().clone(),
            channels: self.talks.iter().map(Talk::conversation).collect(),
            ..record
        });
        Report {
            record,
            seed: self.plan.seed,
            preset: self.plan.preset,
            events: self.trace.events(),
            arrivals: self.arrivals,
            sent: self.ledger.sent(),
            deliveries: self.ledger.deliveries(),
            attacks: self.attacks,
            guarded: self.guarded,
            channels: self.opened,
            digest: self.trace.digest_so_far(),
            situations: self.situations,
            refusals: self.refusals,
            violations: self.violations,
            played: self.played,
            plan: self.plan,
            entries: self.trace.into_entries(),
        }
    }
}
