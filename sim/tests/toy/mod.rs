//! A toy that stands in for a node: it relays frames, opens channels with a key that both ends were
//! given, and can be broken on purpose. It exists to test the world and its checkers, not the protocol:
//! a checker that lets a planted bug pass is worth nothing.

use std::collections::{BTreeSet, VecDeque};

use razor::channel::Places;
use razor::env::Instant;
use razor::error::Error;
use razor::identity::Identifier;
use razor::machine::{Deadline, Snapshot};
use razor::routing::Address;
use razor_sim::frame::Frame;
use razor_sim::host::{APP, HOP, Host, Input, LISTENER, Origin, Output, Side};
use razor_sim::plan::Plan;
use razor_sim::seed::{Seed, Stream};
use sha2::{Digest, Sha256};

/// What is wrong with a toy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// It sends a copy of what the application says in the clear.
    LeaksPlaintext,
    /// Now and then it delivers a message twice.
    DeliversTwice,
    /// It does not look at the tag.
    SkipsTag,
    /// It remembers a nonce before it has looked at the tag.
    MovesWindowFirst,
    /// It forgets which nonces it has seen.
    AcceptsReplay,
    /// All its channels have one key.
    SharesKey,
    /// It takes the peer's word for who it is.
    TrustsEveryone,
    /// It says that channel messages come from somebody else.
    MistakesPeer,
    /// It keeps every half-open handshake.
    KeepsHalfOpen,
    /// It never forgets a half-open handshake, and takes no new ones when it has enough.
    Clogs,
    /// Its listener closes nobody's channel.
    NeverDisplaces,
    /// Its listener closes a channel of whoever has the fewest.
    DisplacesTheQuiet,
    /// Its listener closes the channel that was heard last.
    DisplacesTheBusy,
}

const HALF_OPEN_BYTES: usize = 100;
const HALF_OPEN: usize = 32;
const FRAME: usize = 4096;

struct Channel {
    tag: Option<usize>,
    open: bool,
    e1: [u8; 32],
    e2: [u8; 32],
    key: [u8; 32],
    decryptor: Address,
    encryptor: Address,
    remote: Vec<Address>,
    peer: Identifier,
    next: u64,
    seen: BTreeSet<u64>,
    heard: Instant,
}

impl Channel {
    fn is_initiator(&self) -> bool {
        self.tag.is_some()
    }
}

pub(crate) struct Toy {
    bug: Bug,
    id: Identifier,
    key: [u8; 32],
    expect: Option<Identifier>,
    random: Stream,
    connections: [Option<Address>; 2],
    partial: [Vec<u8>; 2],
    channels: Vec<Channel>,
    made: usize,
    now: Instant,
    places: Option<Places>,
    out: VecDeque<Output>,
}

