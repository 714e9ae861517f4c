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
            State::AwaitMessage2 => "await message 2",
            State::AwaitKeyForMessage2 => "await key for message 2",
            State::AwaitMessage3 => "await message 3",
            State::LoadPeer => "load peer",
            State::StorePeer => "store peer",
            State::AwaitKeyForMessage3 => "await key for message 3",
            State::Open => "open",
            State::Closed => "closed",
        }
    }
}

/// Every move of the machine.
pub(super) const TRANSITIONS: &[Transition] = &[
    Transition::new("[*]", "initiate / message 1", "await message 2"),
    Transition::new("[*]", "message 1 / ask vault", "await key for message 2"),
    Transition::new("await key for message 2", "key / message 2", "await message 3"),
    Transition::new("await message 2", "verified message 2 / ask store", "load peer"),
    Transition::new("await message 3", "verified message 3 / ask store", "load peer"),
    Transition::new("load peer", "history refused", "await message 2"),
    Transition::new("load peer", "history new or newer / ask store", "store peer"),
    Transition::new("load peer", "history known / ask vault", "await key for message 3"),
    Transition::new("load peer", "history known", "open"),
    Transition::new("store peer", "kept / ask vault", "await key for message 3"),
    Transition::new("store peer", "kept", "open"),
    Transition::new("await key for message 3", "key / message 3", "open"),
    Transition::new("await message 2", "timeout or stop", "closed"),
    Transition::new("await key for message 2", "timeout, failure or stop", "closed"),
    Transition::new("await message 3", "timeout, authentic but refused message 3, or stop", "closed"),
    Transition::new("load peer", "timeout, failure or stop", "closed"),
    Transition::new("store peer", "timeout, failure or stop", "closed"),
    Transition::new("await key for message 3", "timeout, failure or stop", "closed"),
    Transition::new("open", "stop / Close", "closed"),
    Transition::new("open", "Close", "closed"),
    Transition::new("closed", "gone", "[*]"),
];

/// Whether the table has this move.
pub(super) fn allows(from: State, to: State) -> bool {
    TRANSITIONS.iter().any(|row| row.from == from.name() && row.to == to.name())
}
