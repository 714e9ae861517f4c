//! That nobody is stuck: what comes of a state when the attacker stops and delivers honestly.

use razor::channel::{State, WINDOW};
use razor::vault::suite::Suite;

use crate::judge::{Property, Verdict, fail};
use crate::live::{Arriving, Ending, Live, Step};
use crate::memo::{LocalId, Machines};
use crate::message::{Kind, MessageId, Text};
use crate::scenario::End;
use crate::stage::Stage;

/// No message of the exploration has this number: it is one for trying out.
const TRIAL: MessageId = MessageId(u16::MAX);

/// What is half-open has a time at which it is over, and then it is.
pub(crate) fn ends_by_itself<S: Suite>(machines: &mut Machines<S>, (end, at): (usize, LocalId)) -> Verdict {
    if !machines.record(end, at).is_half_open() {
        return Ok(());
    }
    let mut live = machines.revive(end, at);
    let has_deadline = live.has_deadline();
    machines.steps += 1;
    live.step(&machines.stage, Step::TimeOut, Arriving::NOTHING, false);
    if has_deadline && live.record.ending == Some(Ending::TimedOut) {
        return Ok(());
    }
    fail(Property::Progress, format!("{} is half-open and never ends", live.end.name()))
}

/// A new channel opens and carries a text each way.
pub(crate) fn opens_anew<S: Suite>(machines: &mut Machines<S>, ends: [End; 2], knows: [bool; 2]) -> Verdict {
    let [from, to] = ends.map(|end| end.who);
    let [mut a, b] = [End::fresh(from, true), End::fresh(to, false)].map(|end| Live::new(&machines.stage, end));
    let sent = [a.sent().pop(), None, None];
    let mut trial = Trial { stage: &machines.stage, steps: 0 };
    let outcome = trial.finish(&mut [a, b], knows, sent);
    machines.steps += trial.steps;
    outcome.or_else(|what| {
        fail(Property::Progress, format!("a new channel from {} to {}: {what}", from.name(), to.name()))
    })
}

/// Two ends that can have a channel get it, and all texts that are on their way, and a new one each way. When one of
/// them has closed it, the other hears of that.
pub(crate) fn goes_on<S: Suite>(machines: &mut Machines<S>, ends: [(usize, LocalId); 2], knows: [bool; 2]) -> Verdict {
    let endings = ends.map(|(end, at)| machines.record(end, at).ending);
    if !matches!(endings, [None, None] | [None, Some(Ending::Closed)] | [Some(Ending::Closed), None]) {
        return Ok(());
    }
    let [from_a, from_b] = ends.map(|(end, at)| Spoken::by(machines, end, at));
    let mut pair = ends.map(|(end, at)| machines.revive(end, at));
    let [name_a, name_b] = pair.each_ref().map(|live| live.end.name());
    let mut trial = Trial { stage: &machines.stage, steps: 0 };
    let outcome = match (endings, &mut pair) {
        ([None, None], pair) => {
            let sent = [None, from_b.handshake, from_a.handshake];
            trial.open(pair, knows, sent).and_then(|()| trial.exchange(pair, [from_a.texts, from_b.texts]))
        }
        ([Some(_), _], [_, b]) => trial.hear(b, knows[1], &from_a),
        (_, [a, _]) => trial.hear(a, knows[0], &from_b),
    };
    machines.steps += trial.steps;
    outcome.or_else(|what| fail(Property::Progress, format!("{name_a} and {name_b}: {what}")))
}

/// What an end has sent.
struct Spoken {
    /// Its message 2 or 3.
    handshake: Option<Vec<u8>>,
    texts: Vec<(Text, Vec<u8>)>,
    close: Option<Vec<u8>>,
    /// The text that would come next. A close stands in its place.
    next: Text,
}

impl Spoken {
    fn by<S: Suite>(machines: &Machines<S>, end: usize, at: LocalId) -> Self {
        let record = machines.record(end, at);
        let next = Text { end, number: record.texts };
        let mut spoken = Self { handshake: None, texts: Vec::new(), close: None, next };
        for said in record.sent.iter().map(|id| machines.messages.get(*id)) {
            let bytes = said.bytes.clone();
            match said.kind {
                Kind::Second(_) | Kind::Third(_) => spoken.handshake = Some(bytes),
                Kind::Text(text) => spoken.texts.push((text, bytes)),
                Kind::Close => spoken.close = Some(bytes),
                Kind::First | Kind::Changed(_) => {}
            }
        }
        spoken
    }
}

