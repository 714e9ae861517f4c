//! A shard: the task that owns one core node, and does for it what it asks of the world.
//!
//! Everything comes in through one bounded queue and is handled to its end before the next; nothing in here
//! waits for anything else. What does not fit into the node stays here, one item for each connection and a
//! few for each sender, and is offered again after every step; whoever sent it waits meanwhile.

mod handle;
mod owner;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use razor::channel::OrphanTime;
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::error::{Blame, Result as CoreResult};
use razor::identity::{Identifier, StoreAnswer};
use razor::machine::{Machine as _, Refused};
use razor::node::{self, Answer, ConnectionId, Delivery, Event, Flow, FlowControlId, Request, RequestId};
use razor::routing::Address;
use tokio::runtime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::connection::Pipe;
use crate::error::Result;
use crate::keys::{Keys, Unwritten};
use crate::link::{Crossed, Dialled, Ends, Links};
use crate::turns::Turns;

pub(crate) use handle::{Handle, Input, Outgoing, Ticket};

/// How many inputs wait for a shard before those who send them wait.
const QUEUE: usize = 1024;

/// How many inputs are taken at once.
const BATCH: usize = 128;

/// How often is looked for channels whose way is gone, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// How many events are kept for who listens to them slowly.
const EVENTS: usize = 1024;

/// A channel that has opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) peer: Identifier,
}

/// What is known of a channel while it is there.
struct Channel {
    decryptor: Address,
    /// How many there were before it.
    number: u64,
    /// Since when its way to the peer is gone.
    orphaned: Option<Instant>,
    /// Says who is no longer there when it is dropped.
    _alive: watch::Sender<()>,
}

/// The task's state.
pub(crate) struct Shard {
    pub(crate) node: node::Node,
    entropy: Seeded,
    clock: Clock,
    /// What the clock says, read once for all that is done at once.
    time: (Instant, Timestamp),
    keys: Arc<Keys>,
    /// The most bytes that the node takes from a connection at once.
    chunk: usize,
    me: mpsc::WeakSender<Input>,
    pub(crate) connections: BTreeMap<ConnectionId, Pipe>,
    /// Connections with frames that their writers have not been given.
    unflushed: Vec<ConnectionId>,
    /// Connections whose last bytes the node did not take, and the bytes.
    parked: BTreeMap<ConnectionId, Vec<u8>>,
    /// Messages that the node did not take, by the address that they go to: there they take turns.
    unsent: BTreeMap<Address, VecDeque<Outgoing>>,
    /// Messages that were sent, or not, and whose senders do not know yet.
    done: Vec<(Ticket, CoreResult<()>)>,
    /// What went wrong with messages whose senders do not wait to hear of it, counted as the node counts.
    pub(crate) unheard: BTreeMap<(&'static str, Blame), u64>,
    inboxes: BTreeMap<Address, mpsc::Sender<Delivery>>,
    /// By encryptor.
    channels: BTreeMap<Address, Channel>,
    /// How many channels there have been.
    ever: u64,
    /// Listeners for channels, by the ids under which they make producers: the ids through which each is reached, on each
    /// shard.
    listeners: BTreeMap<FlowControlId, Arc<[Vec<FlowControlId>]>>,
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
        time: (clock.now(), clock.wall()),
        clock,
        keys,
        me: inputs.downgrade(),
        connections: BTreeMap::new(),
        unflushed: Vec::new(),
        parked: BTreeMap::new(),
        unsent: BTreeMap::new(),
        done: Vec::new(),
        unheard: BTreeMap::new(),
        inboxes: BTreeMap::new(),
        channels: BTreeMap::new(),
        ever: 0,
        listeners: BTreeMap::new(),
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
            self.look_at_the_clock();
            for input in batch.drain(..) {
                self.take(input);
            }
            for input in across.drain(..) {
                self.crossed(input);
            }
            if due.is_some_and(|at| at <= self.time.0) {
                self.with(|node, env| node.handle_timeout(env));
            }
            self.close_orphans();
            self.resume();
            self.flush();
            self.acknowledge_links();
            // Whoever waits for one of these is not woken for each of them.
            self.done.drain(..).for_each(|(ticket, result)| ticket.used(result));
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
            Input::Taken { inbox, messages } => self.tell(node::Input::Taken { inbox, messages }),
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
        let (now, wall) = self.time;
        call(&mut self.node, &mut Env::new(now, wall, &mut self.entropy))
    }

