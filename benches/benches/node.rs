//! Messages through a node: handed over at once, and by way of one and ten hops.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use razor::env::Seeded;
use razor::machine::Machine;
use razor::node::{Config, Flow, Hop, Input, Mailbox, Node, Output, Spec};
use razor::routing::{Address, Message, Route};

const INBOX: &str = "inbox";

fn node(entropy: &mut Seeded, hops: usize) -> Node {
    let mut node = Node::new(Config::default(), entropy);
    for hop in 0..hops {
        let mailboxes = vec![Mailbox::open(Address::from(format!("hop{hop}").as_str()))];
        let spec = Spec { mailboxes, flow: Flow::default(), worker: Box::new(Hop) };
        node.start_worker(&mut razor_benches::env(entropy), spec).expect("a free address");
    }
    node.open_inbox(&mut razor_benches::env(entropy), Mailbox::open(INBOX.into()), Flow::default()).expect("free");
    node
}

fn message(hops: usize) -> Message {
    let mut onward = (0..hops).map(|hop| format!("hop{hop}")).collect::<Vec<_>>();
    onward.push(INBOX.into());
    let onward: Route = onward.join(" => ").parse().expect("a route");
    Message::new(onward.as_ref(), Route::new().as_ref(), &[7; 64])
}

/// Sends one message and takes it out of the inbox.
fn deliver(node: &mut Node, entropy: &mut Seeded, message: Message) {
    node.handle(&mut razor_benches::env(entropy), Input::Send(message)).expect("room");
    while let Some(output) = node.poll_output() {
        if let Output::Deliver { inbox, .. } = output {
            node.handle(&mut razor_benches::env(entropy), Input::Taken { inbox }).expect("room");
            return;
        }
    }
    panic!("nothing was delivered");
}

fn hops(c: &mut Criterion) {
    let mut group = c.benchmark_group("node/64 B");
    group.throughput(Throughput::Elements(1));
    for hops in [0, 1, 10] {
        let mut entropy = Seeded::from_u64(1);
        let mut node = node(&mut entropy, hops);
        let message = message(hops);
        group.bench_function(BenchmarkId::new("hops", hops), |b| {
            b.iter_batched(
                || message.clone(),
                |message| deliver(&mut node, &mut entropy, message),
                BatchSize::SmallInput,
            )
        });
    }
    group.finish();
}

criterion_group!(benches, hops);
criterion_main!(benches);
