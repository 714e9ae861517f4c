//! The machine contract as laws, and a judge that puts any machine through them.
//!
//! A [`World`] says how to make a machine and what to do to it for each generated step. [`check`] runs a
//! sequence of steps three times (twice the same, once with a clock that goes back) and judges every
//! step. It gives the first law that is broken, so that a test can also show that each law can be.

mod channel;
mod node;
mod serial;
mod session;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::cell::Cell;
use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

use crate::Error;
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::machine::{Deadline, Machine, Refused, Snapshot};
use crate::routing::Message;

/// Wall-clock time of every run.
pub(crate) const WALL: Timestamp = Timestamp(1_750_000_000);

/// How often in a row a machine is called that says there is work left. Workers may answer each other for ever.
const WORK: usize = 32;

/// What the contract demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    /// No input makes it panic.
    NoPanic,
    /// The same steps give the same outputs, deadlines and states.
    Deterministic,
    /// After an input, the outputs come to an end.
    DrainEnds,
    /// An input that fails leaves the trusted state byte-equal.
    FailureChangesNothing,
    /// An input that fails draws no randomness.
    FailureDrawsNothing,
    /// An input that fails gives no outputs.
    FailureSaysNothing,
    /// Errors name a requirement that stands in the specification.
    ErrorsAreSpecified,
    /// An input that does not fit comes back as it was, and nothing has changed.
    FullGivesBack,
    /// Whatever a stranger sends leaves the trusted state byte-equal, refused or not.
    StrangersChangeNothing,
    /// Provisional state stays within its bound.
    ProvisionalIsBounded,
    /// A deadline has a reason.
    DeadlineHasReason,
    /// After a call for a deadline the next one is later, unless there is work left.
    DeadlineAdvances,
    /// A call before the deadline does nothing.
    SpuriousCallIsHarmless,
    /// A clock that goes back stands still.
    TimeStandsStill,
}

/// A law that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) law: Law,
    /// In which step, counted from 0.
    pub(crate) step: usize,
    /// What was seen.
    pub(crate) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is broken in step {}: {}", self.law, self.step, self.what)
    }
}

/// Something that the owner of a machine does by method.
pub(crate) type Command<M> = Box<dyn FnOnce(&mut M, &mut Env<'_>) -> Result<(), Error>>;

/// What a step does to a machine.
pub(crate) enum Act<M: Machine> {
    /// Gives it an input.
    Input(M::Input),
    /// Gives it an input that somebody made who has proved nothing.
    Stranger(M::Input),
    /// Does something by method.
    Command(Command<M>),
    /// Lets time pass.
    Wait(Duration),
    /// Nothing: the step makes no sense now.
    Nothing,
}

/// A machine's surroundings: makes it, makes its inputs from steps, and takes its outputs.
pub(crate) trait World: Sized {
    /// The machine.
    type Machine: Machine;
    /// One generated step.
    type Step: Debug;

    /// The most outputs that one input may give.
    const OUTPUTS: usize;

    /// The surroundings and the machine, new.
    fn new(env: &mut Env<'_>) -> (Self, Self::Machine);

    /// What `step` does now.
    fn act(&mut self, step: &Self::Step) -> Act<Self::Machine>;

    /// Takes an output and describes it, secrets and all.
    fn take(&mut self, output: <Self::Machine as Machine>::Output) -> String;

    /// Describes an input, to see that it comes back as it was.
    fn describe(input: &<Self::Machine as Machine>::Input) -> String;

    /// An input came back because it did not fit.
    fn refused(&mut self, _input: <Self::Machine as Machine>::Input) {}
}

/// A message, whole.
pub(crate) fn show(message: &Message) -> String {
    let (onward, back) = (message.onward().to_owned().encode(), message.return_route().to_owned().encode());
    format!("{onward:?} {back:?} {:?} {:?}", message.payload(), message.tracing())
}

/// Everything that can be seen of a machine at one time.
#[derive(PartialEq, Eq)]
struct View {
    trusted: Snapshot,
    drawn: Vec<u128>,
    deadline: Option<Deadline>,
    provisional: usize,
}

/// What a run looked like from outside.
type Trace = Vec<(Vec<String>, View)>;

/// How the clock behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Sound,
    /// Inputs come with a time before that of the last call.
    GoesBack,
}

struct Run<W: World> {
    world: W,
    machine: W::Machine,
    entropy: Seeded,
    now: Instant,
    clock: Clock,
}

/// Puts a machine through `steps`. Gives the first law that is broken.
pub(crate) fn check<W: World>(steps: &[W::Step]) -> Result<(), Broken> {
    let first = run::<W>(steps, Clock::Sound)?;
    let same = |law, other: &Trace, what: &str| {
        let step = first.iter().zip(other).position(|(a, b)| a != b);
        step.map_or(Ok(()), |step| Err(Broken { law, step: step.saturating_sub(1), what: what.to_owned() }))
    };
    same(Law::Deterministic, &run::<W>(steps, Clock::Sound)?, "a second run of the same steps differs")?;
    same(Law::TimeStandsStill, &run::<W>(steps, Clock::GoesBack)?, "a run with a clock that goes back differs")
}

fn run<W: World>(steps: &[W::Step], clock: Clock) -> Result<Trace, Broken> {
    let at = Cell::new(0);
    catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::<W>::new(clock);
        let mut trace = vec![run.settle().map_err(|(law, what)| Broken { law, step: 0, what })?];
        for (i, step) in steps.iter().enumerate() {
            at.set(i);
            trace.push(run.step(step).map_err(|(law, what)| Broken { law, step: i, what })?);
        }
        Ok(trace)
    }))
    .unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        Err(Broken { law: Law::NoPanic, step: at.get(), what })
    })
}

