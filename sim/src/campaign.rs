//! Many seeds: worlds in parallel, one thread each, and what they came to together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::checker::{Property, Violation};
use crate::plan::{Invalid, Preset};
use crate::report::Report;
use crate::situation::Situation;

/// Of each property, so many worlds in which it does not hold are kept; the rest are counted.
pub const KEPT: usize = 100;

/// So many worlds of the whole mixture must reach every situation: the rarest is reached in one of 200.
pub const ENOUGH: u64 = 2_000;

/// What the worlds of many seeds came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Campaign {
    /// Worlds that were run.
    pub worlds: u64,
    /// Worlds in which a property does not hold.
    pub failed: u64,
    /// Worlds by the family of their plan.
    pub presets: BTreeMap<Preset, u64>,
    /// Frames, or pieces of them, that arrived at a node.
    pub arrivals: u64,
    /// Messages that channels delivered.
    pub deliveries: u64,
    /// Frames of adversaries' own making, and channels that they began.
    pub attacks: u64,
    /// Forged frames whose receiver's trusted state was compared.
    pub guarded: u64,
    /// Everything that was reached.
    pub situations: BTreeMap<Situation, Reached>,
    /// How often something was refused, by the requirement that says so.
    pub refusals: BTreeMap<String, u64>,
    /// What does not hold.
    pub failures: BTreeMap<Property, Failures>,
    /// Wall-clock time in seconds.
    #[serde(with = "seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// In how many worlds something was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// How many.
    pub worlds: u64,
    /// The lowest seed.
    pub first: u64,
}

/// The worlds in which a property does not hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// How many.
    pub worlds: u64,
    /// Those of the lowest seeds, [`KEPT`] at most.
    pub first: Vec<Failure>,
}

/// A world in which a property does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its family.
    pub preset: Preset,
    /// How many nodes it has.
    pub nodes: usize,
    /// Events up to there.
    pub events: u64,
    /// The digest of everything that happened, in hex.
    pub digest: String,
    /// The node of the world at which it was noticed, if it was at one.
    pub node: Option<usize>,
    /// How it was noticed.
    pub detail: String,
}

impl Failure {
    fn of(report: &Report, violation: &Violation) -> Self {
        Self {
            seed: report.seed,
            preset: report.preset,
            nodes: report.plan.nodes.len(),
            events: report.events,
            digest: report.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            node: violation.node,
            detail: violation.detail.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, preset, nodes, events, node, detail, .. } = self;
        write!(f, "seed {seed}, {preset}, {nodes} nodes, after {events} events")?;
        node.map_or(Ok(()), |node| write!(f, " at node {node}"))?;
        write!(f, ": {detail}")
    }
}

impl Failures {
    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.first.extend(other.first);
        self.first.sort_by_key(|failure| failure.seed);
        self.first.truncate(KEPT);
    }
}

impl Campaign {
    /// Runs `world` for each of `seeds` on `threads` threads. `progress` is called after each world,
    /// from whichever thread ran it.
    ///
    /// The outcome does not depend on the number of threads, but for the time it takes.
    ///
    /// # Errors
    /// What is wrong with the plan of the first seed that has none.
    #[allow(clippy::disallowed_methods, reason = "the wall clock measures the run; no world sees it")]
    pub fn run(
        seeds: Range<u64>,
        threads: usize,
        world: impl Fn(u64) -> Result<Report, Invalid> + Sync,
        progress: impl Fn(&Report) + Sync,
    ) -> Result<Self, Invalid> {
        let start = Instant::now();
        let next = AtomicU64::new(seeds.start);
        let worker = || {
            let mut part = Self::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return Ok(part);
                }
                match world(seed) {
                    Ok(report) => {
                        progress(&report);
                        part.add(&report);
                    }
                    Err(invalid) => {
                        next.store(seeds.end, Ordering::Relaxed);
                        return Err((seed, invalid));
                    }
                }
            }
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
        });
        let (mut whole, mut wrong) = (Self::default(), BTreeMap::new());
        for part in parts {
            match part {
                Ok(part) => whole = whole.merge(part),
                Err((seed, invalid)) => drop(wrong.insert(seed, invalid)),
            }
        }
        whole.elapsed = start.elapsed();
        wrong.into_values().next().map_or(Ok(whole), Err)
    }

    /// Adds one world.
    pub fn add(&mut self, report: &Report) {
        self.worlds += 1;
        self.failed += u64::from(!report.passed());
        *self.presets.entry(report.preset).or_default() += 1;
        self.arrivals += report.arrivals;
        self.deliveries += report.deliveries;
        self.attacks += report.attacks;
        self.guarded += report.guarded;
        report
            .situations
            .iter()
            .for_each(|situation| self.reach(*situation, Reached { worlds: 1, first: report.seed }));
        report.refusals.iter().for_each(|(id, times)| self.refuse(id, *times));
        let mut properties = BTreeMap::new();
        for violation in &report.violations {
            properties.entry(violation.property).or_insert_with(|| Failure::of(report, violation));
        }
        for (property, failure) in properties {
            self.failures.entry(property).or_default().add(Failures { worlds: 1, first: vec![failure] });
        }
    }

    /// Both together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.worlds += other.worlds;
        self.failed += other.failed;
        other.presets.into_iter().for_each(|(preset, worlds)| *self.presets.entry(preset).or_default() += worlds);
        self.arrivals += other.arrivals;
        self.deliveries += other.deliveries;
        self.attacks += other.attacks;
        self.guarded += other.guarded;
        other.situations.into_iter().for_each(|(situation, reached)| self.reach(situation, reached));
        other.refusals.iter().for_each(|(id, times)| self.refuse(id, *times));
        for (property, failures) in other.failures {
            self.failures.entry(property).or_default().add(failures);
        }
        self.elapsed += other.elapsed;
        self
    }

    fn reach(&mut self, situation: Situation, Reached { worlds, first }: Reached) {
        let reached = self.situations.entry(situation).or_insert(Reached { worlds: 0, first });
        reached.worlds += worlds;
        reached.first = reached.first.min(first);
    }

    fn refuse(&mut self, requirement: &str, times: u64) {
        *self.refusals.entry(requirement.to_owned()).or_default() += times;
    }

    /// Whether every property held in every world.
    pub fn passed(&self) -> bool {
        self.failed == 0
    }

    /// Situations of `wanted` that no world reached.
    pub fn missing(&self, wanted: &[Situation]) -> Vec<Situation> {
        wanted.iter().copied().filter(|situation| !self.situations.contains_key(situation)).collect()
    }

    /// Worlds in a second of the wall clock.
    pub fn rate(&self) -> f64 {
        self.worlds as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} worlds, {} failed: {} arrivals, {} attacks, {} states compared, {} messages delivered in {:.1} s",
            self.worlds,
            self.failed,
            self.arrivals,
            self.attacks,
            self.guarded,
            self.deliveries,
            self.elapsed.as_secs_f64()
        )
    }
}

/// A length of time as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(de::Error::custom)
    }
}
