//! A connection: the task that moves bytes between a stream and its shard.
//!
//! Reading is closed-loop: after a chunk has gone to the shard nothing more is read until the node has taken
//! it, so a node that cannot go on fills the socket's buffer and slows the peer. Writing is bounded by the
//! node: it gives no more bytes than its limit for a connection before it hears that they were written.

use std::future::Future;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use razor::node::ConnectionId;
use razor::routing::{Address, Message};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::network::BoxStream;
use crate::shard::Input;

/// What is read at once from a connection that says little.
const LITTLE: usize = 2_048;

/// How long a connection that is to be closed may take to write what it still has.
const LINGER: Duration = Duration::from_secs(2);

/// How many slices are written at once: as many as the operating system takes.
const SLICES: usize = 1_024;

/// The shard's end of a connection. Dropping it closes the connection when all has been written.
pub(crate) struct Pipe {
    /// Frames of one turn of the shard, gathered to be written at once.
    gathered: Vec<Message>,
    frames: mpsc::UnboundedSender<Vec<Message>>,
    /// One permit: the next chunk may be read.
    turn: Arc<Semaphore>,
    /// Tells the task when this end is gone.
    _open: oneshot::Sender<()>,
    /// The address to send to in order to reach the peer's node, once it has one.
    pub(crate) sender: Option<Address>,
    /// What was dialled.
    pub(crate) dialled: Option<Address>,
    /// Tells others.
    _alive: watch::Sender<()>,
}

impl Pipe {
    /// Adds a frame; `true` when it is the first to be flushed.
    pub(crate) fn push(&mut self, frame: Message) -> bool {
        self.gathered.push(frame);
        self.gathered.len() == 1
    }

    /// Gives the writer what has been gathered.
    pub(crate) fn flush(&mut self) {
        if !self.gathered.is_empty() {
            // A writer that is gone has told the shard so.
            let _ = self.frames.send(std::mem::take(&mut self.gathered));
        }
    }

    /// The last chunk was taken: the next may come.
    pub(crate) fn go_on(&self) {
        self.turn.add_permits(1);
    }
}

/// A connection over `stream`: the shard's end, and the task that serves the other.
pub(crate) fn open(
    id: ConnectionId,
    stream: BoxStream,
    shard: mpsc::Sender<Input>,
    chunk: usize,
    alive: watch::Sender<()>,
) -> (Pipe, impl Future<Output = ()> + Send) {
    // The bound of this queue is the node's: it gives no more before it hears that bytes were written.
    let (frames, queue) = mpsc::unbounded_channel();
    let turn = Arc::new(Semaphore::new(1));
    let (open, closed) = oneshot::channel();
    let pipe = Pipe {
        gathered: Vec::new(),
        frames,
        turn: turn.clone(),
        _open: open,
        sender: None,
        dialled: None,
        _alive: alive,
    };
    (pipe, serve(id, stream, shard, chunk, Ends { turn, queue, closed }))
}

/// The task's ends of a [`Pipe`].
struct Ends {
    turn: Arc<Semaphore>,
    queue: mpsc::UnboundedReceiver<Vec<Message>>,
    closed: oneshot::Receiver<()>,
}

async fn serve(id: ConnectionId, stream: BoxStream, shard: mpsc::Sender<Input>, chunk: usize, ends: Ends) {
    let Ends { turn, mut queue, closed } = ends;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let read = async {
        let mut room = LITTLE;
        loop {
            let Ok(permit) = turn.acquire().await else { return };
            permit.forget();
            let mut bytes = Vec::with_capacity(room);
            match reader.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                // Who fills the room gets more of it, up to a chunk; who uses little keeps little.
                Ok(read) if read == room => room = (room * 2).min(chunk),
                Ok(read) if read < room / 4 => room = (room / 2).max(LITTLE),
                Ok(_) => {}
            }
            if shard.send(Input::Received { connection: id, bytes }).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some(frames) = queue.recv().await {
            let Ok(bytes) = write_all(&mut writer, &frames).await else { return };
            if shard.send(Input::Sent { connection: id, bytes }).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    let closing = async {
        let _ = closed.await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        () = read => {}
        () = write => {}
        () = closing => {}
    }
    let _ = shard.send(Input::Gone { connection: id }).await;
}

/// Writes the payloads of all frames; gives the number of bytes.
async fn write_all(writer: &mut (impl AsyncWrite + Unpin), frames: &[Message]) -> io::Result<u64> {
    let mut total = 0;
    for frames in frames.chunks(SLICES) {
        let mut slices: Vec<IoSlice<'_>> = frames.iter().map(|frame| IoSlice::new(frame.payload())).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let written = writer.write_vectored(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            total += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    writer.flush().await?;
    Ok(total)
}
