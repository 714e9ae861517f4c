//! What a worker is, what it is given, and what it may do.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::event::Command;
use super::link::Crossing;
use crate::env::{Entropy, Instant, Timestamp};
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::machine::{Deadline, Snapshot};
use crate::routing::{Address, Message};

/// Which of its addresses a worker was reached at: an index into [`Spec::mailboxes`].
pub type Port = u8;

/// A worker: a state machine behind one or more addresses. Everything in a node is one.
///
/// A handler gets itself, one message and a [`Context`] whose calls are queued; nothing is re-entered.
/// An error is counted and reported as an event; the worker lives on.
pub trait Worker: Send {
    /// It has been started: its addresses lead to it. An error stops it again.
    fn handle_start(&mut self, _cx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// A message has arrived.
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()>;

    /// The time of [`Context::set_timer`] has come.
    fn handle_timeout(&mut self, _cx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// The answer to a [`Context::request`]; it may come late, twice or never.
    fn handle_answer(&mut self, _cx: &mut Context<'_>, _id: RequestId, _answer: Answer) -> Result<()> {
        Ok(())
    }

    /// The owner of the node tells it something.
    fn handle_command(&mut self, _cx: &mut Context<'_>, _command: Command) -> Result<()> {
        //= spec/src/nodes.md#nod-26
        //# A worker MUST refuse a command that it does not know.
        Err(Error::misuse("NOD-26", "the worker does not know this command"))
    }

    /// A worker that this one started with [`Context::start_child`], known by its first address, has told something
    /// or is gone.
    fn handle_news(&mut self, _cx: &mut Context<'_>, _child: &Address, _news: News) -> Result<()> {
        Ok(())
    }

    /// The worker is about to be stopped and may say its last words.
    fn handle_stop(&mut self, _cx: &mut Context<'_>) {}

    /// Whether it takes another message now. `false` fills its bounded inbox, then stops its senders.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether it is a relay at `port`: what it takes there, it sends on from there, one for one, and it must not
    /// be lost. While what it leads to is full, what it has taken waits, and whoever sends to `port` finds it full.
    /// A worker that many share is better no relay: one slow receiver would stop them all.
    fn leads_on(&self, _port: Port) -> bool {
        false
    }

    /// The address that all it sends on goes to first, while it has one such way.
    fn way(&self) -> Option<Address> {
        None
    }

    /// Adds its trusted state to `picture`.
    fn trusted(&self, _picture: &mut Snapshot) {}

    /// Whether it is there only because a stranger wanted it: nothing of it is trusted, not even that it is.
    fn is_provisional(&self) -> bool {
        false
    }

    /// How many bytes of provisional state it holds.
    fn provisional(&self) -> usize {
        0
    }

    /// The most that [`provisional`](Worker::provisional) ever says.
    fn provisional_limit(&self) -> usize {
        0
    }
}

/// A message as a worker receives it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message; the first onward address is the one it was delivered to.
    pub message: Message,
    /// Which of the worker's addresses that is.
    pub port: Port,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Where a message entered this node, and for whom it speaks. Only this crate can make one, and it is
/// never on the wire: it is what authorisation rests on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provenance(pub(crate) Origin);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A worker of this node, or the program that owns the node.
    Local,
    /// An unauthenticated connection.
    Connection(ConnectionId),
    /// A secure channel whose peer proved this identity.
    Channel(Identifier),
}

impl Provenance {
    /// A message that began in this node.
    pub const LOCAL: Self = Self(Origin::Local);

    pub(crate) const fn connection(connection: ConnectionId) -> Self {
        Self(Origin::Connection(connection))
    }

    pub(crate) const fn channel(peer: Identifier) -> Self {
        Self(Origin::Channel(peer))
    }

    /// The authenticated identity it speaks for, if it came out of a secure channel.
    pub const fn peer(&self) -> Option<&Identifier> {
        match &self.0 {
            Origin::Channel(peer) => Some(peer),
            _ => None,
        }
    }

    /// The connection it came from, unauthenticated.
    pub const fn from_connection(&self) -> Option<ConnectionId> {
        match self.0 {
            Origin::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// Whether it began in this node.
    pub const fn is_local(&self) -> bool {
        matches!(self.0, Origin::Local)
    }
}

impl core::fmt::Debug for Provenance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.0 {
            Origin::Local => f.write_str("local"),
            Origin::Connection(id) => write!(f, "connection {}", id.0),
            Origin::Channel(peer) => write!(f, "channel with {peer}"),
        }
    }
}

/// A transport connection, numbered by the driver; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A worker, for life: never reused for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A question to a vault or a store, numbered by the node; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a machine asks of the world besides bytes. The answer is an input that may come late, twice or
/// never; a local vault and store answer at once.
#[derive(Debug, Clone)]
pub enum Request {
    /// A long-term key is to be used.
    Vault(crate::vault::Request),
    /// A known change history is to be loaded or stored.
    Store(crate::identity::StoreRequest),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone)]
pub enum Answer {
    /// From the vault.
    Vault(Result<crate::vault::Answer>),
    /// From the store.
    Store(Result<crate::identity::StoreAnswer>),
}

/// What a worker hears of one that it has started. It is never lost, and waits in no inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A channel is open, with this peer.
    Opened(Identifier),
    /// Something authentic has come from the channel's peer, after a while.
    Heard,
    /// It has stopped, or could not be started. There is no other news of it after this.
    Gone,
}

