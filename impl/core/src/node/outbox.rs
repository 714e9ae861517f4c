//! Outboxes: what a producer or a relay has sent to a full receiver waits with it, and is not lost.

use alloc::collections::VecDeque;

use super::delivery::{FULL, Undelivered};
use super::table::{Credit, Load, Resident, Table, cost};
use super::waiting::{Place, Room, Waiter};
use super::worker::{Port, Provenance, WorkerId};
use super::{Node, Source};
use crate::env::Instant;
use crate::error::Error;
use crate::routing::Message;

/// What a relay adds to a message at most when it sends it on: two routes, a padding, and room around them.
pub(super) const ADDED: usize = 40_960;

pub(super) const STALLED: Error = Error::limit("NOD-11", "the receiver stayed full for the stall time");
pub(super) const STUCK: Error = Error::limit("NOD-41", "the receiver has taken nothing for the stall time");

/// What waits behind one address of a worker. It is there only while something does.
pub(super) struct Outbox {
    port: Port,
    messages: VecDeque<(Message, Provenance)>,
    load: Load,
    /// Where the first stands, or stood last, in line for room.
    place: Option<Place>,
    /// Whether it stands in the queue of those that may find room.
    ready: bool,
    /// Whether its messages wait for the stall time only, from `since` on.
    timed: bool,
    /// Since when the first is the first: when one left last.
    since: Instant,
    /// Whether one that waited for this one waited in vain.
    stuck: bool,
}

/// How long what leaves from an address may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A producer's: for the stall time.
    StallTime,
    /// A relay's: as long as what it leads to is there. It holds up nobody but its own senders.
    Endless,
}

#[cfg(test)]
impl Outbox {
    pub(super) const fn load(&self) -> &Load {
        &self.load
    }
}

impl Table {
    fn outbox_mut(&mut self, id: WorkerId, port: Port) -> Option<&mut Outbox> {
        let extras = self.get_mut(id)?.extras.as_mut()?;
        extras.outboxes.iter_mut().find(|outbox| outbox.port == port)
    }
}

impl Node {
    /// Sends what a handler asked for. What may wait does, if the receiver is full or others wait before it.
    pub(super) fn send_from(&mut self, id: WorkerId, port: Port, message: Message, provenance: Provenance) {
        if self.outbox(id, port).is_some() && !planted!(OvertakesOutbox) {
            return self.put_out(id, port, message, provenance, None);
        }
        match self.pass(Source::Worker(id, port), message, provenance, self.relays(id, port)) {
            Ok(()) => {}
            Err(Undelivered::Error(error)) => self.report(None, error),
            Err(Undelivered::Full(message, room)) => match self.patience(id, port) {
                None => self.report(Some(&message), FULL),
                Some(Patience::StallTime) if self.is_stuck(room) => self.report(Some(&message), STUCK),
                Some(_) => self.put_out(id, port, message, provenance, Some(room)),
            },
        }
    }

    pub(super) fn outbox(&self, id: WorkerId, port: Port) -> Option<&Outbox> {
        self.table.get(id)?.extras.as_ref()?.outboxes.iter().find(|outbox| outbox.port == port)
    }

    fn patience(&self, id: WorkerId, port: Port) -> Option<Patience> {
        let resident = self.table.get(id)?;
        if resident.worker.leads_on(port) {
            return Some(Patience::Endless);
        }
        (port == 0 && resident.flow()?.producer.is_some()).then_some(Patience::StallTime)
    }

    /// Whether what leaves a port now is what came to it: a relay's, but for its first and last words.
    fn relays(&self, id: WorkerId, port: Port) -> bool {
        self.moves && self.patience(id, port) == Some(Patience::Endless)
    }

