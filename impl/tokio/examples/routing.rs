//! Three hops within a node: how the onward route shrinks, how the return route grows.

use std::time::Duration;

use razor_tokio::{Context, Node, Received, Result, Route, Worker};

/// Sends everything on, and says what it saw.
struct Hop;

impl Worker for Hop {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let (me, onward, back) = (context.address(), message.onward_route().to_string(), message.return_route());
        println!("{me}  onward {onward:30}  back {back}");
        context.forward(message).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let node = Node::start()?;
    for name in ["a", "b", "c"] {
        node.start_worker(name, Hop).await?;
    }
    node.open("echo").echoer().await?;

    let mut me = node.context("me").await?;
    let there: Route = "a => b => c => echo".parse()?;
    println!("I send along {there}:");
    let answer = me.request(&there, b"hello", Duration::from_secs(10)).await?;

    println!("The answer came back, and says how to send another: {}", answer.return_route());
    assert_eq!(answer.payload(), b"hello");
    assert_eq!(answer.return_route().to_owned(), there);

    node.shutdown().await;
    Ok(())
}
