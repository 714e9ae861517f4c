//! What the benchmarks share. Each puts a machine beside the primitives or the library that it is measured against,
//! in the same run, on the same bytes: the ratio is what counts, the time depends on the machine.

pub mod channel;
pub mod node;
pub mod primitives;
pub mod simulator;

use razor::env::{Env, Instant, Seeded, Timestamp};

/// The time in all benchmarks, which stands still.
pub const NOW: Timestamp = Timestamp(1_700_000_000);

/// An environment in which time stands still.
pub fn env(entropy: &mut Seeded) -> Env<'_> {
    Env::new(Instant::ZERO, NOW, entropy)
}
