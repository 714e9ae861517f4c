//! What a run came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use razor::env::Instant;

use crate::checker::Violation;
use crate::plan::{Plan, Preset};
use crate::record::Record;
use crate::scene::Line;
use crate::situation::Situation;
use crate::trace::{Entry, What};

/// The outcome of one world.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Its family of plans.
    pub preset: Preset,
    /// Events in the trace.
    pub events: u64,
    /// Frames, or pieces of them, that arrived at a node.
    pub arrivals: u64,
    /// Messages that applications sent through channels.
    pub sent: u64,
    /// Messages that applications received through channels.
    pub deliveries: u64,
    /// Frames that adversaries sent in place of honest ones or of their own accord, and channels that they began.
    pub attacks: u64,
    /// Forged frames whose receiver's trusted state was compared.
    pub guarded: u64,
    /// Channels that opened at honest nodes.
    pub channels: u64,
    /// The digest of everything that happened.
    pub digest: [u8; 16],
    /// What was reached.
    pub situations: BTreeSet<Situation>,
    /// How often something was refused, by the requirement that says so.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What does not hold: empty in a good world. A world stops at its first violation.
    pub violations: Vec<Violation>,
    /// What was done and said in the scene that failed, if one did.
    pub played: Vec<Line>,
    /// The plan.
    pub plan: Plan,
    /// The last events, as many as were to be kept.
    pub entries: Vec<Entry>,
    /// The record, if the world was to keep one.
    pub record: Option<Record>,
}

impl Report {
    /// Of a world that never began: this happened while it was made.
    pub(crate) fn stillborn(plan: Plan, violation: Violation) -> Self {
        let last = Entry::new(Instant::ZERO, 0, What::Violated, violation.to_string());
        Self {
            seed: plan.seed,
            preset: plan.preset,
            events: 1,
            arrivals: 0,
            sent: 0,
            deliveries: 0,
            attacks: 0,
            guarded: 0,
            channels: 0,
            digest: [0; 16],
            situations: BTreeSet::new(),
            refusals: BTreeMap::new(),
            violations: vec![violation],
            played: Vec::new(),
            plan,
            entries: vec![Entry { number: 1, ..last }],
            record: Some(Record::default()),
        }
    }

    /// Whether every property holds.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// The command that runs the world of this seed and family again.
    pub fn command(&self) -> String {
        format!("razor sim replay {} --preset {}", self.seed, self.preset)
    }

    /// The first bytes of the digest, in hex.
    pub fn short_digest(&self) -> String {
        self.digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Report {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {:<6} {:<9} {}  {:>3} nodes  {:>6} events  {:>5} of {:>5} messages delivered  {:>5} attacks  digest {}",
            self.seed,
            self.preset,
            if self.passed() { "passed" } else { "FAILED" },
            self.plan.nodes.len(),
            self.events,
            self.deliveries,
            self.sent,
            self.attacks,
            self.short_digest()
        )?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  violated  {violation}"))
    }
}