    /// Puts a message into an outbox: behind others, or as the first, which waits for `room`.
    fn put_out(&mut self, id: WorkerId, port: Port, message: Message, provenance: Provenance, room: Option<Room>) {
        //= spec/src/nodes.md#nod-40
        //# A node MUST keep what leaves a producer or a relay for a full receiver until there is room, and take nothing more at that address meanwhile.
        let cost = cost(&message);
        let timed = self.patience(id, port) == Some(Patience::StallTime);
        // A relay was let take what it sends on, and sends on no more than that.
        if !self.relays(id, port) {
            let full = |load: &Load| {
                load.is_full(cost, self.config.inbox, self.config.inbox_bytes) && !planted!(OutboxWithoutBound)
            };
            if self.outbox(id, port).is_some_and(|outbox| full(&outbox.load)) || !self.has_room(cost) {
                return self.report(Some(&message), FULL);
            }
        }
        let (since, deadline) = (self.now, self.now + self.config.stall);
        let Some((resident, spare)) = self.table.get_with_spare(id) else { return };
        let outboxes = &mut resident.extras(spare).outboxes;
        let index = outboxes.iter().position(|outbox| outbox.port == port).unwrap_or_else(|| {
            outboxes.push(Outbox {
                port,
                messages: VecDeque::new(),
                load: Load::default(),
                place: None,
                ready: false,
                timed,
                since,
                stuck: false,
            });
            outboxes.len().saturating_sub(1)
        });
        let Some(outbox) = outboxes.get_mut(index) else { return };
        let (first, place) = (outbox.messages.is_empty(), outbox.place);
        outbox.messages.push_back((message, provenance));
        self.queued.add(&mut outbox.load, cost);
        if !first {
            if let Some(place) = place {
                self.await_more(place, cost);
            }
            return;
        }
        if timed {
            self.waiting.deadlines.insert((deadline, id, port));
        }
        match room {
            Some(room) => self.line_up(id, port, room, None),
            // What it was to stand behind is gone.
            None => self.make_ready(id, port),
        }
    }

    /// Lets the first message of an outbox try its luck when its turn comes.
    fn make_ready(&mut self, id: WorkerId, port: Port) {
        if let Some(outbox) = self.table.outbox_mut(id, port)
            && !core::mem::replace(&mut outbox.ready, true)
        {
            self.waiting.ready.push_back((id, port));
        }
    }

    /// There is room: who waited longest for it may go on. `false` when nobody waited.
    pub(super) fn wake(&mut self, room: Room) -> bool {
        match self.waiting.call(room) {
            None => return false,
            Some((_, Waiter::Connection(id))) => self.connections.make_ready(id),
            Some((place, Waiter::Outbox(id, port))) => {
                self.await_less(place, id, port);
                self.make_ready(id, port);
            }
        }
        true
    }

    /// Lets an outbox wait in the line for `room`, at its old place there if it has one.
    fn line_up(&mut self, id: WorkerId, port: Port, room: Room, before: Option<Place>) {
        let place = self.waiting.line_up(Waiter::Outbox(id, port), room, before);
        let Some(outbox) = self.table.outbox_mut(id, port) else { return };
        outbox.place = Some(place);
        let load = outbox.load;
        self.awaits(place, |awaited| awaited.join(&load));
    }

    /// An outbox waits in no line any more. Gives the place that it had or was called from.
    fn leave_line(&mut self, id: WorkerId, port: Port) -> Option<Place> {
        let place = self.table.outbox_mut(id, port)?.place.take()?;
        if self.waiting.leave(place) {
            self.await_less(place, id, port);
        }
        Some(place)
    }

    /// Another message has come into an outbox that may stand in line.
    fn await_more(&mut self, place: Place, cost: usize) {
        if self.waiting.stands(place) {
            self.awaits(place, |awaited| awaited.add(cost));
        }
    }

    fn await_less(&mut self, place: Place, id: WorkerId, port: Port) {
        let Some(load) = self.outbox(id, port).map(|outbox| outbox.load) else { return };
        self.awaits(place, |awaited| awaited.remove(&load));
    }

