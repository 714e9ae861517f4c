//! The node: a table from address to worker, and the delivery of messages between them. Spec: "Nodes
//! and workers".

mod access;
mod builtin;
mod config;
mod connection;
mod delivery;
mod event;
mod failures;
mod link;
mod outbox;
mod ranking;
mod requests;
mod table;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

pub use access::{AllOf, AnyChannelPeer, AnyOf, ChannelPeers, DenyAll, FromAddresses, LocalOnly, ToAddresses};
pub use builtin::{Echoer, Hop};
pub use config::Config;
pub use connection::Connected;
pub use event::{Command, Event};
pub use link::Crossing;
#[cfg(test)]
pub(crate) use worker::Op;
pub use worker::{
    AccessControl, Answer, ConnectionId, Context, Delivery, Flow, FlowControlId, Mailbox, News, Port, Provenance,
    Relay, Request, RequestId, Spec, Worker, WorkerId,
};

use crate::env::{Entropy, Env, Instant};
use crate::error::{Blame, Error, Result};
use crate::machine::{Deadline, Machine, Refused, Snapshot};
use crate::ordered::Map;
use crate::routing::{Address, Message};

use self::connection::Connections;
use self::delivery::Undelivered;
use self::failures::Failures;
use self::requests::Requests;
use self::table::{Credit, Queues, Table};
use self::waiting::Waiting;

/// What a node takes.
#[derive(Debug)]
pub enum Input {
    /// Bytes came from the peer of a connection.
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The bytes, cut anywhere, at most a chunk.
        bytes: Vec<u8>,
    },
    /// Bytes of earlier [`Output::Transmit`]s were written, or of [`Output::Cross`]es taken by the other node.
    Sent {
        /// The connection.
        connection: ConnectionId,
        /// How many bytes.
        bytes: u64,
    },
    /// A message has crossed a link.
    Crossed {
        /// This end of the link.
        connection: ConnectionId,
        /// What came out at the other.
        crossing: Crossing,
    },
    /// A connection is gone.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
    },
    /// The answer to a request.
    Answer {
        /// The request.
        id: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// The owner took messages that were handed over, and holds their memory no longer. They are taken in order.
    Taken {
        /// The inbox.
        inbox: Address,
        /// How many.
        messages: usize,
    },
    /// The owner sends a message to its first onward address.
    Send(Message),
    /// The owner sends a message from one of its inboxes, whose outgoing access control applies.
    SendFrom {
        /// The inbox.
        inbox: Address,
        /// The message.
        message: Message,
        /// [`Provenance::LOCAL`] for a message of the owner's own; for a received one that it sends on, what that
        /// one came with.
        provenance: Provenance,
    },
}

/// What a node gives.
#[derive(Debug)]
pub enum Output {
    /// Write the payload of this message to the peer, then say so with [`Input::Sent`].
    Transmit {
        /// The connection.
        connection: ConnectionId,
        /// The bytes to write are its payload.
        frame: Message,
    },
    /// Give this message to the node at the other end of the link, with [`Input::Crossed`]; then say so with
    /// [`Input::Sent`].
    Cross {
        /// This end of the link.
        connection: ConnectionId,
        /// The message.
        crossing: Crossing,
    },
    /// Close this connection; the node has forgotten it.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        error: Error,
    },
    /// A message for one of the owner's inboxes; to be acknowledged with [`Input::Taken`].
    Deliver {
        /// The inbox.
        inbox: Address,
        /// The message.
        delivery: Delivery,
    },
    /// A question to a vault or a store.
    Request {
        /// To be named in the answer.
        id: RequestId,
        /// An answer after this time is not waited for.
        deadline: Instant,
        /// The question.
        request: Request,
    },
    /// Something worth knowing.
    Event(Event),
}

/// How often things happened. Never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that a worker took.
    pub delivered: u64,
    /// Failures by blame: malformed, misbehaved, denied, misuse, limit.
    pub failures: [u64; 5],
    /// Dropped messages for which there was no event, because there were too many in one call.
    pub unreported: u64,
    /// Messages that had to be laid out anew for want of room around it, counted when they leave.
    pub relayouts: u64,
}

/// What a node holds of what nobody has authenticated. Bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burden {
    /// What it holds: messages that wait or are not complete, and what its workers say that they hold.
    pub held: usize,
    /// The most that this may be.
    pub limit: usize,
    /// The first address of a worker that holds more than it says that it ever does, or for which more messages wait than
    /// may. There is none, unless bounds are broken.
    pub overdrawn: Option<Address>,
}

const NO_INBOX: Error = Error::misuse("NOD-32", "the owner has no inbox with this address");

/// Who sends a message.
#[derive(Debug, Clone, Copy)]
enum Source {
    Owner,
    Worker(WorkerId, Port),
    /// A worker of another node, and a gate there has let it pass.
    Checked,
}

