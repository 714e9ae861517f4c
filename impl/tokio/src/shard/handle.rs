//! How others reach a shard.

use std::fmt;

use razor::error::Result as CoreResult;
use razor::node::{Answer, ConnectionId, Event, Provenance, RequestId};
use razor::routing::{Address, Message};
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::Shard;
use crate::error::{Error, Result};

/// Something to be done with a shard.
pub(crate) type Call = Box<dyn FnOnce(&mut Shard) + Send>;

/// What a shard takes.
pub(crate) enum Input {
    /// Something is to be done with the node.
    Call(Call),
    /// Bytes came from a connection's peer. There is one of these at a time for each connection.
    Received { connection: ConnectionId, bytes: Vec<u8> },
    /// Bytes were written to a connection's peer.
    Sent { connection: ConnectionId, bytes: u64 },
    /// A connection has ended.
    Gone { connection: ConnectionId },
    /// The answer to a question of the node's that could not be answered at once.
    Answer { id: RequestId, answer: Answer },
    /// The owner of an inbox took messages from it.
    Taken { inbox: Address, messages: usize },
    /// A message is to be sent.
    Send(Outgoing),
}

/// A message to be sent, and who waits for that.
pub(crate) struct Outgoing {
    /// The inbox that it is sent from.
    pub(crate) from: Address,
    pub(crate) message: Message,
    pub(crate) provenance: Provenance,
    pub(crate) ticket: Ticket,
}

/// Who waits for a message to enter the node.
pub(crate) struct Ticket {
    /// Dropped with the ticket: another message may be sent. So nobody has many waiting, not even those of them
    /// that nobody waits for any more.
    pub(crate) _permit: OwnedSemaphorePermit,
    /// Told how it went, if somebody wants to know.
    pub(crate) verdict: Option<oneshot::Sender<CoreResult<()>>>,
}

impl Ticket {
    pub(super) fn used(self, result: CoreResult<()>) {
        match (self.verdict, result) {
            (Some(verdict), result) => drop(verdict.send(result)),
            (None, Err(error)) => tracing::debug!(%error, "a message was not sent"),
            (None, Ok(())) => {}
        }
    }

    /// Whether somebody wanted to know how it went, and no longer does.
    pub(super) fn is_abandoned(&self) -> bool {
        self.verdict.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// How others reach a shard.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) index: usize,
    pub(super) tasks: TaskTracker,
    pub(super) runtime: runtime::Handle,
}

/// Undoes something on a shard when it is dropped, unless it is [kept](Self::keep): whoever called for what was made
/// may be gone before he hears of it.
pub(crate) struct Undo {
    shard: Handle,
    what: Option<Call>,
}

impl Handle {
    /// This shard's number.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Does something with the shard and gives back what comes of it.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let call = Box::new(move |shard: &mut Shard| drop(answer.send(call(shard))));
        self.send(Input::Call(call)).await?;
        answered.await.map_err(|_| Error::Stopped)
    }

    /// Gives it an input; waits while its queue is full.
    pub(crate) async fn send(&self, input: Input) -> Result<()> {
        self.inputs.send(input).await.map_err(|_| Error::Stopped)
    }

    /// Has the shard do something when it comes to it, from where nothing can be waited for.
    pub(crate) fn later(&self, call: impl FnOnce(&mut Shard) + Send + 'static) {
        if let Err(mpsc::error::TrySendError::Full(input)) = self.inputs.try_send(Input::Call(Box::new(call))) {
            let inputs = self.inputs.clone();
            // Whoever drops something may be on no thread of the runtime.
            self.tasks.spawn_on(async move { drop(inputs.send(input).await) }, &self.runtime);
        }
    }

    /// Undoes something that was just made on this shard, unless it is kept.
    pub(crate) fn undo(&self, what: impl FnOnce(&mut Shard) + Send + 'static) -> Undo {
        Undo { shard: self.clone(), what: Some(Box::new(what)) }
    }

    /// Undoes what is behind these addresses, unless it is kept.
    pub(crate) fn undo_workers(&self, addresses: Vec<Address>) -> Undo {
        self.undo(move |shard| {
            for address in addresses {
                // Whoever is gone already needs no stopping.
                let _ = shard.stop_worker(&address);
            }
        })
    }

    /// What happens from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

impl Undo {
    /// It stays.
    pub(crate) fn keep(mut self) {
        self.what = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.shard.later(what);
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.index)
    }
}
