//! Conformance: the auditor knows the secrets of all nodes and recomputes what they send, [by the book](book).
//!
//! It holds every handshake message and every channel message that a node sends of its own against its own account of
//! the handshake, the keys and their renewal. It looks at what leaves a node before anybody can have changed it.

mod book;
mod draws;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use razor::routing::Address;

use crate::frame::Frame;
use crate::host::{ECHO, LISTENER};

pub use self::book::{Book, Bytes32};
use self::book::{Transcript, x25519};
pub use self::draws::Draws;
use super::{Property, Violation};

/// After how many messages a key is renewed.
const INTERVAL: u64 = 32;

/// How many messages in a row may be lost within a node: an outbox holds fewer.
const AHEAD: u64 = 1 << 16;

/// The most first messages that are kept for one way back: an adversary may send any number.
const FIRST_MESSAGES: usize = 16;

/// Holds what nodes send against the specification.
#[derive(Debug, Clone)]
pub struct Auditor {
    book: Book,
    /// Bytes of connections that are not a whole frame yet, by node and link.
    pieces: BTreeMap<(usize, usize), Vec<u8>>,
    /// First messages by the node that they came to and by their way back.
    begun: BTreeMap<(usize, Vec<Address>), Vec<Vec<u8>>>,
    /// The ephemeral keys that were sent: the secret halves by the public ones.
    ephemerals: BTreeMap<Bytes32, Bytes32>,
    /// The ephemeral key of each message 1 that was sent, by who sent it and its decryptor.
    initiators: BTreeMap<(usize, Address), Bytes32>,
    /// Those who answered a message 1, by its ephemeral key.
    responders: BTreeMap<Bytes32, Vec<Responder>>,
    /// What each node sends through the channels that it has.
    directions: BTreeMap<usize, Vec<Direction>>,
    /// Nodes that have channels whose handshake was not seen whole: through another channel, or a loop within a node.
    missed: BTreeSet<usize>,
}

/// Somebody who sent a message 2.
#[derive(Debug, Clone)]
struct Responder {
    node: usize,
    ephemeral: Bytes32,
    transcript: Transcript,
}

/// What one end of a channel sends to the other.
#[derive(Debug, Clone)]
struct Direction {
    /// To which decryptor, once something was sent: an adversary may have led it astray.
    to: Option<Address>,
    /// By interval.
    keys: Vec<Bytes32>,
    used: BTreeSet<u64>,
}

impl Auditor {
    /// Knows nothing of any channel yet.
    pub fn new(book: Book) -> Self {
        Self {
            book,
            pieces: BTreeMap::new(),
            begun: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            initiators: BTreeMap::new(),
            responders: BTreeMap::new(),
            directions: BTreeMap::new(),
            missed: BTreeSet::new(),
        }
    }

    /// The connection of `node` over `link` is gone.
    pub fn disconnected(&mut self, node: usize, link: usize) {
        self.pieces.remove(&(node, link));
    }

    /// Bytes came to `node` over `link`: first messages are kept until they are answered.
    pub fn arrived(&mut self, node: usize, link: usize, bytes: &[u8]) {
        let pieces = match self.pieces.entry((node, link)) {
            Entry::Occupied(pieces) => {
                let pieces = pieces.into_mut();
                pieces.extend_from_slice(bytes);
                pieces
            }
            // The byte that opens a connection stands before its frames.
            Entry::Vacant(new) => new.insert(bytes.get(1..).unwrap_or_default().to_vec()),
        };
        while let Some(length) = pieces.first_chunk::<4>().map(|length| 4 + u32::from_be_bytes(*length) as usize)
            && length <= pieces.len()
        {
            let whole: Vec<u8> = pieces.drain(..length).collect();
            let Ok(Frame { onward, back, payload, .. }) = Frame::decode(&whole) else { continue };
            if onward.first() != Some(&Address::local(LISTENER)) || payload.len() < 32 {
                continue;
            }
            let begun = self.begun.entry((node, back)).or_default();
            if !begun.contains(&payload) {
                begun.push(payload);
            }
            if begun.len() > FIRST_MESSAGES {
                begun.remove(0);
            }
        }
    }

    /// `node` sends a frame. `secret_of` gives the secret half of an ephemeral key that this node, or any, has made.
    ///
    /// # Errors
    /// When no correct node sends this now.
    pub fn sent(
        &mut self,
        node: usize,
        bytes: &[u8],
        mut secret_of: impl FnMut(Option<usize>, &Bytes32) -> Option<Bytes32>,
    ) -> Result<(), Violation> {
        self.check(node, bytes, &mut secret_of).map_err(|detail| Violation::new(Property::Conformance, node, detail))
    }

