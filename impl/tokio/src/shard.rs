//! A shard: the task that owns one core node, and does for it what it asks of the world.
//!
//! Everything comes in through one bounded queue and is handled to its end before the next; nothing in here
//! waits for anything else. What does not fit into the node stays here, one item for each connection and a
//! few for each sender, and is offered again after every step; whoever sent it waits meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Addresses, OrphanTime};
use razor::env::{Env, Instant, Seeded};
use razor::error::{Blame, Result as CoreResult};
use razor::identity::{Identifier, StoreAnswer};
use razor::machine::{Machine as _, Refused};
use razor::node::{
    self, Answer, Connected, ConnectionId, Delivery, Event, Flow, Mailbox, Provenance, Request, RequestId,
};
use razor::routing::{Address, Message, Route};
use razor::session::{Keeping, Kept};
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::connection::{self, Pipe};
use crate::error::{Error, Result};
use crate::keys::{Keys, Unwritten};
use crate::link::{Crossed, Dialled, Ends, Links};
use crate::network::BoxStream;
use crate::turns::Turns;

/// How many inputs wait for a shard before those who send them wait.
const QUEUE: usize = 1024;

/// How many inputs are taken at once.
const BATCH: usize = 128;

/// How often is looked for channels whose way is gone, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// How many events are kept for who listens to them slowly.
const EVENTS: usize = 1024;

/// Something to be done with a shard.
pub(crate) type Call = Box<dyn FnOnce(&mut Shard) + Send>;

/// What a shard takes.
pub(crate) enum Input {
    /// Something is to be done with the node.
    Call(Call),
    /// Bytes came from a connection's peer. There is one of these at a time for each connection.
    Received { connection: ConnectionId, bytes: Vec<u8> },
    /// Bytes were written to a connection's peer.
    Sent { connection: ConnectionId, bytes: u64 },
    /// A connection has ended.
    Gone { connection: ConnectionId },
    /// The answer to a question of the node's that could not be answered at once.
    Answer { id: RequestId, answer: Answer },
    /// The owner of an inbox took messages from it.
    Taken { inbox: Address, messages: u64 },
    /// A message is to be sent.
    Send(Outgoing),
}

/// A message to be sent, and who waits for that.
pub(crate) struct Outgoing {
    /// The inbox that it is sent from.
    pub(crate) from: Address,
    pub(crate) message: Message,
    pub(crate) provenance: Provenance,
    pub(crate) ticket: Ticket,
}

/// Who waits for a message to enter the node.
pub(crate) struct Ticket {
    /// Dropped with the ticket: another message may be sent. So nobody has many waiting, not even those of them
    /// that nobody waits for any more.
    pub(crate) _permit: OwnedSemaphorePermit,
    /// Told how it went, if somebody wants to know.
    pub(crate) verdict: Option<oneshot::Sender<CoreResult<()>>>,
}

impl Ticket {
    fn used(self, result: CoreResult<()>) {
        match (self.verdict, result) {
            (Some(verdict), result) => drop(verdict.send(result)),
            (None, Err(error)) => tracing::debug!(%error, "a message was not sent"),
            (None, Ok(())) => {}
        }
    }

