//! Peers who want a node to work, to hold memory or to talk more than it should.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::identity::Identifier;

//= spec/src/nodes.md#nod-29
//= type=test
//# A node MUST NOT report more dropped messages and failed handshakes of strangers in one call than the limit of reports, and count all of them.
#[test]
fn a_chunk_full_of_messages_for_nobody_gives_few_events_and_all_are_counted() {
    for (count, reported, counted) in [(63, 63, 0), (64, 64, 0), (65, 64, 1), (900, 64, 836)] {
        let (mut rig, listener) = rig(Config::default());
        accept(&mut rig, 1, listener);
        rig.receive(1, &frames("nobody", count)).unwrap();
        assert_eq!(rig.drops().len(), reported);
        let Counters { failures, unreported, .. } = rig.node.counters();
        assert_eq!((failures[2], unreported), (count as u64, counted));
        assert!(rig.out.is_empty());
        // The next call has its own share.
        rig.receive(1, &frames("nobody", 1)).unwrap();
        assert_eq!(rig.drops(), ["NOD-2"]);
    }
}

//= spec/src/nodes.md#nod-27
//= type=test
//# A node MUST NOT take more messages from its connections in one call than its step budget.
#[test]
fn a_chunk_of_many_messages_is_taken_in_bounded_steps_and_in_order() {
    let (mut rig, listener) = rig(Config { steps: 5, hand_over: 100, ..Config::default() });
    rig.inbox("app", &[listener]);
    accept(&mut rig, 1, listener);
    rig.receive(1, &frames("app", 5)).unwrap();
    assert_eq!(rig.payloads().len(), 5);
    assert!(rig.node.reads(ConnectionId(1)));
    rig.receive(1, &frames("app", 13)).unwrap();
    let mut seen = rig.payloads();
    assert!(seen.len() <= 5);
    assert!(!rig.node.reads(ConnectionId(1)));
    assert!(matches!(rig.receive(1, &[0]), Err(Refused::Full(_))));
    while rig.node.deadline().is_some_and(|deadline| deadline.reason == "work") {
        call(&mut rig);
        let more = rig.payloads();
        assert!((1..=5).contains(&more.len()));
        seen.extend(more);
    }
    assert_eq!(seen.concat(), (0..13).collect::<Vec<u8>>());
    assert!(rig.node.reads(ConnectionId(1)));
}

//= spec/src/nodes.md#nod-30
//= type=test
//# A node MUST close the connection that holds the most when its connections together hold more bytes than their limit.
#[test]
fn connections_that_hold_too_much_together_cost_the_greediest_and_not_the_quiet() {
    let (mut rig, listener) = rig(Config { held: 100_000, ..Config::default() });
    rig.inbox("app", &[listener]);
    for id in 1..=3 {
        accept(&mut rig, id, listener);
    }
    // A frame of 16 MiB is announced, and a part of it comes.
    let begin = |rig: &mut Rig, id, bytes: usize| {
        let part = [&(1u32 << 24).to_be_bytes()[..], &vec![0x83; bytes]].concat();
        rig.receive(id, &part).unwrap();
    };
    begin(&mut rig, 1, 1_000);
    begin(&mut rig, 2, 40_000);
    assert_eq!(closed(&rig), []);
    assert!(rig.node.provisional() <= rig.node.provisional_limit());
    begin(&mut rig, 3, 50_000);
    assert_eq!(closed(&rig), []);
    let held = rig.node.provisional();
    assert!((91_000..=100_000).contains(&held), "{held}");
    rig.receive(3, &vec![0; 20_000]).unwrap();
    assert_eq!(closed(&rig), [(3, "NOD-30")]);
    assert!(rig.node.provisional() <= 100_000);
    // The others go on where they were.
    assert!(rig.receive(1, &[0]).is_ok() && rig.node.reads(ConnectionId(1)) && rig.node.reads(ConnectionId(2)));
}

