//! Drawing what a sketch does not say.

use std::time::Duration;

use razor::channel;

use crate::adversary::{Capability, Class};
use crate::seed::{Ppm, Seed, Stream};

use super::topology::Network;
use super::{
    Adversary, Burst, Channel, Fault, Invalid, Kind, Link, Node, Places, Plan, Preset, Shape, Signing, Sketch, Suite,
    Topology, Trusts,
};

/// How long a world is bad in which a session has time to give up.
const LONG: Duration = Duration::from_secs(16);

/// The longest way that is drawn, in links.
const FAR: usize = 6;

impl Sketch {
    /// The plan that this and a seed make.
    ///
    /// # Errors
    /// What is wrong with what the sketch says.
    pub fn draw(&self, seed: Seed) -> Result<Plan, Invalid> {
        let preset = self.preset.unwrap_or(Preset::Swarm);
        let stream = |label: &str| seed.stream(&format!("plan {label}"));
        let network = match &self.links {
            Some(links) => named(self.nodes.as_deref().unwrap_or_default(), links),
            None => match self.topology {
                Some(Topology { nodes, .. }) if !(2..=1_000).contains(&nodes) => {
                    return Err(Invalid(format!("a world has 2 to 1000 nodes, not {nodes}")));
                }
                Some(topology) => topology.lay_out(&mut stream("topology")),
                None => shape(preset, &mut stream("shape")).lay_out(&mut stream("topology")),
            },
        };
        // It is in minutes that a listener counts silence.
        let slower = if preset == Preset::Siege { 100 } else { 1 };
        let mut random = stream("nodes");
        let mut plan = Plan {
            seed: seed.0,
            preset,
            suite: self.suite.unwrap_or([Suite::Aes256, Suite::Aes128, Suite::ChaCha][stream("suite").index(3)]),
            faulty: self.faulty.unwrap_or(Duration::from_secs(2) * slower),
            healed: self.healed.unwrap_or(Duration::from_secs(30) + Duration::from_secs(10) * slower),
            nodes: network.names.iter().map(|name| self.node(name, preset, &mut random)).collect(),
            links: self.links.clone().unwrap_or_else(|| links(preset, &network, &mut stream("links"))),
            channels: self.channels.clone().unwrap_or_default(),
            faults: self.faults.clone().unwrap_or_default(),
            adversaries: self.adversaries.clone().unwrap_or_default(),
        };
        if self.channels.is_none() {
            plan.channels = channels(&plan, network.relays, slower, &mut stream("channels"));
        }
        plan.check()?;
        if self.adversaries.is_none() {
            plan.adversaries = adversaries(&plan, slower, &mut stream("adversaries"));
            plan.adversaries.extend(beside(&plan, &mut stream("beside")));
        }
        if self.nodes.is_none() {
            listeners(&mut plan, &mut stream("listeners"));
            rotations(&mut plan, &mut stream("rotations"));
            stores(&mut plan, &mut stream("stores"));
            failing_stores(&mut plan, &mut stream("failing stores"));
        }
        if self.faults.is_none() {
            plan.faults = faults(&plan, &mut stream("faults"));
            if self.faulty.is_none() && plan.faults.iter().any(|fault| fault.lasts() > plan.faulty) {
                plan.faulty = LONG;
            }
        }
        plan.check()?;
        Ok(plan)
    }

    fn node(&self, name: &str, preset: Preset, random: &mut Stream) -> Node {
        let given = self.nodes.iter().flatten().find(|node| node.name == name);
        let signing = if random.below(3) == 0 { Signing::P256 } else { Signing::Ed25519 };
        // More than a few messages that overtake the handshake are not held: a calm world stays below that.
        let most = if matches!(preset, Preset::Calm | Preset::Siege) { 2 } else { 4 };
        let lateness = ms([0, 5, 30, 60][random.index(most)]);
        let drawn = Node {
            name: name.to_owned(),
            trusts: Trusts::Everybody,
            signing,
            lateness,
            rotations: 0,
            clock: 0,
            places: None,
            strangers: None,
            store_fails: Ppm::NEVER,
        };
        given.cloned().unwrap_or(drawn)
    }
}

fn named(nodes: &[Node], links: &[Link]) -> Network {
    let mut names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    for name in links.iter().flat_map(|link| &link.between) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Network { names, links: Vec::new(), nat: false, relays: 0 }
}

