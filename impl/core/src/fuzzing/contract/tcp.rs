//! A TCP connection, and a peer who sends anything.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::time::Duration;

use crate::env::Env;
use crate::routing::{Message, Route, Tail};
use crate::transport::{Config, Input, Output, Tcp};
use arbitrary::Arbitrary;
#[cfg(test)]
use proptest::prelude::*;

use super::{Act, World, show};

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Step {
    /// These bytes arrive.
    Bytes(Vec<u8>),
    /// Frames arrive, cut into chunks of this size; the next step takes the rest.
    Frames(Vec<Frame>),
    /// A message for the peer.
    Send(u8, u16),
    Wait(u32),
}

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Frame {
    Message(u8, u16),
    Heartbeat,
    Garbage(Vec<u8>),
    /// A sound frame with one bit flipped.
    Flipped(u16),
    /// The length alone.
    Announced(u32),
}

/// Steps as in an honest life, with some hostility.
#[cfg(test)]
pub(super) fn step() -> impl Strategy<Value = Step> {
    let frame = prop_oneof![
        8 => (0..20u8, 0..300u16).prop_map(|(hops, size)| Frame::Message(hops, size)),
        1 => Just(Frame::Heartbeat),
        1 => any::<Vec<u8>>().prop_map(Frame::Garbage),
        1 => any::<u16>().prop_map(Frame::Flipped),
        1 => any::<u32>().prop_map(Frame::Announced),
    ];
    prop_oneof![
        1 => Just(Step::Bytes(vec![1])),
        1 => any::<Vec<u8>>().prop_map(Step::Bytes),
        6 => proptest::collection::vec(frame, 0..6).prop_map(Step::Frames),
        2 => (0..20u8, 0..3_000u16).prop_map(|(hops, size)| Step::Send(hops, size)),
        1 => (0..70_000u32).prop_map(Step::Wait),
    ]
}

/// The peer, who opens the connection properly half of the time.
pub(crate) struct Peer {
    opened: bool,
}

/// A route of `hops` addresses and a payload of `size` bytes.
pub(crate) fn message(hops: u8, size: u16) -> Message {
    let onward: Route = (0..hops)
        .map(|hop| format!("worker {hop}").as_str().into())
        .collect::<Vec<crate::routing::Address>>()
        .into_iter()
        .collect();
    Message::new(onward.as_ref(), Route::new().then("app").as_ref(), &vec![hops; size.into()])
}

/// The bytes of a frame.
pub(crate) fn frame(message: Message) -> Vec<u8> {
    let mut message = message;
    message.fold(&[0x83], Tail::Tracing);
    let mut bytes = u32::try_from(message.payload().len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(message.payload());
    bytes
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Frame::Message(hops, size) => frame(message(*hops, *size)),
            Frame::Heartbeat => vec![0, 0, 0, 4, 0x83, 0x80, 0x80, 0x40],
            Frame::Garbage(bytes) => bytes.clone(),
            Frame::Flipped(bit) => {
                let mut bytes = frame(message(3, 40));
                let bit = usize::from(*bit) % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            }
            Frame::Announced(length) => length.to_be_bytes().to_vec(),
        }
    }
}

impl World for Peer {
    type Machine = Tcp;
    type Step = Step;

    const OUTPUTS: usize = 2_000;

    fn new(env: &mut Env<'_>) -> (Self, Tcp) {
        let config = Config { frame: 2_000, chunk: 4_096, tracing: Some("{}".to_owned()), ..Config::default() };
        (Self { opened: false }, Tcp::new(config, env.now))
    }

    fn act(&mut self, step: &Step) -> Act<Tcp> {
        match step {
            Step::Bytes(bytes) => Act::Stranger(Input::Received(bytes.clone())),
            Step::Frames(frames) => {
                let opening = if std::mem::replace(&mut self.opened, true) { vec![] } else { vec![1] };
                let frames = frames.iter().flat_map(Frame::bytes);
                Act::Stranger(Input::Received(opening.into_iter().chain(frames).collect()))
            }
            Step::Send(hops, size) => Act::Input(Input::Send(message(*hops, *size))),
            Step::Wait(millis) => Act::Wait(Duration::from_millis((*millis).into())),
        }
    }

    fn take(&mut self, output: Output) -> String {
        match output {
            Output::Transmit(message) => format!("transmit {}", show(&message)),
            Output::Deliver(message) => format!("deliver {}", show(&message)),
            other => format!("{other:?}"),
        }
    }

    fn describe(input: &Input) -> String {
        match input {
            Input::Received(bytes) => format!("{bytes:?}"),
            Input::Send(message) => show(message),
        }
    }
}
