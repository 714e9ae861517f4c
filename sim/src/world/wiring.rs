//! Connections, frames on their way, and who sits on the links.

use std::time::Duration;

use razor::env::Instant;
use razor::routing::Address;

use crate::adversary::{Adversary, Capability, Emission, Intent, Target, Way};
use crate::checker::{Property, Violation};
use crate::frame::{Frame, LENGTH};
use crate::host::{HOP, Input};
use crate::link::{Arrival, Link};
use crate::plan::{self, Plan};
use crate::seed::Seed;
use crate::situation::Situation;
use crate::trace::{Cause, Entry, What};

use super::{Event, World};

/// How long a broken connection stays down.
const DOWN: Duration = Duration::from_millis(20);

/// One link: both directions and the connection over it.
#[derive(Debug)]
pub(super) struct Wire {
    /// The nodes at its ends.
    ends: [usize; 2],
    /// To the second end, to the first.
    directions: [Direction; 2],
    /// Which end is behind a NAT, and how long that remembers.
    nat: Option<(usize, Option<Duration>)>,
    /// When the end behind the NAT last said something.
    spoke: Instant,
    /// Counts connections; bytes of an older one never arrive.
    pub(super) epoch: u32,
    up: bool,
}

#[derive(Debug)]
struct Direction {
    link: Link,
    /// The adversaries that what is sent passes, one after the other.
    taps: Vec<usize>,
}

impl Wire {
    pub(super) fn new(seed: Seed, plan: &Plan, link: &plan::Link) -> Self {
        let [one, other] = &link.between;
        let direction = |from: &str, to: &str| Direction {
            link: Link::new(link, seed.stream(&format!("link from {from} to {to}"))),
            taps: Vec::new(),
        };
        let number = |name: &String| plan.node(name).expect("a plan that was checked");
        Self {
            ends: [number(one), number(other)],
            directions: [direction(one, other), direction(other, one)],
            nat: link.behind_nat.as_ref().map(|name| (number(name), link.nat_idle)),
            spoke: Instant::ZERO,
            epoch: 0,
            up: false,
        }
    }

    pub(super) fn is_up_since(&self, epoch: u32) -> bool {
        self.up && self.epoch == epoch
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// The direction that ends at `to`.
    fn toward(&mut self, to: usize) -> &mut Direction {
        let [towards_second, towards_first] = &mut self.directions;
        if self.ends[1] == to { towards_second } else { towards_first }
    }

    /// What is sent to `to` is cut off until then.
    pub(super) fn cut(&mut self, to: usize, until: Instant) {
        self.toward(to).link.cut(until);
    }

    /// How long it takes until everything that is under way has arrived.
    pub(super) fn backlog(&self, now: Instant) -> Duration {
        self.directions.iter().map(|direction| direction.link.backlog(now)).max().unwrap_or_default()
    }

    pub(super) fn heal(&mut self) {
        self.directions.iter_mut().for_each(|direction| direction.link.heal());
        self.nat = None;
    }
}

/// The beginning of a frame, after which nothing has come.
#[derive(Debug)]
pub(super) struct Stalled {
    pub(super) way: Way,
    /// The connection.
    pub(super) epoch: u32,
    pub(super) at: Instant,
    bytes: Vec<u8>,
}

impl World {
    /// Puts the adversaries of the plan at their places.
    pub(super) fn place_adversaries(&mut self) {
        for (number, planned) in self.plan.adversaries.iter().enumerate() {
            let node = planned.at.as_ref().and_then(|name| self.plan.node(name));
            let ways: Vec<Way> = match (node, &planned.between) {
                // Who has a node has what leaves it; who only watches it has what comes, too.
                (Some(node), _) => self.neighbours[node].iter().map(|&(link, to)| Way { link, to }).collect(),
                (None, Some([one, other])) => {
                    let link = self.plan.link(one, other).expect("a plan that was checked");
                    self.wires[link].ends.map(|to| Way { link, to }).to_vec()
                }
                (None, None) => Vec::new(),
            };
            for way in &ways {
                self.wires[way.link].toward(way.to).taps.push(number);
            }
            let random = Seed(self.plan.seed).stream(&format!("adversary {number}"));
            let owned = node.filter(|_| planned.class.has_a_node());
            self.adversaries.push(Adversary::new(planned, owned, ways, random));
        }
    }

