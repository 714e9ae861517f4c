//! A peer who has keys, speaks Noise as it should be, and says anything under its encryption: what neither a fuzzer
//! that changes ciphertexts nor an honest peer ever shows to the code behind the tags.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use super::{Direction, People, Person, Side, addresses, null_people, people};
use crate::channel::{
    Channel, Decryptor, Encryptor, Event, Input, Padding, PaddingLimit, Plaintext, State, decode, encode_payload,
    encode_refresh,
};
use crate::env::{Env, Seeded};
use crate::identity::{PresentationLimits, PresentedCredential};
use crate::noise::{Finished, initiator, responder};
use crate::routing::{Limits, Message, Route, RouteRef};
use crate::vault::null::NullSuite;
use crate::vault::suite::{Aes256GcmSha256, Suite};
use crate::vault::{Agreement, PublicKey};

/// What a stranger presents.
#[derive(Debug, Arbitrary)]
enum Papers {
    Own,
    /// Somebody else's.
    Stolen,
    /// Its own, with some bytes changed, and cut short or not.
    Forged(Vec<(u16, u8)>, Option<u16>),
    Made(Vec<u8>),
}

/// What a stranger does on an open channel, and what the side does that it talks to.
#[derive(Debug, Arbitrary)]
enum Act {
    /// A message for a worker.
    Payload(Route, Route, Vec<u8>),
    /// Any plaintext, encrypted as it should be.
    Plaintext(Vec<u8>),
    /// A refresh with the history of its own or somebody else.
    Refresh(bool, Vec<u8>),
    /// Bytes that are not encrypted.
    Raw(Vec<u8>),
    /// Nonces are left out.
    Skip(u8),
    /// The last encrypted message, again.
    Again,
    /// The side sends.
    Send(Vec<u8>),
    Wait(u8),
    Shrink,
    Close,
}

#[derive(Debug, Arbitrary)]
struct Scenario {
    /// Whether the stranger begins.
    initiates: bool,
    papers: Papers,
    acts: Vec<Act>,
}

impl Papers {
    fn bytes(&self, own: &Person, other: &Person) -> Vec<u8> {
        match self {
            Papers::Own => own.papers.clone(),
            Papers::Stolen => other.papers.clone(),
            Papers::Forged(changes, len) => {
                let mut papers = own.papers.clone();
                for (at, mask) in changes {
                    let at = usize::from(*at) % papers.len();
                    papers[at] ^= mask;
                }
                papers.truncate(len.map_or(usize::MAX, usize::from));
                papers
            }
            Papers::Made(bytes) => bytes.clone(),
        }
    }
}

/// With the null vault: fast, and a fuzzer gets past its tags without keys as well.
pub fn channel_stranger(data: &[u8]) {
    run::<NullSuite>(data, null_people(), false);
}

/// With real keys, which the stranger has.
pub fn channel_stranger_sealed(data: &[u8]) {
    run::<Aes256GcmSha256>(data, people(), true);
}

/// Whatever a peer says, it proves no identity but its own; what it says on an open channel is delivered or refused by
/// what the codec makes of it, takes one nonce once, and moves nothing else.
fn run<S: Suite>(data: &[u8], people: &'static People, real: bool) {
    let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(data)) else { return };
    let [host, own, other] = people;
    let papers = scenario.papers.bytes(own, other);
    let met = if scenario.initiates { initiate::<S>(host, own, &papers) } else { respond::<S>(host, own, &papers) };
    let Some((side, finished)) = met else {
        assert!(papers != own.papers, "its own papers are taken");
        return;
    };
    assert_eq!(side.opened(), Some(&own.identity.identifier()), "it proves nobody but itself");
    let mut talk = Talk {
        side,
        own,
        other,
        real,
        encryptor: Encryptor::<S>::new(finished.send),
        decryptor: Decryptor::<S>::new(finished.receive),
        way: Direction::new(),
        last: None,
    };
    for act in scenario.acts.iter().take(64) {
        talk.act(act);
    }
    assert_eq!(talk.side.opened(), Some(&own.identity.identifier()));
}

