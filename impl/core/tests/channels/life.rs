//! From opening to closing: late answers, new routes, new credentials, the end.

use std::time::Duration;

use razor::channel::{Addresses, Places};
use razor::node::{Command, Event};
use razor::routing::{Address, Route};

use crate::network::Network;

fn scene() -> (Network, Addresses) {
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    let route = net.route(0, 2, "hop", "api");
    let channel = net.open(0, &route, "app");
    (net, channel)
}

fn echo(net: &mut Network, channel: &Addresses) -> bool {
    net.send(0, &Route::new().then(channel.encryptor.clone()).then("echo"), "app", b"?");
    !net.take(0, "app").is_empty()
}

fn closed(net: &Network, node: usize) -> usize {
    net.parties[node].events.iter().filter(|event| matches!(event, Event::ChannelClosed { .. })).count()
}

#[test]
fn stopping_either_side_closes_both_and_frees_their_addresses() {
    for side in [0, 2] {
        let (mut net, channel) = scene();
        let encryptor = net.parties[side].opened()[0].clone();
        net.with(side, |node, env| node.stop_worker(env, &encryptor)).unwrap();
        net.run();
        assert_eq!((closed(&net, 0), closed(&net, 2)), (1, 1));
        assert!(!net.parties[0].node.has_worker(&channel.encryptor));
        assert!(!net.parties[0].node.has_worker(&channel.decryptor));
        assert!(!net.parties[2].node.has_worker(&net.parties[2].opened()[0]));
        assert!(net.parties.iter_mut().all(|party| party.drops().is_empty()), "one Close, and no answer to it");
    }
}

#[test]
fn answers_of_vault_and_store_may_take_their_time_but_not_too_long() {
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    let route = net.route(0, 2, "hop", "api");
    (0..3).for_each(|n| net.parties[n].late = true);
    let channel = net.create(0, &route);
    net.run();
    // Bob's key; what Alice knows of Bob, that she keeps it, her key; the same for Bob's side.
    for (node, opened) in [(2, 0), (0, 0), (0, 0), (0, 1), (2, 1), (2, 2)] {
        net.advance(Duration::from_secs(19));
        assert!(net.answer(node), "node {node} asks");
        net.run();
        assert_eq!(net.parties[0].opened().len() + net.parties[2].opened().len(), opened);
    }
    assert_eq!(net.parties[0].peer_of(&channel.encryptor), Some(net.parties[2].id()));

    // The same, too slowly: it fails on both sides, and the late answer finds nobody.
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    let route = net.route(0, 2, "hop", "api");
    net.parties[2].late = true;
    net.create(0, &route);
    net.advance(Duration::from_secs(120));
    assert_eq!((net.parties[0].failures(), net.parties[2].failures()), (vec!["CHN-18"], vec!["CHN-18"]));
    assert!(net.answer(2));
    net.run();
    assert!(net.parties[2].opened().is_empty() && net.caught(1).is_empty());
}

#[test]
fn two_who_met_before_know_each_other_and_store_nothing_anew() {
    let (mut net, _) = scene();
    assert_eq!((net.parties[0].store.len(), net.parties[2].store.len()), (1, 1));
    net.parties[0].late = true;
    let route = net.route(0, 2, "hop", "api");
    let channel = net.create(0, &route);
    net.run();
    for _ in 0..2 {
        assert!(net.answer(0), "what is known, and the key");
        net.run();
    }
    assert!(net.parties[0].peer_of(&channel.encryptor).is_some() && !net.answer(0));
}

