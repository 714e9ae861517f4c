//! What the node's owner has a shard do.

use std::sync::Arc;

use razor::channel::{self, Addresses};
use razor::env::Env;
use razor::error::Result as CoreResult;
use razor::node::{self, Connected, ConnectionId, Delivery, Flow, Mailbox};
use razor::routing::{Address, Route};
use razor::session::{Keeping, Kept};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Opened, Shard};
use crate::connection;
use crate::network::BoxStream;

const GONE: razor::Error = razor::Error::misuse("NOD-24", "the node is shutting down");

impl Shard {
    /// Takes over a stream as a connection. Gives the address to send to in order to reach the peer's node, and what
    /// says when the connection is gone.
    pub(crate) fn attach(
        &mut self,
        id: ConnectionId,
        how: Connected,
        stream: BoxStream,
    ) -> CoreResult<(Address, watch::Receiver<()>)> {
        let Some(me) = self.me.upgrade() else { return Err(GONE) };
        let (alive, lives) = watch::channel(());
        let alias = how.alias.clone();
        let (pipe, task) = connection::open(id, stream, me, self.chunk, alive);
        // Known before what the node has to say to the peer comes out.
        self.connections.insert(id, pipe);
        match self.with(|node, env| node.connected(env, id, how)) {
            Ok(address) => {
                if let Some(pipe) = self.connections.get_mut(&id) {
                    pipe.sender = Some(address.clone());
                    if let Some(alias) = alias {
                        self.dialled.insert(alias.clone(), id, address.clone());
                        pipe.dialled = Some(alias);
                    }
                }
                self.tasks.spawn(task);
                Ok((address, lives))
            }
            Err(error) => {
                self.forget(id);
                Err(error)
            }
        }
    }

    /// Opens an inbox whose messages come out of what is given back.
    pub(crate) fn open_inbox(
        &mut self,
        mailbox: Mailbox,
        flow: Flow,
        room: usize,
    ) -> CoreResult<mpsc::Receiver<Delivery>> {
        let address = mailbox.address.clone();
        self.with(|node, env| node.open_inbox(env, mailbox, flow))?;
        let (to, messages) = mpsc::channel(room);
        self.inboxes.insert(address, to);
        Ok(messages)
    }

    /// Closes an inbox whose messages nobody takes any more; what is sent to its address from now on is dropped,
    /// and so is what waits to be sent from it.
    pub(crate) fn close_inbox(&mut self, address: &Address) {
        // The node's owner may have stopped it, and opened another there.
        if self.inboxes.get(address).is_none_or(|to| !to.is_closed()) {
            return;
        }
        self.shut_gates(address);
        self.inboxes.remove(address);
        self.unsent.retain(|_, waiting| {
            waiting.retain(|outgoing| outgoing.from != *address);
            !waiting.is_empty()
        });
        let _ = self.with(|node, env| node.stop_worker(env, address));
    }

    /// Stops what is behind an address.
    pub(crate) fn stop_worker(&mut self, address: &Address) -> CoreResult<()> {
        // A gate is shut by the shard that has the worker.
        if self.is_gate(address) {
            return Ok(());
        }
        self.shut_gates(address);
        // Whoever receives at an inbox hears that nothing more will come.
        self.inboxes.remove(address);
        self.sessions.remove(address);
        self.with(|node, env| node.stop_worker(env, address))
    }

    /// Begins to open a channel. What comes back says when it is open, or why not; and when it is gone.
    pub(crate) fn open_channel(
        &mut self,
        create: impl FnOnce(&mut node::Node, &mut Env<'_>, Arc<channel::Config>, &Route) -> CoreResult<Addresses>,
        config: Arc<channel::Config>,
        route: &Route,
    ) -> CoreResult<(Addresses, oneshot::Receiver<CoreResult<Opened>>, watch::Receiver<()>)> {
        let addresses = self.call(|node, env| create(node, env, config, route));
        let (says, opened) = oneshot::channel();
        let (alive, lives) = watch::channel(());
        if let Ok(Addresses { encryptor, decryptor }) = &addresses {
            // Known before what the node has to say about it is heard.
            self.opening.insert(decryptor.clone(), says);
            self.list(encryptor, decryptor, alive);
        }
        self.drain();
        Ok((addresses?, opened, lives))
    }

    /// Begins to keep a session. What comes back says whether it is up.
    pub(crate) fn keep_session(
        &mut self,
        keep: impl FnOnce(&mut node::Node, &mut Env<'_>, Keeping) -> CoreResult<Kept>,
        keeping: Keeping,
    ) -> CoreResult<(Kept, watch::Receiver<bool>)> {
        let kept = self.call(|node, env| keep(node, env, keeping));
        let (says, up) = watch::channel(false);
        if let Ok(kept) = &kept {
            self.sessions.insert(kept.session.clone(), says);
        }
        self.drain();
        Ok((kept?, up))
    }

    /// How many connections and channels there are.
    pub(crate) fn census(&self) -> (usize, usize) {
        (self.connections.len(), self.channels.len())
    }
}
