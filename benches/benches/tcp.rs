//! Messages per second from one application to another, through secure channels over loopback TCP.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use razor_tokio::{ChannelOptions, Context, Identity, ListenerOptions, Node, Reach, Result, SecureChannel};
use tokio::runtime::{Builder, Runtime};

/// Two nodes, one of which listens.
struct Nodes {
    here: Node,
    there: Node,
    alice: Identity,
    /// What is reached through the channels of the other.
    channels: Reach,
    at: String,
}

/// An application on either node, and the channel between them.
struct Pair {
    sender: Context,
    receiver: Context,
    channel: SecureChannel,
}

impl Nodes {
    async fn new(shards: usize) -> Result<Self> {
        let (here, there) = (Node::builder().shards(shards).start()?, Node::builder().shards(shards).start()?);
        let (alice, bob) = (here.create_identity().await?, there.create_identity().await?);
        let listener = there.listen("127.0.0.1:0").await?;
        let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
        let channels = there.create_secure_channel_listener(&bob, "api", options).await?.reach().clone();
        Ok(Self { here, there, alice, channels, at: listener.local_addr().to_string() })
    }

    /// A channel over a connection of its own, and an application at each end.
    async fn pair(&self, name: &str) -> Result<Pair> {
        let receiver = self.there.open(name).reached_through(&self.channels).context().await?;
        let connection = self.here.connect(&self.at).await?;
        let route = connection.route("api");
        let channel = self.here.create_secure_channel(&self.alice, route, ChannelOptions::default()).await?;
        let sender = self.here.open(name).reached_through(channel.reach()).context().await?;
        Ok(Pair { sender, receiver, channel })
    }
}

impl Pair {
    /// Sends `count` messages and takes them at the other end.
    async fn carry(&mut self, count: u64, payload: &[u8]) -> Result<()> {
        let (sender, route) = (&mut self.sender, self.channel.route(self.receiver.address().clone()));
        let send = async {
            for _ in 0..count {
                sender.feed(&route, payload).await?;
            }
            Ok(())
        };
        let receive = async {
            for _ in 0..count {
                assert_eq!(self.receiver.receive().await?.payload().len(), payload.len());
            }
            Ok(())
        };
        tokio::try_join!(send, receive).map(drop)
    }
}

/// One channel, by the size of its messages.
fn one_channel(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("TCP");
    for size in [64, 1024, 16 * 1024, 60 * 1024] {
        group.throughput(Throughput::Elements(1));
        let payload = vec![1; size];
        let mut pair = runtime.block_on(async { Nodes::new(1).await?.pair("app").await }).expect("a channel");
        group.bench_function(BenchmarkId::new("channel", size), |b| {
            b.iter_custom(|count| {
                let begun = Instant::now();
                runtime.block_on(pair.carry(count, &payload)).expect("all messages come");
                begun.elapsed()
            });
        });
    }
    group.finish();
}

/// Several channels at once, by the number of cores: a shard of each node and a thread for each.
fn cores(c: &mut Criterion) {
    const CHANNELS: u64 = 8;
    const PAYLOAD: [u8; 1024] = [1; 1024];
    let mut group = c.benchmark_group("8 channels of 1 KiB messages");
    for cores in [1, 2] {
        group.throughput(Throughput::Elements(CHANNELS));
        let runtime = Builder::new_multi_thread().worker_threads(cores).enable_all().build().expect("a runtime");
        let open = async {
            let nodes = Nodes::new(cores).await?;
            let mut pairs = Vec::new();
            for n in 0..CHANNELS {
                pairs.push(nodes.pair(&format!("app {n}")).await?);
            }
            Ok::<_, razor_tokio::Error>(pairs)
        };
        let mut pairs = runtime.block_on(open).expect("channels");
        group.bench_function(BenchmarkId::from_parameter(format!("{cores} core(s)")), |b| {
            b.iter_custom(|count| {
                let (elapsed, back) = runtime.block_on(all(std::mem::take(&mut pairs), count, &PAYLOAD));
                pairs = back;
                elapsed
            });
        });
    }
    group.finish();
}

/// Has all of them carry `count` messages, each on a task of its own.
async fn all(pairs: Vec<Pair>, count: u64, payload: &'static [u8]) -> (Duration, Vec<Pair>) {
    let begun = Instant::now();
    let carry = |mut pair: Pair| {
        tokio::spawn(async move {
            pair.carry(count, payload).await.expect("all messages come");
            pair
        })
    };
    let tasks: Vec<_> = pairs.into_iter().map(carry).collect();
    let mut back = Vec::new();
    for task in tasks {
        back.push(task.await.expect("a task that ends"));
    }
    (begun.elapsed(), back)
}

criterion_group!(benches, one_channel, cores);
criterion_main!(benches);
