//! What a decoder does with items that a later version may have appended.

use razor::Blame;
use razor::identity::{Identity, Presentation, PresentationLimits};
use razor::routing::{Limits, Message, Route, Tail};

const CAPTURES: &str = include_str!("../../../vectors/production/production-captures.json");

fn recorded(pointer: &str) -> Vec<u8> {
    let captures: serde_json::Value = serde_json::from_str(CAPTURES).unwrap();
    hex::decode(captures.pointer(pointer).unwrap().as_str().unwrap()).unwrap()
}

/// A handshake payload with this many unknown items at its end.
fn payload(unknown: u8) -> Vec<u8> {
    let mut bytes = vec![0x83 + unknown];
    bytes.extend(recorded("/identities/initiator/change_history_hex"));
    bytes.extend(recorded("/purpose_key_attestations/0/attestation_hex"));
    bytes.push(0x80);
    // Each is an array of an integer and an empty text.
    (0..unknown).for_each(|_| bytes.extend([0x82, 0x01, 0x60]));
    bytes
}

//= spec/src/extensions.md#ext-1
//= type=test
//# A receiver MUST skip up to 4 well-formed unknown items at the end of a transport message or a handshake payload, and refuse more.
#[test]
fn up_to_four_unknown_items_after_a_handshake_payload_are_skipped_and_a_fifth_is_refused() {
    let limits = PresentationLimits::DEFAULT;
    let plain = Presentation::decode(&payload(0), &limits).unwrap();
    for unknown in 1..=4 {
        let extended = Presentation::decode(&payload(unknown), &limits).unwrap();
        assert_eq!(extended.claimed_identity().export(), plain.claimed_identity().export());
    }
    let error = Presentation::decode(&payload(5), &limits).unwrap_err();
    assert_eq!((error.blame(), error.requirement()), (Blame::Limit, "EXT-1"));
    // Skipped is not unchecked: an item of indefinite length is no item.
    let mut malformed = payload(1);
    let last = malformed.len() - 3;
    malformed.splice(last.., [0x9f, 0xff]);
    assert_eq!(Presentation::decode(&malformed, &limits).unwrap_err().requirement(), "COD-1");
}

//= spec/src/extensions.md#ext-2
//= type=test
//# A node MUST NOT forward items of a transport message that it does not know.
#[test]
fn what_follows_the_known_items_of_a_message_is_gone_after_it_was_read() {
    let route: Route = "a => b".parse().unwrap();
    let mut sent = Message::new(route.as_ref(), Route::new().as_ref(), b"payload");
    sent.fold(&[], Tail::Tracing);
    let known = sent.payload().to_vec();
    let mut received = Message::raw([known.as_slice(), &[0x63, b'n', b'e', b'w']].concat(), 0);
    let read_tail = |reader: &mut razor::wire::cbor::Reader<'_>| reader.skip_unknown(1).map(|()| false);
    received.unfold(0, &Limits::DEFAULT, read_tail).unwrap();
    received.fold(&[], Tail::Tracing);
    assert_eq!(received.payload(), known);
}

//= spec/src/extensions.md#ext-3
//= type=test
//# A verifier MUST refuse a signed structure with another number of items than its version has.
#[test]
fn an_item_after_the_known_ones_of_a_change_is_refused_before_its_signature_is_looked_at() {
    let mut history = recorded("/identities/initiator/change_history_hex");
    assert!(Identity::import(&history, None).is_ok());
    // 81 82 58 37 (envelope) 83 01 01 58 32 (change) 85 ...: one more item, null, and the lengths that go with it.
    assert_eq!(history[..10], [0x81, 0x82, 0x58, 0x37, 0x83, 0x01, 0x01, 0x58, 0x32, 0x85]);
    history[3] += 1;
    history[8] += 1;
    history[9] += 1;
    history.insert(9 + 0x32, 0xf6);
    let error = Identity::import(&history, None).unwrap_err();
    assert_eq!(error.requirement(), "COD-3");
}
