//! What things cost in memory, counted by the allocator.

use allocation_counter::{AllocationInfo, measure};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine;
use razor::node::{
    self, Config, Connected, ConnectionId, Context, Delivery, Flow, FlowControlId, Hop, Input, Mailbox, Node, Output,
    Spec, Worker,
};
use razor::routing::{Address, Message, Route, Tail};
use razor::transport::{self, Tcp};

/// A node and its randomness.
struct Host {
    node: Node,
    entropy: Seeded,
}

impl Host {
    fn new(config: Config) -> Self {
        let mut entropy = Seeded::from_u64(1);
        let node = Node::new(config, &mut entropy);
        Self { node, entropy }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        f(&mut self.node, &mut Env::new(Instant::ZERO, Timestamp(0), &mut self.entropy))
    }

    fn input(&mut self, input: Input) {
        self.with(|node, env| node.handle(env, input)).expect("there is room");
    }

    /// Throws away what comes out; says how many outputs there were. Acknowledges what is to be.
    fn drain(&mut self) -> usize {
        let mut count = 0;
        loop {
            let input = match self.node.poll_output() {
                Some(Output::Deliver { inbox, .. }) => Input::Taken { inbox, messages: 1 },
                Some(Output::Transmit { connection, frame }) => {
                    Input::Sent { connection, bytes: frame.payload().len() as u64 }
                }
                Some(_) => {
                    count += 1;
                    continue;
                }
                None => return count,
            };
            count += 1;
            // The contract: everything is taken before the next input.
            let rest: usize = std::iter::from_fn(|| self.node.poll_output()).count();
            assert_eq!(rest, 0, "these tests send one message at a time");
            self.input(input);
        }
    }

    fn start(&mut self, address: Address, reachable_through: &[FlowControlId], worker: impl Worker + 'static) {
        let flow = Flow { consumer_of: reachable_through.to_vec(), ..Flow::default() };
        let spec = Spec { mailboxes: vec![Mailbox::open(address)], flow, worker: Box::new(worker) };
        self.with(|node, env| node.start_worker(env, spec)).expect("the address is free");
    }

    fn receive(&mut self, connection: ConnectionId, bytes: Vec<u8>) {
        self.input(Input::Received { connection, bytes });
    }
}

/// A worker with a state of its own: one number.
struct Counter(u64);

