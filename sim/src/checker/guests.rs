//! Displacement: who has to leave a full listener.

use std::collections::BTreeMap;
use std::time::Duration;

use razor::channel::Places;
use razor::env::Instant;
use razor::identity::Identifier;
use razor::routing::Address;

use super::{Property, Violation};

/// How exactly a listener knows how long a channel has been silent.
const TO_THE_MINUTE: Duration = Duration::from_secs(60);

/// An open channel, as the world sees it.
#[derive(Debug)]
struct Guest {
    peer: Identifier,
    heard: Instant,
}

/// The channels that a listener holds open, by encryptor.
#[derive(Debug)]
pub struct Guests {
    node: usize,
    places: Places,
    open: BTreeMap<Address, Guest>,
    /// One of those has to leave for whoever came last.
    due: Option<Vec<Address>>,
}

impl Guests {
    /// The listener of `node`, with nobody there.
    pub fn new(node: usize, places: Places) -> Self {
        Self { node, places, open: BTreeMap::new(), due: None }
    }

    /// A channel is open. `one_source` says that all channels came over one connection; who has to leave for it is
    /// known only then, or when its peer has as many as a peer may have.
    pub fn opened(&mut self, now: Instant, encryptor: Address, peer: Identifier, one_source: bool) {
        let all = self.places.open_per_source.min(self.places.open);
        self.due = if self.held_by(&peer) >= self.places.open_per_peer {
            Some(self.most_silent(|guest| guest.peer == peer))
        } else if one_source && self.open.len() >= all {
            let most = self.open.values().map(|guest| self.held_by(&guest.peer)).max();
            Some(self.most_silent(|guest| Some(self.held_by(&guest.peer)) == most))
        } else {
            None
        };
        self.open.insert(encryptor, Guest { peer, heard: now });
    }

    /// Something came through the channel.
    pub fn heard(&mut self, now: Instant, encryptor: &Address) {
        if let Some(guest) = self.open.get_mut(encryptor) {
            guest.heard = now;
        }
    }

    /// A channel is closed. Says whether it was displaced.
    pub fn closed(&mut self, encryptor: &Address) -> Result<bool, Violation> {
        let Some(Guest { peer, .. }) = self.open.remove(encryptor) else { return Ok(false) };
        match self.due.take() {
            Some(due) if !due.contains(encryptor) => {
                let detail = format!("a channel with {peer} had to leave, and it was not its turn");
                Err(Violation::new(Property::Displacement, self.node, detail))
            }
            due => Ok(due.is_some()),
        }
    }

    fn held_by(&self, peer: &Identifier) -> usize {
        self.open.values().filter(|guest| guest.peer == *peer).count()
    }

    /// Of those channels, the ones than which no other has been silent for longer, to the minute.
    fn most_silent(&self, wanted: impl Fn(&Guest) -> bool) -> Vec<Address> {
        let wanted: Vec<_> = self.open.iter().filter(|(_, guest)| wanted(guest)).collect();
        let first = wanted.iter().map(|(_, guest)| guest.heard).min().unwrap_or(Instant::ZERO);
        let silent = wanted.into_iter().filter(|(_, guest)| guest.heard <= first + TO_THE_MINUTE);
        silent.map(|(encryptor, _)| encryptor.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Identifier = Identifier([1; 32]);
    const MALLORY: Identifier = Identifier([3; 32]);

    fn name(n: u64) -> Address {
        Address::local(&format!("e{n}"))
    }

    /// A listener with places for five, three of them for one peer: Alice has opened one channel, then Mallory `n`,
    /// each half an hour after the one before.
    fn besieged(n: u64) -> Guests {
        let places = Places { open: 9, open_per_source: 5, open_per_peer: 3, ..Places::DEFAULT };
        let mut guests = Guests::new(3, places);
        for n in 0..=n {
            guests.opened(at(n), name(n), if n == 0 { ALICE } else { MALLORY }, true);
        }
        guests
    }

    fn at(n: u64) -> Instant {
        Instant::from_millis(n * 1_800_000)
    }

    fn verdict(mut guests: Guests, n: u64) -> Option<bool> {
        guests.closed(&name(n)).map_err(|violation| assert_eq!(violation.property, Property::Displacement)).ok()
    }

    #[test]
    fn whoever_has_as_many_as_a_peer_may_have_displaces_the_most_silent_of_his_own() {
        assert_eq!(verdict(besieged(3), 1), Some(false), "there was room");
        for (n, expected) in [(0, None), (1, Some(true)), (2, None), (3, None), (4, None)] {
            assert_eq!(verdict(besieged(4), n), expected, "{n}");
        }
        // Over whatever connections they came.
        let mut guests = besieged(3);
        guests.opened(at(4), name(4), MALLORY, false);
        assert_eq!(verdict(guests, 0), None);
    }

    #[test]
    fn whoever_has_the_most_is_displaced_and_not_the_quiet_one_beside_him() {
        let full = || {
            let mut guests = besieged(3);
            guests.opened(at(4), name(4), ALICE, true);
            guests
        };
        for (n, expected) in [(0, None), (1, Some(true)), (2, None), (4, None), (5, None)] {
            let mut guests = full();
            guests.opened(at(5), name(5), ALICE, true);
            assert_eq!(verdict(guests, n), expected, "{n}");
        }
        // Nothing is due where there may be several sources.
        let mut guests = full();
        guests.opened(at(5), name(5), ALICE, false);
        assert_eq!(verdict(guests, 0), Some(false));
    }

    #[test]
    fn who_has_spoken_stays_and_silence_counts_to_the_minute() {
        let mut guests = besieged(3);
        guests.heard(at(3), &name(1));
        guests.heard(at(2) + TO_THE_MINUTE, &name(3));
        guests.opened(at(4), name(4), MALLORY, true);
        assert_eq!(guests.due, Some(vec![name(2), name(3)]));
    }
}
