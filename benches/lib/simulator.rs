//! Worlds of the simulator to measure: five nodes in a line, so that each message crosses four links and three hops.

use std::time::{Duration, Instant};

use razor_sim::plan::{Channel, Signing, Suite};
use razor_sim::queue::Queue;
use razor_sim::trace::Digested;
use razor_sim::{Plan, Report, Seed, Sketch};

/// How a world is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// With every checker, and the digest over every byte.
    All,
    /// With nothing but what it takes for messages to arrive.
    Nothing,
}

/// Five nodes in a line, and channels from one end to the other with so many messages of 64 bytes or less each way.
///
/// # Panics
/// Never: the plan is valid.
pub fn plan(suite: Suite, channels: usize, messages: usize) -> Plan {
    let text = "preset = 'calm'\nhealed = '1s'\nfault = []\nadversary = []\ntopology = { shape = 'line', nodes = 5 }";
    let mut sketch = Sketch::parse(text).expect("a sketch");
    let pace = Duration::from_millis(10);
    let ms = |millis: usize| Duration::from_millis(millis as u64);
    sketch.suite = Some(suite);
    sketch.faulty = Some(ms(2_000) + pace * messages as u32);
    let channel = |n: usize| Channel {
        name: None,
        from: "node-0".into(),
        to: "node-4".into(),
        inside: None,
        kept: false,
        at: ms(5 + 50 * n),
        messages,
        pace,
        payload: 64 - 16,
    };
    sketch.channels = Some((0..channels).map(channel).collect());
    let mut plan = sketch.draw(Seed(1)).expect("a plan");
    for node in &mut plan.nodes {
        // What signs is no part of the suite: the faster one for all.
        (node.signing, node.lateness) = (Signing::Ed25519, Duration::ZERO);
    }
    plan
}

/// Runs the world of this plan.
///
/// # Panics
/// If a property does not hold.
pub fn run(plan: Plan, checked: Checked) -> Report {
    let world = razor_sim::world(plan);
    let report = match checked {
        Checked::All => world.run(),
        Checked::Nothing => world.digesting(Digested::Nothing).unchecked().run(),
    };
    assert!(report.passed(), "{report}");
    report
}

/// How long a frame takes on average to be sent, to cross a link and to be handled by the node at its end.
pub fn time_of_a_delivery(suite: Suite, checked: Checked) -> Duration {
    let plan = plan(suite, 2, 2_500);
    let start = Instant::now();
    let report = run(plan, checked);
    start.elapsed() / report.arrivals as u32
}

/// How long an event takes in a queue alone: a frame of 64 bytes is taken out, copied, and put in again for another
/// time, while ten are under way.
pub fn time_of_a_bare_event() -> Duration {
    const EVENTS: u32 = 200_000;
    let mut queue = Queue::default();
    let mut random = Seed(1).stream("bare");
    let mut next = |queue: &mut Queue<Vec<u8>>, frame: &[u8]| {
        let at = queue.now() + Duration::from_micros(random.within(1_000..=2_000));
        queue.schedule(at, frame.to_vec());
    };
    (0..10).for_each(|n| next(&mut queue, &[n; 64]));
    let start = Instant::now();
    for _ in 0..EVENTS {
        let frame = queue.pop_until(razor::env::Instant::NEVER).expect("ten are under way");
        next(&mut queue, std::hint::black_box(&frame));
    }
    start.elapsed() / EVENTS
}

/// How long a datagram of 64 bytes takes between two hosts of turmoil, which answer each other.
///
/// # Panics
/// If the simulation fails.
pub fn time_of_a_turmoil_datagram() -> Duration {
    const MESSAGES: u32 = 10_000;
    const PORT: u16 = 4_000;
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(3_600))
        .tick_duration(Duration::from_millis(1))
        .rng_seed(1)
        .build();
    sim.host("echo", || async {
        let socket = turmoil::net::UdpSocket::bind(("0.0.0.0", PORT)).await?;
        let mut buffer = [0; 64];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..length], peer).await?;
        }
    });
    sim.client("client", async {
        let socket = turmoil::net::UdpSocket::bind(("0.0.0.0", PORT)).await?;
        let mut buffer = [7; 64];
        for _ in 0..MESSAGES / 2 {
            socket.send_to(&buffer, ("echo", PORT)).await?;
            socket.recv_from(&mut buffer).await?;
        }
        Ok(())
    });
    let start = Instant::now();
    sim.run().expect("nothing is lost");
    start.elapsed() / MESSAGES
}
