//! A session over a wire that is good, or cut. Its pings come to an application that answers as the script says: truly,
//! late, or with numbers that nobody asked for. From outside, each ping and each attempt has its time.

use std::collections::BTreeSet;
use std::time::Duration;

use razor::env::Instant;
use razor::node::{self, Event, Flow, Hop, Mailbox, Spec};
use razor::routing::{Address, Route};
use razor::session::{Config, Keeping, keep};
use razor::transport::VERSION;
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::Frame;
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
    inner: Inner,
}

/// What nobody outside of a session is told: the addresses at which it and the keeper of its channel speak to each other.
struct Inner {
    way: Address,
    attempts: Address,
    control: Address,
}

/// Whoever sends through it comes near to what no stranger reaches by himself.
const HOP: &str = "hop";

impl Inner {
    /// What will be drawn for the session that is kept next.
    fn foreseen(pair: &Pair) -> Self {
        let mut entropy = pair.ends[0].stage.foresight();
        let [way, attempts, _, control] = [(); 4].map(|()| Address::random(&mut entropy));
        Self { way, attempts, control }
    }

    fn let_strangers_near(&self, pair: &mut Pair) -> Outcome {
        let end = &mut pair.ends[0];
        let flow = Flow { consumer_of: vec![end.reached], ..Flow::default() };
        let spec = Spec { mailboxes: vec![Mailbox::open(HOP.into())], flow, worker: Box::new(Hop) };
        end.stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
        let there = [&self.attempts, &self.control].into_iter().all(|address| end.stage.node.has_worker(address));
        demand(there, Property::Conformance, || "a session's addresses are not those that were drawn".into())
    }

    /// Strangers say what came of attempts, and that one is to be begun; the owner says what came of those that are over.
    fn lie(&self, pair: &mut Pair, over: std::ops::Range<u8>, current: u8) -> Outcome {
        let now = pair.ends[0].stage.now;
        let before = pair.ends[0].wrote.len();
        for number in over {
            pair.ends[0].stage.send(Route::from(self.control.clone()), Route::from_iter(["nowhere"]), &[number])?;
        }
        let stage = &mut pair.ends[0].stage;
        let (stranger, _) = stage.connect(Some(pair.ends[0].reached), None).expect("few connections");
        let stage = &mut pair.ends[0].stage;
        stage.receive(stranger, vec![VERSION])?;
        for to in [&self.attempts, &self.control] {
            for number in [current, current + 1] {
                let onward = vec![HOP.into(), to.clone()];
                let lie = Frame { onward, back: vec!["nowhere".into()], payload: vec![number], tracing: None };
                stage.receive(stranger, lie.encode())?;
            }
        }
        stage.must(razor::node::Input::Disconnected { connection: stranger })?;
        pair.settle()?;
        let end = &pair.ends[0];
        let up = end.events.iter().any(|event| matches!(event, Event::SessionUp { .. }));
        demand(!up && end.wrote.len() == before && end.stage.now == now, Property::Access, || {
            "a session believes what strangers say of it, or what is over".into()
        })
    }
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
    let inner = Inner::foreseen(&pair);
    let kept = pair.ends[0].stage.with(|node, env| keep::<NullSuite>(node, env, keeping));
    let Ok(razor::session::Kept { way, .. }) = kept else {
        return Err(fault(Property::Liveness, "a session cannot be kept"));
    };
    demand(way == inner.way, Property::Conformance, || "a session's first address is not the first drawn".into())?;
    inner.let_strangers_near(&mut pair)?;
    pair.settle()?;
    let mut scene = Kept { pair, random: seed.stream("a session"), pings: BTreeSet::new(), open: Vec::new(), inner };
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
        // The first came up, the second died, the third died, and five have failed.
        self.inner.lie(&mut self.pair, 0..8, 8)?;
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
        Self::check_pause(pause, 0)?;
        self.over()
    }

    /// Nobody keeps the session any more: its channel is closed.
    fn over(&mut self) -> Outcome {
        self.pair.settle()?;
        self.is_up()?;
        self.pair.ends[1].events.clear();
        let way = self.inner.way.clone();
        let stopped = self.pair.ends[0].stage.with(|node, env| node.stop_worker(env, &way));
        demand(stopped.is_ok(), Property::Liveness, || "the keeper of a session is gone".into())?;
        self.pair.settle()?;
        let closed = self.pair.ends[1].events.iter().any(|event| matches!(event, Event::ChannelClosed { .. }));
        demand(closed, Property::Bounds, || "nobody keeps a session any more, and its channel is open".into())
    }
}