/// Honest delivery, tried out on machines that are thrown away then.
struct Trial<'a, S: Suite> {
    stage: &'a Stage<S>,
    steps: u64,
}

impl<S: Suite> Trial<'_, S> {
    /// Takes a step and gives the last message that is sent for it; vault and store answer.
    fn step(&mut self, live: &mut Live, step: Step, bytes: &[u8], knows: bool) -> Option<Vec<u8>> {
        live.step(self.stage, step, Arriving::sent(bytes), knows);
        self.steps += 1;
        while live.record.asks.is_some() {
            live.step(self.stage, Step::Answer, Arriving::NOTHING, knows);
            self.steps += 1;
        }
        live.sent().pop()
    }

    fn finish(&mut self, pair: &mut [Live; 2], knows: [bool; 2], sent: [Option<Vec<u8>>; 3]) -> Result<(), String> {
        self.open(pair, knows, sent)?;
        self.exchange(pair, [Vec::new(), Vec::new()])
    }

    /// Delivers what is missing of a handshake between an initiator and a responder. `sent` are the messages that were
    /// sent before.
    fn open(&mut self, pair: &mut [Live; 2], knows: [bool; 2], mut sent: [Option<Vec<u8>>; 3]) -> Result<(), String> {
        for _ in 0..2 {
            for ((live, knows), own) in pair.iter_mut().zip(knows).zip([2, 1]) {
                if live.record.asks.is_some() {
                    let answered = self.step(live, Step::Answer, &[], knows);
                    sent[own] = answered.or(sent[own].take());
                }
                let wants = match live.record.state {
                    None => 0,
                    Some(State::AwaitMessage2) => 1,
                    Some(State::AwaitMessage3) => 2,
                    _ => continue,
                };
                if let Some(message) = sent[wants].clone() {
                    let answer = self.step(live, Step::Receive(TRIAL), &message, knows);
                    sent[own] = answer.or(sent[own].take());
                }
            }
        }
        let are_open = pair.iter().all(|live| live.record.is_open());
        if are_open { Ok(()) } else { Err("honest delivery does not open the channel".to_owned()) }
    }

    /// Delivers the texts that are on their way from each to the other, then a new one.
    fn exchange(&mut self, [a, b]: &mut [Live; 2], on_their_way: [Vec<(Text, Vec<u8>)>; 2]) -> Result<(), String> {
        let [from_a, from_b] = on_their_way;
        self.carry(a, b, from_a)?;
        self.carry(b, a, from_b)
    }

    fn carry(&mut self, from: &mut Live, to: &mut Live, mut texts: Vec<(Text, Vec<u8>)>) -> Result<(), String> {
        let message = self.step(from, Step::Send, &[], false).ok_or("an open channel sends nothing")?;
        texts.push((Text { end: from.end.index, number: from.record.texts.saturating_sub(1) }, message));
        texts.retain(|(text, _)| !to.record.delivered.contains(&Some(*text)));
        // The newest first: it moves the window farthest, and the old ones must still be in it.
        for (text, message) in texts.into_iter().rev() {
            let must = is_near(to, text);
            self.step(to, Step::Receive(TRIAL), &message, false);
            if must && !to.record.delivered.contains(&Some(text)) {
                let (from, to) = (from.end.name(), to.end.name());
                return Err(format!("{to} does not deliver text {} of {from}", text.number + 1));
            }
        }
        Ok(())
    }

    /// Delivers the end of a channel to who does not know of it; first message 3, if that is missing.
    fn hear(&mut self, live: &mut Live, knows: bool, spoken: &Spoken) -> Result<(), String> {
        if live.record.asks.is_some() {
            self.step(live, Step::Answer, &[], knows);
        }
        if let (Some(State::AwaitMessage3), Some(third)) = (live.record.state, &spoken.handshake) {
            self.step(live, Step::Receive(TRIAL), third, knows);
        }
        let close = spoken.close.as_ref().ok_or("who closes says nothing")?;
        let must = is_near(live, spoken.next);
        self.step(live, Step::Receive(TRIAL), close, knows);
        if must && live.record.ending != Some(Ending::ClosedByPeer) {
            return Err(format!("{} does not hear that the channel is closed", live.end.name()));
        }
        Ok(())
    }
}

/// Whether a text lies in the window of who is to deliver it. Its number is its nonce.
fn is_near(live: &Live, text: Text) -> bool {
    live.record.largest(text.end).map_or(0, u64::from).abs_diff(u64::from(text.number)) <= WINDOW
}
