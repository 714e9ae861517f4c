//! Changing the order in which the messages of a channel arrive, with the edges of its window in mind.

use std::time::Duration;

use crate::frame::Frame;
use crate::record::Occasion;
use crate::situation::Situation;

use super::{Adversary, Capability, Emission, Intent, Way};

/// How far apart two messages have to leave so that they arrive in this order: more than the latency of a good link varies.
const APART: Duration = Duration::from_millis(20);

/// The most later messages that overtake one when the window does not matter.
const FEW: u64 = 4;

/// How many messages of one channel wait at a time to be overtaken.
const WAITING: usize = 8;

/// The messages of a channel that go one way, where the order of some was changed or will be.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How much later than they could all of them pass by now, so that none of them gets between two others.
    lag: Duration,
    waiting: Vec<Waiting>,
    /// A run that waits until one has passed.
    run: Option<Run>,
}

/// A message that comes, or comes once more, when others have passed.
#[derive(Debug)]
struct Waiting {
    /// The nonce of the last of those.
    until: u64,
    frame: Frame,
}

/// Messages that one overtakes.
#[derive(Debug)]
struct Run {
    /// The nonce of that one.
    until: u64,
    frames: Vec<Frame>,
}

impl Line {
    fn is_untouched(&self) -> bool {
        self.lag.is_zero() && self.waiting.is_empty() && self.run.is_none()
    }
}

impl Adversary {
    /// Begins to change the order of a channel's messages at the newest one, which passes now.
    pub(super) fn overtake(&mut self, way: Way, nonce: u64, frame: Frame, honest: Emission) -> Vec<Emission> {
        if self.knowledge.largest(&frame.onward) != Some(nonce) {
            return vec![honest];
        }
        let far = if self.random.below(4) == 0 { self.random.within(1..=FEW) } else { self.random.within(31..=33) };
        let (runs, copies) = (self.random.below(4) == 0, self.random.below(3) == 0);
        let line = self.lines.entry((way, frame.onward.clone())).or_default();
        let honest = late(honest, line.lag);
        // As far from the last one that has passed.
        let first = nonce.saturating_sub(1).saturating_add(far);
        if runs && line.waiting.is_empty() && first > nonce {
            line.run = Some(Run { until: first, frames: vec![frame] });
            return Vec::new();
        }
        line.waiting.push(Waiting { until: nonce.saturating_add(far), frame });
        if copies { vec![honest] } else { Vec::new() }
    }

    /// A message passes of a channel that has been given another order; `None` if it has not.
    pub(super) fn in_line(&mut self, way: Way, nonce: u64, frame: &Frame, bytes: &[u8]) -> Option<Vec<Emission>> {
        let key = (way, frame.onward.clone());
        let line = self.lines.get_mut(&key).filter(|line| !line.is_untouched())?;
        if let Some(run) = line.run.as_mut().filter(|run| nonce < run.until) {
            run.frames.push(frame.clone());
            let (bytes, left) = (bytes.to_vec(), run.until - nonce);
            self.did(Capability::Overtake, || Occasion::Held { bytes, left });
            return Some(Vec::new());
        }
        let before = line.lag;
        let honest = late(Emission::now(way, bytes.to_vec(), Intent::Honest), before);
        let overtaken: Vec<Frame> =
            line.waiting.extract_if(.., |waiting| waiting.until <= nonce).map(|one| one.frame).collect();
        let run = line.run.take().map_or_else(Vec::new, |run| run.frames);
        let may_wait = line.waiting.len() < WAITING;
        if !overtaken.is_empty() || !run.is_empty() {
            line.lag += 2 * APART;
            self.reached(Situation::Overtaken);
        } else if may_wait && self.random.below(3) == 0 {
            let emissions =
                self.overtake(way, nonce, frame.clone(), Emission::now(way, bytes.to_vec(), Intent::Honest));
            if emissions.iter().all(|emission| emission.intent != Intent::Honest) {
                let bytes = bytes.to_vec();
                self.did(Capability::Overtake, || Occasion::Passing { way, bytes });
            }
            return Some(emissions);
        }
        if !before.is_zero() || !overtaken.is_empty() || !run.is_empty() {
            self.did(Capability::Overtake, || Occasion::Passing { way, bytes: bytes.to_vec() });
        }
        // What comes late may show another way back, which nobody follows any more.
        let strays = self.random.below(2) == 0;
        let overtaken = overtaken.into_iter().map(|mut frame| {
            if strays {
                frame.back.insert(0, "nobody".into());
            }
            frame
        });
        let later = overtaken
            .chain(run)
            .map(|frame| late(Emission::now(way, frame.encode(), Intent::Tampered), before + APART));
        Some([honest].into_iter().chain(later).collect())
    }
}

/// The same, so much later.
fn late(emission: Emission, lag: Duration) -> Emission {
    if lag.is_zero() {
        return emission;
    }
    Emission { delay: lag, intent: Intent::Tampered, by: Some(Capability::Overtake), ..emission }
}
