//! What a node says of itself: how much there is, and how often things happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use razor::error::Blame;

use crate::shard::Shard;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Status {
    /// How many shards it has.
    pub shards: usize,
    /// How many tasks: shards, listeners, connections and workers.
    pub tasks: usize,
    /// How many workers, those of the protocol included.
    pub workers: usize,
    /// How many connections.
    pub connections: usize,
    /// How many secure channels, those that are being opened from here included.
    pub channels: usize,
    /// Messages that workers took.
    pub delivered: u64,
    /// Messages that had to be laid out anew for want of room around it.
    pub relayouts: u64,
    /// Dropped messages for which there was no event, because there were too many at once.
    pub unreported: u64,
    /// What failed: the requirement of the specification that was not met, and whose fault that was. Every
    /// dropped, denied or undecipherable message is counted in one of them.
    pub failures: BTreeMap<(&'static str, Blame), u64>,
}

impl Status {
    pub(crate) fn of(shard: &Shard) -> Self {
        let counters = shard.node.counters();
        let (connections, channels) = shard.census();
        let mut failures = shard.unheard.clone();
        for (requirement, blame, count) in shard.node.failures() {
            *failures.entry((requirement, blame)).or_default() += count;
        }
        Self {
            shards: 1,
            tasks: 0,
            workers: shard.node.workers(),
            connections,
            channels,
            delivered: counters.delivered,
            relayouts: counters.relayouts,
            unreported: counters.unreported,
            failures,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.shards += other.shards;
        self.tasks += other.tasks;
        self.workers += other.workers;
        self.connections += other.connections;
        self.channels += other.channels;
        self.delivered += other.delivered;
        self.relayouts += other.relayouts;
        self.unreported += other.unreported;
        for (what, count) in other.failures {
            *self.failures.entry(what).or_default() += count;
        }
    }

    /// In the text format that Prometheus reads.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let gauges = [
            ("razor_shards", "Shards of the node", self.shards as u64),
            ("razor_tasks", "Tasks: shards, listeners, connections and workers", self.tasks as u64),
            ("razor_workers", "Workers", self.workers as u64),
            ("razor_connections", "Open connections", self.connections as u64),
            ("razor_channels", "Secure channels", self.channels as u64),
        ];
        let counters = [
            ("razor_delivered_total", "Messages that workers took", self.delivered),
            ("razor_relayouts_total", "Messages laid out anew for want of room around them", self.relayouts),
            ("razor_unreported_total", "Dropped messages without an event of their own", self.unreported),
        ];
        for (kind, values) in [("gauge", gauges.as_slice()), ("counter", counters.as_slice())] {
            for (name, help, value) in values {
                head(&mut text, name, help, kind);
                let _ = writeln!(text, "{name} {value}");
            }
        }
        let name = "razor_failures_total";
        head(&mut text, name, "Failures by the requirement that was not met and by blame", "counter");
        for ((requirement, blame), count) in &self.failures {
            let blame = blame.name();
            let _ = writeln!(text, "{name}{{requirement=\"{requirement}\",blame=\"{blame}\"}} {count}");
        }
        text
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_for_prometheus_names_each_failure_by_requirement_and_blame() {
        let mut status = Status { connections: 2, ..Status::default() };
        status.failures.insert(("CHN-14", Blame::Misbehaved), 7);
        let text = status.prometheus();
        assert!(text.contains("# TYPE razor_connections gauge\nrazor_connections 2\n"), "{text}");
        assert!(text.contains("razor_failures_total{requirement=\"CHN-14\",blame=\"misbehaved\"} 7\n"), "{text}");
        let malformed = text.lines().filter(|line| !line.starts_with('#') && line.rsplit_once(' ').is_none());
        assert_eq!(malformed.count(), 0);
    }
}
