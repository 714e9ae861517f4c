//! A running node, as its owner sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use razor::channel::OrphanTime;
use razor::env::Seeded;
use razor::error::Result as CoreResult;
use razor::node::{self, AccessControl, Connected, ConnectionId, Event, Flow, Hop, Mailbox};
use razor::routing::{Address, Route, TransportType};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::Bridge;
use crate::clock::{Clock, WallClock};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::link::{self, Dialled};
use crate::network::{Accept, BoxStream, Network, Tcp};
use crate::reach::Reach;
use crate::shard::{self, Handle, Input};
use crate::status::Status;
use crate::storage::Storage;
use crate::worker::{self, Context, Worker};

/// How long workers may take for their last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a listener rests when the operating system gives it no connections.
const REST: Duration = Duration::from_millis(100);

/// How a node is to be.
pub struct Builder {
    config: node::Config,
    orphan_time: OrphanTime,
    shards: usize,
    network: Arc<dyn Network>,
    wall: Option<WallClock>,
    storage: Option<Storage>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: node::Config::DEFAULT,
            orphan_time: OrphanTime::DEFAULT,
            shards: 1,
            network: Arc::new(Tcp),
            wall: None,
            storage: None,
        }
    }
}

impl Builder {
    /// The limits of each shard.
    #[must_use]
    pub fn config(mut self, config: node::Config) -> Self {
        self.config = config;
        self
    }

    /// How long an open channel lives whose way to the peer is gone, with its connection for example.
    #[must_use]
    pub fn orphan_time(mut self, time: OrphanTime) -> Self {
        self.orphan_time = time;
        self
    }

    /// How many shards the node has: as many as there are cores to be used. At least one.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.clamp(1, usize::from(u16::MAX));
        self
    }

    /// Where connections come from; TCP by default.
    #[must_use]
    pub fn network(mut self, network: impl Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// The wall-clock time that keys and credentials are judged by; the system's by default.
    #[must_use]
    pub fn wall_clock(mut self, wall: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.wall = Some(Arc::new(wall));
        self
    }

    /// Where identities, keys and what is known of others outlive the node; nowhere by default.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Starts the node on the current runtime.
    ///
    /// # Errors
    /// [`Error::Io`] when the operating system gives no randomness; what is wrong with the storage.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Result<Node> {
        let clock = Clock::new(self.wall);
        let keys = Arc::new(Keys::new(self.storage)?);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut shards = Vec::with_capacity(self.shards);
        let dialled = Arc::new(Dialled::default());
        let (ends, next_connection) = link::ends(self.shards);
        for (index, ends) in ends.into_iter().enumerate() {
            let mut config = self.config.clone();
            config.shard = u16::try_from(index).unwrap_or_default();
            shards.push(shard::spawn(shard::Parts {
                config,
                orphan_time: self.orphan_time,
                entropy: entropy()?,
                clock: clock.clone(),
                keys: keys.clone(),
                ends,
                dialled: dialled.clone(),
                tasks: tasks.clone(),
                stop: stop.clone(),
            }));
        }
        let inner = Inner {
            shards,
            clock,
            keys,
            network: self.network,
            hand_over: usize::try_from(self.config.hand_over).unwrap_or(usize::MAX),
            tasks,
            stop,
            workers: Mutex::default(),
            serving: TaskTracker::new(),
            next_connection: AtomicU64::new(next_connection),
            dialled,
            next_shard: AtomicUsize::new(0),
        };
        Ok(Node { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("shards", &self.shards).field("network", &self.network).finish_non_exhaustive()
    }
}

/// Randomness for one shard, from a seed of the operating system's.
pub(crate) fn entropy() -> Result<Seeded> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut seed[..]).map_err(|e| Error::io("draw randomness", std::io::Error::other(e)))?;
    Ok(Seeded::new(*seed))
}

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
    hand_over: usize,
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

async fn accept_all(node: Node, mut accept: Box<dyn Accept>, reach: Reach, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accept.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match node.attach(node.any_shard(), stream, None, Some(&reach)).await {
                Ok(connection) => tracing::info!(connection = connection.id.0, %peer, "connection accepted"),
                Err(Error::Stopped) => return,
                Err(error) => tracing::warn!(%peer, %error, "connection refused"),
            },
            Err(error) => {
                // Too many open files, say: that passes.
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// A TCP listener. It goes on when this is dropped; [`stop`](Self::stop) ends it.
#[derive(Debug)]
pub struct Listener {
    local_addr: SocketAddr,
    reach: Reach,
    stop: CancellationToken,
}

impl Listener {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What its connections reach.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Accepts no more connections. Those that there are go on.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// A connection to another node. It goes on when this is dropped; [`close`](Self::close) ends it.
#[derive(Debug)]
pub struct Connection {
    shard: Handle,
    id: ConnectionId,
    address: Address,
    alias: Option<Address>,
    alive: watch::Receiver<()>,
    reach: Reach,
}

impl Connection {
    /// Its number, which no other connection of the node ever has: the provenance of what comes on it.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The address to send to: what is sent on from there goes to the other node.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A route over this connection to a worker of the other node.
    pub fn route(&self, to: impl Into<Address>) -> Route {
        Route::from(self.address.clone()).then(to)
    }

    /// What the other node reaches here.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What was dialled.
    pub fn peer(&self) -> Option<&Address> {
        self.alias.as_ref()
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.alive.has_changed().is_ok()
    }

    /// Waits until it is closed, by either side.
    pub async fn closed(&self) {
        let mut alive = self.alive.clone();
        // The other end is dropped with the connection.
        while alive.changed().await.is_ok() {}
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn close(&self) -> Result<()> {
        self.shard.send(Input::Gone { connection: self.id }).await
    }
}

/// An address that is being prepared.
#[must_use = "nothing is there until it is started"]
pub struct Starting {
    node: Node,
    mailbox: Mailbox,
    reach: Vec<Reach>,
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
        let room = node.inner.hand_over;
        let opened = {
            let (shard, handle, address) = (&shard, shard.clone(), address.clone());
            shard.call(move |shard| {
                let flow = Reach::flow(&reach, handle.index());
                shard.open_inbox(mailbox.clone(), flow, room).map(|messages| {
                    let gates = shard.open_gates(&mailbox, |index| Reach::flow(&reach, index));
                    // Made here, so that the address is free again when nobody waits for it any more.
                    (Context::new(node, handle, address, messages), gates)
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
