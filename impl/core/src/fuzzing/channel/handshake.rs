//! A handshake between two honest sides in a hostile network.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use super::{Fate, Side, addresses, people};
use crate::channel::{Channel, Input};
use crate::env::{Env, Instant};
use crate::routing::Route;
use crate::vault::suite::Aes256GcmSha256;

/// A handshake in a hostile network: to whom which message goes in what form, and when.
#[derive(Debug, Arbitrary)]
enum Step {
    ToInitiator(Fate),
    ToResponder(Fate),
    /// The genuine message 2 goes to the responder, and so forth.
    Astray(bool),
    Wait(bool, u8),
}

/// Whatever a network makes of a handshake, it opens only between those two, and opens if it is let.
pub fn channel_handshake(data: &[u8]) {
    let Ok((first, steps)) = <(Option<Fate>, Vec<Step>)>::arbitrary(&mut Unstructured::new(data)) else { return };
    let route = Route::from_iter(["api"]);
    let initiate = |env: &mut Env<'_>, config| Some(Channel::initiate(env, config, addresses(0), &route));
    let mut alice = Side::<Aes256GcmSha256>::new(&people()[0], initiate).expect("an initiator begins");
    let message_1 = alice.sent.pop_front().expect("message 1");
    if let Some(fate) = first {
        let message = fate.of(&message_1);
        let respond = |env: &mut Env<'_>, config| Channel::respond(env, config, addresses(1), &message).ok();
        if let Some(bob) = Side::<Aes256GcmSha256>::new(&people()[1], respond) {
            assert_eq!((bob.sent.len(), bob.opened()), (1, None), "one message 2, whatever message 1 was");
        }
    }
    let respond = |env: &mut Env<'_>, config| Channel::respond(env, config, addresses(1), &message_1).ok();
    let mut bob = Side::<Aes256GcmSha256>::new(&people()[1], respond).expect("message 1 is genuine");
    let message_2 = bob.sent.pop_front().expect("message 2");
    for step in steps.iter().take(32) {
        match step {
            Step::ToInitiator(fate) => {
                let message = fate.of(&message_2);
                let genuine = message.payload() == message_2.payload();
                alice.input(Input::Receive(message));
                assert!(genuine || alice.opened().is_none());
                if genuine {
                    break;
                }
            }
            Step::ToResponder(fate) => {
                bob.input(Input::Receive(fate.of(&message_2)));
            }
            Step::Astray(first) => {
                bob.input(Input::Receive(if *first { message_1.clone() } else { message_2.clone() }));
                alice.input(Input::Receive(message_1.clone()));
            }
            Step::Wait(who, seconds) => if *who { &mut alice } else { &mut bob }.wait(u64::from(*seconds)),
        }
        assert!(bob.opened().is_none() && bob.sent.is_empty(), "there is no message 3 yet");
    }
    alice.input(Input::Receive(message_2));
    let in_time = |side: &Side| side.now < Instant::from_millis(120_000);
    assert_eq!(alice.opened().is_some(), in_time(&alice), "nothing but time ends a handshake");
    let Some(message_3) = alice.sent.pop_back() else { return };
    bob.input(Input::Receive(message_3));
    assert_eq!(bob.opened().is_some(), in_time(&bob));
    let [a, b, _] = people().each_ref().map(|person| person.identity.identifier());
    assert!(alice.opened() == Some(&b) && bob.opened().is_none_or(|peer| *peer == a));
}
