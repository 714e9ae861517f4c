//! One direction of a link: what becomes of a frame between its sender and its receiver.
//!
//! A link is a sans-IO machine of its own: a frame and the time go in, arrivals come out. A *datagram*
//! link treats each frame as a unit that may be lost, doubled, overtaken or damaged. A *stream* link
//! loses nothing and keeps the order, and cuts the bytes wherever it likes.

use std::ops::RangeInclusive;
use std::time::Duration;

use razor::env::Instant;

use crate::plan::{self, Burst, Kind};
use crate::seed::{Ppm, Stream};

/// How a link treats what is sent over it: what a plan says of it, without the names.
#[derive(Debug, Clone)]
struct Profile {
    stream: bool,
    latency: RangeInclusive<Duration>,
    loss: Ppm,
    burst: Option<Burst>,
    duplicate: Ppm,
    reorder: Ppm,
    corrupt: Ppm,
    rate: Option<u64>,
    buffer: u64,
    mtu: usize,
}

impl From<&plan::Link> for Profile {
    fn from(link: &plan::Link) -> Self {
        Self {
            stream: link.kind != Kind::Datagram,
            latency: link.latency.clone(),
            loss: link.loss,
            burst: link.burst,
            duplicate: link.duplicate,
            reorder: link.reorder,
            corrupt: link.corrupt,
            rate: link.rate(),
            buffer: link.buffer,
            mtu: link.mtu.unwrap_or(usize::MAX),
        }
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
    is_slow: bool,
    random: Stream,
    bad: bool,
    free_at: Instant,
    last_arrival: Instant,
    cut_until: Instant,
    /// What happened so far.
    pub counts: Counts,
}

impl Link {
    /// One direction of this link.
    pub fn new(link: &plan::Link, random: Stream) -> Self {
        Self {
            profile: link.into(),
            is_slow: link.rate().is_some(),
            random,
            bad: false,
            free_at: Instant::ZERO,
            last_arrival: Instant::ZERO,
            cut_until: Instant::ZERO,
            counts: Counts::default(),
        }
    }

    /// Whether it takes time to send a byte, or did before it healed: its sender waits to hear that bytes have left.
    pub fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Whether it carries datagrams.
    pub fn is_datagram(&self) -> bool {
        !self.profile.stream
    }

    /// How long it takes until everything that a stream has under way has arrived.
    pub fn backlog(&self, now: Instant) -> Duration {
        self.last_arrival.since(now)
    }

    /// Nothing gets through until then.
    pub fn cut(&mut self, until: Instant) {
        self.cut_until = self.cut_until.max(until);
    }

    /// Repairs the link: from now on it loses, changes and limits nothing, keeps the order, and is not cut. What is
    /// under way stays under way.
    pub fn heal(&mut self) {
        let Profile { stream, latency, .. } = self.profile.clone();
        let latency = *latency.end()..=*latency.end();
        let never = Ppm::NEVER;
        let (loss, duplicate, reorder, corrupt) = (never, never, never, never);
        self.profile = Profile {
            stream,
            latency,
            loss,
            burst: None,
            duplicate,
            reorder,
            corrupt,
            rate: None,
            buffer: 0,
            mtu: usize::MAX,
        };
        self.bad = false;
        self.free_at = Instant::ZERO;
        self.cut_until = Instant::ZERO;
    }

    /// Sends a frame; what becomes of it is added to `out`. Says when it has left the sender.
    pub fn send(&mut self, now: Instant, frame: Vec<u8>, out: &mut Vec<Arrival>) -> Instant {
        self.counts.offered += 1;
        let is_lost = !self.profile.stream && (frame.len() > self.profile.mtu || now < self.cut_until);
        let Some(departure) = self.departure(now, frame.len() as u64).filter(|_| !is_lost) else {
            self.counts.lost += 1;
            return now;
        };
        if self.profile.stream {
            self.send_stream(departure, frame, out)
        } else {
            self.send_datagram(departure, frame, out)
        }
        departure
    }

    /// When the frame has passed the bottleneck; `None` when the buffer before it is full.
    fn departure(&mut self, now: Instant, len: u64) -> Option<Instant> {
        // What is in a stream waits for the end of a cut.
        let now = if self.profile.stream { now.max(self.cut_until) } else { now };
        let Some(rate) = self.profile.rate else { return Some(now) };
        let start = self.free_at.max(now);
        let waiting = start.since(now).as_nanos() * u128::from(rate) / 1_000_000_000;
        if !self.profile.stream && waiting + u128::from(len) > u128::from(self.profile.buffer) {
            return None;
        }
        self.free_at = start + Duration::from_nanos(len * 1_000_000_000 / rate);
        Some(self.free_at)
    }

