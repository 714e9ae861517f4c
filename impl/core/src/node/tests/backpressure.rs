//! What waits for a full receiver, where, and for how long.

use super::*;

//= spec/src/nodes.md#nod-21
//= type=test
//# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
#[test]
fn a_connection_waits_from_the_byte_at_which_its_limit_is_reached() {
    let length = frame("far", "", b"m").len() as u64;
    for (limit, expected) in [(2 * length, 2), (2 * length + 1, 3), (2 * length - 1, 2), (1, 1)] {
        let (mut rig, _) = rig(Config { transmit: limit, ..Config::default() });
        let out = rig.connect(1, None);
        let sent = |rig: &mut Rig, bytes| {
            rig.with(|node, env| node.handle(env, Input::Sent { connection: ConnectionId(1), bytes })).unwrap();
        };
        assert_eq!(rig.transmitted(1), [1]);
        sent(&mut rig, 1);
        for _ in 0..5 {
            let onward = Route::from(out.clone()).then("far");
            let message = Message::new(onward.as_ref(), Route::new().as_ref(), b"m");
            rig.with(|node, env| node.send(env, message)).unwrap();
        }
        assert_eq!(rig.transmitted(1).len() as u64, expected * length, "{limit}");
        // A byte that was written makes room for a message, and no more.
        if limit == 2 * length {
            sent(&mut rig, 1);
            assert_eq!(rig.transmitted(1).len() as u64, length);
        }
    }
}

#[test]
fn the_opening_byte_is_on_its_way_like_any_other() {
    let length = frame("far", "", b"m").len() as u64;
    let (mut rig, _) = rig(Config { transmit: 2 * length + 1, ..Config::default() });
    let out = rig.connect(1, None);
    for _ in 0..3 {
        let onward = Route::from(out.clone()).then("far");
        let message = Message::new(onward.as_ref(), Route::new().as_ref(), b"m");
        rig.with(|node, env| node.send(env, message)).unwrap();
    }
    assert_eq!(rig.transmitted(1).len() as u64, 1 + 2 * length);
    rig.with(|node, env| node.handle(env, Input::Sent { connection: ConnectionId(1), bytes: 1 })).unwrap();
    assert_eq!(rig.transmitted(1).len() as u64, length);
}

#[test]
fn connections_wait_for_a_full_receiver_in_turn_and_each_message_wakes_one() {
    let (mut rig, listener) = rig(Config { inbox: 1, hand_over: 1, ..Config::default() });
    rig.inbox("slow", &[listener]);
    for id in 1..=10 {
        accept(&mut rig, id, listener);
        rig.receive(id, &frame("slow", "x", &[id as u8])).unwrap();
    }
    // One is handed over, one waits in the inbox, eight wait at their connections.
    let mut seen = rig.payloads().concat();
    for _ in 0..9 {
        assert_eq!(
            (1..=10).filter(|id| !rig.node.reads(ConnectionId(*id))).count(),
            10usize.saturating_sub(seen.len() + 1)
        );
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
    }
    assert_eq!(seen, (1..=10).collect::<Vec<u8>>());
    assert_eq!(rig.drops(), [""; 0]);
}

#[test]
fn connections_that_wait_for_a_worker_that_stops_go_on() {
    let (mut rig, listener) = rig(Config { inbox: 1, hand_over: 1, ..Config::default() });
    rig.inbox("slow", &[listener]);
    rig.inbox("fast", &[listener]);
    for id in 1..=5 {
        accept(&mut rig, id, listener);
        rig.receive(id, &frame("slow", "x", &[id as u8])).unwrap();
    }
    rig.payloads();
    rig.with(|node, env| node.stop_worker(env, &"slow".into())).unwrap();
    assert_eq!(rig.drops(), ["NOD-2"; 3]);
    rig.receive(5, &frame("fast", "x", b"m")).unwrap();
    assert_eq!(rig.payloads(), [b"m"]);
}