#[test]
fn connections_may_hold_exactly_their_limit() {
    let begun = || [&[1][..], &[0, 0, 0xff, 0xff], &[0x83; 1_000]].concat();
    let (mut measured, listener) = rig(Config::default());
    measured.connect(1, Some(listener));
    measured.receive(1, &begun()).unwrap();
    let held = measured.node.provisional();
    for (limit, survives) in [(held, true), (held - 1, false)] {
        let (mut rig, listener) = rig(Config { held: limit, ..Config::default() });
        rig.connect(1, Some(listener));
        rig.receive(1, &begun()).unwrap();
        assert_eq!(closed(&rig).is_empty(), survives);
    }
}

#[test]
fn a_connection_that_holds_no_more_than_its_share_is_never_closed_for_what_others_hold() {
    // Ten connections share 100 000 bytes; each in turn is the quiet one, the others begin frames of 16 MiB.
    for quiet in 1..=10 {
        let (mut rig, listener) = rig(Config { held: 100_000, ..Config::default() });
        for id in 1..=10 {
            accept(&mut rig, id, listener);
        }
        let begin = |rig: &mut Rig, id, bytes: usize| {
            let part = [&(1u32 << 24).to_be_bytes()[..], &vec![0x83; bytes]].concat();
            rig.receive(id, &part).unwrap();
        };
        begin(&mut rig, quiet, 9_000);
        assert!(rig.node.provisional() <= 10_000);
        for id in (1..=10).filter(|id| *id != quiet) {
            begin(&mut rig, id, 10_000 + 100 * id as usize);
        }
        let gone = closed(&rig);
        assert!(!gone.is_empty() && gone.iter().all(|(id, requirement)| *id != quiet && *requirement == "NOD-30"));
    }
}

//= spec/src/nodes.md#nod-34
//= type=test
//# A node that has as many connections as it may MUST close, for a new one, the accepted connection on which nothing came or went for the longest, if that is no less than the idle time.
#[test]
fn strangers_who_connect_and_say_nothing_keep_nobody_out() {
    let (mut rig, listener) = rig(Config { connections: 4, ..Config::default() });
    rig.connect(1, None);
    for id in 2..=4 {
        accept(&mut rig, id, listener);
    }
    let connect = |rig: &mut Rig, seconds: u64, id| {
        rig.now = Instant::from_millis(seconds * 1_000);
        let how = Connected { accepted_by: Some(listener), ..Connected::default() };
        rig.with(|node, env| node.connected(env, ConnectionId(id), how)).map(drop).map_err(|e| e.requirement())
    };
    // Something goes on one and comes on another.
    rig.now = Instant::from_millis(20_000);
    rig.with(|node, env| node.handle(env, Input::Sent { connection: ConnectionId(2), bytes: 1 })).unwrap();
    rig.now = Instant::from_millis(30_000);
    rig.receive(3, &hex::decode("0000000483808040").unwrap()).unwrap();

    assert_eq!(connect(&mut rig, 59, 5), Err("NOD-18"), "nobody was idle for long");
    assert_eq!(closed(&rig), []);
    assert_eq!((connect(&mut rig, 60, 5), closed(&rig)), (Ok(()), vec![(4, "NOD-34")]));
    rig.out.clear();
    assert_eq!(connect(&mut rig, 79, 6), Err("NOD-18"));
    assert_eq!((connect(&mut rig, 80, 6), closed(&rig)), (Ok(()), vec![(2, "NOD-34")]));
    rig.out.clear();
    // Whom this node dialled it never closes for another, and what is gone takes no place.
    rig.with(|node, env| node.handle(env, Input::Disconnected { connection: ConnectionId(5) })).unwrap();
    assert_eq!((connect(&mut rig, 80, 7), closed(&rig)), (Ok(()), vec![]));
    assert_eq!((connect(&mut rig, 90, 8), closed(&rig)), (Ok(()), vec![(3, "NOD-34")]));
    assert_eq!(rig.node.workers(), 4);
}