    /// `node` sends something over `link`.
    pub(super) fn transmit(&mut self, node: usize, link: usize, bytes: Vec<u8>, intent: Intent) {
        let to = self.beside(node, link);
        let way = Way { link, to };
        if let Some(watch) = &self.watch {
            let verdict = watch.examine(node, &bytes);
            self.judge(verdict);
        }
        if self.opening {
            // A connection that is up has exchanged them; a datagram link has no connections.
            let epoch = self.wires[link].epoch;
            self.leave(way, self.queue.now(), bytes.len());
            let taps = self.wires[link].toward(to).taps.clone();
            let spoilt = taps.into_iter().any(|tap| self.adversaries[tap].spoils_opening(way));
            let (bytes, intent) = if spoilt { (vec![2], Intent::Broken) } else { (bytes, Intent::Honest) };
            let event = Event::Arrive { way, bytes, intent, epoch, frame: 0 };
            return self.queue.schedule(self.queue.now(), event);
        }
        if let Some(auditor) = &mut self.auditor {
            let queues = self.wires[link].toward(to).link.is_slow();
            let verdict = auditor.sent(node, (link, queues), &bytes, |whose, public| {
                let mut hosts = self.hosts.iter_mut().enumerate();
                hosts
                    .find_map(|(node, host)| host.secret_of(public).filter(|_| whose.is_none_or(|whose| whose == node)))
            });
            // Liars are found out by others.
            if !self.hostile.contains(&node) {
                self.judge(verdict);
            }
        }
        let wire = &mut self.wires[link];
        if matches!(wire.nat, Some((behind, _)) if behind == node) {
            wire.spoke = self.queue.now();
        }
        self.pass(way, 0, bytes, intent, true);
    }

    /// Bytes have left for `way`, which the sender hears if the link is slow.
    fn leave(&mut self, way: Way, at: Instant, bytes: usize) {
        let wire = &mut self.wires[way.link];
        if wire.toward(way.to).link.is_slow() {
            let epoch = wire.epoch;
            let node = self.beside(way.to, way.link);
            self.queue.schedule(at, Event::Left { node, link: way.link, bytes: bytes as u64, epoch });
        }
    }

    /// A frame goes along a way from the adversary of this place on. `own` says that it is what a node has sent, which
    /// waits for it to leave.
    fn pass(&mut self, way: Way, place: usize, bytes: Vec<u8>, intent: Intent, own: bool) {
        let Some(&adversary) = self.wires[way.link].toward(way.to).taps.get(place) else {
            return self.carry(way, bytes, intent, own);
        };
        let length = bytes.len();
        let emissions = self.adversaries[adversary].on_frame(way, bytes, intent);
        let cause = Cause { deed: self.note(adversary), ..self.trace.cause() };
        if emissions.is_empty() {
            let words = format!("by the {}", self.adversaries[adversary].class());
            let sent_because = self.trace.because(cause);
            self.trace.add(Entry { way: Some(way), ..Entry::new(self.queue.now(), way.to, What::Swallowed, words) });
            self.trace.because(sent_because);
        }
        let mut own = own;
        for emission in emissions {
            let untouched = emission.by.is_none() && emission.delay.is_zero() && emission.target == Target::Along(way);
            if untouched {
                self.pass(way, place + 1, emission.bytes, emission.intent, std::mem::take(&mut own));
            } else {
                let at = self.queue.now() + emission.delay;
                self.queue.schedule(at, Event::Emit { adversary, emission: Box::new(emission), cause });
            }
        }
        if own {
            // As far as the sender can see, it has left.
            self.leave(way, self.queue.now(), length);
        }
        self.situations.extend(self.adversaries[adversary].take_situations());
    }

