//! Each checker can fail: real nodes, spoilt in one way at the seam to the world, and the property that must be named.
//! Mistakes inside the nodes are planted in the core (`cargo planted`).

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use razor::channel::Places;
use razor::env::{Instant, Timestamp};
use razor::identity::Identifier;
use razor::machine::{Deadline, Snapshot};
use razor::routing::Address;
use razor_sim::checker::{MARK, Property};
use razor_sim::host::{Face, Host, Input, Origin, Output, Shown, Work};
use razor_sim::{Campaign, Plan, Preset, Report, Seed, World, party};

/// How a node is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoilt {
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

    fn provisional(&self) -> (usize, usize) {
        let (held, limit) = self.inner.provisional();
        if self.spoilt == Spoilt::HoldsTooMuch && self.inputs > 100 { (limit + 1, limit) } else { (held, limit) }
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

fn run(seed: u64, preset: Preset, spoilt: Spoilt) -> Report {
    let plan = Plan::draw(Seed(seed), preset);
    let spoil = |inner| -> Box<dyn Host> {
        let (links, guests, out) = (Vec::new(), VecDeque::new(), VecDeque::new());
        Box::new(Spoiled { inner, spoilt, inputs: 0, deliveries: 0, links, guests, pictures: Cell::new(0), out })
    };
    let hosts = party::cast(&plan).into_iter().map(spoil).collect();
    World::new(plan, hosts).run()
}

/// The properties that the worlds of a few seeds name.
fn noticed(preset: Preset, spoilt: Spoilt) -> Vec<Property> {
    let worlds = (0..10).map(|seed| run(seed, preset, spoilt));
    let mut properties: Vec<_> = worlds.filter_map(|report| Some(report.violations.first()?.property)).collect();
    properties.sort();
    properties.dedup();
    properties
}

#[test]
fn whole_nodes_are_let_pass() {
    assert_eq!(noticed(Preset::Hostile, Spoilt::Not), []);
}

#[test]
fn whatever_is_spoilt_is_noticed_by_the_checker_whose_it_is() {
    for (preset, spoilt, property) in [
        (Preset::Calm, Spoilt::LeaksPlaintext, Property::Confidentiality),
        (Preset::Calm, Spoilt::DeliversTwice, Property::AtMostOnce),
        (Preset::Calm, Spoilt::ChangesPayloads, Property::Authenticity),
        (Preset::Calm, Spoilt::MistakesPeers, Property::Provenance),
        (Preset::Calm, Spoilt::SaysThatAllIsLocal, Property::Provenance),
        (Preset::Calm, Spoilt::OpensWithStrangers, Property::Agreement),
        (Preset::Calm, Spoilt::NamesOneHandshakeForAll, Property::Agreement),
        (Preset::Hostile, Spoilt::ChangesWithEveryInput, Property::TrustedState),
        (Preset::Calm, Spoilt::HoldsTooMuch, Property::Bounds),
        (Preset::Hostile, Spoilt::WorksTooMuch, Property::Work),
        (Preset::Siege, Spoilt::HasTooManyGuests, Property::Bounds),
        (Preset::Siege, Spoilt::ClosesTheWrongOne, Property::Displacement),
        (Preset::Calm, Spoilt::IsAttestedForAMoment, Property::Validity),
        (Preset::Calm, Spoilt::LosesMessages, Property::Liveness),
        (Preset::Faults, Spoilt::LosesMessages, Property::Liveness),
        (Preset::Calm, Spoilt::Panics, Property::NoPanic),
    ] {
        assert_eq!(noticed(preset, spoilt), [property], "{spoilt:?}");
    }
}

#[test]
fn a_campaign_finds_the_same_failures_on_any_number_of_threads() {
    let failures = |threads| {
        let world = |seed| Ok(run(seed, Preset::Calm, Spoilt::DeliversTwice));
        let campaign = Campaign::run(0..8, threads, world, |_| ()).expect("a preset is valid");
        Campaign { elapsed: Duration::ZERO, ..campaign }
    };
    let alone = failures(1);
    assert!(!alone.passed());
    assert_eq!(alone, failures(3));
}
