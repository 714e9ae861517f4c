//! A secure channel over two TCP hops: Alice and Bob are authenticated to each other, and the node between
//! them is not needed for that.

use std::time::Duration;

use razor_tokio::{ChannelOptions, Context, ListenerOptions, Node, Received, Result, Trust, Worker};

/// Says who it talks to.
struct Greeter {
    known: Vec<(razor_tokio::Identifier, &'static str)>,
}

impl Worker for Greeter {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let known = self.known.iter().find(|(identifier, _)| message.peer() == Some(identifier));
        let name = known.map_or("stranger", |(_, name)| name);
        context.reply(&message, format!("good morning, {name}").as_bytes()).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let (alice, middle, bob) = (Node::start()?, Node::start()?, Node::start()?);
    let (alices, bobs) = (alice.create_identity().await?, bob.create_identity().await?);
    println!("Alice and Bob have made an identity each, and know each other's identifier.");

    let listener = bob.listen("127.0.0.1:0").await?;
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = bob.create_secure_channel_listener(&bobs, "api", options).await?;
    let greeter = Greeter { known: vec![(alices.identifier(), "Alice")] };
    bob.open("greeter").reached_through(channels.reach()).worker(greeter).await?;
    println!("Bob takes secure channels at `api`. Only through a channel does one reach his `greeter`.");

    let to_bob = middle.connect(&listener.local_addr().to_string()).await?;
    let listener = middle.listen("127.0.0.1:0").await?;
    middle.open("bob").reached_through(listener.reach()).bridge(&to_bob).await?;

    let to_middle = alice.connect(&listener.local_addr().to_string()).await?;
    let to_api = to_middle.route("bob").then("api");
    let only_bob = ChannelOptions::trusting(Trust::One(bobs.identifier()));
    let channel = alice.create_secure_channel(&alices, to_api, only_bob).await?;
    assert_eq!(*channel.peer(), bobs.identifier());
    println!("Alice has a channel through the middle, and whoever is at its other end has proved to be Bob.");

    let mut me = alice.open("me").reached_through(channel.reach()).context().await?;
    let there = channel.route("greeter");
    println!("To her it is one address. Her route has {} addresses: the channel, `greeter`.", there.as_ref().len());
    let answer = me.request(there, b"hello", Duration::from_secs(10)).await?;
    println!("Bob says: {}", answer.payload().escape_ascii());
    assert_eq!(answer.payload(), b"good morning, Alice");
    assert_eq!(answer.peer(), Some(&bobs.identifier()));

    channel.close().await?;
    println!("Alice has closed the channel.");
    for node in [alice, middle, bob] {
        node.shutdown().await;
    }
    Ok(())
}
