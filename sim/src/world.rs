//! A world: a line of hosts, the links between them, the hostile middle, and the checkers.

use std::collections::BTreeSet;
use std::time::Duration;

use razor::env::Instant;
use razor::error::Blame;
use razor::identity::Identifier;
use razor::machine::Snapshot;
use razor::routing::Address;

use crate::adversary::{Adversary, Capability, Emission, Intent, Target};
use crate::checker::{Agreement, Guard, Guests, Ledger, Property, Violation, Watch, check_bounds, check_places};
use crate::host::{APP, HOP, Host, Input, LISTENER, Origin, Output, Side};
use crate::link::{Arrival, Link, Profile};
use crate::plan::Plan;
use crate::queue::Queue;
use crate::report::Report;
use crate::seed::{Ppm, Seed, Stream};
use crate::situation::Situation;
use crate::trace::{Trace, What};

/// How long a broken connection stays down.
const DOWN: Duration = Duration::from_millis(20);

/// How often the healed world tries to open a channel until it has one.
const RETRY: Duration = Duration::from_secs(1);

/// Messages each way in the healed world: more than a rekey interval.
const HEALED_MESSAGES: usize = 40;

/// How many of its channels the besieger keeps busy: the oldest.
const BUSY: usize = 2;

/// More events than any plan needs: a world that goes round in circles ends here.
const MAX_EVENTS: u64 = 2_000_000;

#[derive(Debug)]
enum Event {
    Arrive { node: usize, side: Side, bytes: Vec<u8>, intent: Intent, epoch: u32 },
    Emit { target: Target, bytes: Vec<u8>, intent: Intent },
    Timer { node: usize, at: Instant },
    Open { tag: usize },
    Say { channel: usize, forward: bool, order: u64 },
    Mischief,
    Reconnect { link: usize },
}

/// One link of the line: both directions and the connection over it.
#[derive(Debug)]
struct Wire {
    /// To the right, to the left.
    ways: [Link; 2],
    /// Counts connections; bytes of an older one never arrive.
    epoch: u32,
    up: bool,
}

/// A channel between the ends of the line, as the world's applications see it.
#[derive(Debug, Default, Clone)]
struct Channel {
    near: Option<Address>,
    far: Option<Address>,
    messages: usize,
    failed: bool,
}

/// A world.
pub struct World {
    seed: Seed,
    plan: Plan,
    queue: Queue<Event>,
    trace: Trace,
    hosts: Vec<Box<dyn Host>>,
    timers: Vec<Option<Instant>>,
    wires: Vec<Wire>,
    adversary: Adversary,
    mischief: Stream,
    words: Stream,
    channels: Vec<Channel>,
    healed: bool,
    opening: bool,
    watch: Watch,
    ledger: Ledger,
    agreement: Agreement,
    guests: Guests,
    /// The channels of the middle's own, by encryptor.
    siege: Vec<Address>,
    honest: Vec<Identifier>,
    situations: BTreeSet<Situation>,
    violations: Vec<Violation>,
    frames: u64,
    attacks: u64,
    guarded: u64,
    opened: u64,
}

