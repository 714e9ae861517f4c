//! The smallest world that goes wrong in the same way.
//!
//! A plan is data, so it can be made smaller: one thing is left out or made plainer at a time, and whatever still breaks
//! the same property is kept, until nothing more can go. Draws are labelled by names, so leaving one thing out changes
//! little of the rest; where it changes too much, a few other seeds are tried. What is left is a plan that can be kept
//! as a regression.

use std::time::Duration;

use crate::checker::Property;
use crate::plan::{Channel, Fault, Kind, Link, Node, Plan, Signing, Suite, Trusts};
use crate::seed::{Ppm, Seed};

/// How many seeds are tried for a smaller plan before it is given up: its own, and the next ones.
const SEEDS: u64 = 3;

/// A smaller plan, and what it took to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimised {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// The worlds that were run.
    pub runs: u64,
    /// What was left out or made plainer, in order.
    pub steps: Vec<String>,
}

/// Makes `plan`, whose world breaks `property`, smaller. `broken` runs a world and says what it breaks; at most `runs`
/// are run. `progress` hears of each step.
pub fn minimise(
    plan: Plan,
    property: Property,
    runs: u64,
    broken: impl Fn(&Plan) -> Option<Property>,
    mut progress: impl FnMut(&str, &Plan),
) -> Minimised {
    let mut smallest = Minimised { plan, runs: 0, steps: Vec::new() };
    loop {
        let before = smallest.steps.len();
        for reduce in [adversaries, faults, channels, nodes, links, details] {
            // One step often makes room for another of the same kind.
            let mut from = 0;
            while let Some((words, plan)) = reduce(&smallest.plan).into_iter().nth(from) {
                if smallest.runs >= runs {
                    return smallest;
                }
                match still(&plan, property, &mut smallest.runs, &broken) {
                    Some(plan) => {
                        progress(&words, &plan);
                        smallest.steps.push(words);
                        smallest.plan = plan;
                    }
                    None => from += 1,
                }
            }
        }
        if smallest.steps.len() == before {
            return smallest;
        }
    }
}

/// The plan, with a seed by which it still breaks the property.
fn still(plan: &Plan, property: Property, runs: &mut u64, broken: &impl Fn(&Plan) -> Option<Property>) -> Option<Plan> {
    plan.check().ok()?;
    (0..SEEDS).map(|more| Plan { seed: plan.seed.wrapping_add(more), ..plan.clone() }).find(|plan| {
        *runs += 1;
        broken(plan) == Some(property)
    })
}

/// Plans that are a little smaller than one, each with what it leaves out; larger steps first.
type Smaller = Vec<(String, Plan)>;

/// Leaves parts of a list out: halves, quarters, single ones.
fn without<T: Clone>(list: &[T], what: &str, plan: impl Fn(Vec<T>) -> Plan) -> Smaller {
    let mut smaller = Vec::new();
    let mut size = list.len();
    while size > 0 {
        for from in (0..list.len()).step_by(size) {
            let to = (from + size).min(list.len());
            let rest = [&list[..from], &list[to..]].concat();
            smaller.push((format!("without {what} {from} to {}", to - 1), plan(rest)));
        }
        size /= 2;
    }
    smaller
}

fn adversaries(plan: &Plan) -> Smaller {
    let with = |adversaries| Plan { adversaries, ..plan.clone() };
    let mut smaller = without(&plan.adversaries, "adversaries", with);
    for (n, adversary) in plan.adversaries.iter().enumerate() {
        // Where it is needed, if it is elsewhere.
        let needed = needed(&with(Vec::new()));
        if adversary.between.as_ref().is_some_and(|ends| ends.iter().any(|end| !needed.contains(end))) {
            for link in plan.links.iter().filter(|link| link.between.iter().all(|end| needed.contains(end))) {
                let mut adversaries = plan.adversaries.clone();
                adversaries[n].between = Some(link.between.clone());
                smaller.push((format!("adversary {n} on the way"), with(adversaries)));
            }
        }
        let can = adversary.capabilities().to_vec();
        if can.len() > 1 {
            smaller.extend(without(&can, &format!("capabilities of adversary {n}"), |can| {
                let mut adversaries = plan.adversaries.clone();
                adversaries[n].can = Some(can);
                with(adversaries)
            }));
        }
    }
    smaller
}

fn faults(plan: &Plan) -> Smaller {
    without(&plan.faults, "faults", |faults| Plan { faults, ..plan.clone() })
}

