//! What the driver needs of the hardware.

use razor::Error;
use razor::env::{Entropy, Instant, Timestamp};
use razor::node::{Answer, Request};

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

    /// Answers a channel's question to the vault that holds the long-term keys, or to the store of histories of peers;
    /// [`Keys`](crate::Keys) has both. A board without channels is not asked, and has neither.
    fn answer(&mut self, request: &Request) -> Answer {
        let none = Error::misuse("VLT-31", "the board has no keys");
        match request {
            Request::Vault(_) => Answer::Vault(Err(none)),
            Request::Store(_) => Answer::Store(Err(none)),
        }
    }

    /// Waits for an interrupt: until something comes on a line, a line has room again that took less than it was given, or
    /// this time, if there is one. May return early.
    fn wait(&mut self, until: Option<Instant>);
}
