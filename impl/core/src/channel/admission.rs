//! Who may have a place at a listener, half open or open, and who leaves when all are taken.
//!
//! Whoever can send a message can start a handshake, and whoever is trusted can finish it, so a place is
//! what an attacker takes first. There is a fixed number of them, in total and for each source, and when all
//! are taken the one that falls is one *of the source that holds the most*. A flood through one connection
//! therefore displaces itself before it displaces anybody else. Nobody knows who is behind a half-open
//! handshake, so it falls at random; of the open channels it is the one that has been silent for longest.

use alloc::vec::Vec;

use crate::env::{Entropy, Instant, Purpose};
use crate::identity::Identifier;
use crate::machine::Snapshot;
use crate::node::Provenance;
use crate::ordered::{Map, Set};
use crate::routing::Address;

/// How much a listener bears. A source is one connection, or one authenticated peer of an outer channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Half-open handshakes in total.
    pub half_open: usize,
    /// Half-open handshakes from one source.
    pub half_open_per_source: usize,
    /// Open channels in total.
    pub open: usize,
    /// Open channels whose handshakes came from one source.
    pub open_per_source: usize,
    /// Open channels with one peer, wherever they came from.
    pub open_per_peer: usize,
}

impl Places {
    /// What every listener bears at least.
    pub const FLOOR: Self =
        Self { half_open: 4, half_open_per_source: 2, open: 4, open_per_source: 2, open_per_peer: 2 };
    /// The most that anyone may configure.
    pub const CEILING: Self = Self {
        half_open: 65_536,
        half_open_per_source: 65_536,
        open: 1_048_576,
        open_per_source: 1_048_576,
        open_per_peer: 1_048_576,
    };
    /// What a listener is configured with unless told otherwise.
    pub const DEFAULT: Self =
        Self { half_open: 4096, half_open_per_source: 64, open: 16_384, open_per_source: 4096, open_per_peer: 4096 };

