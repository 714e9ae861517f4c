//! # The Razor node on tokio
//!
//! Sockets, clocks and tasks around the machines of the crate [`razor`], which does everything that has to do
//! with the protocol. See the guide in `docs/`.
//!
//! ```no_run
//! use razor_tokio::{ChannelOptions, Node, Result};
//!
//! # async fn example() -> Result<()> {
//! let node = Node::start()?;
//! let identity = node.create_identity().await?;
//! let connection = node.connect("localhost:4000").await?;
//! let channel = node.create_secure_channel(&identity, connection.route("api"), ChannelOptions::default()).await?;
//!
//! let mut context = node.open("me").reached_through(channel.reach()).context().await?;
//! context.send(channel.route("echo"), b"hello").await?;
//! let answer = context.receive().await?;
//! assert_eq!(answer.payload(), b"hello");
//! assert_eq!(answer.peer(), Some(channel.peer()));
//! node.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//!
//! A node has one or more *shards*: tasks that own a core node each. Read in this order:
//!
//! | file | what |
//! |---|---|
//! | `node` | [`Node`]: what its owner calls |
//! | `shard` | the task that owns a core node: inputs in, outputs done |
//! | `link` | how the shards are one: messages cross in memory, workers have gates |
//! | `connection` | the task that moves bytes between a stream and its shard |
//! | `worker` | [`Worker`] and [`Context`]: asynchronous code behind an address |
//! | `channel`, `turns`, `identity`, `keys`, `suite` | secure channels and what they need |
//! | `aws_lc` | with the feature `aws-lc`: the suites with the ciphers and the key agreement of AWS-LC |
//! | `session`, `kept` | channels and connections that are made anew when they die |
//! | `storage` | what outlives the node |
//! | `status` | counters, as text for Prometheus too |
//! | `network`, `clock` | the world: streams and time |
//!
//! # What threads share
//!
//! A core node belongs to one task, and whatever is to be done with it is sent there: over tokio's bounded queues, or
//! between shards over links, whose bound is the node's. So there is little that two threads touch at once:
//!
//! | what | by what | why nothing can go wrong between two calls |
//! |---|---|---|
//! | the vault and the store (`keys`) | a lock each | each call is one lookup or one insertion; no call takes both locks, or waits while it has one |
//! | the histories on disk (`keys`) | a lock | who has it writes what the store knows then, and not what he was told before |
//! | what was dialled (`link`) | a lock | an entry is removed only by the connection that it names |
//! | how to stop each worker (`node`) | a lock | an entry comes after the address was taken and goes before it is free, so that no two workers have one entry |
//! | numbers of connections, the next shard | an atomic number each | nothing else is published through them; a shard draws a number in its own task, so that its numbers grow |
//! | a connection's turn to read, turns of handshakes, the window of a context | tokio's semaphores | |
//!
//! One lock alone is taken while another is held: the store's, by who writes to the disk. That the newest history is on the
//! disk whoever comes first is shown by a model that goes through every order of two threads: `cargo test -p razor-tokio
//! --features loom --lib keys`. There is no wake-up of our own making, no lock-free structure and no memory ordering to get right:
//! a model of the rest would be one of tokio's channels and the standard library's locks. What remains is the order of
//! events, and that is tested: `tests/order.rs` (nodes that stop and connections that go while somebody waits),
//! `tests/leaks.rs` (futures that are dropped at each of their await points) and `tests/faults.rs` (partitions, held
//! links and restarts, simulated).

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
mod bridge;
mod channel;
mod clock;
mod connection;
mod error;
mod identity;
mod kept;
mod keys;
mod link;
mod network;
mod node;
mod reach;
mod session;
mod shard;
mod status;
pub mod storage;
mod suite;
mod sync;
mod turns;
mod worker;

pub use channel::{ChannelOptions, ListenerOptions, SecureChannel, SecureChannelListener};
pub use clock::WallClock;
pub use error::{Error, Result};
pub use identity::Identity;
pub use kept::KeptConnection;
pub use network::{Accept, BoxFuture, BoxStream, Network, Stream, Tcp};
pub use node::{Builder, Connection, Listener, Node, Starting};
pub use reach::Reach;
pub use session::{Session, SessionOptions};
pub use status::Status;
pub use suite::Suite;
pub use worker::{Context, Received, Worker};

// What nearly every program names of the core.
pub use razor::channel::Trust;
pub use razor::identity::Identifier;
pub use razor::node::{
    AccessControl, AllOf, AnyChannelPeer, AnyOf, ChannelPeers, DenyAll, Event, FromAddresses, LocalOnly, Relay,
    ToAddresses,
};
pub use razor::routing::{Address, Route};
