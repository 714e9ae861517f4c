//! Conformance: the auditor knows the secrets of all nodes and recomputes what they send, [by the book](book).
//!
//! It holds every handshake message and every channel message that a node sends of its own against its own account of
//! the handshake, the keys and their renewal. It looks at what leaves a node before anybody can have changed it.

mod book;
mod draws;
mod inbound;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;
use razor::routing::{Address, AddressRef};
use siphasher::sip128::SipHasher13;

use crate::frame::View;
use crate::host::{CLOSED, ECHO, LISTENER};

pub use self::book::{Book, Bytes32};
use self::book::{Cipher, Transcript, x25519};
pub use self::draws::Draws;
use self::inbound::{Arriving, Due, Inbound, Way};
use super::{MARK, Property, Violation};

/// After how many messages a key is renewed.
const INTERVAL: u64 = 32;

/// What the plaintext of a Payload begins with.
const PAYLOAD: [u8; 5] = [0x82, 0x82, 0x00, 0x81, 0x83];

/// What the plaintext of a Close begins with.
const CLOSE: [u8; 4] = [0x82, 0x82, 0x02, 0x80];

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
    /// First messages by the node that they came to and by the addresses of their way back.
    begun: BTreeMap<(usize, Vec<u8>), Vec<Vec<u8>>>,
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
    /// Channel messages by the hash of their bytes.
    sealed: BTreeMap<u128, Sealed>,
    /// Ends that have opened: the name of the channel, by node and encryptor.
    names: BTreeMap<(usize, Address), Bytes32>,
    /// What has to be delivered by the end of this step, by node and number.
    due: BTreeSet<(usize, u64)>,
    /// What came for ends that were not open, by node and number, with its sender and which of its directions.
    held: BTreeMap<(usize, u64), (usize, usize, Arriving)>,
    /// The ends that have to be closed by the end of this step.
    closing: BTreeSet<(usize, Bytes32)>,
    /// What must not be delivered in this step.
    refused: BTreeSet<(usize, u64)>,
}

/// Somebody who sent a message 2.
#[derive(Debug, Clone)]
struct Responder {
    node: usize,
    decryptor: Address,
    ephemeral: Bytes32,
    transcript: Transcript,
}

/// What one end of a channel sends to the other.
#[derive(Debug, Clone)]
struct Direction {
    /// To which decryptor, once something was sent: an adversary may have led it astray.
    to: Option<Address>,
    /// By interval.
    keys: Vec<Cipher>,
    used: BTreeSet<u64>,
    /// The hash of the channel's handshake.
    name: Bytes32,
    /// Where this side receives.
    own: Address,
    /// The other side, as far as it receives.
    other: Inbound,
    /// What the other side sends: by whom, and which of its directions.
    pair: (usize, usize),
}

/// A channel message that was sent.
#[derive(Debug, Clone)]
struct Sealed {
    /// Who sent it, in which of its directions, under which nonce.
    sender: usize,
    place: usize,
    nonce: u64,
    is_payload: bool,
    is_close: bool,
    /// The number of what an application says in it.
    number: Option<u64>,
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
            sealed: BTreeMap::new(),
            names: BTreeMap::new(),
            due: BTreeSet::new(),
            held: BTreeMap::new(),
            closing: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// The connection of `node` over `link` is gone.
    pub fn disconnected(&mut self, node: usize, link: usize) {
        self.pieces.remove(&(node, link));
        self.blur(node, |_, end| end.is_behind(link));
    }

    /// `node` has lost all its channels.
    pub fn forgets(&mut self, node: usize) {
        self.blur(node, |_, _| true);
    }

    /// An end of a channel has opened.
    pub fn opened(&mut self, node: usize, encryptor: Address, handshake: Bytes32) {
        self.names.insert((node, encryptor), handshake);
        let all = self.directions.values_mut().flatten();
        let own = all.filter(|direction| direction.name == handshake && direction.other.receiver == node);
        own.for_each(|direction| direction.other.is_open = true);
    }