type Judged<T> = Result<T, (Law, String)>;

fn demand(law: Law, held: bool, what: impl FnOnce() -> String) -> Judged<()> {
    if held { Ok(()) } else { Err((law, what())) }
}

impl<W: World> Run<W> {
    fn new(clock: Clock) -> Self {
        let mut entropy = Seeded::from_u64(1);
        let now = Instant::from_millis(1_000_000);
        let (world, machine) = W::new(&mut Env::new(now, WALL, &mut entropy));
        Self { world, machine, entropy, now, clock }
    }

    fn view(&self) -> View {
        let mut trusted = Snapshot::new();
        self.machine.trusted(&mut trusted);
        let drawn = self.entropy.positions().to_vec();
        View { trusted, drawn, deadline: self.machine.deadline(), provisional: self.machine.provisional() }
    }

    fn step(&mut self, step: &W::Step) -> Judged<(Vec<String>, View)> {
        let before = self.view();
        let early = match self.clock {
            Clock::Sound => self.now,
            Clock::GoesBack => Instant::from_nanos(self.now.as_nanos() - 999_999_999),
        };
        let mut seen = Vec::new();
        let mut env = Env::new(early, WALL, &mut self.entropy);
        match self.world.act(step) {
            Act::Input(input) => self.input(&before, early, input, false)?,
            Act::Stranger(input) => self.input(&before, early, input, true)?,
            Act::Command(command) => {
                if let Err(error) = command(&mut self.machine, &mut env) {
                    self.failed(&before, error)?;
                }
            }
            Act::Wait(time) => {
                self.now = self.now + time;
                seen.extend(self.timeout()?);
            }
            Act::Nothing => {}
        }
        let (outputs, view) = self.settle()?;
        seen.extend(outputs);
        Ok((seen, view))
    }

    fn input(
        &mut self,
        before: &View,
        now: Instant,
        input: <W::Machine as Machine>::Input,
        stranger: bool,
    ) -> Judged<()> {
        let description = W::describe(&input);
        match self.machine.handle(&mut Env::new(now, WALL, &mut self.entropy), input) {
            Ok(()) => {}
            Err(Refused::Full(input)) => {
                demand(Law::FullGivesBack, W::describe(&input) == description && self.view() == *before, || {
                    format!("not as it was: {description}")
                })?;
                self.world.refused(input);
            }
            Err(Refused::Error(error)) => self.failed(before, error)?,
        }
        demand(Law::StrangersChangeNothing, !stranger || self.view().trusted == before.trusted, || description)
    }

