//! What a plan must be, so that a world can be made of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use razor::channel;
use razor::identity::HistoryLimits;

use crate::adversary::Class;
use crate::seed::Ppm;

use super::{Channel, Fault, Kind, Node, Places, Plan, Trusts};

/// The most hops of a channel's way: what a route holds, with room for those that adversaries add.
pub const MAX_HOPS: usize = 20;

/// The most nodes.
const MAX_NODES: usize = 1_000;

/// What strangers share at least: room for a history or two.
const STRANGERS: usize = 1_024;

/// The shortest time between two things that somebody does of its own accord: a world has an end.
const PACE: Duration = Duration::from_micros(10);

/// The most characters of a name.
const NAME: usize = 64;

/// Why no world can be made of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(Invalid(format!($($words)+)));
        }
    };
}

/// A name is shown as it is, in terminals and on pages.
fn check_name(name: &str, what: &str) -> Result<(), Invalid> {
    ensure!(!name.is_empty(), "{what} has no name");
    ensure!(name.chars().count() <= NAME, "{what}: a name has at most {NAME} characters, unlike {name:?}");
    // `Debug` writes everything that does not show as an escape.
    let shows = |letter: char| letter == ' ' || letter.escape_debug().len() == 1 || matches!(letter, '\'' | '"' | '\\');
    ensure!(name.chars().all(shows), "{what}: {name:?} has a character that cannot be seen");
    Ok(())
}

/// A listener bears no fewer than its specification has it bear, whatever it is told.
fn check_places(node: &Node) -> Result<(), Invalid> {
    let Some(Places { open, open_per_source, open_per_peer, half_open, half_open_per_source }) = node.places else {
        return Ok(());
    };
    let least = channel::Places::FLOOR;
    for (places, least, what) in [
        (Some(open), least.open, "open channels"),
        (Some(open_per_source), least.open_per_source, "open channels of one source"),
        (Some(open_per_peer), least.open_per_peer, "open channels of one peer"),
        (half_open, least.half_open, "half-open handshakes"),
        (half_open_per_source, least.half_open_per_source, "half-open handshakes of one source"),
    ] {
        ensure!(
            places.is_none_or(|places| places >= least),
            "node {:?}: a listener bears at least {least} {what}",
            node.name
        );
    }
    Ok(())
}

