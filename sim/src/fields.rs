//! The fields of a frame, each with its place in the bytes.

use razor::error::{Error, Result};
use razor::routing::{Limits, Route};
use razor::wire::cbor::{EXTENSION_ITEMS, Reader};
use serde::Serialize;

use crate::contents::Content;
use crate::frame::LENGTH;

/// Bytes of an authentication tag.
const TAG: usize = 16;

/// Addresses of a route that are shown one by one; a frame holds up to millions.
const HOPS_SHOWN: u64 = 32;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where it begins.
    pub at: usize,
    /// How many bytes it takes.
    pub len: usize,
    /// How deep it lies in others.
    pub depth: u8,
    /// What it is.
    pub name: &'static str,
    /// What it says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// The fields of a frame, as far as it can be read; what is wrong with it then.
pub fn fields(bytes: &[u8], content: Content) -> Vec<Field> {
    let mut fields = Fields(Vec::new());
    if let Err(error) = fields.frame(bytes, content) {
        let at = fields.0.last().map_or(0, |last| last.at + last.len).min(bytes.len());
        fields.add(at, bytes.len() - at, 0, "cannot be read", error.to_string());
    }
    fields.0
}

struct Fields(Vec<Field>);

impl Fields {
    fn add(&mut self, at: usize, len: usize, depth: u8, name: &'static str, value: impl Into<String>) {
        self.0.push(Field { at, len, depth, name, value: value.into() });
    }

    fn frame(&mut self, bytes: &[u8], content: Content) -> Result<()> {
        let (length, message) =
            bytes.split_first_chunk::<LENGTH>().ok_or(Error::malformed("TCP-3", "a frame is cut short"))?;
        self.add(0, LENGTH, 0, "frame length", u32::from_be_bytes(*length).to_string());
        let mut reader = Reader::new(message);
        let items = reader.array()?;
        self.add(LENGTH, reader.position(), 0, "transport message", format!("{items} items"));
        self.route(&mut reader, "onward route")?;
        self.route(&mut reader, "return route")?;
        let start = reader.position();
        let payload = reader.bytes(message.len())?;
        let end = LENGTH + reader.position();
        self.add(LENGTH + start, end - LENGTH - start, 0, "payload", format!("{} bytes", payload.len()));
        self.payload(payload, end - payload.len(), content);
        let unknown = Error::limit("EXT-1", "too many unknown items follow the known ones");
        for item in 3..items {
            if item > 3 + EXTENSION_ITEMS {
                return Err(unknown);
            }
            let start = reader.position();
            reader.skip()?;
            let name = if item == 3 { "tracing text" } else { "unknown item" };
            self.add(LENGTH + start, reader.position() - start, 0, name, "");
        }
        Ok(())
    }

