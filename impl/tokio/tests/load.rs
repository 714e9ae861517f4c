//! Nodes under load, over real sockets: many channels, slow readers, silent and hostile peers.

mod common;

use common::{Client, Server, echo, in_time};
use razor_tokio::ChannelOptions;

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
