//! A node with a worker that echoes, and a message that goes there and back.

use std::time::Duration;

use razor_tokio::{Node, Result, Route};

#[tokio::main]
async fn main() -> Result<()> {
    let node = Node::start()?;
    println!("A node runs. It has no port, no file and no name.");

    node.open("echo").echoer().await?;
    println!("A worker waits at the address `echo`.");

    let mut me = node.context("me").await?;
    println!("I have an address too, `{}`, and send from there: hello", me.address());

    let answer = me.request(Route::new().then("echo"), b"hello", Duration::from_secs(10)).await?;
    println!("Back came, by the route {}: {}", answer.return_route(), answer.payload().escape_ascii());
    assert_eq!(answer.payload(), b"hello");

    let nobody = me.send(Route::new().then("ehco"), b"hello").await.unwrap_err();
    println!("And when I mistype the address: {nobody}");
    assert_eq!(nobody.requirement(), Some("NOD-2"));

    node.shutdown().await;
    println!("The node has shut down; {} of its tasks are left.", node.tasks());
    assert_eq!(node.tasks(), 0);
    Ok(())
}