// A small program does not hash.
#[cfg(feature = "fast")]
#[test]
fn tables_of_two_nodes_hash_an_address_differently() {
    let hash = |seed| {
        let mut entropy = Seeded::from_u64(seed);
        let table = Table::new(&mut entropy);
        table.hash(crate::routing::AddressRef::local(b"echo"))
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2), "or peers could choose addresses that collide");
}

/// Sets its timer for now again and again, and counts how often it is called.
struct Restless(Arc<AtomicUsize>);

impl Worker for Restless {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        cx.set_timer(Some(Deadline::new(cx.now(), "again")));
        Ok(())
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Result<()> {
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.handle_start(cx)
    }
}

//= spec/src/nodes.md#nod-8
//= type=test
//# A node MUST NOT make more deliveries, or call more timers, in one call than its step budget.
#[test]
fn timers_that_are_due_are_called_in_bounded_steps_and_none_for_ever() {
    let (mut rig, _) = rig(Config { steps: 3, ..Config::default() });
    let calls = Arc::new(AtomicUsize::new(0));
    for n in 0..7 {
        rig.start(&alloc::format!("restless {n}"), Restless(calls.clone()), &[]);
    }
    for n in 1..=4 {
        call(&mut rig);
        assert_eq!(calls.load(Ordering::Relaxed), 3 * n);
        assert!(rig.node.deadline().unwrap().at <= rig.now);
    }
    // As many as fit are all called, and there is no work left over.
    let (mut rig, _) = self::rig(Config { steps: 7, ..Config::default() });
    let calls = Arc::new(AtomicUsize::new(0));
    for n in 0..7 {
        rig.start(&alloc::format!("restless {n}"), Restless(calls.clone()), &[]);
    }
    call(&mut rig);
    assert_eq!((calls.load(Ordering::Relaxed), rig.node.deadline().unwrap().reason), (7, "again"));
}

//= spec/src/nodes.md#nod-28
//= type=test
//# A node MUST NOT wait for more answers than the limit of requests.
#[test]
fn beyond_the_limit_of_requests_the_oldest_is_waited_for_no_longer() {
    let (mut rig, _) = rig(Config { requests: 3, ..Config::default() });
    rig.inbox("app", &[]);
    rig.start("asker", Asker(0), &[]);
    for _ in 0..4 {
        rig.send("asker", "", b"").unwrap();
    }
    let asked: Vec<RequestId> =
        rig.out.drain(..).map(|output| if let Output::Request { id, .. } = output { id } else { panic!() }).collect();
    for (id, answered) in asked.into_iter().zip([false, true, true, true]) {
        let answer = Answer::Vault(Err(Error::misuse("TEST-1", "no key")));
        rig.with(|node, env| node.handle(env, Input::Answer { id, answer })).unwrap();
        assert_eq!(rig.payloads().len(), usize::from(answered));
    }
}

#[test]
fn what_a_worker_asked_before_it_stopped_takes_nobodys_place() {
    let (mut rig, _) = rig(Config { requests: 3, ..Config::default() });
    rig.inbox("app", &[]);
    rig.start("first", Asker(0), &[]);
    rig.start("gone", Asker(0), &[]);
    for to in ["first", "gone", "gone"] {
        rig.send(to, "", b"").unwrap();
    }
    let Output::Request { id, .. } = rig.out[0] else { panic!() };
    rig.with(|node, env| node.stop_worker(env, &"gone".into())).unwrap();
    rig.start("last", Asker(0), &[]);
    for _ in 0..2 {
        rig.send("last", "", b"").unwrap();
    }
    let answer = Answer::Vault(Err(Error::misuse("TEST-1", "no key")));
    rig.with(|node, env| node.handle(env, Input::Answer { id, answer })).unwrap();
    assert_eq!(rig.payloads().len(), 1, "the oldest request is still waited for");
}