#[test]
fn a_connection_that_goes_while_it_waits_leaves_nothing_behind() {
    let (mut rig, listener) = rig(Config { inbox: 1, hand_over: 1, steps: 3, ..Config::default() });
    rig.inbox("slow", &[listener]);
    for id in 1..=6 {
        accept(&mut rig, id, listener);
        rig.receive(id, &frames("slow", 4)).unwrap();
    }
    for id in 1..=6 {
        rig.with(|node, env| node.handle(env, Input::Disconnected { connection: ConnectionId(id) })).unwrap();
    }
    take(&mut rig, "slow");
    take(&mut rig, "slow");
    assert_eq!((rig.node.provisional(), rig.node.deadline()), (0, None));
}

//= spec/src/nodes.md#nod-9
//= type=test
//# A node MUST NOT queue more messages or bytes for one worker, or for all of them, than their limits.
#[test]
fn what_waits_is_bounded_in_bytes_for_a_worker_and_for_the_node() {
    let sized = |len: usize| message("slow", "", &vec![0; len]);
    let each = table::cost(&sized(1_000));
    let config = |inbox_bytes, queue_bytes| Config { inbox_bytes, queue_bytes, hand_over: 1, ..Config::default() };
    for (config, fit) in [
        (config(3 * each, 100 * each), 3),
        (config(3 * each - 1, 100 * each), 2),
        (config(100 * each, 4 * each), 4),
        (config(100 * each, 4 * each - 1), 3),
    ] {
        let (mut rig, _) = rig(config);
        rig.inbox("slow", &[]);
        rig.send("slow", "", b"handed over").unwrap();
        let mut send = |len| rig.with(|node, env| node.send(env, sized(len)));
        for _ in 0..fit {
            send(1_000).unwrap();
        }
        assert_eq!(send(1_000).unwrap_err().requirement(), "NOD-9");
        // What never fits is an error even when there is room, and the sender does not wait.
        let huge = Input::Send(sized(101 * each));
        let refused = rig.with(|node, env| node.handle(env, huge)).unwrap_err();
        assert!(matches!(refused, Refused::Error(error) if error.requirement() == "NOD-9"));
        assert!(rig.node.provisional() <= rig.node.provisional_limit());
        take(&mut rig, "slow");
        assert_eq!(rig.payloads().len(), 2);
        assert!(rig.with(|node, env| node.send(env, sized(1_000))).is_ok());
    }
}

#[test]
fn what_waits_in_all_inboxes_is_bounded_in_number() {
    let (mut rig, _) = rig(Config { queue: 4, inbox: 3, hand_over: 1, ..Config::default() });
    for name in ["a", "b"] {
        rig.inbox(name, &[]);
        rig.send(name, "", b"handed over").unwrap();
    }
    let fits: Vec<bool> = ["a", "a", "a", "a", "b", "b"].map(|to| rig.send(to, "", b"m").is_ok()).to_vec();
    assert_eq!(fits, [true, true, true, false, true, false]);
}

#[test]
fn when_a_large_message_leaves_all_go_on_that_find_room_and_not_only_the_first() {
    let small = table::cost(&message("b", "", &[0; 100]));
    let large = table::cost(&message("a", "", &[0; 10_000]));
    // Beside the large message there is room for one small one.
    let config = Config { queue_bytes: large + small + small / 2, hand_over: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    for name in ["a", "b", "c", "d"] {
        rig.inbox(name, &[listener]);
        rig.send(name, "", b"handed over").unwrap();
    }
    rig.send("a", "", &[0; 10_000]).unwrap();
    let connections = [(1, "b"), (2, "c"), (3, "d")];
    for (id, to) in connections {
        accept(&mut rig, id, listener);
        rig.receive(id, &frame(to, "x", &[0; 100])).unwrap();
    }
    let reading = |rig: &Rig| connections.map(|(id, _)| rig.node.reads(ConnectionId(id)));
    assert_eq!(reading(&rig), [true, false, false]);
    take(&mut rig, "a");
    // Nobody has taken anything from the others, and yet all are in.
    assert_eq!(reading(&rig), [true, true, true]);
}

/// Takes a message a second.
#[derive(Default)]
struct Busy {
    busy: bool,
}

impl Worker for Busy {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        assert!(!self.busy);
        self.busy = true;
        cx.set_timer(Some(Deadline::new(cx.now() + Duration::from_secs(1), "pause")));
        cx.send(0, message("app", "", delivery.message.payload()));
        Ok(())
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.busy = false;
        Ok(())
    }

    fn is_ready(&self) -> bool {
        !self.busy
    }
}

