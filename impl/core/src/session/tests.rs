//! A session over good, bad and hostile connections.

use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::env::{Entropy, Env, Instant, Seeded, Timestamp};
use crate::error::{Blame, Error};
use crate::identity::Identifier;
use crate::machine::{Machine, Refused, Snapshot};
use crate::node::{ConnectionId, Context, Delivery, Event, Op, Port, Provenance, Worker};
use crate::routing::{Address, Message, Route};

struct Bed {
    session: Session,
    entropy: Seeded,
    now: Instant,
}

const SECOND: u64 = 1_000_000_000;

impl Bed {
    fn new() -> Self {
        let session = Session::new(Config::default(), Instant::ZERO);
        Self { session, entropy: Seeded::from_u64(1), now: Instant::ZERO }
    }

    /// A session that is up, and its first ping.
    fn up() -> (Self, u64) {
        let mut bed = Self::new();
        assert_eq!(bed.drain(), [Output::Establish(1)]);
        bed.input(Input::Established(1)).unwrap();
        let [Output::Up, Output::Ping(ping)] = bed.drain()[..] else { panic!("up, and a ping at once") };
        (bed, ping)
    }

    fn input(&mut self, input: Input) -> Result<(), Error> {
        let mut env = Env::new(self.now, Timestamp(0), &mut self.entropy);
        self.session.handle(&mut env, input).map_err(|refused| Refused::into_error(refused, "full"))
    }

    fn drain(&mut self) -> Vec<Output> {
        core::iter::from_fn(|| self.session.poll_output()).collect()
    }

    /// Lets time pass until the next deadline; gives how many seconds that took and what came out.
    fn next(&mut self) -> (f64, Vec<Output>) {
        let at = self.session.deadline().unwrap().at;
        let passed = at.since(self.now);
        self.now = Instant::from_nanos(at.as_nanos() - 1);
        self.timeout();
        assert_eq!(self.drain(), [], "a nanosecond early nothing happens");
        self.now = at;
        self.timeout();
        (passed.as_secs_f64(), self.drain())
    }

    fn timeout(&mut self) {
        self.session.handle_timeout(&mut Env::new(self.now, Timestamp(0), &mut self.entropy));
    }

    fn picture(&self) -> (Snapshot, [u128; 7]) {
        let mut picture = Snapshot::new();
        self.session.trusted(&mut picture);
        (picture, self.entropy.positions())
    }
}

//= spec/src/sessions.md#ses-1
//= type=test
//# A session that is up MUST send a ping at once and then after every interval.
//= spec/src/sessions.md#ses-5
//= type=test
//# A ping MUST carry a fresh random number of 64 bits.
#[test]
fn an_answered_session_pings_every_ten_seconds_for_ever() {
    let (mut bed, mut ping) = Bed::up();
    let mut seen = Vec::new();
    for _ in 0..100 {
        assert!(!seen.contains(&ping));
        seen.push(ping);
        bed.input(Input::Pong(ping)).unwrap();
        let (passed, outputs) = bed.next();
        assert_eq!(passed, 10.0);
        let [Output::Ping(number)] = outputs[..] else { panic!("one ping") };
        ping = number;
    }
    let mut other = Seeded::from_u64(1);
    let first = u64::from_le_bytes((&mut other as &mut dyn Entropy).array(crate::env::Purpose::Ping));
    assert_eq!(seen[0], first, "the number is the stream's, whole");
}

//= spec/src/sessions.md#ses-2
//= type=test
//# A session MUST declare its peer dead when a ping is due while three are unanswered, and then establish anew.
#[test]
fn a_silent_peer_is_dead_after_thirty_seconds() {
    let (mut bed, _) = Bed::up();
    for _ in 0..2 {
        assert!(matches!(bed.next().1[..], [Output::Ping(_)]));
    }
    assert_eq!(bed.session.deadline().unwrap().reason, "peer dead");
    assert_eq!(bed.next(), (10.0, alloc::vec![Output::Down, Output::Establish(2)]));
    assert_eq!(bed.now.as_nanos(), 30 * SECOND);
    assert!(!bed.session.is_up());
}

//= spec/src/sessions.md#ses-3
//= type=test
//# A pong that carries the number of any unanswered ping MUST count as the answer to all of them.
#[test]
fn a_late_answer_to_the_oldest_ping_saves_the_session() {
    let (mut bed, first) = Bed::up();
    bed.next();
    bed.next();
    bed.input(Input::Pong(first)).unwrap();
    for _ in 0..3 {
        assert!(matches!(bed.next().1[..], [Output::Ping(_)]));
    }
    assert!(matches!(bed.next().1[..], [Output::Down, Output::Establish(2)]));
}

