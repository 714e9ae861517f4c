//! An attacker who has keys, papers or messages of others, and what it cannot do with them.

use super::*;
use crate::identity::{AttestationDraft, PurposeKey};
use crate::vault::Key;

/// A liar opens a channel to Bob; the requirement that Bob names when he ends it.
fn bob_meets(mut liar: Side) -> &'static str {
    let mut bob = Side::new("bob", 2);
    shake(&mut liar, &mut bob);
    assert_eq!(bob.state(), State::Closed);
    assert!(bob.store.is_empty() && bob.sent.is_empty());
    let [Event::Failed(error)] = &bob.events[..] else { panic!("{:?}", bob.events) };
    error.requirement()
}

#[test]
fn a_key_compromise_of_alice_does_not_let_another_pose_as_bob_to_her() {
    // The thief has Alice's static key; without Bob's it cannot present Bob's papers.
    let bob = Person::new(2);
    let mut thief = Side::new("thief", 1);
    assert_eq!(thief.person.static_key, Person::new(1).static_key);
    thief.config = thief.person.posing_with(&bob.identity, &bob.attestation);
    assert_eq!(alice_meets(thief).requirement(), "PUR-15");
}

#[test]
fn a_key_compromise_of_bob_does_not_let_another_pose_as_alice_to_him() {
    let alice = Person::new(1);
    let mut thief = Side::new("thief", 2);
    thief.config = thief.person.posing_with(&alice.identity, &alice.attestation);
    assert_eq!(bob_meets(thief), "PUR-15");
}

#[test]
fn a_liar_cannot_bind_the_static_key_of_another_to_itself() {
    // It signs, as itself, that Alice's static key is its own. That is true to nobody: it does not hold the key.
    let alice = Person::new(1);
    for as_initiator in [false, true] {
        let mut liar = Side::new("liar", 3);
        let draft =
            AttestationDraft::valid_from(&liar.person.identity, PurposeKey::SecureChannelStatic(alice.static_key), NOW);
        let signed = liar.person.vault.answer(&draft.request()).unwrap();
        let attestation = draft.answer(signed).unwrap();
        liar.config = liar.person.posing_with(&liar.person.identity, &attestation);
        let requirement = if as_initiator { bob_meets(liar) } else { alice_meets(liar).requirement() };
        assert_eq!(requirement, "PUR-15");
    }
}

//= spec/src/channels.md#chn-8
//= type=test
//# A party MUST refuse a peer whose attested key is not of kind `SecureChannelStatic` or not the static key of the handshake.
#[test]
fn an_attestation_of_a_key_for_credentials_opens_no_channel() {
    for as_initiator in [false, true] {
        let mut liar = Side::new("liar", 3);
        let mut entropy = Seeded::from_u64(8);
        let signing = liar.person.vault.generate_signing_key(SigningKind::Ed25519, &mut entropy).unwrap();
        let draft = AttestationDraft::valid_from(&liar.person.identity, PurposeKey::CredentialSigning(signing), NOW);
        let signed = liar.person.vault.answer(&draft.request()).unwrap();
        let attestation = draft.answer(signed).unwrap();
        liar.config = liar.person.posing_with(&liar.person.identity, &attestation);
        let requirement = if as_initiator { bob_meets(liar) } else { alice_meets(liar).requirement() };
        assert_eq!(requirement, "PUR-11");
    }
}

#[test]
fn an_attestation_of_an_older_change_opens_no_channel_in_either_role() {
    for as_initiator in [false, true] {
        let mut liar = Side::new("liar", 3);
        let mut entropy = Seeded::from_u64(77);
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let rotated =
            liar.person.identity.clone().rotate(&mut liar.person.vault, SigningKind::Ed25519, &mut env).unwrap();
        liar.config = liar.person.posing_with(&rotated, &liar.person.attestation);
        let requirement = if as_initiator { bob_meets(liar) } else { alice_meets(liar).requirement() };
        assert_eq!(requirement, "PUR-4");
    }
}

