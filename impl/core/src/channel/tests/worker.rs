//! Channels and listeners as workers, in a node of which only what they ask for exists.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::listener::Listener;
use super::super::worker::ChannelWorker;
use super::*;
use crate::env::{Entropy, Purpose};
use crate::node::{
    self, ConnectionId, Context, Delivery, Flow, FlowControlId, News, Op, Port, Provenance, RequestId, Worker,
};

/// Everything that a worker asked of its node, sorted.
#[derive(Default)]
struct Asked {
    sent: VecDeque<(Port, Message, Provenance)>,
    started: Vec<node::Spec>,
    stopped: Vec<Address>,
    gone: bool,
    requests: VecDeque<(RequestId, Request)>,
    events: Vec<node::Event>,
    news: Vec<News>,
}

/// A worker, its node and its owner.
struct Host {
    worker: Box<dyn Worker>,
    addresses: Vec<Address>,
    flow: Flow,
    entropy: Seeded,
    now: Instant,
    next_request: u64,
    next_flow: u64,
    asked: Asked,
}

impl Host {
    fn new(spec: node::Spec, seed: u64) -> Self {
        let mut host = Self {
            worker: spec.worker,
            addresses: spec.mailboxes.into_iter().map(|mailbox| mailbox.address).collect(),
            flow: spec.flow,
            entropy: Seeded::from_u64(seed),
            now: Instant::ZERO,
            next_request: 0,
            next_flow: 100,
            asked: Asked::default(),
        };
        host.call(|worker, cx| worker.handle_start(cx)).unwrap();
        host
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Worker, &mut Context<'_>) -> Result<()>) -> Result<()> {
        let mut ops = Vec::new();
        let mut cx = Context {
            now: self.now,
            wall: NOW,
            entropy: &mut self.entropy,
            mailboxes: &self.addresses,
            next_request: &mut self.next_request,
            next_flow: &mut self.next_flow,
            ops: &mut ops,
        };
        // A node drops what a handler asked for when the handler fails.
        call(&mut *self.worker, &mut cx)?;
        for op in ops {
            match op {
                Op::Send { port, message, provenance } => self.asked.sent.push_back((port, message, provenance)),
                Op::Start { spec, .. } => self.asked.started.push(spec),
                Op::TellParent(news) => self.asked.news.push(news),
                Op::Stop(address) => self.asked.stopped.push(address),
                Op::StopSelf => self.asked.gone = true,
                Op::Timer(_) => {}
                Op::Request { id, request, .. } => self.asked.requests.push_back((id, request)),
                Op::Event(event) => self.asked.events.push(event),
                Op::Transmit { .. } | Op::HandOver(_) => panic!("not for a channel to ask"),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, port: Port, message: Message, provenance: Provenance) -> Result<()> {
        self.call(|worker, cx| worker.handle_message(cx, Delivery { message, port, provenance }))
    }

    /// Answers every request, and gives each answer twice.
    fn answer(&mut self, person: &Person, store: &mut MemoryStore) {
        while let Some((id, request)) = self.asked.requests.pop_front() {
            let answer = match &request {
                Request::Vault(request) => Answer::Vault(person.vault.answer(request)),
                Request::Store(request) => Answer::Store(store.answer(request)),
            };
            self.call(|worker, cx| worker.handle_answer(cx, id, answer.clone())).unwrap();
            let before = self.picture();
            self.call(|worker, cx| worker.handle_answer(cx, id, answer)).unwrap();
            assert!(self.picture() == before);
        }
    }

    /// The one message that it has sent to the peer's side.
    fn transmitted(&mut self) -> Message {
        let (port, message, provenance) = self.asked.sent.pop_front().expect("a message");
        assert!(self.asked.sent.is_empty());
        assert_eq!((port, provenance), (ENCRYPTOR, Provenance::LOCAL));
        message
    }

    fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.worker.trusted(&mut picture);
        picture
    }
}

const SPAWNER: FlowControlId = FlowControlId(7);
const THROUGH: FlowControlId = FlowControlId(8);

fn tcp(n: u64) -> Provenance {
    Provenance::connection(ConnectionId(n))
}

fn initiator(person: &Person, seed: u64) -> Host {
    let mut entropy = Seeded::from_u64(seed);
    let addresses = Addresses::random(&mut entropy);
    let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
    let route = Route::from_iter(["api"]);
    let channel = Machine1::initiate(&mut env, Arc::new(person.config()), addresses, &route);
    Host::new(ChannelWorker::initiator(channel).spec(FlowControlId(1), None, vec![THROUGH]), seed)
}

fn listener(person: &Person, places: Places) -> Host {
    let listener = Listener::<Aes256GcmSha256>::new(Arc::new(person.config()), places, SPAWNER, vec![THROUGH, SPAWNER]);
    let spec = node::Spec {
        mailboxes: vec![node::Mailbox::open(Address::local(LISTENER))],
        flow: Flow::default(),
        worker: Box::new(listener),
    };
    Host::new(spec, 4)
}

/// An open channel: both workers, and the listener that started the second.
struct Opened {
    alice: Host,
    bob: Host,
    listener: Host,
    people: [Person; 2],
    stores: [MemoryStore; 2],
}

fn opened() -> Opened {
    opened_with(3)
}

/// The same, with the initiator's randomness made of this seed.
fn opened_with(seed: u64) -> Opened {
    let mut opened = opened_at_one_end(seed);
    opened.bob.answer(&opened.people[1], &mut opened.stores[1]);
    opened
}

/// The same, before the responder's store has answered.
fn opened_at_one_end(seed: u64) -> Opened {
    let people = [Person::new(1), Person::new(2)];
    let mut stores = [MemoryStore::default(), MemoryStore::default()];
    let mut alice = initiator(&people[0], seed);
    let mut listener = listener(&people[1], Places::DEFAULT);
    listener.deliver(0, alice.transmitted(), tcp(1)).unwrap();
    let mut bob = Host::new(listener.asked.started.pop().unwrap(), 5);
    bob.answer(&people[1], &mut stores[1]);
    alice.deliver(DECRYPTOR, bob.transmitted(), tcp(2)).unwrap();
    alice.answer(&people[0], &mut stores[0]);
    bob.deliver(DECRYPTOR, alice.transmitted(), tcp(1)).unwrap();
    Opened { alice, bob, listener, people, stores }
}

//= spec/src/channels.md#chn-55
//= type=test
//# What a decryptor delivers MUST have the identity of the channel's peer as its provenance.
#[test]
fn what_comes_out_of_a_channel_speaks_for_its_peer_wherever_it_came_from() {
    let Opened { mut alice, mut bob, people, .. } = opened();
    let [encryptor, decryptor] = [alice.addresses[1].clone(), alice.addresses[0].clone()];
    let peer = people[1].id();
    let node::Event::ChannelOpened { handshake_hash, .. } = alice.asked.events[0] else {
        panic!("{:?}", alice.asked.events)
    };
    let expected = node::Event::ChannelOpened { encryptor: encryptor.clone(), decryptor, peer, handshake_hash };
    assert_eq!(alice.asked.events, [expected]);
    let onward = Route::new().then(encryptor).then("echo");
    let message = Message::new(onward.as_ref(), Route::from_iter(["app"]).as_ref(), b"hello");
    alice.deliver(ENCRYPTOR, message, Provenance::LOCAL).unwrap();
    bob.deliver(DECRYPTOR, alice.transmitted(), Provenance::channel(Identifier([9; 32]))).unwrap();
    let (port, message, provenance) = bob.asked.sent.pop_front().unwrap();
    assert_eq!((port, provenance.peer()), (DECRYPTOR, Some(&people[0].id())));
    assert_eq!(message.onward().to_owned(), Route::from_iter(["echo"]));
    assert_eq!(message.return_route().first(), Some(bob.addresses[1].as_ref()));
}

//= spec/src/channels.md#chn-68
//= type=test
//# A party MUST tell the owner of its node, with a channel that opens, the hash `h` of the whole handshake.
#[test]
fn both_ends_of_a_channel_name_the_same_handshake_and_another_channel_another() {
    let hash = |host: &Host| match &host.asked.events[..] {
        [node::Event::ChannelOpened { handshake_hash, .. }] => *handshake_hash,
        events => panic!("{events:?}"),
    };
    let (one, other) = (opened(), opened_with(9));
    assert_eq!(hash(&one.alice), hash(&one.bob));
    assert_ne!(hash(&one.alice), [0; 32]);
    assert_ne!(hash(&one.alice), hash(&other.alice));
}

//= spec/src/channels.md#chn-60
//= type=test
//# A responder MUST be reachable through exactly the flow control ids through which its listener is, and deliver under the listener's.
#[test]
fn a_responder_delivers_under_its_listener_and_is_reached_as_its_listener_is() {
    let Opened { alice, bob, .. } = opened();
    assert_eq!(bob.flow.spawned_by, Some(SPAWNER));
    assert_eq!(bob.flow.consumer_of, [THROUGH, SPAWNER]);
    assert_eq!(bob.flow.producer, Some(FlowControlId(100)), "an id of its own");
    assert_eq!((alice.flow.spawned_by, &alice.flow.consumer_of[..]), (None, &[THROUGH][..]));
}

#[test]
fn stopping_an_open_channel_sends_a_close_and_stopping_a_half_open_one_nothing() {
    let Opened { mut alice, mut bob, people, .. } = opened();
    alice
        .call(|worker, cx| {
            worker.handle_stop(cx);
            Ok(())
        })
        .unwrap();
    bob.deliver(DECRYPTOR, alice.transmitted(), tcp(1)).unwrap();
    assert!(bob.asked.gone && bob.asked.sent.is_empty());
    assert_eq!(bob.asked.events.last(), Some(&node::Event::ChannelClosed { encryptor: bob.addresses[1].clone() }));
    bob.call(|worker, cx| {
        worker.handle_stop(cx);
        Ok(())
    })
    .unwrap();
    assert!(bob.asked.sent.is_empty(), "a node tells it that it stops; it has said everything");

    let mut carol = initiator(&people[0], 6);
    carol.transmitted();
    carol
        .call(|worker, cx| {
            worker.handle_stop(cx);
            Ok(())
        })
        .unwrap();
    assert!(carol.asked.sent.is_empty());
    assert!(matches!(carol.asked.events[..], [node::Event::ChannelFailed { .. }]));
}

//= spec/src/channels.md#chn-18
//= type=test
//# Each party MUST give up a handshake that is not finished when its timeout has passed, and erase its keys.
#[test]
fn a_worker_whose_handshake_times_out_says_so_and_goes() {
    let person = Person::new(1);
    let mut alice = initiator(&person, 3);
    alice.now = Instant::from_millis(120_000);
    alice.call(|worker, cx| worker.handle_timeout(cx)).unwrap();
    assert!(alice.asked.gone);
    assert!(
        matches!(alice.asked.events[..], [node::Event::ChannelFailed { error, .. }] if error.requirement() == "CHN-18")
    );
}

#[test]
fn a_channel_tells_its_parent_that_it_is_open_and_once_in_a_while_that_its_peer_is_there() {
    let Opened { mut alice, mut bob, people, .. } = opened();
    assert_eq!(alice.asked.news, [News::Opened(people[1].id())]);
    assert_eq!(bob.asked.news, [News::Opened(people[0].id())]);
    assert!(!alice.worker.is_provisional() && !bob.worker.is_provisional());
    let mut exchange = |seconds: u64, genuine: bool| {
        bob.now = Instant::from_millis(seconds * 1000);
        let onward = Route::new().then(alice.addresses[1].clone()).then("echo");
        alice
            .deliver(ENCRYPTOR, Message::new(onward.as_ref(), Route::new().as_ref(), b"x"), Provenance::LOCAL)
            .unwrap();
        let mut sealed = alice.transmitted();
        if !genuine {
            let mut payload = sealed.payload().to_vec();
            *payload.last_mut().unwrap() ^= 1;
            sealed = with_payload(&sealed, &payload);
        }
        assert_eq!(bob.deliver(DECRYPTOR, sealed, tcp(1)).is_ok(), genuine);
        bob.asked.news.len()
    };
    assert_eq!(exchange(59, true), 1, "not yet");
    assert_eq!(exchange(60, false), 1, "a forgery is no sign of life");
    assert_eq!(exchange(61, true), 2);
    assert_eq!(exchange(120, true), 2);
    assert_eq!(exchange(121, true), 3);
    assert_eq!(bob.asked.news[1..], [News::Heard; 2]);
}

#[test]
fn what_comes_too_early_is_counted_until_the_channel_is_open() {
    let Opened { mut alice, mut bob, people, mut stores, .. } = opened_at_one_end(3);
    let onward = Route::new().then(alice.addresses[1].clone()).then("echo");
    let early = Message::new(onward.as_ref(), Route::new().as_ref(), &[7; 1_000]);
    alice.deliver(ENCRYPTOR, early, Provenance::LOCAL).unwrap();
    bob.deliver(DECRYPTOR, alice.transmitted(), tcp(1)).unwrap();
    assert!((1_000..=bob.worker.provisional_limit()).contains(&bob.worker.provisional()));
    bob.answer(&people[1], &mut stores[1]);
    assert_eq!((bob.asked.sent.len(), bob.worker.provisional()), (1, 0));
}

#[test]
fn who_has_a_channel_is_part_of_what_a_listener_trusts_and_who_begins_one_is_not() {
    let person = Person::new(2);
    let mut listener = listener(&person, Places::DEFAULT);
    let nobody = listener.picture();
    listener.deliver(0, message_1(1), tcp(1)).unwrap();
    assert!(listener.picture() == nobody && listener.worker.provisional() > 0);
    let channel = listener.asked.started.pop().unwrap().mailboxes[0].address.clone();
    let mut hears = |news| {
        listener.call(|worker, cx| worker.handle_news(cx, &channel, news)).unwrap();
        (listener.picture(), listener.worker.provisional())
    };
    let (open, half_open) = hears(News::Opened(Identifier([1; 32])));
    assert!(open != nobody && half_open == 0);
    assert!(hears(News::Gone).0 == nobody);
}

/// Says in which order randomness was drawn, and for what.
struct Scribe(Vec<(Purpose, usize)>);

impl Entropy for Scribe {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        self.0.push((purpose, out.len()));
        out.fill(self.0.len() as u8);
    }
}

