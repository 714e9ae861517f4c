//! One end of a channel: a real machine, and what its party does for it.

use razor::channel::{self, Addresses, Channel, Event, Output, State, Ticket};
use razor::env::{Env, Instant, Seeded};
use razor::identity::{StoreAnswer, StoreRequest};
use razor::machine::Snapshot;
use razor::node::{Answer, Request};
use razor::routing::{Address, Message, Route, RouteRef};
use razor::vault::suite::Suite;

use crate::cast::{WALL, Who};
use crate::message::{Kind, MessageId, Messages, Text};
use crate::scenario::End;
use crate::stage::Stage;
use crate::subject::{Faulty, Subject};

/// What can happen to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The attacker delivers this.
    Receive(MessageId),
    /// The application sends its next text.
    Send,
    /// The application closes the channel.
    Close,
    /// The time of the handshake is over.
    TimeOut,
    /// The vault or the store answers.
    Answer,
}

/// How an end is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// Its application closed it.
    Closed,
    /// Its time was over.
    TimedOut,
    /// It took a message for the end of an open channel.
    ClosedByPeer,
    /// It took a message for the end of a handshake.
    Refused,
}

/// All that is known of an end, but for what its machine keeps to itself once it is open: that is in its trusted
/// picture.
///
/// A half-open machine is a function of its randomness, which is fixed, of the messages of its handshake, of what it
/// holds, and of what it has asked. All these stand here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Record {
    /// `None` before a first message came.
    pub(crate) state: Option<State>,
    /// The messages of its handshake, own ones and those of others, as far as it has taken or sent them.
    pub(crate) transcript: [Option<MessageId>; 3],
    /// The hash of the handshake.
    pub(crate) hash: Option<[u8; 32]>,
    /// With whom it opened; `Some(None)` is somebody unknown.
    pub(crate) peer: Option<Option<Who>>,
    /// What came too early, in order.
    pub(crate) held: Vec<MessageId>,
    /// What it sent, in order.
    pub(crate) sent: Vec<MessageId>,
    /// How many texts its application has sent, with those that were lost.
    pub(crate) texts: u8,
    /// What it delivered, sorted; `None` is what nobody ever said.
    pub(crate) delivered: Vec<Option<Text>>,
    /// What it has asked and not heard, if anything.
    pub(crate) asks: Option<&'static str>,
    /// Its store has come to know its peer's history through it.
    pub(crate) knows: bool,
    /// How it ended.
    pub(crate) ending: Option<Ending>,
    /// How it has broken the contract of all machines, if it has.
    pub(crate) breach: Option<&'static str>,
}

impl Record {
    pub(crate) fn is_open(&self) -> bool {
        self.state == Some(State::Open)
    }

    /// The number of the last text of an end that was delivered.
    pub(crate) fn largest(&self, end: usize) -> Option<u8> {
        self.delivered.iter().flatten().filter(|text| text.end == end).map(|text| text.number).max()
    }

    pub(crate) fn is_half_open(&self) -> bool {
        self.state.is_some_and(|state| !matches!(state, State::Open | State::Closed))
    }
}

/// What comes to an end.
#[derive(Clone, Copy)]
pub(crate) struct Arriving<'a> {
    bytes: &'a [u8],
    /// The way back that stands on it.
    way: &'static str,
}

impl<'a> Arriving<'a> {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { bytes: &[], way: "" };

    /// What an honest end sent: all come the same way.
    pub(crate) const fn sent(bytes: &'a [u8]) -> Self {
        Self { bytes, way: "network" }
    }

    /// What the attacker made: it comes another way.
    pub(crate) const fn made(bytes: &'a [u8]) -> Self {
        Self { bytes, way: "elsewhere" }
    }
}

/// An end that is being run.
pub(crate) struct Live {
    pub(crate) end: End,
    machine: Option<Box<dyn Subject>>,
    entropy: Seeded,
    now: Instant,
    question: Option<(Ticket, Request)>,
    pub(crate) record: Record,
    /// What it has sent since somebody last took it.
    out: Vec<Vec<u8>>,
}