    /// An end of a channel has closed.
    pub fn closed(&mut self, node: usize, encryptor: &Address) {
        if let Some(closed) = self.names.remove(&(node, encryptor.clone())) {
            self.closing.remove(&(node, closed));
            self.blur(node, |name, _| *name == closed);
        }
    }

    /// Nothing is known any more of these ends at `node`.
    fn blur(&mut self, node: usize, which: impl Fn(&Bytes32, &Inbound) -> bool) {
        for direction in self.directions.values_mut().flatten() {
            let Direction { name, other, .. } = direction;
            other.is_blurred |= other.receiver == node && which(name, other);
        }
        self.due.retain(|(at, _)| *at != node);
        self.closing.retain(|(at, _)| *at != node);
    }

    /// `node` delivers to its application what another said.
    ///
    /// # Errors
    /// When that was outside of the window, or accepted before.
    pub fn delivered(&mut self, node: usize, payload: &[u8]) -> Result<(), Violation> {
        let Some(number) = number(payload) else { return Ok(()) };
        if !self.due.remove(&(node, number)) && self.refused.contains(&(node, number)) {
            let detail = "a message was accepted that is outside of the window, or was accepted before";
            return Err(Violation::new(Property::Conformance, node, detail));
        }
        if let Some((sender, place, arriving)) = self.held.remove(&(node, number))
            && let Some(direction) = self.directions.get_mut(&sender).and_then(|all| all.get_mut(place))
        {
            direction.other.accept(&arriving);
        }
        Ok(())
    }

    /// `node` has done what it does with what has come. `is_behind` says that bytes wait which it has not taken.
    ///
    /// # Errors
    /// When it has not delivered what is genuine, new and within the window, or not closed what its peer has closed.
    pub fn settle(&mut self, node: usize, is_behind: bool) -> Result<(), Violation> {
        if self.refused.is_empty() && self.due.is_empty() && self.closing.is_empty() {
            return Ok(());
        }
        self.refused.retain(|(at, _)| *at != node);
        if !is_behind && self.due.extract_if((node, 0)..=(node, u64::MAX), |_| true).count() > 0 {
            let detail = "a message was not accepted that is genuine, new and within the window";
            return Err(Violation::new(Property::Conformance, node, detail));
        }
        if !is_behind && self.closing.extract_if((node, [0; 32])..=(node, [u8::MAX; 32]), |_| true).count() > 0 {
            let detail = "a Close came and the channel stayed open";
            return Err(Violation::new(Property::Conformance, node, detail));
        }
        Ok(())
    }

    /// Bytes came to `node` over `link`. First messages are kept until they are answered; of channel messages it is
    /// known whether they have to be accepted, unless the node `is_behind` and takes them later.
    pub fn arrived(&mut self, node: usize, link: usize, bytes: &[u8], is_behind: bool) {
        let (waited, new) = match self.pieces.entry((node, link)) {
            Entry::Occupied(mut pieces) => (std::mem::take(pieces.get_mut()), bytes),
            // The byte that opens a connection stands before its frames.
            Entry::Vacant(pieces) => {
                pieces.insert(Vec::new());
                (Vec::new(), bytes.get(1..).unwrap_or_default())
            }
        };
        // Nearly always it is one whole frame.
        let joined = if waited.is_empty() { Cow::Borrowed(new) } else { Cow::Owned([&waited, new].concat()) };
        let mut rest = &joined[..];
        while let Some(length) = rest.first_chunk::<4>().map(|length| 4 + u32::from_be_bytes(*length) as usize)
            && let Some((frame, others)) = rest.split_at_checked(length)
        {
            self.frame_arrived(node, link, frame, is_behind);
            rest = others;
        }
        if !rest.is_empty() {
            self.pieces.insert((node, link), rest.to_vec());
        }
    }

