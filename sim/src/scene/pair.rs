//! Two nodes with a wire between them, which carries at once or not at all, and nothing protects what it carries: the
//! scenes read along.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{Config, LISTENER, Listening, Places, listen};
use razor::env::{Instant, Timestamp};
use razor::identity::{
    AttestationDraft, Identifier, IdentityDraft, MemoryStore, NewKey, PURPOSE_KEY_VALIDITY, PurposeKey, StoreRequest,
};
use razor::machine::Machine as _;
use razor::node::{
    self, Answer, ConnectionId, Delivery, Event, Flow, FlowControlId, Input, Mailbox, Output, Request, RequestId,
};
use razor::routing::{Address, Route, TransportType};
use razor::vault::null::{NullAgreement, NullSuite};
use razor::vault::{self, SigningKind, SoftwareVault};

use crate::checker::Property;
use crate::frame::{Frame, Kind};
use crate::party::BEGIN;
use crate::seed::Seed;

use super::stage::Stage;
use super::{Fault, Outcome, demand, fault};

/// The application of each.
pub(super) const APP: &str = "app";

/// More rounds than two nodes ever need to say what they have to say at one time.
const ROUNDS: usize = 10_000;

/// One of the two.
pub(super) struct End {
    pub(super) stage: Stage,
    pub(super) name: Identifier,
    vault: SoftwareVault<NullAgreement>,
    store: MemoryStore,
    connection: ConnectionId,
    /// The id under which the connection delivers.
    pub(super) reached: FlowControlId,
    /// What is on its way to it.
    coming: VecDeque<Vec<u8>>,
    /// Whether its driver has stopped to write, so that nothing leaves; and what has not left.
    pub(super) holds: bool,
    held: VecDeque<Vec<u8>>,
    /// Whether its store takes its time; and what it is asked meanwhile.
    pub(super) ponders: bool,
    asked: Vec<(RequestId, StoreRequest)>,
    /// The same of its vault.
    pub(super) muses: bool,
    mused: Vec<(RequestId, vault::Request)>,
    /// Whether its application takes nothing; and how much it was handed.
    pub(super) sleeps: bool,
    handed: usize,
    /// What its applications got.
    pub(super) got: Vec<(Address, Delivery)>,
    pub(super) events: Vec<Event>,
    /// What it has put on the wire since somebody last looked.
    pub(super) wrote: Vec<Frame>,
}

/// The two.
pub(super) struct Pair {
    pub(super) ends: [End; 2],
    /// Whether the wire loses everything.
    pub(super) cut: bool,
}

/// An identity, its keys, and what it shows.
pub(super) struct Papers {
    pub(super) name: Identifier,
    pub(super) history: Vec<u8>,
    pub(super) attestation: Vec<u8>,
    pub(super) vault: SoftwareVault<NullAgreement>,
    pub(super) config: Config,
}

impl Papers {
    pub(super) fn new(seed: Seed, label: &str) -> Self {
        let mut vault = SoftwareVault::with_agreement();
        let signing = vault
            .import_signing_key(SigningKind::Ed25519, &seed.derive(&format!("{label} signs")))
            .expect("any 32 bytes");
        let fixed = vault.import_static_key(&seed.derive(&format!("{label} agrees")));
        let then = Timestamp(BEGIN - 1);
        let identity = IdentityDraft::create(&NewKey::starting(signing, then)).sign_with(&vault).expect("an own key");
        let until = then.plus(PURPOSE_KEY_VALIDITY);
        let draft = AttestationDraft::new(&identity, PurposeKey::SecureChannelStatic(fixed), then, until);
        let attestation = draft.sign_with(&vault).expect("an own key");
        let config = Config::new(&identity, &attestation, &[], then).expect("a short presentation");
        let (name, history) = (identity.identifier(), identity.export().to_vec());
        Self { name, history, attestation: attestation.export().to_vec(), vault, config }
    }
}

/// Where the one names its connection to the other.
pub(super) fn wire() -> Address {
    Address::new(TransportType::TCP, b"other:1")
}

