//! Which plans lose nothing: what applications say there has to arrive, all of it.

use std::time::Duration;

use crate::adversary::Capability;
use crate::seed::Ppm;

use super::{Adversary, Channel, Kind, Link, Node, Places, Plan, Trusts};

/// How many handshakes may be half open at a listener, in all and of one source, unless its node says otherwise.
pub(crate) const HALF_OPEN: usize = 64;

/// How far a clock may be off, in seconds: papers are a day old.
const STEADY: u64 = 12 * 60 * 60;

impl Plan {
    /// Whether everything that an honest node sends arrives: streams without a limit, no fault, nobody who does
    /// more than watch and open channels, clocks that papers hold for, and channels that are welcome, find room and have
    /// the time for what they are to say.
    pub fn loses_nothing(&self) -> bool {
        self.faults.is_empty()
            && self.nodes.iter().all(|node| node.clock.unsigned_abs() <= STEADY && self.has_room(node))
            && self.channels.iter().all(|channel| self.is_welcome(channel) && self.has_time(channel))
            && self.links.iter().all(|link| link.is_whole())
            && self.adversaries.iter().all(|adversary| {
                adversary.leaves_frames_alone(adversary.at.as_ref().is_some_and(|node| self.is_apart(node)))
            })
            && self.nodes.iter().all(|node| node.store_fails == Ppm::NEVER)
            && self.nodes.iter().all(|node| self.channels.iter().all(|channel| node.lateness <= channel.pace * 2))
    }

    /// Whether the listener of this channel trusts who opens it.
    fn is_welcome(&self, channel: &Channel) -> bool {
        self.node(&channel.to).is_some_and(|to| match &self.nodes[to].trusts {
            Trusts::Everybody => true,
            Trusts::These(names) => names.contains(&channel.from),
        })
    }

    /// Whether the listener of this node has places for all channels that come to it, whenever they do.
    fn has_room(&self, node: &Node) -> bool {
        let come = self.channels.iter().filter(|channel| channel.to == node.name).count();
        come <= node.places.map_or(HALF_OPEN, |places| places.fewest())
    }

    /// Whether all that is said in this channel can be there before the world heals.
    fn has_time(&self, channel: &Channel) -> bool {
        let talk = channel.pace * channel.messages as u32;
        self.opens(channel).is_some_and(|(open, _)| open + talk <= self.faulty)
    }

    /// When this channel is open at the latest, and how long a message takes in it at most: three messages of a handshake,
    /// and one that says so. None if the channel around it opens later than it is to begin.
    fn opens(&self, channel: &Channel) -> Option<(Duration, Duration)> {
        let (start, ready, outer) = match &channel.inside {
            None => (&channel.from, Duration::ZERO, Duration::ZERO),
            Some(name) => {
                let outer = &self.channels[self.channel(name)?];
                let (ready, latency) = self.opens(outer)?;
                (&outer.to, ready, latency)
            }
        };
        let way = self.way(self.node(start)?, self.node(&channel.to)?)?;
        let latency = outer + way.iter().map(|(link, _)| *self.links[*link].latency.end()).sum::<Duration>();
        (ready <= channel.at).then_some((channel.at + 4 * latency, latency))
    }

    /// Whether this node is on no channel's way, and comes to the end of none over the connection that its opener comes
    /// over.
    pub(crate) fn is_apart(&self, name: &str) -> bool {
        let Some(node) = self.node(name) else { return false };
        let last = |from: usize, to: usize| self.way(from, to).and_then(|way| way.last().map(|(link, _)| *link));
        self.channels.iter().all(|channel| {
            let (Some(from), Some(to)) = (self.node(&channel.from), self.node(&channel.to)) else { return false };
            let passes = self.way(from, to).is_none_or(|way| way.iter().any(|(_, at)| *at == node));
            channel.inside.is_none() && !passes && from != node && last(from, to) != last(node, to)
        })
    }
}

impl Places {
    /// How many channels find a place, whoever opens them.
    fn fewest(&self) -> usize {
        let half_open = self.half_open.unwrap_or(HALF_OPEN).min(self.half_open_per_source.unwrap_or(HALF_OPEN));
        half_open.min(self.open).min(self.open_per_source).min(self.open_per_peer)
    }
}

impl Link {
    /// Whether what is sent over it arrives, at once and in order.
    fn is_whole(&self) -> bool {
        self.kind == Kind::Stream && self.rate().is_none() && self.nat_idle.is_none()
    }
}

impl Adversary {
    /// Whether what others send arrives. What somebody does to a connection of its own, or from there to a listener, costs
    /// others nothing.
    fn leaves_frames_alone(&self, is_apart: bool) -> bool {
        use Capability::{Flood, Futile, HugeCbor, Large, Malformed, Stall};
        let own = |can: &Capability| matches!(can, Flood | Futile | HugeCbor | Large | Malformed | Stall);
        let harmless = |can: &Capability| can.leaves_frames_alone() || is_apart && own(can);
        self.capabilities().iter().all(harmless)
    }
}
