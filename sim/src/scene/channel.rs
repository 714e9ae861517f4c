//! One channel through its days: it opens, is silent for minutes, is under pressure from both sides, loses its way or is
//! closed. Some pad. Before and after it, somebody comes who must not leave anything behind.

use std::time::Duration;

use razor::channel::{Addresses, HandshakeTime, HoldLimits, LISTENER, Padding, PaddingLimit, Trust, create};
use razor::identity::Identifier;
use razor::node::{Config, Event};
use razor::routing::{Address, Message, Route};
use razor::transport::VERSION;
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::pair::{APP, Pair, check_got, wire};
use super::{Outcome, demand, fault};

/// Longer than anybody keeps what can be made anew.
const SILENCE: Duration = Duration::from_secs(61);

/// A block so large that some paddings are more than the second of the two bears.
const LARGE: u16 = 4_096;

/// Runs of messages between silences.
const RUNS: usize = 6;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a channel's days");
    let block = [None, Some(64), Some(LARGE)][random.index(3)];
    let config = Config { inbox: 4, hand_over: 1, transmit: 256, ..Config::DEFAULT };
    let (mut pair, [own, _]) = Pair::new(seed, "a channel's days", &config, |number, mut config| {
        config.padding = block.filter(|_| number == 0).map_or(Padding::None, Padding::MultipleOf);
        config.padding_limit = PaddingLimit::FLOOR;
        config
    })?;
    strangers_leave_nothing(&mut pair)?;
    let workers = [0, 1].map(|number: usize| pair.ends[number].stage.node.workers());
    let route = Route::from_iter([wire(), LISTENER.into()]);
    let created = pair.ends[0].stage.with(|node, env| create::<NullSuite>(node, env, own, &route));
    demand(created.is_ok(), Property::Liveness, || "a channel cannot be begun".into())?;
    pair.settle()?;
    let [(near, responder), (far, initiator)] = [pair.ends[0].opened()?, pair.ends[1].opened()?];
    let names = [0, 1].map(|number: usize| pair.ends[number].name);
    demand([initiator, responder] == names, Property::Agreement, || "two ends do not agree on who they are".into())?;
    // The application of the first is reached by the second, whom it has called.
    let node = &mut pair.ends[0].stage.node;
    if let Some(producer) = node.producer_at(&near) {
        node.add_consumer(&APP.into(), producer).expect("the inbox is there");
    }
    let mut days = Days { pair, random, names, ends: [near, far], said: 0, block };
    days.silences()?;
    days.padding()?;
    days.tracing()?;
    days.pressure(0)?;
    days.pressure(1)?;
    days.end(workers)?;
    refused(seed)?;
    behind_message_3(seed)?;
    behind_a_vault(seed)?;
    unanswered(seed)
}

struct Days {
    pair: Pair,
    random: Stream,
    names: [Identifier; 2],
    /// Where each sends to.
    ends: [Address; 2],
    said: u32,
    block: Option<u16>,
}

impl Days {
    /// Something that nobody has said before, long enough that its padding is borne.
    fn words(&mut self) -> Vec<u8> {
        self.said += 1;
        let mut words = self.said.to_be_bytes().to_vec();
        if self.block == Some(LARGE) {
            words.resize(3_500, 7);
        }
        words
    }

    fn say(&mut self, from: usize, words: &[u8]) -> Result<bool, super::Fault> {
        let route = Route::from_iter([self.ends[from].clone(), APP.into()]);
        self.pair.say(from, route, words)
    }

    /// Both speak in runs, with minutes of silence between them.
    fn silences(&mut self) -> Outcome {
        for run in 0..RUNS {
            for from in [0, 1] {
                let mut expected = Vec::new();
                for _ in 0..self.random.within(1..=24) {
                    let words = self.words();
                    let taken = self.say(from, &words)?;
                    demand(taken, Property::Liveness, || "an open channel over a good wire takes nothing".into())?;
                    expected.push(words);
                }
                let when = format!("after {run} silences of more than a minute");
                check_got(&mut self.pair.ends[1 - from], &expected, self.names[from], &when)?;
            }
            self.pair.pass(SILENCE)?;
        }
        Ok(())
    }

    /// What the first sends is as long as it says, whatever it is; what is more than the second bears does not come.
    fn padding(&mut self) -> Outcome {
        let Some(block) = self.block else { return Ok(()) };
        for plaintext in self.pair.ends[0].plaintexts() {
            let whole = plaintext.len().is_multiple_of(block.into());
            demand(whole, Property::Conformance, || {
                format!("a plaintext of {} bytes was sent, and all are to be multiples of {block}", plaintext.len())
            })?;
            // No padding at all is the empty byte string.
            demand(matches!(plaintext.last(), Some(0 | 0x40)), Property::Conformance, || {
                "padding is not zeros".into()
            })?;
        }
        if block == LARGE {
            self.say(0, b"short, and so with much padding")?;
            let came = self.pair.ends[1].got.len();
            demand(came == 0, Property::Conformance, || "more padding was taken than the limit".into())?;
        }
        Ok(())
    }

