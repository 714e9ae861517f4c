//! What the board and the node on this machine do with each other.

use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use razor::env::{Entropy, Purpose, Seeded};
use razor::routing::{Address, Message, Route, TransportType};
use razor_tokio::{
    ChannelOptions, Connection, Context, Identifier, Identity, ListenerOptions, Node, SecureChannel, Trust,
};
use tokio::net::TcpListener;

use crate::emulator::{self, Board, Image};
use crate::line::{self, Line};
use crate::status::Status;
use crate::{Fault, Outcome, demand};

/// No answer of the board takes longer.
const SOON: Duration = Duration::from_secs(20);

/// Keys are renewed after so many messages. Spec: "Secure channels".
const REKEY: usize = 32;

/// A scene.
type Scene = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// All scenes, in the order in which they are played. That of the board's own channel needs an image that begins any.
pub(crate) const ALL: [(&str, Scene); 8] = [
    ("plain echo", |stage| Box::pin(plain_echo(stage))),
    ("a channel, initiated by the host", |stage| Box::pin(channel_by_host(stage))),
    (BY_BOARD, |stage| Box::pin(channel_by_board(stage))),
    ("a channel inside a channel, through a third node", |stage| Box::pin(channel_inside_a_channel(stage))),
    ("1,000 messages with rekeys", |stage| Box::pin(many_messages(stage))),
    ("a noisy line", |stage| Box::pin(noisy_line(stage))),
    ("garbage", |stage| Box::pin(garbage(stage))),
    ("a crowd", |stage| Box::pin(crowd(stage))),
];

pub(crate) const BY_BOARD: &str = "a channel, initiated by the board";

/// A board, the line to it, and the node on this machine.
pub(crate) struct Stage {
    image: Image,
    _board: Board,
    line: Line,
    node: Node,
    identity: Identity,
    connection: Connection,
    me: Context,
    /// The channel to the board, and who asks through it.
    channel: Option<(SecureChannel, Context)>,
    /// Who the board has proved to be.
    board: Option<Identifier>,
    asked: u64,
}

impl Stage {
    /// Switches a board on with this firmware, and connects a node to it.
    pub(crate) async fn open(image: Image, built: &Path) -> Result<Self, Fault> {
        let uart = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let board = emulator::start(built, uart.local_addr()?)?;
        let line = Line::open(uart, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?).await?;
        let node = Node::start()?;
        let identity = node.create_identity().await?;
        let connection = node.connect(&line.address.to_string()).await?;
        let me = node.open("me").reached_through(connection.reach()).context().await?;
        Ok(Self { image, _board: board, line, node, identity, connection, me, channel: None, board: None, asked: 0 })
    }

