//! Who may answer an initiator: whoever is at the first address of its way, and nobody else, by whatever connection.

use std::sync::Arc;

use razor::channel::{LISTENER, create};
use razor::identity::StoreRequest;
use razor::node::{Config, ConnectionId, Output, Request};
use razor::routing::{Address, Message, Route, TransportType};
use razor::transport::VERSION;
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::machine::Alone;
use super::pair::Papers;
use super::stage::Stage;
use super::{Fault, Outcome, demand, fault};

/// Channels that are begun.
const CHANNELS: usize = 4;

struct Answers {
    stage: Stage,
    random: Stream,
    papers: Papers,
    /// Those whom the node has accepted under one id, under another, and those whom it has dialled.
    connections: Vec<(ConnectionId, Address)>,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut stage = Stage::new(seed, "a node that waits for an answer", Config::DEFAULT);
    let [first, second] = [(); 2].map(|()| Some(stage.node.new_flow_control_id()));
    let mut connections = Vec::new();
    for (number, accepted_by) in [first, first, second, None, None].into_iter().enumerate() {
        let dialled = Address::new(TransportType::TCP, format!("other:{number}").as_bytes());
        let alias = accepted_by.is_none().then_some(dialled);
        let (id, address) = stage.connect(accepted_by, alias.clone()).expect("few connections");
        stage.receive(id, vec![VERSION])?;
        connections.push((id, alias.unwrap_or(address)));
    }
    let papers = Papers::new(seed, "who waits for an answer");
    let mut scene = Answers { stage, random: seed.stream("answers"), papers, connections };
    for number in 0..CHANNELS {
        scene.channel(seed, number)?;
    }
    Ok(())
}

impl Answers {
    /// A channel is begun over a connection. The true answer comes by every other first, and changes nothing; then it comes
    /// by that one.
    fn channel(&mut self, seed: Seed, number: usize) -> Outcome {
        let asked = self.random.index(self.connections.len());
        let (id, address) = self.connections[asked].clone();
        let route = Route::from_iter([address, LISTENER.into()]);
        let config = Arc::new(self.papers.config.clone());
        self.stage.said.clear();
        let created = self.stage.with(|node, env| create::<NullSuite>(node, env, config, &route));
        demand(created.is_ok(), Property::Liveness, || "a channel cannot be begun".into())?;
        let message_1 = self.message_1(id)?;
        let label = format!("who answers {number}");
        let mut responder = Alone::responder(seed, &label, |config| config, &message_1)?;
        let answer = Frame::from(&responder.hear()?);
        for (other, _) in self.connections.clone() {
            if other != id {
                let took = self.answer(other, &answer, &responder)?;
                demand(!took, Property::Access, || {
                    let (other, id) = (other.0, id.0);
                    format!("an initiator on connection {id} is reached by whoever is on connection {other}")
                })?;
            }
        }
        let took = self.answer(id, &answer, &responder)?;
        demand(took, Property::Liveness, || {
            "an answer does not reach the initiator by the way that it was asked".into()
        })
    }

    /// The message 1 that has just left on this connection.
    fn message_1(&mut self, id: ConnectionId) -> Result<Message, Fault> {
        let mut frames = std::mem::take(&mut self.stage.said).into_iter().filter_map(|output| match output {
            Output::Transmit { connection, frame } if connection == id => Some(frame.payload().to_vec()),
            _ => None,
        });
        let frame = frames.next_back().and_then(|frame| Frame::decode(&frame).ok());
        let Frame { onward, back, payload, .. } =
            frame.ok_or_else(|| fault(Property::Liveness, "no message 1 leaves on the connection of its way"))?;
        let [onward, back] = [onward, back].map(|route| route.into_iter().collect::<Route>());
        Ok(Message::new(onward.as_ref(), back.as_ref(), &payload))
    }

    /// An answer comes by a connection. Whether it was taken: who it is from is looked up.
    fn answer(&mut self, from: ConnectionId, answer: &Frame, responder: &Alone) -> Result<bool, Fault> {
        self.stage.said.clear();
        self.stage.receive(from, answer.encode())?;
        let name = responder.papers.name;
        Ok(self.stage.said.iter().any(|output| {
            matches!(output, Output::Request { request: Request::Store(StoreRequest::Load(asked)), .. } if *asked == name)
        }))
    }
}
