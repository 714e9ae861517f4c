//! Two parties that open a channel: both machines, and nothing between them.

use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Input, Output};
use razor::env::Seeded;
use razor::identity::{Identity, MemoryStore, Presentation};
use razor::machine::Machine;
use razor::node::{Answer, Request};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Suite;
use razor::vault::{SigningKind, SoftwareVault};

/// An identity with its keys, which is ready to open channels.
pub struct Party {
    vault: SoftwareVault,
    config: Arc<Config>,
    entropy: Seeded,
    presentation: Vec<u8>,
}

impl Party {
    /// A party of its own for each seed, with a new Ed25519 identity.
    pub fn new(seed: u64) -> Self {
        let mut entropy = Seeded::from_u64(seed);
        let mut env = crate::env(&mut entropy);
        let mut vault = SoftwareVault::new();
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).expect("a key can be made");
        let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).expect("the key is there");
        let config = Config::new(&identity, &attestation, &[], crate::NOW).expect("it is valid now");
        let presentation = Presentation::encode(&identity, &attestation, &[]);
        Self { vault, config: Arc::new(config), entropy, presentation }
    }

    /// What the party shows its peers: one change, signed once, and one attestation.
    pub fn presentation(&self) -> &[u8] {
        &self.presentation
    }
}

/// One end of a channel, with its party, and a store that has never seen the other.
struct End<'a, S: Suite> {
    party: &'a mut Party,
    channel: Channel<S>,
    store: MemoryStore,
    agreements: usize,
}

impl<'a, S: Suite> End<'a, S> {
    fn initiate(party: &'a mut Party) -> Self {
        let (config, addresses, route) = (party.config.clone(), addresses("initiator"), Route::new().then("api"));
        let channel = Channel::initiate(&mut crate::env(&mut party.entropy), config, addresses, &route);
        Self { party, channel, store: MemoryStore::default(), agreements: 0 }
    }

    fn respond(party: &'a mut Party, message_1: &Message) -> Self {
        let (config, addresses) = (party.config.clone(), addresses("responder"));
        let channel = Channel::respond(&mut crate::env(&mut party.entropy), config, addresses, message_1);
        Self { party, channel: channel.expect("message 1 is right"), store: MemoryStore::default(), agreements: 0 }
    }

    /// Takes a message, answers what the machine asks, and gives what it sends.
    fn turn(&mut self, message: Option<Message>) -> Option<Message> {
        let mut sent = None;
        let mut input = message.map(Input::Receive);
        loop {
            if let Some(input) = input.take() {
                self.channel.handle(&mut crate::env(&mut self.party.entropy), input).expect("the peer is honest");
            }
            match self.channel.poll_output() {
                None => return sent,
                Some(Output::Transmit(message)) => sent = Some(message),
                Some(Output::Request { ticket, request, .. }) => {
                    let answer = match &request {
                        Request::Vault(request) => {
                            self.agreements += 1;
                            Answer::Vault(self.party.vault.answer(request))
                        }
                        Request::Store(request) => Answer::Store(self.store.answer(request)),
                    };
                    input = Some(Input::Answer(ticket, answer));
                }
                Some(Output::Deliver(_) | Output::Event(_)) => {}
            }
        }
    }
}

fn addresses(name: &str) -> Addresses {
    let address = |end| Address::local(&format!("{name}.{end}"));
    Addresses { decryptor: address("decryptor"), encryptor: address("encryptor") }
}

/// Both ends of an open channel.
pub struct Opened<S: Suite> {
    /// The end that sent message 1.
    pub initiator: Channel<S>,
    /// The other.
    pub responder: Channel<S>,
    /// How often the vaults were asked for a Diffie-Hellman.
    pub agreements: usize,
}

/// The whole handshake between two parties that have never met, both roles.
pub fn open<S: Suite>(alice: &mut Party, bob: &mut Party) -> Opened<S> {
    let mut initiator = End::<S>::initiate(alice);
    let message_1 = initiator.turn(None).expect("message 1");
    let mut responder = End::<S>::respond(bob, &message_1);
    let message_2 = responder.turn(None).expect("message 2");
    let message_3 = initiator.turn(Some(message_2)).expect("message 3");
    responder.turn(Some(message_3));
    assert!(initiator.channel.peer().is_some() && responder.channel.peer().is_some(), "both ends are open");
    let agreements = initiator.agreements + responder.agreements;
    Opened { initiator: initiator.channel, responder: responder.channel, agreements }
}

/// Sends a message through the channel in each direction.
pub fn exchange<S: Suite>(opened: &mut Opened<S>) {
    let mut entropy = Seeded::from_u64(1);
    let Opened { initiator, responder, .. } = opened;
    for turn in 0..2 {
        let (from, to) =
            if turn == 0 { (&mut *initiator, &mut *responder) } else { (&mut *responder, &mut *initiator) };
        let message = Message::new(Route::new().then("app").as_ref(), Route::new().as_ref(), &[1; 64]);
        from.handle(&mut crate::env(&mut entropy), Input::Send(message)).expect("it is open");
        let sealed = std::iter::from_fn(|| from.poll_output()).find_map(|output| match output {
            Output::Transmit(message) => Some(message),
            _ => None,
        });
        to.handle(&mut crate::env(&mut entropy), Input::Receive(sealed.expect("it was sent"))).expect("it is open");
        let delivered = std::iter::from_fn(|| to.poll_output()).filter(|output| matches!(output, Output::Deliver(_)));
        assert_eq!(delivered.count(), 1);
    }
}
