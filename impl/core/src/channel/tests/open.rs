//! An open channel: what comes through, what is refused, and how it ends.

use proptest::prelude::*;

use super::super::machine::Phase;
use super::*;

//= spec/src/channels.md#chn-43
//= type=test
//# An encrypted Payload MUST be sent to the remote route with an empty return route.
//= spec/src/channels.md#chn-44
//= type=test
//# An encryptor MUST put both routes and the payload of a message, and not its tracing text, under the encryption.
//= spec/src/channels.md#chn-45
//= type=test
//# A decryptor MUST put its encryptor address at the front of the inner return route before it delivers a message.
#[test]
fn a_message_comes_out_as_it_went_in_with_the_way_back_through_the_channel() {
    let (mut alice, mut bob) = opened();
    let mut message = Message::new(Route::from_iter(["echo"]).as_ref(), Route::from_iter(["app"]).as_ref(), b"hello");
    message.set_tracing(Some("{}"));
    alice.input(Input::Send(message)).unwrap();
    let sealed = alice.sent.pop_front().unwrap();
    assert_eq!(sealed.onward().to_owned(), Route::from_iter(["bob.decryptor"]));
    assert!(sealed.return_route().is_empty());
    bob.receive(&sealed).unwrap();
    let delivered = &bob.delivered[0];
    assert_eq!(delivered.payload(), b"hello");
    assert_eq!(delivered.onward().to_owned(), Route::from_iter(["echo"]));
    assert_eq!(delivered.return_route().to_owned(), Route::from_iter(["bob.encryptor", "app"]));
    assert_eq!(delivered.tracing(), None);
}

//= spec/src/channels.md#chn-20
//= type=test
//# A party MUST send each handshake message at most once.
//= spec/src/channels.md#chn-37
//= type=test
//# A decryptor MUST NOT change its window, its keys or its route before the tag of the message has been verified.
#[test]
fn duplicates_of_the_handshake_change_nothing_in_an_open_channel() {
    let (mut alice, mut bob) = pair();
    let messages = shake(&mut alice, &mut bob);
    let before = (alice.picture(), bob.picture());
    for message in &messages {
        assert!(alice.receive(message).is_err());
        assert!(bob.receive(message).is_err());
    }
    assert!((alice.picture(), bob.picture()) == before);
    assert!(alice.sent.is_empty() && bob.sent.is_empty());
}

#[test]
fn the_picture_of_an_open_channel_shows_who_is_there_what_was_used_up_and_the_way() {
    let (mut alice, mut bob) = opened();
    let before = (alice.picture(), bob.picture());
    let message = alice.send(b"text");
    assert!(alice.picture() != before.0);
    bob.receive(&message).unwrap();
    assert!(bob.picture() != before.1);
    let before = bob.picture();
    let elsewhere = Route::from_iter(["elsewhere"]);
    bob.input(Input::SetRoute(elsewhere)).unwrap();
    assert!(bob.picture() != before);
}

//= spec/src/channels.md#chn-39
//= type=test
//# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
#[test]
fn forgeries_reflections_and_replays_change_nothing() {
    let (mut alice, mut bob) = opened();
    let (mut carol, mut dave) = (Side::new("carol", 5), Side::new("dave", 6));
    shake(&mut carol, &mut dave);
    let message = alice.send(b"text");
    bob.receive(&message).unwrap();
    let elsewhere = carol.send(b"from another session");
    let before = (alice.picture(), bob.picture());
    assert_eq!(bob.receive(&message).unwrap_err().requirement(), "CHN-14");
    assert_eq!(alice.receive(&message).unwrap_err().requirement(), "CHN-37");
    assert_eq!(bob.receive(&elsewhere).unwrap_err().requirement(), "CHN-14");
    for nonce in [1u64, 31, 32, 33, 64, u64::MAX] {
        let mut forged = message.clone();
        forged.payload_mut()[..8].copy_from_slice(&nonce.to_be_bytes());
        assert!(bob.receive(&forged).is_err());
    }
    assert!((alice.picture(), bob.picture()) == before);
    assert_eq!(bob.delivered.len(), 1);
}

//= spec/src/channels.md#chn-39
//= type=test
//# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
#[test]
fn what_is_refused_is_wiped_whether_or_not_it_was_authentic() {
    let (mut alice, mut bob) = opened();
    let genuine = alice.send(b"text");
    let mut forged = genuine.clone();
    forged.payload_mut()[9] ^= 1;
    let machine::Phase::Open(session) = &mut alice.channel.as_mut().unwrap().phase else { panic!() };
    let mut nonsense = Message::raw([&[0; 64][..], b"nothing that a channel says"].concat(), 64);
    session.seal(&mut nonsense).unwrap();
    let Channel { shared, phase: machine::Phase::Open(session) } = bob.channel.as_mut().unwrap() else { panic!() };
    for (mut message, requirement) in
        [(forged, "CHN-37"), (nonsense, "CHN-40"), (Message::raw(vec![7; 9], 0), "CHN-31")]
    {
        let error = session.receive(shared, &mut message).unwrap_err();
        assert_eq!(error.requirement(), requirement);
        assert!(message.payload().is_empty());
    }
    bob.receive(&genuine).unwrap();
}

