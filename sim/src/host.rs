//! What stands at a place of the network: the seam between a world and what it examines.
//!
//! A world drives hosts through this trait alone. A host may be broken on purpose, to prove that a
//! checker notices.

use std::time::Duration;

use razor::channel::Places;
use razor::env::{Instant, Timestamp};
use razor::error::Error;
use razor::identity::Identifier;
use razor::machine::{Deadline, Snapshot};
use razor::routing::Address;

use crate::adversary::Lie;
use crate::checker::{Book, Bytes32};

/// The address of the application worker of every node.
pub const APP: &str = "app";

/// The address of the worker of every node that sends messages on from one connection to another.
pub const HOP: &str = "hop";

/// The address of the secure channel listener of every node.
pub const LISTENER: &str = "api";

/// The address of a listener of a node that shows several faces: of the first, that of every listener.
pub fn mask(number: usize) -> Address {
    if number == 0 { LISTENER.into() } else { Address::local(&format!("{LISTENER}-{number}")) }
}

/// The address of the worker of every node that sends payloads back.
pub const ECHO: &str = "echo";

/// An inbox of every node that nobody may reach from outside: it is no consumer of anything.
pub const INTERNAL: &str = "internal";

/// An inbox of every node that only peers of channels may reach.
pub const GUARDED: &str = "guarded";

/// An inbox of every node that only the node itself may reach.
pub const PRIVATE: &str = "private";

/// A worker of every node that sends messages on to the application, and to nobody else.
pub const NARROW: &str = "narrow";

/// The first address of a worker of every node that sends payloads back, and its second, which nobody may reach from
/// outside.
pub const FRONT: &str = "front";

/// The second.
pub const REAR: &str = "rear";

/// The third, which only the node itself may reach.
pub const SHUT: &str = "shut";

/// An inbox of every node for others alone: for identities that nobody has, whose names differ from those of this world
/// in the last bit.
pub const MEMBERS: &str = "members";

/// The address of a listener of every node that trusts those same others, and nobody else.
pub const CLOSED: &str = "closed";

/// An inbox of every node that is reached through the channels of that listener alone.
pub const BACKROOM: &str = "backroom";

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

/// What a host is given. Links are numbered as in the plan.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection over this link is up.
    Connected {
        /// The link.
        link: usize,
        /// Whether the world says when bytes have left: the link is slow. Otherwise they leave at once.
        slow: bool,
    },
    /// The connection over this link is gone.
    Disconnected(usize),
    /// Bytes came in over this link.
    Bytes(usize, Vec<u8>),
    /// So many bytes have left over this link.
    Left(usize, u64),
    /// Open a secure channel along this route; its events carry `tag`.
    Open {
        /// The world's number for the channel.
        tag: usize,
        /// The route, ending with a listener.
        route: Vec<Address>,
        /// The identity that the responder must prove.
        expect: Identifier,
        /// Whether a session keeps the channel.
        kept: bool,
    },
    /// The application sends a message along this route.
    Say {
        /// The route.
        route: Vec<Address>,
        /// The payload.
        payload: Vec<u8>,
    },
    /// The owner of a channel closes it.
    Close {
        /// The address that it sends to.
        encryptor: Address,
    },
    /// Whoever has papers of a victim presents them anew through a channel of its own.
    PresentAnother {
        /// The address that it sends to.
        encryptor: Address,
    },
    /// The wall clock jumps by so many seconds.
    Clock(i64),
    /// The identity gets another key, and the static key another attestation.
    Rotate,
    /// The machine starts again after a crash: all connections and channels are gone. What it had stored is there,
    /// unless it `forgets` everything, its keys included.
    Restart {
        /// Whether it forgets everything.
        forgets: bool,
    },
    /// Time has passed.
    Timeout,
}

/// What a host gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes go out over this link: whole frames, or the byte that opens a connection.
    Transmit(usize, Vec<u8>),
    /// The host gives up the connection over this link.
    Disconnect(usize),
    /// The application received a message.
    Delivered {
        /// The payload.
        payload: Vec<u8>,
        /// For whom it speaks.
        origin: Origin,
        /// Where an answer goes; through a channel, the first address is the local encryptor.
        back: Vec<Address>,
    },
    /// A message came to a worker that is not for whoever sent it.
    Trespassed {
        /// The worker.
        worker: Address,
    },
    /// A channel is open at this end.
    Opened {
        /// The world's number, at the end that opened it; a session's channels have none.
        tag: Option<usize>,
        /// The address that applications send to.
        encryptor: Address,
        /// Who the peer proved to be.
        peer: Identifier,
        /// The hash of the handshake: the same at both ends and in no other channel.
        handshake: [u8; 32],
    },
    /// A session is kept from now on.
    Kept {
        /// The world's number.
        tag: usize,
        /// The address that applications send to, whichever channel is behind it.
        way: Address,
    },
    /// A session has a channel, or has none any more.
    Session {
        /// The world's number.
        tag: usize,
        /// Whether it has one.
        up: bool,
    },
    /// The peer of a channel has presented itself anew.
    Presented {
        /// The address that applications send to.
        encryptor: Address,
    },
    /// A channel is open, and the store has not given what it takes to accept its peer.
    Unstored {
        /// The peer.
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

/// What a host was made to do since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Diffie-Hellman operations, and keys made for them.
    pub agreements: u64,
    /// Texts sealed or opened.
    pub texts: u64,
    /// Questions to its vault and its store.
    pub requests: u64,
}

