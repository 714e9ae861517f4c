//! A way to a state, in sentences.

use std::fmt;

use razor::vault::suite::Suite;

use crate::live::{Ending, Live, Record, Step};
use crate::memo::Machines;

/// What happened, step by step. It was run once more on machines that were made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story(pub Vec<String>);

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().zip(1..).try_for_each(|(sentence, number)| writeln!(f, "{number:>3}. {sentence}"))
    }
}

/// Runs the steps on fresh machines and says what they do.
pub(crate) fn tell<S: Suite>(machines: &mut Machines<S>, steps: &[(usize, Step)]) -> Story {
    let mut ends: Vec<Live> =
        machines.stage.ends.clone().into_iter().map(|end| Live::new(&machines.stage, end)).collect();
    ends.iter_mut().for_each(|end| end.publish(&machines.stage, &mut machines.messages, None));
    let begun = ends.iter().filter(|live| live.end.initiates).map(|live| live.end.name());
    let begun: Vec<_> = begun.collect();
    let verb = if begun.len() == 1 { "sends its message 1" } else { "send their messages 1" };
    let mut story = vec![format!("{} {verb}.", begun.join(" and "))];
    for (end, step) in steps {
        let who = ends[*end].end.who;
        let knows = ends.iter().any(|live| live.end.who == who && live.record.knows);
        let before = ends[*end].record.clone();
        machines.step(&mut ends[*end], *step, knows);
        story.push(sentence(machines, &ends[*end], *step, &before));
    }
    Story(story)
}

fn sentence<S: Suite>(machines: &Machines<S>, live: &Live, step: Step, before: &Record) -> String {
    let (name, after) = (live.end.name(), &live.record);
    let happened = match step {
        Step::Receive(id) if before.state.is_none() => {
            format!("The attacker gives {} to the listener of {}", machines.messages.name(id), live.end.who.name())
        }
        Step::Receive(id) => format!("The attacker gives {} to {name}", machines.messages.name(id)),
        Step::Send => format!("The application at {name} speaks"),
        Step::Close => format!("The application at {name} closes the channel"),
        Step::TimeOut => format!("The handshake of {name} has lasted too long"),
        Step::Answer => format!("{name} hears from {}", before.asks.unwrap_or("nobody")),
    };
    let mut follows: Vec<String> = Vec::new();
    if before.state.is_none() {
        follows.push("begins".to_owned());
    }
    if after.held.len() > before.held.len() {
        follows.push("holds it".to_owned());
    }
    if let (None, Some(peer)) = (before.peer, after.peer) {
        follows.push(format!("is open with {}", peer.map_or("somebody unknown", |peer| peer.name())));
    }
    follows.extend(after.sent[before.sent.len()..].iter().map(|id| format!("sends {}", machines.messages.name(*id))));
    for text in added(&before.delivered, &after.delivered) {
        follows
            .push(format!("delivers {}", text.map_or("what nobody said".to_owned(), |text| machines.stage.name(text))));
    }
    if let (false, Some(question)) = (before.asks == after.asks, after.asks) {
        follows.push(format!("asks {question}"));
    }
    if let (None, Some(ending)) = (before.ending, after.ending) {
        follows.push(match ending {
            Ending::Closed | Ending::ClosedByPeer => "is closed".to_owned(),
            Ending::TimedOut | Ending::Refused => "gives up".to_owned(),
        });
    }
    if follows.is_empty() { format!("{happened}.") } else { format!("{happened}: {name} {}.", follows.join(", ")) }
}

/// What is in the longer list and not in the shorter; both are sorted.
fn added<T: PartialEq + Copy>(before: &[T], after: &[T]) -> Vec<T> {
    let mut before = before.iter().peekable();
    after.iter().filter(|item| before.next_if_eq(item).is_none()).copied().collect()
}