//= spec/src/sessions.md#ses-4
//= type=test
//# A session MUST refuse a pong that carries no unanswered ping's number, and change nothing.
#[test]
fn forged_repeated_and_late_pongs_change_nothing() {
    let (mut bed, ping) = Bed::up();
    let refuse = |bed: &mut Bed, number| {
        let before = bed.picture();
        let error = bed.input(Input::Pong(number)).unwrap_err();
        assert_eq!((error.blame(), error.requirement()), (Blame::Misbehaved, "SES-4"));
        assert!(bed.picture() == before && bed.drain().is_empty());
    };
    for forged in [0, ping ^ 1, u64::MAX] {
        refuse(&mut bed, forged);
    }
    bed.input(Input::Pong(ping)).unwrap();
    refuse(&mut bed, ping);
    let [Output::Ping(last)] = bed.next().1[..] else { panic!("one ping") };
    bed.next();
    bed.next();
    bed.next();
    // The peer is declared dead: its answer comes too late, also when the session is up again.
    refuse(&mut bed, last);
    bed.input(Input::Established(2)).unwrap();
    bed.drain();
    refuse(&mut bed, last);
}

//= spec/src/sessions.md#ses-6
//= type=test
//# After a failed attempt a session MUST pause for a random time between half and all of the base pause, doubled for each earlier failed attempt and each dead channel since the last answered ping, up to a greatest pause.
#[test]
fn pauses_grow_to_a_bound_and_an_answered_ping_resets_them() {
    let mut bed = Bed::new();
    bed.drain();
    for (attempt, most) in [5.0, 10.0, 20.0, 40.0, 80.0, 80.0, 80.0].into_iter().enumerate() {
        bed.input(Input::Failed(attempt as u64 + 1)).unwrap();
        assert_eq!(bed.drain(), []);
        let (pause, outputs) = bed.next();
        assert!((most / 2.0..=most).contains(&pause), "{pause} after failure {attempt}");
        assert_eq!(outputs, [Output::Establish(attempt as u64 + 2)]);
    }
    for _ in 0..100 {
        let newest = bed.session.deadline();
        bed.next();
        assert!(bed.session.deadline() > newest);
    }
    let mut bed = Bed::up().0;
    bed.next();
    bed.next();
    bed.next();
    // One that opens and never answers counts as failed, too.
    bed.input(Input::Failed(2)).unwrap();
    assert!((5.0..=10.0).contains(&bed.next().0));
    bed.drain();
    bed.input(Input::Established(3)).unwrap();
    let [Output::Up, Output::Ping(ping)] = bed.drain()[..] else { panic!("up, and a ping at once") };
    bed.input(Input::Pong(ping)).unwrap();
    for _ in 0..4 {
        bed.next();
    }
    bed.input(Input::Failed(4)).unwrap();
    assert!((5.0..=10.0).contains(&bed.next().0));
}

//= spec/src/sessions.md#ses-6
//= type=test
//# After a failed attempt a session MUST pause for a random time between half and all of the base pause, doubled for each earlier failed attempt and each dead channel since the last answered ping, up to a greatest pause.
#[test]
fn sessions_that_fail_together_do_not_come_back_together() {
    let pause = |seed| {
        let mut bed = Bed { entropy: Seeded::from_u64(seed), ..Bed::new() };
        bed.drain();
        bed.input(Input::Failed(1)).unwrap();
        bed.next().0
    };
    let pauses: Vec<f64> = (0..200).map(pause).collect();
    // The time between half and all of five seconds, in ten parts: in each are some, in none are many.
    for part in 0..10 {
        let from = 2.5 + 0.25 * f64::from(part);
        let count = pauses.iter().filter(|pause| (from..from + 0.25).contains(*pause)).count();
        assert!((5..=40).contains(&count), "{count} from {from} s");
    }
}

