//! Noise XX, sans I/O. Spec: "Noise".
//!
//! ```text
//! initiator                                   responder
//! AwaitsMessage2 -- e -------------------->   NeedsStaticDh
//!                <- e, ee, s, es ----------   AwaitsMessage3
//! NeedsStaticDh  -- s, se ---------------->   Finished
//! Finished
//! ```
//!
//! Each state is a type with the one step that leads to the next, so that no step can be taken twice or
//! out of order. **Reads are transactional**: they take `&self` and give the next state, so that a bad
//! message changes nothing and a better one may follow. The one Diffie-Hellman with the static key, per
//! side, is a question to a vault, which may answer late: the states named [`NeedsStaticDh`] wait for it.
//!
//! The handshake is generic over the [`Suite`] and the [`Profile`]: [`Ockam`] is what goes over the wire,
//! [`Noise`] is the standard, by which the code is checked against other libraries. The third parameter,
//! [`Trace`], sees the intermediate values of which vectors are made; by default it sees nothing.
//!
//! | file | what |
//! |---|---|
//! | `initiator`, `responder` | the two sides, message by message |
//! | `symmetric` | hash, chaining key and key, mixed token by token |
//! | `profile` | what `ockam` and `noise` do differently, in one place |
//! | `transport` | encryption after the handshake under the profile `noise` |
//! | `trace` | the intermediate values |
//!
//! [`Suite`]: crate::vault::suite::Suite
//! [`NeedsStaticDh`]: initiator::NeedsStaticDh

#[cfg(feature = "initiator")]
pub mod initiator;
#[cfg(not(feature = "initiator"))]
#[path = "without_initiator.rs"]
pub(crate) mod initiator;
mod profile;
pub mod responder;
mod symmetric;
mod trace;
mod transport;

#[cfg(test)]
mod tests;

pub use profile::{Noise, Ockam, Profile};
pub use trace::{Step, Steps, Token, Trace};
pub use transport::CipherState;

use crate::error::{Error, Result};
use crate::vault::{Key, PublicKey};

/// The longest handshake message, in bytes. Noise knows no longer ones.
pub const MAX_MESSAGE: usize = 65_535;

/// What a finished handshake leaves.
#[derive(Debug, Clone)]
pub struct Finished<T = ()> {
    /// Encrypts what this side sends.
    pub send: Key,
    /// Decrypts what the other side sends.
    pub receive: Key,
    /// The other side's static key.
    pub remote_static: PublicKey,
    /// The hash of the whole handshake: the same on both sides, and public.
    pub handshake_hash: [u8; 32],
    /// The intermediate values, if a trace was asked for.
    pub trace: T,
}

const SHORT: Error = Error::malformed("NOI-1", "a handshake message is shorter than its fixed parts");

/// Checks the length of a whole message.
fn bounded(length: usize) -> Result<()> {
    //= spec/src/noise.md#noi-2
    //# A party MUST NOT read or write a handshake message of more than 65 535 bytes.
    let most = if planted!(HandshakeBoundExclusive) { MAX_MESSAGE.saturating_sub(1) } else { MAX_MESSAGE };
    if length > most && !planted!(OpensLongMessages) {
        Err(Error::limit("NOI-2", "a handshake message is too long"))
    } else {
        Ok(())
    }
}
