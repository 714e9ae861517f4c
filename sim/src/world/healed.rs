//! The end of a world: the faults are over, adversaries only watch, and what is owed must come.

use std::collections::BTreeSet;
use std::time::Duration;

use razor::node;

use crate::adversary::Intent;
use crate::checker::{Auditor, Property, Violation};
use crate::host::Input;
use crate::plan::Trusts;
use crate::scene;
use crate::seed::Seed;

use super::talk::Talk;
use super::{Event, World};

/// How long an attempt to open a channel may take in a healed world.
const RETRY: Duration = Duration::from_secs(1);

/// How much later than its time a connection may be closed.
const LATER: Duration = Duration::from_secs(1);

/// Messages each way in the healed world: more than a rekey interval.
const MESSAGES: usize = 40;

/// For how many pairs of ends a healed world shows that they can talk.
const PAIRS: usize = 4;

/// How long a session may need to notice that its channel is dead, and to have another: three pings of a second, and the
/// longest pause, twice over because the new one may have been begun just before.
const SESSION: Duration = Duration::from_secs(20);

/// How long what has failed or is closed may stay: a handshake times out, and whoever tries again pauses.
const LEAVING: Duration = Duration::from_secs(20);

impl World {
    /// The faults are over: links are good, adversaries only watch, and what is owed must come.
    pub(super) fn heal(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        self.phase("healed");
        self.healed = true;
        self.adversaries.iter_mut().for_each(|adversary| adversary.retire());
        self.wires.iter_mut().for_each(|wire| wire.heal());
        for node in 0..self.hosts.len() {
            self.standing[node].paused_until = None;
            self.recover(node);
            let ahead = self.standing[node].ahead();
            if ahead != 0 {
                self.set_clock(node, -ahead);
            }
            self.hosts[node].heal();
        }
        // What is still under way arrives, over links that were slow or cut as well, and broken connections come back.
        let backlog = self.wires.iter().map(|wire| wire.backlog(self.queue.now())).max().unwrap_or_default();
        self.run_until(self.queue.now() + backlog.max(RETRY), |_| false);
        let pairs: BTreeSet<(usize, usize)> = self.talks.iter().map(|talk| (talk.from, talk.to)).collect();
        let pairs: Vec<_> = pairs.into_iter().filter(|(from, to)| self.can_talk(*from, *to)).take(PAIRS).collect();
        for (from, to) in pairs {
            self.check_pair(from, to);
        }
        self.check_sessions();
        self.check_outcomes();
        self.check_leftovers();
        self.check_stalled();
    }

    /// What is closed or has failed leaves nothing behind.
    fn check_leftovers(&mut self) {
        // Sessions whose far node is somebody else by now try again and again: seldom are all of them silent.
        let begun = self.talks.iter().filter(|talk| talk.kept).count().saturating_sub(1);
        for node in (0..self.hosts.len()).filter(|node| !self.hostile.contains(node)).collect::<Vec<_>>() {
            self.run_until(self.queue.now() + LEAVING, |world| world.hosts[node].leftovers() <= begun);
            let left = self.hosts[node].leftovers();
            if left > begun && self.violations.is_empty() {
                let detail = format!("in a healed world {left} workers are left over from what is closed");
                self.judge(Err(Violation::new(Property::Bounds, node, detail)));
            }
        }
    }

    /// Whoever begins a frame and does not end it has lost its connection when its time is over.
    fn check_stalled(&mut self) {
        let time = node::Config::DEFAULT.tcp.frame_time + LATER;
        let Some(due) = self.stalled.iter().map(|stalled| stalled.at + time).max() else { return };
        self.run_until(due, |world| world.stalled.is_empty());
        let lasting = self.stalled.iter().find(|stalled| self.wires[stalled.way.link].is_up_since(stalled.epoch));
        if let (Some(stalled), true) = (lasting, self.violations.is_empty()) {
            let detail = "a frame that never ended kept its connection";
            self.judge(Err(Violation::new(Property::Verdict, stalled.way.to, detail)));
        }
    }

    /// Whoever began a handshake has heard what became of it.
    fn check_outcomes(&mut self) {
        if let Some(due) = self.outcomes.due() {
            self.run_until(due, |world| world.outcomes.due().is_none());
            let verdict = self.outcomes.check(self.queue.now());
            self.judge(verdict);
        }
    }

    /// Whether these two owe each other a channel.
    fn can_talk(&self, from: usize, to: usize) -> bool {
        let identities = [from, to].map(|node| self.hosts[node].face().identifier);
        // Who took a thief for somebody refuses that somebody from then on.
        let misled = self.agreement.is_misled(from, &identities[1]) || self.agreement.is_misled(to, &identities[0]);
        // Who has come back as somebody else has to be trusted anew.
        let trusted = self.plan.nodes[to].trusts == Trusts::Everybody || !self.standing[from].has_forgotten;
        !misled && trusted && self.trusts(to, &identities[0])
    }

