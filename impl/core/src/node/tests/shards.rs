//! Nodes of one driver, joined by links.

use alloc::collections::VecDeque;

use super::*;

const LINK: ConnectionId = ConnectionId(100);

/// Two nodes with a link between them. Connections are the first node's, and `far` their listener.
struct Pair {
    a: Rig,
    b: Rig,
    to_b: Address,
    to_a: Address,
    far: FlowControlId,
    /// What is on its way to the second node, and to the first.
    queues: [VecDeque<Crossing>; 2],
}

impl Pair {
    fn new(config: Config) -> Self {
        let mut a = Rig::new(1, config.clone());
        let mut b = Rig::new(2, Config { shard: 1, ..config });
        let far = a.node.new_flow_control_id();
        accept(&mut a, 1, far);
        let to_b = a.with(|node, env| node.link(env, LINK)).unwrap();
        let to_a = b.with(|node, env| node.link(env, LINK)).unwrap();
        Self { a, b, to_b, to_a, far, queues: Default::default() }
    }

    /// A gate on the first node, for everybody who may reach the worker.
    fn gate(&mut self, mailbox: Mailbox, consumer_of: &[FlowControlId]) {
        let flow = Flow { consumer_of: consumer_of.to_vec(), ..Flow::default() };
        self.a.with(|node, env| node.open_gate(env, mailbox, flow, LINK)).unwrap();
    }

    /// Lets cross what can. Gives how many messages did.
    fn run(&mut self) -> usize {
        let mut crossed = 0;
        loop {
            let before = crossed;
            let [there, back] = &mut self.queues;
            crossed += carry(there, &mut self.a, &mut self.b) + carry(back, &mut self.b, &mut self.a);
            if crossed == before {
                return crossed;
            }
        }
    }
}

/// What wants to cross.
fn crossings(rig: &mut Rig) -> Vec<Crossing> {
    let mut crossings = Vec::new();
    for output in core::mem::take(&mut rig.out) {
        match output {
            Output::Cross { connection: LINK, crossing } => crossings.push(crossing),
            other => rig.out.push(other),
        }
    }
    crossings
}

fn crossed(rig: &mut Rig, crossing: Crossing) -> Result<(), Refused<Input>> {
    rig.with(|node, env| node.handle(env, Input::Crossed { connection: LINK, crossing }))
}

/// Carries messages as a driver does: in order, as long as they are taken, and what is not taken waits.
fn carry(queue: &mut VecDeque<Crossing>, from: &mut Rig, to: &mut Rig) -> usize {
    queue.extend(crossings(from));
    let mut count = 0;
    while to.node.reads(LINK)
        && let Some(crossing) = queue.pop_front()
    {
        let bytes = crossing.size();
        crossed(to, crossing).unwrap();
        from.with(|node, env| node.handle(env, Input::Sent { connection: LINK, bytes })).unwrap();
        queue.extend(crossings(from));
        count += 1;
    }
    count
}

#[test]
fn a_message_from_a_connection_reaches_a_worker_of_the_other_node_and_is_answered() {
    let mut pair = Pair::new(Config::default());
    pair.b.start("echo", Echoer, &[]);
    pair.gate(Mailbox::open("echo".into()), &[pair.far]);
    pair.a.receive(1, &frame("echo", "x", b"hello")).unwrap();
    assert_eq!(pair.run(), 2);
    let sender = Route::new().then("echo");
    let mut answer = Message::new(Route::new().then("x").as_ref(), sender.as_ref(), b"hello");
    answer.fold(&[0x83], crate::routing::Tail::Tracing);
    assert_eq!(pair.a.transmitted(1)[4..], *answer.payload());
    assert_eq!((pair.a.drops(), pair.b.drops()), (vec![], vec![]));
}

#[test]
fn a_message_that_arrives_over_a_link_leads_back_over_it() {
    let mut pair = Pair::new(Config::default());
    pair.b.inbox("app", &[]);
    let mut request = message("app", "asker", b"?");
    request.push_onward(pair.to_b.as_ref());
    pair.a.with(|node, env| node.send(env, request)).unwrap();
    pair.run();
    let [Delivery { message, provenance, .. }] = &pair.b.delivered()[..] else { panic!() };
    //= spec/src/nodes.md#nod-7
    //= type=test
    //# A node MUST put the address of the connection's sender at the front of the return route of every message that arrives on it.
    assert_eq!(message.return_route(), Route::from(pair.to_a.clone()).then("asker").as_ref());
    assert!(provenance.is_local());
}

