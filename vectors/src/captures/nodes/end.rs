//! A node at one end of a connection, played through a recording.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use razor::channel::{self, Config, Listening};
use razor::env::{Env, Instant, Timestamp};
use razor::identity::{MemoryStore, PresentationLimits, PresentedCredential};
use razor::machine::Machine;
use razor::node::{
    Answer, Command, Connected, ConnectionId, Echoer, Event, Flow, Input, Mailbox, Node, Output, Request, Spec,
};
use razor::routing::{Address, Message, Route};
use razor::vault::SoftwareVault;
use razor::vault::suite::Suite;

use super::channel::Channel;
use super::script::{Script, digits};
use crate::captures::conversation::{Item, Part, Side, Tap};
use crate::captures::format::Direction as Way;
use crate::captures::frames;
use crate::captures::party::{Means, Payload};
use crate::captures::said::{Rule, Said};
use crate::captures::secrets::Secrets;
use crate::report::{Check, Tally, ensure, equal};

/// What a frame is to the node at one end.
enum Meaning<'p, 'c> {
    /// Of a channel: which, and as what.
    Of(usize, &'p Item<'c>),
    Plain,
}

/// A node at one end of a connection.
pub(super) struct End<'p, 'c, S> {
    node: Node,
    direction: Way,
    /// Where to send what is for the peer.
    sender: Address,
    vault: SoftwareVault,
    store: MemoryStore,
    script: Script,
    now: Timestamp,
    channels: &'p [&'p Channel<'c, S>],
    /// By channel: the address that applications send to, and which messages it still takes.
    open: BTreeMap<usize, (Address, Rule)>,
    listeners: BTreeSet<Address>,
    inboxes: BTreeSet<Address>,
    /// What the node has sent and the recording has not shown yet.
    frames: VecDeque<Vec<u8>>,
    delivered: VecDeque<Message>,
    events: Vec<Event>,
}

const CONNECTION: ConnectionId = ConnectionId(1);

impl<'p, 'c, S: Suite> End<'p, 'c, S> {
    pub(super) fn new(
        secrets: &Secrets,
        channels: &'p [&'p Channel<'c, S>],
        here: &[&Tap],
        direction: Way,
    ) -> Result<Self, String> {
        let mut vault = SoftwareVault::new();
        secrets.statics().values().for_each(|secret| {
            vault.import_static_key(secret);
        });
        let now = channels.iter().flat_map(|c| [c.alice.1.created_at, c.bob.1.created_at]).max().unwrap_or_default();
        let tracing = here.iter().find(|tap| tap.direction == direction).and_then(|tap| tap.message.tracing());
        let mut config = razor::node::Config::default();
        config.tcp.tracing = tracing.map(str::to_owned);
        let mut script = Script::default();
        let mut node = Node::new(config, &mut script);
        let mut env = Env::new(Instant::ZERO, now, &mut script);
        let sender = node.connected(&mut env, CONNECTION, Connected::default()).map_err(|e| e.to_string())?;
        let mut end = Self {
            node,
            direction,
            sender,
            vault,
            store: MemoryStore::new(MemoryStore::DEFAULT_LIMIT),
            script,
            now,
            channels,
            open: BTreeMap::new(),
            listeners: BTreeSet::new(),
            inboxes: BTreeSet::new(),
            frames: VecDeque::new(),
            delivered: VecDeque::new(),
            events: Vec::new(),
        };
        end.drain()?;
        ensure(end.frames.pop_front().is_some_and(|bytes| bytes == [1]), || {
            "a connection does not begin with the byte 01".into()
        })?;
        end.receive(vec![1])?;
        Ok(end)
    }

    pub(super) fn play(&mut self, tally: &mut Tally<'_>, here: &[&Tap], echoers: &[Address]) {
        for echoer in echoers {
            if let Err(sentence) = self.start_echoer(echoer) {
                tally.check(format!("the echoer {echoer}"), Err(sentence));
            }
        }
        let mut closing = Vec::new();
        for tap in here.iter().copied() {
            let meaning = self.meaning(tap);
            if tap.direction == self.direction {
                let check = self.sends(tap, &meaning);
                tally.check(format!("{}, sent by our node", tap.case), check);
            } else if self.is_close(tap, &meaning) {
                // What this node has still sent was on its way before it heard of the end.
                closing.push((tap, meaning));
            } else {
                let check = self.receives(tap, &meaning);
                tally.check(format!("{}, received by our node", tap.case), check);
            }
        }
        for (tap, meaning) in closing {
            let check = self.receives(tap, &meaning);
            tally.check(format!("{}, received by our node", tap.case), check);
        }
        let check = ensure(self.frames.is_empty() && self.delivered.is_empty(), || {
            format!("{} more frames and {} more deliveries come out", self.frames.len(), self.delivered.len())
        });
        tally.check(format!("the end that sends {}", self.direction), check);
    }