    fn failed(&mut self, before: &View, error: Error) -> Judged<()> {
        let after = self.view();
        demand(Law::ErrorsAreSpecified, is_specified(error.requirement()), || error.to_string())?;
        demand(Law::FailureChangesNothing, after.trusted == before.trusted, || error.to_string())?;
        demand(Law::FailureDrawsNothing, after.drawn == before.drawn, || error.to_string())?;
        let output = self.machine.poll_output().map(|output| self.world.take(output));
        demand(Law::FailureSaysNothing, output.is_none(), || format!("{error}, and it said {output:?}"))
    }

    fn drain(&mut self) -> Judged<Vec<String>> {
        let mut seen = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            seen.push(self.world.take(output));
            demand(Law::DrainEnds, seen.len() <= W::OUTPUTS, || format!("more than {} outputs", W::OUTPUTS))?;
        }
        demand(Law::DrainEnds, self.machine.poll_output().is_none(), || "an output after the last".to_owned())?;
        Ok(seen)
    }

    /// Calls the machine because time has passed, as often as it says that there is work left.
    fn timeout(&mut self) -> Judged<Vec<String>> {
        let mut seen = Vec::new();
        for _ in 0..WORK {
            self.machine.handle_timeout(&mut Env::new(self.now, WALL, &mut self.entropy));
            seen.extend(self.drain()?);
            match self.machine.deadline() {
                Some(deadline) if deadline.reason == "work" => {}
                Some(Deadline { at, reason }) => {
                    demand(Law::DeadlineAdvances, at > self.now, || format!("still asks to be called: {reason}"))?;
                    break;
                }
                None => break,
            }
        }
        Ok(seen)
    }

    /// Drains, then looks at what must hold at any time.
    fn settle(&mut self) -> Judged<(Vec<String>, View)> {
        let mut seen = self.drain()?;
        if self.machine.deadline().is_some_and(|deadline| deadline.at <= self.now) {
            seen.extend(self.timeout()?);
        }
        let view = self.view();
        let limit = self.machine.provisional_limit();
        demand(Law::ProvisionalIsBounded, view.provisional <= limit, || format!("{} > {limit}", view.provisional))?;
        if let Some(Deadline { at, reason }) = view.deadline {
            demand(Law::DeadlineHasReason, !reason.is_empty(), || format!("at {at:?}"))?;
        }
        for ago in [0, 1_000_000_000] {
            let early = Instant::from_nanos(self.now.as_nanos() - ago);
            self.machine.handle_timeout(&mut Env::new(early, WALL, &mut self.entropy));
            let outputs = self.drain()?;
            demand(Law::SpuriousCallIsHarmless, outputs.is_empty() && self.view() == view, || format!("{outputs:?}"))?;
        }
        Ok((seen, view))
    }
}

/// Whether a chapter of the specification has a requirement of this id.
fn is_specified(id: &str) -> bool {
    std::thread_local!(static IDS: Vec<String> = ids());
    IDS.with(|ids| ids.iter().any(|known| known == id))
}

fn ids() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/src");
    let chapters = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()));
    let headings = |text: String| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("#### ").map(|id| id.trim().to_owned())).collect()
    };
    chapters.flat_map(|text| headings(text.unwrap())).collect()
}

/// Puts a machine through as many steps as the bytes are, with an end.
fn judge<W: World>(data: &[u8])
where
    W::Step: for<'a> Arbitrary<'a>,
{
    let Ok(mut steps) = Vec::<W::Step>::arbitrary(&mut Unstructured::new(data)) else { return };
    steps.truncate(64);
    if let Err(broken) = check::<W>(&steps) {
        panic!("{broken}");
    }
}

/// An initiator keeps the contract.
pub fn contract_channel_initiator(data: &[u8]) {
    judge::<channel::Middle<channel::Initiator>>(data);
}

/// A responder keeps the contract.
pub fn contract_channel_responder(data: &[u8]) {
    judge::<channel::Middle<channel::Responder>>(data);
}

/// A node with workers, a listener of secure channels, a session and hostile connections keeps the contract.
pub fn contract_node(data: &[u8]) {
    judge::<node::Outside>(data);
}

/// The framing of a serial line keeps the contract.
pub fn contract_serial(data: &[u8]) {
    judge::<serial::Line>(data);
}

/// A session keeps the contract.
pub fn contract_session(data: &[u8]) {
    judge::<session::FarNode>(data);
}

/// A TCP connection keeps the contract.
pub fn contract_tcp(data: &[u8]) {
    judge::<tcp::Peer>(data);
}
