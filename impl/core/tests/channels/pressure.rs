//! A slow reader slows the writer, all the way: through channels, and channels inside channels.

use std::sync::Arc;
use std::time::Duration;

use razor::channel::Places;
use razor::machine::Machine;
use razor::node::{Command, Config, Flow, Mailbox};
use razor::routing::{Address, Route};
use razor::session::{Keeping, keep};
use razor::vault::suite::Aes256GcmSha256;

use crate::network::Network;

const CONFIG: Config = Config { inbox: 16, hand_over: 4, transmit: 4096, queue: 512, ..Config::DEFAULT };

/// Two nodes with channels inside each other, and wires on which nothing is written that is not read. Inboxes `sink`
/// of node 1 and `app` of node 0 are for the test to take from. Gives the innermost encryptor of each side.
fn pair(depth: usize) -> (Network, Address, Address) {
    let mut net = Network::line_of(2, &CONFIG);
    net.listen(1, Places::DEFAULT);
    let mut route = net.route(0, 1, "", "api");
    let mut encryptor = None;
    for n in 0..depth {
        let channel = net.open(0, &route, if n + 1 == depth { "app" } else { "other" });
        net.with(0, |node, env| node.stop_worker(env, &"other".into())).unwrap_or_default();
        route = Route::from(channel.encryptor.clone()).then("api");
        encryptor = Some(channel.encryptor);
    }
    let far = net.parties[1].opened().pop().unwrap();
    net.slow_wires = true;
    net.untaken = vec!["sink".into(), "app".into()];
    (net, encryptor.unwrap(), far)
}

fn number(payload: &[u8]) -> u64 {
    u64::from_be_bytes(payload.try_into().unwrap())
}

#[test]
fn ten_thousand_messages_to_a_slow_reader_slow_the_writer_and_none_is_lost() {
    for depth in [1, 2] {
        let (mut net, encryptor, _) = pair(depth);
        let sink = Route::from(encryptor).then("sink");
        let (mut sent, mut seen, mut refused, mut most) = (0u64, 0u64, 0, 0);
        while seen < 10_000 {
            while sent < 10_000 && net.offer(0, &sink, &sent.to_be_bytes()) {
                sent += 1;
            }
            refused += 1;
            let held = net.parties.iter().map(|party| party.node.provisional()).max().unwrap();
            most = most.max(held);
            // All that was handed over is taken at once, as a reader does that works in batches.
            for payload in net.payloads(1, "sink") {
                assert_eq!(number(&payload), seen, "depth {depth}");
                seen += 1;
                net.taken(1, "sink");
            }
        }
        assert!(refused > 100, "the writer had to wait {refused} times");
        assert!(most < 300_000, "{most} bytes");
        assert!(net.parties.iter_mut().all(|party| party.drops().is_empty() && party.failures().is_empty()));
    }
}

#[test]
fn a_reader_that_pauses_for_nearly_the_stall_time_again_and_again_loses_nothing() {
    let (mut net, encryptor, _) = pair(2);
    let sink = Route::from(encryptor).then("sink");
    let mut sent = 0u64;
    while net.offer(0, &sink, &sent.to_be_bytes()) {
        sent += 1;
    }
    let mut seen = 0;
    while seen < sent {
        net.advance(Duration::from_secs(9));
        for payload in net.payloads(1, "sink").into_iter() {
            assert_eq!(number(&payload), seen);
            seen += 1;
        }
        net.taken(1, "sink");
    }
    let drops: Vec<_> = net.parties.iter_mut().map(|party| party.drops()).collect();
    assert!(sent > 50 && drops.iter().all(Vec::is_empty), "{sent} {drops:?}");
}

#[test]
fn a_connection_that_carries_nothing_for_an_hour_costs_an_open_channel_nothing() {
    let (mut net, encryptor, _) = pair(1);
    let sink = Route::from(encryptor).then("sink");
    // Node 1 does not read: its wire is cut off.
    net.stopped = true;
    let mut sent = 0u64;
    while net.offer(0, &sink, &sent.to_be_bytes()) {
        sent += 1;
    }
    net.advance(Duration::from_secs(3_600));
    net.stopped = false;
    net.run();
    let mut seen = 0;
    while seen < sent {
        for payload in net.payloads(1, "sink") {
            assert_eq!(number(&payload), seen);
            seen += 1;
            net.taken(1, "sink");
        }
    }
    assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()));
}

#[test]
fn two_peers_who_write_and_do_not_read_do_not_wait_for_each_other_for_ever() {
    for depth in [1, 2] {
        let (mut net, near, far) = pair(depth);
        let ways = [Route::from(near).then("sink"), Route::from(far).then("app")];
        let inboxes = [(1, "sink"), (0, "app")];
        let mut sent = [0u64; 2];
        for side in [0, 1, 0, 1] {
            while net.offer(side, &ways[side], &sent[side].to_be_bytes()) {
                sent[side] += 1;
            }
        }
        assert!(sent.iter().all(|sent| *sent > 20), "{sent:?}");
        // One of them reads; what the other has written gets through, though the first has not been read.
        let mut seen = [0u64; 2];
        for side in [0, 1] {
            let (node, inbox) = inboxes[side];
            while seen[side] < sent[side] {
                let payloads = net.payloads(node, inbox);
                assert!(!payloads.is_empty(), "{seen:?} of {sent:?}");
                for payload in payloads {
                    assert_eq!(number(&payload), seen[side]);
                    seen[side] += 1;
                    net.taken(node, inbox);
                }
            }
        }
        assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()));
    }
}

