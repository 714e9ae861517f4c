//! Who waits for room, in the order in which they came.

use alloc::collections::VecDeque;

use super::worker::{ConnectionId, Port, WorkerId};
use crate::env::Instant;
use crate::machine::Deadline;
use crate::ordered::{Map, Set};

/// What there is no room in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// The node as a whole.
    Node,
    /// The inbox of a worker.
    Inbox(WorkerId),
    /// An address of a worker: what has left from it waits, so nothing more is taken at it.
    Outbox(WorkerId, Port),
}

/// Who waits: a connection with its last message, or an outbox with its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    Connection(ConnectionId),
    Outbox(WorkerId, Port),
}

/// A place in the line for some room.
pub(super) type Place = (Room, u64);

#[derive(Default)]
pub(super) struct Waiting {
    lines: Map<Place, Waiter>,
    next: u64,
    /// Outboxes whose first message may find room now, each once.
    pub(super) ready: VecDeque<(WorkerId, Port)>,
    /// When the first messages of outboxes have waited long enough.
    pub(super) deadlines: Set<(Instant, WorkerId, Port)>,
}

impl Waiting {
    /// Where a waiter stands in the line for `room`: where it stood before, if that is the same line, or at its end.
    pub(super) fn line_up(&mut self, waiter: Waiter, room: Room, before: Option<Place>) -> Place {
        let place = before.filter(|place| place.0 == room).unwrap_or((room, self.next));
        self.next = self.next.saturating_add(1);
        self.lines.insert(place, waiter);
        place
    }

    /// Whether somebody stood there, and does no more.
    pub(super) fn leave(&mut self, place: Place) -> bool {
        self.lines.remove(&place).is_some()
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn stands(&self, place: Place) -> bool {
        self.lines.contains_key(&place)
    }

    /// Takes who has waited longest out of the line.
    pub(super) fn call(&mut self, room: Room) -> Option<(Place, Waiter)> {
        let line = self.lines.range((room, 0)..=(room, u64::MAX)).next();
        let (place, waiter) = line.map(|(place, waiter)| (*place, *waiter))?;
        self.lines.remove(&place);
        Some((place, waiter))
    }

    /// When the first message of an outbox has waited long enough.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.deadlines.first().map(|(at, ..)| Deadline::new(*at, STALLED_RECEIVER))
    }
}

/// Why a node wants to be called when a message has waited long enough.
pub(super) const STALLED_RECEIVER: &str = "stalled receiver";

#[cfg(test)]
impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn waiter(&self, place: Place) -> Option<Waiter> {
        self.lines.get(&place).copied()
    }
}