    fn meaning(&self, tap: &Tap) -> Meaning<'p, 'c> {
        for (number, channel) in self.channels.iter().enumerate() {
            let item = channel.conversation.items.iter().find(|item| std::ptr::eq(item.tap, tap));
            if let Some(item) = item {
                return Meaning::Of(number, item);
            }
        }
        Meaning::Plain
    }

    fn is_close(&self, tap: &Tap, meaning: &Meaning<'_, '_>) -> bool {
        let Meaning::Of(number, item) = meaning else { return false };
        matches!(self.channels[*number].sent_by(item.sender).of(tap), Some((_, Said::Close)))
    }

    /// The node sends a recorded frame: by itself, some time before, or because its owner says so.
    fn sends(&mut self, tap: &Tap, meaning: &Meaning<'_, '_>) -> Check {
        if let Some(at) = self.sent(tap) {
            self.frames.remove(at);
            return Ok(());
        }
        match meaning {
            Meaning::Plain => {
                let mut message = tap.message.clone();
                message.push_onward(self.sender.as_ref());
                self.send(message)?;
            }
            Meaning::Of(number, item) if item.part == Part::Message1 => self.create(*number, tap)?,
            Meaning::Of(number, item) if item.part == Part::Data => self.say(*number, item)?,
            Meaning::Of(..) => {}
        }
        let at = self.sent(tap).or(self.frames.len().checked_sub(1)).ok_or("our node does not send it")?;
        let ours = self.frames.remove(at).unwrap_or_default();
        equal("the frame", &traced(&ours, tap), tap.frame.as_deref().unwrap_or_default())
    }

    /// Where the recorded frame is among those that the node has sent.
    fn sent(&self, tap: &Tap) -> Option<usize> {
        self.frames.iter().position(|ours| tap.frame.as_deref() == Some(&traced(ours, tap)))
    }

    /// The owner opens a channel.
    fn create(&mut self, number: usize, tap: &Tap) -> Check {
        let channel = self.channels[number];
        let (means, payload) = &channel.alice;
        let config = self.config(payload)?;
        self.script_for(channel, Side::Initiator, means);
        let mut route = Route::new().then(self.sender.clone());
        route.extend(tap.message.onward());
        let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
        let addresses = channel::create::<S>(&mut self.node, &mut env, config, &route);
        let addresses = addresses.map_err(|e| format!("the channel cannot be created: {e}"))?;
        self.open.insert(number, (addresses.encryptor, Rule::default()));
        self.drain()
    }

    fn config(&self, payload: &Payload) -> Result<Arc<Config>, String> {
        let config = Config::new(&payload.identity, &payload.attestation, &payload.credentials, self.now);
        config.map(Arc::new).map_err(|e| format!("the recorded attestation is refused: {e}"))
    }

    /// The next channel has the recorded addresses and the recorded ephemeral key.
    fn script_for(&mut self, channel: &Channel<'_, S>, side: Side, means: &Means) {
        let encryptor = channel.sent_by(side).encryptor().and_then(|address| digits(&address));
        // An encryptor that the recording does not show is the decryptor's neighbour.
        let decryptor = digits(channel.decryptor(side)).unwrap_or_default();
        let other = decryptor.map(|byte| !byte);
        self.script.addresses = [decryptor, encryptor.unwrap_or(other)].into();
        self.script.ephemeral = means.ephemeral;
    }

    /// The owner says through a channel what an application said, or ends it.
    fn say(&mut self, number: usize, item: &Item<'_>) -> Check {
        let channel = self.channels[number];
        let (_, said) = channel.sent_by(item.sender).of(item.tap).ok_or("it cannot be decrypted")?;
        let (encryptor, rule) = self.open.get_mut(&number).ok_or("the channel is not open")?;
        let encryptor = encryptor.clone();
        match said.clone() {
            Said::Payload(mut message) => {
                message.push_onward(encryptor.as_ref());
                self.send(message)
            }
            Said::Close => {
                rule.close();
                let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
                self.node.stop_worker(&mut env, &encryptor).map_err(|e| format!("it cannot be closed: {e}"))?;
                self.drain()
            }
            Said::Refresh { history, credentials } => {
                let credentials = PresentedCredential::decode_list(&credentials, &PresentationLimits::DEFAULT)
                    .map_err(|e| format!("its credentials are none: {e}"))?;
                let command = Command::PresentCredentials { history, credentials };
                let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
                self.node.command(&mut env, &encryptor, command).map_err(|e| e.to_string())?;
                self.drain()
            }
        }
    }