#[test]
fn what_crosses_keeps_its_provenance() {
    let mut pair = Pair::new(Config::default());
    pair.b.inbox("app", &[]);
    pair.gate(Mailbox::open("app".into()), &[pair.far]);
    pair.a.receive(1, &frame("app", "x", b"m")).unwrap();
    pair.a.send("app", "", b"m").unwrap();
    pair.run();
    let [first, second] = &pair.b.delivered()[..] else { panic!() };
    //= spec/src/nodes.md#nod-44
    //= type=test
    //# A message that crosses a link MUST keep its provenance.
    assert_eq!(first.provenance.from_connection(), Some(ConnectionId(1)));
    assert!(second.provenance.is_local());
}

//= spec/src/nodes.md#nod-45
//= type=test
//# A gate MUST let pass only what flow control and the access controls of its own node let pass.
#[test]
fn a_gate_refuses_what_would_be_refused_if_the_worker_were_here() {
    let mut pair = Pair::new(Config::default());
    for name in ["private", "local", "narrow"] {
        pair.b.inbox(name, &[]);
    }
    let (far, other) = (pair.far, pair.a.node.new_flow_control_id());
    pair.gate(Mailbox::open("private".into()), &[other]);
    let local: Arc<dyn AccessControl> = Arc::new(LocalOnly);
    pair.gate(Mailbox { address: "local".into(), incoming: Some(local), outgoing: None }, &[far]);
    let from_hop: Arc<dyn AccessControl> = Arc::new(FromAddresses(vec!["hop".into()]));
    pair.gate(Mailbox { address: "narrow".into(), incoming: Some(from_hop), outgoing: None }, &[far]);
    pair.a.start("hop", Hop, &[far]);
    let to_local: Arc<dyn AccessControl> = Arc::new(ToAddresses(vec!["local".into()]));
    let confined = Mailbox { address: "confined".into(), incoming: None, outgoing: Some(to_local) };
    pair.a.start_spec(confined, Flow::default(), Hop);
    for (onward, refused) in [
        ("private", "NOD-4"),
        ("local", "NOD-5"),
        ("narrow", "NOD-5"),
        ("hop => local", "NOD-5"),
        ("hop => confined => narrow", "NOD-5"),
    ] {
        pair.a.receive(1, &frame(onward, "x", b"m")).unwrap();
        assert_eq!(pair.a.drops(), [refused], "{onward}");
    }
    assert_eq!(pair.run(), 0);
    pair.a.receive(1, &frame("hop => narrow", "x", b"m")).unwrap();
    pair.a.send("local", "", b"m").unwrap();
    pair.run();
    assert_eq!((pair.b.payloads().len(), pair.a.drops().len() + pair.b.drops().len()), (2, 0));
    // A worker behind other ports is for its own node alone, and so is a gate that is none any more.
    pair.a.with(|node, env| node.stop_worker(env, &"local".into())).unwrap();
    assert_eq!(pair.a.send("local", "", b"m").unwrap_err().requirement(), "NOD-2");
}

#[test]
fn the_other_node_checks_what_passed_no_gate_and_nothing_twice() {
    let mut pair = Pair::new(Config::default());
    let from_hop: Arc<dyn AccessControl> = Arc::new(FromAddresses(vec!["hop".into()]));
    let narrow = || Mailbox { address: "narrow".into(), incoming: Some(from_hop.clone()), outgoing: None };
    pair.b.with(|node, env| node.open_inbox(env, narrow(), Flow::default())).unwrap();
    pair.a.start("hop", Hop, &[]);
    pair.gate(narrow(), &[]);
    //= spec/src/nodes.md#nod-46
    //= type=test
    //# A node MUST deliver what has passed a gate without checking it again.
    pair.a.send("hop => narrow", "", b"m").unwrap();
    pair.run();
    assert_eq!(pair.b.payloads(), [b"m"]);
    let mut beside = message("narrow", "", b"m");
    beside.push_onward(pair.to_b.as_ref());
    pair.a.with(|node, env| node.send(env, beside)).unwrap();
    pair.run();
    assert_eq!((pair.b.payloads().len(), pair.b.drops()), (0, vec!["NOD-5"]));
}

