//! What happened in a world, one thing at a time, in words: for the page and for the story.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use razor::identity::Identifier;

use crate::adversary::{Capability, Class, Intent, Way};
use crate::checker::Ledger;
use crate::contents::{Content, Contents};
use crate::frame::Frame;
use crate::host::{Origin, Output};
use crate::plan::{self, Plan};
use crate::record::{Deed, Occasion, Record};
use crate::report::Report;
use crate::seed::Seed;
use crate::trace::{Entry, What};

/// A world that kept a record, and everything that helps to tell of it.
pub struct Telling<'a> {
    report: &'a Report,
    record: &'a Record,
    contents: Contents,
    /// Every frame that was put on a link, by its number.
    sent: BTreeMap<u64, &'a Entry>,
    /// What followed from each entry, by the numbers of both.
    followed: BTreeMap<u64, Vec<u64>>,
}

impl<'a> Telling<'a> {
    /// Of a world that was [recording](crate::World::recording).
    ///
    /// # Panics
    /// If it was not.
    pub fn of(report: &'a Report) -> Self {
        let record = report.record.as_ref().expect("only of a world that kept a record is there something to tell");
        let sent = report.entries.iter().filter(|entry| entry.what == What::Sent).map(|entry| (entry.frame, entry));
        let mut telling = Self {
            report,
            record,
            contents: Contents::of(&report.entries),
            sent: sent.collect(),
            followed: BTreeMap::new(),
        };
        for entry in &report.entries {
            if let Some(before) = telling.before(entry) {
                telling.followed.entry(before.number).or_default().push(entry.number);
            }
        }
        telling
    }

