//! TCP connections, a node with hostile connections, and sessions.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::machine::{Machine, Refused, Snapshot};
use crate::node::{self, Connected, ConnectionId, Context, Delivery, Echoer, Flow, Mailbox, Node, Spec, Worker};
use crate::routing::{Address, Message, Tail};
use crate::session::{self, Session};
use crate::transport::{self, Tcp};

/// Gives bytes to a new connection in chunks of `cut`. The outputs, described.
fn read(data: &[u8], cut: usize) -> Vec<transport::Output> {
    let mut entropy = Seeded::from_u64(1);
    let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
    let mut tcp = Tcp::new(transport::Config::default(), Instant::ZERO);
    let mut outputs = Vec::new();
    for chunk in [&[1], data].concat().chunks(cut) {
        tcp.handle(&mut env, transport::Input::Received(chunk.to_vec())).expect("it is drained and small");
        outputs.extend(core::iter::from_fn(|| tcp.poll_output()));
        assert!(tcp.provisional() <= tcp.provisional_limit());
        // Twice what has come, and what every message has around it.
        assert!(tcp.provisional() <= 2 * data.len() + 1024);
    }
    outputs
}

/// However the bytes are cut, a connection gives the same; what it delivers is what a frame says, and
/// writes the same frame again; nothing follows a close.
pub fn tcp_frames(data: &[u8]) {
    let outputs = read(data, 65_536);
    for cut in [1, 7] {
        assert_eq!(read(data, cut), outputs, "cut every {cut} bytes");
    }
    let last = outputs.len().saturating_sub(1);
    for (i, output) in outputs.into_iter().enumerate() {
        match output {
            transport::Output::Deliver(message) => {
                assert!(!message.onward().is_empty());
                let mut again = message.clone();
                let items = if message.tracing().is_some() { 0x84 } else { 0x83 };
                again.fold(&[0, 0, 0, 0, items], Tail::Tracing);
                let length = u32::try_from(again.payload().len() - 4).expect("it fits a frame");
                let mut bytes = length.to_be_bytes().to_vec();
                bytes.extend_from_slice(&again.payload()[4..]);
                assert_eq!(read(&bytes, 65_536)[1..], [transport::Output::Deliver(message)]);
            }
            transport::Output::Dropped(error) => assert_eq!(error.blame(), crate::Blame::Limit),
            transport::Output::Close(_) => assert_eq!(i, last),
            transport::Output::Open(_) => assert_eq!(i, 0),
            transport::Output::Transmit(_) => panic!("nothing was sent"),
        }
    }
}

/// Counts what it gets.
struct Private(Arc<AtomicUsize>);

impl Worker for Private {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> crate::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A node to whose connections strangers send bytes.
struct Exposed {
    node: Node,
    entropy: Seeded,
    now: Instant,
    senders: [Address; 2],
    private: Arc<AtomicUsize>,
}

const STEPS: usize = 16;

impl Exposed {
    fn new() -> Self {
        let mut entropy = Seeded::from_u64(1);
        let config = node::Config {
            inbox: 4,
            queue: 8,
            inbox_bytes: 1 << 17,
            queue_bytes: 1 << 18,
            held: 1 << 18,
            hand_over: 2,
            transmit: 4096,
            steps: STEPS,
            reports: 8,
            ..node::Config::default()
        };
        let mut node = Node::new(config, &mut entropy);
        let listener = node.new_flow_control_id();
        let private = Arc::new(AtomicUsize::new(0));
        let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
        let mut start = |node: &mut Node, name: &str, reachable: bool, worker: Box<dyn Worker>| {
            let flow = Flow { consumer_of: reachable.then_some(listener).into_iter().collect(), ..Flow::default() };
            let spec = Spec { mailboxes: vec![Mailbox::open(Address::local(name))], flow, worker };
            node.start_worker(&mut env, spec).expect("the address is free");
        };
        start(&mut node, "echo", true, Box::new(Echoer));
        start(&mut node, "private", false, Box::new(Private(private.clone())));
        let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
        let flow = Flow { consumer_of: vec![listener], ..Flow::default() };
        node.open_inbox(&mut env, Mailbox::open("app".into()), flow).expect("the address is free");
        let senders = [1, 2].map(|id| {
            let alias = Some(format!("1#inner:{id}").parse().expect("an address"));
            let how = Connected { accepted_by: Some(listener), alias };
            let sender = node.connected(&mut env, ConnectionId(id), how).expect("there is room");
            while node.poll_output().is_some() {}
            sender
        });
        Self { node, entropy, now: Instant::ZERO, senders, private }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let result = call(&mut self.node, &mut Env::new(self.now, Timestamp(0), &mut self.entropy));
        let outputs: Vec<_> = core::iter::from_fn(|| self.node.poll_output()).collect();
        // Steps, events, and what closes.
        assert!(outputs.len() <= 2 * STEPS + 8 + 2, "{} outputs", outputs.len());
        for output in outputs {
            if let node::Output::Deliver { inbox, delivery } = output {
                assert_eq!(inbox, "app".into());
                let id = delivery.provenance.from_connection().expect("only connections send here");
                let sender = self.senders[usize::from(id == ConnectionId(2))].as_ref();
                assert_eq!(delivery.message.return_route().first(), Some(sender));
            }
        }
        assert!(self.node.provisional() <= self.node.provisional_limit());
        assert_eq!(self.private.load(Ordering::Relaxed), 0, "nobody outside reaches it");
        result
    }

