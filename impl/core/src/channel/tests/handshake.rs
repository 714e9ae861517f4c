//! The handshake: what opens a channel, what does not, and what comes at the wrong time.

use super::*;

//= spec/src/channels.md#chn-1
//= type=test
//# A handshake message MUST travel as the payload of a routed message, without a prefix or wrapper, with the sender's decryptor address as its return route.
//= spec/src/channels.md#chn-2
//= type=test
//# An initiator MUST send message 1 with an empty payload.
//= spec/src/channels.md#chn-13
//= type=test
//# Message 3 and everything after it MUST be sent along the return route of message 2, and what a responder sends along that of message 1 or 3.
#[test]
fn three_raw_messages_open_a_channel_between_two_who_know_each_other_then() {
    let (mut alice, mut bob) = pair();
    let [m1, m2, m3] = shake(&mut alice, &mut bob);
    assert_eq!(m1.payload().len(), 32);
    assert_eq!(m1.onward().to_owned(), Route::from_iter(["hop", "api"]));
    assert_eq!(m1.return_route().to_owned(), Route::from_iter(["alice.decryptor"]));
    assert_eq!(m2.onward().to_owned(), Route::from_iter(["alice.decryptor"]));
    assert_eq!(m2.payload().len(), 32 + 48 + 16 + bob.config.presentation.len());
    assert_eq!(m3.onward().to_owned(), Route::from_iter(["bob.decryptor"]));
    assert_eq!(alice.events, [Event::Opened(bob.person.id())]);
    assert_eq!(bob.events, [Event::Opened(alice.person.id())]);
    assert_eq!((alice.store.len(), bob.store.len()), (1, 1), "strangers are remembered");
    assert!(alice.channel.as_ref().unwrap().deadline().is_none());
}

//= spec/src/channels.md#chn-29
//= type=test
//# The initiator MUST encrypt with the second key of the split and decrypt with the first, and the responder the other way round.
#[test]
fn each_side_encrypts_and_decrypts_with_the_keys_that_the_profile_gives_to_its_role() {
    // The other side is the handshake alone, whose keys are held against known ones in its own tests.
    let (mut alice, bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    let mut entropy = Seeded::from_u64(5);
    let (needs, _) =
        responder::NeedsStaticDh::<Aes256GcmSha256>::read_message_1(bob.person.static_key, &mut entropy, m1.payload())
            .unwrap();
    let shared = bob.person.vault.static_dh(&bob.config.static_handle, &needs.dh_with()).unwrap();
    let (waits, m2) = needs.write_message_2(&shared, &bob.config.presentation).unwrap();
    let way = Route::from_iter(["bob.decryptor"]);
    alice.receive(&Message::new(Route::new().as_ref(), way.as_ref(), &m2)).unwrap();
    let (responder, _) = waits.read_message_3(alice.sent.pop_front().unwrap().payload()).unwrap();
    Decryptor::<Aes256GcmSha256>::new(responder.receive).open(&mut alice.send(b"there")).unwrap();
    let mut back = Message::raw([&[0; 64][..], &encode_close(Padding::None)].concat(), 64);
    Encryptor::<Aes256GcmSha256>::new(responder.send).seal(&mut back).unwrap();
    alice.receive(&back).unwrap();
    assert_eq!(alice.state(), State::Closed);

    let (alice, mut bob) = pair();
    let (waits, m1) = initiator::AwaitsMessage2::<Aes256GcmSha256>::start(alice.person.static_key, &mut entropy);
    let way = Route::from_iter(["alice.decryptor"]);
    bob.respond(&Message::new(Route::new().as_ref(), way.as_ref(), &m1)).unwrap();
    let (needs, _) = waits.read_message_2(bob.sent.pop_front().unwrap().payload()).unwrap();
    let shared = alice.person.vault.static_dh(&alice.config.static_handle, &needs.dh_with()).unwrap();
    let (initiator, m3) = needs.write_message_3(&shared, &alice.config.presentation).unwrap();
    bob.receive(&Message::new(Route::new().as_ref(), way.as_ref(), &m3)).unwrap();
    Decryptor::<Aes256GcmSha256>::new(initiator.receive).open(&mut bob.send(b"back")).unwrap();
    let mut there = Message::raw([&[0; 64][..], &encode_close(Padding::None)].concat(), 64);
    Encryptor::<Aes256GcmSha256>::new(initiator.send).seal(&mut there).unwrap();
    bob.receive(&there).unwrap();
    assert_eq!(bob.state(), State::Closed);
}

//= spec/src/channels.md#chn-3
//= type=test
//# A responder MUST take any payload in message 1 into the handshake hash, and use it for nothing else.
#[test]
fn a_payload_in_message_1_is_hashed_so_that_adding_one_on_the_way_is_noticed() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let mut m1 = alice.sent.pop_front().unwrap();
    m1 = with_payload(&m1, &[m1.payload(), b"x"].concat());
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    assert!(alice.receive(&m2).is_err());
    assert_eq!(alice.state(), State::AwaitMessage2);
}

