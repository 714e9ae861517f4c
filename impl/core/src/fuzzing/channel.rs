//! Secure channels: the plaintext, the handshake under a hostile network, the open channel against a model.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};

use crate::channel::{
    Addresses, Channel, Config, Decryptor, Encryptor, Event, Input, Output, Padding, PaddingLimit, Plaintext, State,
    WINDOW, decode, encode_close, encode_payload, encode_refresh,
};
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::identity::{Identifier, Identity, MemoryStore};
use crate::machine::{Machine, Snapshot};
use crate::node::{Answer, Request};
use crate::routing::{Address, Limits, Message, Route};
use crate::vault::Key;
use crate::vault::suite::Aes256GcmSha256;
use crate::vault::{SigningKind, SoftwareVault};

const NOW: Timestamp = Timestamp(1_750_000_000);

/// A plaintext is refused and untouched, or it is the one encoding of what it says.
pub fn channel_plaintext(data: &[u8]) {
    let original = Message::raw(data.to_vec(), 0);
    let mut message = original.clone();
    let Ok(plaintext) = decode(&mut message, &Limits::DEFAULT, PaddingLimit::DEFAULT) else {
        assert_eq!(message, original);
        return;
    };
    let again = match plaintext {
        Plaintext::Payload => {
            encode_payload(&mut message, Padding::None);
            message.payload().to_vec()
        }
        Plaintext::RefreshCredentials { history, credentials } => {
            encode_refresh(&data[history], &data[credentials], Padding::None)
        }
        Plaintext::Close => encode_close(Padding::None),
    };
    // All but the padding, which ends both.
    let bare = again.len() - 1;
    assert_eq!(again[bare], 0x40);
    assert!(data.len() > bare && data[..bare] == again[..bare]);
    assert!(data.len() != again.len() || data == again);
}

/// Somebody with keys, papers and a configuration: made once for all runs.
struct Person {
    vault: SoftwareVault,
    identity: Identity,
    config: Arc<Config>,
}

fn people() -> &'static [Person; 2] {
    static PEOPLE: OnceLock<[Person; 2]> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        [1, 2].map(|seed| {
            let (mut vault, mut entropy) = (SoftwareVault::new(), Seeded::from_u64(seed));
            let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
            let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).expect("an identity");
            let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).expect("an attestation");
            let config = Config::new(&identity, &attestation, &[], NOW).expect("a configuration");
            Person { vault, identity, config: Arc::new(config) }
        })
    })
}

fn addresses(who: usize) -> Addresses {
    let [decryptor, encryptor] = [["ad", "ae"], ["bd", "be"]][who].map(Address::local);
    Addresses { decryptor, encryptor }
}

/// One side of a channel with its vault, its store, and what came out of it.
struct Side {
    channel: Channel<Aes256GcmSha256>,
    who: usize,
    store: MemoryStore,
    entropy: Seeded,
    now: Instant,
    sent: VecDeque<Message>,
    delivered: Vec<Message>,
    events: Vec<Event>,
}

