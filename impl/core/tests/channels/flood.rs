//! Half-open handshakes: what a flood of first messages costs, and whom it hurts.

use std::time::Duration;

use razor::channel::{Addresses, Places};
use razor::env::{Entropy, Purpose, Seeded};
use razor::error::Blame;
use razor::machine::Machine;
use razor::node::{ConnectionId, Event, Input};
use razor::routing::{Message, Route, Tail};

use crate::network::Network;

const FLOOD: usize = 10_000;

/// A first message that nobody means: a key that is made up, and a way back to nobody.
fn forged(route: &Route, entropy: &mut Seeded) -> Message {
    let mut key = [0; 32];
    entropy.fill(Purpose::Ephemeral, &mut key);
    // Any number below 2^255 - 19 passes for a key.
    key[31] &= 0x7f;
    Message::new(route.as_ref(), Route::from_iter(["nobody"]).as_ref(), &key)
}

/// Bob is node 1. The flood comes from node 0; the honest node is node 2, behind another connection.
#[test]
fn ten_thousand_forged_first_messages_are_bounded_and_hurt_nobody_behind_another_connection() {
    let mut net = Network::line(3);
    net.listen(1, Places::DEFAULT);
    let idle = net.parties[1].node.workers();
    let flood = net.route(0, 1, "", "api");
    let mut entropy = Seeded::from_u64(99);
    let honest = net.route(2, 1, "", "api");

    // The honest handshake stands open for half of the flood: Bob's vault is slow.
    net.parties[1].late = true;
    let channel = net.create(2, &honest);
    net.run();
    net.parties[1].late = false;
    for n in 0..FLOOD {
        net.inject(0, forged(&flood, &mut entropy));
        net.run();
        let bob = &net.parties[1].node;
        assert!(bob.workers() <= idle + Places::DEFAULT.half_open_per_source + 1, "{} workers", bob.workers());
        assert!(bob.provisional() <= bob.provisional_limit());
        if n == FLOOD / 2 {
            while net.answer(1) {}
            net.run();
            assert_eq!(net.parties[2].peer_of(&channel.encryptor), Some(net.parties[1].id()));
        }
    }
    let evicted = FLOOD - Places::DEFAULT.half_open_per_source;
    assert_eq!(net.parties[1].failures().len(), evicted);
    assert!(net.parties[1].store.len() == 1, "of the flood nothing is remembered");

    // Through the flooded connection, too, a channel opens when the flood pauses, and its places are free in time.
    let channel = net.create(0, &flood);
    net.run();
    assert!(net.parties[0].peer_of(&channel.encryptor).is_some());
    net.advance(Duration::from_secs(120));
    assert_eq!(net.parties[1].node.workers(), idle + 2);
}

#[test]
fn first_messages_that_cannot_be_any_take_no_place() {
    let mut net = Network::line(3);
    net.listen(1, Places::FLOOR);
    let idle = net.parties[1].node.workers();
    let route = net.route(0, 1, "", "api");
    for payload in [&[][..], &[1; 31], &[0; 32], &[0; 5000]] {
        let back = Route::from_iter(["nobody"]);
        net.inject(0, Message::new(route.as_ref(), back.as_ref(), payload));
        net.run();
    }
    assert_eq!(net.parties[1].drops().len(), 4);
    assert_eq!((net.parties[1].node.workers(), net.parties[1].failures().len()), (idle, 0));
}

/// A message as a frame of a connection.
fn frame(message: &Message) -> Vec<u8> {
    let mut message = message.clone();
    message.fold(&[0x83], Tail::Tracing);
    let length = u32::try_from(message.payload().len()).unwrap().to_be_bytes();
    [&length[..], message.payload()].concat()
}

#[test]
fn a_chunk_full_of_first_messages_makes_a_node_say_little() {
    let mut net = Network::line(2);
    net.listen(1, Places::DEFAULT);
    let listener = Route::from_iter(["api"]);
    let mut entropy = Seeded::from_u64(5);
    let weak = Message::new(listener.as_ref(), Route::from_iter(["nobody"]).as_ref(), &[0; 32]);
    for refused in [true, false] {
        let message = |entropy: &mut Seeded| if refused { weak.clone() } else { forged(&listener, entropy) };
        let bytes: Vec<u8> = (0..500).flat_map(|_| frame(&message(&mut entropy))).collect();
        let before = net.parties[1].node.counters();
        let input = Input::Received { connection: ConnectionId(1), bytes };
        net.with(1, |node, env| node.handle(env, input)).unwrap();
        let (told, after) = (net.parties[1].events.len(), net.parties[1].node.counters());
        assert!((64..=2 * 64).contains(&told), "{told} events");
        let counted = after.failures.iter().sum::<u64>() - before.failures.iter().sum::<u64>();
        assert!(counted >= 436, "{counted} are counted");
        assert!(after.unreported > before.unreported);
        net.parties[1].events.clear();
    }
}

/// The channels of a party that are open and have been closed.
fn open_and_closed(net: &Network, node: usize) -> (usize, usize) {
    let events = &net.parties[node].events;
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let closed = count(|event| matches!(event, Event::ChannelClosed { .. }));
    (count(|event| matches!(event, Event::ChannelOpened { .. })) - closed, closed)
}

/// Bob is node 1. The stranger is node 0, and opens one channel after the other; the honest node is node 2.
//= spec/src/channels.md#chn-65
//= type=test
//# A listener MUST bound the number of its open channels, in total, for each source, and for each peer.
//= spec/src/channels.md#chn-66
//= type=test
//# A full listener MUST make room by closing, of the peer that has the most open channels of the source that holds the most, the one that has been silent for longest.
#[test]
fn a_stranger_who_opens_channels_without_end_closes_his_own_and_no_others() {
    let mut net = Network::line(3);
    net.listen(1, Places { open: 40, open_per_source: 30, open_per_peer: 20, ..Places::DEFAULT });
    let idle = net.parties[1].node.workers();
    let honest = net.route(2, 1, "", "api");
    let honest = net.open(2, &honest, "app");
    let route = net.route(0, 1, "", "api");
    let favourite = net.open(0, &route, "app");
    let echo = |net: &mut Network, node: usize, channel: &Addresses, text: &[u8]| {
        let onward = Route::new().then(channel.encryptor.clone()).then("echo");
        net.send(node, &onward, "app", text);
        net.payloads(node, "app")
    };
    for n in 2..=200_usize {
        net.create(0, &route);
        net.run();
        let (open, closed) = open_and_closed(&net, 1);
        assert_eq!((open, closed), (1 + n.min(20), n.saturating_sub(20)), "after {n}");
        assert_eq!(net.parties[1].node.workers(), idle + open);
        // The one channel that he uses outlives those that he leaves alone.
        net.advance(Duration::from_secs(4));
        if n % 5 == 0 {
            assert_eq!(echo(&mut net, 0, &favourite, &[n as u8]), [[n as u8]]);
        }
    }
    // He was told: each of the others ended with a Close, and so is gone on his side as well.
    assert_eq!(open_and_closed(&net, 0), (20, 180));
    let displaced = net.parties[1].node.failures().find(|(requirement, ..)| *requirement == "CHN-66");
    assert_eq!(displaced, Some(("CHN-66", Blame::Limit, 180)));
    // The honest node, which has said nothing for all that time, has lost nothing.
    assert_eq!(echo(&mut net, 2, &honest, b"still here"), [b"still here"]);
}
