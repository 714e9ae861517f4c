use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use razor::channel::{self, Listening};
use razor::env::{Entropy, Env, Instant, Purpose, Seeded, Timestamp};
use razor::identity::{AttestationDraft, Identity, PurposeKey};
use razor::machine::Machine as _;
use razor::node::{Answer, Echoer, Event, Flow, Input, Mailbox, Request, Spec};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Aes256GcmSha256;
use razor::vault::{SecretKey, SigningKind, SoftwareVault};

use super::*;

const WALL: Timestamp = Timestamp(1_750_000_000);

/// One direction of a line: what is on its way, and how much fits.
type Pipe = Rc<RefCell<VecDeque<u8>>>;

struct Bench {
    entropy: Seeded,
    keys: Keys,
    clock: Rc<RefCell<Instant>>,
    input: Pipe,
    output: Pipe,
    /// How many bytes the line takes before somebody reads them.
    room: usize,
}

impl Entropy for Bench {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        self.entropy.fill(purpose, out);
    }
}

impl Board for Bench {
    fn now(&mut self) -> Instant {
        *self.clock.borrow()
    }

    fn wall(&mut self) -> Timestamp {
        WALL
    }

    fn read(&mut self, _: usize, into: &mut [u8]) -> usize {
        let mut input = self.input.borrow_mut();
        let count = input.len().min(into.len());
        into.iter_mut().zip(input.drain(..count)).for_each(|(to, from)| *to = from);
        count
    }

    fn write(&mut self, _: usize, bytes: &[u8]) -> usize {
        let mut output = self.output.borrow_mut();
        let count = bytes.len().min(self.room.saturating_sub(output.len()));
        output.extend(&bytes[..count]);
        count
    }

    fn answer(&mut self, request: &Request) -> Answer {
        self.keys.answer(request)
    }

    fn wait(&mut self, until: Option<Instant>) {
        let now = *self.clock.borrow();
        *self.clock.borrow_mut() = until.map_or(now, |until| until.max(now));
    }
}

/// Two devices and the line between them.
struct Pair {
    sides: [Driver<Bench>; 2],
    pipes: [Pipe; 2],
}

impl Pair {
    fn new(room: usize) -> Self {
        let pipes = [Pipe::default(), Pipe::default()];
        let clock = Rc::new(RefCell::new(Instant::ZERO));
        let sides = [0, 1].map(|side| {
            let bench = Bench {
                entropy: Seeded::from_u64(side as u64 + 1),
                keys: Keys::new(SecretKey::new([side as u8; 32])),
                clock: clock.clone(),
                input: pipes[1 - side].clone(),
                output: pipes[side].clone(),
                room,
            };
            Driver::new(bench, SMALL, &[line(4_096)])
        });
        let mut pair = Self { sides, pipes };
        for side in &mut pair.sides {
            let flow = Flow { consumer_of: vec![side.reach()], ..Flow::default() };
            let mailboxes = vec![Mailbox::open("echo".into())];
            side.with(|node, env| {
                node.start_worker(env, Spec { mailboxes, flow: flow.clone(), worker: Box::new(Echoer) })
            })
            .unwrap();
            side.with(|node, env| node.open_inbox(env, Mailbox::open("app".into()), flow)).unwrap();
        }
        pair
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.sides.iter_mut().map(Driver::turn).fold(false, |a, b| a | b) {
                return;
            }
        }
        panic!("two devices never come to rest");
    }

    fn send(&mut self, side: usize, onward: Route, payload: &[u8]) {
        let message = Message::new(onward.as_ref(), Route::new().then("app").as_ref(), payload);
        self.sides[side].with(|node, env| node.handle(env, Input::Send(message))).unwrap();
        self.settle();
    }

    /// The payloads that one side was given, and whatever else happened thrown away.
    fn delivered(&mut self, side: usize) -> Vec<Vec<u8>> {
        let happened = std::iter::from_fn(|| self.sides[side].happened());
        let payload = |happened| match happened {
            Happened::Delivered { delivery, .. } => Some(delivery.message.payload().to_vec()),
            _ => None,
        };
        happened.filter_map(payload).collect()
    }

    /// Puts bytes on the line to the second device.
    fn inject(&mut self, bytes: &[u8]) {
        self.pipes[0].borrow_mut().extend(bytes);
        self.settle();
    }
}

fn far() -> Route {
    Route::from(Driver::<Bench>::address(0))
}

/// A message that decodes as no transport message, as a sound frame.
fn sound_and_wrong() -> Vec<u8> {
    use razor::transport::serial::{Input, Output, Serial};
    let mut serial = Serial::new(line(4_096));
    let frame = Input::Send(Message::raw(vec![0, 0, 0, 2, 0xff, 0xff], 0));
    serial.handle(&mut Env::new(Instant::ZERO, WALL, &mut Seeded::from_u64(1)), frame).unwrap();
    let Some(Output::Write(bytes)) = serial.poll_output() else { panic!("a frame is written") };
    bytes
}

#[test]
fn a_message_goes_over_the_line_and_comes_back() {
    for room in [1, 7, 10_000] {
        let mut pair = Pair::new(room);
        for size in [0, 1, 300, 2_000] {
            pair.send(0, far().then("echo"), &vec![7; size]);
            assert_eq!(pair.delivered(0), [vec![7; size]], "{room} bytes fit on the line");
        }
        // No opening byte was on it: the first frame is the first thing.
        assert_eq!(pair.sides[1].counters(0).dropped, 0);
    }
}

