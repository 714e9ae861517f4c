//! What is inside of frames: the world knows what nobody on a link can read.

use std::collections::{BTreeMap, BTreeSet};

use razor::routing::Address;

use crate::checker::Ledger;
use crate::frame::{Frame, Kind};
use crate::trace::{Entry, What};

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A message of a handshake: 1, 2 or 3.
    Handshake(u8),
    /// A message of a channel.
    Channel {
        /// Its nonce.
        nonce: u64,
        /// The number of the message of an honest application that is in it, if that is known.
        message: Option<u64>,
    },
    /// Something else.
    Other,
}

/// What is inside of all frames of a world.
#[derive(Debug, Default)]
pub struct Contents {
    /// The numbers of the messages of applications, by the payload that carries them.
    messages: BTreeMap<Vec<u8>, u64>,
    /// Where answers to first messages go.
    initiators: BTreeSet<Address>,
}

impl Contents {
    /// Follows what applications say through all entries of a world, from the first on.
    pub fn of(entries: &[Entry]) -> Self {
        let mut contents = Self::default();
        let mut payloads = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.what == What::Sent) {
            if let Ok(frame) = Frame::decode(&entry.bytes) {
                if frame.kind() == Kind::FirstMessage {
                    contents.initiators.extend(frame.back.last().cloned());
                }
                payloads.insert(entry.frame, frame.payload);
            }
        }
        let cause = |entry: &Entry| entries.get((entry.cause.entry as usize).checked_sub(1)?);
        // What came out of a frame was in it.
        let mut opened = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.what == What::Delivered) {
            let Some(arrived) = cause(entry).filter(|arrived| arrived.what == What::Arrived) else { continue };
            opened.insert(arrived.number);
            if let (Some(payload), Some(number)) = (payloads.get(&arrived.frame), Ledger::number(&entry.bytes)) {
                contents.messages.insert(payload.clone(), number);
            }
        }
        // Who was given a message, by an application or in a frame, sent it on.
        for entry in entries.iter().filter(|entry| entry.what == What::Sent) {
            let Some(payload) = payloads.get(&entry.frame) else { continue };
            let number = cause(entry).and_then(|cause| match cause.what {
                What::Asked => Ledger::number(&cause.bytes),
                What::Arrived if !opened.contains(&cause.number) => {
                    contents.messages.get(payloads.get(&cause.frame)?).copied()
                }
                _ => None,
            });
            if let Some(number) = number {
                contents.messages.entry(payload.clone()).or_insert(number);
            }
        }
        contents
    }

    /// What this frame carries.
    pub fn within(&self, frame: &Frame) -> Content {
        match frame.kind() {
            Kind::FirstMessage => Content::Handshake(1),
            Kind::Handshake if frame.onward.last().is_some_and(|last| self.initiators.contains(last)) => {
                Content::Handshake(2)
            }
            Kind::Handshake => Content::Handshake(3),
            Kind::Channel(nonce) => Content::Channel { nonce, message: self.messages.get(&frame.payload).copied() },
            Kind::Other => Content::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Preset, Seed, Sketch, world};

    #[test]
    fn every_frame_of_a_calm_world_is_known_by_what_it_carries() {
        let alone = Sketch { adversaries: Some(Vec::new()), ..Sketch::of(Preset::Calm) };
        let report = world(alone.draw(Seed(4)).expect("a plan")).recording().run();
        let contents = Contents::of(&report.entries);
        let sent = report.entries.iter().filter(|entry| entry.what == What::Sent);
        let frames: Vec<_> = sent.map(|entry| Frame::decode(&entry.bytes).expect("an honest frame")).collect();
        let found: Vec<_> = frames.iter().map(|frame| contents.within(frame)).collect();
        for message in 1..=3 {
            assert!(found.contains(&Content::Handshake(message)), "{message}");
        }
        let numbers: BTreeSet<u64> = found
            .iter()
            .filter_map(|content| match content {
                Content::Channel { message, .. } => *message,
                _ => None,
            })
            .collect();
        assert_eq!(numbers.len() as u64, report.sent, "each message of an application is in some frame");
    }
}