fn channels(plan: &Plan) -> Smaller {
    let mut smaller = without(&plan.channels, "channels", |mut channels| {
        // What went through one that is gone goes by itself.
        let names: Vec<_> = channels.iter().filter_map(|channel| channel.name.clone()).collect();
        for channel in &mut channels {
            channel.inside = channel.inside.take().filter(|outer| names.contains(outer));
        }
        Plan { channels, ..plan.clone() }
    });
    for (n, channel) in plan.channels.iter().enumerate() {
        let mut plainer = |words: &str, change: &dyn Fn(&mut Channel)| {
            let mut channels = plan.channels.clone();
            change(&mut channels[n]);
            if channels[n] != *channel {
                smaller.push((format!("channel {n} {words}"), Plan { channels, ..plan.clone() }));
            }
        };
        plainer("by itself", &|channel| channel.inside = None);
        plainer("without a session", &|channel| channel.kept = false);
        plainer("with one message", &|channel| channel.messages = channel.messages.min(1));
        plainer("with half of its messages", &|channel| channel.messages = channel.messages.div_ceil(2));
        plainer("with one message less", &|channel| channel.messages = channel.messages.saturating_sub(1));
        plainer("with small payloads", &|channel| channel.payload = channel.payload.min(32));
        plainer("at once", &|channel| channel.at = Duration::ZERO);
    }
    smaller
}

fn nodes(plan: &Plan) -> Smaller {
    let mut smaller = Vec::new();
    // Many at a time: everything that no channel, fault or adversary names and no way needs.
    let needed = needed(plan);
    let idle: Vec<&String> = plan.nodes.iter().map(|node| &node.name).filter(|name| !needed.contains(name)).collect();
    if !idle.is_empty() {
        smaller.push((format!("without {} idle nodes", idle.len()), without_nodes(plan, &idle)));
    }
    for node in &plan.nodes {
        let name = &node.name;
        smaller.push((format!("without {name}"), without_nodes(plan, &[name])));
        // Two links become one.
        let beside: Vec<&Link> = plan.links.iter().filter(|link| link.between.contains(name)).collect();
        if let [one, other] = beside[..] {
            let far = |link: &Link| link.between.iter().find(|end| *end != name).cloned();
            if let (Some(from), Some(to)) = (far(one), far(other)) {
                let mut shorter = without_nodes(plan, &[name]);
                let joined = Link { between: [from, to], behind_nat: None, nat_idle: None, ..one.clone() };
                shorter.links.push(joined);
                smaller.push((format!("with {name} bridged"), shorter));
            }
        }
    }
    for (n, link) in plan.links.iter().enumerate() {
        let mut links = plan.links.clone();
        links.remove(n);
        let [one, other] = &link.between;
        smaller.push((format!("without the link between {one} and {other}"), Plan { links, ..plan.clone() }));
    }
    smaller
}

/// The names that a plan has some use for.
fn needed(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for channel in &plan.channels {
        let ends = plan.node(&channel.from).zip(plan.node(&channel.to));
        let way = ends.and_then(|(from, to)| plan.way(from, to)).unwrap_or_default();
        names.push(channel.from.clone());
        names.extend(way.iter().map(|(_, node)| plan.nodes[*node].name.clone()));
    }
    for adversary in &plan.adversaries {
        names.extend(adversary.at.iter().chain(adversary.between.iter().flatten()).cloned());
        names.extend(adversary.victim.iter().chain(&adversary.poses_as).cloned());
    }
    names
}

/// Without these nodes and whatever speaks of them.
fn without_nodes(plan: &Plan, gone: &[&String]) -> Plan {
    let stays = |name: &String| !gone.contains(&name);
    let mut plan = plan.clone();
    plan.nodes.retain(|node| stays(&node.name));
    for node in &mut plan.nodes {
        if let Trusts::These(names) = &mut node.trusts {
            names.retain(stays);
        }
    }
    plan.links.retain(|link| link.between.iter().all(stays));
    plan.channels.retain(|channel| stays(&channel.from) && stays(&channel.to));
    plan.faults.retain(|fault| match fault {
        Fault::Crash { node, .. }
        | Fault::Pause { node, .. }
        | Fault::Clock { node, .. }
        | Fault::Rotate { node, .. } => stays(node),
        Fault::Cut { from, to, .. } => stays(from) && stays(to),
        Fault::Break { between, .. } => between.iter().all(stays),
    });
    plan.adversaries.retain(|adversary| {
        let named = adversary.at.iter().chain(adversary.between.iter().flatten()).chain(&adversary.victim);
        named.chain(&adversary.poses_as).all(stays)
    });
    plan
}