#[test]
fn a_worker_that_is_not_ready_gets_its_messages_when_it_is_and_its_senders_wait() {
    let (mut rig, listener) = rig(Config { inbox: 2, ..Config::default() });
    rig.inbox("app", &[]);
    rig.start("busy", Busy::default(), &[listener]);
    accept(&mut rig, 1, listener);
    rig.receive(1, &frames("busy", 6)).unwrap();
    for second in 0..6 {
        rig.now = Instant::from_millis(second * 1_000);
        call(&mut rig);
        assert_eq!(rig.payloads(), [[second as u8]]);
        // The first is done with, two wait in the inbox, one at the connection.
        assert_eq!(rig.node.reads(ConnectionId(1)), second >= 3);
    }
    assert_eq!(rig.drops(), [""; 0]);
}

#[test]
fn a_full_inbox_stops_its_connection_alone_until_it_is_taken() {
    let config = Config { inbox: 3, hand_over: 2, ..Config::default() };
    let mut rig = Rig::new(1, config);
    let listener = rig.node.new_flow_control_id();
    rig.inbox("slow", &[listener]);
    rig.inbox("fast", &[listener]);
    rig.connect(1, Some(listener));
    rig.connect(2, Some(listener));
    let mut bytes = vec![1];
    for i in 0..7u8 {
        bytes.extend(frame("slow", "x", &[i]));
    }
    // Two are handed over, three wait in the inbox, one stalls the connection, one is not read.
    rig.receive(1, &bytes).unwrap();
    assert_eq!(rig.payloads(), [[0], [1]]);
    //= spec/src/nodes.md#nod-10
    //= type=test
    //# A node MUST NOT read from a connection whose last message waits for a full receiver.
    assert!(matches!(rig.receive(1, &[0]), Err(Refused::Full(_))));
    let mut other = vec![1];
    other.extend(frame("fast", "x", b"f"));
    rig.receive(2, &other).unwrap();
    assert_eq!(rig.payloads(), [b"f"]);
    for i in 2..7u8 {
        rig.with(|node, env| node.handle(env, Input::Taken { inbox: "slow".into() })).unwrap();
        assert_eq!(rig.payloads(), [[i]]);
    }
    assert!(rig.receive(1, &frame("fast", "x", b"g")).is_ok());
    assert_eq!((rig.payloads(), rig.drops()), (vec![b"g".to_vec()], vec![]));
}

#[test]
fn a_receiver_that_stays_full_costs_its_messages_and_not_the_connection() {
    let config = Config { inbox: 1, hand_over: 1, ..Config::default() };
    let mut rig = Rig::new(1, config);
    let listener = rig.node.new_flow_control_id();
    rig.inbox("slow", &[listener]);
    rig.inbox("fast", &[listener]);
    rig.connect(1, Some(listener));
    let mut bytes = vec![1];
    for to in ["slow", "slow", "slow", "fast"] {
        bytes.extend(frame(to, "x", b"m"));
    }
    rig.receive(1, &bytes).unwrap();
    assert_eq!(rig.payloads().len(), 1);
    rig.now = Instant::from_millis(9_999);
    rig.with(|node, env| node.handle_timeout(env));
    assert_eq!((rig.payloads().len(), rig.drops()), (0, vec![]));
    assert_eq!(rig.node.deadline(), Some(Deadline::new(Instant::from_millis(10_000), "stalled receiver")));
    rig.now = Instant::from_millis(10_000);
    rig.with(|node, env| node.handle_timeout(env));
    //= spec/src/nodes.md#nod-11
    //= type=test
    //# A node MUST drop a message that has waited for a full receiver for the stall time, and read on.
    assert_eq!((rig.payloads().len(), rig.drops()), (1, vec!["NOD-11"]));
    assert!(rig.receive(1, &frame("fast", "x", b"g")).is_ok());
}

