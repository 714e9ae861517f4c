//! The framing of a serial line, and a line on which anything may come.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::time::Duration;

use crate::env::Env;
use crate::routing::Message;
use crate::transport::serial::{Config, Input, Output, Serial};
use arbitrary::Arbitrary;
#[cfg(test)]
use proptest::prelude::*;

use super::{Act, World, show};

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Step {
    /// A connection begins above the line.
    Connected,
    /// These bytes arrive.
    Bytes(Vec<u8>),
    /// The last frame that was written comes back, with a bit flipped or not.
    Back(Option<u16>),
    /// The connection above transmits these bytes.
    Send(Vec<u8>),
    Wait(u32),
}

/// Steps as in the life of a line, with some noise.
#[cfg(test)]
pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Connected),
        2 => any::<Vec<u8>>().prop_map(Step::Bytes),
        4 => any::<Option<u16>>().prop_map(Step::Back),
        4 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Step::Send),
        1 => (0..70_000u32).prop_map(Step::Wait),
    ]
}

/// The other end of the line.
pub(crate) struct Line {
    written: Vec<u8>,
}

impl World for Line {
    type Machine = Serial;
    type Step = Step;

    const OUTPUTS: usize = 2_000;

    fn new(_: &mut Env<'_>) -> (Self, Serial) {
        (Self { written: Vec::new() }, Serial::new(Config { frame: 200, chunk: 1_000 }))
    }

    fn act(&mut self, step: &Step) -> Act<Serial> {
        match step {
            Step::Connected => Act::Input(Input::Connected),
            Step::Bytes(bytes) => Act::Stranger(Input::Received(bytes.clone())),
            Step::Back(flipped) => {
                let mut bytes = self.written.clone();
                if let Some(bit) = flipped.map(usize::from).filter(|_| !bytes.is_empty()) {
                    let at = bit / 8 % bytes.len();
                    bytes[at] ^= 1 << (bit % 8);
                }
                Act::Stranger(Input::Received(bytes))
            }
            Step::Send(bytes) => Act::Input(Input::Send(Message::raw(bytes.clone(), 0))),
            Step::Wait(millis) => Act::Wait(Duration::from_millis((*millis).into())),
        }
    }

    fn take(&mut self, output: Output) -> String {
        let seen = format!("{output:?}");
        if let Output::Write(bytes) = output {
            self.written = bytes;
        }
        seen
    }

    fn describe(input: &Input) -> String {
        match input {
            Input::Connected => "connected".into(),
            Input::Received(bytes) => format!("{bytes:?}"),
            Input::Send(message) => show(message),
        }
    }
}
