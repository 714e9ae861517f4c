//! A worker of one's own: something behind an address that takes one message after the other.

use std::time::Duration;

use razor_tokio::{Context, Node, Received, Result, Route, Worker};

/// Says it again, louder.
struct Shout {
    answered: u32,
}

impl Worker for Shout {
    async fn initialize(&mut self, context: &mut Context) -> Result<()> {
        println!("shout: I begin, at the address `{}`.", context.address());
        Ok(())
    }

    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        self.answered += 1;
        println!("shout: message {} is `{}`.", self.answered, message.payload().escape_ascii());
        let loud = message.payload().to_ascii_uppercase();
        context.reply(&message, &loud).await
    }

    async fn shutdown(&mut self, _context: &mut Context) {
        println!("shout: I answered {} messages and end.", self.answered);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let node = Node::start()?;
    node.start_worker("shout", Shout { answered: 0 }).await?;

    let mut me = node.context("me").await?;
    for (quiet, loud) in [("hello", "HELLO"), ("is anybody there?", "IS ANYBODY THERE?")] {
        let answer = me.request(Route::new().then("shout"), quiet.as_bytes(), Duration::from_secs(10)).await?;
        println!("me: the answer is `{}`.", answer.payload().escape_ascii());
        assert_eq!(answer.payload(), loud.as_bytes());
    }

    let taken = node.start_worker("shout", Shout { answered: 0 }).await.unwrap_err();
    println!("me: a second worker cannot have the address: {taken}");
    assert_eq!(taken.requirement(), Some("NOD-13"));

    node.shutdown().await;
    Ok(())
}
