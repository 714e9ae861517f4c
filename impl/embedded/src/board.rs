//! What the driver needs of the hardware.

use razor::Result;
use razor::env::{Entropy, Instant, Timestamp};
use razor::vault;

/// A board. None of its methods blocks, but [`wait`](Self::wait).
///
/// Security rests on its randomness ([`Entropy`]): a hardware generator, or a seed that was drawn by one and is never used
/// twice.
pub trait Board: Entropy {
    /// Monotonic time since the board was switched on.
    fn now(&mut self) -> Instant;

    /// Wall-clock time. A board that does not know it says what it knows to have passed: keys that are not valid yet
    /// are then refused.
    fn wall(&mut self) -> Timestamp;

    /// Reads what has come on a line; the number of bytes, 0 when there are none.
    fn read(&mut self, line: usize, into: &mut [u8]) -> usize;

    /// Writes to a line as much as it takes now; the number of bytes.
    fn write(&mut self, line: usize, bytes: &[u8]) -> usize;

    /// Answers a question to the vault that holds the long-term keys.
    ///
    /// # Errors
    /// What the vault says.
    fn answer(&mut self, request: &vault::Request) -> Result<vault::Answer>;

    /// Waits for an interrupt: until something comes on a line, or this time, if there is one. May return early.
    fn wait(&mut self, until: Option<Instant>);
}