/// A node: workers behind addresses, connections, and the messages between them.
///
/// The owner gives it [`Input`]s, and commands by method: [`connected`](Self::connected),
/// [`start_worker`](Self::start_worker), [`stop_worker`](Self::stop_worker),
/// [`open_inbox`](Self::open_inbox), [`send`](Self::send). After each of them it takes all outputs.
pub struct Node {
    config: Config,
    owner: Address,
    table: Table,
    connections: Connections,
    waiting: Waiting,
    /// Whether what is sent now is made of a message that was in the node.
    moves: bool,
    /// Workers with messages in their inbox, one entry each.
    scheduled: VecDeque<WorkerId>,
    /// What workers have told those that started them: to whom, and who. Told before anything else is done.
    news: VecDeque<(WorkerId, Address, News)>,
    /// What waits in all inboxes and outboxes together.
    queued: Queues,
    timers: Map<(Instant, u64), (WorkerId, &'static str)>,
    /// Whether timers are due that the last call left.
    overdue: bool,
    requests: Requests,
    outputs: VecDeque<Output>,
    /// What a handler asked for; kept for its memory.
    ops: Vec<worker::Op>,
    next_timer: u64,
    next_flow: u64,
    now: Instant,
    /// What the current call may still do.
    budget: Budget,
    counters: Counters,
    failures: Failures,
    relayouts: u64,
}

/// What is left of the bounds of one call.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    /// Messages from connections.
    frames: usize,
    /// Events about dropped messages.
    reports: usize,
}

impl Node {
    /// A node without workers. The keys of its table are drawn.
    pub fn new(config: Config, entropy: &mut dyn Entropy) -> Self {
        let table = Table::new(entropy);
        //= spec/src/nodes.md#nod-47
        //# The flow control ids of nodes that are linked MUST differ.
        let next_flow = if planted!(FlowIdsCollide) { 0 } else { u64::from(config.shard) << 48 };
        let requests = Requests::new(config.requests);
        Self {
            config,
            owner: Address::local("owner"),
            table,
            connections: Connections::default(),
            waiting: Waiting::default(),
            moves: false,
            scheduled: VecDeque::new(),
            news: VecDeque::new(),
            queued: Queues::default(),
            timers: Map::new(),
            overdue: false,
            requests,
            outputs: VecDeque::new(),
            ops: Vec::new(),
            next_timer: 0,
            next_flow,
            now: Instant::ZERO,
            budget: Budget::default(),
            counters: Counters::default(),
            failures: Failures::default(),
            relayouts: 0,
        }
    }

    /// A new flow control id.
    pub fn new_flow_control_id(&mut self) -> FlowControlId {
        let id = FlowControlId(self.next_flow);
        self.next_flow = self.next_flow.saturating_add(1);
        id
    }

    /// The flow control id under which the worker at `address` delivers foreign messages, if it does. Who
    /// opens something through that address becomes a consumer of this id, so that answers get through. A
    /// transport address stands for the connection to it.
    pub fn producer_at(&self, address: &Address) -> Option<FlowControlId> {
        let id = match self.connections.dialled(address) {
            Some(connection) => connection.worker,
            None => self.table.find(address.as_ref())?.0,
        };
        self.table.get(id)?.flow()?.producer
    }

    /// The flow control id under which the listener makes producers that has made the worker at `address`, if one has.
    pub fn spawner_of(&self, address: &Address) -> Option<FlowControlId> {
        let (id, _) = self.table.find(address.as_ref())?;
        self.table.get(id)?.flow()?.spawned_by
    }

