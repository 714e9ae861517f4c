//! Recordings of production: loaded, decoded, and replayed in both roles.
//!
//! The format is that of `vectors/production/production-captures.json`. Fields that a file does not
//! have are not checked; what is recorded but belongs to a later chapter is a visible *not yet*.

mod claims;
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
mod signed;

pub use format::Recording;
pub(crate) use frames::{decode as decode_frame, encode as encode_frame, encode_plaintext};

use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};

use self::format::{Session, Unknown};
use crate::report::{Options, Progress, Row, Tally};

/// The suites that a session can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SuiteName {
    Aes256,
    Aes128,
    ChaChaPoly,
}

impl SuiteName {
    /// The suite of a session; production's own unless it says another.
    fn of(session: &Session) -> Option<Self> {
        match session.protocol_name_ascii.as_deref() {
            None | Some(Aes256GcmSha256::NAME) => Some(Self::Aes256),
            Some(Aes128GcmSha256::NAME) => Some(Self::Aes128),
            Some(ChaChaPolyBlake2s::NAME) => Some(Self::ChaChaPoly),
            Some(_) => None,
        }
    }
}

/// Calls a function that is generic over the suite with the suite of a session.
macro_rules! by_suite {
    ($session:expr, $function:ident($($argument:expr),*), $unknown:block) => {{
        use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s};
        match $crate::captures::SuiteName::of($session) {
            Some($crate::captures::SuiteName::Aes256) => $function::<Aes256GcmSha256>($($argument),*),
            Some($crate::captures::SuiteName::Aes128) => $function::<Aes128GcmSha256>($($argument),*),
            Some($crate::captures::SuiteName::ChaChaPoly) => $function::<ChaChaPolyBlake2s>($($argument),*),
            None => $unknown,
        }
    }};
}
use by_suite;

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

/// Counts the fields that this program does not know.
fn count_unknown(tally: &mut Tally<'_>, what: &str, unknown: &Unknown) {
    unknown.keys().for_each(|field| tally.not_yet(format!("what {what} has as `{field}`")));
}
