//! Connections of a node: framing on one side, a worker with two addresses on the other.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::delivery::Undelivered;
use super::link::{Crossing, GATEWAY, NO_LINK};
use super::ranking::Ranking;
use super::table::{Credit, Load};
use super::waiting::{Place, STALLED_RECEIVER, Waiter};
use super::worker::{
    ConnectionId, Context, Delivery, Flow, FlowControlId, Mailbox, Op, Port, Provenance, Spec, UNEXPECTED, Worker,
    WorkerId,
};
use super::{Node, Output, Source};
use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::machine::{Deadline, Machine, Refused};
use crate::ordered::{Map, Set};
use crate::routing::{Address, Message};
use crate::transport::{self, Tcp};

/// The port from which a connection's messages enter the node.
pub(super) const RECEIVER: Port = 0;
/// The port to which messages for the peer are sent.
pub(super) const SENDER: Port = 1;

const TOO_MUCH: Error = Error::limit("NOD-30", "connections hold too much, and this one the most");
const IDLE: Error =
    Error::limit("NOD-34", "the node has no room for another connection, and this one was idle the longest");

/// A new connection, made by a driver.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    /// The flow control id of the listener that accepted it; `None` when this node dialled.
    pub accepted_by: Option<FlowControlId>,
    /// The transport address that was dialled: local senders may name it in routes.
    pub alias: Option<Address>,
}

/// One connection, or one end of a link.
pub(super) struct Connection {
    framing: Framing,
    pub(super) worker: WorkerId,
    pub(super) sender: Address,
    alias: Option<Address>,
    /// A message whose receiver is full; nothing more is read until it is taken or its time is up.
    stalled: Option<Stalled>,
    /// Whether it stands in [`Connections::ready`].
    ready: bool,
    /// Its entry in [`Connections::deadlines`].
    deadline: Option<Deadline>,
    /// Its share of [`Connections::held`].
    held: usize,
    /// If it may be closed for another.
    idle: Option<Idle>,
    /// What waits for its peer while that takes nothing.
    blocked: Load,
}

/// How messages leave and arrive.
pub(super) enum Framing {
    /// As bytes.
    Tcp(Box<Tcp>),
    /// Whole, to a node of the same driver.
    Link {
        /// Where its gates send to.
        gateway: Address,
    },
}

impl Connection {
    pub(super) const fn new(framing: Framing, worker: WorkerId, sender: Address) -> Self {
        Self {
            framing,
            worker,
            sender,
            alias: None,
            stalled: None,
            ready: false,
            deadline: None,
            held: 0,
            idle: None,
            blocked: Load { messages: 0, bytes: 0 },
        }
    }

    fn tcp(&self) -> Option<&Tcp> {
        match &self.framing {
            Framing::Tcp(tcp) => Some(tcp),
            Framing::Link { .. } => None,
        }
    }

    fn tcp_mut(&mut self) -> Option<&mut Tcp> {
        match &mut self.framing {
            Framing::Tcp(tcp) => Some(tcp),
            Framing::Link { .. } => None,
        }
    }

    /// Where the gates of a link send to; `None` for what is none.
    pub(super) const fn gateway(&self) -> Option<&Address> {
        match &self.framing {
            Framing::Tcp(_) => None,
            Framing::Link { gateway } => Some(gateway),
        }
    }
}

/// Since when nothing has come or gone.
#[derive(Clone, Copy)]
struct Idle {
    since: Instant,
    /// Its entry in [`Connections::idle`]: this or an earlier time.
    listed: Instant,
}

struct Stalled {
    crossing: Crossing,
    since: Instant,
    /// When it has waited long enough.
    until: Instant,
    place: Place,
}

