//! A running node, as its owner sees it.

mod builder;
mod starting;
mod transport;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use razor::error::Result as CoreResult;
use razor::node::{Connected, ConnectionId, Event, Flow, Mailbox};
use razor::routing::{Address, TransportType};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::link::Dialled;
use crate::network::{BoxStream, Network};
use crate::reach::Reach;
use crate::shard::Handle;
use crate::status::Status;
use crate::worker::{Context, HandOver, Worker};

pub use builder::Builder;
pub(crate) use builder::entropy;
pub use starting::Starting;
pub use transport::{Connection, Listener};

use transport::accept_all;

/// How long workers may take for their last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running node. Clones are the same node. It runs until [`shutdown`](Self::shutdown), or its runtime ends.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Vec<Handle>,
    clock: Clock,
    keys: Arc<Keys>,
    network: Arc<dyn Network>,
    hand_over: HandOver,
    /// Shards, connections and listeners.
    tasks: TaskTracker,
    stop: CancellationToken,
    /// How to stop each worker that is served.
    workers: Mutex<BTreeMap<Address, CancellationToken>>,
    serving: TaskTracker,
    next_connection: AtomicU64,
    dialled: Arc<Dialled>,
    next_shard: AtomicUsize,
}

impl Node {
    /// A node with everything as it is by default.
    ///
    /// # Errors
    /// Those of [`Builder::start`].
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// For a node that is to be different.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Listens for TCP connections at `address`, a `host:port`; port 0 is any that is free. Peers reach the
    /// workers that are [reached through](Starting::reached_through) the listener, and nothing else.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn listen(&self, address: &str) -> Result<Listener> {
        let what = || format!("listen at {address}");
        let accept = self.inner.network.listen(address).await.map_err(|e| Error::io(what(), e))?;
        let local_addr = accept.local_addr().map_err(|e| Error::io(what(), e))?;
        let mut ids = Vec::new();
        for shard in &self.inner.shards {
            ids.push(Some(shard.call(|shard| shard.node.new_flow_control_id()).await?));
        }
        let reach = Reach::new(ids);
        let stop = self.inner.stop.child_token();
        self.inner.tasks.spawn(accept_all(self.clone(), accept, reach.clone(), stop.clone()));
        Ok(Listener { local_addr, reach, stop })
    }

    /// Connects to a node that listens at `peer`, a `host:port`. Routes may then name it as `1#host:port`.
    ///
    /// # Errors
    /// [`Error::Io`]; `NOD-18` when the node has as many connections as it may.
    pub async fn connect(&self, peer: &str) -> Result<Connection> {
        self.connect_on(self.any_shard(), peer).await
    }

    pub(crate) async fn connect_on(&self, shard: &Handle, peer: &str) -> Result<Connection> {
        let stream = self.inner.network.connect(peer).await;
        let stream = stream.map_err(|e| Error::io(format!("connect to {peer}"), e))?;
        let alias = Address::new(TransportType::TCP, peer.as_bytes());
        self.attach(shard, stream, Some(alias), None).await
    }

    /// Takes over any stream of bytes, whatever made it, as a connection.
    ///
    /// # Errors
    /// `NOD-18` when the node has as many connections as it may.
    pub async fn attach_stream(&self, stream: BoxStream) -> Result<Connection> {
        self.attach(self.any_shard(), stream, None, None).await
    }

    async fn attach(
        &self,
        shard: &Handle,
        stream: BoxStream,
        alias: Option<Address>,
        accepted_by: Option<&Reach>,
    ) -> Result<Connection> {
        let how =
            Connected { alias: alias.clone(), accepted_by: accepted_by.and_then(|reach| reach.on(shard.index())) };
        let (node, handle, is_named) = (self.clone(), shard.clone(), accepted_by.is_none());
        let attached = shard.call(move |shard| -> CoreResult<_> {
            // Drawn here, so that the numbers grow within the shard.
            let id = ConnectionId(node.inner.next_connection.fetch_add(1, Ordering::Relaxed));
            let (address, alive) = shard.attach(id, how, stream)?;
            let producer = shard.node.producer_at(&address);
            // Whoever was dialled is sent to by name.
            let gates = is_named.then(|| shard.open_gates(&Mailbox::open(address.clone()), |_| Flow::default()));
            Ok((id, address, alive, producer, gates, handle.undo(move |shard| shard.gone(id))))
        });
        let (id, address, alive, producer, gates, undo) = attached.await??;
        if let Some(gates) = gates {
            gates.opened(&address).await?;
        }
        undo.keep();
        let reach = Reach::only(self.inner.shards.len(), shard.index(), producer);
        Ok(Connection { shard: shard.clone(), id, address, alias, alive, reach })
    }

    /// An address of one's own, to send from and to receive at. Nothing from outside reaches it, answers included;
    /// for those see [`open`](Self::open).
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn context(&self, address: impl Into<Address>) -> Result<Context> {
        self.open(address).context().await
    }

    /// Starts a worker that only this node reaches; for more see [`open`](Self::open).
    ///
    /// # Errors
    /// `NOD-13` when the address is taken; what the worker says when it begins.
    pub async fn start_worker(&self, address: impl Into<Address>, worker: impl Worker) -> Result<()> {
        self.open(address).worker(worker).await
    }

    /// Prepares an address: who reaches it, and what may pass.
    pub fn open(&self, address: impl Into<Address>) -> Starting {
        Starting { node: self.clone(), mailbox: Mailbox::open(address.into()), reach: Vec::new() }
    }

    /// Stops the worker that has this address. It may say its last words.
    ///
    /// # Errors
    /// `NOD-2` when there is none.
    pub async fn stop_worker(&self, address: impl Into<Address>) -> Result<()> {
        let address = address.into();
        if let Some(stop) = self.workers().remove(&address) {
            stop.cancel();
            return Ok(());
        }
        let mut found = Err(Error::at(razor::Error::misuse("NOD-2", "no worker has this address"), &address));
        for shard in &self.inner.shards {
            let address = address.clone();
            if shard.call(move |shard| shard.stop_worker(&address)).await?.is_ok() {
                found = Ok(());
            }
        }
        found
    }

    /// What the node says of itself now.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn status(&self) -> Result<Status> {
        let mut status = Status::default();
        for shard in &self.inner.shards {
            status.add(shard.call(|shard| Status::of(shard)).await?);
        }
        Ok(Status { tasks: self.tasks(), shards: self.inner.shards.len(), ..status })
    }

    /// What happens on the node from now on, one stream for each shard. Who is slow misses some.
    pub fn events(&self) -> Vec<broadcast::Receiver<Event>> {
        self.inner.shards.iter().map(Handle::events).collect()
    }

    /// Shuts the node down: workers say their last words, channels tell their peers, connections write what
    /// they still have. Everything that the node started has ended when this returns.
    pub async fn shutdown(&self) {
        for stop in std::mem::take(&mut *self.workers()).into_values() {
            stop.cancel();
        }
        self.inner.serving.close();
        let _ = tokio::time::timeout(LAST_WORDS, self.inner.serving.wait()).await;
        self.inner.stop.cancel();
        self.inner.serving.wait().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// How many tasks the node has: shards, listeners, connections and workers.
    pub fn tasks(&self) -> usize {
        self.inner.tasks.len() + self.inner.serving.len()
    }

    /// The connection that was dialled at a transport address, by the address to send to.
    pub(crate) fn dialled(&self, alias: &Address) -> Option<Address> {
        self.inner.dialled.get(alias)
    }

    pub(crate) fn shards(&self) -> &[Handle] {
        &self.inner.shards
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// A task of the node's, that ends with it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.spawn(task);
    }

    /// Says when the node stops; may be used to stop something before.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.inner.stop.child_token()
    }

    /// The shard whose turn it is.
    pub(crate) fn any_shard(&self) -> &Handle {
        let turn = self.inner.next_shard.fetch_add(1, Ordering::Relaxed);
        &self.inner.shards[turn % self.inner.shards.len()]
    }

    /// A worker has ended.
    pub(crate) fn unlist(&self, address: &Address) {
        self.workers().remove(address);
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, BTreeMap<Address, CancellationToken>> {
        self.inner.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("shards", &self.inner.shards.len()).finish_non_exhaustive()
    }
}
