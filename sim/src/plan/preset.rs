//! Families of plans.

use crate::named::named;

named! {
    /// A family of plans. Unless a sketch says otherwise, a world of each has 2 to 9 nodes (a fiftieth of the swarm's:
    /// up to 60) in any shape, 2 or 3 channels of 10 to 90 messages each way at 3 to 12 ms, of up to 32 to 1 500 bytes,
    /// and two seconds of faults. In all but siege there is mostly a node that no channel passes, and a vandal has it, or,
    /// except in calm, an impostor.
    Preset is "preset",
    /// Streams of 1 to 12 ms that lose nothing, and somebody who only watches, or who sends things of his own and leaves
    /// those of others alone: everything must arrive.
    Calm => "calm",
    /// Datagrams: each link loses 0 to 6 %, a third of them in bursts besides (1 % enter, 12 % leave, 80 % lost),
    /// doubles 0 to 15 %, lets 0 to 25 % be overtaken, damages 0 to 2 %; a quarter has 200 kB/s with a buffer of
    /// 16 KiB, a sixth an MTU of 1 200 bytes, an eighth is a serial line. Somebody watches, or changes the order of
    /// what passes.
    Lossy => "lossy",
    /// Good links, up to a half of them behind a NAT; 2 to 6 faults: crashes of 50 to 500 ms, a fifth of which forget
    /// keys, pauses of 20 to 300 ms, jumps of clocks within 45 s, cuts of 20 to 400 ms, broken connections, rotations of
    /// identities. Half of the channels are kept by sessions; some of those are cut off for 6 to 14 s, which a session
    /// does not outlive, in 16 seconds of faults.
    Faults => "faults",
    /// Good links, and one or two who have a node or a link on the way and do everything they can, to 10 to 35 % of
    /// the frames and every 5 to 40 ms.
    Hostile => "hostile",
    /// Good links, and somebody on the way who has keys or papers of others, or two histories of their own.
    Impostors => "impostors",
    /// Streams that lose nothing, and a node that opens channels to the far end without end: for minutes, and
    /// whatever honest nodes send must arrive.
    Siege => "siege",
    /// Every option of all the others drawn from the seed.
    Swarm => "swarm",
}

impl Preset {
    /// The family of a seed where each family has its turn: the whole mixture.
    pub fn in_turn(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
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
