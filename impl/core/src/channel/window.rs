//! The replay window: which nonces a decryptor still takes.
//!
//! A pure check, then a commit. Between the two lies the authentication of the message, so that a
//! forged nonce can never move the window.

use crate::error::{Error, Result};

/// How far a nonce may lie from the largest accepted one, either way.
pub const WINDOW: u64 = 32;

/// The largest accepted nonce and a map of those just below it. 16 bytes.
///
/// Bit `i` of the map stands for the nonce `largest - i`. Before anything was accepted the largest is
/// 0 and the map is empty, so that the first message may have any nonce from 0 to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    largest: u64,
    seen: u64,
}

/// A nonce that the window would take: proof that [`Window::check`] was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh(u64);

impl Window {
    /// A window that has accepted nothing.
    pub const fn new() -> Self {
        Self { largest: 0, seen: 0 }
    }

    /// A window whose largest accepted nonce is `largest`: tests begin near the end of the numbers.
    #[cfg(any(test, feature = "arbitrary"))]
    pub const fn at(largest: u64) -> Self {
        Self { largest, seen: 1 }
    }

    /// The largest accepted nonce; 0 before the first.
    pub const fn largest(&self) -> u64 {
        self.largest
    }

    /// The map of accepted nonces, for pictures of state.
    pub const fn map(&self) -> u64 {
        self.seen
    }

    /// Whether `nonce` may be accepted now. Changes nothing.
    ///
    /// # Errors
    /// `CHN-32` outside the window, `CHN-14` for a nonce that was accepted before.
    pub fn check(&self, nonce: u64) -> Result<Fresh> {
        //= spec/src/channels.md#chn-32
        //# A decryptor MUST refuse a nonce that is more than 32 above or more than 32 below the largest nonce it has accepted.
        let reach =
            WINDOW.saturating_add(planted!(WindowTooWide).into()).saturating_sub(planted!(WindowTooNarrow).into());
        if nonce.abs_diff(self.largest) > reach {
            return Err(Error::misbehaved("CHN-32", "a nonce is outside the replay window"));
        }
        //= spec/src/channels.md#chn-14
        //# A decryptor MUST accept each nonce at most once.
        if self.largest.checked_sub(nonce).is_some_and(|age| self.seen & bit(age) != 0) && !planted!(TakesReplays) {
            return Err(Error::misbehaved("CHN-14", "a nonce was accepted before"));
        }
        Ok(Fresh(nonce))
    }

    /// Remembers that a message with this nonce was authentic.
    pub fn commit(&mut self, Fresh(nonce): Fresh) {
        match nonce.checked_sub(self.largest) {
            Some(ahead) => {
                self.seen = u32::try_from(ahead).ok().and_then(|n| self.seen.checked_shl(n)).unwrap_or(0) | 1;
                self.largest = nonce;
            }
            None => self.seen |= bit(self.largest.saturating_sub(nonce)),
        }
    }
}

/// The bit of a nonce that lies `age` below the largest; none beyond the map.
fn bit(age: u64) -> u64 {
    u32::try_from(age).ok().and_then(|n| 1u64.checked_shl(n)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accept(window: &mut Window, nonce: u64) -> bool {
        window.check(nonce).map(|fresh| window.commit(fresh)).is_ok()
    }

    /// The sequence that the production implementation publishes for its own window.
    #[test]
    fn the_published_sequence_of_nonces_is_judged_as_published() {
        const K: u64 = 32;
        let mut window = Window::new();
        for (nonce, expected) in [
            (0, true),
            (1, true),
            (0, false),
            (K + 2, false),
            (K + 1, true),
            (1, false),
            (K + 2, true),
            (K + 3, true),
            (K + 1, false),
            (K + 2, false),
            (2 * K, true),
            (K - 1, false),
            (3 * K, true),
            (4 * K, true),
        ] {
            assert_eq!(accept(&mut window, nonce), expected, "nonce {nonce}");
        }
        for nonce in (3 * K + 1..4 * K).chain(4 * K + 1..=5 * K) {
            assert!(accept(&mut window, nonce), "nonce {nonce}");
        }
    }

    //= spec/src/channels.md#chn-32
    //= type=test
    //# A decryptor MUST refuse a nonce that is more than 32 above or more than 32 below the largest nonce it has accepted.
    #[test]
    fn the_window_ends_32_above_and_32_below() {
        assert!(Window::new().check(32).is_ok());
        assert_eq!(Window::new().check(33).unwrap_err().requirement(), "CHN-32");
        let window = Window::at(100);
        for (nonce, expected) in [(67, false), (68, true), (69, true), (131, true), (132, true), (133, false)] {
            assert_eq!(window.check(nonce).is_ok(), expected, "nonce {nonce}");
        }
    }

    //= spec/src/channels.md#chn-14
    //= type=test
    //# A decryptor MUST accept each nonce at most once.
    #[test]
    fn a_nonce_is_accepted_once_at_every_distance() {
        for distance in [0u64, 1, 30, 31, 32] {
            let mut window = Window::at(64);
            window.seen = 0;
            let nonce = 64 - distance;
            assert!(accept(&mut window, nonce));
            assert_eq!(window.check(nonce).unwrap_err().requirement(), "CHN-14", "distance {distance}");
        }
        // Moving on by exactly a window keeps the memory of the old edge.
        let mut window = Window::at(31);
        assert!(accept(&mut window, 63));
        assert_eq!(window.check(31).unwrap_err().requirement(), "CHN-14");
        assert_eq!(window.check(30).unwrap_err().requirement(), "CHN-32");
    }

    #[test]
    fn the_first_nonce_after_nothing_is_remembered_even_when_it_is_zero() {
        let mut window = Window::new();
        assert!(accept(&mut window, 0));
        assert!(!accept(&mut window, 0));
        let mut window = Window::new();
        assert!(accept(&mut window, 5));
        assert!(accept(&mut window, 0), "nothing was accepted at 0 before");
        assert!(!accept(&mut window, 0));
    }

    #[test]
    fn a_check_alone_changes_nothing() {
        let window = Window::at(40);
        let before = window;
        let _ = (window.check(41), window.check(8), window.check(40), window.check(u64::MAX));
        assert_eq!(window, before);
    }

    #[test]
    fn the_window_works_at_the_end_of_the_numbers() {
        let mut window = Window::at(u64::MAX - 3);
        assert!(accept(&mut window, u64::MAX - 1));
        assert!(accept(&mut window, u64::MAX - 2));
        assert!(!accept(&mut window, u64::MAX - 1));
        assert!(!accept(&mut window, 0));
    }

    proptest! {
        /// The map against the obvious model: a list of everything accepted.
        #[test]
        fn the_window_agrees_with_a_list_of_all_accepted_nonces(steps in prop::collection::vec(-40i64..40, 1..400)) {
            let mut window = Window::new();
            let mut accepted: Vec<u64> = Vec::new();
            for step in steps {
                let largest = accepted.iter().copied().max().unwrap_or(0);
                let nonce = largest.saturating_add_signed(step);
                let expected = nonce.abs_diff(largest) <= WINDOW && !accepted.contains(&nonce);
                prop_assert_eq!(accept(&mut window, nonce), expected);
                if expected {
                    accepted.push(nonce);
                }
            }
        }
    }
}
