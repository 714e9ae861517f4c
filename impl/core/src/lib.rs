//! # Razor: the Ockam protocols as sans-IO state machines
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

pub mod env;
pub mod error;
#[cfg(any(test, feature = "arbitrary"))]
pub mod fuzzing;
pub mod identity;
pub mod machine;
pub mod node;
pub mod routing;
pub mod session;
pub mod vault;
pub mod wire;

pub use error::{Blame, Error, Result};
