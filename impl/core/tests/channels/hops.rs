//! Channels over many hops, and channels inside channels.

use razor::channel::Places;
use razor::node::Hop;
use razor::routing::{Address, Route};

use crate::network::{Network, names};

#[test]
fn a_channel_over_three_hops_carries_messages_both_ways() {
    let mut net = Network::line(5);
    net.listen(4, Places::DEFAULT);
    let route = net.route(0, 4, "hop", "api");
    let channel = net.open(0, &route, "app");
    let [near, far] = [net.parties[0].id(), net.parties[4].id()];
    assert_eq!(net.parties[0].peer_of(&channel.encryptor), Some(far));
    let encryptor = net.parties[4].opened()[0].clone();
    assert_eq!(net.parties[4].peer_of(&encryptor), Some(near));

    for size in [0, 1, 100, 60_000] {
        let payload = vec![size as u8; size];
        net.send(0, &Route::new().then(channel.encryptor.clone()).then("echo"), "app", &payload);
        let [delivery] = net.take(0, "app").try_into().unwrap();
        assert_eq!(delivery.message.payload(), payload);
        assert_eq!(delivery.provenance.peer(), Some(&far));
        // Back through the channel, and to nobody by way of a hop.
        assert_eq!(names(delivery.message.return_route()), [channel.encryptor.clone(), Address::local("echo")]);
    }
    assert!(net.parties.iter().all(|party| party.events.len() <= 1), "nothing was dropped anywhere");
}

#[test]
fn a_message_speaks_for_the_peer_of_its_channel_and_one_without_a_channel_for_nobody() {
    let mut net = Network::line(3);
    let listener = net.listen(2, Places::DEFAULT);
    let mut reached_through = net.connection_ids(2);
    reached_through.push(listener);
    net.inbox(2, "open", &reached_through);
    let route = net.route(0, 2, "hop", "api");
    let channel = net.open(0, &route, "app");
    let inside = Route::new().then(channel.encryptor).then("open");
    net.send(0, &inside, "app", b"inside");
    let outside = net.route(0, 2, "hop", "open");
    net.send(0, &outside, "app", b"outside");
    let alice = net.parties[0].id();
    let [first, second] = net.take(2, "open").try_into().unwrap();
    assert_eq!((first.message.payload(), first.provenance.peer()), (&b"inside"[..], Some(&alice)));
    assert_eq!((second.message.payload(), second.provenance.peer()), (&b"outside"[..], None));
    assert!(second.provenance.from_connection().is_some());
}

#[test]
fn a_peer_reaches_only_what_consumes_its_channels_and_not_the_other_end_of_one() {
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    net.inbox(2, "private", &[]);
    let route = net.route(0, 2, "hop", "api");
    let channel = net.open(0, &route, "app");
    let encryptor = net.parties[2].opened()[0].clone();
    for target in [Address::local("private"), encryptor.clone(), Address::local("nobody")] {
        net.send(0, &Route::new().then(channel.encryptor.clone()).then(target), "app", b"knock");
    }
    assert_eq!(net.parties[2].drops(), ["NOD-4", "NOD-4", "NOD-2"]);
    // Nor does anybody on the wire reach the encryptor and speak for the node.
    let direct = net.route(0, 2, "hop", "x");
    let mut direct: Vec<Address> = names(direct.as_ref());
    direct.pop();
    direct.push(encryptor);
    net.send(0, &Route::from_iter(direct), "app", b"say this");
    assert_eq!(net.parties[2].drops(), ["NOD-4"]);
    assert!(net.take(0, "app").is_empty() && net.take(2, "private").is_empty());
}

/// Channel 1 goes to the next node; the hop there leads channel 2 on inside it, and so forth.
#[test]
fn channels_run_inside_channels_to_depth_four_each_a_node_further() {
    let mut net = Network::line(5);
    for node in 1..5 {
        let listener = net.listen(node, Places::DEFAULT);
        let mut ids = net.connection_ids(node);
        ids.push(listener);
        net.start(node, "inner hop", Hop, &ids);
    }
    let mut way = Route::new().then(net.sender(0, 1));
    for node in 1..5 {
        let channel = net.open(0, &way.clone().then("api"), &format!("app {node}"));
        assert_eq!(net.parties[0].peer_of(&channel.encryptor), Some(net.parties[node].id()));
        way = Route::new().then(channel.encryptor);
        let echo = way.clone().then("echo");
        for n in 0..70u8 {
            net.send(0, &echo, &format!("app {node}"), &[n; 1000]);
        }
        let echoed = net.payloads(0, &format!("app {node}"));
        assert!(echoed.len() == 70 && (0..70).all(|n| echoed[n] == [n as u8; 1000]), "depth {node}");
        if node < 4 {
            way = way.then("inner hop").then(net.sender(node, node + 1));
        }
    }
    assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()));
}

#[test]
fn channels_between_the_same_two_nodes_nest_and_cost_at_most_one_new_layout_per_message() {
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    let mut route = net.route(0, 2, "hop", "api");
    let mut encryptors = Vec::new();
    for depth in 1..=6 {
        let channel = net.open(0, &route, &format!("app {depth}"));
        route = Route::new().then(channel.encryptor.clone()).then("api");
        encryptors.push(channel.encryptor);
    }
    for encryptor in encryptors {
        let before = net.parties[0].node.counters().relayouts;
        net.send(0, &Route::new().then(encryptor).then("sink"), "app 6", b"deep");
        assert!(net.parties[0].node.counters().relayouts <= before + 1);
        let [delivery] = net.take(2, "sink").try_into().unwrap();
        assert_eq!(delivery.message.payload(), b"deep");
        assert_eq!(delivery.provenance.peer(), Some(&net.parties[0].id()));
    }
}
