//! Finds the channels in a recording: which message begins one, and which belong to it.

use razor::routing::{Address, Message, RouteRef};

use super::format;
use super::secrets::Secrets;

/// A routed message where it was recorded, or as it came out of a recorded channel.
pub(super) struct Tap {
    pub(super) case: String,
    /// The connection, or that of the channel it came out of.
    pub(super) connection: u64,
    /// Which way it went there.
    pub(super) direction: format::Direction,
    pub(super) message: Message,
    /// The whole frame, when it was one.
    pub(super) frame: Option<Vec<u8>>,
}

impl Tap {
    pub(super) fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// What may be an ephemeral key: the first 32 bytes.
    pub(super) fn ephemeral(&self) -> Option<&[u8; 32]> {
        self.payload().first_chunk()
    }

    /// Whether it is like a message of an open channel: those begin with a small nonce, handshakes with a random key.
    pub(super) fn is_like_data(&self) -> bool {
        self.payload().len() >= 24 && self.payload().starts_with(&[0; 4])
    }

    /// Whom it is for, in the end.
    pub(super) fn to(&self) -> Option<Address> {
        last(self.message.onward())
    }

    /// Whom it is from, in the beginning.
    pub(super) fn from(&self) -> Option<Address> {
        last(self.message.return_route())
    }
}

fn last(route: RouteRef<'_>) -> Option<Address> {
    route.last().map(|address| address.to_owned())
}

/// The two sides of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Initiator,
    Responder,
}

/// What a message is to its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Message1,
    Message2,
    Message3,
    /// A handshake message once more, or another one that came too late.
    Again,
    /// Under the transport keys.
    Data,
}

/// A message of a channel.
#[derive(Clone, Copy)]
pub(super) struct Item<'t> {
    /// Its place in the recording.
    pub(super) index: usize,
    pub(super) part: Part,
    pub(super) sender: Side,
    pub(super) tap: &'t Tap,
}

/// One channel: its messages, in the order of the recording.
pub(super) struct Conversation<'t> {
    /// The decryptor address of the initiator.
    pub(super) initiator: Address,
    /// That of the responder, once it has answered.
    pub(super) responder: Option<Address>,
    pub(super) items: Vec<Item<'t>>,
}

/// What a recording consists of.
pub(super) struct Found<'t> {
    pub(super) conversations: Vec<Conversation<'t>>,
    /// Answers to a message 1 whose ephemeral key is not recorded.
    pub(super) orphans: Vec<&'t Tap>,
    /// Everything that is not part of a channel.
    pub(super) plain: Vec<&'t Tap>,
}

/// The shortest message 2.
pub(super) const MESSAGE_2: usize = 96;

impl<'t> Conversation<'t> {
    pub(super) fn get(&self, part: Part) -> Option<&'t Tap> {
        self.items.iter().find(|item| item.part == part).map(|item| item.tap)
    }

    fn is_complete(&self) -> bool {
        [Part::Message1, Part::Message2, Part::Message3].iter().all(|part| self.get(*part).is_some())
    }

    /// Whether a side's messages were recorded as its node sent them, and not behind another node.
    pub(super) fn is_at(&self, side: Side) -> bool {
        let first = match side {
            Side::Initiator => self.get(Part::Message1),
            Side::Responder => self.get(Part::Message2),
        };
        first.is_some_and(|tap| tap.message.return_route().len() == 1)
    }
}