/// Decides whether a message may pass.
pub trait AccessControl: Send + Sync {
    /// `Ok` lets it pass. An error with blame *denied* says which policy refused.
    fn check(&self, relay: &Relay<'_>) -> Result<()>;
}

/// What an access control decides on: one message between two workers.
#[derive(Debug, Clone, Copy)]
pub struct Relay<'a> {
    /// The worker that sends it.
    pub source: &'a Address,
    /// The worker that would receive it: the first onward address.
    pub destination: &'a Address,
    /// The message itself.
    pub message: &'a Message,
    /// Where it came from.
    pub provenance: Provenance,
}

/// One address of a worker to be started.
#[derive(Clone)]
pub struct Mailbox {
    /// The address.
    pub address: Address,
    /// What may come in; `None` is everything.
    pub incoming: Option<Arc<dyn AccessControl>>,
    /// What may go out; `None` is everything.
    pub outgoing: Option<Arc<dyn AccessControl>>,
}

impl Mailbox {
    /// An address that everything may pass.
    pub fn open(address: Address) -> Self {
        Self { address, incoming: None, outgoing: None }
    }
}

/// A worker to be started.
pub struct Spec {
    /// Its addresses; the index of each is its [`Port`]. The first is the one it is known by.
    pub mailboxes: Vec<Mailbox>,
    /// Its part in flow control.
    pub flow: Flow,
    /// The worker.
    pub worker: Box<dyn Worker>,
}

/// A flow control id: purely local, it ties what a connection or channel delivers to the workers that
/// may be reached through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowControlId(pub u64);

/// The part that a new worker plays in flow control (spec: "Nodes and workers", section "Flow control").
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// It delivers foreign messages into the node under this id, from port 0 only; the spawner that made it.
    pub producer: Option<FlowControlId>,
    /// The id of the spawner that made the producer.
    pub spawned_by: Option<FlowControlId>,
    /// It makes producers, under this id.
    pub spawner: Option<FlowControlId>,
    /// It may be reached through these ids, at port 0 only: what is behind its other ports is for this
    /// node alone.
    pub consumer_of: Vec<FlowControlId>,
    /// It opens something through this address, so it is also to be reached through what delivers there.
    pub through: Option<Address>,
}

