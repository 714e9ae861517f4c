//! Randomness by labelled streams: one seed, one independent stream per label.
//!
//! A draw that is added to one stream changes no other, so that a world keeps its topology when the
//! adversary learns a new trick.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A probability in parts per million: whole numbers, so that every platform draws the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ppm(pub u32);

impl Ppm {
    /// It never happens.
    pub const NEVER: Self = Self(0);

    /// So many per cent.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }
}

/// The seed of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// 32 bytes that belong to `label` alone.
    pub fn derive(self, label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"razor-sim");
        hash.update(self.0.to_le_bytes());
        hash.update(label.as_bytes());
        hash.finalize().into()
    }

    /// The stream of `label`.
    pub fn stream(self, label: &str) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.derive(label)))
    }
}

/// One stream of random draws.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A number below `end`; zero when `end` is zero. The bias of a 64-bit product is beyond notice.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(end);
        (product >> 64) as u64
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number in `range`.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (start, end) = range.into_inner();
        start + self.below(end.saturating_sub(start) + 1)
    }

    /// A duration in `range`, to the microsecond.
    pub fn duration(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let (start, end) = (range.start().as_micros() as u64, range.end().as_micros() as u64);
        Duration::from_micros(self.within(start..=end))
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: Ppm) -> bool {
        // Always one draw, so that a probability of zero leaves the rest of the stream where it was.
        self.below(1_000_000) < u64::from(probability.0)
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.index(items.len())) }
    }

    /// `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_from_one_stream_changes_no_other() {
        let mut untouched = Seed(7).stream("link 1");
        let mut other = Seed(7).stream("link 0");
        other.bytes(1000);
        let mut again = Seed(7).stream("link 1");
        assert_eq!(untouched.bytes(64), again.bytes(64));
        assert_ne!(Seed(7).derive("a"), Seed(7).derive("b"));
        assert_ne!(Seed(7).derive("a"), Seed(8).derive("a"));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut stream = Seed(1).stream("bounds");
        for _ in 0..10_000 {
            assert!((3..=9).contains(&stream.within(3..=9)));
            assert!(stream.below(5) < 5);
            assert!(!stream.chance(Ppm::NEVER));
            assert!(stream.chance(Ppm::percent(100)));
        }
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.pick::<u8>(&[]), None);
    }
}