impl Live {
    /// An initiator has sent its message 1; a responder waits for one.
    pub(crate) fn new<S: Suite>(stage: &Stage<S>, end: End) -> Self {
        let seed = if stage.habits.repeats_randomness { end.who as u64 } else { 16 + end.index as u64 };
        let mut live = Self {
            end,
            machine: None,
            entropy: Seeded::from_u64(seed),
            now: Instant::ZERO,
            question: None,
            record: Record::default(),
            out: Vec::new(),
        };
        if end.initiates {
            let config = stage.cast.person(end.who).config.clone();
            let mut env = Env::new(live.now, WALL, &mut live.entropy);
            let channel = Channel::<S>::initiate(&mut env, config, addresses(), &Route::from_iter(["api"]));
            live.take(stage, channel);
            live.settle(stage, false);
            live.note(&Record::default(), None);
        }
        live
    }

    fn take<S: Suite>(&mut self, stage: &Stage<S>, channel: Channel<S>) {
        self.machine = Some(match stage.habits.fault {
            None => Box::new(channel),
            Some(fault) => Box::new(Faulty::new(channel, fault)),
        });
    }

    /// Takes a step, for which `arriving` comes if something does. `knows` is whether the party's store knows the peer's
    /// history already.
    pub(crate) fn step<S: Suite>(&mut self, stage: &Stage<S>, step: Step, arriving: Arriving<'_>, knows: bool) {
        let before = self.record.clone();
        match step {
            Step::Receive(id) => self.receive(stage, id, arriving),
            Step::Send => {
                while self.record.texts < stage.scenario.lost && self.say() {
                    while self.machine.as_mut().and_then(|machine| machine.poll_output()).is_some() {}
                }
                self.say();
            }
            Step::Close => {
                self.handle(channel::Input::Close);
            }
            Step::TimeOut => {
                if let Some(machine) = &mut self.machine {
                    self.now = machine.deadline().map_or(self.now, |deadline| deadline.at);
                    machine.handle_timeout(&mut Env::new(self.now, WALL, &mut self.entropy));
                }
            }
            Step::Answer => self.answer(stage, knows),
        }
        self.settle(stage, knows);
        self.note(&before, Some(step));
    }

    fn receive<S: Suite>(&mut self, stage: &Stage<S>, id: MessageId, Arriving { bytes, way }: Arriving<'_>) {
        let message = Message::new(RouteRef::default(), Route::from_iter([way]).as_ref(), bytes);
        let Some(machine) = &self.machine else {
            let config = stage.cast.person(self.end.who).config.clone();
            let mut env = Env::new(self.now, WALL, &mut self.entropy);
            if let Ok(channel) = Channel::<S>::respond(&mut env, config, addresses(), &message) {
                self.take(stage, channel);
                self.record.transcript[0] = Some(id);
            }
            return;
        };
        let (state, provisional, picture) = (machine.state(), machine.provisional(), self.picture());
        let taken = self.handle(channel::Input::Receive(message));
        if !taken && self.picture() != picture {
            self.record.breach = Some("is changed by what it refuses");
        }
        let machine = self.machine.as_ref().expect("it is there");
        if taken && machine.state() == state && machine.provisional() > provisional {
            self.record.held.push(id);
        }
        if machine.provisional() > machine.provisional_limit() || self.record.held.len() > stage.scenario.hold {
            self.record.breach = Some("holds more than it may");
        }
        let left = machine.state() != state && machine.state() != State::Closed;
        match state {
            State::AwaitMessage2 if left => self.record.transcript[1] = Some(id),
            State::AwaitMessage3 if left => self.record.transcript[2] = Some(id),
            _ => {}
        }
    }

    /// The application sends its next text.
    fn say(&mut self) -> bool {
        let text = Text { end: self.end.index, number: self.record.texts }.bytes();
        let message = Message::new(Route::from_iter(["app"]).as_ref(), RouteRef::default(), &text);
        let said = self.handle(channel::Input::Send(message));
        self.record.texts += u8::from(said);
        said
    }

    fn handle(&mut self, input: channel::Input) -> bool {
        let Some(machine) = &mut self.machine else { return false };
        machine.handle(&mut Env::new(self.now, WALL, &mut self.entropy), input).is_ok()
    }

    /// Takes what comes out, and answers what is asked unless answers are late.
    fn settle<S: Suite>(&mut self, stage: &Stage<S>, knows: bool) {
        loop {
            while let Some(output) = self.machine.as_mut().and_then(|machine| machine.poll_output()) {
                self.output(stage, output);
            }
            if self.question.is_none() || stage.scenario.late {
                return;
            }
            self.answer(stage, knows);
        }
    }

