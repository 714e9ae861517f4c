use core::time::Duration;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

mod backpressure;
mod hostile;
mod shards;

use super::delivery::Undelivered;
use super::*;
use crate::env::{Seeded, Timestamp};
use crate::routing::Route;

/// A node with its environment, and what came out of it.
struct Rig {
    node: Node,
    entropy: Seeded,
    now: Instant,
    out: Vec<Output>,
}

impl Rig {
    fn new(seed: u64, config: Config) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let node = Node::new(config, &mut entropy);
        Self { node, entropy, now: Instant::ZERO, out: Vec::new() }
    }

    fn plain(seed: u64) -> Self {
        Self::new(seed, Config::default())
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let mut env = Env::new(self.now, Timestamp(0), &mut self.entropy);
        let result = f(&mut self.node, &mut env);
        while let Some(output) = self.node.poll_output() {
            self.out.push(output);
        }
        self.node.table.check(&self.node.queued);
        self.node.connections.check();
        self.node.check_outboxes();
        result
    }

    fn start(&mut self, name: &str, worker: impl Worker + 'static, consumer_of: &[FlowControlId]) {
        let flow = Flow { consumer_of: consumer_of.to_vec(), ..Flow::default() };
        self.start_spec(Mailbox::open(name.into()), flow, worker);
    }

    fn start_spec(&mut self, mailbox: Mailbox, flow: Flow, worker: impl Worker + 'static) {
        self.with(|node, env| {
            node.start_worker(env, Spec { mailboxes: vec![mailbox], flow, worker: Box::new(worker) })
        })
        .unwrap();
    }

    fn inbox(&mut self, name: &str, consumer_of: &[FlowControlId]) {
        let flow = Flow { consumer_of: consumer_of.to_vec(), ..Flow::default() };
        self.with(|node, env| node.open_inbox(env, Mailbox::open(name.into()), flow)).unwrap();
    }

    fn send(&mut self, onward: &str, back: &str, payload: &[u8]) -> Result<()> {
        let message = message(onward, back, payload);
        self.with(|node, env| node.send(env, message))
    }

    fn connect(&mut self, id: u64, accepted_by: Option<FlowControlId>) -> Address {
        let how = Connected { accepted_by, alias: None };
        self.with(|node, env| node.connected(env, ConnectionId(id), how)).unwrap()
    }

    fn receive(&mut self, id: u64, bytes: &[u8]) -> Result<(), Refused<Input>> {
        let input = Input::Received { connection: ConnectionId(id), bytes: bytes.to_vec() };
        self.with(|node, env| node.handle(env, input))
    }

    /// What was handed over to the owner.
    fn delivered(&mut self) -> Vec<Delivery> {
        let mut taken = Vec::new();
        for output in core::mem::take(&mut self.out) {
            match output {
                Output::Deliver { delivery, .. } => taken.push(delivery),
                other => self.out.push(other),
            }
        }
        taken
    }

    fn payloads(&mut self) -> Vec<Vec<u8>> {
        self.delivered().iter().map(|delivery| delivery.message.payload().to_vec()).collect()
    }

    /// The requirements of the messages that were dropped.
    fn drops(&mut self) -> Vec<&'static str> {
        let mut drops = Vec::new();
        self.out.retain(|output| {
            if let Output::Event(Event::Dropped { error, .. }) = output {
                drops.push(error.requirement());
                return false;
            }
            true
        });
        drops
    }

    /// The bytes for a connection's peer.
    fn transmitted(&mut self, id: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.out.retain(|output| match output {
            Output::Transmit { connection, frame } if *connection == ConnectionId(id) => {
                bytes.extend_from_slice(frame.payload());
                false
            }
            _ => true,
        });
        bytes
    }
}

fn route(text: &str) -> Route {
    if text.is_empty() { Route::new() } else { text.parse().unwrap() }
}

fn message(onward: &str, back: &str, payload: &[u8]) -> Message {
    Message::new(route(onward).as_ref(), route(back).as_ref(), payload)
}

