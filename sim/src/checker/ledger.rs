//! Authenticity, at-most-once and provenance: every delivery is held against what was sent.

use std::collections::{BTreeMap, BTreeSet};

use razor::identity::Identifier;
use razor::routing::Address;

use crate::host::Origin;

use super::{Property, Violation};

/// What every payload of an honest application begins with. Nothing else in a world contains it.
pub const MARK: [u8; 8] = *b"\xf5secret\xf5";

/// A message that an honest application sent through a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The world's number of the channel.
    pub channel: usize,
    /// Who sent it.
    pub from: Identifier,
    /// The node that it is for.
    pub to: usize,
    /// Its place among the messages of this direction.
    pub order: u64,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What a true delivery tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The channel that it came through.
    pub channel: usize,
    /// The encryptor at the receiving end.
    pub encryptor: Address,
    /// Its place among the messages of its direction.
    pub order: u64,
    /// Whether a later one was delivered before.
    pub out_of_order: bool,
}

/// All messages that were sent, and which of them arrived.
#[derive(Debug, Default)]
pub struct Ledger {
    sent: Vec<Sent>,
    delivered: BTreeSet<u64>,
    /// How many messages of each channel arrived at each node.
    arrived: BTreeMap<(usize, usize), usize>,
    /// Which encryptor of the receiving node belongs to which channel.
    ends: BTreeMap<usize, BTreeMap<Address, usize>>,
    latest: BTreeMap<(usize, usize), u64>,
}

impl Ledger {
    /// Makes the payload of a new message, with `filler` after its mark and number, and writes it down. The mark
    /// stands again every 32 bytes, so that no longer part of it is seen without being known.
    pub fn send(&mut self, channel: usize, from: Identifier, to: usize, order: u64, filler: &[u8]) -> Vec<u8> {
        let number = self.sent.len() as u64;
        let mut payload = [&MARK[..], &number.to_le_bytes(), filler].concat();
        payload.chunks_exact_mut(32).skip(1).for_each(|part| part[..MARK.len()].copy_from_slice(&MARK));
        self.sent.push(Sent { channel, from, to, order, payload: payload.clone() });
        payload
    }

    /// A guest at `node` said this: whatever he likes, but nothing that an honest application said.
    pub fn of_a_guest(&self, node: usize, payload: &[u8]) -> Result<(), Violation> {
        if contains_mark(payload) {
            let detail = "an honest message is attributed to a guest";
            return Err(Violation::new(Property::Provenance, node, detail));
        }
        Ok(())
    }

    /// How many messages of this channel to this node arrived.
    pub fn arrived(&self, channel: usize, to: usize) -> usize {
        self.arrived.get(&(channel, to)).copied().unwrap_or_default()
    }

    /// How many messages arrived in all.
    pub fn deliveries(&self) -> u64 {
        self.delivered.len() as u64
    }

    /// All messages that were sent, by number.
    pub fn messages(&self) -> &[Sent] {
        &self.sent
    }

    /// The number that a payload of an honest application carries.
    pub fn number(payload: &[u8]) -> Option<u64> {
        payload.strip_prefix(&MARK)?.first_chunk::<8>().map(|number| u64::from_le_bytes(*number))
    }

    /// How many messages were sent in all.
    pub fn sent(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Takes a delivery for granted: which channel it is of, if it is of any.
    pub fn note(&mut self, node: usize, payload: &[u8]) -> Option<usize> {
        let number = Self::number(payload)?;
        let channel = self.sent.get(number as usize)?.channel;
        if self.delivered.insert(number) {
            *self.arrived.entry((channel, node)).or_default() += 1;
        }
        Some(channel)
    }

    /// Checks a delivery to the application of `node`. `is_known` says whether the peer is anybody in this world.
    ///
    /// `Ok(None)` is an unauthenticated message, which claims nothing.
    pub fn deliver(
        &mut self,
        node: usize,
        payload: &[u8],
        origin: Origin,
        back: &[Address],
        is_known: impl Fn(&Identifier) -> bool,
    ) -> Result<Option<Receipt>, Violation> {
        let no = |property, detail: &str| Err(Violation::new(property, node, detail));
        let peer = match origin {
            Origin::Peer(peer) => peer,
            Origin::Connection if contains_mark(payload) => {
                return no(Property::Confidentiality, "a channel's payload was delivered by a bare connection");
            }
            Origin::Connection => return Ok(None),
            Origin::Local => return no(Property::Provenance, "a message from afar was delivered as local"),
        };
        if !is_known(&peer) {
            return no(Property::Agreement, "a channel with a stranger delivered a message");
        }
        let sent = Self::number(payload).and_then(|number| Some((number, self.sent.get(number as usize)?)));
        let Some((number, sent)) = sent else {
            return no(Property::Authenticity, "a channel delivered a payload that nobody sent");
        };
        if sent.payload != payload {
            return no(Property::Authenticity, "a channel delivered a payload that was changed on the way");
        }
        if sent.from != peer {
            return no(Property::Provenance, "a message is attributed to another identity than the one that sent it");
        }
        if sent.to != node {
            return no(Property::Authenticity, "a message was delivered to a node that it was not for");
        }
        let (channel, order) = (sent.channel, sent.order);
        let Some(encryptor) = back.first() else {
            return no(Property::Provenance, "a channel's message has no way back through the channel");
        };
        let ends = self.ends.entry(node).or_default();
        let known = ends.get(encryptor).copied();
        if known.is_none() {
            ends.insert(encryptor.clone(), channel);
        }
        if known.is_some_and(|known| known != channel) {
            return no(Property::Authenticity, "a message of one channel was delivered by another");
        }
        if !self.delivered.insert(number) {
            return no(Property::AtMostOnce, "a message was delivered twice");
        }
        *self.arrived.entry((channel, node)).or_default() += 1;
        let latest = self.latest.entry((channel, node)).or_default();
        let out_of_order = order < *latest;
        *latest = order.max(*latest);
        Ok(Some(Receipt { channel, encryptor: encryptor.clone(), order, out_of_order }))
    }
}

/// Whether something of an honest payload is in there.
pub fn contains_mark(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, &MARK).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Identifier = Identifier([1; 32]);
    const BOB: Identifier = Identifier([2; 32]);

