//! What an application sends through a session: refused while there is no open channel, and kept while there is one that
//! takes no more.

use std::time::Duration;

use razor::channel::LISTENER;
use razor::env::Instant;
use razor::error::Blame;
use razor::identity::Identifier;
use razor::node::{self, Event};
use razor::routing::{Address, Route};
use razor::session::{Config, Keeping, Kept, keep};
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::Kind;
use crate::seed::{Seed, Stream};

use super::pair::{APP, Pair, check_got, wire};
use super::{Outcome, demand, fault};

/// Its pings disturb nobody.
const TIMES: Config = Config {
    ping_interval: Duration::from_secs(3_600),
    attempt_timeout: Duration::from_secs(30),
    backoff_base: Duration::from_secs(1),
    backoff_max: Duration::from_secs(2),
};

/// Less than a message may wait.
const MOMENT: Duration = Duration::from_millis(20);

/// More than two nodes take whose queues are short.
const MANY: usize = 40;

struct Through {
    pair: Pair,
    random: Stream,
    way: Address,
    names: [Identifier; 2],
    said: u32,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let config = node::Config { inbox: 4, hand_over: 1, transmit: 256, ..node::Config::DEFAULT };
    let (mut pair, [own, _]) = Pair::new(seed, "what goes through a session", &config, |_, config| config)?;
    let mut random = seed.stream("what goes through a session");
    // The first attempt comes to nothing, or waits for the own vault.
    let lost = random.below(2) == 0;
    (pair.cut, pair.ends[0].muses) = (lost, !lost);
    let route = Route::from_iter([wire(), LISTENER.into()]);
    let keeping = Keeping { channel: own, route, echo: APP.into(), session: TIMES };
    let kept = pair.ends[0].stage.with(|node, env| keep::<NullSuite>(node, env, keeping));
    let Ok(Kept { way, .. }) = kept else { return Err(fault(Property::Liveness, "a session cannot be kept")) };
    let names = [0, 1].map(|number: usize| pair.ends[number].name);
    let mut scene = Through { pair, random, way, names, said: 0 };
    scene.pair.settle()?;
    scene.refused("before its first channel is open")?;
    if lost {
        scene.pair.pass(TIMES.attempt_timeout)?;
        scene.refused("while it pauses")?;
        scene.pair.cut = false;
        scene.pair.pass(TIMES.backoff_max)?;
    } else {
        scene.pair.ends[0].muses = false;
        scene.pair.ends[0].say_what_is_computed()?;
        scene.pair.settle()?;
    }
    scene.is_up()?;
    for _ in 0..2 {
        let nothing_leaves = scene.random.below(2) == 0;
        scene.pressure(nothing_leaves)?;
        scene.pressure(!nothing_leaves)?;
    }
    scene.closed()?;
    scene.is_up()?;
    scene.pressure(true)
}

impl Through {
    fn words(&mut self) -> Vec<u8> {
        self.said += 1;
        self.said.to_be_bytes().to_vec()
    }

    fn say(&mut self, words: &[u8]) -> Result<bool, super::Fault> {
        let route = Route::from_iter([self.way.clone(), APP.into()]);
        self.pair.say(0, route, words)
    }

    /// The session is up, and what came of it is its ping alone.
    fn is_up(&mut self) -> Outcome {
        let up = self.pair.ends[0].events.drain(..).any(|event| matches!(event, Event::SessionUp { .. }));
        demand(up, Property::Liveness, || "a session over a good wire does not come up".into())?;
        let came = std::mem::take(&mut self.pair.ends[1].got).len();
        demand(came == 1, Property::Conformance, || {
            format!("a session has come up with one ping, and {came} messages came: it keeps what it refused")
        })
    }

    /// There is no open channel: whatever is sent is dropped at once, for that very reason.
    fn refused(&mut self, when: &str) -> Outcome {
        for _ in 0..self.random.within(1..=3) {
            self.pair.ends[0].events.clear();
            self.pair.ends[0].wrote.clear();
            let words = self.words();
            self.say(&words)?;
            let end = &self.pair.ends[0];
            let why = end.events.iter().find_map(|event| match event {
                Event::Dropped { error, .. } => Some((error.blame(), error.requirement())),
                _ => None,
            });
            demand(why == Some((Blame::Limit, "SES-13")), Property::Conformance, || {
                format!("{when}, what was sent through a session was refused for {why:?}")
            })?;
            let left = end.wrote.iter().any(|frame| matches!(frame.kind(), Kind::Channel(_)));
            demand(!left, Property::Conformance, || format!("{when}, something left through a session"))?;
        }
        Ok(())
    }

    /// Nothing leaves, or nobody takes anything, for less than the stall time: what was taken comes, in its order.
    fn pressure(&mut self, nothing_leaves: bool) -> Outcome {
        self.pair.ends[0].holds = nothing_leaves;
        self.pair.ends[1].sleeps = !nothing_leaves;
        let (mut expected, mut refused) = (Vec::new(), false);
        for _ in 0..MANY {
            let words = self.words();
            if self.say(&words)? {
                expected.push(words);
            } else {
                refused = true;
            }
            if self.random.below(4) == 0 {
                self.pair.pass(MOMENT)?;
            }
        }
        demand(refused || !nothing_leaves, Property::Bounds, || {
            "nothing leaves, and a session takes all that is sent".into()
        })?;
        self.pair.ends[0].holds = false;
        self.pair.settle()?;
        if !nothing_leaves {
            self.pair.ends[1].wake()?;
            self.pair.settle()?;
        }
        let when = if nothing_leaves { "through a session whose bytes did not leave" } else { "through a session" };
        check_got(&mut self.pair.ends[1], &expected, self.names[0], when)
    }

    /// The far end closes the channel: from then on there is none, until the session has another.
    fn closed(&mut self) -> Outcome {
        let channel = self.pair.ends[1].events.iter().rev().find_map(|event| match event {
            Event::ChannelOpened { encryptor, .. } => Some(encryptor.clone()),
            _ => None,
        });
        let Some(channel) = channel else { return Err(fault(Property::Liveness, "a session has no channel")) };
        let stopped = self.pair.ends[1].stage.with(|node, env| node.stop_worker(env, &channel));
        demand(stopped.is_ok(), Property::Liveness, || "a session's channel is gone".into())?;
        self.pair.settle()?;
        self.refused("after its channel is closed")?;
        self.pair.ends[1].got.clear();
        // The pause is half of the longest at least.
        let until: Instant = self.pair.ends[0].stage.now + TIMES.backoff_max;
        while self.pair.ends[0].begun() == 0 && self.pair.ends[0].stage.now < until {
            self.pair.step(until)?;
        }
        self.pair.settle()
    }
}
