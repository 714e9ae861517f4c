//! Frames, transport messages, routes, addresses, pings.

use razor::routing::{Limits, Route, TransportType};
use razor::wire::cbor::Reader;
use razor::{Error, Result};

use super::channel;
use super::item::{self, Item};
use super::kind::Keys;
use super::scribe::{Read, Scribe, Stop};

const TCP: Option<&str> = Some("TCP transport");
const ROUTING: Option<&str> = Some("Routing");

/// The largest transport message in a frame.
const FRAME_MAX: usize = 16 << 20;

/// The version byte and what follows it.
pub(crate) fn stream(bytes: &[u8], base: usize, keys: &Keys) -> Item {
    Scribe::explain("TCP stream", TCP, bytes, base, |s| {
        let version = s.raw("protocol version", 1)?;
        if version != [1] {
            s.fault(&Error::misbehaved("TCP-1", "the protocol version is not 1"));
            return Err(Stop);
        }
        while !s.is_at_end() {
            frame(s, keys)?;
        }
        Ok(())
    })
}

/// One or more frames.
pub(crate) fn frames(bytes: &[u8], base: usize, keys: &Keys) -> Item {
    Scribe::explain("TCP frames", TCP, bytes, base, |s| {
        frame(s, keys)?;
        while !s.is_at_end() {
            frame(s, keys)?;
        }
        Ok(())
    })
}

fn frame(s: &mut Scribe<'_>, keys: &Keys) -> Read {
    let offset = s.offset();
    let length = s.raw("frame length", 4)?;
    let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    s.note_value(&length.to_string());
    if length > FRAME_MAX {
        s.fault(&Error::limit("TCP-4", "a frame is longer than 16 MiB"));
        return Err(Stop);
    }
    let rest = s.rest();
    let Some(message) = rest.get(..length) else {
        let mut item = transport(rest, offset + 4, keys);
        item.name = "transport message, cut short".into();
        s.add(item);
        s.skip(rest.len());
        s.fault(&Error::malformed("COD-4", "the frame is longer than the bytes that are here"));
        return Err(Stop);
    };
    s.add(transport(message, offset + 4, keys));
    s.skip(length);
    Ok(())
}

/// A transport message.
pub(crate) fn transport(bytes: &[u8], base: usize, keys: &Keys) -> Item {
    Scribe::explain("transport message", TCP, bytes, base, |s| {
        // The tracing text may be absent; up to four unknown items may follow it.
        s.structure("message", None, &[3, 4, 5, 6, 7, 8], |s, count| {
            route_of(s, "onward route")?;
            route_of(s, "return route")?;
            let offset = s.offset();
            let payload = s.bytes("payload")?;
            let start = offset + razor::wire::cbor::head_len(payload.len() as u64);
            if let Some(item) = payload_of(payload, start, keys) {
                s.add(item);
            }
            if count > 3 {
                // `null` when a later version has left it out.
                s.field(
                    "tracing text",
                    |r| if r.null()? { Ok(None) } else { r.text(usize::MAX).map(Some) },
                    |text| text.map_or("none".into(), item::text),
                )?;
            }
            (4..count).try_for_each(|_| s.field("unknown item", Reader::skip, |()| "skipped (EXT-1)".into()))
        })
    })
}

/// What the payload of a transport message may be.
fn payload_of(payload: &[u8], base: usize, keys: &Keys) -> Option<Item> {
    if let Some(text) = bare_text(payload) {
        return Some(Item::new(base, payload.len(), "could be a BARE text", text));
    }
    let kind = super::kind::opaque(payload).into_iter().next()?;
    let mut item = kind.explain(payload, base, keys);
    item.name = format!("could be: {}", item.name);
    Some(item)
}

/// The text, if the payload is exactly one in BARE.
pub(crate) fn bare_text(payload: &[u8]) -> Option<String> {
    let mut reader = razor::wire::bare::Reader::new(payload);
    let text = reader.text(4096).ok()?;
    reader.finish().ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| format!("\"{}\"", text.escape_default()))
}

/// A route alone.
pub(crate) fn route(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("route", ROUTING, bytes, base, |s| route_of(s, "addresses"))
}

/// A route among other fields, checked against what anyone may send at most.
pub(crate) fn route_of(s: &mut Scribe<'_>, name: &str) -> Read {
    let offset = s.offset();
    let result = s.array(name, ROUTING, |s, count| {
        if count > u64::from(Limits::CEILING.hops) {
            // The announced number is not walked.
            return Ok(());
        }
        (0..count).try_for_each(|_| address_of(s))
    });
    let bytes = s.since(offset);
    match Route::decode(bytes, &Limits::CEILING) {
        Ok(route) => {
            s.note_value(&route.to_string());
            result
        }
        Err(error) => {
            if result.is_ok() {
                s.fault(&error);
            }
            Err(Stop)
        }
    }
}

/// An address alone.
pub(crate) fn address(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("address", ROUTING, bytes, base, address_of)
}

fn address_of(s: &mut Scribe<'_>) -> Read {
    s.structure("address", None, &[2], |s, _| {
        s.field("transport type", transport_type, |kind| format!("{kind} ({})", transport_name(*kind)))?;
        s.bytes("value").map(drop)
    })
}

fn transport_type(reader: &mut Reader<'_>) -> Result<u8> {
    u8::try_from(reader.uint()?).map_err(|_| Error::malformed("RTE-1", "a transport type is larger than 255"))
}

const fn transport_name(kind: u8) -> &'static str {
    match TransportType(kind) {
        TransportType::LOCAL => "local",
        TransportType::TCP => "TCP",
        TransportType::UDP => "UDP",
        TransportType::WEBSOCKET => "WebSocket",
        TransportType::BLE => "Bluetooth Low Energy",
        TransportType::UDS => "Unix domain socket",
        _ => "unknown",
    }
}

/// A session's ping: one number.
pub(crate) fn ping(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("session ping", Some("Sessions"), bytes, base, |s| {
        s.field("token", Reader::uint, |token| format!("{token:016x}")).map(drop)
    })
}

/// The two routes and the payload of a channel's Payload message.
pub(crate) fn routed(s: &mut Scribe<'_>) -> Read {
    s.structure("routed message", channel::CHANNELS, &[3], |s, _| {
        route_of(s, "onward route")?;
        route_of(s, "return route")?;
        let offset = s.offset();
        let payload = s.bytes("payload")?;
        if let Some(text) = bare_text(payload) {
            let start = offset + razor::wire::cbor::head_len(payload.len() as u64);
            s.add(Item::new(start, payload.len(), "could be a BARE text", text));
        }
        Ok(())
    })
}