    fn route(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Result<()> {
        let start = reader.position();
        let hops = reader.array()?;
        let place = self.0.len();
        for hop in 0..hops {
            let start = reader.position();
            reader.skip()?;
            if hop < HOPS_SHOWN {
                self.add(LENGTH + start, reader.position() - start, 1, "address", "");
            }
        }
        let encoded = reader.since(start);
        let route = Route::decode(encoded, &Limits::CEILING)?;
        for (field, address) in self.0.iter_mut().skip(place).zip(route.as_ref().iter()) {
            field.value = address.to_string();
        }
        let value = match hops {
            0 => "empty".into(),
            1..=HOPS_SHOWN => route.to_string(),
            _ => format!("{hops} addresses"),
        };
        self.0.insert(place, Field { at: LENGTH + start, len: encoded.len(), depth: 0, name, value });
        Ok(())
    }

    fn payload(&mut self, payload: &[u8], at: usize, content: Content) {
        match content {
            Content::Handshake(1) => {
                self.parts(payload.len(), at, &[("ephemeral key of the initiator", 32)], "payload")
            }
            Content::Handshake(2) => self.sealed(
                payload.len(),
                at,
                &[
                    ("ephemeral key of the responder", 32),
                    ("static key of the responder, encrypted", 32),
                    ("its tag", TAG),
                ],
                "papers of the responder, encrypted",
            ),
            Content::Handshake(_) => self.sealed(
                payload.len(),
                at,
                &[("static key of the initiator, encrypted", 32), ("its tag", TAG)],
                "papers of the initiator, encrypted",
            ),
            Content::Channel { nonce, .. } => {
                self.sealed(payload.len(), at, &[("nonce", 8)], "message, encrypted");
                let interval = format!("{nonce}: message {} of rekeying interval {}", nonce % 32, nonce / 32);
                self.0.iter_mut().rev().filter(|field| field.name == "nonce").take(1).for_each(|field| {
                    field.value.clone_from(&interval);
                });
            }
            Content::Other => {}
        }
    }

    /// Parts of known lengths, then the rest without its tag, then its tag.
    fn sealed(&mut self, len: usize, at: usize, parts: &[(&'static str, usize)], rest: &'static str) {
        self.parts(len.saturating_sub(TAG), at, parts, rest);
        self.add(at + len.saturating_sub(TAG), TAG.min(len), 1, "tag", "");
    }

    fn parts(&mut self, len: usize, at: usize, parts: &[(&'static str, usize)], rest: &'static str) {
        let mut offset = 0;
        for (name, part) in parts {
            if offset + part > len {
                break;
            }
            self.add(at + offset, *part, 1, name, "");
            offset += part;
        }
        if offset < len {
            self.add(at + offset, len - offset, 1, rest, "");
        }
    }
}

/// The names of the fields that a frame does not share with another, as that was before. Of fields in fields, the inner
/// ones.
pub fn changed(before: &[u8], after: &[u8], content: Content) -> Vec<&'static str> {
    let bytes = |bytes: &[u8], field: &Field| bytes.get(field.at..field.at + field.len).unwrap_or_default().to_vec();
    let known: Vec<(&str, Vec<u8>)> =
        fields(before, content).iter().map(|field| (field.name, bytes(before, field))).collect();
    let own = fields(after, content);
    let inner = own.iter().filter(|field| !matches!(field.name, "frame length" | "transport message" | "address"));
    let new = inner.filter(|field| {
        !(field.name == "payload" && own.iter().any(|inner| inner.at >= field.at && inner.depth > field.depth))
    });
    let new = new.filter(|field| !known.contains(&(field.name, bytes(after, field))));
    new.map(|field| field.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    fn read(payload: Vec<u8>, content: Content) -> Vec<Field> {
        let (onward, back) = (vec!["hop".into(), "api".into()], vec!["app".into()]);
        fields(&Frame { onward, back, payload, tracing: None }.encode(), content)
    }

    #[test]
    fn the_outermost_fields_of_a_frame_lie_side_by_side() {
        let payload = [&7u64.to_be_bytes()[..], &[0; 40]].concat();
        let found = read(payload, Content::Channel { nonce: 7, message: None });
        for depth in 0..=1 {
            let level: Vec<_> = found.iter().filter(|field| field.depth == depth).collect();
            assert!(level.windows(2).all(|pair| pair[0].at + pair[0].len <= pair[1].at), "{found:#?}");
        }
        let value = |name| found.iter().find(|field| field.name == name).map(|field| field.value.as_str());
        assert_eq!(value("onward route"), Some("0#hop => 0#api"));
        assert_eq!(value("nonce"), Some("7: message 7 of rekeying interval 0"));
        assert_eq!(value("tag"), Some(""));
    }

    #[test]
    fn handshake_messages_are_cut_where_their_parts_end() {
        let parts = |len, message| {
            let found = read(vec![1; len], Content::Handshake(message));
            let payload = found.iter().filter(|field| field.depth == 1 && field.name != "address");
            payload.map(|field| field.len).collect::<Vec<_>>()
        };
        assert_eq!(parts(32, 1), [32]);
        assert_eq!(parts(200, 2), [32, 32, 16, 104, 16]);
        assert_eq!(parts(200, 3), [32, 16, 136, 16]);
    }

    #[test]
    fn what_was_changed_is_named_by_its_field() {
        let frame = |last: u8, hop: &str| {
            let payload = [&9u64.to_be_bytes()[..], &[1; 30], &[last; 16]].concat();
            Frame { onward: vec![hop.into()], back: Vec::new(), payload, tracing: None }.encode()
        };
        let changed = |before: Vec<u8>, after: Vec<u8>| {
            super::changed(&before, &after, Content::Channel { nonce: 9, message: None })
        };
        assert_eq!(changed(frame(1, "a"), frame(1, "a")), [""; 0]);
        assert_eq!(changed(frame(1, "a"), frame(2, "a")), ["tag"]);
        assert_eq!(changed(frame(1, "a"), frame(1, "b")), ["onward route"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for bytes in [&[0, 0][..], &[0, 0, 0, 9, 0x83, 0x9b], &[0, 0, 0, 4, 0x83, 0x81, 0x82, 0x00]] {
            let last = fields(bytes, Content::Other).pop().expect("at least that");
            assert_eq!(last.name, "cannot be read");
            assert!(last.value.contains('['), "{}", last.value);
        }
    }
}
