//! What the board and the node on this machine do with each other.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use razor::env::{Entropy, Purpose, Seeded};
use razor_tokio::{
    ChannelOptions, Connection, Context, Identifier, Identity, ListenerOptions, Node, SecureChannel, Trust,
};

use crate::line::{self, Line};
use crate::{Fault, Outcome};

/// No answer of the board takes longer.
const SOON: Duration = Duration::from_secs(20);

/// The wall-clock time at which the board is switched on, as its firmware says: it has no calendar.
const WALL: u64 = 1_750_000_000;

/// Keys are renewed after so many messages. Spec: "Secure channels".
const REKEY: usize = 32;

/// A scene.
type Scene = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// All scenes, in the order in which they are played.
pub(crate) const ALL: [(&str, Scene); 6] = [
    ("plain echo", |stage| Box::pin(plain_echo(stage))),
    ("a channel, initiated by the host", |stage| Box::pin(channel_by_host(stage))),
    ("a channel, initiated by the board", |stage| Box::pin(channel_by_board(stage))),
    ("1,000 messages with rekeys", |stage| Box::pin(many_messages(stage))),
    ("a noisy line", |stage| Box::pin(noisy_line(stage))),
    ("garbage", |stage| Box::pin(garbage(stage))),
];

/// The node on this machine, and the line to the board.
pub(crate) struct Stage {
    line: Line,
    node: Node,
    identity: Identity,
    connection: Connection,
    me: Context,
    channel: Option<SecureChannel>,
    /// Who the board has proved to be.
    board: Option<Identifier>,
    asked: u64,
}

impl Stage {
    pub(crate) async fn new(line: Line) -> Result<Self, Fault> {
        let begun = Instant::now();
        let node = Node::builder().wall_clock(move || WALL + begun.elapsed().as_secs()).start()?;
        let identity = node.create_identity().await?;
        let connection = node.connect(&line.address.to_string()).await?;
        let me = node.open("me").reached_through(connection.reach()).context().await?;
        Ok(Self { line, node, identity, connection, me, channel: None, board: None, asked: 0 })
    }

    /// The next number of a name that nobody has used.
    fn next(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    async fn echo(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let answer = self.me.request(self.connection.route("echo"), payload, SOON).await?;
        same(answer.payload(), payload)
    }

    /// What the board says of itself.
    async fn status(&mut self) -> Result<BTreeMap<String, u64>, Fault> {
        let answer = self.me.request(self.connection.route("status"), b"", SOON).await?;
        let text = String::from_utf8(answer.payload().to_vec())?;
        let pair = |word: &str| word.split_once('=').and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
        Ok(text.split(' ').filter_map(pair).collect())
    }

    async fn open_channel(&self) -> Result<SecureChannel, Fault> {
        let trust = self.board.map_or(Trust::Everyone, Trust::One);
        let options = ChannelOptions::trusting(trust);
        Ok(self.node.create_secure_channel(&self.identity, self.connection.route("api"), options).await?)
    }
}

fn same(seen: &[u8], expected: &[u8]) -> Result<(), Fault> {
    demand(seen == expected, || format!("{} bytes came back, and not the {} sent", seen.len(), expected.len()))
}

fn demand(held: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if held { Ok(()) } else { Err(what().into()) }
}

async fn plain_echo(stage: &mut Stage) -> Outcome {
    let sizes = [0, 1, 253, 254, 255, 1_000, 3_000];
    for size in sizes {
        let zeros_and_others: Vec<u8> = (0..size).map(|i| (i % 7) as u8).collect();
        stage.echo(&zeros_and_others).await?;
    }
    Ok(format!("{} payloads up to 3,000 bytes came back", sizes.len()))
}

async fn channel_by_host(stage: &mut Stage) -> Outcome {
    let begun = Instant::now();
    let channel = stage.open_channel().await?;
    let handshake = begun.elapsed().as_millis();
    stage.board = Some(*channel.peer());
    let mut inside = stage.node.open("inside").reached_through(channel.reach()).context().await?;
    let answer = inside.request(channel.route("echo"), b"through the channel", SOON).await?;
    same(answer.payload(), b"through the channel")?;
    demand(answer.peer() == Some(channel.peer()), || "the answer did not come out of the channel".into())?;
    stage.channel = Some(channel);
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

async fn many_messages(stage: &mut Stage) -> Outcome {
    const MESSAGES: usize = 1_000;
    let before = stage.status().await?;
    let channel = stage.channel.as_ref().ok_or("there is no channel")?;
    let mut inside = stage.node.open("inside, again").reached_through(channel.reach()).context().await?;
    for i in 0..MESSAGES {
        let payload = format!("message {i}");
        let answer = inside.request(channel.route("echo"), payload.as_bytes(), SOON).await?;
        same(answer.payload(), payload.as_bytes())?;
    }
    drop(inside);
    let after = stage.status().await?;
    demand(before["heap"] == after["heap"], || format!("the heap grew from {} to {}", before["heap"], after["heap"]))?;
    Ok(format!("{} rekeys; heap {} before and after", MESSAGES / REKEY, after["heap"]))
}

async fn noisy_line(stage: &mut Stage) -> Outcome {
    const MESSAGES: usize = 200;
    const WAIT: Duration = Duration::from_millis(500);
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
        match tokio::time::timeout(Duration::from_secs(3), stage.open_channel()).await {
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
async fn send_garbage(stage: &mut Stage, random: &mut Seeded) -> Result<BTreeMap<String, u64>, Fault> {
    for _ in 0..8 {
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
    let more = |name: &str| after[name] - before[name];
    demand(more("dropped") > 0 && more("restarts") > 0, || "nothing was refused".into())?;
    demand(after["heap"] == before["heap"], || format!("the heap went from {} to {}", before["heap"], after["heap"]))?;
    Ok(format!(
        "{} frames dropped and {} connections begun anew, the second time; heap {} after either, {} at most",
        more("dropped"),
        more("restarts"),
        after["heap"],
        after["heap_most"]
    ))
}