    struct Case {
        ledger: Ledger,
        payload: Vec<u8>,
    }

    /// Alice has sent one message to node 4 through channel 0, and one through channel 1.
    fn case() -> Case {
        let mut ledger = Ledger::default();
        let payload = ledger.send(0, ALICE, 4, 0, b"filler");
        ledger.send(1, ALICE, 4, 0, b"other");
        Case { ledger, payload }
    }

    impl Case {
        fn deliver(&mut self, node: usize, payload: &[u8], origin: Origin, encryptor: &str) -> Option<Property> {
            let back = [Address::local(encryptor), Address::local("app")];
            self.ledger
                .deliver(node, payload, origin, &back, |peer| [ALICE, BOB].contains(peer))
                .err()
                .map(|violation| violation.property)
        }
    }

    #[test]
    fn a_true_delivery_is_accepted_and_a_second_one_is_not() {
        let mut case = case();
        let payload = case.payload.clone();
        assert_eq!(case.deliver(4, &payload, Origin::Peer(ALICE), "e0"), None);
        assert_eq!(case.deliver(4, &payload, Origin::Peer(ALICE), "e0"), Some(Property::AtMostOnce));
    }

    #[test]
    fn a_delivery_without_authentication_is_noticed() {
        let mut case = case();
        let mut changed = case.payload.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(case.deliver(4, &changed, Origin::Peer(ALICE), "e0"), Some(Property::Authenticity));
        assert_eq!(case.deliver(4, b"garbage", Origin::Peer(ALICE), "e0"), Some(Property::Authenticity));
        assert_eq!(case.deliver(4, b"garbage", Origin::Connection, "e0"), None);
    }

    #[test]
    fn false_provenance_is_noticed() {
        let mut case = case();
        let payload = case.payload.clone();
        assert_eq!(case.deliver(4, &payload, Origin::Peer(BOB), "e0"), Some(Property::Provenance));
        assert_eq!(case.deliver(4, &payload, Origin::Local, "e0"), Some(Property::Provenance));
        assert_eq!(case.deliver(4, &payload, Origin::Connection, "e0"), Some(Property::Confidentiality));
        assert_eq!(case.deliver(4, &payload, Origin::Peer(Identifier([9; 32])), "e0"), Some(Property::Agreement));
    }

    #[test]
    fn a_guest_may_say_what_he_likes_but_nothing_that_honest_nodes_said() {
        let Case { ledger, payload } = case();
        assert_eq!(ledger.of_a_guest(4, b"words"), Ok(()));
        assert_eq!(ledger.of_a_guest(4, &payload).unwrap_err().property, Property::Provenance);
    }

    #[test]
    fn a_message_in_the_wrong_channel_or_at_the_wrong_node_is_noticed() {
        let mut case = case();
        let payload = case.payload.clone();
        assert_eq!(case.deliver(3, &payload, Origin::Peer(ALICE), "e0"), Some(Property::Authenticity));
        assert_eq!(case.deliver(4, &payload, Origin::Peer(ALICE), "e0"), None);
        let other = case.ledger.sent[1].payload.clone();
        assert_eq!(case.deliver(4, &other, Origin::Peer(ALICE), "e0"), Some(Property::Authenticity));
    }
}
