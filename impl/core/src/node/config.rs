//! What a node is configured with.

use core::time::Duration;

use crate::transport;

/// What a node is configured with. Spec: "Limits".
#[derive(Debug, Clone)]
pub struct Config {
    /// Framing and its limits, for every connection.
    pub tcp: transport::Config,
    /// This node's number among those that a driver links: its flow control ids begin with it.
    pub shard: u16,
    /// The most connections.
    pub connections: usize,
    /// The most messages that wait within the node, for all workers together.
    pub queue: usize,
    /// The most bytes of them.
    pub queue_bytes: usize,
    /// The most messages that wait for one worker, and the most that it has sent from one address and that wait.
    pub inbox: usize,
    /// The most bytes of them.
    pub inbox_bytes: usize,
    /// The most bytes that all connections together hold of messages that are not complete, not read, or
    /// wait for a full receiver.
    pub held: usize,
    /// The most bytes on their way to one connection's peer before its senders have to wait.
    pub transmit: u64,
    /// The most messages handed over from one inbox that the owner has not taken.
    pub hand_over: u64,
    /// The bytes of them from which on no more are handed over.
    pub hand_over_bytes: usize,
    /// The most deliveries in one call, the most messages taken from connections, and the most timers
    /// called; what is left is done in the next.
    pub steps: usize,
    /// The most dropped messages that are reported in one call, by an event each. All are counted.
    pub reports: usize,
    /// How long a message of a connection, or of another producer, may wait for a full receiver.
    pub stall: Duration,
    /// How long nothing came or went on a connection that a full node may close for a new one.
    pub idle: Duration,
    /// The most unanswered requests.
    pub requests: usize,
}

impl Config {
    /// What every node has at least.
    pub const FLOOR: Self = Self {
        tcp: transport::Config::FLOOR,
        shard: 0,
        connections: 1,
        queue: 16,
        queue_bytes: 131_072,
        inbox: 4,
        inbox_bytes: 131_072,
        held: 262_144,
        transmit: 1,
        hand_over: 1,
        hand_over_bytes: 1,
        steps: 1,
        reports: 1,
        stall: Duration::from_secs(1),
        idle: Duration::from_secs(10),
        requests: 16,
    };

    /// The most that a node may be configured with; it fits where an address has 32 bits.
    pub const CEILING: Self = Self {
        tcp: transport::Config::CEILING,
        shard: u16::MAX,
        connections: 1 << 20,
        queue: 1 << 20,
        queue_bytes: 1 << 31,
        inbox: 1 << 16,
        inbox_bytes: 1 << 30,
        held: 1 << 31,
        transmit: 1 << 30,
        hand_over: 1 << 16,
        hand_over_bytes: 1 << 30,
        steps: 1 << 16,
        reports: 1 << 16,
        stall: Duration::from_secs(3600),
        idle: Duration::from_secs(86_400),
        requests: 1 << 20,
    };

    /// What a node is configured with unless told otherwise.
    pub const DEFAULT: Self = Self {
        tcp: transport::Config::DEFAULT,
        shard: 0,
        connections: 1024,
        queue: 4096,
        queue_bytes: 1 << 27,
        inbox: 256,
        inbox_bytes: 1 << 25,
        held: 1 << 28,
        transmit: 1 << 20,
        hand_over: 64,
        hand_over_bytes: 1 << 25,
        steps: 1024,
        reports: 64,
        stall: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        requests: 4096,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
