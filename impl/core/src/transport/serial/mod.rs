//! Serial lines: frames of one transport message each, on a stream of bytes that loses, flips and inserts some.
//! An extension, Razor's own. Spec: "Serial transport".
//!
//! ```text
//! 00 | COBS( 01 | transport message | CRC-32C ) | 00
//! ```
//!
//! A [`Serial`] stands between a line and the framing of TCP: what it gives upwards is what a [`Tcp`](super::Tcp)
//! takes, and what that one transmits goes down through it.

mod frame;
#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use crate::env::Env;
use crate::error::Error;
use crate::machine::{Deadline, Machine, Refused, Snapshot, Transition};
use crate::routing::Message;
use crate::transport;

use self::frame::{Partial, encode};

/// The protocol version: the first byte of every frame's content.
pub const VERSION: u8 = 1;

/// What a line is configured with. Spec: "Limits".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The most bytes of one transport message, without what stands around it on the line.
    pub frame: u32,
    /// The most bytes that one [`Input::Received`] may hold.
    pub chunk: usize,
}

impl Config {
    /// What every receiver accepts at least.
    pub const FLOOR: Self = Self { frame: 2_048, chunk: transport::Config::FLOOR.chunk };

    /// The most that anyone may send, or be configured with.
    pub const CEILING: Self = Self { frame: 65_536, chunk: transport::Config::CEILING.chunk };

    /// What a line is configured with unless told otherwise.
    pub const DEFAULT: Self = Self { frame: 16_384, chunk: transport::Config::DEFAULT.chunk };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a line's framing takes.
#[derive(Debug)]
pub enum Input {
    /// A connection begins above the line.
    Connected,
    /// Bytes from the line, cut anywhere. Refused as full while earlier bytes are not drained.
    Received(Vec<u8>),
    /// What the connection above transmits: the payload of this message is one frame of TCP, or the opening byte.
    Send(Message),
}

/// What a line's framing gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the line: they are one frame.
    Write(Vec<u8>),
    /// The connection above received these bytes: the opening byte, or one whole frame of TCP.
    Deliver(Vec<u8>),
    /// A frame was dropped, and why; the line goes on.
    Dropped(Error),
}

/// How many frames a line has seen. Never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames that were sound.
    pub sound: u64,
    /// Frames that were dropped.
    pub dropped: u64,
}

/// The framing of one serial line, either side. Nothing on it is authenticated: all it holds of the peer is
/// provisional.
#[derive(Debug)]
pub struct Serial {
    config: Config,
    greeting: bool,
    write: Option<Vec<u8>>,
    received: Vec<u8>,
    position: usize,
    partial: Partial,
    counters: Counters,
}

impl Serial {
    /// A line of which nothing has been read.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            greeting: false,
            write: None,
            received: Vec::new(),
            position: 0,
            partial: Partial::default(),
            counters: Counters::default(),
        }
    }

    /// How the framing moves between its states.
    pub fn transitions() -> &'static [Transition] {
        const ROWS: [Transition; 7] = [
            Transition::new("[*]", "line is there", "Between frames"),
            Transition::new("Between frames", "00", "Between frames"),
            Transition::new("Between frames", "another byte", "In a frame"),
            Transition::new("In a frame", "00, sound / deliver", "Between frames"),
            Transition::new("In a frame", "00, not sound / drop", "Between frames"),
            Transition::new("In a frame", "more than the limit", "Skipping"),
            Transition::new("Skipping", "00 / drop", "Between frames"),
        ];
        &ROWS
    }

    /// The state that it is in, as the transition table names it.
    pub fn state(&self) -> &'static str {
        self.partial.state()
    }

    /// How many frames came.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a frame is to be written. It comes out before anything that was received.
    pub const fn writes(&self) -> bool {
        self.write.is_some()
    }

    /// Whether there is nothing left to poll for: all that came has been read.
    pub fn is_drained(&self) -> bool {
        !self.greeting && self.write.is_none() && self.received.is_empty()
    }

    /// Reads until one frame has ended or no bytes are left.
    fn read(&mut self) -> Option<Output> {
        let unread = self.received.get(self.position..).unwrap_or_default();
        let mut taken = 0_usize;
        let mut ended = None;
        for byte in unread {
            taken = taken.saturating_add(1);
            ended = self.partial.take(*byte, self.config.frame);
            if ended.is_some() {
                break;
            }
        }
        self.position = self.position.saturating_add(taken);
        if self.position >= self.received.len() {
            self.received = Vec::new();
            self.position = 0;
        }
        //= spec/src/serial.md#ser-10
        //# A dropped frame MUST NOT change what becomes of the frames after it.
        Some(match ended? {
            Ok(frame) => {
                self.counters.sound = self.counters.sound.saturating_add(1);
                Output::Deliver(frame)
            }
            Err(error) => {
                self.counters.dropped = self.counters.dropped.saturating_add(1);
                Output::Dropped(error)
            }
        })
    }
}

impl Machine for Serial {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, _: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        match input {
            Input::Connected => {
                self.greeting = !planted!(AwaitsOpeningByte);
                Ok(())
            }
            Input::Received(bytes) if !self.received.is_empty() => Err(Refused::Full(Input::Received(bytes))),
            //= spec/src/serial.md#ser-14
            //# A driver of a line MUST NOT hand over more bytes at once than the chunk limit.
            Input::Received(bytes) if bytes.len() > self.config.chunk => {
                Err(Error::misuse("SER-14", "more bytes at once than the limit of one input").into())
            }
            Input::Received(bytes) => {
                self.received = bytes;
                self.position = 0;
                Ok(())
            }
            //= spec/src/serial.md#ser-11
            //# The opening bytes of a connection MUST NOT be written on a line.
            Input::Send(message) if message.payload() == [transport::VERSION] && !planted!(WritesOpeningByte) => Ok(()),
            Input::Send(message) if self.write.is_some() => Err(Refused::Full(Input::Send(message))),
            Input::Send(message) => {
                self.write = Some(encode(message.payload())?);
                Ok(())
            }
        }
    }

    /// A line waits for nothing: a frame that does not end is ended by the next one.
    fn handle_timeout(&mut self, _: &mut Env<'_>) {}

    fn poll_output(&mut self) -> Option<Output> {
        //= spec/src/serial.md#ser-12
        //# A node MUST take the peer's opening byte for received when it begins a connection over a line.
        if core::mem::take(&mut self.greeting) {
            return Some(Output::Deliver(vec![transport::VERSION]));
        }
        self.write.take().map(Output::Write).or_else(|| self.read())
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn trusted(&self, picture: &mut Snapshot) {
        picture.number(self.config.frame.into());
    }

    fn provisional(&self) -> usize {
        self.received.capacity().saturating_add(self.partial.footprint())
    }

    fn provisional_limit(&self) -> usize {
        Partial::limit(self.config.frame).saturating_add(self.config.chunk)
    }
}
