//! A slow worker slows its sender; what goes wrong is counted; at the end there is time for last words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use razor_tokio::{Context, Error, Node, Received, Result, Route, Worker};
use tokio::sync::Semaphore;

/// Takes a message whenever the gate lets it.
struct Slow {
    gate: Arc<Semaphore>,
    taken: usize,
}

impl Worker for Slow {
    async fn handle_message(&mut self, _context: &mut Context, _message: Received) -> Result<()> {
        self.gate.acquire().await.expect("nobody closes the gate").forget();
        self.taken += 1;
        Ok(())
    }

    async fn shutdown(&mut self, _context: &mut Context) {
        println!("slow: I took {} messages, and end.", self.taken);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let node = Node::start()?;
    let gate = Arc::new(Semaphore::new(0));
    node.start_worker("slow", Slow { gate: gate.clone(), taken: 0 }).await?;

    let sent = Arc::new(AtomicUsize::new(0));
    let sender = tokio::spawn({
        let (sent, mut me) = (sent.clone(), node.context("me").await?);
        async move {
            for _ in 0..1000 {
                me.send(Route::new().then("slow"), b"hello").await?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Error>(())
        }
    });
    // Until no more has been sent for a while.
    let mut before = usize::MAX;
    while sent.load(Ordering::Relaxed) != before {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!((1..400).contains(&before) && !sender.is_finished(), "{before} were sent");
    println!("Somebody sends 1000 messages to a worker that takes none. Before the 400th he has to wait.");

    gate.add_permits(1000);
    sender.await.expect("the sender does not panic")?;
    println!("When the worker takes them, the sender goes on, and sends them all.");

    let mut me = node.context("me, again").await?;
    for _ in 0..2 {
        me.feed(Route::new().then("solw"), b"hello").await?;
    }
    println!("Two messages to a mistyped address, for which nobody waited. The counters for Prometheus say:");
    let text = node.status().await?.prometheus();
    for line in text.lines().filter(|line| line.starts_with("razor_failures_total")) {
        println!("  {line}");
    }
    assert!(text.contains("razor_failures_total{requirement=\"NOD-2\",blame=\"misuse\"} 2"));

    // It takes what has come before it ends.
    while gate.available_permits() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node.shutdown().await;
    println!("After the shutdown {} of the node's tasks are left.", node.tasks());
    assert_eq!(node.tasks(), 0);
    Ok(())
}
