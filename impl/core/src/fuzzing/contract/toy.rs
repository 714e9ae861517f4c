//! A machine with planted faults: each law of the contract can be broken, and is then named.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Error;
use crate::env::{Env, Instant, Purpose};
use crate::machine::{Deadline, Machine, Refused, Snapshot};

use super::{Act, Broken, Law, World, check};

/// Adds numbers. Holds up to four before they are proved by a sum, and reports every ten seconds.
struct Adder<const FAULT: usize> {
    total: u64,
    held: Vec<u64>,
    outputs: Vec<String>,
    now: Instant,
    next: Instant,
}

/// The faults, by number; the law that each breaks.
const FAULTS: [Law; 15] = [
    Law::NoPanic,
    Law::Deterministic,
    Law::DrainEnds,
    Law::FailureChangesNothing,
    Law::FailureDrawsNothing,
    Law::FailureSaysNothing,
    Law::ErrorsAreSpecified,
    Law::FullGivesBack,
    Law::StrangersChangeNothing,
    Law::ProvisionalIsBounded,
    Law::DeadlineHasReason,
    Law::DeadlineAdvances,
    Law::SpuriousCallIsHarmless,
    Law::TimeStandsStill,
    // A second way to break it: what comes back is another input.
    Law::FullGivesBack,
];

const NONE: usize = usize::MAX;
const PANICS: usize = 0;
const REMEMBERS_OTHER_RUNS: usize = 1;
const NEVER_STOPS: usize = 2;
const ADDS_BEFORE_IT_CHECKS: usize = 3;
const DRAWS_BEFORE_IT_CHECKS: usize = 4;
const ANSWERS_WHAT_IS_WRONG: usize = 5;
const NAMES_NO_REQUIREMENT: usize = 6;
const COUNTS_WHAT_DOES_NOT_FIT: usize = 7;
const BELIEVES_STRANGERS: usize = 8;
const HOLDS_WITHOUT_BOUND: usize = 9;
const GIVES_NO_REASON: usize = 10;
const ASKS_FOR_THE_PAST: usize = 11;
const REPORTS_WHEN_EARLY: usize = 12;
const FOLLOWS_THE_CLOCK_BACK: usize = 13;
const GIVES_ANOTHER_BACK: usize = 14;

#[derive(Debug)]
enum Number {
    Hold(u64),
    Prove(u64),
}

const ROOM: usize = 4;

impl<const FAULT: usize> Adder<FAULT> {
    fn new(now: Instant) -> Self {
        let next = now + Duration::from_secs(10);
        Self { total: 0, held: Vec::new(), outputs: Vec::new(), now, next }
    }

    fn faulty(fault: usize) -> bool {
        FAULT == fault
    }
}

impl<const FAULT: usize> Machine for Adder<FAULT> {
    type Input = Number;
    type Output = String;