/// May send nothing, and tries to have somebody else send for it.
struct Smuggler;

impl Worker for Smuggler {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Result<()> {
        cx.stop();
        let mailboxes = vec![Mailbox::open("heir".into())];
        cx.start_worker(Spec { mailboxes, flow: Flow::default(), worker: Box::new(Echoer) });
        cx.send(0, message("app", "", b"smuggled"));
        Ok(())
    }
}

#[test]
fn a_worker_that_has_stopped_sends_nothing_under_the_name_of_the_next_in_its_place() {
    let (mut rig, _) = rig(Config::default());
    rig.inbox("app", &[]);
    let silent = Mailbox { address: "silent".into(), incoming: None, outgoing: Some(Arc::new(DenyAll)) };
    rig.start_spec(silent, Flow::default(), Smuggler);
    rig.send("silent", "", b"go").unwrap();
    assert!(rig.node.has_worker(&"heir".into()));
    assert_eq!((rig.payloads().len(), rig.drops()), (0, vec!["NOD-2"]));
}

/// Starts a child at each address that it is told, says what it hears, and stops one child for another.
struct Parent;

impl Worker for Parent {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let address = Address::local(core::str::from_utf8(delivery.message.payload()).unwrap());
        if address == Address::local("") {
            (0..5).for_each(|_| cx.send(0, message("slow", "", b"m")));
            return Ok(());
        }
        cx.start_child(Spec {
            mailboxes: vec![Mailbox::open(address)],
            flow: Flow::default(),
            worker: Box::new(Child),
        });
        Ok(())
    }

    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, news: News) -> Result<()> {
        let news = match news {
            News::Opened(Identifier([1, ..])) => {
                cx.stop_worker("sibling".into());
                "FIRST"
            }
            News::Opened(_) => "SECOND",
            News::Heard => "HEARD",
            News::Gone => "GONE",
        };
        cx.event(Event::Dropped { to: Some(child.clone()), error: Error::misuse(news, "news") });
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

/// Tells its parent each byte that it hears, sends it to a slow receiver, and goes; or just tells.
struct Child;

impl Worker for Child {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        match cx.address(0) {
            Some(address) if *address == Address::local("weak") => Err(Error::misuse("TEST-1", "does not start")),
            _ => Ok(()),
        }
    }

    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        if delivery.message.payload() == b"tell" {
            cx.tell_parent(News::Opened(Identifier([1; 32])));
            return Ok(());
        }
        for n in delivery.message.payload() {
            cx.tell_parent(News::Opened(Identifier([*n; 32])));
            cx.send(0, message("slow", "", &[*n]));
        }
        cx.stop();
        Ok(())
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        cx.tell_parent(News::Heard);
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

//= spec/src/nodes.md#nod-49
//= type=test
//# A node MUST tell a worker in order, and without losing any, what the workers that it has started as its children tell it, and that each of them is gone.
#[test]
fn a_parent_hears_all_of_its_children_in_order_and_that_they_are_gone() {
    let (mut rig, _) = rig(Config { steps: 1, inbox: 1, hand_over: 1, ..Config::default() });
    rig.inbox("slow", &[]);
    rig.start("parent", Parent, &[]);
    let heard = |rig: &mut Rig| {
        (0..20).for_each(|_| call(rig));
        rig.drops()
    };
    for (child, why) in [("weak", "TEST-1"), ("slow", "NOD-13")] {
        rig.send("parent", "", child.as_bytes()).unwrap();
        assert_eq!(heard(&mut rig), [why, "GONE"], "it could not be started");
    }
    for child in ["child", "sibling"] {
        rig.send("parent", "", child.as_bytes()).unwrap();
        assert_eq!(heard(&mut rig), [""; 0]);
    }
    // It is gone at once, and once, however long what it has sent waits for the receiver.
    rig.send("child", "", &[1, 2, 2, 2, 2]).unwrap();
    assert_eq!(rig.drops(), ["FIRST", "SECOND", "SECOND", "SECOND", "SECOND", "HEARD", "GONE"]);
    assert_eq!(rig.node.deadline(), Some(Deadline::new(rig.now, "work")), "there is more news");
    assert_eq!(heard(&mut rig), ["HEARD", "GONE"], "of the sibling");
    for _ in 0..5 {
        assert_eq!(rig.payloads().len(), 1);
        take(&mut rig, "slow");
        assert_eq!(heard(&mut rig), [""; 0]);
    }
    // Whoever has no parent any more, or never had one, tells nobody.
    rig.send("parent", "", b"orphan").unwrap();
    heard(&mut rig);
    rig.send("parent", "", b"").unwrap();
    heard(&mut rig);
    rig.with(|node, env| node.stop_worker(env, &"parent".into())).unwrap();
    assert_eq!(rig.node.workers(), 3, "what the parent has sent still waits with it");
    rig.start("free", Child, &[]);
    for child in ["orphan", "free"] {
        rig.send(child, "", &[3]).unwrap();
        assert_eq!(heard(&mut rig), [""; 0]);
        assert!(!rig.node.has_worker(&child.into()));
    }
}

#[test]
fn what_news_brings_about_is_told_at_once_and_not_forgotten_when_a_call_is_over() {
    for steps in [1, 1024] {
        let (mut rig, _) = rig(Config { steps, ..Config::default() });
        rig.start("parent", Parent, &[]);
        for child in ["child", "sibling"] {
            rig.send("parent", "", child.as_bytes()).unwrap();
        }
        rig.send("child", "", b"tell").unwrap();
        if steps == 1 {
            assert_eq!(rig.drops(), ["FIRST"]);
            assert_eq!(rig.node.deadline(), Some(Deadline::new(rig.now, "work")));
            call(&mut rig);
        } else {
            assert_eq!(rig.drops(), ["FIRST", "HEARD", "GONE"]);
        }
        rig.drops();
        assert_eq!(rig.node.deadline(), None);
        // A child that has nothing but a parent keeps it, and nobody else gets it.
        rig.start("free", Child, &[]);
        rig.send("free", "", b"tell").unwrap();
        assert_eq!(rig.drops(), [""; 0]);
        rig.send("child", "", b"tell").unwrap();
        assert_eq!(rig.drops(), ["FIRST"]);
    }
}

#[test]
fn an_answer_for_a_worker_that_has_stopped_reaches_nobody() {
    let (mut rig, _) = rig(Config::default());
    rig.inbox("app", &[]);
    rig.start("asker", Asker(0), &[]);
    rig.send("asker", "", b"").unwrap();
    let Some(Output::Request { id, .. }) = rig.out.pop() else { panic!() };
    rig.with(|node, env| node.stop_worker(env, &"asker".into())).unwrap();
    // The same slot, another worker.
    rig.start("asker", Asker(0), &[]);
    let answer = Answer::Vault(Err(Error::misuse("TEST-1", "no key")));
    rig.with(|node, env| node.handle(env, Input::Answer { id, answer })).unwrap();
    assert!(rig.payloads().is_empty() && rig.out.is_empty());
}

#[test]
fn a_route_of_millions_of_hops_is_dropped_and_the_connection_lives() {
    let (mut rig, listener) = rig(Config::default());
    rig.inbox("app", &[listener]);
    accept(&mut rig, 1, listener);
    // Four million hops, really there: fifteen megabytes in one frame.
    let mut body = hex::decode("839a003d0900").unwrap();
    body.extend(hex::decode("82004161").unwrap().repeat(4_000_000));
    body.truncate((1 << 24) - 100);
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(body);
    for chunk in bytes.chunks(65_536) {
        rig.receive(1, chunk).unwrap();
    }
    assert_eq!(rig.drops(), ["RTE-3"]);
    rig.receive(1, &frame("app", "x", b"m")).unwrap();
    assert_eq!((rig.payloads().len(), closed(&rig)), (1, vec![]));
}

#[test]
fn a_route_that_has_grown_beyond_the_ceilings_is_dropped_when_it_leaves_and_the_connection_lives() {
    let (mut rig, _) = rig(Config::default());
    let out = rig.connect(1, None);
    rig.transmitted(1);
    for (hops, leaves) in [(255, true), (256, false), (1, true)] {
        let back: Route = core::iter::repeat_n("r", hops).collect();
        let message = Message::new(Route::from(out.clone()).then("far").as_ref(), back.as_ref(), b"m");
        rig.with(|node, env| node.send(env, message)).unwrap();
        assert_eq!(rig.transmitted(1).is_empty(), !leaves);
        assert_eq!(rig.drops(), if leaves { vec![] } else { vec!["TCP-12"] });
    }
}

//= spec/src/nodes.md#nod-19
//= type=test
//# A worker that sends a received message on MUST NOT change its provenance.
#[test]
fn an_echo_does_not_speak_for_the_node_that_echoes() {
    let (mut rig, listener) = rig(Config::default());
    rig.start("echo", Echoer, &[listener]);
    rig.inbox("open", &[]);
    let local: Arc<dyn AccessControl> = Arc::new(LocalOnly);
    let guarded = Mailbox { address: "guarded".into(), incoming: Some(local), outgoing: None };
    rig.with(|node, env| node.open_inbox(env, guarded, Flow::default())).unwrap();
    let how = Connected { accepted_by: None, alias: Some("1#inner:4000".parse().unwrap()) };
    rig.with(|node, env| node.connected(env, ConnectionId(1), how)).unwrap();
    rig.transmitted(1);
    rig.connect(2, Some(listener));
    // The answer would go where the stranger says, if what the stranger says were not the return route's second
    // address: the first is its own connection. A hop that forgets that is the worst case.
    rig.start("forgetful", Forgetful, &[listener]);
    for (to, drops) in [("open", vec![]), ("guarded", vec!["NOD-5"]), ("1#inner:4000", vec!["NOD-3"])] {
        let opening: &[u8] = if to == "open" { &[1] } else { &[] };
        let bytes = [opening, &frame("forgetful => echo", to, b"m")].concat();
        rig.receive(2, &bytes).unwrap();
        assert_eq!(rig.drops(), drops, "{to}");
    }
    let [Delivery { provenance, .. }] = rig.delivered()[..] else { panic!() };
    assert_eq!(provenance.from_connection(), Some(ConnectionId(2)));
    assert!(rig.transmitted(1).is_empty());
}

/// Forwards a message and takes the connection off its return route.
struct Forgetful;

impl Worker for Forgetful {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.pop_onward()?;
        let onward = message.onward().to_owned();
        let back: Route = message.return_route().iter().skip(1).map(|address| address.to_owned()).collect();
        message.set_routes(onward.as_ref(), back.as_ref());
        cx.forward(port, message, provenance);
        Ok(())
    }
}