    fn check(
        &mut self,
        node: usize,
        bytes: &[u8],
        secret_of: &mut dyn FnMut(Option<usize>, &Bytes32) -> Option<Bytes32>,
    ) -> Result<(), &'static str> {
        let frame = Frame::decode(bytes).ok().filter(|frame| frame.encode() == bytes);
        let Frame { onward, back, payload, .. } = frame.ok_or("what a node sent is no frame, or more than one")?;
        let Some(last) = onward.last() else { return Ok(()) };
        // Whatever a node sends on has more on its way back, and what it echoes is not its own.
        let own = match &back[..] {
            [] => return self.check_sealed(node, last, &payload),
            [own] if *own != Address::local(ECHO) => own,
            _ => return Ok(()),
        };
        let Some(key) = payload.first_chunk::<32>() else { return self.check_sealed(node, last, &payload) };
        if let Some(first) = self.initiators.get(&(node, own.clone())) {
            let responders = self.responders.get(first).map(Vec::as_slice).unwrap_or_default();
            let finished = responders.iter().find_map(|to| Some((to, to.finished(&payload)?)));
            let Some((responder, [to_initiator, to_responder])) = finished else {
                if self.missed.is_empty() {
                    return Err("a message 3 is not what the book says");
                }
                self.missed.insert(node);
                return Ok(());
            };
            for (sender, key) in [(node, to_responder), (responder.node, to_initiator)] {
                self.directions.entry(sender).or_default().push(Direction::new(key));
            }
            return Ok(());
        }
        let secret = secret_of(Some(node), key);
        if *last == Address::local(LISTENER) && payload.len() == 32 {
            self.keep(key, secret).ok_or("the ephemeral key of a message 1 was not drawn for it")?;
            self.initiators.insert((node, own.clone()), *key);
            return Ok(());
        }
        let first_messages = self.begun.get(&(node, onward.clone())).cloned();
        if secret.is_none() && (first_messages.is_none() || self.check_sealed(node, last, &payload).is_ok()) {
            return self.check_sealed(node, last, &payload);
        }
        let Some(first_messages) = first_messages else {
            self.missed.insert(node);
            return Ok(());
        };
        let ephemeral = self.keep(key, secret).ok_or("the ephemeral key of a message 2 was not drawn for it")?;
        let mut answers = first_messages.iter().rev();
        let answered = answers.find_map(|first| self.answered(first, &ephemeral, &payload, secret_of));
        if let Some((first, transcript)) = answered.ok_or("a message 2 is not what the book says")? {
            if !self.ephemerals.contains_key(&first) {
                self.missed.insert(node);
            }
            self.responders.entry(first).or_default().push(Responder { node, ephemeral, transcript });
        }
        Ok(())
    }

    /// `node` sends a channel message.
    fn check_sealed(&mut self, node: usize, to: &Address, payload: &[u8]) -> Result<(), &'static str> {
        const WRONG: &str = "a channel message is not what the book says";
        let wrong = if self.missed.contains(&node) { Ok(()) } else { Err(WRONG) };
        let Some((nonce, sealed)) = payload.split_first_chunk::<8>() else { return wrong };
        let (book, nonce) = (self.book, u64::from_be_bytes(*nonce));
        let all = self.directions.entry(node).or_default();
        // Nearly always it is one that has sent there before.
        let place = [Some(to), None].into_iter().find_map(|to| {
            all.iter_mut().position(|direction| direction.to.as_ref() == to && direction.opens(book, nonce, sealed))
        });
        let Some(direction) = place.and_then(|place| all.get_mut(place)) else { return wrong };
        direction.to = Some(to.clone());
        if direction.used.insert(nonce) { Ok(()) } else { Err("a nonce was used twice") }
    }

    /// Remembers an ephemeral key, if its node has drawn it and it was not sent before.
    fn keep(&mut self, public: &Bytes32, secret: Option<Bytes32>) -> Option<Bytes32> {
        let secret = secret?;
        self.ephemerals.insert(*public, secret).is_none().then_some(secret)
    }

    /// What comes of this message 2 if it answers that message 1: nothing if it does not, and no transcript if the
    /// message 1 is of nobody.
    fn answered(
        &self,
        first: &[u8],
        secret: &Bytes32,
        second: &[u8],
        secret_of: &mut dyn FnMut(Option<usize>, &Bytes32) -> Option<Bytes32>,
    ) -> Option<Option<(Bytes32, Transcript)>> {
        let (initiator, first_payload) = first.split_first_chunk::<32>()?;
        let (responder, second) = second.split_first_chunk::<32>()?;
        let (sealed_key, sealed) = second.split_first_chunk::<48>()?;
        let mut transcript = Transcript::begun(self.book, initiator, first_payload);
        transcript.mix(responder);
        transcript.mix_shared(&x25519(secret, initiator));
        let static_key: Bytes32 = transcript.open(sealed_key)?.try_into().ok()?;
        let known = self.ephemerals.get(initiator).copied();
        let Some(initiators_secret) = known.or_else(|| secret_of(None, initiator)) else { return Some(None) };
        transcript.mix_shared(&x25519(&initiators_secret, &static_key));
        transcript.open(sealed)?;
        Some(Some((*initiator, transcript)))
    }
}

impl Responder {
    /// The keys that a message 3 leads to.
    fn finished(&self, third: &[u8]) -> Option<[Bytes32; 2]> {
        let (sealed_key, sealed) = third.split_first_chunk::<48>()?;
        let mut transcript = self.transcript.clone();
        let static_key: Bytes32 = transcript.open(sealed_key)?.try_into().ok()?;
        transcript.mix_shared(&x25519(&self.ephemeral, &static_key));
        transcript.open(sealed)?;
        Some(transcript.keys())
    }
}

impl Direction {
    fn new(key: Bytes32) -> Self {
        Self { to: None, keys: vec![key], used: BTreeSet::new() }
    }

    fn opens(&mut self, book: Book, nonce: u64, sealed: &[u8]) -> bool {
        let next = self.used.last().map_or(0, |last| last + 1);
        if nonce > next.saturating_add(AHEAD) {
            return false;
        }
        while self.keys.len() as u64 <= nonce / INTERVAL {
            let renewed = self.keys.last().map(|key| book.renewed(key));
            self.keys.extend(renewed);
        }
        book.open(&self.keys[(nonce / INTERVAL) as usize], nonce, &[], sealed).is_some()
    }
}
