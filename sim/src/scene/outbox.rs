//! A worker says more than its receiver takes. What it has said waits with it, in order and within bounds, and it takes nothing
//! more where that left. Then it stops: its last words wait like others, and it hears of nothing any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use razor::error::Result as Handled;
use razor::identity::{Identifier, StoreAnswer, StoreRequest};
use razor::machine::{Deadline, Machine as _};
use razor::node::{
    Answer, Config, Context, Delivery, Event, Flow, Input, Mailbox, News, Output, Port, Request, RequestId, Spec,
    Worker,
};
use razor::routing::{Address, HEADROOM, Message, Route, TAILROOM};

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::stage::Stage;
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 60;

/// The application that takes one at a time.
const SLOW: &str = "slow";
/// Who speaks, from its first address, when it is told so at its second; its child.
const SPEAKER: &str = "speaker";
const CONTROL: &str = "control";
const CHILD: &str = "child";

/// So many have room in an inbox or an outbox, or one long one.
const SHORT: usize = 4;
const LONG_BYTES: usize = 8_000;
/// What a message costs besides its payload: room around it, its routes, its place in a queue.
const AROUND: usize = HEADROOM + TAILROOM + size_of::<Delivery>();
/// Beside a long one there is no room for a short one.
const ROOM: usize = LONG_BYTES + AROUND + AROUND / 2;

/// Longer than the scene.
const STALL: Duration = Duration::from_secs(3_600);

/// The speaker's patience with who answers, and until it is called.
const LATER: Duration = Duration::from_secs(5);

/// A message for the slow application: which it is, and whether it is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    number: u8,
    long: bool,
}

impl Letter {
    fn payload(self) -> Vec<u8> {
        let mut payload = vec![self.number, self.long.into()];
        payload.resize(if self.long { LONG_BYTES } else { 2 }, 7);
        payload
    }

    fn message(self) -> Message {
        Message::new(Route::from_iter([SLOW]).as_ref(), Route::new().as_ref(), &self.payload())
    }

    /// Those that a payload names.
    fn all(payload: &[u8]) -> impl Iterator<Item = Self> {
        payload.chunks_exact(2).map(|pair| Self { number: pair[0], long: pair[1] > 0 })
    }
}

/// What the speaker is told: to say the letters that follow, now or last; to ask and be called later; to stop.
const SAY: u8 = 0;
const SAY_LAST: u8 = 1;
const WAIT: u8 = 2;
const STOP: u8 = 3;

struct Speaker {
    relays: bool,
    now: Vec<u8>,
    last: Vec<u8>,
    /// How often it heard something.
    heard: Arc<AtomicU64>,
}

impl Speaker {
    fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

impl Worker for Speaker {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        let flow = Flow::default();
        cx.start_child(Spec { mailboxes: vec![Mailbox::open(CHILD.into())], flow, worker: Box::new(Child) });
        Ok(())
    }

    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        self.hear();
        let Delivery { mut message, port, provenance } = delivery;
        if port == 0 {
            message.pop_onward()?;
            cx.forward(0, message, provenance);
            return Ok(());
        }
        let Some((what, rest)) = message.payload().split_first() else { return Ok(()) };
        let mut at = None;
        match *what {
            // It says so of its own accord, and not because of a message that it sends on.
            SAY => (self.now, at) = (rest.to_vec(), Some(cx.now())),
            SAY_LAST => self.last = rest.to_vec(),
            _ => {
                if *what == STOP {
                    // What it asks for after that is nothing to it.
                    cx.stop();
                }
                at = Some(cx.now() + LATER);
                cx.request(Request::Store(StoreRequest::Load(Identifier([7; 32]))), cx.now() + 2 * LATER);
            }
        }
        cx.set_timer(at.map(|at| Deadline::new(at, "to say")));
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        self.hear();
        Letter::all(&std::mem::take(&mut self.now)).for_each(|letter| cx.send(0, letter.message()));
        Ok(())
    }

    fn handle_answer(&mut self, _: &mut Context<'_>, _: RequestId, _: Answer) -> Handled<()> {
        self.hear();
        Ok(())
    }

    fn handle_news(&mut self, _: &mut Context<'_>, _: &Address, _: News) -> Handled<()> {
        self.hear();
        Ok(())
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        self.hear();
        Letter::all(&self.last).for_each(|letter| cx.send(0, letter.message()));
    }

    fn leads_on(&self, port: Port) -> bool {
        self.relays && port == 0
    }
}

