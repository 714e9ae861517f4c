//! What an adversary does to a frame that passes.

use std::time::Duration;

use razor::routing::Address;

use crate::frame::{BEFORE, Frame, Kind, PLAIN};
use crate::situation::Situation;

use super::{Adversary, Capability, Emission, Intent, Target, Way};

impl Adversary {
    /// Acts on a frame; capabilities that act of their own accord let it pass.
    pub(super) fn tamper(&mut self, capability: Capability, way: Way, frame: Frame, bytes: Vec<u8>) -> Vec<Emission> {
        let honest = Emission::now(way, bytes.clone(), Intent::Honest);
        match capability {
            Capability::Drop => Vec::new(),
            Capability::BlackHole => {
                // Rarely: it ends every channel that passes.
                if matches!(frame.kind(), Kind::Channel(_)) && self.random.below(12) == 0 {
                    self.begin_black_hole(frame.onward);
                }
                Vec::new()
            }
            Capability::Delay => {
                let delay = Duration::from_millis(self.random.within(1..=200));
                vec![Emission { delay, intent: Intent::Tampered, ..honest }]
            }
            Capability::Duplicate | Capability::Replay => {
                if matches!(frame.kind(), Kind::Channel(_)) {
                    self.reached(Situation::Replayed);
                }
                let delay = Duration::from_millis(self.random.within(0..=60));
                vec![honest.clone(), Emission { delay, intent: Intent::Tampered, ..honest }]
            }
            Capability::Flip => self.flip(way, frame, honest),
            Capability::Truncate => {
                self.reached(Situation::Truncated);
                let keep = self.random.index(frame.payload.len().max(1));
                self.with_payload(way, frame, honest, |payload, _| payload.truncate(keep))
            }
            Capability::Extend => {
                self.reached(Situation::Extended);
                self.with_payload(way, frame, honest, |payload, more| payload.extend(more))
            }
            Capability::Swap => self.swap(way, frame, honest),
            Capability::Reflect => self.reflect(way, frame, honest),
            Capability::SpliceOnward => self.splice_onward(way, frame),
            Capability::SpliceReturn => self.splice_return(way, frame),
            Capability::Impersonate => self.impersonate(frame, honest),
            Capability::Overtake => match frame.kind() {
                Kind::Channel(nonce) => self.overtake(way, nonce, frame, honest),
                Kind::Handshake => {
                    // What belongs to the channel comes before the handshake is finished.
                    let delay = Duration::from_millis(self.random.within(40..=250));
                    vec![Emission { delay, intent: Intent::Tampered, ..honest }]
                }
                _ => vec![honest],
            },
            Capability::Disturb => self.disturb(way, frame, honest),
            Capability::Embellish => self.embellish(way, &honest.bytes),
            Capability::Tracing => {
                let text = format!("{{\"traceparent\":\"{}\"}}", "0".repeat(self.random.index(300)));
                vec![Emission::now(way, Frame { tracing: Some(text), ..frame }.encode(), Intent::Tampered)]
            }
            _ => vec![honest],
        }
    }

    /// Flips a bit and either sends the damaged message in place of the honest one, or before it.
    fn flip(&mut self, way: Way, frame: Frame, honest: Emission) -> Vec<Emission> {
        match frame.kind() {
            Kind::Channel(_) => self.reached(Situation::CiphertextFlipped),
            Kind::Handshake => self.reached(Situation::HandshakeFlipped),
            Kind::FirstMessage | Kind::Other => {}
        }
        let position = self.random.index(frame.payload.len().max(1));
        let bit = 1 << self.random.below(8);
        self.with_payload(way, frame, honest, |payload, _| {
            if let Some(byte) = payload.get_mut(position) {
                *byte ^= bit;
            }
        })
    }

    fn with_payload(
        &mut self,
        way: Way,
        mut frame: Frame,
        honest: Emission,
        change: impl FnOnce(&mut Vec<u8>, Vec<u8>),
    ) -> Vec<Emission> {
        let intent = Self::changed(frame.kind());
        let len = self.random.within(1..=40) as usize;
        let more = self.random.bytes(len);
        let before = frame.payload.clone();
        change(&mut frame.payload, more);
        if frame.payload == before {
            return vec![honest];
        }
        let forged = Emission::now(way, frame.encode(), intent);
        if self.random.below(2) == 0 { vec![forged] } else { vec![forged, honest] }
    }

    /// Gives this payload to another channel on the same way.
    fn swap(&mut self, way: Way, frame: Frame, honest: Emission) -> Vec<Emission> {
        let others: Vec<_> = self
            .knowledge
            .channels()
            .into_iter()
            .filter(|channel| channel.way == way && self.knowledge.is_of_another(channel, &frame))
            .collect();
        let Some(other) = self.random.pick(&others).cloned() else { return vec![honest] };
        self.reached(Situation::Swapped);
        let swapped = Frame { onward: other.route, ..frame };
        vec![Emission::now(way, swapped.encode(), Intent::Forged), honest]
    }