impl Pair {
    /// Two strangers, each with a listener that lets in whom `configure` says.
    pub(super) fn new(
        seed: Seed,
        scene: &str,
        config: &node::Config,
        configure: impl Fn(usize, Config) -> Config,
    ) -> Result<(Self, [Arc<Config>; 2]), Fault> {
        let [(one, first), (other, second)] = [0, 1].map(|number| End::new(seed, scene, number, config, &configure));
        let mut pair = Self { ends: [one, other], cut: false };
        pair.settle()?;
        Ok((pair, [first, second]))
    }

    /// Everything that is said at this time, until nobody says anything more.
    pub(super) fn settle(&mut self) -> Outcome {
        for _ in 0..ROUNDS {
            let mut quiet = true;
            for number in [0, 1] {
                let bytes = self.ends[number].hear()?;
                quiet &= bytes.is_empty();
                if !self.cut {
                    self.ends[1 - number].coming.extend(bytes);
                }
                quiet &= !self.ends[number].read()?;
            }
            if quiet {
                return Ok(());
            }
        }
        Err(fault(Property::Liveness, "two nodes go on and on without a pause"))
    }

    pub(super) fn pass(&mut self, time: Duration) -> Outcome {
        let until = self.ends[0].stage.now + time;
        for _ in 0..ROUNDS {
            self.step(until)?;
            if self.ends[0].stage.now == until {
                return Ok(());
            }
        }
        Err(fault(Property::Liveness, "two nodes want to be called again and again"))
    }

    /// Lets time pass until one of them wants to be called, or until then.
    pub(super) fn step(&mut self, until: Instant) -> Outcome {
        let now = self.ends[0].stage.now;
        let due = self.ends.iter().filter_map(|end| end.stage.node.deadline()).map(|due| due.at).min();
        let next = due.filter(|due| *due < until).unwrap_or(until).max(now);
        for end in &mut self.ends {
            end.stage.pass(next.since(now))?;
        }
        self.settle()
    }

    /// One of them says something, as its owner. `false` if it was not taken.
    pub(super) fn say(&mut self, number: usize, route: Route, payload: &[u8]) -> Result<bool, Fault> {
        let taken = self.ends[number].stage.send(route, Route::from_iter([APP]), payload)?;
        self.settle()?;
        Ok(taken)
    }

    /// The wire breaks at both ends.
    pub(super) fn hang_up(&mut self) -> Outcome {
        for end in &mut self.ends {
            end.stage.must(Input::Disconnected { connection: end.connection })?;
        }
        self.settle()
    }
}

impl End {
    fn new(
        seed: Seed,
        scene: &str,
        number: usize,
        config: &node::Config,
        configure: &impl Fn(usize, Config) -> Config,
    ) -> (Self, Arc<Config>) {
        let label = format!("{scene} {number}");
        let Papers { name, vault, config: own, .. } = Papers::new(seed, &label);
        let own = Arc::new(configure(number, own));
        let mut stage = Stage::new(seed, &label, config.clone());
        let reached = stage.node.new_flow_control_id();
        let listening = Listening { address: LISTENER.into(), places: Places::DEFAULT, reached_through: vec![reached] };
        let listener =
            stage.with(|node, env| listen::<NullSuite>(node, env, own.clone(), listening)).expect("a free address");
        let flow = Flow { consumer_of: vec![listener], ..Flow::default() };
        stage.with(|node, env| node.open_inbox(env, Mailbox::open(APP.into()), flow)).expect("a free address");
        let (connection, _) = stage.connect(Some(reached), Some(wire())).expect("few connections");
        let end = Self {
            stage,
            name,
            vault,
            store: MemoryStore::default(),
            connection,
            reached,
            coming: VecDeque::new(),
            holds: false,
            held: VecDeque::new(),
            ponders: false,
            asked: Vec::new(),
            muses: false,
            mused: Vec::new(),
            sleeps: false,
            handed: 0,
            got: Vec::new(),
            events: Vec::new(),
            wrote: Vec::new(),
        };
        (end, own)
    }

