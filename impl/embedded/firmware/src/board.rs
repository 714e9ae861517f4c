//! The emulated board: a UART, a clock, and the keys and the randomness of a test.
//!
//! **Nothing here is secret.** QEMU's board has no source of randomness, so the seed is fixed and everybody knows it, and
//! with it every key. A real board has a generator in hardware.

use razor::Result;
use razor::env::{Entropy, Instant, Purpose, Seeded, Timestamp};
use razor::vault::{self, SoftwareVault};
use razor_embedded::Board;

use crate::clock;
use crate::uart::Uart;

/// The seed of all randomness, for emulation.
pub const SEED: u64 = 0x005e_edf0_7e57;

/// The wall-clock time at which the board is switched on: it has no calendar. The host's node is told the same.
pub const WALL: u64 = 1_750_000_000;

pub struct Emulated {
    pub uart: Uart,
    pub entropy: Seeded,
    pub vault: SoftwareVault,
}

impl Entropy for Emulated {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        self.entropy.fill(purpose, out);
    }
}

impl Board for Emulated {
    fn now(&mut self) -> Instant {
        clock::now()
    }

    fn wall(&mut self) -> Timestamp {
        Timestamp(WALL).plus(clock::now().since(Instant::ZERO).as_secs())
    }

    fn read(&mut self, _: usize, into: &mut [u8]) -> usize {
        let mut count = 0;
        while count < into.len() {
            let Some(byte) = self.uart.read() else { break };
            into[count] = byte;
            count += 1;
        }
        count
    }

    fn write(&mut self, _: usize, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.uart.write(**byte)).count()
    }

    fn answer(&mut self, request: &vault::Request) -> Result<vault::Answer> {
        self.vault.answer(request)
    }

    /// The clock ticks every millisecond, so no time is missed by more.
    fn wait(&mut self, _: Option<Instant>) {
        self.uart.wait();
    }
}
