//! Links: several nodes of one driver, joined so that messages cross in memory.

use alloc::boxed::Box;
use alloc::vec;

use super::connection::{Connection, ConnectionWorker, Framing};
use super::table::Credit;
use super::worker::{ConnectionId, Context, Delivery, Flow, Mailbox, Port, Provenance, Spec, Worker};
use super::{Node, Output};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::machine::Refused;
use crate::routing::{Address, AddressRef, Message};

/// The port of a link to which its gates send.
pub(super) const GATEWAY: Port = 2;

pub(super) const NO_LINK: Error = Error::misuse("NOD-43", "messages cross links, and bytes arrive on connections");

/// A message on its way from one node to another of the same driver, with all that is to be known about it.
/// A driver carries it from [`Output::Cross`] to [`Input::Crossed`](super::Input::Crossed), and says with
/// [`Input::Sent`](super::Input::Sent) that the other node has taken its [`size`](Self::size).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    pub(super) message: Message,
    pub(super) provenance: Provenance,
    /// Whether it has passed a gate.
    pub(super) checked: bool,
}

impl Crossing {
    /// How many bytes it counts for while it is on its way: the memory that it holds.
    pub fn size(&self) -> u64 {
        self.message.footprint() as u64
    }

    /// The message, as it leaves.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Where it came from before it crossed.
    pub const fn provenance(&self) -> Provenance {
        self.provenance
    }
}

/// Stands for a worker of a linked node.
struct Gate {
    gateway: Address,
}

impl Worker for Gate {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.push_onward(self.gateway.as_ref());
        let provenance = if planted!(GateIsLocal) { Provenance::LOCAL } else { provenance };
        cx.forward(port, message, provenance);
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        !planted!(GateIsNoRelay)
    }
}

impl Node {
    /// One end of a link to another node of the same driver. `id` is numbered like a connection, and closed like
    /// one. Returns the address to send to in order to reach the other node.
    ///
    /// # Errors
    /// `NOD-18` when there are too many connections; `NOD-24` when `id` is not new.
    pub fn link(&mut self, env: &mut Env<'_>, id: ConnectionId) -> Result<Address> {
        self.at(env);
        self.admit(id)?;
        let [sender, receiver, gateway] = [(); 3].map(|()| Address::random(env.entropy));
        let mailboxes = [&receiver, &sender, &gateway].map(|address| Mailbox::open(address.clone()));
        let worker = Box::new(ConnectionWorker(id));
        let worker = self.table.insert(Spec { mailboxes: mailboxes.into(), flow: Flow::default(), worker })?;
        self.opened(id, Connection::new(Framing::Link { gateway }, worker, sender.clone()));
        Ok(sender)
    }

    /// Opens a gate: an address of this node whose worker lives on the node at the other end of `link`, under the
    /// same address. This node checks what goes there as if the worker were its own: `mailbox` and `flow` are the
    /// worker's. [`stop_worker`](Self::stop_worker) removes it.
    ///
    /// # Errors
    /// `NOD-43` when there is no such link; `NOD-13` when the address is taken or not local.
    pub fn open_gate(&mut self, env: &mut Env<'_>, mailbox: Mailbox, flow: Flow, link: ConnectionId) -> Result<()> {
        self.at(env);
        let gateway = self.connections.get(link).and_then(Connection::gateway).cloned().ok_or(NO_LINK)?;
        //= spec/src/nodes.md#nod-45
        //# A gate MUST let pass only what flow control and the access controls of its own node let pass.
        let id = self.start(env, Spec { mailboxes: vec![mailbox], flow, worker: Box::new(Gate { gateway }) }, None)?;
        if let Some((resident, spare)) = self.table.get_with_spare(id) {
            resident.extras(spare).gate = Some(link);
        }
        self.run(env);
        Ok(())
    }

    /// A message has crossed a link.
    pub(super) fn crossed(&mut self, id: ConnectionId, crossing: Crossing) -> Result<(), Refused<Crossing>> {
        let Some(connection) = self.connections.get(id) else {
            // The link is gone and the other end does not know yet.
            return Ok(());
        };
        //= spec/src/nodes.md#nod-43
        //# A node MUST refuse bytes on a link, and messages that cross on what is no link.
        if connection.gateway().is_none() {
            return Err(NO_LINK.into());
        }
        if !self.reads_from(id) && !planted!(LinkOverwrites) {
            return Err(Refused::Full(crossing));
        }
        let mut crossing = crossing;
        //= spec/src/nodes.md#nod-48
        //# A node MUST leave the return route of a message that has crossed as it is when a gate to the same link has its first address.
        if self.gate_at(crossing.message.return_route().first()) != Some(id) {
            //= spec/src/nodes.md#nod-7
            //# A node MUST put the address of the connection's sender at the front of the return route of every message that arrives on it.
            crossing.message.push_return(connection.sender.as_ref());
        }
        self.enter(id, crossing, None);
        self.connections.settle(id);
        Ok(())
    }

    /// The link to which there is a gate at this address.
    fn gate_at(&self, address: Option<AddressRef<'_>>) -> Option<ConnectionId> {
        let (id, _) = self.table.find(address?)?;
        self.table.get(id)?.extras.as_ref()?.gate
    }

    /// Gives a message to the driver, and counts it until the other node has taken it.
    pub(super) fn cross(&mut self, connection: ConnectionId, crossing: Crossing) {
        self.spend(connection, crossing.size());
        self.outputs.push_back(Output::Cross { connection, crossing });
    }

    /// Counts what is on its way until the driver says that it has arrived.
    pub(super) fn spend(&mut self, id: ConnectionId, amount: u64) {
        let Some(worker) = self.connections.get(id).map(|connection| connection.worker) else { return };
        let Some(credit) = self.table.credit(worker) else { return };
        if let Credit::OnTheWay { bytes, .. } = credit {
            *bytes = bytes.saturating_add(amount);
        }
        if credit.is_used_up(&self.config) && !planted!(BlockedUnnoticed) {
            self.settle_blocked(worker);
        }
    }
}
