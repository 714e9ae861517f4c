//! A channel at the ends of a connection, and which of the ends a node can be played at.

use razor::routing::{Address, Message, TransportType};
use razor::vault::suite::Suite;

use super::script::digits;
use crate::captures::conversation::{Conversation, Item, Part, Side, Tap};
use crate::captures::format::Direction as Way;
use crate::captures::handshake::{self, Outcome};
use crate::captures::party::{Means, Payload};
use crate::captures::said::{Direction, Said};
use crate::captures::secrets::Secrets;

/// A channel of which everything is known.
pub(super) struct Channel<'c, S> {
    pub(super) conversation: &'c Conversation<'c>,
    pub(super) responder: Address,
    pub(super) alice: (Means, Payload),
    pub(super) bob: (Means, Payload),
    pub(super) to_responder: Direction<'c, S>,
    pub(super) to_initiator: Direction<'c, S>,
}

impl<'c, S: Suite> Channel<'c, S> {
    pub(super) fn new(secrets: &Secrets, conversation: &'c Conversation<'c>) -> Option<Self> {
        let Ok(Outcome::Whole(handshake)) = handshake::run::<S>(secrets, conversation) else { return None };
        let (bob, alice) = (Payload::parse(&handshake.payload_2).ok()?, Payload::parse(&handshake.payload_3).ok()?);
        let [forth, back] = [handshake.initiator.send.clone(), handshake.responder.send.clone()];
        Some(Self {
            conversation,
            responder: conversation.responder.clone()?,
            alice: (handshake.alice, alice),
            bob: (handshake.bob, bob),
            to_responder: Direction::new(&conversation.items, Side::Initiator, forth),
            to_initiator: Direction::new(&conversation.items, Side::Responder, back),
        })
    }

    pub(super) fn tap(&self, part: Part) -> &'c Tap {
        // A channel has all three.
        self.conversation.get(part).unwrap_or(self.conversation.items[0].tap)
    }

    /// Which side of the channel is at the end of the connection that sends in this direction.
    pub(super) fn side_at(&self, direction: Way) -> Side {
        if self.tap(Part::Message1).direction == direction { Side::Initiator } else { Side::Responder }
    }

    pub(super) fn sent_by(&self, side: Side) -> &Direction<'c, S> {
        match side {
            Side::Initiator => &self.to_responder,
            Side::Responder => &self.to_initiator,
        }
    }

    pub(super) fn decryptor(&self, side: Side) -> &Address {
        match side {
            Side::Initiator => &self.conversation.initiator,
            Side::Responder => &self.responder,
        }
    }

    /// Whether a node at this end of the connection is the party, and what was recorded is what it saw.
    pub(super) fn is_played_at(&self, direction: Way) -> bool {
        let side = self.side_at(direction);
        let items = &self.conversation.items;
        let at_home = |item: &Item<'_>| item.tap.connection == self.tap(Part::Message1).connection;
        let opens = items.iter().position(|item| item.part == Part::Message3);
        let data = items.iter().position(|item| item.part == Part::Data);
        let listener = self.tap(Part::Message1).message.onward().len() == 1 || side == Side::Initiator;
        self.conversation.is_at(side)
            && listener
            && opens < data.or(Some(items.len()))
            && items.iter().all(|item| item.part != Part::Again && at_home(item))
            && digits(self.decryptor(side)).is_some()
            && self.sent_by(side).encryptor().is_none_or(|address| digits(&address).is_some())
            && in_order(items, side)
            && self.inner(side).all(is_local)
    }

    /// What comes out of the channel on this side.
    pub(super) fn inner(&self, side: Side) -> impl Iterator<Item = &Message> {
        let peer = if side == Side::Initiator { Side::Responder } else { Side::Initiator };
        self.sent_by(peer).by_nonce.values().filter_map(|(_, said)| match said {
            Said::Payload(message) => Some(message),
            _ => None,
        })
    }
}

/// Whether everything that a side has sent was recorded, in the order in which it was sent.
fn in_order(items: &[Item<'_>], side: Side) -> bool {
    let own = items.iter().filter(|item| item.part == Part::Data && item.sender == side);
    own.zip(0u64..).all(|(item, nonce)| item.tap.payload().starts_with(&nonce.to_be_bytes()))
}

fn is_local(message: &Message) -> bool {
    message.onward().first().is_some_and(|first| first.transport == TransportType::LOCAL)
}
