//! A session over a wire that is good, or cut. Its pings come to an application that answers as the script says: truly,
//! late, or with numbers that nobody asked for. From outside, each ping and each attempt has its time.

use std::collections::BTreeSet;
use std::time::Duration;

use razor::env::Instant;
use razor::node::{self, Event};
use razor::routing::Route;
use razor::session::{Config, Keeping, keep};
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::pair::{APP, Pair, wire};
use super::{Fault, Outcome, demand, fault};

const TIMES: Config = Config {
    ping_interval: Duration::from_secs(1),
    attempt_timeout: Duration::from_secs(5),
    backoff_base: Duration::from_secs(1),
    backoff_max: Duration::from_secs(6),
};

/// How many pings may be unanswered.
const UNANSWERED: usize = 3;

struct Kept {
    pair: Pair,
    random: Stream,
    /// All pings that there ever were.
    pings: BTreeSet<Vec<u8>>,
    /// Those of this channel that nobody has answered, and where an answer goes.
    open: Vec<(Vec<u8>, Route)>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let config = node::Config::DEFAULT;
    let (mut pair, [own, _]) = Pair::new(seed, "a session", &config, |_, config| config)?;
    let keeping = Keeping {
        channel: own,
        route: Route::from_iter([wire(), razor::channel::LISTENER.into()]),
        echo: APP.into(),
        session: TIMES,
    };
    let kept = pair.ends[0].stage.with(|node, env| keep::<NullSuite>(node, env, keeping));
    demand(kept.is_ok(), Property::Liveness, || "a session cannot be kept".into())?;
    pair.settle()?;
    let mut scene = Kept { pair, random: seed.stream("a session"), pings: BTreeSet::new(), open: Vec::new() };
    scene.is_up()?;
    scene.answered(6)?;
    scene.wrong_answers()?;
    scene.attempts()?;
    scene.answered(1)?;
    scene.closed()
}

impl Kept {
    /// The session has just come up, with a ping at once.
    fn is_up(&mut self) -> Outcome {
        let up = self.pair.ends[0].events.drain(..).any(|event| matches!(event, Event::SessionUp { .. }));
        demand(up, Property::Liveness, || "a session over a good wire does not come up".into())?;
        self.open.clear();
        self.ping("at once")
    }

    /// Exactly one ping has come, with a number that no other had.
    fn ping(&mut self, when: &str) -> Outcome {
        let got = std::mem::take(&mut self.pair.ends[1].got);
        let [(_, delivery)] = &got[..] else {
            return Err(fault(Property::Conformance, format!("{} pings came {when}, and not one", got.len())));
        };
        let number = delivery.message.payload().to_vec();
        demand(self.pings.insert(number.clone()), Property::Conformance, || "two pings have the same number".into())?;
        self.open.push((number, delivery.message.return_route().to_owned()));
        Ok(())
    }

    /// The next ping is due, and not a moment before; or the session is down because three are open.
    fn next(&mut self) -> Result<bool, Fault> {
        let moment = Duration::from_nanos(1);
        self.pair.pass(TIMES.ping_interval - moment)?;
        let quiet = self.pair.ends[1].got.is_empty() && !self.is_down();
        demand(quiet, Property::Conformance, || {
            format!(
                "before its time a session sent {} pings, or was down: {}",
                self.pair.ends[1].got.len(),
                self.is_down()
            )
        })?;
        let dies = self.open.len() == UNANSWERED;
        self.pair.pass(moment)?;
        let down = self.is_down();
        demand(down == dies, Property::Conformance, || {
            format!("with {} open pings a session is {}", self.open.len(), if down { "down" } else { "up" })
        })?;
        self.pair.ends[0].events.retain(|event| !matches!(event, Event::SessionDown { .. }));
        if !down {
            self.ping("after an interval")?;
        }
        Ok(!down)
    }

    fn is_down(&self) -> bool {
        self.pair.ends[0].events.iter().any(|event| matches!(event, Event::SessionDown { .. }))
    }

    /// The application answers with these bytes.
    fn answer(&mut self, number: &[u8], route: Route) -> Outcome {
        self.pair.say(1, route, number).map(|_| ())
    }

    /// Now one is answered, now another, some twice: an answer to any is one to all.
    fn answered(&mut self, rounds: usize) -> Outcome {
        for _ in 0..rounds {
            for _ in 0..self.random.index(UNANSWERED) {
                self.next()?;
            }
            let one = self.random.index(self.open.len());
            let (number, route) = self.open[one].clone();
            self.answer(&number, route.clone())?;
            if self.random.below(2) == 0 {
                self.answer(&number, route)?;
            }
            self.open.clear();
            self.next()?;
        }
        let (number, route) = self.open[0].clone();
        self.answer(&number, route)?;
        self.open.clear();
        Ok(())
    }

