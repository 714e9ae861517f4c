//! Messages per second from one application to another, through a secure channel over loopback TCP.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use razor_tokio::{ChannelOptions, Context, ListenerOptions, Node, SecureChannel};
use tokio::runtime::Runtime;

/// An application on either node, and the channel between them.
struct Pair {
    sender: Context,
    receiver: Context,
    channel: SecureChannel,
}

impl Pair {
    async fn new() -> razor_tokio::Result<Self> {
        let (here, there) = (Node::start()?, Node::start()?);
        let (alice, bob) = (here.create_identity().await?, there.create_identity().await?);
        let listener = there.listen("127.0.0.1:0").await?;
        let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
        let channels = there.create_secure_channel_listener(&bob, "api", options).await?;
        let receiver = there.open("app").reached_through(channels.reach()).context().await?;
        let connection = here.connect(&listener.local_addr().to_string()).await?;
        let channel = here.create_secure_channel(&alice, connection.route("api"), ChannelOptions::default()).await?;
        Ok(Self { sender: here.context("app").await?, receiver, channel })
    }

    /// Sends `count` messages and takes them at the other end.
    async fn carry(&mut self, count: u64, payload: &[u8]) -> razor_tokio::Result<Duration> {
        let (sender, route) = (&mut self.sender, self.channel.route("app"));
        let begun = Instant::now();
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
        tokio::try_join!(send, receive).map(|((), ())| begun.elapsed())
    }
}

fn tcp(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("channel over loopback TCP");
    for size in [64, 1024, 16 * 1024, 60 * 1024] {
        group.throughput(Throughput::Elements(1));
        let payload = vec![1; size];
        let mut pair = runtime.block_on(Pair::new()).expect("a channel");
        group.bench_function(BenchmarkId::from_parameter(format!("{size} B")), |b| {
            b.iter_custom(|count| runtime.block_on(pair.carry(count, &payload)).expect("all messages come"));
        });
    }
    group.finish();
}

criterion_group!(benches, tcp);
criterion_main!(benches);