//= spec/src/channels.md#chn-46
//= type=test
//# Only a responder, and only for a Payload with a greater nonce than any Payload before, MUST take the message's return route as its way to the peer.
#[test]
fn an_initiator_that_moves_to_another_way_takes_the_responder_along() {
    let (mut net, channel) = scene();
    assert!(echo(&mut net, &channel) && echo(&mut net, &channel));
    let way = |net: &Network, via: &str| {
        let mut way: Vec<Address> = net.route(0, 2, via, "").as_ref().iter().map(|a| a.to_owned()).collect();
        way.pop();
        Command::SetChannelRoute(Route::from_iter(way))
    };
    let command = way(&net, "middle");
    net.with(0, |node, env| node.command(env, &channel.encryptor, command)).unwrap();
    // Both directions go through the middle now.
    net.send(0, &Route::new().then(channel.encryptor.clone()).then("echo"), "app", b"?");
    let [there] = net.caught(1).try_into().unwrap();
    net.release(1, &there);
    let [back] = net.caught(1).try_into().unwrap();
    net.release(1, &back);
    assert_eq!(net.payloads(0, "app"), [b"?"]);
    // And back through the hop.
    let command = way(&net, "hop");
    net.with(0, |node, env| node.command(env, &channel.encryptor, command)).unwrap();
    assert!(echo(&mut net, &channel));
    assert!(net.caught(1).is_empty());
    // A replay of the message that came through the middle does not pull the responder back there.
    net.release(1, &there);
    assert_eq!(net.parties[2].drops(), ["CHN-14"]);
    let far = net.parties[2].opened()[0].clone();
    net.send(2, &Route::new().then(far).then("app"), "x", b"!");
    assert_eq!(net.payloads(0, "app"), [b"!"]);
}

#[test]
fn commands_to_a_channel_that_is_not_open_are_refused() {
    let mut net = Network::line(3);
    let route = net.route(0, 2, "middle", "api");
    let channel = net.create(0, &route);
    let command = || Command::SetChannelRoute(Route::from_iter(["x"]));
    let half_open = net.with(0, |node, env| node.command(env, &channel.encryptor, command())).unwrap_err();
    assert_eq!(half_open.requirement(), "CHN-43");
    net.with(0, |node, env| node.stop_worker(env, &channel.encryptor)).unwrap();
    let gone = net.with(0, |node, env| node.command(env, &channel.encryptor, command())).unwrap_err();
    assert_eq!(gone.requirement(), "NOD-2");
}

#[test]
fn presented_credentials_reach_the_owner_of_the_other_node() {
    let (mut net, channel) = scene();
    let history = net.parties[0].identity.export().to_vec();
    let command = Command::PresentCredentials { history, credentials: Vec::new() };
    net.with(0, |node, env| node.command(env, &channel.encryptor, command)).unwrap();
    net.run();
    let far = net.parties[2].opened()[0].clone();
    let told = Event::ChannelCredentials { encryptor: far, credentials: Vec::new() };
    assert_eq!(net.parties[2].events.last(), Some(&told));
    // In the name of somebody else it is dropped, and the channel goes on.
    let history = net.parties[1].identity.export().to_vec();
    let command = Command::PresentCredentials { history, credentials: Vec::new() };
    net.with(0, |node, env| node.command(env, &channel.encryptor, command)).unwrap();
    net.run();
    assert_eq!(net.parties[2].drops().len(), 1);
    assert!(echo(&mut net, &channel));
}

#[test]
fn a_channel_to_a_route_that_leads_nowhere_is_an_event_and_a_timeout() {
    let mut net = Network::line(2);
    net.create(0, &Route::from_iter(["nobody"]));
    assert_eq!(net.parties[0].drops(), ["NOD-2"]);
    net.advance(Duration::from_secs(120));
    assert_eq!(net.parties[0].failures(), ["CHN-18"]);
}

#[test]
fn a_listeners_address_is_its_own() {
    let mut net = Network::line(2);
    net.listen(1, Places::DEFAULT);
    let config = std::sync::Arc::new(net.parties[1].config.clone());
    let again = net.with(1, |node, env| {
        razor::channel::listen::<razor::vault::suite::Aes256GcmSha256>(node, env, config, Default::default())
    });
    assert_eq!(again.unwrap_err().requirement(), "NOD-13");
}
