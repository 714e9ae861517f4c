//! What a node tells its owner, and what its owner may tell a worker.

use alloc::vec::Vec;

use crate::error::Error;
use crate::identity::{Identifier, PresentedCredential};
use crate::routing::{Address, Route};

/// What the owner of a node may tell one of its workers. Stopping is not among them: the node stops it.
#[derive(Debug, Clone)]
pub enum Command {
    /// To an open secure channel: the way to the peer has changed. The peer's own address at the end stays.
    SetChannelRoute(Route),
    /// To an open secure channel: present these credentials to the peer.
    PresentCredentials {
        /// The own change history, encoded.
        history: Vec<u8>,
        /// What to present.
        credentials: Vec<PresentedCredential>,
    },
}

/// Something that the owner of a node may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was dropped, and why.
    Dropped {
        /// Whom it was for; `None` when its onward route was empty.
        to: Option<Address>,
        /// Why.
        error: Error,
    },
    /// A secure channel is open in both directions as far as this side knows.
    ChannelOpened {
        /// The address that applications send to.
        encryptor: Address,
        /// The address that the peer sends to.
        decryptor: Address,
        /// Who the peer proved to be.
        peer: Identifier,
        /// The hash of the handshake: the same at both ends and in no other channel, to bind to it what is above it.
        handshake_hash: [u8; 32],
    },
    /// A secure channel could not be established.
    ChannelFailed {
        /// The address that would have been the encryptor.
        encryptor: Address,
        /// Why.
        error: Error,
    },
    /// A secure channel is closed.
    ChannelClosed {
        /// The address that applications sent to.
        encryptor: Address,
    },
    /// The peer of an open secure channel presents credentials.
    ChannelCredentials {
        /// The address that applications send to.
        encryptor: Address,
        /// Of the right form, and not verified.
        credentials: Vec<PresentedCredential>,
    },
    /// A session is up again.
    SessionUp {
        /// The session's worker.
        session: Address,
    },
    /// A session's peer is declared dead.
    SessionDown {
        /// The session's worker.
        session: Address,
    },
}
