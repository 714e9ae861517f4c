//! The kinds of bytes, and how they are told apart.

use clap::ValueEnum;
use serde::Serialize;

use super::item::Item;
use super::{channel, identity, message, serial};

/// A kind of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// One side of a TCP connection: the version byte, then frames
    TcpStream,
    /// One or more TCP frames: a length and a transport message each
    TcpFrame,
    /// What comes on a serial line: frames between bytes 00
    SerialLine,
    /// A transport message
    TransportMessage,
    /// A route
    Route,
    /// An address
    Address,
    /// The first handshake message
    Handshake1,
    /// The second handshake message
    Handshake2,
    /// The third handshake message
    Handshake3,
    /// A message of a secure channel, encrypted
    ChannelMessage,
    /// What is inside a message of a secure channel
    ChannelPlaintext,
    /// The change history of an identity
    Identity,
    /// The attestation of a purpose key
    Attestation,
    /// What a party says of itself in a handshake: identity, attestation, credentials
    Presentation,
    /// A credential with the attestation of its issuer's key
    Credential,
    /// The ping of a session
    Ping,
}

/// Keys that were given along.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Of a channel message.
    pub(crate) channel: Option<Vec<u8>>,
}

/// The kinds that have a structure to tell them by, in the order they are tried.
const STRUCTURED: [Kind; 12] = [
    Kind::TcpStream,
    Kind::TcpFrame,
    Kind::TransportMessage,
    Kind::ChannelPlaintext,
    Kind::Identity,
    Kind::Presentation,
    Kind::Credential,
    Kind::Attestation,
    Kind::Address,
    Kind::Route,
    Kind::Ping,
    Kind::SerialLine,
];

impl Kind {
    /// The name that `--as` takes.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is, in words.
    pub(crate) fn about(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default().to_lowercase()
    }

    /// Explains `bytes`, which begin at offset `base`.
    pub(crate) fn explain(self, bytes: &[u8], base: usize, keys: &Keys) -> Item {
        match self {
            Kind::TcpStream => message::stream(bytes, base, keys),
            Kind::TcpFrame => message::frames(bytes, base, keys),
            Kind::SerialLine => serial::line(bytes, base, keys),
            Kind::TransportMessage => message::transport(bytes, base, keys),
            Kind::Route => message::route(bytes, base),
            Kind::Address => message::address(bytes, base),
            Kind::Handshake1 => channel::handshake_1(bytes, base),
            Kind::Handshake2 => channel::handshake_2(bytes, base),
            Kind::Handshake3 => channel::handshake_3(bytes, base),
            Kind::ChannelMessage => channel::message(bytes, base, keys),
            Kind::ChannelPlaintext => channel::plaintext(bytes, base),
            Kind::Identity => identity::history(bytes, base),
            Kind::Attestation => identity::attestation(bytes, base),
            Kind::Presentation => identity::presentation(bytes, base),
            Kind::Credential => identity::credential(bytes, base),
            Kind::Ping => message::ping(bytes, base),
        }
    }
}

/// What `bytes` most likely are, and what else they could be.
pub(crate) fn detect(bytes: &[u8]) -> (Kind, Vec<Kind>) {
    let keys = Keys::default();
    let faults = STRUCTURED.map(|kind| (kind, kind.explain(bytes, 0, &keys).first_fault().map(|fault| fault.offset)));
    let mut valid: Vec<Kind> = faults.iter().filter(|(_, fault)| fault.is_none()).map(|(kind, _)| *kind).collect();
    if !valid.is_empty() {
        let kind = valid.remove(0);
        return (kind, valid);
    }
    // Damaged, if a good part of it made sense; otherwise there is no structure to tell it by.
    let makes_sense = |at: usize| at >= 12 || at * 2 >= bytes.len();
    let furthest =
        faults.iter().rev().filter_map(|(kind, fault)| fault.map(|at| (at, *kind))).max_by_key(|(at, _)| *at);
    match furthest {
        Some((at, kind)) if makes_sense(at) => (kind, opaque(bytes)),
        _ => {
            let mut kinds = opaque(bytes);
            let kind = if kinds.is_empty() { Kind::TransportMessage } else { kinds.remove(0) };
            (kind, kinds)
        }
    }
}

/// The kinds without structure that the bytes could be, the likeliest first.
pub(crate) fn opaque(bytes: &[u8]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if bytes.len() == 32 {
        kinds.push(Kind::Handshake1);
    }
    // A channel would be long in use before its nonces took more than five bytes.
    let nonce = bytes.first_chunk::<8>().map(|nonce| u64::from_be_bytes(*nonce));
    if bytes.len() >= 24 && nonce.is_some_and(|nonce| nonce < 1 << 40) {
        kinds.push(Kind::ChannelMessage);
    }
    if bytes.len() >= 96 {
        kinds.push(Kind::Handshake2);
    }
    if bytes.len() >= 64 {
        kinds.push(Kind::Handshake3);
    }
    kinds
}