fn message(bytes: &[u8]) -> Message {
    Message::new(RouteRef::default(), Route::from_iter(["stranger"]).as_ref(), bytes)
}

fn static_key<S: Suite>(person: &Person) -> PublicKey {
    S::Agreement::public_key(&person.secret)
}

/// The stranger begins a handshake with a host. `None` when the host does not open.
fn initiate<S: Suite>(host: &'static Person, own: &Person, papers: &[u8]) -> Option<(Side<S>, Finished)> {
    let mut entropy = Seeded::from_u64(7);
    let (noise, message_1) = initiator::AwaitsMessage2::<S>::start(static_key::<S>(own), &mut entropy);
    let respond = |env: &mut Env<'_>, config| Channel::respond(env, config, addresses(0), &message(&message_1)).ok();
    let mut side = Side::new(host, respond).expect("message 1 is right");
    let message_2 = side.sent.pop_front().expect("message 2");
    let (noise, presented) = noise.read_message_2(message_2.payload()).expect("message 2 is right");
    assert_eq!(presented, host.papers);
    let shared = S::Agreement::agree(&own.secret, &noise.dh_with());
    let (finished, message_3) = noise.write_message_3(&shared, papers).ok()?;
    let taken = side.input(Input::Receive(message(&message_3)));
    assert_eq!(side.opened().is_some(), side.channel.state() == State::Open);
    assert!(taken || side.opened().is_none());
    side.opened().is_some().then_some((side, finished))
}

/// The stranger answers a host's handshake. `None` when the host does not open.
fn respond<S: Suite>(host: &'static Person, own: &Person, papers: &[u8]) -> Option<(Side<S>, Finished)> {
    let mut entropy = Seeded::from_u64(7);
    let route = Route::from_iter(["api"]);
    let initiate = |env: &mut Env<'_>, config| Some(Channel::initiate(env, config, addresses(0), &route));
    let mut side = Side::new(host, initiate).expect("an initiator begins");
    let message_1 = side.sent.pop_front().expect("message 1");
    let own_key = static_key::<S>(own);
    let (noise, payload) = responder::NeedsStaticDh::<S>::read_message_1(own_key, &mut entropy, message_1.payload())
        .expect("message 1 is right");
    assert!(payload.is_empty());
    let shared = S::Agreement::agree(&own.secret, &noise.dh_with());
    let (noise, message_2) = noise.write_message_2(&shared, papers).ok()?;
    let taken = side.input(Input::Receive(message(&message_2)));
    assert!(taken || side.sent.is_empty(), "who is not convinced does not say who they are");
    let Some(message_3) = side.sent.pop_front() else {
        assert_eq!(side.opened(), None);
        return None;
    };
    let (finished, presented) = noise.read_message_3(message_3.payload()).expect("message 3 is right");
    assert_eq!(presented, host.papers);
    Some((side, finished))
}

/// An open channel between a host and a stranger.
struct Talk<S: Suite> {
    side: Side<S>,
    own: &'static Person,
    other: &'static Person,
    real: bool,
    encryptor: Encryptor<S>,
    decryptor: Decryptor<S>,
    way: Direction,
    /// The last encrypted message and its nonce.
    last: Option<(u64, Message)>,
}

