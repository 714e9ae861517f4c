//! Who may pass a worker, by where a message entered the node.
//!
//! Flow control decides what a connection or a channel delivers to. But a hop sends on what strangers say, to whom
//! they say. So each worker looks at where a message came from, too: that stays what it was, whatever way the
//! message takes inside.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use razor::Error;
use razor::node::{AccessControl, ConnectionId, Relay};
use razor_tokio::{Node, Reach, Starting};

use super::settings::Through;

/// The ways into the node.
#[derive(Debug, Clone, Default)]
pub(super) struct Doors {
    /// Of the TCP listeners.
    pub(super) listeners: Vec<Reach>,
    /// Of the listener for secure channels.
    pub(super) channels: Option<Reach>,
    /// All connections that this node made.
    pub(super) dialled: Dialled,
}

impl Doors {
    /// Prepares a worker that is open to these and to answers, and to nobody else.
    pub(super) fn open(&self, node: &Node, name: &str, through: Through, answers: &Dialled) -> Starting {
        let mut reach: Vec<&Reach> = Vec::new();
        if through.tcp() {
            reach.extend(&self.listeners);
        }
        if through.channels() {
            reach.extend(&self.channels);
        }
        let entrance = Entrance { through, answers: answers.clone() };
        reach.into_iter().fold(node.open(name), Starting::reached_through).incoming(entrance)
    }
}

/// Connections that this node made: answers come back on them.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialled(Arc<RwLock<BTreeSet<ConnectionId>>>);

impl Dialled {
    pub(super) fn add(&self, id: ConnectionId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    pub(super) fn remove(&self, id: ConnectionId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn contains(&self, id: ConnectionId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

/// Lets in what came through these, what began in this node, and answers.
#[derive(Debug, Clone)]
struct Entrance {
    through: Through,
    answers: Dialled,
}

impl AccessControl for Entrance {
    fn check(&self, relay: &Relay<'_>) -> razor::error::Result<()> {
        let from = relay.provenance;
        let allowed = match from.from_connection() {
            Some(connection) => self.through.tcp() || self.answers.contains(connection),
            None => from.is_local() || self.through.channels(),
        };
        if allowed { Ok(()) } else { Err(Error::denied("NOD-5", "the worker is not open to where this came from")) }
    }
}
