//! Bodies of the fuzz targets: functions that take any bytes and assert what must hold for all bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod identity;

pub use identity::{attestation, identity_history, presentation};