fn shape(preset: Preset, random: &mut Stream) -> Topology {
    let large = preset == Preset::Swarm && random.below(50) == 0;
    let shape = match preset {
        Preset::Siege => Shape::Line,
        // Somebody beside the way wants a place.
        Preset::Calm => Shape::ALL[random.index(Shape::ALL.len())],
        _ if random.below(3) == 0 => Shape::Line,
        _ => Shape::ALL[random.index(Shape::ALL.len())],
    };
    // An attack wants somebody in the middle.
    let least = match preset {
        Preset::Siege | Preset::Hostile | Preset::Impostors => 3,
        Preset::Calm => 4,
        _ => 2,
    };
    let most = if preset == Preset::Siege {
        6
    } else if large {
        60
    } else {
        9
    };
    Topology { shape, nodes: random.within(least..=most) as usize }
}

fn links(preset: Preset, network: &Network, random: &mut Stream) -> Vec<Link> {
    let nats = preset == Preset::Faults || preset == Preset::Swarm && random.below(3) == 0;
    let one = |&(one, other): &(usize, usize)| {
        let mut link = Link::good(&network.names[one], &network.names[other]);
        link.latency = ms(1)..=ms(random.within(2..=12));
        let behind = nats && random.below(2) == 0;
        if network.nat || behind {
            link.behind_nat = Some(network.names[one].clone());
        }
        let forgets = random.chance(Ppm::percent(25));
        match preset {
            Preset::Calm | Preset::Siege => {}
            Preset::Lossy => worsen(&mut link, random),
            Preset::Hostile | Preset::Impostors => {
                if random.below(3) > 0 {
                    link.kind = Kind::Datagram;
                }
            }
            Preset::Faults | Preset::Swarm => {
                if random.below(3) > 0 {
                    link.kind = Kind::Datagram;
                }
                if preset == Preset::Swarm && random.below(2) == 0 {
                    worsen(&mut link, random);
                }
                link.nat_idle = (link.behind_nat.is_some() && forgets).then(|| ms(random.within(100..=600)));
            }
        }
        link
    };
    network.links.iter().map(one).collect()
}

fn worsen(link: &mut Link, random: &mut Stream) {
    let [loss, double, overtake, damage] = [6, 15, 25, 2].map(|most| Ppm::percent(random.within(0..=most) as u32));
    let (bursts, narrow, short, serial) =
        (random.below(3) == 0, random.below(4) == 0, random.below(6) == 0, random.below(8) == 0);
    if serial {
        link.kind = Kind::Serial;
        link.bandwidth = Some(115_200);
        return;
    }
    link.kind = Kind::Datagram;
    (link.loss, link.duplicate, link.reorder, link.corrupt) = (loss, double, overtake, damage);
    link.burst = bursts.then_some(Burst { enter: Ppm::percent(1), leave: Ppm::percent(12), loss: Ppm::percent(80) });
    link.bandwidth = narrow.then_some(200_000);
    link.mtu = short.then_some(1_200);
}

fn channels(plan: &Plan, relays: usize, slower: u32, random: &mut Stream) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::new();
    let number = random.within(2..=3) as usize;
    let messages = random.within(10..=90) as usize;
    let lasting = matches!(plan.preset, Preset::Calm | Preset::Lossy | Preset::Siege);
    let pace = ms(random.within(3..=12)) * slower;
    let payload = random.within(32..=1_500) as usize;
    // A few pairs of ends, at most as far apart as is useful; the ends of a line are the best of all.
    let hostile = |node: &usize| {
        let name = &plan.nodes[*node].name;
        plan.adversaries.iter().any(|adversary| adversary.class.has_a_node() && adversary.at.as_ref() == Some(name))
    };
    let edges: Vec<usize> = (relays..plan.nodes.len()).filter(|node| !hostile(node)).collect();
    let pick = |random: &mut Stream| -> (usize, usize) {
        let tries = (0..6).map(|_| (edges[random.index(edges.len())], edges[random.index(edges.len())]));
        let far = |(from, to): (usize, usize)| plan.way(from, to).map_or(0, |way| way.len());
        let all: Vec<_> = tries.map(|pair| (far(pair), pair)).filter(|(far, _)| (1..=FAR).contains(far)).collect();
        let neighbours = plan.links.first().map_or((0, 1), |link| {
            let number = |name: &String| plan.node(name).unwrap_or_default();
            (number(&link.between[0]), number(&link.between[1]))
        });
        all.into_iter().max_by_key(|(far, _)| *far).map_or(neighbours, |(_, pair)| pair)
    };
    let (mut from, mut to) = match plan.preset {
        Preset::Siege => (0, plan.nodes.len() - 1),
        _ => pick(random),
    };
    for n in 0..number {
        if n > 0 && plan.preset != Preset::Siege && random.below(3) == 0 {
            (from, to) = pick(random);
        }
        let name = |node: usize| plan.nodes[node].name.clone();
        let kept = match plan.preset {
            Preset::Faults => random.below(2) == 0,
            Preset::Swarm => random.below(4) == 0,
            _ => false,
        };
        // Through the channel before it, to its end or beyond.
        let nests = plan.preset != Preset::Siege && random.below(4) == 0;
        let outer = channels.last().filter(|outer| nests && !outer.kept && outer.from == name(from));
        channels.push(Channel {
            name: Some(format!("channel-{n}")),
            inside: outer.and_then(|outer| outer.name.clone()),
            from: name(from),
            to: name(to),
            kept: kept && outer.is_none(),
            at: ms(5) + plan.faulty / 2 / number as u32 * n as u32,
            messages: if lasting { messages.max(40) } else { messages },
            pace,
            payload,
        });
    }
    channels
}