    fn receive(&mut self, connection: u64, bytes: &[u8]) {
        let input = node::Input::Received { connection: ConnectionId(connection), bytes: bytes.to_vec() };
        match self.call(|node, env| node.handle(env, input)) {
            Ok(()) => {}
            Err(Refused::Full(_)) => assert!(!self.node.reads(ConnectionId(connection))),
            Err(Refused::Error(error)) => panic!("{error}"),
        }
    }

    fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.node.trusted(&mut picture);
        picture
    }
}

/// Two strangers send any bytes to a node; its owner is slow. Each step begins with a byte that says who does
/// what: bytes on a connection, or time, or the owner. Nothing trusted changes, nothing unreachable is
/// reached, all that is held and said is bounded.
pub fn node_raw_connections(data: &[u8]) {
    let mut exposed = Exposed::new();
    let before = exposed.picture();
    exposed.receive(1, &[1]);
    let mut rest = data;
    while let Some((head, tail)) = rest.split_first() {
        let amount = u64::from(head >> 2);
        rest = tail;
        match head & 3 {
            2 => {
                exposed.now = exposed.now + Duration::from_secs(amount);
                exposed.call(|node, env| node.handle_timeout(env));
            }
            3 => {
                let input = match amount % 3 {
                    0 => node::Input::Sent { connection: ConnectionId(1 + amount % 2), bytes: amount * 64 },
                    1 => node::Input::Taken { inbox: "app".into(), messages: 1 },
                    _ => node::Input::Send(Message::new(
                        crate::routing::Route::from(exposed.senders[0].clone()).then("far").as_ref(),
                        crate::routing::Route::new().then("app").as_ref(),
                        &vec![7; 64 * amount as usize],
                    )),
                };
                let _ = exposed.call(|node, env| node.handle(env, input));
            }
            connection => {
                let (bytes, tail) = rest.split_at(rest.len().min(4 * (1 + amount as usize)));
                rest = tail;
                exposed.receive(1 + u64::from(connection), bytes);
            }
        }
    }
    assert!(exposed.picture() == before, "strangers change nothing trusted");
}

/// A session is told outcomes, pongs and times in any order. Its moves are those of its table, it never repeats
/// a number, what it refuses changes nothing, and it always says when it wants to be called.
pub fn session(data: &[u8]) {
    let mut entropy = Seeded::from_u64(1);
    let mut now = Instant::ZERO;
    let config = session::Config::default();
    let mut session = Session::new(config, now);
    let (mut attempts, mut pings) = (BTreeSet::new(), BTreeSet::new());
    let mut newest = (0, 0);
    let mut up = false;
    for step in [&[3], data].concat() {
        let amount = u64::from(step >> 2);
        let state = session.state();
        let input = match step & 3 {
            0 => Some(session::Input::Established(newest.0 - amount % 2)),
            1 => Some(session::Input::Failed(newest.0 - amount % 2)),
            2 => Some(session::Input::Pong(pings.iter().copied().nth(amount as usize).unwrap_or(newest.1))),
            _ => None,
        };
        let mut before = Snapshot::new();
        session.trusted(&mut before);
        let drawn = entropy.positions();
        let mut env = Env::new(now, Timestamp(0), &mut entropy);
        match input {
            Some(input) => {
                if session.handle(&mut env, input).is_err() {
                    let mut after = Snapshot::new();
                    session.trusted(&mut after);
                    assert!(before == after && entropy.positions() == drawn);
                }
            }
            None => {
                now = now + Duration::from_secs(amount);
                session.handle_timeout(&mut Env::new(now, Timestamp(0), &mut entropy));
            }
        }
        let outputs: Vec<_> = core::iter::from_fn(|| session.poll_output()).collect();
        assert!(outputs.len() <= 2);
        for output in outputs {
            match output {
                session::Output::Establish(attempt) => {
                    assert!(attempts.insert(attempt) && attempt > newest.0);
                    newest.0 = attempt;
                }
                session::Output::Ping(ping) => {
                    assert!(pings.insert(ping), "no number comes twice");
                    newest.1 = ping;
                }
                session::Output::Up => assert!(!core::mem::replace(&mut up, true)),
                session::Output::Down => assert!(core::mem::replace(&mut up, false)),
            }
        }
        assert_eq!(session.is_up(), up);
        let table = Session::transitions();
        assert!(state == session.state() || table.iter().any(|row| (row.from, row.to) == (state, session.state())));
        let deadline = session.deadline().expect("a session always wants to be called");
        let longest = config.backoff_max.max(config.attempt_timeout).max(config.ping_interval);
        assert!(deadline.at <= now + longest);
    }
}
