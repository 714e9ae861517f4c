//! Credentials: in the handshake, and presented anew.

use super::*;

/// A credential of the right form whose data is `data`.
fn credential(person: &Person, data: &[u8]) -> PresentedCredential {
    let attestation = person.attestation.export();
    let mut reader = Reader::new(attestation);
    reader.array_of(2).unwrap();
    reader.bytes(usize::MAX).unwrap();
    let signature = &attestation[reader.position()..];
    let mut signed = Encoder::new(Vec::new());
    signed.array(3).unwrap().u8(1).unwrap().u8(3).unwrap().bytes(data).unwrap();
    let mut encoder = Encoder::new(vec![0x82, 0x82]);
    encoder.bytes(&signed.into_writer()).unwrap();
    let bytes = [&encoder.into_writer(), signature, attestation].concat();
    PresentedCredential::decode(&bytes, bytes.len()).unwrap()
}

/// What a side was told of its peer's credentials.
fn told(side: &Side) -> Vec<&[PresentedCredential]> {
    let list = side.events.iter().filter_map(|event| match event {
        Event::Credentials(list) => Some(&list[..]),
        _ => None,
    });
    list.collect()
}

#[test]
fn credentials_of_the_handshake_are_told_when_the_channel_is_open() {
    let (mut alice, mut bob) = pair();
    let shown = [credential(&alice.person, b"one"), credential(&alice.person, b"two")];
    alice.config = Config::new(&alice.person.identity, &alice.person.attestation, &shown, NOW).unwrap();
    shake(&mut alice, &mut bob);
    assert_eq!(bob.events, [Event::Opened(alice.person.id()), Event::Credentials(shown.to_vec())]);
    assert_eq!(alice.events, [Event::Opened(bob.person.id())]);
}

//= spec/src/channels.md#chn-50
//= type=test
//# A party MUST drop a RefreshCredentials whose change history does not verify as that of the channel's peer.
//= spec/src/channels.md#chn-62
//= type=test
//# A RefreshCredentials MUST be sent to the remote route with the encryptor address as its return route.
#[test]
fn credentials_are_refreshed_by_the_peer_and_by_nobody_else() {
    let (mut alice, mut bob) = opened();
    let stranger = Person::new(9);
    let shown = credential(&alice.person, b"renewed");
    let credentials = PresentedCredential::encode_list(core::slice::from_ref(&shown));
    for (identity, expected) in [(&stranger.identity, 0), (&alice.person.identity.clone(), 1)] {
        let history = identity.export().to_vec();
        alice.input(Input::RefreshCredentials { history, credentials: credentials.clone() }).unwrap();
        let message = alice.sent.pop_front().unwrap();
        assert_eq!(message.onward().to_owned(), Route::from_iter(["bob.decryptor"]));
        assert_eq!(message.return_route().to_owned(), Route::from_iter(["alice.encryptor"]));
        let route = bob.channel.as_ref().unwrap().remote_route().unwrap().clone();
        assert_eq!(bob.receive(&message).is_ok(), expected == 1);
        assert_eq!(bob.channel.as_ref().unwrap().remote_route(), Some(&route));
        assert_eq!(told(&bob).len(), expected);
    }
    assert_eq!(told(&bob), [[shown]]);
    assert_eq!((bob.state(), bob.delivered.len()), (State::Open, 0));
}

//= spec/src/channels.md#chn-59
//= type=test
//# A party MUST drop a RefreshCredentials whose credentials would be refused in a presentation.
#[test]
fn a_refresh_with_credentials_that_are_too_many_too_long_or_none_is_dropped() {
    let (mut alice, mut bob) = opened();
    let limits = crate::identity::PresentationLimits::DEFAULT;
    let small = credential(&alice.person, b"");
    let many = vec![small.clone(); usize::from(limits.credentials) + 1];
    let long = credential(&alice.person, &vec![0; limits.credential]);
    let lists = [
        (PresentedCredential::encode_list(&many), "PUR-20"),
        (PresentedCredential::encode_list(&[long]), "COD-6"),
        (vec![0x81, 0x00], "COD-3"),
    ];
    for (credentials, requirement) in lists {
        let history = alice.person.identity.export().to_vec();
        alice.input(Input::RefreshCredentials { history, credentials }).unwrap();
        let message = alice.sent.pop_front().unwrap();
        assert_eq!(bob.receive(&message).unwrap_err().requirement(), requirement);
        assert_eq!(bob.channel.as_ref().unwrap().provisional(), 0);
    }
    assert!(bob.requests.is_empty() && told(&bob).is_empty());
}

//= spec/src/channels.md#chn-51
//= type=test
//# A party MUST give up a refresh for which its store has not answered within the timeout of handshakes.
#[test]
fn one_refresh_at_a_time_waits_for_the_store_and_not_for_ever() {
    let (mut alice, mut bob) = opened();
    bob.late = true;
    let mut refresh = || {
        let history = alice.person.identity.export().to_vec();
        let credentials = PresentedCredential::encode_list(&[credential(&alice.person, b"new")]);
        alice.input(Input::RefreshCredentials { history, credentials }).unwrap();
        alice.sent.pop_front().unwrap()
    };
    bob.receive(&refresh()).unwrap();
    let held = bob.channel.as_ref().unwrap().provisional();
    assert!(held > 0 && held <= bob.channel.as_ref().unwrap().provisional_limit());
    assert_eq!(bob.receive(&refresh()).unwrap_err().requirement(), "CHN-50");
    let until = Instant::from_millis(120_000);
    assert_eq!(bob.deadlines.last(), Some(&until));
    for (millis, dropped) in [(60_000, 0), (119_999, 0), (120_000, 1)] {
        bob.now = Instant::from_millis(millis);
        bob.channel.as_mut().unwrap().handle_timeout(&mut Env::new(bob.now, NOW, &mut bob.entropy));
        bob.drain();
        let count = bob.events.iter().filter(|event| matches!(event, Event::Dropped(e) if e.requirement() == "CHN-51"));
        assert_eq!(count.count(), dropped);
        let next = (dropped == 0).then_some(Deadline::new(until, "store timeout"));
        assert_eq!(bob.channel.as_ref().unwrap().deadline(), next);
    }
    // The answer to a refresh that was given up tells nothing; the next refresh is as good as the first.
    bob.answer_one();
    bob.drain();
    assert!(told(&bob).is_empty());
    bob.late = false;
    bob.receive(&refresh()).unwrap();
    assert_eq!(told(&bob).len(), 1);
}

