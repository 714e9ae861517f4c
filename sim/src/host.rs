//! What stands at a place in the line: the seam between a world and what it examines.
//!
//! A world drives hosts through this trait alone. A host may be broken on purpose, to prove that a
//! checker notices.

use razor::channel::Places;
use razor::env::Instant;
use razor::error::Error;
use razor::identity::Identifier;
use razor::machine::{Deadline, Snapshot};
use razor::routing::Address;

pub use crate::adversary::Side;

/// The address of the application worker of every node.
pub const APP: &str = "app";

/// The address of the worker of every node that sends messages on from one connection to another.
pub const HOP: &str = "hop";

/// The address of the secure channel listener of every node that has one.
pub const LISTENER: &str = "api";

/// For whom a delivered message speaks, as its receiver was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This very node.
    Local,
    /// An unauthenticated connection.
    Connection,
    /// The peer of a secure channel.
    Peer(Identifier),
}

/// What a host is given.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection is up on this side.
    Connected(Side),
    /// The connection on this side is gone.
    Disconnected(Side),
    /// Bytes came in on this side.
    Bytes(Side, Vec<u8>),
    /// Open a secure channel along this route; its events carry `tag`.
    Open {
        /// The world's number for the channel.
        tag: usize,
        /// The route, ending with a listener.
        route: Vec<Address>,
        /// The identity that the responder must prove.
        expect: Identifier,
    },
    /// The application sends a message along this route.
    Say {
        /// The route.
        route: Vec<Address>,
        /// The payload.
        payload: Vec<u8>,
    },
    /// Time has passed.
    Timeout,
}

/// What a host gives.
#[derive(Debug, Clone)]
pub enum Output {
    /// Bytes go out on this side: whole frames, or the byte that opens a connection.
    Transmit(Side, Vec<u8>),
    /// The host gives up the connection on this side.
    Disconnect(Side),
    /// The application received a message.
    Delivered {
        /// The payload.
        payload: Vec<u8>,
        /// For whom it speaks.
        origin: Origin,
        /// Where an answer goes; through a channel, the first address is the local encryptor.
        back: Vec<Address>,
    },
    /// A channel is open at this end.
    Opened {
        /// The world's number, at the end that opened it.
        tag: Option<usize>,
        /// The address that applications send to.
        encryptor: Address,
        /// Who the peer proved to be.
        peer: Identifier,
    },
    /// A channel could not be opened.
    Failed {
        /// The world's number, at the end that opened it.
        tag: Option<usize>,
        /// Why.
        error: Error,
    },
    /// A channel is closed.
    Closed {
        /// The address that applications sent to.
        encryptor: Address,
    },
    /// A message was dropped.
    Dropped(Error),
}

/// What stands at a place in the line.
pub trait Host {
    /// Takes an input.
    fn handle(&mut self, now: Instant, input: Input);

    /// The next output; drained until `None` after every input.
    fn poll(&mut self) -> Option<Output>;

    /// When it wants to be called.
    fn deadline(&self) -> Option<Deadline>;

    /// Its trusted state.
    fn trusted(&self) -> Snapshot;

    /// Its provisional state in bytes, and the most that it may be.
    fn provisional(&self) -> (usize, usize);

    /// The peer of each channel that its listener holds open, and what that listener bears; nothing without one.
    fn guests(&self) -> Option<(Vec<Identifier>, Places)>;

    /// Its identity.
    fn identifier(&self) -> Identifier;

    /// The address of the connection on this side, while it is up.
    fn connection(&self, side: Side) -> Option<Address>;

    /// The faults are over: what it asks of others is answered at once.
    fn heal(&mut self) {}

    /// What must never be seen on a link: public keys of its identity, for a start.
    fn secrets(&self) -> Vec<Vec<u8>>;
}
