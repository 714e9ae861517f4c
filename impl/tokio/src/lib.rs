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
//! | `session`, `kept` | channels and connections that are made anew when they die |
//! | `storage` | what outlives the node |
//! | `status` | counters, as text for Prometheus too |
//! | `network`, `clock` | the world: streams and time |

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
