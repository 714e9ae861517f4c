//! What breaks, and what comes back.

use std::time::Duration;

use razor::env::Instant;

use crate::adversary::Intent;
use crate::host::Input;
use crate::plan::Fault;
use crate::situation::Situation;
use crate::trace::{Entry, What};

use super::{Event, World};

/// How long something that was so a moment ago may still have consequences: messages on their way, vaults that take
/// their time.
const LATELY: Duration = Duration::from_millis(500);

/// What faults have done to a node.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) is_down: bool,
    /// Whether it forgets everything when it comes back.
    forgets: bool,
    /// Whether it has ever forgotten everything.
    pub(super) has_forgotten: bool,
    pub(super) paused_until: Option<Instant>,
    /// How far its wall clock was ahead, from when on, in seconds.
    ahead: Vec<(Instant, i64)>,
    /// When it last changed who it is.
    changed: Option<Instant>,
}

impl Standing {
    pub(super) fn new(ahead: i64) -> Self {
        Self {
            is_down: false,
            forgets: false,
            has_forgotten: false,
            paused_until: None,
            ahead: vec![(Instant::ZERO, ahead)],
            changed: None,
        }
    }

    /// How far its clock is ahead.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.last().map_or(0, |(_, ahead)| *ahead)
    }

    /// How far its clock was ahead in the last moment.
    pub(super) fn ahead_lately(&self, now: Instant) -> Vec<i64> {
        let ends = self.ahead.iter().skip(1).map(|(since, _)| *since).chain([Instant::NEVER]);
        let recent = self.ahead.iter().zip(ends).filter(|(_, end)| *end + LATELY >= now);
        recent.map(|((_, ahead), _)| *ahead).collect()
    }

    /// Whether it changed who it is in the last moment.
    pub(super) fn changed_lately(&self, now: Instant) -> bool {
        self.changed_within(now, LATELY)
    }

    /// Whether it changed who it is no longer ago than this.
    pub(super) fn changed_within(&self, now: Instant, time: Duration) -> bool {
        self.changed.is_some_and(|changed| changed + time >= now)
    }
}

impl World {
    pub(super) fn break_something(&mut self, fault: &Fault) {
        if self.healed {
            return;
        }
        let now = self.queue.now();
        let number = |name: &String| self.plan.node(name).expect("a plan that was checked");
        match fault {
            Fault::Crash { node, lasts, forgets, .. } => {
                let node = number(node);
                if !self.standing[node].is_down {
                    self.crash(node, *forgets);
                    self.queue.schedule(now + *lasts, Event::Recover { node });
                }
            }
            Fault::Pause { node, lasts, .. } => {
                let node = number(node);
                self.broke(node, "pauses");
                self.reached(Situation::Paused);
                self.standing[node].paused_until = Some(now + *lasts);
            }
            Fault::Clock { node, by, .. } => self.set_clock(number(node), *by),
            Fault::Cut { from, to, both, lasts, .. } => {
                let (one, other) = (number(from), number(to));
                let link = self.plan.link(from, to).expect("a plan that was checked");
                self.broke(one, &format!("is cut off from node {other}{}", if *both { ", both ways" } else { "" }));
                self.reached(Situation::Cut);
                self.wires[link].cut(other, now + *lasts);
                if *both {
                    self.wires[link].cut(one, now + *lasts);
                }
            }
            Fault::Break { between: [one, other], .. } => {
                let link = self.plan.link(one, other).expect("a plan that was checked");
                self.disconnect(link);
            }
            Fault::Rotate { node, .. } => {
                let node = number(node);
                if !self.standing[node].is_down {
                    self.broke(node, "changes the key of its identity");
                    self.reached(Situation::Rotated);
                    self.standing[node].changed = Some(now);
                    // It listens anew, and knows no more who is there.
                    self.guests.remove(&node);
                    self.step(node, Input::Rotate, Intent::Honest);
                }
            }
        }
    }

    /// A wall clock jumps.
    pub(super) fn set_clock(&mut self, node: usize, by: i64) {
        let now = self.queue.now();
        self.broke(node, &format!("has its clock set by {by} s"));
        self.reached(Situation::ClockJumped);
        let ahead = self.standing[node].ahead() + by;
        self.standing[node].ahead.push((now, ahead));
        self.step(node, Input::Clock(by), Intent::Honest);
    }

    fn crash(&mut self, node: usize, forgets: bool) {
        self.broke(node, if forgets { "crashes, and will have forgotten everything" } else { "crashes" });
        self.standing[node].is_down = true;
        self.outcomes.forgets(node);
        if let Some(auditor) = &mut self.auditor {
            auditor.forgets(node);
        }
        self.standing[node].forgets = forgets;
        self.timers[node] = None;
        for (link, _) in self.neighbours[node].clone() {
            self.disconnect(link);
        }
        for talk in &mut self.talks {
            if talk.from == node {
                talk.near = None;
                // Sessions are a machine's, not a disk's.
                talk.kept_at = None;
            }
            if talk.to == node {
                talk.far = None;
            }
        }
    }

    pub(super) fn recover(&mut self, node: usize) {
        if !std::mem::take(&mut self.standing[node].is_down) {
            return;
        }
        let forgets = std::mem::take(&mut self.standing[node].forgets);
        self.broke(node, "comes back");
        self.reached(Situation::Crashed);
        self.step(node, Input::Restart { forgets }, Intent::Honest);
        // Nobody counts along who comes and goes.
        self.guests.remove(&node);
        if forgets {
            self.reached(Situation::Forgot);
            self.standing[node].has_forgotten = true;
            self.standing[node].changed = Some(self.queue.now());
            self.agreement.owns(node, self.hosts[node].face().identifier);
            self.agreement.forgets(node);
            self.custody.forgets(node);
            if let Some(watch) = &mut self.watch {
                self.hosts[node].secrets().into_iter().for_each(|secret| watch.guard(secret));
            }
        }
        for (link, _) in self.neighbours[node].clone() {
            self.queue.schedule(self.queue.now(), Event::Connect { link });
        }
    }

    /// Something broke; what follows is its consequence.
    fn broke(&mut self, node: usize, words: &str) {
        self.trace.add(Entry::new(self.queue.now(), node, What::Fault, words));
        self.trace.because_of_last();
    }
}
