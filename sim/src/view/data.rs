//! What the page knows of a world.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::adversary::{Intent, Way};
use crate::contents::Content;
use crate::fields::{self, Field};
use crate::frame::{Frame, Kind};
use crate::host::Output;
use crate::plan::Plan;
use crate::record::{Fact, Lesson, Occasion};
use crate::requirement;
use crate::telling::{self, Telling};
use crate::trace::{Entry, What};

/// A world.
#[derive(Debug, Serialize)]
pub(super) struct World {
    title: String,
    seed: u64,
    preset: String,
    suite: String,
    passed: bool,
    digest: String,
    /// What makes this page.
    command: String,
    /// The plan file.
    plan: String,
    sent: u64,
    delivered: u64,
    attacks: u64,
    nodes: Vec<Node>,
    /// The nodes at the ends of each link.
    links: Vec<[Option<usize>; 2]>,
    adversaries: Vec<Adversary>,
    /// What applications said, by number: the channel, and which bytes.
    messages: Vec<Message>,
    bytes: Vec<Bytes>,
    events: Vec<Event>,
    deeds: Vec<Deed>,
    lessons: Vec<Learnt>,
    /// How often something was refused, by requirement.
    refusals: BTreeMap<&'static str, u64>,
    /// The sentences of requirements.
    requirements: BTreeMap<&'static str, &'static str>,
    situations: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Node {
    name: String,
    identities: Vec<String>,
    /// The adversary that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    adversary: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Adversary {
    class: String,
    about: &'static str,
    /// What it is, and where.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<usize>,
    holds: Vec<String>,
    can: Vec<Can>,
}

#[derive(Debug, Serialize)]
struct Can {
    name: String,
    about: &'static str,
}

#[derive(Debug, Serialize)]
struct Message {
    name: String,
    from: String,
    to: String,
    bytes: usize,
}

/// Bytes, once for all events that have them.
#[derive(Debug, Serialize)]
struct Bytes {
    hex: String,
    /// What they are: `1`, `2` or `3` for handshake messages, `channel`, `other`, or `plain` for what is no frame.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    /// The number of the application's message in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Event {
    /// Microseconds.
    at: u64,
    what: What,
    node: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<usize>,
    #[serde(skip_serializing_if = "is_zero")]
    frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    text: String,
    /// The number of the event that led to it.
    #[serde(skip_serializing_if = "is_zero")]
    cause: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Deed {
    adversary: usize,
    can: String,
    about: &'static str,
    why: String,
    /// The frame as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Learnt {
    adversary: usize,
    /// The number of the event that followed.
    before: u64,
    #[serde(flatten)]
    fact: Known,
}

#[derive(Debug, Serialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
enum Known {
    Frame { kind: &'static str, displaced: bool },
    Listener { route: String, to: usize },
    Channel { route: String, to: usize },
    Nonce { route: String, nonce: u64 },
    Keys { peer: String },
    Plaintext { bytes: usize },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl World {
    /// Everything of a world that its page shows.
    pub(super) fn of(telling: &Telling<'_>) -> Self {
        let (report, record, plan) = (telling.report(), telling.record(), &telling.report().plan);
        let mut store = Store::default();
        let messages = record.messages.iter().enumerate().map(|(number, sent)| Message {
            name: telling.message(number as u64),
            from: telling.who(&sent.from),
            to: telling.name(sent.to).to_owned(),
            bytes: store.plain(&sent.payload),
        });
        let messages = messages.collect();
        let events: Vec<Event> = report.entries.iter().map(|entry| event(telling, &mut store, entry)).collect();
        let ids = events.iter().filter_map(|event| event.requirement);
        let requirements = ids.filter_map(|id| Some((id, requirement::sentence(id)?))).collect();
        Self {
            title: super::title(report),
            seed: report.seed,
            preset: report.preset.to_string(),
            suite: format!("{:?}", plan.suite),
            passed: report.passed(),
            digest: report.short_digest(),
            command: telling::command(plan, "view"),
            plan: plan.to_toml(),
            sent: report.sent,
            delivered: report.deliveries,
            attacks: report.attacks,
            nodes: nodes(telling),
            links: plan
                .links
                .iter()
                .map(|link| [&link.between[0], &link.between[1]].map(|name| plan.node(name)))
                .collect(),
            adversaries: plan.adversaries.iter().map(|adversary| self::adversary(plan, adversary)).collect(),
            deeds: record.deeds.iter().map(|deed| self::deed(telling, &mut store, deed)).collect(),
            lessons: record.lessons.iter().map(|lesson| learnt(telling, &mut store, lesson)).collect(),
            refusals: report.refusals.clone(),
            situations: report.situations.iter().map(ToString::to_string).collect(),
            messages,
            requirements,
            events,
            bytes: store.bytes,
        }
    }
}

fn nodes(telling: &Telling<'_>) -> Vec<Node> {
    let plan = &telling.report().plan;
    let node = |(number, node): (usize, &crate::plan::Node)| {
        let owned = |(identity, owner): (_, &usize)| (*owner == number).then(|| ToString::to_string(identity));
        let has = |adversary: &crate::plan::Adversary| {
            adversary.class.has_a_node() && adversary.at.as_ref() == Some(&node.name)
        };
        Node {
            name: node.name.clone(),
            identities: telling.record().owners.iter().filter_map(owned).collect(),
            adversary: plan.adversaries.iter().position(has),
        }
    };
    plan.nodes.iter().enumerate().map(node).collect()
}

fn adversary(plan: &Plan, adversary: &crate::plan::Adversary) -> Adversary {
    let can = adversary.capabilities().iter().map(|can| Can { name: can.to_string(), about: can.about() });
    Adversary {
        class: adversary.class.to_string(),
        about: adversary.class.about(),
        name: telling::place(adversary),
        node: adversary.at.as_ref().and_then(|name| plan.node(name)),
        link: adversary.between.as_ref().and_then(|[one, other]| plan.link(one, other)),
        holds: telling::holdings(adversary),
        can: can.collect(),
    }
}

fn event(telling: &Telling<'_>, store: &mut Store, entry: &Entry) -> Event {
    let is_frame = matches!(entry.what, What::Sent | What::Arrived | What::Injected);
    // What arrives whole and unharmed is what was sent.
    let known = entry.what == What::Arrived && telling.sent(entry.frame).is_some_and(|sent| sent.bytes == entry.bytes);
    let bytes = (!entry.bytes.is_empty() && !known)
        .then(|| if is_frame { store.frame(telling, &entry.bytes) } else { store.plain(&entry.bytes) });
    let (told, requirement) = match &entry.told {
        Some(Output::Opened { .. }) => (Some("opened"), None),
        Some(Output::Failed { error, .. }) => (Some("failed"), Some(error.requirement())),
        Some(Output::Dropped(error)) => (Some("refused"), Some(error.requirement())),
        Some(Output::Closed { .. }) => (Some("closed"), None),
        Some(Output::Session { up: true, .. }) => (Some("session up"), None),
        Some(Output::Session { up: false, .. }) => (Some("session down"), None),
        _ => (None, None),
    };
    Event {
        at: entry.at.as_nanos() / 1_000,
        what: entry.what,
        node: entry.node,
        link: entry.way.map(|way| way.link),
        to: entry.way.map(|way| way.to),
        frame: if is_frame || entry.what == What::Lost { entry.frame } else { 0 },
        intent: match entry.intent {
            Intent::Honest => None,
            Intent::Tampered => Some("tampered"),
            Intent::Forged => Some("forged"),
            Intent::Futile => Some("futile"),
            Intent::Broken => Some("broken"),
        },
        bytes,
        text: telling.line(entry),
        cause: telling.before(entry).map_or(0, |before| before.number),
        deed: entry.cause.deed,
        requirement,
        told,
    }
}

fn deed(telling: &Telling<'_>, store: &mut Store, deed: &crate::record::Deed) -> Deed {
    let (bytes, target) = match &deed.occasion {
        Occasion::Passing { bytes, .. } | Occasion::Run { bytes, .. } | Occasion::Held { bytes, .. } => {
            (Some(store.frame(telling, bytes)), None)
        }
        Occasion::OwnAccord { target, .. } => (None, *target),
    };
    let planned = telling.report().plan.adversaries.get(deed.adversary);
    let why = planned.map_or_else(String::new, |adversary| telling::reason(adversary, deed));
    Deed {
        adversary: deed.adversary,
        can: deed.capability.to_string(),
        about: deed.capability.about(),
        why,
        bytes,
        target,
    }
}

fn learnt(telling: &Telling<'_>, store: &mut Store, lesson: &Lesson) -> Learnt {
    let text =
        |route: &[razor::routing::Address]| route.iter().map(ToString::to_string).collect::<Vec<_>>().join(" => ");
    let fact = match &lesson.fact {
        Fact::Frame { kind, displaced, .. } => Known::Frame {
            kind: match kind {
                Kind::FirstMessage | Kind::Handshake => "handshake messages",
                Kind::Channel(_) => "channel messages",
                Kind::Other => "others",
            },
            displaced: *displaced,
        },
        Fact::Listener { way: Way { to, .. }, route } => Known::Listener { route: text(route), to: *to },
        Fact::Channel { way: Way { to, .. }, route } => Known::Channel { route: text(route), to: *to },
        Fact::Nonce { route, nonce } => Known::Nonce { route: text(route), nonce: *nonce },
        Fact::Keys { peer } => Known::Keys { peer: telling.who(peer) },
        Fact::Plaintext { text } => Known::Plaintext { bytes: store.plain(text) },
    };
    Learnt { adversary: lesson.adversary, before: lesson.before, fact }
}

/// Bytes, each once.
#[derive(Default)]
struct Store {
    bytes: Vec<Bytes>,
    places: BTreeMap<Vec<u8>, usize>,
}

impl Store {
    fn put(&mut self, bytes: &[u8], make: impl FnOnce() -> Bytes) -> usize {
        if let Some(place) = self.places.get(bytes) {
            return *place;
        }
        let place = self.bytes.len();
        self.bytes.push(make());
        self.places.insert(bytes.to_vec(), place);
        place
    }

    fn plain(&mut self, bytes: &[u8]) -> usize {
        self.put(bytes, || Bytes { hex: hex(bytes), kind: "plain", nonce: None, message: None, fields: Vec::new() })
    }

    /// A frame, or a piece of one.
    fn frame(&mut self, telling: &Telling<'_>, bytes: &[u8]) -> usize {
        self.put(bytes, || {
            let content = telling.content(bytes);
            let (kind, nonce, message) = match content {
                Content::Handshake(1) => ("1", None, None),
                Content::Handshake(2) => ("2", None, None),
                Content::Handshake(_) => ("3", None, None),
                Content::Channel { nonce, message } => ("channel", Some(nonce), message),
                Content::Other if Frame::decode(bytes).is_ok() => ("other", None, None),
                Content::Other => ("broken", None, None),
            };
            Bytes { hex: hex(bytes), kind, nonce, message, fields: fields::fields(bytes, content) }
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}