/// All connections.
#[derive(Default)]
pub(super) struct Connections {
    open: Map<ConnectionId, Connection>,
    /// Those that can go on, each once.
    ready: VecDeque<ConnectionId>,
    /// When each wants attention.
    deadlines: Set<(Instant, ConnectionId)>,
    /// Bytes of messages that are not complete, not read or stalled, of all connections.
    held: usize,
    by_held: Ranking,
    /// What waits for peers that take nothing, by messages and by bytes.
    by_messages: Ranking,
    by_bytes: Ranking,
    /// Those that were accepted, by a time when something came or went: the last one, or an earlier one. Connections are
    /// looked for here only when the node is full of them, so that what comes and goes need not move them.
    idle: Set<(Instant, ConnectionId)>,
    /// Bytes of messages that are stalled at links.
    crossed: usize,
    links: usize,
    aliases: Map<Address, ConnectionId>,
    highest: Option<ConnectionId>,
}

impl Connections {
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.open.get(&id)
    }

    /// The connection that was dialled at a transport address.
    pub(super) fn dialled(&self, address: &Address) -> Option<&Connection> {
        self.open.get(self.aliases.get(address)?)
    }

    pub(super) const fn held(&self) -> usize {
        self.held.saturating_add(self.crossed)
    }

    /// The connection for which most messages wait, or most bytes, because its peer does not take what it is sent; and
    /// how much that is.
    pub(super) fn greediest(&self, by_number: bool) -> Option<(ConnectionId, usize)> {
        let ranking = if by_number { &self.by_messages } else { &self.by_bytes };
        self.first_of(ranking)
    }

    /// Who has the most of something; nobody who is gone, so that whoever closes them comes to an end.
    fn first_of(&self, ranking: &Ranking) -> Option<(ConnectionId, usize)> {
        ranking.greatest().filter(|(id, _)| self.open.contains_key(id))
    }

    /// What waits for a peer that takes nothing has changed.
    pub(super) fn set_blocked(&mut self, id: ConnectionId, load: Load) {
        // Whoever is at the other end of a link is no stranger.
        let Some(connection) = self.open.get_mut(&id).filter(|connection| connection.tcp().is_some()) else { return };
        let before = core::mem::replace(&mut connection.blocked, load);
        self.by_messages.change(id, if planted!(ForgetsLoadBefore) { 0 } else { before.messages }, load.messages);
        self.by_bytes.change(id, before.bytes, load.bytes);
    }

    /// Something came or went. Gives the connection's worker.
    pub(super) fn touch(&mut self, id: ConnectionId, now: Instant) -> Option<WorkerId> {
        let connection = self.open.get_mut(&id)?;
        if let Some(idle) = &mut connection.idle {
            idle.since = now;
        }
        Some(connection.worker)
    }

    /// The accepted connection on which nothing has come or gone for the longest, and since when. What comes and goes
    /// on a connection moves it at most once.
    fn longest_idle(&mut self) -> Option<(Instant, ConnectionId)> {
        loop {
            let first = *self.idle.first()?;
            let idle = self.open.get_mut(&first.1)?.idle.as_mut()?;
            if idle.since == idle.listed {
                return Some(first);
            }
            idle.listed = idle.since;
            let moved = (idle.listed, first.1);
            self.idle.remove(&first);
            self.idle.insert(moved);
        }
    }

    pub(super) const fn links(&self) -> usize {
        self.links
    }

    /// The sum to which a connection's share counts.
    fn sum(&mut self, is_link: bool) -> &mut usize {
        if is_link { &mut self.crossed } else { &mut self.held }
    }

    /// Whether one of them can go on.
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When a connection wants attention next.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (_, id) = self.deadlines.first()?;
        self.open.get(id)?.deadline
    }

    /// The next that can go on.
    fn next_ready(&mut self) -> Option<ConnectionId> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(connection) = self.open.get_mut(&id) {
                connection.ready = false;
                return Some(id);
            }
        }
    }

    /// Lets a connection go on when its turn comes.
    pub(super) fn make_ready(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.get_mut(&id)
            && !connection.ready
        {
            connection.ready = true;
            self.ready.push_back(id);
        }
    }

    /// Keeps the sums and deadlines right after something has happened to a connection.
    pub(super) fn settle(&mut self, id: ConnectionId) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        let stalled = connection.stalled.as_ref();
        let waits = stalled.map_or(0, |stalled| stalled.crossing.message.footprint());
        let held = connection.tcp().map_or(0, Tcp::provisional).saturating_add(waits);
        let stalled = stalled.map(|stalled| Deadline::new(stalled.until, STALLED_RECEIVER));
        let deadline = Deadline::earlier(stalled, connection.tcp().and_then(Tcp::deadline));
        let (before, is_link) = (core::mem::replace(&mut connection.held, held), connection.gateway().is_some());
        if let Some(old) = core::mem::replace(&mut connection.deadline, deadline) {
            self.deadlines.remove(&(old.at, id));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new.at, id));
        }
        let sum = self.sum(is_link);
        *sum = sum.saturating_sub(before).saturating_add(held);
        if !is_link {
            self.by_held.change(id, before, held);
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.set_blocked(id, Load::default());
        let connection = self.open.remove(&id)?;
        let is_link = connection.gateway().is_some();
        let sum = self.sum(is_link);
        *sum = sum.saturating_sub(connection.held);
        self.links = self.links.saturating_sub(is_link.into());
        if !is_link {
            self.by_held.change(id, connection.held, 0);
        }
        if let Some(idle) = connection.idle {
            self.idle.remove(&(idle.listed, id));
        }
        if let Some(deadline) = connection.deadline {
            self.deadlines.remove(&(deadline.at, id));
        }
        if let Some(alias) = &connection.alias
            && self.aliases.get(alias) == Some(&id)
        {
            self.aliases.remove(alias);
        }
        if connection.ready {
            self.ready.retain(|other| *other != id);
        }
        Some(connection)
    }
}

