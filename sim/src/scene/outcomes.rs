//! A session without a channel: it is told what came of any attempt at any time, and answers come or do not. Only what came
//! of the newest attempt counts, and that once.

use std::time::Duration;

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::session::{Config, Input, Output, Session};

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::{Outcome, demand, script};

/// Lines of the script.
const LINES: usize = 150;

/// How many pings may be unanswered.
const UNANSWERED: usize = 3;

const TIMES: Config = Config {
    ping_interval: Duration::from_secs(7),
    attempt_timeout: Duration::from_secs(11),
    backoff_base: Duration::from_secs(2),
    backoff_max: Duration::from_secs(13),
};

/// What a session has to be doing, and until when.
#[derive(Debug, Clone)]
enum Doing {
    Establishing(Instant),
    Pausing(Instant),
    Up { next: Instant, open: Vec<u64> },
}

struct Outcomes {
    session: Session,
    entropy: Seeded,
    random: Stream,
    now: Instant,
    doing: Doing,
    /// All attempts, with the newest at the end.
    attempts: Vec<u64>,
    /// All pings.
    pings: Vec<u64>,
    /// Failed attempts and dead channels since a ping was answered.
    failures: u32,
    said: Vec<Output>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let now = Instant::ZERO;
    let mut scene = Outcomes {
        session: Session::new(TIMES, now),
        entropy: Seeded::new(seed.derive("a session alone draws")),
        random: seed.stream("outcomes of attempts"),
        now,
        doing: Doing::Establishing(now + TIMES.attempt_timeout),
        attempts: Vec::new(),
        pings: Vec::new(),
        failures: 0,
        said: Vec::new(),
    };
    scene.listen();
    scene.begins()?;
    for _ in 0..LINES {
        scene.line()?;
    }
    Ok(())
}

impl Outcomes {
    fn line(&mut self) -> Outcome {
        match self.random.below(8) {
            0..=1 => self.outcome(),
            2..=3 => {
                let newest = *self.attempts.last().unwrap_or(&0);
                let good = self.random.below(3) > 0;
                self.came_of(newest, good)
            }
            4 => self.pong(),
            5 => {
                let Some(wait) = self.due().map(|due| due.since(self.now)) else { return Ok(()) };
                self.now = self.now + wait / 3;
                self.quiet("before its time")
            }
            _ => self.time(),
        }
    }

    fn note(&self, words: impl FnOnce() -> String) {
        script::note(self.now, "a session", words);
    }

    fn give(&mut self, input: Input) -> bool {
        self.note(|| format!("is told: {input:?}"));
        let wall = Timestamp(BEGIN);
        let given = self.session.handle(&mut Env::new(self.now, wall, &mut self.entropy), input).is_ok();
        self.listen();
        given
    }

    fn listen(&mut self) {
        self.said = std::iter::from_fn(|| self.session.poll_output()).collect();
        self.note(|| format!("says: {:?}", self.said));
    }

    fn called(&mut self) {
        let wall = Timestamp(BEGIN);
        self.session.handle_timeout(&mut Env::new(self.now, wall, &mut self.entropy));
        self.listen();
    }

    fn due(&self) -> Option<Instant> {
        self.session.deadline().map(|due| due.at)
    }

    /// It says nothing, and goes on with what it does.
    fn quiet(&mut self, when: &str) -> Outcome {
        let until = match &self.doing {
            Doing::Establishing(until) | Doing::Pausing(until) | Doing::Up { next: until, .. } => *until,
        };
        demand(self.said.is_empty() && self.due() == Some(until), Property::Conformance, || {
            format!("{when}, a session that was {:?} says {:?} until {:?}", self.doing, self.said, self.due())
        })
    }

    /// It has just asked for an attempt, with a number that none had.
    fn begins(&mut self) -> Outcome {
        let number = self.said.iter().find_map(|said| match said {
            Output::Establish(number) => Some(*number),
            _ => None,
        });
        demand(number.is_some_and(|number| !self.attempts.contains(&number)), Property::Conformance, || {
            format!("a session has to begin a new attempt, and says {:?}", self.said)
        })?;
        self.attempts.extend(number);
        self.doing = Doing::Establishing(self.now + TIMES.attempt_timeout);
        self.said.retain(|said| !matches!(said, Output::Establish(_)));
        self.quiet("with a new attempt")
    }