impl Worker for Counter {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> razor::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

fn message(onward: &Route, payload: usize) -> Message {
    Message::new(onward.as_ref(), Route::new().as_ref(), &vec![7; payload])
}

fn frame(onward: &Route, payload: usize) -> Vec<u8> {
    let mut message = message(onward, payload);
    message.fold(&[0x83], Tail::Tracing);
    let mut bytes = u32::try_from(message.payload().len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(message.payload());
    bytes
}

/// Measures what is left of `f`'s allocations when it has returned.
fn kept<T>(f: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = measure(|| result = Some(f()));
    (result.expect("it has run"), info)
}

#[test]
fn an_idle_worker_takes_at_most_200_bytes_before_and_after_it_has_worked() {
    const WORKERS: u64 = 100_000;
    let mut names = Seeded::from_u64(2);
    let mut random = || Address::random(&mut names);
    let ((mut host, addresses), idle) = kept(|| {
        let mut host = Host::new(Config::default());
        let mut addresses = Vec::new();
        for n in 0..WORKERS {
            let address = random();
            if n % 100 == 0 {
                addresses.push(address.clone());
            }
            host.start(address, &[], Counter(0));
        }
        (host, addresses)
    });
    let each = idle.bytes_current as u64 / WORKERS;
    assert!((100..=200).contains(&each), "{each} bytes for an idle worker");
    let ((), after) = kept(|| {
        for address in &addresses {
            host.input(Input::Send(message(&Route::from(address.clone()), 10)));
            host.drain();
        }
    });
    assert_eq!(host.node.counters().delivered, addresses.len() as u64);
    assert!(after.bytes_current < 20_000, "{} bytes more after work", after.bytes_current);
}

#[test]
fn a_message_is_forwarded_hop_by_hop_without_an_allocation() {
    let mut host = Host::new(Config::default());
    let hops: Vec<String> = (0..10).map(|hop| format!("hop {hop}")).collect();
    for hop in &hops {
        host.start(Address::local(hop), &[], Hop);
    }
    host.with(|node, env| node.open_inbox(env, Mailbox::open("app".into()), Flow::default())).unwrap();
    let route: Route = hops.iter().map(|hop| Address::local(hop)).chain(["app".into()]).collect();
    let mut messages: Vec<Message> = (0..1_100).map(|_| message(&route, 64)).collect();
    for message in messages.split_off(1_000) {
        host.input(Input::Send(message));
        host.drain();
    }
    let ((), info) = kept(|| {
        for message in messages {
            host.input(Input::Send(message));
            assert_eq!(host.drain(), 1);
        }
    });
    assert_eq!(info.count_total, 0, "11 000 deliveries");
    assert_eq!((host.node.counters().delivered, host.node.counters().relayouts), (1_100 * 11, 0));
}

#[test]
fn a_frame_is_forwarded_from_one_connection_to_another_with_one_allocation() {
    let mut host = Host::new(Config::default());
    let listener = host.node.new_flow_control_id();
    let from = ConnectionId(1);
    let how = Connected { accepted_by: Some(listener), alias: None };
    host.with(|node, env| node.connected(env, from, how)).unwrap();
    host.drain();
    let to = host.with(|node, env| node.connected(env, ConnectionId(2), Connected::default())).unwrap();
    host.drain();
    host.start("hop".into(), &[listener], Hop);
    let bytes = frame(&Route::new().then("hop").then(to).then("echo"), 64);
    host.receive(from, [&[1], bytes.as_slice()].concat());
    host.drain();
    // The driver's buffers are its own.
    let mut buffers = vec![bytes; 1_010];
    for buffer in buffers.split_off(1_000) {
        host.receive(from, buffer);
        assert_eq!(host.drain(), 1);
    }
    let ((), info) = kept(|| {
        for buffer in buffers {
            host.receive(from, buffer);
            assert_eq!(host.drain(), 1);
        }
    });
    assert_eq!(info.count_total, 1_000, "one for each packet, and none in between");
}

#[test]
fn ten_thousand_connections_that_came_and_went_leave_nothing() {
    let mut host = Host::new(Config::default());
    let listener = host.node.new_flow_control_id();
    host.start("worker".into(), &[listener], Counter(0));
    let mut next = 0;
    let mut many = |host: &mut Host, count: u64| {
        for _ in 0..count {
            next += 1;
            let id = ConnectionId(next);
            let how = Connected {
                accepted_by: Some(listener),
                alias: next.is_multiple_of(2).then(|| format!("1#far:{next}").parse().unwrap()),
            };
            host.with(|node, env| node.connected(env, id, how)).unwrap();
            host.drain();
            let mut bytes = vec![1];
            bytes.extend(frame(&Route::new().then("worker"), 200));
            bytes.extend(frame(&Route::new().then("nobody"), 200));
            bytes.extend(&frame(&Route::new().then("worker"), 20_000)[..10_000]);
            host.receive(id, bytes);
            host.drain();
            match next % 3 {
                // Closed by the node: the frame ends in garbage.
                0 => host.receive(id, vec![0xff; 20_000]),
                _ => host.input(Input::Disconnected { connection: id }),
            }
            host.drain();
        }
    };
    many(&mut host, 1_000);
    let ((), info) = kept(|| many(&mut host, 10_000));
    assert_eq!((host.node.workers(), host.node.provisional()), (1, 0));
    assert_eq!(info.bytes_current, 0, "10 000 connections, {} allocations", info.count_total);
    // Of each third the longer frame was completed by what closed the connection.
    assert_eq!(host.node.counters().delivered, 11_000 + 11_000 / 3);
}

#[test]
fn a_flood_leaves_no_memory_behind() {
    let mut host = Host::new(Config { hand_over: 1, ..Config::default() });
    let listener = host.node.new_flow_control_id();
    let flow = || Flow { consumer_of: vec![listener], ..Flow::default() };
    let flood = |host: &mut Host, first: u64| {
        let inbox = Address::local("slow");
        host.with(|node, env| node.open_inbox(env, Mailbox::open(inbox.clone()), flow())).unwrap();
        for id in (first..first + 100).map(ConnectionId) {
            let how = Connected { accepted_by: Some(listener), alias: None };
            host.with(|node, env| node.connected(env, id, how)).unwrap();
            host.drain();
            let route = Route::new().then("slow");
            let bytes = std::iter::repeat_with(|| frame(&route, 100)).take(400).flatten();
            host.receive(id, [1].into_iter().chain(bytes).collect());
            while host.node.poll_output().is_some() {}
        }
        assert!(host.node.provisional() > 1_000_000 && host.node.provisional() <= host.node.provisional_limit());
        for id in (first..first + 100).map(ConnectionId) {
            host.input(Input::Disconnected { connection: id });
            host.drain();
        }
        host.with(|node, env| node.stop_worker(env, &inbox)).unwrap();
        host.drain();
        assert_eq!(host.node.provisional(), 0);
    };
    // The table of addresses has more room once it has seen many come and go, and no more after that.
    (1..6).for_each(|n| flood(&mut host, n * 1_000));
    let ((), info) = kept(|| (6..9).for_each(|n| flood(&mut host, n * 1_000)));
    assert_eq!(info.bytes_current, 0);
}

#[test]
fn an_inbox_that_was_full_once_gives_its_memory_back() {
    let mut host = Host::new(Config { hand_over: 1, ..Config::default() });
    host.with(|node, env| node.open_inbox(env, Mailbox::open("slow".into()), Flow::default())).unwrap();
    let route = Route::new().then("slow");
    let ((), info) = kept(|| {
        for _ in 0..250 {
            host.input(Input::Send(message(&route, 10)));
            while host.node.poll_output().is_some() {}
        }
        for _ in 0..250 {
            host.input(Input::Taken { inbox: "slow".into(), messages: 1 });
            while host.node.poll_output().is_some() {}
        }
    });
    assert_eq!(host.node.counters().delivered, 250);
    assert!(info.bytes_max > 100_000 && info.bytes_current < 10_000, "{} bytes are kept", info.bytes_current);
}

/// A connection on which the opening bytes have been exchanged.
fn tcp() -> (Tcp, Seeded) {
    let mut entropy = Seeded::from_u64(1);
    let mut tcp = Tcp::new(transport::Config::default(), Instant::ZERO);
    give(&mut tcp, &mut entropy, vec![1]);
    (tcp, entropy)
}

fn give(tcp: &mut Tcp, entropy: &mut Seeded, bytes: Vec<u8>) -> Vec<transport::Output> {
    let mut env = Env::new(Instant::ZERO, Timestamp(0), entropy);
    tcp.handle(&mut env, transport::Input::Received(bytes)).expect("it was drained");
    std::iter::from_fn(|| tcp.poll_output()).collect()
}

//= spec/src/tcp.md#tcp-5
//= type=test
//# A node MUST NOT allocate more memory for a frame than a small multiple of what has arrived of it.
#[test]
fn a_frame_that_comes_byte_by_byte_is_copied_a_few_times_and_not_at_every_byte() {
    const SIZE: u64 = 1 << 20;
    let (mut tcp, mut entropy) = tcp();
    let bytes = frame(&Route::new().then("echo"), SIZE as usize);
    let mut delivered = 0;
    let ((), info) = kept(|| {
        for byte in &bytes {
            delivered += give(&mut tcp, &mut entropy, vec![*byte]).len();
        }
    });
    assert_eq!(delivered, 1);
    // One allocation for each byte is the driver's; the list of outputs is this test's.
    let own = info.count_total - bytes.len() as u64;
    assert!(own < 32, "{own} allocations");
    assert!(info.bytes_total < 5 * SIZE, "{} bytes were allocated for {SIZE}", info.bytes_total);
    assert!(info.bytes_max < 2 * SIZE, "{} bytes were held at once for {SIZE}", info.bytes_max);
}

#[test]
fn a_length_that_is_only_announced_costs_nothing() {
    for arrived in [0, 100, 10_000] {
        let (mut tcp, mut entropy) = tcp();
        let mut bytes = transport::Config::CEILING.frame.to_be_bytes().to_vec();
        bytes.extend(vec![0x83; arrived]);
        let (_, info) = kept(|| give(&mut tcp, &mut entropy, bytes));
        assert!(info.bytes_max < 2 * arrived as u64 + 1_024, "{} bytes for {arrived}", info.bytes_max);
    }
}

#[test]
fn four_million_hops_in_a_frame_are_refused_without_an_allocation_of_their_own() {
    let (mut tcp, mut entropy) = tcp();
    let mut body = vec![0x83, 0x9a];
    body.extend(4_000_000u32.to_be_bytes());
    body.extend([0x82, 0x00, 0x41, 0x61].repeat(4_000_000));
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(&body);
    let mut outputs = Vec::new();
    let ((), info) = kept(|| {
        for chunk in bytes.chunks(65_536) {
            outputs.extend(give(&mut tcp, &mut entropy, chunk.to_vec()));
        }
    });
    assert!(matches!(outputs[..], [transport::Output::Dropped(error)] if error.requirement() == "RTE-3"));
    assert!(info.bytes_max < 2 * body.len() as u64, "{} bytes for {}", info.bytes_max, body.len());
    assert_eq!(tcp.provisional(), 0);
}

#[test]
fn a_nodes_own_size_does_not_depend_on_its_limits() {
    let (_, info) = kept(|| Host::new(node::Config::CEILING));
    assert!(info.bytes_current < 1_000, "{}", info.bytes_current);
}