//= spec/src/channels.md#chn-50
//= type=test
//# A party MUST drop a RefreshCredentials whose change history does not verify as that of the channel's peer.
//= spec/src/identities.md#idn-28
//= type=test
//# A node MUST refuse a received history that is older than the one it knows.
#[test]
fn a_refresh_with_a_newer_history_is_told_when_the_history_is_stored_and_not_before() {
    let (mut alice, mut bob) = opened();
    let mut entropy = Seeded::from_u64(77);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let rotated =
        alice.person.identity.clone().rotate(&mut alice.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    let old = alice.person.identity.export().to_vec();
    bob.late = true;
    let mut refresh = |history: &[u8]| {
        alice.input(Input::RefreshCredentials { history: history.to_vec(), credentials: vec![0x80] }).unwrap();
        alice.sent.pop_front().unwrap()
    };
    bob.receive(&refresh(rotated.export())).unwrap();
    for (asked, shown) in [("load", 0), ("store", 0), ("nothing", 1)] {
        let request = bob.requests.front().map_or("nothing", |(_, request)| match request {
            Request::Store(StoreRequest::Load(_)) => "load",
            Request::Store(StoreRequest::Store(..)) => "store",
            Request::Vault(_) => "vault",
        });
        assert_eq!((request, told(&bob).len()), (asked, shown));
        bob.answer_one();
        bob.drain();
    }
    // Bob knows the newer history now: the older one is that of a thief.
    bob.receive(&refresh(&old)).unwrap();
    bob.answer_one();
    bob.drain();
    assert!(bob.requests.is_empty(), "nothing is to be stored");
    assert_eq!(told(&bob).len(), 1);
    assert_eq!(
        bob.store.answer(&StoreRequest::Load(rotated.identifier())).ok().and_then(loaded),
        Some(rotated.export().to_vec())
    );
}

//= spec/src/channels.md#chn-61
//= type=test
//# A party MUST accept in a RefreshCredentials every history that it accepts in a presentation.
#[test]
fn a_refresh_with_a_long_history_is_taken_as_in_a_handshake() {
    let (mut alice, mut bob) = opened();
    for _ in 0..30 {
        let mut env = Env::new(Instant::ZERO, NOW, &mut alice.entropy);
        alice.person.identity =
            alice.person.identity.rotate(&mut alice.person.vault, SigningKind::Ed25519, &mut env).unwrap();
    }
    let history = alice.person.identity.export().to_vec();
    alice.input(Input::RefreshCredentials { history: history.clone(), credentials: vec![0x80] }).unwrap();
    bob.receive(&alice.sent.pop_front().unwrap()).unwrap();
    assert_eq!(told(&bob).len(), 1);
    assert_eq!(bob.store.answer(&StoreRequest::Load(alice.person.id())).ok().and_then(loaded), Some(history));
}

fn loaded(answer: StoreAnswer) -> Option<Vec<u8>> {
    match answer {
        StoreAnswer::Loaded(known) => known,
        StoreAnswer::Stored => None,
    }
}

#[test]
fn a_refresh_is_not_shown_on_an_answer_that_does_not_fit() {
    let (mut alice, mut bob) = opened();
    bob.late = true;
    let history = alice.person.identity.export().to_vec();
    alice.input(Input::RefreshCredentials { history, credentials: vec![0x80] }).unwrap();
    bob.receive(&alice.sent.pop_front().unwrap()).unwrap();
    let (ticket, _) = bob.requests.pop_front().unwrap();
    let stored = Answer::Store(Ok(StoreAnswer::Stored));
    assert_eq!(bob.input(Input::Answer(ticket, stored)).unwrap_err().requirement(), "CHN-19");
    assert!(told(&bob).is_empty());
}

//= spec/src/channels.md#chn-58
//= type=test
//# A party MUST NOT present more than 65 439 bytes.
#[test]
fn a_presentation_that_fits_into_no_handshake_message_is_refused_when_it_is_configured() {
    let (mut alice, mut bob) = pair();
    let (identity, attestation) = (&alice.person.identity, &alice.person.attestation);
    let config = |len| Config::new(identity, attestation, &[credential(&alice.person, &vec![7; len])], NOW);
    let overhead = config(60_000).unwrap().presentation.len() - 60_000;
    assert_eq!(config(65_440 - overhead).unwrap_err().requirement(), "CHN-58");
    let largest = config(65_439 - overhead).unwrap();
    let limits = crate::identity::PresentationLimits { credential: 65_535, ..bob.config.presentation_limits };
    alice.config.presentation_limits = limits;
    bob.config.presentation_limits = limits;
    let shown = [credential(&bob.person, &vec![7; 65_439 - overhead])];
    bob.config.presentation =
        Config::new(&bob.person.identity, &bob.person.attestation, &shown, NOW).unwrap().presentation;
    alice.config.presentation = largest.presentation;
    let [_, m2, _] = shake(&mut alice, &mut bob);
    assert_eq!((m2.payload().len(), bob.state()), (65_535, State::Open));
}