#[test]
fn a_dead_reader_costs_the_others_of_its_channel_one_stall_time() {
    let (mut net, encryptor, _) = pair(2);
    let id = net.parties[1].node.producer_at(&net.parties[1].opened().pop().unwrap()).unwrap();
    net.with(1, |node, env| {
        let flow = Flow { consumer_of: vec![id], ..Flow::default() };
        node.open_inbox(env, Mailbox::open("alive".into()), flow)
    })
    .unwrap();
    let way = Route::from(encryptor);
    let dead = way.clone().then("sink");
    let mut sent = 0u64;
    while net.offer(0, &dead, &sent.to_be_bytes()) {
        sent += 1;
    }
    net.advance(Duration::from_secs(10));
    assert!(net.offer(0, &way.then("alive"), b"alive"));
    assert_eq!(net.payloads(1, "alive"), [b"alive"]);
    let drops = net.parties[1].drops();
    assert!(drops.iter().all(|drop| ["NOD-11", "NOD-41"].contains(drop)), "{drops:?}");
    assert_eq!(drops.iter().filter(|drop| **drop == "NOD-11").count(), 1);
}

#[test]
fn what_was_sent_before_a_channel_is_closed_arrives_before_it_is() {
    let (mut net, encryptor, _) = pair(1);
    let sink = Route::from(encryptor.clone()).then("sink");
    let mut sent = 0u64;
    while net.offer(0, &sink, &sent.to_be_bytes()) {
        sent += 1;
    }
    net.with(0, |node, env| node.stop_worker(env, &encryptor)).unwrap();
    let mut seen = 0;
    while seen < sent {
        let payloads = net.payloads(1, "sink");
        assert!(!payloads.is_empty(), "{seen} of {sent}");
        for payload in payloads {
            assert_eq!(number(&payload), seen);
            seen += 1;
            net.taken(1, "sink");
        }
    }
    let far = net.parties[1].opened().pop().unwrap();
    assert!(!net.parties[1].node.has_worker(&far), "the peer was told");
    assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()));
}

#[test]
fn a_session_slows_its_writers_too() {
    let mut net = Network::line_of(2, &CONFIG);
    net.listen(1, Places::DEFAULT);
    let channel = Arc::new(net.parties[0].config.clone());
    let route = net.route(0, 1, "", "api");
    let keeping = Keeping { channel, route, echo: "echo".into(), session: razor::session::Config::default() };
    let kept = net.with(0, |node, env| keep::<Aes256GcmSha256>(node, env, keeping)).unwrap();
    net.run();
    net.slow_wires = true;
    net.untaken = vec!["sink".into()];
    let sink = Route::from(kept.way).then("sink");
    let (mut sent, mut seen) = (0u64, 0u64);
    while seen < 1_000 {
        while sent < 1_000 && net.offer(0, &sink, &sent.to_be_bytes()) {
            sent += 1;
        }
        for payload in net.payloads(1, "sink") {
            assert_eq!(number(&payload), seen);
            seen += 1;
            net.taken(1, "sink");
        }
    }
    assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()));
}

//= spec/src/channels.md#chn-67
//= type=test
//# While a party asks its own vault or store about a peer whose handshake messages are authentic, what arrives at its channel MUST wait as for a worker that takes no more.
#[test]
fn what_an_initiator_sends_at_once_is_not_lost_while_the_responder_asks_its_store() {
    let mut net = Network::line(2);
    net.listen(1, Places::DEFAULT);
    let route = net.route(0, 1, "", "api");
    net.parties[1].late = true;
    let channel = net.create(0, &route);
    net.run();
    while net.parties[0].peer_of(&channel.encryptor).is_none() {
        assert!(net.answer(1));
        net.run();
    }
    assert_eq!(net.parties[1].opened().len(), 0, "the responder still asks");
    let sink = Route::from(channel.encryptor).then("sink");
    let held = net.parties[1].node.provisional();
    for n in 0..200u64 {
        assert!(net.offer(0, &sink, &n.to_be_bytes()));
    }
    assert!(net.parties[1].node.provisional() > held, "it waits in the node");
    while net.answer(1) {
        net.run();
    }
    let arrived: Vec<u64> = net.payloads(1, "sink").iter().map(|payload| number(payload)).collect();
    assert_eq!((arrived, net.parties[1].drops()), ((0..200).collect(), vec![]));
}

#[test]
fn what_a_channel_says_of_its_own_is_bounded_when_its_peer_takes_nothing() {
    let (mut net, encryptor, _) = pair(1);
    net.stopped = true;
    let history = net.parties[0].identity.export().to_vec();
    let mut held = Vec::new();
    for _ in 0..2_000 {
        let command = Command::PresentCredentials { history: history.clone(), credentials: Vec::new() };
        net.with(0, |node, env| node.command(env, &encryptor, command)).unwrap();
        held.push(net.parties[0].node.provisional());
    }
    assert!(held[100] > held[0]);
    assert_eq!(held[100], held[1_999], "as much as an inbox has room for, and no more");
}
