//! Looks for secrets in memory that is given back.
//!
//! The core promises that secrets are overwritten before their memory is given back (spec: "Key erasure and side
//! channels"). Its types carry the promise, and a type whose `Drop` forgot it would pass every other test. Here the
//! global allocator itself looks: while a [`Watch`] lives, each block that its thread gives back, or that grows into
//! another place, is searched for the secrets that the watch was told of.
//!
//! Only the heap is seen: not the stack, not registers. And only what is given back: a copy in a block that is still
//! in use is found when that block goes.

mod allocator;
mod watch;

pub use watch::{Finding, Watch};