impl Node {
    /// Takes over a connection. The addresses of its sender and of its receiver are drawn, in this order.
    pub(super) fn connect(&mut self, env: &mut Env<'_>, id: ConnectionId, how: Connected) -> Result<Address> {
        self.admit(id)?;
        //= spec/src/nodes.md#nod-14
        //# A node MUST draw the addresses of connections from 128 bits of injected randomness.
        let sender = Address::random(env.entropy);
        let receiver = Address::random(env.entropy);
        let producer = self.new_flow_control_id();
        let worker = self.table.insert(Spec {
            mailboxes: vec![Mailbox::open(receiver), Mailbox::open(sender.clone())],
            flow: Flow { producer: Some(producer), spawned_by: how.accepted_by, ..Flow::default() },
            worker: Box::new(ConnectionWorker(id)),
        })?;
        if let Some(alias) = how.alias.clone() {
            self.connections.aliases.insert(alias, id);
        }
        // Whoever dialled knows best how long a connection is of use.
        let idle = how.accepted_by.map(|_| Idle { since: self.now, listed: self.now });
        self.connections.idle.extend(idle.map(|idle| (idle.listed, id)));
        let framing = Framing::Tcp(Box::new(Tcp::new(self.config.tcp.clone(), self.now)));
        let connection = Connection::new(framing, worker, sender.clone());
        self.opened(id, Connection { alias: how.alias, idle, ..connection });
        self.pump(id);
        Ok(sender)
    }

    /// A node that is full makes room for a new connection, if somebody has not used theirs for long.
    fn close_idle(&mut self) {
        //= spec/src/nodes.md#nod-34
        //# A node that has as many connections as it may MUST close, for a new one, the accepted connection on which nothing came or went for the longest, if that is no less than the idle time.
        if self.connections.open.len() >= self.config.connections
            && let Some((since, id)) = self.connections.longest_idle()
            && since + self.config.idle <= self.now
        {
            self.close(id, IDLE);
        }
    }

    /// Whether there may be a connection, or a link, of this number.
    pub(super) fn admit(&mut self, id: ConnectionId) -> Result<()> {
        //= spec/src/nodes.md#nod-24
        //# A driver MUST NOT use the number of a connection twice.
        if self.connections.highest.is_some_and(|highest| id <= highest) {
            return Err(Error::misuse("NOD-24", "a connection's number is used once, and they grow"));
        }
        self.close_idle();
        //= spec/src/nodes.md#nod-18
        //# A node MUST refuse a connection beyond the limit of connections.
        if self.connections.open.len() >= self.config.connections {
            return Err(Error::limit("NOD-18", "the node has as many connections as it may"));
        }
        Ok(())
    }

