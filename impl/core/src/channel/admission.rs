//! Admission of half-open handshakes: who may occupy a place, and who leaves when all are taken.
//!
//! Whoever can send a message can start a handshake, so a place is what an attacker takes first. The
//! table has a fixed number of places, in total and per source, and when it is full a place is freed at
//! random *among those of the source that holds the most*, or of all that hold as many. A flood through one connection therefore
//! displaces itself before it displaces anybody else.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use crate::env::{Entropy, Purpose};
use crate::node::Provenance;
use crate::routing::Address;

/// How many half-open handshakes a listener bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// In total.
    pub total: usize,
    /// From one source: one connection, or one authenticated peer of an outer channel.
    pub per_source: usize,
}

impl Places {
    /// What every listener bears at least.
    pub const FLOOR: Self = Self { total: 4, per_source: 2 };
    /// The most that anyone may configure.
    pub const CEILING: Self = Self { total: 65_536, per_source: 65_536 };
    /// What a listener is configured with unless told otherwise.
    pub const DEFAULT: Self = Self { total: 4096, per_source: 64 };

    /// The nearest values between floor and ceiling.
    fn clamped(self) -> Self {
        let total = self.total.clamp(Self::FLOOR.total, Self::CEILING.total);
        Self { total, per_source: self.per_source.clamp(Self::FLOOR.per_source, total) }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A place in the table. A handshake holds it while it is half open; dropping it frees the place.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for its reference count")] Arc<()>);

struct Occupant {
    source: Provenance,
    /// How to stop it.
    address: Address,
    place: Weak<()>,
}

/// The places of one listener.
pub struct Admission {
    places: Places,
    occupants: Vec<Occupant>,
}

impl Admission {
    /// A table with all places free.
    pub fn new(places: Places) -> Self {
        Self { places: places.clamped(), occupants: Vec::new() }
    }

    /// Takes a place for a new handshake, reached at `address`, whose first message came from `source`.
    /// If another had to leave for it, its address comes too: the caller stops that handshake.
    ///
    /// The work is bounded by the number of places.
    pub fn admit(
        &mut self,
        entropy: &mut dyn Entropy,
        source: Provenance,
        address: Address,
    ) -> (Place, Option<Address>) {
        self.occupants.retain(|occupant| occupant.place.strong_count() > 0);
        let from_source = self.held_by(&source);
        //= spec/src/channels.md#chn-52
        //# A listener MUST bound the number of half-open handshakes, in total and for each source.
        let victim = if from_source >= self.places.per_source {
            self.random_of(entropy, &[source])
        } else if self.occupants.len() >= self.places.total {
            self.random_of(entropy, &self.heaviest())
        } else {
            None
        };
        let evicted = victim.map(|index| self.occupants.swap_remove(index).address);
        let place = Arc::new(());
        self.occupants.push(Occupant { source, address, place: Arc::downgrade(&place) });
        (Place(place), evicted)
    }

    /// How many handshakes are half open now.
    pub fn half_open(&self) -> usize {
        self.occupants.iter().filter(|occupant| occupant.place.strong_count() > 0).count()
    }

    /// How many bytes the table holds.
    pub fn footprint(&self) -> usize {
        self.occupants.len().saturating_mul(size_of::<Occupant>())
    }

    /// The most that [`footprint`](Self::footprint) ever says.
    pub fn footprint_limit(&self) -> usize {
        self.places.total.saturating_mul(size_of::<Occupant>())
    }

    fn held_by(&self, source: &Provenance) -> usize {
        self.occupants.iter().filter(|occupant| occupant.source == *source).count()
    }

    /// The sources that hold the most places, in order.
    fn heaviest(&self) -> Vec<Provenance> {
        let mut sources: Vec<Provenance> = self.occupants.iter().map(|occupant| occupant.source).collect();
        sources.sort_unstable();
        let runs = sources.chunk_by(|a, b| a == b);
        let most = runs.clone().map(<[_]>::len).max().unwrap_or_default();
        runs.filter(|run| run.len() == most).filter_map(<[_]>::first).copied().collect()
    }

    /// The index of a random occupant of these sources, which are in order.
    fn random_of(&self, entropy: &mut dyn Entropy, sources: &[Provenance]) -> Option<usize> {
        //= spec/src/channels.md#chn-53
        //# A full listener MUST make room by ending a random half-open handshake of the source that holds the most, or of all such sources when there are several.
        let occupants = self.occupants.iter().enumerate();
        let theirs = occupants.filter(|(_, occupant)| sources.binary_search(&occupant.source).is_ok());
        let held = u64::try_from(theirs.clone().count()).ok()?;
        let random = u64::from_le_bytes(entropy.array(Purpose::Eviction));
        let nth = usize::try_from(random.checked_rem(held)?).ok()?;
        theirs.map(|(index, _)| index).nth(nth)
    }
}

impl core::fmt::Debug for Admission {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Admission").field("places", &self.places).field("half_open", &self.half_open()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Seeded;
    use crate::node::ConnectionId;

    const SMALL: Places = Places { total: 8, per_source: 6 };

    fn source(n: u64) -> Provenance {
        Provenance::connection(ConnectionId(n))
    }

    fn name(n: usize) -> Address {
        Address::local(&format!("h{n}"))
    }

    //= spec/src/channels.md#chn-52
    //= type=test
    //# A listener MUST bound the number of half-open handshakes, in total and for each source.
    #[test]
    fn places_are_bounded_in_total_and_per_source() {
        let mut entropy = Seeded::from_u64(1);
        let mut admission = Admission::new(SMALL);
        let mut held = Vec::new();
        for n in 0..100 {
            let (place, evicted) = admission.admit(&mut entropy, source(1), name(n));
            assert_eq!(evicted.is_some(), n >= 6, "after {n}");
            held.push(place);
        }
        assert_eq!(admission.occupants.len(), 6);
        for n in 100..200 {
            held.push(admission.admit(&mut entropy, source(n as u64), name(n)).0);
        }
        assert_eq!(admission.occupants.len(), 8);
    }

    #[test]
    fn places_beyond_the_limits_count_as_the_nearest_within() {
        let within = |total, per_source| Admission::new(Places { total, per_source }).places;
        assert_eq!(within(0, 0), Places::FLOOR);
        assert_eq!(within(usize::MAX, usize::MAX), Places::CEILING);
        assert_eq!(within(8, 100), Places { total: 8, per_source: 8 });
        assert_eq!(within(4096, 64), Places::DEFAULT);
    }

    //= spec/src/channels.md#chn-53
    //= type=test
    //# A full listener MUST make room by ending a random half-open handshake of the source that holds the most, or of all such sources when there are several.
    #[test]
    fn a_flood_displaces_itself_and_not_the_quiet_neighbour() {
        let mut entropy = Seeded::from_u64(2);
        let mut admission = Admission::new(SMALL);
        let quiet = admission.admit(&mut entropy, source(7), name(0));
        let mut flood = Vec::new();
        let mut evicted = Vec::new();
        for n in 1..500 {
            let (place, victim) = admission.admit(&mut entropy, source(n % 2), name(n as usize));
            flood.push(place);
            evicted.extend(victim);
        }
        assert!(!evicted.contains(&name(0)), "the quiet source holds the least");
        assert!(evicted.len() > 400);
        drop(quiet);
        // Random, not oldest first: an attacker cannot know which place falls.
        assert_ne!(evicted[..6], (1..7).map(name).collect::<Vec<_>>());
    }

    //= spec/src/channels.md#chn-53
    //= type=test
    //# A full listener MUST make room by ending a random half-open handshake of the source that holds the most, or of all such sources when there are several.
    #[test]
    fn when_all_sources_hold_as_much_any_of_them_may_fall() {
        let mut entropy = Seeded::from_u64(5);
        let mut fallen = [0; 8];
        for _ in 0..4_000 {
            let mut admission = Admission::new(SMALL);
            let held: Vec<_> = (0..8).map(|n| admission.admit(&mut entropy, source(n as u64), name(n))).collect();
            let (_place, evicted) = admission.admit(&mut entropy, source(99), name(99));
            let evicted = evicted.expect("the listener is full");
            fallen[(0..8).find(|n| name(*n) == evicted).expect("one of those")] += 1;
            drop(held);
        }
        assert!(fallen.iter().all(|count| (400..600).contains(count)), "{fallen:?}");
        // One that holds more than all others falls alone.
        let mut admission = Admission::new(SMALL);
        let _held: Vec<_> = (0..8).map(|n| admission.admit(&mut entropy, source(n.max(1) as u64), name(n))).collect();
        let (_place, evicted) = admission.admit(&mut entropy, source(99), name(99));
        assert!(evicted == Some(name(0)) || evicted == Some(name(1)));
    }

    /// What the chapter promises to whoever shares its source with a flood: a chance, and no more.
    #[test]
    fn behind_the_source_of_a_flood_a_handshake_survives_by_chance_as_often_as_is_said() {
        const PLACES: usize = 16;
        let mut entropy = Seeded::from_u64(4);
        for flood in [0, 8, 16, 32] {
            let survives = |entropy: &mut Seeded| {
                let mut admission = Admission::new(Places { total: 64, per_source: PLACES });
                let mut held: Vec<_> = (0..PLACES).map(|n| admission.admit(entropy, source(1), name(n))).collect();
                held.extend((0..flood).map(|n| admission.admit(entropy, source(1), name(PLACES + n))));
                held.iter().all(|(_, evicted)| *evicted != Some(name(7)))
            };
            let survived = (0..2_000).filter(|_| survives(&mut entropy)).count();
            let expected = 2_000.0 * (1.0 - 1.0 / PLACES as f64).powi(flood as i32);
            assert!((survived as f64 - expected).abs() < 80.0, "{survived} of {expected} after {flood}");
        }
    }

    #[test]
    fn a_finished_handshake_frees_its_place() {
        let mut entropy = Seeded::from_u64(3);
        let mut admission = Admission::new(SMALL);
        for n in 0..100 {
            let (place, evicted) = admission.admit(&mut entropy, source(1), name(n));
            assert_eq!(evicted, None);
            drop(place);
        }
        assert_eq!(admission.half_open(), 0);
    }
}