    /// Keeps in mind what waits in outboxes for a connection.
    fn awaits(&mut self, place: Place, change: impl FnOnce(&mut Load)) {
        let Room::Inbox(id) = place.0 else { return };
        if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut())
            && matches!(extras.credit, Some(Credit::OnTheWay { .. }))
        {
            change(&mut extras.inbox.awaited);
            self.settle_blocked(id);
        }
    }

    /// Lets the next outbox go on that can.
    pub(super) fn release_ready(&mut self) {
        if let Some((id, port)) = self.waiting.ready.pop_front() {
            if let Some(outbox) = self.table.outbox_mut(id, port) {
                outbox.ready = false;
            }
            self.release(id, port);
        }
    }

    /// Lets the first message of an outbox go, if there is room for it now or its time is up.
    fn release(&mut self, id: WorkerId, port: Port) {
        let place = self.leave_line(id, port);
        let Some(outbox) = self.table.outbox_mut(id, port) else { return };
        let Some((message, provenance)) = outbox.messages.pop_front() else { return };
        let (timed, since) = (outbox.timed, outbox.since);
        let cost = cost(&message);
        self.queued.sub(&mut outbox.load, cost);
        let mut room = place.map(|place| place.0);
        match self.pass(Source::Worker(id, port), message, provenance, true) {
            Ok(()) => {}
            Err(Undelivered::Error(error)) => {
                self.report(None, error);
                self.wake(Room::Node);
            }
            Err(Undelivered::Full(message, full)) => {
                room = room.filter(|room| *room != full);
                let since = self.waits_since(full, since);
                let verdict = if timed { self.verdict(full, since) } else { None };
                if let Some(error) = verdict {
                    self.report(Some(&message), error);
                    self.wake(Room::Node);
                } else {
                    if let Some(outbox) = self.table.outbox_mut(id, port) {
                        outbox.messages.push_front((message, provenance));
                        self.queued.add(&mut outbox.load, cost);
                    }
                    self.line_up(id, port, full, place);
                    self.restart(id, port, since);
                    if let Some(room) = room {
                        self.wake(room);
                    }
                    return;
                }
            }
        }
        self.advance(id, port);
        // There may be room for the next in line, too.
        if let Some(room) = room.filter(|_| !planted!(WakesOnlyOne)) {
            self.wake(room);
        }
    }

    /// The first message of an outbox is gone.
    fn advance(&mut self, id: WorkerId, port: Port) {
        self.restart(id, port, self.now);
        let Some(outbox) = self.table.outbox_mut(id, port) else { return };
        outbox.stuck = false;
        if !outbox.messages.is_empty() {
            return self.make_ready(id, port);
        }
        self.drop_outbox(id, port);
        while self.wake(Room::Outbox(id, port)) {}
        if !self.has_outbox(id) && self.table.get(id).is_some_and(Resident::is_retired) {
            self.forget(id);
        }
        self.table.tidy(id);
    }

    /// The patience for the first message of an outbox counts from `since`.
    fn restart(&mut self, id: WorkerId, port: Port, since: Instant) {
        let stall = self.config.stall;
        let Some(outbox) = self.table.outbox_mut(id, port) else { return };
        let old = core::mem::replace(&mut outbox.since, since);
        let waits = outbox.timed && !outbox.messages.is_empty();
        self.waiting.deadlines.remove(&(old + stall, id, port));
        if waits {
            self.waiting.deadlines.insert((since + stall, id, port));
        }
    }

    /// Removes an outbox and what is in it.
    fn drop_outbox(&mut self, id: WorkerId, port: Port) {
        let stall = self.config.stall;
        self.leave_line(id, port);
        let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) else { return };
        let Some(index) = extras.outboxes.iter().position(|outbox| outbox.port == port) else { return };
        let outbox = extras.outboxes.remove(index);
        self.queued.remove(&outbox.load);
        self.waiting.deadlines.remove(&(outbox.since + stall, id, port));
        if outbox.ready {
            self.waiting.ready.retain(|ready| *ready != (id, port));
        }
    }

    /// Removes all outboxes of a worker.
    pub(super) fn drop_outboxes(&mut self, id: WorkerId) {
        while let Some(port) = self.first_outbox(id) {
            self.drop_outbox(id, port);
            while self.wake(Room::Outbox(id, port)) {}
        }
    }

    fn first_outbox(&self, id: WorkerId) -> Option<Port> {
        self.table.get(id)?.extras.as_ref()?.outboxes.first().map(|outbox| outbox.port)
    }

    /// A worker has stopped: what it has sent waits for the stall time, whatever it was.
    pub(super) fn hurry(&mut self, id: WorkerId) {
        for port in 0..super::table::PORTS as Port {
            if let Some(outbox) = self.table.outbox_mut(id, port) {
                outbox.timed |= !planted!(LastWordsWaitForever);
                self.restart(id, port, self.now);
            }
        }
    }

    /// Whether something that a worker has sent still waits with it.
    pub(super) fn has_outbox(&self, id: WorkerId) -> bool {
        self.first_outbox(id).is_some()
    }

    /// A worker is gone: whoever waited for it may go on, and what relays hold for it is free at once.
    pub(super) fn dismiss(&mut self, gone: WorkerId) {
        while let Some((_, waiter)) = self.waiting.call(Room::Inbox(gone)) {
            match waiter {
                Waiter::Connection(id) => self.connections.make_ready(id),
                Waiter::Outbox(id, port) => {
                    while self.leads_nowhere(id, port) {
                        self.release(id, port);
                    }
                    self.make_ready(id, port);
                }
            }
        }
    }

    fn leads_nowhere(&self, id: WorkerId, port: Port) -> bool {
        let first = self.outbox(id, port).and_then(|outbox| outbox.messages.front());
        first.is_some_and(|(message, _)| message.onward().first().is_none_or(|to| self.table.find(to).is_none()))
    }

    /// Since when a message has waited for nothing that began to wait at `since`. Behind an outbox it has not while
    /// messages left that one, and one whose time is up is about to.
    pub(super) fn waits_since(&self, room: Room, since: Instant) -> Instant {
        let Room::Outbox(id, port) = room else { return since };
        match self.outbox(id, port) {
            Some(outbox) if outbox.timed && outbox.since + self.config.stall <= self.now => self.now,
            Some(outbox) => since.max(outbox.since),
            None => since,
        }
    }

    /// Why a message that has waited since then is dropped, if it is.
    pub(super) fn verdict(&mut self, room: Room, since: Instant) -> Option<Error> {
        if self.is_stuck(room) {
            return Some(STUCK);
        }
        //= spec/src/nodes.md#nod-11
        //# A node MUST drop a message that has waited for a full receiver for the stall time, and read on.
        if since + self.config.stall > self.now {
            return None;
        }
        match room {
            Room::Node => {}
            Room::Inbox(id) => {
                if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) {
                    extras.inbox.stuck = extras.inbox.taken <= since;
                }
            }
            Room::Outbox(id, port) => {
                if let Some(outbox) = self.table.outbox_mut(id, port) {
                    outbox.stuck = true;
                }
            }
        }
        Some(STALLED)
    }

    /// Whether a message has waited there for the stall time, and none has been taken since.
    fn is_stuck(&self, room: Room) -> bool {
        //= spec/src/nodes.md#nod-41
        //# A node MUST drop a producer's message at once when its full receiver let another wait for the stall time and has taken none since.
        match room {
            Room::Node => false,
            Room::Inbox(id) => {
                let extras = self.table.get(id).and_then(|resident| resident.extras.as_ref());
                extras.is_some_and(|extras| extras.inbox.stuck)
            }
            Room::Outbox(id, port) => self.outbox(id, port).is_some_and(|outbox| outbox.stuck),
        }
    }

    /// Does what is due for outboxes.
    pub(super) fn expire_outboxes(&mut self) {
        for _ in 0..self.waiting.deadlines.len() {
            let Some(&(_, id, port)) = self.waiting.deadlines.first().filter(|(at, ..)| *at <= self.now) else {
                return;
            };
            self.release(id, port);
        }
    }
}

