//! The story of a world in sentences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use razor::env::Instant;

use crate::adversary::Capability;
use crate::checker::Ledger;
use crate::fields;
use crate::frame::Frame;
use crate::host::Output;
use crate::plan;
use crate::record::{Conversation, Deed, Fact, Occasion};
use crate::report::Report;
use crate::requirement;
use crate::scene::Line;
use crate::telling::{self, Telling};
use crate::trace::{Entry, What};

/// The longest line.
const WIDTH: usize = 108;

/// The most things of a kind that are told one by one.
const EACH: usize = 6;

/// The most lines of a scene that are told.
const LINES: usize = 40;

/// The story of a world that was [recording](crate::World::recording): who is there, what they wanted, what broke, what
/// attackers did and knew, what was refused, what went through, how it ended; and if a property does not hold, what led
/// to that. With `all`, every event follows.
///
/// # Panics
/// If the world kept no record.
pub fn explain(report: &Report, all: bool) -> String {
    let mut story = Story { telling: Telling::of(report), text: String::new() };
    story.begin();
    story.wishes();
    story.faults();
    story.attackers();
    story.refusals();
    story.end();
    if all {
        story.everything();
    }
    story.text
}

struct Story<'a> {
    telling: Telling<'a>,
    text: String,
}

fn at(entry: &Entry) -> String {
    millis(entry.at)
}

fn millis(at: Instant) -> String {
    let micros = at.as_nanos() / 1_000;
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

/// `a, b and c`; of many the first, and how many more.
fn list(items: &[String]) -> String {
    match items {
        [] => "nobody".into(),
        [one] => one.clone(),
        [all @ .., last] if items.len() <= 2 * EACH => format!("{} and {last}", all.join(", ")),
        _ => format!("{} and {} more", items[..2 * EACH].join(", "), items.len() - 2 * EACH),
    }
}

fn times(count: usize) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{count} times"),
    }
}

/// `1 frame`, `2 frames`.
pub(crate) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

impl<'a> Story<'a> {
    fn head(&mut self, head: &str) {
        self.text.push('\n');
        self.text.push_str(head);
        self.text.push('\n');
    }

    /// A paragraph, two spaces in; further lines four.
    fn say(&mut self, sentence: &str) {
        self.paragraph("  ", "    ", sentence);
    }

    fn paragraph(&mut self, first: &str, next: &str, sentence: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in sentence.split(' ') {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line = next.to_owned();
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A line of a list of events.
    fn event(&mut self, entry: &Entry) {
        let line = self.telling.line(entry);
        self.paragraph(&format!("  {:>13}  ", at(entry)), &" ".repeat(19), &line);
    }

    fn entries(&self) -> &'a [Entry] {
        &self.telling.report().entries
    }

    fn begin(&mut self) {
        let report = self.telling.report();
        let plan = &report.plan;
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.text,
            "World of seed {}, {}: {}, {}, {}.",
            report.seed,
            report.preset,
            count(plan.nodes.len(), "node"),
            count(plan.links.len(), "link"),
            match plan.adversaries.len() {
                1 => "1 adversary".to_owned(),
                adversaries => format!("{adversaries} adversaries"),
            }
        );
        if let Some(violation) = report.violations.first() {
            let at = violation.node.map_or(String::new(), |node| format!(" (at {})", self.telling.name(node)));
            self.paragraph("", "", &format!("It fails: {}: {}{at}.", violation.property, violation.detail));
        }
        self.head("Who is there");
        let hostile = |node: &plan::Node| {
            plan.adversaries.iter().any(|other| other.class.has_a_node() && other.at.as_ref() == Some(&node.name))
        };
        let honest: Vec<String> =
            plan.nodes.iter().filter(|node| !hostile(node)).map(|node| node.name.clone()).collect();
        self.say(&format!("Honest: {}.", list(&honest)));
        for adversary in &plan.adversaries {
            let holdings = telling::holdings(adversary).join("; ");
            let place = telling::place(adversary);
            self.say(&format!("Hostile: {place}. {} It has {holdings}.", adversary.class.about()));
        }
    }

    fn wishes(&mut self) {
        self.head("What they wanted");
        let planned = self.telling.report().plan.channels.len();
        let channels = &self.telling.record().channels;
        for (tag, channel) in channels.iter().enumerate().take(planned.min(EACH)) {
            let sentence = self.wish(tag, channel);
            self.say(&sentence);
        }
        if planned > EACH {
            self.say(&format!("And {} more.", count(planned - EACH, "channel")));
        }
        if planned == 0 {
            self.say("Nothing: no application opens a channel.");
        }
    }