fn links(plan: &Plan) -> Smaller {
    let mut smaller = Vec::new();
    for (n, link) in plan.links.iter().enumerate() {
        let [one, other] = &link.between;
        let mut plainer = |words: &str, change: &dyn Fn(&mut Link)| {
            let mut links = plan.links.clone();
            change(&mut links[n]);
            if links[n] != *link {
                let words = format!("the link between {one} and {other} {words}");
                smaller.push((words, Plan { links, ..plan.clone() }));
            }
        };
        let fast = Duration::from_millis(1)..=Duration::from_millis(1);
        plainer("good", &|link| {
            *link = Link { latency: fast.clone(), ..Link::good(&link.between[0], &link.between[1]) };
        });
        plainer("without loss", &|link| (link.loss, link.burst) = (Ppm::NEVER, None));
        plainer("without doubles", &|link| link.duplicate = Ppm::NEVER);
        plainer("in order", &|link| link.reorder = Ppm::NEVER);
        plainer("without damage", &|link| link.corrupt = Ppm::NEVER);
        plainer("wide", &|link| {
            (link.bandwidth, link.mtu) = (None, None);
            link.kind = if link.kind == Kind::Serial { Kind::Stream } else { link.kind };
        });
        plainer("without a NAT", &|link| (link.behind_nat, link.nat_idle) = (None, None));
        plainer("fast", &|link| link.latency = fast.clone());
    }
    smaller
}

fn details(plan: &Plan) -> Smaller {
    let mut smaller = Vec::new();
    let mut plainer = |words: String, change: &dyn Fn(&mut Plan)| {
        let mut plainer = plan.clone();
        change(&mut plainer);
        if plainer != *plan {
            smaller.push((words, plainer));
        }
    };
    plainer("with AES-256".into(), &|plan| plan.suite = Suite::Aes256);
    plainer("with half of the time".into(), &|plan| plan.faulty = (plan.faulty / 2).max(Duration::from_millis(50)));
    for (n, node) in plan.nodes.iter().enumerate() {
        let mut node_plainer = |words: &str, change: &dyn Fn(&mut Node)| {
            plainer(format!("{} {words}", node.name), &|plan| change(&mut plan.nodes[n]));
        };
        node_plainer("with answers at once", &|node| node.lateness = Duration::ZERO);
        node_plainer("with Ed25519", &|node| node.signing = Signing::Ed25519);
        node_plainer("with the right time", &|node| node.clock = 0);
        node_plainer("trusting everybody", &|node| node.trusts = Trusts::Everybody);
        node_plainer("with room", &|node| node.places = None);
    }
    smaller
}

/// The plan of this seed, as a file that says what it was made for.
pub fn as_regression(minimised: &Minimised, property: Property, seed: Seed) -> String {
    let Minimised { plan, steps, .. } = minimised;
    format!("# Breaks: {property}. Made smaller from seed {} in {} steps.\n{}", seed.0, steps.len(), plan.to_toml())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary::Capability;
    use crate::plan::Preset;

    /// A world that is wrong whenever somebody on a link can replay and there are 5 messages in a channel of two links.
    fn broken(plan: &Plan) -> Option<Property> {
        let replays = plan.adversaries.iter().any(|adversary| adversary.capabilities().contains(&Capability::Replay));
        let is_far = |channel: &Channel| {
            let ends = plan.node(&channel.from).zip(plan.node(&channel.to));
            channel.messages >= 5 && ends.and_then(|(from, to)| plan.way(from, to)).is_some_and(|way| way.len() >= 2)
        };
        (replays && plan.channels.iter().any(is_far)).then_some(Property::AtMostOnce)
    }

    #[test]
    fn what_has_no_part_in_it_is_left_out() {
        for seed in 0..10 {
            let plan = Plan::draw(Seed(seed), Preset::Hostile);
            if broken(&plan).is_none() {
                continue;
            }
            let Minimised { plan, runs, steps } = minimise(plan, Property::AtMostOnce, 5_000, broken, |_, _| ());
            assert_eq!(broken(&plan), Some(Property::AtMostOnce));
            assert_eq!((plan.nodes.len(), plan.links.len(), plan.channels.len()), (3, 2, 1), "{}", plan.to_toml());
            assert_eq!((plan.channels[0].messages, plan.adversaries.len()), (5, 1));
            assert_eq!(plan.adversaries[0].capabilities(), [Capability::Replay]);
            assert!(runs > 0 && !steps.is_empty());
        }
    }
}
