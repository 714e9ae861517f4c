//! Connections that are kept, and the workers by which peers go on over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use razor_tokio::{Connection, Node, Result};

use super::entrance::{Dialled, Doors};
use super::settings::{Connect, Through};

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

/// Keeps a connection until the node is shut down, and the worker that stands for it.
pub(super) async fn keep(node: Node, doors: Doors, through: Through, kept: Arc<Kept>) {
    let connections = node.keep_connected(&kept.connect.peer);
    let mut old: Option<Arc<Connection>> = None;
    while let Ok(connection) = connections.after(old.as_deref()).await {
        if let Err(error) = stand_for(&connection, &node, &doors, through, &kept).await {
            tracing::warn!(worker = %kept.connect.name, %error, "no worker stands for the connection");
            connections.redial();
        }
        old = Some(connection);
    }
}

/// Stands for a connection as long as it is there.
async fn stand_for(connection: &Connection, node: &Node, doors: &Doors, through: Through, kept: &Kept) -> Result<()> {
    let Connect { name, peer } = &kept.connect;
    let id = connection.id();
    let answers = Dialled::default();
    answers.add(id);
    doors.dialled.add(id);
    let started = doors.open(node, name, through, &answers).bridge(connection).await;
    if started.is_ok() {
        kept.up.store(true, Ordering::Relaxed);
        kept.made.fetch_add(1, Ordering::Relaxed);
        tracing::info!(%peer, worker = %name, "connected");
        connection.closed().await;
        kept.up.store(false, Ordering::Relaxed);
        // Gone already when the node is shutting down.
        let _ = node.stop_worker(name.as_str()).await;
    }
    doors.dialled.remove(id);
    started
}
