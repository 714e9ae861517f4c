//! Secure channels: the plaintext, the handshake under a hostile network, the open channel against a model, and peers
//! who have keys and say anything.

mod handshake;
mod plaintext;
mod session;
mod stranger;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::OnceLock;

use arbitrary::Arbitrary;

use crate::channel::{Addresses, Channel, Config, Event, Input, Output, WINDOW};
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::identity::{
    AttestationDraft, Identifier, Identity, IdentityDraft, MemoryStore, NewKey, Presentation, PurposeKey,
};
use crate::machine::{Machine, Snapshot};
use crate::node::{Answer, Request};
use crate::routing::{Address, Message};
use crate::vault::null::NullAgreement;
use crate::vault::suite::{Aes256GcmSha256, Suite};
use crate::vault::{self, Agreement, SecretKey, SigningKind, SoftwareVault, X25519};

pub use handshake::channel_handshake;
pub use plaintext::channel_plaintext;
pub use session::channel_session;
pub use stranger::{channel_stranger, channel_stranger_sealed};

const NOW: Timestamp = Timestamp(1_750_000_000);

/// Answers a channel's questions.
type Vault = dyn Fn(&vault::Request) -> crate::Result<vault::Answer> + Send + Sync;

/// Somebody with keys, papers and a configuration: made once for all runs.
struct Person {
    /// Answers with the person's keys.
    vault: Box<Vault>,
    identity: Identity,
    config: Arc<Config>,
    /// The secret of the attested static key.
    secret: SecretKey,
    /// What the person presents in a handshake.
    papers: Vec<u8>,
}

impl Person {
    fn new<A: Agreement + 'static>(seed: u8) -> Self {
        let (mut signer, mut vault) = (SoftwareVault::new(), SoftwareVault::<A>::with_agreement());
        let key = signer.import_signing_key(SigningKind::Ed25519, &[seed; 32]).expect("a key");
        let identity = IdentityDraft::create(&NewKey::starting(key, NOW)).sign_with(&signer).expect("an identity");
        let secret = [seed; 32];
        let key = PurposeKey::SecureChannelStatic(vault.import_static_key(&secret));
        let attestation = AttestationDraft::valid_from(&identity, key, NOW).sign_with(&signer).expect("an attestation");
        let config = Arc::new(Config::new(&identity, &attestation, &[], NOW).expect("a configuration"));
        let papers = Presentation::encode(&identity, &attestation, &[]);
        let vault = Box::new(move |request: &vault::Request| vault.answer(request));
        Self { vault, identity, config, secret: SecretKey::new(secret), papers }
    }
}

/// All that there are of one kind.
type People = [Person; 3];

/// With real keys.
fn people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(|| [1, 2, 3].map(Person::new::<X25519>))
}

/// With keys of the null vault.
fn null_people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(|| [1, 2, 3].map(Person::new::<NullAgreement>))
}

fn addresses(who: usize) -> Addresses {
    let [decryptor, encryptor] = [["ad", "ae"], ["bd", "be"]][who].map(Address::local);
    Addresses { decryptor, encryptor }
}

/// One side of a channel with its vault, its store, and what came out of it.
struct Side<S: Suite = Aes256GcmSha256> {
    channel: Channel<S>,
    person: &'static Person,
    store: MemoryStore,
    entropy: Seeded,
    now: Instant,
    sent: VecDeque<Message>,
    delivered: Vec<Message>,
    events: Vec<Event>,
}

