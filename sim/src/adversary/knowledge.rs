//! What the adversary knows: every frame that passed, by where it went.

use std::collections::BTreeMap;

use razor::routing::Address;

use crate::frame::{Frame, Kind};

use super::Side;

/// The most frames that are kept for replay; older ones are forgotten at random places of a ring.
const KEPT: usize = 512;

/// A frame that passed.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which side it left to.
    pub side: Side,
    /// Taken apart.
    pub frame: Frame,
    /// As it was.
    pub bytes: Vec<u8>,
}

/// What passed towards one decryptor.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    side: Side,
    messages: u32,
    largest: u64,
}

/// A channel that the middle knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownChannel {
    /// The side that its decryptor lies on.
    pub side: Side,
    /// The route to the decryptor.
    pub route: Vec<Address>,
    /// The largest nonce that passed.
    pub largest: u64,
}

/// Messages before a route counts as a channel's: a route that a link damaged passes once or twice.
const ESTABLISHED: u32 = 4;

/// Everything that the middle saw.
#[derive(Debug, Default)]
pub struct Knowledge {
    seen: Vec<Seen>,
    next: usize,
    /// The channels whose messages it saw, by route.
    channels: BTreeMap<Vec<Address>, Traffic>,
    /// The routes to listeners, learnt from first messages.
    listeners: BTreeMap<Side, Vec<Address>>,
}

impl Knowledge {
    /// A frame left towards `side`.
    pub fn saw(&mut self, side: Side, frame: &Frame, bytes: &[u8]) {
        match frame.kind() {
            Kind::Channel(nonce) => {
                let nothing = Traffic { side, messages: 0, largest: 0 };
                let traffic = self.channels.entry(frame.onward.clone()).or_insert(nothing);
                traffic.messages += 1;
                traffic.largest = nonce.max(traffic.largest);
            }
            Kind::FirstMessage => {
                self.listeners.insert(side, frame.onward.clone());
            }
            Kind::Handshake | Kind::Other => {}
        }
        let seen = Seen { side, frame: frame.clone(), bytes: bytes.to_vec() };
        if self.seen.len() < KEPT {
            self.seen.push(seen);
        } else {
            self.seen[self.next % KEPT] = seen;
        }
        self.next += 1;
    }

    /// The frames that it kept.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The channels that it knows of.
    pub fn channels(&self) -> Vec<KnownChannel> {
        self.channels
            .iter()
            .filter(|(_, traffic)| traffic.messages >= ESTABLISHED)
            .map(|(route, traffic)| KnownChannel { side: traffic.side, route: route.clone(), largest: traffic.largest })
            .collect()
    }

    /// Whether this frame belongs to a channel that it knows of, and to another one than `channel`.
    pub fn is_of_another(&self, channel: &KnownChannel, frame: &Frame) -> bool {
        matches!(frame.kind(), Kind::Channel(_))
            && frame.onward.last() != channel.route.last()
            && self.channels.get(&frame.onward).is_some_and(|traffic| traffic.messages >= ESTABLISHED)
    }

    /// The route to the listener on this side.
    pub fn listener(&self, side: Side) -> Option<&[Address]> {
        self.listeners.get(&side).map(Vec::as_slice)
    }
}
