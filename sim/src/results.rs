//! Results of a campaign as data: what one machine writes, and what the shares of many add up to.
//!
//! `sim/results.schema.json` is the schema. But for the time that it took, the same build and the same seeds give the
//! same results.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::campaign::{Campaign, ENOUGH};
use crate::plan::{Preset, Shape};
use crate::situation::Situation;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// What became of a campaign, or of some shards of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// What ran: version and commit.
    pub build: String,
    /// The whole campaign.
    pub swarm: Swarm,
    /// What of it these results are.
    pub shards: Shards,
    /// What came of that.
    pub outcome: Campaign,
}

/// Which worlds a campaign has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// The family of all; without it and without a plan, each family has its turn.
    pub preset: Option<Preset>,
    /// The plan whose gaps are drawn.
    pub plan: Option<PlanFile>,
    /// The shape of all networks.
    pub shape: Option<Shape>,
    /// How many nodes these have.
    pub nodes: Option<usize>,
    /// The first seed.
    pub first: u64,
    /// How many seeds; 0 comes after the last.
    pub seeds: u64,
}

/// A plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Where it is.
    pub path: String,
    /// SHA-256 of it, in hex.
    pub sha256: String,
}

/// Some of the equal parts of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    /// How many parts there are.
    pub of: u64,
    /// Which of them ran, from 1.
    pub done: BTreeSet<u64>,
}

/// One of the equal parts of a campaign: `k/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

/// Why results do not belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch(pub String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl Shard {
    /// All there is.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Which of so many worlds it has, counted from 0: a run of them, so that every part has every family.
    pub fn worlds(self, all: u64) -> Range<u64> {
        let end = |number: u64| (u128::from(all) * u128::from(number) / u128::from(self.of)) as u64;
        end(self.number - 1)..end(self.number)
    }
}

impl PlanFile {
    /// The file of this path and text.
    pub fn new(path: impl Into<String>, text: &str) -> Self {
        let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { path: path.into(), sha256 }
    }
}

impl From<Shard> for Shards {
    fn from(Shard { number, of }: Shard) -> Self {
        Self { of, done: BTreeSet::from([number]) }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no part of a whole: write 2/8 for the second of eight");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if (1..=of).contains(&number) { Ok(Self { number, of }) } else { Err(wrong()) }
    }
}

impl Shards {
    /// Those that did not run, as numbers and ranges: `3, 7-9`. Nothing if all did.
    pub fn missing(&self) -> Option<String> {
        let mut gaps = Vec::new();
        let mut next = 1;
        for done in self.done.iter().copied().chain([self.of + 1]) {
            match done - next {
                0 => {}
                1 => gaps.push(next.to_string()),
                _ => gaps.push(format!("{next}-{}", done - 1)),
            }
            next = done + 1;
        }
        (!gaps.is_empty()).then(|| gaps.join(", "))
    }
}

impl Swarm {
    /// Whether it leaves everything to the seed, so that every situation is to be expected.
    pub fn is_whole_mixture(&self) -> bool {
        self.preset.is_none() && self.plan.is_none() && self.shape.is_none() && self.nodes.is_none()
    }
}

impl Results {
    /// Reads results.
    ///
    /// # Errors
    /// Why the text is none.
    pub fn parse(text: &str) -> Result<Self, Mismatch> {
        /// The part that every version has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let wrong = |error: serde_json::Error| Mismatch(format!("these are no results of a swarm: {error}"));
        let Head { format } = serde_json::from_str(text).map_err(wrong)?;
        if format != FORMAT {
            return Err(Mismatch(format!("the results have format {format}, and {FORMAT} is what this program reads")));
        }
        let results: Self = serde_json::from_str(text).map_err(wrong)?;
        let Shards { of, done } = &results.shards;
        if *of == 0 || done.is_empty() || done.iter().any(|number| !(1..=*of).contains(number)) {
            return Err(Mismatch(format!("there are no shards {done:?} of {of}")));
        }
        let share = |number| Shard { number, of: *of }.worlds(results.swarm.seeds);
        let worlds: u64 = done.iter().map(|number| share(*number)).map(|worlds| worlds.end - worlds.start).sum();
        if worlds != results.outcome.worlds {
            let ran = results.outcome.worlds;
            return Err(Mismatch(format!("shards {done:?} of {of} are {worlds} worlds, and {ran} ran")));
        }
        Ok(results)
    }

