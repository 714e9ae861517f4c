//! Asynchronous workers, and the context in which they and everybody else send and receive.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use razor::error::Result as CoreResult;
use razor::identity::Identifier;
use razor::node::{Delivery, Provenance};
use razor::routing::{Address, Message, Route, RouteRef};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::node::Node;
use crate::shard::{Handle, Input, Outgoing, Ticket};

/// How many messages one context may have on their way into the node.
const WINDOW: usize = 64;

/// How late the node may hear that a message was taken: far sooner than the stall time.
const PROMPT: Duration = Duration::from_millis(50);

/// Tells who sends a message how it went.
type Verdict = oneshot::Sender<CoreResult<()>>;

/// A worker: something behind an address that takes one message after the other.
///
/// ```
/// use razor_tokio::{Context, Received, Result, Worker};
///
/// struct Shout;
///
/// impl Worker for Shout {
///     async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
///         let loud = message.payload().to_ascii_uppercase();
///         context.reply(&message, &loud).await
///     }
/// }
/// ```
pub trait Worker: Send + 'static {
    /// The worker has its address; no message has come.
    ///
    /// # Errors
    /// Whatever keeps it from working: it is not started, and who starts it is told.
    fn initialize(&mut self, _context: &mut Context) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// A message has come. The next one waits until this returns: then its sender waits, when there are many.
    ///
    /// # Errors
    /// Are logged; the worker lives on. One of its own is [`Error::other`].
    fn handle_message(&mut self, context: &mut Context, message: Received) -> impl Future<Output = Result<()>> + Send;

    /// The worker is about to be stopped.
    fn shutdown(&mut self, _context: &mut Context) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct Received {
    delivery: Delivery,
}

impl Received {
    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.delivery.message.payload()
    }

    /// The way back to the sender.
    pub fn return_route(&self) -> RouteRef<'_> {
        self.delivery.message.return_route()
    }

    /// The rest of the way onward: the first address is the receiver's own.
    pub fn onward_route(&self) -> RouteRef<'_> {
        self.delivery.message.onward()
    }

    /// Where it came from, and for whom it speaks.
    pub fn provenance(&self) -> Provenance {
        self.delivery.provenance
    }

    /// Who sent it, if it came out of a secure channel.
    pub fn peer(&self) -> Option<&Identifier> {
        self.delivery.provenance.peer()
    }
}

/// How much is handed over to one context at most, or was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HandOver {
    pub(crate) messages: usize,
    /// The memory that they hold.
    pub(crate) bytes: usize,
}

/// An address of one's own: sends from it, receives at it. Dropping it frees the address.
pub struct Context {
    node: Node,
    shard: Handle,
    address: Address,
    messages: mpsc::Receiver<Delivery>,
    limits: HandOver,
    /// What was received and is not yet acknowledged.
    taken: HandOver,
    acknowledged: Instant,
    window: Arc<Semaphore>,
}

impl Context {
    pub(crate) fn new(
        node: Node,
        shard: Handle,
        address: Address,
        messages: mpsc::Receiver<Delivery>,
        limits: HandOver,
    ) -> Self {
        Self {
            limits,
            node,
            shard,
            address,
            messages,
            taken: HandOver::default(),
            acknowledged: Instant::now(),
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Sends `payload` along `route`, with this address as the return route. Returns when the message has
    /// entered the node; while the first receiver on its way is full, it waits. When it is cancelled, the message
    /// may be on its way or not; it does not wait any longer.
    ///
    /// # Errors
    /// `NOD-2` when nobody has the first address, `NOD-4` and `NOD-5` when it may not go there.
    pub async fn send(&mut self, route: impl Borrow<Route>, payload: &[u8]) -> Result<()> {
        let message = self.message(route.borrow(), payload);
        self.dispatch(message, Provenance::LOCAL).await
    }

    /// As [`send`](Self::send), without waiting for the message to have entered the node: some may be on
    /// their way there. What goes wrong is counted and logged.
    ///
    /// # Errors
    /// Only when the node has been shut down.
    pub async fn feed(&mut self, route: impl Borrow<Route>, payload: &[u8]) -> Result<()> {
        let message = self.message(route.borrow(), payload);
        self.outgoing(message, Provenance::LOCAL, None).await
    }

    /// Answers a message along its return route.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn reply(&mut self, to: &Received, payload: &[u8]) -> Result<()> {
        self.send(to.return_route().to_owned(), payload).await
    }

    /// Sends a message on along the rest of its onward route, with this address added to its return route.
    /// Where it came from stays what it was.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn forward(&mut self, message: Received) -> Result<()> {
        let Delivery { mut message, provenance, .. } = message.delivery;
        message.pop_onward()?;
        message.push_return(self.address.as_ref());
        self.dispatch(message, provenance).await
    }