/// What a host holds of what nobody has authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burden {
    /// Bytes.
    pub held: usize,
    /// The most that they may be.
    pub limit: usize,
    /// What is beyond the bounds that it has itself, in words.
    pub overdrawn: Option<String>,
}

/// Who a host is, and what it shows to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// Its identity.
    pub identifier: Identifier,
    /// How many times the identity has changed its key.
    pub rotations: usize,
    /// From when to when the attestation that it shows is valid.
    pub attested: (Timestamp, Timestamp),
}

/// Which papers a node showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which of its faces.
    pub face: usize,
    /// How often the identity has changed its key in them, at least.
    pub rotations: usize,
    /// Why they are false, if they are.
    pub lie: Option<Lie>,
    /// Whether their signatures are not those that were made, but others that are as good.
    pub malleated: bool,
    /// From when to when they say that its static key is attested.
    pub attested: (Timestamp, Timestamp),
}

/// What stands at a place of the network.
pub trait Host {
    /// Takes an input.
    fn handle(&mut self, now: Instant, input: Input);

    /// The next output; drained until `None` after every input.
    fn poll(&mut self) -> Option<Output>;

    /// When it wants to be called.
    fn deadline(&self) -> Option<Deadline>;

    /// Its trusted state.
    fn trusted(&self) -> Snapshot;

    /// What it holds of what nobody has authenticated.
    fn burden(&self) -> Burden;

    /// Whether bytes wait that it could not take yet: what it does next may be because of them.
    fn is_behind(&self) -> bool {
        false
    }

    /// How many workers it has, those of strangers included.
    fn workers(&self) -> usize {
        0
    }

    /// How many channels with this peer are open that the world did not ask for: a session's, or the peer's.
    fn unasked(&self, _peer: &Identifier) -> usize {
        0
    }

    /// The history of an identity that it has stored.
    fn stored(&self, _identifier: &Identifier) -> Option<Vec<u8>> {
        None
    }

    /// What it had to do since the last call.
    fn work(&mut self) -> Work {
        Work::default()
    }

    /// How many workers it has that belong to nothing which is open.
    fn leftovers(&self) -> usize {
        0
    }

    /// The peer of each channel that its listener holds open, and what that listener bears.
    fn guests(&self) -> Option<(Vec<Identifier>, Places)>;

    /// How many strangers its store knows, and how many bytes their histories share, if that is few.
    fn strangers(&self) -> Option<(usize, usize)> {
        None
    }

    /// Everybody that it is: most are one.
    fn names(&self) -> Vec<Identifier> {
        vec![self.face().identifier]
    }

    /// Who it is.
    fn face(&self) -> Face;

    /// What it shows in its attempt of this number to open a channel; or where others open one to it.
    fn shown(&self, attempt: Option<usize>) -> Shown {
        let _ = attempt;
        Shown { face: 0, rotations: self.face().rotations, lie: None, malleated: false, attested: self.face().attested }
    }

    /// What its wall clock shows at `now`.
    fn wall(&self, now: Instant) -> Timestamp;

    /// The address of the connection over this link, while it is up.
    fn connection(&self, link: usize) -> Option<Address>;

    /// Nothing is checked: it need not count along.
    fn unchecked(&mut self) {}

    /// The faults are over: from now on what it asks of its vault and its store is answered at once.
    fn heal(&mut self) {}

    /// How long its vault and its store may take for an answer.
    fn lateness(&self) -> Duration {
        Duration::ZERO
    }

    /// The secret half of an ephemeral key that it has made, for a checker that knows everything.
    fn secret_of(&mut self, _public: &Bytes32) -> Option<Bytes32> {
        None
    }

    /// The book that its channels are to go by, if there is one.
    fn book(&self) -> Option<Book> {
        None
    }

    /// What must never be seen on a link: public keys of its identity, for a start.
    fn secrets(&self) -> Vec<Vec<u8>>;
}
