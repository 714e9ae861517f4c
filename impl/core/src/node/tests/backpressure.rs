//! What waits for a full receiver, where, and for how long.

use core::time::Duration;

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
        rig.with(|node, env| node.handle(env, Input::Taken { inbox: "slow".into(), messages: 1 })).unwrap();
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
    // Many may be taken at once. Whoever says it too often gains nothing.
    for messages in [1, 7, usize::MAX] {
        let taken = Input::Taken { inbox: "slow".into(), messages };
        rig.with(|node, env| node.handle(env, taken)).unwrap();
    }
    assert_eq!(rig.payloads().len(), 1);
    for _ in 0..8 {
        rig.with(|node, env| node.send(env, of(1_000))).unwrap();
    }
    assert_eq!(rig.payloads().len(), 3);
    rig.with(|node, env| node.handle(env, Input::Taken { inbox: "slow".into(), messages: 2 })).unwrap();
    assert_eq!(rig.payloads().len(), 2);
}

/// Sends what it takes on to the next address: what leaves from a port is what came to it.
struct Pipe {
    relay: bool,
    copies: usize,
}

impl Worker for Pipe {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.pop_onward()?;
        for _ in 0..self.copies {
            cx.forward(port, message.clone(), provenance);
        }
        Ok(())
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        if self.relay {
            cx.send(0, message("slow", "", b"last words"));
        }
    }

    fn leads_on(&self, _: Port) -> bool {
        self.relay
    }
}

const RELAY: Pipe = Pipe { relay: true, copies: 1 };
const PRODUCER: Pipe = Pipe { relay: false, copies: 1 };

/// A node with a slow inbox, a fast one, and a relay.
fn piped(config: Config) -> (Rig, FlowControlId) {
    let (mut rig, listener) = rig(config);
    rig.inbox("slow", &[listener]);
    rig.inbox("fast", &[listener]);
    rig.start("relay", RELAY, &[listener]);
    (rig, listener)
}

const TIGHT: Config = Config { inbox: 2, hand_over: 1, ..Config::DEFAULT };

fn after(rig: &mut Rig, millis: u64) {
    rig.now = rig.now + Duration::from_millis(millis);
    call(rig);
}

//= spec/src/nodes.md#nod-40
//= type=test
//# A node MUST keep what leaves a producer or a relay for a full receiver until there is room, and take nothing more at that address meanwhile.
#[test]
fn a_relay_keeps_what_its_receiver_has_no_room_for_and_its_senders_see_it_full() {
    let (mut rig, _) = piped(TIGHT);
    let sent = (0..10u8).take_while(|n| rig.send("relay => slow", "", &[*n]).is_ok()).count();
    // One is handed over, two wait in the inbox, one with the relay.
    assert_eq!(sent, 4);
    assert_eq!(rig.send("relay => fast", "", b"m").unwrap_err().requirement(), "NOD-9");
    // However long that takes.
    after(&mut rig, 3_600_000);
    let mut seen = rig.payloads().concat();
    for n in 4..10u8 {
        assert!(rig.send("relay => slow", "", &[n]).is_err());
        take(&mut rig, "slow");
        rig.send("relay => slow", "", &[n]).unwrap();
        seen.extend(rig.payloads().concat());
    }
    for _ in 0..3 {
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
    }
    assert_eq!((seen, rig.drops()), ((0..10).collect(), vec![]));
    take(&mut rig, "slow");
    assert_eq!((rig.node.provisional(), rig.node.deadline()), (0, None));
}

#[test]
fn a_chain_of_relays_is_as_slow_as_its_end_and_loses_nothing() {
    let (mut rig, _) = piped(TIGHT);
    for name in ["second", "third"] {
        rig.start(name, RELAY, &[]);
    }
    let onward = "relay => second => third => slow";
    let sent = (0..20u8).take_while(|n| rig.send(onward, "", &[*n]).is_ok()).count();
    // One with each relay: what waits longest is nearest to the end.
    assert_eq!(sent, 6);
    let mut seen = rig.payloads().concat();
    for _ in 0..6 {
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
    }
    assert_eq!((seen, rig.drops()), ((0..6).collect(), vec![]));
}

