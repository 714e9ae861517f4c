//! What stands behind an address of one's own: who reaches it, what may pass, and what it does.

use std::fmt;
use std::sync::Arc;

use razor::error::Result as CoreResult;
use razor::node::{self, AccessControl, Hop, Mailbox};
use tokio_util::sync::CancellationToken;

use super::{Connection, Node};
use crate::bridge::Bridge;
use crate::error::{Error, Result};
use crate::reach::Reach;
use crate::shard::Handle;
use crate::worker::{self, Context, Worker};

/// An address that is being prepared.
#[must_use = "nothing is there until it is started"]
pub struct Starting {
    pub(super) node: Node,
    pub(super) mailbox: Mailbox,
    pub(super) reach: Vec<Reach>,
}

impl Starting {
    /// Peers of this connection, listener or channel may send to the address.
    pub fn reached_through(mut self, reach: &Reach) -> Self {
        self.reach.push(reach.clone());
        self
    }

    /// What may come in.
    pub fn incoming(mut self, control: impl AccessControl + 'static) -> Self {
        self.mailbox.incoming = Some(Arc::new(control));
        self
    }

    /// What may go out.
    pub fn outgoing(mut self, control: impl AccessControl + 'static) -> Self {
        self.mailbox.outgoing = Some(Arc::new(control));
        self
    }

    /// Opens the address for oneself.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn context(self) -> Result<Context> {
        // Near to what it is reached through.
        let shard = self.home();
        let Self { node, mailbox, reach } = self;
        let address = mailbox.address.clone();
        let limits = node.inner.hand_over;
        let opened = {
            let (shard, handle, address) = (&shard, shard.clone(), address.clone());
            shard.call(move |shard| {
                let flow = Reach::flow(&reach, handle.index());
                shard.open_inbox(mailbox.clone(), flow, limits.messages).map(|messages| {
                    let gates = shard.open_gates(&mailbox, |index| Reach::flow(&reach, index));
                    // Made here, so that the address is free again when nobody waits for it any more.
                    (Context::new(node, handle, address, messages, limits), gates)
                })
            })
        };
        let (context, gates) = opened.await?.map_err(|error| Error::at(error, &address))?;
        gates.opened(&address).await?;
        Ok(context)
    }

    /// Starts a worker at the address.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken; what the worker says when it begins.
    pub async fn worker(self, mut worker: impl Worker) -> Result<()> {
        let node = self.node.clone();
        let mut context = self.context().await?;
        worker.initialize(&mut context).await?;
        let stop = CancellationToken::new();
        node.workers().insert(context.address().clone(), stop.clone());
        let (served, end) = (worker::serve(worker, context, stop), node.inner.stop.clone());
        node.inner.serving.spawn(async move {
            end.run_until_cancelled_owned(served).await;
        });
        Ok(())
    }

    /// Starts a worker that stands for a connection: what comes to it goes on over the connection, and answers come
    /// back through it. So peers can be told a name that lasts, and need not know the connection's address. It runs
    /// in the core, on the connection's shard, where answers find it.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn bridge(self, connection: &Connection) -> Result<()> {
        let worker = Bridge { connection: connection.id, way: connection.address.clone() };
        self.reached_through(&connection.reach).forwarder(&connection.shard, worker).await
    }

    /// Starts the worker that forwards everything. It runs in the core, on one shard.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn hop(self) -> Result<()> {
        let shard = self.home();
        self.forwarder(&shard, Hop).await
    }

    /// Starts the worker that sends everything back. It runs in the core, on every shard.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn echoer(self) -> Result<()> {
        let Self { node, mailbox, reach } = self;
        for shard in &node.inner.shards {
            let (mailbox, flow) = (mailbox.clone(), Reach::flow(&reach, shard.index()));
            let address = mailbox.address.clone();
            let spec = move || node::Spec { mailboxes: vec![mailbox], flow, worker: Box::new(node::Echoer) };
            let started = shard.call(move |shard| shard.with(|node, env| node.start_worker(env, spec()))).await?;
            started.map_err(|error| Error::at(error, &address))?;
        }
        Ok(())
    }

    /// Starts a worker of the core that sends messages on. It is on one shard, as answers come back to it wherever
    /// what it sent on has left the node.
    async fn forwarder(self, on: &Handle, worker: impl node::Worker + 'static) -> Result<()> {
        let Self { mailbox, reach, .. } = self;
        let (address, index) = (mailbox.address.clone(), on.index());
        let started = on.call(move |shard| -> CoreResult<_> {
            let flow = Reach::flow(&reach, index);
            let spec = node::Spec { mailboxes: vec![mailbox.clone()], flow, worker: Box::new(worker) };
            shard.with(|node, env| node.start_worker(env, spec))?;
            Ok(shard.open_gates(&mailbox, |index| Reach::flow(&reach, index)))
        });
        started.await?.map_err(|error| Error::at(error, &address))?.opened(&address).await
    }

    /// The shard of what it is reached through, if that is in one place.
    fn home(&self) -> Handle {
        let home = self.reach.iter().find_map(Reach::home).and_then(|home| self.node.inner.shards.get(home));
        home.unwrap_or_else(|| self.node.any_shard()).clone()
    }
}

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").field("address", &self.mailbox.address).finish_non_exhaustive()
    }
}