impl World {
    /// A world of these hosts, one for each node of the plan's line.
    pub fn new(seed: Seed, plan: Plan, hosts: Vec<Box<dyn Host>>) -> Self {
        assert_eq!(hosts.len(), plan.nodes, "one host for each node");
        assert_eq!(plan.links.len() + 1, plan.nodes, "a link between each pair of neighbours");
        let last = hosts.len() - 1;
        let wires = plan
            .links
            .iter()
            .enumerate()
            .map(|(n, profile)| Wire {
                ways: [
                    Link::new(profile.clone(), seed.stream(&format!("link {n} right"))),
                    Link::new(profile.clone(), seed.stream(&format!("link {n} left"))),
                ],
                epoch: 0,
                up: false,
            })
            .collect();
        let mut watch = Watch::default();
        for node in [0, last] {
            hosts[node].secrets().into_iter().for_each(|secret| watch.guard(secret));
        }
        let honest =
            hosts.iter().enumerate().filter(|(node, _)| *node != plan.middle).map(|(_, host)| host.identifier());
        let mut agreement = Agreement::new(hosts[0].identifier(), hosts[last].identifier(), last);
        if plan.welcoming {
            agreement = agreement.welcoming(hosts[plan.middle].identifier());
        }
        Self {
            adversary: Adversary::new(&plan, seed.stream("adversary")),
            mischief: seed.stream("mischief"),
            words: seed.stream("words"),
            guests: Guests::new(last, plan.places),
            siege: Vec::new(),
            agreement,
            honest: honest.collect(),
            timers: vec![None; hosts.len()],
            queue: Queue::default(),
            trace: Trace::default(),
            channels: Vec::new(),
            healed: false,
            opening: false,
            ledger: Ledger::default(),
            situations: BTreeSet::new(),
            violations: Vec::new(),
            frames: 0,
            attacks: 0,
            guarded: 0,
            opened: 0,
            watch,
            wires,
            hosts,
            seed,
            plan,
        }
    }

    /// The same world, whose report has the last `events` events in words.
    #[must_use]
    pub fn keeping(mut self, events: usize) -> Self {
        self.trace.keep(events);
        self
    }

    /// Runs the world to its end: first with faults, then healed.
    pub fn run(mut self) -> Report {
        self.phase("faults");
        (0..self.wires.len()).for_each(|link| self.connect(link));
        for tag in 0..self.plan.channels {
            self.channels.push(Channel { messages: self.plan.messages, ..Channel::default() });
            let spread = self.plan.faulty / 2 / self.plan.channels as u32;
            self.queue.schedule(Instant::from_millis(5) + spread * tag as u32, Event::Open { tag });
        }
        if !self.plan.inject_every.is_zero() {
            self.queue.schedule(Instant::ZERO + self.plan.inject_every, Event::Mischief);
        }
        let end = Instant::ZERO + self.plan.faulty;
        self.run_until(end, |_| false);
        if self.plan.preset.loses_nothing() && self.violations.is_empty() {
            self.check_calm();
        }
        self.heal();
        self.report()
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        while self.violations.is_empty() && !done(self) {
            let Some(event) = self.queue.pop_until(end) else {
                self.queue.advance(end);
                return;
            };
            assert!(self.trace.events() < MAX_EVENTS, "a world goes round in circles: {}", self.seed.0);
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Arrive { node, side, bytes, intent, epoch } => {
                let wire = &self.wires[Self::wire_of(node, side)];
                if wire.up && wire.epoch == epoch {
                    self.trace.add(self.queue.now(), node, What::Arrived, &bytes, format!("{side:?} {intent:?}"));
                    self.step(node, Input::Bytes(side, bytes), intent);
                }
            }
            Event::Emit { target, bytes, intent } => self.emit(target, bytes, intent),
            Event::Timer { node, at } => {
                if self.timers[node] == Some(at) {
                    self.timers[node] = None;
                    self.step(node, Input::Timeout, Intent::Honest);
                }
            }
            Event::Open { tag } => self.open(tag),
            Event::Say { channel, forward, order } => self.say(channel, forward, order),
            Event::Mischief => self.mischief(),
            Event::Reconnect { link } => {
                self.situations.insert(Situation::Reconnected);
                self.connect(link);
            }
        }
    }