    /// A frame leaves an adversary's hands.
    pub(super) fn emit(&mut self, adversary: usize, emission: Emission) {
        let Emission { target, bytes, intent, by, .. } = emission;
        let class = self.adversaries[adversary].class();
        let node = self.adversaries[adversary].node();
        let way = match &target {
            Target::Along(way) => Some(*way),
            Target::Own(_) => None,
        };
        if intent != Intent::Honest {
            self.attacks += 1;
            let done = by.map_or(String::new(), |by| format!(": {by}"));
            let at = node.or(way.map(|way| self.beside(way.to, way.link))).unwrap_or(0);
            let words = format!("by the {class}{done}");
            self.trace.add(Entry {
                way,
                intent,
                bytes: bytes.clone(),
                ..Entry::new(self.queue.now(), at, What::Injected, words)
            });
            self.trace.because_of_last();
        }
        match target {
            Target::Along(way) => {
                if by == Some(Capability::Stall) && !self.wires[way.link].toward(way.to).link.is_datagram() {
                    let (epoch, bytes) = (self.wires[way.link].epoch, bytes.clone());
                    self.stalled.push(Stalled { way, epoch, at: self.queue.now(), bytes });
                }
                let taps = &self.wires[way.link].toward(way.to).taps;
                let place = taps.iter().position(|tap| *tap == adversary).map_or(0, |place| place + 1);
                self.pass(way, place, bytes, intent, false);
            }
            Target::Own(came) => {
                let Some(node) = node else { return };
                let links = self.neighbours[node].iter().map(|(link, _)| *link);
                let link = links.into_iter().find(|link| self.hosts[node].connection(*link).as_ref() == Some(&came));
                if let Some(link) = link {
                    self.audit_arrival(node, link, &bytes);
                    self.step(node, Input::Bytes(link, bytes), intent);
                }
            }
        }
    }

    /// Puts a frame on a link.
    fn carry(&mut self, way: Way, mut bytes: Vec<u8>, intent: Intent, own: bool) {
        let now = self.queue.now();
        let from = self.beside(way.to, way.link);
        let through = intent == Intent::Forged && self.leads_through_a_channel(way.to, &bytes);
        let intent = if through { Intent::Tampered } else { intent };
        let wire = &mut self.wires[way.link];
        if !wire.up {
            return;
        }
        let (epoch, spoke, nat) = (wire.epoch, wire.spoke, wire.nat);
        let link = &mut wire.toward(way.to).link;
        let (datagram, length) = (link.is_datagram(), bytes.len());
        if let Some((behind, Some(idle))) = nat
            && behind == way.to
            && now.since(spoke) > idle
        {
            self.reached(Situation::NatForgot);
            if !datagram {
                // Not at once: it is not what was sent that makes its sender lose a connection.
                self.queue.schedule(now, Event::Break { link: way.link, epoch });
            } else if own {
                self.leave(way, now, length);
            }
            return;
        }
        self.next_frame += 1;
        let frame = self.next_frame;
        self.trace.frame(now, from, What::Sent, Some(way), frame, intent, &bytes);
        let says_its_length = bytes.first_chunk() == Some(&((length.saturating_sub(LENGTH)) as u32).to_be_bytes());
        if datagram {
            bytes.drain(..LENGTH.min(bytes.len()));
        }
        let link = &mut self.wires[way.link].toward(way.to).link;
        let before = link.counts;
        let mut arrivals = std::mem::take(&mut self.landing);
        let left = link.send(now, bytes, &mut arrivals);
        let counts = link.counts;
        if own {
            if left > now && !datagram {
                self.reached(Situation::SenderWaited);
            }
            self.leave(way, left, length);
        }
        if counts.lost > before.lost {
            self.reached(Situation::LinkLoss);
            self.trace.frame(now, from, What::Lost, Some(way), frame, intent, &[]);
        }
        if counts.duplicated > before.duplicated {
            self.reached(Situation::LinkDuplicate);
        }
        if counts.corrupted > before.corrupted {
            self.reached(Situation::LinkDamage);
        }
        // There is a verdict for what comes in one piece. A datagram has no length but its own.
        let whole = if datagram { says_its_length } else { arrivals.len() == 1 };
        let has_verdict = matches!(intent, Intent::Broken | Intent::Futile);
        for Arrival { at, mut bytes, damaged } in arrivals.drain(..) {
            let intent = if damaged || has_verdict && !whole { Intent::Tampered } else { intent };
            if datagram {
                let length = (bytes.len() as u32).to_be_bytes();
                bytes.splice(..0, length);
            }
            self.queue.schedule(at, Event::Arrive { way, bytes, intent, epoch, frame });
        }
        self.landing = arrivals;
    }

