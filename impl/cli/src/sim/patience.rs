//! Worlds that do not end: a loop within a machine cannot be stopped from outside, but it can be told of.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(250);

type Running = Arc<Mutex<BTreeMap<u64, Instant>>>;

/// Waits for worlds, and not for ever.
pub(super) struct Patience(Running);

impl Patience {
    /// The command ends when a world takes longer than this.
    pub(super) fn new(limit: Duration) -> Self {
        let running = Running::default();
        let seen = running.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                let late = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((seed, _)) = late.iter().find(|(_, began)| began.elapsed() > limit) {
                    end(*seed, limit);
                }
            }
        });
        Self(running)
    }

    /// Runs the world of a seed.
    pub(super) fn run<T>(&self, seed: u64, world: impl FnOnce() -> T) -> T {
        self.now(|running| running.insert(seed, Instant::now()));
        let outcome = world();
        self.now(|running| running.remove(&seed));
        outcome
    }

    fn now(&self, change: impl FnOnce(&mut BTreeMap<u64, Instant>) -> Option<Instant>) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A world is not over: nothing else that has begun is waited for.
fn end(seed: u64, limit: Duration) -> ! {
    let failure = Failure::failed(format!(
        "the world of seed {seed} is not over after {} s: something in it never ends, or it is very large; run it \
         alone with `replay`, or wait longer with `--patience`",
        limit.as_secs()
    ));
    failure.report();
    process::exit(1)
}
