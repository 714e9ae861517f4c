//! Listeners and connections, as their owner sees them.

use std::net::SocketAddr;
use std::time::Duration;

use razor::node::ConnectionId;
use razor::routing::{Address, Route};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::error::{Error, Result};
use crate::network::Accept;
use crate::reach::Reach;
use crate::shard::{Handle, Input};

/// How long a listener rests when the operating system gives it no connections.
const REST: Duration = Duration::from_millis(100);

/// Accepts connections until it is stopped.
pub(super) async fn accept_all(node: Node, mut accept: Box<dyn Accept>, reach: Reach, stop: CancellationToken) {
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
    pub(super) local_addr: SocketAddr,
    pub(super) reach: Reach,
    pub(super) stop: CancellationToken,
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
    pub(super) shard: Handle,
    pub(super) id: ConnectionId,
    pub(super) address: Address,
    pub(super) alias: Option<Address>,
    pub(super) alive: watch::Receiver<()>,
    pub(super) reach: Reach,
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