//= spec/src/sessions.md#ses-7
//= type=test
//# A session MUST ignore the outcome of every attempt but the newest, and of one that it has given up.
//= spec/src/sessions.md#ses-8
//= type=test
//# A session MUST give up an attempt that has no outcome within the attempt timeout, and treat it as failed.
#[test]
fn an_attempt_without_outcome_is_given_up_and_its_late_outcome_ignored() {
    let mut bed = Bed::new();
    bed.drain();
    assert_eq!(bed.next(), (30.0, alloc::vec![]));
    let paused = bed.picture();
    for late in [Input::Established(1), Input::Failed(1), Input::Established(2), Input::Failed(0)] {
        bed.input(late).unwrap();
        assert!(bed.picture() == paused && bed.drain().is_empty());
    }
    assert_eq!(bed.next().1, [Output::Establish(2)]);
    bed.input(Input::Established(1)).unwrap();
    assert!(!bed.session.is_up());
    bed.input(Input::Established(2)).unwrap();
    assert!(bed.session.is_up());
    // Said twice, it is still up, with the same pings.
    let up = bed.picture();
    bed.drain();
    bed.input(Input::Established(2)).unwrap();
    bed.input(Input::Failed(1)).unwrap();
    assert!(bed.picture() == up && bed.drain().is_empty());
}

//= spec/src/sessions.md#ses-11
//= type=test
//# A session whose channel is closed MUST declare its peer dead at once, and pause before it establishes anew.
#[test]
fn a_peer_that_opens_channels_and_closes_them_is_asked_less_and_less_often() {
    let mut bed = Bed::new();
    bed.drain();
    for (attempt, most) in (1..).zip([5.0, 10.0, 20.0, 40.0, 80.0, 80.0]) {
        bed.input(Input::Established(attempt)).unwrap();
        assert_eq!(bed.drain().len(), 2);
        bed.input(Input::Failed(attempt)).unwrap();
        assert_eq!(bed.drain(), [Output::Down]);
        assert_eq!(bed.session.state(), "Pausing");
        let (pause, outputs) = bed.next();
        assert!((most / 2.0..=most).contains(&pause), "{pause} s after channel {attempt}");
        assert_eq!(outputs, [Output::Establish(attempt + 1)]);
    }
}

proptest! {
    /// Whatever happens, the session asks to be called again, gives few outputs, and is deterministic.
    #[test]
    fn any_life_of_a_session_is_bounded_and_deterministic(steps in proptest::collection::vec((0..4u8, 0..4u64, 0..40u64), 0..60)) {
        let run = || {
            let mut bed = Bed::new();
            bed.drain();
            let mut trace = Vec::new();
            let mut last_ping = 0;
            for (kind, attempt, seconds) in &steps {
                bed.now = bed.now + Duration::from_secs(*seconds);
                let before = bed.session.state();
                let _ = match kind {
                    0 => bed.input(Input::Established(*attempt)),
                    1 => bed.input(Input::Failed(*attempt)),
                    2 => bed.input(Input::Pong(last_ping)),
                    _ => { bed.timeout(); Ok(()) }
                };
                let outputs = bed.drain();
                assert!(outputs.len() <= 2);
                let after = bed.session.state();
                let tabled = Session::transitions().iter().any(|row| (row.from, row.to) == (before, after));
                assert!(before == after || tabled, "{before} to {after} is not in the table");
                if let Some(Output::Ping(ping)) = outputs.last() {
                    last_ping = *ping;
                }
                assert!(bed.session.deadline().is_some());
                trace.push((outputs, bed.session.deadline()));
            }
            trace
        };
        prop_assert_eq!(run(), run());
    }
}

/// The worker, in a node of which only what it asks for exists.
struct Node {
    worker: SessionWorker,
    entropy: Seeded,
    now: Instant,
    next_request: u64,
    next_flow: u64,
}

impl Node {
    fn new() -> Self {
        let worker = SessionWorker::new(Config::default(), Instant::ZERO, "owner".into(), "echo".into());
        Self { worker, entropy: Seeded::from_u64(2), now: Instant::ZERO, next_request: 0, next_flow: 0 }
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut SessionWorker, &mut Context<'_>) -> Result<(), Error>,
    ) -> (Result<(), Error>, Vec<Op>) {
        let mut ops = Vec::new();
        let mailboxes = [Address::from("collector"), Address::from("control")];
        let mut cx = Context {
            now: self.now,
            wall: Timestamp(0),
            entropy: &mut self.entropy,
            mailboxes: &mailboxes,
            next_request: &mut self.next_request,
            next_flow: &mut self.next_flow,
            ops: &mut ops,
        };
        let result = call(&mut self.worker, &mut cx);
        ops.retain(|op| !matches!(op, Op::Timer(_)));
        (result, ops)
    }