    /// The report.
    pub fn report(&self) -> &'a Report {
        self.report
    }

    /// The record.
    pub fn record(&self) -> &'a Record {
        self.record
    }

    /// The entry of this number.
    pub fn entry(&self, number: u64) -> Option<&'a Entry> {
        self.report.entries.get((number as usize).checked_sub(1)?)
    }

    /// The frame of this number, as it was put on its link.
    pub fn sent(&self, frame: u64) -> Option<&'a Entry> {
        self.sent.get(&frame).copied()
    }

    /// What an entry follows from: an arrival from what was sent, anything else from what its node was given.
    pub fn before(&self, entry: &Entry) -> Option<&'a Entry> {
        match entry.what {
            What::Arrived | What::Lost => self.sent(entry.frame),
            _ => self.entry(entry.cause.entry),
        }
    }

    /// What follows from an entry.
    pub fn after(&self, entry: &Entry) -> impl Iterator<Item = &'a Entry> {
        self.followed.get(&entry.number).into_iter().flatten().filter_map(|number| self.entry(*number))
    }

    /// What led to an entry, from the beginning on; the entry itself comes last.
    pub fn history(&self, entry: &'a Entry) -> Vec<&'a Entry> {
        let mut chain: Vec<_> = std::iter::successors(Some(entry), |entry| self.before(entry)).collect();
        chain.reverse();
        chain
    }

    /// The deed of an adversary behind an entry.
    pub fn deed(&self, entry: &Entry) -> Option<&'a Deed> {
        self.record.deeds.get(entry.cause.deed?)
    }

    /// What these bytes carry.
    pub fn content(&self, bytes: &[u8]) -> Content {
        Frame::decode(bytes).map_or(Content::Other, |frame| self.contents.within(&frame))
    }

    /// The name of a node.
    pub fn name(&self, node: usize) -> &'a str {
        self.report.plan.nodes.get(node).map_or("nobody", |node| &node.name)
    }

    /// The node at the other end of the link that leads there.
    pub fn beside(&self, way: Way) -> Option<usize> {
        let [one, other] = &self.report.plan.links.get(way.link)?.between;
        self.report.plan.node(if *one == self.name(way.to) { other } else { one })
    }

    /// Whose identity this is.
    pub fn owner(&self, peer: &Identifier) -> Option<usize> {
        self.record.owners.get(peer).copied()
    }

    /// Somebody, by name if he is of this world.
    pub fn who(&self, peer: &Identifier) -> String {
        self.owner(peer).map_or_else(|| format!("a stranger ({peer})"), |node| self.name(node).to_owned())
    }

    /// An adversary: what it is, and where.
    pub fn adversary(&self, number: usize) -> String {
        self.report.plan.adversaries.get(number).map_or_else(|| "somebody".into(), place)
    }

    /// A channel, by its name if it has one.
    pub fn channel(&self, tag: usize) -> String {
        let planned = self.report.plan.channels.get(tag);
        match planned.map(|channel| &channel.name) {
            Some(Some(name)) => name.clone(),
            Some(None) => format!("channel {tag}"),
            None if tag < self.record.channels.len() => format!("channel {tag} of the healed world"),
            None => "a channel of its own".into(),
        }
    }

    /// A message of an application.
    pub fn message(&self, number: u64) -> String {
        match self.record.messages.get(number as usize) {
            Some(sent) => format!("message {} of {}", sent.order, self.channel(sent.channel)),
            None => "a message that nobody sent".into(),
        }
    }

    /// What a frame carries, in a few words.
    pub fn cargo(&self, bytes: &[u8]) -> String {
        match self.content(bytes) {
            Content::Handshake(message) => format!("handshake {message}"),
            Content::Channel { nonce, message: Some(number) } => format!("{}, nonce {nonce}", self.message(number)),
            Content::Channel { nonce, message: None } => format!("nonce {nonce}"),
            Content::Other => format!("{} bytes", bytes.len()),
        }
    }

    /// What an entry says, in a line.
    pub fn line(&self, entry: &Entry) -> String {
        let node = self.name(entry.node);
        let ends = entry.way.map(|way| (self.beside(way).map_or("nobody", |from| self.name(from)), self.name(way.to)));
        let (from, to) = ends.unwrap_or((node, node));
        let made = match entry.intent {
            Intent::Honest => "",
            Intent::Tampered => "tampered, ",
            Intent::Forged => "forged, like ",
            Intent::Futile => "leading nowhere, ",
            Intent::Broken => "no frame, like ",
        };
        match entry.what {
            What::Sent => {
                let of = self.deed(entry).map_or(String::new(), |deed| format!(" ({})", deed.capability));
                format!("{from} to {to}{of}: {made}{}", self.cargo(&entry.bytes))
            }
            What::Arrived if entry.frame == 0 => format!("{to} from {from}: what opens the connection"),
            What::Arrived => {
                let whole = self.sent(entry.frame).map_or(&entry.bytes, |sent| &sent.bytes);
                let piece = if entry.bytes.len() < whole.len() { "a piece of " } else { "" };
                let cargo = self.cargo(if entry.bytes.len() == whole.len() { &entry.bytes } else { whole });
                format!("{to} from {from}: {made}{piece}{cargo}")
            }
            What::Lost => {
                let bytes = self.sent(entry.frame).map_or(&entry.bytes, |sent| &sent.bytes);
                format!("lost from {from} to {to}: {made}{}", self.cargo(bytes))
            }
            What::Swallowed | What::Injected => self.mischief(entry, from, to),
            What::Delivered => self.delivery(entry),
            What::Asked if entry.bytes.is_empty() => {
                let tag = entry.frame as usize;
                let to = self.record.channels.get(tag).map_or("nobody", |channel| self.name(channel.to));
                format!("{node} opens {} to {to}", self.channel(tag))
            }
            What::Asked => match Ledger::number(&entry.bytes) {
                Some(number) => format!("{node} says {}", self.message(number)),
                None => format!("{node} says {} bytes", entry.bytes.len()),
            },
            What::Event => format!("{node}: {}", self.told(entry)),
            What::Connection => {
                let state = entry.words.rsplit(' ').next().unwrap_or_default();
                format!("the connection of {from} and {to} is {state}")
            }
            What::Fault => format!("{node} {}", entry.words),
            What::Phase if entry.words == "healed" => "the faults are over, and adversaries only watch".into(),
            What::Phase => "the world begins".into(),
            What::Violated => format!("violated: {}", entry.words),
        }
    }

    fn mischief(&self, entry: &Entry, from: &str, to: &str) -> String {
        let Some(deed) = self.deed(entry) else { return entry.words.clone() };
        let who = self.adversary(deed.adversary);
        if entry.what == What::Injected {
            let made = if entry.intent == Intent::Forged { "forges, like" } else { "sends" };
            let toward = if entry.way.is_some() { to } else { "its own node" };
            return format!("{who} to {toward} ({}): {made} {}", deed.capability, self.cargo(&entry.bytes));
        }
        let bytes = match &deed.occasion {
            Occasion::Passing { bytes, .. } | Occasion::Run { bytes, .. } | Occasion::Held { bytes, .. } => {
                bytes.as_slice()
            }
            Occasion::OwnAccord { .. } => &[],
        };
        let held = deed.capability == Capability::Overtake;
        let does = if held { "holds back" } else { "swallows" };
        format!("{who} {does} from {from} to {to}: {}", self.cargo(bytes))
    }

    fn delivery(&self, entry: &Entry) -> String {
        let node = self.name(entry.node);
        let what = match Ledger::number(&entry.bytes) {
            Some(number) => self.message(number),
            None => format!("{} bytes", entry.bytes.len()),
        };
        let from = match &entry.told {
            Some(Output::Delivered { origin: Origin::Peer(peer), .. }) => format!(" from {}", self.who(peer)),
            Some(Output::Delivered { origin: Origin::Local, .. }) => " from itself".into(),
            Some(Output::Delivered { origin: Origin::Connection, .. }) => ", of which nobody knows who said it".into(),
            _ => String::new(),
        };
        format!("{node} is told {what}{from}")
    }

    /// What a node told its owner.
    fn told(&self, entry: &Entry) -> String {
        let channel = |tag: &Option<usize>| tag.map_or_else(|| "a channel".into(), |tag| self.channel(tag));
        match &entry.told {
            Some(Output::Opened { tag, peer, .. }) => {
                format!("{} is open, with {}", channel(tag), self.who(peer))
            }
            Some(Output::Failed { tag, error }) => format!("{} failed: {error}", channel(tag)),
            Some(Output::Dropped(error)) => format!("refused: {error}"),
            Some(Output::Closed { .. }) => "a channel is closed".into(),
            Some(Output::Session { tag, up }) => {
                let state = if *up { "up" } else { "down" };
                format!("the session of {} is {state}", self.channel(*tag))
            }
            _ => entry.words.clone(),
        }
    }
}

