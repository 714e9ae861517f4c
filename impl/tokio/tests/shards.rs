//! Nodes of several shards: it makes no difference on which of them something lives.

use std::time::Duration;

use razor::channel::OrphanTime;
use razor::node::AnyChannelPeer;
use razor::routing::Route;
use razor_tokio::{ChannelOptions, Context, Error, ListenerOptions, Node, Received, Result, Worker};

const SOON: Duration = Duration::from_secs(20);

/// Says who sent it what.
struct Parrot;

impl Worker for Parrot {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let peer = message.peer().map(ToString::to_string).unwrap_or_default();
        let answer = [peer.as_bytes(), b" said ", message.payload()].concat();
        context.reply(&message, &answer).await
    }
}

fn start() -> Node {
    Node::builder().shards(3).start().unwrap()
}

/// A node of three shards with a worker, which listens for connections and channels. Where.
async fn serve(node: &Node) -> String {
    let identity = node.create_identity().await.unwrap();
    let listener = node.listen("127.0.0.1:0").await.unwrap();
    let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
    let channels = node.create_secure_channel_listener(&identity, "api", options).await.unwrap();
    node.open("parrot")
        .reached_through(listener.reach())
        .reached_through(channels.reach())
        .worker(Parrot)
        .await
        .unwrap();
    node.open("members").reached_through(listener.reach()).incoming(AnyChannelPeer).worker(Parrot).await.unwrap();
    listener.local_addr().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_on_all_shards_reach_a_worker_on_one() {
    let (server, client) = (start(), start());
    let at = serve(&server).await;
    for n in 0..6u8 {
        let connection = client.connect(&at).await.unwrap();
        let mut app =
            client.open(format!("app {n}").as_str()).reached_through(connection.reach()).context().await.unwrap();
        // The second message goes the way that the first has opened.
        for _ in 0..2 {
            let answer = app.request(connection.route("parrot"), &[b'0' + n], SOON).await.unwrap();
            assert_eq!(answer.payload(), [b" said ", &[b'0' + n][..]].concat());
        }
    }
    client.shutdown().await;
    server.shutdown().await;
    assert_eq!(server.tasks() + client.tasks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_through_a_channel_is_known_on_every_shard() {
    let (server, client) = (start(), start());
    let at = serve(&server).await;
    let identity = client.create_identity().await.unwrap();
    for n in 0..6u8 {
        let connection = client.connect(&at).await.unwrap();
        let channel =
            client.create_secure_channel(&identity, connection.route("api"), ChannelOptions::default()).await.unwrap();
        // Contexts are opened where their channel is, and elsewhere.
        let mut near =
            client.open(format!("near {n}").as_str()).reached_through(channel.reach()).context().await.unwrap();
        let answer = near.request(channel.route("parrot"), b"near", SOON).await.unwrap();
        assert_eq!(answer.payload(), format!("{} said near", identity.identifier()).into_bytes());
        assert_eq!(answer.peer(), Some(channel.peer()));
        let mut far = client.context(format!("far {n}").as_str()).await.unwrap();
        far.send(channel.route("parrot"), b"far").await.unwrap();
        let nested =
            client.create_secure_channel(&identity, channel.route("api"), ChannelOptions::default()).await.unwrap();
        assert_eq!(nested.peer(), channel.peer());
    }
    client.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_of_a_channel_comes_by_connections_on_all_shards() {
    let (middle, client) = (Node::start().unwrap(), Node::start().unwrap());
    let server = Node::builder().shards(3).orphan_time(OrphanTime(Duration::from_millis(200))).start().unwrap();
    let at = serve(&server).await;
    let listener = middle.listen("127.0.0.1:0").await.unwrap();
    let bridge = async || {
        let onward = middle.connect(&at).await.unwrap();
        middle.open("bridge").reached_through(listener.reach()).bridge(&onward).await.unwrap();
        onward
    };
    let (identity, connection) =
        (client.create_identity().await.unwrap(), client.connect(&listener.local_addr().to_string()).await.unwrap());
    // Connections take turns among the shards, and a channel stays where it is: so the last of its connections is on
    // each of the shards once.
    for connections in 3..6 {
        let mut onward = bridge().await;
        let route = connection.route("bridge").then("api");
        let channel = client.create_secure_channel(&identity, route, ChannelOptions::default()).await.unwrap();
        let mut app = client.open("app").reached_through(channel.reach()).context().await.unwrap();
        for n in 1..=connections {
            for _ in 0..3 {
                let answer = app.request(channel.route("parrot"), b"hello", SOON).await.unwrap();
                assert_eq!(answer.payload(), format!("{} said hello", identity.identifier()).into_bytes());
            }
            middle.stop_worker("bridge").await.unwrap();
            onward.close().await.unwrap();
            if n < connections {
                onward = bridge().await;
            }
        }
        // None but the farewells to the channels before, which led nowhere.
        let failures = server.status().await.unwrap().failures;
        assert_eq!(failures.values().sum::<u64>(), connections - 3, "{failures:?}");
        // It comes no more, and its channel is closed.
        let closed = async {
            while server.status().await.unwrap().channels != 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, closed).await.unwrap();
    }
    for node in [client, middle, server] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_refuses_it_refuses_on_every_shard() {
    let (server, client) = (start(), start());
    let at = serve(&server).await;
    for n in 0..3u8 {
        let connection = client.connect(&at).await.unwrap();
        let mut app =
            client.open(format!("app {n}").as_str()).reached_through(connection.reach()).context().await.unwrap();
        let refused = app.request(connection.route("members"), b"let me in", Duration::from_millis(200)).await;
        assert!(matches!(refused, Err(Error::Timeout)));
    }
    let status = server.status().await.unwrap();
    assert_eq!(status.failures[&("NOD-5", razor::error::Blame::Denied)], 3);
    client.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_was_dialled_is_reached_from_every_shard_until_it_is_gone() {
    let (server, client) = (start(), start());
    let at = serve(&server).await;
    let connection = client.connect(&at).await.unwrap();
    let route: Route = format!("1#{at} => parrot").parse().unwrap();
    let mut contexts = Vec::new();
    for n in 0..3u8 {
        let mut app =
            client.open(format!("app {n}").as_str()).reached_through(connection.reach()).context().await.unwrap();
        assert_eq!(app.request(&route, b"hello", SOON).await.unwrap().payload(), b" said hello");
        contexts.push(client.context(format!("elsewhere {n}").as_str()).await.unwrap());
    }
    for context in &mut contexts {
        context.send(&route, b"from elsewhere").await.unwrap();
    }
    connection.close().await.unwrap();
    for context in &mut contexts {
        let gone = async {
            while context.send(&route, b"is anybody there?").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, gone).await.unwrap();
    }
    client.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_the_way_to_a_slow_worker_on_another_shard() {
    const COUNT: u32 = 20_000;
    let node = start();
    // They take turns, so the three are on three shards.
    let mut receiver = node.context("receiver").await.unwrap();
    let mut senders = [node.context("second").await.unwrap(), node.context("third").await.unwrap()];
    let to = Route::from_iter(["receiver"]);
    let send = async {
        for n in 0..COUNT {
            for sender in &mut senders {
                sender.feed(&to, &n.to_be_bytes()).await.unwrap();
            }
        }
    };
    let receive = async {
        let mut expected = std::collections::BTreeMap::new();
        for taken in 0..2 * COUNT {
            if taken % 1000 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let message = receiver.receive().await.unwrap();
            let next = expected.entry(message.return_route().first().unwrap().to_owned()).or_insert(0u32);
            assert_eq!(message.payload(), next.to_be_bytes());
            *next += 1;
        }
    };
    tokio::time::timeout(SOON * 3, async { tokio::join!(send, receive) }).await.unwrap();
    let status = node.status().await.unwrap();
    assert!(status.failures.is_empty(), "{:?}", status.failures);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_go_with_what_they_lead_to() {
    // It is not told of channels whose connection is closed first, and looks for them.
    let server = Node::builder().shards(3).orphan_time(OrphanTime(Duration::from_millis(200))).start().unwrap();
    let client = start();
    let at = serve(&server).await;
    let identity = client.create_identity().await.unwrap();
    let workers = async || (client.status().await.unwrap().workers, server.status().await.unwrap().workers);
    let before = workers().await;
    for n in 0..20 {
        let connection = client.connect(&at).await.unwrap();
        let channel =
            client.create_secure_channel(&identity, connection.route("api"), ChannelOptions::default()).await.unwrap();
        let mut app = client.open("app").reached_through(channel.reach()).context().await.unwrap();
        app.request(channel.route("parrot"), b"hello", SOON).await.unwrap();
        drop(app);
        // In either order.
        if n % 2 == 0 {
            channel.close().await.unwrap();
            connection.close().await.unwrap();
        } else {
            connection.close().await.unwrap();
            channel.close().await.unwrap();
        }
        // The address is free again on all shards.
        let free = async {
            while client.context("app").await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, free).await.unwrap();
    }
    let back = async {
        while workers().await != before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, back).await.unwrap();
    client.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_serves_connections_on_all_shards() {
    let (server, middle, client) = (start(), start(), start());
    let at = serve(&server).await;
    let onward = middle.connect(&at).await.unwrap();
    let listener = middle.listen("127.0.0.1:0").await.unwrap();
    middle.open("server").reached_through(listener.reach()).bridge(&onward).await.unwrap();
    let at = listener.local_addr().to_string();
    let identity = client.create_identity().await.unwrap();
    for n in 0..6u8 {
        let connection = client.connect(&at).await.unwrap();
        let route = connection.route("server").then("api");
        let channel = client.create_secure_channel(&identity, route, ChannelOptions::default()).await.unwrap();
        let app = client.open(format!("app {n}").as_str()).reached_through(channel.reach());
        let answer = app.context().await.unwrap().request(channel.route("parrot"), b"hello", SOON).await.unwrap();
        assert_eq!(answer.payload(), format!("{} said hello", identity.identifier()).into_bytes());
    }
    for node in [client, middle, server] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_serves_connections_on_all_shards() {
    let (server, middle, client) = (start(), start(), start());
    let at = serve(&server).await;
    let (here, there) = (middle.connect(&at).await.unwrap(), middle.connect(&at).await.unwrap());
    let listener = middle.listen("127.0.0.1:0").await.unwrap();
    let hop = middle.open("hop").reached_through(listener.reach());
    hop.reached_through(here.reach()).reached_through(there.reach()).hop().await.unwrap();
    let at = listener.local_addr().to_string();
    for n in 0..6u8 {
        let connection = client.connect(&at).await.unwrap();
        let app = client.open(format!("app {n}").as_str()).reached_through(connection.reach());
        let mut app = app.context().await.unwrap();
        for onward in [&here, &there] {
            let route = connection.route("hop").then(onward.address().clone()).then("parrot");
            let answer = app.request(route, b"hello", SOON).await.unwrap();
            assert_eq!(answer.payload(), b" said hello");
        }
    }
    for node in [client, middle, server] {
        node.shutdown().await;
    }
}
