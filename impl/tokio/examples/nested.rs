//! A channel inside a channel, through a node that keeps every byte that it forwards, and learns nothing from it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use razor_tokio::{ChannelOptions, Context, Identifier, ListenerOptions, Node, Received, Result, Trust, Worker};

const SOON: Duration = Duration::from_secs(10);
const SECRET: &[u8] = b"the harbour, at nine";

/// One message that went by: from whom, its routes and its payload, and how long the payload is.
struct Record {
    from: &'static str,
    bytes: Vec<u8>,
    payload: usize,
}

/// A hop that keeps a copy of everything.
struct Recorder {
    alice: Identifier,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Worker for Recorder {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let from = if message.peer() == Some(&self.alice) { "Alice" } else { "Bob's connection" };
        let (onward, back) = (message.onward_route().to_owned(), message.return_route().to_owned());
        let bytes = [&onward.encode(), &back.encode(), message.payload()].concat();
        self.records.lock().unwrap().push(Record { from, bytes, payload: message.payload().len() });
        context.forward(message).await
    }
}

/// How many of the records contain `needle` anywhere.
fn containing(records: &[Record], needle: &[u8]) -> usize {
    let contains = |record: &&Record| record.bytes.windows(needle.len()).any(|window| window == needle);
    records.iter().filter(contains).count()
}

#[tokio::main]
async fn main() -> Result<()> {
    let (alice, middle, bob) = (Node::start()?, Node::start()?, Node::start()?);
    let alices = alice.create_identity().await?;
    let middles = middle.create_identity().await?;
    let bobs = bob.create_identity().await?;

    // Bob takes channels, and has a worker that is reached with a channel and without.
    let listener = bob.listen("127.0.0.1:0").await?;
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = bob.create_secure_channel_listener(&bobs, "api", options).await?;
    bob.open("diary").reached_through(listener.reach()).reached_through(channels.reach()).echoer().await?;

    // The middle takes channels, too. What comes out of them goes through its recorder.
    let to_bob = middle.connect(&listener.local_addr().to_string()).await?;
    let listener = middle.listen("127.0.0.1:0").await?;
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = middle.create_secure_channel_listener(&middles, "api", options).await?;
    let records = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder { alice: alices.identifier(), records: records.clone() };
    let recorder =
        middle.open("recorder").reached_through(channels.reach()).reached_through(to_bob.reach()).worker(recorder);
    recorder.await?;

    let to_middle = alice.connect(&listener.local_addr().to_string()).await?;
    let only_middle = ChannelOptions::trusting(Trust::One(middles.identifier()));
    let outer = alice.create_secure_channel(&alices, to_middle.route("api"), only_middle).await?;
    println!("Alice has a channel with the middle.");
    let through_middle = outer.route("recorder").then(to_bob.address().clone());

    // First without a channel of her own with Bob: the middle can read along.
    let mut me = alice.open("me").reached_through(outer.reach()).context().await?;
    let answer = me.request(through_middle.clone().then("diary"), SECRET, SOON).await?;
    assert_eq!(answer.payload(), SECRET);
    let seen = std::mem::take(&mut *records.lock().unwrap());
    println!("She writes to Bob's diary. {} messages pass the middle, and it finds:", seen.len());
    println!("  `{}` in {} of them", SECRET.escape_ascii(), containing(&seen, SECRET));
    println!("  `diary` in {} of them", containing(&seen, b"diary"));
    assert_eq!((seen.len(), containing(&seen, SECRET), containing(&seen, b"diary")), (2, 2, 2));

    // Then with one, inside the other.
    let only_bob = ChannelOptions::trusting(Trust::One(bobs.identifier()));
    let inner = alice.create_secure_channel(&alices, through_middle.then("api"), only_bob).await?;
    assert_eq!(*inner.peer(), bobs.identifier());
    println!("Inside that channel she opens another, with Bob.");
    let mut me = alice.open("me, inside").reached_through(inner.reach()).context().await?;
    let answer = me.request(inner.route("diary"), SECRET, SOON).await?;
    assert_eq!((answer.payload(), answer.peer()), (SECRET, Some(&bobs.identifier())));
    let seen = std::mem::take(&mut *records.lock().unwrap());
    println!("She writes the same. {} messages pass the middle, handshake and all, and it finds:", seen.len());
    println!("  `{}` in {} of them", SECRET.escape_ascii(), containing(&seen, SECRET));
    println!("  `diary` in {} of them", containing(&seen, b"diary"));
    assert_eq!((seen.len(), containing(&seen, SECRET), containing(&seen, b"diary")), (5, 0, 0));

    println!("What it did see:");
    for Record { from, payload, .. } in &seen {
        println!("  {payload} bytes from {from}");
    }
    for identity in [&alices, &bobs] {
        assert_eq!(containing(&seen, identity.export()), 0);
    }
    println!("Nor did it see Alice's identity in there, nor Bob's.");

    for node in [alice, middle, bob] {
        node.shutdown().await;
    }
    Ok(())
}
