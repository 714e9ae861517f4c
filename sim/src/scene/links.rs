//! Two nodes of one driver with a link between them: what goes through a gate, beside it, and back. The one has the
//! connections, the other the workers.

use std::collections::VecDeque;
use std::sync::Arc;

use razor::machine::{Machine as _, Refused};
use razor::node::{
    AccessControl, Config, ConnectionId, Crossing, Delivery, Echoer, Flow, FlowControlId, FromAddresses, Hop, Input,
    LocalOnly, Mailbox, Output, Spec, Worker,
};
use razor::routing::{Address, Route};
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::Stage;
use super::{Fault, Outcome, demand, fault};

/// The number of the link at both ends: those of connections are smaller.
const LINK: ConnectionId = ConnectionId(100);

/// Lines of the script.
const LINES: usize = 60;

/// What the far node has, and who may reach it from outside of both: an inbox for all, one for the own node, one for
/// whoever comes over the hop, one for nobody outside; an echo.
const OPEN: &str = "open";
const PRIVATE: &str = "private";
const NARROW: &str = "narrow";
const INTERNAL: &str = "internal";
const ECHO: &str = "echo";
/// The near node's.
const HOP: &str = "hop";
const NEAR: &str = "near";

/// What a stranger may send, and whether it may arrive.
const STRANGERS: [(&[&str], bool); 8] = [
    (&[OPEN], true),
    (&[HOP, OPEN], true),
    (&[PRIVATE], false),
    (&[HOP, PRIVATE], false),
    (&[NARROW], false),
    (&[HOP, NARROW], true),
    (&[INTERNAL], false),
    (&[HOP, INTERNAL], true),
];

/// The same for the owner of the near node, through a gate. What is narrow is so for it, too.
const OWNERS: [(&[&str], bool); 6] = [
    (&[OPEN], true),
    (&[HOP, OPEN], true),
    (&[PRIVATE], true),
    (&[NARROW], false),
    (&[HOP, NARROW], true),
    (&[INTERNAL], true),
];

struct Linked {
    near: Stage,
    far: Stage,
    random: Stream,
    stranger: ConnectionId,
    /// The address of the stranger's connection, and of the link at each end.
    connection: Address,
    to_far: Address,
    to_near: Address,
    /// On their way there, and back.
    there: VecDeque<Crossing>,
    back: VecDeque<Crossing>,
    said: u32,
    got: Vec<Delivery>,
}

fn inbox(stage: &mut Stage, name: &str, incoming: Option<Arc<dyn AccessControl>>, consumer_of: Vec<FlowControlId>) {
    let mailbox = Mailbox { incoming, ..Mailbox::open(name.into()) };
    let flow = Flow { consumer_of, ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, mailbox, flow)).expect("a free address");
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut near = Stage::new(seed, "a near node", Config::DEFAULT);
    let mut far = Stage::new(seed, "a far node", Config { shard: 1, ..Config::DEFAULT });
    let accepted = near.node.new_flow_control_id();
    let (stranger, connection) = near.connect(Some(accepted), None).expect("few connections");
    near.receive(stranger, vec![VERSION])?;
    let [to_far, to_near] = [&mut near, &mut far].map(|stage| stage.with(|node, env| node.link(env, LINK)));
    let (Ok(to_far), Ok(to_near)) = (to_far, to_near) else {
        return Err(fault(Property::Liveness, "two nodes cannot be linked"));
    };
    let local = || Some(Arc::new(LocalOnly) as Arc<dyn AccessControl>);
    let from_hop = || Some(Arc::new(FromAddresses(vec![HOP.into()])) as Arc<dyn AccessControl>);
    for (name, incoming, reached) in [
        (OPEN, None, vec![accepted]),
        (PRIVATE, local(), vec![accepted]),
        (NARROW, from_hop(), vec![accepted]),
        (INTERNAL, None, vec![]),
        (ECHO, None, vec![accepted]),
    ] {
        let mailbox = Mailbox { incoming: incoming.clone(), ..Mailbox::open(name.into()) };
        let flow = Flow { consumer_of: reached, ..Flow::default() };
        near.with(|node, env| node.open_gate(env, mailbox, flow, LINK)).expect("there is a link");
        if name != ECHO {
            inbox(&mut far, name, incoming, Vec::new());
        }
    }
    let hop = Flow { consumer_of: vec![accepted], ..Flow::default() };
    for (stage, name, flow, worker) in
        [(&mut near, HOP, hop, Box::new(Hop) as Box<dyn Worker>), (&mut far, ECHO, Flow::default(), Box::new(Echoer))]
    {
        let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow, worker };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    inbox(&mut near, NEAR, None, Vec::new());
    near.said.clear();
    let random = seed.stream("linked nodes");
    let mut linked = Linked {
        near,
        far,
        random,
        stranger,
        connection,
        to_far,
        to_near,
        there: VecDeque::new(),
        back: VecDeque::new(),
        said: 0,
        got: Vec::new(),
    };
    for _ in 0..LINES {
        linked.line()?;
    }
    linked.end()
}

