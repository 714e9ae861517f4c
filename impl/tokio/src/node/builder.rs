//! How a node is to be, before it is.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use razor::channel::OrphanTime;
use razor::env::Seeded;
use razor::node;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Inner, Node};
use crate::clock::{Clock, WallClock};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::link::{self, Dialled};
use crate::network::{Network, Tcp};
use crate::shard;
use crate::storage::Storage;
use crate::worker::HandOver;

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
            hand_over: HandOver {
                messages: usize::try_from(self.config.hand_over).unwrap_or(usize::MAX),
                bytes: self.config.hand_over_bytes,
            },
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