/// Tells its parent what it hears, or stops it.
struct Child;

impl Worker for Child {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        match delivery.message.payload() {
            [STOP] => cx.stop_worker(SPEAKER.into()),
            _ => cx.tell_parent(News::Heard),
        }
        Ok(())
    }
}

struct Outbox {
    stage: Stage,
    random: Stream,
    heard: Arc<AtomicU64>,
    said: u8,
    /// What waits, where, and what the application was handed and has not taken.
    inbox: VecDeque<Letter>,
    outbox: VecDeque<Letter>,
    handed: Option<Letter>,
    asked: Vec<RequestId>,
    /// What has to be handed over and how many are dropped until the next look.
    due: Vec<Letter>,
    dropped: usize,
}

fn has_room(queue: &VecDeque<Letter>, letter: Letter) -> bool {
    queue.is_empty() || !letter.long && queue.len() < SHORT && queue.iter().all(|letter| !letter.long)
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("an outbox");
    let steps = [1, 2, 1_024][random.index(3)];
    let config = Config { inbox: SHORT, inbox_bytes: ROOM, hand_over: 1, stall: STALL, steps, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "a speaker's node", config);
    let id = stage.node.new_flow_control_id();
    let flow = Flow { consumer_of: vec![id], ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(SLOW.into()), flow)).expect("a free address");
    let relays = random.below(2) == 0;
    let heard = Arc::<AtomicU64>::default();
    let worker = Box::new(Speaker { relays, now: Vec::new(), last: Vec::new(), heard: heard.clone() });
    let flow = Flow { producer: (!relays).then_some(id), ..Flow::default() };
    let mailboxes = [SPEAKER, CONTROL].map(|name| Mailbox::open(name.into())).into();
    stage.with(|node, env| node.start_worker(env, Spec { mailboxes, flow, worker })).expect("free addresses");
    let mut scene = Outbox {
        stage,
        random,
        heard,
        said: 0,
        inbox: VecDeque::new(),
        outbox: VecDeque::new(),
        handed: None,
        asked: Vec::new(),
        due: Vec::new(),
        dropped: 0,
    };
    for _ in 0..LINES {
        match scene.random.below(8) {
            0..=1 => scene.say()?,
            2 => scene.knock()?,
            _ => scene.take()?,
        }
    }
    scene.stop()
}

impl Outbox {
    fn letters(&mut self, count: u64) -> Vec<Letter> {
        let letter = |_| {
            self.said = self.said.wrapping_add(1);
            Letter { number: self.said, long: self.random.below(5) == 0 }
        };
        (0..count).map(letter).collect()
    }

    /// Somebody tells the speaker something, who hears it though what it has said waits.
    fn tell(&mut self, to: &str, what: u8, letters: &[Letter]) -> Outcome {
        let mut payload = vec![what];
        letters.iter().for_each(|letter| payload.extend([letter.number, letter.long.into()]));
        let taken = self.stage.send(Route::from_iter([to]), Route::new(), &payload)?;
        demand(taken, Property::Liveness, || format!("{to} takes nothing, as what {SPEAKER} has said waits"))
    }