    /// Whether somebody wanted to know how it went, and no longer does.
    fn is_abandoned(&self) -> bool {
        self.verdict.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// A channel that has opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) peer: Identifier,
}

/// What is known of a channel while it is there.
struct Channel {
    decryptor: Address,
    /// Since when its way to the peer is gone.
    orphaned: Option<Instant>,
    /// Says who is no longer there when it is dropped.
    _alive: watch::Sender<()>,
}

impl Channel {
    fn new(decryptor: Address, alive: watch::Sender<()>) -> Self {
        Self { decryptor, orphaned: None, _alive: alive }
    }
}

/// The task's state.
pub(crate) struct Shard {
    pub(crate) node: node::Node,
    entropy: Seeded,
    clock: Clock,
    keys: Arc<Keys>,
    /// The most bytes that the node takes from a connection at once.
    chunk: usize,
    me: mpsc::WeakSender<Input>,
    connections: BTreeMap<ConnectionId, Pipe>,
    /// Connections with frames that their writers have not been given.
    unflushed: Vec<ConnectionId>,
    /// Connections whose last bytes the node did not take, and the bytes.
    parked: BTreeMap<ConnectionId, Vec<u8>>,
    /// Messages that the node did not take, by the address that they go to: there they take turns.
    unsent: BTreeMap<Address, VecDeque<Outgoing>>,
    /// What went wrong with messages whose senders do not wait to hear of it, counted as the node counts.
    pub(crate) unheard: BTreeMap<(&'static str, Blame), u64>,
    inboxes: BTreeMap<Address, mpsc::Sender<Delivery>>,
    /// By encryptor.
    channels: BTreeMap<Address, Channel>,
    orphan_time: OrphanTime,
    /// When channels whose way is gone are to be looked for.
    sweep: Option<Instant>,
    /// Who waits for a channel to open, by its decryptor.
    opening: BTreeMap<Address, oneshot::Sender<CoreResult<Opened>>>,
    pub(crate) turns: Turns,
    sessions: BTreeMap<Address, watch::Sender<bool>>,
    pub(crate) links: Links,
    dialled: Arc<Dialled>,
    events: broadcast::Sender<Event>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How others reach a shard.
#[derive(Clone)]
pub(crate) struct Handle {
    inputs: mpsc::Sender<Input>,
    events: broadcast::Sender<Event>,
    index: usize,
    tasks: TaskTracker,
    runtime: runtime::Handle,
}

/// Undoes something on a shard when it is dropped, unless it is [kept](Self::keep): whoever called for what was made
/// may be gone before he hears of it.
pub(crate) struct Undo {
    shard: Handle,
    what: Option<Call>,
}

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) config: node::Config,
    pub(crate) orphan_time: OrphanTime,
    pub(crate) entropy: Seeded,
    pub(crate) clock: Clock,
    pub(crate) keys: Arc<Keys>,
    pub(crate) ends: Ends,
    pub(crate) dialled: Arc<Dialled>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Starts a shard's task.
pub(crate) fn spawn(parts: Parts) -> Handle {
    let Parts { config, orphan_time, mut entropy, clock, keys, ends, dialled, tasks, stop } = parts;
    let (inputs, queue) = mpsc::channel(QUEUE);
    let (events, _) = broadcast::channel(EVENTS);
    let handle = Handle {
        inputs: inputs.clone(),
        events: events.clone(),
        index: usize::from(config.shard),
        tasks: tasks.clone(),
        runtime: runtime::Handle::current(),
    };
    let mut shard = Shard {
        chunk: config.tcp.chunk,
        node: node::Node::new(config, &mut entropy),
        entropy,
        clock,
        keys,
        me: inputs.downgrade(),
        connections: BTreeMap::new(),
        unflushed: Vec::new(),
        parked: BTreeMap::new(),
        unsent: BTreeMap::new(),
        unheard: BTreeMap::new(),
        inboxes: BTreeMap::new(),
        channels: BTreeMap::new(),
        orphan_time,
        sweep: None,
        opening: BTreeMap::new(),
        turns: Turns::default(),
        sessions: BTreeMap::new(),
        links: Links::default(),
        dialled,
        events,
        tasks: tasks.clone(),
        stop,
    };
    shard.join(ends.links);
    tasks.spawn(shard.run(queue, ends.crossed));
    handle
}

impl Handle {
    /// This shard's number.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Does something with the shard and gives back what comes of it.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let call = Box::new(move |shard: &mut Shard| drop(answer.send(call(shard))));
        self.send(Input::Call(call)).await?;
        answered.await.map_err(|_| Error::Stopped)
    }

    /// Gives it an input; waits while its queue is full.
    pub(crate) async fn send(&self, input: Input) -> Result<()> {
        self.inputs.send(input).await.map_err(|_| Error::Stopped)
    }

    /// Has the shard do something when it comes to it, from where nothing can be waited for.
    pub(crate) fn later(&self, call: impl FnOnce(&mut Shard) + Send + 'static) {
        if let Err(mpsc::error::TrySendError::Full(input)) = self.inputs.try_send(Input::Call(Box::new(call))) {
            let inputs = self.inputs.clone();
            // Whoever drops something may be on no thread of the runtime.
            self.tasks.spawn_on(async move { drop(inputs.send(input).await) }, &self.runtime);
        }
    }

    /// Undoes something that was just made on this shard, unless it is kept.
    pub(crate) fn undo(&self, what: impl FnOnce(&mut Shard) + Send + 'static) -> Undo {
        Undo { shard: self.clone(), what: Some(Box::new(what)) }
    }

    /// Undoes what is behind these addresses, unless it is kept.
    pub(crate) fn undo_workers(&self, addresses: Vec<Address>) -> Undo {
        self.undo(move |shard| {
            for address in addresses {
                // Whoever is gone already needs no stopping.
                let _ = shard.stop_worker(&address);
            }
        })
    }