fn frame(onward: &str, back: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = message(onward, back, payload);
    message.fold(&[0, 0, 0, 0, 0x83], crate::routing::Tail::Tracing);
    let mut bytes = message.payload().to_vec();
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Moves bytes between two nodes that are joined by one connection until none are left.
fn exchange(a: &mut Rig, b: &mut Rig, id: u64) {
    loop {
        let (to_b, to_a) = (a.transmitted(id), b.transmitted(id));
        if to_b.is_empty() && to_a.is_empty() {
            return;
        }
        for (from, bytes) in [(&mut *a, &to_b), (&mut *b, &to_a)] {
            let sent = Input::Sent { connection: ConnectionId(id), bytes: bytes.len() as u64 };
            from.with(|node, env| node.handle(env, sent)).unwrap();
        }
        if !to_b.is_empty() {
            b.receive(id, &to_b).unwrap();
        }
        if !to_a.is_empty() {
            a.receive(id, &to_a).unwrap();
        }
    }
}

/// A node with this configuration, and what a listener makes reachable.
fn rig(config: Config) -> (Rig, FlowControlId) {
    let mut rig = Rig::new(1, config);
    let listener = rig.node.new_flow_control_id();
    (rig, listener)
}

/// Accepts a connection whose peer has sent its opening byte.
fn accept(rig: &mut Rig, id: u64, listener: FlowControlId) {
    rig.connect(id, Some(listener));
    rig.receive(id, &[1]).unwrap();
    rig.transmitted(id);
}

fn frames(to: &str, count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| frame(to, "x", &[i as u8])).collect()
}

fn take(rig: &mut Rig, inbox: &str) {
    let input = Input::Taken { inbox: inbox.into(), messages: 1 };
    rig.with(|node, env| node.handle(env, input)).unwrap();
}

fn call(rig: &mut Rig) {
    rig.with(|node, env| node.handle_timeout(env));
}

fn closed(rig: &Rig) -> Vec<(u64, &'static str)> {
    let closed = rig.out.iter().filter_map(|output| match output {
        Output::Close { connection, error } => Some((connection.0, error.requirement())),
        _ => None,
    });
    closed.collect()
}

#[test]
fn an_echo_over_three_hops_of_one_node_comes_back() {
    let mut rig = Rig::plain(1);
    for name in ["h1", "h2", "h3"] {
        rig.start(name, Hop, &[]);
    }
    rig.start("echo", Echoer, &[]);
    rig.inbox("app", &[]);
    //= spec/src/nodes.md#nod-16
    //= type=test
    //# A hop MUST remove its address from the front of the onward route and put it at the front of the return route.
    //= spec/src/nodes.md#nod-17
    //= type=test
    //# An echoer MUST send the payload unchanged along the return route of the message, with its own address as the new return route.
    let mut request = message("h1 => h2 => h3 => echo", "app", b"hello");
    request.set_tracing(Some("{\"traceparent\":\"00-1\"}"));
    rig.with(|node, env| node.send(env, request)).unwrap();
    let [Delivery { message, .. }] = &rig.delivered()[..] else { panic!() };
    assert_eq!(message.tracing(), None, "the answer is another message");
    // The answer came back through the hops, which are on its return route again.
    assert_eq!(message.payload(), b"hello");
    assert_eq!(String::from_utf8_lossy(message.onward().first().unwrap().value), "app");
    assert_eq!(message.return_route().len(), 4);
}

