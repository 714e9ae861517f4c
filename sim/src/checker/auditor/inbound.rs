//! What a decryptor has to accept and to refuse, and where it has to believe its peer to be: a model of its window and of
//! its way back, made of what arrives.

use std::collections::BTreeSet;

use razor::routing::{Address, Route};

/// How far a nonce may be from the largest one.
const WINDOW: u64 = 32;

/// The longest way back that is followed here; longer ones are beyond the limits of a node sooner or later.
const LONG: usize = 40;

/// A link and the route behind it.
pub(super) type Way = (usize, Route);

/// One end of a channel, as far as what comes to it is concerned.
#[derive(Debug, Clone)]
pub(super) struct Inbound {
    pub(super) receiver: usize,
    pub(super) decryptor: Address,
    /// The link over which alone an initiator can be reached.
    link: Option<usize>,
    pub(super) is_open: bool,
    /// Whether something may have come that was not seen: nothing is said about it any more.
    pub(super) is_blurred: bool,
    accepted: BTreeSet<u64>,
    /// The way to the peer: an initiator's for good, a responder's after it has first moved.
    pub(super) way: Option<Way>,
    /// The nonce that last moved it, if it moves.
    moved_by: Option<u64>,
}

/// A message that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arriving {
    pub(super) nonce: u64,
    /// Whether it is a Payload, which moves the way.
    pub(super) is_payload: bool,
    pub(super) link: usize,
    pub(super) back: Route,
    /// Where the peer receives.
    pub(super) peer: Address,
}

/// What has to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It is accepted.
    Accept,
    /// It is refused.
    Refuse,
    /// It may be held until the end is open, or dropped. If it is delivered then, it was [accepted](Inbound::accept).
    Hold,
    /// Nobody knows.
    Unknown,
}

impl Inbound {
    /// An initiator, which sent its message 3 along this way.
    pub(super) fn initiator(receiver: usize, decryptor: Address, way: Way) -> Self {
        Self { link: Some(way.0), way: Some(way), moved_by: None, ..Self::responder(receiver, decryptor) }
    }

    /// A responder.
    pub(super) fn responder(receiver: usize, decryptor: Address) -> Self {
        Self {
            receiver,
            decryptor,
            link: None,
            is_open: false,
            is_blurred: false,
            accepted: BTreeSet::new(),
            way: None,
            moved_by: Some(0),
        }
    }

    /// Whether it is an initiator reached over this link alone.
    pub(super) fn is_behind(&self, link: usize) -> bool {
        self.link == Some(link)
    }

    /// Whether its way is known: nothing may be sent along another.
    pub(super) fn known_way(&self) -> Option<&Way> {
        self.way.as_ref().filter(|_| self.moved_by.is_none() || !self.is_blurred)
    }

    /// A genuine message arrives. Of one that is `traceable`, it will be seen whether it is accepted.
    pub(super) fn arrives(&mut self, arriving: &Arriving, traceable: bool) -> Due {
        if self.link.is_some_and(|own| own != arriving.link) {
            // Flow control: it is no consumer of what comes over others.
            return Due::Unknown;
        }
        self.is_blurred |= !self.is_open && !traceable || arriving.back.len() > LONG;
        if self.is_blurred {
            return Due::Unknown;
        }
        if !self.is_open {
            return Due::Hold;
        }
        let largest = self.accepted.last().copied().unwrap_or(0);
        if arriving.nonce.abs_diff(largest) > WINDOW || self.accepted.contains(&arriving.nonce) {
            return Due::Refuse;
        }
        self.accept(arriving);
        Due::Accept
    }

    /// A message is accepted: it may move the way.
    pub(super) fn accept(&mut self, arriving: &Arriving) {
        let Arriving { nonce, is_payload, link, ref back, ref peer } = *arriving;
        self.accepted.insert(nonce);
        if is_payload && self.moved_by.is_some_and(|last| nonce > last) {
            self.moved_by = Some(nonce);
            let mut way = back.clone();
            if way.as_ref().last() != Some(peer.as_ref()) {
                way.append(peer.as_ref());
            }
            self.way = Some((link, way));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arriving(nonce: u64, link: usize, back: &str) -> Arriving {
        Arriving { nonce, is_payload: true, link, back: Route::from(Address::local(back)), peer: "peer".into() }
    }

    fn arrives(end: &mut Inbound, nonce: u64, link: usize, back: &str) -> Due {
        end.arrives(&arriving(nonce, link, back), true)
    }

    #[test]
    fn the_window_is_32_either_way_and_takes_each_nonce_once() {
        let mut end = Inbound::responder(0, "decryptor".into());
        end.is_open = true;
        for (nonce, expected) in
            [(33, false), (32, true), (32, false), (0, true), (64, true), (31, false), (33, true), (97, false)]
        {
            let expected = if expected { Due::Accept } else { Due::Refuse };
            assert_eq!(arrives(&mut end, nonce, 0, "a"), expected, "{nonce}");
        }
    }

    #[test]
    fn the_way_of_a_responder_follows_the_greatest_nonce_and_that_of_an_initiator_nothing() {
        let way = |link, back: &str| (link, Route::from_iter([back, "peer"]));
        let mut end = Inbound::responder(0, "decryptor".into());
        end.is_open = true;
        for (nonce, link, back, expected) in
            [(0, 0, "a", None), (2, 1, "b", Some(way(1, "b"))), (1, 2, "c", Some(way(1, "b")))]
        {
            assert_eq!(arrives(&mut end, nonce, link, back), Due::Accept);
            assert_eq!(end.known_way().cloned(), expected);
        }
        let mut end = Inbound::initiator(0, "decryptor".into(), way(3, "z"));
        end.is_open = true;
        assert_eq!((arrives(&mut end, 5, 3, "a"), arrives(&mut end, 6, 4, "a")), (Due::Accept, Due::Unknown));
        assert_eq!(end.known_way().cloned(), Some(way(3, "z")));
    }

    #[test]
    fn what_came_before_the_end_was_open_counts_when_it_was_delivered() {
        let mut end = Inbound::responder(0, "decryptor".into());
        for nonce in [0, 1, 2] {
            assert_eq!(arrives(&mut end, nonce, 0, "a"), Due::Hold);
        }
        end.is_open = true;
        end.accept(&arriving(1, 0, "a"));
        for (nonce, expected) in [(1, Due::Refuse), (34, Due::Refuse), (33, Due::Accept)] {
            assert_eq!(arrives(&mut end, nonce, 0, "a"), expected, "{nonce}");
        }
    }

    #[test]
    fn what_cannot_be_traced_and_came_before_the_end_was_open_blurs_it() {
        let mut end = Inbound::responder(0, "decryptor".into());
        assert_eq!(end.arrives(&arriving(0, 0, "a"), false), Due::Unknown);
        end.is_open = true;
        assert_eq!(arrives(&mut end, 1, 0, "a"), Due::Unknown);
    }
}