#[test]
fn a_local_sender_hears_that_the_receiver_is_full() {
    let config = Config { inbox: 2, hand_over: 1, ..Config::default() };
    let mut rig = Rig::new(1, config);
    rig.inbox("slow", &[]);
    for _ in 0..3 {
        rig.send("slow", "", b"m").unwrap();
    }
    //= spec/src/nodes.md#nod-9
    //= type=test
    //# A node MUST NOT queue more messages or bytes for one worker, or for all of them, than their limits.
    let error = rig.send("slow", "", b"m").unwrap_err();
    assert_eq!((error.blame(), error.requirement()), (Blame::Limit, "NOD-9"));
}

#[test]
fn bytes_on_their_way_to_a_peer_are_bounded() {
    let config = Config { transmit: 100, inbox: 2, ..Config::default() };
    let mut rig = Rig::new(1, config);
    let to_peer = rig.connect(1, None);
    rig.transmitted(1);
    let mut taken = 0;
    let mut refused = 0;
    for _ in 0..10 {
        let mut m = message("echo", "", &[0; 60]);
        m.push_onward(to_peer.as_ref());
        match rig.with(|node, env| node.send(env, m)) {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    // Two frames are on their way, two messages wait.
    assert_eq!((taken, refused), (4, 6));
    let on_their_way = rig.transmitted(1).len() as u64;
    //= spec/src/nodes.md#nod-21
    //= type=test
    //# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
    assert!((100..200).contains(&on_their_way), "{on_their_way}");
    let sent = Input::Sent { connection: ConnectionId(1), bytes: on_their_way };
    rig.with(|node, env| node.handle(env, sent)).unwrap();
    assert!(!rig.transmitted(1).is_empty());
}

//= spec/src/nodes.md#nod-33
//= type=test
//# A node MUST NOT hand over another message of an inbox while its limit of messages or of bytes is handed over and not taken.
#[test]
fn what_is_handed_over_is_bounded_in_messages_and_in_bytes() {
    let of = |len: usize| message("slow", "", &vec![0; len]);
    let each = table::cost(&of(1_000));
    for (messages, bytes, fit) in [(3, 1 << 20, 3), (100, 1, 1), (100, 4 * each, 4), (100, 4 * each + 1, 5)] {
        let (mut rig, _) = rig(Config { hand_over: messages, hand_over_bytes: bytes, ..Config::default() });
        rig.inbox("slow", &[]);
        for _ in 0..8 {
            rig.with(|node, env| node.send(env, of(1_000))).unwrap();
        }
        assert_eq!(rig.payloads().len(), fit, "{messages} messages, {bytes} bytes");
        take(&mut rig, "slow");
        assert_eq!(rig.payloads().len(), 1);
    }
    // What is taken makes as much room as it took: the oldest first.
    let (mut rig, _) = rig(Config { hand_over_bytes: 3 * each, ..Config::default() });
    rig.inbox("slow", &[]);
    for len in [10_000, 1_000, 1_000, 1_000, 1_000] {
        rig.with(|node, env| node.send(env, of(len))).unwrap();
    }
    assert_eq!(rig.payloads().len(), 1);
    take(&mut rig, "slow");
    assert_eq!(rig.payloads().len(), 3);
    // Whoever says it too often gains nothing.
    for _ in 0..10 {
        take(&mut rig, "slow");
    }
    assert_eq!(rig.payloads().len(), 1);
    for _ in 0..8 {
        rig.with(|node, env| node.send(env, of(1_000))).unwrap();
    }
    assert_eq!(rig.payloads().len(), 3);
}