#[test]
fn a_message_crosses_a_connection_and_its_answer_comes_back() {
    let (mut a, mut b) = (Rig::plain(1), Rig::plain(2));
    let listener = b.node.new_flow_control_id();
    b.start("echo", Echoer, &[listener]);
    let to_b = a.connect(1, None);
    b.connect(1, Some(listener));
    let answers = a.node.producer_at(&to_b).unwrap();
    a.inbox("app", &[answers]);
    exchange(&mut a, &mut b, 1);

    let mut request = message("echo", "app", b"hello");
    request.push_onward(to_b.as_ref());
    //= spec/src/nodes.md#nod-23
    //= type=test
    //# A connection MUST remove its sender address from the onward route before it transmits a message.
    a.with(|node, env| node.send(env, request)).unwrap();
    exchange(&mut a, &mut b, 1);
    let [Delivery { message, provenance, .. }] = &a.delivered()[..] else { panic!("{:?} {:?}", a.out, b.out) };
    assert_eq!(message.payload(), b"hello");
    //= spec/src/nodes.md#nod-7
    //= type=test
    //# A node MUST put the address of the connection's sender at the front of the return route of every message that arrives on it.
    assert_eq!(message.return_route(), Route::from(to_b).then("echo").as_ref());
    //= spec/src/nodes.md#nod-6
    //= type=test
    //# A node MUST take the provenance of a message from where it entered the node, never from its bytes.
    assert_eq!(provenance.from_connection(), Some(ConnectionId(1)));
    assert!(provenance.peer().is_none() && !provenance.is_local());
}

#[test]
fn nothing_is_reachable_through_a_connection_unless_it_is_a_consumer() {
    let mut rig = Rig::plain(1);
    let listener = rig.node.new_flow_control_id();
    let other = rig.node.new_flow_control_id();
    rig.inbox("open", &[listener]);
    rig.inbox("closed", &[]);
    rig.inbox("elsewhere", &[other]);
    rig.connect(1, Some(listener));
    rig.receive(1, &[1]).unwrap();
    for (to, reached) in [("open", true), ("closed", false), ("elsewhere", false)] {
        rig.receive(1, &frame(to, "x", b"m")).unwrap();
        //= spec/src/nodes.md#nod-4
        //= type=test
        //# A producer MUST NOT deliver a foreign message to a worker that is not a consumer of its own flow control id or of its spawner's.
        assert_eq!(rig.payloads().len(), usize::from(reached), "{to}");
        assert_eq!(rig.drops(), if reached { vec![] } else { vec!["NOD-4"] });
    }
}

#[test]
fn access_controls_decide_at_both_ends() {
    let mut rig = Rig::plain(1);
    let deny: Arc<dyn AccessControl> = Arc::new(DenyAll);
    let to_app: Arc<dyn AccessControl> = Arc::new(ToAddresses(vec!["app".into()]));
    rig.inbox("app", &[]);
    let closed = Mailbox { address: "closed".into(), incoming: Some(deny), outgoing: None };
    rig.start_spec(closed, Flow::default(), Echoer);
    let narrow = Mailbox { address: "narrow".into(), incoming: None, outgoing: Some(to_app) };
    rig.start_spec(narrow, Flow::default(), Hop);
    //= spec/src/nodes.md#nod-5
    //= type=test
    //# A node MUST NOT deliver a message that the outgoing access control of its sender or the incoming access control of its receiver refuses.
    assert_eq!(rig.send("closed", "app", b"m").unwrap_err().requirement(), "NOD-5");
    rig.send("narrow => app", "x", b"m").unwrap();
    assert_eq!(rig.payloads().len(), 1);
    rig.start("third", Echoer, &[]);
    rig.send("narrow => third", "app", b"m").unwrap();
    assert_eq!((rig.payloads().len(), rig.drops()), (0, vec!["NOD-5"]));
}

