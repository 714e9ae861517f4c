//! Plans: what a world is made of. A preset names a family of plans; the seed draws one of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::adversary::Capability;
use crate::link::{Burst, Profile};
use crate::seed::{Ppm, Seed};

/// A family of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Streams that lose nothing, and a middle that only watches: everything must arrive.
    Calm,
    /// Links that lose, duplicate, reorder and damage; a middle that only watches.
    Lossy,
    /// Good links, and a middle that does everything it can.
    Hostile,
    /// Every option drawn from the seed.
    Swarm,
}

impl Preset {
    /// All of them, from mild to wild.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Lossy, Self::Hostile, Self::Swarm];
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Lossy => "lossy",
            Self::Hostile => "hostile",
            Self::Swarm => "swarm",
        })
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| format!("there is no preset {text:?}: use calm, lossy, hostile or swarm"))
    }
}

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The family it was drawn from.
    pub preset: Preset,
    /// Nodes in the line, both ends included.
    pub nodes: usize,
    /// Which of them is the hostile middle.
    pub middle: usize,
    /// One profile for each link of the line, used in both directions.
    pub links: Vec<Profile>,
    /// Channels opened from the first node to the last, one after the other.
    pub channels: usize,
    /// Messages sent in each direction of each channel.
    pub messages: usize,
    /// The time between two messages of a channel.
    pub pace: Duration,
    /// The longest payload, in bytes.
    pub payload: usize,
    /// What the middle can do.
    pub capabilities: Vec<Capability>,
    /// How often the middle acts on a frame that passes.
    pub act: Ppm,
    /// The time between two things that the middle does of its own accord; zero for never.
    pub inject_every: Duration,
    /// How long a vault or a store takes at most for an answer.
    pub lateness: Duration,
    /// How long the faults last.
    pub faulty: Duration,
    /// How long a healed world may take for everything it owes.
    pub healed: Duration,
}

impl Plan {
    /// The plan of `seed` in this family.
    pub fn draw(seed: Seed, preset: Preset) -> Self {
        let mut random = seed.stream("plan");
        let nodes = random.within(3..=6) as usize;
        let middle = random.within(1..=nodes as u64 - 2) as usize;
        let swarm = preset == Preset::Swarm;
        let lossy = preset == Preset::Lossy;
        let hostile = preset == Preset::Hostile;
        let links = (1..nodes)
            .map(|_| {
                let latency = ms(1)..=ms(random.within(2..=12));
                let good = Profile { latency, stream: preset == Preset::Calm, ..Profile::good() };
                let (loss, double, overtake, damage) =
                    (random.within(0..=6), random.within(0..=15), random.within(0..=25), random.within(0..=2));
                let (stream, bursts, narrow) =
                    (random.chance(Ppm::percent(25)), random.chance(Ppm::percent(30)), random.below(4) == 0);
                let bad = swarm && random.chance(Ppm::percent(60));
                if !(lossy || bad) {
                    return Profile { stream: good.stream || swarm && stream, ..good };
                }
                Profile {
                    stream: swarm && stream,
                    loss: Ppm::percent(loss as u32),
                    burst: bursts.then_some(Burst {
                        enter: Ppm::percent(1),
                        leave: Ppm::percent(12),
                        loss: Ppm::percent(80),
                    }),
                    duplicate: Ppm::percent(double as u32),
                    reorder: Ppm::percent(overtake as u32),
                    corrupt: Ppm::percent(damage as u32),
                    bandwidth: if narrow { 200_000 } else { 0 },
                    buffer: 16_384,
                    ..good
                }
            })
            .collect();
        let capabilities = match preset {
            Preset::Calm | Preset::Lossy => Vec::new(),
            Preset::Hostile => Capability::ALL.to_vec(),
            Preset::Swarm => Capability::ALL.iter().copied().filter(|_| random.chance(Ppm::percent(50))).collect(),
        };
        let messages = random.within(10..=90) as usize;
        Self {
            preset,
            nodes,
            middle,
            links,
            channels: random.within(2..=3) as usize,
            messages: if preset == Preset::Calm { messages.max(40) } else { messages },
            pace: ms(random.within(3..=12)),
            payload: random.within(32..=1500) as usize,
            act: match preset {
                Preset::Calm | Preset::Lossy => Ppm::NEVER,
                Preset::Hostile => Ppm::percent(random.within(10..=35) as u32),
                Preset::Swarm => Ppm::percent(random.within(0..=60) as u32),
            },
            inject_every: if hostile || swarm { ms(random.within(5..=40)) } else { Duration::ZERO },
            capabilities,
            // More than a few messages that overtake the handshake are not held: a calm world stays below that.
            lateness: ms([0, 5, 30][random.index(if preset == Preset::Calm { 2 } else { 3 })]),
            faulty: Duration::from_secs(2),
            healed: Duration::from_secs(10),
        }
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl fmt::Display for Plan {
    /// The option table that a failure prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "preset        {}", self.preset)?;
        writeln!(f, "nodes         {}, the hostile middle is node {}", self.nodes, self.middle)?;
        writeln!(f, "channels      {} x {} messages each way, every {:?}", self.channels, self.messages, self.pace)?;
        writeln!(f, "payload       up to {} B", self.payload)?;
        writeln!(f, "answers       up to {:?} late", self.lateness)?;
        writeln!(f, "middle acts   {} ppm, and every {:?}", self.act.0, self.inject_every)?;
        writeln!(f, "capabilities  {:?}", self.capabilities)?;
        for (n, link) in self.links.iter().enumerate() {
            writeln!(f, "link {n}-{}      {link:?}", n + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_is_a_line_with_a_middle_between_its_ends() {
        for seed in 0..200 {
            for preset in Preset::ALL {
                let plan = Plan::draw(Seed(seed), preset);
                assert!((3..=6).contains(&plan.nodes));
                assert!((1..plan.nodes - 1).contains(&plan.middle));
                assert_eq!(plan.links.len(), plan.nodes - 1);
            }
        }
    }

    #[test]
    fn presets_parse_as_they_print() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        assert!("tepid".parse::<Preset>().is_err());
    }
}