fn adversaries(plan: &Plan, slower: u32, random: &mut Stream) -> Vec<Adversary> {
    let mut adversaries = Vec::new();
    let Some(channel) = plan.channels.first() else { return adversaries };
    let way = plan.node(&channel.from).zip(plan.node(&channel.to)).and_then(|(from, to)| plan.way(from, to));
    let way = way.unwrap_or_default();
    let Some(&(link, _)) = random.pick(&way) else { return adversaries };
    let between = plan.links[link].between.clone();
    let watcher = |class| Adversary {
        class,
        at: None,
        between: Some(between.clone()),
        victim: None,
        poses_as: None,
        lies: None,
        can: None,
        acts: Ppm::NEVER,
        every: Duration::ZERO,
    };
    let ends: Vec<&String> = plan.channels.iter().flat_map(|channel| [&channel.from, &channel.to]).collect();
    let between_ends = way.iter().map(|(_, node)| *node).filter(|node| !ends.contains(&&plan.nodes[*node].name));
    let inner: Vec<usize> = between_ends.collect();
    let middle = random.pick(&inner).map(|node| plan.nodes[*node].name.clone());
    let kind = match plan.preset {
        Preset::Swarm => {
            [Preset::Calm, Preset::Hostile, Preset::Hostile, Preset::Impostors, Preset::Siege][random.index(5)]
        }
        preset => preset,
    };
    let swarm = plan.preset == Preset::Swarm;
    let acts = Ppm::percent(if swarm { random.within(0..=60) } else { random.within(10..=35) } as u32);
    let every = ms(random.within(5..=40)) * slower;
    let some = |class: Class, random: &mut Stream| {
        swarm.then(|| class.capabilities().iter().copied().filter(|_| random.below(2) == 0).collect::<Vec<_>>())
    };
    // Somebody beside the way.
    let apart: Vec<&String> = match plan.preset {
        Preset::Calm if random.below(3) > 0 => {
            plan.nodes.iter().map(|node| &node.name).filter(|name| plan.is_apart(name)).collect()
        }
        _ => Vec::new(),
    };
    match (kind, middle) {
        (Preset::Calm, _) if !apart.is_empty() => {
            let at = Some(apart[random.index(apart.len())].clone());
            let can = Some(vec![Capability::Flood]);
            adversaries.push(Adversary { at, between: None, can, every, ..watcher(Class::Exhauster) });
        }
        (Preset::Calm, _) if !swarm && random.below(2) == 0 => {
            adversaries.push(Adversary { acts: Ppm::percent(60), every, ..watcher(Class::Injector) });
        }
        (Preset::Lossy | Preset::Faults, _) if random.below(3) > 0 => {
            adversaries.push(Adversary { acts: Ppm::percent(30), ..watcher(Class::Shuffler) });
        }
        (Preset::Calm, _) if swarm => {
            adversaries.push(Adversary { acts: Ppm::percent(30), ..watcher(Class::Shuffler) });
        }
        (Preset::Calm | Preset::Lossy | Preset::Faults, _) => adversaries.push(watcher(Class::Archivist)),
        (Preset::Siege, Some(node)) => {
            let can = Some(vec![Capability::Siege]);
            adversaries.push(Adversary { at: Some(node), between: None, can, every, ..watcher(Class::Exhauster) });
        }
        (Preset::Impostors, Some(node)) => {
            // There is more that a forger can do than the others, and thieves have to come at the right time.
            let class = match random.below(6) {
                0 | 1 => Class::Forger,
                2 => Class::PurposeThief,
                3 => Class::OldKeyThief,
                _ => Class::IMPOSTORS[random.index(Class::IMPOSTORS.len())],
            };
            // Whoever opens channels, or whom they are opened to.
            let ends = [channel.from.clone(), channel.to.clone()];
            let who = random.index(2);
            let (victim, other) = (ends[who].clone(), ends[1 - who].clone());
            let victim = class.needs_a_victim().then_some(victim);
            let poses_as = (class == Class::StaticThief).then_some(other);
            let can = some(class, random);
            let at = Some(node);
            adversaries.push(Adversary { at, between: None, victim, poses_as, can, acts, every, ..watcher(class) });
        }
        (_, Some(node)) if random.below(4) > 0 => {
            let class = if random.below(4) == 0 { Class::Exhauster } else { Class::Hop };
            let can = some(class, random);
            adversaries.push(Adversary { at: Some(node), between: None, acts, every, can, ..watcher(class) });
            if random.below(3) == 0 {
                adversaries.push(watcher(Class::Archivist));
            }
        }
        _ => {
            let can = some(Class::Link, random);
            adversaries.push(Adversary { acts, every, can, ..watcher(Class::Link) });
        }
    }
    adversaries
}