    /// It pauses, for a time that the failures make.
    fn pauses(&mut self) -> Outcome {
        let most = TIMES.backoff_base.saturating_mul(1 << self.failures.min(16)).min(TIMES.backoff_max);
        self.failures += 1;
        let until = self.due().unwrap_or(self.now);
        let pause = until.since(self.now);
        demand(pause >= most / 2 && pause <= most, Property::Conformance, || {
            format!("a session pauses for {pause:?}, and not for {:?} to {most:?}", most / 2)
        })?;
        self.doing = Doing::Pausing(until);
        self.quiet("in a pause")
    }

    /// It has just sent a ping, with a number that none had.
    fn pings(&mut self, mut open: Vec<u64>) -> Outcome {
        let [Output::Ping(number)] = self.said[..] else {
            return demand(false, Property::Conformance, || {
                format!("a ping is due, and a session says {:?}", self.said)
            });
        };
        demand(!self.pings.contains(&number), Property::Conformance, || "two pings have the same number".into())?;
        self.said.clear();
        self.pings.push(number);
        open.push(number);
        self.doing = Doing::Up { next: self.now + TIMES.ping_interval, open };
        self.quiet("with a ping")
    }

    /// What came of some attempt: an old one, the newest, or one that there never was.
    fn outcome(&mut self) -> Outcome {
        let newest = *self.attempts.last().unwrap_or(&0);
        let number = match self.random.below(4) {
            0 => newest,
            1 => newest.wrapping_add(1),
            _ => *self.random.pick(&self.attempts).unwrap_or(&newest),
        };
        let good = self.random.below(2) == 0;
        self.came_of(number, good)
    }

    fn came_of(&mut self, number: u64, good: bool) -> Outcome {
        let newest = self.attempts.last() == Some(&number);
        self.give(if good { Input::Established(number) } else { Input::Failed(number) });
        match (&self.doing, good) {
            (Doing::Establishing(_), true) if newest => {
                let up = self.said.first() == Some(&Output::Up);
                demand(up, Property::Liveness, || format!("an attempt succeeds, and a session says {:?}", self.said))?;
                self.said.remove(0);
                self.pings(Vec::new())
            }
            (Doing::Establishing(_), false) if newest => self.pauses(),
            (Doing::Up { .. }, false) if newest => {
                let down = self.said == [Output::Down];
                demand(down, Property::Conformance, || {
                    format!("a channel is gone, and its session says {:?}", self.said)
                })?;
                self.said.clear();
                self.pauses()
            }
            _ => self.quiet(if newest { "told once more of the newest attempt" } else { "told of another attempt" }),
        }
    }

    /// An answer to any ping that there ever was, or to none.
    fn pong(&mut self) -> Outcome {
        let open = match &self.doing {
            Doing::Up { open, .. } => open.clone(),
            _ => Vec::new(),
        };
        let any = *self.random.pick(&self.pings).unwrap_or(&0);
        let number = match self.random.below(3) {
            0 => any,
            1 => any ^ 1,
            _ => *self.random.pick(&open).unwrap_or(&any),
        };
        let right = open.contains(&number);
        let taken = self.give(Input::Pong(number));
        demand(taken == right, Property::Conformance, || {
            format!("a session with the open pings {open:?} took {number}: {taken}")
        })?;
        if let Doing::Up { open, .. } = &mut self.doing
            && right
        {
            open.clear();
            self.failures = 0;
        }
        self.quiet("after an answer")
    }

    /// Time passes until it has something to do: a moment before, it does nothing.
    fn time(&mut self) -> Outcome {
        let Some(due) = self.due() else { return Ok(()) };
        self.now = Instant::from_nanos(due.as_nanos() - 1).max(self.now);
        if self.now < due {
            self.called();
            self.quiet("a moment before its time")?;
        }
        self.now = due;
        self.called();
        match self.doing.clone() {
            Doing::Establishing(_) => self.pauses(),
            Doing::Pausing(_) => self.begins(),
            Doing::Up { open, .. } if open.len() < UNANSWERED => self.pings(open),
            Doing::Up { .. } => {
                let down = self.said.first() == Some(&Output::Down);
                demand(down, Property::Conformance, || {
                    format!("{UNANSWERED} pings are unanswered, and a session says {:?}", self.said)
                })?;
                self.said.remove(0);
                self.failures += 1;
                self.begins()
            }
        }
    }
}