#[test]
fn a_full_worker_stalls_the_connection_at_the_other_end_of_the_link_and_loses_nothing() {
    let each = 4 * message("slow", "x", &[0; 100]).footprint() as u64;
    let mut pair = Pair::new(Config { inbox: 4, hand_over: 1, transmit: each, ..Config::default() });
    pair.b.inbox("slow", &[]);
    pair.gate(Mailbox::open("slow".into()), &[pair.far]);
    let bytes: Vec<u8> = (0..100).flat_map(|n| frame("slow", "x", &[n])).collect();
    pair.a.receive(1, &bytes).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 100 {
        pair.run();
        if seen.len() < 60 {
            assert!(!pair.a.node.reads(ConnectionId(1)), "{}", seen.len());
        }
        let taken = pair.b.payloads();
        assert!(!taken.is_empty(), "{} have arrived", seen.len());
        for payload in taken {
            seen.extend(payload);
            take(&mut pair.b, "slow");
        }
    }
    assert_eq!(seen, (0..100).collect::<Vec<u8>>());
    assert_eq!((pair.a.drops(), pair.b.drops()), (vec![], vec![]));
    assert!(pair.a.node.reads(ConnectionId(1)));
    pair.run();
    take(&mut pair.b, "slow");
    assert_eq!((pair.a.node.provisional(), pair.b.node.provisional()), (0, 0));
}

//= spec/src/nodes.md#nod-21
//= type=test
//# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
#[test]
fn what_is_on_its_way_over_a_link_is_bounded_by_the_memory_that_it_holds() {
    let mut limit = message("app", "", &[0; 1000]);
    let mut pair = Pair::new(Config { transmit: 3 * limit.footprint() as u64, ..Config::default() });
    limit.push_onward(pair.to_b.as_ref());
    for _ in 0..10 {
        let message = limit.clone();
        pair.a.with(|node, env| node.send(env, message)).unwrap();
    }
    let first = crossings(&mut pair.a);
    let bytes: u64 = first.iter().map(Crossing::size).sum();
    assert!((1..=4).contains(&first.len()), "{}", first.len());
    pair.a.with(|node, env| node.handle(env, Input::Sent { connection: LINK, bytes })).unwrap();
    assert_eq!(crossings(&mut pair.a).len(), first.len());
}

