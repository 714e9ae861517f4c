//! Frames for which there is a verdict: whoever gets one closes the connection, or drops it and says nothing.

use razor::routing::{Address, Limits, TransportType};

use crate::frame::Frame;
use crate::host::{APP, BACKROOM, ECHO, GUARDED, HOP, INTERNAL, LISTENER, MEMBERS, NARROW, PRIVATE, REAR, SHUT};
use crate::party::alias;
use crate::situation::Situation;

use super::{Adversary, Emission, Intent, Way};

/// The longest name of an address.
const LONG_NAME: usize = Limits::DEFAULT.address as usize;

/// More addresses than a route may have.
const TOO_MANY: usize = 65;

/// What somebody says who has a channel, to those who are not for him. Nobody may hear it, or answer.
pub(crate) const TRESPASS: [u8; 16] = *b"trespass\xf5secret\xf5";

/// The ways from the end of a channel, over `link` of the node there, that lead to somebody who is not for its peer.
pub(crate) fn trespasses(link: usize) -> Vec<Vec<Address>> {
    let ways: [&[&str]; 10] = [
        &[INTERNAL],
        &[GUARDED],
        &[PRIVATE],
        &[MEMBERS],
        &[BACKROOM],
        &[REAR],
        &[HOP, PRIVATE],
        &[HOP, MEMBERS],
        &[HOP, SHUT],
        &[NARROW, ECHO],
    ];
    let mut ways: Vec<Vec<Address>> = ways.iter().map(|way| way.iter().map(|name| (*name).into()).collect()).collect();
    ways.push(vec![alias(link), ECHO.into()]);
    ways.push(vec![HOP.into(), alias(link), ECHO.into()]);
    ways
}

/// What is announced at once and sent in two pieces.
const LARGE: usize = 200_000;

impl Adversary {
    /// Something that is no frame: its receiver closes the connection.
    pub(super) fn malformed(&mut self) -> Vec<Emission> {
        // Rarely where others pass: each costs everybody the connection.
        if !self.is_alone() && self.random.below(4) != 0 {
            return Vec::new();
        }
        let Some(way) = self.random.pick(&self.ways).copied() else { return Vec::new() };
        self.reached(Situation::Malformed);
        let frame = Frame { onward: vec![APP.into()], back: Vec::new(), payload: vec![7; 40], tracing: None }.encode();
        let body = &frame[4..];
        let body = match self.random.below(9) {
            // A byte after the last item.
            0 => [body, &[0]].concat(),
            // The number of items, in two bytes.
            1 => [&[0x98, 0x03], &body[1..]].concat(),
            // The onward route is a number.
            2 => [&[0x83, 0x01], &body[1..]].concat(),
            // It ends within the payload.
            3 => body[..body.len() - 5].to_vec(),
            // The length of the payload, in two bytes.
            5 => {
                let (head, payload) = body.split_at(body.len() - 42);
                [head, &[0x59, 0], &payload[1..]].concat()
            }
            // A transport type of more than a byte, that of the node itself in its lower one.
            6 => {
                let (_, rest) = body.split_at(4);
                [&[0x83, 0x81, 0x82, 0x19, 1, 0], rest].concat()
            }
            // Nothing at all.
            4 => Vec::new(),
            // More than any frame may hold, of which nothing need come.
            _ => return vec![Emission::now(way, (16 * 1024 * 1024u32 + 1).to_be_bytes().to_vec(), Intent::Broken)],
        };
        let bytes = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
        vec![Emission::now(way, bytes, Intent::Broken)]
    }

    /// A good frame that leads nowhere: its receiver drops it.
    pub(super) fn futile(&mut self) -> Vec<Emission> {
        let Some(way) = self.random.pick(&self.ways).copied() else { return Vec::new() };
        self.reached(Situation::Futile);
        if self.random.below(4) == 0 {
            return self.unanswerable(way);
        }
        let mut payload = self.random.bytes(40);
        let onward: Vec<Address> = match self.random.below(16) {
            0 => vec!["nobody".into()],
            1 => vec![alias(way.link), ECHO.into()],
            2 => vec![HOP.into(), alias(way.link), ECHO.into()],
            3 => vec![INTERNAL.into()],
            4 => vec![GUARDED.into()],
            5 => vec![PRIVATE.into()],
            6 => vec![HOP.into(), PRIVATE.into()],
            7 => vec![NARROW.into(), ECHO.into()],
            8 => vec![REAR.into()],
            9 => vec![MEMBERS.into()],
            10 => vec![HOP.into(), MEMBERS.into()],
            11 => vec![BACKROOM.into()],
            12 => vec![HOP.into(), SHUT.into()],
            13 | 14 => {
                // A first message whose key no correct peer has.
                payload = self.weak_key().to_vec();
                vec![LISTENER.into()]
            }
            _ => vec![APP.into(); TOO_MANY],
        };
        let frame = Frame { onward, back: vec![APP.into()], payload, tracing: None };
        vec![Emission::now(way, frame.encode(), Intent::Futile)]
    }

    /// A question whose way back is beyond what anybody takes.
    fn unanswerable(&mut self, way: Way) -> Vec<Emission> {
        let name = |length: usize| Address::new(TransportType::LOCAL, &vec![b'a'; length]);
        let back = match self.random.below(3) {
            0 => vec![name(LONG_NAME + 1), APP.into()],
            1 => vec![name(LONG_NAME); usize::from(Limits::DEFAULT.route) / LONG_NAME + 1],
            _ => vec![APP.into(); TOO_MANY],
        };
        let frame = Frame { onward: vec![ECHO.into()], back, payload: self.random.bytes(40), tracing: None };
        vec![Emission::now(way, frame.encode(), Intent::Futile)]
    }

    /// A large frame for nobody, of which little comes at first.
    pub(super) fn large(&mut self) -> Vec<Emission> {
        if !self.is_alone() && self.random.below(4) != 0 {
            return Vec::new();
        }
        let Some(way) = self.random.pick(&self.ways).copied() else { return Vec::new() };
        self.reached(Situation::Large);
        let (onward, payload) = (vec!["nobody".into()], vec![0; LARGE]);
        let mut first = Frame { onward, back: Vec::new(), payload, tracing: None }.encode();
        let rest = first.split_off(100);
        [first, rest].map(|bytes| Emission::now(way, bytes, Intent::Tampered)).into()
    }

    /// The beginning of a frame, and then nothing any more.
    pub(super) fn stall(&mut self) -> Vec<Emission> {
        if self.random.below(3) != 0 {
            return Vec::new();
        }
        let Some(way) = self.random.pick(&self.ways).copied() else { return Vec::new() };
        self.reached(Situation::Stalled);
        self.retire();
        let mut frame =
            Frame { onward: vec![APP.into()], back: Vec::new(), payload: vec![7; 40], tracing: None }.encode();
        frame.truncate(20);
        vec![Emission::now(way, frame, Intent::Tampered)]
    }

    /// Whether nothing passes but what it sends itself.
    fn is_alone(&self) -> bool {
        self.knowledge.seen().is_empty()
    }

    /// Whether the byte that opens a connection over `way` becomes another.
    pub fn spoils_opening(&mut self, way: Way) -> bool {
        let spoils = self.can(super::Capability::Malformed) && self.ways.contains(&way) && self.random.below(4) == 0;
        if spoils {
            self.reached(Situation::OtherVersion);
        }
        spoils
    }
}
