//! What a bad line does to bytes: loses some, flips bits of others, makes some up. The same every time.

use razor::env::{Entropy, Purpose, Seeded};

/// One direction of a line.
pub(crate) struct Noise {
    entropy: Seeded,
    /// How many bytes were harmed.
    pub(crate) harmed: u64,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self { entropy: Seeded::from_u64(seed), harmed: 0 }
    }

    /// Lets bytes pass. Of a million, `rate` are harmed.
    pub(crate) fn pass(&mut self, bytes: &[u8], rate: u32) -> Vec<u8> {
        if rate == 0 {
            return bytes.to_vec();
        }
        let mut passed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            let mut drawn = [0; 6];
            self.entropy.fill(Purpose::Ping, &mut drawn);
            let [a, b, c, d, kind, value] = drawn;
            if u32::from_be_bytes([a, b, c, d]) % 1_000_000 >= rate {
                passed.push(*byte);
                continue;
            }
            self.harmed += 1;
            match kind % 3 {
                0 => {}
                1 => passed.push(byte ^ (1 << (value % 8))),
                _ => passed.extend([value, *byte]),
            }
        }
        passed
    }
}
