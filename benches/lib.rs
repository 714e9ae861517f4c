//! What the benchmarks share. Each puts a machine beside the primitives or the library that it is measured against,
//! in the same run, on the same bytes: the ratio is what counts, the time depends on the machine.

use razor::env::{Env, Instant, Seeded, Timestamp};

/// An environment in which time stands still.
pub fn env(entropy: &mut Seeded) -> Env<'_> {
    Env::new(Instant::ZERO, Timestamp(1_700_000_000), entropy)
}