/// Sorts the messages of a session. A session that was recorded on several connections shows a channel
/// on each of them, and each view is a conversation of its own; what a view lacks because a party moved to
/// another connection is taken from there.
pub(super) fn find<'t>(secrets: &Secrets, taps: &'t [Tap]) -> Found<'t> {
    let mut connections: Vec<u64> = taps.iter().map(|tap| tap.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    let all: Vec<(usize, &Tap)> = taps.iter().enumerate().collect();
    let mut conversations = Vec::new();
    let mut broken = Vec::new();
    let mut orphans = Vec::new();
    for connection in &connections {
        let view: Vec<_> = all.iter().filter(|(_, tap)| tap.connection == *connection).copied().collect();
        let (found, strays) = sort(secrets, &view);
        orphans.extend(strays);
        let (complete, incomplete): (Vec<_>, Vec<_>) = found.into_iter().partition(Conversation::is_complete);
        conversations.extend(complete);
        broken.extend(incomplete);
    }
    if !broken.is_empty() && connections.len() > 1 {
        let (found, _) = sort(secrets, &once(&all));
        for conversation in found.into_iter().filter(Conversation::is_complete) {
            if !conversations.iter().any(|c| c.initiator == conversation.initiator) {
                conversations.push(conversation);
            }
        }
    }
    for conversation in broken {
        let known = |c: &Conversation<'_>| c.initiator == conversation.initiator;
        if !conversations.iter().any(known) {
            conversations.push(conversation);
        }
    }
    conversations.iter_mut().for_each(|conversation| gather(conversation, &all));
    let used: Vec<usize> = conversations.iter().flat_map(|c| c.items.iter().map(|item| item.index)).collect();
    let is_orphan = |tap: &Tap| orphans.iter().any(|orphan| std::ptr::eq(*orphan, tap));
    let plain = all.iter().filter(|(index, tap)| !used.contains(index) && !is_orphan(tap)).map(|(_, tap)| *tap);
    Found { plain: plain.collect(), conversations, orphans }
}

/// Each message once, where it was seen first.
fn once<'t>(taps: &[(usize, &'t Tap)]) -> Vec<(usize, &'t Tap)> {
    let mut seen: Vec<(usize, &Tap)> = Vec::new();
    for (index, tap) in taps {
        let known = |other: &Tap| other.connection != tap.connection && other.payload() == tap.payload();
        if !seen.iter().any(|(_, other)| known(other) && other.to() == tap.to()) {
            seen.push((*index, tap));
        }
    }
    seen
}

/// Takes what was said on other connections and not on this conversation's own.
fn gather<'t>(conversation: &mut Conversation<'t>, taps: &[(usize, &'t Tap)]) {
    for (index, tap) in taps {
        let to = tap.to();
        let sender = match &to {
            Some(to) if *to == conversation.initiator => Side::Responder,
            Some(_) if to == conversation.responder => Side::Initiator,
            _ => continue,
        };
        let known = |item: &Item<'_>| item.index == *index || item.tap.payload() == tap.payload();
        if !conversation.items.iter().any(known) {
            conversation.items.push(Item { index: *index, part: Part::Data, sender, tap });
        }
    }
    conversation.items.sort_by_key(|item| item.index);
}

fn sort<'t>(secrets: &Secrets, taps: &[(usize, &'t Tap)]) -> (Vec<Conversation<'t>>, Vec<&'t Tap>) {
    let mut conversations: Vec<Conversation<'t>> = Vec::new();
    let mut orphans = Vec::new();
    for (index, tap) in taps.iter().copied() {
        let (to, from) = (tap.to(), tap.from());
        let is_handshake = tap.ephemeral().is_some_and(|key| secrets.ephemeral(key).is_some());
        let item = |part, sender| Item { index, part, sender, tap };
        if let Some(c) = conversations.iter_mut().find(|c| to.as_ref() == Some(&c.initiator)) {
            let part = match (is_handshake && tap.payload().len() >= MESSAGE_2, &c.responder, from) {
                (true, None, Some(from)) => {
                    c.responder = Some(from);
                    Part::Message2
                }
                (true, ..) => Part::Again,
                (false, ..) => Part::Data,
            };
            c.items.push(item(part, Side::Responder));
        } else if let Some(c) = conversations.iter_mut().find(|c| to.is_some() && to == c.responder) {
            let part = match c.get(Part::Message3) {
                None if from.as_ref() == Some(&c.initiator) => Part::Message3,
                Some(message_3) if message_3.payload() == tap.payload() => Part::Again,
                _ => Part::Data,
            };
            c.items.push(item(part, Side::Initiator));
        } else if let (true, Some(from)) = (is_handshake, from) {
            if let Some(c) = conversations.iter_mut().find(|c| c.initiator == from) {
                c.items.push(item(Part::Again, Side::Initiator));
            } else if tap.payload().len() < MESSAGE_2 {
                let items = vec![item(Part::Message1, Side::Initiator)];
                conversations.push(Conversation { initiator: from, responder: None, items });
            } else {
                orphans.push(tap);
            }
        }
    }
    (conversations, orphans)
}
