//! Secure channels over real nodes: connections, hops, and a middle that does as the test says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::arithmetic_side_effects)]

#[path = "../common/network.rs"]
mod network;

mod disorder;
mod flood;
mod hops;
mod life;
mod pressure;
mod session;