    /// Gives `node` an input and does what it says; a forged input is held against the node's state.
    fn step(&mut self, node: usize, input: Input, intent: Intent) {
        let guard = (intent == Intent::Forged && node != self.plan.middle).then(|| Guard::before(self.picture(node)));
        self.hosts[node].handle(self.queue.now(), input);
        while let Some(output) = self.hosts[node].poll() {
            self.act(node, output, intent);
        }
        if let Some(guard) = guard {
            self.guarded += 1;
            let verdict = guard.after(node, &self.picture(node));
            self.judge(verdict);
        }
        if node != self.plan.middle {
            let verdict = check_bounds(node, self.hosts[node].provisional());
            self.judge(verdict);
            if let Some((peers, places)) = self.hosts[node].guests() {
                let verdict = check_places(node, &peers, &places, self.is_one_source());
                self.judge(verdict);
            }
        }
        let deadline = self.hosts[node].deadline().map(|deadline| deadline.at.max(self.queue.now()));
        if let Some(at) = deadline.filter(|at| *at != Instant::NEVER && self.timers[node] != Some(*at)) {
            self.timers[node] = Some(at);
            self.queue.schedule(at, Event::Timer { node, at });
        }
    }

    fn picture(&self, node: usize) -> Snapshot {
        self.hosts[node].trusted()
    }

    fn act(&mut self, node: usize, output: Output, intent: Intent) {
        let now = self.queue.now();
        match output {
            Output::Transmit(side, bytes) => self.transmit(node, side, bytes, intent),
            Output::Disconnect(side) => self.disconnect(Self::wire_of(node, side)),
            Output::Delivered { payload, origin, back } => {
                self.trace.add(now, node, What::Delivered, &payload, format!("{origin:?}"));
                if let (Some(encryptor), true) = (back.first(), node == self.last()) {
                    self.guests.heard(now, encryptor);
                }
                self.delivered(node, &payload, origin, &back);
            }
            Output::Opened { tag, encryptor, peer } => {
                self.trace.add(now, node, What::Event, &peer.0, format!("opened {tag:?}"));
                if node != self.plan.middle {
                    self.opened += 1;
                    self.situations.insert(Situation::ChannelOpened);
                    let verdict = self.agreement.opened(node, &peer);
                    self.judge(verdict);
                    if let Some(tag) = tag {
                        self.channels[tag].near = Some(encryptor);
                        self.queue.schedule(now, Event::Say { channel: tag, forward: true, order: 0 });
                    } else if node == self.last() {
                        self.guests.opened(now, encryptor, peer, self.is_one_source());
                    }
                } else {
                    self.siege.push(encryptor.clone());
                    // The intruder believes that it has a channel: it says something through it.
                    let words = self.words.bytes(24);
                    self.step_later(node, Input::Say { route: vec![encryptor, APP.into()], payload: words });
                }
            }
            Output::Failed { tag, error } => {
                self.trace.add(now, node, What::Event, &[], format!("failed {tag:?}: {error}"));
                self.refused(node, error.blame());
                if node != self.plan.middle {
                    self.situations.insert(Situation::HandshakeFailed);
                    if let Some(tag) = tag {
                        self.channels[tag].failed = true;
                    }
                }
            }
            Output::Closed { encryptor } => {
                self.trace.add(now, node, What::Event, &[], "closed".into());
                if node == self.last() {
                    match self.guests.closed(&encryptor) {
                        Ok(false) => {}
                        Ok(true) => _ = self.situations.insert(Situation::Displaced),
                        Err(violation) => self.judge(Err(violation)),
                    }
                } else if node == self.plan.middle {
                    self.siege.retain(|own| *own != encryptor);
                }
            }
            Output::Dropped(error) => {
                self.trace.add(now, node, What::Event, &[], format!("dropped: {error}"));
                self.refused(node, error.blame());
            }
        }
    }

    /// A refusal by policy at an end of the line: the middle tried to be somebody.
    fn refused(&mut self, node: usize, blame: Blame) {
        if blame == Blame::Denied && node == 0 {
            self.situations.insert(Situation::ImpostorRefused);
        } else if blame == Blame::Denied && node == self.last() {
            self.situations.insert(Situation::IntruderRefused);
        }
    }

    /// An input that a host gets right after the one that it handles now.
    fn step_later(&mut self, node: usize, input: Input) {
        // The only such input is the intruder's speech.
        debug_assert_eq!(node, self.plan.middle);
        self.hosts[node].handle(self.queue.now(), input);
    }

