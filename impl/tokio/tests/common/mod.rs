//! What the tests over real sockets have in common.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::future::Future;
use std::time::Duration;

use razor_tokio::{
    Builder, ChannelOptions, Connection, Context, Identity, Listener, ListenerOptions, Node, SecureChannel,
    SecureChannelListener, Status,
};

/// What is to happen happens within this time, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Waits as long as a slow machine may take.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("it takes too long")
}

/// A node that listens on a free port, echoes, hops and takes channels.
pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) identity: Identity,
    pub(crate) listener: Listener,
    pub(crate) channels: SecureChannelListener,
    pub(crate) at: String,
}

impl Server {
    pub(crate) async fn start(options: ChannelOptions) -> Self {
        Self::build(Node::builder(), options).await
    }

    pub(crate) async fn build(builder: Builder, options: ChannelOptions) -> Self {
        let node = builder.start().unwrap();
        let identity = node.create_identity().await.unwrap();
        let listener = node.listen("127.0.0.1:0").await.unwrap();
        let listening =
            ListenerOptions { channel: options, reached_through: vec![listener.reach().clone()], ..Default::default() };
        let channels = node.create_secure_channel_listener(&identity, "api", listening).await.unwrap();
        node.open("echo").reached_through(listener.reach()).reached_through(channels.reach()).echoer().await.unwrap();
        node.open("hop").reached_through(listener.reach()).hop().await.unwrap();
        let at = listener.local_addr().to_string();
        Self { node, identity, listener, channels, at }
    }

    /// Waits until its node says of itself what is wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        until(&self.node, wanted).await
    }
}

/// Waits until a node says of itself what is wanted.
pub(crate) async fn until(node: &Node, wanted: impl Fn(&Status) -> bool) -> Status {
    in_time(async {
        loop {
            let status = node.status().await.unwrap();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// A node with a connection to a server.
pub(crate) struct Client {
    pub(crate) node: Node,
    pub(crate) identity: Identity,
    pub(crate) connection: Connection,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let node = Node::start().unwrap();
        let identity = node.create_identity().await.unwrap();
        let connection = node.connect(&server.at).await.unwrap();
        Self { node, identity, connection }
    }

    pub(crate) async fn channel(&self) -> SecureChannel {
        let route = self.connection.route("api");
        self.node.create_secure_channel(&self.identity, route, ChannelOptions::default()).await.unwrap()
    }

    /// An address that is reached through a channel.
    pub(crate) async fn context(&self, name: impl Into<String>, channel: &SecureChannel) -> Context {
        self.node.open(name.into().as_str()).reached_through(channel.reach()).context().await.unwrap()
    }
}

/// One message there and back.
pub(crate) async fn echo(context: &mut Context, channel: &SecureChannel, payload: &[u8]) {
    let answer = context.request(channel.route("echo"), payload, Duration::from_secs(120)).await.unwrap();
    assert_eq!(answer.payload(), payload);
}
