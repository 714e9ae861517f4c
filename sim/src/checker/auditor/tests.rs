//! A channel of two machines, and what the auditor says of what they send.

use std::collections::VecDeque;
use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Input, Output};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{Identity, MemoryStore};
use razor::machine::Machine as _;
use razor::node::{Answer, Request};
use razor::routing::{Address, Message, Route, RouteRef};
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{SigningKind, SoftwareVault};

use crate::frame::Frame;
use crate::host::LISTENER;

use super::{Auditor, Book, Draws};

const NOW: Timestamp = Timestamp(1_750_000_000);

struct End<S: Suite> {
    entropy: Seeded,
    draws: Draws,
    vault: SoftwareVault,
    store: MemoryStore,
    config: Arc<Config>,
    addresses: Addresses,
    channel: Option<Channel<S>>,
}

impl<S: Suite> End<S> {
    fn new(number: u8) -> Self {
        let seed = [number; 32];
        let mut entropy = Seeded::new(seed);
        let mut vault = SoftwareVault::new();
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let (_, attestation) = identity.attest_static_key(&mut vault, &mut env).unwrap();
        let config = Arc::new(Config::new(&identity, &attestation, &[], NOW).unwrap());
        let address = |what: &str| Address::local(&format!("{what} {number}"));
        let addresses = Addresses { decryptor: address("decryptor"), encryptor: address("encryptor") };
        let draws = Draws::new(seed);
        Self { entropy, draws, vault, store: MemoryStore::default(), config, addresses, channel: None }
    }

    fn handle(&mut self, input: Input) {
        let mut env = Env::new(Instant::ZERO, NOW, &mut self.entropy);
        self.channel.as_mut().unwrap().handle(&mut env, input).unwrap();
    }

    /// What it sends, after its vault and its store have answered.
    fn drain(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some(output) = self.channel.as_mut().unwrap().poll_output() {
            match output {
                Output::Transmit(message) => sent.push(message),
                Output::Request { ticket, request, .. } => {
                    let answer = match &request {
                        Request::Vault(request) => Answer::Vault(self.vault.answer(request)),
                        Request::Store(request) => Answer::Store(self.store.answer(request)),
                    };
                    self.handle(Input::Answer(ticket, answer));
                }
                Output::Deliver(_) | Output::Event(_) => {}
            }
        }
        sent
    }
}

/// Two ends, and who watches them.
struct Scene<S: Suite> {
    ends: [End<S>; 2],
    auditor: Auditor,
    /// The frames that were sent, by whom.
    frames: Vec<(usize, Vec<u8>)>,
    on_the_way: VecDeque<(usize, Message)>,
}

impl<S: Suite> Scene<S> {
    fn begin() -> Self {
        let auditor = Auditor::new(Book::of(S::NAME).unwrap());
        let mut scene =
            Self { ends: [End::new(1), End::new(2)], auditor, frames: Vec::new(), on_the_way: VecDeque::new() };
        let End { entropy, config, addresses, .. } = &mut scene.ends[0];
        let mut env = Env::new(Instant::ZERO, NOW, entropy);
        let listener = Route::from_iter([LISTENER]);
        let channel = Channel::initiate(&mut env, config.clone(), addresses.clone(), &listener);
        scene.ends[0].channel = Some(channel);
        scene.send(0);
        scene
    }

    fn send(&mut self, from: usize) {
        let sent = self.ends[from].drain();
        self.on_the_way.extend(sent.into_iter().map(|message| (from, message)));
    }

    fn audit(&mut self, node: usize, bytes: &[u8]) -> Result<(), String> {
        let ends = &mut self.ends;
        let verdict = self.auditor.sent(node, (0, false), bytes, |whose, public| {
            let mut ends = ends.iter_mut().enumerate().filter(|(number, _)| whose.is_none_or(|whose| whose == *number));
            ends.find_map(|(_, end)| end.draws.secret_of(&end.entropy, public))
        });
        verdict.map_err(|violation| violation.detail)
    }