#[test]
fn what_crosses_comes_back_while_an_earlier_message_waits_and_no_link_is_closed_for_room() {
    let mut pair = Pair::new(Config { inbox: 1, hand_over: 1, held: 1_000, ..Config::default() });
    pair.b.inbox("slow", &[]);
    pair.gate(Mailbox::open("slow".into()), &[]);
    let mut waiting = Vec::new();
    for n in 0..4 {
        pair.a.send("slow", "", &[n]).unwrap();
        waiting.extend(crossings(&mut pair.a));
    }
    let mut refused = Vec::new();
    for crossing in waiting {
        match crossed(&mut pair.b, crossing.clone()) {
            Ok(()) => assert!(refused.is_empty()),
            Err(Refused::Full(Input::Crossed { connection: LINK, crossing: back })) => {
                assert_eq!(back, crossing);
                refused.push(back);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused.len(), 1);
    let far = pair.far;
    accept(&mut pair.b, 101, far);
    pair.b.receive(101, &[0, 0, 1, 0]).unwrap();
    pair.b.receive(101, &[0x83; 200]).unwrap();
    assert_eq!(closed(&pair.b), []);
    assert!(pair.b.node.provisional() > 1_000, "together they hold more than strangers may");
    assert!(pair.b.node.provisional() <= pair.b.node.provisional_limit());
}

//= spec/src/nodes.md#nod-43
//= type=test
//# A node MUST refuse bytes on a link, and messages that cross on what is no link.
#[test]
fn bytes_on_links_and_messages_on_connections_are_refused() {
    let mut pair = Pair::new(Config::default());
    let refused = pair.a.receive(LINK.0, &[1]).unwrap_err();
    assert_eq!(refused.into_error("").requirement(), "NOD-43");
    let mut over = message("app", "", b"m");
    over.push_onward(pair.to_b.as_ref());
    pair.a.with(|node, env| node.send(env, over)).unwrap();
    let [crossing] = crossings(&mut pair.a).try_into().unwrap();
    let wrong = Input::Crossed { connection: ConnectionId(1), crossing: crossing.clone() };
    let refused = pair.a.with(|node, env| node.handle(env, wrong)).unwrap_err();
    assert_eq!(refused.into_error("").requirement(), "NOD-43");
    let gate = |pair: &mut Pair, link| {
        let gate = pair.a.with(|node, env| node.open_gate(env, Mailbox::open("g".into()), Flow::default(), link));
        gate.map_err(|error| error.requirement())
    };
    assert_eq!([ConnectionId(1), ConnectionId(7)].map(|link| gate(&mut pair, link)), [Err("NOD-43"); 2]);
    assert_eq!(gate(&mut pair, LINK), Ok(()));
    assert_eq!(gate(&mut pair, LINK), Err("NOD-13"));
    // A link that is gone takes nothing, and a gate to it loses what it gets.
    pair.a.with(|node, env| node.handle(env, Input::Disconnected { connection: LINK })).unwrap();
    crossed(&mut pair.a, crossing).unwrap();
    pair.a.send("g", "", b"m").unwrap();
    assert_eq!(pair.a.drops(), ["NOD-2"]);
}

//= spec/src/nodes.md#nod-47
//= type=test
//# The flow control ids of nodes that are linked MUST differ.
#[test]
fn flow_control_ids_of_different_shards_differ() {
    let mut ids = alloc::collections::BTreeSet::new();
    for shard in [0, 1, 2, u16::MAX] {
        let (mut rig, first) = rig(Config { shard, ..Config::default() });
        ids.insert(first);
        let sender = rig.connect(1, None);
        ids.insert(rig.node.producer_at(&sender).unwrap());
    }
    assert_eq!(ids.len(), 8);
}

#[test]
fn a_peer_reaches_nothing_over_a_link_by_itself() {
    let mut pair = Pair::new(Config::default());
    pair.b.inbox("app", &[]);
    let onward = alloc::format!("{} => app", pair.to_b);
    pair.a.receive(1, &frame(&onward, "x", b"m")).unwrap();
    assert_eq!((pair.a.drops(), pair.run()), (vec!["NOD-4"], 0));
}

//= spec/src/nodes.md#nod-48
//= type=test
//# A node MUST leave the return route of a message that has crossed as it is when a gate to the same link has its first address.
#[test]
fn a_worker_behind_a_gate_keeps_a_conversation_with_a_peer_of_the_other_node() {
    let mut pair = Pair::new(Config::default());
    pair.b.inbox("app", &[]);
    pair.b.inbox("other", &[]);
    pair.gate(Mailbox::open("app".into()), &[pair.far]);
    for round in 0..3 {
        pair.a.receive(1, &frame("app", "x", &[round])).unwrap();
        pair.run();
        let [Delivery { message: question, provenance, .. }] = &pair.b.delivered()[..] else { panic!("{round}") };
        for (inbox, reachable) in [("app", true), ("other", false)] {
            let own = Route::new().then(inbox);
            let message = Message::new(question.return_route(), own.as_ref(), b"answer");
            let input = Input::SendFrom { inbox: inbox.into(), message, provenance: *provenance };
            pair.b.with(|node, env| node.handle(env, input)).unwrap();
            pair.run();
            let mut answer = Message::raw(pair.a.transmitted(1), 0);
            answer.unfold(5, &crate::routing::Limits::DEFAULT, |_| Ok(false)).unwrap();
            let back = if reachable { own } else { Route::from(pair.to_b.clone()).then(inbox) };
            assert_eq!(answer.return_route(), back.as_ref());
        }
        take(&mut pair.b, "app");
    }
    assert_eq!((pair.a.drops(), pair.b.drops()), (vec![], vec![]));
}

#[test]
fn a_full_node_does_not_close_a_link_whose_other_end_takes_nothing() {
    let mut pair = Pair::new(Config { queue: 16, inbox: 20, transmit: 1, ..Config::default() });
    pair.a.inbox("app", &[]);
    let send = |pair: &mut Pair| {
        let mut over = message("far", "", b"m");
        over.push_onward(pair.to_b.as_ref());
        pair.a.with(|node, env| node.send(env, over))
    };
    // One is on its way, the others fill the node.
    let sent = (0..30).take_while(|_| send(&mut pair).is_ok()).count();
    assert_eq!(sent, 17);
    assert_eq!(pair.a.send("app", "", b"m").unwrap_err().requirement(), "NOD-9");
    assert_eq!(closed(&pair.a), []);
}