    /// The speaker has said these: each goes where there is room for it, behind what was said before.
    fn spoken(&mut self, letters: &[Letter]) {
        for letter in letters.iter().copied() {
            if self.outbox.is_empty() && has_room(&self.inbox, letter) {
                self.inbox.push_back(letter);
            } else if has_room(&self.outbox, letter) {
                self.outbox.push_back(letter);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Of its own accord the speaker says a few things at once.
    fn say(&mut self) -> Outcome {
        let count = self.random.within(1..=2 * SHORT as u64 + 2);
        let letters = self.letters(count);
        self.tell(CONTROL, SAY, &letters)?;
        self.spoken(&letters);
        self.look("after a worker spoke")
    }

    /// What is to be sent on is taken if nothing waits there.
    fn knock(&mut self) -> Outcome {
        let letters = self.letters(1);
        let onward = Route::from_iter([SPEAKER, SLOW]);
        let taken = self.stage.send(onward, Route::new(), &letters[0].payload())?;
        demand(taken == self.outbox.is_empty(), Property::Bounds, || {
            format!("with {:?} waiting, an address took one more: {taken}", self.outbox)
        })?;
        self.spoken(if taken { &letters } else { &[] });
        self.look("after a message was to be sent on")
    }

    fn take(&mut self) -> Outcome {
        if self.handed.take().is_some() {
            self.stage.must(Input::Taken { inbox: SLOW.into(), messages: 1 })?;
        }
        self.look("after the application took one")
    }

    /// What was handed over and what was dropped is what had to be, and so is what waits.
    fn look(&mut self, when: &str) -> Outcome {
        if self.handed.is_none() {
            self.handed = self.inbox.pop_front();
            self.due.extend(self.handed);
        }
        while let Some(letter) = self.outbox.front().copied().filter(|letter| has_room(&self.inbox, *letter)) {
            self.outbox.pop_front();
            self.inbox.push_back(letter);
        }
        let (mut handed, mut dropped) = (Vec::new(), 0);
        for output in std::mem::take(&mut self.stage.said) {
            match output {
                Output::Deliver { delivery, .. } => handed.extend(Letter::all(&delivery.message.payload()[..2])),
                Output::Event(Event::Dropped { .. }) => dropped += 1,
                Output::Request { id, .. } => self.asked.push(id),
                other => return Err(fault(Property::Conformance, format!("{when}, a node did {other:?}"))),
            }
        }
        let due = std::mem::take(&mut self.due);
        demand(handed == due, Property::Liveness, || {
            format!("{when}, {handed:?} were handed over, and had to be {due:?}: {:?} wait", self.outbox)
        })?;
        let lost = std::mem::take(&mut self.dropped);
        demand(dropped == lost, Property::Bounds, || {
            format!(
                "{when}, {dropped} were dropped and not {lost}, with {:?} and {:?} waiting",
                self.inbox, self.outbox
            )
        })?;
        let waits = self.stage.node.provisional() > 0;
        demand(waits != self.inbox.is_empty(), Property::Bounds, || {
            format!("{when}, something waits: {waits}; in the inbox {:?}", self.inbox)
        })
    }

    /// The speaker stops while it waits for a time and for an answer and what it has said waits for room.
    fn stop(&mut self) -> Outcome {
        let full: Vec<Letter> = self.letters(2 * SHORT as u64 + 2);
        self.tell(CONTROL, SAY, &full)?;
        self.spoken(&full);
        self.look("after a worker spoke")?;
        let last = self.random.below(SHORT as u64 + 1);
        let last = self.letters(last);
        self.tell(CONTROL, SAY_LAST, &last)?;
        self.tell(CONTROL, WAIT, &[])?;
        match self.random.below(3) {
            0 => self.tell(CONTROL, STOP, &[])?,
            1 => self.tell(CHILD, STOP, &[])?,
            _ => self.stage.with(|node, env| node.stop_worker(env, &SPEAKER.into())).expect("it is there"),
        }
        self.stage.pass(Duration::ZERO)?;
        self.spoken(&last);
        let when = "after a worker has stopped";
        self.look(when)?;
        let heard = self.heard.load(Ordering::Relaxed);
        demand(!self.asked.is_empty(), Property::Liveness, || "a worker cannot ask".into())?;
        // What it would have heard of comes while its last words wait, or later.
        let takes = self.random.below(6);
        for _ in 0..takes {
            self.take()?;
        }
        self.tell(CHILD, SAY, &[])?;
        for name in [SPEAKER, CONTROL] {
            let taken = self.stage.send(Route::from_iter([name, SLOW]), Route::new(), b"?")?;
            demand(!taken && !self.stage.node.has_worker(&name.into()), Property::Conformance, || {
                "a worker has stopped and is there".into()
            })?;
        }
        let late = self.random.below(2) == 0;
        self.stage.pass(if late { LATER } else { Duration::ZERO })?;
        for id in std::mem::take(&mut self.asked) {
            let answer = Answer::Store(Ok(StoreAnswer::Loaded(None)));
            self.stage.must(Input::Answer { id, answer })?;
        }
        self.stage.pass(LATER)?;
        let more = self.heard.load(Ordering::Relaxed) - heard;
        demand(more == 0, Property::Conformance, || {
            format!("a worker has stopped, and was called {more} times, with {:?} waiting", self.outbox)
        })?;
        while self.handed.is_some() {
            self.take()?;
        }
        let workers = self.stage.node.workers();
        demand(workers == 2, Property::Bounds, || format!("one worker has stopped, and {workers} of 3 are left"))
    }
}
