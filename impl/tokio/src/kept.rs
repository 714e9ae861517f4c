//! Connections that are kept: dialled again when they are gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Error, Result};
use crate::node::{Connection, Node};
use crate::shard::Handle;

/// The first pause after a connection could not be made; each that follows is twice as long.
const SHORTEST: Duration = Duration::from_millis(500);

/// How long one attempt to connect may take: a way that is open answers sooner.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// A connection that is dialled again whenever it is gone. It goes on when this is dropped;
/// [`stop`](Self::stop) ends it.
#[derive(Debug, Clone)]
pub struct KeptConnection {
    /// Where each of its connections lives.
    pub(crate) shard: Handle,
    newest: watch::Receiver<Option<Arc<Connection>>>,
    redial: Arc<Notify>,
    stop: CancellationToken,
}

impl Node {
    /// Keeps a connection to the node that listens at `peer`, a `host:port`. Routes that begin with
    /// `1#host:port` go over it, whichever it is now.
    pub fn keep_connected(&self, peer: &str) -> KeptConnection {
        let (says, newest) = watch::channel(None);
        let kept = KeptConnection {
            shard: self.any_shard().clone(),
            newest,
            redial: Arc::new(Notify::new()),
            stop: self.stop_token(),
        };
        self.spawn(keep(self.clone(), peer.to_owned(), says, kept.clone()));
        kept
    }
}

impl KeptConnection {
    /// Whether there is a connection.
    pub fn is_up(&self) -> bool {
        self.newest.borrow().is_some()
    }

    /// Waits until there is a connection, and gives it.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it has been stopped.
    pub async fn up(&self) -> Result<Arc<Connection>> {
        self.after(None).await
    }

    /// Waits until there is another connection than this one, and gives it.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it has been stopped.
    pub async fn after(&self, old: Option<&Connection>) -> Result<Arc<Connection>> {
        let old = old.map(Connection::id);
        let mut newest = self.newest.clone();
        let another = newest.wait_for(|newest| newest.as_ref().is_some_and(|newest| Some(newest.id()) != old));
        let another = another.await.map_err(|_| Error::Stopped)?;
        another.clone().ok_or(Error::Stopped)
    }

    /// Closes the connection that there is and dials anew: nothing comes through it any more.
    pub fn redial(&self) {
        self.redial.notify_one();
    }

    /// Closes the connection for good when what comes back is dropped.
    pub(crate) fn stop_on_drop(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Closes the connection for good.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

async fn keep(node: Node, peer: String, newest: watch::Sender<Option<Arc<Connection>>>, kept: KeptConnection) {
    let mut pause = SHORTEST;
    loop {
        let connected = tokio::select! {
            () = kept.stop.cancelled() => return,
            connected = tokio::time::timeout(PATIENCE, node.connect_on(&kept.shard, &peer)) => connected,
        };
        match connected.unwrap_or(Err(Error::Timeout)) {
            Ok(connection) => {
                let connection = Arc::new(connection);
                newest.send_replace(Some(connection.clone()));
                tracing::info!(%peer, "connected");
                let begun = tokio::time::Instant::now();
                tokio::select! {
                    () = connection.closed() => {}
                    () = kept.redial.notified() => {}
                    () = kept.stop.cancelled() => {}
                }
                let _ = connection.close().await;
                newest.send_replace(None);
                tracing::info!(%peer, "connection gone");
                if begun.elapsed() > LONGEST {
                    pause = SHORTEST;
                }
            }
            Err(Error::Stopped) => return,
            Err(error) => tracing::info!(%peer, %error, "no connection"),
        }
        tokio::select! {
            () = kept.stop.cancelled() => return,
            () = tokio::time::sleep(about(pause)) => {}
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Between half of a time and all of it, so that many who lost the same peer do not come back together.
fn about(time: Duration) -> Duration {
    // Without randomness, all of it.
    let share = getrandom::u32().map_or(1.0, |drawn| f64::from(drawn) / f64::from(u32::MAX));
    time.mul_f64(0.5 + share / 2.0)
}
