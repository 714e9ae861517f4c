//! # Razor on a microcontroller
//!
//! The machines of the core behind serial lines, on a device that has memory, a clock and a UART, and nothing else: no
//! operating system, no threads, no executor. One [`Driver`] owns a node and the [`Board`] that it runs on, and one loop
//! drives both:
//!
//! ```text
//! loop {
//!     while driver.turn() {}                    // bytes in, bytes out, timers
//!     while let Some(happened) = driver.happened() { /* the application */ }
//!     driver.wait();                            // until a byte comes or something is due
//! }
//! ```
//!
//! There is no executor because there is nothing to schedule: the node is one machine that never blocks, a line is
//! asked what it has, and the only thing to wait for is the next interrupt. An application that has an executor calls
//! the same three methods from a task of its own.
//!
//! # What a board provides
//!
//! [`Board`]: a monotonic clock, wall-clock time for the validity of keys, randomness that an attacker cannot guess,
//! answers from the vault that holds the long-term keys, and lines that take and give bytes without blocking. A line
//! without flow control loses what is not read in time; that costs frames, as noise does.
//!
//! # Memory
//!
//! The core allocates, so a board has a heap. What it takes is bounded by the configuration: [`SMALL`] for the node,
//! [`line()`] for each line, and [`Keys`] keeps what channels bring of peers. Nothing grows with the time that a board runs.
//!
//! What is not used is not linked, so what a program takes of flash is for it to say: a node that only forwards has no
//! cryptography, and one without [`Keys`] no vault. Two features of the core, `fast` and `p256`, are on by default and
//! off in small programs.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod board;
mod driver;
mod keys;
mod line;
#[cfg(test)]
mod tests;

use razor::node;
use razor::transport::serial;

pub use board::Board;
pub use driver::{Driver, Happened};
pub use keys::{Keys, presenting};

/// A line's configuration on a small device: the largest frame is a handshake message with a history of a few changes.
pub const fn line(frame: u32) -> serial::Config {
    serial::Config { frame, ..serial::Config::DEFAULT }
}

/// A node's configuration on a small device that has lines and no other connections: the floors for that, but for what
/// costs nothing until it is used. Spec: "Limits".
pub const SMALL: node::Config = {
    let mut config = node::Config::FLOOR;
    // A line hands over whole frames.
    config.tcp.chunk = serial::Config::CEILING.frame as usize + 4;
    config.connections = 8;
    config.queue_bytes = 8_192;
    config.inbox_bytes = 4_096;
    config.held = 8_192;
    config.transmit = 4_096;
    config.hand_over = 4;
    config.hand_over_bytes = 4_096;
    config.steps = 16;
    config.reports = 4;
    config
};
