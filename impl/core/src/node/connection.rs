//! Connections of a node: framing on one side, a worker with two addresses on the other.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use super::builtin::ConnectionWorker;
use super::table::Credit;
use super::worker::{ConnectionId, Flow, FlowControlId, Mailbox, Port, Provenance, Spec, WorkerId};
use super::{Event, Node, Output, Source};
use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::machine::{Deadline, Machine, Refused};
use crate::routing::{Address, Message};
use crate::transport::{self, Tcp};

/// The port from which a connection's messages enter the node.
pub(super) const RECEIVER: Port = 0;
/// The port to which messages for the peer are sent.
pub(super) const SENDER: Port = 1;

/// One connection.
pub(super) struct Connection {
    pub(super) tcp: Tcp,
    pub(super) worker: WorkerId,
    pub(super) sender: Address,
    /// A message whose receiver is full; nothing more is read until it is taken or its time is up.
    pub(super) stalled: Option<(Message, Instant)>,
}

/// A new connection, made by a driver.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    /// The flow control id of the listener that accepted it; `None` when this node dialled.
    pub accepted_by: Option<FlowControlId>,
    /// The transport address that was dialled: local senders may name it in routes.
    pub alias: Option<Address>,
}

/// All connections.
#[derive(Default)]
pub(super) struct Connections {
    pub(super) open: BTreeMap<ConnectionId, Connection>,
    /// Those with a stalled message or bytes that wait for room.
    pub(super) waiting: BTreeSet<ConnectionId>,
    pub(super) aliases: BTreeMap<Address, ConnectionId>,
    pub(super) highest: Option<ConnectionId>,
}

impl Node {
    /// Takes over a connection. The addresses of its sender and of its receiver are drawn, in this order.
    pub(super) fn connect(&mut self, env: &mut Env<'_>, id: ConnectionId, how: Connected) -> Result<Address> {
        //= spec/src/nodes.md#nod-24
        //# A driver MUST NOT use the number of a connection twice.
        if self.connections.highest.is_some_and(|highest| id <= highest) {
            return Err(Error::misuse("NOD-24", "a connection's number is used once, and they grow"));
        }
        //= spec/src/nodes.md#nod-18
        //# A node MUST refuse a connection beyond the limit of connections.
        if self.connections.open.len() >= self.config.connections {
            return Err(Error::limit("NOD-18", "the node has as many connections as it may"));
        }
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
        if let Some((resident, spare)) = self.table.get_with_spare(worker) {
            resident.extras(spare).credit = Some(Credit { used: 0, limit: self.config.transmit });
        }
        self.connections.highest = Some(id);
        if let Some(alias) = how.alias {
            self.connections.aliases.insert(alias, id);
        }
        let tcp = Tcp::new(self.config.tcp.clone(), self.now);
        self.connections.open.insert(id, Connection { tcp, worker, sender: sender.clone(), stalled: None });
        self.pump(env, id);
        Ok(sender)
    }