impl Plan {
    /// Checks the whole plan.
    ///
    /// # Errors
    /// A sentence that names the part that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            check_name(&node.name, "a node")?;
            ensure!(names.insert(&node.name), "two nodes are called {:?}", node.name);
            ensure!(
                node.strangers.is_none_or(|bytes| bytes >= STRANGERS),
                "node {:?}: strangers share at least {STRANGERS} bytes",
                node.name
            );
            check_places(node)?;
            self.check_rotations(node)?;
            if let Trusts::These(names) = &node.trusts {
                names.iter().try_for_each(|name| self.known(name, &format!("node {:?} trusts", node.name)))?;
            }
        }
        self.check_links()?;
        ensure!(
            (2..=MAX_NODES).contains(&self.nodes.len()),
            "a world has 2 to {MAX_NODES} nodes, not {}",
            self.nodes.len()
        );
        self.check_channels()?;
        self.faults.iter().try_for_each(|fault| self.check_fault(fault))?;
        self.check_adversaries()
    }

    /// An identity has no more changes than everybody accepts.
    fn check_rotations(&self, node: &Node) -> Result<(), Invalid> {
        let later =
            self.faults.iter().filter(|fault| matches!(fault, Fault::Rotate { node: name, .. } if *name == node.name));
        let changes = usize::from(node.rotations) + later.count();
        let most = usize::from(HistoryLimits::FLOOR.changes) - 1;
        ensure!(
            changes <= most,
            "node {:?} changes its key {changes} times, and nobody has to accept more than {most}",
            node.name
        );
        Ok(())
    }

    fn check_links(&self) -> Result<(), Invalid> {
        let mut pairs = BTreeSet::new();
        for link in &self.links {
            let [one, other] = &link.between;
            let what = format!("the link between {one:?} and {other:?}");
            self.known(one, &what)?;
            self.known(other, &what)?;
            ensure!(one != other, "{what} joins a node to itself");
            ensure!(pairs.insert([one.min(other), one.max(other)]), "{what} is there twice");
            ensure!(link.rate() != Some(0), "{what} has no bandwidth");
            ensure!(link.mtu.is_none_or(|mtu| mtu >= 64), "{what}: an MTU is at least 64 bytes");
            let loses =
                [link.loss, link.duplicate, link.reorder, link.corrupt].iter().any(|chance| *chance > Ppm::NEVER);
            ensure!(
                link.kind == Kind::Datagram || !(loses || link.burst.is_some()),
                "{what} is a stream: only datagrams are lost, doubled, overtaken or damaged"
            );
            if let Some(name) = &link.behind_nat {
                ensure!(link.between.contains(name), "{what}: {name:?} is behind a NAT, and is neither of the two");
            }
            ensure!(
                link.nat_idle.is_none() || link.behind_nat.is_some(),
                "{what} has nat-idle and nobody behind a NAT"
            );
        }
        Ok(())
    }

    fn check_channels(&self) -> Result<(), Invalid> {
        let mut names = BTreeSet::new();
        for (n, channel) in self.channels.iter().enumerate() {
            let Channel { from, to, inside, .. } = channel;
            let what = format!("channel {n} from {from:?} to {to:?}");
            self.known(from, &what)?;
            self.known(to, &what)?;
            ensure!(from != to, "{what} goes nowhere");
            let has_a_node = |name: &String| {
                self.adversaries
                    .iter()
                    .any(|adversary| adversary.class.has_a_node() && adversary.at.as_ref() == Some(name))
            };
            ensure!(!has_a_node(from) && !has_a_node(to), "{what} begins or ends at an adversary's node");
            if let Some(name) = &channel.name {
                check_name(name, &what)?;
                ensure!(names.insert(name), "two channels are called {name:?}");
            }
            let start = match inside {
                None => from,
                Some(outer) => {
                    // Only earlier ones, so that no channel is inside itself.
                    let Some(outer) = self.channels[..n].iter().find(|other| other.name.as_ref() == Some(outer)) else {
                        return Err(Invalid(format!(
                            "{what} is inside {outer:?}, and no channel before it is called that"
                        )));
                    };
                    ensure!(outer.from == *from, "{what} is inside a channel of another node");
                    ensure!(!outer.kept, "{what} is inside a channel that a session may replace");
                    &outer.to
                }
            };
            ensure!(channel.messages <= 100_000, "{what}: at most 100000 messages");
            ensure!(channel.payload <= 60_000, "{what}: a payload has at most 60000 bytes");
            ensure!(channel.pace >= PACE, "{what}: between two messages are at least {PACE:?}");
            match self.distance(start, to) {
                None => return Err(Invalid(format!("{what}: there is no way from {start:?} to {to:?}"))),
                Some(hops) => ensure!(hops <= MAX_HOPS, "{what} is {hops} links long; a way has at most {MAX_HOPS}"),
            }
        }
        Ok(())
    }

    fn check_fault(&self, fault: &Fault) -> Result<(), Invalid> {
        let (at, faulty) = (fault.at(), self.faulty);
        ensure!(at <= faulty, "a fault at {at:?}: the faults are over at {faulty:?}, unless `faulty` says otherwise");
        match fault {
            Fault::Crash { node, .. }
            | Fault::Pause { node, .. }
            | Fault::Clock { node, .. }
            | Fault::Rotate { node, .. } => self.known(node, "a fault"),
            Fault::Cut { from, to, .. } => self.joined(from, to, "a cut"),
            Fault::Break { between: [one, other], .. } => self.joined(one, other, "a break"),
        }
    }

    fn check_adversaries(&self) -> Result<(), Invalid> {
        for (n, adversary) in self.adversaries.iter().enumerate() {
            let class = adversary.class;
            let what = format!("adversary {n} ({class})");
            match (&adversary.at, &adversary.between) {
                (Some(node), None) => self.known(node, &what)?,
                (None, Some([one, other])) => {
                    self.joined(one, other, &what)?;
                    ensure!(!class.has_a_node(), "{what} has a node, not a link: say `at`");
                }
                _ => return Err(Invalid(format!("{what} is either `at` a node or `between` two"))),
            }
            for capability in adversary.capabilities() {
                ensure!(
                    adversary.at.is_some() || !capability.needs_a_node(),
                    "{what} has a link alone and cannot {capability:?}"
                );
            }
            ensure!(
                class.needs_a_victim() == adversary.victim.is_some(),
                "{what} {} a victim",
                if class.needs_a_victim() { "needs" } else { "has no use for" }
            );
            ensure!(
                (class == Class::StaticThief) == adversary.poses_as.is_some(),
                "{what}: only a static thief poses as a third, and it must"
            );
            ensure!(
                adversary.every.is_zero() || adversary.every >= PACE,
                "{what}: between two things that it does of its own accord are at least {PACE:?}"
            );
            ensure!(adversary.lies.is_none() || class == Class::Forger, "{what}: only a forger tells lies");
            for name in adversary.victim.iter().chain(&adversary.poses_as) {
                self.known(name, &what)?;
                ensure!(adversary.at.as_ref() != Some(name), "{what} is its own victim");
            }
        }
        let mut places = BTreeMap::new();
        for adversary in &self.adversaries {
            if let Some(node) = adversary.at.as_ref().filter(|_| adversary.class.has_a_node()) {
                let before = places.insert(node, adversary.class);
                ensure!(
                    before.is_none(),
                    "node {node:?} has two adversaries; give one of them the capabilities of both"
                );
            }
        }
        Ok(())
    }

    fn known(&self, name: &str, what: &str) -> Result<(), Invalid> {
        ensure!(self.node(name).is_some(), "{what}: there is no node {name:?}");
        Ok(())
    }

    fn joined(&self, one: &str, other: &str, what: &str) -> Result<(), Invalid> {
        ensure!(self.link(one, other).is_some(), "{what}: there is no link between {one:?} and {other:?}");
        Ok(())
    }

    /// How many links are between two nodes.
    pub(super) fn distance(&self, from: &str, to: &str) -> Option<usize> {
        Some(self.way(self.node(from)?, self.node(to)?)?.len())
    }

    /// The links of a shortest way between two nodes, with the node at the end of each.
    pub(crate) fn way(&self, from: usize, to: usize) -> Option<Vec<(usize, usize)>> {
        way(&self.neighbours(), from, to, |_| true)
    }

    /// For each node its links, and who is at their other ends.
    pub(crate) fn neighbours(&self) -> Vec<Vec<(usize, usize)>> {
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        let numbers: BTreeMap<_, _> = self.nodes.iter().enumerate().map(|(n, node)| (&node.name, n)).collect();
        for (number, link) in self.links.iter().enumerate() {
            if let [Some(&one), Some(&other)] = link.between.each_ref().map(|name| numbers.get(name)) {
                neighbours[one].push((number, other));
                neighbours[other].push((number, one));
            }
        }
        neighbours
    }
}

/// The links of a shortest way over links that are `up`, with the node at the end of each.
pub(crate) fn way(
    neighbours: &[Vec<(usize, usize)>],
    from: usize,
    to: usize,
    up: impl Fn(usize) -> bool,
) -> Option<Vec<(usize, usize)>> {
    let mut came = vec![None; neighbours.len()];
    let mut next = VecDeque::from([from]);
    while let Some(node) = next.pop_front() {
        if node == to {
            let mut way = Vec::new();
            let mut at = to;
            while at != from {
                let (link, before) = came[at]?;
                way.push((link, at));
                at = before;
            }
            way.reverse();
            return Some(way);
        }
        for &(link, other) in &neighbours[node] {
            if other != from && came[other].is_none() && up(link) {
                came[other] = Some((link, node));
                next.push_back(other);
            }
        }
    }
    None
}
