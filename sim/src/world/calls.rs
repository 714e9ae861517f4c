//! Nodes are called when they want to be.

use razor::env::Instant;

use crate::adversary::Intent;
use crate::checker::{Property, Violation};
use crate::host::Input;

use super::{Event, World};

/// More calls than all nodes together want at one time, however little each of them does in a call.
const CALLS_AT_ONCE: u64 = 100_000;

impl World {
    /// The timer of a host has gone off.
    pub(super) fn went_off(&mut self, node: usize, at: Instant) {
        if self.timers[node] != Some(at) {
            return;
        }
        self.timers[node] = None;
        if self.deadline(node).is_some_and(|at| at <= self.queue.now()) {
            self.call(node);
        } else {
            self.wind(node);
        }
    }

    /// Calls a host that wants to be called.
    fn call(&mut self, node: usize) {
        let now = self.queue.now();
        let calls = if self.called.0 == now { self.called.1 + 1 } else { 1 };
        self.called = (now, calls);
        if calls > CALLS_AT_ONCE {
            let detail = "it wants to be called again and again, and nothing changes";
            return self.judge(Err(Violation::new(Property::Liveness, node, detail)));
        }
        self.step(node, Input::Timeout, Intent::Honest);
    }

    /// When a host wants to be called.
    fn deadline(&self, node: usize) -> Option<Instant> {
        self.hosts[node].deadline().map(|deadline| deadline.at).filter(|at| *at != Instant::NEVER)
    }

    /// Has a host called when it wants to be. One timer that is early will do: it is wound again when it goes off.
    pub(super) fn wind(&mut self, node: usize) {
        let deadline = self.deadline(node).map(|at| at.max(self.queue.now()));
        if let Some(at) = deadline.filter(|at| self.timers[node].is_none_or(|early| *at < early)) {
            self.timers[node] = Some(at);
            self.queue.schedule(at, Event::Timer { node, at });
        }
    }
}