    /// What happens from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

impl Undo {
    /// It stays.
    pub(crate) fn keep(mut self) {
        self.what = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.shard.later(what);
        }
    }
}

impl Shard {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut crossed: mpsc::UnboundedReceiver<Crossed>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut across = Vec::with_capacity(BATCH);
        let stop = self.stop.clone();
        let timer = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let due = [self.node.deadline().map(|deadline| deadline.at), self.sweep].into_iter().flatten().min();
            let overdue = due.is_some_and(|at| at <= self.clock.now());
            if stop.is_cancelled() {
                break;
            }
            if overdue {
                while batch.len() < BATCH
                    && let Ok(input) = inputs.try_recv()
                {
                    batch.push(input);
                }
                while across.len() < BATCH
                    && let Ok(input) = crossed.try_recv()
                {
                    across.push(input);
                }
                // Others of this thread are to go on as well.
                tokio::task::yield_now().await;
            } else {
                if let Some(at) = due.map(|at| self.clock.when(at)).filter(|at| *at != timer.deadline()) {
                    timer.as_mut().reset(at);
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    taken = inputs.recv_many(&mut batch, BATCH) => {
                        if taken == 0 {
                            break;
                        }
                    }
                    _ = crossed.recv_many(&mut across, BATCH), if !crossed.is_closed() => {}
                    () = &mut timer, if due.is_some() => {}
                }
            }
            for input in batch.drain(..) {
                self.take(input);
            }
            for input in across.drain(..) {
                self.crossed(input);
            }
            if due.is_some_and(|at| at <= self.clock.now()) {
                self.with(|node, env| node.handle_timeout(env));
            }
            self.close_orphans();
            self.resume();
            self.flush();
        }
        self.close(inputs).await;
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Call(call) => call(self),
            Input::Received { connection, bytes } => self.receive(connection, bytes),
            Input::Sent { connection, bytes } => self.tell(node::Input::Sent { connection, bytes }),
            Input::Answer { id, answer } => self.tell(node::Input::Answer { id, answer }),
            Input::Gone { connection } => self.gone(connection),
            Input::Taken { inbox, messages } => {
                for _ in 0..messages {
                    self.tell(node::Input::Taken { inbox: inbox.clone() });
                }
            }
            Input::Send(outgoing) if outgoing.ticket.is_abandoned() => {}
            Input::Send(outgoing) => self.send(outgoing),
        }
    }

    /// Sends a message, or keeps it until there is room for it.
    fn send(&mut self, outgoing: Outgoing) {
        let to = outgoing.message.onward().first().map(|to| to.to_owned());
        // Whoever waits for the same receiver has his turn first.
        if let Some(waiting) = to.as_ref().and_then(|to| self.unsent.get_mut(to)) {
            waiting.push_back(outgoing);
        } else if let Err(refused) = self.dispatch(outgoing)
            && let Some(to) = to
        {
            self.unsent.insert(to, VecDeque::from([refused]));
        }
    }

    /// Calls the node, then does what it asks for until it asks for nothing more.
    pub(crate) fn with<T>(&mut self, call: impl FnOnce(&mut node::Node, &mut Env<'_>) -> T) -> T {
        let result = self.call(call);
        self.drain();
        result
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut node::Node, &mut Env<'_>) -> T) -> T {
        call(&mut self.node, &mut Env::new(self.clock.now(), self.clock.wall(), &mut self.entropy))
    }

    /// Does what the node asks for until it asks for nothing more.
    fn drain(&mut self) {
        let mut follow = VecDeque::new();
        loop {
            while let Some(output) = self.node.poll_output() {
                follow.extend(self.happened(output));
            }
            let Some(input) = follow.pop_front() else { return };
            if let Err(refused) = self.call(|node, env| node.handle(env, input)) {
                tracing::warn!(?refused, "the node refuses what it asked for");
            }
        }
    }

    /// An input that a node never refuses.
    pub(crate) fn tell(&mut self, input: node::Input) {
        if let Err(refused) = self.with(|node, env| node.handle(env, input)) {
            tracing::warn!(?refused, "the node refuses to be told");
        }
    }

    /// Something came out of the node. What it is told at once comes back.
    fn happened(&mut self, output: node::Output) -> Option<node::Input> {
        match output {
            node::Output::Transmit { connection, frame } => {
                let bytes = frame.payload().len() as u64;
                let Some(pipe) = self.connections.get_mut(&connection) else {
                    return Some(node::Input::Sent { connection, bytes });
                };
                if pipe.push(frame) {
                    self.unflushed.push(connection);
                }
                None
            }
            node::Output::Cross { connection, crossing } => self.cross(connection, crossing),
            node::Output::Close { connection, error } => {
                tracing::info!(connection = connection.0, %error, "connection closed");
                self.forget(connection);
                None
            }
            node::Output::Deliver { inbox, delivery } => {
                let sent = self.inboxes.get(&inbox).map(|to| to.try_send(delivery));
                // Nobody is there: it counts as taken.
                (!matches!(sent, Some(Ok(())))).then_some(node::Input::Taken { inbox })
            }
            node::Output::Request { id, request: Request::Vault(request), .. } => {
                Some(node::Input::Answer { id, answer: Answer::Vault(self.keys.answer(&request)) })
            }
            node::Output::Request { id, request: Request::Store(request), .. } => {
                let (answer, unwritten) = self.keys.known(&request);
                match unwritten {
                    Some(unwritten) => self.write(id, answer, unwritten),
                    None => return Some(node::Input::Answer { id, answer: Answer::Store(answer) }),
                }
                None
            }
            node::Output::Event(event) => {
                self.heard(event);
                None
            }
        }
    }

    fn heard(&mut self, event: Event) {
        match &event {
            Event::ChannelOpened { encryptor, decryptor, peer } => {
                tracing::info!(%encryptor, %peer, "channel open");
                self.channels
                    .entry(encryptor.clone())
                    .or_insert_with(|| Channel::new(decryptor.clone(), watch::channel(()).0));
                if let Some(opening) = self.opening.remove(decryptor) {
                    // Who is gone has undone it.
                    let _ = opening.send(Ok(Opened { peer: *peer }));
                }
            }
            Event::ChannelFailed { encryptor, error } => {
                tracing::info!(%encryptor, %error, "channel failed");
                self.shut_gates(encryptor);
                let channel = self.channels.remove(encryptor);
                if let Some(opening) = channel.and_then(|channel| self.opening.remove(&channel.decryptor)) {
                    let _ = opening.send(Err(*error));
                }
            }
            Event::ChannelClosed { encryptor } => {
                tracing::info!(%encryptor, "channel closed");
                self.shut_gates(encryptor);
                self.sweep_soon();
                if let Some(channel) = self.channels.remove(encryptor) {
                    self.opening.remove(&channel.decryptor);
                }
            }
            Event::SessionUp { session } | Event::SessionDown { session } => {
                let up = matches!(event, Event::SessionUp { .. });
                tracing::info!(%session, up, "session");
                if let Some(says) = self.sessions.get(session) {
                    says.send_replace(up);
                }
            }
            Event::Dropped { to, error } => {
                tracing::debug!(?to, %error, "message dropped");
                self.give_up(to.as_ref(), *error);
            }
            event => tracing::info!(?event, "event"),
        }
        // Nobody needs to listen.
        let _ = self.events.send(event);
    }

    /// Writes a history where nobody waits for the disk; the answer comes when it is there.
    fn write(&mut self, id: RequestId, answer: CoreResult<StoreAnswer>, unwritten: Unwritten) {
        let Some(me) = self.me.upgrade() else { return };
        let keys = self.keys.clone();
        self.tasks.spawn(async move {
            let written = tokio::task::spawn_blocking(move || keys.write(&unwritten)).await;
            let answer = match written {
                Ok(Ok(())) => answer,
                failed => {
                    tracing::error!(?failed, "a change history cannot be kept");
                    Err(razor::Error::misuse("IDN-30", "a change history cannot be kept"))
                }
            };
            let _ = me.send(Input::Answer { id, answer: Answer::Store(answer) }).await;
        });
    }

    /// A handshake that local policy refused goes on by the rules, as the answer of a better peer may come yet.
    /// Whoever called for the channel wants to know at once.
    fn give_up(&mut self, to: Option<&Address>, error: razor::Error) {
        if error.blame() == Blame::Denied
            && let Some(opening) = to.and_then(|decryptor| self.opening.remove(decryptor))
        {
            // He undoes it.
            let _ = opening.send(Err(error));
        }
    }

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
                if let Some(alias) = alias
                    && let Some(pipe) = self.connections.get_mut(&id)
                {
                    self.dialled.insert(alias.clone(), id, address.clone());
                    pipe.dialled = Some((alias, address.clone()));
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
            self.channels.insert(encryptor.clone(), Channel::new(decryptor.clone(), alive));
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

    fn receive(&mut self, connection: ConnectionId, bytes: Vec<u8>) {
        let input = node::Input::Received { connection, bytes };
        match self.with(|node, env| node.handle(env, input)) {
            Ok(()) => {
                if let Some(pipe) = self.connections.get(&connection) {
                    pipe.go_on();
                }
            }
            Err(Refused::Full(node::Input::Received { bytes, .. })) => drop(self.parked.insert(connection, bytes)),
            Err(refused) => {
                tracing::warn!(?refused, "the node refuses bytes");
                self.gone(connection);
            }
        }
    }

    /// Sends a message; it comes back when there is no room for it.
    fn dispatch(&mut self, outgoing: Outgoing) -> Result<(), Outgoing> {
        let Outgoing { from, message, provenance, ticket } = outgoing;
        let input = node::Input::SendFrom { inbox: from, message, provenance };
        match self.with(|node, env| node.handle(env, input)) {
            Ok(()) => ticket.used(Ok(())),
            Err(Refused::Full(node::Input::SendFrom { inbox: from, message, provenance })) => {
                return Err(Outgoing { from, message, provenance, ticket });
            }
            Err(refused) => {
                let error = refused.into_error("NOD-9");
                if ticket.verdict.is_none() {
                    *self.unheard.entry((error.requirement(), error.blame())).or_default() += 1;
                }
                ticket.used(Err(error));
            }
        }
        Ok(())
    }

    /// Offers again what the node did not take before.
    fn resume(&mut self) {
        let ready: Vec<ConnectionId> = self.parked.keys().copied().filter(|id| self.node.reads(*id)).collect();
        for connection in ready {
            if let Some(bytes) = self.parked.remove(&connection) {
                self.receive(connection, bytes);
            }
        }
        self.resume_links();
        let mut unsent = std::mem::take(&mut self.unsent);
        unsent.retain(|_, waiting| {
            while let Some(outgoing) = waiting.pop_front() {
                if outgoing.ticket.is_abandoned() {
                    continue;
                }
                if let Err(refused) = self.dispatch(outgoing) {
                    waiting.push_front(refused);
                    return true;
                }
            }
            false
        });
        self.unsent = unsent;
    }

    /// Gives the writers what has come together for them.
    fn flush(&mut self) {
        for connection in self.unflushed.drain(..) {
            if let Some(pipe) = self.connections.get_mut(&connection) {
                pipe.flush();
            }
        }
    }

    /// A connection has ended, or is to.
    pub(crate) fn gone(&mut self, connection: ConnectionId) {
        self.forget(connection);
        self.tell(node::Input::Disconnected { connection });
    }

    /// Something that channels may lead through is gone.
    fn sweep_soon(&mut self) {
        if !self.channels.is_empty() {
            let soon = self.clock.now() + SWEEP;
            self.sweep = Some(self.sweep.map_or(soon, |at| at.min(soon)));
        }
    }

    /// Closes the channels whose way has been gone for too long.
    fn close_orphans(&mut self) {
        let now = self.clock.now();
        if self.sweep.is_none_or(|at| at > now) {
            return;
        }
        self.sweep = None;
        //= spec/src/channels.md#chn-64
        //# A node MUST close an open channel when nobody has had the first address of its way to the peer for the time of a channel without a way.
        let (mut lost, mut next) = (Vec::new(), None::<Instant>);
        for (encryptor, channel) in &mut self.channels {
            if !self.node.is_orphaned(encryptor) {
                channel.orphaned = None;
                continue;
            }
            let end = *channel.orphaned.get_or_insert(now) + self.orphan_time.effective();
            if end <= now {
                lost.push(encryptor.clone());
            } else {
                next = Some(next.map_or(end, |next| next.min(end)));
            }
        }
        self.sweep = next.map(|at| at.max(now + SWEEP));
        for encryptor in lost {
            let _ = self.stop_worker(&encryptor);
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.sweep_soon();
        self.parked.remove(&connection);
        if let Some(mut pipe) = self.connections.remove(&connection) {
            // The last words are written, if the peer takes them soon.
            pipe.flush();
            if let Some((alias, sender)) = &pipe.dialled {
                self.dialled.remove(alias, connection);
                self.shut_gates(sender);
            }
        }
    }

    /// The end: channels say so to their peers, and connections write what they still have.
    async fn close(mut self, mut inputs: mpsc::Receiver<Input>) {
        inputs.close();
        let channels: Vec<Address> = self.channels.keys().cloned().collect();
        for encryptor in channels {
            let _ = self.with(|node, env| node.stop_worker(env, &encryptor));
        }
        while self.node.deadline().is_some_and(|deadline| deadline.at <= self.clock.now()) {
            self.with(|node, env| node.handle_timeout(env));
        }
        self.flush();
        self.connections.clear();
        self.inboxes.clear();
        // Those who are on their way in get through, and out again.
        while inputs.recv().await.is_some() {}
    }
}

const GONE: razor::Error = razor::Error::misuse("NOD-24", "the node is shutting down");

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.index)
    }
}
