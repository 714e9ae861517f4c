//! A node, its owner, and strangers at its connections.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::channel::{Listening, Places, listen};
use crate::env::Env;
use crate::identity::MemoryStore;
use crate::node::{
    Answer, Config, Connected, ConnectionId, Context, Crossing, Delivery, Echoer, Flow, FlowControlId, Hop, Input,
    Mailbox, Node, Output, Port, Provenance, Request, RequestId, Spec, Worker,
};
use crate::routing::{Address, Message, Route};
use crate::session::{self, Keeping};
use crate::vault::suite::Aes256GcmSha256;
use crate::{Error, Result, transport, vault};
use arbitrary::Arbitrary;
#[cfg(test)]
use proptest::prelude::*;

use super::channel::{PEOPLE, Person};
use super::tcp::frame;
use super::{Act, World, show};

/// The link, both ends of it.
const LINK: ConnectionId = ConnectionId(1);

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Step {
    Connect(bool),
    /// Frames arrive on the connection that many before the newest.
    Frames(u64, Vec<Frame>),
    /// As long as nobody else has the number.
    Sent(u64, u16),
    Disconnect(u64),
    /// A message that has left over the link arrives: the node is at its other end, too.
    Cross,
    /// The owner takes a message from its inbox.
    Taken,
    Send(To, Vec<To>, u16),
    /// The same, from the owner's inbox, or from what is none.
    SendFrom(bool, To, u16),
    /// An answer to the request that many before the newest: as it should be, or a failure.
    Answer(usize, bool),
    Start(u8),
    Stop(u8),
    Wait(u32),
}

#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Frame {
    Message(Vec<To>, u16),
    Heartbeat,
    Garbage(Vec<u8>),
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum To {
    Hop,
    Echo,
    Inbox,
    /// A worker that is not reachable from outside.
    Private,
    /// A worker that loses nothing.
    Relay,
    /// A gate to the other end of the link, and the link.
    Gate,
    Link,
    /// A worker that asks the vault, and waits.
    Asker,
    /// A listener of secure channels.
    Listener,
    /// One that comes and goes.
    Passing(u8),
    Nobody,
    /// A transport address.
    Far,
    /// The sender of the connection that many before the newest.
    Sender(u64),
}

/// Steps as in an honest life, with some hostility.
#[cfg(test)]
pub(super) fn step() -> impl Strategy<Value = Step> {
    let to = || {
        prop_oneof![
            4 => Just(To::Hop),
            2 => Just(To::Echo),
            4 => Just(To::Inbox),
            1 => Just(To::Private),
            3 => Just(To::Relay),
            2 => Just(To::Gate),
            2 => Just(To::Link),
            2 => Just(To::Asker),
            3 => Just(To::Listener),
            1 => (0..3u8).prop_map(To::Passing),
            1 => Just(To::Nobody),
            1 => Just(To::Far),
            2 => (0..3u64).prop_map(To::Sender),
        ]
    };
    let route = || proptest::collection::vec(to(), 0..6);
    let frame = prop_oneof![
        20 => (route(), 0..400u16).prop_map(|(route, size)| Frame::Message(route, size)),
        1 => Just(Frame::Heartbeat),
        1 => any::<Vec<u8>>().prop_map(Frame::Garbage),
    ];
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Connect),
        12 => (0..3u64, proptest::collection::vec(frame, 0..12)).prop_map(|(ago, frames)| Step::Frames(ago, frames)),
        4 => (0..3u64, any::<u16>()).prop_map(|(ago, bytes)| Step::Sent(ago, bytes)),
        1 => (0..3u64).prop_map(Step::Disconnect),
        6 => Just(Step::Cross),
        6 => Just(Step::Taken),
        6 => (to(), route(), 0..400u16).prop_map(|(to, back, size)| Step::Send(to, back, size)),
        2 => (any::<bool>(), to(), 0..400u16).prop_map(|(right, to, size)| Step::SendFrom(right, to, size)),
        3 => (0..6usize, any::<bool>()).prop_map(|(ago, right)| Step::Answer(ago, right)),
        1 => (0..3u8).prop_map(Step::Start),
        1 => (0..3u8).prop_map(Step::Stop),
        4 => (0..15_000u32).prop_map(Step::Wait),
    ]
}

/// Asks the vault about every message, and tells the inbox what came of it. Trusts answers alone.
struct Asker {
    answers: u64,
}

