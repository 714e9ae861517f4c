//! The order of events: nodes that stop, and connections that go, while somebody waits. In virtual time, on one
//! thread, so that each order is the same in every run.

mod common;

use std::time::Duration;

use common::in_time;
use razor::routing::Route;
use razor_tokio::{
    BoxStream, ChannelOptions, Connection, Context, Error, ListenerOptions, Node, Received, Result, Worker,
};

/// Two nodes, and a connection between them that holds `room` bytes in each direction.
async fn pair(room: usize) -> (Node, Node, Connection, Connection) {
    let (one, other) = tokio::io::duplex(room);
    let (a, b) = (Node::start().unwrap(), Node::start().unwrap());
    let to_b = a.attach_stream(Box::new(one) as BoxStream).await.unwrap();
    let to_a = b.attach_stream(Box::new(other) as BoxStream).await.unwrap();
    (a, b, to_b, to_a)
}

/// Sends until it has to wait; gives what waits.
async fn fill(mut context: Context, route: Route) -> tokio::task::JoinHandle<(u32, Result<()>)> {
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        loop {
            match context.send(&route, &[0; 1_024]).await {
                Ok(()) => sent += 1,
                Err(error) => return (sent, Err(error)),
            }
        }
    });
    // Shorter than the stall time, and far longer than anything takes in virtual time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!sending.is_finished());
    sending
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_to_send_hears_that_the_node_stops() {
    let node = Node::start().unwrap();
    let _full = node.context("full").await.unwrap();
    let mut senders = Vec::new();
    for n in 0..4 {
        let context = node.context(format!("app {n}").as_str()).await.unwrap();
        senders.push(fill(context, Route::new().then("full")).await);
    }
    node.shutdown().await;
    assert_eq!(node.tasks(), 0);
    for sender in senders {
        let (_, outcome) = in_time(sender).await.unwrap();
        assert!(matches!(outcome, Err(Error::Stopped)), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_to_receive_hears_that_the_node_stops() {
    let node = Node::start().unwrap();
    let mut context = node.context("app").await.unwrap();
    let receiving = tokio::spawn(async move { context.receive().await.map(drop) });
    tokio::task::yield_now().await;
    node.shutdown().await;
    assert!(matches!(in_time(receiving).await.unwrap(), Err(Error::Stopped)));
    assert!(matches!(node.context("late").await, Err(Error::Stopped)));
    assert_eq!(node.tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_stops_while_a_channel_is_being_opened() {
    let (a, b, to_b, _to_a) = pair(65_536).await;
    let identity = a.create_identity().await.unwrap();
    let opening = {
        let (a, route) = (a.clone(), to_b.route("nobody"));
        tokio::spawn(
            async move { a.create_secure_channel(&identity, route, ChannelOptions::default()).await.map(drop) },
        )
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    a.shutdown().await;
    assert!(in_time(opening).await.unwrap().is_err());
    assert_eq!(a.tasks(), 0);
    in_time(to_b.closed()).await;
    b.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_while_its_bytes_wait_for_a_full_receiver() {
    let (a, b, to_b, to_a) = pair(4_096).await;
    let mut full = b.open("full").reached_through(to_a.reach()).context().await.unwrap();
    let context = a.context("app").await.unwrap();
    let sending = fill(context, to_b.route("full")).await;
    // What b could not take is parked there; a goes without a word.
    let tasks = b.tasks();
    a.shutdown().await;
    let (sent, outcome) = in_time(sending).await.unwrap();
    assert!(matches!(outcome, Err(Error::Stopped)), "{outcome:?}");
    in_time(to_a.closed()).await;
    // What had come in is still there, and then comes no more.
    let mut received = 0;
    while tokio::time::timeout(Duration::from_secs(30), full.receive()).await.is_ok() {
        received += 1;
    }
    assert!(received > 0 && received <= sent, "{received} of {sent}");
    assert_eq!(b.status().await.unwrap().connections, 0);
    assert_eq!(b.tasks(), tasks - 1);
    b.shutdown().await;
    assert_eq!(b.tasks(), 0);
}

//= spec/src/nodes.md#nod-40
//= type=test
//# A node MUST keep what leaves a producer or a relay for a full receiver until there is room, and take nothing more at that address meanwhile.
#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_its_reader_through_a_channel_and_goes_on_with_it() {
    let (a, b, to_b, to_a) = pair(65_536).await;
    let (alice, bob) = (a.create_identity().await.unwrap(), b.create_identity().await.unwrap());
    let options = ListenerOptions { reached_through: vec![to_a.reach().clone()], ..Default::default() };
    let channels = b.create_secure_channel_listener(&bob, "api", options).await.unwrap();
    let mut reader = b.open("reader").reached_through(channels.reach()).context().await.unwrap();
    let channel = a.create_secure_channel(&alice, to_b.route("api"), ChannelOptions::default()).await.unwrap();
    let mut writer = a.context("writer").await.unwrap();
    let route = channel.route("reader");
    let (says, mut sent) = tokio::sync::watch::channel(0u32);
    let writing = tokio::spawn(async move {
        for n in 0..12_000u32 {
            let mut payload = [0; 1_024];
            payload[..4].copy_from_slice(&n.to_be_bytes());
            writer.send(&route, &payload).await.unwrap();
            says.send_replace(n + 1);
        }
    });
    let mut before = 0;
    for n in 0..12_000u32 {
        if n % 2_000 == 0 && n < 8_000 {
            // Nobody reads: the writer comes to a stop, not far ahead.
            tokio::time::sleep(Duration::from_secs(3)).await;
            before = *sent.borrow_and_update();
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(!sent.has_changed().unwrap(), "the writer does not wait");
            assert!(before - n < 3_000, "{before} sent, {n} received");
        }
        let message = in_time(reader.receive()).await.unwrap();
        assert_eq!(message.payload()[..4], n.to_be_bytes());
    }
    assert!(before > 0);
    in_time(writing).await.unwrap();
    assert!(b.status().await.unwrap().failures.is_empty());
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_ends_does_not_keep_its_node_from_stopping() {
    struct Stuck;
    impl Worker for Stuck {
        async fn handle_message(&mut self, _: &mut Context, _: Received) -> Result<()> {
            std::future::pending().await
        }
    }
    let node = Node::start().unwrap();
    node.start_worker("stuck", Stuck).await.unwrap();
    let mut context = node.context("app").await.unwrap();
    context.send(Route::new().then("stuck"), b"for ever").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    in_time(node.shutdown()).await;
    assert_eq!(node.tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn senders_to_the_same_full_receiver_take_turns() {
    let node = Node::start().unwrap();
    let mut full = node.context("full").await.unwrap();
    let mut senders = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let context = node.context(name).await.unwrap();
        senders.push(fill(context, Route::new().then("full")).await);
    }
    let mut counts = std::collections::BTreeMap::new();
    // What waited already belongs to the first.
    for n in 0..1_400 {
        let message = in_time(full.receive()).await.unwrap();
        if n >= 1_000 {
            *counts.entry(message.return_route().to_string()).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), 4, "{counts:?}");
    assert!(counts.values().all(|count| (90..=110).contains(count)), "{counts:?}");
    node.shutdown().await;
    for sender in senders {
        assert!(in_time(sender).await.unwrap().1.is_err());
    }
}

/// A context may be dropped anywhere, and after everything else.
#[test]
fn what_is_dropped_when_its_runtime_is_gone_does_no_harm() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (node, context) = runtime.block_on(async {
        let node = Node::start().unwrap();
        let context = node.context("app").await.unwrap();
        (node, context)
    });
    drop(runtime);
    drop(context);
    drop(node);
}
