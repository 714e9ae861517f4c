//! Many messages: how long answers take, and how many come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use razor::routing::{Address, Route};
use razor_tokio::{Context, Error, Node, Reach};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::way::Way;
use crate::failure::{Failure, Result};
use crate::os::OsEntropy;

/// What is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) count: u64,
    /// How many are in flight.
    pub(super) window: u64,
    pub(super) payload: Arc<[u8]>,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    /// Nanoseconds from sending to the answer.
    pub(super) latency: Histogram<u64>,
    pub(super) answered: u64,
    /// Sent, and not answered in time.
    pub(super) lost: u64,
    pub(super) took: Duration,
    /// What ended it early.
    pub(super) broken: Option<String>,
}

struct Tally {
    latency: Histogram<u64>,
    left: u64,
    answered: u64,
    lost: u64,
}

/// Opens an address that answers come back to. Nobody guesses it.
pub(super) async fn open(node: &Node, way: &Way) -> std::result::Result<Context, Error> {
    node.open(Address::random(&mut OsEntropy)).reached_through(way.reach()).context().await
}

/// Sends the messages and waits for the answers.
pub(super) async fn run(node: &Node, way: &Way, load: &Load) -> Result<Measured> {
    // From a nanosecond to the longest patience, in three digits.
    let latency = Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
        .map_err(|e| Failure::failed(format!("latencies cannot be counted: {e}")))?;
    let tally = Arc::new(Mutex::new(Tally { latency, left: load.count, answered: 0, lost: 0 }));
    let mut senders = JoinSet::new();
    let mut contexts = Vec::new();
    for _ in 0..load.window.min(load.count) {
        contexts.push(open(node, way).await?);
    }
    let first = Arc::new(Notify::new());
    let start = Instant::now();
    let all = async {
        for context in contexts {
            let sender = Sender {
                node: node.clone(),
                reach: way.reach().clone(),
                route: way.route.clone(),
                load: load.clone(),
                tally: tally.clone(),
                first: first.clone(),
            };
            senders.spawn(sender.run(context));
            if senders.len() == 1 {
                // The first message goes alone: the other end of a channel holds few messages before it has verified
                // the last one of the handshake, and drops the others.
                first.notified().await;
            }
        }
        while let Some(ended) = senders.join_next().await {
            if let Ok(Err(error)) = ended {
                // What is sent to a channel that is gone is sent to nobody.
                return Some(way.is_gone().map_or_else(|| error.to_string(), |what| format!("{what} was closed")));
            }
        }
        None
    };
    let broken = tokio::select! {
        biased;
        broken = all => broken,
        what = way.gone() => Some(format!("{what} was closed")),
    };
    let took = start.elapsed();
    senders.shutdown().await;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let (answered, lost) = (tally.answered, tally.lost);
    Ok(Measured { latency: tally.latency.clone(), answered, lost, took, broken })
}

/// Sends one message after the other, each when the one before has its answer.
struct Sender {
    node: Node,
    reach: Reach,
    route: Route,
    load: Load,
    tally: Arc<Mutex<Tally>>,
    /// Told when a message has its answer, or none.
    first: Arc<Notify>,
}

impl Sender {
    async fn run(self, mut context: Context) -> std::result::Result<(), Error> {
        while self.take() {
            let start = Instant::now();
            let patience = self.load.patience;
            // The way in may be full as well.
            let answer = timeout(patience, context.request(&self.route, &self.load.payload, patience)).await;
            self.first.notify_one();
            match answer {
                Ok(Ok(_)) => {
                    let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    let mut tally = self.tally();
                    tally.answered += 1;
                    tally.latency.saturating_record(took);
                }
                Err(_) | Ok(Err(Error::Timeout)) => {
                    self.tally().lost += 1;
                    // An answer that comes late is not taken for that of the next message.
                    let address = Address::random(&mut OsEntropy);
                    context = self.node.open(address).reached_through(&self.reach).context().await?;
                }
                Ok(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes one of the messages that are left.
    fn take(&self) -> bool {
        let mut tally = self.tally();
        let left = tally.left.checked_sub(1);
        tally.left = left.unwrap_or(0);
        left.is_some()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