impl Worker for Asker {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        if delivery.message.payload().len() > 300 {
            return Err(Error::limit("NOD-9", "that is too much to ask"));
        }
        let deadline = cx.now() + Duration::from_secs(3);
        cx.set_timer(Some(crate::machine::Deadline::new(deadline, "no answer")));
        cx.request(Request::Vault(vault::Request::Sign(vault::KeyHandle([0; 32]), [0; 32])), deadline);
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<()> {
        cx.send(0, Message::new(Route::new().then("inbox").as_ref(), Route::new().as_ref(), b"no answer"));
        Ok(())
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, _: RequestId, _: Answer) -> Result<()> {
        self.answers += 1;
        cx.send(0, Message::new(Route::new().then("inbox").as_ref(), Route::new().as_ref(), b"an answer"));
        Ok(())
    }

    fn trusted(&self, picture: &mut crate::machine::Snapshot) {
        picture.number(self.answers);
    }
}

/// Sends on what it takes; its senders wait when its receiver is full.
struct Relay;

impl Worker for Relay {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.pop_onward()?;
        cx.forward(port, message, provenance);
        Ok(())
    }

    fn leads_on(&self, _: Port) -> bool {
        true
    }
}

/// What is outside of the node.
pub(crate) struct Outside {
    listener: FlowControlId,
    newest: u64,
    opened: Vec<u64>,
    link: Address,
    crossing: VecDeque<Crossing>,
    requests: Vec<(RequestId, Request)>,
    /// Who the node is.
    person: Rc<Person>,
    store: MemoryStore,
}

fn worker(name: &str, reachable_through: Vec<FlowControlId>, worker: impl Worker + 'static) -> Spec {
    Spec {
        mailboxes: vec![Mailbox::open(Address::local(name))],
        flow: Flow { consumer_of: reachable_through, ..Flow::default() },
        worker: Box::new(worker),
    }
}

impl Outside {
    fn connection(&self, ago: u64) -> ConnectionId {
        ConnectionId(self.newest.saturating_sub(ago))
    }

    fn route(&self, to: &[To]) -> Route {
        let address = |to: &To| match to {
            To::Hop => Address::local("hop"),
            To::Echo => Address::local("echo"),
            To::Inbox => Address::local("inbox"),
            To::Private => Address::local("private"),
            To::Relay => Address::local("relay"),
            To::Gate => Address::local("gate"),
            To::Link => self.link.clone(),
            To::Asker => Address::local("asker"),
            To::Listener => Address::local("api"),
            To::Passing(n) => Address::local(&format!("passing {n}")),
            To::Nobody => Address::local("nobody"),
            To::Far => "1#far:4000".parse().unwrap(),
            // The worlds of all runs draw alike, and connections first.
            To::Sender(ago) => format!("1#connection:{}", self.connection(*ago).0).parse().unwrap(),
        };
        to.iter().map(address).collect()
    }

    fn frames(&mut self, connection: ConnectionId, frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.opened.contains(&connection.0) {
            self.opened.push(connection.0);
            bytes.push(1);
        }
        for part in frames {
            match part {
                Frame::Message(to, size) => {
                    let back = Route::new().then("far");
                    bytes.extend(frame(Message::new(
                        self.route(to).as_ref(),
                        back.as_ref(),
                        &vec![5; usize::from(*size)],
                    )));
                }
                Frame::Heartbeat => bytes.extend([0, 0, 0, 4, 0x83, 0x80, 0x80, 0x40]),
                Frame::Garbage(garbage) => bytes.extend(garbage),
            }
        }
        bytes
    }
}

impl World for Outside {
    type Machine = Node;
    type Step = Step;

    const OUTPUTS: usize = 100;

    fn new(env: &mut Env<'_>) -> (Self, Node) {
        let tcp = transport::Config { frame: 1_000, chunk: 16_384, ..transport::Config::default() };
        let config = Config {
            tcp,
            connections: 4,
            queue: 8,
            queue_bytes: 8_000,
            inbox: 3,
            inbox_bytes: 4_000,
            held: 20_000,
            transmit: 1_000,
            hand_over: 2,
            steps: 5,
            reports: 4,
            requests: 3,
            ..Config::default()
        };
        let mut node = Node::new(config, env.entropy);
        let listener = node.new_flow_control_id();
        let all = || vec![listener];
        node.start_worker(env, worker("hop", all(), Hop)).unwrap();
        node.start_worker(env, worker("relay", all(), Relay)).unwrap();
        node.start_worker(env, worker("echo", all(), Echoer)).unwrap();
        node.start_worker(env, worker("private", vec![], Echoer)).unwrap();
        node.start_worker(env, worker("asker", all(), Asker { answers: 0 })).unwrap();
        let flow = Flow { consumer_of: all(), ..Flow::default() };
        node.open_inbox(env, Mailbox::open(Address::local("inbox")), flow).unwrap();
        let link = node.link(env, LINK).unwrap();
        let flow = Flow { consumer_of: all(), ..Flow::default() };
        node.open_gate(env, Mailbox::open(Address::local("gate")), flow, LINK).unwrap();
        let [person, _] = PEOPLE.with(Clone::clone);
        let listening = Listening { places: Places::FLOOR, reached_through: all(), ..Listening::default() };
        listen::<Aes256GcmSha256>(&mut node, env, person.config.clone(), listening).unwrap();
        // With itself, so that every part of a session is in one machine.
        let (channel, route) = (person.config.clone(), Route::new().then("api"));
        let keeping = Keeping { channel, route, echo: "echo".into(), session: session::Config::FLOOR };
        session::keep::<Aes256GcmSha256>(&mut node, env, keeping).unwrap();
        let (opened, requests, crossing, store) = Default::default();
        (Self { listener, newest: LINK.0, opened, link, crossing, requests, person, store }, node)
    }

