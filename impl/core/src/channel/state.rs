//! The states of a channel and the moves between them. The machine makes no other move.

use crate::machine::Transition;

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// Initiator: message 1 is sent.
    AwaitMessage2,
    /// Responder: the vault is asked to combine the static key for message 2.
    AwaitKeyForMessage2,
    /// Responder: message 2 is sent.
    AwaitMessage3,
    /// The peer's presentation is verified; the store is asked what it knows of the peer.
    LoadPeer,
    /// The store is asked to keep the peer's history.
    StorePeer,
    /// Initiator: the vault is asked to combine the static key for message 3.
    AwaitKeyForMessage3,
    /// Open in both directions as far as this side knows.
    Open,
    /// Over; no secret is left.
    Closed,
}

impl State {
    /// Its name in traces and diagrams.
    pub const fn name(self) -> &'static str {
        match self {
            State::AwaitMessage2 => "AwaitMessage2",
            State::AwaitKeyForMessage2 => "AwaitKeyForMessage2",
            State::AwaitMessage3 => "AwaitMessage3",
            State::LoadPeer => "LoadPeer",
            State::StorePeer => "StorePeer",
            State::AwaitKeyForMessage3 => "AwaitKeyForMessage3",
            State::Open => "Open",
            State::Closed => "Closed",
        }
    }
}

/// Every move of the machine.
pub(super) const TRANSITIONS: &[Transition] = &[
    Transition::new("[*]", "initiate / message 1", "AwaitMessage2"),
    Transition::new("[*]", "message 1 / ask vault", "AwaitKeyForMessage2"),
    Transition::new("AwaitKeyForMessage2", "key / message 2", "AwaitMessage3"),
    Transition::new("AwaitMessage2", "verified message 2 / ask store", "LoadPeer"),
    Transition::new("AwaitMessage3", "verified message 3 / ask store", "LoadPeer"),
    Transition::new("LoadPeer", "history refused", "AwaitMessage2"),
    Transition::new("LoadPeer", "history new or newer / ask store", "StorePeer"),
    Transition::new("LoadPeer", "history known / ask vault", "AwaitKeyForMessage3"),
    Transition::new("LoadPeer", "history known", "Open"),
    Transition::new("StorePeer", "kept / ask vault", "AwaitKeyForMessage3"),
    Transition::new("StorePeer", "kept", "Open"),
    Transition::new("AwaitKeyForMessage3", "key / message 3", "Open"),
    Transition::new("AwaitMessage2", "timeout or stop", "Closed"),
    Transition::new("AwaitKeyForMessage2", "timeout, failure or stop", "Closed"),
    Transition::new("AwaitMessage3", "timeout, authentic but refused message 3, or stop", "Closed"),
    Transition::new("LoadPeer", "timeout, failure or stop", "Closed"),
    Transition::new("StorePeer", "timeout, failure or stop", "Closed"),
    Transition::new("AwaitKeyForMessage3", "timeout, failure or stop", "Closed"),
    Transition::new("Open", "stop / Close", "Closed"),
    Transition::new("Open", "Close", "Closed"),
    Transition::new("Closed", "gone", "[*]"),
];

/// Whether the table has this move.
pub(super) fn allows(from: State, to: State) -> bool {
    TRANSITIONS.iter().any(|row| row.from == from.name() && row.to == to.name())
}
