//! A plan in brief: what a world is made of, a line for each thing.

use std::fmt::Write as _;
use std::time::Duration;

use razor_sim::plan::{Adversary, Channel, Fault, Kind, Link, Node, Plan, Trusts};

/// Of each kind of thing, so many are shown.
const SHOWN: usize = 12;

/// The lines about a plan.
pub(super) fn plan(plan: &Plan) -> String {
    let Plan { seed, preset, suite, faulty, healed, .. } = plan;
    let mut text = String::new();
    let suite = format!("{suite:?}").to_lowercase();
    let (faulty, healed) = (time(*faulty), time(*healed));
    let _ =
        writeln!(text, "world      seed {seed}, {preset}, {suite}; {faulty} of faults, then {healed} to recover in");
    lines(&mut text, "node", plan.nodes.iter().map(node));
    lines(&mut text, "link", plan.links.iter().map(link));
    lines(&mut text, "channel", plan.channels.iter().map(channel));
    lines(&mut text, "fault", plan.faults.iter().map(fault));
    lines(&mut text, "adversary", plan.adversaries.iter().map(adversary));
    text
}

fn lines(text: &mut String, name: &str, things: impl ExactSizeIterator<Item = String>) {
    let rest = things.len().saturating_sub(SHOWN);
    for thing in things.take(SHOWN) {
        let _ = writeln!(text, "{name:<10} {thing}");
    }
    if rest > 0 {
        let _ = writeln!(text, "{:10} and {rest} more", "");
    }
}

fn node(node: &Node) -> String {
    let Node { name, trusts, signing, lateness, clock, places, rotations, .. } = node;
    let mut text = name.clone();
    match trusts {
        Trusts::Everybody => text.push_str(", trusts everybody"),
        Trusts::These(names) => drop(write!(text, ", trusts {}", names.join(", "))),
    }
    let _ = write!(text, ", signs by {signing:?}");
    if !lateness.is_zero() {
        let _ = write!(text, ", answers late by {}", time(*lateness));
    }
    if *clock != 0 {
        let _ = write!(text, ", clock {clock:+} s");
    }
    if *rotations > 0 {
        let _ = write!(text, ", key changed {rotations} times before");
    }
    if let Some(places) = places {
        let _ = write!(text, ", {} places", places.open);
    }
    text
}

fn link(link: &Link) -> String {
    let Link { between: [one, other], kind, latency, .. } = link;
    let kind = match kind {
        Kind::Stream => "stream",
        Kind::Datagram => "datagrams",
        Kind::Serial => "serial line",
    };
    let mut text = format!("{one} - {other}: {kind}, {} to {}", time(*latency.start()), time(*latency.end()));
    let chances =
        [("loses", link.loss), ("doubles", link.duplicate), ("delays", link.reorder), ("damages", link.corrupt)];
    for (verb, chance) in chances.into_iter().filter(|(_, chance)| chance.0 > 0) {
        let _ = write!(text, ", {verb} {chance}");
    }
    if let Some(burst) = link.burst {
        let _ = write!(text, ", bursts that lose {}", burst.loss);
    }
    if let Some(rate) = link.rate() {
        let _ = write!(text, ", {rate} B/s");
    }
    if let Some(mtu) = link.mtu {
        let _ = write!(text, ", MTU {mtu} B");
    }
    if let Some(name) = &link.behind_nat {
        let _ = write!(text, ", {name} behind a NAT");
    }
    if let Some(idle) = link.nat_idle {
        let _ = write!(text, " that forgets after {}", time(idle));
    }
    text
}

fn channel(channel: &Channel) -> String {
    let Channel { name, from, to, inside, kept, at, messages, pace, payload, .. } = channel;
    let mut text = name.as_ref().map_or(String::new(), |name| format!("{name}: "));
    let (at, pace) = (time(*at), time(*pace));
    let _ = write!(text, "{from} to {to} at {at}, {messages} messages each way, one each {pace}, up to {payload} B");
    if let Some(outer) = inside {
        let _ = write!(text, ", inside {outer}");
    }
    if *kept {
        text.push_str(", kept by a session");
    }
    text
}

fn fault(fault: &Fault) -> String {
    let at = time(fault.at());
    match fault {
        Fault::Crash { node, lasts, forgets, .. } => {
            let keys = if *forgets { " and forgets its keys" } else { "" };
            format!("at {at} {node} crashes for {}{keys}", time(*lasts))
        }
        Fault::Pause { node, lasts, .. } => format!("at {at} {node} pauses for {}", time(*lasts)),
        Fault::Clock { node, by, .. } => format!("at {at} the clock of {node} jumps by {by:+} s"),
        Fault::Cut { from, to, both, lasts, .. } => {
            let ways = if *both { " and back" } else { "" };
            format!("at {at} nothing gets from {from} to {to}{ways} for {}", time(*lasts))
        }
        Fault::Break { between: [one, other], .. } => format!("at {at} the connection of {one} and {other} breaks"),
        Fault::Rotate { node, .. } => format!("at {at} {node} changes the key of its identity"),
    }
}

fn adversary(adversary: &Adversary) -> String {
    let mut text = adversary.class.to_string();
    if let Some(node) = &adversary.at {
        let _ = write!(text, " at {node}");
    }
    if let Some([one, other]) = &adversary.between {
        let _ = write!(text, " between {one} and {other}");
    }
    if let Some(victim) = &adversary.victim {
        let _ = write!(text, ", with what {victim} has");
    }
    if let Some(other) = &adversary.poses_as {
        let _ = write!(text, ", posing as {other}");
    }
    if adversary.acts.0 > 0 {
        let _ = write!(text, ", acts on {} of what passes", adversary.acts);
    }
    if !adversary.every.is_zero() {
        let _ = write!(text, ", and each {} of its own accord", time(adversary.every));
    }
    if let Some(lies) = &adversary.lies {
        let lies: Vec<_> = lies.iter().map(ToString::to_string).collect();
        let _ = write!(text, ", with papers that are false in {}", lies.join(", "));
    }
    let can: Vec<_> = adversary.capabilities().iter().map(ToString::to_string).collect();
    if !can.is_empty() {
        let _ = write!(text, ": {}", can.join(", "));
    }
    text
}

/// A length of time as people write it.
fn time(time: Duration) -> String {
    match time.as_micros() {
        0 => "0 s".into(),
        micros if micros % 1_000 != 0 => format!("{micros} us"),
        micros if micros % 1_000_000 != 0 => format!("{} ms", micros / 1_000),
        micros => format!("{} s", micros / 1_000_000),
    }
}