//= spec/src/channels.md#chn-15
//= type=test
//# A message 2 that fails any check MUST leave the initiator waiting with its state unchanged.
#[test]
fn a_garbage_message_2_does_not_kill_the_handshake() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    let before = alice.picture();
    for len in [0, 1, 31, 32, 79, 80, 96, 200, 65_535, 65_536] {
        let garbage = with_payload(&m2, &vec![0xa5; len]);
        assert!(alice.receive(&garbage).is_err(), "{len} bytes");
    }
    for position in (0..m2.payload().len()).step_by(7) {
        let mut flipped = m2.clone();
        flipped.payload_mut()[position] ^= 1;
        assert!(alice.receive(&flipped).is_err(), "byte {position}");
    }
    assert_eq!(alice.picture(), before);
    alice.receive(&m2).unwrap();
    assert_eq!(alice.state(), State::Open);
}

//= spec/src/channels.md#chn-16
//= type=test
//# A message 3 that is not authentic MUST leave the responder waiting with its state unchanged.
#[test]
fn a_garbage_message_3_does_not_kill_the_handshake() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    let m3 = alice.sent.pop_front().unwrap();
    for position in (0..m3.payload().len()).step_by(11) {
        let mut flipped = m3.clone();
        flipped.payload_mut()[position] ^= 0x80;
        let _ = bob.receive(&flipped);
        assert_eq!(bob.state(), State::AwaitMessage3);
    }
    bob.receive(&m3).unwrap();
    assert_eq!(bob.state(), State::Open);
}

//= spec/src/channels.md#chn-8
//= type=test
//# A party MUST refuse a peer whose attested key is not of kind `SecureChannelStatic` or not the static key of the handshake.
#[test]
fn the_papers_of_another_do_not_open_a_channel() {
    let victim = Person::new(9);
    let mut liar = Side::new("liar", 3);
    liar.config = liar.person.posing_with(&victim.identity, &victim.attestation);
    assert_eq!(alice_meets(liar).requirement(), "PUR-15");
}