    /// The node receives a recorded frame and makes of it what it says.
    fn receives(&mut self, tap: &Tap, meaning: &Meaning<'_, '_>) -> Check {
        self.events.clear();
        let frame = tap.frame.clone().unwrap_or_default();
        match meaning {
            Meaning::Plain => {
                if tap.message.onward().is_empty() {
                    return self.receive(frame);
                }
                let first = tap.message.onward().first().ok_or("it goes nowhere")?.to_owned();
                let is_ours = self.inbox(&first, None)?;
                self.receive(frame)?;
                if !is_ours {
                    return Ok(());
                }
                let mut expected = tap.message.clone();
                expected.push_return(self.sender.as_ref());
                self.is_delivered(&expected)
            }
            Meaning::Of(number, item) => match item.part {
                Part::Message1 => {
                    self.listen(*number, tap)?;
                    self.receive(frame)
                }
                Part::Message2 | Part::Message3 => {
                    self.receive(frame)?;
                    self.is_open(*number, item.sender)
                }
                Part::Data => self.receives_data(*number, item, frame),
                Part::Again => Err("a repetition is for no node".into()),
            },
        }
    }

    fn receives_data(&mut self, number: usize, item: &Item<'_>, frame: Vec<u8>) -> Check {
        let channel = self.channels[number];
        let (nonce, said) = channel.sent_by(item.sender).of(item.tap).ok_or("it cannot be decrypted")?;
        let own = if item.sender == Side::Initiator { Side::Responder } else { Side::Initiator };
        let mut is_ours = true;
        let is_closed = self.open.get(&number).is_some_and(|(_, rule)| rule.is_closed());
        if let (Said::Payload(message), false) = (said, is_closed) {
            let first = message.onward().first().ok_or("it goes nowhere")?.to_owned();
            is_ours = self.inbox(&first, Some(channel.decryptor(own)))?;
        }
        self.receive(frame)?;
        let (encryptor, rule) = self.open.get_mut(&number).ok_or("the channel is not open")?;
        if !rule.takes(nonce, said) {
            return ensure(self.delivered.is_empty(), || "a message that comes twice or too late is delivered".into());
        }
        let encryptor = encryptor.clone();
        match said {
            Said::Payload(message) if is_ours => {
                let mut expected = message.clone();
                expected.push_return(encryptor.as_ref());
                self.is_delivered(&expected)
            }
            Said::Payload(_) => Ok(()),
            Said::Close => {
                let closed = Event::ChannelClosed { encryptor };
                ensure(self.events.contains(&closed), || format!("the channel is not closed: {:?}", self.events))
            }
            Said::Refresh { credentials, .. } => {
                let told = |event: &Event| {
                    matches!(event, Event::ChannelCredentials { credentials: list, .. }
                    if PresentedCredential::encode_list(list) == *credentials)
                };
                ensure(self.events.iter().any(told), || format!("the credentials are not told: {:?}", self.events))
            }
        }
    }

    /// A listener where message 1 is for, ready to answer it as recorded.
    fn listen(&mut self, number: usize, message_1: &Tap) -> Check {
        let channel = self.channels[number];
        let (means, payload) = &channel.bob;
        let address = message_1.message.onward().first().ok_or("it goes nowhere")?.to_owned();
        if self.listeners.insert(address.clone()) {
            let config = self.config(payload)?;
            let reached_through = self.node.producer_at(&self.sender).into_iter().collect();
            let listening = Listening { address, reached_through, ..Listening::default() };
            let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
            channel::listen::<S>(&mut self.node, &mut env, config, listening)
                .map_err(|e| format!("no listener can be started: {e}"))?;
        }
        self.script_for(channel, Side::Responder, means);
        let encryptor = channel.sent_by(Side::Responder).encryptor();
        let other = digits(&channel.responder).unwrap_or_default().map(|byte| !byte);
        let encryptor = encryptor.unwrap_or_else(|| Address::local(&hex::encode(other)));
        self.open.insert(number, (encryptor, Rule::default()));
        Ok(())
    }

    fn is_open(&self, number: usize, sender: Side) -> Check {
        let channel = self.channels[number];
        let (own, peer) = match sender {
            Side::Initiator => (Side::Responder, &channel.alice.1),
            Side::Responder => (Side::Initiator, &channel.bob.1),
        };
        let who = peer.identity.identifier();
        let opened = |event: &Event| {
            matches!(event, Event::ChannelOpened { decryptor, peer, .. }
                if *peer == who && decryptor == channel.decryptor(own))
        };
        ensure(self.events.iter().any(opened), || format!("the channel with {who} is not open: {:?}", self.events))
    }

