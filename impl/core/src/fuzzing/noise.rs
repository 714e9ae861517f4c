//! The handshake of Noise: two honest sides, and somebody between them who may change every message.
//!
//! Under the null suite whoever changes a message can mend its tags, so that a fuzzer gets past them.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use crate::env::Seeded;
use crate::noise::{Ockam, Steps, initiator, responder};
use crate::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use crate::vault::{Agreement, SecretKey, null::NullSuite};

/// What is done to a message on its way.
#[derive(Debug, Arbitrary)]
enum Fate {
    Pass,
    Flip { at: u16, with: u8 },
    Cut(u16),
    Extend(Vec<u8>),
    Replace(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Script {
    suite: u8,
    payloads: [Vec<u8>; 3],
    fates: [Fate; 3],
}

impl Fate {
    fn apply(&self, message: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        match self {
            Self::Pass => {}
            Self::Flip { at, with } => {
                let at = usize::from(*at) % message.len();
                message[at] ^= with;
            }
            Self::Cut(length) => message.truncate(usize::from(*length)),
            Self::Extend(more) => message.extend_from_slice(more),
            Self::Replace(other) => message.clone_from(other),
        }
        message
    }
}

/// Whatever is done to the messages, nothing panics; a real suite lets no change pass, and both sides of a
/// handshake that nobody touched agree on everything.
pub fn noise_handshake(data: &[u8]) {
    let Ok(script) = Script::arbitrary(&mut Unstructured::new(data)) else { return };
    match script.suite % 4 {
        0 => run::<NullSuite>(&script, false),
        1 => run::<Aes256GcmSha256>(&script, true),
        2 => run::<Aes128GcmSha256>(&script, true),
        _ => run::<ChaChaPolyBlake2s>(&script, true),
    }
}

fn run<S: Suite>(script: &Script, real: bool) {
    let Script { payloads: [one, two, three], fates, .. } = script;
    let (alice, bob) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
    let [alice_public, bob_public] = [&alice, &bob].map(S::Agreement::public_key);
    let mut entropy = Seeded::from_u64(1);
    type Initiator<S> = initiator::AwaitsMessage2<S, Ockam, Steps>;
    type Responder<S> = responder::NeedsStaticDh<S, Ockam, Steps>;

    let Ok((initiator, sent_1)) = Initiator::<S>::start_with_payload(alice_public, &mut entropy, one) else { return };
    let message_1 = fates[0].apply(&sent_1);
    let Ok((state, payload)) = Responder::<S>::read_message_1(bob_public, &mut entropy, &message_1) else { return };
    assert_eq!(payload, &message_1[32..]);
    let shared = S::Agreement::agree(&bob, &state.dh_with());
    let Ok((responder, sent_2)) = state.write_message_2(&shared, two) else { return };
    let message_2 = fates[1].apply(&sent_2);
    let Ok((state, payload)) = initiator.read_message_2(&message_2) else {
        assert!(message_1 != sent_1 || message_2 != sent_2, "an untouched message 2 is taken");
        return;
    };
    if real {
        assert!(message_1 == sent_1 && message_2 == sent_2, "a change of message 1 or 2 went unnoticed");
        assert_eq!((&payload, *state.remote_static()), (two, bob_public));
    }
    let shared = S::Agreement::agree(&alice, &state.dh_with());
    let Ok((alice, sent_3)) = state.write_message_3(&shared, three) else { return };
    let message_3 = fates[2].apply(&sent_3);
    let untouched = message_1 == sent_1 && message_2 == sent_2 && message_3 == sent_3;
    let Ok((bob, payload)) = responder.read_message_3(&message_3) else {
        assert!(!untouched, "an untouched message 3 is taken");
        return;
    };
    assert!(untouched || !real, "a change of message 3 went unnoticed");
    if untouched {
        assert_eq!((&payload, bob.remote_static), (three, alice_public));
        assert_eq!(alice.handshake_hash, bob.handshake_hash);
        assert_eq!(alice.send.as_bytes(), bob.receive.as_bytes());
        assert_eq!(alice.receive.as_bytes(), bob.send.as_bytes());
        assert_eq!(alice.trace.0.len(), bob.trace.0.len());
    }
}
