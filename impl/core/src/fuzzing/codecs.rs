//! Codecs, addresses, routes and the message.

use alloc::string::ToString;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use crate::routing::model::Scenario;
use crate::routing::{Address, AddressRef, Limits, Message, Route, Tail, TransportType};
use crate::wire::{bare as bare_codec, cbor as cbor_codec};

/// A CBOR item that is skipped is well formed by an independent reading, and no reader goes past the end.
pub fn cbor(data: &[u8]) {
    let mut reader = cbor_codec::Reader::new(data);
    while !reader.is_at_end() {
        let before = reader.position();
        if reader.skip().is_err() {
            break;
        }
        assert!(reader.position() > before && reader.position() <= data.len());
        let item = &data[before..reader.position()];
        let mut library = minicbor::Decoder::new(item);
        library.skip().expect("what the strict reader takes, the library takes");
        assert_eq!(library.position(), item.len());
    }
    // Each typed reading is canonical: what it read is what an encoder writes.
    if let Ok(value) = cbor_codec::Reader::new(data).uint() {
        let mut out = Vec::new();
        minicbor::Encoder::new(&mut out).u64(value).expect("a vector takes everything");
        assert!(data.starts_with(&out));
    }
    if let Ok(bytes) = cbor_codec::Reader::new(data).bytes(1024) {
        let mut out = Vec::new();
        minicbor::Encoder::new(&mut out).bytes(bytes).expect("a vector takes everything");
        assert!(data.starts_with(&out) && bytes.len() <= 1024);
    }
    if let Ok(text) = cbor_codec::Reader::new(data).text(1024) {
        let mut out = Vec::new();
        minicbor::Encoder::new(&mut out).str(text).expect("a vector takes everything");
        assert!(data.starts_with(&out) && text.len() <= 1024);
    }
}

/// A BARE integer or string that is read is written back byte for byte.
pub fn bare(data: &[u8]) {
    if let Ok(value) = bare_codec::Reader::new(data).uint() {
        let mut out = Vec::new();
        bare_codec::write_uint(&mut out, value);
        assert!(data.starts_with(&out));
    }
    let mut reader = bare_codec::Reader::new(data);
    if let Ok(bytes) = reader.bytes(1024) {
        let mut out = Vec::new();
        bare_codec::write_bytes(&mut out, bytes);
        assert!(data.starts_with(&out) && bytes.len() <= 1024);
        assert_eq!(reader.finish().is_ok(), out.len() == data.len());
    }
}

/// Whatever parses as an address or route, and an address of any bytes, prints as visible ASCII that parses to the same.
pub fn address_text(data: &[u8]) {
    let same = |address: Address| {
        let printed = address.to_string();
        assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(printed.parse::<Address>(), Ok(address));
    };
    same(Address::new(TransportType::TCP, data));
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<Address>() {
        same(address);
    }
    if let Ok(route) = text.parse::<Route>() {
        assert!(!route.is_empty());
        assert_eq!(route.to_string().parse::<Route>(), Ok(route));
    }
}

/// A route that decodes obeys the limits and encodes to the same bytes.
pub fn route(data: &[u8]) {
    for limits in [Limits::FLOOR, Limits::DEFAULT, Limits::CEILING] {
        let Ok(route) = Route::decode(data, &limits) else { continue };
        assert_eq!(route.encode(), data);
        assert_eq!(route.as_ref().iter().count(), route.len());
        assert!(route.len() <= usize::from(limits.hops));
        assert!(route.as_ref().items().len() <= usize::from(limits.route));
        assert!(route.as_ref().iter().all(|address| address.value.len() <= usize::from(limits.address)));
    }
}

/// After one byte of an outer array's head: a message that unfolds, folds back to the same bytes; edits of its routes do what their names say;
/// one that does not unfold is untouched.
pub fn message(data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let limits = Limits::DEFAULT;
    let original = Message::raw(data.to_vec(), 0);
    let mut message = original.clone();
    let mut tail = 0;
    let unfolded = message.unfold(1, &limits, |reader| {
        tail = data.len() - 1 - reader.position();
        if reader.is_at_end() {
            return Ok(false);
        }
        reader.text(4096)?;
        Ok(true)
    });
    if unfolded.is_err() {
        assert_eq!(message, original);
        return;
    }
    let text = message.tracing().map(ToString::to_string);
    assert_eq!(text.is_some(), tail > 0);

    let mut folded = message.clone();
    folded.fold(&data[..1], Tail::Tracing);
    assert!(data.starts_with(folded.payload()), "what was read is written back");

    let mut hopped = message.clone();
    let me = AddressRef::local(b"hop");
    let (hops, returns) = (message.onward().len(), message.return_route().len());
    assert_eq!(hopped.pop_onward().is_ok(), hops > 0);
    hopped.push_return(me);
    assert_eq!(hopped.return_route().first(), Some(me));
    assert_eq!(hopped.return_route().len(), returns + 1);
    assert_eq!(hopped.payload(), message.payload());
    assert!(hopped.onward().iter().eq(message.onward().iter().skip(1)));
    assert!(hopped.return_route().iter().skip(1).eq(message.return_route().iter()));
    assert_eq!(hopped.tracing(), text.as_deref());
}

/// A message that is edited, folded and unfolded in any order stays what the simple model says it is.
pub fn message_operations(data: &[u8]) {
    if let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(data)) {
        scenario.run();
    }
}