#[test]
fn what_a_relay_drops_makes_room_too() {
    let (mut rig, _) = piped(TIGHT);
    for n in 0..4 {
        rig.send("relay => slow", "", &[n]).unwrap();
    }
    rig.with(|node, env| node.stop_worker(env, &"slow".into())).unwrap();
    assert_eq!(rig.drops(), ["NOD-2"]);
    rig.send("relay => fast", "", b"m").unwrap();
    assert_eq!(rig.payloads().last().unwrap(), b"m");
    assert_eq!(rig.node.provisional(), 0);
}

/// A connection whose messages pass a producer, as they pass a secure channel.
fn produced(copies: usize) -> Rig {
    let (mut rig, listener) = piped(TIGHT);
    let inner = rig.node.new_flow_control_id();
    for name in ["slow", "fast"] {
        rig.node.add_consumer(&name.into(), inner).unwrap();
    }
    let flow = Flow { producer: Some(inner), consumer_of: vec![listener], ..Flow::default() };
    rig.start_spec(Mailbox::open("producer".into()), flow, Pipe { copies, ..PRODUCER });
    accept(&mut rig, 1, listener);
    rig
}

fn produce(rig: &mut Rig, to: &str, payloads: core::ops::Range<u8>) {
    let onward = alloc::format!("producer => {to}");
    let bytes: Vec<u8> = payloads.flat_map(|n| frame(&onward, "x", &[n])).collect();
    rig.receive(1, &bytes).unwrap();
}

#[test]
fn a_slow_receiver_behind_a_producer_slows_the_connection_and_loses_nothing() {
    let mut rig = produced(1);
    produce(&mut rig, "slow", 0..12);
    let mut seen = rig.payloads().concat();
    assert!(!rig.node.reads(ConnectionId(1)));
    // It takes one in nine seconds, the last after more than a minute: nobody has waited for nothing ten seconds.
    for _ in 0..11 {
        after(&mut rig, 9_000);
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
    }
    assert_eq!((seen, rig.drops()), ((0..12).collect(), vec![]));
    assert!(rig.node.reads(ConnectionId(1)));
}

//= spec/src/nodes.md#nod-11
//= type=test
//# A node MUST drop a message that has waited for a full receiver for the stall time, and read on.
/// A relay that makes every message larger, as an encryptor does.
struct Wrapper;