    /// Lets a connection go, with everything that belongs to it.
    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.open.remove(&id) {
            self.connections.waiting.remove(&id);
            self.connections.aliases.retain(|_, other| *other != id);
            self.forget(connection.worker);
        }
    }

    pub(super) fn receive(
        &mut self,
        env: &mut Env<'_>,
        id: ConnectionId,
        bytes: Vec<u8>,
    ) -> Result<(), Refused<Vec<u8>>> {
        let Some(connection) = self.connections.open.get_mut(&id) else {
            // The node has closed it and the driver does not know yet.
            return Ok(());
        };
        //= spec/src/nodes.md#nod-10
        //# A node MUST NOT read from a connection whose last message waits for a full receiver.
        if connection.stalled.is_some() || self.connections.waiting.contains(&id) {
            return Err(Refused::Full(bytes));
        }
        connection.tcp.handle(env, transport::Input::Received(bytes)).map_err(|refused| match refused {
            Refused::Full(transport::Input::Received(bytes)) => Refused::Full(bytes),
            refused => Refused::Error(refused.into_error("NOD-10")),
        })?;
        self.pump(env, id);
        Ok(())
    }

    /// Takes what a connection has to give, as long as there is room for it.
    pub(super) fn pump(&mut self, _env: &mut Env<'_>, id: ConnectionId) {
        while let Some(connection) = self.connections.open.get_mut(&id) {
            let (message, source) = match connection.stalled.take() {
                Some((message, until)) => (Some((message, Some(until))), connection.worker),
                None => match connection.tcp.poll_output() {
                    None => {
                        self.connections.waiting.remove(&id);
                        return;
                    }
                    Some(transport::Output::Deliver(mut message)) => {
                        //= spec/src/nodes.md#nod-7
                        //# A node MUST put the address of the connection's sender at the front of the return route of every message that arrives on it.
                        message.push_return(connection.sender.as_ref());
                        (Some((message, None)), connection.worker)
                    }
                    Some(transport::Output::Open(bytes)) => {
                        self.outputs
                            .push_back(Output::Transmit { connection: id, frame: Message::raw(bytes.to_vec(), 0) });
                        continue;
                    }
                    Some(transport::Output::Transmit(frame)) => {
                        self.outputs.push_back(Output::Transmit { connection: id, frame });
                        continue;
                    }
                    Some(transport::Output::Dropped(error)) => {
                        self.count(error);
                        self.outputs.push_back(Output::Event(Event::Dropped { to: None, error }));
                        continue;
                    }
                    Some(transport::Output::Close(error)) => {
                        self.count(error);
                        self.outputs.push_back(Output::Close { connection: id, error });
                        self.disconnect(id);
                        return;
                    }
                },
            };
            let Some((message, until)) = message else { return };
            let source = Source::Worker(source, RECEIVER);
            //= spec/src/nodes.md#nod-6
            //# A node MUST take the provenance of a message from where it entered the node, never from its bytes.
            match self.dispatch(source, message, Provenance::connection(id)) {
                Ok(()) => {}
                Err(Refused::Error(error)) => self.report(None, error),
                Err(Refused::Full(message)) => {
                    let until = until.unwrap_or(self.now + self.config.stall);
                    //= spec/src/nodes.md#nod-11
                    //# A node MUST drop a message that has waited for a full receiver for the stall time, and read on.
                    if until <= self.now {
                        self.report(
                            Some(&message),
                            Error::limit("NOD-11", "the receiver stayed full for the stall time"),
                        );
                        continue;
                    }
                    if let Some(connection) = self.connections.open.get_mut(&id) {
                        connection.stalled = Some((message, until));
                    }
                    self.connections.waiting.insert(id);
                    return;
                }
            }
        }
    }

    /// Tries again whatever waits for room.
    pub(super) fn pump_waiting(&mut self, env: &mut Env<'_>) {
        let waiting: Vec<ConnectionId> = self.connections.waiting.iter().copied().collect();
        for id in waiting {
            self.pump(env, id);
        }
    }

    pub(super) fn transmit(&mut self, env: &mut Env<'_>, id: ConnectionId, message: Message) -> Result<()> {
        let Some(connection) = self.connections.open.get_mut(&id) else { return Ok(()) };
        connection.tcp.handle(env, transport::Input::Send(message)).map_err(|refused| refused.into_error("TCP-9"))?;
        // What is to be transmitted comes before anything that has been received.
        if let Some(transport::Output::Transmit(frame)) = connection.tcp.poll_output() {
            let size = frame.payload().len() as u64;
            let worker = connection.worker;
            if let Some(credit) = self.table.get_mut(worker).and_then(|r| r.extras.as_mut()?.credit.as_mut()) {
                credit.used = credit.used.saturating_add(size);
            }
            self.relayouts = self.relayouts.saturating_add(u64::from(frame.relayouts()));
            self.outputs.push_back(Output::Transmit { connection: id, frame });
        }
        Ok(())
    }

    /// When a connection wants attention next.
    pub(super) fn connection_deadline(&self) -> Option<Deadline> {
        let mut next = None;
        for connection in self.connections.open.values() {
            next = Deadline::earlier(next, connection.tcp.deadline());
            let stalled = connection.stalled.as_ref().map(|(_, until)| Deadline::new(*until, "stalled receiver"));
            next = Deadline::earlier(next, stalled);
        }
        next
    }
}