    /// Answers that answer nothing keep no session up. It dies, and is made anew at once.
    fn wrong_answers(&mut self) -> Outcome {
        let answered: Vec<Vec<u8>> = self.pings.iter().cloned().collect();
        self.pair.ends[0].begun();
        loop {
            if !self.next()? {
                break;
            }
            let (number, route) = self.open.last().cloned().expect("a ping has come");
            let mut other = number.clone();
            if let Some(last) = other.last_mut() {
                *last ^= 1;
            }
            let late = self.random.pick(&answered).cloned();
            self.answer(&other, route.clone())?;
            self.answer(&late.unwrap_or_default(), route)?;
        }
        demand(self.pair.ends[0].begun() == 1, Property::Conformance, || {
            "a session whose peer is dead does not begin anew at once".into()
        })?;
        self.is_up()
    }

    /// The wire is cut: when the session begins another attempt, and how long it paused before, counted from `since`.
    fn attempt(&mut self, since: Instant, timeout: Duration) -> Result<(Instant, Duration), Fault> {
        let end = since + timeout + TIMES.backoff_max;
        while self.pair.ends[0].stage.now < end {
            self.pair.step(end)?;
            let now = self.pair.ends[0].stage.now;
            match self.pair.ends[0].begun() {
                0 => {}
                1 => return Ok((now, now.since(since).saturating_sub(timeout))),
                many => return Err(fault(Property::Conformance, format!("{many} attempts were begun at once"))),
            }
        }
        Err(fault(Property::Liveness, "a session makes no other attempt in the longest time that it may pause"))
    }

    /// A pause is random, between half and all of what the failures before it make of it.
    fn check_pause(pause: Duration, failures: u32) -> Outcome {
        let most = TIMES.backoff_base.saturating_mul(1 << failures).min(TIMES.backoff_max);
        demand(pause >= most / 2 && pause <= most, Property::Conformance, || {
            format!(
                "a session paused for {pause:?} after {failures} failures before, and not for {:?} to {most:?}",
                most / 2
            )
        })
    }

    /// The wire is cut for some attempts, then good again.
    fn attempts(&mut self) -> Outcome {
        self.pair.cut = true;
        let end = self.pair.ends[0].stage.now + TIMES.ping_interval * (UNANSWERED as u32);
        while !self.is_down() && self.pair.ends[0].stage.now < end {
            self.pair.step(end)?;
        }
        demand(self.is_down(), Property::Conformance, || "a session that nobody answers is up".into())?;
        self.pair.ends[0].events.clear();
        self.pair.ends[1].got.clear();
        demand(self.pair.ends[0].begun() == 1, Property::Conformance, || {
            "a session whose peer is dead does not begin anew at once".into()
        })?;
        // It died twice since a ping was answered: of wrong answers, and of none.
        let mut since = self.pair.ends[0].stage.now;
        let mut fractions = Vec::new();
        for failures in 2..7 {
            let (now, pause) = self.attempt(since, TIMES.attempt_timeout)?;
            Self::check_pause(pause, failures)?;
            fractions.push(pause);
            since = now;
        }
        fractions.dedup();
        demand(fractions.len() > 2, Property::Conformance, || "the pauses of a session are not random".into())?;
        self.pair.cut = false;
        // The one that was begun last is lost.
        self.attempt(since, TIMES.attempt_timeout)?;
        self.pair.settle()?;
        self.is_up()
    }

    /// The far end closes the channel: after an answered ping, the session pauses as after a first failure.
    fn closed(&mut self) -> Outcome {
        self.pair.ends[1].got.clear();
        let channel = self.pair.ends[1].events.iter().rev().find_map(|event| match event {
            Event::ChannelOpened { encryptor, .. } => Some(encryptor.clone()),
            _ => None,
        });
        let Some(channel) = channel else { return Err(fault(Property::Liveness, "a session has no channel")) };
        self.pair.ends[0].begun();
        let since = self.pair.ends[0].stage.now;
        let stopped = self.pair.ends[1].stage.with(|node, env| node.stop_worker(env, &channel));
        demand(stopped.is_ok(), Property::Liveness, || "a session's channel is gone".into())?;
        self.pair.settle()?;
        demand(self.is_down(), Property::Conformance, || "a session whose channel is closed is up".into())?;
        let (_, pause) = self.attempt(since, Duration::ZERO)?;
        Self::check_pause(pause, 0)
    }
}
