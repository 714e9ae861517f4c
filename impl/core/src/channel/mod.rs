//! Secure channels. Spec: "Secure channels".
//!
//! A channel is a hop: what is sent to its encryptor comes out of the peer's decryptor, and whoever
//! stands between sees nonces and sizes. Read in this order:
//!
//! | file | what |
//! |---|---|
//! | `machine` | [`Channel`]: what goes in, what comes out |
//! | `state` | the states and every move between them |
//! | `handshake` | Noise XX with identities in its payloads |
//! | `session` | an open channel |
//! | `keys` | sealing and opening, renewal of keys |
//! | `window` | which nonces are still taken |
//! | `message` | what stands under the encryption |
//! | `trust`, `admission` | with whom, and how many at once |
//! | `worker`, `create`, `listener` | the channel in a node: its two addresses, and how it begins on either side |

mod admission;
mod config;
#[cfg(feature = "initiator")]
mod create;
mod handshake;
mod keys;
mod listener;
mod machine;
mod message;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod trust;
mod window;
mod worker;

pub use admission::{Admission, Places};
pub use config::{Config, HandshakeTime, HoldLimits, OrphanTime};
#[cfg(feature = "initiator")]
pub use create::create;
#[cfg(feature = "initiator")]
pub(crate) use create::create_within;
pub use keys::{Decryptor, Encryptor, INTERVAL};
pub use listener::{LISTENER, Listening, listen};
pub use machine::{Addresses, Channel, Event, Input, Output, Ticket};
pub use message::{Padding, PaddingLimit, Plaintext, decode, encode_close, encode_payload, encode_refresh};
pub use state::State;
pub use trust::{Trust, TrustPolicy};
pub use window::{Fresh, WINDOW, Window};
pub use worker::{DECRYPTOR, ENCRYPTOR};