#[test]
fn each_access_control_lets_pass_what_its_name_says() {
    let (a, b) = (Address::local("a"), Address::local("b"));
    let message = message("b", "a", b"m");
    let peer = crate::identity::Identifier([7; 32]);
    let local = Provenance::LOCAL;
    let connection = Provenance::connection(ConnectionId(1));
    let channel = Provenance::channel(peer);
    let relay = |provenance| Relay { source: &a, destination: &b, message: &message, provenance };
    let yes: Arc<dyn AccessControl> = Arc::new(AnyChannelPeer);
    let no: Arc<dyn AccessControl> = Arc::new(DenyAll);
    let cases: [(&str, Arc<dyn AccessControl>, [bool; 3]); 13] = [
        ("deny", Arc::new(DenyAll), [false, false, false]),
        ("local", Arc::new(LocalOnly), [true, false, false]),
        ("from a", Arc::new(FromAddresses(vec![a.clone()])), [true; 3]),
        ("from b", Arc::new(FromAddresses(vec![b.clone()])), [false; 3]),
        ("to b", Arc::new(ToAddresses(vec![b.clone()])), [true; 3]),
        ("to a", Arc::new(ToAddresses(vec![a.clone()])), [false; 3]),
        ("any peer", yes.clone(), [false, false, true]),
        ("this peer", Arc::new(ChannelPeers(vec![peer])), [false, false, true]),
        ("another", Arc::new(ChannelPeers(vec![crate::identity::Identifier([8; 32])])), [false; 3]),
        ("all of none", Arc::new(AllOf(vec![])), [true; 3]),
        ("any of none", Arc::new(AnyOf(vec![])), [false; 3]),
        ("all of yes, no", Arc::new(AllOf(vec![yes.clone(), no.clone()])), [false; 3]),
        ("any of no, yes", Arc::new(AnyOf(vec![no, yes])), [false, false, true]),
    ];
    for (name, control, expected) in cases {
        let got = [local, connection, channel].map(|provenance| control.check(&relay(provenance)).is_ok());
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn a_message_for_nobody_is_dropped_and_the_peer_hears_nothing() {
    let mut rig = Rig::plain(1);
    rig.connect(1, None);
    rig.receive(1, &[1]).unwrap();
    rig.transmitted(1);
    rig.receive(1, &frame("nobody", "x", b"m")).unwrap();
    //= spec/src/nodes.md#nod-2
    //= type=test
    //# A node MUST drop a message whose first onward address no worker has, and tell its peer nothing.
    assert_eq!(rig.drops(), ["NOD-2"]);
    assert!(rig.transmitted(1).is_empty());
    assert!(rig.out.is_empty());
}

#[test]
fn nobody_at_an_address_is_the_fault_of_who_sends_from_here_and_of_no_peer() {
    let mut rig = Rig::plain(1);
    let peer = Provenance::connection(ConnectionId(1));
    for (onward, provenance, blame) in [
        ("nobody", Provenance::LOCAL, Blame::Misuse),
        ("", Provenance::LOCAL, Blame::Misuse),
        ("nobody", peer, Blame::Denied),
        ("", peer, Blame::Misbehaved),
    ] {
        let undelivered = rig.node.dispatch(Source::Owner, message(onward, "", b"m"), provenance).unwrap_err();
        let Undelivered::Error(error) = undelivered else { panic!("{undelivered:?}") };
        assert_eq!((error.requirement(), error.blame()), ("NOD-2", blame), "{onward}");
    }
}

#[test]
fn a_peers_route_chooses_no_connection_and_a_local_one_does() {
    let mut rig = Rig::plain(1);
    let listener = rig.node.new_flow_control_id();
    rig.start("hop", Hop, &[listener]);
    let how = Connected { accepted_by: None, alias: Some("1#far:4000".parse().unwrap()) };
    rig.with(|node, env| node.connected(env, ConnectionId(1), how)).unwrap();
    rig.connect(2, Some(listener));
    rig.receive(2, &[1]).unwrap();
    rig.transmitted(1);
    rig.receive(2, &frame("hop => 1#far:4000 => echo", "x", b"m")).unwrap();
    //= spec/src/nodes.md#nod-3
    //= type=test
    //# A node MUST NOT open or choose a connection because of a transport address in a route that a peer supplied.
    assert_eq!(rig.drops(), ["NOD-3"]);
    assert!(rig.transmitted(1).is_empty());
    rig.send("1#far:4000 => echo", "app", b"m").unwrap();
    assert_eq!(rig.transmitted(1), frame("echo", "app", b"m"));
    assert_eq!(rig.send("1#other:4000 => echo", "app", b"m").unwrap_err().requirement(), "NOD-2");
}

#[test]
fn the_address_of_a_stopped_worker_is_free_and_its_messages_are_gone() {
    let mut rig = Rig::plain(1);
    rig.inbox("app", &[]);
    for _ in 0..3 {
        rig.start("w", Echoer, &[]);
        rig.send("w", "app", b"m").unwrap();
        assert_eq!(rig.payloads().len(), 1);
        rig.with(|node, env| node.stop_worker(env, &"w".into())).unwrap();
        //= spec/src/nodes.md#nod-12
        //= type=test
        //# A node MUST NOT deliver a message for a worker that has stopped to another worker.
        assert_eq!(rig.send("w", "app", b"m").unwrap_err().requirement(), "NOD-2");
        // Another worker takes the slot; the old address does not lead there.
        rig.start("other", Echoer, &[]);
        assert_eq!(rig.send("w", "app", b"m").unwrap_err().requirement(), "NOD-2");
        rig.with(|node, env| node.stop_worker(env, &"other".into())).unwrap();
    }
}

#[test]
fn an_address_is_given_once() {
    let mut rig = Rig::plain(1);
    rig.start("w", Echoer, &[]);
    let spec = |addresses: &[&str]| Spec {
        mailboxes: addresses.iter().map(|a| Mailbox::open(a.parse().unwrap())).collect(),
        flow: Flow::default(),
        worker: Box::new(Echoer),
    };
    for addresses in
        [&["w"][..], &["x", "w"], &["x", "x"], &[], &["1#host:1"], &["a", "b", "c", "d", "e", "f", "g", "h", "i"]]
    {
        //= spec/src/nodes.md#nod-13
        //= type=test
        //# A node MUST refuse to start a worker without an address, or with one that another worker has.
        let error = rig.with(|node, env| node.start_worker(env, spec(addresses))).unwrap_err();
        assert_eq!(error.requirement(), "NOD-13", "{addresses:?}");
        assert!(!rig.node.has_worker(&"x".into()));
    }
}

/// Sends two messages and fails when told to.
struct Fickle;

impl Worker for Fickle {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        for payload in [b"1", b"2"] {
            cx.send(0, message("app", "", payload));
        }
        if delivery.message.payload() == b"fail" { Err(Error::misbehaved("TEST-1", "as told")) } else { Ok(()) }
    }
}

#[test]
fn a_handler_that_fails_has_done_nothing_and_lives_on() {
    let mut rig = Rig::plain(1);
    rig.inbox("app", &[]);
    rig.start("fickle", Fickle, &[]);
    rig.send("fickle", "", b"fail").unwrap();
    //= spec/src/nodes.md#nod-15
    //= type=test
    //# A node MUST undo nothing and do nothing of what a handler asked for that ended in an error, and keep the worker.
    assert_eq!((rig.payloads().len(), rig.drops()), (0, vec!["TEST-1"]));
    rig.send("fickle", "", b"work").unwrap();
    assert_eq!(rig.payloads(), [b"1", b"2"]);
    assert_eq!(rig.node.counters().failures, [0, 1, 0, 0, 0]);
}

#[test]
fn two_workers_that_answer_each_other_for_ever_do_not_hold_the_node() {
    let config = Config { steps: 10, ..Config::default() };
    let mut rig = Rig::new(1, config);
    rig.start("a", Echoer, &[]);
    rig.start("b", Echoer, &[]);
    rig.send("a", "b", b"ball").unwrap();
    //= spec/src/nodes.md#nod-8
    //= type=test
    //# A node MUST NOT make more deliveries, or call more timers, in one call than its step budget.
    assert_eq!(rig.node.counters().delivered, 10);
    assert_eq!(rig.node.deadline(), Some(Deadline::new(Instant::ZERO, "work")));
    rig.with(|node, env| node.handle_timeout(env));
    assert_eq!(rig.node.counters().delivered, 20);
}

#[test]
fn connections_are_numbered_upward_and_limited() {
    let mut rig = Rig::new(1, Config { connections: 2, ..Config::default() });
    rig.connect(1, None);
    rig.connect(2, None);
    let connect = |rig: &mut Rig, id| {
        rig.with(|node, env| node.connected(env, ConnectionId(id), Connected::default())).map_err(|e| e.requirement())
    };
    //= spec/src/nodes.md#nod-24
    //= type=test
    //# A driver MUST NOT use the number of a connection twice.
    assert_eq!(connect(&mut rig, 2), Err("NOD-24"));
    //= spec/src/nodes.md#nod-18
    //= type=test
    //# A node MUST refuse a connection beyond the limit of connections.
    assert_eq!(connect(&mut rig, 3), Err("NOD-18"));
    rig.with(|node, env| node.handle(env, Input::Disconnected { connection: ConnectionId(1) })).unwrap();
    assert!(connect(&mut rig, 3).is_ok());
    assert_eq!(rig.node.workers(), 2);
}

#[test]
fn a_hop_leaves_the_provenance_as_it_was() {
    let mut rig = Rig::plain(1);
    let listener = rig.node.new_flow_control_id();
    rig.start("hop", Hop, &[listener]);
    rig.inbox("app", &[]);
    rig.connect(1, Some(listener));
    rig.receive(1, &[1]).unwrap();
    rig.receive(1, &frame("hop => app", "x", b"m")).unwrap();
    let [Delivery { provenance, .. }] = rig.delivered()[..] else { panic!() };
    //= spec/src/nodes.md#nod-19
    //= type=test
    //# A worker that sends a received message on MUST NOT change its provenance.
    assert_eq!(provenance.from_connection(), Some(ConnectionId(1)));
}

/// Asks the vault once and counts the answers.
struct Asker(u64);

impl Worker for Asker {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Result<()> {
        let handle = crate::vault::KeyHandle([0; 32]);
        let deadline = cx.now() + Duration::from_secs(1);
        cx.request(Request::Vault(crate::vault::Request::Sign(handle, [0; 32])), deadline);
        Ok(())
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, _: RequestId, _: Answer) -> Result<()> {
        self.0 += 1;
        cx.send(0, message("app", "", &self.0.to_be_bytes()));
        Ok(())
    }
}

#[test]
fn an_answer_counts_once_and_in_time() {
    let mut rig = Rig::plain(1);
    rig.inbox("app", &[]);
    rig.start("asker", Asker(0), &[]);
    let ask = |rig: &mut Rig| {
        rig.send("asker", "", b"").unwrap();
        let Some(Output::Request { id, .. }) = rig.out.pop() else { panic!() };
        id
    };
    let answer = |id| Input::Answer { id, answer: Answer::Vault(Err(Error::misuse("TEST-1", "no key"))) };
    let first = ask(&mut rig);
    for _ in 0..2 {
        rig.with(|node, env| node.handle(env, answer(first))).unwrap();
    }
    //= spec/src/nodes.md#nod-20
    //= type=test
    //# A node MUST ignore an answer to a request that it does not wait for.
    assert_eq!(rig.payloads().len(), 1);
    let late = ask(&mut rig);
    rig.now = Instant::from_millis(1_000);
    rig.with(|node, env| node.handle_timeout(env));
    rig.with(|node, env| node.handle(env, answer(late))).unwrap();
    assert_eq!(rig.payloads().len(), 0);
}

#[test]
fn random_addresses_are_sixteen_bytes_of_the_address_stream_in_hex() {
    let mut rig = Rig::plain(9);
    let mut same = Seeded::from_u64(9);
    //= spec/src/nodes.md#nod-14
    //= type=test
    //# A node MUST draw the addresses of connections from 128 bits of injected randomness.
    assert_eq!(rig.connect(1, None), Address::random(&mut same));
}

#[test]
fn a_connection_takes_messages_at_its_sender_alone() {
    let mut rig = Rig::plain(1);
    rig.connect(1, None);
    let receiver = rig.node.table.residents().next().unwrap().addresses[0].clone();
    rig.transmitted(1);
    let onward = alloc::format!("{receiver} => echo");
    rig.send(&onward, "", b"m").unwrap();
    //= spec/src/nodes.md#nod-1
    //= type=test
    //# A worker MUST refuse a message at an address at which it takes none.
    assert_eq!(rig.drops(), ["NOD-1"]);
    assert!(rig.transmitted(1).is_empty());
}

/// Does not want to start.
struct Unwilling;

impl Worker for Unwilling {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        cx.send(0, message("app", "", b"started"));
        Err(Error::denied("TEST-1", "not today"))
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_worker_whose_start_fails_is_not_there() {
    let mut rig = Rig::plain(1);
    rig.inbox("app", &[]);
    let spec = Spec { mailboxes: vec![Mailbox::open("w".into())], flow: Flow::default(), worker: Box::new(Unwilling) };
    //= spec/src/nodes.md#nod-25
    //= type=test
    //# A node MUST stop a worker again whose start fails.
    assert_eq!(rig.with(|node, env| node.start_worker(env, spec)).unwrap_err().requirement(), "TEST-1");
    assert!(!rig.node.has_worker(&"w".into()));
    assert!(rig.payloads().is_empty());
}

//= spec/src/nodes.md#nod-26
//= type=test
//# A worker MUST refuse a command that it does not know.
#[test]
fn a_command_that_a_worker_does_not_know_is_refused_and_one_to_nobody_too() {
    let mut rig = Rig::plain(1);
    rig.start("echo", Echoer, &[]);
    for (name, requirement) in [("echo", "NOD-26"), ("nobody", "NOD-2")] {
        let command = Command::SetChannelRoute(Route::new());
        let refused = rig.with(|node, env| node.command(env, &name.into(), command)).unwrap_err();
        assert_eq!(refused.requirement(), requirement);
    }
}

#[test]
fn a_clock_that_goes_back_stands_still_for_connections_too() {
    let mut rig = Rig::plain(1);
    let waits = rig.node.config.tcp.frame_time;
    rig.connect(1, None);
    rig.receive(1, &[1]).unwrap();
    rig.connect(2, None);
    // The node learns of a later time through another connection; then the clock goes back.
    rig.now = rig.now + waits;
    rig.receive(2, &[1]).unwrap();
    let later = rig.now;
    rig.now = Instant::ZERO;
    // The first byte of a frame: the connection's patience counts from the later time.
    rig.receive(1, &[0]).unwrap();
    assert_eq!(rig.node.deadline().map(|deadline| deadline.at), Some(later + waits));
}

fn send_from(rig: &mut Rig, inbox: &str, onward: &str, provenance: Provenance) -> Result<(), Refused<Input>> {
    let input = Input::SendFrom { inbox: inbox.into(), message: message(onward, inbox, b"m"), provenance };
    rig.with(|node, env| node.handle(env, input))
}

#[test]
fn the_owner_sends_from_an_inbox_under_its_access_control_and_with_the_provenance_it_gives() {
    let mut rig = Rig::plain(1);
    let listener = rig.node.new_flow_control_id();
    let to_app: Arc<dyn AccessControl> = Arc::new(ToAddresses(vec!["app".into()]));
    let narrow = Mailbox { address: "narrow".into(), incoming: None, outgoing: Some(to_app) };
    let flow = Flow { consumer_of: vec![listener], ..Flow::default() };
    rig.with(|node, env| node.open_inbox(env, narrow, flow)).unwrap();
    let from_narrow: Arc<dyn AccessControl> = Arc::new(FromAddresses(vec!["narrow".into()]));
    let app = Mailbox { address: "app".into(), incoming: Some(from_narrow), outgoing: None };
    rig.with(|node, env| node.open_inbox(env, app, Flow::default())).unwrap();
    rig.start("third", Echoer, &[]);
    rig.connect(1, Some(listener));
    rig.receive(1, &[1]).unwrap();
    rig.receive(1, &frame("narrow", "x", b"m")).unwrap();
    let [Delivery { provenance: received, .. }] = rig.delivered()[..] else { panic!() };
    for provenance in [Provenance::LOCAL, received] {
        send_from(&mut rig, "narrow", "app", provenance).unwrap();
        let [Delivery { provenance: seen, .. }] = rig.delivered()[..] else { panic!() };
        //= spec/src/nodes.md#nod-19
        //= type=test
        //# A worker that sends a received message on MUST NOT change its provenance.
        assert_eq!(seen, provenance);
        //= spec/src/nodes.md#nod-5
        //= type=test
        //# A node MUST NOT deliver a message that the outgoing access control of its sender or the incoming access control of its receiver refuses.
        let refused = send_from(&mut rig, "narrow", "third", provenance).unwrap_err();
        assert_eq!(refused.into_error("").requirement(), "NOD-5");
    }
    // Nor may a peer's message choose a connection when the owner sends it on.
    let refused = send_from(&mut rig, "narrow", "1#far:4000 => echo", received).unwrap_err();
    assert_eq!(refused.into_error("").requirement(), "NOD-3");
}

#[test]
fn the_owner_sends_from_its_inboxes_alone_and_a_full_receiver_gives_the_input_back() {
    let mut rig = Rig::new(1, Config { inbox: 1, hand_over: 1, ..Config::default() });
    rig.inbox("app", &[]);
    rig.inbox("slow", &[]);
    rig.start("echo", Echoer, &[]);
    let sender = rig.connect(1, None);
    let sender = String::from_utf8_lossy(sender.as_ref().value).into_owned();
    for address in ["echo", "nobody", &sender] {
        //= spec/src/nodes.md#nod-32
        //= type=test
        //# A node MUST refuse to send for its owner from an address that is none of the owner's inboxes.
        let refused = send_from(&mut rig, address, "slow", Provenance::LOCAL).unwrap_err();
        assert_eq!(refused.into_error("").requirement(), "NOD-32");
    }
    for _ in 0..2 {
        send_from(&mut rig, "app", "slow", Provenance::LOCAL).unwrap();
    }
    let refused = send_from(&mut rig, "app", "slow", Provenance::LOCAL).unwrap_err();
    let Refused::Full(Input::SendFrom { inbox, message: back, provenance }) = refused else { panic!("{refused:?}") };
    assert_eq!((inbox, back, provenance), ("app".into(), message("slow", "app", b"m"), Provenance::LOCAL));
}

//= spec/src/nodes.md#nod-29
//= type=test
//# A node MUST NOT report more dropped messages and failed handshakes of strangers in one call than the limit of reports, and count all of them.
#[test]
fn failures_are_told_apart_by_requirement_and_blame_and_counted_beyond_the_reports() {
    let (mut rig, listener) = rig(Config { reports: 1, ..Config::default() });
    rig.inbox("private", &[]);
    accept(&mut rig, 1, listener);
    let denied = (0..20).flat_map(|_| frame("private", "x", b"m"));
    let lost = (0..30).flat_map(|_| frame("nobody", "x", b"m"));
    rig.receive(1, &denied.chain(lost).collect::<Vec<u8>>()).unwrap();
    assert_eq!(rig.drops().len(), 1);
    let failures: Vec<_> = rig.node.failures().collect();
    assert_eq!(failures, [("NOD-2", Blame::Denied, 30), ("NOD-4", Blame::Denied, 20)]);
    assert_eq!(rig.node.counters().failures, [0, 0, 50, 0, 0]);
}
