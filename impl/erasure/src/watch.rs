//! What is looked for, and what was found.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

/// A secret is recognised by any so many of its bytes in a row that begin at a multiple of it: a part of a key is a
/// secret too.
const PART: usize = 8;

/// The most that is written down.
const ENOUGH: usize = 16;

thread_local! {
    /// Whether blocks of this thread are searched. Without a destructor, so that the allocator may always ask.
    static ON: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { parts: BTreeMap::new(), findings: Vec::new() }) };
}

#[derive(Default)]
struct Seen {
    /// The name of a secret, by each of its parts.
    parts: BTreeMap<[u8; PART], String>,
    findings: Vec<Finding>,
}

/// A secret in memory that was given back.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which secret.
    pub secret: String,
    /// The size of the block, in bytes.
    pub block: usize,
    /// Where it stands there.
    pub offset: usize,
    /// Who gave the block back.
    pub by: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, block, offset, by } = self;
        write!(f, "{secret} at {offset} of a block of {block} bytes that was given back\n{by}")
    }
}

/// While it lives, the blocks that this thread gives back are searched. One at a time for each thread.
#[derive(Debug)]
pub struct Watch(());

impl Watch {
    /// Begins to look, for nothing yet.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        SEEN.take();
        assert!(!ON.replace(true), "one watch at a time");
        Self(())
    }

    /// Looks for `secret` from now on. Whole parts of 8 bytes count; those that say little, as zeros do, are not
    /// looked for.
    pub fn secret(&self, name: &str, secret: &[u8]) {
        unseen(|seen| {
            let parts = secret.as_chunks::<PART>().0.iter();
            let telling = |part: &&[u8; PART]| part.iter().any(|byte| byte != &part[0]);
            seen.parts.extend(parts.filter(telling).map(|part| (*part, name.to_owned())));
        });
    }

    /// What was found since the last call.
    pub fn findings(&self) -> Vec<Finding> {
        unseen(|seen| std::mem::take(&mut seen.findings))
    }

    /// Panics with what was found, if anything was.
    pub fn nothing_was_left(&self) {
        let findings = self.findings();
        let text = || findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
        assert!(findings.is_empty(), "secrets in memory that was given back:\n{}", text());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        ON.set(false);
    }
}

/// A thread that panics holds the lock that a backtrace needs, and has failed anyway.
pub(crate) fn is_on() -> bool {
    ON.get() && !std::thread::panicking()
}

/// What this module itself allocates and gives back is not searched.
fn unseen<T>(what: impl FnOnce(&mut Seen) -> T) -> T {
    let on = ON.replace(false);
    let result = SEEN.with_borrow_mut(what);
    ON.set(on);
    result
}

/// The allocator gets this block back.
pub(crate) fn given_back(block: &[u8]) {
    unseen(|seen| {
        for (offset, part) in block.array_windows::<PART>().enumerate() {
            if let Some(secret) = seen.parts.get(part) {
                if seen.findings.len() < ENOUGH {
                    let by = callers(&Backtrace::force_capture().to_string());
                    seen.findings.push(Finding { secret: secret.clone(), block: block.len(), offset, by });
                }
                return;
            }
        }
    });
}

/// The frames of a backtrace that tell who gave the block back: those of the project.
fn callers(backtrace: &str) -> String {
    let ours = |line: &&str| line.contains("razor") && !line.contains("razor_erasure::");
    backtrace.lines().filter(ours).take(12).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    const SECRET: [u8; 32] = *b"nobody is to know of this at all";

    fn watch() -> Watch {
        let watch = Watch::new();
        watch.secret("the secret", &SECRET);
        watch
    }

    fn found(what: impl FnOnce()) -> Vec<(usize, usize)> {
        let watch = watch();
        what();
        watch.findings().iter().map(|finding| (finding.block, finding.offset)).collect()
    }

    #[test]
    fn a_secret_that_is_given_back_is_found_wherever_it_stands() {
        assert_eq!(found(|| drop(black_box(SECRET.to_vec()))), [(32, 0)]);
        assert_eq!(found(|| drop(black_box(Box::new(SECRET)))), [(32, 0)]);
        assert_eq!(found(|| drop(black_box([&[7; 5][..], &SECRET, &[9; 20]].concat()))), [(57, 5)]);
    }

    #[test]
    fn a_part_of_a_secret_is_found_too_and_less_than_a_part_is_not() {
        assert_eq!(found(|| drop(black_box([&[7; 3][..], &SECRET[24..]].concat()))), [(11, 3)]);
        assert_eq!(found(|| drop(black_box(SECRET[1..12].to_vec()))), []);
        let watch = Watch::new();
        watch.secret("zeros", &[0; 32]);
        drop(black_box(vec![0; 64]));
        watch.nothing_was_left();
    }

    #[test]
    fn a_block_that_grows_leaves_its_secret_behind() {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(&SECRET);
        assert_eq!(found(|| bytes.push(1)), [(32, 0)]);
        assert_eq!(found(|| bytes.truncate(5)), []);
        assert_eq!(found(|| bytes.shrink_to_fit()), [(64, 0)]);
    }

    #[test]
    fn a_moved_out_box_leaves_its_secret_behind() {
        let secret = black_box(Box::new(SECRET));
        let mut taken = [0; 32];
        assert_eq!(found(|| taken = *{ secret }), [(32, 0)]);
        assert_eq!(taken, SECRET);
    }

    #[test]
    fn what_is_overwritten_is_not_found_and_nothing_is_without_a_watch() {
        let mut bytes = SECRET.to_vec();
        black_box(&mut bytes).fill(0);
        assert_eq!(found(|| drop(black_box(bytes))), []);
        drop(watch());
        drop(black_box(SECRET.to_vec()));
        assert_eq!(found(|| ()), []);
    }

    #[test]
    fn another_threads_blocks_are_not_searched() {
        assert_eq!(found(|| std::thread::spawn(|| drop(black_box(SECRET.to_vec()))).join().unwrap()), []);
    }

    #[test]
    #[should_panic(expected = "the secret at 0 of a block of 32 bytes")]
    fn a_finding_says_what_and_where() {
        let watch = watch();
        drop(black_box(SECRET.to_vec()));
        watch.nothing_was_left();
    }
}