impl Linked {
    fn line(&mut self) -> Outcome {
        match self.random.below(5) {
            0..=1 => self.stranger_speaks(),
            2 => self.owner_speaks(),
            3 => self.beside_the_gate(),
            _ => self.echo(),
        }
    }

    fn words(&mut self) -> Vec<u8> {
        self.said += 1;
        self.said.to_be_bytes().to_vec()
    }

    fn stranger_says(&mut self, onward: &[&str], payload: Vec<u8>) -> Outcome {
        let onward = onward.iter().map(|name| Address::local(name)).collect();
        let frame = Frame { onward, back: vec!["peer".into()], payload, tracing: None };
        self.near.receive(self.stranger, frame.encode())?;
        self.carry()
    }

    /// A stranger says something: it comes if it may, as a stranger's, and leads back to him.
    fn stranger_speaks(&mut self) -> Outcome {
        let (route, may) = STRANGERS[self.random.index(STRANGERS.len())];
        let words = self.words();
        self.stranger_says(route, words.clone())?;
        let back = self.way_back(route).then(self.connection.clone()).then("peer");
        let stranger = self.stranger;
        self.check(route, may, &words, &back, |delivery| delivery.provenance.from_connection() == Some(stranger))
    }

    /// Over the link, and over the hop if it came that way.
    fn way_back(&self, route: &[&str]) -> Route {
        let link = Route::from(self.to_near.clone());
        if route[0] == HOP { link.then(HOP) } else { link }
    }

    fn owner_says(&mut self, onward: Route, payload: &[u8]) -> Result<bool, Fault> {
        let taken = self.near.send(onward, Route::from_iter([NEAR]), payload)?;
        self.carry()?;
        Ok(taken)
    }

    fn owner_speaks(&mut self) -> Outcome {
        let (route, may) = OWNERS[self.random.index(OWNERS.len())];
        let words = self.words();
        let taken = self.owner_says(Route::from_iter(route.iter().copied()), &words)?;
        demand(taken == may || route[0] == HOP, Property::Access, || {
            format!("the owner's message to {route:?}: taken {taken}")
        })?;
        let back = self.way_back(route).then(NEAR);
        self.check(route, may, &words, &back, |delivery| delivery.provenance.is_local())
    }

    /// By the address of the link, the far node asks its own controls.
    fn beside_the_gate(&mut self) -> Outcome {
        let (name, may) = [(OPEN, true), (PRIVATE, true), (NARROW, false), (INTERNAL, true)][self.random.index(4)];
        let words = self.words();
        self.owner_says(Route::from(self.to_far.clone()).then(name), &words)?;
        let back = Route::from(self.to_near.clone()).then(NEAR);
        self.check(&[name], may, &words, &back, |delivery| delivery.provenance.is_local())
    }

    /// Exactly this came to the far node, or nothing.
    fn check(
        &mut self,
        route: &[&str],
        may: bool,
        words: &[u8],
        back: &Route,
        is_true: impl Fn(&Delivery) -> bool,
    ) -> Outcome {
        let got = std::mem::take(&mut self.got);
        if !may {
            return demand(got.is_empty(), Property::Access, || {
                format!("over a link, something reached {route:?} that may not")
            });
        }
        let [delivery] = &got[..] else {
            return Err(fault(
                Property::Liveness,
                format!("over a link, {} messages reached {route:?}, and not one", got.len()),
            ));
        };
        demand(delivery.message.payload() == words, Property::Authenticity, || {
            "a link changes what crosses it".into()
        })?;
        demand(is_true(delivery), Property::Provenance, || {
            format!("over a link, a message to {route:?} came as one of {:?}", delivery.provenance)
        })?;
        demand(delivery.message.return_route() == back.as_ref(), Property::Provenance, || {
            format!(
                "over a link, a message to {route:?} leads back along {:?}, and not {back:?}",
                delivery.message.return_route()
            )
        })
    }