    fn look_at_the_clock(&mut self) {
        self.time = (self.clock.now(), self.clock.wall());
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
                (!matches!(sent, Some(Ok(())))).then_some(node::Input::Taken { inbox, messages: 1 })
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
            Event::ChannelOpened { encryptor, decryptor, peer, .. } => {
                tracing::info!(%encryptor, %peer, "channel open");
                if !self.channels.contains_key(encryptor) {
                    self.list(encryptor, decryptor, watch::channel(()).0);
                    self.lead_peer(encryptor, decryptor);
                }
                if let Some(opening) = self.opening.remove(decryptor) {
                    // Who is gone has undone it.
                    let _ = opening.send(Ok(Opened { peer: *peer }));
                }
            }
            Event::ChannelFailed { encryptor, error } => {
                tracing::info!(%encryptor, %error, "channel failed");
                self.shut_gates(encryptor);
                let channel = self.unlist(encryptor);
                if let Some(opening) = channel.and_then(|channel| self.opening.remove(&channel.decryptor)) {
                    let _ = opening.send(Err(*error));
                }
            }
            Event::ChannelClosed { encryptor } => {
                tracing::info!(%encryptor, "channel closed");
                self.shut_gates(encryptor);
                self.sweep_soon();
                if let Some(channel) = self.unlist(encryptor) {
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
            Ok(()) => self.done.push((ticket, Ok(()))),
            Err(Refused::Full(node::Input::SendFrom { inbox: from, message, provenance })) => {
                return Err(Outgoing { from, message, provenance, ticket });
            }
            Err(refused) => {
                let error = refused.into_error("NOD-9");
                if ticket.verdict.is_none() {
                    *self.unheard.entry((error.requirement(), error.blame())).or_default() += 1;
                }
                self.done.push((ticket, Err(error)));
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

    /// There is a channel from now on; what is said to `alive` is that it is gone.
    fn list(&mut self, encryptor: &Address, decryptor: &Address, alive: watch::Sender<()>) {
        let channel = Channel { decryptor: decryptor.clone(), number: self.ever, orphaned: None, _alive: alive };
        self.channels.insert(encryptor.clone(), channel);
        self.ever += 1;
    }

    /// The channel is gone.
    fn unlist(&mut self, encryptor: &Address) -> Option<Channel> {
        let channel = self.channels.remove(encryptor)?;
        self.shut_gates(&channel.decryptor);
        Some(channel)
    }

    /// Has the peer of a channel that was accepted reach it on every shard: it may come by another connection at any
    /// time, and connections are on all of them.
    fn lead_peer(&mut self, encryptor: &Address, decryptor: &Address) {
        let Some(reached) = self.node.spawner_of(encryptor).and_then(|id| self.listeners.get(&id)).cloned() else {
            return;
        };
        //= spec/src/channels.md#chn-60
        //# A responder MUST be reachable through exactly the flow control ids through which its listener is, and deliver under the listener's.
        let flow =
            |shard: usize| Flow { consumer_of: reached.get(shard).cloned().unwrap_or_default(), ..Flow::default() };
        self.open_gates_for_peer(decryptor, flow);
    }

    /// There is a listener for channels, which makes producers under `spawner`. `reached` are the ids through which it
    /// is reached, on each shard.
    pub(crate) fn listens(&mut self, spawner: FlowControlId, reached: Arc<[Vec<FlowControlId>]>) {
        self.listeners.insert(spawner, reached);
        // Some may have been quick.
        let accepted = |(encryptor, channel): (&Address, &Channel)| {
            (self.node.spawner_of(encryptor) == Some(spawner)).then(|| (encryptor.clone(), channel.decryptor.clone()))
        };
        let accepted: Vec<(Address, Address)> = self.channels.iter().filter_map(accepted).collect();
        for (encryptor, decryptor) in accepted {
            self.lead_peer(&encryptor, &decryptor);
        }
    }

    /// Something that channels may lead through is gone.
    pub(crate) fn sweep_soon(&mut self) {
        if !self.channels.is_empty() {
            let soon = self.time.0 + SWEEP;
            self.sweep = Some(self.sweep.map_or(soon, |at| at.min(soon)));
        }
    }

    /// Closes the channels whose way has been gone for too long.
    fn close_orphans(&mut self) {
        let now = self.time.0;
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
        self.unshow(connection);
        self.parked.remove(&connection);
        if let Some(mut pipe) = self.connections.remove(&connection) {
            // The last words are written, if the peer takes them soon.
            pipe.flush();
            if let Some(alias) = &pipe.dialled {
                self.dialled.remove(alias, connection);
            }
            if let Some(sender) = &pipe.sender {
                self.shut_gates(sender);
            }
        }
    }

    /// The end: channels say so to their peers, and connections write what they still have.
    async fn close(mut self, mut inputs: mpsc::Receiver<Input>) {
        inputs.close();
        // The latest first: a channel was opened after those that it goes through, and its last words do, too.
        let mut channels: Vec<(u64, Address)> =
            self.channels.iter().map(|(encryptor, channel)| (channel.number, encryptor.clone())).collect();
        channels.sort_unstable();
        for (_, encryptor) in channels.into_iter().rev() {
            let _ = self.with(|node, env| node.stop_worker(env, &encryptor));
        }
        self.look_at_the_clock();
        while self.node.deadline().is_some_and(|deadline| deadline.at <= self.time.0) {
            self.with(|node, env| node.handle_timeout(env));
        }
        self.flush();
        self.connections.clear();
        self.inboxes.clear();
        // Those who are on their way in get through, and out again.
        while inputs.recv().await.is_some() {}
    }
}