    /// Sends `payload` along `route` and gives the next message that comes.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); [`Error::Timeout`] when nothing comes in time.
    pub async fn request(&mut self, route: impl Borrow<Route>, payload: &[u8], within: Duration) -> Result<Received> {
        self.send(route, payload).await?;
        tokio::time::timeout(within, self.receive()).await.map_err(|_| Error::Timeout)?
    }

    /// The next message. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the node has been shut down.
    pub async fn receive(&mut self) -> Result<Received> {
        // Whoever is quick acknowledges many at once, whoever is slow each of them: he is not to be taken for dead.
        let HandOver { messages, bytes } = self.taken;
        let many = messages >= self.limits.messages.div_ceil(2) || bytes >= self.limits.bytes / 2;
        if many || self.acknowledged.elapsed() > PROMPT {
            self.acknowledge().await?;
        }
        let delivery = self.messages.recv().await.ok_or(Error::Stopped)?;
        self.taken.messages += 1;
        // As the node counts, which waits at its limit.
        self.taken.bytes += delivery.message.footprint() + size_of::<Delivery>();
        Ok(Received { delivery })
    }

    /// Tells the node that messages were taken: it may hand over as many again.
    async fn acknowledge(&mut self) -> Result<()> {
        if self.taken.messages > 0 {
            let taken = Input::Taken { inbox: self.address.clone(), messages: self.taken.messages };
            self.shard.send(taken).await?;
            self.taken = HandOver::default();
            self.acknowledged = Instant::now();
        }
        Ok(())
    }

    fn message(&self, route: &Route, payload: &[u8]) -> Message {
        let mut message = Message::new(route.as_ref(), Route::from(self.address.clone()).as_ref(), payload);
        // The connection may be on another shard, where only its address leads.
        if let Some(first) = route.as_ref().first().filter(|first| !first.is_local())
            && let Some(sender) = self.node.dialled(&first.to_owned())
            && message.pop_onward().is_ok()
        {
            message.push_onward(sender.as_ref());
        }
        message
    }

    async fn dispatch(&mut self, message: Message, provenance: Provenance) -> Result<()> {
        let to = message.onward().first().map(|address| address.to_owned());
        let (verdict, outcome) = oneshot::channel();
        self.outgoing(message, provenance, Some(verdict)).await?;
        let outcome = outcome.await.map_err(|_| Error::Stopped)?;
        outcome.map_err(|error| Error::Protocol { error, address: to })
    }

    async fn outgoing(&mut self, message: Message, provenance: Provenance, verdict: Option<Verdict>) -> Result<()> {
        let from = self.address.clone();
        let permit = self.window.clone().acquire_owned().await.map_err(|_| Error::Stopped)?;
        let ticket = Ticket { _permit: permit, verdict };
        self.shard.send(Input::Send(Outgoing { from, message, provenance, ticket })).await
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.messages.close();
        let address = self.address.clone();
        self.shard.later(move |shard| shard.close_inbox(&address));
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Serves a worker until it is stopped.
pub(crate) async fn serve(mut worker: impl Worker, mut context: Context, stop: CancellationToken) {
    let _listed = Listed { node: context.node.clone(), address: context.address.clone() };
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            message = context.receive() => message,
        };
        let Ok(message) = message else { break };
        if let Err(error) = worker.handle_message(&mut context, message).await {
            tracing::warn!(worker = %context.address, %error, "a message was not handled");
        }
    }
    worker.shutdown(&mut context).await;
}

/// Takes a worker off the node's list when it ends, before its address is free for another; even if it panics.
struct Listed {
    node: Node,
    address: Address,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.node.unlist(&self.address);
    }
}
