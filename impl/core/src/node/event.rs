//! What a node tells its owner.

use alloc::vec::Vec;

use crate::error::Error;
use crate::identity::Identifier;
use crate::routing::Address;

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
        /// The encoded list of credentials; not verified.
        credentials: Vec<u8>,
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