    fn frame_arrived(&mut self, node: usize, link: usize, frame: &[u8], is_behind: bool) {
        let Ok(frame) = View::new(frame) else { return };
        let Some(first) = frame.onward.first() else { return };
        if frame.onward.len() == 1 {
            self.sealed_arrived(node, link, &frame, is_behind);
        } else {
            self.led_astray(node, &frame);
        }
        let payload = frame.payload;
        if !listens(first) || payload.len() < 32 {
            return;
        }
        let begun = self.begun.entry((node, frame.back.items().to_vec())).or_default();
        if !begun.iter().any(|known| known == payload) {
            begun.push(payload.to_vec());
        }
        if begun.len() > FIRST_MESSAGES {
            begun.remove(0);
        }
    }

    /// A message came to `node` that may reach a decryptor there in other ways than the one it was sent along: what
    /// becomes of it is not known.
    fn led_astray(&mut self, node: usize, frame: &View<'_>) {
        let passes = |end: &Inbound| frame.onward.iter().any(|address| address == end.decryptor.as_ref());
        let ends = self.directions.values_mut().flatten().map(|direction| &mut direction.other);
        ends.filter(|end| end.receiver == node && passes(end)).for_each(|end| end.is_blurred = true);
    }

    /// A message came for a decryptor of `node`.
    fn sealed_arrived(&mut self, node: usize, link: usize, frame: &View<'_>, is_behind: bool) {
        let Some(sealed) = self.sealed.get(&hash(frame.payload)) else { return };
        let &Sealed { sender, place, nonce, is_payload, is_close, number } = sealed;
        let Some(direction) = self.directions.get_mut(&sender).and_then(|all| all.get_mut(place)) else { return };
        let Direction { name, own: peer, other, .. } = direction;
        if other.receiver != node || frame.onward.first() != Some(other.decryptor.as_ref()) {
            return;
        }
        other.is_blurred |= is_behind;
        let back = frame.back.to_owned();
        let arriving = Arriving { nonce, is_payload, link, back, peer: peer.clone() };
        match (other.arrives(&arriving, number.is_some()), number) {
            (Due::Accept, Some(number)) => _ = self.due.insert((node, number)),
            (Due::Refuse, Some(number)) => _ = self.refused.insert((node, number)),
            // Of several copies the first is held that there was room for; it matters if they came different ways.
            (Due::Hold, Some(number)) => {
                let (.., first) = self.held.entry((node, number)).or_insert((sender, place, arriving.clone()));
                other.is_blurred |= *first != arriving;
            }
            (Due::Accept, None) if is_close => _ = self.closing.insert((node, *name)),
            _ => {}
        }
    }

    /// `node` sends a frame over a link, on which frames may queue that were made long before. `secret_of` gives the secret half of an ephemeral key that this node, or any, has made.
    ///
    /// # Errors
    /// When no correct node sends this now.
    pub fn sent(
        &mut self,
        node: usize,
        (link, queues): (usize, bool),
        bytes: &[u8],
        mut secret_of: impl FnMut(Option<usize>, &Bytes32) -> Option<Bytes32>,
    ) -> Result<(), Violation> {
        let verdict = self.check(node, (link, queues), bytes, &mut secret_of);
        verdict.map_err(|detail| Violation::new(Property::Conformance, node, detail))
    }