#[test]
fn a_message_as_large_as_a_frame_may_be_comes_back() {
    let mut pair = Pair::new(10_000);
    // What is left of 4,096 bytes beside the routes.
    pair.send(0, far().then("echo"), &[7; 4_050]);
    assert_eq!(pair.delivered(0), [[7; 4_050]]);
}

#[test]
fn many_messages_at_once_all_come_back() {
    let mut pair = Pair::new(64);
    for i in 0..200_u8 {
        pair.send(0, far().then("echo"), &[i; 40]);
        assert_eq!(pair.delivered(0), [[i; 40]]);
    }
}

#[test]
fn a_connection_that_is_closed_is_followed_by_another_over_the_same_line() {
    let mut pair = Pair::new(1_000);
    for _ in 0..20 {
        pair.inject(&sound_and_wrong());
        //= spec/src/serial.md#ser-13
        //= type=test
        //# A node whose connection over a line is closed MUST begin another one over the same line.
        let happened = pair.sides[1].happened();
        assert!(
            matches!(happened, Some(Happened::Restarted { line: 0, error }) if error.requirement().starts_with("COD")
            || matches!(error.requirement(), "TCP-7")),
            "{happened:?}"
        );
        pair.send(0, far().then("echo"), b"still there");
        assert_eq!(pair.delivered(0), [b"still there"]);
        pair.send(1, far().then("echo"), b"both ways");
        assert_eq!(pair.delivered(1), [b"both ways"]);
    }
}

#[test]
fn what_waits_for_a_host_that_reads_nothing_does_not_grow_when_connections_begin_anew() {
    const ROOM: usize = 2_000;
    let mut pair = Pair::new(ROOM);
    let [host, device] = &mut pair.sides;
    let back = Route::new().then("app");
    let message = Message::new(far().then("echo").as_ref(), back.as_ref(), &[7; 900]);
    host.with(|node, env| node.handle(env, Input::Send(message))).unwrap();
    host.turn();
    let asked: Vec<u8> = pair.pipes[0].borrow_mut().drain(..).collect();
    for _ in 0..100 {
        for bytes in [&asked, &asked, &asked, &sound_and_wrong()] {
            pair.pipes[0].borrow_mut().extend(bytes);
            while device.turn() {
                while device.happened().is_some() {}
            }
        }
    }
    let mut waited = 0;
    while !pair.pipes[1].borrow().is_empty() {
        waited += pair.pipes[1].borrow_mut().drain(..).count();
        while device.turn() {}
    }
    //= spec/src/serial.md#ser-15
    //= type=test
    //# A driver of a line MUST forget what a closed connection was to send, but for the frame that it has begun to write.
    assert!(waited < ROOM + asked.len(), "{waited} bytes waited");
}

#[test]
fn noise_of_any_length_leaves_the_line_as_it_was() {
    let mut pair = Pair::new(100_000);
    let mut noise = Seeded::from_u64(9);
    for round in 0..50 {
        let mut bytes = vec![0; 1 + 97 * round];
        noise.fill(Purpose::Ping, &mut bytes);
        pair.inject(&bytes);
        pair.send(0, far().then("echo"), b"after the noise");
        assert_eq!(pair.delivered(0), [b"after the noise"], "round {round}");
    }
    assert!(pair.sides[1].counters(0).dropped > 0);
}

/// What a device says of itself whose identity was made elsewhere.
fn identify(side: u8) -> Arc<channel::Config> {
    let mut factory = SoftwareVault::new();
    let mut entropy = Seeded::from_u64(100 + u64::from(side));
    let mut env = Env::new(Instant::ZERO, WALL, &mut entropy);
    let identity = Identity::create(&mut factory, SigningKind::Ed25519, &mut env).unwrap();
    let key = PurposeKey::SecureChannelStatic(factory.import_static_key(&[side; 32]));
    let attestation = AttestationDraft::valid_from(&identity, key, WALL).sign_with(&factory).unwrap();
    Arc::new(presenting(identity.export(), attestation.export(), WALL).unwrap())
}

#[test]
fn a_channel_is_opened_from_either_side_and_carries_messages_beyond_many_rekeys() {
    for initiator in [0, 1] {
        let mut pair = Pair::new(500);
        let [first, second] = [0, 1].map(identify);
        let (initiators, listeners) = if initiator == 0 { (first, second) } else { (second, first) };
        let listener = &mut pair.sides[1 - initiator];
        let reached_through = vec![listener.reach()];
        let listening = Listening { reached_through, places: channel::Places::FLOOR, ..Listening::default() };
        let behind =
            listener.with(|node, env| channel::listen::<Aes256GcmSha256>(node, env, listeners, listening)).unwrap();
        listener.with(|node, _| node.add_consumer(&Address::local("echo"), behind)).unwrap();
        let route = far().then(channel::LISTENER);
        let begun =
            pair.sides[initiator].with(|node, env| channel::create::<Aes256GcmSha256>(node, env, initiators, &route));
        begun.unwrap();
        pair.settle();
        let opened = std::iter::from_fn(|| pair.sides[initiator].happened()).find_map(|happened| match happened {
            Happened::Event(Event::ChannelOpened { encryptor, .. }) => Some(encryptor),
            _ => None,
        });
        let encryptor = opened.expect("the channel opens");
        let producer = pair.sides[initiator].node().producer_at(&encryptor).unwrap();
        pair.sides[initiator].with(|node, _| node.add_consumer(&Address::local("app"), producer)).unwrap();
        for i in 0..100_u8 {
            pair.send(initiator, Route::from(encryptor.clone()).then("echo"), &[i; 20]);
            assert_eq!(pair.delivered(initiator), [[i; 20]]);
        }
    }
}
