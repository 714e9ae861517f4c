//! Many seeds: worlds in parallel, one thread each, and what they reached together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::report::Report;
use crate::situation::Situation;

/// What the worlds of many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Campaign {
    /// Worlds that were run.
    pub worlds: u64,
    /// Messages that channels delivered.
    pub deliveries: u64,
    /// Frames, or pieces of them, that arrived at a node.
    pub arrivals: u64,
    /// Frames of the adversary's own making.
    pub attacks: u64,
    /// Forged frames whose receiver's trusted state was compared.
    pub guarded: u64,
    /// Everything that was reached.
    pub situations: BTreeSet<Situation>,
    /// How often something was refused, by the requirement that says so.
    pub refusals: BTreeMap<&'static str, u64>,
    /// The reports of worlds in which a property does not hold, by seed.
    pub failures: Vec<Report>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

impl Campaign {
    /// Runs `world` for each of `seeds` on `threads` threads. `progress` is called after each world,
    /// from whichever thread ran it.
    ///
    /// The outcome does not depend on the number of threads, but for the time it takes.
    #[allow(clippy::disallowed_methods, reason = "the wall clock measures the run; no world sees it")]
    pub fn run(
        seeds: Range<u64>,
        threads: usize,
        world: impl Fn(u64) -> Report + Sync,
        progress: impl Fn(&Report) + Sync,
    ) -> Self {
        let start = Instant::now();
        let next = AtomicU64::new(seeds.start);
        let worker = || {
            let mut part = Self::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return part;
                }
                let report = world(seed);
                progress(&report);
                part.add(report);
            }
        };
        let mut whole = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
            let parts =
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
            parts.fold(Self::default(), Self::merge)
        });
        whole.failures.sort_by_key(|report| report.seed);
        whole.elapsed = start.elapsed();
        whole
    }

    /// Adds one world.
    pub fn add(&mut self, report: Report) {
        self.worlds += 1;
        self.deliveries += report.deliveries;
        self.arrivals += report.arrivals;
        self.attacks += report.attacks;
        self.guarded += report.guarded;
        self.situations.extend(&report.situations);
        report.refusals.iter().for_each(|(id, times)| *self.refusals.entry(id).or_default() += times);
        if !report.passed() {
            self.failures.push(report);
        }
    }

    /// Both together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.worlds += other.worlds;
        self.deliveries += other.deliveries;
        self.arrivals += other.arrivals;
        self.attacks += other.attacks;
        self.guarded += other.guarded;
        self.situations.extend(other.situations);
        other.refusals.iter().for_each(|(id, times)| *self.refusals.entry(id).or_default() += times);
        self.failures.extend(other.failures);
        self.elapsed += other.elapsed;
        self
    }

    /// Situations of `wanted` that no world reached.
    pub fn missing(&self, wanted: &[Situation]) -> Vec<Situation> {
        wanted.iter().copied().filter(|situation| !self.situations.contains(situation)).collect()
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} worlds, {} failed: {} arrivals, {} attacks, {} states compared, {} messages delivered in {:.1} s",
            self.worlds,
            self.failures.len(),
            self.arrivals,
            self.attacks,
            self.guarded,
            self.deliveries,
            self.elapsed.as_secs_f64()
        )
    }
}