    fn transmit(&mut self, node: usize, side: Side, bytes: Vec<u8>, intent: Intent) {
        self.trace.add(self.queue.now(), node, What::Sent, &bytes, format!("{side:?}"));
        let verdict = self.watch.examine(node, &bytes);
        self.judge(verdict);
        if self.opening {
            self.pass_opening(node, side, bytes);
        } else if node == self.plan.middle {
            for Emission { delay, target, bytes, intent } in self.adversary.on_frame(side, bytes) {
                self.queue.schedule(self.queue.now() + delay, Event::Emit { target, bytes, intent });
            }
            self.situations.extend(self.adversary.take_situations());
        } else {
            self.carry(node, side, &bytes, intent);
        }
    }

    /// A frame leaves the adversary's hands.
    fn emit(&mut self, target: Target, bytes: Vec<u8>, intent: Intent) {
        let node = self.plan.middle;
        if intent != Intent::Honest {
            self.attacks += 1;
            self.trace.add(self.queue.now(), node, What::Injected, &bytes, format!("{target:?} {intent:?}"));
        }
        match target {
            Target::Link(side) => self.carry(node, side, &bytes, intent),
            Target::Own(side) => self.step(node, Input::Bytes(side, bytes), intent),
        }
    }

    /// Puts a frame on the link beside `node`.
    fn carry(&mut self, node: usize, side: Side, bytes: &[u8], intent: Intent) {
        let index = Self::wire_of(node, side);
        let wire = &mut self.wires[index];
        if !wire.up {
            return;
        }
        self.frames += 1;
        let way = &mut wire.ways[usize::from(side == Side::Left)];
        let before = way.counts;
        let mut arrivals = Vec::new();
        way.send(self.queue.now(), bytes, &mut arrivals);
        let epoch = wire.epoch;
        for (happened, situation) in [
            (way.counts.lost > before.lost, Situation::LinkLoss),
            (way.counts.duplicated > before.duplicated, Situation::LinkDuplicate),
            (way.counts.corrupted > before.corrupted, Situation::LinkDamage),
        ] {
            if happened {
                self.situations.insert(situation);
            }
        }
        for Arrival { at, bytes, damaged } in arrivals {
            let intent = if damaged { Intent::Tampered } else { intent };
            let event = Event::Arrive { node: Self::beside(node, side), side: side.other(), bytes, intent, epoch };
            self.queue.schedule(at, event);
        }
    }

    /// The bytes that open a connection: whatever the link, a connection that is up has exchanged them.
    fn pass_opening(&mut self, node: usize, side: Side, bytes: Vec<u8>) {
        let epoch = self.wires[Self::wire_of(node, side)].epoch;
        let event =
            Event::Arrive { node: Self::beside(node, side), side: side.other(), bytes, intent: Intent::Honest, epoch };
        self.queue.schedule(self.queue.now(), event);
    }

    fn connect(&mut self, link: usize) {
        if self.wires[link].up {
            return;
        }
        self.wires[link].up = true;
        self.trace.add(self.queue.now(), link, What::Connection, &[], "up".into());
        self.opening = true;
        self.step(link, Input::Connected(Side::Right), Intent::Honest);
        self.step(link + 1, Input::Connected(Side::Left), Intent::Honest);
        self.opening = false;
    }

    /// Ends the connection over `link` at both ends and has it made again.
    fn disconnect(&mut self, link: usize) {
        if !std::mem::take(&mut self.wires[link].up) {
            return;
        }
        self.wires[link].epoch += 1;
        self.trace.add(self.queue.now(), link, What::Connection, &[], "down".into());
        for (node, side) in [(link, Side::Right), (link + 1, Side::Left)] {
            self.hosts[node].handle(self.queue.now(), Input::Disconnected(side));
        }
        self.queue.schedule(self.queue.now() + DOWN, Event::Reconnect { link });
    }