/// Somebody at a node that no channel passes, who changes nothing that others send: a vandal, or an impostor who opens
/// channels. Such a node there is in most worlds.
fn beside(plan: &Plan, random: &mut Stream) -> Option<Adversary> {
    use Capability::{Futile, HugeCbor, Intrude, Large, LongRoute, Malformed, Stall};
    // Thieves mislead those who have not met their victims: not where much is owed to honest nodes.
    let impostors: &[Class] = match plan.preset {
        Preset::Siege => return None,
        Preset::Calm => &[],
        // A session that is cut off takes its time.
        Preset::Faults if plan.channels.iter().any(|channel| channel.kept) && random.below(3) > 0 => return None,
        Preset::Lossy | Preset::Impostors => &[Class::PurposeThief, Class::OldKeyThief, Class::Equivocator],
        Preset::Faults | Preset::Hostile | Preset::Swarm => {
            &[Class::Forger, Class::Crowd, Class::Crowd, Class::Misbinder, Class::StaticThief]
        }
    };
    let mut busy: Vec<usize> = plan.adversaries.iter().filter_map(|other| plan.node(other.at.as_ref()?)).collect();
    for channel in &plan.channels {
        let (from, to) = (plan.node(&channel.from)?, plan.node(&channel.to)?);
        busy.push(from);
        busy.extend(plan.way(from, to)?.into_iter().map(|(_, node)| node));
    }
    let spare: Vec<usize> = (0..plan.nodes.len()).filter(|node| !busy.contains(node)).collect();
    let at = Some(plan.nodes[*random.pick(&spare)?].name.clone()).filter(|at| {
        // Where everything must arrive, not over the last connection of others either.
        plan.preset != Preset::Calm || plan.is_apart(at)
    });
    at.as_ref()?;
    let channel = plan.channels.first()?;
    let [victim, other] =
        if random.below(2) == 0 { [&channel.from, &channel.to] } else { [&channel.to, &channel.from] };
    let vandal = random.below(3) == 0;
    let class = *random.pick(impostors).filter(|_| !vandal).unwrap_or(&Class::Hop);
    let (can, every) = match class {
        Class::Hop => (vec![Malformed, Futile, Large, HugeCbor, LongRoute, Stall], random.within(20..=80)),
        Class::Forger | Class::Crowd => (vec![Intrude], random.within(40..=100)),
        // A fourth of the times.
        _ => (vec![Intrude], random.within(10..=30)),
    };
    Some(Adversary {
        class,
        at,
        between: None,
        victim: class.needs_a_victim().then(|| victim.clone()),
        poses_as: (class == Class::StaticThief).then(|| other.clone()),
        lies: None,
        can: Some(can),
        acts: Ppm::NEVER,
        every: ms(every),
    })
}

