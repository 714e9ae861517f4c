//! Ordered maps and sets: trees, or sorted arrays where the program has to be small (the feature `fast` is off).
//!
//! Whoever uses them sees no difference but the time and the memory that they take. A tree takes a few KiB of program for
//! each pair of types, and memory for eleven entries where there is one; an array moves its entries about.

#[cfg(any(test, not(feature = "fast")))]
mod sorted;

#[cfg(feature = "fast")]
pub(crate) use alloc::collections::{BTreeMap as Map, BTreeSet as Set};
#[cfg(not(feature = "fast"))]
pub(crate) use sorted::{Map, Set};