#[cfg(test)]
impl Node {
    /// Outboxes say what waits, and each stands in line or in the queue of those that may go on.
    pub(super) fn check_outboxes(&self) {
        let mut standing = self.connections.standing(&self.waiting);
        let mut deadlines = 0;
        for (id, resident) in self.table.residents_with_ids() {
            let Some(extras) = &resident.extras else { continue };
            if matches!(extras.credit, Some(Credit::OnTheWay { .. })) {
                let Load { messages, bytes } = self.awaited(id);
                assert_eq!((extras.inbox.awaited.messages, extras.inbox.awaited.bytes), (messages, bytes));
            }
            assert!(!extras.retired || !extras.outboxes.is_empty());
            for outbox in &extras.outboxes {
                assert!(!outbox.messages.is_empty());
                // What it holds is in the node already.
                assert!(outbox.place.is_none_or(|place| place.0 != Room::Node));
                let bytes = outbox.messages.iter().map(|(message, _)| cost(message)).sum();
                assert_eq!((outbox.load.messages, outbox.load.bytes), (outbox.messages.len(), bytes));
                let stands = |place| self.waiting.waiter(place) == Some(Waiter::Outbox(id, outbox.port));
                let ready = self.waiting.ready.iter().filter(|ready| **ready == (id, outbox.port)).count();
                assert_eq!(ready, usize::from(outbox.ready));
                assert!(outbox.ready || outbox.place.is_some_and(stands));
                standing += usize::from(outbox.place.is_some_and(stands));
                deadlines += usize::from(outbox.timed);
            }
        }
        assert_eq!((self.waiting.len(), self.waiting.deadlines.len()), (standing, deadlines));
    }

    /// What waits in outboxes for a worker.
    fn awaited(&self, id: WorkerId) -> Load {
        let mut sum = Load::default();
        for (_, resident) in self.table.residents_with_ids() {
            for outbox in resident.extras.iter().flat_map(|extras| &extras.outboxes) {
                if outbox.place.is_some_and(|place| place.0 == Room::Inbox(id) && self.waiting.stands(place)) {
                    sum.join(&outbox.load);
                }
            }
        }
        sum
    }
}