    /// Whether a frame goes through an open channel of `node`, as what belongs to a channel inside it does: whatever it
    /// is, that channel encrypts it.
    fn leads_through_a_channel(&self, node: usize, bytes: &[u8]) -> bool {
        Frame::decode(bytes).is_ok_and(|frame| {
            let passed = frame.onward.split_last().map_or(&[][..], |(_, passed)| passed);
            passed.iter().any(|address| self.agreement.has_end(node, address))
        })
    }

    pub(super) fn arrive(&mut self, way: Way, bytes: Vec<u8>, intent: Intent, epoch: u32, frame: u64) {
        if !self.wires[way.link].is_up_since(epoch) {
            return;
        }
        self.arrivals += 1;
        // What comes after the beginning of a frame belongs to it.
        self.stalled.retain(|stalled| stalled.way != way || stalled.bytes == bytes);
        self.trace.frame(self.queue.now(), way.to, What::Arrived, Some(way), frame, intent, &bytes);
        self.trace.because_of_last();
        self.audit_arrival(way.to, way.link, &bytes);
        self.step(way.to, Input::Bytes(way.link, bytes), intent);
    }

    fn audit_arrival(&mut self, node: usize, link: usize, bytes: &[u8]) {
        if let Some(auditor) = &mut self.auditor {
            auditor.arrived(node, link, bytes, self.hosts[node].is_behind());
        }
    }

    pub(super) fn connect(&mut self, link: usize) {
        let ends = self.wires[link].ends;
        if self.wires[link].up || ends.iter().any(|node| self.standing[*node].is_down) {
            return;
        }
        if let Some(until) = ends.iter().filter_map(|node| self.standing[*node].paused_until).max()
            && until > self.queue.now()
        {
            return self.queue.schedule(until, Event::Connect { link });
        }
        self.wires[link].up = true;
        self.wires[link].spoke = self.queue.now();
        self.connection_is(link, "up");
        let slow = self.wires[link].directions[0].link.is_slow();
        self.opening = true;
        for node in ends {
            self.step(node, Input::Connected { link, slow }, Intent::Honest);
        }
        self.opening = false;
    }

    fn connection_is(&mut self, link: usize, state: &str) {
        let [one, other] = self.wires[link].ends;
        let entry = Entry::new(self.queue.now(), one, What::Connection, format!("link {link} is {state}"));
        self.trace.add(Entry { way: Some(Way { link, to: other }), ..entry });
    }

    /// Ends the connection over `link` at both ends and has it made again.
    pub(super) fn disconnect(&mut self, link: usize) {
        if !std::mem::take(&mut self.wires[link].up) {
            return;
        }
        self.wires[link].epoch += 1;
        let ends = self.wires[link].ends;
        if let Some(auditor) = &mut self.auditor {
            ends.into_iter().for_each(|node| auditor.disconnected(node, link));
        }
        self.connection_is(link, "down");
        for node in ends.into_iter().filter(|node| !self.standing[*node].is_down) {
            self.hosts[node].handle(self.queue.now(), Input::Disconnected(link));
        }
        self.queue.schedule(self.queue.now() + DOWN, Event::Connect { link });
    }

    /// The route from `node` to `to`, over connections that are up, ending at its worker `last`. From within a channel
    /// it begins with the hop.
    pub(super) fn route(&self, node: usize, to: usize, last: &str, within: bool) -> Option<Vec<Address>> {
        let way = plan::way(&self.neighbours, node, to, |link| self.wires[link].up)?;
        let mut route = Vec::new();
        let mut at = node;
        for (link, next) in way {
            if at != node || within {
                route.push(HOP.into());
            }
            // An application knows its own links by name.
            let own = at == node && !within;
            route.push(if own { crate::party::alias(link) } else { self.hosts[at].connection(link)? });
            at = next;
        }
        route.push(last.into());
        Some(route)
    }

    /// The node at the other end of a link.
    pub(super) fn beside(&self, node: usize, link: usize) -> usize {
        let [one, other] = self.wires[link].ends;
        if one == node { other } else { one }
    }

    /// Nothing that honest applications say to one another reaches an adversary's application.
    pub(super) fn check_secrecy(&self, node: usize, payload: &[u8]) -> Result<(), Violation> {
        if crate::checker::contains_mark(payload) {
            let detail = "an adversary was sent what is for somebody else";
            return Err(Violation::new(Property::Confidentiality, node, detail));
        }
        Ok(())
    }
}
