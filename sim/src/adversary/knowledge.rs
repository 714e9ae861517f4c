//! What an adversary knows: every frame that passed, by where it went.

use std::collections::BTreeMap;

use razor::routing::Address;

use crate::frame::{Frame, Kind};
use crate::record::Fact;

use super::Way;

/// The most frames that are kept for replay; older ones are forgotten at random places of a ring.
const KEPT: usize = 512;

/// A frame that passed.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which way it went.
    pub way: Way,
    /// Taken apart.
    pub frame: Frame,
    /// As it was.
    pub bytes: Vec<u8>,
}

/// What passed towards one decryptor.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    way: Way,
    messages: u32,
    largest: u64,
}

/// A channel that an adversary knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownChannel {
    /// The way to its decryptor.
    pub way: Way,
    /// The route to the decryptor.
    pub route: Vec<Address>,
    /// The largest nonce that passed.
    pub largest: u64,
}

/// Messages before a route counts as a channel's: a route that a link damaged passes once or twice.
const ESTABLISHED: u32 = 4;

/// Everything that an adversary saw.
#[derive(Debug, Default)]
pub struct Knowledge {
    seen: Vec<Seen>,
    next: usize,
    /// The channels whose messages it saw, by route.
    channels: BTreeMap<Vec<Address>, Traffic>,
    /// The routes to listeners, learnt from first messages.
    listeners: BTreeMap<Way, Vec<Address>>,
}

impl Knowledge {
    /// A frame goes along `way`. What is new in it is added to `news`, if somebody asks.
    pub fn saw(&mut self, way: Way, frame: &Frame, bytes: &[u8], news: Option<&mut Vec<Fact>>) {
        let kind = frame.kind();
        let before = news.is_some().then(|| (self.largest(&frame.onward), self.listener(way) == Some(&frame.onward)));
        match kind {
            Kind::Channel(nonce) => {
                let nothing = Traffic { way, messages: 0, largest: 0 };
                let traffic = self.channels.entry(frame.onward.clone()).or_insert(nothing);
                traffic.messages += 1;
                traffic.largest = nonce.max(traffic.largest);
            }
            Kind::FirstMessage => {
                self.listeners.insert(way, frame.onward.clone());
            }
            Kind::Handshake | Kind::Other => {}
        }
        if let (Some(news), Some((largest, is_known))) = (news, before) {
            let route = || frame.onward.clone();
            news.push(Fact::Frame { way, kind, displaced: self.seen.len() == KEPT });
            if kind == Kind::FirstMessage && !is_known {
                news.push(Fact::Listener { way, route: route() });
            }
            if let Some(nonce) = self.largest(&frame.onward).filter(|_| matches!(kind, Kind::Channel(_))) {
                if largest.is_none() {
                    news.push(Fact::Channel { way, route: route() });
                }
                if largest != Some(nonce) {
                    news.push(Fact::Nonce { route: route(), nonce });
                }
            }
        }
        let seen = Seen { way, frame: frame.clone(), bytes: bytes.to_vec() };
        if self.seen.len() < KEPT {
            self.seen.push(seen);
        } else {
            self.seen[self.next % KEPT] = seen;
        }
        self.next += 1;
    }

    /// The largest nonce that passed of a channel that it knows of.
    pub(super) fn largest(&self, route: &[Address]) -> Option<u64> {
        self.channels.get(route).filter(|traffic| traffic.messages >= ESTABLISHED).map(|traffic| traffic.largest)
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
            .map(|(route, traffic)| KnownChannel { way: traffic.way, route: route.clone(), largest: traffic.largest })
            .collect()
    }

    /// Whether this frame belongs to a channel that it knows of, and to another one than `channel`.
    pub fn is_of_another(&self, channel: &KnownChannel, frame: &Frame) -> bool {
        matches!(frame.kind(), Kind::Channel(_))
            && frame.onward.last() != channel.route.last()
            && self.channels.get(&frame.onward).is_some_and(|traffic| traffic.messages >= ESTABLISHED)
    }

    /// The route to the listener that lies on this way.
    pub fn listener(&self, way: Way) -> Option<&[Address]> {
        self.listeners.get(&way).map(Vec::as_slice)
    }
}