    fn send_stream(&mut self, departure: Instant, mut frame: Vec<u8>, out: &mut Vec<Arrival>) {
        while !frame.is_empty() {
            let cut =
                if self.random.chance(Ppm::percent(20)) { self.random.index(frame.len()) + 1 } else { frame.len() };
            let rest = frame.split_off(cut.min(self.profile.mtu));
            let piece = std::mem::replace(&mut frame, rest);
            self.counts.cuts += u64::from(!frame.is_empty());
            let delay = self.random.duration(&self.profile.latency);
            self.last_arrival = self.last_arrival.max(departure + delay);
            out.push(Arrival { at: self.last_arrival, bytes: piece, damaged: false });
        }
    }

    fn send_datagram(&mut self, departure: Instant, frame: Vec<u8>, out: &mut Vec<Arrival>) {
        if self.is_lost() {
            self.counts.lost += 1;
            return;
        }
        let copies = 1 + usize::from(self.random.chance(self.profile.duplicate));
        self.counts.duplicated += copies as u64 - 1;
        for mut bytes in std::iter::repeat_n(frame, copies) {
            let mut delay = self.random.duration(&self.profile.latency);
            if self.random.chance(self.profile.reorder) {
                self.counts.reordered += 1;
                delay += *self.profile.latency.end() * self.random.within(1..=8) as u32;
            }
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

    fn good() -> plan::Link {
        plan::Link { kind: Kind::Datagram, ..plan::Link::good("a", "b") }
    }

    fn run(profile: plan::Link, frames: usize) -> (Vec<Arrival>, Counts) {
        let mut link = Link::new(&profile, Seed(5).stream("link"));
        let mut out = Vec::new();
        for n in 0..frames {
            link.send(Instant::from_millis(n as u64), vec![n as u8; 100], &mut out);
        }
        (out, link.counts)
    }

    #[test]
    fn a_good_link_delivers_everything_once_and_undamaged() {
        let (out, counts) = run(good(), 500);
        assert_eq!(out.len(), 500);
        assert_eq!(counts, Counts { offered: 500, ..Counts::default() });
        assert!(out.iter().enumerate().all(|(n, arrival)| arrival.bytes == [n as u8; 100]));
    }

    #[test]
    fn loss_duplication_and_damage_come_about_as_often_as_asked() {
        let profile = plan::Link {
            loss: Ppm::percent(20),
            duplicate: Ppm::percent(10),
            corrupt: Ppm::percent(5),
            reorder: Ppm::percent(10),
            ..good()
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
            run(plan::Link { burst: Some(burst), latency: Duration::ZERO..=Duration::ZERO, ..good() }, 5_000);
        let longest = out.windows(2).map(|pair| pair[1].at.since(pair[0].at)).max();
        assert!(longest > Some(Duration::from_millis(20)), "{longest:?}");
    }

    #[test]
    fn a_full_buffer_loses_datagrams() {
        let (_, counts) = run(plan::Link { bandwidth: Some(10_000), buffer: 1_000, ..good() }, 1_000);
        assert!(counts.lost > 800, "{counts:?}");
    }

    #[test]
    fn a_stream_keeps_every_byte_in_order_and_cuts_frames() {
        let profile = plan::Link { kind: Kind::Stream, ..good() };
        let (out, counts) = run(profile, 300);
        let expected: Vec<u8> = (0..300usize).flat_map(|n| [n as u8; 100]).collect();
        assert_eq!(out.iter().flat_map(|arrival| arrival.bytes.clone()).collect::<Vec<_>>(), expected);
        assert!(out.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(counts.cuts > 0 && counts.lost == 0);
    }

    #[test]
    fn datagrams_beyond_the_mtu_are_lost_and_streams_are_cut_to_it() {
        assert_eq!(run(plan::Link { mtu: Some(99), ..good() }, 10).1.lost, 10);
        assert_eq!(run(plan::Link { mtu: Some(100), ..good() }, 10).1.lost, 0);
        let (out, _) = run(plan::Link { mtu: Some(64), kind: Kind::Stream, ..good() }, 100);
        assert!(out.iter().all(|arrival| arrival.bytes.len() <= 64));
        assert_eq!(out.iter().map(|arrival| arrival.bytes.len()).sum::<usize>(), 10_000);
    }

    #[test]
    fn a_cut_loses_datagrams_and_holds_up_streams() {
        let cut = |kind| {
            let mut link = Link::new(&plan::Link { kind, ..good() }, Seed(5).stream("link"));
            let (mut out, until) = (Vec::new(), Instant::from_millis(50));
            link.cut(until);
            let left = link.send(Instant::ZERO, b"frame".to_vec(), &mut out);
            (out, left, until)
        };
        assert!(cut(Kind::Datagram).0.is_empty());
        let (out, left, until) = cut(Kind::Stream);
        assert!(left == until && out.iter().all(|arrival| arrival.at > until));
    }

    #[test]
    fn a_serial_line_takes_its_time() {
        let mut link = Link::new(&plan::Link { kind: Kind::Serial, ..good() }, Seed(5).stream("link"));
        let left = link.send(Instant::ZERO, vec![0; 11_520], &mut Vec::new());
        assert_eq!(left, Instant::from_millis(1_000));
    }
}