    /// A connection, or a link, is there and has its worker.
    pub(super) fn opened(&mut self, id: ConnectionId, connection: Connection) {
        if let Some((resident, spare)) = self.table.get_with_spare(connection.worker) {
            resident.extras(spare).credit = Some(Credit::OnTheWay { connection: id, bytes: 0 });
        }
        self.connections.highest = Some(id);
        self.connections.links = self.connections.links.saturating_add(connection.gateway().is_some().into());
        self.connections.open.insert(id, connection);
    }

    /// Lets a connection go, with everything that belongs to it.
    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id) {
            let place = connection.stalled.map(|stalled| stalled.place);
            if let Some(place) = place {
                self.waiting.leave(place);
            }
            self.forget(connection.worker);
            if let Some(place) = place {
                // Its turn may have come, or there may be room for the next and not for it.
                self.wake(place.0);
            }
        }
    }

    /// Whether bytes from a connection's peer would be taken now.
    pub(super) fn reads_from(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.stalled.is_none() && !connection.ready)
    }

    pub(super) fn receive(
        &mut self,
        env: &mut Env<'_>,
        id: ConnectionId,
        bytes: Vec<u8>,
    ) -> Result<(), Refused<Vec<u8>>> {
        let reads = self.reads_from(id);
        let Some(connection) = self.connections.open.get_mut(&id) else {
            // The node has closed it and the driver does not know yet.
            return Ok(());
        };
        let tcp = connection.tcp_mut().ok_or(NO_LINK)?;
        //= spec/src/nodes.md#nod-10
        //# A node MUST NOT read from a connection whose last message waits for a full receiver.
        if !reads && !planted!(ReadsWhileStalled) {
            return Err(Refused::Full(bytes));
        }
        tcp.handle(env, transport::Input::Received(bytes)).map_err(|refused| match refused {
            Refused::Full(transport::Input::Received(bytes)) => Refused::Full(bytes),
            refused => Refused::Error(refused.into_error("NOD-10")),
        })?;
        self.connections.touch(id, self.now);
        self.pump(id);
        self.make_room();
        Ok(())
    }

    /// Closes connections until they hold no more than they may.
    fn make_room(&mut self) {
        //= spec/src/nodes.md#nod-30
        //# A node MUST close the connection that holds the most when its connections together hold more bytes than their limit.
        while self.connections.held > self.config.held {
            let Some((id, _)) = self.connections.first_of(&self.connections.by_held) else { return };
            let youngest = self.connections.highest.filter(|_| planted!(ClosesTheYoungest));
            let id = youngest.filter(|id| self.connections.get(*id).is_some()).unwrap_or(id);
            self.close(id, TOO_MUCH);
        }
    }

    pub(super) fn close(&mut self, id: ConnectionId, error: Error) {
        self.failures.count(error);
        self.outputs.push_back(Output::Close { connection: id, error });
        self.disconnect(id);
    }

    /// Takes what a connection has to give, as long as there is room for it.
    fn pump(&mut self, id: ConnectionId) {
        self.pump_while_there_is_room(id);
        self.connections.settle(id);
    }

    fn pump_while_there_is_room(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.open.get_mut(&id)
            && let Some(stalled) = connection.stalled.take()
        {
            self.waiting.leave(stalled.place);
            let Stalled { crossing, since, place, .. } = stalled;
            let entered = self.enter(id, crossing, Some((since, place)));
            // Unless there was no room for it after all, there may be room for the next.
            let stalled = self.connections.get(id).and_then(|connection| connection.stalled.as_ref());
            if stalled.is_none_or(|stalled| stalled.place != place) {
                self.wake(place.0);
            }
            if !entered {
                return;
            }
        }
        loop {
            let Some(connection) = self.connections.open.get_mut(&id) else { return };
            //= spec/src/nodes.md#nod-27
            //# A node MUST NOT take more messages from its connections in one call than its step budget.
            let Some(tcp) = connection.tcp_mut() else { return };
            if self.budget.frames == 0 && !tcp.is_drained() {
                return self.connections.make_ready(id);
            }
            let Some(output) = tcp.poll_output() else { return };
            match output {
                transport::Output::Open(bytes) => self.emit(id, Message::raw(bytes.to_vec(), 0)),
                transport::Output::Transmit(frame) => self.emit(id, frame),
                transport::Output::Dropped(error) => {
                    self.budget.frames = self.budget.frames.saturating_sub((!planted!(DroppedFramesFree)).into());
                    self.report(None, error);
                }
                transport::Output::Close(error) => return self.close(id, error),
                transport::Output::Deliver(mut message) => {
                    self.budget.frames = self.budget.frames.saturating_sub(1);
                    //= spec/src/nodes.md#nod-7
                    //# A node MUST put the address of the connection's sender at the front of the return route of every message that arrives on it.
                    if !planted!(ForgetsConnection) {
                        message.push_return(connection.sender.as_ref());
                    }
                    //= spec/src/nodes.md#nod-6
                    //# A node MUST take the provenance of a message from where it entered the node, never from its bytes.
                    let provenance =
                        if planted!(ConnectionIsLocal) { Provenance::LOCAL } else { Provenance::connection(id) };
                    if !self.enter(id, Crossing { message, provenance, checked: false }, None) {
                        return;
                    }
                }
            }
        }
    }

    /// Lets a message from a connection into the node. `false` when it has to wait; if it has waited before, then
    /// no longer than it may, and at its old place if it is still the right one.
    pub(super) fn enter(&mut self, id: ConnectionId, crossing: Crossing, waited: Option<(Instant, Place)>) -> bool {
        let Some(worker) = self.connections.get(id).map(|connection| connection.worker) else { return true };
        let Crossing { message, provenance, checked } = crossing;
        let source = if checked { Source::Checked } else { Source::Worker(worker, RECEIVER) };
        match self.dispatch(source, message, provenance) {
            Ok(()) => true,
            Err(Undelivered::Error(error)) => {
                self.report(None, error);
                true
            }
            // It was closed itself to make room.
            Err(Undelivered::Full(..)) if self.connections.get(id).is_none() => false,
            Err(Undelivered::Full(message, room)) => {
                let since = self.waits_since(room, waited.map_or(self.now, |(since, _)| since));
                if let Some(error) = self.verdict(room, since) {
                    self.report(Some(&message), error);
                    return true;
                }
                let place = self.waiting.line_up(Waiter::Connection(id), room, waited.map(|(_, place)| place));
                if let Some(connection) = self.connections.open.get_mut(&id) {
                    let until = since + self.config.stall;
                    let crossing = Crossing { message, provenance, checked };
                    connection.stalled = Some(Stalled { crossing, since, until, place });
                }
                false
            }
        }
    }

    /// Lets the next connection go on that can.
    pub(super) fn pump_ready(&mut self) {
        if self.budget.frames > 0
            && let Some(id) = self.connections.next_ready()
        {
            self.pump(id);
        }
    }

    /// Does what is due for connections.
    pub(super) fn expire_connections(&mut self, env: &mut Env<'_>) {
        for _ in 0..self.connections.deadlines.len() {
            let Some(&(at, id)) = self.connections.deadlines.first().filter(|(at, _)| *at <= self.now) else { return };
            // It comes back with a later deadline, or not at all.
            self.connections.deadlines.remove(&(at, id));
            let Some(connection) = self.connections.open.get_mut(&id) else { continue };
            connection.deadline = None;
            if let Some(tcp) = connection.tcp_mut() {
                tcp.handle_timeout(env);
            }
            self.pump(id);
        }
    }

    /// Lets a message leave on a connection or over a link.
    pub(super) fn transmit(&mut self, env: &mut Env<'_>, id: ConnectionId, crossing: Crossing) -> Result<()> {
        let Some(connection) = self.connections.open.get_mut(&id) else { return Ok(()) };
        let Some(tcp) = connection.tcp_mut() else {
            self.cross(id, crossing);
            return Ok(());
        };
        tcp.handle(env, transport::Input::Send(crossing.message)).map_err(|refused| refused.into_error("TCP-9"))?;
        // What is to be transmitted comes before anything that has been received.
        if let Some(transport::Output::Transmit(frame)) = tcp.poll_output() {
            self.relayouts = self.relayouts.saturating_add(u64::from(frame.relayouts()));
            self.emit(id, frame);
        }
        Ok(())
    }

    /// Gives bytes to the driver, and counts them until they are written.
    fn emit(&mut self, id: ConnectionId, frame: Message) {
        self.spend(id, frame.payload().len() as u64);
        self.outputs.push_back(Output::Transmit { connection: id, frame });
    }
}