impl Worker for Wrapper {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { message, provenance, .. } = delivery;
        let onward: Route = message.onward().iter().skip(1).map(|address| address.to_owned()).collect();
        let payload = [message.payload(), &[0; 1_000]].concat();
        cx.forward(0, Message::new(onward.as_ref(), message.return_route(), &payload), provenance);
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

//= spec/src/nodes.md#nod-40
//= type=test
//# A node MUST keep what leaves a producer or a relay for a full receiver until there is room, and take nothing more at that address meanwhile.
#[test]
fn relays_that_make_messages_larger_lose_none_of_them_when_the_node_is_full_and_do_not_block_it() {
    let each = table::cost(&message("wrapper 0 => slow 0", "", b"m"));
    let tight = Config { queue_bytes: 24 * each, inbox: 4, hand_over: 1, steps: 1, held: 0, ..Config::default() };
    let (mut rig, _) = rig(tight);
    let names = |n| (alloc::format!("wrapper {n}"), alloc::format!("slow {}", n % 2));
    for n in 0..6 {
        let (wrapper, slow) = names(n);
        rig.start(&wrapper, Wrapper, &[]);
        if n < 2 {
            rig.inbox(&slow, &[]);
        }
    }
    // As many as the node takes, before any of them has got to its relay.
    let mut taken = 0;
    for n in (0..6).cycle().take(36) {
        let (wrapper, slow) = names(n);
        let onward = Route::from_iter([wrapper.as_str(), slow.as_str()]);
        let message = Message::new(onward.as_ref(), Route::new().as_ref(), b"m");
        taken += usize::from(rig.node.dispatch(Source::Owner, message, Provenance::LOCAL).is_ok());
    }
    assert_eq!(taken, 24);
    let (mut seen, mut most) = (0, 0);
    for _ in 0..100 {
        call(&mut rig);
        most = most.max(rig.node.provisional());
        assert!(rig.node.provisional() <= rig.node.provisional_limit());
    }
    assert!(most > 24 * each, "what the relays added is beyond what was let in");
    for _ in 0..24 {
        for n in 0..2 {
            take(&mut rig, &names(n).1);
            call(&mut rig);
        }
        seen += rig.payloads().len();
    }
    assert_eq!((seen, rig.drops(), rig.node.provisional()), (24, vec![], 0));
}

//= spec/src/nodes.md#nod-40
//= type=test
//# A node MUST keep what leaves a producer or a relay for a full receiver until there is room, and take nothing more at that address meanwhile.
#[test]
fn what_a_relay_has_taken_and_made_larger_than_a_limit_is_not_lost() {
    let largest = message("wrapper => slow", "", &[0; 1_000]);
    let inbox_bytes = table::cost(&largest) + 100;
    let (mut rig, _) = rig(Config { inbox_bytes, hand_over: 1, ..Config::default() });
    rig.start("wrapper", Wrapper, &[]);
    rig.inbox("slow", &[]);
    let mut sent = 0;
    while sent < 10 && rig.with(|node, env| node.send(env, largest.clone())).is_ok() {
        sent += 1;
    }
    // One is handed over, one is in the inbox, one with the relay.
    assert_eq!(sent, 3);
    for _ in 0..sent {
        assert_eq!(rig.payloads()[0].len(), 2_000);
        take(&mut rig, "slow");
    }
    assert_eq!((rig.drops(), rig.node.provisional()), (vec![], 0));
}

#[test]
fn whoever_waits_for_room_in_the_node_goes_on_when_what_waits_in_an_outbox_is_given_up() {
    let (mut rig, listener) = rig(Config { queue: 16, inbox: 4, hand_over: 1, ..Config::default() });
    let id = rig.node.new_flow_control_id();
    for name in ["dead", "first", "second", "third", "alive"] {
        rig.inbox(name, &[listener, id]);
    }
    let flow = Flow { producer: Some(id), ..Flow::default() };
    rig.start_spec(Mailbox::open("producer".into()), flow, PRODUCER);
    accept(&mut rig, 1, listener);
    for _ in 0..5 {
        rig.send("dead", "", b"m").unwrap();
    }
    rig.send("producer => dead", "", b"waits in an outbox").unwrap();
    for name in ["first", "second", "third"] {
        while rig.send(name, "", b"m").is_ok() {}
    }
    rig.payloads();
    after(&mut rig, 5_000);
    rig.receive(1, &frame("alive", "x", b"hello")).unwrap();
    assert!(!rig.node.reads(ConnectionId(1)), "the node is full");
    after(&mut rig, 5_000);
    assert_eq!(rig.drops(), ["NOD-11"]);
    assert_eq!(rig.payloads(), [b"hello"]);
}

#[test]
fn a_worker_that_stops_gives_what_waited_for_it_back_to_the_node() {
    let large = table::cost(&message("relay", "", &[0; 10_000]));
    for retires in [false, true] {
        let config = Config { queue_bytes: 2 * large, inbox: 2, hand_over: 1, steps: 1, ..Config::default() };
        let (mut rig, listener) = piped(config);
        accept(&mut rig, 1, listener);
        // The relay has last words, and so makes the node go on in any case.
        rig.start("quiet", Echoer, &[]);
        let stops = Address::local(if retires { "relay" } else { "quiet" });
        if retires {
            // What the relay has sent already waits with it, and keeps it when it stops.
            for _ in 0..4 {
                rig.send("relay => slow", "", b"m").unwrap();
                (0..8).for_each(|_| call(&mut rig));
            }
        }
        // What waits in its inbox fills the node.
        let fill = Message::new(route("relay => slow").as_ref(), Route::new().as_ref(), &[0; 10_000]);
        let id = rig.node.table.find(stops.as_ref()).unwrap().0;
        let (resident, spare) = rig.node.table.get_with_spare(id).unwrap();
        let delivery = Delivery { message: fill, port: 0, provenance: Provenance::LOCAL };
        resident.extras(spare).inbox.push(delivery, &mut rig.node.queued);
        rig.receive(1, &frame("fast", "x", &[0; 12_000])).unwrap();
        assert!(!rig.node.reads(ConnectionId(1)));
        rig.with(|node, env| node.stop_worker(env, &stops)).unwrap();
        (0..8).for_each(|_| call(&mut rig));
        assert!(rig.node.reads(ConnectionId(1)), "{retires}");
        assert!(rig.payloads().iter().any(|payload| payload.len() == 12_000));
    }
}

/// A relay at its second address, which takes nothing more after the first message.
struct Jammed {
    jammed: bool,
}

impl Worker for Jammed {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        self.jammed = true;
        Pipe { ..RELAY }.handle_message(cx, delivery)
    }