#[test]
fn the_decryptors_address_is_drawn_before_the_encryptors() {
    let mut scribe = Scribe(Vec::new());
    let addresses = Addresses::random(&mut scribe);
    assert_eq!(scribe.0, [(Purpose::Address, 16), (Purpose::Address, 16)]);
    assert_eq!(addresses.decryptor.as_ref().value, hex::encode([1; 16]).as_bytes());
    assert_eq!(addresses.encryptor.as_ref().value, hex::encode([2; 16]).as_bytes());
}

fn message_1(n: u64) -> Message {
    let back = Route::from_iter(["tcp", "stranger"]);
    let mut key = [9; 32];
    key[..8].copy_from_slice(&n.to_le_bytes());
    Message::new(Route::from_iter([LISTENER]).as_ref(), back.as_ref(), &key)
}

//= spec/src/channels.md#chn-56
//= type=test
//# A listener MUST give a handshake its place before it does any cryptography for it.
//= spec/src/channels.md#chn-52
//= type=test
//# A listener MUST bound the number of half-open handshakes, in total and for each source.
#[test]
fn a_flood_at_a_listener_evicts_its_own_and_never_holds_more_than_the_places() {
    let person = Person::new(2);
    let mut listener = listener(&person, Places { half_open: 6, half_open_per_source: 4, ..Places::DEFAULT });
    let mut workers: Vec<node::Spec> = Vec::new();
    for n in 0..200 {
        listener.deliver(0, message_1(n), tcp(n % 2)).unwrap();
        for gone in core::mem::take(&mut listener.asked.stopped) {
            let index = workers.iter().position(|spec| spec.mailboxes[0].address == gone).expect("it was running");
            workers.remove(index);
            listener.call(|worker, cx| worker.handle_news(cx, &gone, News::Gone)).unwrap();
        }
        workers.append(&mut listener.asked.started);
        assert!(workers.len() <= 6);
    }
    assert_eq!(workers.len(), 6);
    let held = listener.worker.provisional();
    assert!(held > 0);
    // A handshake that is over leaves room: nobody else has to go.
    let over = workers.pop().unwrap().mailboxes[0].address.clone();
    listener.call(|worker, cx| worker.handle_news(cx, &over, News::Gone)).unwrap();
    listener.deliver(0, message_1(999), tcp(9)).unwrap();
    assert!(listener.asked.stopped.is_empty());
    assert_eq!(listener.worker.provisional(), held);
}

