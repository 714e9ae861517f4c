//! Topologies by shape: which nodes there are, and which of them are neighbours.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::named::named;
use crate::seed::Stream;

named! {
    /// The shape of a network.
    Shape is "shape",
    /// Each node beside the next.
    Line => "line",
    /// All around the first.
    Star => "star",
    /// Each below one that came before it, at most four below one.
    Tree => "tree",
    /// A few relays that all know each other, and everybody else behind a NAT at one or two of them.
    Farm => "farm",
    /// Up to twelve nodes: all with all. More: a ring with chords, six neighbours for each.
    Mesh => "mesh",
    /// A random tree, and half as many links again between random nodes.
    Random => "random",
}

/// What a sketch says of a network instead of naming nodes and links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Topology {
    /// Its shape.
    pub shape: Shape,
    /// How many nodes, from 2 to 1 000.
    pub nodes: usize,
}

/// The most nodes that all are neighbours of all.
const FULL: usize = 12;

/// The neighbours of a network, by number, and which of the two is behind a NAT.
pub(super) struct Network {
    pub(super) names: Vec<String>,
    pub(super) links: Vec<(usize, usize)>,
    /// Whether the first node of each link is behind a NAT.
    pub(super) nat: bool,
    /// How many of the first nodes are relays, in a farm.
    pub(super) relays: usize,
}

impl Topology {
    /// Lays the network out.
    pub(super) fn lay_out(self, random: &mut Stream) -> Network {
        let Self { shape, nodes } = self;
        let relays = if shape == Shape::Farm { (nodes / 8).clamp(1, 8) } else { 0 };
        let name = |n: usize| match shape {
            Shape::Farm if n < relays => format!("relay-{n}"),
            Shape::Farm => format!("edge-{}", n - relays),
            Shape::Star if n == 0 => "hub".to_owned(),
            _ => format!("node-{n}"),
        };
        let mut links = BTreeSet::new();
        // The later node first: in a farm that is the one behind the NAT.
        let mut join = |one: usize, other: usize| {
            if one != other {
                links.insert((one.max(other), one.min(other)));
            }
        };
        match shape {
            Shape::Line => (1..nodes).for_each(|n| join(n - 1, n)),
            Shape::Star => (1..nodes).for_each(|n| join(0, n)),
            Shape::Tree => {
                let mut below = vec![0; nodes];
                for n in 1..nodes {
                    let free: Vec<_> = (0..n).filter(|above| below[*above] < 4).collect();
                    let above = random.pick(&free).copied().unwrap_or(0);
                    below[above] += 1;
                    join(above, n);
                }
            }
            Shape::Farm => {
                (1..relays).for_each(|n| (0..n).for_each(|other| join(other, n)));
                for n in relays..nodes {
                    let home = random.index(relays);
                    join(home, n);
                    if relays > 1 && random.below(3) == 0 {
                        join((home + 1 + random.index(relays - 1)) % relays, n);
                    }
                }
            }
            Shape::Mesh if nodes <= FULL => (1..nodes).for_each(|n| (0..n).for_each(|other| join(other, n))),
            Shape::Mesh => {
                let reach = [1, nodes / 7, nodes / 3];
                (0..nodes).for_each(|n| reach.iter().for_each(|by| join(n, (n + by) % nodes)));
            }
            Shape::Random => {
                (1..nodes).for_each(|n| join(random.index(n), n));
                (0..nodes / 2).for_each(|_| join(random.index(nodes), random.index(nodes)));
            }
        }
        Network { names: (0..nodes).map(name).collect(), links: links.into_iter().collect(), nat: relays > 0, relays }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn reached(network: &Network) -> usize {
        let mut reached = BTreeSet::from([0]);
        while let Some(&(one, other)) =
            network.links.iter().find(|(one, other)| reached.contains(one) != reached.contains(other))
        {
            reached.extend([one, other]);
        }
        reached.len()
    }

    #[test]
    fn every_shape_of_every_size_hangs_together_without_a_link_twice() {
        for shape in Shape::ALL {
            for nodes in [2, 3, 5, 13, 60] {
                for seed in 0..5 {
                    let network = Topology { shape, nodes }.lay_out(&mut Seed(seed).stream("topology"));
                    assert_eq!(network.names.len(), nodes);
                    assert_eq!(reached(&network), nodes, "{shape:?} {nodes}");
                    let distinct: BTreeSet<_> = network.links.iter().collect();
                    assert_eq!(distinct.len(), network.links.len());
                    assert!(network.links.iter().all(|(one, other)| one != other && *one < nodes && *other < nodes));
                }
            }
        }
    }

    #[test]
    fn shapes_have_the_links_that_their_names_promise() {
        let count = |shape, nodes| Topology { shape, nodes }.lay_out(&mut Seed(1).stream("topology")).links.len();
        assert_eq!(count(Shape::Line, 5), 4);
        assert_eq!(count(Shape::Star, 5), 4);
        assert_eq!(count(Shape::Tree, 40), 39);
        assert_eq!(count(Shape::Mesh, 6), 15);
        assert_eq!(count(Shape::Mesh, 70), 210);
        assert!(count(Shape::Random, 40) > 39);
    }
}