/// Whom listeners trust, and what they bear.
fn listeners(plan: &mut Plan, random: &mut Stream) {
    let attacked = plan.adversaries.iter().any(|adversary| adversary.class != Class::Archivist);
    let sieged = plan.preset == Preset::Siege;
    let flooded = plan.preset == Preset::Calm
        && plan.adversaries.iter().any(|adversary| adversary.capabilities().contains(&Capability::Flood));
    let crowded = plan.adversaries.iter().any(|adversary| adversary.class == Class::Crowd);
    for n in 0..plan.nodes.len() {
        let name = &plan.nodes[n].name;
        let mut peers: Vec<String> =
            plan.channels.iter().filter(|channel| channel.to == *name).map(|channel| channel.from.clone()).collect();
        let channels = peers.len();
        peers.sort();
        peers.dedup();
        let welcoming = random.below(2) == 0 || sieged || crowded;
        // Whoever fills a listener is not the opener of its channels: those have fewer than half of the places, and no
        // more than one peer may have.
        let open_per_source = random.within(0..=8) as usize + 2 * channels + 1;
        let open = random.within(open_per_source as u64..=2 * open_per_source as u64) as usize;
        let places = Places {
            open: open.max(channel::Places::FLOOR.open),
            open_per_source,
            open_per_peer: random.within(channels as u64 + 1..=open_per_source as u64) as usize,
            half_open: flooded.then_some(12),
            half_open_per_source: flooded.then_some(4),
        };
        if channels > 0 {
            plan.nodes[n].trusts = if welcoming { Trusts::Everybody } else { Trusts::These(peers) };
            // A kept channel is opened again and again.
            if attacked && (flooded || plan.preset != Preset::Calm) && plan.channels.iter().all(|channel| !channel.kept)
            {
                plan.nodes[n].places = Some(places);
            }
        }
    }
}

/// Stores that are too small for a crowd.
fn stores(plan: &mut Plan, random: &mut Stream) {
    if plan.adversaries.iter().any(|adversary| adversary.class == Class::Crowd) {
        plan.nodes.iter_mut().for_each(|node| node.strangers = Some(random.within(1_024..=2_048) as usize));
    }
}

/// Stores that fail now and then, where something may go wrong.
fn failing_stores(plan: &mut Plan, random: &mut Stream) {
    if matches!(plan.preset, Preset::Faults | Preset::Hostile | Preset::Swarm) {
        let failing = plan.nodes.iter_mut().filter(|_| random.below(4) == 0);
        failing.for_each(|node| node.store_fails = Ppm::percent(20));
    }
}

/// Whoever was robbed long ago may have changed the key since.
fn rotations(plan: &mut Plan, random: &mut Stream) {
    for n in 0..plan.adversaries.len() {
        let changes = random.below(3) as u8;
        let victim = plan.adversaries[n].victim.as_ref().and_then(|name| plan.node(name));
        if let Some(victim) = victim {
            plan.nodes[victim].rotations = changes;
        }
    }
}

/// A session is cut off from its peer for so long that it gives up its channel, and attempts to open another, too.
fn long_cut(plan: &Plan, random: &mut Stream) -> Option<Fault> {
    let channel = plan.channels.iter().find(|channel| channel.kept)?;
    let way = plan.way(plan.node(&channel.from)?, plan.node(&channel.to)?)?;
    let (link, _) = *random.pick(&way)?;
    let [from, to] = plan.links[link].between.clone();
    let (at, lasts) = (ms(random.within(200..=900)), ms(random.within(6_000..=14_000)));
    Some(Fault::Cut { at, from, to, both: true, lasts })
}

