//! One channel alone: its owner answers what it asks when the script says so, and sees all that it says.

use std::collections::VecDeque;
use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Event, Input, LISTENER, Output, Ticket};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::error::{Error, Result as Handled};
use razor::identity::{Identifier, StoreAnswer, StoreRequest};
use razor::machine::{Machine as _, Refused};
use razor::node::{Answer, Request};
use razor::routing::{Message, Route};
use razor::vault::null::NullSuite;
use razor::vault::{self, SharedSecret};

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::Seed;

use super::pair::Papers;
use super::{Fault, Outcome, fault, script};

/// A channel and what it said.
pub(super) struct Alone {
    pub(super) channel: Channel<NullSuite>,
    pub(super) papers: Papers,
    name: String,
    entropy: Seeded,
    pub(super) now: Instant,
    /// What it asks.
    pub(super) asked: VecDeque<(Ticket, Request)>,
    /// What it wants to be transmitted.
    pub(super) said: VecDeque<Message>,
    /// The payloads that it has delivered.
    pub(super) got: Vec<Vec<u8>>,
    pub(super) events: Vec<Event>,
}

fn env(now: Instant, entropy: &mut Seeded) -> Env<'_> {
    Env::new(now, Timestamp(BEGIN + now.since(Instant::ZERO).as_secs()), entropy)
}

fn as_fault(error: Error) -> Fault {
    fault(Property::Liveness, format!("a channel cannot be begun: {error}"))
}

