//! Nodes under load, over real sockets: many channels, slow readers, silent and hostile peers.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use common::{Client, Server, echo, in_time};
use razor::channel::OrphanTime;
use razor::error::Blame;
use razor::node::Config;
use razor_tokio::{BoxStream, ChannelOptions, Context, Node, Received, Result, Worker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

/// Opens channels all at once and has each echo a message while all others are open.
async fn concurrent_channels(clients: usize, each: usize) {
    let server = Server::start(ChannelOptions::default()).await;
    let before = server.node.status().await.unwrap();
    let mut opening = tokio::task::JoinSet::new();
    let mut nodes = Vec::new();
    for _ in 0..clients {
        let client = std::sync::Arc::new(Client::connect(&server).await);
        nodes.push(client.clone());
        for n in 0..each {
            let client = client.clone();
            opening.spawn(async move {
                let channel = client.channel().await;
                let mut context = client.context(format!("app {n}"), &channel).await;
                echo(&mut context, &channel, &n.to_be_bytes()).await;
                (channel, context)
            });
        }
    }
    let open = in_time(opening.join_all()).await;
    let status = server.node.status().await.unwrap();
    assert_eq!((status.channels, status.connections), (clients * each, clients));
    assert_eq!(status.failures.len(), 0, "{:?}", status.failures);
    for (n, (channel, mut context)) in open.into_iter().enumerate() {
        echo(&mut context, &channel, &n.to_be_bytes()).await;
        channel.close().await.unwrap();
    }
    let after = server.until(|status| status.channels == 0).await;
    assert_eq!(after.workers, before.workers + clients);
    for client in nodes {
        client.node.shutdown().await;
        assert_eq!(client.node.tasks(), 0);
    }
    server.node.shutdown().await;
    assert_eq!(server.node.tasks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_channels_of_eight_clients_are_open_at_once() {
    concurrent_channels(8, 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_channels_are_open_at_once_over_one_connection() {
    concurrent_channels(1, 2_000).await;
}

/// A stream to a server whose other end the test moves by hand.
async fn by_hand(server: &Server, room: usize) -> (BoxStream, DuplexStream, TcpStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    (Box::new(ours), theirs, TcpStream::connect(&server.at).await.unwrap())
}

//= spec/src/nodes.md#nod-21
//= type=test
//# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_disturbs_nobody_else() {
    let server = Server::start(ChannelOptions::default()).await;
    let honest = Client::connect(&server).await;
    let channel = honest.channel().await;
    let mut context = honest.context("app", &channel).await;

    let (stream, pump, mut socket) = by_hand(&server, 65_536).await;
    let rude = Node::start().unwrap();
    let connection = rude.attach_stream(stream).await.unwrap();
    let pumping = tokio::spawn(async move {
        // There, and never back: what the server answers stays in the socket.
        let (mut from, _to) = tokio::io::split(pump);
        let _ = tokio::io::copy(&mut from, &mut socket).await;
    });
    let mut asking = rude.context("app").await.unwrap();
    // Sixteen times what may be on its way to it. What it asked for beyond that is dropped, and counted.
    for _ in 0..4_096 {
        asking.send(connection.route("echo"), &[0; 4_096]).await.unwrap();
    }
    server.until(|status| status.failures.contains_key(&("NOD-9", Blame::Limit))).await;
    for n in 0..100u32 {
        echo(&mut context, &channel, &n.to_be_bytes()).await;
    }
    pumping.abort();
    server.until(|status| status.connections == 1).await;
    echo(&mut context, &channel, b"still here").await;
    rude.shutdown().await;
    honest.node.shutdown().await;
    server.node.shutdown().await;
    assert_eq!(server.node.tasks(), 0);
}

//= spec/src/nodes.md#nod-11
//= type=test
//# A node MUST drop a message that has waited for a full receiver for the stall time, and read on.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_receive_holds_up_his_own_channel_only_for_the_stall_time() {
    let stall = Duration::from_secs(1);
    let config = Config { stall, ..Config::DEFAULT };
    let server = Server::build(Node::builder().config(config), ChannelOptions::default()).await;
    let dead = server.node.open("dead").reached_through(server.channels.reach()).context().await.unwrap();
    let client = Client::connect(&server).await;
    let (first, second) = (client.channel().await, client.channel().await);
    let mut pouring = client.context("pouring", &first).await;
    let mut context = client.context("app", &second).await;
    let poured = tokio::spawn(async move {
        for _ in 0..2_000 {
            pouring.send(first.route("dead"), &[0; 1_024]).await.unwrap();
        }
    });
    // All of it goes over the same connection.
    in_time(poured).await.unwrap();
    echo(&mut context, &second, b"alive").await;
    drop(dead);
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_loses_nothing_and_its_writer_waits_for_it() {
    const MESSAGES: u32 = 5_000;
    let server = Server::start(ChannelOptions::default()).await;
    let mut slow = server.node.open("slow").reached_through(server.channels.reach()).context().await.unwrap();
    let client = Client::connect(&server).await;
    let (first, second) = (client.channel().await, client.channel().await);
    let mut pouring = client.context("pouring", &first).await;
    let mut beside = client.context("beside", &second).await;
    let sent = Arc::new(AtomicU32::new(0));
    let counter = sent.clone();
    let poured = tokio::spawn(async move {
        for n in 0..MESSAGES {
            let mut payload = [0; 16_384];
            payload[..4].copy_from_slice(&n.to_be_bytes());
            pouring.send(first.route("slow"), &payload).await.unwrap();
            counter.store(n + 1, Relaxed);
        }
    });
    // Who shares the connection has to wait for his turn in it, and has it.
    let shared = tokio::spawn(async move {
        for n in 0..20u32 {
            echo(&mut beside, &second, &n.to_be_bytes()).await;
        }
    });
    let mut received = 0;
    let mut take = async |slow: &mut Context| {
        let message = in_time(slow.receive()).await.unwrap();
        assert_eq!(message.payload()[..4], u32::to_be_bytes(received), "lost or out of order");
        received += 1;
    };
    let other = Client::connect(&server).await;
    let channel = other.channel().await;
    let mut context = other.context("app", &channel).await;
    for n in 0..60u32 {
        take(&mut slow).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Who has another connection is answered, though the slow reader reads nothing meanwhile.
        in_time(echo(&mut context, &channel, &n.to_be_bytes())).await;
    }
    // What the writer is ahead is what fits into bounded queues and the sockets.
    let (mut before, mut ahead) = (0, sent.load(Relaxed));
    while before != ahead {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (before, ahead) = (ahead, sent.load(Relaxed));
    }
    assert!(ahead < MESSAGES / 2, "the writer goes on while nobody reads: it is {ahead} messages ahead");
    for _ in 60..MESSAGES {
        take(&mut slow).await;
    }
    in_time(poured).await.unwrap();
    in_time(shared).await.unwrap();
    let status = server.node.status().await.unwrap();
    assert!(status.failures.is_empty(), "{:?}", status.failures);
    other.node.shutdown().await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_message_now_and_then_is_not_taken_for_dead() {
    let config = Config { stall: Duration::from_secs(1), ..Config::DEFAULT };
    let server = Server::build(Node::builder().config(config), ChannelOptions::default()).await;
    let mut slow = server.node.open("slow").reached_through(server.channels.reach()).context().await.unwrap();
    let client = Client::connect(&server).await;
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    let poured = tokio::spawn(async move {
        for n in 0..1_500u32 {
            context.send(channel.route("slow"), &n.to_be_bytes()).await.unwrap();
        }
    });
    for n in 0..1_500u32 {
        // For longer than the stall time, fewer than are acknowledged at once by who is quick.
        if n < 15 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(in_time(slow.receive()).await.unwrap().payload(), n.to_be_bytes());
    }
    in_time(poured).await.unwrap();
    client.node.shutdown().await;
    server.node.shutdown().await;
}

//= spec/src/tcp.md#tcp-10
//= type=test
//# A node MUST close a connection whose opening byte has not arrived within the opening time.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_connect_and_say_nothing_are_closed_when_the_opening_time_is_over() {
    let server = Server::start(ChannelOptions::default()).await;
    let client = Client::connect(&server).await;
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    let tasks = server.node.tasks();
    let mut silent = Vec::new();
    for _ in 0..500 {
        silent.push(TcpStream::connect(&server.at).await.unwrap());
    }
    server.until(|status| status.connections == 501).await;
    echo(&mut context, &channel, b"beside five hundred").await;
    for mut stream in silent {
        // Nothing but the end comes.
        let mut bytes = Vec::new();
        let _ = in_time(stream.read_to_end(&mut bytes)).await;
        assert!(bytes.len() <= 1);
    }
    server.until(|status| status.connections == 1).await;
    while server.node.tasks() > tasks {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    echo(&mut context, &channel, b"alone again").await;
    client.node.shutdown().await;
    server.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_closes_its_own_connection_and_harms_no_other() {
    let server = Server::start(ChannelOptions::default()).await;
    let client = Client::connect(&server).await;
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    let at = server.at.clone();
    let flood = tokio::spawn(async move {
        let mut state = 1u64;
        for _ in 0..200 {
            let mut stream = TcpStream::connect(&at).await.unwrap();
            let mut bytes = [0u8; 4_096];
            for byte in &mut bytes {
                // A linear congruential generator is random enough for garbage.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            // The right opening byte, then a frame of a length that is taken.
            bytes[0] = 1;
            bytes[1..5].copy_from_slice(&1_000u32.to_be_bytes());
            let _ = stream.write_all(&bytes).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
    while !flood.is_finished() {
        echo(&mut context, &channel, b"honest").await;
    }
    in_time(flood).await.unwrap();
    let status = server.until(|status| status.connections == 1).await;
    // Each was somebody's fault, and counted.
    assert_eq!(status.failures.values().sum::<u64>(), 200, "{:?}", status.failures);
    assert!(status.failures.keys().all(|(_, blame)| matches!(blame, Blame::Malformed | Blame::Limit)));
    client.node.shutdown().await;
    server.node.shutdown().await;
}

//= spec/src/channels.md#chn-64
//= type=test
//# A node MUST close an open channel when nobody has had the first address of its way to the peer for the time of a channel without a way.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_peers_that_are_killed() {
    let builder = Node::builder().orphan_time(OrphanTime(Duration::from_secs(1)));
    let server = Server::build(builder, ChannelOptions::default()).await;
    let before = server.node.status().await.unwrap();
    let client = Client::connect(&server).await;
    let channel = client.channel().await;
    let mut context = client.context("app", &channel).await;
    let server = Arc::new(server);
    let victims: Vec<_> = (0..16u64)
        .map(|n| {
            let server = server.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let client = Client::connect(&server).await;
                    let mut open = Vec::new();
                    for n in 0..8 {
                        let channel = client.channel().await;
                        let mut context = client.context(format!("app {n}"), &channel).await;
                        echo(&mut context, &channel, b"alive").await;
                        open.push((channel, context));
                    }
                    // In the middle of talking.
                    let (channel, context) = &mut open[0];
                    let talking = async {
                        loop {
                            echo(context, channel, &[0; 1_024]).await;
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_millis(37 * (n % 7)), talking).await;
                });
                // No goodbye: all tasks and sockets are gone at once.
                runtime.shutdown_background();
            })
        })
        .collect();
    while !victims.iter().all(std::thread::JoinHandle::is_finished) {
        echo(&mut context, &channel, b"alive").await;
    }
    let after = server.until(|status| (status.connections, status.channels) == (1, 1)).await;
    assert_eq!(after.workers, before.workers + 2);
    assert!(channel.is_open());
    echo(&mut context, &channel, b"still alive").await;
    channel.close().await.unwrap();
    client.node.shutdown().await;
    server.node.shutdown().await;
    assert_eq!(server.node.tasks(), 0);
}

/// Sends everything back, and waits when there is no room.
struct Patient;

impl Worker for Patient {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let payload = message.payload().to_vec();
        context.reply(&message, &payload).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_five_hundred_channels_talk_at_once_over_one_connection() {
    const CHANNELS: usize = 500;
    const EACH: u32 = 16;
    let server = Server::start(ChannelOptions::default()).await;
    server.node.open("patient").reached_through(server.channels.reach()).worker(Patient).await.unwrap();
    let client = Arc::new(Client::connect(&server).await);
    let mut opening = tokio::task::JoinSet::new();
    for n in 0..CHANNELS {
        let client = client.clone();
        opening.spawn(async move {
            let channel = client.channel().await;
            let context = client.context(format!("app {n}"), &channel).await;
            (channel, context)
        });
    }
    let mut talking = tokio::task::JoinSet::new();
    for (channel, mut context) in in_time(opening.join_all()).await {
        talking.spawn(async move {
            // All of them are on their way before the first answer is taken.
            for n in 0..EACH {
                let mut payload = [0; 1_024];
                payload[..4].copy_from_slice(&n.to_be_bytes());
                context.send(channel.route("patient"), &payload).await.unwrap();
            }
            for n in 0..EACH {
                assert_eq!(context.receive().await.unwrap().payload()[..4], n.to_be_bytes());
            }
        });
    }
    in_time(talking.join_all()).await;
    let status = server.node.status().await.unwrap();
    assert!(status.failures.is_empty(), "{:?}", status.failures);
    client.node.shutdown().await;
    server.node.shutdown().await;
}