    /// A channel, and what came of it.
    fn wish(&self, tag: usize, channel: &Conversation) -> String {
        let Conversation { from, to, inside, kept, messages } = channel;
        let mut wish = format!(
            "{} opens {} to {}{}{}, for {} each way.",
            self.telling.name(*from),
            self.telling.channel(tag),
            self.telling.name(*to),
            inside.map_or(String::new(), |outer| format!(", inside of {}", self.telling.channel(outer))),
            if *kept { ", kept by a session" } else { "" },
            count(*messages, "message")
        );
        let of_it = |entry: &&Entry| match &entry.told {
            Some(Output::Opened { tag: Some(own), .. } | Output::Session { tag: own, up: true }) => *own == tag,
            _ => false,
        };
        let opened: Vec<_> = self.entries().iter().filter(of_it).collect();
        let failed = self.entries().iter().find_map(|entry| match &entry.told {
            Some(Output::Failed { tag: Some(own), error }) if *own == tag => Some((entry, error)),
            _ => None,
        });
        let _ = match (opened.as_slice(), failed) {
            ([first, ..], _) => {
                let arrived = |node| self.arrived(tag, node);
                write!(wish, " It was open at {}; {} arrived there, {} back.", at(first), arrived(*to), arrived(*from))
            }
            ([], Some((entry, error))) => write!(wish, " It failed at {}: {error}.", at(entry)),
            ([], None) => write!(wish, " It never opened."),
        };
        wish
    }

    /// How many messages of a channel arrived at a node.
    fn arrived(&self, tag: usize, node: usize) -> usize {
        let messages = &self.telling.record().messages;
        let numbers: BTreeSet<u64> = self
            .entries()
            .iter()
            .filter(|entry| entry.what == What::Delivered && entry.node == node)
            .filter_map(|entry| Ledger::number(&entry.bytes))
            .filter(|number| messages.get(*number as usize).is_some_and(|sent| sent.channel == tag))
            .collect();
        numbers.len()
    }

    fn faults(&mut self) {
        let healed = self.entries().iter().find(|entry| entry.what == What::Phase && entry.words == "healed");
        let end = healed.map_or(u64::MAX, |entry| entry.number);
        let is_fault = |entry: &&Entry| entry.what == What::Fault && entry.cause.deed.is_none() && entry.number < end;
        let faults: Vec<_> = self.entries().iter().filter(is_fault).collect();
        let is_loss = |entry: &&Entry| entry.what == What::Lost;
        let lost = self.entries().iter().filter(is_loss).count();
        if faults.is_empty() && lost == 0 {
            return;
        }
        self.head("What broke");
        for entry in faults.iter().take(EACH) {
            self.event(entry);
        }
        if faults.len() > EACH {
            self.say(&format!("And {} more.", count(faults.len() - EACH, "fault")));
        }
        if lost > 0 {
            self.say(&format!("Links lost {}.", count(lost, "frame")));
        }
    }

    fn attackers(&mut self) {
        let adversaries = &self.telling.report().plan.adversaries;
        if adversaries.is_empty() {
            return;
        }
        self.head("What the attackers did and knew");
        for (number, adversary) in adversaries.iter().enumerate() {
            let did = self.deeds(number);
            let knew = self.knowledge(number);
            self.say(&format!("{}: {did} {knew}", telling::place(adversary)));
        }
    }

    fn deeds(&self, adversary: usize) -> String {
        let mut deeds: BTreeMap<Capability, usize> = BTreeMap::new();
        for deed in self.telling.record().deeds.iter().filter(|deed| deed.adversary == adversary) {
            *deeds.entry(deed.capability).or_default() += 1;
        }
        if deeds.is_empty() {
            return "it did nothing but watch.".into();
        }
        let mut deeds: Vec<_> = deeds.into_iter().collect();
        deeds.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let items: Vec<String> =
            deeds.iter().map(|(capability, number)| format!("{capability} {}", times(*number))).collect();
        format!("{}.", list(&items))
    }