/// A line of toys for `plan`; the ends have `bug`. A guest has the key of the ends as well.
pub(crate) fn line(seed: Seed, plan: &Plan, bug: Bug) -> Vec<Box<dyn Host>> {
    let id = |node: usize| Identifier(seed.derive(&format!("identity {node}")));
    let last = plan.nodes - 1;
    let toy = |node: usize| -> Box<dyn Host> {
        let is_end = node == 0 || node == last;
        Box::new(Toy {
            bug: if is_end { bug } else { Bug::None },
            id: id(node),
            key: if is_end || plan.welcoming && node == plan.middle {
                seed.derive("the key of both ends")
            } else {
                seed.derive(&format!("key {node}"))
            },
            expect: (node == last).then(|| id(0)),
            random: seed.stream(&format!("toy {node}")),
            connections: [None, None],
            partial: [Vec::new(), Vec::new()],
            channels: Vec::new(),
            made: 0,
            now: Instant::ZERO,
            places: (node == last).then_some(plan.places),
            out: VecDeque::new(),
        })
    };
    (0..plan.nodes).map(toy).collect()
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn seal(key: &[u8; 32], way: u8, nonce: u64, plain: &[u8]) -> Vec<u8> {
    let nonce = nonce.to_be_bytes();
    let mut bytes = [&nonce[..], plain].concat();
    cipher(key, way, &mut bytes);
    let tag = hash(&[key, &[way], &bytes]);
    bytes.extend_from_slice(&tag[..16]);
    bytes
}

fn cipher(key: &[u8; 32], way: u8, bytes: &mut [u8]) {
    let (nonce, text) = bytes.split_at_mut(8);
    for (n, block) in text.chunks_mut(32).enumerate() {
        let stream = hash(&[key, &[way], nonce, &n.to_le_bytes()]);
        block.iter_mut().zip(stream).for_each(|(byte, pad)| *byte ^= pad);
    }
}

impl Toy {
    fn send(&mut self, mut onward: Vec<Address>, back: Vec<Address>, payload: Vec<u8>) {
        let Some(side) = onward.first().and_then(|first| self.side_of(first)) else {
            self.out.push_back(Output::Dropped(Error::misuse("NOD-1", "there is no worker of that name")));
            return;
        };
        onward.remove(0);
        self.out.push_back(Output::Transmit(side, Frame { onward, back, payload, tracing: None }.encode()));
    }

    fn side_of(&self, address: &Address) -> Option<Side> {
        [Side::Left, Side::Right].into_iter().find(|side| self.connections[*side as usize].as_ref() == Some(address))
    }

    fn fresh<const N: usize>(&mut self) -> [u8; N] {
        self.random.bytes(N).try_into().expect("as many as asked")
    }

    fn new_channel(&mut self, tag: Option<usize>, peer: Identifier) -> Channel {
        let name = |toy: &mut Self| Address::local(&format!("{:032x}", u128::from_le_bytes(toy.fresh())));
        Channel {
            tag,
            open: false,
            e1: [0; 32],
            e2: [0; 32],
            key: [0; 32],
            decryptor: name(self),
            encryptor: name(self),
            remote: Vec::new(),
            peer,
            next: 0,
            seen: BTreeSet::new(),
            heard: self.now,
        }
    }

    fn receive(&mut self, side: Side, bytes: &[u8]) {
        self.partial[side as usize].extend_from_slice(bytes);
        loop {
            let buffer = &mut self.partial[side as usize];
            let Some(head) = buffer.first_chunk::<4>() else { return };
            let len = 4 + u32::from_be_bytes(*head) as usize;
            if len > FRAME {
                self.out.push_back(Output::Disconnect(side));
                return;
            }
            if buffer.len() < len {
                return;
            }
            let rest = buffer.split_off(len);
            let bytes = std::mem::replace(buffer, rest);
            let Ok(mut frame) = Frame::decode(&bytes) else {
                self.out.push_back(Output::Disconnect(side));
                return;
            };
            if frame.onward.len() + frame.back.len() > 40 {
                continue;
            }
            frame.back.insert(0, self.connections[side as usize].clone().expect("the connection is up"));
            self.route(frame);
        }
    }

    fn route(&mut self, mut frame: Frame) {
        let Some(first) = frame.onward.first().cloned() else { return };
        if self.side_of(&first).is_some() {
            self.send(frame.onward, frame.back, frame.payload);
        } else if first == HOP.into() {
            let Frame { onward, back, .. } = &mut frame;
            back.insert(0, onward.remove(0));
            self.route(frame);
        } else if first == LISTENER.into() {
            self.on_first_message(frame);
        } else if first == APP.into() {
            self.out.push_back(Output::Delivered {
                payload: frame.payload,
                origin: Origin::Connection,
                back: frame.back,
            });
        } else if let Some(n) = self.channels.iter().position(|channel| channel.decryptor == first) {
            self.on_channel(n, frame);
        }
    }

    fn on_first_message(&mut self, frame: Frame) {
        let Ok(e1) = <[u8; 32]>::try_from(frame.payload) else { return };
        let half_open = self.channels.iter().filter(|channel| !channel.open).count();
        if half_open >= HALF_OPEN {
            match self.bug {
                Bug::Clogs => return,
                Bug::KeepsHalfOpen => {}
                _ => {
                    let oldest = self.channels.iter().position(|channel| !channel.open).expect("there are some");
                    self.channels.remove(oldest);
                }
            }
        }
        let peer = self.expect.unwrap_or(self.id);
        let mut channel = self.new_channel(None, peer);
        channel.e1 = e1;
        channel.e2 = self.fresh();
        channel.remote = frame.back;
        let mac = hash(&[&self.key, &channel.e1, &channel.e2, b"2"]);
        let message = [&channel.e2[..], &self.id.0, &mac].concat();
        self.send(channel.remote.clone(), vec![channel.decryptor.clone()], message);
        self.channels.push(channel);
    }

    fn on_channel(&mut self, n: usize, frame: Frame) {
        let shared = self.key;
        let skip = self.bug == Bug::TrustsEveryone;
        let channel = &mut self.channels[n];
        match (channel.open, channel.is_initiator()) {
            (true, _) => self.on_data(n, frame.payload),
            (false, true) if frame.payload.len() == 96 => {
                let (e2, rest) = frame.payload.split_at(32);
                let (peer, mac) = rest.split_at(32);
                let expected = hash(&[&shared, &channel.e1, e2, b"2"]);
                if !(skip || mac == expected && peer == channel.peer.0) {
                    return;
                }
                channel.peer = Identifier(peer.try_into().expect("32 bytes"));
                channel.e2 = e2.try_into().expect("32 bytes");
                channel.remote = frame.back;
                let mac = hash(&[&shared, &channel.e1, e2, &self.id.0, b"3"]);
                let message = [&mac[..], &self.id.0, &[0; 32]].concat();
                let (remote, back) = (channel.remote.clone(), vec![channel.decryptor.clone()]);
                self.send(remote, back, message);
                self.opened(n);
            }
            (false, false) if frame.payload.len() == 96 => {
                let expected = hash(&[&shared, &channel.e1, &channel.e2, &frame.payload[32..64], b"3"]);
                if !skip && (frame.payload[..32] != expected || frame.payload[64..] != [0; 32]) {
                    return;
                }
                channel.peer = Identifier(frame.payload[32..64].try_into().expect("32 bytes"));
                channel.heard = self.now;
                let peer = channel.peer;
                let displaced = self.displaced_by(peer);
                self.opened(n);
                if let Some(at) = displaced {
                    let Channel { encryptor, .. } = self.channels.remove(at);
                    self.out.push_back(Output::Closed { encryptor });
                }
            }
            _ => {}
        }
    }

    /// Which channel has to leave for one more with `peer`.
    fn displaced_by(&self, peer: Identifier) -> Option<usize> {
        let places = self.places.filter(|_| self.bug != Bug::NeverDisplaces)?;
        let guests = || self.channels.iter().filter(|channel| channel.open && !channel.is_initiator());
        let held_by = |peer| guests().filter(|channel| channel.peer == peer).count();
        let who = if held_by(peer) >= places.open_per_peer {
            peer
        } else if guests().count() >= places.open_per_source.min(places.open) {
            let peers = guests().map(|channel| channel.peer);
            if self.bug == Bug::DisplacesTheQuiet {
                peers.min_by_key(|peer| held_by(*peer))
            } else {
                peers.max_by_key(|peer| held_by(*peer))
            }?
        } else {
            return None;
        };
        let theirs = guests().filter(|channel| channel.peer == who);
        let falls = if self.bug == Bug::DisplacesTheBusy {
            theirs.max_by_key(|channel| channel.heard)
        } else {
            theirs.min_by_key(|channel| channel.heard)
        }?;
        self.channels.iter().position(|channel| std::ptr::eq(channel, falls))
    }

    fn opened(&mut self, n: usize) {
        let channel = &mut self.channels[n];
        channel.open = true;
        channel.key = match self.bug {
            Bug::SharesKey => self.key,
            _ => hash(&[&self.key, &channel.e1, &channel.e2]),
        };
        self.out.push_back(Output::Opened {
            tag: channel.tag,
            encryptor: channel.encryptor.clone(),
            peer: channel.peer,
        });
    }

    fn on_data(&mut self, n: usize, mut bytes: Vec<u8>) {
        let channel = &mut self.channels[n];
        let (Some(nonce), true) = (bytes.first_chunk::<8>(), bytes.len() >= 24) else { return };
        let nonce = u64::from_be_bytes(*nonce);
        let largest = channel.seen.last().copied().unwrap_or(0);
        let fits = nonce <= largest.saturating_add(32)
            && nonce.saturating_add(32) >= largest
            && !channel.seen.contains(&nonce);
        if !fits && self.bug != Bug::AcceptsReplay {
            return;
        }
        if self.bug == Bug::MovesWindowFirst {
            channel.seen.insert(nonce);
        }
        let way = u8::from(channel.is_initiator());
        let tag = bytes.split_off(bytes.len() - 16);
        if hash(&[&channel.key, &[way], &bytes])[..16] != tag && self.bug != Bug::SkipsTag {
            return;
        }
        channel.seen.insert(nonce);
        channel.heard = self.now;
        cipher(&channel.key, way, &mut bytes);
        let (mut back, payload) = match Frame::decode(&bytes[8..]) {
            Ok(inner) => (inner.back, inner.payload),
            Err(_) if self.bug == Bug::SkipsTag => (Vec::new(), bytes[8..].to_vec()),
            Err(_) => return,
        };
        back.insert(0, channel.encryptor.clone());
        let origin = Origin::Peer(if self.bug == Bug::MistakesPeer { self.id } else { channel.peer });
        self.made += 1;
        let delivered = Output::Delivered { payload, origin, back };
        if self.bug == Bug::DeliversTwice && self.made.is_multiple_of(10) {
            self.out.push_back(delivered.clone());
        }
        self.out.push_back(delivered);
    }

    fn say(&mut self, route: Vec<Address>, payload: Vec<u8>) {
        let Some(n) = route.first().and_then(|to| self.channels.iter().position(|channel| channel.encryptor == *to))
        else {
            return;
        };
        let inner =
            Frame { onward: route[1..].to_vec(), back: vec![APP.into()], payload: payload.clone(), tracing: None };
        let channel = &mut self.channels[n];
        let sealed = seal(&channel.key, u8::from(!channel.is_initiator()), channel.next, &inner.encode());
        channel.next += 1;
        let remote = channel.remote.clone();
        if self.bug == Bug::LeaksPlaintext && self.channels[n].next == 7 {
            self.send(remote.clone(), Vec::new(), payload);
        }
        self.send(remote, Vec::new(), sealed);
    }
}

impl Host for Toy {
    fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        match input {
            Input::Connected(side) => {
                let name = format!("{side:?} {}", now.as_nanos());
                self.connections[side as usize] = Some(Address::local(&name));
            }
            Input::Disconnected(side) => {
                self.connections[side as usize] = None;
                self.partial[side as usize].clear();
            }
            Input::Bytes(side, bytes) => self.receive(side, &bytes),
            Input::Open { tag, route, expect } => {
                let mut channel = self.new_channel(Some(tag), expect);
                channel.e1 = self.fresh();
                let message = channel.e1.to_vec();
                self.send(route, vec![channel.decryptor.clone()], message);
                self.channels.push(channel);
            }
            Input::Say { route, payload } => self.say(route, payload),
            Input::Timeout => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn trusted(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        for channel in self.channels.iter().filter(|channel| channel.open) {
            picture.bytes(&channel.key).number(channel.next).number(channel.seen.len() as u64);
            for nonce in &channel.seen {
                picture.number(*nonce);
            }
        }
        picture
    }

    fn provisional(&self) -> (usize, usize) {
        let half_open = self.channels.iter().filter(|channel| !channel.open && !channel.is_initiator()).count();
        let partial: usize = self.partial.iter().map(Vec::len).sum();
        (half_open * HALF_OPEN_BYTES + partial, HALF_OPEN * HALF_OPEN_BYTES + 2 * FRAME)
    }

    fn guests(&self) -> Option<(Vec<Identifier>, Places)> {
        let guests = self.channels.iter().filter(|channel| channel.open && !channel.is_initiator());
        Some((guests.map(|channel| channel.peer).collect(), self.places?))
    }

    fn identifier(&self) -> Identifier {
        self.id
    }

    fn connection(&self, side: Side) -> Option<Address> {
        self.connections[side as usize].clone()
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![self.key.to_vec()]
    }
}
