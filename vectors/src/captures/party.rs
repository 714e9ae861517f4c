//! One side of a recorded channel, played by our machine with the recorded secrets.

use std::collections::VecDeque;
use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Event, Input, Output};
use razor::env::{Entropy, Env, Instant, Purpose, Timestamp};
use razor::identity::{
    Identity, MemoryStore, Presentation, PresentationLimits, PresentedCredential, PurposeKeyAttestation,
};
use razor::machine::Machine;
use razor::node::{Answer, Request};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Suite;
use razor::vault::{PublicKey, SoftwareVault};

use super::signed::Claim;

/// Randomness by script: the recorded ephemeral key, and nothing else.
pub(crate) struct Script(pub(crate) [u8; 32]);

impl Entropy for Script {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        out.fill(0);
        if purpose == Purpose::Ephemeral {
            out.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        }
    }
}

/// What one party brings to a channel.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) static_secret: [u8; 32],
    pub(crate) ephemeral: [u8; 32],
}

impl Means {
    pub(crate) fn vault(&self) -> (SoftwareVault, PublicKey) {
        let mut vault = SoftwareVault::new();
        let public = vault.import_static_key(&self.static_secret);
        (vault, public)
    }

    pub(crate) fn entropy(&self) -> Script {
        Script(self.ephemeral)
    }

    /// Randomness that gives this ephemeral key.
    pub(crate) fn scripted(ephemeral: [u8; 32]) -> Script {
        Script(ephemeral)
    }
}

/// A handshake payload, taken apart.
pub(crate) struct Payload {
    pub(crate) identity: Identity,
    pub(crate) attestation: PurposeKeyAttestation,
    pub(crate) credentials: Vec<PresentedCredential>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl Payload {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let told = |e: razor::Error| format!("the handshake payload is refused: {e}");
        let presentation = Presentation::decode(bytes, &PresentationLimits::DEFAULT).map_err(told)?;
        let identity = presentation.claimed_identity().clone();
        let attestation = presentation.attestation().clone();
        let times = Claim::of(attestation.export()).map_err(told)?.times;
        let (created_at, expires_at) = (Timestamp(times.created_at), Timestamp(times.expires_at));
        let presented =
            presentation.verify(&static_key(&attestation, &identity, created_at)?, created_at).map_err(told)?;
        Ok(Self { identity, attestation, credentials: presented.credentials, created_at, expires_at })
    }
}

fn static_key(attestation: &PurposeKeyAttestation, identity: &Identity, now: Timestamp) -> Result<PublicKey, String> {
    let attested = attestation.verify(identity, now).map_err(|e| format!("the attestation is refused: {e}"))?;
    attested.secure_channel_static().copied().map_err(|e| e.to_string())
}

/// What came out of a machine after one input.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) sent: Vec<Message>,
    pub(crate) delivered: Vec<Message>,
    pub(crate) events: Vec<Event>,
}

/// A running machine.
pub(crate) struct Party<S: Suite> {
    encryptor: Address,
    channel: Channel<S>,
    vault: SoftwareVault,
    store: MemoryStore,
    entropy: Script,
    now: Timestamp,
}

impl<S: Suite> Party<S> {
    pub(crate) fn initiate(
        means: &Means,
        payload: &Payload,
        now: Timestamp,
        addresses: Addresses,
        route: &Route,
    ) -> Result<(Self, Out), String> {
        let encryptor = addresses.encryptor.clone();
        Self::start(means, payload, now, encryptor, |env, config| Ok(Channel::initiate(env, config, addresses, route)))
    }

    pub(crate) fn respond(
        means: &Means,
        payload: &Payload,
        now: Timestamp,
        addresses: Addresses,
        message_1: &Message,
    ) -> Result<(Self, Out), String> {
        let encryptor = addresses.encryptor.clone();
        Self::start(means, payload, now, encryptor, |env, config| Channel::respond(env, config, addresses, message_1))
    }

    fn start(
        means: &Means,
        payload: &Payload,
        now: Timestamp,
        encryptor: Address,
        channel: impl FnOnce(&mut Env<'_>, Arc<Config>) -> razor::Result<Channel<S>>,
    ) -> Result<(Self, Out), String> {
        let config = Config::new(&payload.identity, &payload.attestation, &payload.credentials, now)
            .map_err(|e| format!("the recorded attestation is refused: {e}"))?;
        let mut entropy = means.entropy();
        let mut env = Env::new(Instant::ZERO, now, &mut entropy);
        let channel = channel(&mut env, Arc::new(config)).map_err(|e| format!("message 1 is refused: {e}"))?;
        let store = MemoryStore::new(MemoryStore::DEFAULT_LIMIT);
        let mut party = Self { encryptor, channel, vault: means.vault().0, store, entropy, now };
        let mut out = Out::default();
        let answers = party.drain(&mut out);
        party.settle(answers, &mut out)?;
        Ok((party, out))
    }

    /// The address that applications send to.
    pub(crate) fn encryptor(&self) -> &Address {
        &self.encryptor
    }

    /// One input, and everything that follows from it.
    pub(crate) fn input(&mut self, input: Input) -> Result<Out, String> {
        let mut out = Out::default();
        self.settle(VecDeque::from([input]), &mut out)?;
        Ok(out)
    }

    fn settle(&mut self, mut inputs: VecDeque<Input>, out: &mut Out) -> Result<(), String> {
        while let Some(input) = inputs.pop_front() {
            let mut env = Env::new(Instant::ZERO, self.now, &mut self.entropy);
            let handled = self.channel.handle(&mut env, input);
            inputs.extend(self.drain(out));
            handled.map_err(|refused| format!("it is refused: {}", refused.into_error("CHN-1")))?;
        }
        Ok(())
    }

    /// Takes all outputs; requests are answered at once.
    fn drain(&mut self, out: &mut Out) -> VecDeque<Input> {
        let mut answers = VecDeque::new();
        while let Some(output) = self.channel.poll_output() {
            match output {
                Output::Transmit(message) => out.sent.push(message),
                Output::Deliver(message) => out.delivered.push(message),
                Output::Event(event) => out.events.push(event),
                Output::Request { ticket, request, .. } => {
                    let answer = match request {
                        Request::Vault(request) => Answer::Vault(self.vault.answer(&request)),
                        Request::Store(request) => Answer::Store(self.store.answer(&request)),
                    };
                    answers.push_back(Input::Answer(ticket, answer));
                }
            }
        }
        answers
    }
}