//= spec/src/channels.md#chn-46
//= type=test
//# Only a responder, and only for a Payload with a greater nonce than any Payload before, MUST take the message's return route as its way to the peer.
#[test]
fn the_way_to_the_peer_is_the_one_that_its_last_payload_came_however_little_it_differs() {
    let (mut alice, mut bob) = opened();
    alice.send(b"nonce 0");
    let peer = "alice.decryptor";
    // Longer, shorter, other ways of the same length; a way that names the peer itself at its end is whole.
    for way in [
        &["a", "b"][..],
        &["a"],
        &["b"],
        &["b", "c"],
        &["a", "c"],
        &["a", "c"],
        &[],
        &["a"],
        &["a", peer],
        &["b", peer],
        &[peer],
        &["a", "b", "c"],
        &["a"],
    ] {
        let mut message = alice.send(b"text");
        for hop in way.iter().rev() {
            message.push_return(Address::local(hop).as_ref());
        }
        bob.receive(&message).unwrap();
        let whole = way.iter().chain((way.last() != Some(&peer)).then_some(&peer)).copied();
        assert_eq!(bob.channel.as_ref().unwrap().remote_route(), Some(&Route::from_iter(whole)), "{way:?}");
    }
}

//= spec/src/channels.md#chn-46
//= type=test
//# Only a responder, and only for a Payload with a greater nonce than any Payload before, MUST take the message's return route as its way to the peer.
#[test]
fn only_a_fresher_payload_moves_the_route_of_a_responder_and_nothing_moves_an_initiators() {
    let (mut alice, mut bob) = opened();
    let via = |message: &Message, hop: &str| {
        let mut message = message.clone();
        message.push_return(Address::local(hop).as_ref());
        message
    };
    let route = |side: &Side| side.channel.as_ref().unwrap().remote_route().unwrap().clone();
    let messages: Vec<_> = (0..4).map(|n| alice.send(&[n])).collect();
    bob.receive(&via(&messages[0], "zero")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["alice.decryptor"]), "nonce 0 is not greater than 0");
    bob.receive(&via(&messages[2], "two")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    bob.receive(&via(&messages[1], "late")).unwrap();
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    let mut forged = via(&messages[3], "forged");
    forged.payload_mut()[20] ^= 1;
    assert!(bob.receive(&forged).is_err());
    assert_eq!(route(&bob), Route::from_iter(["two", "alice.decryptor"]));
    for _ in 0..3 {
        let answer = bob.send(b"answer");
        alice.receive(&via(&answer, "detour")).unwrap();
    }
    assert_eq!(route(&alice), Route::from_iter(["bob.decryptor"]));
    alice.input(Input::SetRoute(Route::from_iter(["new", "way"]))).unwrap();
    assert_eq!(route(&alice), Route::from_iter(["new", "way", "bob.decryptor"]));
}

//= spec/src/channels.md#chn-47
//= type=test
//# A party that closes an open channel MUST send one Close, with its encryptor address as return route.
//= spec/src/channels.md#chn-48
//= type=test
//# A party that receives a Close MUST close the channel and send nothing.
//= spec/src/channels.md#chn-49
//= type=test
//# A party MUST erase all keys of a channel when the channel is closed.
#[test]
fn close_is_sent_once_and_answered_by_nothing() {
    let (mut alice, mut bob) = opened();
    alice.input(Input::Close).unwrap();
    alice.input(Input::Close).unwrap();
    assert_eq!(alice.sent.len(), 1);
    let close = alice.sent.pop_front().unwrap();
    assert_eq!(close.return_route().to_owned(), Route::from_iter(["alice.encryptor"]));
    let mut forged = close.clone();
    forged.payload_mut()[9] ^= 1;
    let in_the_clear = encode_close(Padding::None);
    let with_a_nonce = [&close.payload()[..8], &in_the_clear, &[0; 16]].concat();
    for forged in [forged, with_payload(&close, &in_the_clear), with_payload(&close, &with_a_nonce)] {
        assert!(bob.receive(&forged).is_err());
        assert_eq!(bob.state(), State::Open);
    }
    bob.receive(&close).unwrap();
    for side in [&alice, &bob] {
        assert_eq!((side.state(), side.events.last()), (State::Closed, Some(&Event::Closed)));
        assert!(matches!(side.channel.as_ref().unwrap().phase, machine::Phase::Closed), "no key is left");
    }
    assert!(bob.sent.is_empty());
    assert_eq!(bob.receive(&close).unwrap_err().requirement(), "CHN-49");
}

