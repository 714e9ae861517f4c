//! Recordings of production: loaded, decoded, and replayed in both roles.
//!
//! The format is that of `vectors/production/production-captures.json`. Fields that a file does not
//! have are not checked; what is recorded but belongs to a later chapter is a visible *not yet*.

mod conversation;
mod format;
mod frames;
mod handshake;
mod identities;
mod nodes;
mod operations;
pub(crate) mod party;
mod replay;
mod said;
mod secrets;

pub use format::Recording;
pub(crate) use frames::{decode as decode_frame, encode as encode_frame, encode_plaintext};

use crate::report::{Options, Progress, Row};

const EMBEDDED: &str = include_str!("../../production/production-captures.json");

/// The section of the recording that is part of the crate.
pub(crate) fn embedded(_options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    match Recording::parse(EMBEDDED) {
        Ok(recording) => check("ockam", &recording, progress),
        Err(sentence) => vec![Row::broken("ockam", "captures", sentence)],
    }
}

/// Checks everything in a recording. `source` names it in the rows.
pub fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    vec![
        frames::check(source, recording, progress),
        replay::check(source, recording, progress),
        nodes::check(source, recording, progress),
        operations::check(source, recording, progress),
        identities::identities(source, recording, progress),
        identities::attestations(source, recording, progress),
        identities::credentials(source, recording, progress),
    ]
}