    /// The results as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|e| panic!("results are JSON: {e}"));
        text.push('\n');
        text
    }

    /// These and other shards of the same campaign together.
    ///
    /// # Errors
    /// Why they do not belong together.
    pub fn merge(mut self, other: Self) -> Result<Self, Mismatch> {
        if self.build != other.build {
            return Err(Mismatch(format!("one was run by {}, the other by {}", self.build, other.build)));
        }
        if self.swarm != other.swarm {
            return Err(Mismatch(format!("they are of different campaigns: {} and {}", self.swarm, other.swarm)));
        }
        if self.shards.of != other.shards.of {
            let (one, two) = (self.shards.of, other.shards.of);
            return Err(Mismatch(format!("one campaign was cut into {one} shards, the other into {two}")));
        }
        if let Some(twice) = self.shards.done.intersection(&other.shards.done).next() {
            return Err(Mismatch(format!("shard {twice}/{} is there twice", self.shards.of)));
        }
        self.shards.done.extend(other.shards.done);
        self.outcome = self.outcome.merge(other.outcome);
        Ok(self)
    }

    /// Situations that ought to have been reached and were not: there are some to be expected if [`ENOUGH`] worlds of
    /// the whole mixture ran.
    pub fn unreached(&self) -> Vec<Situation> {
        if self.swarm.is_whole_mixture() && self.outcome.worlds >= ENOUGH {
            self.outcome.missing(Situation::ALL)
        } else {
            Vec::new()
        }
    }
}

impl fmt::Display for Swarm {
    /// In the words of the command's flags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--first {} --seeds {}", self.first, self.seeds)?;
        if let Some(preset) = self.preset {
            write!(f, " --preset {preset}")?;
        }
        if let Some(PlanFile { path, sha256 }) = &self.plan {
            write!(f, " --plan {path} (SHA-256 {sha256})")?;
        }
        if let Some((shape, nodes)) = self.shape.zip(self.nodes) {
            write!(f, " --shape {shape} --nodes {nodes}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Invalid;

    const SEEDS: u64 = 10;

    fn shard(text: &str) -> Shard {
        text.parse().expect("a shard")
    }

    fn results(shard: Shard) -> Results {
        let swarm = Swarm { preset: None, plan: None, shape: None, nodes: None, first: 3, seeds: SEEDS };
        let world =
            |n| -> Result<_, Invalid> { Ok(crate::drawn(swarm.first + n, Preset::in_turn(swarm.first + n)).run()) };
        let mut outcome = Campaign::run(shard.worlds(SEEDS), 2, world, |_| ()).expect("worlds");
        outcome.elapsed = std::time::Duration::ZERO;
        Results { format: FORMAT, build: "this".into(), swarm, shards: shard.into(), outcome }
    }

    #[test]
    fn the_shards_of_a_campaign_are_its_worlds_each_once_and_in_order() {
        for all in [0, 1, 2, 7, 100, 1_001, u64::MAX] {
            for of in [1, 2, 3, 7, 64, 1_000] {
                let parts: Vec<_> = (1..=of).map(|number| Shard { number, of }.worlds(all)).collect();
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, all));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
                let sizes = parts.iter().map(|part| part.end - part.start);
                assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1, "{all} in {of}");
            }
        }
    }

    #[test]
    fn shards_read_as_they_are_written() {
        assert_eq!(shard("2/8"), Shard { number: 2, of: 8 });
        for wrong in ["", "2", "0/8", "9/8", "1/0", "a/b", "-1/8", "1/8/9"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn merged_shards_are_the_campaign() {
        let whole = results(Shard::WHOLE);
        let parts = ["3/3", "1/3", "2/3"].map(|text| results(shard(text)));
        let again = parts.map(|part| Results::parse(&part.to_json()).expect("what was written"));
        let merged = again.into_iter().reduce(|one, other| one.merge(other).expect("they belong together")).unwrap();
        assert_eq!(merged.outcome, whole.outcome);
        assert_eq!(merged.shards.missing(), None);
    }

    #[test]
    fn what_does_not_belong_together_is_not_merged() {
        let one = results(shard("1/3"));
        let refused = |change: fn(&mut Results)| {
            let mut other = results(shard("2/3"));
            change(&mut other);
            one.clone().merge(other).expect_err("it is refused").to_string()
        };
        assert!(refused(|other| other.build = "that".into()).contains("by that"));
        assert!(refused(|other| other.swarm.first = 4).contains("--first 4"));
        assert!(refused(|other| other.swarm.preset = Some(Preset::Calm)).contains("--preset calm"));
        assert!(refused(|other| other.shards.of = 4).contains("into 4"));
        assert!(refused(|other| other.shards.done = BTreeSet::from([1])).contains("1/3 is there twice"));
        assert_eq!(one.shards.missing().as_deref(), Some("2-3"));
    }

    #[test]
    fn damaged_results_are_refused() {
        let good = results(shard("1/3")).to_json();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("\"of\": 3", "\"of\": 0"),
            ("\"of\": 3", "\"of\": 4"),
            ("\"worlds\": 3", "\"worlds\": 4"),
            ("\"build\"", "\"built\""),
            ("}", ""),
        ] {
            let damaged = good.replacen(from, to, 1);
            assert_ne!(damaged, good, "{from}");
            assert!(Results::parse(&damaged).is_err(), "{to}");
        }
    }
}
