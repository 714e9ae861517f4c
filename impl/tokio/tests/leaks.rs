//! Nothing is left behind: not by channels that were closed, not by futures that were dropped, not by a node.

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use common::{Client, Server, echo, in_time, until};
use razor::channel::HandshakeTime;
use razor::routing::Route;
use razor_tokio::{ChannelOptions, Node, SessionOptions, Status};

/// Runs on one thread, so that all that is allocated is counted; gives the bytes that are left.
fn bytes_left(run: impl Future<Output = ()>) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    allocation_counter::measure(|| runtime.block_on(run)).bytes_current
}

/// What there is on a node.
async fn census(node: &Node) -> (usize, usize, usize, usize) {
    let Status { workers, connections, channels, .. } = node.status().await.unwrap();
    (workers, connections, channels, node.tasks())
}

async fn settles(node: &Node, wanted: (usize, usize, usize, usize)) {
    let mut last = wanted;
    let settled = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            last = census(node).await;
            if last == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    if settled.await.is_err() {
        panic!("there are (workers, connections, channels, tasks) = {last:?} and not {wanted:?}");
    }
}

/// Opens a channel, sends a message there and back, and closes it.
async fn open_and_close(client: &Client, server: &Server) {
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    echo(&mut context, &channel, b"there and back").await;
    channel.close().await.unwrap();
    drop(context);
    until(&client.node, |status| status.channels == 0).await;
    server.until(|status| status.channels == 0).await;
}

#[test]
fn channels_that_were_opened_and_closed_leave_nothing() {
    // The pair of nodes lives on while what was allocated meanwhile and is still there is counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, client) = runtime.block_on(async {
        let server = Server::start(ChannelOptions::default()).await;
        let client = Client::connect(&server).await;
        // What grows once and is kept, queues for example, has grown.
        for _ in 0..100 {
            open_and_close(&client, &server).await;
        }
        (server, client)
    });
    let before = runtime.block_on(async { (census(&server.node).await, census(&client.node).await) });
    let left = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..300 {
                open_and_close(&client, &server).await;
            }
        });
    });
    runtime.block_on(async {
        settles(&server.node, before.0).await;
        settles(&client.node, before.1).await;
        client.node.shutdown().await;
        server.node.shutdown().await;
    });
    // Less than fourteen bytes for each channel: no list of them grows anywhere.
    assert!(left.bytes_current.abs() < 4_096, "{} bytes are left of 300 channels", left.bytes_current);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_inside_of_each_other_all_tell_their_peers_when_the_node_is_shut_down() {
    let server = Server::start(ChannelOptions::default()).await;
    // Addresses are random, and the order must not depend on them.
    for _ in 0..4 {
        let client = Client::connect(&server).await;
        let outer = client.channel().await;
        let open = |route: Route| client.node.create_secure_channel(&client.identity, route, ChannelOptions::default());
        let middle = open(outer.route("api")).await.unwrap();
        let inner = open(middle.route("api")).await.unwrap();
        let mut context = client.context("app", &inner).await;
        echo(&mut context, &inner, b"open on both sides").await;
        client.node.shutdown().await;
        server.until(|status| status.channels == 0).await;
    }
    server.node.shutdown().await;
}

#[test]
fn a_node_that_was_shut_down_leaves_no_memory() {
    let once = || async {
        let server = Server::start(ChannelOptions::default()).await;
        let client = Client::connect(&server).await;
        open_and_close(&client, &server).await;
        let _open = client.channel().await;
        client.node.shutdown().await;
        server.node.shutdown().await;
    };
    // What a process has once, it has then.
    bytes_left(once());
    let left = bytes_left(async {
        for _ in 0..20 {
            once().await;
        }
    });
    assert!(left < 1_024, "{left} bytes are left of 20 pairs of nodes");
}

/// How a future is dropped.
#[derive(Debug, Clone, Copy)]
enum Dropped {
    /// While it waits.
    Waiting,
    /// When what it waited for has come and it does not know yet.
    Woken,
}

/// Polls a future that many times and drops it; `true` when it was ready before.
async fn cancelled(future: impl Future, polls: usize, dropped: Dropped) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    let ready = poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match (future.as_mut().poll(cx), dropped) {
            (Poll::Ready(_), _) => Poll::Ready(true),
            (Poll::Pending, Dropped::Waiting) if left == 0 => Poll::Ready(false),
            (Poll::Pending, _) => Poll::Pending,
        }
    });
    // What never wakes is dropped, too.
    tokio::time::timeout(Duration::from_millis(200), ready).await.unwrap_or(false)
}