#[test]
fn nothing_can_be_sent_before_the_channel_is_open_or_after() {
    let (mut alice, _) = pair();
    alice.initiate();
    let message = || Message::new(Route::from_iter(["x"]).as_ref(), Route::new().as_ref(), b"");
    assert_eq!(alice.input(Input::Send(message())).unwrap_err().requirement(), "CHN-43");
    alice.input(Input::Close).unwrap();
    assert_eq!(alice.sent.len(), 1, "message 1 and no Close");
    assert_eq!(alice.input(Input::Send(message())).unwrap_err().requirement(), "CHN-49");
}

#[test]
fn two_hundred_messages_pass_in_both_directions_through_all_renewals() {
    let (mut alice, mut bob) = opened();
    for n in 0..200u8 {
        let (a, b) = (alice.send(&[n]), bob.send(&[n, n]));
        bob.receive(&a).unwrap();
        alice.receive(&b).unwrap();
    }
    assert_eq!((alice.delivered.len(), bob.delivered.len()), (200, 200));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What the window promises, whatever the network does.
    #[test]
    fn under_loss_duplication_and_disorder_everything_in_the_window_is_delivered_exactly_once(
        fates in prop::collection::vec((0u8..100, 0usize..24), 1..300),
    ) {
        let (mut alice, mut bob) = opened();
        let mut network: Vec<(usize, u64, Message)> = Vec::new();
        for (n, (fate, delay)) in fates.iter().enumerate() {
            let message = alice.send(&(n as u64).to_be_bytes());
            let copies = match fate { 0..15 => 0, 15..85 => 1, _ => 2 };
            for copy in 0..copies {
                network.push((n + delay + copy, n as u64, message.clone()));
            }
        }
        network.sort_by_key(|(at, _, _)| *at);
        let mut model = Window::new();
        let mut expected = Vec::new();
        for (_, nonce, message) in network {
            if let Ok(fresh) = model.check(nonce) {
                model.commit(fresh);
                expected.push(nonce);
            }
            let _ = bob.receive(&message);
        }
        let got: Vec<u64> = bob.delivered.iter().map(|m| u64::from_be_bytes(m.payload().try_into().unwrap())).collect();
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn a_channel_that_carries_nothing_for_a_minute_drops_its_expanded_keys_and_makes_them_anew() {
    let (mut alice, mut bob) = opened();
    let expanded = |side: &Side| match &side.channel.as_ref().unwrap().phase {
        Phase::Open(session) => session.expanded_keys(),
        _ => panic!("it is open"),
    };
    let wakes = |side: &Side| side.channel.as_ref().unwrap().deadline().map(|deadline| deadline.at);
    let at = |side: &mut Side, seconds: u64| {
        side.now = Instant::from_millis(seconds * 1_000);
        side.channel.as_mut().unwrap().handle_timeout(&mut Env::new(side.now, NOW, &mut side.entropy));
        side.drain();
    };
    assert_eq!((expanded(&bob), wakes(&bob)), ((false, false), None));
    let message = alice.send(b"first");
    bob.receive(&message).unwrap();
    assert_eq!((expanded(&alice), expanded(&bob)), ((true, false), (false, true)));
    // Busy: looked at once a minute, and kept.
    for side in [&mut alice, &mut bob] {
        assert_eq!(wakes(side), Some(Instant::from_millis(60_000)));
        side.now = Instant::from_millis(30_000);
    }
    let message = alice.send(b"second");
    bob.receive(&message).unwrap();
    for side in [&mut alice, &mut bob] {
        at(side, 60);
        assert_eq!(wakes(side), Some(Instant::from_millis(90_000)));
        assert_ne!(expanded(side), (false, false));
        at(side, 90);
        assert_eq!((expanded(side), wakes(side)), ((false, false), None));
    }
    // A forgery costs a minute, however many come.
    for second in 90..=150 {
        bob.now = Instant::from_millis(second * 1_000);
        let mut payload = message.payload().to_vec();
        payload[7] += 1;
        assert!(bob.receive(&with_payload(&message, &payload)).is_err());
    }
    assert_eq!((expanded(&bob), wakes(&bob)), ((false, true), Some(Instant::from_millis(150_000))));
    at(&mut bob, 150);
    assert_eq!(expanded(&bob), (false, false));
    let message = alice.send(b"third");
    bob.receive(&message).unwrap();
    assert_eq!(bob.delivered.len(), 3);
}
