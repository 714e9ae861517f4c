//! The steps of the machines, each taken once.
//!
//! An end of a channel shares nothing with another end but its party's keys, which never change, and the store, of
//! which one bit matters: whether it knows the peer's history. So what an end does is a function of where it stands, of
//! the step, and of that bit. Where it stands is a number here: the number of its record and its trusted picture.

use std::collections::BTreeMap;

use razor::machine::Snapshot;
use razor::vault::suite::Suite;

use crate::live::{Arriving, Live, Record, Step};
use crate::message::{MessageSet, Messages, Said};
use crate::stage::Stage;

/// Where an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct LocalId(pub(crate) u16);

/// A place where an end can stand.
pub(crate) struct Local {
    pub(crate) record: Record,
    picture: Snapshot,
    /// A way to get there.
    past: Vec<(Step, bool)>,
    /// What the attacker has from its messages.
    pub(crate) gives: MessageSet,
    /// What it does next, by whether its store knows the peer.
    rows: [Row; 2],
}

/// What an end does next, as far as it was tried.
#[derive(Default, Clone)]
pub(crate) struct Row {
    own_steps_tried: bool,
    tried: MessageSet,
    /// The steps that lead elsewhere.
    pub(crate) moves: Vec<(Step, LocalId)>,
    /// The messages that change nothing.
    pub(crate) refused: MessageSet,
}

/// All places of one end.
#[derive(Default)]
struct Places {
    all: Vec<Local>,
    by_record: BTreeMap<Record, Vec<LocalId>>,
}

/// The ends of an exploration, and all that they were seen to do.
pub(crate) struct Machines<S: Suite> {
    pub(crate) stage: Stage<S>,
    pub(crate) messages: Messages,
    ends: Vec<Places>,
    /// What the attacker has before anybody said anything.
    pub(crate) own: MessageSet,
    /// How many steps real machines have taken.
    pub(crate) steps: u64,
}

impl<S: Suite> Machines<S> {
    /// Everybody has begun.
    pub(crate) fn new(stage: Stage<S>) -> Self {
        let mut messages = Messages::default();
        let own = stage.forger.own().into_iter().map(|(bytes, kind)| messages.add(bytes, None, kind, "").0);
        let own = own.collect();
        let ends = stage.ends.iter().map(|_| Places::default()).collect();
        let mut machines = Self { stage, messages, ends, own, steps: 0 };
        for end in 0..machines.stage.ends.len() {
            let live = machines.begin(end);
            machines.place(end, live, Vec::new());
        }
        machines
    }

    pub(crate) fn local(&self, end: usize, at: LocalId) -> &Local {
        &self.ends[end].all[usize::from(at.0)]
    }

