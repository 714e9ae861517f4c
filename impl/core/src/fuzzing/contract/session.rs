//! A session, and a far node that answers as it likes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::time::Duration;

use crate::env::Env;
use crate::session::{Config, Input, Output, Session};
use arbitrary::Arbitrary;
#[cfg(test)]
use proptest::prelude::*;

use super::{Act, World};

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Step {
    /// The attempt that many before the newest succeeded.
    Established(u64),
    Failed(u64),
    /// The answer to the ping that many before the newest.
    Pong(usize),
    /// A pong that nobody asked for.
    Forged(u64),
    Wait(u32),
}

/// Steps as in an honest life, with some hostility.
#[cfg(test)]
pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u64).prop_map(Step::Established),
        1 => (0..3u64).prop_map(Step::Failed),
        4 => (0..5usize).prop_map(Step::Pong),
        1 => any::<u64>().prop_map(Step::Forged),
        6 => (0..40_000u32).prop_map(Step::Wait),
    ]
}

#[derive(Default)]
pub(crate) struct FarNode {
    attempt: u64,
    pings: Vec<u64>,
}

impl World for FarNode {
    type Machine = Session;
    type Step = Step;

    const OUTPUTS: usize = 2;

    fn new(env: &mut Env<'_>) -> (Self, Session) {
        (Self::default(), Session::new(Config::default(), env.now))
    }

    fn act(&mut self, step: &Step) -> Act<Session> {
        match step {
            Step::Established(ago) => Act::Input(Input::Established(self.attempt.saturating_sub(*ago))),
            Step::Failed(ago) => Act::Input(Input::Failed(self.attempt.saturating_sub(*ago))),
            Step::Pong(ago) => match self.pings.iter().rev().nth(*ago) {
                Some(number) => Act::Input(Input::Pong(*number)),
                None => Act::Nothing,
            },
            // A fuzzer that watches comparisons learns the numbers, which no stranger can: then it is an answer.
            Step::Forged(number) if self.pings.contains(number) => Act::Input(Input::Pong(*number)),
            Step::Forged(number) => Act::Stranger(Input::Pong(*number)),
            Step::Wait(millis) => Act::Wait(Duration::from_millis((*millis).into())),
        }
    }

    fn take(&mut self, output: Output) -> String {
        match output {
            Output::Establish(attempt) => self.attempt = attempt,
            Output::Ping(number) => self.pings.push(number),
            Output::Up | Output::Down => {}
        }
        format!("{output:?}")
    }

    fn describe(input: &Input) -> String {
        format!("{input:?}")
    }
}
