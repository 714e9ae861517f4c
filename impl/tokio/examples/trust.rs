//! A listener that trusts two identities only. A third is refused, and its owner reads why.

use std::time::Duration;

use razor_tokio::{
    ChannelOptions, Error, Event, Identity, ListenerOptions, Node, Result, SecureChannel, SecureChannelListener, Trust,
};

/// Somebody with a node and an identity.
struct Caller {
    name: &'static str,
    node: Node,
    identity: Identity,
}

impl Caller {
    async fn new(name: &'static str) -> Result<Self> {
        let node = Node::start()?;
        let identity = node.create_identity().await?;
        Ok(Self { name, node, identity })
    }

    async fn calls(&self, at: &str, api: &SecureChannelListener, trust: Trust) -> Result<SecureChannel> {
        let route = self.node.connect(at).await?.route(api.address().clone());
        self.node.create_secure_channel(&self.identity, route, ChannelOptions::trusting(trust)).await
    }

    /// What comes back when something is sent to the far `echo`.
    async fn hears(&self, channel: &SecureChannel, within: Duration) -> Result<String> {
        let mut context = self.node.open("me").reached_through(channel.reach()).context().await?;
        let answer = context.request(channel.route("echo"), b"hello", within).await?;
        Ok(answer.payload().escape_ascii().to_string())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let alice = Caller::new("Alice").await?;
    let bob = Caller::new("Bob").await?;
    let carol = Caller::new("Carol").await?;

    let node = Node::start()?;
    let identity = node.create_identity().await?;
    let listener = node.listen("127.0.0.1:0").await?;
    let at = listener.local_addr().to_string();
    let guests = Trust::AnyOf(vec![alice.identity.identifier(), bob.identity.identifier()]);
    let options = ListenerOptions::default().trusting(guests).reached_through(listener.reach());
    let api = node.create_secure_channel_listener(&identity, "api", options).await?;
    node.open("echo").reached_through(api.reach()).echoer().await?;
    println!("A listener trusts Alice and Bob.");

    let the_listener = || Trust::One(identity.identifier());
    for guest in [&alice, &bob] {
        let channel = guest.calls(&at, &api, the_listener()).await?;
        let heard = guest.hears(&channel, Duration::from_secs(10)).await?;
        println!("{} calls, says hello and hears: {heard}", guest.name);
        assert_eq!(heard, "hello");
    }

    let mut events = node.events().remove(0);
    let channel = carol.calls(&at, &api, the_listener()).await?;
    let refused = loop {
        if let Event::ChannelFailed { error, .. } = events.recv().await.expect("the node runs") {
            break error;
        }
    };
    println!("Carol calls. The listener's owner reads: {refused}");
    assert_eq!(refused.requirement(), "CHN-10");
    let silence = carol.hears(&channel, Duration::from_millis(300)).await.unwrap_err();
    println!("Carol, who spoke last in the handshake, is told nothing. She says hello, and {silence}.");
    assert!(matches!(silence, Error::Timeout));

    let Err(Error::Protocol { error: refused, .. }) =
        bob.calls(&at, &api, Trust::One(alice.identity.identifier())).await
    else {
        panic!("the listener is not Alice");
    };
    println!("Trust goes both ways. Bob calls again and wants Alice. His own node tells him: {refused}");
    assert_eq!(refused.requirement(), "CHN-10");

    for node in [alice.node, bob.node, carol.node, node] {
        node.shutdown().await;
    }
    Ok(())
}