/// Two whose channel is open: who began it, and who answered.
pub(super) fn open(
    seed: Seed,
    labels: [&str; 2],
    config: impl Fn(usize, Config) -> Config,
) -> Result<[Alone; 2], Fault> {
    let mut initiator = Alone::initiator(seed, labels[0], |own| config(0, own));
    let mut responder = Alone::responder(seed, labels[1], |own| config(1, own), &initiator.hear()?)?;
    initiator.must(Input::Receive(responder.hear()?))?;
    initiator.answer_known(&responder.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    responder.must(Input::Receive(initiator.hear()?))?;
    responder.answer_known(&initiator.papers.name, None)?;
    responder.answer_stored()?;
    let open = initiator.has_opened_with(&responder.papers.name) && responder.has_opened_with(&initiator.papers.name);
    if open { Ok([initiator, responder]) } else { Err(fault(Property::Liveness, "good papers open no channel")) }
}

impl Alone {
    /// It has said message 1.
    pub(super) fn initiator(seed: Seed, label: &str, config: impl Fn(Config) -> Config) -> Self {
        Self::new(seed, label, config, |env, config, addresses| {
            Ok(Channel::initiate(env, config, addresses, &Route::from_iter([LISTENER])))
        })
        .expect("nothing is checked")
    }

    /// It has got message 1, and said message 2.
    pub(super) fn responder(
        seed: Seed,
        label: &str,
        config: impl Fn(Config) -> Config,
        message_1: &Message,
    ) -> Result<Self, Fault> {
        let mut new = Self::new(seed, label, config, |env, config, addresses| {
            Channel::respond(env, config, addresses, message_1)
        })
        .map_err(as_fault)?;
        new.answer_vault()?;
        Ok(new)
    }

    /// It has got message 1, and waits for its vault.
    pub(super) fn unanswered(seed: Seed, label: &str, message_1: &Message) -> Result<Self, Fault> {
        let begin = |env: &mut Env<'_>, config, addresses| Channel::respond(env, config, addresses, message_1);
        Self::new(seed, label, |config| config, begin).map_err(as_fault)
    }

    fn new(
        seed: Seed,
        label: &str,
        config: impl Fn(Config) -> Config,
        begin: impl FnOnce(&mut Env<'_>, Arc<Config>, Addresses) -> Handled<Channel<NullSuite>>,
    ) -> Handled<Self> {
        let papers = Papers::new(seed, label);
        let config = Arc::new(config(papers.config.clone()));
        let mut entropy = Seeded::new(seed.derive(&format!("{label} draws")));
        let addresses = Addresses::random(&mut entropy);
        let now = Instant::ZERO;
        let channel = begin(&mut env(now, &mut entropy), config, addresses)?;
        let (asked, said) = (VecDeque::new(), VecDeque::new());
        let mut new = Self {
            channel,
            papers,
            name: label.into(),
            entropy,
            now,
            asked,
            said,
            got: Vec::new(),
            events: Vec::new(),
        };
        new.listen();
        Ok(new)
    }

    fn listen(&mut self) {
        while let Some(output) = self.channel.poll_output() {
            script::note(self.now, &self.name, || match &output {
                Output::Transmit(message) => format!("transmits {}", script::letter(message)),
                Output::Deliver(message) => format!("delivers {}", script::letter(message)),
                Output::Request { request, .. } => format!("asks: {request:?}"),
                Output::Event(event) => format!("tells: {event:?}"),
            });
            match output {
                Output::Transmit(message) => self.said.push_back(message),
                Output::Deliver(message) => self.got.push(message.payload().to_vec()),
                Output::Request { ticket, request, .. } => self.asked.push_back((ticket, request)),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub(super) fn give(&mut self, input: Input) -> Result<(), Refused<Input>> {
        script::note(self.now, &self.name, || match &input {
            Input::Receive(message) => format!("receives {}", script::letter(message)),
            Input::Send(message) => format!("its owner sends {}", script::letter(message)),
            Input::Answer(..) => "is answered".into(),
            other => format!("its owner says: {other:?}"),
        });
        let given = self.channel.handle(&mut env(self.now, &mut self.entropy), input);
        self.listen();
        given
    }

    /// An input that it has to take.
    pub(super) fn must(&mut self, input: Input) -> Outcome {
        self.give(input)
            .map_err(|refused| fault(Property::Liveness, format!("a channel refused an input: {refused:?}")))
    }

    /// Its time goes on to this.
    pub(super) fn wait_until(&mut self, now: Instant) {
        self.now = now;
        self.channel.handle_timeout(&mut env(now, &mut self.entropy));
        self.listen();
    }

    /// Its vault answers the one thing that it asks.
    pub(super) fn answer_vault(&mut self) -> Outcome {
        let Some((ticket, Request::Vault(request))) = self.asked.pop_front() else {
            return Err(fault(Property::Conformance, "a channel does not ask its vault"));
        };
        let answer = Answer::Vault(self.papers.vault.answer(&request));
        self.must(Input::Answer(ticket, answer))
    }

    /// Its vault answers with a shared secret of zeros.
    pub(super) fn answer_zeros(&mut self) -> Outcome {
        let Some((ticket, Request::Vault(_))) = self.asked.pop_front() else {
            return Err(fault(Property::Conformance, "a channel does not ask its vault"));
        };
        let answer = Answer::Vault(Ok(vault::Answer::Shared(SharedSecret([0; 32]))));
        self.must(Input::Answer(ticket, answer))
    }

    /// Its store says what it knows of this peer, whom it asks about.
    pub(super) fn answer_known(&mut self, peer: &Identifier, known: Option<&[u8]>) -> Outcome {
        match self.asked.pop_front() {
            Some((ticket, Request::Store(StoreRequest::Load(name)))) if name == *peer => {
                let answer = StoreAnswer::Loaded(known.map(<[u8]>::to_vec));
                self.must(Input::Answer(ticket, Answer::Store(Ok(answer))))
            }
            other => Err(fault(
                Property::Conformance,
                format!("a channel does not ask what is known of its peer: {other:?}"),
            )),
        }
    }

    /// Its store has kept what it was to keep.
    pub(super) fn answer_stored(&mut self) -> Outcome {
        let Some((ticket, Request::Store(StoreRequest::Store(..)))) = self.asked.pop_front() else {
            return Err(fault(Property::Conformance, "a channel has nothing to store about its peer"));
        };
        self.must(Input::Answer(ticket, Answer::Store(Ok(StoreAnswer::Stored))))
    }

    /// The next thing that it has said.
    pub(super) fn hear(&mut self) -> Result<Message, Fault> {
        self.said.pop_front().ok_or_else(|| fault(Property::Liveness, "a channel says nothing"))
    }

    pub(super) fn has_opened_with(&self, peer: &Identifier) -> bool {
        self.events.contains(&Event::Opened(*peer))
    }
}
