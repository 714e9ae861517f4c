//! # Vectors of the Ockam protocols, and the checkers that hold the core to them
//!
//! Everything that can be checked is a [`Section`]: it has a source (who made the data) and a name
//! (which of their data). [`sections`] lists them in the order of the report; [`Section::run`] checks
//! one and gives its [`Row`]s. Data is part of the crate: nothing is read from the file system, so
//! that a check needs nothing but the binary.
//!
//! ```no_run
//! use razor_vectors::{Options, sections};
//!
//! for section in sections() {
//!     for row in section.run(&Options::default(), &mut |_| {}) {
//!         println!("{} / {}: {} checked, {} failed", row.source, row.group, row.checked, row.failed.len());
//!     }
//! }
//! ```
//!
//! A recording in the format of `vectors/production/production-captures.json` that is not part of the
//! crate is checked with [`captures::check`].

mod bytes;
pub mod captures;
pub mod noise;
pub mod own;
mod published;
mod report;
mod suite;
mod wycheproof;

pub use bytes::Hex;
pub use report::{Failure, Options, Progress, Row, Unchecked};
pub use suite::{Section, sections};