    /// Opens an inbox of the owner for what comes over the connection, or out of a channel. `false`: a worker is there.
    fn inbox(&mut self, address: &Address, decryptor: Option<&Address>) -> Result<bool, String> {
        let from = decryptor.unwrap_or(&self.sender);
        let through = self.node.producer_at(from).ok_or_else(|| format!("nothing comes from {from}"))?;
        if !self.node.has_worker(address) {
            let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
            self.node
                .open_inbox(&mut env, Mailbox::open(address.clone()), Flow::default())
                .map_err(|e| format!("no inbox can be opened: {e}"))?;
            self.inboxes.insert(address.clone());
            self.drain()?;
        }
        self.node.add_consumer(address, through).map_err(|e| e.to_string())?;
        Ok(self.inboxes.contains(address))
    }

    fn start_echoer(&mut self, address: &Address) -> Check {
        let spec =
            Spec { mailboxes: vec![Mailbox::open(address.clone())], flow: Flow::default(), worker: Box::new(Echoer) };
        let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
        self.node.start_worker(&mut env, spec).map_err(|e| format!("no echoer can be started: {e}"))?;
        self.drain()
    }

    /// The owner sends a message.
    fn send(&mut self, message: Message) -> Check {
        let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
        self.node.send(&mut env, message).map_err(|e| format!("it cannot be sent: {e}"))?;
        self.drain()
    }

    /// Bytes come from the peer, in pieces as large as a driver may hand over.
    fn receive(&mut self, bytes: Vec<u8>) -> Check {
        const PIECE: usize = 60_000;
        for piece in bytes.chunks(PIECE) {
            self.input(Input::Received { connection: CONNECTION, bytes: piece.to_vec() })?;
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> Check {
        let mut env = Env::new(Instant::ZERO, self.now, &mut self.script);
        self.node.handle(&mut env, input).map_err(|refused| refused.into_error("NOD-9").to_string())?;
        self.drain()
    }

    /// Takes everything that the node gives, answers what it asks, and acknowledges what it hands over.
    fn drain(&mut self) -> Check {
        loop {
            let mut inputs = Vec::new();
            while let Some(output) = self.node.poll_output() {
                match output {
                    Output::Transmit { connection, frame } => {
                        let bytes = frame.payload().to_vec();
                        inputs.push(Input::Sent { connection, bytes: bytes.len() as u64 });
                        self.frames.push_back(bytes);
                    }
                    Output::Deliver { inbox, delivery } => {
                        self.delivered.push_back(delivery.message);
                        inputs.push(Input::Taken { inbox, messages: 1 });
                    }
                    Output::Request { id, request, .. } => {
                        let answer = match request {
                            Request::Vault(request) => Answer::Vault(self.vault.answer(&request)),
                            Request::Store(request) => Answer::Store(self.store.answer(&request)),
                        };
                        inputs.push(Input::Answer { id, answer });
                    }
                    Output::Cross { .. } => return Err("our node is linked to no other".to_owned()),
                    Output::Event(event) => self.events.push(event),
                    Output::Close { error, .. } => return Err(format!("our node closes the connection: {error}")),
                }
            }
            if inputs.is_empty() {
                return Ok(());
            }
            for input in inputs {
                // What comes out of one is taken with the rest: nothing of it is for the node before the next.
                self.input(input)?;
            }
        }
    }

    /// One message is handed to the owner, and it is this one.
    fn is_delivered(&mut self, expected: &Message) -> Check {
        let ours = self.delivered.pop_front().ok_or_else(|| format!("nothing is delivered: {:?}", self.events))?;
        equal("the delivered payload", ours.payload(), expected.payload())?;
        equal("the delivered onward route", ours.onward().items(), expected.onward().items())?;
        equal("the delivered return route", ours.return_route().items(), expected.return_route().items())?;
        ensure(self.delivered.is_empty(), || "more is delivered than was said".into())
    }
}

/// A frame of ours with the recorded tracing text: where each message has another, it is fed in after the fact.
fn traced(ours: &[u8], recorded: &Tap) -> Vec<u8> {
    match frames::decode(ours.get(4..).unwrap_or_default()) {
        Ok(mut message) if message.tracing() != recorded.message.tracing() => {
            message.set_tracing(recorded.message.tracing());
            frames::encode(&message)
        }
        _ => ours.to_vec(),
    }
}