    /// What an adversary knew in the end.
    fn knowledge(&self, adversary: usize) -> String {
        let (mut frames, mut listeners, mut channels) = (0, BTreeSet::new(), BTreeMap::new());
        let (mut peers, mut texts) = (BTreeSet::new(), 0);
        for lesson in self.telling.record().lessons.iter().filter(|lesson| lesson.adversary == adversary) {
            match &lesson.fact {
                Fact::Frame { .. } => frames += 1,
                Fact::Listener { route, .. } => {
                    listeners.insert(route);
                }
                Fact::Channel { route, .. } => {
                    channels.insert(route, 0);
                }
                Fact::Nonce { route, nonce } => {
                    channels.insert(route, *nonce);
                }
                Fact::Keys { peer } => {
                    peers.insert(self.telling.who(peer));
                }
                Fact::Plaintext { .. } => texts += 1,
            }
        }
        let mut knew = format!(
            "By the end {} had passed it, and it knew the routes of {} and of {}",
            count(frames, "frame"),
            count(listeners.len(), "listener"),
            count(channels.len(), "channel direction"),
        );
        if let Some(nonce) = channels.values().max() {
            let _ = write!(knew, " (nonces to {nonce})");
        }
        let peers: Vec<String> = peers.into_iter().collect();
        let _ = match peers.len() {
            0 => write!(knew, "; it had the keys of none."),
            _ => write!(knew, "; it had channels of its own with {}.", list(&peers)),
        };
        if texts > 0 {
            let were = if texts == 1 { "was" } else { "were" };
            let _ = write!(knew, " {} {were} said to it.", count(texts, "text"));
        }
        knew
    }

    fn refusals(&mut self) {
        let mut refusals: Vec<_> = self.telling.report().refusals.iter().collect();
        if refusals.is_empty() {
            return;
        }
        refusals.sort_by_key(|(id, number)| (std::cmp::Reverse(**number), **id));
        self.head("What was refused");
        for (id, number) in refusals.iter().take(EACH) {
            let sentence = requirement::sentence(id).unwrap_or_default();
            self.paragraph(&format!("  {number:>6}  {id:<8}"), &" ".repeat(18), sentence);
        }
        if refusals.len() > EACH {
            let rest: Vec<String> = refusals[EACH..].iter().map(|(id, number)| format!("{number} {id}")).collect();
            self.say(&format!("        and {}", list(&rest)));
        }
    }

    fn end(&mut self) {
        let report = self.telling.report();
        self.head("What went through");
        self.say(&format!(
            "{} opened at honest nodes; {} of {} of applications arrived.",
            count(report.channels as usize, "channel end"),
            report.deliveries,
            count(report.sent as usize, "message"),
        ));
        if report.guarded > 0 {
            let forged = count(report.guarded as usize, "forged frame");
            self.say(&format!("{forged} arrived, and the state of the node was compared before and after."));
        }
        self.head("How it ended");
        let planned = report.plan.channels.len();
        if let Some(healed) = self.entries().iter().find(|entry| entry.what == What::Phase && entry.words == "healed") {
            self.say(&format!("At {} the faults were over, and adversaries only watched.", at(healed)));
            let channels = self.telling.record().channels.iter().enumerate().skip(planned);
            for (tag, channel) in channels.collect::<Vec<_>>() {
                let sentence = self.wish(tag, channel);
                self.say(&sentence);
            }
        }
        let violated: Vec<_> = self.entries().iter().filter(|entry| entry.what == What::Violated).collect();
        for entry in &violated {
            self.say(&format!("At {}: {}.", at(entry), self.telling.line(entry)));
        }
        if violated.is_empty() {
            self.say("Every property holds.");
        }
        if report.played.is_empty() {
            for entry in violated {
                self.reason(entry);
            }
        } else {
            self.scene(&report.played);
        }
        self.head("Again");
        self.say(&telling::command(&report.plan, "explain"));
        self.say(&telling::command(&report.plan, "view"));
        self.say(&format!("The digest over everything that happened is {}.", report.short_digest()));
    }

    /// The end of a scene that failed.
    fn scene(&mut self, lines: &[Line]) {
        self.head("What was played");
        let last = lines.len().min(LINES);
        self.say(&format!(
            "The world itself went well. After it, its seed plays scenes with nodes of their own. The last {} of the one \
             that failed, by its own clock:",
            count(last, "line")
        ));
        for line in &lines[lines.len() - last..] {
            let words = format!("{}: {}", line.who, line.words);
            self.paragraph(&format!("  {:>13}  ", millis(line.at)), &" ".repeat(19), &words);
        }
    }

    /// What led to a violation.
    fn reason(&mut self, violated: &'a Entry) {
        self.head("What led to it");
        let history = self.telling.history(violated);
        if history.len() > 1 {
            self.chain(&history);
        } else {
            self.what_is_missing();
        }
        // What was delivered twice was delivered before.
        let delivered = history.iter().rev().find(|entry| entry.what == What::Delivered);
        if let Some(number) = delivered.and_then(|entry| Ledger::number(&entry.bytes)) {
            let before = |entry: &&Entry| {
                entry.what == What::Delivered
                    && Ledger::number(&entry.bytes) == Some(number)
                    && delivered.is_some_and(|delivered| entry.number < delivered.number)
            };
            if let Some(before) = self.entries().iter().find(before) {
                let history = self.telling.history(before);
                let message = self.telling.message(number);
                self.say(&format!("It had been delivered before, at {}: {message}.", at(before)));
                self.chain(&history);
            }
            if let Some(sent) = self.telling.record().messages.get(number as usize)
                && delivered.is_some_and(|entry| entry.bytes != sent.payload)
            {
                let told = delivered.map_or(0, |entry| entry.bytes.len());
                self.say(&format!(
                    "It was {} when it was said, and {told} when it was told.",
                    count(sent.payload.len(), "byte")
                ));
            }
        }
    }