/// Stops the worker that it was told of, when it is stopped.
struct Friend(&'static str);

impl Worker for Friend {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Result<()> {
        Ok(())
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        cx.stop_worker(self.0.into());
        cx.send(0, message("app", "", b"farewell"));
    }
}

#[test]
fn workers_that_stop_each_other_say_their_last_words_once() {
    let (mut rig, _) = rig(Config::default());
    rig.inbox("app", &[]);
    for (name, friend) in [("a", "b"), ("b", "c"), ("c", "a")] {
        rig.start(name, Friend(friend), &[]);
    }
    rig.with(|node, env| node.stop_worker(env, &"a".into())).unwrap();
    assert_eq!((rig.payloads().len(), rig.node.workers()), (3, 1));
}

//= spec/src/nodes.md#nod-31
//= type=test
//# A full node MUST close, of the connections whose limit of bytes is on its way, the one for which the most waits, unless that is less than waits in a queue on average.
#[test]
fn strangers_who_ask_for_much_and_read_nothing_are_closed_when_the_node_is_full_and_nobody_else_is() {
    let config = Config { queue: 64, inbox: 16, transmit: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    rig.start("echo", Echoer, &[listener]);
    rig.inbox("app", &[listener]);
    for id in 1..=6 {
        accept(&mut rig, id, listener);
        rig.with(|node, env| node.handle(env, Input::Sent { connection: ConnectionId(id), bytes: 1 })).unwrap();
    }
    // One answer to each is on its way and not read; the others wait. Number 3 has less than the others.
    for (id, count) in [(1, 17), (2, 17), (3, 14), (4, 17), (5, 3)] {
        rig.receive(id, &frames("echo", count)).unwrap();
    }
    assert_eq!(closed(&rig), [], "63 wait");
    rig.receive(6, &frames("app", 1)).unwrap();
    assert_eq!(rig.payloads(), [[0]], "the last place is taken and given back");
    rig.receive(5, &frames("echo", 1)).unwrap();
    assert_eq!(closed(&rig), [], "64 wait");

    rig.receive(6, &frames("app", 1)).unwrap();
    assert_eq!(closed(&rig), [(4, "NOD-31")], "of those who have the most, the youngest");
    assert_eq!(rig.payloads(), [[0]]);
    take(&mut rig, "app");
    take(&mut rig, "app");
    rig.receive(6, &frames("app", 3)).unwrap();
    assert_eq!(rig.payloads().len(), 3);
    assert_eq!(closed(&rig).len(), 1);
}

//= spec/src/nodes.md#nod-31
//= type=test
//# A full node MUST close, of the connections whose limit of bytes is on its way, the one for which the most waits, unless that is less than waits in a queue on average.
#[test]
fn a_slow_connection_is_not_closed_for_what_waits_for_slow_workers() {
    // Four inboxes of sixteen fill the node; in the fifth queue, that of the slow connection, fewer wait than on average.
    for (waiting, gone) in [(12, false), (13, true)] {
        let (mut rig, listener) = rig(Config { queue: 64, inbox: 16, transmit: 1, hand_over: 1, ..Config::default() });
        rig.start("echo", Echoer, &[listener]);
        for name in ["a", "b", "c", "d"] {
            rig.inbox(name, &[listener]);
        }
        accept(&mut rig, 1, listener);
        rig.receive(1, &frames("echo", waiting)).unwrap();
        for (id, name) in [(2, "a"), (3, "b"), (4, "c"), (5, "d")] {
            accept(&mut rig, id, listener);
            rig.receive(id, &frames(name, 17)).unwrap();
        }
        let expected = if gone { vec![(1, "NOD-31")] } else { vec![] };
        assert_eq!(closed(&rig), expected, "{waiting} wait");
        // Whoever fills the slow workers waits for them.
        assert_eq!(rig.node.reads(ConnectionId(5)), gone);
        assert_eq!(rig.drops(), [""; 0]);
    }
}

#[test]
fn a_connection_is_as_greedy_as_what_the_node_is_full_of() {
    // As many messages as wait for the slow worker; and many short ones beside a few long ones.
    for (waiting, others, length) in [(8, 8, 1), (12, 4, 10_000)] {
        let (mut rig, listener) = rig(Config { queue: 16, inbox: 16, transmit: 1, hand_over: 1, ..Config::default() });
        rig.start("echo", Echoer, &[listener]);
        rig.inbox("slow", &[listener]);
        accept(&mut rig, 1, listener);
        rig.receive(1, &frames("echo", waiting)).unwrap();
        for _ in 0..=others {
            rig.send("slow", "", &vec![0; length]).unwrap();
        }
        assert_eq!(closed(&rig), [], "sixteen wait");
        rig.send("slow", "", b"m").unwrap();
        assert_eq!(closed(&rig), [(1, "NOD-31")], "{waiting} of 16");
    }
}

#[test]
fn the_connection_that_is_closed_is_the_one_with_most_of_what_the_node_is_full_of() {
    let large = table::cost(&message("app", "", &[0; 20_000]));
    for (queue, queue_bytes, expected) in [(16, 1 << 27, 1), (4096, 2 * large, 2)] {
        let (mut rig, listener) = rig(Config { queue, queue_bytes, inbox: 16, transmit: 1, ..Config::default() });
        rig.start("echo", Echoer, &[listener]);
        for id in 1..=3 {
            accept(&mut rig, id, listener);
        }
        // Many short messages wait for the first, and a long one for the second.
        rig.receive(1, &frames("echo", 15)).unwrap();
        rig.receive(2, &frame("echo", "x", &[0; 20_000])).unwrap();
        assert_eq!(closed(&rig), []);
        rig.receive(3, &frame("echo", "x", &[0; 15_000])).unwrap();
        assert_eq!(closed(&rig), [(expected, "NOD-31")]);
    }
}

#[test]
fn a_connection_whose_peer_takes_what_comes_is_not_closed_for_what_the_node_has_not_come_to_yet() {
    let (mut rig, listener) = rig(Config { queue: 16, ..Config::default() });
    let out = rig.connect(1, Some(listener));
    // All of these come before the node goes on.
    let taken = (0..40u8).filter(|n| {
        let mut message = message("far", "", &[*n]);
        message.push_onward(out.as_ref());
        rig.node.dispatch(Source::Owner, message, Provenance::LOCAL).is_ok()
    });
    assert_eq!(taken.count(), 16);
    call(&mut rig);
    assert_eq!(closed(&rig), []);
}

#[test]
fn a_connection_that_is_closed_to_make_room_for_its_own_message_leaves_nothing_behind() {
    let cost = |len: usize| table::cost(&message("app", "", &vec![0; len]));
    let config = Config { queue_bytes: cost(51_000) + cost(2_000), transmit: 1, hand_over: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    rig.start("echo", Echoer, &[listener]);
    rig.inbox("app", &[listener]);
    rig.send("app", "", b"handed over").unwrap();
    rig.send("app", "", &[0; 1_000]).unwrap();
    accept(&mut rig, 1, listener);
    // Its answer waits, because the opening byte is not read.
    rig.receive(1, &frame("echo", "x", &[0; 50_000])).unwrap();
    assert_eq!(closed(&rig), []);
    rig.receive(1, &frame("app", "x", &[0; 2_000])).unwrap();
    assert_eq!(closed(&rig), [(1, "NOD-31")]);
    assert_eq!(rig.node.deadline(), None);
}

#[test]
fn a_peer_that_takes_what_it_is_sent_again_is_not_closed_for_what_waited() {
    let config = Config { queue: 16, inbox: 16, transmit: 1, ..Config::default() };
    let (mut rig, listener) = rig(config);
    rig.start("echo", Echoer, &[listener]);
    rig.inbox("app", &[listener]);
    for id in 1..=3 {
        accept(&mut rig, id, listener);
    }
    rig.receive(1, &frames("echo", 9)).unwrap();
    rig.receive(2, &frames("echo", 7)).unwrap();
    assert_eq!(closed(&rig), [], "16 wait");
    // The first reads all it is sent, one message after the other.
    for _ in 0..9 {
        let bytes = rig.transmitted(1).len() as u64 + 1;
        rig.with(|node, env| node.handle(env, Input::Sent { connection: ConnectionId(1), bytes })).unwrap();
    }
    rig.receive(3, &frames("echo", 9)).unwrap();
    assert_eq!(closed(&rig), []);
    rig.receive(1, &frames("app", 1)).unwrap();
    assert_eq!(closed(&rig), [(3, "NOD-31")]);
}