    /// A new channel opens between these two, and delivers whatever is said.
    fn check_pair(&mut self, from: usize, to: usize) {
        let end = self.queue.now() + self.plan.healed;
        let mut tag = self.talks.len();
        while self.violations.is_empty() && self.queue.now() < end {
            tag = self.talks.len();
            self.talks.push(Talk::between(from, to, MESSAGES));
            self.queue.schedule(self.queue.now(), Event::Open { tag });
            self.run_until(self.queue.now() + RETRY, |world| world.talks[tag].near.is_some());
            if self.talks[tag].near.is_some() {
                break;
            }
        }
        let arrived = |world: &Self| [to, from].map(|node| world.ledger.arrived(tag, node));
        self.run_until(end, |world| arrived(world) == [MESSAGES; 2]);
        if self.violations.is_empty() && arrived(self) != [MESSAGES; 2] {
            let counts = arrived(self);
            let detail = format!(
                "in a healed world a new channel from node {from} to node {to} delivered {counts:?} of {MESSAGES} messages each way"
            );
            self.judge(Err(Violation::new(Property::Liveness, from, detail)));
        }
        if self.violations.is_empty() {
            self.check_close(tag);
        }
    }

    /// A channel that is closed at one end is closed at the other.
    fn check_close(&mut self, tag: usize) {
        let Some(Talk { from, to, near: Some(near), far: Some(far), .. }) = self.talks.get(tag).cloned() else {
            return;
        };
        let closed = |world: &Self| world.closed.contains(&(to, far.clone()));
        self.step(from, Input::Close { encryptor: near }, Intent::Honest);
        self.run_until(self.queue.now() + RETRY, closed);
        if self.violations.is_empty() && !closed(self) {
            let detail = format!("in a healed world node {from} closed a channel, and the other end stayed open");
            self.judge(Err(Violation::new(Property::Liveness, to, detail)));
        }
    }

    /// Sessions notice that their channels are dead and have others, by themselves; then they deliver.
    fn check_sessions(&mut self) {
        let owed: Vec<usize> = (0..self.talks.len()).filter(|tag| self.owes_a_session(*tag)).collect();
        if owed.is_empty() {
            return;
        }
        self.run_until(self.queue.now() + SESSION, |_| false);
        let mut wanted = Vec::new();
        for &tag in &owed {
            let talk = &mut self.talks[tag];
            let order = talk.messages as u64;
            talk.messages += MESSAGES;
            wanted.push((tag, talk.to, self.ledger.arrived(tag, talk.to) + MESSAGES));
            self.queue.schedule(self.queue.now(), Event::Say { tag, forward: true, order });
        }
        let missing =
            |world: &Self| wanted.iter().copied().find(|(tag, to, wanted)| world.ledger.arrived(*tag, *to) < *wanted);
        self.run_until(self.queue.now() + self.plan.healed, |world| missing(world).is_none());
        if let (Some((tag, ..)), true) = (missing(self), self.violations.is_empty()) {
            let detail = format!("in a healed world the session of channel {tag} does not deliver");
            self.judge(Err(Violation::new(Property::Liveness, self.talks[tag].from, detail)));
        }
    }

    /// Whether a session must be up in a healed world: its route still leads to whom it expects. The addresses of
    /// connections on the way are those of the connections that were there when it began; only its own node names its
    /// first link.
    fn owes_a_session(&self, tag: usize) -> bool {
        let Talk { from, to, kept, kept_at, links, expects, rotations, .. } = &self.talks[tag];
        let same = links.iter().skip(1).all(|(link, epoch)| self.wires[*link].epoch == *epoch);
        *kept
            && kept_at.is_some()
            && same
            && *rotations == self.hosts[*from].face().rotations
            && *expects == Some(self.hosts[*to].face().identifier)
            // With a thief it lasts.
            && !self.agreement.has_met_a_thief(*from, &self.hosts[*to].face().identifier)
            && self.can_talk(*from, *to)
    }

    /// What the same seed asks of a node whose every input is known.
    pub(super) fn play_scenes(&mut self) {
        if self.checks
            && self.violations.is_empty()
            && let Err(scene::Failure { property, detail, lines }) = scene::play(Seed(self.plan.seed))
        {
            self.judge(Err(Violation::of_a_scene(property, detail)));
            self.played = lines;
        }
    }

    /// Nothing is lost where nothing can be.
    pub(super) fn check_calm(&mut self) {
        let expected: u64 = self.talks.iter().map(|talk| 2 * talk.messages as u64).sum();
        let (sent, arrived) = (self.ledger.sent(), self.ledger.deliveries());
        if self.violations.is_empty() && (arrived < sent || sent != expected) {
            let (lost, unsaid) = (sent - arrived, expected.saturating_sub(sent));
            let detail = format!("in a calm world {lost} of {sent} messages were lost, and {unsaid} never sent");
            self.judge(Err(Violation::new(Property::Liveness, 0, detail)));
        }
        let verdict = self.auditor.as_ref().map_or(Ok(()), Auditor::check_nonces);
        self.judge(verdict);
    }
}