impl Side {
    fn new(
        who: usize,
        make: impl FnOnce(&mut Env<'_>, Arc<Config>) -> Option<Channel<Aes256GcmSha256>>,
    ) -> Option<Self> {
        let mut entropy = Seeded::from_u64(who as u64 + 100);
        let channel = make(&mut Env::new(Instant::ZERO, NOW, &mut entropy), people()[who].config.clone())?;
        let mut side = Self {
            channel,
            who,
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
                        Request::Vault(request) => Answer::Vault(people()[self.who].vault.answer(request)),
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

/// A handshake in a hostile network: to whom which message goes in what form, and when.
#[derive(Debug, Arbitrary)]
enum Step {
    ToInitiator(Fate),
    ToResponder(Fate),
    /// The genuine message 2 goes to the responder, and so forth.
    Astray(bool),
    Wait(bool, u8),
}

/// Whatever a network makes of a handshake, it opens only between those two, and opens if it is let.
pub fn channel_handshake(data: &[u8]) {
    let Ok((first, steps)) = <(Option<Fate>, Vec<Step>)>::arbitrary(&mut Unstructured::new(data)) else { return };
    let route = Route::from_iter(["api"]);
    let initiate = |env: &mut Env<'_>, config| Some(Channel::initiate(env, config, addresses(0), &route));
    let mut alice = Side::new(0, initiate).expect("an initiator begins");
    let message_1 = alice.sent.pop_front().expect("message 1");
    if let Some(fate) = first {
        let message = fate.of(&message_1);
        let respond = |env: &mut Env<'_>, config| Channel::respond(env, config, addresses(1), &message).ok();
        if let Some(bob) = Side::new(1, respond) {
            assert_eq!((bob.sent.len(), bob.opened()), (1, None), "one message 2, whatever message 1 was");
        }
    }
    let respond = |env: &mut Env<'_>, config| Channel::respond(env, config, addresses(1), &message_1).ok();
    let mut bob = Side::new(1, respond).expect("message 1 is genuine");
    let message_2 = bob.sent.pop_front().expect("message 2");
    for step in steps.iter().take(32) {
        match step {
            Step::ToInitiator(fate) => {
                let message = fate.of(&message_2);
                let genuine = message.payload() == message_2.payload();
                alice.input(Input::Receive(message));
                assert!(genuine || alice.opened().is_none());
                if genuine {
                    break;
                }
            }
            Step::ToResponder(fate) => {
                bob.input(Input::Receive(fate.of(&message_2)));
            }
            Step::Astray(first) => {
                bob.input(Input::Receive(if *first { message_1.clone() } else { message_2.clone() }));
                alice.input(Input::Receive(message_1.clone()));
            }
            Step::Wait(who, seconds) => if *who { &mut alice } else { &mut bob }.wait(u64::from(*seconds)),
        }
        assert!(bob.opened().is_none() && bob.sent.is_empty(), "there is no message 3 yet");
    }
    alice.input(Input::Receive(message_2));
    let in_time = |side: &Side| side.now < Instant::from_millis(120_000);
    assert_eq!(alice.opened().is_some(), in_time(&alice), "nothing but time ends a handshake");
    let Some(message_3) = alice.sent.pop_back() else { return };
    bob.input(Input::Receive(message_3));
    assert_eq!(bob.opened().is_some(), in_time(&bob));
    let [a, b] = people().each_ref().map(|person| person.identity.identifier());
    assert!(alice.opened() == Some(&b) && bob.opened().is_none_or(|peer| *peer == a));
}

/// What happens to an open channel.
#[derive(Debug, Arbitrary)]
enum Operation {
    /// The side sends so many messages.
    Send(bool, u8),
    /// A message that is on its way to the side arrives, and may arrive again.
    Arrive(bool, u8),
    /// One arrives changed.
    Tamper(bool, u8, Fate),
    /// One is lost.
    Lose(bool, u8),
    Refresh(bool, Vec<u8>, Vec<u8>),
    Route(bool, Route),
    Wait(bool, u8),
    Shrink(bool),
    Close(bool),
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

/// An open channel delivers exactly what a simple model says, whatever a network does.
pub fn channel_session(data: &[u8]) {
    let Ok((start, operations)) = <(Option<u64>, Vec<Operation>)>::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    let start = start.map_or(0, |start| start.max(1));
    let keys = [3, 4].map(|byte| [byte; 32]);
    let mut sides = [0, 1].map(|who| {
        let open = |_: &mut Env<'_>, config| {
            let [send, receive] = if who == 0 { keys } else { [keys[1], keys[0]] }.map(Key::new);
            let (encryptor, decryptor) = match start.checked_sub(1) {
                None => (Encryptor::new(send), Decryptor::new(receive)),
                Some(last) => (Encryptor::resumed(send, start), Decryptor::resumed(receive, last)),
            };
            let remote = Route::from(addresses(1 - who).decryptor);
            let peer = people()[1 - who].identity.identifier();
            Some(Channel::resumed(config, addresses(who), peer, remote, (encryptor, decryptor), who == 1))
        };
        Side::new(who, open).expect("it is open")
    });
    let mut ways = [0, 1].map(|_| Direction {
        flying: Vec::new(),
        next: start,
        largest: start.saturating_sub(1),
        accepted: start.checked_sub(1).into_iter().collect(),
    });
    for operation in operations.iter().take(64) {
        match operation {
            Operation::Send(who, count) => {
                let who = usize::from(*who);
                for _ in 0..=count % 40 {
                    send(&mut sides[who], &mut ways[who]);
                }
            }
            Operation::Arrive(to, which) => {
                let (to, way) = (usize::from(*to), &mut ways[1 - usize::from(*to)]);
                let Some((nonce, message)) = pick(&way.flying, *which).cloned() else { continue };
                let open = sides[to].channel.state() == State::Open;
                let before = sides[to].delivered.len();
                assert_eq!(sides[to].input(Input::Receive(message)), open && way.accepts(nonce), "nonce {nonce}");
                if sides[to].delivered.len() > before {
                    assert_eq!(sides[to].delivered[before].payload(), nonce.to_be_bytes());
                }
            }
            Operation::Tamper(to, which, fate) => {
                let (to, way) = (usize::from(*to), &ways[1 - usize::from(*to)]);
                let Some((_, message)) = pick(&way.flying, *which) else { continue };
                let changed = fate.of(message);
                if changed.payload() != message.payload()
                    && !way.flying.iter().any(|(_, m)| m.payload() == changed.payload())
                {
                    assert!(!sides[to].input(Input::Receive(changed)), "it is not what the peer sent");
                }
            }
            Operation::Lose(to, which) => {
                let way = &mut ways[1 - usize::from(*to)];
                if !way.flying.is_empty() {
                    let index = usize::from(*which) % way.flying.len();
                    way.flying.remove(index);
                }
            }
            Operation::Refresh(who, history, credentials) => {
                let who = usize::from(*who);
                let own = people()[who].identity.export().to_vec();
                let history = if history.is_empty() { own } else { history.clone() };
                let input = Input::RefreshCredentials { history, credentials: credentials.clone() };
                if sides[who].input(input) {
                    let message = sides[who].sent.pop_back().expect("a refresh");
                    ways[who].next += 1;
                    // It arrives at once; whether it is taken is for its content to say.
                    let nonce = ways[who].next - 1;
                    if sides[1 - who].channel.state() == State::Open && sides[1 - who].refresh(message) {
                        ways[who].accepts(nonce);
                    }
                }
            }
            Operation::Route(who, route) => {
                sides[usize::from(*who)].input(Input::SetRoute(route.clone()));
            }
            Operation::Wait(who, seconds) => sides[usize::from(*who)].wait(u64::from(*seconds)),
            Operation::Shrink(who) => {
                let side = &mut sides[usize::from(*who)];
                let before = side.picture();
                side.channel.shrink();
                assert!(side.picture() == before);
            }
            Operation::Close(who) => close(&mut sides, &mut ways, usize::from(*who)),
        }
    }
}

impl Side {
    /// Receives an authentic refresh of unknown content. Whether its nonce was taken.
    fn refresh(&mut self, message: Message) -> bool {
        let before = self.picture();
        let _ = self.channel.handle(&mut Env::new(self.now, NOW, &mut self.entropy), Input::Receive(message));
        self.drain();
        assert!(self.channel.provisional() <= self.channel.provisional_limit());
        self.picture() != before
    }
}

fn pick<T>(list: &[T], which: u8) -> Option<&T> {
    list.get(usize::from(which).checked_rem(list.len())?)
}

fn send(side: &mut Side, way: &mut Direction) {
    let message =
        Message::new(Route::from_iter(["echo"]).as_ref(), Route::from_iter(["app"]).as_ref(), &way.next.to_be_bytes());
    let possible = side.channel.state() == State::Open && way.next < u64::MAX;
    assert_eq!(side.input(Input::Send(message)), possible);
    if possible {
        way.flying.push((way.next, side.sent.pop_back().expect("it is sent")));
        way.next += 1;
    }
}

fn close(sides: &mut [Side; 2], ways: &mut [Direction; 2], who: usize) {
    let was_open = sides[who].channel.state() == State::Open;
    sides[who].sent.clear();
    sides[who].input(Input::Close);
    assert_eq!(sides[who].channel.state(), State::Closed);
    let can_say_so = was_open && ways[who].next < u64::MAX;
    assert_eq!(sides[who].sent.len(), usize::from(can_say_so));
    if let Some(message) = sides[who].sent.pop_back() {
        let nonce = ways[who].next;
        ways[who].next += 1;
        let open = sides[1 - who].channel.state() == State::Open;
        let taken = sides[1 - who].input(Input::Receive(message));
        assert_eq!(taken, open && ways[who].accepts(nonce));
        assert!(!taken || sides[1 - who].channel.state() == State::Closed);
    }
}