impl<S: Suite> Talk<S> {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Payload(onward, back, payload) => {
                let mut plain = Message::new(onward.as_ref(), back.as_ref(), payload);
                encode_payload(&mut plain, Padding::None);
                self.say(plain.payload());
            }
            Act::Plaintext(bytes) => self.say(bytes),
            Act::Refresh(honest, credentials) => {
                let history = if *honest { self.own } else { self.other }.identity.export();
                self.say(&encode_refresh(history, credentials, Padding::None));
            }
            Act::Raw(bytes) => {
                // Under the null vault it may be.
                if self.real {
                    assert!(!self.side.input(Input::Receive(message(bytes))), "it is not encrypted");
                }
            }
            Act::Skip(count) => {
                for _ in 0..count % 24 {
                    let _ = self.encryptor.seal(&mut Message::raw(Vec::new(), 0));
                    self.way.next += 1;
                }
            }
            Act::Again => {
                if let Some((nonce, last)) = self.last.clone() {
                    let open = self.side.channel.state() == State::Open;
                    let fresh = open && self.way.accepts(nonce);
                    assert_eq!(self.side.authentic(last), fresh);
                }
            }
            Act::Send(payload) => {
                let plain = Message::new(Route::from_iter(["echo"]).as_ref(), RouteRef::default(), payload);
                if self.side.input(Input::Send(plain)) {
                    let mut sealed = self.side.sent.pop_back().expect("it is sent");
                    self.decryptor.open(&mut sealed).expect("it is for the stranger");
                    let kind = decode(&mut sealed, &Limits::DEFAULT, PaddingLimit::DEFAULT);
                    assert!(matches!(kind, Ok(Plaintext::Payload)) && sealed.payload() == payload);
                } else {
                    assert_ne!(self.side.channel.state(), State::Open);
                }
            }
            Act::Wait(seconds) => self.side.wait(u64::from(*seconds)),
            Act::Shrink => self.side.channel.shrink(),
            Act::Close => {
                let open = self.side.channel.state() == State::Open;
                self.side.input(Input::Close);
                assert_eq!(self.side.channel.state(), State::Closed);
                let mut sealed = self.side.sent.pop_back();
                assert_eq!(sealed.is_some(), open, "the peer is told, once");
                if let Some(sealed) = &mut sealed {
                    self.decryptor.open(sealed).expect("it is for the stranger");
                    assert_eq!(decode(sealed, &Limits::DEFAULT, PaddingLimit::DEFAULT), Ok(Plaintext::Close));
                }
            }
        }
    }

    /// Encrypts and sends a plaintext, and checks what the host makes of it.
    fn say(&mut self, plaintext: &[u8]) {
        let mut sealed = Message::new(RouteRef::default(), RouteRef::default(), plaintext);
        let nonce = self.encryptor.seal(&mut sealed).expect("there are nonces");
        let sealed = message(sealed.payload());
        self.way.next += 1;
        self.last = Some((nonce, sealed.clone()));
        let open = self.side.channel.state() == State::Open;
        let taken = open && self.way.accepts(nonce);
        let (events, delivered) = (self.side.events.len(), self.side.delivered.len());
        assert_eq!(self.side.authentic(sealed), taken, "nonce {nonce}");
        let (events, delivered) = (&self.side.events[events..], &self.side.delivered[delivered..]);
        let mut inner = Message::raw(plaintext.to_vec(), 0);
        let kind = decode(&mut inner, &Limits::DEFAULT, PaddingLimit::DEFAULT);
        match kind {
            _ if !taken => assert!(events.is_empty() && delivered.is_empty()),
            Ok(Plaintext::Payload) => {
                inner.push_return(addresses(0).encryptor.as_ref());
                assert!(events.is_empty());
                assert_eq!(delivered, [inner]);
            }
            Ok(Plaintext::RefreshCredentials { history, credentials }) => {
                assert!(delivered.is_empty());
                let list = PresentedCredential::decode_list(&plaintext[credentials], &PresentationLimits::DEFAULT);
                let own = plaintext[history] == *self.own.identity.export();
                match (own, list) {
                    (true, Ok(list)) => assert_eq!(events, [Event::Credentials(list)]),
                    _ => assert!(events.is_empty(), "nothing is presented by whom it is not"),
                }
            }
            Ok(Plaintext::Close) => {
                assert_eq!((events, self.side.channel.state()), (&[Event::Closed][..], State::Closed));
            }
            Err(_) => assert!(events.is_empty() && delivered.is_empty()),
        }
        assert!(self.side.sent.is_empty(), "nothing is answered");
    }
}