    fn delivered(&mut self, node: usize, payload: &[u8], origin: Origin, back: &[Address]) {
        if let Origin::Peer(peer) = origin
            && self.agreement.is_guest(node, &peer)
        {
            let verdict = self.ledger.of_a_guest(node, payload);
            return self.judge(verdict);
        }
        match self.ledger.deliver(node, payload, origin, back, &self.honest) {
            Err(violation) => self.judge(Err(violation)),
            Ok(None) => {}
            Ok(Some(receipt)) => {
                if receipt.out_of_order {
                    self.situations.insert(Situation::OutOfOrder);
                }
                if receipt.order >= 32 {
                    self.situations.insert(Situation::Rekeyed);
                }
                let channel = &mut self.channels[receipt.channel];
                if node == self.plan.nodes - 1 && channel.far.is_none() {
                    channel.far = Some(receipt.encryptor);
                    self.queue
                        .schedule(self.queue.now(), Event::Say { channel: receipt.channel, forward: false, order: 0 });
                }
            }
        }
    }

    fn open(&mut self, tag: usize) {
        let Some(route) = self.route(0) else { return };
        let expect = self.hosts[self.last()].identifier();
        self.trace.add(self.queue.now(), 0, What::Asked, &[], format!("open channel {tag}"));
        self.step(0, Input::Open { tag, route, expect }, Intent::Honest);
    }

    /// The route from `node` to the listener at the end of the line, over connections that are up.
    fn route(&self, node: usize) -> Option<Vec<Address>> {
        let mut route = Vec::new();
        for host in self.hosts.get(node..self.last())? {
            if !route.is_empty() {
                route.push(HOP.into());
            }
            route.push(host.connection(Side::Right)?);
        }
        route.push(LISTENER.into());
        Some(route)
    }

    fn say(&mut self, number: usize, forward: bool, order: u64) {
        let channel = &self.channels[number];
        let (node, to, end) = if forward { (0, self.last(), &channel.near) } else { (self.last(), 0, &channel.far) };
        let (Some(encryptor), true) = (end.clone(), order < channel.messages as u64) else { return };
        let filler_len = self.words.within(0..=self.plan.payload as u64) as usize;
        let filler = self.words.bytes(filler_len);
        let payload = self.ledger.send(number, self.hosts[node].identifier(), to, order, &filler);
        self.trace.add(self.queue.now(), node, What::Asked, &payload, format!("say {order} in channel {number}"));
        self.step(node, Input::Say { route: vec![encryptor, APP.into()], payload }, Intent::Honest);
        let next = Event::Say { channel: number, forward, order: order + 1 };
        self.queue.schedule(self.queue.now() + self.plan.pace, next);
    }

    fn mischief(&mut self) {
        if self.healed {
            return;
        }
        for Emission { delay, target, bytes, intent } in self.adversary.on_timer() {
            self.queue.schedule(self.queue.now() + delay, Event::Emit { target, bytes, intent });
        }
        self.situations.extend(self.adversary.take_situations());
        if self.adversary.can(Capability::Intrude) && self.mischief.below(16) == 0 {
            self.intrude();
        }
        if self.adversary.can(Capability::Siege) {
            match self.mischief.below(8) {
                0 | 1 => self.intrude(),
                2 | 3 => self.keep_busy(),
                _ => {}
            }
        }
        self.queue.schedule(self.queue.now() + self.plan.inject_every, Event::Mischief);
    }

    /// The middle opens a channel of its own to the listener, as honest code does.
    fn intrude(&mut self) {
        let node = self.plan.middle;
        let Some(route) = self.route(node) else { return };
        let expect = self.hosts[self.last()].identifier();
        self.attacks += 1;
        self.step(node, Input::Open { tag: usize::MAX, route, expect }, Intent::Honest);
    }

    /// The middle says something through one of its oldest channels; the others are silent.
    fn keep_busy(&mut self) {
        let oldest = self.siege.get(..BUSY).unwrap_or(&self.siege);
        let Some(encryptor) = self.mischief.pick(oldest).cloned() else { return };
        let payload = self.words.bytes(24);
        self.step(self.plan.middle, Input::Say { route: vec![encryptor, APP.into()], payload }, Intent::Honest);
    }

