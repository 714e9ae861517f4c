//! The driver over a simulated network: partitions, held links, one-way cuts and restarts, in virtual time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use razor::session;
use razor_tokio::{
    Accept, BoxFuture, BoxStream, ChannelOptions, Context, Error, Identity, ListenerOptions, Network, Node, Session,
    SessionOptions,
};

const SERVER: &str = "server:4000";
const SOON: Duration = Duration::from_secs(5);
const CLOCK: u64 = 1_750_000_000;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The simulated network as a driver's.
#[derive(Debug)]
struct Simulated;

struct Listening(turmoil::net::TcpListener);

impl Network for Simulated {
    fn connect<'a>(&'a self, peer: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move { Ok(Box::new(turmoil::net::TcpStream::connect(peer).await?) as BoxStream) })
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Accept>>> {
        Box::pin(
            async move { Ok(Box::new(Listening(turmoil::net::TcpListener::bind(address).await?)) as Box<dyn Accept>) },
        )
    }
}

impl Accept for Listening {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async {
            let (stream, peer) = self.0.accept().await?;
            Ok((Box::new(stream) as BoxStream, peer))
        })
    }
}

fn start() -> Result<Node, Error> {
    Node::builder().network(Simulated).wall_clock(|| CLOCK).start()
}

async fn serve() -> Outcome {
    let node = start()?;
    let identity = node.create_identity().await?;
    let listener = node.listen("0.0.0.0:4000").await?;
    let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
    let channels = node.create_secure_channel_listener(&identity, "api", options).await?;
    node.open("echo").reached_through(channels.reach()).echoer().await?;
    std::future::pending().await
}

/// A session with the server, and an address to speak from.
async fn session(node: &Node, identity: &Identity) -> Result<(Session, Context), Error> {
    let times = session::Config {
        ping_interval: Duration::from_secs(1),
        attempt_timeout: Duration::from_secs(5),
        backoff_base: Duration::from_secs(1),
        backoff_max: Duration::from_secs(1),
    };
    let options = SessionOptions { channel: ChannelOptions::default(), echo: "echo".into(), times };
    let route = format!("1#{SERVER} => api").parse::<razor::routing::Route>()?;
    let session = node.keep_session(identity, route, options).await?;
    let context = node.open("app").reached_through(session.reach()).context().await?;
    Ok((session, context))
}

async fn echoes(session: &Session, context: &mut Context, payload: &[u8]) -> Result<(), Error> {
    let answer = context.request(session.route("echo"), payload, SOON).await?;
    assert_eq!(answer.payload(), payload);
    Ok(())
}

fn simulation() -> turmoil::Sim<'static> {
    let mut sim = turmoil::Builder::new().simulation_duration(Duration::from_secs(600)).rng_seed(1).build();
    sim.host("server", serve);
    sim
}

/// A session that is up, goes down when it is cut, and comes back when that is mended.
async fn comes_back(cut: impl FnOnce(), mend: impl FnOnce()) -> Outcome {
    let node = start()?;
    let identity = node.create_identity().await?;
    let (session, mut context) = session(&node, &identity).await?;
    tokio::time::timeout(Duration::from_secs(30), session.up()).await??;
    echoes(&session, &mut context, b"before").await?;
    cut();
    tokio::time::timeout(Duration::from_secs(60), session.down()).await?;
    mend();
    tokio::time::timeout(Duration::from_secs(120), session.up()).await??;
    echoes(&session, &mut context, b"after").await?;
    node.shutdown().await;
    assert_eq!(node.tasks(), 0);
    Ok(())
}

/// A session over a link that is cut and mended.
fn a_session_comes_back(cut: fn(), mend: fn()) {
    let mut sim = simulation();
    sim.client("client", comes_back(cut, mend));
    sim.run().unwrap();
}

#[test]
fn a_session_survives_a_partition() {
    a_session_comes_back(|| turmoil::partition("client", "server"), || turmoil::repair("client", "server"));
}

#[test]
fn a_session_survives_a_cut_of_the_way_there() {
    a_session_comes_back(
        || turmoil::partition_oneway("client", "server"),
        || turmoil::repair_oneway("client", "server"),
    );
}

#[test]
fn a_session_survives_a_cut_of_the_way_back() {
    a_session_comes_back(
        || turmoil::partition_oneway("server", "client"),
        || turmoil::repair_oneway("server", "client"),
    );
}

#[test]
fn a_session_survives_a_restart_of_the_far_node() {
    let mut sim = simulation();
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let says = up.clone();
    // The restart, outside of the simulation, is both the cut and the mending.
    sim.client("client", comes_back(move || says.store(true, std::sync::atomic::Ordering::SeqCst), || {}));
    let mut bounced = false;
    while !sim.step().unwrap() {
        if up.load(std::sync::atomic::Ordering::SeqCst) && !std::mem::replace(&mut bounced, true) {
            sim.bounce("server");
        }
    }
    assert!(bounced);
}

#[test]
fn what_was_held_up_on_a_link_comes_whole_and_in_order() {
    let mut sim = simulation();
    sim.client("client", async move {
        let node = start()?;
        let identity = node.create_identity().await?;
        let connection = node.connect(SERVER).await?;
        let channel = node.create_secure_channel(&identity, connection.route("api"), ChannelOptions::default()).await?;
        let mut context = node.open("app").reached_through(channel.reach()).context().await?;
        context.request(channel.route("echo"), b"open", SOON).await?;
        turmoil::hold("client", "server");
        for n in 0..50u8 {
            context.send(channel.route("echo"), &[n]).await?;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        turmoil::release("client", "server");
        for n in 0..50u8 {
            let answer = tokio::time::timeout(SOON, context.receive()).await??;
            assert_eq!(answer.payload(), [n]);
        }
        node.shutdown().await;
        Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_handshake_over_a_dead_link_ends_in_time() {
    let mut sim = simulation();
    sim.client("client", async move {
        let node = start()?;
        let identity = node.create_identity().await?;
        let connection = node.connect(SERVER).await?;
        turmoil::partition("client", "server");
        let options =
            ChannelOptions { timeout: razor::channel::HandshakeTime(Duration::from_secs(10)), ..Default::default() };
        let begun = tokio::time::Instant::now();
        let error = node.create_secure_channel(&identity, connection.route("api"), options).await.unwrap_err();
        assert!(error.requirement().is_some_and(|requirement| requirement.starts_with("CHN-")), "{error}");
        assert!(error.address().is_some());
        assert!((10..12).contains(&begun.elapsed().as_secs()));
        Ok(())
    });
    sim.run().unwrap();
}
