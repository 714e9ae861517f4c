//! What adversaries do of their own accord, with machines of their own.

use razor::identity::{IDENTITY_KEY_VALIDITY, PURPOSE_KEY_VALIDITY};
use razor::routing::Address;

use crate::adversary::{Capability, Class, Intent, TRESPASS, trespasses};
use crate::host::{APP, CLOSED, Input, LISTENER};
use crate::trace::Cause;

use crate::situation::Situation;

use super::{ATTEMPTS, Event, World};

/// How many handshakes somebody begins at a time who is not on anybody's way.
const FLOOD: usize = 8;

/// How often whoever has opened a channel tries to reach those who are not for him.
const TRESPASSES: usize = 3;

/// How many of its channels a besieger keeps busy: the oldest.
const BUSY: usize = 2;

/// How far clocks are set: further than the skew that is borne, than the attestations of a world are valid from, and
/// until.
const JUMPS: [i64; 4] = [120, 200_000, PURPOSE_KEY_VALIDITY as i64, IDENTITY_KEY_VALIDITY as i64];

impl World {
    pub(super) fn make_mischief(&mut self, adversary: usize) {
        if self.healed {
            return;
        }
        let emissions = self.adversaries[adversary].on_timer();
        let cause = Cause { entry: 0, deed: self.note(adversary) };
        for emission in emissions {
            let at = self.queue.now() + emission.delay;
            self.queue.schedule(at, Event::Emit { adversary, emission: Box::new(emission), cause });
        }
        self.situations.extend(self.adversaries[adversary].take_situations());
        let will = &self.adversaries[adversary];
        let (every, node, impostor) = (will.every(), will.node(), Class::IMPOSTORS.contains(&will.class()));
        let (intrudes, besieges, sets) =
            (will.can(Capability::Intrude), will.can(Capability::Siege), will.can(Capability::SetClocks));
        // Who sees where first messages go sends its floods there as frames.
        let floods =
            will.can(Capability::Flood) && will.ways().iter().all(|way| will.knowledge().listener(*way).is_none());
        if let Some(node) = node.filter(|node| !self.standing[*node].is_down) {
            // An impostor has nothing else to do.
            let rarely = match self.adversaries[adversary].class() {
                // There is much that it can be.
                Class::Forger | Class::Crowd => 1,
                _ if impostor => 4,
                _ => 16,
            };
            if intrudes && self.mischief.below(rarely) == 0 {
                self.intrude(adversary, node);
            }
            if floods {
                self.flood(adversary, node);
            }
            if besieges {
                match self.mischief.below(8) {
                    0 | 1 => self.intrude(adversary, node),
                    2 | 3 => self.keep_busy(adversary, node),
                    _ => {}
                }
            }
        }
        if sets && self.mischief.below(16) == 0 {
            self.jump(adversary);
        }
        self.queue.schedule(self.queue.now() + every, Event::Mischief { adversary });
    }

    /// An adversary's node begins handshakes with whom others open channels to, and finishes none.
    fn flood(&mut self, adversary: usize, node: usize) {
        let ends: Vec<usize> = self.plan.channels.iter().filter_map(|channel| self.plan.node(&channel.to)).collect();
        let Some(&target) = self.mischief.pick(&ends) else { return };
        let Some(route) = self.route(node, target, LISTENER, false) else { return };
        self.reached(Situation::Flooded);
        let cause = self.note_deed(adversary, Capability::Flood, target);
        for _ in 0..FLOOD {
            self.attacks += 1;
            let payload = self.mischief.bytes(32);
            self.trace.because(cause);
            self.step(node, Input::Say { route: route.clone(), payload }, Intent::Honest);
        }
    }

    /// An adversary's node opens a channel of its own to a listener, as honest code does.
    fn intrude(&mut self, adversary: usize, node: usize) {
        let class = self.adversaries[adversary].class();
        let posing = class.needs_a_victim();
        let ends = self.plan.channels.iter().flat_map(|channel| {
            // Whom others open channels to; who poses as somebody, anybody who has to do with him.
            let from = Some(&channel.from).filter(|_| posing || matches!(class, Class::Equivocator | Class::Crowd));
            from.into_iter().chain([&channel.to])
        });
        // Nobody poses as Alice to Alice; but with her own key somebody might pose as others to her.
        let victim = self.plan.adversaries[adversary].victim.as_ref();
        let useful = |name: &&String| (victim == Some(*name)) == (class == Class::StaticThief);
        let ends: Vec<usize> = ends.filter(useful).filter_map(|name| self.plan.node(name)).collect();
        let Some(&target) = self.mischief.pick(&ends) else { return };
        let intrudes = self.adversaries[adversary].can(Capability::Intrude);
        // To some listeners nobody is welcome.
        let closed = intrudes && self.mischief.below(8) == 0;
        let Some(route) = self.route(node, target, if closed { CLOSED } else { LISTENER }, false) else { return };
        let expect = self.hosts[target].face().identifier;
        let tag = ATTEMPTS + self.attempts;
        self.attempts += 1;
        self.attacks += 1;
        let capability = if intrudes { Capability::Intrude } else { Capability::Siege };
        let cause = self.note_deed(adversary, capability, target);
        self.trace.because(cause);
        self.step(node, Input::Open { tag, route, expect, kept: false }, Intent::Honest);
    }

    /// An adversary's node believes that it has a channel: it says something through it.
    pub(super) fn attempt_opened(&mut self, node: usize, encryptor: Address) {
        self.siege.entry(node).or_default().push(encryptor.clone());
        let payload = self.words.bytes(24);
        let input = Input::Say { route: vec![encryptor.clone(), APP.into()], payload };
        // What it says comes out with the rest of this step.
        self.hosts[node].handle(self.queue.now(), input);
        for _ in 0..TRESPASSES {
            let ways = trespasses(self.mischief.index(self.wires.len()));
            let Some(way) = self.mischief.pick(&ways) else { continue };
            let route = [std::slice::from_ref(&encryptor), way].concat();
            self.reached(Situation::Trespassed);
            self.hosts[node].handle(self.queue.now(), Input::Say { route, payload: TRESPASS.to_vec() });
        }
        self.hosts[node].handle(self.queue.now(), Input::PresentAnother { encryptor });
    }

    /// It says something through one of its oldest channels; the others are silent.
    fn keep_busy(&mut self, adversary: usize, node: usize) {
        let Some(siege) = self.siege.get(&node) else { return };
        let Some(encryptor) = self.mischief.pick(siege.get(..BUSY).unwrap_or(siege)).cloned() else { return };
        let payload = self.words.bytes(24);
        let cause = self.note_deed(adversary, Capability::Siege, node);
        self.trace.because(cause);
        self.step(node, Input::Say { route: vec![encryptor, APP.into()], payload }, Intent::Honest);
    }

    /// Somebody's clock jumps, or goes back to the true time.
    fn jump(&mut self, adversary: usize) {
        let node = self.mischief.index(self.hosts.len());
        let cause = self.note_deed(adversary, Capability::SetClocks, node);
        self.trace.because(cause);
        let ahead = self.standing[node].ahead();
        let by = if ahead != 0 {
            -ahead
        } else {
            let by = JUMPS[self.mischief.index(JUMPS.len())];
            if self.mischief.below(2) == 0 { by } else { -by }
        };
        self.set_clock(node, by);
    }
}
