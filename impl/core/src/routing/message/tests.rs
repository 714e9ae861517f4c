use alloc::string::String;

use proptest::prelude::*;

use super::*;
use crate::routing::{Address, Route};

fn message() -> Message {
    let (onward, back): (Route, Route) = ("a => b".parse().unwrap(), "r".parse().unwrap());
    Message::new(onward.as_ref(), back.as_ref(), b"payload")
}

/// A tail that is a text or nothing, and nothing after it.
fn text_or_nothing(tail: &mut Reader<'_>) -> Result<bool> {
    if tail.is_at_end() {
        return Ok(false);
    }
    tail.text(usize::MAX)?;
    if tail.is_at_end() { Ok(true) } else { Err(Error::malformed("COD-5", "bytes follow the end of the message")) }
}

fn unfold(message: &mut Message, skip: usize) -> Result<()> {
    message.unfold(skip, &Limits::DEFAULT, text_or_nothing)
}

#[test]
fn a_layer_is_encoded_as_published() {
    let (onward, back): (Route, Route) = ("echo".parse().unwrap(), "app".parse().unwrap());
    let mut message = Message::new(onward.as_ref(), back.as_ref(), &[1, 2]);
    let original = message.clone();
    message.fold(&[0x83], Tail::Tracing);
    assert_eq!(hex::encode(message.payload()), "83818200446563686f81820043617070420102");
    assert_eq!(message.relayouts(), 0);
    unfold(&mut message, 1).unwrap();
    assert_eq!(message, original);
    message.set_tracing(Some("{}"));
    message.fold(&[0x84], Tail::Tracing);
    assert_eq!(hex::encode(message.payload()), "84818200446563686f81820043617070420102627b7d");
}

//= spec/src/routing.md#rte-8
//= type=test
//# A worker MUST NOT take an address from an empty onward route.
#[test]
fn nothing_is_taken_from_an_empty_onward_route() {
    let mut message = message();
    assert_eq!((message.pop_onward(), message.pop_onward()), (Ok(()), Ok(())));
    let before = message.clone();
    assert_eq!(message.pop_onward().unwrap_err().requirement(), "RTE-8");
    assert_eq!(message, before);
}

//= spec/src/routing.md#rte-9
//= type=test
//# Editing the routes of a message MUST NOT change its payload or its tracing text.
#[test]
fn editing_routes_leaves_the_payload_where_it_is_and_the_tracing_text_alone() {
    let mut message = message();
    message.set_tracing(Some("{}"));
    let place = message.payload().as_ptr();
    for hop in 0..8u8 {
        message.pop_onward().unwrap();
        message.push_return(AddressRef::local(&[b'h', hop]));
        message.push_onward(AddressRef::local(b"next"));
        message.set_onward(Route::from(Address::local("somewhere")).as_ref());
        assert_eq!(message.payload(), b"payload");
        assert_eq!(message.tracing(), Some("{}"));
    }
    assert_eq!(message.payload().as_ptr(), place);
    assert_eq!((message.return_route().len(), message.relayouts()), (9, 0));
}

#[test]
fn a_message_without_headroom_is_laid_out_anew_once_and_says_so() {
    let mut message = Message::raw(b"payload".to_vec(), 0);
    message.push_return(AddressRef::local(b"one"));
    assert_eq!(message.relayouts(), 1);
    for _ in 0..HEADROOM / 10 {
        message.push_onward(AddressRef::local(b"two"));
    }
    assert_eq!((message.relayouts(), message.payload()), (1, &b"payload"[..]));
}

#[test]
fn layers_within_layers_come_off_in_the_order_they_went_on() {
    let mut message = message();
    let mut layers = alloc::vec![];
    for depth in 0..20u8 {
        layers.push(message.clone());
        message.fold(&[0x83], Tail::Bytes(&[]));
        message.wrap(&[depth; 8], &[depth; 16]);
        message.push_onward(AddressRef::local(&[depth; 32]));
    }
    while let Some(layer) = layers.pop() {
        message.clear_routes();
        message.unwrap_payload(8, 16);
        unfold(&mut message, 1).unwrap();
        assert_eq!(message, layer);
    }
}

//= spec/src/routing.md#rte-10
//= type=test
//# A message MUST lose its tracing text when it is folded into a layer that has no field for it.
#[test]
fn a_layer_without_a_field_for_it_drops_the_tracing_text() {
    let mut message = message();
    message.set_tracing(Some("who sees this sees too much"));
    message.fold(&[], Tail::Bytes(&[0x40]));
    assert!(!message.payload().windows(3).any(|w| w == b"who"));
    message.unfold(0, &Limits::DEFAULT, |tail| tail.bytes(0).map(|_| false)).unwrap();
    assert_eq!((message.tracing(), message.payload()), (None, &b"payload"[..]));
}