//= spec/src/channels.md#chn-57
//= type=test
//# A listener MUST refuse a message without a return route or with less than 32 bytes before it gives it a place.
#[test]
fn what_cannot_be_a_message_1_takes_no_place_and_draws_no_randomness() {
    let person = Person::new(2);
    let mut listener = listener(&person, Places::FLOOR);
    let before = listener.entropy.positions();
    for message in [with_payload(&message_1(1), &[9; 31]), with_payload(&message_1(1), &[]), {
        let mut message = message_1(1);
        message.set_routes(Route::from_iter([LISTENER]).as_ref(), Route::new().as_ref());
        message
    }] {
        assert!(listener.deliver(0, message, tcp(1)).is_err());
    }
    assert_eq!((listener.entropy.positions(), listener.worker.provisional()), (before, 0));
    // A point of small order costs its sender a place like anything else, and starts nothing.
    let zeros = with_payload(&message_1(1), &[0; 32]);
    listener.deliver(0, zeros, tcp(1)).unwrap();
    assert!(listener.asked.started.is_empty());
    assert!(matches!(listener.asked.events[..], [node::Event::Dropped { .. }]));
    for n in 0..2 {
        listener.deliver(0, message_1(n), tcp(1)).unwrap();
    }
    assert!(listener.asked.stopped.is_empty(), "its place was free again at once");
}

