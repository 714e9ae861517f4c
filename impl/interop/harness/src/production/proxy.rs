//! A link that misbehaves: it passes frames of the TCP transport on, and on request delays them, changes their order or
//! loses some, or takes another connection to the same listener for what is still to come.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::capture::{Capture, Tapped};
use crate::table::Outcome;

/// The byte that opens a stream.
const VERSION: u8 = 1;

/// How many frames wait at most.
const QUEUE: usize = 256;

/// What happens to the frames of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// So many pass, then so many are lost, then all pass again.
    Drop { after: usize, count: usize },
    /// So many are held back until there are as many, or no more come, and then sent in reverse order.
    Reverse(usize),
    /// Each comes so much later.
    Delay(Duration),
}

/// A direction, seen from who has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    There,
    Back,
}

/// How long a frame waits for others that it may be exchanged with.
const GATHER: Duration = Duration::from_millis(30);

#[derive(Default)]
struct State {
    there: Direction,
    back: Direction,
    /// How often what is sent there is to take another connection.
    path: usize,
}

#[derive(Default)]
struct Direction {
    fault: Fault,
    /// How many frames have come since the fault began.
    seen: usize,
}

impl State {
    fn direction(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::There => &mut self.there,
            Way::Back => &mut self.back,
        }
    }
}

/// The link. It is gone when this is dropped.
pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands before the listener at `target`.
    pub(crate) async fn start(target: &str, capture: &Capture) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let state = Arc::<Mutex<State>>::default();
        let (target, capture, shared) = (target.to_owned(), capture.clone(), state.clone());
        let task = tokio::spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                links.spawn(link(client, target.clone(), capture.clone(), shared.clone()));
            }
        });
        Ok(Self { address, state, task })
    }

    /// From now on this happens to the frames of one direction.
    pub(crate) fn set(&self, way: Way, fault: Fault) {
        *lock(&self.state).direction(way) = Direction { fault, seen: 0 };
    }

    /// What is sent there from now on goes over a new connection, and the old one is closed.
    pub(crate) fn change_path(&self) {
        lock(&self.state).path += 1;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection of the client, and those to the listener that belong to it. When one side ends, so do all.
async fn link(client: TcpStream, target: String, capture: Capture, state: Arc<Mutex<State>>) -> io::Result<()> {
    let (from_client, mut to_client) = tokio::io::split(capture.tap(client, false)?);
    to_client.write_all(&[VERSION]).await?;
    let [(there, arrived), (back, returned)] = [(); 2].map(|()| mpsc::channel(QUEUE));
    let [(outgoing, mut sent), (incoming, mut answers)] = [(); 2].map(|()| mpsc::channel(QUEUE));
    let mut outward = Outward { target, capture, back, state: state.clone(), path: None, readers: JoinSet::new() };
    outward.follow().await?;
    // They end with this.
    let mut tasks = JoinSet::new();
    tasks.spawn(read(from_client, there));
    tasks.spawn(pass(state.clone(), Way::There, arrived, outgoing));
    tasks.spawn(pass(state, Way::Back, returned, incoming));
    loop {
        tokio::select! {
            Some(frame) = sent.recv() => outward.send(&frame).await?,
            Some(frame) = answers.recv() => to_client.write_all(&frame).await?,
            else => return Ok(()),
        }
    }
}

/// The way to the listener.
struct Outward {
    target: String,
    capture: Capture,
    state: Arc<Mutex<State>>,
    /// Where what comes from the listener goes.
    back: mpsc::Sender<Vec<u8>>,
    /// The newest connection, and its number.
    path: Option<(usize, WriteHalf<Tapped>)>,
    readers: JoinSet<io::Result<()>>,
}

impl Outward {
    /// Makes a new connection, if there is to be one.
    async fn follow(&mut self) -> io::Result<()> {
        let wanted = lock(&self.state).path;
        if self.path.as_ref().is_some_and(|(path, _)| *path == wanted) {
            return Ok(());
        }
        let (from_listener, mut to_listener) = tokio::io::split(self.capture.connect(&self.target).await?);
        to_listener.write_all(&[VERSION]).await?;
        self.readers.spawn(read(from_listener, self.back.clone()));
        if let Some((_, mut old)) = self.path.replace((wanted, to_listener)) {
            old.shutdown().await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.follow().await?;
        match &mut self.path {
            Some((_, stream)) => stream.write_all(frame).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Reads the opening byte, then frames, each with its length.
async fn read(mut from: ReadHalf<Tapped>, to: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    if from.read_u8().await? != VERSION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    loop {
        let length = from.read_u32().await?;
        let mut frame = length.to_be_bytes().to_vec();
        (&mut from).take(u64::from(length)).read_to_end(&mut frame).await?;
        if to.send(frame).await.is_err() {
            return Ok(());
        }
    }
}

/// Passes frames on, with what is to happen to them.
async fn pass(
    state: Arc<Mutex<State>>,
    way: Way,
    mut frames: mpsc::Receiver<Vec<u8>>,
    to: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        let (fault, number) = {
            let mut state = lock(&state);
            let direction = state.direction(way);
            direction.seen += 1;
            (direction.fault, direction.seen)
        };
        let mut held = vec![frame];
        match fault {
            Fault::Drop { after, count } if (after + 1..=after + count).contains(&number) => held.clear(),
            Fault::None | Fault::Drop { .. } => {}
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Reverse(many) => {
                while held.len() < many
                    && let Ok(Some(frame)) = timeout(GATHER, frames.recv()).await
                {
                    held.push(frame);
                }
                held.reverse();
            }
        }
        for frame in held {
            to.send(frame).await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}
