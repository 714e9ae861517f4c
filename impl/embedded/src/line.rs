//! One line: its framing, the connection above it, and what waits on either side.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use razor::env::Env;
use razor::machine::{Machine as _, Refused};
use razor::node::ConnectionId;
use razor::routing::Message;
use razor::transport::serial::{Config, Input, Output, Serial};

use crate::board::Board;

/// How many bytes are read from a line at once: they stand on the stack.
const READ: usize = 256;

/// A frame that is being written.
struct Writing {
    bytes: Vec<u8>,
    written: usize,
    /// Who is told, and of how many bytes of TCP.
    connection: ConnectionId,
    cost: u64,
}

pub(crate) struct Line {
    serial: Serial,
    /// The connection above; `None` when it was closed and the next has not begun.
    pub(crate) connection: Option<ConnectionId>,
    /// What the connection did not take.
    pub(crate) parked: Option<Vec<u8>>,
    /// At most what the node lets be on its way on a connection.
    writing: VecDeque<Writing>,
}

impl Line {
    pub(crate) fn new(config: Config) -> Self {
        Self { serial: Serial::new(config), connection: None, parked: None, writing: VecDeque::new() }
    }

    pub(crate) const fn counters(&self) -> razor::transport::serial::Counters {
        self.serial.counters()
    }

    /// A connection begins above the line. What it receives first comes back.
    pub(crate) fn connected(&mut self, env: &mut Env<'_>, id: ConnectionId) -> Option<Vec<u8>> {
        self.connection = Some(id);
        self.parked = None;
        //= spec/src/serial.md#ser-15
        //# A driver of a line MUST forget what a closed connection was to send, but for the frame that it has begun to write.
        let begun = self.writing.front().is_some_and(|first| first.written > 0);
        self.writing.truncate(begun.into());
        let _ = self.serial.handle(env, Input::Connected);
        match self.serial.poll_output() {
            Some(Output::Deliver(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Takes what a connection transmits. `false` when there is nothing to write.
    pub(crate) fn transmit(&mut self, env: &mut Env<'_>, connection: ConnectionId, frame: Message) -> bool {
        let cost = frame.payload().len() as u64;
        if let Err(refused) = self.serial.handle(env, Input::Send(frame)) {
            debug_assert!(matches!(refused, Refused::Error(_)), "what is to be written is taken at once");
            return false;
        }
        // What is to be written comes before anything that has been received.
        if !self.serial.writes() {
            return false;
        }
        let Some(Output::Write(bytes)) = self.serial.poll_output() else { return false };
        self.writing.push_back(Writing { bytes, written: 0, connection, cost });
        true
    }

    /// Writes as much as the line takes. The frames that are written, and whether anything was.
    pub(crate) fn write(&mut self, board: &mut impl Board, index: usize) -> (Option<(ConnectionId, u64)>, bool) {
        let Some(writing) = self.writing.front_mut() else { return (None, false) };
        let rest = writing.bytes.get(writing.written..).unwrap_or_default();
        let count = board.write(index, rest).min(rest.len());
        writing.written = writing.written.saturating_add(count);
        if writing.written < writing.bytes.len() {
            return (None, count > 0);
        }
        let done = self.writing.pop_front().map(|done| (done.connection, done.cost));
        (done, true)
    }

    /// What has come on the line, if the connection above can take more.
    pub(crate) fn read(&mut self, board: &mut impl Board, index: usize) -> Option<Vec<u8>> {
        if self.parked.is_some() || !self.serial.is_drained() {
            return None;
        }
        let mut bytes = [0; READ];
        let count = board.read(index, &mut bytes);
        bytes.get(..count).filter(|bytes| !bytes.is_empty()).map(<[u8]>::to_vec)
    }

    /// Takes bytes that were read.
    pub(crate) fn receive(&mut self, env: &mut Env<'_>, bytes: Vec<u8>) {
        let taken = self.serial.handle(env, Input::Received(bytes));
        debug_assert!(taken.is_ok(), "it was drained, and what is read at once is less than a chunk");
    }

    /// The next frame that the connection above can take. What was dropped is counted.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(parked) = self.parked.take() {
            return Some(parked);
        }
        loop {
            match self.serial.poll_output()? {
                Output::Deliver(frame) => return Some(frame),
                Output::Dropped(_) | Output::Write(_) => {}
            }
        }
    }
}
