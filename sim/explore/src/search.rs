//! Every state, breadth first.

use razor::vault::suite::Suite;

use crate::judge::{Global, Judge, Violation};
use crate::live::Step;
use crate::memo::Machines;
use crate::message::MessageSet;
use crate::scenario::{ENDS, Scenario};
use crate::set::Once;
use crate::stage::{Habits, Stage};
use crate::story::{self, Story};

/// What an exploration has gone through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// States of the whole.
    pub states: usize,
    /// How many steps the farthest state is away from the beginning.
    pub depth: usize,
    /// Steps that lead from one state to another.
    pub moves: u64,
    /// Deliveries that change nothing, because the message is refused.
    pub refused: u64,
    /// Messages that there are, with those that the attacker makes.
    pub messages: usize,
    /// Where single ends can stand.
    pub places: usize,
    /// Ways of single ends to these places that were held against each other.
    pub ways: u64,
    /// Steps that real machines took.
    pub steps: u64,
}

/// How an exploration ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All properties hold in all states.
    Proven,
    /// One does not in this one, and no shorter way leads to such a state.
    Refuted(Violation, Story),
    /// There are more states than were allowed.
    TooLarge,
    /// What is taken for one place of a machine is two: nothing is proven.
    Unsound(String),
}

/// Goes through every state of a scenario, up to `limit`.
pub fn explore<S: Suite>(scenario: Scenario, habits: Habits, limit: usize) -> (Outcome, Extent) {
    let mut machines = Machines::<S>::new(Stage::new(scenario, habits));
    let mut judge = Judge::new(&machines);
    let mut search = Search { states: Once::new(), parents: Vec::new(), extent: Extent::default() };
    let outcome = search.run(&mut machines, &mut judge, limit);
    let mut extent = search.extent;
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => match machines.check_places() {
            Ok(ways) => {
                extent.ways = ways;
                Outcome::Proven
            }
            Err(what) => Outcome::Unsound(what),
        },
    };
    extent.states = search.states.len();
    extent.messages = machines.messages.len();
    extent.places = machines.places();
    extent.steps = machines.steps;
    (outcome, extent)
}

struct Search {
    states: Once<Global>,
    /// From which state each was reached first.
    parents: Vec<u32>,
    extent: Extent,
}

impl Search {
    /// `None` when there is nothing left to do.
    fn run<S: Suite>(&mut self, machines: &mut Machines<S>, judge: &mut Judge, limit: usize) -> Option<Outcome> {
        let beginning = Global::default();
        self.states.insert(beginning);
        self.parents.push(0);
        let mut next = Vec::new();
        let mut end_of_level = 1;
        let mut at = 0;
        while let Some(state) = self.states.get(at) {
            if at == end_of_level {
                self.extent.depth += 1;
                end_of_level = self.states.len();
            }
            let view = View::of(machines, &state);
            if let Err(violation) = judge.judge(machines, &state, &view.pool, &view.knows) {
                let way = self.way_to(machines, at);
                let story = story::tell(machines, &way);
                return Some(Outcome::Refuted(violation, story));
            }
            self.extent.refused += successors(machines, &state, &view, &mut next);
            self.extent.moves += next.len() as u64;
            for (_, state) in next.drain(..) {
                if self.states.insert(state).is_some() {
                    self.parents.push(at as u32);
                }
            }
            if self.states.len() > limit {
                return Some(Outcome::TooLarge);
            }
            at += 1;
        }
        None
    }

    /// The steps that lead to a state, on the way on which it was reached first.
    fn way_to<S: Suite>(&self, machines: &mut Machines<S>, mut at: usize) -> Vec<(usize, Step)> {
        let mut way = Vec::new();
        let mut next = Vec::new();
        while at != 0 {
            let parent = self.parents[at] as usize;
            let (from, to) = (self.states.get(parent), self.states.get(at));
            let from = from.expect("a parent is a state");
            let view = View::of(machines, &from);
            successors(machines, &from, &view, &mut next);
            let (step, _) = next.drain(..).find(|(_, state)| Some(*state) == to).expect("a parent leads to its child");
            way.push(step);
            at = parent;
        }
        way.reverse();
        way
    }
}

/// What follows from where all ends stand.
pub(crate) struct View {
    /// What the attacker has.
    pub(crate) pool: MessageSet,
    /// By end, whether its store knows its peer.
    pub(crate) knows: [bool; ENDS],
}

impl View {
    pub(crate) fn of<S: Suite>(machines: &Machines<S>, state: &Global) -> Self {
        let mut view = Self { pool: machines.own, knows: [false; ENDS] };
        let mut parties = [false; 3];
        for end in &machines.stage.ends {
            let local = machines.local(end.index, state[end.index]);
            view.pool = view.pool.union(local.gives);
            parties[end.who as usize] |= local.record.knows;
        }
        for end in &machines.stage.ends {
            view.knows[end.index] = parties[end.who as usize];
        }
        view
    }
}

/// What can happen in a state, and what it leads to. Gives how many deliveries change nothing.
fn successors<S: Suite>(
    machines: &mut Machines<S>,
    state: &Global,
    view: &View,
    next: &mut Vec<((usize, Step), Global)>,
) -> u64 {
    let mut refused = 0;
    for end in 0..machines.stage.ends.len() {
        // A listener's places are taken in order: which of them is free does not matter.
        let before = machines.stage.ends[end].after;
        if before.is_some_and(|before| machines.record(before, state[before]).state.is_none()) {
            continue;
        }
        let row = machines.row(end, state[end], view.knows[end], &view.pool);
        refused += u64::from(row.refused.intersection(&view.pool).len());
        for (step, to) in &row.moves {
            if let Step::Receive(id) = step
                && !view.pool.contains(*id)
            {
                continue;
            }
            let mut state = *state;
            state[end] = *to;
            next.push(((end, *step), state));
        }
    }
    refused
}
