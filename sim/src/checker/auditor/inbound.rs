//! What a decryptor has to accept and to refuse, and where it has to believe its peer to be: a model of its window and of
//! its way back, made of what arrives.

use std::collections::BTreeSet;

use razor::routing::Address;

/// How far a nonce may be from the largest one.
const WINDOW: u64 = 32;

/// The longest way back that is followed here; longer ones are beyond the limits of a node sooner or later.
const LONG: usize = 40;

/// A link and the addresses behind it.
pub(super) type Way = (usize, Vec<Address>);

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
pub(super) struct Arriving<'a> {
    pub(super) nonce: u64,
    /// Whether it is a Payload, which moves the way.
    pub(super) is_payload: bool,
    pub(super) link: usize,
    pub(super) back: &'a [Address],
    /// Where the peer receives.
    pub(super) peer: &'a Address,
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

    /// A genuine message arrives. Says whether it has to be accepted; nothing if that is not known.
    pub(super) fn arrives(&mut self, arriving: &Arriving<'_>) -> Option<bool> {
        let Arriving { nonce, is_payload, link, back, peer } = *arriving;
        if self.link.is_some_and(|own| own != link) {
            // Flow control: it is no consumer of what comes over others.
            return None;
        }
        self.is_blurred |= !self.is_open || back.len() > LONG;
        if self.is_blurred {
            return None;
        }
        let largest = self.accepted.last().copied().unwrap_or(0);
        if nonce.abs_diff(largest) > WINDOW || !self.accepted.insert(nonce) {
            return Some(false);
        }
        if is_payload && self.moved_by.is_some_and(|last| nonce > last) {
            self.moved_by = Some(nonce);
            let mut way = back.to_vec();
            if way.last() != Some(peer) {
                way.push(peer.clone());
            }
            self.way = Some((link, way));
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrives(end: &mut Inbound, nonce: u64, link: usize, back: &str) -> Option<bool> {
        let (back, peer) = ([Address::local(back)], Address::local("peer"));
        end.arrives(&Arriving { nonce, is_payload: true, link, back: &back, peer: &peer })
    }

    #[test]
    fn the_window_is_32_either_way_and_takes_each_nonce_once() {
        let mut end = Inbound::responder(0, "decryptor".into());
        end.is_open = true;
        for (nonce, expected) in
            [(33, false), (32, true), (32, false), (0, true), (64, true), (31, false), (33, true), (97, false)]
        {
            assert_eq!(arrives(&mut end, nonce, 0, "a"), Some(expected), "{nonce}");
        }
    }

    #[test]
    fn the_way_of_a_responder_follows_the_greatest_nonce_and_that_of_an_initiator_nothing() {
        let way = |link, back: &str| (link, vec![Address::local(back), Address::local("peer")]);
        let mut end = Inbound::responder(0, "decryptor".into());
        end.is_open = true;
        for (nonce, link, back, expected) in
            [(0, 0, "a", None), (2, 1, "b", Some(way(1, "b"))), (1, 2, "c", Some(way(1, "b")))]
        {
            assert_eq!(arrives(&mut end, nonce, link, back), Some(true));
            assert_eq!(end.known_way().cloned(), expected);
        }
        let mut end = Inbound::initiator(0, "decryptor".into(), way(3, "z"));
        end.is_open = true;
        assert_eq!((arrives(&mut end, 5, 3, "a"), arrives(&mut end, 6, 4, "a")), (Some(true), None));
        assert_eq!(end.known_way().cloned(), Some(way(3, "z")));
    }

    #[test]
    fn what_came_before_the_end_was_open_is_not_known() {
        let mut end = Inbound::responder(0, "decryptor".into());
        assert_eq!(arrives(&mut end, 0, 0, "a"), None);
        end.is_open = true;
        assert_eq!(arrives(&mut end, 1, 0, "a"), None);
    }
}