/// Cancels a future at each of its await points until it is ready, and sees that nothing is left on both nodes.
async fn leaves_nothing_when_cancelled<F: Future>(server: &Server, client: &Client, mut begin: impl FnMut() -> F) {
    let before = (census(&server.node).await, census(&client.node).await);
    for dropped in [Dropped::Waiting, Dropped::Woken] {
        let mut cancellations = 0;
        for polls in 0.. {
            if cancelled(begin(), polls, dropped).await {
                break;
            }
            cancellations += 1;
            settles(&client.node, before.1).await;
            if polls == 64 {
                break;
            }
        }
        assert!(cancellations > 1, "it never waits");
        settles(&client.node, before.1).await;
        // A handshake of which it has heard only the beginning ends with its time.
        settles(&server.node, before.0).await;
    }
}

fn impatient() -> ChannelOptions {
    ChannelOptions { timeout: HandshakeTime::FLOOR, ..Default::default() }
}

#[tokio::test]
async fn a_channel_that_nobody_waits_for_any_more_is_closed() {
    let server = Server::start(impatient()).await;
    let client = Client::connect(&server).await;
    leaves_nothing_when_cancelled(&server, &client, async || client.channel().await.close().await).await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_any_more_is_closed() {
    let server = Server::start(ChannelOptions::default()).await;
    let client = Client::connect(&server).await;
    let connect = async || {
        let connection = client.node.connect(&server.at).await.unwrap();
        connection.close().await
    };
    leaves_nothing_when_cancelled(&server, &client, connect).await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test]
async fn an_address_that_nobody_waits_for_any_more_is_free() {
    let server = Server::start(ChannelOptions::default()).await;
    let client = Client::connect(&server).await;
    leaves_nothing_when_cancelled(&server, &client, async || client.node.context("mine").await.map(drop)).await;
    // It can be had again.
    client.node.context("mine").await.unwrap();
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test]
async fn a_session_that_nobody_waits_for_any_more_ends() {
    let server = Server::start(impatient()).await;
    let client = Client::connect(&server).await;
    let keep = async || {
        let route = format!("1#{} => api", server.at).parse::<Route>().unwrap();
        let times = razor::session::Config::default();
        let options = SessionOptions { channel: ChannelOptions::default(), echo: "echo".into(), times };
        let session = client.node.keep_session(&client.identity, route, options).await.unwrap();
        session.stop().await
    };
    leaves_nothing_when_cancelled(&server, &client, keep).await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test]
async fn sending_receiving_and_asking_can_be_cancelled_anywhere() {
    let server = Server::start(ChannelOptions::default()).await;
    let client = Client::connect(&server).await;
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    let before = (census(&server.node).await, census(&client.node).await);
    let mut expected = 0u32;
    for dropped in [Dropped::Waiting, Dropped::Woken] {
        for polls in 0..6 {
            // The answer comes or does not; when it does, it comes once, and before those of later questions.
            cancelled(context.request(channel.route("echo"), b"cancelled", Duration::from_secs(60)), polls, dropped)
                .await;
            cancelled(context.receive(), polls, dropped).await;
            let question = expected.to_be_bytes();
            context.send(channel.route("echo"), &question).await.unwrap();
            loop {
                let answer = in_time(context.receive()).await.unwrap();
                if answer.payload() == question {
                    break;
                }
                assert_eq!(answer.payload(), b"cancelled");
            }
            expected += 1;
        }
    }
    settles(&client.node, before.1).await;
    settles(&server.node, before.0).await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test]
async fn messages_whose_sender_was_cancelled_do_not_pile_up() {
    let node = Node::start().unwrap();
    let mut full = node.context("full").await.unwrap();
    let mut context = node.context("app").await.unwrap();
    let (to, mut sent) = (Route::new().then("full"), 0u32);
    let soon = Duration::from_millis(200);
    while tokio::time::timeout(soon, context.send(&to, &sent.to_be_bytes())).await.is_ok() {
        sent += 1;
    }
    // Ever more that nobody waits for: none of them is sent when there is room.
    for polls in 1..200 {
        cancelled(context.send(&to, b"never"), polls % 4 + 1, Dropped::Waiting).await;
    }
    for n in 0..sent {
        assert_eq!(in_time(full.receive()).await.unwrap().payload(), n.to_be_bytes());
    }
    context.send(&to, b"the next").await.unwrap();
    assert_eq!(in_time(full.receive()).await.unwrap().payload(), b"the next");
    node.shutdown().await;
}
