//! Connections that are kept, and the workers by which peers go on over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use razor_tokio::{Error, Node, Result};
use tokio::time::{Instant, sleep, timeout};

use super::entrance::{Dialled, Doors};
use super::settings::{Connect, Through};

/// How long a connection may take to be made.
const DIAL: Duration = Duration::from_secs(10);

/// How long is waited before the first new try; each further wait is twice as long.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// A connection that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) connect: Connect,
    up: AtomicBool,
    made: AtomicU64,
}

impl Kept {
    pub(super) fn new(connect: Connect) -> Self {
        Self { connect, up: AtomicBool::new(false), made: AtomicU64::new(0) }
    }

    /// Whether it is there now.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// How often it was made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

/// Keeps a connection until the node is shut down: whenever it is lost, it is made again.
pub(super) async fn keep(node: Node, doors: Doors, through: Through, kept: Arc<Kept>) {
    let peer = &kept.connect.peer;
    let mut pause = FIRST;
    loop {
        let began = Instant::now();
        match once(&node, &doors, through, &kept).await {
            Ok(()) => tracing::warn!(%peer, "connection lost"),
            Err(Error::Stopped) => return,
            Err(error) => tracing::warn!(%peer, %error, "no connection"),
        }
        if began.elapsed() > LONGEST {
            pause = FIRST;
        }
        sleep(about(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Makes the connection once; returns when it is gone. The worker is there as long as the connection is.
async fn once(node: &Node, doors: &Doors, through: Through, kept: &Kept) -> Result<()> {
    let Connect { name, peer } = &kept.connect;
    let connection = timeout(DIAL, node.connect(peer)).await.map_err(|_| Error::Timeout)??;
    let id = connection.id();
    doors.dialled.add(id);
    let answers = Dialled::default();
    answers.add(id);
    let started = doors.open(node, name, through, &answers).bridge(&connection).await;
    if started.is_ok() {
        kept.up.store(true, Ordering::Relaxed);
        kept.made.fetch_add(1, Ordering::Relaxed);
        tracing::info!(%peer, worker = %name, "connected");
        connection.closed().await;
        kept.up.store(false, Ordering::Relaxed);
        // Gone already when the node is shutting down.
        let _ = node.stop_worker(name.as_str()).await;
    } else {
        let _ = connection.close().await;
    }
    doors.dialled.remove(id);
    started
}

/// Between half of a time and all of it, so that many who lost the same peer do not come back together.
fn about(time: Duration) -> Duration {
    // Without randomness, all of it.
    let share = getrandom::u32().map_or(1.0, |drawn| f64::from(drawn) / f64::from(u32::MAX));
    time.mul_f64(0.5 + share / 2.0)
}
