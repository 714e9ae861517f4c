//! One direction of a link: what becomes of a frame between its sender and its receiver.
//!
//! A link is a sans-IO machine of its own: a frame and the time go in, arrivals come out. A *datagram*
//! link treats each frame as a unit that may be lost, doubled, overtaken or damaged. A *stream* link
//! loses nothing and keeps the order, and cuts the bytes wherever it likes.

use std::ops::RangeInclusive;
use std::time::Duration;

use razor::env::Instant;

use crate::seed::{Ppm, Stream};

/// Loss that comes in bursts: a two-state Gilbert-Elliott chain, stepped once per frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// From good to bad.
    pub enter: Ppm,
    /// From bad to good.
    pub leave: Ppm,
    /// Loss while bad.
    pub loss: Ppm,
}

/// How a link treats what is sent over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whether it is a stream: no loss, no reordering, but frames arrive in pieces.
    pub stream: bool,
    /// One-way delay: drawn anew for each frame, hence jitter.
    pub latency: RangeInclusive<Duration>,
    /// Loss of single frames.
    pub loss: Ppm,
    /// Loss in bursts.
    pub burst: Option<Burst>,
    /// A frame arrives twice.
    pub duplicate: Ppm,
    /// A frame is held back, so that later ones overtake it.
    pub reorder: Ppm,
    /// One bit of a frame is flipped.
    pub corrupt: Ppm,
    /// Bytes per second; zero is without limit.
    pub bandwidth: u64,
    /// The most bytes that wait for bandwidth; what does not fit is lost (datagram) or waits (stream).
    pub buffer: u64,
}

impl Profile {
    /// A good link: a millisecond or two, nothing lost, but no order either.
    pub fn good() -> Self {
        Self {
            stream: false,
            latency: Duration::from_millis(1)..=Duration::from_millis(2),
            loss: Ppm::NEVER,
            burst: None,
            duplicate: Ppm::NEVER,
            reorder: Ppm::NEVER,
            corrupt: Ppm::NEVER,
            bandwidth: 0,
            buffer: 0,
        }
    }

    /// A good stream: nothing lost, and everything in order, so that no data overtakes a handshake.
    pub fn good_stream() -> Self {
        Self { stream: true, ..Self::good() }
    }
}

/// What the link did to frames, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames that were offered.
    pub offered: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Frames that arrive twice.
    pub duplicated: u64,
    /// Frames that were held back.
    pub reordered: u64,
    /// Frames that were damaged.
    pub corrupted: u64,
    /// Pieces that frames were cut into beyond the first.
    pub cuts: u64,
}

/// Bytes on their way, and when they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// What: a whole frame, or a piece of one on a stream link.
    pub bytes: Vec<u8>,
    /// Whether the link damaged it.
    pub damaged: bool,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    profile: Profile,
    random: Stream,
    bad: bool,
    free_at: Instant,
    last_arrival: Instant,
    /// What happened so far.
    pub counts: Counts,
}

impl Link {
    /// A link of this kind.
    pub fn new(profile: Profile, random: Stream) -> Self {
        Self {
            profile,
            random,
            bad: false,
            free_at: Instant::ZERO,
            last_arrival: Instant::ZERO,
            counts: Counts::default(),
        }
    }

    /// Repairs the link: from now on it behaves like `profile`. What is under way stays under way.
    pub fn heal(&mut self, profile: Profile) {
        self.profile = profile;
        self.bad = false;
        self.free_at = Instant::ZERO;
    }

    /// Sends a frame; what becomes of it is added to `out`.
    pub fn send(&mut self, now: Instant, frame: &[u8], out: &mut Vec<Arrival>) {
        self.counts.offered += 1;
        let Some(departure) = self.departure(now, frame.len() as u64) else {
            self.counts.lost += 1;
            return;
        };
        if self.profile.stream {
            self.send_stream(departure, frame, out)
        } else {
            self.send_datagram(departure, frame, out)
        }
    }

    /// When the frame has passed the bottleneck; `None` when the buffer before it is full.
    fn departure(&mut self, now: Instant, len: u64) -> Option<Instant> {
        if self.profile.bandwidth == 0 {
            return Some(now);
        }
        let start = self.free_at.max(now);
        let waiting = start.since(now).as_nanos() * u128::from(self.profile.bandwidth) / 1_000_000_000;
        if !self.profile.stream && waiting + u128::from(len) > u128::from(self.profile.buffer) {
            return None;
        }
        self.free_at = start + Duration::from_nanos(len * 1_000_000_000 / self.profile.bandwidth);
        Some(self.free_at)
    }

