//! A stage: one real node, and a driver that does exactly what it is told.

use std::collections::VecDeque;
use std::time::Duration;

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::error::Result as Handled;
use razor::machine::{Machine as _, Refused};
use razor::node::{
    Config, Connected, ConnectionId, Context, Delivery, Event, FlowControlId, Input, Node, Output, Port, Worker,
};
use razor::routing::{Address, Message, Route};

use crate::checker::{Counts, Property};
use crate::party::BEGIN;
use crate::seed::Seed;

use super::{Fault, Outcome, fault, script};

/// More calls than a node ever asks for within one time.
const CALLS: usize = 10_000;

/// A node, and what it said that nobody has looked at yet.
pub(super) struct Stage {
    name: String,
    pub(super) node: Node,
    entropy: Seeded,
    pub(super) now: Instant,
    /// What it said, in order.
    pub(super) said: VecDeque<Output>,
    next_connection: u64,
    counts: Counts,
    /// What does not hold of a call.
    broken: Option<Fault>,
}

impl Stage {
    pub(super) fn new(seed: Seed, label: &str, config: Config) -> Self {
        let mut entropy = Seeded::new(seed.derive(label));
        let counts = Counts::new(&config);
        let node = Node::new(config, &mut entropy);
        Self {
            name: label.into(),
            node,
            entropy,
            now: Instant::ZERO,
            said: VecDeque::new(),
            next_connection: 1,
            counts,
            broken: None,
        }
    }

    /// Calls the node and takes down what it says.
    pub(super) fn with<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let wall = self.wall();
        let result = call(&mut self.node, &mut Env::new(self.now, wall, &mut self.entropy));
        while let Some(output) = self.node.poll_output() {
            self.note(|| script::said(&output));
            self.counts.hear(&output);
            self.said.push_back(output);
        }
        let wrong = self.counts.end(self.now, self.node.counters()).err().map(|wrong| fault(Property::Bounds, wrong));
        let circles = self
            .counts
            .circles()
            .map(|many| fault(Property::Liveness, format!("{many} messages went round in circles")));
        self.broken = self.broken.take().or(wrong).or(circles);
        result
    }

    fn note(&self, words: impl FnOnce() -> String) {
        script::note(self.now, &self.name, words);
    }

    /// What the node will draw.
    pub(super) fn foresight(&self) -> Seeded {
        self.entropy.clone()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(BEGIN + self.now.since(Instant::ZERO).as_secs())
    }

    /// Gives the node an input, and whatever calls it wants at once.
    pub(super) fn give(&mut self, input: Input) -> Result<Result<(), Refused<Input>>, Fault> {
        self.note(|| script::given(&input));
        let result = self.with(|node, env| node.handle(env, input));
        self.settle()?;
        Ok(result)
    }

    /// Gives the node an input that it has to take.
    pub(super) fn must(&mut self, input: Input) -> Outcome {
        match self.give(input)? {
            Ok(()) => Ok(()),
            Err(refused) => Err(fault(Property::Conformance, format!("an input was refused: {refused:?}"))),
        }
    }

    /// Whatever the node wants to do now.
    fn settle(&mut self) -> Outcome {
        self.until(self.now)
    }

    /// Lets time pass, to the nanosecond as the node wants it.
    pub(super) fn pass(&mut self, time: Duration) -> Outcome {
        self.until(self.now + time)
    }

    fn until(&mut self, end: Instant) -> Outcome {
        for _ in 0..CALLS {
            self.broken.take().map_or(Ok(()), Err)?;
            let Some(due) = self.node.deadline().filter(|due| due.at <= end) else {
                self.now = end;
                return Ok(());
            };
            self.now = self.now.max(due.at);
            self.note(|| format!("its time has come: {}", due.reason));
            self.with(|node, env| node.handle_timeout(env));
        }
        Err(fault(Property::Liveness, "a node wants to be called again and again, and nothing changes"))
    }

    /// A connection that was accepted under an id; or that the node dialled, at this address.
    pub(super) fn connect(
        &mut self,
        accepted_by: Option<FlowControlId>,
        alias: Option<Address>,
    ) -> razor::error::Result<(ConnectionId, Address)> {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.note(|| match &alias {
            Some(alias) => format!("dials {alias}: connection {}", id.0),
            None => format!("somebody comes: connection {}", id.0),
        });
        let how = Connected { accepted_by, alias };
        let connected = self.with(|node, env| node.connected(env, id, how));
        if let Err(error) = &connected {
            self.note(|| format!("refuses connection {}: {error}", id.0));
        }
        connected.map(|address| (id, address))
    }

    /// A link to a node of which nothing more is seen.
    pub(super) fn link(&mut self) -> razor::error::Result<(ConnectionId, Address)> {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.note(|| format!("is linked: link {}", id.0));
        Ok((id, self.with(|node, env| node.link(env, id))?))
    }

    /// Bytes from a peer. `false` when they are not read now.
    pub(super) fn receive(&mut self, connection: ConnectionId, bytes: Vec<u8>) -> Result<bool, Fault> {
        match self.give(Input::Received { connection, bytes })? {
            Ok(()) => Ok(true),
            Err(Refused::Full(_)) => Ok(false),
            Err(Refused::Error(error)) => Err(fault(Property::Conformance, format!("bytes were refused: {error}"))),
        }
    }

    /// The owner sends something. `false` when it was not taken now.
    pub(super) fn send(&mut self, onward: Route, back: Route, payload: &[u8]) -> Result<bool, Fault> {
        let message = Message::new(onward.as_ref(), back.as_ref(), payload);
        Ok(self.give(Input::Send(message))?.is_ok())
    }

    /// What came to the owner's inboxes since the last look, with everything else that was said thrown away.
    pub(super) fn delivered(&mut self) -> Vec<(Address, Delivery)> {
        let said = std::mem::take(&mut self.said);
        let delivered = said.into_iter().filter_map(|output| match output {
            Output::Deliver { inbox, delivery } => Some((inbox, delivery)),
            _ => None,
        });
        delivered.collect()
    }

    /// The events since the last look, with everything else that was said thrown away.
    pub(super) fn told(&mut self) -> Vec<Event> {
        let said = std::mem::take(&mut self.said);
        let events = said.into_iter().filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }
}

/// A worker that sends on what it gets; one that relays says that it leads on.
pub(super) struct Passer {
    pub(super) relays: bool,
}

impl Worker for Passer {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.pop_onward()?;
        cx.forward(port, message, provenance);
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        self.relays
    }
}