/// What a handler asks the node to do, in order.
pub(crate) enum Op {
    Send {
        port: Port,
        message: Message,
        provenance: Provenance,
    },
    Start {
        spec: Spec,
        /// Whether the starter hears of it.
        child: bool,
    },
    /// To whom the worker is a child.
    TellParent(News),
    Stop(Address),
    StopSelf,
    Timer(Option<Deadline>),
    Request {
        id: RequestId,
        deadline: Instant,
        request: Request,
    },
    Event(super::Event),
    /// To the peer of a connection, or over a link; only its own worker asks for it.
    Transmit {
        connection: ConnectionId,
        crossing: Crossing,
    },
    /// To the owner of the node; only an inbox asks for it.
    HandOver(Delivery),
}

/// What a handler may do. Calls are queued and take effect when the handler has returned without error.
pub struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) wall: Timestamp,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) mailboxes: &'a [Address],
    pub(crate) next_request: &'a mut u64,
    pub(crate) next_flow: &'a mut u64,
    pub(crate) ops: &'a mut Vec<Op>,
}

impl Context<'_> {
    /// Monotonic time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Wall-clock time.
    pub fn wall(&self) -> Timestamp {
        self.wall
    }

    /// Randomness.
    pub fn entropy(&mut self) -> &mut dyn Entropy {
        self.entropy
    }

    /// The worker's address at `port`.
    pub fn address(&self, port: Port) -> Option<&Address> {
        self.mailboxes.get(usize::from(port))
    }

    /// Sends a message of the worker's own from the address at `port` to its first onward address.
    pub fn send(&mut self, port: Port, message: Message) {
        self.ops.push(Op::Send { port, message, provenance: Provenance::LOCAL });
    }

    /// Sends a received message on; where it came from stays what it was.
    pub fn forward(&mut self, port: Port, message: Message, provenance: Provenance) {
        self.ops.push(Op::Send { port, message, provenance });
    }

    /// Starts another worker.
    pub fn start_worker(&mut self, spec: Spec) {
        self.ops.push(Op::Start { spec, child: false });
    }

    /// Starts another worker and hears of it: what it tells, and when it is gone ([`Worker::handle_news`]).
    pub fn start_child(&mut self, spec: Spec) {
        self.ops.push(Op::Start { spec, child: true });
    }

    /// Tells the worker that has started this one as its child, if one has.
    pub fn tell_parent(&mut self, news: News) {
        self.ops.push(Op::TellParent(news));
    }

    /// Stops the worker that has this address.
    pub fn stop_worker(&mut self, address: Address) {
        self.ops.push(Op::Stop(address));
    }

    /// Stops this worker when the handler has returned.
    pub fn stop(&mut self) {
        self.ops.push(Op::StopSelf);
    }

    /// Sets or clears the worker's one timer.
    pub fn set_timer(&mut self, deadline: Option<Deadline>) {
        self.ops.push(Op::Timer(deadline));
    }

    /// Asks a vault or store. The answer comes to [`Worker::handle_answer`], if it comes.
    pub fn request(&mut self, request: Request, deadline: Instant) -> RequestId {
        let id = RequestId(*self.next_request);
        *self.next_request = self.next_request.saturating_add(1);
        self.ops.push(Op::Request { id, deadline, request });
        id
    }

    /// A flow control id that nothing else has.
    pub fn new_flow_control_id(&mut self) -> FlowControlId {
        let id = FlowControlId(*self.next_flow);
        *self.next_flow = self.next_flow.saturating_add(1);
        id
    }

    /// Tells the owner of the node.
    pub fn event(&mut self, event: super::Event) {
        self.ops.push(Op::Event(event));
    }
}

impl core::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context").field("now", &self.now).field("mailboxes", &self.mailboxes).finish_non_exhaustive()
    }
}

//= spec/src/nodes.md#nod-1
//# A worker MUST refuse a message at an address at which it takes none.
/// An error that a handler may return for a message that makes no sense to it.
pub(crate) const UNEXPECTED: Error = Error::misuse("NOD-1", "the worker does not take messages at this address");
