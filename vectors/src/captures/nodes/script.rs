//! The recorded randomness, fed in.

use std::collections::VecDeque;

use razor::env::{Entropy, Purpose};
use razor::routing::{Address, TransportType};

/// Randomness by script.
#[derive(Default)]
pub(super) struct Script {
    pub(super) addresses: VecDeque<[u8; 16]>,
    pub(super) ephemeral: [u8; 32],
    /// For addresses that no recording shows.
    unseen: u64,
}

impl Entropy for Script {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        out.fill(0);
        let mut copy = |from: &[u8]| out.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        match purpose {
            Purpose::Address => {
                self.unseen += 1;
                match self.addresses.pop_front() {
                    Some(address) => copy(&address),
                    None => copy(&self.unseen.to_be_bytes()),
                }
            }
            Purpose::Ephemeral => copy(&self.ephemeral),
            _ => {}
        }
    }
}

/// The 16 random bytes of an address.
pub(super) fn digits(address: &Address) -> Option<[u8; 16]> {
    let bytes = hex::decode(address.as_ref().value).ok()?;
    bytes.try_into().ok().filter(|_| address.as_ref().transport == TransportType::LOCAL)
}