    fn act(&mut self, step: &Step) -> Act<Node> {
        match step {
            Step::Connect(accepted) => {
                self.newest += 1;
                let id = ConnectionId(self.newest);
                let accepted_by = accepted.then_some(self.listener);
                let alias = Some(format!("1#connection:{}", id.0).parse().unwrap());
                Act::Command(Box::new(move |node, env| {
                    node.connected(env, id, Connected { accepted_by, alias }).map(|_| ())
                }))
            }
            Step::Frames(ago, frames) => {
                let connection = self.connection(*ago);
                let bytes = self.frames(connection, frames);
                Act::Stranger(Input::Received { connection, bytes })
            }
            Step::Sent(ago, bytes) => {
                Act::Input(Input::Sent { connection: self.connection(*ago), bytes: (*bytes).into() })
            }
            Step::Disconnect(ago) => Act::Input(Input::Disconnected { connection: self.connection(*ago) }),
            Step::Cross => match self.crossing.pop_front() {
                None => Act::Nothing,
                Some(crossing) => Act::Input(Input::Crossed { connection: LINK, crossing }),
            },
            Step::Taken => Act::Input(Input::Taken { inbox: Address::local("inbox"), messages: 1 }),
            Step::Send(to, back, size) => {
                let (onward, back) = (self.route(&[*to]), self.route(back));
                Act::Input(Input::Send(Message::new(onward.as_ref(), back.as_ref(), &vec![3; usize::from(*size)])))
            }
            Step::SendFrom(right, to, size) => {
                let inbox = Address::local(if *right { "inbox" } else { "echo" });
                let (onward, back) = (self.route(&[*to]), Route::from(inbox.clone()));
                let message = Message::new(onward.as_ref(), back.as_ref(), &vec![3; usize::from(*size)]);
                Act::Input(Input::SendFrom { inbox, message, provenance: Provenance::LOCAL })
            }
            Step::Answer(ago, right) => match self.requests.iter().rev().nth(*ago) {
                None => Act::Nothing,
                Some((id, request)) => {
                    let failure = Answer::Vault(Err(Error::misuse("VLT-31", "no such key")));
                    let answer = if *right { self.person.reply(&mut self.store, request) } else { failure };
                    Act::Input(Input::Answer { id: *id, answer })
                }
            },
            Step::Start(n) => {
                let spec = worker(&format!("passing {n}"), vec![self.listener], Echoer);
                Act::Command(Box::new(move |node, env| node.start_worker(env, spec)))
            }
            Step::Stop(n) => {
                let address = Address::local(&format!("passing {n}"));
                Act::Command(Box::new(move |node, env| node.stop_worker(env, &address)))
            }
            Step::Wait(millis) => Act::Wait(Duration::from_millis((*millis).into())),
        }
    }

    fn take(&mut self, output: Output) -> String {
        match output {
            Output::Transmit { connection, frame } => format!("transmit {connection:?} {}", show(&frame)),
            Output::Deliver { inbox, delivery } => {
                format!("deliver {inbox} {:?} {}", delivery.provenance, show(&delivery.message))
            }
            Output::Cross { connection, crossing } => {
                let shown = format!("cross {connection:?} {:?} {}", crossing.provenance(), show(crossing.message()));
                self.crossing.push_back(crossing);
                shown
            }
            Output::Request { id, deadline, request } => {
                let shown = format!("request {id:?} {deadline:?} {request:?}");
                self.requests.push((id, request));
                shown
            }
            other => format!("{other:?}"),
        }
    }

    fn refused(&mut self, input: Input) {
        if let Input::Crossed { crossing, .. } = input {
            self.crossing.push_front(crossing);
        }
    }

    fn describe(input: &Input) -> String {
        match input {
            Input::Send(message) => show(message),
            Input::Crossed { crossing, .. } => format!("{crossing:?} {}", show(crossing.message())),
            Input::SendFrom { inbox, message, provenance } => format!("{inbox} {provenance:?} {}", show(message)),
            other => format!("{other:?}"),
        }
    }
}
