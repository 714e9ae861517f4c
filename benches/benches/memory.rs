//! What things cost in memory, counted by the allocator. Prints one JSON object: bytes and numbers of allocations.

use allocation_counter::measure;
use razor::channel::{Decryptor, Encryptor, INTERVAL};
use razor::env::Seeded;
use razor::node::{Config, Context, Delivery, Flow, Mailbox, Node, Spec, Worker};
use razor::routing::{Address, Message, Route};
use razor::vault::Key;
use razor::vault::suite::Aes256GcmSha256;
use razor_benches::channel::{Party, exchange, open};
use razor_benches::node::{Host, message};
use razor_sim::{Seed, Sketch};
use serde_json::json;

/// A worker with a state of its own: one number.
struct Counter(u64);

impl Worker for Counter {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> razor::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

/// What is still allocated of `f` when it has returned, in bytes for each of `count`.
fn kept<T>(count: i64, f: impl FnOnce() -> T) -> i64 {
    let mut result = None;
    let info = measure(|| result = Some(f()));
    assert!(result.is_some(), "it has run");
    (info.bytes_current + count - 1) / count
}

fn idle_worker() -> i64 {
    const WORKERS: i64 = 100_000;
    kept(WORKERS, || {
        let mut entropy = Seeded::from_u64(1);
        let mut node = Node::new(Config::default(), &mut entropy);
        for _ in 0..WORKERS {
            let mailboxes = vec![Mailbox::open(Address::random(&mut entropy))];
            let spec = Spec { mailboxes, flow: Flow::default(), worker: Box::new(Counter(0)) };
            node.start_worker(&mut razor_benches::env(&mut entropy), spec).expect("the address is free");
        }
        node
    })
}

/// One end of an open channel, with raw keys and with the expanded ones.
fn open_channel() -> (i64, i64) {
    const CHANNELS: i64 = 100;
    let ends = |shrink: bool| {
        let (mut alice, mut bob) = (Party::new(1), Party::new(2));
        kept(2 * CHANNELS, || {
            let pair = |_| {
                let mut opened = open::<Aes256GcmSha256>(&mut alice, &mut bob);
                exchange(&mut opened);
                if shrink {
                    opened.initiator.shrink();
                    opened.responder.shrink();
                }
                (opened.initiator, opened.responder)
            };
            // Each is counted with its own size, as if it stood in a box.
            (0..CHANNELS).map(pair).map(Box::new).collect::<Vec<_>>()
        })
    };
    (ends(true), ends(false))
}

/// The allocations of a message's way through ten hops.
fn ten_hops() -> u64 {
    let mut host = Host::new(10);
    for _ in 0..100 {
        host.deliver(message(10));
    }
    let message = message(10);
    measure(|| drop(host.deliver(message))).count_total
}

/// The allocations of as many messages as there are under one key.
fn seal_and_open() -> u64 {
    let mut sender = Encryptor::<Aes256GcmSha256>::new(Key::new([7; 32]));
    let mut receiver = Decryptor::<Aes256GcmSha256>::new(Key::new([7; 32]));
    let mut interval = || {
        let none = Route::new();
        let messages = (0..INTERVAL).map(|_| Message::new(none.as_ref(), none.as_ref(), &[1; 1024]));
        let mut messages = messages.collect::<Vec<_>>();
        measure(|| {
            for message in &mut messages {
                sender.seal(message).expect("a nonce is left");
                receiver.open(message).expect("it is authentic");
            }
        })
        .count_total
    };
    interval();
    interval()
}

/// A node of a world with its driver, its keys and its papers, of many that nobody talks to.
fn idle_node() -> i64 {
    const NODES: usize = 200;
    let text = format!("preset = 'calm'\ntopology = {{ shape = 'line', nodes = {NODES} }}");
    let plan = Sketch::parse(&text).and_then(|sketch| sketch.draw(Seed(1))).expect("a plan");
    kept(NODES as i64, || razor_sim::party::cast(&plan))
}

fn main() {
    let (raw, expanded) = open_channel();
    let measured = json!({
        "idle worker, bytes": idle_worker(),
        "open channel with raw keys, bytes": raw,
        "open channel with expanded keys, bytes": expanded,
        "idle node of a world, bytes": idle_node(),
        "ten hops, allocations": ten_hops(),
        "seal + open of 32 messages, allocations": seal_and_open(),
    });
    println!("{measured:#}");
}
