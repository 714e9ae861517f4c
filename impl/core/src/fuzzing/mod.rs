//! Bodies of the fuzz targets: functions that take any bytes and assert what must hold for all bytes.
//!
//! `fuzz/` calls them with a fuzzer's inputs; the tests below call them with the committed seeds, on
//! the stable compiler. `fuzz/README.md` says how to add one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod channel;
mod codecs;
mod contract;
mod identity;
mod identity_signed;
mod node;
mod noise;
// Its stories are told by the machine's own tests, too.
pub(crate) mod serial;

pub use channel::{channel_handshake, channel_plaintext, channel_session, channel_stranger, channel_stranger_sealed};
pub use codecs::{address_text, bare, cbor, message, message_operations, route};
pub use contract::{
    contract_channel_initiator, contract_channel_responder, contract_node, contract_serial, contract_session,
    contract_tcp,
};
pub use identity::{attestation, identity_history, presentation};
pub use identity_signed::identity_signed;
pub use node::{node_raw_connections, session, tcp_frames};
pub use noise::noise_handshake;
pub use serial::{serial_line, serial_noise};

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every fuzz target.
pub const TARGETS: &[Target] = &[
    ("address_text", address_text),
    ("attestation", attestation),
    ("bare", bare),
    ("cbor", cbor),
    ("channel_handshake", channel_handshake),
    ("channel_plaintext", channel_plaintext),
    ("channel_session", channel_session),
    ("channel_stranger", channel_stranger),
    ("channel_stranger_sealed", channel_stranger_sealed),
    ("contract_channel_initiator", contract_channel_initiator),
    ("contract_channel_responder", contract_channel_responder),
    ("contract_node", contract_node),
    ("contract_serial", contract_serial),
    ("contract_session", contract_session),
    ("contract_tcp", contract_tcp),
    ("identity_history", identity_history),
    ("identity_signed", identity_signed),
    ("message", message),
    ("message_operations", message_operations),
    ("node_raw_connections", node_raw_connections),
    ("noise_handshake", noise_handshake),
    ("presentation", presentation),
    ("route", route),
    ("serial_line", serial_line),
    ("serial_noise", serial_noise),
    ("session", session),
    ("tcp_frames", tcp_frames),
];

// Their corpora have keys of both kinds.
#[cfg(all(test, feature = "p256"))]
mod tests;