impl<S: Suite> Side<S> {
    fn new(
        person: &'static Person,
        make: impl FnOnce(&mut Env<'_>, Arc<Config>) -> Option<Channel<S>>,
    ) -> Option<Self> {
        // Each person's own.
        let mut entropy = Seeded::new(person.identity.identifier().0);
        let channel = make(&mut Env::new(Instant::ZERO, NOW, &mut entropy), person.config.clone())?;
        let mut side = Self {
            channel,
            person,
            store: MemoryStore::default(),
            entropy,
            now: Instant::ZERO,
            sent: VecDeque::new(),
            delivered: Vec::new(),
            events: Vec::new(),
        };
        side.drain();
        Some(side)
    }

    /// Gives it an input, and checks what holds for every input.
    fn input(&mut self, input: Input) -> bool {
        let (picture, drawn) = (self.picture(), self.entropy.positions());
        let (sent, delivered) = (self.sent.len(), self.delivered.len());
        let taken = self.channel.handle(&mut Env::new(self.now, NOW, &mut self.entropy), input).is_ok();
        self.drain();
        if !taken {
            assert!(self.picture() == picture, "a refused input changes nothing");
            assert_eq!(self.entropy.positions(), drawn, "nor does it draw randomness");
            assert_eq!((self.sent.len(), self.delivered.len()), (sent, delivered));
        }
        assert!(self.channel.provisional() <= self.channel.provisional_limit());
        taken
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + core::time::Duration::from_secs(seconds);
        self.channel.handle_timeout(&mut Env::new(self.now, NOW, &mut self.entropy));
        self.drain();
        assert!(self.channel.deadline().is_none_or(|deadline| deadline.at > self.now));
    }

    fn drain(&mut self) {
        while let Some(output) = self.channel.poll_output() {
            match output {
                Output::Transmit(message) => self.sent.push_back(message),
                Output::Deliver(message) => self.delivered.push(message),
                Output::Event(event) => self.events.push(event),
                Output::Request { ticket, request, .. } => {
                    let answer = match &request {
                        Request::Vault(request) => Answer::Vault((self.person.vault)(request)),
                        Request::Store(request) => Answer::Store(self.store.answer(request)),
                    };
                    assert!(self.channel.poll_output().is_none(), "a question is the last output");
                    let input = Input::Answer(ticket, answer);
                    let _ = self.channel.handle(&mut Env::new(self.now, NOW, &mut self.entropy), input);
                }
            }
        }
    }

    fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.channel.trusted(&mut picture);
        picture
    }

    /// Receives an authentic message of unknown content. Whether its nonce was taken.
    fn authentic(&mut self, message: Message) -> bool {
        let before = self.picture();
        let _ = self.channel.handle(&mut Env::new(self.now, NOW, &mut self.entropy), Input::Receive(message));
        self.drain();
        assert!(self.channel.provisional() <= self.channel.provisional_limit());
        self.picture() != before
    }

    fn opened(&self) -> Option<&Identifier> {
        self.events.iter().find_map(|event| if let Event::Opened(peer) = event { Some(peer) } else { None })
    }
}

/// What a network does to one message.
#[derive(Debug, Arbitrary)]
enum Fate {
    /// Bytes that nobody sent.
    Made(Vec<u8>),
    /// A byte is changed.
    Flipped(u16, u8),
    /// The end is missing.
    Cut(u16),
    /// Something follows.
    Grown(Vec<u8>),
}

impl Fate {
    fn of(&self, message: &Message) -> Message {
        let mut payload = message.payload().to_vec();
        match self {
            Fate::Made(bytes) => payload = bytes.clone(),
            Fate::Flipped(at, mask) if !payload.is_empty() => {
                let at = usize::from(*at) % payload.len();
                payload[at] ^= mask;
            }
            Fate::Flipped(..) => {}
            Fate::Cut(len) => payload.truncate(usize::from(*len)),
            Fate::Grown(more) => payload.extend_from_slice(more),
        }
        Message::new(message.onward(), message.return_route(), &payload)
    }
}

/// One direction, and what it must deliver.
struct Direction {
    /// Nonces and messages on their way.
    flying: Vec<(u64, Message)>,
    next: u64,
    largest: u64,
    accepted: BTreeSet<u64>,
}

impl Direction {
    /// Of a channel that is new.
    fn new() -> Self {
        Self { flying: Vec::new(), next: 0, largest: 0, accepted: BTreeSet::new() }
    }

    /// Whether the receiver accepts a genuine message with this nonce; remembers that it did.
    fn accepts(&mut self, nonce: u64) -> bool {
        let near = nonce <= self.largest.saturating_add(WINDOW) && nonce.saturating_add(WINDOW) >= self.largest;
        if !near || !self.accepted.insert(nonce) {
            return false;
        }
        self.largest = self.largest.max(nonce);
        true
    }
}