    fn output<S: Suite>(&mut self, stage: &Stage<S>, output: Output) {
        match output {
            Output::Transmit(message) => self.out.push(message.payload().to_vec()),
            Output::Deliver(message) => {
                let delivered = &mut self.record.delivered;
                let (onward, back) = (Route::from_iter(["app"]), Route::from(addresses().encryptor));
                let is_whole = message.onward() == onward.as_ref() && message.return_route() == back.as_ref();
                let said = Text::read(message.payload()).filter(|_| is_whole);
                delivered.push(said);
                delivered.sort_unstable();
            }
            Output::Request { ticket, request, .. } => self.question = Some((ticket, request)),
            Output::Event(Event::Opened(peer)) => self.record.peer = Some(stage.cast.named(&peer)),
            Output::Event(_) => {}
        }
    }

    fn answer<S: Suite>(&mut self, stage: &Stage<S>, knows: bool) {
        let Some((ticket, request)) = self.question.take() else { return };
        let peer = stage.cast.person(self.end.who.peer());
        let answer = match &request {
            Request::Vault(request) => Answer::Vault(stage.cast.person(self.end.who).answer(request)),
            Request::Store(StoreRequest::Load(identifier)) => {
                let known = (knows && *identifier == peer.identifier()).then(|| peer.history().to_vec());
                self.record.knows |= known.is_some();
                Answer::Store(Ok(StoreAnswer::Loaded(known)))
            }
            Request::Store(StoreRequest::Store(identifier, _)) => {
                self.record.knows |= *identifier == peer.identifier();
                Answer::Store(Ok(StoreAnswer::Stored))
            }
        };
        self.handle(channel::Input::Answer(ticket, answer));
    }

    /// Brings the record up to date after a step.
    fn note(&mut self, before: &Record, step: Option<Step>) {
        let Some(machine) = &self.machine else { return };
        let state = machine.state();
        self.record.hash = machine.handshake_hash().or(self.record.hash);
        self.record.state = Some(state);
        self.record.asks = self.question.as_ref().map(|(_, request)| match request {
            Request::Vault(_) => "the vault",
            Request::Store(StoreRequest::Load(_)) => "the store for a history",
            Request::Store(StoreRequest::Store(..)) => "the store to keep a history",
        });
        if matches!(state, State::Open | State::Closed) {
            self.record.held.clear();
        }
        if state == State::Closed && self.record.ending.is_none() {
            self.record.asks = None;
            self.question = None;
            self.record.ending = Some(match step {
                Some(Step::Close) => Ending::Closed,
                Some(Step::TimeOut) => Ending::TimedOut,
                _ if before.is_open() || self.record.peer.is_some() => Ending::ClosedByPeer,
                _ => Ending::Refused,
            });
        }
    }

    /// Gives what was sent to the network. `step` is what it was sent for.
    pub(crate) fn publish<S: Suite>(&mut self, stage: &Stage<S>, messages: &mut Messages, step: Option<Step>) {
        for bytes in std::mem::take(&mut self.out) {
            let (place, kind) = match (step, self.record.transcript) {
                (Some(Step::Send), _) => {
                    (None, Kind::Text(Text { end: self.end.index, number: self.record.texts.saturating_sub(1) }))
                }
                (_, [None, ..]) => (Some(0), Kind::First),
                (_, [Some(first), None, _]) => (Some(1), Kind::Second(first)),
                (_, [_, Some(second), None]) => (Some(2), Kind::Third(second)),
                _ => (None, Kind::Close),
            };
            let id = stage.publish(messages, bytes, self.end, kind);
            self.record.sent.push(id);
            if let Some(place) = place {
                self.record.transcript[place] = Some(id);
            }
        }
    }

    /// What was sent since it was last asked, for who looks at one end alone.
    pub(crate) fn sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.out)
    }

    /// The picture of its trusted state.
    pub(crate) fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        if let Some(machine) = &self.machine {
            machine.trusted(&mut picture);
        }
        picture
    }

    /// Whether a handshake that nobody helps will be over.
    pub(crate) fn has_deadline(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.deadline().is_some())
    }
}

/// The same for all: what each sends goes to the attacker anyway.
fn addresses() -> Addresses {
    Addresses { decryptor: Address::local("decryptor"), encryptor: Address::local("encryptor") }
}
