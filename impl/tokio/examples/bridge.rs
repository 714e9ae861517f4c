//! A node between two TCP connections. Alice and Bob have no connection with each other; both have one with
//! the middle.

use std::time::Duration;

use razor_tokio::{Node, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let bob = Node::start()?;
    let bobs = bob.listen("127.0.0.1:0").await?;
    bob.open("echo").reached_through(bobs.reach()).echoer().await?;
    println!("Bob listens, and echoes.");

    let middle = Node::start()?;
    let to_bob = middle.connect(&bobs.local_addr().to_string()).await?;
    let middles = middle.listen("127.0.0.1:0").await?;
    middle.open("bob").reached_through(middles.reach()).bridge(&to_bob).await?;
    println!("The middle is connected to Bob, and its worker `bob` stands for that connection. It listens, too.");

    let alice = Node::start()?;
    let to_middle = alice.connect(&middles.local_addr().to_string()).await?;
    let mut me = alice.open("me").reached_through(to_middle.reach()).context().await?;
    println!("Alice is connected to the middle.");

    let there = to_middle.route("bob").then("echo");
    println!("Her route has {} addresses: her connection, `bob`, `echo`.", there.as_ref().len());
    for text in ["hello", "are you still there?"] {
        let answer = me.request(&there, text.as_bytes(), Duration::from_secs(10)).await?;
        println!("Alice sent `{text}`, and back came `{}`.", answer.payload().escape_ascii());
        assert_eq!(answer.payload(), text.as_bytes());
    }

    for node in [alice, middle, bob] {
        node.shutdown().await;
    }
    Ok(())
}