    /// An echo at the far node answers the stranger, over the link and his connection.
    fn echo(&mut self) -> Outcome {
        let words = self.words();
        self.stranger_says(&[ECHO], words.clone())?;
        let mut answers = Vec::new();
        for output in std::mem::take(&mut self.near.said) {
            let Output::Transmit { connection, frame } = output else { continue };
            answers.extend(Frame::decode(frame.payload()));
            self.near.must(Input::Sent { connection, bytes: frame.payload().len() as u64 })?;
        }
        let right = Frame { onward: vec!["peer".into()], back: vec![ECHO.into()], payload: words, tracing: None };
        demand(answers == [right], Property::Liveness, || format!("an echo behind a gate answered {answers:?}"))
    }

    /// Carries what crosses, in order, until nothing does.
    fn carry(&mut self) -> Outcome {
        loop {
            let before = self.there.len() + self.back.len();
            take(&mut self.near, &mut self.there, &mut Vec::new())?;
            take(&mut self.far, &mut self.back, &mut self.got)?;
            if before + self.there.len() + self.back.len() == 0 {
                return Ok(());
            }
            cross(&mut self.there, &mut self.near, &mut self.far)?;
            cross(&mut self.back, &mut self.far, &mut self.near)?;
        }
    }

    /// A gate is closed, and then the link: nothing leads there any more.
    fn end(&mut self) -> Outcome {
        let gone = self.near.with(|node, env| node.stop_worker(env, &OPEN.into()));
        demand(gone.is_ok(), Property::Liveness, || "a gate cannot be closed".into())?;
        let words = self.words();
        self.stranger_says(&[OPEN], words)?;
        demand(self.got.is_empty(), Property::Access, || "something came through a gate that is closed".into())?;
        for stage in [&mut self.near, &mut self.far] {
            stage.must(Input::Disconnected { connection: LINK })?;
        }
        let words = self.words();
        self.stranger_says(&[HOP, INTERNAL], words.clone())?;
        let way = Route::from(self.to_far.clone()).then(INTERNAL);
        let taken = self.owner_says(way, &words)?;
        let left = self.near.node.provisional();
        demand(!taken && self.got.is_empty() && left == 0, Property::Bounds, || {
            format!("a link is gone, and a message was taken for it: {taken}; {left} bytes wait")
        })
    }
}

/// What a node says: what crosses, and what it delivers.
fn take(stage: &mut Stage, crossing: &mut VecDeque<Crossing>, got: &mut Vec<Delivery>) -> Outcome {
    let mut kept = VecDeque::new();
    while let Some(output) = stage.said.pop_front() {
        match output {
            Output::Cross { crossing: message, .. } => crossing.push_back(message),
            Output::Deliver { inbox, delivery } => {
                got.push(delivery);
                stage.must(Input::Taken { inbox, messages: 1 })?;
            }
            Output::Close { .. } => return Err(fault(Property::Bounds, "a connection was closed for no reason")),
            other => kept.push_back(other),
        }
    }
    stage.said = kept;
    Ok(())
}

fn cross(queue: &mut VecDeque<Crossing>, from: &mut Stage, to: &mut Stage) -> Outcome {
    while let Some(crossing) = queue.pop_front() {
        let bytes = crossing.size();
        match to.give(Input::Crossed { connection: LINK, crossing })? {
            Ok(()) => from.must(Input::Sent { connection: LINK, bytes })?,
            Err(Refused::Full(_)) => return Err(fault(Property::Liveness, "a node with room lets nothing cross")),
            Err(Refused::Error(error)) => {
                return Err(fault(Property::Conformance, format!("nothing crosses: {error}")));
            }
        }
    }
    Ok(())
}