/// The worker behind a connection or a link. What is sent to [`SENDER`], or to the [`GATEWAY`] of a link, leaves
/// on it; what arrives is sent from [`RECEIVER`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionWorker(pub(super) ConnectionId);

impl Worker for ConnectionWorker {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        if !matches!(port, SENDER | GATEWAY) && !planted!(ReceiverSends) {
            return Err(UNEXPECTED);
        }
        //= spec/src/nodes.md#nod-23
        //# A connection MUST remove its sender address from the onward route before it transmits a message.
        if !planted!(KeepsSenderAddress) {
            message.pop_onward()?;
        }
        //= spec/src/nodes.md#nod-44
        //# A message that crosses a link MUST keep its provenance.
        let crossing = Crossing { message, provenance, checked: port == GATEWAY };
        cx.ops.push(Op::Transmit { connection: self.0, crossing });
        Ok(())
    }

    fn is_provisional(&self) -> bool {
        true
    }
}

#[cfg(test)]
impl Connections {
    /// Sums and indices say what the connections say.
    pub(super) fn check(&self) {
        assert_eq!(self.held(), self.open.values().map(|connection| connection.held).sum::<usize>());
        assert_eq!(self.links, self.open.values().filter(|connection| connection.gateway().is_some()).count());
        for (id, connection) in &self.open {
            let stalled = connection.stalled.as_ref();
            let waits = stalled.map_or(0, |stalled| stalled.crossing.message.footprint());
            let held = connection.tcp().map_or(0, Tcp::provisional) + waits;
            assert_eq!(held, connection.held);
            assert_eq!(self.ready.iter().filter(|other| *other == id).count(), usize::from(connection.ready));
            assert!(connection.deadline.is_none_or(|deadline| self.deadlines.contains(&(deadline.at, *id))));
        }
        assert_eq!(self.deadlines.len(), self.open.values().filter(|connection| connection.deadline.is_some()).count());
        assert!(self.aliases.values().all(|id| self.open.contains_key(id)));
        for (id, connection) in &self.open {
            let Load { messages, bytes } = connection.blocked;
            assert!(connection.held == 0 || connection.tcp().is_none() || self.by_held.contains(*id, connection.held));
            assert!(messages == 0 || (self.by_messages.contains(*id, messages) && self.by_bytes.contains(*id, bytes)));
            let listed = |idle: Idle| idle.listed <= idle.since && self.idle.contains(&(idle.listed, *id));
            assert!(connection.idle.is_none_or(listed));
        }
        let count = |has: fn(&Connection) -> bool| self.open.values().filter(|connection| has(connection)).count();
        assert_eq!(self.by_held.len(), count(|connection| connection.held > 0 && connection.tcp().is_some()));
        assert_eq!((self.by_messages.len(), self.by_bytes.len()), {
            let blocked = count(|connection| connection.blocked.messages > 0);
            (blocked, blocked)
        });
        assert_eq!(self.idle.len(), count(|connection| connection.idle.is_some()));
    }

    /// How many stand in line. Whoever waits does, or was woken.
    pub(super) fn standing(&self, waiting: &super::waiting::Waiting) -> usize {
        let stalled = |id, connection: &Connection| {
            let stalled = connection.stalled.as_ref()?;
            let stands = waiting.waiter(stalled.place) == Some(Waiter::Connection(id));
            assert!(connection.ready || stands);
            Some(stands)
        };
        self.open.iter().filter(|(id, connection)| stalled(**id, connection) == Some(true)).count()
    }
}