fn faults(plan: &Plan, random: &mut Stream) -> Vec<Fault> {
    let watched = plan.adversaries.iter().all(|adversary| adversary.every.is_zero());
    let cut = (watched && random.below(3) > 0).then(|| long_cut(plan, random)).flatten();
    let number = match plan.preset {
        // Little else, or the session might owe nothing.
        _ if cut.is_some() => random.within(0..=1),
        Preset::Faults => random.within(2..=6),
        Preset::Swarm if random.below(2) == 0 => random.within(1..=4),
        _ => 0,
    };
    let mut faults: Vec<_> = (0..number)
        .map(|_| {
            let at = Duration::from_millis(random.within(20..=plan.faulty.as_millis().max(21) as u64 * 3 / 4));
            let node = plan.nodes[random.index(plan.nodes.len())].name.clone();
            let [from, to] = plan.links[random.index(plan.links.len())].between.clone();
            let mut lasts = |least, most| ms(random.within(least..=most));
            let [crash, pause, cut] = [lasts(50, 500), lasts(20, 300), lasts(20, 400)];
            match random.below(8) {
                0 | 1 => Fault::Crash { at, node, lasts: crash, forgets: random.below(5) == 0 },
                2 => Fault::Pause { at, node, lasts: pause },
                3 => Fault::Clock { at, node, by: random.within(0..=90) as i64 - 45 },
                4 | 5 => {
                    let (from, to) = if random.below(2) == 0 { (from, to) } else { (to, from) };
                    Fault::Cut { at, from, to, both: random.below(2) == 0, lasts: cut }
                }
                6 => Fault::Break { at, between: [from, to] },
                _ => Fault::Rotate { at, node },
            }
        })
        .collect();
    // Whoever is robbed may notice, and change the key: after the first channel, before the last.
    let changes = random.below(4) > 0;
    let robbed = plan.adversaries.iter().filter(|adversary| changes && adversary.class.is_a_thief());
    let at = plan.faulty / 5;
    faults.extend(robbed.filter_map(|thief| Some(Fault::Rotate { at, node: thief.victim.clone()? })));
    faults.extend(cut);
    faults.sort_by_key(Fault::at);
    faults
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_draws_plans_that_are_valid_and_read_as_they_are_written() {
        for preset in Preset::ALL {
            for seed in 0..200 {
                let plan = Plan::draw(Seed(seed), preset);
                assert!(!plan.channels.is_empty(), "{preset} {seed}");
                let again = Sketch::parse(&plan.to_toml()).and_then(|sketch| sketch.draw(Seed(seed)));
                assert_eq!(again.as_ref(), Ok(&plan), "{}", plan.to_toml());
            }
        }
    }

    #[test]
    fn calm_and_siege_lose_nothing() {
        for preset in [Preset::Calm, Preset::Siege] {
            assert!((0..100).all(|seed| Plan::draw(Seed(seed), preset).loses_nothing()));
        }
    }

    #[test]
    fn links_alone_are_a_plan() {
        let text = "[[link]]\nbetween = [\"a\", \"b\"]\n[[link]]\nbetween = [\"b\", \"c\"]\nloss = \"3%\"\nkind = \"datagram\"\n";
        let plan = Sketch::parse(text).unwrap().draw(Seed(3)).unwrap();
        assert_eq!(plan.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(!plan.channels.is_empty());
    }

    #[test]
    fn a_topology_of_a_thousand_nodes_is_a_plan() {
        let text = "preset = \"calm\"\ntopology = { shape = \"tree\", nodes = 1000 }";
        let plan = Sketch::parse(text).unwrap().draw(Seed(3)).unwrap();
        assert_eq!(plan.nodes.len(), 1_000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let link = "[[link]]\nbetween = [\"a\", \"b\"]\n";
        for (text, word) in [
            ("[[link]]\nbetween = [\"a\", \"a\"]", "itself"),
            ("topology = { shape = \"line\", nodes = 1 }", "2 to 1000"),
            ("colour = 3", "colour"),
            (&format!("{link}loss = \"2%\""), "stream"),
            (&format!("{link}[[channel]]\nfrom = \"a\"\nto = \"c\""), "\"c\""),
            (&format!("{link}[[link]]\nbetween = [\"c\", \"d\"]\n[[channel]]\nfrom = \"a\"\nto = \"d\""), "no way"),
            (&format!("{link}[[adversary]]\nclass = \"hop\""), "`at`"),
            (
                &format!(
                    "{link}[[node]]\nname = \"a\"\nplaces = {{ open = 3, open-per-source = 2, open-per-peer = 2 }}"
                ),
                "at least 4 open channels",
            ),
            (&format!("{link}[[fault]]\nwhat = \"pause\"\nat = \"1ms\"\nlasts = \"1ms\"\nnode = \"x\""), "\"x\""),
            (&format!("{link}[[fault]]\nwhat = \"break\"\nat = \"3s\"\nbetween = [\"a\", \"b\"]"), "over at 2s"),
            (&format!("{link}[[channel]]\nfrom = \"a\"\nto = \"b\"\npace = \"9us\""), "10µs"),
            (&format!("{link}[[adversary]]\nclass = \"link\"\nbetween = [\"a\", \"b\"]\nevery = \"1ns\""), "10µs"),
            ("[[link]]\nbetween = [\"a\\u001b[31m\", \"b\"]", "cannot be seen"),
            ("[[link]]\nbetween = [\"a\\u202e\", \"b\"]", "cannot be seen"),
            (&format!("[[link]]\nbetween = [\"a\", \"{}\"]", "b".repeat(65)), "at most 64 characters"),
        ] {
            let error = Sketch::parse(text).and_then(|sketch| sketch.draw(Seed(1))).unwrap_err();
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}
