//! The session's machine: when to ping, when to give up, when to try again.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::env::{Env, Instant, Purpose};
use crate::error::Error;
use crate::machine::{Deadline, Machine, Refused, Snapshot, Transition};

/// How many pings may be unanswered before the peer is declared dead.
pub const MAX_UNANSWERED: usize = 3;

/// The times of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// From one ping to the next.
    pub ping_interval: Duration,
    /// How long an attempt to establish may take.
    pub attempt_timeout: Duration,
    /// The pause after the first failed attempt.
    pub backoff_base: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl Config {
    /// The shortest times.
    pub const FLOOR: Self = Self {
        ping_interval: Duration::from_secs(1),
        attempt_timeout: Duration::from_secs(5),
        backoff_base: Duration::from_secs(1),
        backoff_max: Duration::from_secs(1),
    };

    /// The longest times.
    pub const CEILING: Self = Self {
        ping_interval: Duration::from_secs(3600),
        attempt_timeout: Duration::from_secs(3600),
        backoff_base: Duration::from_secs(3600),
        backoff_max: Duration::from_secs(86_400),
    };

    /// Pings every 10 s; attempts of 30 s; pauses from 5 s to 80 s.
    pub const DEFAULT: Self = Self {
        ping_interval: Duration::from_secs(10),
        attempt_timeout: Duration::from_secs(30),
        backoff_base: Duration::from_secs(5),
        backoff_max: Duration::from_secs(80),
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a session takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The attempt of this number succeeded.
    Established(u64),
    /// The attempt of this number failed, or what it established is gone.
    Failed(u64),
    /// A ping came back with this number.
    Pong(u64),
}

/// What a session gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Establish the connection anew; answer with the number of the attempt.
    Establish(u64),
    /// Send a ping with this number.
    Ping(u64),
    /// The session is up.
    Up,
    /// The peer is declared dead.
    Down,
}

/// A session: `Establishing` until it is `Up`, `Pausing` after a failure, for ever in turns.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    /// The number of the newest attempt.
    attempt: u64,
    /// How many attempts failed and channels died since a ping was answered.
    failures: u32,
    outputs: VecDeque<Output>,
    now: Instant,
}

#[derive(Debug)]
enum State {
    Establishing { until: Instant },
    Pausing { until: Instant },
    Up { unanswered: Unanswered, next: Instant },
}

/// The numbers of the pings that wait for their answer.
#[derive(Debug, Clone, Copy, Default)]
struct Unanswered([Option<u64>; MAX_UNANSWERED]);

impl Unanswered {
    fn contains(&self, number: u64) -> bool {
        self.0.contains(&Some(number))
    }

    /// Takes one more; `false` when there is no room.
    fn push(&mut self, number: u64) -> bool {
        let free = self.0.iter_mut().find(|slot| slot.is_none());
        free.map(|slot| *slot = Some(number)).is_some()
    }

    fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }
}

impl Session {
    /// A session that asks at once to be established.
    pub fn new(config: Config, now: Instant) -> Self {
        let state = State::Pausing { until: now };
        let mut session = Self { config, state, attempt: 0, failures: 0, outputs: VecDeque::new(), now };
        session.establish();
        session
    }

