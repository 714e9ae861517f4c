//! A real node that is spoilt in one way, at the seam to the world.

use std::cell::Cell;
use std::collections::VecDeque;

use razor::channel::Places;
use razor::env::{Instant, Timestamp};
use razor::identity::Identifier;
use razor::machine::{Deadline, Snapshot};
use razor::routing::Address;
use razor_sim::checker::MARK;
use razor_sim::host::{Burden, Face, Host, Input, Origin, Output, Shown, Work};
use razor_sim::{Plan, Preset, Seed, World, party};

/// How a node is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    Not,
    LeaksPlaintext,
    DeliversTwice,
    ChangesPayloads,
    MistakesPeers,
    SaysThatAllIsLocal,
    OpensWithStrangers,
    NamesOneHandshakeForAll,
    ChangesWithEveryInput,
    HoldsTooMuch,
    WorksTooMuch,
    HasTooManyGuests,
    ClosesTheWrongOne,
    IsAttestedForAMoment,
    LosesMessages,
    IsNeverDone,
    Panics,
}

struct Spoiled {
    inner: Box<dyn Host>,
    spoilt: Spoilt,
    inputs: u64,
    deliveries: u64,
    links: Vec<usize>,
    guests: VecDeque<Address>,
    pictures: Cell<u64>,
    out: VecDeque<Output>,
}

impl Spoiled {
    fn spoil(&mut self, output: Output) {
        let stranger = Identifier([7; 32]);
        match (self.spoilt, output) {
            (Spoilt::LeaksPlaintext, Output::Delivered { payload, origin: origin @ Origin::Peer(_), back }) => {
                if let Some(link) = self.links.first() {
                    self.out.push_back(Output::Transmit(*link, payload.clone()));
                }
                self.out.push_back(Output::Delivered { payload, origin, back });
            }
            (spoilt, Output::Delivered { mut payload, mut origin, back }) => {
                self.deliveries += 1;
                let now = self.deliveries.is_multiple_of(5) && payload.starts_with(&MARK);
                match spoilt {
                    Spoilt::ChangesPayloads if now => payload.push(0),
                    Spoilt::MistakesPeers if now => origin = Origin::Peer(self.inner.face().identifier),
                    Spoilt::SaysThatAllIsLocal if now => origin = Origin::Local,
                    Spoilt::LosesMessages if now => return,
                    _ => {}
                }
                let delivered = Output::Delivered { payload, origin, back };
                if spoilt == Spoilt::DeliversTwice && now {
                    self.out.push_back(delivered.clone());
                }
                self.out.push_back(delivered);
            }
            (spoilt, Output::Opened { tag, encryptor, mut peer, mut handshake }) => {
                match spoilt {
                    Spoilt::OpensWithStrangers => peer = stranger,
                    Spoilt::NamesOneHandshakeForAll => handshake = [1; 32],
                    Spoilt::ClosesTheWrongOne if tag.is_none() => {
                        self.guests.push_back(encryptor.clone());
                    }
                    _ => {}
                }
                self.out.push_back(Output::Opened { tag, encryptor, peer, handshake });
            }
            (Spoilt::ClosesTheWrongOne, Output::Closed { encryptor }) => {
                // Whoever came last instead of whoever has to go.
                let last = self.guests.pop_back().unwrap_or(encryptor);
                self.out.push_back(Output::Closed { encryptor: last });
            }
            (_, output) => self.out.push_back(output),
        }
    }
}

impl Host for Spoiled {
    fn handle(&mut self, now: Instant, input: Input) {
        self.inputs += 1;
        assert!(self.spoilt != Spoilt::Panics || self.inputs < 50, "the fiftieth input is too much");
        match &input {
            Input::Connected { link, .. } => self.links.push(*link),
            Input::Disconnected(link) => self.links.retain(|other| other != link),
            _ => {}
        }
        self.inner.handle(now, input);
        assert!(self.spoilt != Spoilt::Panics || self.inputs < 100, "spoilt");
        while let Some(output) = self.inner.poll() {
            self.spoil(output);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        if self.spoilt == Spoilt::IsNeverDone && self.inputs > 50 {
            return Some(Deadline::new(Instant::ZERO, "it is never done"));
        }
        self.inner.deadline()
    }

    fn trusted(&self) -> Snapshot {
        let mut picture = self.inner.trusted();
        if self.spoilt == Spoilt::ChangesWithEveryInput {
            self.pictures.set(self.pictures.get() + 1);
            picture.number(self.pictures.get());
        }
        picture
    }

    fn burden(&self) -> Burden {
        let burden = self.inner.burden();
        if self.spoilt == Spoilt::HoldsTooMuch && self.inputs > 100 {
            return Burden { held: burden.limit + 1, ..burden };
        }
        burden
    }

    fn names(&self) -> Vec<Identifier> {
        self.inner.names()
    }

    fn stored(&self, identifier: &Identifier) -> Option<Vec<u8>> {
        self.inner.stored(identifier)
    }

    fn work(&mut self) -> Work {
        let work = self.inner.work();
        if self.spoilt == Spoilt::WorksTooMuch { Work { agreements: 1_000, ..work } } else { work }
    }

    fn guests(&self) -> Option<(Vec<Identifier>, Places)> {
        let (mut peers, places) = self.inner.guests()?;
        if self.spoilt == Spoilt::HasTooManyGuests && self.inputs > 100 {
            peers.extend(vec![self.face().identifier; places.open + 1]);
        }
        Some((peers, places))
    }

    fn shown(&self, attempt: Option<usize>) -> Shown {
        self.inner.shown(attempt)
    }

    fn face(&self) -> Face {
        let face = self.inner.face();
        match self.spoilt {
            Spoilt::IsAttestedForAMoment => Face { attested: (Timestamp(1), Timestamp(2)), ..face },
            _ => face,
        }
    }

    fn wall(&self, now: Instant) -> Timestamp {
        self.inner.wall(now)
    }

    fn connection(&self, link: usize) -> Option<Address> {
        self.inner.connection(link)
    }

    fn heal(&mut self) {
        self.inner.heal();
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.inner.secrets()
    }
}

/// The world of this seed, all of whose nodes are spoilt.
pub(crate) fn world(seed: u64, preset: Preset, spoilt: Spoilt) -> World {
    let plan = Plan::draw(Seed(seed), preset);
    let spoil = |inner| -> Box<dyn Host> {
        let (links, guests, out) = (Vec::new(), VecDeque::new(), VecDeque::new());
        Box::new(Spoiled { inner, spoilt, inputs: 0, deliveries: 0, links, guests, pictures: Cell::new(0), out })
    };
    let hosts = party::cast(&plan).into_iter().map(spoil).collect();
    World::new(plan, hosts)
}