    /// A tracing text is for the wire: none goes through a channel.
    fn tracing(&mut self) -> Outcome {
        let words = self.words();
        let route = Route::from_iter([self.ends[0].clone(), APP.into()]);
        let mut message = Message::new(route.as_ref(), Route::from_iter([APP]).as_ref(), &words);
        message.set_tracing(Some("a trace"));
        let sent = self.pair.ends[0].stage.with(|node, env| node.send(env, message)).is_ok();
        demand(sent, Property::Liveness, || "a message with a tracing text was not taken".into())?;
        self.pair.settle()?;
        let traced = self.pair.ends[1].got.iter().any(|(_, delivery)| delivery.message.tracing().is_some());
        demand(!traced, Property::Conformance, || "a tracing text came through a channel".into())?;
        check_got(&mut self.pair.ends[1], &[words], self.names[0], "with a tracing text")
    }

    /// Nothing leaves, or nobody takes anything, for less than the stall time: what was taken comes.
    fn pressure(&mut self, from: usize) -> Outcome {
        for nothing_leaves in [true, false] {
            self.pair.ends[from].holds = nothing_leaves;
            self.pair.ends[1 - from].sleeps = !nothing_leaves;
            let mut expected = Vec::new();
            let mut refused = false;
            for _ in 0..40 {
                let words = self.words();
                if self.say(from, &words)? {
                    expected.push(words);
                } else {
                    refused = true;
                }
                self.pair.pass(Duration::from_millis(20))?;
            }
            demand(refused || !nothing_leaves, Property::Bounds, || "nothing leaves, and all is taken".into())?;
            self.pair.ends[from].holds = false;
            self.pair.settle()?;
            if !nothing_leaves {
                self.pair.ends[1 - from].wake()?;
                self.pair.settle()?;
            }
            let when = if nothing_leaves { "after bytes did not leave" } else { "after an application took nothing" };
            check_got(&mut self.pair.ends[1 - from], &expected, self.names[from], when)?;
        }
        Ok(())
    }

    /// The channel is closed by one of them, or loses its way. Nothing is left of it.
    fn end(&mut self, workers: [usize; 2]) -> Outcome {
        let orphaned =
            |days: &Self| [0, 1].map(|number: usize| days.pair.ends[number].stage.node.is_orphaned(&days.ends[number]));
        demand(orphaned(self) == [false; 2], Property::Liveness, || "a channel with a way has none".into())?;
        // The Close of whoever pads more than the other bears is dropped, too.
        let closer = if self.block == Some(LARGE) { 1 + self.random.index(2) } else { self.random.index(3) };
        if closer == 2 {
            self.pair.hang_up()?;
            return demand(orphaned(self) == [true; 2], Property::Bounds, || {
                "the connection of a channel is gone, and nobody can tell that it has no way".into()
            });
        }
        let address = self.ends[closer].clone();
        self.pair.ends[closer].wrote.clear();
        let stopped = self.pair.ends[closer].stage.with(|node, env| node.stop_worker(env, &address));
        demand(stopped.is_ok(), Property::Liveness, || "an open channel cannot be closed".into())?;
        self.pair.settle()?;
        let wrote = &self.pair.ends[closer].wrote;
        demand(matches!(&wrote[..], [close] if close.back == [address]), Property::Conformance, || {
            format!("a Close does not lead back to who sent it: {wrote:?}")
        })?;
        let told = self.pair.ends[1 - closer].events.iter().any(|event| matches!(event, Event::ChannelClosed { .. }));
        demand(told, Property::Liveness, || "one end closed a channel, and the other was told nothing".into())?;
        let left = [0, 1].map(|number: usize| self.pair.ends[number].stage.node.workers());
        demand(left == workers, Property::Bounds, || format!("of a closed channel there are workers left: {left:?}"))
    }
}

/// Whoever says too little to begin a handshake gets no worker.
fn strangers_leave_nothing(pair: &mut Pair) -> Outcome {
    let end = &mut pair.ends[1];
    let workers = end.stage.node.workers();
    let (stranger, _) = end.stage.connect(Some(end.reached), None).expect("few connections");
    end.stage.receive(stranger, vec![VERSION])?;
    let short = Frame { onward: vec![LISTENER.into()], back: vec!["peer".into()], payload: vec![7; 31], tracing: None };
    end.stage.receive(stranger, short.encode())?;
    let listener = || Route::from_iter([LISTENER]);
    end.stage.send(listener(), Route::from_iter([APP]), &[7; 31])?;
    end.stage.send(listener(), Route::new(), &[7; 32])?;
    let left = end.stage.node.workers().saturating_sub(workers + 1);
    demand(left == 0, Property::Bounds, || format!("{left} workers were started for what begins no handshake"))?;
    end.stage.must(razor::node::Input::Disconnected { connection: stranger })?;
    pair.settle()
}