    /// The session's transition table.
    pub fn transitions() -> &'static [Transition] {
        const TABLE: &[Transition] = &[
            Transition::new("[*]", "created / establish", "Establishing"),
            Transition::new("Establishing", "established / up, ping", "Up"),
            Transition::new("Establishing", "failed", "Pausing"),
            Transition::new("Establishing", "attempt timeout", "Pausing"),
            Transition::new("Pausing", "next attempt / establish", "Establishing"),
            Transition::new("Up", "ping due / ping", "Up"),
            Transition::new("Up", "pong", "Up"),
            Transition::new("Up", "channel closed / down", "Pausing"),
            Transition::new("Up", "peer dead / down, establish", "Establishing"),
        ];
        TABLE
    }

    /// The name of the state, as in [`transitions`](Self::transitions).
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Establishing { .. } => "Establishing",
            State::Pausing { .. } => "Pausing",
            State::Up { .. } => "Up",
        }
    }

    /// Whether the session is up.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether the outcome of this attempt is still waited for.
    pub(super) fn awaits(&self, attempt: u64) -> bool {
        matches!(self.state, State::Establishing { .. }) && attempt == self.attempt
    }

    fn establish(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.state = State::Establishing { until: self.now + self.config.attempt_timeout };
        self.outputs.push_back(Output::Establish(self.attempt));
    }

    fn pause(&mut self, env: &mut Env<'_>) {
        //= spec/src/sessions.md#ses-6
        //# After a failed attempt a session MUST pause for a random time between half and all of the base pause, doubled for each earlier failed attempt and each dead channel since the last answered ping, up to a greatest pause.
        let doubled = self.config.backoff_base.saturating_mul(2u32.saturating_pow(self.failures.min(16)));
        let half = doubled.min(self.config.backoff_max).checked_div(2).unwrap_or_default();
        let fraction = u32::from_le_bytes(env.entropy.array(Purpose::Backoff));
        let nanos = half.as_nanos().saturating_mul(u128::from(fraction)) >> 32;
        let jitter = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.failures = self.failures.saturating_add(1);
        let until = if planted!(PausesForGood) { Instant::NEVER } else { self.now + half.saturating_add(jitter) };
        self.state = State::Pausing { until };
    }

    fn ping_or_give_up(&mut self, env: &mut Env<'_>, mut unanswered: Unanswered) {
        //= spec/src/sessions.md#ses-2
        //# A session MUST declare its peer dead when a ping is due while three are unanswered, and then establish anew.
        if unanswered.is_full() && !planted!(NeverNoticesDeath) {
            self.outputs.push_back(Output::Down);
            self.failures = self.failures.saturating_add(1);
            self.establish();
            return;
        }
        //= spec/src/sessions.md#ses-5
        //# A ping MUST carry a fresh random number of 64 bits.
        let number = u64::from_le_bytes(env.entropy.array(Purpose::Ping));
        unanswered.push(number);
        self.outputs.push_back(Output::Ping(number));
        //= spec/src/sessions.md#ses-1
        //# A session that is up MUST send a ping at once and then after every interval.
        let next = if planted!(PingsOnce) { Instant::NEVER } else { self.now + self.config.ping_interval };
        self.state = State::Up { unanswered, next };
    }
}

impl Machine for Session {
    type Input = Input;
    type Output = Output;

    /// # Errors
    /// `SES-4` for a pong that answers no ping.
    fn handle(&mut self, env: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        self.now = self.now.max(env.now);
        match input {
            Input::Established(attempt) if self.awaits(attempt) => {
                self.outputs.push_back(Output::Up);
                self.ping_or_give_up(env, Unanswered::default());
            }
            Input::Failed(attempt) if self.awaits(attempt) => self.pause(env),
            //= spec/src/sessions.md#ses-11
            //# A session whose channel is closed MUST declare its peer dead at once, and pause before it establishes anew.
            Input::Failed(attempt) if self.is_up() && (attempt == self.attempt || planted!(OldFailureBringsDown)) => {
                self.outputs.push_back(Output::Down);
                self.pause(env);
            }
            //= spec/src/sessions.md#ses-7
            //# A session MUST ignore the outcome of every attempt but the newest, and of one that it has given up.
            Input::Established(_) | Input::Failed(_) => {}
            Input::Pong(number) => match &mut self.state {
                State::Up { unanswered, .. } if unanswered.contains(number) => {
                    //= spec/src/sessions.md#ses-3
                    //# A pong that carries the number of any unanswered ping MUST count as the answer to all of them.
                    *unanswered = Unanswered::default();
                    self.failures = 0;
                }
                //= spec/src/sessions.md#ses-4
                //# A session MUST refuse a pong that carries no unanswered ping's number, and change nothing.
                _ => return Err(Error::misbehaved("SES-4", "a pong answers no ping").into()),
            },
        }
        Ok(())
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        self.now = self.now.max(env.now);
        if self.deadline().is_none_or(|deadline| self.now < deadline.at) {
            return;
        }
        match self.state {
            //= spec/src/sessions.md#ses-8
            //# A session MUST give up an attempt that has no outcome within the attempt timeout, and treat it as failed.
            State::Establishing { .. } => self.pause(env),
            State::Pausing { .. } => self.establish(),
            State::Up { unanswered, .. } => self.ping_or_give_up(env, unanswered),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        Some(match &self.state {
            State::Establishing { until } => Deadline::new(*until, "attempt timeout"),
            State::Pausing { until } => Deadline::new(*until, "next attempt"),
            State::Up { unanswered, next } if unanswered.is_full() => Deadline::new(*next, "peer dead"),
            State::Up { next, .. } => Deadline::new(*next, "ping"),
        })
    }

    fn trusted(&self, picture: &mut Snapshot) {
        picture.number(self.attempt).number(self.failures.into());
        match &self.state {
            State::Establishing { until } => picture.number(0).number(until.as_nanos()),
            State::Pausing { until } => picture.number(1).number(until.as_nanos()),
            State::Up { unanswered, next } => {
                let picture = picture.number(2).number(next.as_nanos());
                unanswered.0.iter().flatten().fold(picture, |picture, number| picture.number(*number))
            }
        };
    }

    fn provisional(&self) -> usize {
        0
    }

    fn provisional_limit(&self) -> usize {
        0
    }
}
