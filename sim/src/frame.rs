//! Frames as an outsider sees them: the length, two routes in the clear, an opaque payload.
//!
//! The adversary reads and writes the wire with the codec that honest nodes use.

use razor::error::Result;
use razor::routing::{Address, Limits, Message, Route, RouteRef, Tail};
use razor::wire::cbor::{self, Reader};

/// The bytes of a frame's length.
pub const LENGTH: usize = 4;

/// Bytes before the CBOR array's first item: the frame's length and the array's head.
pub const BEFORE: usize = LENGTH + 1;

/// The head of the array without a tracing text.
pub const PLAIN: u8 = 0x83;

/// The head of the array with one.
const WITH_TRACING: u8 = 0x84;

/// A frame taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it goes.
    pub onward: Vec<Address>,
    /// Where an answer goes.
    pub back: Vec<Address>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The tracing text.
    pub tracing: Option<String>,
}

/// A whole frame as it stands: nothing of it is copied.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    /// Where it goes.
    pub onward: RouteRef<'a>,
    /// Where an answer goes.
    pub back: RouteRef<'a>,
    /// The payload.
    pub payload: &'a [u8],
    /// The tracing text.
    pub tracing: Option<&'a str>,
}

impl<'a> View<'a> {
    /// Looks at a whole frame, with limits wide enough for anything a node sends.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes.get(BEFORE..).unwrap_or_default());
        let onward = RouteRef::read(&mut reader, &Limits::CEILING)?;
        let back = RouteRef::read(&mut reader, &Limits::CEILING)?;
        let payload = reader.bytes(usize::MAX)?;
        let traced = bytes.get(LENGTH) == Some(&WITH_TRACING);
        let tracing = if traced { Some(reader.text(usize::MAX)?) } else { None };
        Ok(Self { bytes, onward, back, payload, tracing })
    }

    /// Whether there is nothing but the frame, in its one encoding: it is the shortest.
    pub fn is_exact(&self) -> bool {
        let string = |length: usize| cbor::head_len(length as u64) + length;
        // An address that was read has one encoding.
        let route = |route: RouteRef<'_>| cbor::head_len(route.len() as u64) + route.items().len();
        let (head, tracing) = self.tracing.map_or((PLAIN, 0), |text| (WITH_TRACING, string(text.len())));
        let length = BEFORE + route(self.onward) + route(self.back) + string(self.payload.len()) + tracing;
        let announced = ((length - LENGTH) as u32).to_be_bytes();
        self.bytes.len() == length && self.bytes.starts_with(&announced) && self.bytes.get(LENGTH) == Some(&head)
    }

    /// The message in it.
    pub fn message(&self) -> Message {
        let mut message = Message::new(self.onward, self.back, self.payload);
        message.set_tracing(self.tracing);
        message
    }
}

impl From<&Message> for Frame {
    fn from(message: &Message) -> Self {
        Self {
            onward: addresses(message.onward()),
            back: addresses(message.return_route()),
            payload: message.payload().to_vec(),
            tracing: message.tracing().map(str::to_owned),
        }
    }
}

/// The addresses of a route.
pub fn addresses(route: RouteRef<'_>) -> Vec<Address> {
    route.iter().map(|address| address.to_owned()).collect()
}

impl Frame {
    /// Takes a whole frame apart.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let View { onward, back, payload, tracing, .. } = View::new(bytes)?;
        let (onward, back) = (addresses(onward), addresses(back));
        Ok(Self { onward, back, payload: payload.to_vec(), tracing: tracing.map(str::to_owned) })
    }

    /// Puts it together again.
    pub fn encode(&self) -> Vec<u8> {
        let route = |addresses: &[Address]| addresses.iter().cloned().collect::<Route>();
        let mut message = Message::new(route(&self.onward).as_ref(), route(&self.back).as_ref(), &self.payload);
        message.set_tracing(self.tracing.as_deref());
        let head = if self.tracing.is_some() { WITH_TRACING } else { PLAIN };
        message.fold(&[head], Tail::Tracing);
        let mut bytes = (message.payload().len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(message.payload());
        bytes
    }

    /// What the payload looks like to somebody without keys.
    pub fn kind(&self) -> Kind {
        match self.payload.first_chunk::<8>() {
            Some(nonce) if nonce[..4] == [0; 4] && self.payload.len() >= 24 => {
                Kind::Channel(u64::from_be_bytes(*nonce))
            }
            _ if self.payload.len() == 32 => Kind::FirstMessage,
            _ if self.payload.len() >= 32 + 48 => Kind::Handshake,
            _ => Kind::Other,
        }
    }
}

/// What a payload looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Message 1 of a handshake.
    FirstMessage,
    /// Message 2 or 3 of a handshake.
    Handshake,
    /// A channel message with this nonce.
    Channel(u64),
    /// Something else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_taken_apart_is_put_together_again_byte_for_byte() {
        for tracing in [None, Some("{}".to_owned())] {
            let frame = Frame {
                onward: vec!["hop".into(), "echo".into()],
                back: vec!["app".into()],
                payload: vec![7; 300],
                tracing,
            };
            let bytes = frame.encode();
            assert!(View::new(&bytes).unwrap().is_exact());
            assert_eq!(bytes.len(), 4 + u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize);
            assert_eq!(Frame::decode(&bytes).unwrap(), frame);
        }
    }

    #[test]
    fn the_published_frame_reads_as_published() {
        let bytes = [
            0, 0, 0, 0x13, 0x83, 0x81, 0x82, 0, 0x44, 0x65, 0x63, 0x68, 0x6f, 0x81, 0x82, 0, 0x43, 0x61, 0x70, 0x70,
            0x42, 1, 2,
        ];
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!((frame.onward, frame.back, frame.payload), (vec!["echo".into()], vec!["app".into()], vec![1, 2]));
    }
}