    /// Takes over a connection that the driver has made. `id` must be higher than that of any connection
    /// before. Returns the address to send to in order to reach the peer's node.
    ///
    /// # Errors
    /// `NOD-18` when there are too many connections; `NOD-24` when `id` is not new.
    pub fn connected(&mut self, env: &mut Env<'_>, id: ConnectionId, how: Connected) -> Result<Address> {
        self.at(env);
        self.connect(env, id, how)
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// `NOD-13` when an address is taken or not local, or there is none; what the worker says when it starts.
    pub fn start_worker(&mut self, env: &mut Env<'_>, spec: Spec) -> Result<()> {
        self.at(env);
        self.start(env, spec, None)?;
        self.run(env);
        Ok(())
    }

    /// Stops the worker that has this address. It may say its last words.
    ///
    /// # Errors
    /// `NOD-2` when there is none.
    pub fn stop_worker(&mut self, env: &mut Env<'_>, address: &Address) -> Result<()> {
        self.at(env);
        let (id, _) = self.table.find(address.as_ref()).ok_or(delivery::UNKNOWN)?;
        self.stop(env, id);
        self.run(env);
        Ok(())
    }

    /// Opens an inbox: what is sent to `address` comes out as [`Output::Deliver`].
    ///
    /// # Errors
    /// As [`start_worker`](Self::start_worker).
    pub fn open_inbox(&mut self, env: &mut Env<'_>, mailbox: Mailbox, flow: Flow) -> Result<()> {
        self.at(env);
        let id = self.table.insert(Spec { mailboxes: vec![mailbox], flow, worker: Box::new(builtin::Inbox) })?;
        if let Some((resident, spare)) = self.table.get_with_spare(id) {
            resident.extras(spare).credit = Some(Credit::HandedOver { costs: VecDeque::new(), bytes: 0 });
        }
        Ok(())
    }

    /// The inbox of the owner that has this address.
    fn inbox(&self, address: &Address) -> Result<(WorkerId, Port)> {
        //= spec/src/nodes.md#nod-32
        //# A node MUST refuse to send for its owner from an address that is none of the owner's inboxes.
        let credit = |id| self.table.get(id)?.extras.as_ref()?.credit.as_ref();
        let found = self.table.find(address.as_ref());
        found.filter(|(id, _)| matches!(credit(*id), Some(Credit::HandedOver { .. }))).ok_or(NO_INBOX)
    }

    /// Tells the worker that has this address what to do.
    ///
    /// # Errors
    /// `NOD-2` when there is none; `NOD-26` when the worker does not know the command; what the worker says.
    pub fn command(&mut self, env: &mut Env<'_>, address: &Address, command: Command) -> Result<()> {
        self.at(env);
        let (id, _) = self.table.find(address.as_ref()).ok_or(delivery::UNKNOWN)?;
        let result = self.call(env, id, |worker, cx| worker.handle_command(cx, command));
        self.run(env);
        result
    }

    /// Makes the worker that has this address a consumer of `id`: what is delivered under it may reach the worker.
    ///
    /// # Errors
    /// `NOD-2` when there is none.
    pub fn add_consumer(&mut self, address: &Address, id: FlowControlId) -> Result<()> {
        let (worker, _) = self.table.find(address.as_ref()).ok_or(delivery::UNKNOWN)?;
        let (resident, spare) = self.table.get_with_spare(worker).ok_or(delivery::UNKNOWN)?;
        let consumer_of = &mut resident.extras(spare).flow.consumer_of;
        if !consumer_of.contains(&id) {
            consumer_of.push(id);
        }
        Ok(())
    }

    /// Sends a message from the owner to its first onward address.
    ///
    /// # Errors
    /// `NOD-2` to `NOD-5`; `NOD-9` when the receiver is full.
    pub fn send(&mut self, env: &mut Env<'_>, message: Message) -> Result<()> {
        self.handle(env, Input::Send(message)).map_err(|refused| refused.into_error("NOD-9"))
    }

    /// Whether bytes from a connection's peer would be taken now. While they would not, a driver leaves them
    /// in the socket, which slows the peer.
    pub fn reads(&self, connection: ConnectionId) -> bool {
        self.reads_from(connection)
    }

    /// Whether a worker of this node has this address.
    pub fn has_worker(&self, address: &Address) -> bool {
        self.table.find(address.as_ref()).is_some()
    }

    /// Whether what the worker at `address` sends on leads nowhere, for nobody has the first address of its way: an
    /// open channel whose connection is gone, for example. Its peer may come back over another one.
    pub fn is_orphaned(&self, address: &Address) -> bool {
        let worker = self.table.find(address.as_ref()).and_then(|(id, _)| self.table.get(id));
        let way = worker.and_then(|resident| resident.worker.way());
        way.is_some_and(|way| self.connections.dialled(&way).is_none() && !self.has_worker(&way))
    }

    /// What it holds of what nobody has authenticated, in all, and what it may.
    pub fn burden(&self) -> Burden {
        // What waits on a link is no larger than what may wait for a worker.
        let links = self.connections.links().saturating_mul(self.config.inbox_bytes);
        // Relays send on what they took even when that has become larger.
        let relayed = self.config.queue.saturating_mul(outbox::ADDED);
        let queued = self.config.queue_bytes.saturating_add(relayed);
        let mut burden = Burden {
            held: self.connections.held().saturating_add(self.queued.load.bytes),
            limit: self.config.held.saturating_add(queued).saturating_add(links),
            overdrawn: None,
        };
        // Not a `for`: the iterator runs through chunks, and is faster from within.
        self.table.residents().for_each(|resident| {
            let (held, limit) = (resident.worker.provisional(), resident.worker.provisional_limit());
            let waiting = resident.extras.as_ref().map_or(0, |extras| extras.inbox.load.messages);
            if (held > limit || waiting > self.config.inbox) && burden.overdrawn.is_none() {
                burden.overdrawn = resident.addresses.first().cloned();
            }
            burden.held = burden.held.saturating_add(held);
            burden.limit = burden.limit.saturating_add(limit);
        });
        burden
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.table.len()
    }

    /// How often things happened.
    pub fn counters(&self) -> Counters {
        Counters { failures: self.failures.by_blame, relayouts: self.relayouts, ..self.counters }
    }

    /// What failed and how often: the requirement that was not met, who is to blame, and a count that is never
    /// reset, in the order of the requirements' names. What the owner was told as an error of its own call is
    /// not among them.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, Blame, u64)> {
        self.failures.iter()
    }

