//! Sessions: a secure channel that is made anew whenever it dies, and the connection below it likewise.

use std::time::Duration;

use razor::node::{Flow, Mailbox};
use razor::routing::{Address, Route, TransportType};
use razor::session::{self, Keeping, Kept};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::channel::ChannelOptions;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::kept::KeptConnection;
use crate::node::Node;
use crate::reach::Reach;
use crate::shard::Handle;

/// How a session is to be.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How its channels are to be.
    pub channel: ChannelOptions,
    /// The far node's worker that sends pings back.
    pub echo: Address,
    /// Its times.
    pub times: session::Config,
}

impl Node {
    /// Keeps a session with the node at the end of `route`: a secure channel that is made anew whenever it
    /// dies. It begins at once and needs nobody from then on. When the route begins with a transport address
    /// (`1#host:port => api`), the connection is kept as well: dialled now, and again when it is gone or when
    /// nothing comes through it any more.
    ///
    /// # Errors
    /// Those of the node; a peer that is not there is none: the session goes on trying.
    pub async fn keep_session(
        &self,
        identity: &Identity,
        route: impl Into<Route>,
        options: SessionOptions,
    ) -> Result<Session> {
        let route = route.into();
        let SessionOptions { channel, echo, times } = options;
        let config = channel.config(self, identity)?;
        let connection = match route.as_ref().first() {
            Some(first) if first.transport == TransportType::TCP => {
                Some(self.keep_connected(&String::from_utf8_lossy(first.value)))
            }
            _ => None,
        };
        let dialled = connection.as_ref().map(KeptConnection::stop_on_drop);
        if let Some(connection) = &connection {
            // An attempt that begins before there is a connection would be lost, and only the next would succeed.
            let _ = tokio::time::timeout(times.attempt_timeout, connection.up()).await;
        }
        let shard = match &connection {
            Some(connection) => connection.shard.clone(),
            None => self.shard_of(&route).await?,
        };
        let keep = channel.suite.makers().keep;
        let keeping = Keeping { channel: config, route, echo, session: times };
        let handle = shard.clone();
        let kept = shard.call(move |shard| {
            shard.keep_session(keep, keeping).map(|kept| {
                let undo = handle.undo_workers(vec![kept.0.session.clone(), kept.0.way.clone()]);
                let gates = shard.open_gates(&Mailbox::open(kept.0.way.clone()), |_| Flow::default());
                (kept, gates, undo)
            })
        });
        let ((kept, up), gates, undo) = kept.await??;
        gates.opened(&kept.way).await?;
        undo.keep();
        dialled.map(DropGuard::disarm);
        let reach = Reach::only(self.shards().len(), shard.index(), Some(kept.reached_through));
        let ended = CancellationToken::new();
        if let Some(connection) = connection {
            // Whatever goes wrong with one attempt, the next has the same connection to itself.
            let patience = times.attempt_timeout * 2 + times.backoff_max;
            self.spawn(redial(connection, up.clone(), patience, ended.clone()));
        }
        Ok(Session { shard, kept, up, reach, ended })
    }
}

/// Dials anew when the session's peer is declared dead, and when there is none for so long that the way is to blame.
async fn redial(
    connection: KeptConnection,
    mut up: watch::Receiver<bool>,
    patience: Duration,
    ended: CancellationToken,
) {
    let watch = async {
        loop {
            match tokio::time::timeout(patience, up.wait_for(|up| *up)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    connection.redial();
                    continue;
                }
            }
            if up.wait_for(|up| !*up).await.is_err() {
                return;
            }
            connection.redial();
        }
    };
    tokio::select! {
        () = watch => {}
        () = ended.cancelled() => {}
    }
    connection.stop();
}

/// A session that is kept. It goes on when this is dropped; [`stop`](Self::stop) ends it.
#[derive(Debug)]
pub struct Session {
    shard: Handle,
    kept: Kept,
    up: watch::Receiver<bool>,
    reach: Reach,
    ended: CancellationToken,
}

impl Session {
    /// The address to send to: the way to the far node, whichever channel it is now.
    pub fn address(&self) -> &Address {
        &self.kept.way
    }

    /// A route through the session to a worker of the far node.
    pub fn route(&self, to: impl Into<Address>) -> Route {
        Route::from(self.kept.way.clone()).then(to)
    }

    /// What the far node reaches here.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until it is up.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the node has been shut down.
    pub async fn up(&self) -> Result<()> {
        self.up.clone().wait_for(|up| *up).await.map(drop).map_err(|_| Error::Stopped)
    }

    /// Waits until it is down.
    pub async fn down(&self) {
        let _ = self.up.clone().wait_for(|up| !*up).await;
    }

    /// Ends it, its channel, and the connection that was dialled for it.
    ///
    /// # Errors
    /// `NOD-2` when it has ended already.
    pub async fn stop(self) -> Result<()> {
        self.ended.cancel();
        let Kept { way, session, .. } = self.kept;
        let stopped = {
            let session = session.clone();
            // Both at once: nobody stops the other when this is cancelled in between.
            self.shard.call(move |shard| shard.stop_worker(&session).and(shard.stop_worker(&way))).await?
        };
        stopped.map_err(|error| Error::at(error, &session))
    }
}