/// The command that runs the world of this plan again; a plan that no seed draws is a file.
pub fn command(plan: &Plan, what: &str) -> String {
    if Plan::draw(Seed(plan.seed), plan.preset) == *plan {
        format!("razor sim {what} {} --preset {}", plan.seed, plan.preset)
    } else {
        format!("razor sim {what} plan.toml")
    }
}

/// What an adversary of a plan is, and where.
pub fn place(adversary: &plan::Adversary) -> String {
    let mut place = match adversary.class {
        Class::Link => "the attacker".to_owned(),
        class => format!("the {class}"),
    };
    // Writing to a string cannot fail.
    let _ = match (&adversary.at, &adversary.between) {
        (Some(node), _) => write!(place, " at {node}"),
        (None, Some([one, other])) => write!(place, " between {one} and {other}"),
        (None, None) => Ok(()),
    };
    place
}

/// What an adversary of a plan has from the beginning, besides what it will see.
pub fn holdings(adversary: &plan::Adversary) -> Vec<String> {
    let victim = adversary.victim.as_deref().unwrap_or("its victim");
    let other = adversary.poses_as.as_deref().unwrap_or("somebody else");
    let place = match adversary.class {
        Class::Archivist => "no key: it reads what anybody on its way can read",
        class if class.has_a_node() => "the keys and the identity of its own node, and everything that leaves it",
        _ => "no key, and everything that passes its link",
    };
    let more = match adversary.class {
        Class::Misbinder => vec![format!("the history and the attestation of {victim}, which anybody has who met it")],
        Class::Forger => {
            vec![format!("the history of {victim}, and papers of its own make that are false in one point")]
        }
        Class::StaticThief => {
            vec![format!("the static secret key of {victim}"), format!("the history and the attestation of {other}")]
        }
        Class::PurposeThief => {
            vec![format!("the static secret key of {victim}"), format!("the history and the attestation of {victim}")]
        }
        Class::OldKeyThief => vec![
            format!("the first identity secret key of {victim}"),
            format!("a history of {victim} that branches off there, with a key of its own"),
        ],
        Class::Equivocator => vec!["two histories of its own identity that branch".into()],
        Class::Crowd => vec!["many identities, each with its keys and papers".into()],
        Class::Clock => vec!["the time service of the nodes".into()],
        Class::Archivist | Class::Link | Class::Hop | Class::Injector | Class::Shuffler | Class::Exhauster => {
            Vec::new()
        }
    };
    [vec![place.to_owned()], more].concat()
}

/// Why an adversary did something, in a sentence.
pub fn reason(adversary: &plan::Adversary, deed: &Deed) -> String {
    let drawn = || match adversary.capabilities().len() {
        1 => "this is all that it can do".to_owned(),
        things => format!("it drew this of the {things} things that it can do"),
    };
    match &deed.occasion {
        Occasion::Passing { .. } if deed.capability == Capability::Impersonate => {
            "a first message passed, which it can answer itself".into()
        }
        Occasion::Passing { .. } => format!("a frame passed; it acts on {} of them, and {}", adversary.acts, drawn()),
        Occasion::Run { left, .. } => format!("it swallows a run of frames, and {left} more after this one"),
        Occasion::Held { left, .. } => {
            format!("it holds a run of messages back until one has passed that comes {left} later")
        }
        Occasion::OwnAccord { every, target: Some(_) } => {
            format!("it acts of its own accord, and asks itself every {}", humantime::format_duration(*every))
        }
        Occasion::OwnAccord { every, target: None } => {
            format!("it acts of its own accord every {}, and {}", humantime::format_duration(*every), drawn())
        }
    }
}