    /// What it says: answers to what it asks, bytes for the wire.
    fn hear(&mut self) -> Result<Vec<Vec<u8>>, Fault> {
        let mut bytes = Vec::new();
        while let Some(output) = self.stage.said.pop_front() {
            match output {
                Output::Transmit { connection, frame } if connection == self.connection => {
                    let frame = frame.payload().to_vec();
                    self.wrote.extend(Frame::decode(&frame));
                    self.held.push_back(frame);
                }
                Output::Deliver { inbox, delivery } => {
                    self.got.push((inbox.clone(), delivery));
                    if self.sleeps {
                        self.handed += 1;
                    } else {
                        self.stage.must(Input::Taken { inbox, messages: 1 })?;
                    }
                }
                Output::Request { id, request: Request::Vault(request), .. } => {
                    self.mused.push((id, request));
                    if !self.muses {
                        self.say_what_is_computed()?;
                    }
                }
                Output::Request { id, request: Request::Store(request), .. } => {
                    self.asked.push((id, request));
                    if !self.ponders {
                        self.say_what_is_stored()?;
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Close { error, .. } => {
                    return Err(fault(Property::Conformance, format!("a good connection was closed: {error}")));
                }
                Output::Transmit { .. } | Output::Cross { .. } => {}
            }
        }
        if !self.holds {
            for frame in std::mem::take(&mut self.held) {
                let sent = Input::Sent { connection: self.connection, bytes: frame.len() as u64 };
                self.stage.must(sent)?;
                bytes.push(frame);
            }
        }
        Ok(bytes)
    }

    /// The vault answers.
    pub(super) fn say_what_is_computed(&mut self) -> Outcome {
        for (id, request) in std::mem::take(&mut self.mused) {
            let answer = Answer::Vault(self.vault.answer(&request));
            self.stage.must(Input::Answer { id, answer })?;
        }
        Ok(())
    }

    /// The store answers.
    pub(super) fn say_what_is_stored(&mut self) -> Outcome {
        for (id, request) in std::mem::take(&mut self.asked) {
            let answer = Answer::Store(self.store.answer(&request));
            self.stage.must(Input::Answer { id, answer })?;
        }
        Ok(())
    }

    /// Reads what has come, if it does. Says whether it read anything.
    fn read(&mut self) -> Result<bool, Fault> {
        let mut some = false;
        while let Some(bytes) = self.coming.pop_front() {
            if !self.stage.receive(self.connection, bytes.clone())? {
                self.coming.push_front(bytes);
                break;
            }
            some = true;
        }
        Ok(some)
    }

    /// The application wakes up and takes what it was handed.
    pub(super) fn wake(&mut self) -> Outcome {
        self.sleeps = false;
        let messages = std::mem::take(&mut self.handed);
        self.stage.must(Input::Taken { inbox: APP.into(), messages })
    }

    /// The channel that has opened since the last look: where to send to, and who is there.
    pub(super) fn opened(&mut self) -> Result<(Address, Identifier), Fault> {
        let opened = self.events.drain(..).find_map(|event| match event {
            Event::ChannelOpened { encryptor, peer, .. } => Some((encryptor, peer)),
            _ => None,
        });
        opened.ok_or_else(|| fault(Property::Liveness, "a channel over a good wire does not open"))
    }

    /// How many first messages of handshakes it has sent since the last look.
    pub(super) fn begun(&mut self) -> usize {
        let frames = std::mem::take(&mut self.wrote);
        frames.iter().filter(|frame| frame.kind() == Kind::FirstMessage).count()
    }

    /// The plaintexts of the channel messages that it has sent since the last look: nothing hides them.
    pub(super) fn plaintexts(&mut self) -> Vec<Vec<u8>> {
        const NONCE: usize = 8;
        const TAG: usize = 16;
        let frames = std::mem::take(&mut self.wrote);
        let channel = frames.into_iter().filter(|frame| matches!(frame.kind(), Kind::Channel(_)));
        channel.map(|frame| frame.payload[NONCE..frame.payload.len() - TAG].to_vec()).collect()
    }
}

/// Exactly these came to an application, in this order, from this peer.
pub(super) fn check_got(end: &mut End, expected: &[Vec<u8>], peer: Identifier, when: &str) -> Outcome {
    let got = std::mem::take(&mut end.got);
    let payloads: Vec<&[u8]> = got.iter().map(|(_, delivery)| delivery.message.payload()).collect();
    demand(payloads == expected, Property::Liveness, || {
        format!("{when}, of {} messages {} came, or in another order", expected.len(), payloads.len())
    })?;
    let true_peer = got.iter().all(|(_, delivery)| delivery.provenance.peer() == Some(&peer));
    demand(true_peer, Property::Provenance, || format!("{when}, a message of a channel came as somebody else's"))
}