/// Someone whose static key is attested from `created` to `expires`, by a key that has been valid for long.
fn attested(created: u64, expires: u64) -> Side {
    let mut side = Side::new("liar", 3);
    let mut entropy = Seeded::from_u64(78);
    let mut env = Env::new(Instant::ZERO, Timestamp(NOW.0 - 2000), &mut entropy);
    let identity = Identity::create(&mut side.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    let key = PurposeKey::SecureChannelStatic(side.person.static_key);
    let draft = AttestationDraft::new(&identity, key, Timestamp(created), Timestamp(expires));
    let signed = side.person.vault.answer(&draft.request()).unwrap();
    side.config = side.person.posing_with(&identity, &draft.answer(signed).unwrap());
    side
}

//= spec/src/channels.md#chn-7
//= type=test
//# A party MUST verify the peer's attestation with that identifier as its subject.
//= spec/src/purpose-keys.md#pur-7
//= type=test
//# A verifier MUST refuse an attestation created more than 60 seconds after now.
//= spec/src/purpose-keys.md#pur-8
//= type=test
//# A verifier MUST refuse an attestation that expired before now.
#[test]
fn an_attestation_that_is_over_or_has_not_begun_opens_no_channel_in_either_role() {
    let now = NOW.0;
    for (created, expires, requirement) in [(now - 1000, now - 1, "PUR-8"), (now + 61, now + 1000, "PUR-7")] {
        assert_eq!(alice_meets(attested(created, expires)).requirement(), requirement);
        assert_eq!(bob_meets(attested(created, expires)), requirement);
    }
    for (created, expires) in [(now - 1000, now), (now + 60, now + 1000)] {
        for as_initiator in [false, true] {
            let (mut other, mut peer) = (Side::new("bob", 2), attested(created, expires));
            let (alice, bob) = if as_initiator { (&mut peer, &mut other) } else { (&mut other, &mut peer) };
            shake(alice, bob);
            assert_eq!(other.state(), State::Open);
        }
    }
}

/// Two sessions between the same two, up to their messages 3.
fn two_sessions() -> [(Side, Side, [Message; 3]); 2] {
    [(1, 2), (11, 12)].map(|(a, b)| {
        let (mut alice, mut bob) = pair();
        (alice.entropy, bob.entropy) = (Seeded::from_u64(a + 1000), Seeded::from_u64(b + 1000));
        alice.initiate();
        let m1 = alice.sent.pop_front().unwrap();
        bob.respond(&m1).unwrap();
        let m2 = bob.sent.pop_front().unwrap();
        let mut witness = Side::new("alice", 1);
        witness.entropy = Seeded::from_u64(a + 1000);
        witness.initiate();
        witness.receive(&m2).unwrap();
        (alice, bob, [m1, m2, witness.sent.pop_back().unwrap()])
    })
}

#[test]
fn messages_of_one_handshake_are_worthless_in_another_between_the_same_two() {
    let [(mut alice, mut bob, [m1, m2, m3]), (_, _, [other_1, other_2, other_3])] = two_sessions();
    assert_ne!(m1.payload(), other_1.payload());
    assert!(alice.receive(&other_2).is_err());
    // Heads of one and tails of the other.
    for cut in [32, 80] {
        let spliced = [&m2.payload()[..cut], &other_2.payload()[cut..]].concat();
        assert!(alice.receive(&with_payload(&m2, &spliced)).is_err());
        let spliced = [&m3.payload()[..48], &other_3.payload()[48..]].concat();
        let _ = bob.receive(&with_payload(&m3, &spliced));
        let _ = bob.receive(&other_3);
        assert_eq!((alice.state(), bob.state()), (State::AwaitMessage2, State::AwaitMessage3));
    }
    alice.receive(&m2).unwrap();
    bob.receive(&m3).unwrap();
    assert_eq!((alice.state(), bob.state()), (State::Open, State::Open));
}

#[test]
fn a_recorded_session_played_again_to_the_responder_opens_nothing() {
    let (mut alice, mut bob) = pair();
    let [m1, _, m3] = shake(&mut alice, &mut bob);
    let data = alice.send(b"pay");
    let mut again = Side::new("bob", 2);
    again.entropy = Seeded::from_u64(555);
    again.respond(&m1).unwrap();
    let _ = again.receive(&m3);
    let _ = again.receive(&data);
    assert_eq!(again.state(), State::AwaitMessage3);
    assert!(again.delivered.is_empty() && again.events.is_empty() && again.store.is_empty());
}

#[test]
fn a_handshake_reflected_to_its_sender_is_no_message_2() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    assert!(alice.receive(&m1).is_err());
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    let _ = bob.receive(&m2);
    let _ = bob.receive(&m1);
    assert_eq!((alice.state(), bob.state()), (State::AwaitMessage2, State::AwaitMessage3));
    alice.receive(&m2).unwrap();
    bob.receive(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!(bob.state(), State::Open);
}

#[test]
fn a_channel_that_is_led_back_to_its_own_identity_says_so() {
    // Whoever reflects message 1 to Alice's own listener makes her meet herself: she sees her own identity.
    let (mut alice, mut mirror) = (Side::new("alice", 1), Side::new("mirror", 1));
    mirror.entropy = Seeded::from_u64(4);
    shake(&mut alice, &mut mirror);
    assert_eq!(alice.channel.as_ref().unwrap().peer(), Some(&alice.person.id()));
    // With a policy that names whom she wants to meet it does not open.
    let (mut alice, mut mirror) = (Side::new("alice", 1), Side::new("mirror", 1));
    alice.config.trust = Trust::One(Person::new(2).id());
    alice.initiate();
    mirror.respond(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!(alice.receive(&mirror.sent.pop_front().unwrap()).unwrap_err().requirement(), "CHN-10");
}

#[test]
fn points_of_small_order_are_refused_wherever_a_key_stands_in_the_clear() {
    let (mut alice, mut bob) = pair();
    alice.initiate();
    let m1 = alice.sent.pop_front().unwrap();
    let small = [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }];
    for point in small {
        assert!(bob.respond(&with_payload(&m1, &point)).is_err());
    }
    bob.respond(&m1).unwrap();
    let m2 = bob.sent.pop_front().unwrap();
    for point in small {
        let mut forged = m2.clone();
        forged.payload_mut()[..32].copy_from_slice(&point);
        assert!(alice.receive(&forged).is_err());
    }
    alice.receive(&m2).unwrap();
}

//= spec/src/channels.md#chn-34
//= type=test
//# A party MUST NOT encrypt a message with the nonce 2^64 - 1, and a decryptor refuses it.
#[test]
fn a_channel_that_has_used_all_its_nonces_sends_nothing_more_and_closes_without_a_word() {
    let (mut alice, mut bob) = pair();
    let key = || Key::new([7; 32]);
    let (a, b) = (alice.person.id(), bob.person.id());
    let ends = [
        (Encryptor::resumed(key(), u64::MAX - 1), Decryptor::new(key())),
        (Encryptor::new(key()), Decryptor::resumed(key(), u64::MAX - 3)),
    ];
    for ((side, peer, remote, follows), keys) in
        [(&mut alice, b, "bob.decryptor", false), (&mut bob, a, "alice.decryptor", true)].into_iter().zip(ends)
    {
        let (config, addresses) = (Arc::new(side.config.clone()), side.addresses());
        side.channel = Some(Channel::resumed(config, addresses, peer, Route::from_iter([remote]), keys, follows));
    }
    let last = alice.send(b"last");
    bob.receive(&last).unwrap();
    assert_eq!(bob.delivered[0].payload(), b"last");
    let before = alice.picture();
    let message = Message::new(Route::from_iter(["echo"]).as_ref(), Route::new().as_ref(), b"one too many");
    assert_eq!(alice.input(Input::Send(message)).unwrap_err().requirement(), "CHN-34");
    assert_eq!(alice.picture(), before);
    // The other direction is as good as ever.
    let answer = bob.send(b"answer");
    alice.receive(&answer).unwrap();
    assert_eq!(alice.delivered[0].payload(), b"answer");
    alice.input(Input::Close).unwrap();
    assert!(alice.sent.is_empty());
    assert_eq!(alice.state(), State::Closed);
}