    /// The next number of a name that nobody has used.
    fn next(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    pub(crate) async fn echo(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let answer = self.me.request(self.connection.route("echo"), payload, SOON).await?;
        same(answer.payload(), payload)
    }

    /// What the board says of itself.
    pub(crate) async fn status(&mut self) -> Result<Status, Fault> {
        let answer = self.me.request(self.connection.route("status"), b"", SOON).await?;
        Status::decode(answer.payload())
    }

    /// Opens a channel to the board, to ask through it.
    pub(crate) async fn open_echo(&mut self) -> Result<(), Fault> {
        let channel = self.open_channel().await?;
        self.board = Some(*channel.peer());
        let inside = self.node.open("inside").reached_through(channel.reach()).context().await?;
        self.channel = Some((channel, inside));
        Ok(())
    }

    /// A message through the channel, and back.
    pub(crate) async fn sealed_echo(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (channel, inside) = self.channel.as_mut().ok_or("there is no channel")?;
        let answer = inside.request(channel.route("echo"), payload, SOON).await?;
        same(answer.payload(), payload)?;
        demand(answer.peer() == Some(channel.peer()), || "the answer did not come out of the channel".into())
    }

    pub(crate) async fn open_channel(&self) -> Result<SecureChannel, Fault> {
        let trust = self.board.map_or(Trust::Everyone, Trust::One);
        let options = ChannelOptions::trusting(trust);
        Ok(self.node.create_secure_channel(&self.identity, self.connection.route("api"), options).await?)
    }
}

fn same(seen: &[u8], expected: &[u8]) -> Result<(), Fault> {
    demand(seen == expected, || format!("{} bytes came back, and not the {} sent", seen.len(), expected.len()))
}

async fn plain_echo(stage: &mut Stage) -> Outcome {
    let sizes = [0, 1, 253, 254, 255, 1_000, stage.image.largest()];
    for size in sizes {
        let zeros_and_others: Vec<u8> = (0..size).map(|i| (i % 7) as u8).collect();
        stage.echo(&zeros_and_others).await?;
    }
    Ok(format!("{} payloads up to {} bytes came back", sizes.len(), stage.image.largest()))
}

async fn channel_by_host(stage: &mut Stage) -> Outcome {
    let begun = Instant::now();
    stage.open_echo().await?;
    let handshake = begun.elapsed().as_millis();
    stage.sealed_echo(b"through the channel").await?;
    Ok(format!("handshake in {handshake} ms"))
}

async fn channel_by_board(stage: &mut Stage) -> Outcome {
    let options = ListenerOptions::default().reached_through(stage.connection.reach());
    let listener = stage.node.create_secure_channel_listener(&stage.identity, "api", options).await?;
    let mut greeter = stage.node.open("greeter").reached_through(listener.reach()).context().await?;
    stage.me.send(stage.connection.route("dial"), b"").await?;
    let hello = tokio::time::timeout(SOON, greeter.receive()).await??;
    same(hello.payload(), b"hello from the board")?;
    demand(hello.peer().is_some() && hello.peer() == stage.board.as_ref(), || "the greeting is another's".into())?;
    let echo = hello.return_route().to_owned();
    let answer = greeter.request(echo, b"good morning, board", SOON).await?;
    same(answer.payload(), b"good morning, board")?;
    Ok("it is who it was, and it answers through its channel".into())
}

/// The node that has the line is the middle: another one goes through a channel with it, and through that to the board.
async fn channel_inside_a_channel(stage: &mut Stage) -> Outcome {
    let board = stage.board.ok_or("the board is not known")?;
    let far = Node::start()?;
    let identity = far.create_identity().await?;
    let listener = stage.node.listen("127.0.0.1:0").await?;
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = stage.node.create_secure_channel_listener(&stage.identity, "middle", options).await?;
    let onward = stage.node.open("onward").reached_through(channels.reach());
    onward.reached_through(stage.connection.reach()).hop().await?;

    let to_middle = far.connect(&listener.local_addr().to_string()).await?;
    let only_middle = ChannelOptions::trusting(Trust::One(stage.identity.identifier()));
    let outer = far.create_secure_channel(&identity, to_middle.route("middle"), only_middle).await?;
    let way = outer.route("onward").then(stage.connection.address().clone()).then("api");
    let inner = far.create_secure_channel(&identity, way, ChannelOptions::trusting(Trust::One(board))).await?;
    let mut me = far.open("me").reached_through(inner.reach()).context().await?;
    for size in [0, 1, 500] {
        let answer = me.request(inner.route("echo"), &vec![7; size], SOON).await?;
        same(answer.payload(), &vec![7; size])?;
        demand(answer.peer() == Some(&board), || "the answer did not come out of the inner channel".into())?;
    }
    inner.close().await?;
    far.shutdown().await;
    listener.stop();
    Ok("the board answers through both channels".into())
}

async fn many_messages(stage: &mut Stage) -> Outcome {
    const MESSAGES: usize = 1_000;
    let before = stage.status().await?;
    for i in 0..MESSAGES {
        stage.sealed_echo(format!("message {i}").as_bytes()).await?;
    }
    let after = stage.status().await?;
    demand(before.heap == after.heap, || format!("the heap grew from {} to {}", before.heap, after.heap))?;
    Ok(format!("{} rekeys; heap {} before and after", MESSAGES / REKEY, after.heap))
}

async fn noisy_line(stage: &mut Stage) -> Outcome {
    const MESSAGES: usize = 100;
    const WAIT: Duration = Duration::from_millis(250);
    let before = stage.line.harmed();
    stage.line.harm(1_000);
    let mut answered = 0;
    for i in 0..MESSAGES {
        let name = format!("noisy {}", stage.next());
        let mut asker = stage.node.open(name.as_str()).reached_through(stage.connection.reach()).context().await?;
        let payload = format!("message {i} on a noisy line");
        if let Ok(answer) = asker.request(stage.connection.route("echo"), payload.as_bytes(), WAIT).await {
            same(answer.payload(), payload.as_bytes())?;
            answered += 1;
        }
    }
    let mut tries = 0;
    let opened = loop {
        tries += 1;
        // A handshake that lost a message is waited for no longer than another takes.
        match tokio::time::timeout(Duration::from_secs(2), stage.open_channel()).await {
            Ok(Ok(channel)) => break channel,
            _ if tries < 20 => {}
            _ => return Err("no handshake came through the noise".into()),
        }
    };
    stage.line.harm(0);
    let harmed = stage.line.harmed() - before;
    demand(harmed > 0, || "there was no noise".into())?;
    demand(answered > MESSAGES / 3 && answered < MESSAGES, || format!("{answered} of {MESSAGES} were answered"))?;
    opened.close().await?;
    stage.me = stage.node.open("me, after the noise").reached_through(stage.connection.reach()).context().await?;
    for _ in 0..10 {
        stage.echo(b"the line is good again").await?;
    }
    Ok(format!("{harmed} bytes harmed, {answered} of {MESSAGES} answered, handshake at try {tries}; then all answered"))
}

/// A hostile host says all of this, then is answered as before.
async fn send_garbage(stage: &mut Stage, random: &mut Seeded) -> Result<Status, Fault> {
    for _ in 0..4 {
        let mut noise = vec![0; 4_096];
        random.fill(Purpose::Ping, &mut noise);
        stage.line.inject(noise).await?;
        // Larger than any frame may be, and without an end.
        stage.line.inject(vec![0x55; 20_000]).await?;
        // Sound frames: no CBOR, larger than the board is configured with, an array of millions of addresses.
        stage.line.inject(line::frame(&[0xff; 40])).await?;
        stage.line.inject(line::frame(&[0x83; 9_000])).await?;
        stage.line.inject(line::frame(&[0x83, 0x9a, 0x00, 0xff, 0xff, 0xff, 0x80, 0x40])).await?;
    }
    for _ in 0..10 {
        stage.echo(b"still there").await?;
    }
    stage.status().await
}

async fn garbage(stage: &mut Stage) -> Outcome {
    let mut random = Seeded::from_u64(7);
    // A node counts failures by their kind: what is seen for the first time has its counter made.
    let before = send_garbage(stage, &mut random).await?;
    let after = send_garbage(stage, &mut random).await?;
    let (dropped, restarts) = (after.dropped - before.dropped, after.restarts - before.restarts);
    demand(dropped > 0 && restarts > 0, || "nothing was refused".into())?;
    demand(after.heap == before.heap, || format!("the heap went from {} to {}", before.heap, after.heap))?;
    Ok(format!(
        "{dropped} frames dropped and {restarts} connections begun anew, the second time; heap {} after either, {} at most",
        after.heap, after.heap_most
    ))
}

/// All that strangers can have a board keep at once: histories, open channels, half-open ones, and answers to far away.
async fn crowd(stage: &mut Stage) -> Outcome {
    const HOSTS: usize = 40;
    const HALF_OPEN: usize = 8;
    const QUESTIONS: usize = 40;
    for _ in 0..HOSTS {
        let identity = stage.node.create_identity().await?;
        let options = ChannelOptions::trusting(stage.board.map_or(Trust::Everyone, Trust::One));
        // Nobody closes it: the board does, to make room for the next.
        stage.node.create_secure_channel(&identity, stage.connection.route("api"), options).await?;
    }
    // Nearly as long a way back as every receiver takes.
    let hop = Address::new(TransportType::LOCAL, &[7; 60]);
    let far = (0..15).fold(Route::new(), |route, _| route.then(hop.clone()));
    let ask = |worker: &str, payload: &[u8]| {
        let onward = Route::new().then(worker);
        line::frame_of(Message::new(onward.as_ref(), far.as_ref(), payload))
    };
    for _ in 0..HALF_OPEN {
        stage.line.inject(ask("api", &[9; 32])).await?;
    }
    stage.line.inject(ask("status", b"").repeat(QUESTIONS)).await?;
    stage.echo(b"still there").await?;
    let Status { heap, heap_most, .. } = stage.status().await?;
    Ok(format!("{HOSTS} hosts were answered, and then one; heap {heap}, {heap_most} at most"))
}