/// Who is not trusted leaves nothing behind at whom he came to, once he has said who he is.
fn refused(seed: Seed) -> Outcome {
    let (mut pair, [own, _]) = Pair::new(seed, "a refusal", &Config::DEFAULT, |number, config| {
        if number == 1 { config.trusting(Trust::AnyOf(Vec::new())) } else { config }
    })?;
    let workers = pair.ends[1].stage.node.workers();
    let route = Route::from_iter([wire(), LISTENER.into()]);
    let created = pair.ends[0].stage.with(|node, env| create::<NullSuite>(node, env, own, &route));
    demand(created.is_ok(), Property::Liveness, || "a channel cannot be begun".into())?;
    pair.settle()?;
    let end = &mut pair.ends[1];
    let opened = end.events.iter().any(|event| matches!(event, Event::ChannelOpened { .. }));
    demand(!opened, Property::Agreement, || "a channel was opened with somebody who is not trusted".into())?;
    let told = end.events.iter().any(|event| matches!(event, Event::ChannelFailed { .. }));
    let left = end.stage.node.workers() - workers;
    demand(told && left == 0, Property::Bounds, || {
        format!("somebody was refused, and {left} workers wait for more of him")
    })
}

/// An initiator speaks as soon as it may, and its peer's store takes its time: all of it waits, and comes.
fn behind_message_3(seed: Seed) -> Outcome {
    let (mut pair, [own, _]) = Pair::new(seed, "a slow store", &Config::DEFAULT, |_, config| config)?;
    let route = Route::from_iter([wire(), LISTENER.into()]);
    pair.ends[1].ponders = true;
    let created = pair.ends[0].stage.with(|node, env| create::<NullSuite>(node, env, own, &route));
    demand(created.is_ok(), Property::Liveness, || "a channel cannot be begun".into())?;
    pair.settle()?;
    let (near, _) = pair.ends[0].opened()?;
    let expected: Vec<Vec<u8>> = (0..24u32).map(|number| number.to_be_bytes().to_vec()).collect();
    for words in &expected {
        pair.say(0, Route::from_iter([near.clone(), APP.into()]), words)?;
    }
    demand(pair.ends[1].got.is_empty(), Property::Agreement, || {
        "a channel is open whose peer's history is not stored yet".into()
    })?;
    pair.ends[1].ponders = false;
    pair.ends[1].say_what_is_stored()?;
    pair.settle()?;
    let name = pair.ends[0].name;
    check_got(&mut pair.ends[1], &expected, name, "behind message 3, with a slow store")
}

/// What comes while an initiator asks its own vault waits for it to be ready, and nothing of it is held or dropped before.
fn behind_a_vault(seed: Seed) -> Outcome {
    let (mut pair, [own, _]) = Pair::new(seed, "a slow vault", &Config::DEFAULT, |_, mut config| {
        config.hold = HoldLimits::FLOOR;
        config
    })?;
    let route = Route::from_iter([wire(), LISTENER.into()]);
    pair.ends[0].muses = true;
    let created = pair.ends[0].stage.with(|node, env| create::<NullSuite>(node, env, own, &route));
    let Ok(Addresses { decryptor, .. }) = created else {
        return Err(fault(Property::Liveness, "a channel cannot be begun"));
    };
    pair.settle()?;
    let (many, garbage) = (3, [7; 200]);
    for _ in 0..many {
        pair.say(1, Route::from_iter([wire(), decryptor.clone()]), &garbage)?;
    }
    let dropped =
        |pair: &Pair| pair.ends[0].events.iter().filter(|event| matches!(event, Event::Dropped { .. })).count();
    demand(dropped(&pair) == 0, Property::Conformance, || {
        "what came while a vault was asked did not wait for its answer".into()
    })?;
    pair.ends[0].muses = false;
    pair.ends[0].say_what_is_computed()?;
    pair.settle()?;
    let came = dropped(&pair);
    demand(came == many, Property::Authenticity, || format!("of {many} pieces of garbage {came} were dropped"))?;
    pair.ends[0].opened().map(|_| ())
}

/// A handshake that nobody answers is over when its time is, to the nanosecond, whatever else comes meanwhile.
fn unanswered(seed: Seed) -> Outcome {
    let time = HandshakeTime::FLOOR;
    let (mut pair, [own, _]) = Pair::new(seed, "silence", &Config::DEFAULT, |_, mut config| {
        config.timeout = time;
        config
    })?;
    pair.cut = true;
    let route = Route::from_iter([wire(), LISTENER.into()]);
    let workers = pair.ends[0].stage.node.workers();
    let created = pair.ends[0].stage.with(|node, env| create::<NullSuite>(node, env, own, &route));
    let Ok(Addresses { decryptor, .. }) = created else {
        return Err(fault(Property::Liveness, "a channel cannot be begun"));
    };
    let failed = |pair: &Pair| pair.ends[0].events.iter().any(|event| matches!(event, Event::ChannelFailed { .. }));
    let moment = Duration::from_nanos(1);
    pair.pass(time.0 / 2)?;
    pair.say(0, Route::from(decryptor), &[7; 200])?;
    pair.pass(time.0 - time.0 / 2 - moment)?;
    demand(!failed(&pair), Property::Liveness, || "a handshake failed before its time was over".into())?;
    pair.pass(moment)?;
    let left = pair.ends[0].stage.node.workers() - workers;
    demand(failed(&pair) && left == 0, Property::Bounds, || "the time of a handshake is over, and it is not".into())
}