    /// The nearest values between floor and ceiling; a part is no more than the whole.
    fn clamped(self) -> Self {
        let (floor, ceiling) = (Self::FLOOR, Self::CEILING);
        let half_open = self.half_open.clamp(floor.half_open, ceiling.half_open);
        let open = self.open.clamp(floor.open, ceiling.open);
        Self {
            half_open,
            half_open_per_source: self.half_open_per_source.clamp(floor.half_open_per_source, half_open),
            open,
            open_per_source: self.open_per_source.clamp(floor.open_per_source, open),
            open_per_peer: self.open_per_peer.clamp(floor.open_per_peer, open),
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The places of one listener. A channel is known by its address; it enters half open, may become open, and
/// leaves.
#[derive(Debug)]
pub struct Admission {
    places: Places,
    half_open: Map<Address, Provenance>,
    half_open_by_source: Tally<Provenance>,
    open: Map<Address, Open>,
    open_by_source: Map<Provenance, Source>,
    open_by_peer: Map<Identifier, Silence>,
    /// How many open channels each source has.
    shares: Tally<Provenance>,
}

/// An open channel.
#[derive(Debug)]
struct Open {
    /// Where its handshake came from.
    source: Provenance,
    peer: Identifier,
    /// When something authentic last came from the peer, as far as the listener was told.
    heard: Instant,
}

/// Open channels, those that have been silent for longest first.
type Silence = Set<(Instant, Address)>;

/// The open channels of one source.
#[derive(Debug, Default)]
struct Source {
    silence: Silence,
    peers: Tally<Identifier>,
}

impl Admission {
    /// All places free.
    pub fn new(places: Places) -> Self {
        Self {
            places: places.clamped(),
            half_open: Map::new(),
            half_open_by_source: Tally::default(),
            open: Map::new(),
            open_by_source: Map::new(),
            open_by_peer: Map::new(),
            shares: Tally::default(),
        }
    }

    /// Gives a place to a new handshake, reached at `address`, whose first message came from `source`. If
    /// another had to leave for it, its address comes back: the caller stops that handshake.
    ///
    /// The work is bounded by the number of places.
    pub fn admit(&mut self, entropy: &mut dyn Entropy, source: Provenance, address: Address) -> Option<Address> {
        //= spec/src/channels.md#chn-52
        //# A listener MUST bound the number of half-open handshakes, in total and for each source.
        let evicted = if planted!(HalfOpenWithoutBound) {
            None
        } else if self.half_open_by_source.of(&source) >= self.places.half_open_per_source {
            self.random_of(entropy, |other| *other == source || planted!(EvictsAnyone))
        } else if self.half_open.len() >= self.places.half_open {
            let most = self.half_open_by_source.most();
            self.random_of(entropy, |other| self.half_open_by_source.of(other) == most)
        } else {
            None
        };
        if let Some(evicted) = &evicted {
            self.leave(evicted);
        }
        self.half_open_by_source.add(source);
        self.half_open.insert(address, source);
        evicted
    }

    /// The handshake at `address` is done, and the channel is open with `peer`. Other channels may have to leave for
    /// it: the caller closes those whose addresses come back.
    pub fn opened(&mut self, now: Instant, address: &Address, peer: Identifier) -> Vec<Address> {
        let mut evicted = Vec::new();
        let Some(source) = self.leave(address).map(|source| self.root(source)) else { return evicted };
        while let Some(other) = self.in_the_way(&source, &peer) {
            // Whoever is in the way has a place to leave.
            if self.leave(&other).is_none() {
                break;
            }
            evicted.push(other);
        }
        let mut of_source = self.open_by_source.remove(&source).unwrap_or_default();
        of_source.silence.insert((now, address.clone()));
        of_source.peers.add(peer);
        self.open_by_source.insert(source, of_source);
        let mut of_peer = self.open_by_peer.remove(&peer).unwrap_or_default();
        of_peer.insert((now, address.clone()));
        self.open_by_peer.insert(peer, of_peer);
        self.shares.add(source);
        self.open.insert(address.clone(), Open { source, peer, heard: now });
        evicted
    }

    /// Where an open channel came from: what is opened inside a channel of this listener came from where that did.
    fn root(&self, source: Provenance) -> Provenance {
        let outer =
            source.peer().filter(|_| !planted!(InnerIsOwnSource)).and_then(|peer| self.open_by_peer.get(peer)?.first());
        outer.and_then(|(_, address)| self.open.get(address)).map_or(source, |outer| outer.source)
    }

    /// An open channel that has to leave before another of this source and peer may open.
    fn in_the_way(&self, source: &Provenance, peer: &Identifier) -> Option<Address> {
        //= spec/src/channels.md#chn-65
        //# A listener MUST bound the number of its open channels, in total, for each source, and for each peer.
        //= spec/src/channels.md#chn-66
        //# A full listener MUST make room by closing, of the peer that has the most open channels of the source that holds the most, the one that has been silent for longest.
        if planted!(OpenWithoutBound) {
            return None;
        }
        let of_peer = self.open_by_peer.get(peer);
        if let Some(of_peer) = of_peer.filter(|of_peer| of_peer.len() >= self.places.open_per_peer) {
            return of_peer.first().map(|(_, address)| address.clone());
        }
        let full = if self.shares.of(source) >= self.places.open_per_source {
            source
        } else if self.open.len() >= self.places.open {
            self.shares.greatest()?
        } else {
            return None;
        };
        let Source { silence, peers } = self.open_by_source.get(full)?;
        let most = peers.most();
        let of_most = |address| self.open.get(address).is_some_and(|open| peers.of(&open.peer) == most);
        silence.iter().map(|(_, address)| address).find(|address| of_most(address)).cloned()
    }

    /// Something authentic has come through the channel at `address`.
    pub fn heard(&mut self, now: Instant, address: &Address) {
        let Some(open) = self.open.get_mut(address).filter(|_| !planted!(ForgetsWhoSpoke)) else { return };
        let before = (core::mem::replace(&mut open.heard, now), address.clone());
        let of_source = self.open_by_source.get_mut(&open.source).map(|source| &mut source.silence);
        for silence in of_source.into_iter().chain(self.open_by_peer.get_mut(&open.peer)) {
            silence.remove(&before);
            silence.insert((now, address.clone()));
        }
    }

    /// Frees the place of who is gone. Gives where its handshake came from.
    pub fn leave(&mut self, address: &Address) -> Option<Provenance> {
        if let Some(source) = self.half_open.remove(address) {
            self.half_open_by_source.sub(&source);
            return Some(source);
        }
        let Open { source, peer, heard } = self.open.remove(address)?;
        let entry = (heard, address.clone());
        if let Some(of_source) = self.open_by_source.get_mut(&source) {
            of_source.silence.remove(&entry);
            of_source.peers.sub(&peer);
            if of_source.silence.is_empty() {
                self.open_by_source.remove(&source);
            }
        }
        if let Some(of_peer) = self.open_by_peer.get_mut(&peer) {
            of_peer.remove(&entry);
            if of_peer.is_empty() {
                self.open_by_peer.remove(&peer);
            }
        }
        self.shares.sub(&source);
        Some(source)
    }

    /// How many handshakes are half open now.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// How many channels are open now.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How many bytes the half-open handshakes take here.
    pub fn footprint(&self) -> usize {
        self.half_open.len().saturating_mul(Self::ENTRY)
    }

    /// The most that [`footprint`](Self::footprint) ever says.
    pub fn footprint_limit(&self) -> usize {
        self.places.half_open.saturating_mul(Self::ENTRY)
    }

    const ENTRY: usize = size_of::<(Address, Provenance)>();

    /// Who has a place for having proved who they are.
    pub fn trusted(&self, picture: &mut Snapshot) {
        for (address, Open { peer, heard, .. }) in &self.open {
            picture.bytes(address.as_ref().value).bytes(&peer.0).number(heard.as_nanos());
        }
    }

    /// A random half-open handshake of those sources.
    fn random_of(&self, entropy: &mut dyn Entropy, wanted: impl Fn(&Provenance) -> bool) -> Option<Address> {
        //= spec/src/channels.md#chn-53
        //# A full listener MUST make room by ending a random half-open handshake of the source that holds the most, or of all such sources when there are several.
        let mut theirs: Vec<&Address> =
            self.half_open.iter().filter(|(_, source)| wanted(source)).map(|(address, _)| address).collect();
        if planted!(EvictsOpenChannels) {
            theirs = self.open.keys().collect();
        }
        let held = u64::try_from(theirs.len()).ok()?;
        let random = u64::from_le_bytes(entropy.array(Purpose::Eviction));
        let nth = if planted!(EvictsTheFirst) { 0 } else { usize::try_from(random.checked_rem(held)?).ok()? };
        theirs.get(nth).copied().cloned()
    }
}

/// How many each has, and who has the most. Who has none is not in it.
#[derive(Debug)]
struct Tally<K> {
    counts: Map<K, usize>,
    ranks: Set<(usize, K)>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { counts: Map::new(), ranks: Set::new() }
    }
}

impl<K: Ord + Copy> Tally<K> {
    fn add(&mut self, key: K) {
        self.set(key, self.of(&key).saturating_add(1));
    }

    fn sub(&mut self, key: &K) {
        self.set(*key, self.of(key).saturating_sub(1));
    }

    fn set(&mut self, key: K, count: usize) {
        let before = if count > 0 { self.counts.insert(key, count) } else { self.counts.remove(&key) };
        before.map(|before| self.ranks.remove(&(before, key)));
        if count > 0 {
            self.ranks.insert((count, key));
        }
    }

    fn of(&self, key: &K) -> usize {
        self.counts.get(key).copied().unwrap_or_default()
    }

    fn most(&self) -> usize {
        self.ranks.last().map_or(0, |(count, _)| *count)
    }

    /// Who has the most; of several one.
    fn greatest(&self) -> Option<&K> {
        self.ranks.last().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Seeded;
    use crate::node::ConnectionId;

    const SMALL: Places =
        Places { half_open: 8, half_open_per_source: 6, open: 8, open_per_source: 6, open_per_peer: 4 };

    fn source(n: u64) -> Provenance {
        Provenance::connection(ConnectionId(n))
    }

    fn name(n: usize) -> Address {
        Address::local(&format!("h{n}"))
    }

    fn peer(n: u8) -> Identifier {
        Identifier([n; 32])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    //= spec/src/channels.md#chn-52
    //= type=test
    //# A listener MUST bound the number of half-open handshakes, in total and for each source.
    #[test]
    fn places_are_bounded_in_total_and_per_source() {
        let mut entropy = Seeded::from_u64(1);
        let mut admission = Admission::new(SMALL);
        for n in 0..100 {
            let evicted = admission.admit(&mut entropy, source(1), name(n));
            assert_eq!(evicted.is_some(), n >= 6, "after {n}");
        }
        assert_eq!(admission.half_open(), 6);
        for n in 100..200 {
            admission.admit(&mut entropy, source(n as u64), name(n));
        }
        assert_eq!(admission.half_open(), 8);
    }

    #[test]
    fn places_beyond_the_limits_count_as_the_nearest_within() {
        let all = |n| Places { half_open: n, half_open_per_source: n, open: n, open_per_source: n, open_per_peer: n };
        let within = |places| Admission::new(places).places;
        assert_eq!(within(all(0)), Places::FLOOR);
        assert_eq!(within(all(usize::MAX)), Places::CEILING);
        let parts = Places { half_open: 8, open: 9, ..all(100) };
        assert_eq!(
            within(parts),
            Places { half_open: 8, half_open_per_source: 8, open: 9, open_per_source: 9, open_per_peer: 9 }
        );
        assert_eq!(within(Places::DEFAULT), Places::DEFAULT);
    }

    //= spec/src/channels.md#chn-53
    //= type=test
    //# A full listener MUST make room by ending a random half-open handshake of the source that holds the most, or of all such sources when there are several.
    #[test]
    fn a_flood_displaces_itself_and_not_the_quiet_neighbour() {
        let mut entropy = Seeded::from_u64(2);
        let mut admission = Admission::new(SMALL);
        admission.admit(&mut entropy, source(7), name(0));
        let mut evicted = Vec::new();
        for n in 1..500 {
            evicted.extend(admission.admit(&mut entropy, source(n % 2), name(n as usize)));
        }
        assert!(!evicted.contains(&name(0)), "the quiet source holds the least");
        assert!(evicted.len() > 400);
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
            (0..8).for_each(|n| assert!(admission.admit(&mut entropy, source(n as u64), name(n)).is_none()));
            let evicted = admission.admit(&mut entropy, source(99), name(99)).expect("the listener is full");
            fallen[(0..8).find(|n| name(*n) == evicted).expect("one of those")] += 1;
        }
        assert!(fallen.iter().all(|count| (400..600).contains(count)), "{fallen:?}");
        // One that holds more than all others falls alone.
        let mut admission = Admission::new(SMALL);
        (0..8).for_each(|n| assert!(admission.admit(&mut entropy, source(n.max(1) as u64), name(n)).is_none()));
        let evicted = admission.admit(&mut entropy, source(99), name(99));
        assert!(evicted == Some(name(0)) || evicted == Some(name(1)));
    }

    /// What the chapter promises to whoever shares its source with a flood: a chance, and no more.
    #[test]
    fn behind_the_source_of_a_flood_a_handshake_survives_by_chance_as_often_as_is_said() {
        const PLACES: usize = 16;
        let places = Places { half_open: 64, half_open_per_source: PLACES, ..Places::DEFAULT };
        let mut entropy = Seeded::from_u64(4);
        for flood in [0, 8, 16, 32] {
            let survives = |entropy: &mut Seeded| {
                let mut admission = Admission::new(places);
                let mut admit = |n| admission.admit(entropy, source(1), name(n));
                (0..PLACES + flood).all(|n| admit(n) != Some(name(7)))
            };
            let survived = (0..2_000).filter(|_| survives(&mut entropy)).count();
            let expected = 2_000.0 * (1.0 - 1.0 / PLACES as f64).powi(flood as i32);
            assert!((survived as f64 - expected).abs() < 80.0, "{survived} of {expected} after {flood}");
        }
    }

    #[test]
    fn a_handshake_that_is_over_frees_its_place() {
        let mut entropy = Seeded::from_u64(3);
        let mut admission = Admission::new(SMALL);
        for n in 0..100 {
            assert_eq!(admission.admit(&mut entropy, source(1), name(n)), None);
            assert_eq!(admission.leave(&name(n)), Some(source(1)));
            assert_eq!(admission.leave(&name(n)), None);
        }
        assert_eq!((admission.half_open(), admission.footprint()), (0, 0));
    }

    /// A listener, and who opens channels there.
    struct Door(Admission, Seeded, usize);

    impl Door {
        fn new() -> Self {
            Self(Admission::new(SMALL), Seeded::from_u64(6), 0)
        }

        /// Opens a channel, and says who had to go.
        fn open(&mut self, seconds: u64, from: u64, with: u8) -> Option<Address> {
            let evicted = self.open_from(seconds, source(from), with);
            assert!(evicted.len() <= 1);
            evicted.into_iter().next()
        }

        fn open_from(&mut self, seconds: u64, from: Provenance, with: u8) -> Vec<Address> {
            let Self(admission, entropy, n) = self;
            let address = name(*n);
            *n += 1;
            assert_eq!(admission.admit(entropy, from, address.clone()), None);
            let evicted = admission.opened(at(seconds), &address, peer(with));
            assert_eq!(admission.half_open(), 0);
            evicted
        }
    }

    //= spec/src/channels.md#chn-65
    //= type=test
    //# A listener MUST bound the number of its open channels, in total, for each source, and for each peer.
    #[test]
    fn open_channels_are_bounded_in_total_per_source_and_per_peer() {
        // One peer, from everywhere; one source, of many peers; many of both.
        type Who = fn(u64) -> (u64, u8);
        let floods: [(usize, Who); 3] = [(4, |n| (n, 1)), (6, |n| (1, n as u8)), (8, |n| (n, n as u8))];
        for (most, who) in floods {
            let mut door = Door::new();
            for n in 0..100 {
                let (from, with) = who(n);
                assert_eq!(door.open(n, from, with).is_some(), n >= most as u64, "{n} of {most}");
                assert!(door.0.open() <= most);
            }
            assert_eq!(door.0.open(), most);
        }
    }

    //= spec/src/channels.md#chn-66
    //= type=test
    //# A full listener MUST make room by closing, of the peer that has the most open channels of the source that holds the most, the one that has been silent for longest.
    #[test]
    fn of_a_peers_channels_the_one_that_has_been_silent_for_longest_falls() {
        let mut door = Door::new();
        for n in 0..4 {
            assert_eq!(door.open(n, n, 1), None);
        }
        // The oldest has spoken since, and a half-open one has nothing to say yet.
        door.0.heard(at(10), &name(0));
        door.0.heard(at(10), &name(99));
        assert_eq!(door.open(11, 5, 1), Some(name(1)));
        assert_eq!(door.open(12, 6, 1), Some(name(2)));
        assert_eq!(door.open(13, 7, 2), None, "another peer has room");
    }

    //= spec/src/channels.md#chn-66
    //= type=test
    //# A full listener MUST make room by closing, of the peer that has the most open channels of the source that holds the most, the one that has been silent for longest.
    #[test]
    fn who_opens_channels_without_end_closes_his_own_and_nobody_elses() {
        // Behind the same connection, one honest channel, which is the most silent of all.
        let mut door = Door::new();
        assert_eq!(door.open(0, 1, 9), None);
        for n in 1..100 {
            assert_ne!(door.open(n, 1, 1 + (n % 2) as u8), Some(name(0)));
        }
        // With a new identity each time, he has no more than the others behind his connection: who is silent falls.
        let mut door = Door::new();
        for n in 0..6 {
            door.open(n, 1, n as u8);
        }
        door.0.heard(at(50), &name(0));
        for n in 100..105 {
            assert_ne!(door.open(n, 1, n as u8), Some(name(0)));
        }
        // From another connection nothing of that is felt, however full the listener.
        let mut door = Door::new();
        assert_eq!([door.open(0, 2, 9), door.open(1, 3, 8)], [None, None]);
        for n in 2..250 {
            let fallen = door.open(n, 1, n as u8);
            assert!(fallen != Some(name(0)) && fallen != Some(name(1)));
        }
        assert_eq!(door.0.open(), 8);
        // Nor when what fills it is a third one's.
        assert_eq!(door.open(300, 4, 7), Some(name(244)));
    }

    #[test]
    fn a_channel_that_is_closed_frees_its_place() {
        let mut door = Door::new();
        for n in 0..100 {
            assert_eq!(door.open(n, 1, 1), None);
            assert_eq!(door.0.leave(&name(n as usize)), Some(source(1)));
        }
        assert_eq!(door.0.open(), 0);
        let Admission { open_by_peer, open_by_source, shares, .. } = &door.0;
        assert!(open_by_peer.is_empty() && open_by_source.is_empty() && shares.ranks.is_empty());
    }

    //= spec/src/channels.md#chn-65
    //= type=test
    //# A listener MUST bound the number of its open channels, in total, for each source, and for each peer.
    #[test]
    fn a_channel_that_leaves_for_its_peers_sake_does_not_make_room_in_another_source() {
        let mut door = Door(Admission::new(Places { open: 100, ..SMALL }), Seeded::from_u64(6), 0);
        // The peer's four are elsewhere; the source is full of others'.
        for n in 0..4 {
            assert_eq!(door.open(n, 2, 1), None);
        }
        for n in 4..10 {
            assert_eq!(door.open(n, 1, n as u8), None);
        }
        assert_eq!(door.open_from(10, source(1), 1), [name(0), name(4)]);
        assert_eq!((door.0.shares.of(&source(1)), door.0.open_by_peer.get(&peer(1)).map(Set::len)), (6, Some(4)));
    }

    //= spec/src/channels.md#chn-66
    //= type=test
    //# A full listener MUST make room by closing, of the peer that has the most open channels of the source that holds the most, the one that has been silent for longest.
    #[test]
    fn identities_made_inside_channels_are_no_sources_of_their_own() {
        let mut door = Door::new();
        assert_eq!([door.open(0, 2, 9), door.open(1, 2, 9)], [None, None]);
        // One connection, one channel, and inside it a new identity each time, each inside the channel of the last.
        assert_eq!(door.open(2, 1, 10), None);
        for n in 11..250 {
            let fallen = door.open_from(n, Provenance::channel(peer(n as u8 - 1)), n as u8);
            assert!(!fallen.contains(&name(0)) && !fallen.contains(&name(1)), "{n}");
            assert!(door.0.shares.of(&source(1)) <= 6);
        }
    }
}