    fn deliver(
        &mut self,
        port: Port,
        back: &str,
        payload: &[u8],
        provenance: Provenance,
    ) -> (Result<(), Error>, Vec<Op>) {
        let onward = Route::from(Address::from("here"));
        let back = if back.is_empty() { Route::new() } else { back.parse().unwrap() };
        let message = Message::new(onward.as_ref(), back.as_ref(), payload);
        self.call(|worker, cx| worker.handle_message(cx, Delivery { message, port, provenance }))
    }

    fn picture(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.worker.trusted(&mut picture);
        picture
    }
}

fn sent(op: &Op) -> (Port, String, String, Vec<u8>) {
    let Op::Send { port, message, .. } = op else { panic!("a message") };
    (*port, message.onward().to_string(), message.return_route().to_string(), message.payload().to_vec())
}

fn text(route: &str) -> String {
    route.parse::<Route>().unwrap().to_string()
}

//= spec/src/sessions.md#ses-10
//= type=test
//# A ping MUST travel through the channel that it tests, to a worker of the far node that sends its payload back unchanged.
#[test]
fn the_worker_asks_its_owner_for_a_way_and_pings_along_it() {
    let mut node = Node::new();
    // A forged pong that comes first takes nothing away.
    let (result, ops) = node.deliver(COLLECTOR, "far", &[7], Provenance::channel(Identifier([1; 32])));
    assert!(result.is_err() && ops.is_empty());
    let (_, ops) = node.call(|worker, cx| worker.handle_start(cx));
    assert_eq!(sent(&ops[0]), (CONTROL, text("owner"), text("control"), alloc::vec![1]));
    assert!(node.worker.route().is_none());

    let (result, ops) = node.deliver(CONTROL, "encryptor => hop", &[1], Provenance::LOCAL);
    result.unwrap();
    assert!(matches!(&ops[0], Op::Event(Event::SessionUp { session }) if *session == Address::from("collector")));
    let (port, onward, back, payload) = sent(&ops[1]);
    assert_eq!((port, onward, back), (COLLECTOR, text("encryptor => hop => echo"), text("collector")));
    assert_eq!(payload[0], 0x1b);
    assert_eq!(node.worker.route().unwrap().to_string(), text("encryptor => hop"));

    // The echo answers from a channel; anything else changes nothing.
    let before = node.picture();
    for garbage in [&b""[..], b"\xff", b"\x00", b"\x18\x00", b"\x00\x00"] {
        assert!(node.deliver(COLLECTOR, "far", garbage, Provenance::channel(Identifier([1; 32]))).0.is_err());
        assert!(node.picture() == before);
    }
    node.deliver(COLLECTOR, "far", &payload, Provenance::channel(Identifier([1; 32]))).0.unwrap();
    assert!(node.picture() != before);

    // Silence: three more pings, then the peer is dead and the owner is asked again.
    let mut last = Vec::new();
    for _ in 0..4 {
        node.now = node.now + Duration::from_secs(10);
        last = node.call(|worker, cx| worker.handle_timeout(cx)).1;
    }
    assert!(matches!(&last[0], Op::Event(Event::SessionDown { .. })));
    assert_eq!(sent(&last[1]), (CONTROL, text("owner"), text("control"), alloc::vec![2]));
    assert!(node.worker.route().is_none());
}

//= spec/src/sessions.md#ses-9
//= type=test
//# A session MUST take the outcome of an attempt only from a message that began in its own node.
#[test]
fn nobody_else_says_what_came_of_an_attempt_and_a_stale_outcome_moves_no_route() {
    let mut node = Node::new();
    node.deliver(CONTROL, "", &[0], Provenance::LOCAL).0.unwrap();
    let before = node.picture();
    for foreign in [Provenance::channel(Identifier([1; 32])), Provenance::connection(ConnectionId(1))] {
        let error = node.deliver(CONTROL, "mallory", &[1], foreign).0.unwrap_err();
        assert_eq!((error.blame(), error.requirement()), (Blame::Denied, "SES-9"));
        assert!(node.picture() == before);
    }
    node.deliver(CONTROL, "stale", &[7], Provenance::LOCAL).0.unwrap();
    assert!(node.picture() == before && node.worker.route().is_none());
    // An empty route is a failure: the owner is asked again after the pause.
    let (_, ops) = node.deliver(CONTROL, "", &[1], Provenance::LOCAL);
    assert!(ops.is_empty());
    node.now = node.now + Duration::from_secs(5);
    let (_, ops) = node.call(|worker, cx| worker.handle_timeout(cx));
    assert_eq!(sent(&ops[0]).3, [2]);
}