    fn chain(&mut self, history: &[&'a Entry]) {
        for entry in history {
            self.event(entry);
            if let Some(deed) = self.telling.deed(entry) {
                let why = self.why(entry, deed);
                self.paragraph(&" ".repeat(19), &" ".repeat(19), &why);
            }
        }
    }

    /// Why an adversary did that, what it changed, and since when it knew where to send it.
    fn why(&self, entry: &Entry, deed: &Deed) -> String {
        let adversary = self.telling.report().plan.adversaries.get(deed.adversary);
        let mut why =
            adversary.map_or(String::new(), |adversary| format!("Why: {}.", telling::reason(adversary, deed)));
        if let (Occasion::Passing { bytes, .. }, What::Injected) = (&deed.occasion, entry.what) {
            let changed = fields::changed(bytes, &entry.bytes, self.telling.content(bytes));
            let _ = match changed.as_slice() {
                [] => write!(why, " It came as {}, and is not changed.", self.telling.cargo(bytes)),
                fields => write!(why, " It came as {}; changed: {}.", self.telling.cargo(bytes), fields.join(", ")),
            };
        }
        if let (Occasion::OwnAccord { .. }, Ok(frame)) = (&deed.occasion, Frame::decode(&entry.bytes)) {
            let lessons = self.telling.record().lessons.iter().take_while(|lesson| lesson.before <= entry.number);
            let known = lessons.filter(|lesson| lesson.adversary == deed.adversary).find(|lesson| match &lesson.fact {
                Fact::Listener { route, .. } | Fact::Channel { route, .. } => *route == frame.onward,
                _ => false,
            });
            if let Some(entry) = known.and_then(|lesson| self.telling.entry(lesson.before)) {
                let _ = write!(why, " It knew this route since {}.", at(entry));
            }
        }
        why
    }

    /// What did not happen: the way of the first message that was said and never told, or of what never opened.
    fn what_is_missing(&mut self) {
        let told: BTreeSet<u64> = self
            .entries()
            .iter()
            .filter(|entry| entry.what == What::Delivered)
            .filter_map(|entry| Ledger::number(&entry.bytes))
            .collect();
        let healed = self.entries().iter().find(|entry| entry.what == What::Phase && entry.words == "healed");
        let since = healed.map_or(0, |entry| entry.number);
        let is_missing = |entry: &&Entry| {
            entry.what == What::Asked
                && entry.number > since
                && Ledger::number(&entry.bytes).is_some_and(|number| !told.contains(&number))
        };
        let channels = self.telling.report().plan.channels.len();
        let opens = |entry: &&Entry| {
            entry.what == What::Asked
                && entry.bytes.is_empty()
                && entry.number > since
                && (since == 0 || entry.frame as usize >= channels)
        };
        let missing = self.entries().iter().find(is_missing);
        let Some(asked) = missing.or_else(|| self.entries().iter().rfind(opens)) else {
            self.say("Nothing that the events tell.");
            return;
        };
        if missing.is_some() {
            let unheard = self.entries().iter().filter(is_missing).count();
            let were = if unheard == 1 { "was" } else { "were" };
            self.say(&format!("{} {were} said and never told. The first:", count(unheard, "message")));
        }
        let mut way = vec![asked];
        let mut next = vec![asked];
        while let Some(entry) = next.pop() {
            let after: Vec<_> = self.telling.after(entry).collect();
            way.extend(&after);
            next.extend(after);
        }
        way.sort_by_key(|entry| entry.number);
        way.truncate(4 * EACH);
        self.chain(&way);
        let last = way.last().copied().unwrap_or(asked);
        let ending = match last.what {
            What::Arrived => format!("Nothing came of it at {}.", self.telling.name(last.node)),
            What::Sent => "It arrived nowhere.".to_owned(),
            What::Asked => format!("Nothing left {}.", self.telling.name(last.node)),
            _ => return,
        };
        self.say(&ending);
    }

    fn everything(&mut self) {
        self.head("Everything");
        for entry in self.entries() {
            self.event(entry);
            if let Some(deed) = self.telling.deed(entry) {
                let why = self.why(entry, deed);
                self.paragraph(&" ".repeat(19), &" ".repeat(19), &why);
            }
        }
    }
}