    fn is_ready(&self) -> bool {
        !self.jammed
    }

    fn leads_on(&self, port: Port) -> bool {
        port == 1
    }
}

#[test]
fn who_waits_for_a_worker_goes_on_when_it_stops_though_what_it_has_sent_waits() {
    let (mut rig, listener) = piped(TIGHT);
    let mailboxes = ["first", "second"].map(|name| Mailbox::open(name.into()));
    let flow = Flow { consumer_of: vec![listener], ..Flow::default() };
    let spec = Spec { mailboxes: mailboxes.into(), flow, worker: Box::new(Jammed { jammed: false }) };
    rig.with(|node, env| node.start_worker(env, spec)).unwrap();
    for _ in 0..3 {
        rig.send("slow", "", b"m").unwrap();
    }
    rig.send("second => slow", "", b"waits behind").unwrap();
    for _ in 0..2 {
        rig.send("first", "", b"m").unwrap();
    }
    accept(&mut rig, 1, listener);
    rig.receive(1, &frames("first", 1)).unwrap();
    assert!(!rig.node.reads(ConnectionId(1)));
    rig.with(|node, env| node.stop_worker(env, &"first".into())).unwrap();
    assert!(rig.node.reads(ConnectionId(1)));
    assert_eq!(rig.drops(), ["NOD-2"]);
}

/// A relay that asks for something, and would say so when it is answered.
struct AskingRelay;

impl Worker for AskingRelay {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let request = Request::Store(crate::identity::StoreRequest::Load(crate::identity::Identifier([1; 32])));
        cx.request(request, cx.now() + Duration::from_secs(60));
        Pipe { ..RELAY }.handle_message(cx, delivery)
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, _: RequestId, _: Answer) -> Result<()> {
        cx.send(0, message("fast", "", b"answered"));
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

#[test]
fn a_worker_that_has_stopped_and_whose_messages_wait_gets_no_answer() {
    for stopped in [false, true] {
        let (mut rig, _) = piped(TIGHT);
        rig.start("asking", AskingRelay, &[]);
        for _ in 0..4 {
            rig.send("asking => slow", "", b"m").unwrap();
        }
        let asked = |output: &Output| if let Output::Request { id, .. } = output { Some(*id) } else { None };
        let id = rig.out.iter().find_map(asked).unwrap();
        if stopped {
            rig.with(|node, env| node.stop_worker(env, &"asking".into())).unwrap();
        }
        let answer = Answer::Vault(Err(Error::misuse("TEST-1", "no key")));
        rig.with(|node, env| node.handle(env, Input::Answer { id, answer })).unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.extend(rig.payloads());
            take(&mut rig, "slow");
        }
        assert_eq!(seen.contains(&b"answered".to_vec()), !stopped);
    }
}