    /// The start of every call. Time goes on or stands still, for what is inside the node as well.
    fn at(&mut self, env: &mut Env<'_>) {
        debug_assert!(self.outputs.is_empty(), "all outputs are taken before the next input");
        self.now = self.now.max(env.now);
        env.now = self.now;
        self.budget = Budget { frames: self.config.steps, reports: self.config.reports };
    }

    /// Counts and reports a message that was dropped.
    fn report(&mut self, message: Option<&Message>, error: Error) {
        let to = message.and_then(|message| message.onward().first()).map(|address| address.to_owned());
        self.report_to(to, error);
    }

    fn report_to(&mut self, to: Option<Address>, error: Error) {
        self.failures.count(error);
        self.tell(Event::Dropped { to, error });
    }

    /// Tells what strangers can bring about as often as they like.
    fn tell(&mut self, event: Event) {
        //= spec/src/nodes.md#nod-29
        //# A node MUST NOT report more dropped messages and failed handshakes of strangers in one call than the limit of reports, and count all of them.
        match self.budget.reports.checked_sub(1) {
            Some(left) => {
                self.budget.reports = left;
                self.outputs.push_back(Output::Event(event));
            }
            None => self.counters.unreported = self.counters.unreported.saturating_add(1),
        }
    }
}

impl Machine for Node {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, env: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        self.at(env);
        match input {
            Input::Received { connection, bytes } => {
                self.receive(env, connection, bytes).map_err(|refused| match refused {
                    Refused::Full(bytes) => Refused::Full(Input::Received { connection, bytes }),
                    Refused::Error(error) => Refused::Error(error),
                })?;
            }
            Input::Crossed { connection, crossing } => {
                self.crossed(connection, crossing).map_err(|refused| match refused {
                    Refused::Full(crossing) => Refused::Full(Input::Crossed { connection, crossing }),
                    Refused::Error(error) => Refused::Error(error),
                })?;
            }
            Input::Sent { connection, bytes } => self.sent(connection, bytes),
            Input::Disconnected { connection } => self.disconnect(connection),
            Input::Answer { id, answer } => self.answer(env, id, answer),
            Input::Taken { inbox, messages } => self.taken(&inbox, messages),
            Input::Send(message) => {
                self.dispatch(Source::Owner, message, Provenance::LOCAL).map_err(|refused| match refused {
                    Undelivered::Full(message, _) => Refused::Full(Input::Send(message)),
                    Undelivered::Error(error) => Refused::Error(error),
                })?;
            }
            Input::SendFrom { inbox, message, provenance } => {
                let (id, port) = self.inbox(&inbox)?;
                let provenance = if planted!(OwnerLendsItsName) { Provenance::LOCAL } else { provenance };
                //= spec/src/nodes.md#nod-19
                //# A worker that sends a received message on MUST NOT change its provenance.
                self.dispatch(Source::Worker(id, port), message, provenance).map_err(|refused| match refused {
                    Undelivered::Full(message, _) => Refused::Full(Input::SendFrom { inbox, message, provenance }),
                    Undelivered::Error(error) => Refused::Error(error),
                })?;
            }
        }
        self.run(env);
        Ok(())
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        self.at(env);
        self.expire(env);
        self.run(env);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        let work = !self.news.is_empty()
            || !self.scheduled.is_empty()
            || !self.waiting.ready.is_empty()
            || self.connections.has_work();
        if work || self.overdue {
            return Some(Deadline::new(self.now, "work"));
        }
        let timer = self.timers.first_key_value().map(|((at, _), (_, reason))| Deadline::new(*at, reason));
        let stalled = Deadline::earlier(self.connections.deadline(), self.waiting.deadline());
        Deadline::earlier(timer, stalled)
    }

    fn trusted(&self, picture: &mut Snapshot) {
        let there = |resident: &&table::Resident| !resident.worker.is_provisional() && !resident.is_retired();
        for resident in self.table.residents().filter(there) {
            for address in &resident.addresses {
                picture.bytes(address.as_ref().value);
            }
            resident.worker.trusted(picture);
        }
    }

    fn provisional(&self) -> usize {
        self.burden().held
    }

    fn provisional_limit(&self) -> usize {
        self.burden().limit
    }
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node")
            .field("workers", &self.workers())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