//= spec/src/channels.md#chn-54
//= type=test
//# Until message 3 is authentic a responder MUST send nothing but message 2, once.
#[test]
fn a_responder_answers_a_stranger_with_one_message_of_bounded_size_whatever_comes() {
    let people = [Person::new(1), Person::new(2)];
    let mut store = MemoryStore::default();
    let mut listener = listener(&people[1], Places::DEFAULT);
    let first = with_payload(&message_1(1), &[9; 20_000]);
    listener.deliver(0, first.clone(), tcp(1)).unwrap();
    let mut bob = Host::new(listener.asked.started.pop().unwrap(), 5);
    assert!(bob.asked.sent.is_empty() && bob.worker.is_provisional());
    bob.answer(&people[1], &mut store);
    let message_2 = bob.transmitted();
    assert_eq!(message_2.payload().len(), 96 + people[1].config().presentation.len());
    for n in 0..500 {
        let _ = bob.deliver(DECRYPTOR, with_payload(&first, &vec![n as u8; n * 7]), tcp(1));
        bob.answer(&people[1], &mut store);
    }
    bob.now = Instant::from_millis(120_000);
    bob.call(|worker, cx| worker.handle_timeout(cx)).unwrap();
    assert!(bob.asked.sent.is_empty() && bob.asked.gone && store.is_empty());
}

#[test]
fn an_open_channel_holds_no_place_among_the_half_open() {
    let Opened { bob, mut listener, .. } = opened();
    for news in &bob.asked.news {
        listener.call(|worker, cx| worker.handle_news(cx, &bob.addresses[0], *news)).unwrap();
    }
    for n in 0..64 {
        listener.deliver(0, message_1(n), tcp(1)).unwrap();
    }
    assert!(listener.asked.stopped.is_empty(), "all 64 places of its source are free");
}
