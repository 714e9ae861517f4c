//! What a machine may know of the world: the time and some randomness, handed in with every input.
//!
//! Nothing in this crate reads a clock or an operating system. A driver passes an [`Env`]; the same
//! inputs with the same environment give the same outputs, byte for byte, on every platform.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A point on a monotonic clock, in nanoseconds since an origin that the driver chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Milliseconds after the origin; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::NEVER`].
    fn add(self, duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(1_000_000_000);
        Self(self.0.saturating_add(seconds).saturating_add(duration.subsec_nanos().into()))
    }
}

/// Wall-clock time: whole seconds since the Unix epoch. Only keys and credentials look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// `seconds` later; saturates.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What randomness is drawn for. One independent stream each, so that adding a draw for one purpose
/// changes no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Random worker addresses.
    Address,
    /// Ephemeral X25519 keys of handshakes.
    Ephemeral,
    /// Long-term keys: identity and purpose keys.
    LongTermKey,
    /// Keys of hash tables.
    TableKey,
    /// Which half-open handshake is evicted.
    Eviction,
    /// Payloads of liveness pings.
    Ping,
    /// Jitter of retries.
    Backoff,
}

impl Purpose {
    /// All purposes, in order.
    pub const ALL: [Self; 7] =
        [Self::Address, Self::Ephemeral, Self::LongTermKey, Self::TableKey, Self::Eviction, Self::Ping, Self::Backoff];
}

/// A source of randomness with one stream per [`Purpose`].
///
/// Security rests on it: a driver gives the operating system's generator (every purpose the same
/// source), a simulation gives [`Seeded`].
pub trait Entropy {
    /// Fills `out` from the stream of `purpose`.
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// `N` bytes from the stream of `purpose`.
    pub fn array<const N: usize>(&mut self, purpose: Purpose) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(purpose, &mut bytes);
        bytes
    }
}

/// Deterministic randomness: one ChaCha20 stream per purpose, all from one 32-byte seed.
#[derive(Clone)]
pub struct Seeded {
    streams: [ChaCha20Rng; Purpose::ALL.len()],
}

impl Seeded {
    /// The streams of `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            streams: Purpose::ALL.map(|purpose| {
                let mut rng = ChaCha20Rng::from_seed(seed);
                rng.set_stream(purpose as u64);
                rng
            }),
        }
    }

    /// The streams of a seed made of one number, for tests and simulations.
    pub fn from_u64(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(to, from)| *to = from);
        Self::new(bytes)
    }

    /// How far each stream has been read, in 32-bit words: equal positions mean that nothing was drawn.
    pub fn positions(&self) -> [u128; Purpose::ALL.len()] {
        self.streams.each_ref().map(ChaCha20Rng::get_word_pos)
    }
}

impl Drop for Seeded {
    /// Who has the state of a stream has all that it ever gave. The generator does not wipe itself.
    fn drop(&mut self) {
        self.streams = core::array::from_fn(|_| ChaCha20Rng::from_seed([0; 32]));
        zeroize::optimization_barrier(&self.streams);
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        if let Some(stream) = self.streams.get_mut(purpose as usize) {
            stream.fill_bytes(out);
        }
    }
}

impl fmt::Debug for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeded(..)")
    }
}

/// The environment of one input.
pub struct Env<'a> {
    /// Monotonic time. Never goes back between two inputs of one machine; if it does, machines treat
    /// it as standing still.
    pub now: Instant,
    /// Wall-clock time, for validity of keys and credentials only.
    pub wall: Timestamp,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
}

impl<'a> Env<'a> {
    /// An environment.
    pub fn new(now: Instant, wall: Timestamp, entropy: &'a mut dyn Entropy) -> Self {
        Self { now, wall, entropy }
    }
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).field("wall", &self.wall).finish_non_exhaustive()
    }
}