#[test]
fn a_ciphertext_carries_no_tracing_text() {
    let mut message = Message::raw(b"payload".to_vec(), 0);
    message.set_tracing(Some("{}"));
    message.wrap(b"nonce", b"tag");
    assert_eq!((message.tracing(), message.payload()), (None, &b"noncepayloadtag"[..]));
    message.unwrap_payload(5, 3);
    assert_eq!(message.payload(), b"payload");
}

//= spec/src/routing.md#rte-11
//= type=test
//# A layer that does not decode MUST leave the message as it was.
#[test]
fn a_layer_cut_at_any_length_changes_nothing() {
    let mut folded = message();
    folded.set_tracing(Some("{}"));
    folded.fold(&[], Tail::Tracing);
    let bytes = folded.payload();
    // Without the text it is a whole layer again: three bytes less.
    for len in (0..bytes.len()).filter(|len| *len != bytes.len() - 3) {
        let original = Message::new(Route::from(Address::local("o")).as_ref(), Route::new().as_ref(), &bytes[..len]);
        let mut message = original.clone();
        assert!(unfold(&mut message, 0).is_err(), "cut to {len}");
        assert_eq!(message, original);
    }
}

#[test]
fn wiping_leaves_nothing() {
    let mut message = message();
    message.wipe();
    assert!(message.payload().is_empty() && message.onward().is_empty() && message.return_route().is_empty());
    assert_eq!(message.tracing(), None);
}

#[test]
fn printing_a_message_does_not_print_its_payload() {
    let text = alloc::format!("{:?}", message());
    assert!(text.contains("0#a => 0#b") && !text.contains("payload\""), "{text}");
}

/// Reads a message's layer out of any bytes; when it is refused nothing has changed.
fn unfold_any(bytes: &[u8], skip: u8) {
    let original = Message::new(Route::new().as_ref(), Route::from(Address::local("r")).as_ref(), bytes);
    let mut message = original.clone();
    match message.unfold(usize::from(skip), &Limits::DEFAULT, text_or_nothing) {
        Err(_) => assert_eq!(message, original),
        Ok(()) => {
            message.fold(&[], Tail::Tracing);
            let layer = bytes.get(usize::from(skip)..).unwrap_or_default();
            assert_eq!(message.payload(), layer, "what is accepted is the only encoding of what it means");
        }
    }
}

proptest! {
    //= spec/src/routing.md#rte-9
    //= type=test
    //# Editing the routes of a message MUST NOT change its payload or its tracing text.
    #[test]
    fn any_sequence_of_operations_does_what_the_model_does(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        crate::fuzzing::message_operations(&bytes);
    }

    //= spec/src/routing.md#rte-11
    //= type=test
    //# A layer that does not decode MUST leave the message as it was.
    #[test]
    fn any_bytes_decode_to_their_only_meaning_or_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), skip in 0..3u8) {
        unfold_any(&bytes, skip);
    }

    #[test]
    fn a_damaged_layer_decodes_to_its_only_meaning_or_changes_nothing(
        payload: Vec<u8>, text: Option<String>, at: prop::sample::Index, byte: u8,
    ) {
        let mut message = message();
        message.set_routes(Route::from(Address::local("x")).as_ref(), "1#h:1 => y".parse::<Route>().unwrap().as_ref());
        message.set_tracing(text.as_deref());
        message.push_return(AddressRef::local(&payload));
        message.fold(&[], Tail::Tracing);
        let mut bytes = message.payload().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        unfold_any(&bytes, 0);
    }
}

#[test]
fn hops_are_counted_however_many() {
    let mut message = Message::new(Route::new().as_ref(), Route::new().as_ref(), b"payload");
    for hop in 1..=300 {
        message.push_return(AddressRef::local(b"hop"));
        message.push_onward(AddressRef::local(b"on"));
        assert_eq!((message.return_route().len(), message.onward().len()), (hop, hop));
        assert_eq!((message.return_route().iter().count(), message.onward().iter().count()), (hop, hop));
    }
    assert_eq!(message.payload(), b"payload");
}

#[test]
fn what_is_put_around_a_message_without_room_lays_it_out_once_with_room_for_more() {
    let payload = vec![7; 10_000];
    let mut message = Message::raw(payload.clone(), 0);
    message.wrap(&[1; 8], &[2; 16]);
    assert_eq!(message.payload(), [&[1; 8][..], &payload, &[2; 16]].concat());
    assert_eq!(message.relayouts(), 1);
    // Not twice as large, as a vector that grows would be.
    let footprint = message.footprint();
    assert!(footprint <= 10_000 + 8 + 16 + HEADROOM + TAILROOM, "{footprint}");
    message.wrap(&[3; 8], &[4; 16]);
    assert_eq!((message.relayouts(), message.footprint()), (1, footprint));
    // There is room in front, and none behind.
    let mut bytes = [&[0; 100], payload.as_slice()].concat();
    bytes.shrink_to_fit();
    let mut tail = Message::raw(bytes, 100);
    tail.fold(&[0x83], Tail::Bytes(&[5; 100]));
    assert_eq!((tail.relayouts(), tail.payload().last()), (1, Some(&5)));
}
