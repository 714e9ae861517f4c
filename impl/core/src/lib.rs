//! # Razor: the Ockam protocols as sans-IO state machines
//!
//! Bytes come in on a transport, are framed into routed messages, walk a route from worker to worker,
//! and leave as bytes, events or timers. Everything is a worker, everything between workers is a routed
//! message; a secure channel is two workers, so channels go through channels to any depth.
//!
//! The modules follow the chapters of the specification; each uses only those before it:
//! [`wire`], [`routing`], [`transport`], [`vault`], [`noise`], [`identity`], [`node`], [`channel`], [`session`].
//! Below them all are [`error`], [`mod@env`] and [`machine`].
//!
//! # The machine contract
//!
//! Every layer is a [`machine::Machine`].
//!
//! - **Inputs** are bytes or messages, commands, answers and the passing of time; **outputs** are queued.
//!   Nothing else comes out. There is no I/O, no clock and no thread in here.
//! - **One input, then drain.** After each input take all outputs before the next. Draining ends.
//! - **Time and randomness are arguments**, in an [`env::Env`]: monotonic time, wall-clock time for keys
//!   alone, and one stream of randomness for each purpose. The same inputs give the same outputs, byte
//!   for byte, on every platform.
//! - **A deadline has a reason.** A machine says when to call it next and why. A call for nothing is
//!   harmless.
//! - **Requests** to a vault or store have an id and a deadline; their answers come late, twice or never.
//! - **Every queue is bounded.** An input that does not fit comes back untouched
//!   ([`machine::Refused::Full`]).
//! - **Trusted state** changes only after authentication: compute on the side, verify, then commit. An
//!   input that fails leaves it byte-equal. **Provisional state**, what must be kept before that, is
//!   bounded and timed.
//! - **Peer bytes never panic**, cost bounded work and memory, and fail with an [`Error`] that says
//!   whose fault it was and which requirement was not met.
//! - **Provenance** comes with every message. Only this crate can make one, it never goes on the wire,
//!   and authorisation rests on it.
//!
//! ```
//! use razor::routing::{Address, Limits, Route};
//!
//! let route: Route = "1#127.0.0.1:4000 => echo".parse()?;
//! assert_eq!(Route::decode(&route.encode(), &Limits::DEFAULT)?, route);
//!
//! // Errors name the requirement of the specification.
//! let error = "1#2#3".parse::<Address>().unwrap_err();
//! assert_eq!(error.requirement(), "RTE-6");
//! # Ok::<(), razor::Error>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo
    )
)]

extern crate alloc;
// What is derived for the generators of the fuzz targets needs it.
// What is planted is planted for one thread.
#[cfg(any(feature = "arbitrary", razor_planted))]
extern crate std;

#[cfg(razor_planted)]
#[macro_use]
pub mod planted;
/// Whether a mistake is made here: never, but in builds for the mutation proof, which have a module of that name.
#[cfg(not(razor_planted))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub mod channel;
pub mod env;
pub mod error;
#[cfg(any(test, feature = "arbitrary"))]
pub mod fuzzing;
pub mod identity;
pub mod machine;
pub mod node;
pub mod noise;
mod ordered;
pub mod routing;
#[cfg(feature = "initiator")]
pub mod session;
pub mod transport;
pub mod vault;
pub mod wire;

pub use error::{Blame, Error, Result};