    /// Whether all that ever reached the far end came over one connection.
    fn is_one_source(&self) -> bool {
        self.wires.last().is_some_and(|wire| wire.epoch == 0)
    }

    /// The faults are over: links are good, the middle is honest, and what is owed must come.
    fn heal(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        self.phase("healed");
        self.healed = true;
        self.adversary.retire();
        self.hosts.iter_mut().for_each(|host| host.heal());
        for wire in &mut self.wires {
            wire.ways.iter_mut().for_each(|way| way.heal(Profile::good_stream()));
        }
        // A damaged length may leave a reader waiting for bytes that never come: such connections are made anew.
        for link in 0..self.wires.len() {
            if self.plan.links[link].corrupt > Ppm::NEVER {
                self.disconnect(link);
            }
        }
        let end = self.queue.now() + self.plan.healed;
        // What is still under way arrives, and broken connections come back.
        self.run_until(self.queue.now() + RETRY, |_| false);
        let mut tag = self.channels.len();
        while self.violations.is_empty() && self.queue.now() < end {
            tag = self.channels.len();
            self.channels.push(Channel { messages: HEALED_MESSAGES, ..Channel::default() });
            self.queue.schedule(self.queue.now(), Event::Open { tag });
            self.run_until(self.queue.now() + RETRY, |_| false);
            if self.channels[tag].near.is_some() {
                break;
            }
        }
        if !self.violations.is_empty() {
            return;
        }
        let last = self.last();
        let wanted =
            move |world: &Self| [0, last].into_iter().all(|node| world.ledger.arrived(tag, node) == HEALED_MESSAGES);
        self.run_until(end, wanted);
        if self.violations.is_empty() && !wanted(self) {
            let counts = [self.ledger.arrived(tag, last), self.ledger.arrived(tag, 0)];
            let detail =
                format!("in a healed world a new channel delivered {counts:?} of {HEALED_MESSAGES} messages each way");
            self.judge(Err(Violation::new(Property::Liveness, 0, detail)));
        }
    }

    /// Nothing is lost in a calm world.
    fn check_calm(&mut self) {
        let missing = self.ledger.sent() - self.ledger.deliveries();
        let expected = (self.plan.channels * self.plan.messages * 2) as u64;
        if missing > 0 || self.ledger.sent() != expected {
            let detail =
                format!("{missing} of {} messages were lost in a calm world that owed {expected}", self.ledger.sent());
            self.judge(Err(Violation::new(Property::Liveness, 0, detail)));
        }
    }

    fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            self.trace.add(self.queue.now(), violation.node, What::Violated, &[], violation.to_string());
            self.violations.push(violation);
        }
    }

    fn phase(&mut self, name: &str) {
        self.trace.add(self.queue.now(), 0, What::Phase, &[], name.into());
    }

    fn last(&self) -> usize {
        self.plan.nodes - 1
    }

    /// The link on this side of a node.
    fn wire_of(node: usize, side: Side) -> usize {
        match side {
            Side::Left => node - 1,
            Side::Right => node,
        }
    }

    /// The neighbour on this side.
    fn beside(node: usize, side: Side) -> usize {
        match side {
            Side::Left => node - 1,
            Side::Right => node + 1,
        }
    }

    fn report(self) -> Report {
        Report {
            seed: self.seed.0,
            preset: self.plan.preset,
            events: self.trace.events(),
            frames: self.frames,
            sent: self.ledger.sent(),
            deliveries: self.ledger.deliveries(),
            attacks: self.attacks,
            guarded: self.guarded,
            channels: self.opened,
            digest: self.trace.digest(),
            situations: self.situations,
            violations: self.violations,
            plan: self.plan.to_string(),
            tail: self.trace.tail(),
        }
    }
}
