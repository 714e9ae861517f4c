//! The emulated board: a UART, a clock, and the keys and the randomness of a test.
//!
//! **Nothing here is secret.** QEMU's board has no source of randomness, so everybody can compute what it draws, and with
//! it every key. A real board has a generator in hardware.

use razor::env::{Entropy, Instant, Purpose, Timestamp};
#[cfg(feature = "responder")]
use razor::node::{Answer, Request};
#[cfg(feature = "responder")]
use razor::vault::SecretKey;
use razor_embedded::Board;
#[cfg(feature = "responder")]
use razor_embedded::Keys;

use crate::clock;
use crate::known::Known;
use crate::uart::Uart;

pub struct Emulated {
    uart: Uart,
    known: Known,
    #[cfg(feature = "responder")]
    keys: Keys,
}

impl Emulated {
    pub fn new(uart: Uart) -> Self {
        Self {
            uart,
            known: Known(0),
            #[cfg(feature = "responder")]
            keys: Keys::new(SecretKey::new(*include_bytes!(concat!(env!("OUT_DIR"), "/static-key")))),
        }
    }
}

impl Entropy for Emulated {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        self.known.fill(purpose, out);
    }
}

impl Board for Emulated {
    fn now(&mut self) -> Instant {
        clock::now()
    }

    fn wall(&mut self) -> Timestamp {
        clock::wall()
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

    #[cfg(feature = "responder")]
    fn answer(&mut self, request: &Request) -> Answer {
        self.keys.answer(request)
    }

    /// The clock ticks every millisecond: no time is missed by more, and so long a byte waits that found the UART full.
    fn wait(&mut self, _: Option<Instant>) {
        self.uart.wait();
    }
}