//= spec/src/channels.md#chn-7
//= type=test
//# A party MUST verify the peer's attestation with that identifier as its subject.
#[test]
fn an_attestation_of_another_subject_or_an_older_change_or_without_its_signature_is_refused() {
    let victim = Person::new(9);
    let mut liar = Side::new("liar", 3);
    liar.config = liar.person.posing_with(&victim.identity, &liar.person.attestation);
    assert_eq!(alice_meets(liar).requirement().split('-').next(), Some("PUR"));

    let mut liar = Side::new("liar", 3);
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated = liar.person.identity.clone().rotate(&mut liar.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    liar.config = liar.person.posing_with(&rotated, &liar.person.attestation);
    assert_eq!(alice_meets(liar).requirement().split('-').next(), Some("PUR"));

    let mut liar = Side::new("liar", 3);
    let last = liar.config.presentation.len() - 2;
    liar.config.presentation[last] ^= 1;
    alice_meets(liar);
}

//= spec/src/channels.md#chn-6
//= type=test
//# A party MUST verify the peer's change history and derive the peer's identifier from it.
#[test]
fn a_history_with_any_changed_byte_is_refused() {
    let len = Person::new(3).identity.export().len();
    for position in (1..len).step_by(5) {
        let mut liar = Side::new("liar", 3);
        liar.config.presentation[1 + position] ^= 1;
        alice_meets(liar);
    }
}

//= spec/src/channels.md#chn-10
//= type=test
//# A party MUST NOT open a channel with an identity that its trust policy does not trust.
#[test]
fn an_untrusted_peer_is_refused_on_either_side_and_not_even_remembered() {
    let (mut alice, mut bob) = pair();
    alice.config.trust = Trust::One(alice.person.id());
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!(alice.receive(&bob.sent.pop_front().unwrap()).unwrap_err().requirement(), "CHN-10");
    assert!(alice.store.is_empty());

    let (mut alice, mut bob) = pair();
    bob.config.trust = Trust::AnyOf(vec![]);
    shake(&mut alice, &mut bob);
    assert_eq!(bob.state(), State::Closed);
    assert!(matches!(&bob.events[..], [Event::Failed(error)] if error.requirement() == "CHN-10"));
    assert!(bob.store.is_empty());
}

//= spec/src/channels.md#chn-17
//= type=test
//# A responder MUST end the handshake when an authentic message 3 carries a presentation that it refuses.
#[test]
fn an_initiator_with_the_papers_of_another_ends_the_responders_handshake() {
    let victim = Person::new(9);
    let (mut alice, mut bob) = pair();
    alice.config = alice.person.posing_with(&victim.identity, &victim.attestation);
    shake(&mut alice, &mut bob);
    assert_eq!(bob.state(), State::Closed);
    assert!(matches!(&bob.events[..], [Event::Failed(error)] if error.requirement() == "PUR-15"));
}

//= spec/src/channels.md#chn-9
//= type=test
//# A party MUST refuse a peer whose change history is older than the one it knows or conflicts with it.
#[test]
fn a_peer_with_an_older_history_than_the_known_one_is_refused() {
    let (mut alice, mut bob) = pair();
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let mut vault = SoftwareVault::new();
    core::mem::swap(&mut vault, &mut bob.person.vault);
    let rotated = bob.person.identity.rotate(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
    core::mem::swap(&mut vault, &mut bob.person.vault);
    alice.store.pin(&rotated).unwrap();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    assert_eq!(alice.state(), State::AwaitMessage2);
    assert!(alice.sent.is_empty());
    alice.now = Instant::from_millis(120_000);
    alice.channel.as_mut().unwrap().handle_timeout(&mut Env::new(alice.now, NOW, &mut alice.entropy));
    alice.drain();
    let [Event::Dropped(dropped), Event::Failed(failed)] = &alice.events[..] else { panic!("{:?}", alice.events) };
    assert_eq!((dropped.requirement(), failed), ("IDN-28", dropped), "the reason of the timeout is the last refusal");
}

//= spec/src/channels.md#chn-12
//= type=test
//# A party MUST NOT send or show anything that depends on the store before the store has answered.
//= spec/src/channels.md#chn-19
//= type=test
//# An answer that comes late, twice, or to no question MUST change nothing.
#[test]
fn answers_may_come_late_twice_or_wrong_and_nothing_shows_before_them() {
    let (mut alice, mut bob) = pair();
    (alice.late, bob.late) = (true, true);
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    assert!(bob.sent.is_empty());
    assert_eq!(bob.state(), State::AwaitKeyForMessage2);
    bob.answer_one();
    bob.drain();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    for expected in [State::LoadPeer, State::StorePeer, State::AwaitKeyForMessage3] {
        assert_eq!(alice.state(), expected);
        assert!(alice.sent.is_empty() && alice.events.is_empty());
        let before = alice.picture();
        let (ticket, _) = alice.requests[0];
        for wrong in [Ticket(ticket.0 + 1), Ticket(ticket.0.wrapping_sub(1))] {
            alice.input(Input::Answer(wrong, Answer::Store(Ok(StoreAnswer::Stored)))).unwrap();
        }
        assert_eq!(alice.picture(), before);
        alice.answer_one();
        alice.drain();
    }
    assert_eq!(alice.state(), State::Open);
    let before = alice.picture();
    alice.input(Input::Answer(Ticket(0), Answer::Store(Ok(StoreAnswer::Loaded(None))))).unwrap();
    assert_eq!(alice.picture(), before);
}

#[test]
fn a_vault_that_refuses_ends_the_handshake() {
    let (mut alice, mut bob) = pair();
    bob.late = true;
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    let (ticket, _) = bob.requests.pop_front().unwrap();
    let refused = Error::misuse("VLT-31", "no such key");
    bob.input(Input::Answer(ticket, Answer::Vault(Err(refused)))).unwrap();
    assert_eq!((bob.state(), &bob.events[..]), (State::Closed, &[Event::Failed(refused)][..]));
}

//= spec/src/channels.md#chn-18
//= type=test
//# Each party MUST give up a handshake that is not finished when its timeout has passed, and erase its keys.
#[test]
fn both_sides_give_up_after_their_timeout_and_not_before() {
    let (mut alice, mut bob) = pair();
    bob.config.timeout = HandshakeTime(core::time::Duration::from_secs(7));
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    for (side, seconds) in [(&mut alice, 120), (&mut bob, 7)] {
        assert_eq!(side.channel.as_ref().unwrap().deadline().unwrap().at, Instant::from_millis(seconds * 1000));
        for (millis, state) in [(seconds * 1000 - 1, None), (seconds * 1000, Some(State::Closed))] {
            let now = Instant::from_millis(millis);
            side.channel.as_mut().unwrap().handle_timeout(&mut Env::new(now, NOW, &mut side.entropy));
            side.drain();
            assert!(state.is_none_or(|state| side.state() == state));
            assert_eq!(side.events.len(), usize::from(state.is_some()));
        }
        assert!(matches!(side.events[0], Event::Failed(error) if error.requirement() == "CHN-18"));
    }
}

//= spec/src/channels.md#chn-18
//= type=test
//# Each party MUST give up a handshake that is not finished when its timeout has passed, and erase its keys.
#[test]
fn no_answer_of_a_vault_or_store_is_waited_for_longer_than_the_handshake() {
    let (mut alice, mut bob) = pair();
    bob.config.timeout = HandshakeTime(core::time::Duration::from_secs(7));
    // Each step takes a second, and gains none.
    let mut second = 0;
    let mut at = |side: &mut Side| {
        second += 1;
        side.now = Instant::from_millis(second * 1000);
    };
    at(&mut alice);
    alice.initiate();
    at(&mut bob);
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    at(&mut alice);
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    at(&mut bob);
    bob.receive(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!((alice.state(), bob.state()), (State::Open, State::Open));
    // The store is asked what it knows and told what is new; the vault is asked for the key.
    assert_eq!(alice.deadlines, [Instant::from_millis(121_000); 3]);
    assert_eq!(bob.deadlines, [Instant::from_millis(9_000); 3]);
}

#[test]
fn a_timeout_beyond_the_limits_counts_as_the_nearest_within() {
    for (configured, counts) in [(0, 5), (5, 5), (3600, 3600), (86_400, 3600)] {
        let mut alice = Side::new("alice", 1);
        alice.config.timeout = HandshakeTime(core::time::Duration::from_secs(configured));
        alice.initiate();
        let deadline = alice.channel.as_ref().unwrap().deadline().unwrap().at;
        assert_eq!(deadline, Instant::from_millis(counts * 1000));
    }
}

#[test]
fn a_genuine_message_2_that_comes_while_the_store_is_asked_about_a_thief_is_taken_after_all() {
    // Bob has rotated his key, and Alice knows; the thief answers first, with the older history.
    let (mut alice, mut thief) = pair();
    let mut bob = Side::new("bob", 2);
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated = bob.person.identity.clone().rotate(&mut bob.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    let (_, attestation) = rotated.attest_static_key(&mut bob.person.vault, &mut env).unwrap();
    bob.config = Config::new(&rotated, &attestation, &[], NOW).unwrap();
    alice.store.pin(&rotated).unwrap();
    alice.late = true;
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    for side in [&mut thief, &mut bob] {
        side.respond(&m1).unwrap();
        alice.receive(&side.sent.pop_front().unwrap()).unwrap();
        assert_eq!(alice.state(), State::LoadPeer);
    }
    alice.late = false;
    alice.answer_one();
    alice.drain();
    assert_eq!(alice.state(), State::Open);
    let [Event::Dropped(dropped), Event::Opened(peer)] = &alice.events[..] else { panic!("{:?}", alice.events) };
    assert_eq!((dropped.requirement(), *peer), ("IDN-28", rotated.identifier()));
}

#[test]
fn data_that_overtakes_message_3_is_held_and_delivered() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
    alice.receive(&bob.sent.pop_front().unwrap()).unwrap();
    let m3 = alice.sent.pop_front().unwrap();
    let (one, two) = (alice.send(b"one"), alice.send(b"two"));
    let mut forged = two.clone();
    forged.payload_mut()[12] ^= 1;
    for early in [&two, &forged, &one, &two] {
        bob.receive(early).unwrap();
        assert!(bob.delivered.is_empty());
    }
    bob.receive(&m3).unwrap();
    let payloads: Vec<_> = bob.delivered.iter().map(Message::payload).collect();
    assert_eq!(payloads, [b"two", b"one"]);
    assert_eq!(bob.events.iter().filter(|event| matches!(event, Event::Dropped(_))).count(), 2);
}

//= spec/src/channels.md#chn-21
//= type=test
//# A party MUST bound the number and the bytes of messages that it holds until the handshake is finished, and drop what exceeds them.
#[test]
fn what_is_held_is_bounded_in_number_and_bytes() {
    let flood = |len| Message::new(Route::new().as_ref(), Route::new().as_ref(), &vec![1; len]);
    let thrice = 3 * flood(1_000).clone().footprint();
    for (len, hold, most) in [
        (1_000, HoldLimits { bytes: thrice, ..HoldLimits::DEFAULT }, 3),
        (1_000, HoldLimits { bytes: thrice - 1, ..HoldLimits::DEFAULT }, 2),
        (8, HoldLimits::DEFAULT, 8),
        (10_000, HoldLimits::DEFAULT, 3),
        (8, HoldLimits { messages: 2, ..HoldLimits::DEFAULT }, 2),
        (8, HoldLimits::FLOOR, 0),
    ] {
        let (mut alice, mut bob) = pair();
        bob.config.hold = hold;
        alice.initiate();
        bob.respond(&alice.sent.pop_front().unwrap()).unwrap();
        let taken = (0..100).filter(|_| bob.receive(&flood(len)).is_ok()).count();
        assert_eq!(taken, most);
        let channel = bob.channel.as_ref().unwrap();
        assert!(channel.provisional() <= channel.provisional_limit());
    }
}
