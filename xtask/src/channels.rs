//! What channels leave behind that were opened and closed one after the other: nothing, and the last is as quick as
//! the first.

use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use razor_tokio::{ChannelOptions, Connection, Identity, ListenerOptions, Node, Status};

use crate::Outcome;

/// How many channels make a line of the table.
const STEP: u64 = 1_000;

/// The most bytes that a closed channel may leave behind, on both sides together.
const BAR: f64 = 8.0;

/// Two nodes with a connection over the loopback interface.
struct Pair {
    server: Node,
    client: Node,
    identity: Identity,
    connection: Connection,
}

impl Pair {
    async fn new() -> razor_tokio::Result<Self> {
        let server = Node::start()?;
        let listener = server.listen("127.0.0.1:0").await?;
        let theirs = server.create_identity().await?;
        let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
        let channels = server.create_secure_channel_listener(&theirs, "api", options).await?;
        server.open("echo").reached_through(channels.reach()).echoer().await?;
        let client = Node::start()?;
        let identity = client.create_identity().await?;
        let connection = client.connect(&listener.local_addr().to_string()).await?;
        Ok(Self { server, client, identity, connection })
    }

    /// Opens a channel, sends a message there and back, closes it, and waits until both sides have forgotten it.
    async fn open_and_close(&self) -> razor_tokio::Result<()> {
        let (client, route) = (&self.client, self.connection.route("api"));
        let channel = client.create_secure_channel(&self.identity, route, ChannelOptions::default()).await?;
        let mut context = client.open("app").reached_through(channel.reach()).context().await?;
        context.request(channel.route("echo"), b"there and back", Duration::from_secs(60)).await?;
        drop(context);
        channel.close().await?;
        while self.server.status().await?.channels > 0 || client.status().await?.channels > 0 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn status(&self) -> razor_tokio::Result<[Status; 2]> {
        Ok([self.server.status().await?, self.client.status().await?])
    }
}

/// Opens and closes that many channels, and prints what there is after each thousand of them.
pub(crate) fn measure(count: &str) -> Outcome {
    let count: u64 = count.replace('_', "").parse()?;
    // On one thread, so that all that is allocated is counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pair = runtime.block_on(Pair::new())?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "channels",
        "live bytes",
        "resident KiB",
        "workers",
        "tasks",
        "ms each",
    ]);
    let (mut live, mut settled) = (0i64, None);
    for step in 1..=count.div_ceil(STEP) {
        let began = Instant::now();
        let mut outcome = Ok(());
        let info = allocation_counter::measure(|| {
            outcome = runtime.block_on(async {
                for _ in 0..STEP {
                    pair.open_and_close().await?;
                }
                Ok::<(), razor_tokio::Error>(())
            });
        });
        outcome?;
        live += info.bytes_current;
        let each = began.elapsed().as_secs_f64() * 1e3 / STEP as f64;
        let status = runtime.block_on(pair.status())?;
        let sum = |of: fn(&Status) -> usize| status.iter().map(of).sum::<usize>();
        let (workers, tasks) = (sum(|status| status.workers), sum(|status| status.tasks));
        table.add_row([
            (step * STEP).to_string(),
            live.to_string(),
            resident().map_or("?".into(), |kib| kib.to_string()),
            workers.to_string(),
            tasks.to_string(),
            format!("{each:.2}"),
        ]);
        // What grows once and is kept has grown after the first thousand.
        let (bytes, there) = *settled.get_or_insert((live, (workers, tasks)));
        if (workers, tasks) != there {
            return Err(format!("{table}\nworkers or tasks are left behind").into());
        }
        if (live - bytes) as f64 > BAR * (step * STEP) as f64 {
            return Err(format!("{table}\na closed channel may leave {BAR} bytes at most").into());
        }
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    runtime.block_on(async {
        pair.client.shutdown().await;
        pair.server.shutdown().await;
    });
    Ok(())
}

/// The memory of this process, where the system tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}