    /// Sends a payload back to a channel that lies where it came from.
    fn reflect(&mut self, way: Way, frame: Frame, honest: Emission) -> Vec<Emission> {
        let back: Vec<_> = self.knowledge.channels().into_iter().filter(|known| known.way != way).collect();
        let Some(channel) = self.random.pick(&back).cloned() else { return vec![honest] };
        self.reached(Situation::Reflected);
        // A sender whose route was led astray made it for this very channel: then it only comes another way.
        let astray = frame.onward.last() == channel.route.last();
        let intent = if astray { Intent::Tampered } else { Self::changed(frame.kind()) };
        let reflected = Frame { onward: channel.route, back: Vec::new(), ..frame };
        vec![Emission::now(channel.way, reflected.encode(), intent), honest]
    }

    /// Adds items after the last that is known.
    fn embellish(&mut self, way: Way, bytes: &[u8]) -> Vec<Emission> {
        self.reached(Situation::Embellished);
        let known = &bytes[BEFORE..];
        // Nothing stands for a tracing text that is not there.
        let absent: &[u8] = if bytes[BEFORE - 1] == PLAIN { &[0xf6] } else { &[] };
        let items = self.random.within(1..=4) as u8;
        let unknown =
            (0..items).flat_map(|n| [[0x42, n, n], [0x81, 0x41, n], [0x62, b'a', b'b']][self.random.index(3)]);
        let body = [&[PLAIN + 1 + items][..], known, absent, &unknown.collect::<Vec<_>>()].concat();
        let bytes = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
        vec![Emission::now(way, bytes, Intent::Tampered)]
    }

    fn splice_onward(&mut self, way: Way, mut frame: Frame) -> Vec<Emission> {
        self.reached(Situation::RouteSpliced);
        let internal: Address = ["app", "api", "hop", "echo", "internal", ""][self.random.index(6)].into();
        match self.random.below(5) {
            0 => frame.onward.push(internal),
            1 => {
                frame.onward.pop();
                frame.onward.push(internal);
            }
            2 => frame.onward.clear(),
            3 => {
                // A loop: there and back again.
                let again = frame.onward.clone();
                frame.onward.extend(frame.back.iter().cloned());
                frame.onward.extend(again);
            }
            _ => {
                let other: Vec<_> = self.knowledge.seen().iter().filter(|seen| seen.way == way).collect();
                if let Some(seen) = self.random.pick(&other) {
                    frame.onward = seen.frame.onward.clone();
                }
            }
        }
        vec![Emission::now(way, frame.encode(), Intent::Tampered)]
    }

    fn splice_return(&mut self, way: Way, mut frame: Frame) -> Vec<Emission> {
        self.reached(Situation::RouteSpliced);
        match self.random.below(4) {
            0 => frame.back.clear(),
            1 => frame.back.insert(0, "internal".into()),
            2 => frame.back.reverse(),
            _ => {
                if let Some(seen) = self.random.pick(self.knowledge.seen()) {
                    frame.back = seen.frame.back.clone();
                }
            }
        }
        let spliced = Emission::now(way, frame.encode(), Intent::Tampered);
        // Later ones overtake it, and show another way.
        let delay = Duration::from_millis(if self.random.below(2) == 0 { self.random.within(20..=120) } else { 0 });
        vec![Emission { delay, ..spliced }]
    }

    /// Whoever is to get a handshake message gets false ones first; and so does whoever waits for the answer.
    fn disturb(&mut self, way: Way, frame: Frame, honest: Emission) -> Vec<Emission> {
        let mut emissions = Vec::new();
        let back = self.ways.iter().copied().find(|other| other.link == way.link && other.to != way.to);
        let kind = frame.kind();
        if kind == Kind::Handshake {
            self.reached(Situation::HandshakeDisturbed);
            let mut payload = frame.payload.clone();
            let position = self.random.index(payload.len());
            payload[position] ^= 1 << self.random.below(8);
            let damaged = Frame { payload, ..frame.clone() };
            emissions.push(Emission::now(way, damaged.encode(), Intent::Forged));
        }
        if matches!(kind, Kind::Handshake | Kind::FirstMessage)
            && let Some(back) = back
        {
            let length = self.random.within(96..=300) as usize;
            let payload = self.random.bytes(length);
            let garbage = Frame { onward: frame.back.clone(), back: vec!["nobody".into()], payload, tracing: None };
            // The one who waits may have to be found behind others, who act on what no key protects.
            emissions.push(Emission::now(back, garbage.encode(), Intent::Forged));
        }
        emissions.push(honest);
        emissions
    }

    /// Leads a first message to the own listener, as if it had been addressed to it.
    fn impersonate(&mut self, mut frame: Frame, honest: Emission) -> Vec<Emission> {
        // The own connection and the own hop put themselves in front when the frame came in.
        if frame.kind() != Kind::FirstMessage || frame.back.len() < 3 {
            return vec![honest];
        }
        let Some(came) = frame.back.drain(..2).nth(1) else { return vec![honest] };
        let mut lead = |mask: usize| {
            frame.onward = vec![crate::host::mask(mask)];
            Emission {
                target: Target::Own(came.clone()),
                bytes: frame.encode(),
                intent: Intent::Tampered,
                ..honest.clone()
            }
        };
        let mut emissions: Vec<_> = (usize::from(self.masks > 0)..=self.masks).map(&mut lead).collect();
        // Whoever waits refuses all of those, and is not put off.
        if self.masks > 0 && self.random.below(2) == 0 {
            emissions.push(honest);
        }
        emissions
    }
}
