//! Families of plans.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A family of plans. Unless a sketch says otherwise, a world of each has 2 to 9 nodes (a fiftieth of the swarm's: up
/// to 60) in any shape, 2 or 3 channels of 10 to 90 messages each way at 3 to 12 ms, of up to 32 to 1 500 bytes, and
/// two seconds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Streams of 1 to 12 ms that lose nothing, and somebody who only watches, or who sends things of his own and leaves
    /// those of others alone: everything must arrive.
    Calm,
    /// Datagrams: each link loses 0 to 6 %, a third of them in bursts besides (1 % enter, 12 % leave, 80 % lost),
    /// doubles 0 to 15 %, lets 0 to 25 % be overtaken, damages 0 to 2 %; a quarter has 200 kB/s with a buffer of
    /// 16 KiB, a sixth an MTU of 1 200 bytes, an eighth is a serial line. Somebody watches.
    Lossy,
    /// Good links, up to a half of them behind a NAT; 2 to 6 faults: crashes of 50 to 500 ms, a fifth of which forget
    /// keys, pauses of 20 to 300 ms, jumps of clocks within 45 s, cuts of 20 to 400 ms, broken connections, rotations of
    /// identities. Half of the channels are kept by sessions.
    Faults,
    /// Good links, and one or two who have a node or a link on the way and do everything they can, to 10 to 35 % of
    /// the frames and every 5 to 40 ms.
    Hostile,
    /// Good links, and somebody on the way who has keys or papers of others, or two histories of their own.
    Impostors,
    /// Streams that lose nothing, and a node that opens channels to the far end without end: for minutes, and
    /// whatever honest nodes send must arrive.
    Siege,
    /// Every option of all the others drawn from the seed.
    #[default]
    Swarm,
}

impl Preset {
    /// All of them, from mild to wild.
    pub const ALL: [Self; 7] =
        [Self::Calm, Self::Lossy, Self::Faults, Self::Hostile, Self::Impostors, Self::Siege, Self::Swarm];

    /// The family of a seed where each family has its turn: the whole mixture.
    pub fn in_turn(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Calm => "calm",
            Self::Lossy => "lossy",
            Self::Faults => "faults",
            Self::Hostile => "hostile",
            Self::Impostors => "impostors",
            Self::Siege => "siege",
            Self::Swarm => "swarm",
        })
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|preset| preset.to_string() == text).ok_or_else(|| {
            let names = Self::ALL.map(|preset| preset.to_string()).join(", ");
            format!("there is no preset {text:?}; there are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_parse_as_they_print() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        assert!("tepid".parse::<Preset>().is_err());
    }
}
