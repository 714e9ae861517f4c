//! Sessions: noticing that a channel is dead, and making it anew. Spec: "Sessions".
//!
//! A secure channel on this wire has a window of 32 messages. When 32 or more in a row are lost, the
//! receiver can never follow again, the sender never hears of it, and the channel is dead for good. So
//! liveness is measured from end to end, by pings through the channel, and a dead channel is replaced.

mod keeper;
mod machine;
mod worker;

pub use keeper::{ATTEMPTS, Keeper, Keeping, Kept, WAY, keep};
pub use machine::{Config, Input, MAX_UNANSWERED, Output, Session};
pub use worker::{COLLECTOR, CONTROL, SessionWorker};

#[cfg(test)]
mod tests;