    fn handle(&mut self, env: &mut Env<'_>, input: Number) -> Result<(), Refused<Number>> {
        self.now = if Self::faulty(FOLLOWS_THE_CLOCK_BACK) { env.now } else { self.now.max(env.now) };
        match input {
            Number::Hold(number) => {
                assert!(!Self::faulty(PANICS) || number != 3, "three is too much");
                if self.held.len() >= ROOM && !Self::faulty(HOLDS_WITHOUT_BOUND) {
                    if Self::faulty(COUNTS_WHAT_DOES_NOT_FIT) {
                        self.total += 1;
                    }
                    let other = u64::from(Self::faulty(GIVES_ANOTHER_BACK));
                    return Err(Refused::Full(Number::Hold(number + other)));
                }
                self.held.push(number);
                if Self::faulty(BELIEVES_STRANGERS) {
                    self.total += number;
                }
                if Self::faulty(REMEMBERS_OTHER_RUNS) {
                    static RUNS: AtomicU64 = AtomicU64::new(0);
                    self.outputs.push(format!("held {}", RUNS.fetch_add(1, Ordering::Relaxed)));
                }
            }
            Number::Prove(sum) => {
                if Self::faulty(DRAWS_BEFORE_IT_CHECKS) {
                    env.entropy.fill(Purpose::Ping, &mut [0; 8]);
                }
                if Self::faulty(ADDS_BEFORE_IT_CHECKS) {
                    self.total += sum;
                }
                if sum != self.held.iter().sum::<u64>() {
                    if Self::faulty(ANSWERS_WHAT_IS_WRONG) {
                        self.outputs.push("no".to_owned());
                    }
                    let requirement = if Self::faulty(NAMES_NO_REQUIREMENT) { "nothing" } else { "NOD-1" };
                    return Err(Error::misbehaved(requirement, "the sum is wrong").into());
                }
                self.total += sum;
                self.held.clear();
                self.outputs.push(format!("{} at {:?}", self.total, self.now));
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        self.now = if Self::faulty(FOLLOWS_THE_CLOCK_BACK) { env.now } else { self.now.max(env.now) };
        let due = self.now >= self.next;
        if due || Self::faulty(REPORTS_WHEN_EARLY) {
            self.outputs.push(format!("{} so far", self.total));
        }
        while self.now >= self.next && !Self::faulty(ASKS_FOR_THE_PAST) {
            self.next = self.next + Duration::from_secs(10);
        }
    }

    fn poll_output(&mut self) -> Option<String> {
        if Self::faulty(NEVER_STOPS) && self.total > 0 {
            return Some("and".to_owned());
        }
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    fn deadline(&self) -> Option<Deadline> {
        Some(Deadline::new(self.next, if Self::faulty(GIVES_NO_REASON) { "" } else { "report" }))
    }

    fn trusted(&self, picture: &mut Snapshot) {
        picture.number(self.total);
    }

    fn provisional(&self) -> usize {
        self.held.len()
    }

    fn provisional_limit(&self) -> usize {
        ROOM
    }
}

struct Numbers<const FAULT: usize>;

impl<const FAULT: usize> World for Numbers<FAULT> {
    type Machine = Adder<FAULT>;
    type Step = u64;

    const OUTPUTS: usize = 4;

    fn new(env: &mut Env<'_>) -> (Self, Adder<FAULT>) {
        (Self, Adder::new(env.now))
    }

    fn act(&mut self, step: &u64) -> Act<Adder<FAULT>> {
        match *step {
            0 => Act::Wait(Duration::from_secs(11)),
            n if n < 100 => Act::Stranger(Number::Hold(n)),
            n => Act::Input(Number::Prove(n - 100)),
        }
    }

    fn take(&mut self, output: String) -> String {
        output
    }

    fn describe(input: &Number) -> String {
        format!("{input:?}")
    }
}

/// Fills it, overfills it, proves a wrong sum and the right one, and waits.
const STEPS: [u64; 11] = [1, 2, 3, 4, 5, 107, 110, 0, 6, 106, 0];

fn fault<const FAULT: usize>() -> Option<Law> {
    check::<Numbers<FAULT>>(&STEPS).err().map(|Broken { law, .. }| law)
}

#[test]
fn a_sound_machine_breaks_no_law() {
    assert_eq!(fault::<NONE>(), None);
}

#[test]
fn every_law_can_be_broken_and_is_named() {
    let found = [
        fault::<PANICS>(),
        fault::<REMEMBERS_OTHER_RUNS>(),
        fault::<NEVER_STOPS>(),
        fault::<ADDS_BEFORE_IT_CHECKS>(),
        fault::<DRAWS_BEFORE_IT_CHECKS>(),
        fault::<ANSWERS_WHAT_IS_WRONG>(),
        fault::<NAMES_NO_REQUIREMENT>(),
        fault::<COUNTS_WHAT_DOES_NOT_FIT>(),
        fault::<BELIEVES_STRANGERS>(),
        fault::<HOLDS_WITHOUT_BOUND>(),
        fault::<GIVES_NO_REASON>(),
        fault::<ASKS_FOR_THE_PAST>(),
        fault::<REPORTS_WHEN_EARLY>(),
        fault::<FOLLOWS_THE_CLOCK_BACK>(),
        fault::<GIVES_ANOTHER_BACK>(),
    ];
    assert_eq!(found, FAULTS.map(Some));
}