    /// Lets one message arrive, if one is on the way.
    fn arrive(&mut self) -> bool {
        let Some((from, message)) = self.on_the_way.pop_front() else { return false };
        let to = 1 - from;
        let bytes = framed(&message).encode();
        self.audit(from, &bytes).unwrap();
        self.frames.push((from, bytes.clone()));
        // The byte that opens the connection comes before the first.
        let opening: &[u8] = if self.frames.len() < 3 { &[1] } else { &[] };
        self.auditor.arrived(to, 0, &[opening, &bytes].concat(), false);
        if let End { channel: new @ None, entropy, config, addresses, .. } = &mut self.ends[to] {
            let mut env = Env::new(Instant::ZERO, NOW, entropy);
            *new = Some(Channel::respond(&mut env, config.clone(), addresses.clone(), &message).unwrap());
        } else {
            self.ends[to].handle(Input::Receive(message));
        }
        self.send(to);
        true
    }

    fn talk(&mut self, messages: usize) {
        for n in 0..2 * messages {
            let from = n % 2;
            let message = Message::new(Route::from_iter(["app"]).as_ref(), Route::new().as_ref(), b"words");
            self.ends[from].handle(Input::Send(message));
            self.send(from);
            while self.arrive() {}
        }
    }
}

fn framed(message: &Message) -> Frame {
    let addresses = |route: RouteRef<'_>| route.iter().map(|address| address.to_owned()).collect();
    let (onward, back) = (addresses(message.onward()), addresses(message.return_route()));
    Frame { onward, back, payload: message.payload().to_vec(), tracing: None }
}

fn whole<S: Suite>() -> Scene<S> {
    let mut scene = Scene::<S>::begin();
    while scene.arrive() {}
    scene.talk(70);
    assert_eq!(scene.frames.len(), 3 + 140);
    scene
}

#[test]
fn what_the_core_sends_is_what_the_book_says_in_every_suite() {
    whole::<Aes256GcmSha256>();
    whole::<Aes128GcmSha256>();
    whole::<ChaChaPolyBlake2s>();
}

#[test]
fn a_message_that_is_sent_twice_or_differs_in_one_bit_is_noticed() {
    let mut scene = whole::<Aes256GcmSha256>();
    let (from, last) = scene.frames.last().unwrap().clone();
    assert_eq!(scene.audit(from, &last), Err("a nonce was used twice".into()));
    for bit in [0, 1, 7, 8 * 7, 8 * 8, 100] {
        let mut other = Frame::decode(&last).unwrap();
        let at = other.payload.len() - 1 - bit / 8;
        other.payload[at] ^= 1 << (bit % 8);
        assert_eq!(scene.audit(from, &other.encode()), Err("a channel message is not what the book says".into()));
    }
    assert!(scene.audit(from, &[&last[..], &[0]].concat()).unwrap_err().starts_with("what a node sent is no frame"));
}

#[test]
fn a_handshake_message_that_differs_in_one_bit_is_noticed() {
    for message in 0..3 {
        let mut scene = Scene::<ChaChaPolyBlake2s>::begin();
        for _ in 0..message {
            assert!(scene.arrive());
        }
        let (from, next) = scene.on_the_way.front().unwrap();
        let from = *from;
        for at in [0, next.payload().len() - 1] {
            let mut frame = framed(next);
            frame.payload[at] ^= 1;
            let mut auditor = scene.auditor.clone();
            let ends = &mut scene.ends;
            let verdict = auditor.sent(from, (0, false), &frame.encode(), |_, public| {
                ends.iter_mut().find_map(|end| end.draws.secret_of(&end.entropy, public))
            });
            assert!(verdict.is_err(), "message {}, byte {at}", message + 1);
        }
    }
}

/// The key that production publishes for the interval after its first.
#[test]
fn a_key_is_renewed_as_published() {
    let key = |hex: &str| std::array::from_fn(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap());
    let first = key("831124fa3e1606b97f5cda4d81c3aa04c7c0151666f05f49a09cd0faf63a05d8");
    let second = key("4699ba00b29842a236c781ce67c044de2bc43eaaaf35f6bfa4353581ada3d044");
    assert_eq!(Book::Aes256.cipher(&first).renewed(), second);
}
