//! Sessions: when a peer is pinged, declared dead, and sought again.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use razor::env::{Entropy, Env, Instant, Purpose, Timestamp};
use razor::machine::Machine;
use razor::session::{Config, Input, Output, Session};

use super::{Kind, Meant, Outcome, bad, check, generate, good};

pub(super) const KINDS: &[Kind] = &[Kind {
    layer: "sessions",
    name: "session",
    committed: include_str!("../../sessions/session.json"),
    generate: || generate("session", "Sessions: what happens to them, and what they do.", sessions(), play),
    check: |kind, text, progress| check(kind, text, progress, play),
}];

/// A session and what happens to it. Times are milliseconds since it was made.
#[derive(Debug, Serialize, Deserialize)]
struct Story {
    ping_interval: u64,
    attempt_timeout: u64,
    backoff_base: u64,
    backoff_max: u64,
    /// The random numbers of pings, in order.
    pings: Vec<u64>,
    /// The random numbers of pauses, in order: 0 is the shortest pause, 2^32 - 1 nearly the longest.
    pauses: Vec<u32>,
    events: Vec<Happening>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Happening {
    at: u64,
    what: What,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// The attempt of this number has succeeded.
    Established(u64),
    /// It has failed.
    Failed(u64),
    /// A ping came back with this number.
    Pong(u64),
    /// Time has passed.
    Tick,
}

struct Script {
    pings: VecDeque<u64>,
    pauses: VecDeque<u32>,
}

impl Entropy for Script {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        match purpose {
            Purpose::Ping => out.copy_from_slice(&self.pings.pop_front().expect("a ping's number").to_le_bytes()),
            Purpose::Backoff => out.copy_from_slice(&self.pauses.pop_front().expect("a pause").to_le_bytes()),
            other => panic!("a session draws for {other:?}"),
        }
    }
}

fn instant(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn play(input: &Story) -> Outcome {
    let millis = Duration::from_millis;
    let config = Config {
        ping_interval: millis(input.ping_interval),
        attempt_timeout: millis(input.attempt_timeout),
        backoff_base: millis(input.backoff_base),
        backoff_max: millis(input.backoff_max),
    };
    let mut script = Script { pings: input.pings.clone().into(), pauses: input.pauses.clone().into() };
    let mut session = Session::new(config, Instant::ZERO);
    let mut done = vec![shown(0, &mut session)];
    for Happening { at, what } in &input.events {
        let mut env = Env::new(instant(*at), Timestamp::default(), &mut script);
        match what {
            What::Tick => session.handle_timeout(&mut env),
            What::Established(n) => handle(&mut session, &mut env, Input::Established(*n))?,
            What::Failed(n) => handle(&mut session, &mut env, Input::Failed(*n))?,
            What::Pong(n) => handle(&mut session, &mut env, Input::Pong(*n))?,
        }
        done.push(shown(*at, &mut session));
    }
    Ok(json!({ "steps": done }))
}

fn handle(session: &mut Session, env: &mut Env<'_>, input: Input) -> Result<(), razor::Error> {
    session.handle(env, input).map_err(|refused| refused.into_error("SES-4"))
}

/// What the session has done, and where it stands now.
fn shown(at: u64, session: &mut Session) -> Value {
    let mut outputs = Vec::new();
    while let Some(output) = session.poll_output() {
        outputs.push(match output {
            Output::Establish(attempt) => json!({ "establish": attempt }),
            Output::Ping(number) => json!({ "ping": number }),
            Output::Up => json!("up"),
            Output::Down => json!("down"),
        });
    }
    let deadline = session.deadline().map(|deadline| deadline.at.as_nanos() / 1_000_000);
    json!({ "at": at, "outputs": outputs, "state": session.state(), "deadline": deadline })
}

fn sessions() -> Vec<Meant<Story>> {
    use What::{Established, Failed, Pong, Tick};
    let of = |events: &[(u64, What)]| Story {
        ping_interval: 10_000,
        attempt_timeout: 30_000,
        backoff_base: 5_000,
        backoff_max: 80_000,
        pings: (1..=20).map(|n| n * 1000 + 7).collect(),
        pauses: vec![0, u32::MAX, 1 << 31, 0, 0, 0, 0, 0, 0],
        events: events.iter().map(|(at, what)| Happening { at: *at, what: *what }).collect(),
    };
    vec![
        good(
            "established at once, then pings that are answered",
            of(&[(100, Established(1)), (150, Pong(1007)), (10_100, Tick), (10_150, Pong(2007)), (20_100, Tick)]),
        ),
        good(
            "dead after three unanswered pings, and established anew",
            of(&[(0, Established(1)), (10_000, Tick), (20_000, Tick), (30_000, Tick), (30_500, Established(2))]),
        ),
        good(
            "the answer to any ping counts for all",
            of(&[
                (0, Established(1)),
                (10_000, Tick),
                (20_000, Tick),
                (25_000, Pong(1007)),
                (30_000, Tick),
                (40_000, Tick),
                (50_000, Tick),
                (60_000, Tick),
            ]),
        ),
        good(
            "failed attempts with growing pauses",
            of(&[
                (10, Failed(1)),
                (2_510, Tick),
                (2_600, Failed(2)),
                (12_600, Tick),
                (12_700, Failed(3)),
                (27_700, Tick),
            ]),
        ),
        good("an attempt without an outcome", of(&[(30_000, Tick), (32_500, Tick), (62_500, Tick)])),
        good(
            "the pause has a greatest length",
            of(&[
                (0, Failed(1)),
                (100_000, Tick),
                (100_000, Failed(2)),
                (200_000, Tick),
                (200_000, Failed(3)),
                (300_000, Tick),
                (300_000, Failed(4)),
                (400_000, Tick),
                (400_000, Failed(5)),
                (500_000, Tick),
                (500_000, Failed(6)),
                (600_000, Tick),
                (600_000, Failed(7)),
            ]),
        ),
        good("early ticks change nothing", of(&[(1, Tick), (2, Established(1)), (3, Tick), (10_001, Tick)])),
        good(
            "outcomes of older attempts are ignored",
            of(&[
                (10, Failed(1)),
                (2_510, Tick),
                (2_520, Established(1)),
                (2_530, Failed(1)),
                (2_540, Established(2)),
                (2_550, Established(2)),
            ]),
        ),
        good("an outcome after the attempt was given up is ignored", of(&[(30_000, Tick), (30_100, Established(1))])),
        bad("a pong before the session is up", "SES-4", of(&[(10, Pong(1007))])),
        bad("a pong with a number that no ping had", "SES-4", of(&[(0, Established(1)), (10, Pong(1008))])),
        bad("the same pong twice", "SES-4", of(&[(0, Established(1)), (10, Pong(1007)), (20, Pong(1007))])),
        bad(
            "a pong of before the peer was declared dead",
            "SES-4",
            of(&[
                (0, Established(1)),
                (10_000, Tick),
                (20_000, Tick),
                (30_000, Tick),
                (30_500, Established(2)),
                (30_600, Pong(1007)),
            ]),
        ),
    ]
}
