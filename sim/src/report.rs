//! What a run came to.

use std::collections::BTreeSet;
use std::fmt;

use crate::checker::Violation;
use crate::plan::Preset;
use crate::situation::Situation;

/// The outcome of one world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Its family of plans.
    pub preset: Preset,
    /// Events in the trace.
    pub events: u64,
    /// Frames that crossed a link.
    pub frames: u64,
    /// Messages that applications sent through channels.
    pub sent: u64,
    /// Messages that applications received through channels.
    pub deliveries: u64,
    /// Frames that the adversary sent in place of honest ones or of its own accord.
    pub attacks: u64,
    /// Forged frames whose receiver's trusted state was compared.
    pub guarded: u64,
    /// Channels that opened.
    pub channels: u64,
    /// SHA-256 over every event and every byte.
    pub digest: [u8; 32],
    /// What was reached.
    pub situations: BTreeSet<Situation>,
    /// What does not hold: empty in a good world. A world stops at its first violation.
    pub violations: Vec<Violation>,
    /// The plan, in words.
    pub plan: String,
    /// The last lines of the trace.
    pub tail: Vec<String>,
}

impl Report {
    /// Whether every property holds.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// The command that runs the world of this seed and preset again.
    pub fn command(&self) -> String {
        format!("razor sim --preset {} --seed {}", self.preset, self.seed)
    }

    /// The first bytes of the digest, in hex.
    pub fn short_digest(&self) -> String {
        self.digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Report {
    /// One line when all is well; otherwise everything that helps to find out why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            return write!(
                f,
                "seed {:<6} {:<8} passed  {:>6} events  {:>5} of {:>5} messages delivered  {:>5} attacks  digest {}",
                self.seed,
                self.preset.to_string(),
                self.events,
                self.deliveries,
                self.sent,
                self.attacks,
                self.short_digest()
            );
        }
        writeln!(f, "seed {} {} FAILED", self.seed, self.preset)?;
        for violation in &self.violations {
            writeln!(f, "violated      {violation}")?;
        }
        writeln!(f, "digest        {} after {} events", self.short_digest(), self.events)?;
        f.write_str(&self.plan)?;
        writeln!(f, "the last events:")?;
        for line in &self.tail {
            writeln!(f, "  {line}")?;
        }
        write!(f, "reproduce with: {}", self.command())
    }
}