//= spec/src/nodes.md#nod-41
//= type=test
//# A node MUST drop a producer's message at once when its full receiver let another wait for the stall time and has taken none since.
#[test]
fn an_outbox_that_something_leaves_is_not_stuck_any_more() {
    let mut rig = produced(1);
    let inner = rig.node.producer_at(&"producer".into()).unwrap();
    rig.start("threefold", Pipe { relay: true, copies: 3 }, &[inner]);
    let to = "producer => threefold => slow";
    let send = |rig: &mut Rig| rig.receive(1, &frame(to, "x", b"m")).unwrap();
    // One handed over, two in the inbox, three with the relay, one with the producer.
    (0..3).for_each(|_| send(&mut rig));
    after(&mut rig, 10_000);
    assert_eq!(rig.drops(), ["NOD-11"]);
    send(&mut rig);
    assert_eq!(rig.drops(), ["NOD-41"]);
    take(&mut rig, "slow");
    send(&mut rig);
    assert_eq!(rig.drops(), [""; 0], "it waits");
}

//= spec/src/nodes.md#nod-41
//= type=test
//# A node MUST drop a producer's message at once when its full receiver let another wait for the stall time and has taken none since.
#[test]
fn a_dead_receiver_costs_those_who_share_its_connection_one_stall_time() {
    for to in ["slow", "producer => slow"] {
        let mut rig = produced(1);
        let bytes: Vec<u8> = (0..20).flat_map(|n| frame(to, "x", &[n])).collect();
        rig.receive(1, &bytes).unwrap();
        assert!(!rig.node.reads(ConnectionId(1)));
        after(&mut rig, 9_999);
        assert_eq!(rig.drops(), [""; 0]);
        after(&mut rig, 1);
        assert!(rig.node.reads(ConnectionId(1)), "{to}");
        let drops = rig.drops();
        assert_eq!((drops.len(), drops[0]), (17, "NOD-11"), "{to}");
        assert!(drops[1..].iter().all(|drop| *drop == "NOD-41"), "{drops:?}");
        rig.receive(1, &frame("fast", "x", b"f")).unwrap();
        assert_eq!(rig.payloads().last().unwrap(), b"f");
        // When it takes one it is a receiver like any other.
        take(&mut rig, "slow");
        rig.receive(1, &frame(to, "x", b"again")).unwrap();
        rig.receive(1, &frame(to, "x", b"and again")).unwrap();
        assert_eq!(rig.drops(), [""; 0], "{to}");
    }
}

#[test]
fn a_receiver_that_takes_now_and_then_is_not_stuck_when_one_of_many_has_waited_too_long() {
    let (mut rig, listener) = piped(TIGHT);
    for id in 1..=6 {
        accept(&mut rig, id, listener);
        rig.receive(id, &frames("slow", 1)).unwrap();
    }
    after(&mut rig, 9_000);
    take(&mut rig, "slow");
    after(&mut rig, 1_000);
    // One found room; two waited in vain, and yet the next waits and is not dropped at once.
    assert_eq!(rig.drops(), ["NOD-11"; 2]);
    rig.receive(1, &frames("slow", 1)).unwrap();
    assert_eq!(rig.drops(), [""; 0]);
    assert!(!rig.node.reads(ConnectionId(1)));
}

#[test]
fn a_connection_that_waits_for_a_relay_in_vain_finds_it_stuck() {
    let (mut rig, listener) = piped(TIGHT);
    accept(&mut rig, 1, listener);
    rig.receive(1, &(0..9).flat_map(|n| frame("relay => slow", "x", &[n])).collect::<Vec<u8>>()).unwrap();
    after(&mut rig, 10_000);
    // What had got into the relay's inbox waits with it; of the rest, one has waited and the others need not.
    let drops = rig.drops();
    assert!(drops[0] == "NOD-11" && drops[1..].iter().all(|drop| *drop == "NOD-41"), "{drops:?}");
    assert!(rig.node.reads(ConnectionId(1)));
    let before = rig.payloads().len();
    for _ in 0..9 {
        take(&mut rig, "slow");
    }
    assert_eq!(before + rig.payloads().len() + drops.len(), 9);
    rig.receive(1, &frame("relay => slow", "x", b"again")).unwrap();
    assert_eq!((rig.payloads().concat(), rig.drops()), (b"again".to_vec(), vec![]));
}

