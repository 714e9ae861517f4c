//! Two nodes over TCP, and who reaches what.

use std::time::Duration;

use razor_tokio::{Error, Node, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let bob = Node::start()?;
    let listener = bob.listen("127.0.0.1:0").await?;
    bob.open("echo").reached_through(listener.reach()).echoer().await?;
    bob.open("private").echoer().await?;
    println!("Bob listens. Who connects reaches his worker `echo`, and not his worker `private`.");

    let alice = Node::start()?;
    let connection = alice.connect(&listener.local_addr().to_string()).await?;
    let mut me = alice.open("me").reached_through(connection.reach()).context().await?;
    println!("Alice has connected, and takes answers that come back.");

    let answer = me.request(connection.route("echo"), b"hello", Duration::from_secs(10)).await?;
    println!("Alice sent `hello` to `echo`, and back came `{}`.", answer.payload().escape_ascii());
    assert_eq!(answer.payload(), b"hello");
    assert_eq!(answer.peer(), None);
    println!("Nobody has proved who said so: a connection is neither encrypted nor authenticated.");

    let silence = me.request(connection.route("private"), b"hello", Duration::from_millis(300)).await;
    println!("Alice sent `hello` to `private`, and {}.", silence.as_ref().unwrap_err());
    assert!(matches!(silence, Err(Error::Timeout)));

    for ((requirement, blame), count) in bob.status().await?.failures {
        println!("Bob's node knows of {count} message that was not delivered: {blame}, by {requirement}.");
        assert_eq!((requirement, count), ("NOD-4", 1));
    }

    alice.shutdown().await;
    bob.shutdown().await;
    Ok(())
}
