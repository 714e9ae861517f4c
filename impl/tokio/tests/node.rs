//! Nodes over real sockets on the loopback interface.

mod common;

use std::time::Duration;

use common::{SOON, Server};
use razor::channel::Trust;
use razor::error::Blame;
use razor::node::Config;
use razor_tokio::{Address, ChannelOptions, Context, Error, Node, Received, Result, Route, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_to_another_node_and_back() {
    let server = Server::start(ChannelOptions::default()).await;
    let node = Node::start().unwrap();
    let connection = node.connect(&server.at).await.unwrap();
    let mut context = node.open("app").reached_through(connection.reach()).context().await.unwrap();
    let answer = context.request(connection.route("echo"), b"hello", SOON).await.unwrap();
    assert_eq!(answer.payload(), b"hello");
    assert_eq!(answer.peer(), None);
    node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_carries_messages_from_an_application_to_another() {
    struct Shout;
    impl Worker for Shout {
        async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
            let loud = message.payload().to_ascii_uppercase();
            context.reply(&message, &loud).await
        }
    }

    let server = Server::start(ChannelOptions::default()).await;
    server.node.open("shout").reached_through(server.channels.reach()).worker(Shout).await.unwrap();
    server.node.start_worker("private", Shout).await.unwrap();
    let node = Node::start().unwrap();
    let identity = node.create_identity().await.unwrap();
    let connection = node.connect(&server.at).await.unwrap();
    let options = ChannelOptions::trusting(Trust::One(server.identity.identifier()));
    let channel = node.create_secure_channel(&identity, connection.route("api"), options).await.unwrap();
    assert_eq!(*channel.peer(), server.identity.identifier());
    let mut context = node.open("app").reached_through(channel.reach()).context().await.unwrap();
    for n in 0..200u32 {
        let answer = context.request(channel.route("echo"), &n.to_be_bytes(), SOON).await.unwrap();
        assert_eq!(answer.payload(), n.to_be_bytes());
        assert_eq!(answer.peer(), Some(&server.identity.identifier()));
    }
    let loud = context.request(channel.route("shout"), b"hello", SOON).await.unwrap();
    assert_eq!(loud.payload(), b"HELLO");
    let private = context.request(channel.route("private"), b"hello", Duration::from_millis(100)).await;
    assert!(matches!(private, Err(Error::Timeout)));
    let status = server.node.status().await.unwrap();
    assert_eq!(status.failures[&("NOD-4", Blame::Denied)], 1);
    assert_eq!((status.connections, status.channels), (1, 1));
    node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_trusted_gets_no_channel() {
    let server = Server::start(ChannelOptions::default()).await;
    let node = Node::start().unwrap();
    let identity = node.create_identity().await.unwrap();
    let connection = node.connect(&server.at).await.unwrap();
    let options = ChannelOptions::trusting(Trust::One(identity.identifier()));
    let refused = node.create_secure_channel(&identity, connection.route("api"), options).await.unwrap_err();
    assert_eq!(refused.requirement(), Some("CHN-10"));
    node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_node_that_was_shut_down() {
    let server = Server::start(ChannelOptions::default()).await;
    let node = Node::start().unwrap();
    let identity = node.create_identity().await.unwrap();
    let connection = node.connect(&server.at).await.unwrap();
    let channel =
        node.create_secure_channel(&identity, connection.route("api"), ChannelOptions::default()).await.unwrap();
    let mut context = node.open("app").reached_through(channel.reach()).context().await.unwrap();
    context.request(channel.route("echo"), b"open on both sides", SOON).await.unwrap();
    server.node.shutdown().await;
    assert_eq!(server.node.tasks(), 0);
    tokio::time::timeout(SOON, channel.closed()).await.unwrap();
    assert!(!channel.is_open());
    node.shutdown().await;
    assert_eq!(node.tasks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_goes_through_a_worker_that_stands_for_a_connection() {
    let server = Server::start(ChannelOptions::default()).await;
    let middle = Node::start().unwrap();
    let listener = middle.listen("127.0.0.1:0").await.unwrap();
    let onward = middle.connect(&server.at).await.unwrap();
    middle.open("bridge").reached_through(listener.reach()).bridge(&onward).await.unwrap();
    let node = Node::start().unwrap();
    let identity = node.create_identity().await.unwrap();
    let connection = node.connect(&listener.local_addr().to_string()).await.unwrap();
    let options = ChannelOptions::trusting(Trust::One(server.identity.identifier()));
    let channel = node.create_secure_channel(&identity, connection.route("bridge").then("api"), options).await.unwrap();
    let mut context = node.open("app").reached_through(channel.reach()).context().await.unwrap();
    let answer = context.request(channel.route("echo"), b"hello", SOON).await.unwrap();
    assert_eq!((answer.payload(), answer.peer()), (&b"hello"[..], Some(&server.identity.identifier())));

    server.node.shutdown().await;
    tokio::time::timeout(SOON, onward.closed()).await.unwrap();
    node.shutdown().await;
    middle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_a_message_is_told_to_who_waits_and_counted_otherwise() {
    let node = Node::start().unwrap();
    let mut context = node.context("me").await.unwrap();
    let nowhere: razor_tokio::Route = "nowhere".parse().unwrap();
    let told = context.send(&nowhere, b"who waits").await.unwrap_err();
    assert_eq!(told.requirement(), Some("NOD-2"));
    assert!(node.status().await.unwrap().failures.is_empty());
    for _ in 0..3 {
        context.feed(&nowhere, b"who does not").await.unwrap();
    }
    assert_eq!(node.status().await.unwrap().failures[&("NOD-2", Blame::Misuse)], 3);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_who_reads_nothing_does_not_keep_a_bridge_from_serving_others() {
    let server = Server::start(ChannelOptions::default()).await;
    let middle = Node::start().unwrap();
    let listener = middle.listen("127.0.0.1:0").await.unwrap();
    let onward = middle.connect(&server.at).await.unwrap();
    middle.open("bridge").reached_through(listener.reach()).bridge(&onward).await.unwrap();
    let at = listener.local_addr().to_string();

    let small = Config { inbox: 4, hand_over: 1, stall: Duration::from_secs(3600), ..Config::DEFAULT };
    let idle = Node::builder().config(small).start().unwrap();
    let connection = idle.connect(&at).await.unwrap();
    let mut context = idle.open("app").reached_through(connection.reach()).context().await.unwrap();
    let payload = vec![0; 65_536];
    for _ in 0..400 {
        context.send(connection.route("bridge").then("echo"), &payload).await.unwrap();
    }

    let node = Node::start().unwrap();
    let connection = node.connect(&at).await.unwrap();
    let mut other = node.open("app").reached_through(connection.reach()).context().await.unwrap();
    for _ in 0..10 {
        let answer = other.request(connection.route("bridge").then("echo"), b"hello", SOON).await.unwrap();
        assert_eq!(answer.payload(), b"hello");
    }
    for node in [idle, node, middle, server.node] {
        node.shutdown().await;
    }
}

/// Speaks numbers alone.
struct Doubler {
    ready: bool,
}

impl Worker for Doubler {
    async fn initialize(&mut self, _: &mut Context) -> Result<()> {
        if self.ready { Ok(()) } else { Err(Error::other("there is nothing to double with")) }
    }

    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let text = std::str::from_utf8(message.payload()).map_err(Error::other)?;
        let number: u32 = text.parse().map_err(Error::other)?;
        context.reply(&message, (2 * number).to_string().as_bytes()).await
    }
}

#[tokio::test]
async fn a_worker_fails_in_its_own_words_and_lives_on_and_one_that_cannot_begin_frees_its_address() {
    let node = Node::start().unwrap();
    let error = node.start_worker("double", Doubler { ready: false }).await.unwrap_err();
    assert_eq!(error.to_string(), "there is nothing to double with");
    assert_eq!((error.blame(), error.requirement()), (None, None));
    node.start_worker("double", Doubler { ready: true }).await.unwrap();
    let mut context = node.open("app").context().await.unwrap();
    context.send(Route::from(Address::from("double")), b"many").await.unwrap();
    let answer = context.request(Route::from(Address::from("double")), b"21", SOON).await.unwrap();
    assert_eq!(answer.payload(), b"42");
    node.shutdown().await;
}

#[tokio::test]
async fn a_receiver_of_large_messages_acknowledges_them_before_the_node_waits_for_it() {
    let few_bytes = Config { hand_over: 64, hand_over_bytes: 150_000, ..Config::DEFAULT };
    let node = Node::builder().config(few_bytes).start().unwrap();
    let mut sender = node.open("sender").context().await.unwrap();
    let mut receiver = node.open("receiver").context().await.unwrap();
    let to = Route::from(Address::from("receiver"));
    let send = async {
        for n in 0..12u8 {
            sender.send(&to, &[n; 60_000]).await.unwrap();
        }
    };
    let receive = async {
        for n in 0..12u8 {
            assert_eq!(receiver.receive().await.unwrap().payload()[0], n);
        }
    };
    tokio::time::timeout(SOON, async { tokio::join!(send, receive) }).await.expect("nobody waits for ever");
    node.shutdown().await;
}