#[test]
fn outboxes_and_connections_wait_in_one_line() {
    let (mut rig, listener) = piped(Config { inbox: 1, ..TIGHT });
    rig.start("second", RELAY, &[]);
    rig.send("slow", "", &[0]).unwrap();
    rig.send("slow", "", &[1]).unwrap();
    rig.send("relay => slow", "", &[2]).unwrap();
    accept(&mut rig, 1, listener);
    rig.receive(1, &frame("slow", "x", &[3])).unwrap();
    rig.send("second => slow", "", &[4]).unwrap();
    let mut seen = rig.payloads().concat();
    for _ in 0..4 {
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

//= spec/src/nodes.md#nod-9
//= type=test
//# A node MUST NOT queue more messages or bytes for one worker, or for all of them, than their limits.
#[test]
fn an_outbox_is_bounded_like_an_inbox() {
    let mut rig = produced(100);
    produce(&mut rig, "slow", 0..1);
    // Two got into the inbox and two wait with the producer.
    assert_eq!(rig.drops(), ["NOD-9"; 64]);
    assert_eq!(rig.node.failures().collect::<Vec<_>>(), [("NOD-9", Blame::Limit, 96)]);
    assert!(rig.node.provisional() <= 4 * table::cost(&message("producer => slow", "x", &[0; 400])));
}

//= spec/src/nodes.md#nod-42
//= type=test
//# A node MUST keep what a worker that stops has sent until it is taken or has waited for the stall time.
#[test]
fn a_worker_that_stops_while_its_messages_wait_is_gone_at_once_and_they_are_not() {
    for patient in [true, false] {
        let (mut rig, _) = piped(TIGHT);
        for n in 0..4 {
            rig.send("relay => slow", "", &[n]).unwrap();
        }
        rig.payloads();
        rig.with(|node, env| node.stop_worker(env, &"relay".into())).unwrap();
        assert!(!rig.node.has_worker(&"relay".into()));
        assert_eq!(rig.send("relay => slow", "", b"m").unwrap_err().requirement(), "NOD-2");
        // Another worker has the address meanwhile, and keeps it.
        rig.start("relay", Echoer, &[]);
        if patient {
            for payload in [&[1][..], &[2], &[3], b"last words"] {
                take(&mut rig, "slow");
                assert_eq!(rig.payloads(), [payload]);
            }
            assert_eq!(rig.drops(), [""; 0]);
        } else {
            after(&mut rig, 10_000);
            assert_eq!(rig.drops(), ["NOD-11", "NOD-41"]);
        }
        assert_eq!(rig.node.workers(), 3);
        rig.send("relay", "fast", b"echo").unwrap();
        assert_eq!(rig.payloads().last().unwrap(), b"echo");
    }
}

/// A relay that stops with its first message, has much to say then, and asks for more.
struct Chatty;

impl Worker for Chatty {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let mut relay = RELAY;
        relay.handle_message(cx, delivery)?;
        cx.stop();
        cx.set_timer(Some(Deadline::new(cx.now(), "too late")));
        let load = crate::identity::StoreRequest::Load(crate::identity::Identifier([7; 32]));
        cx.request(Request::Store(load), cx.now() + Duration::from_secs(1));
        Ok(())
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) -> Result<()> {
        panic!("it has stopped")
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        (0..5).for_each(|_| cx.send(0, message("slow", "", b"last words")));
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

//= spec/src/nodes.md#nod-42
//= type=test
//# A node MUST keep what a worker that stops has sent until it is taken or has waited for the stall time.
#[test]
fn a_relay_that_stops_because_of_a_message_has_room_for_few_last_words_and_gets_nothing_it_asks_for_then() {
    let (mut rig, _) = piped(TIGHT);
    rig.start("chatty", Chatty, &[]);
    for n in 0..3 {
        rig.send("slow", "", &[n]).unwrap();
    }
    rig.send("chatty => slow", "", b"the first that waits").unwrap();
    assert_eq!(rig.drops(), ["NOD-9"; 4]);
    assert!(!rig.out.iter().any(|output| matches!(output, Output::Request { .. })));
    after(&mut rig, 1);
}

#[test]
fn what_relays_hold_for_a_connection_counts_for_it_when_the_node_is_full_and_is_free_when_it_is_closed() {
    let (mut rig, listener) = rig(Config { transmit: 1, inbox: 4, queue: 16, ..Config::default() });
    rig.inbox("app", &[]);
    let greedy = rig.connect(1, Some(listener));
    let modest = rig.connect(2, Some(listener));
    for n in 0..8 {
        rig.start(&alloc::format!("relay {n}"), RELAY, &[]);
    }
    let send = |rig: &mut Rig, to: &Address, relay: Option<usize>| {
        let mut message = message("far", "", b"m");
        message.push_onward(to.as_ref());
        let relay = relay.map(|n| Address::local(&alloc::format!("relay {n}")));
        relay.iter().for_each(|relay| message.push_onward(relay.as_ref()));
        rig.with(|node, env| node.send(env, message))
    };
    // The opening bytes are on their way. Four wait for each of the two, and eight with relays.
    for _ in 0..4 {
        send(&mut rig, &modest, None).unwrap();
        send(&mut rig, &greedy, None).unwrap();
    }
    for n in 0..8 {
        send(&mut rig, &greedy, Some(n)).unwrap();
    }
    assert_eq!(closed(&rig), []);
    rig.send("app", "", b"m").unwrap();
    //= spec/src/nodes.md#nod-31
    //= type=test
    //# A full node MUST close, of the connections whose limit of bytes is on its way, the one for which the most waits, unless that is less than waits in a queue on average.
    assert_eq!(closed(&rig), [(1, "NOD-31")]);
    assert_eq!(rig.drops(), ["NOD-2"; 8]);
    assert_eq!(rig.payloads(), [b"m"]);
}

#[test]
fn what_leaves_a_port_leaves_it_in_order_even_for_a_receiver_that_has_room() {
    let (mut rig, listener) = piped(TIGHT);
    for n in 0..3 {
        rig.send("slow", "", &[n]).unwrap();
    }
    accept(&mut rig, 1, listener);
    let bytes = [frame("relay => slow", "x", &[3]), frame("relay => fast", "x", &[4])].concat();
    rig.receive(1, &bytes).unwrap();
    assert_eq!(rig.payloads(), [[0]]);
    take(&mut rig, "slow");
    assert_eq!(rig.payloads(), [[1], [4]]);
}

#[test]
fn when_a_connection_is_closed_to_make_room_what_relays_hold_for_it_is_room_at_once() {
    let (mut rig, listener) = rig(Config { transmit: 1, inbox: 4, queue_bytes: 50_000, ..Config::default() });
    rig.inbox("app", &[]);
    let modest = rig.connect(1, Some(listener));
    let greedy = rig.connect(2, Some(listener));
    let send = |rig: &mut Rig, to: &Address, relay: Option<&str>, payload: usize| {
        let mut message = message("far", "", &vec![0; payload]);
        message.push_onward(to.as_ref());
        relay.map(Address::local).iter().for_each(|relay| message.push_onward(relay.as_ref()));
        rig.with(|node, env| node.send(env, message)).unwrap();
    };
    // Little waits for the greedy one itself, and much with relays.
    for _ in 0..4 {
        send(&mut rig, &modest, None, 1_000);
        send(&mut rig, &greedy, None, 0);
    }
    for name in ["a", "b", "c", "d"] {
        rig.start(name, RELAY, &[]);
        send(&mut rig, &greedy, Some(name), 9_000);
    }
    assert_eq!(closed(&rig), []);
    rig.send("app", "", &[0; 20_000]).unwrap();
    assert_eq!(closed(&rig), [(2, "NOD-31")]);
}

#[test]
fn when_a_large_message_leaves_all_outboxes_go_on_that_find_room() {
    let (mut rig, _) = piped(Config { inbox_bytes: 12_000, hand_over: 1, ..Config::default() });
    rig.send("slow", "", b"handed over").unwrap();
    rig.send("slow", "", &[0; 11_000]).unwrap();
    for name in ["a", "b", "c"] {
        rig.start(name, RELAY, &[]);
        rig.send(&alloc::format!("{name} => slow"), "", &[0; 500]).unwrap();
        assert!(rig.send(&alloc::format!("{name} => fast"), "", b"m").is_err());
    }
    take(&mut rig, "slow");
    for name in ["a", "b", "c"] {
        rig.send(&alloc::format!("{name} => fast"), "", b"m").unwrap();
    }
}

/// So many connections, each of which sends its number to a slow receiver.
fn crowd(rig: &mut Rig, listener: FlowControlId, connections: u64) {
    for id in 1..=connections {
        accept(rig, id, listener);
        rig.receive(id, &frame("slow", "x", &[id as u8])).unwrap();
    }
}

/// The owner takes a message, so the first in line, connection 3, is called; and it is gone before its turn comes.
/// Gives what was taken.
fn called_and_gone(rig: &mut Rig) -> Vec<u8> {
    for _ in 0..20 {
        call(rig);
    }
    let mut seen = rig.payloads().concat();
    take(rig, "slow");
    seen.extend(rig.payloads().concat());
    rig.with(|node, env| node.handle(env, Input::Disconnected { connection: ConnectionId(3) })).unwrap();
    seen
}

#[test]
fn who_is_called_out_of_a_line_and_goes_before_its_turn_leaves_it_to_the_next() {
    let config = Config { inbox: 1, hand_over: 1, steps: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    rig.inbox("slow", &[listener]);
    crowd(&mut rig, listener, 4);
    let mut seen = called_and_gone(&mut rig);
    for _ in 0..20 {
        call(&mut rig);
    }
    for _ in 0..5 {
        take(&mut rig, "slow");
        seen.extend(rig.payloads().concat());
        for _ in 0..5 {
            call(&mut rig);
            seen.extend(rig.payloads().concat());
        }
    }
    assert_eq!((seen, rig.node.reads(ConnectionId(4))), (vec![1, 2, 4], true), "deadline {:?}", rig.node.deadline());
}

#[test]
fn a_relay_behind_a_connection_that_goes_before_its_turn_goes_on() {
    let config = Config { inbox: 1, hand_over: 1, steps: 1, ..Config::default() };
    let (mut rig, listener) = piped(config);
    crowd(&mut rig, listener, 3);
    rig.send("relay => slow", "", &[9]).unwrap();
    let mut seen = called_and_gone(&mut rig);
    for _ in 0..10 {
        take(&mut rig, "slow");
        after(&mut rig, 60_000);
        call(&mut rig);
        seen.extend(rig.payloads().concat());
    }
    let again = rig.send("relay => fast", "", b"m").map_err(|e| e.requirement());
    assert_eq!((seen, again), (vec![1, 2, 9], Ok(())), "deadline {:?}", rig.node.deadline());
}

//= spec/src/nodes.md#nod-10
//= type=test
//# A node MUST NOT read from a connection whose last message waits for a full receiver.
#[test]
fn nothing_is_read_behind_a_message_that_waits_even_when_all_bytes_were_read() {
    let config = Config { inbox: 1, hand_over: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    rig.inbox("slow", &[listener]);
    accept(&mut rig, 1, listener);
    for n in 1..=3 {
        rig.receive(1, &frame("slow", "x", &[n])).unwrap();
    }
    // Stalled, and every byte that came has been read.
    assert!(matches!(rig.receive(1, &frame("slow", "x", &[4])), Err(Refused::Full(_))));
}