    pub(crate) fn record(&self, end: usize, at: LocalId) -> &Record {
        &self.local(end, at).record
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> usize {
        self.ends.iter().map(|places| places.all.len()).sum()
    }

    fn begin(&mut self, end: usize) -> Live {
        let mut live = Live::new(&self.stage, self.stage.ends[end]);
        live.publish(&self.stage, &mut self.messages, None);
        live
    }

    /// A machine that stands there, made anew.
    pub(crate) fn revive(&mut self, end: usize, at: LocalId) -> Live {
        let mut live = self.begin(end);
        for (step, knows) in self.local(end, at).past.clone() {
            self.step(&mut live, step, knows);
        }
        live
    }

    pub(crate) fn step(&mut self, live: &mut Live, step: Step, knows: bool) {
        self.steps += 1;
        let arriving = match step {
            Step::Receive(id) => match self.messages.get(id) {
                Said { bytes, from: Some(_), .. } => Arriving::sent(bytes),
                Said { bytes, from: None, .. } => Arriving::made(bytes),
            },
            _ => Arriving::NOTHING,
        };
        live.step(&self.stage, step, arriving, knows);
        live.publish(&self.stage, &mut self.messages, Some(step));
    }

    /// The number of the place where a machine stands.
    fn place(&mut self, end: usize, live: Live, past: Vec<(Step, bool)>) -> LocalId {
        let picture = live.picture();
        let places = &mut self.ends[end];
        let alike = places.by_record.entry(live.record.clone()).or_default();
        if let Some(at) = alike.iter().find(|at| places.all[usize::from(at.0)].picture == picture) {
            return *at;
        }
        let at = LocalId(u16::try_from(places.all.len()).expect("the bounds are too wide: too many places of one end"));
        alike.push(at);
        let gives = live.record.sent.iter().map(|id| self.messages.get(*id).gives);
        let gives = gives.fold(MessageSet::default(), MessageSet::union);
        let rows = [Row::default(), Row::default()];
        places.all.push(Local { record: live.record, picture, past, gives, rows });
        at
    }

    /// Whether a machine stands at a place.
    fn stands(&self, live: &Live, end: usize, at: LocalId) -> bool {
        let local = self.local(end, at);
        live.record == local.record && live.picture() == local.picture
    }

    /// What an end does next when the attacker has these messages.
    pub(crate) fn row(&mut self, end: usize, at: LocalId, knows: bool, pool: &MessageSet) -> &Row {
        let row = &self.local(end, at).rows[usize::from(knows)];
        let untried = pool.without(&row.tried);
        if !row.own_steps_tried || untried != MessageSet::default() {
            self.try_steps(end, at, knows, untried);
        }
        &self.local(end, at).rows[usize::from(knows)]
    }

    fn try_steps(&mut self, end: usize, at: LocalId, knows: bool, untried: MessageSet) {
        let mut row = self.local(end, at).rows[usize::from(knows)].clone();
        let mut steps: Vec<_> = untried.iter().map(Step::Receive).collect();
        if !std::mem::replace(&mut row.own_steps_tried, true) {
            steps.extend(self.own_steps(self.record(end, at)));
        }
        row.tried = row.tried.union(untried);
        let mut standing = None;
        for step in steps {
            // What was refused stays in the machine's past: it must not matter.
            let mut live = standing.take().unwrap_or_else(|| self.revive(end, at));
            self.step(&mut live, step, knows);
            if self.stands(&live, end, at) {
                if let Step::Receive(id) = step {
                    row.refused.insert(id);
                }
                standing = Some(live);
            } else {
                let past = self.local(end, at).past.iter().copied().chain([(step, knows)]).collect();
                row.moves.push((step, self.place(end, live, past)));
            }
        }
        self.ends[end].all[usize::from(at.0)].rows[usize::from(knows)] = row;
    }

    /// What can happen to an end that is not a message.
    fn own_steps(&self, record: &Record) -> Vec<Step> {
        let scenario = &self.stage.scenario;
        let may = [
            (Step::Send, record.is_open() && record.texts < scenario.lost + scenario.texts),
            (Step::Close, record.is_open() && scenario.closes),
            (Step::TimeOut, record.is_half_open() && scenario.timeouts),
            (Step::Answer, record.asks.is_some()),
        ];
        may.into_iter().filter_map(|(step, may)| may.then_some(step)).collect()
    }

    /// Checks that where machines stand says all about them. For every place and every way to come there, at the
    /// beginning or in one step from another place: a machine that came this way does what is known of the place, step
    /// by step; and so does one that was given everything before that it refuses.
    ///
    /// Gives how many ways were checked.
    ///
    /// # Errors
    /// What was done otherwise, in words.
    pub(crate) fn check_places(&mut self) -> Result<u64, String> {
        let mut checked = 0;
        for end in 0..self.ends.len() {
            let places = (0..self.ends[end].all.len()).map(|at| LocalId(at as u16));
            let mut ways = vec![(LocalId::default(), None, LocalId::default())];
            for from in places {
                for (knew, row) in [false, true].into_iter().zip(&self.local(end, from).rows) {
                    ways.extend(row.moves.iter().map(|(step, to)| (from, Some((*step, knew)), *to)));
                }
            }
            for (from, last, to) in ways {
                self.check_way(end, from, last, to).map_err(|error| {
                    let name = self.stage.ends[end].name();
                    last.map_or(String::new(), |(step, _)| format!("{name}, after {}: ", self.name(step))) + &error
                })?;
                checked += 1;
            }
        }
        Ok(checked)
    }

    fn check_way(&mut self, end: usize, from: LocalId, last: Option<(Step, bool)>, to: LocalId) -> Result<(), String> {
        let arrive = |machines: &mut Self| {
            let mut live = machines.revive(end, from);
            if let Some((step, knew)) = last {
                machines.step(&mut live, step, knew);
            }
            live
        };
        for knows in [false, true] {
            let Row { moves, refused, .. } = self.local(end, to).rows[usize::from(knows)].clone();
            let refuse = |machines: &mut Self, live: &mut Live| {
                let mut all = refused.iter();
                all.find(|id| {
                    machines.step(live, Step::Receive(*id), knows);
                    !machines.stands(live, end, to)
                })
            };
            let mut live = arrive(self);
            if let Some(id) = refuse(self, &mut live) {
                return Err(format!("{} changes what it did not change before", self.messages.name(id)));
            }
            for (step, next) in moves {
                for is_refusing in [false, true] {
                    let mut live = arrive(self);
                    if is_refusing {
                        refuse(self, &mut live);
                    }
                    self.step(&mut live, step, knows);
                    if !self.stands(&live, end, next) {
                        return Err(format!("{} leads elsewhere than before", self.name(step)));
                    }
                }
            }
        }
        Ok(())
    }

    fn name(&self, step: Step) -> String {
        match step {
            Step::Receive(id) => self.messages.name(id),
            Step::Send => "its next text".to_owned(),
            Step::Close => "the application's close".to_owned(),
            Step::TimeOut => "the end of its time".to_owned(),
            Step::Answer => "the answer that it waits for".to_owned(),
        }
    }
}
