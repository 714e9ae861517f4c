//! Plans: what a world is made of. A preset names a family of plans; the seed draws one of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use razor::channel::Places;

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
    /// Streams that lose nothing, and a middle that opens channels to the far end without end: for minutes, and
    /// whatever honest nodes send must arrive.
    Siege,
    /// Every option drawn from the seed.
    Swarm,
}

impl Preset {
    /// All of them, from mild to wild.
    pub const ALL: [Self; 5] = [Self::Calm, Self::Lossy, Self::Hostile, Self::Siege, Self::Swarm];

    /// Whether everything that an honest node sends arrives.
    pub fn loses_nothing(self) -> bool {
        matches!(self, Self::Calm | Self::Siege)
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Lossy => "lossy",
            Self::Hostile => "hostile",
            Self::Siege => "siege",
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
            .ok_or_else(|| format!("there is no preset {text:?}: use calm, lossy, hostile, siege or swarm"))
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
    /// What the listener at the far end bears.
    pub places: Places,
    /// Whether that listener trusts everybody, or the first node alone.
    pub welcoming: bool,
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
        let siege = preset == Preset::Siege;
        // It is in minutes that a listener counts silence.
        let slower = if siege { 100 } else { 1 };
        let links = (1..nodes)
            .map(|_| {
                let latency = ms(1)..=ms(random.within(2..=12));
                let good = Profile { latency, stream: preset.loses_nothing(), ..Profile::good() };
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
            Preset::Siege => vec![Capability::Siege],
            Preset::Swarm => Capability::ALL.iter().copied().filter(|_| random.chance(Ppm::percent(50))).collect(),
        };
        let messages = random.within(10..=90) as usize;
        let channels = random.within(2..=3) as usize;
        let pace = ms(random.within(3..=12));
        let mut plan = Self {
            preset,
            nodes,
            middle,
            links,
            channels,
            messages: if preset.loses_nothing() { messages.max(40) } else { messages },
            pace: pace * slower,
            payload: random.within(32..=1500) as usize,
            act: match preset {
                Preset::Calm | Preset::Lossy | Preset::Siege => Ppm::NEVER,
                Preset::Hostile => Ppm::percent(random.within(10..=35) as u32),
                Preset::Swarm => Ppm::percent(random.within(0..=60) as u32),
            },
            inject_every: if capabilities.is_empty() && !swarm {
                Duration::ZERO
            } else {
                ms(random.within(5..=40)) * slower
            },
            places: Places::DEFAULT,
            welcoming: false,
            capabilities,
            // More than a few messages that overtake the handshake are not held: a calm world stays below that.
            lateness: ms([0, 5, 30][random.index(if preset == Preset::Calm { 2 } else { 3 })]),
            faulty: Duration::from_secs(2) * slower,
            healed: Duration::from_secs(10) * slower,
        };
        // The first node and the middle reach the far end over one connection. The first has fewer than half of the
        // places there, and no more than one peer may have: who fills them is the middle.
        let open_per_source = (random.within(0..=8) as usize).saturating_add(2 * channels + 1);
        plan.places = Places {
            open: random.within(open_per_source as u64..=2 * open_per_source as u64) as usize,
            open_per_source,
            open_per_peer: random.within(channels as u64 + 1..=open_per_source as u64) as usize,
            ..Places::DEFAULT
        };
        plan.welcoming = siege || (hostile || swarm) && random.chance(Ppm::percent(50));
        plan
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
        let (Places { open, open_per_source, open_per_peer, .. }, who) =
            (self.places, if self.welcoming { "everybody" } else { "the first node" });
        writeln!(
            f,
            "far end       trusts {who}, bears {open} channels, {open_per_source} of a source, {open_per_peer} of a peer"
        )?;
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
                assert!(2 * plan.channels < plan.places.open_per_source && plan.channels < plan.places.open_per_peer);
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