    fn check(
        &mut self,
        node: usize,
        (link, queues): (usize, bool),
        bytes: &[u8],
        secret_of: &mut dyn FnMut(Option<usize>, &Bytes32) -> Option<Bytes32>,
    ) -> Result<(), &'static str> {
        let frame = View::new(bytes).ok().filter(View::is_exact);
        let View { onward, back, payload, tracing, .. } =
            frame.ok_or("what a node sent is no frame, or more than one")?;
        if back.len() < 2 && tracing.is_some() {
            return Err("what a node made itself has a tracing text");
        }
        // Whatever a node sends on has more on its way back, and what it echoes is not its own.
        let own = back.first().filter(|own| *own != AddressRef::local(ECHO.as_bytes()));
        if onward.is_empty() || back.len() > 1 || back.len() == 1 && own.is_none() {
            return Ok(());
        }
        let way = (link, onward.to_owned());
        let (Some(own), Some(key)) = (own.map(|own| own.to_owned()), payload.first_chunk::<32>()) else {
            return self.check_sealed(node, &way, queues, payload);
        };
        if let Some(first) = self.initiators.get(&(node, own.clone())) {
            let responders = self.responders.get(first).map(Vec::as_slice).unwrap_or_default();
            let finished = responders.iter().find_map(|to| Some((to, to.finished(payload)?)));
            let Some((responder, (name, [to_initiator, to_responder]))) = finished else {
                if self.missed.is_empty() {
                    return Err("a message 3 is not what the book says");
                }
                self.missed.insert(node);
                return Ok(());
            };
            let (initiator, to) = ((node, own.clone()), (responder.node, responder.decryptor.clone()));
            let mut one = Inbound::initiator(initiator.0, initiator.1.clone(), way);
            // It is open as soon as it has made its message 3.
            one.is_open = self.names.iter().any(|((node, _), opened)| *node == initiator.0 && *opened == name);
            let other = Inbound::responder(to.0, to.1.clone());
            let place = |node: usize| self.directions.get(&node).map_or(0, Vec::len);
            let second = place(to.0) + usize::from(to.0 == initiator.0);
            let pairs = [(to.0, second), (initiator.0, place(initiator.0))];
            let sides = [(initiator, to_responder, other), (to, to_initiator, one)];
            for (((sender, own), key, other), pair) in sides.into_iter().zip(pairs) {
                let keys = vec![self.book.cipher(&key)];
                let direction = Direction { to: None, keys, used: BTreeSet::new(), name, own, other, pair };
                self.directions.entry(sender).or_default().push(direction);
            }
            return Ok(());
        }
        let secret = secret_of(Some(node), key);
        if way.1.as_ref().last().is_some_and(listens) && payload.len() == 32 {
            self.keep(key, secret).ok_or("the ephemeral key of a message 1 was not drawn for it")?;
            self.initiators.insert((node, own.clone()), *key);
            return Ok(());
        }
        let first_messages = self.begun.get(&(node, way.1.as_ref().items().to_vec())).cloned();
        if secret.is_none() {
            // A peer who presents itself anew has a way back, too.
            let sealed = self.check_sealed(node, &way, queues, payload);
            if first_messages.is_none() || sealed.is_ok() {
                return sealed;
            }
        }
        let Some(first_messages) = first_messages else {
            self.missed.insert(node);
            return Ok(());
        };
        let ephemeral = self.keep(key, secret).ok_or("the ephemeral key of a message 2 was not drawn for it")?;
        let mut answers = first_messages.iter().rev();
        let answered = answers.find_map(|first| self.answered(first, &ephemeral, payload, secret_of));
        if let Some((first, transcript)) = answered.ok_or("a message 2 is not what the book says")? {
            if !self.ephemerals.contains_key(&first) {
                self.missed.insert(node);
            }
            self.responders.entry(first).or_default().push(Responder {
                node,
                decryptor: own.clone(),
                ephemeral,
                transcript,
            });
        }
        Ok(())
    }

    /// `node` sends a channel message.
    fn check_sealed(&mut self, node: usize, way: &Way, queues: bool, payload: &[u8]) -> Result<(), &'static str> {
        const WRONG: &str = "a channel message is not what the book says";
        let wrong = if self.missed.contains(&node) { Ok(()) } else { Err(WRONG) };
        let (Some((nonce, sealed)), to) = (payload.split_first_chunk::<8>(), way.1.as_ref().last()) else {
            return wrong;
        };
        let (book, nonce) = (self.book, u64::from_be_bytes(*nonce));
        let all = self.directions.entry(node).or_default();
        // Nearly always it is one that has sent there before.
        let found = [to, None].into_iter().find_map(|to| {
            let sends = |direction: &Direction| direction.to.as_ref().map(Address::as_ref) == to;
            let mut candidates = all.iter_mut().enumerate().filter(|(_, direction)| sends(direction));
            candidates.find_map(|(place, direction)| Some((place, direction.opens(book, nonce, sealed)?)))
        });
        let Some((place, text)) = found else { return wrong };
        let Some(direction) = all.get_mut(place) else { return wrong };
        if direction.to.as_ref().map(Address::as_ref) != to {
            direction.to = to.map(|to| to.to_owned());
        }
        let is_true = to == Some(direction.other.decryptor.as_ref());
        if !direction.used.insert(nonce) {
            return Err("a nonce was used twice");
        }
        let (peer, pair) = direction.pair;
        let (is_payload, is_close) = (text.starts_with(&PAYLOAD), text.starts_with(&CLOSE));
        let number = memmem::find(&text, &MARK).and_then(|at| number(&text[at..]));
        self.sealed.insert(hash(payload), Sealed { sender: node, place, nonce, is_payload, is_close, number });
        let own = self.directions.get(&peer).and_then(|all| Some(&all.get(pair)?.other));
        // Who was told a wrong address of its peer in the handshake keeps it.
        if !queues && is_true && own.and_then(Inbound::known_way).is_some_and(|known| known != way) {
            return Err("a channel message goes another way than the one where the peer is");
        }
        Ok(())
    }

    /// Checks that each direction has used every nonce from 0 on, where nothing that a node encrypts is lost in it.
    ///
    /// # Errors
    /// When a nonce was left out.
    pub fn check_nonces(&self) -> Result<(), Violation> {
        let seen = self.directions.iter().filter(|(node, _)| !self.missed.contains(node));
        for (node, directions) in seen {
            let skips = |used: &BTreeSet<u64>| used.last().is_some_and(|last| *last >= used.len() as u64);
            if directions.iter().any(|direction| skips(&direction.used)) {
                return Err(Violation::new(Property::Conformance, *node, "a nonce was left out"));
            }
        }
        Ok(())
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
    /// The hash and the keys that a message 3 leads to.
    fn finished(&self, third: &[u8]) -> Option<(Bytes32, [Bytes32; 2])> {
        let (sealed_key, sealed) = third.split_first_chunk::<48>()?;
        let mut transcript = self.transcript.clone();
        let static_key: Bytes32 = transcript.open(sealed_key)?.try_into().ok()?;
        transcript.mix_shared(&x25519(&self.ephemeral, &static_key));
        transcript.open(sealed)?;
        Some((transcript.hash(), transcript.keys()))
    }
}

impl Direction {
    fn opens(&mut self, book: Book, nonce: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let next = self.used.last().map_or(0, |last| last + 1);
        if nonce > next.saturating_add(AHEAD) {
            return None;
        }
        while self.keys.len() as u64 <= nonce / INTERVAL {
            let renewed = self.keys.last().map(|key| book.cipher(&key.renewed()));
            self.keys.extend(renewed);
        }
        self.keys[(nonce / INTERVAL) as usize].open(nonce, &[], sealed)
    }
}

/// The number of what an application says.
fn number(payload: &[u8]) -> Option<u64> {
    let number = payload.strip_prefix(&MARK)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*number))
}

/// Whether this is the address of a listener.
fn listens(address: AddressRef<'_>) -> bool {
    [LISTENER, CLOSED].iter().any(|name| address == AddressRef::local(name.as_bytes()))
}

/// Nobody looks for two messages with the same.
fn hash(bytes: &[u8]) -> u128 {
    SipHasher13::new().hash(bytes).as_u128()
}