    fn send_stream(&mut self, departure: Instant, mut frame: &[u8], out: &mut Vec<Arrival>) {
        while !frame.is_empty() {
            let cut =
                if self.random.chance(Ppm::percent(20)) { self.random.index(frame.len()) + 1 } else { frame.len() };
            let (piece, rest) = frame.split_at(cut);
            frame = rest;
            self.counts.cuts += u64::from(!rest.is_empty());
            let delay = self.random.duration(&self.profile.latency);
            self.last_arrival = self.last_arrival.max(departure + delay);
            out.push(Arrival { at: self.last_arrival, bytes: piece.to_vec(), damaged: false });
        }
    }

    fn send_datagram(&mut self, departure: Instant, frame: &[u8], out: &mut Vec<Arrival>) {
        if self.is_lost() {
            self.counts.lost += 1;
            return;
        }
        let copies = 1 + usize::from(self.random.chance(self.profile.duplicate));
        self.counts.duplicated += copies as u64 - 1;
        for _ in 0..copies {
            let mut delay = self.random.duration(&self.profile.latency);
            if self.random.chance(self.profile.reorder) {
                self.counts.reordered += 1;
                delay += *self.profile.latency.end() * self.random.within(1..=8) as u32;
            }
            let mut bytes = frame.to_vec();
            let damaged = self.random.chance(self.profile.corrupt) && !bytes.is_empty();
            if damaged {
                self.counts.corrupted += 1;
                let at = self.random.index(bytes.len());
                bytes[at] ^= 1 << self.random.below(8);
            }
            out.push(Arrival { at: departure + delay, bytes, damaged });
        }
    }

    fn is_lost(&mut self) -> bool {
        if let Some(burst) = self.profile.burst {
            let turn = if self.bad { burst.leave } else { burst.enter };
            self.bad ^= self.random.chance(turn);
            if self.bad && self.random.chance(burst.loss) {
                return true;
            }
        }
        self.random.chance(self.profile.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn run(profile: Profile, frames: usize) -> (Vec<Arrival>, Counts) {
        let mut link = Link::new(profile, Seed(5).stream("link"));
        let mut out = Vec::new();
        for n in 0..frames {
            link.send(Instant::from_millis(n as u64), &[n as u8; 100], &mut out);
        }
        (out, link.counts)
    }

    #[test]
    fn a_good_link_delivers_everything_once_and_undamaged() {
        let (out, counts) = run(Profile::good(), 500);
        assert_eq!(out.len(), 500);
        assert_eq!(counts, Counts { offered: 500, ..Counts::default() });
        assert!(out.iter().enumerate().all(|(n, arrival)| arrival.bytes == [n as u8; 100]));
    }

    #[test]
    fn loss_duplication_and_damage_come_about_as_often_as_asked() {
        let profile = Profile {
            loss: Ppm::percent(20),
            duplicate: Ppm::percent(10),
            corrupt: Ppm::percent(5),
            reorder: Ppm::percent(10),
            ..Profile::good()
        };
        let (out, counts) = run(profile, 10_000);
        assert!((1_800..2_200).contains(&counts.lost), "{counts:?}");
        assert!((650..950).contains(&counts.duplicated), "{counts:?}");
        assert!((350..550).contains(&counts.corrupted), "{counts:?}");
        assert_eq!(out.len() as u64, counts.offered - counts.lost + counts.duplicated);
        assert_eq!(out.iter().filter(|arrival| arrival.damaged).count() as u64, counts.corrupted);
        assert!(out.windows(2).any(|pair| pair[1].at < pair[0].at), "something was overtaken");
    }

    #[test]
    fn bursts_lose_frames_in_runs() {
        let burst = Burst { enter: Ppm::percent(1), leave: Ppm::percent(5), loss: Ppm::percent(100) };
        let (out, _) =
            run(Profile { burst: Some(burst), latency: Duration::ZERO..=Duration::ZERO, ..Profile::good() }, 5_000);
        let longest = out.windows(2).map(|pair| pair[1].at.since(pair[0].at)).max();
        assert!(longest > Some(Duration::from_millis(20)), "{longest:?}");
    }

    #[test]
    fn a_full_buffer_loses_datagrams() {
        let (_, counts) = run(Profile { bandwidth: 10_000, buffer: 1_000, ..Profile::good() }, 1_000);
        assert!(counts.lost > 800, "{counts:?}");
    }

    #[test]
    fn a_stream_keeps_every_byte_in_order_and_cuts_frames() {
        let profile = Profile { stream: true, loss: Ppm::percent(50), reorder: Ppm::percent(50), ..Profile::good() };
        let (out, counts) = run(profile, 300);
        let expected: Vec<u8> = (0..300usize).flat_map(|n| [n as u8; 100]).collect();
        assert_eq!(out.iter().flat_map(|arrival| arrival.bytes.clone()).collect::<Vec<_>>(), expected);
        assert!(out.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(counts.cuts > 0 && counts.lost == 0);
    }
}
