//! Workers that fail, that start others, that ask for much; an owner who is told much, or says what it may not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use razor::channel::{HandshakeTime, LISTENER, Listening, listen};
use razor::error::{Error, Result as Handled};
use razor::identity::{Identifier, StoreAnswer, StoreRequest};
use razor::machine::{Deadline, Machine as _};
use razor::node::{
    AccessControl, Answer, Config, ConnectionId, Context, Delivery, Echoer, Event, Flow, FlowControlId, Input,
    LocalOnly, Mailbox, News, Output, Provenance, Request, RequestId, Spec, Worker,
};
use razor::routing::{Address, Message, Route};
use razor::transport::VERSION;
use razor::vault::null::NullSuite;

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::Seed;

use super::pair::Papers;
use super::stage::Stage;
use super::{Outcome, demand};

const INBOX: &str = "inbox";
const PRIVATE: &str = "private";

/// How many questions may be open, and how many are asked.
const REQUESTS: usize = 16;
const ASKED: usize = 20;

/// How many dropped messages are reported in one call.
const REPORTS: usize = 4;

/// How many messages are taken from connections in one call.
const STEPS: usize = 32;

fn to_inbox(text: &[u8]) -> Message {
    Message::new(Route::from_iter([INBOX]).as_ref(), Route::new().as_ref(), text)
}

const NO: Error = Error::misuse("NOD-1", "a worker that fails on purpose");

/// Says something, and fails.
struct Failing;

impl Worker for Failing {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Handled<()> {
        cx.send(0, to_inbox(b"undone"));
        cx.stop();
        Err(NO)
    }
}

/// Cannot start.
struct Unstartable;

impl Worker for Unstartable {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        cx.send(0, to_inbox(b"undone"));
        Err(NO)
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }
}

/// Starts children that can start, and one that cannot; tells the owner what it hears of them.
struct Parent;

impl Worker for Parent {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        let child = |name: &str, worker: Box<dyn Worker>| Spec {
            mailboxes: vec![Mailbox::open(name.into())],
            flow: Flow::default(),
            worker,
        };
        cx.start_child(child("child", Box::new(Child)));
        cx.start_child(child("other child", Box::new(Child)));
        cx.start_child(child(INBOX, Box::new(Child)));
        Ok(())
    }

    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }

    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, news: News) -> Handled<()> {
        cx.send(0, to_inbox(format!("{child}: {news:?}").as_bytes()));
        Ok(())
    }
}

/// Tells its parent of each message.
struct Child;

impl Worker for Child {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Handled<()> {
        cx.tell_parent(News::Heard);
        Ok(())
    }
}

/// Starts nobody, and tells the owner what it hears all the same.
struct Heir;

impl Worker for Heir {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> Handled<()> {
        Ok(())
    }

    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, news: News) -> Handled<()> {
        Parent.handle_news(cx, child, news)
    }
}

/// Sets its timer as often as it is told to, in seconds, and says when it is called. No time is none.
struct Sleeper;

impl Worker for Sleeper {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        for seconds in delivery.message.payload() {
            let at = cx.now() + Duration::from_secs((*seconds).into());
            cx.set_timer(Some(Deadline::new(at, "sleep")).filter(|_| *seconds > 0));
        }
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Handled<()> {
        cx.send(0, to_inbox(b"awake"));
        Ok(())
    }
}

/// Asks more than may be open, and says what is answered.
struct Asker(VecDeque<RequestId>);

impl Worker for Asker {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Handled<()> {
        for number in 0..ASKED {
            let deadline = cx.now() + Duration::from_secs(60);
            let request = StoreRequest::Load(Identifier([number as u8; 32]));
            self.0.push_back(cx.request(Request::Store(request), deadline));
        }
        Ok(())
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, id: RequestId, _: Answer) -> Handled<()> {
        let number = self.0.iter().position(|asked| *asked == id).unwrap_or(ASKED);
        cx.send(0, to_inbox(&[number as u8]));
        Ok(())
    }
}

/// Sends what it gets to the echo, as if a private worker had asked.
struct Pretender;

impl Worker for Pretender {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Handled<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.set_routes(Route::from_iter(["echo"]).as_ref(), Route::from_iter([PRIVATE]).as_ref());
        cx.forward(port, message, provenance);
        Ok(())
    }
}

pub(super) fn play(seed: Seed) -> Outcome {
    let config = Config { requests: REQUESTS, reports: REPORTS, steps: STEPS, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "edges' node", config);
    let accepted = stage.node.new_flow_control_id();
    let flow = Flow { consumer_of: vec![accepted], ..Flow::default() };
    let private = Some(Arc::new(LocalOnly) as Arc<dyn AccessControl>);
    for (name, incoming) in [(INBOX, None), (PRIVATE, private)] {
        let mailbox = Mailbox { incoming, ..Mailbox::open(name.into()) };
        stage.with(|node, env| node.open_inbox(env, mailbox, flow.clone())).expect("a free address");
    }
    let workers: [(&str, Box<dyn Worker>); 5] = [
        ("failing", Box::new(Failing)),
        ("sleeper", Box::new(Sleeper)),
        ("asker", Box::new(Asker(VecDeque::new()))),
        ("pretender", Box::new(Pretender)),
        ("echo", Box::new(Echoer)),
    ];
    for (name, worker) in workers {
        let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow: flow.clone(), worker };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    check_failures(&mut stage)?;
    check_children(&mut stage)?;
    check_heirs(&mut stage)?;
    check_timers(&mut stage)?;
    check_requests(&mut stage)?;
    check_echo(&mut stage)?;
    check_owner(&mut stage)?;
    let (id, _) = stage.connect(Some(accepted), None).expect("few connections");
    stage.receive(id, vec![VERSION])?;
    let frame = |onward: &str, payload: &[u8]| Frame {
        onward: vec![onward.into()],
        back: vec!["peer".into()],
        payload: payload.to_vec(),
        tracing: None,
    };
    // A stranger makes an echo answer to somebody who is for this node alone.
    stage.receive(id, frame("pretender", b"as if").encode())?;
    demand(payloads(&mut stage)?.is_empty(), Property::Provenance, || {
        "an echo spoke for its node to whom a stranger may not speak".into()
    })?;
    let strays: Vec<u8> = (0..2 * REPORTS).flat_map(|_| frame("nobody", b"").encode()).collect();
    let before = stage.node.counters().unreported;
    stage.receive(id, strays)?;
    let reports = stage.told().len();
    let counted = stage.node.counters().unreported - before;
    demand(reports == REPORTS && counted == REPORTS as u64, Property::Bounds, || {
        format!("of {} dropped messages {reports} were reported, and {counted} counted", 2 * REPORTS)
    })?;
    // More messages in a piece than are taken in a call.
    let strays: Vec<u8> = (0..2 * STEPS).flat_map(|_| frame("nobody", b"").encode()).collect();
    let failures = |stage: &Stage| stage.node.counters().failures.iter().sum::<u64>() as usize;
    let before = failures(&stage);
    let taken = stage.with(|node, env| node.handle(env, Input::Received { connection: id, bytes: strays })).is_ok();
    let at_once = failures(&stage) - before;
    demand(taken && at_once == STEPS, Property::Bounds, || {
        format!("in one call {at_once} messages were taken from a connection, and {STEPS} may be")
    })?;
    stage.pass(Duration::ZERO)?;
    stage.said.clear();
    check_handshakes(&mut stage, seed, accepted, id)
}

/// Strangers begin handshakes and leave them. All are over in one call, which tells of as many as it may.
fn check_handshakes(stage: &mut Stage, seed: Seed, accepted: FlowControlId, stranger: ConnectionId) -> Outcome {
    const HANDSHAKES: usize = 3 * REPORTS;
    let mut config = Papers::new(seed, "who is called and left").config;
    config.timeout = HandshakeTime::FLOOR;
    let listening = Listening { reached_through: vec![accepted], ..Listening::default() };
    let listens = stage.with(|node, env| listen::<NullSuite>(node, env, Arc::new(config), listening));
    demand(listens.is_ok(), Property::Liveness, || "a listener cannot be started".into())?;
    let begun = Frame { onward: vec![LISTENER.into()], back: vec!["peer".into()], payload: vec![7; 32], tracing: None };
    let workers = stage.node.workers();
    stage.receive(stranger, begun.encode().repeat(HANDSHAKES))?;
    let half_open = stage.node.workers() - workers;
    let before = stage.node.counters().unreported;
    stage.said.clear();
    stage.pass(HandshakeTime::FLOOR.0)?;
    let told = stage.told().into_iter().filter(|event| matches!(event, Event::ChannelFailed { .. })).count();
    let left = stage.node.workers() - workers;
    let counted = (stage.node.counters().unreported - before) as usize;
    let right = half_open == HANDSHAKES && left == 0 && told == REPORTS && told + counted == HANDSHAKES;
    demand(right, Property::Bounds, || {
        format!("of {half_open} handshakes that strangers left {left} stay, {told} were told of, and {counted} counted")
    })
}

/// What came to the inboxes, all of which is taken.
fn payloads(stage: &mut Stage) -> Result<Vec<Vec<u8>>, super::Fault> {
    let mut payloads = Vec::new();
    for (inbox, delivery) in stage.delivered() {
        payloads.push(delivery.message.payload().to_vec());
        stage.must(Input::Taken { inbox, messages: 1 })?;
    }
    Ok(payloads)
}

fn say(stage: &mut Stage, to: &str) -> Outcome {
    let sent = stage.send(Route::from_iter([to]), Route::from_iter([INBOX]), b"?")?;
    demand(sent, Property::Liveness, || format!("the worker {to} takes nothing"))
}

fn check_failures(stage: &mut Stage) -> Outcome {
    say(stage, "failing")?;
    let undone = payloads(stage)?;
    demand(undone.is_empty(), Property::Conformance, || "what a handler asked for that failed was done".into())?;
    demand(stage.node.has_worker(&"failing".into()), Property::Conformance, || {
        "a worker is gone because it failed".into()
    })?;
    let spec = Spec {
        mailboxes: vec![Mailbox::open("unstartable".into())],
        flow: Flow::default(),
        worker: Box::new(Unstartable),
    };
    let started = stage.with(|node, env| node.start_worker(env, spec)).is_ok();
    let there = stage.node.has_worker(&"unstartable".into());
    demand(!started && !there, Property::Conformance, || "a worker is there whose start failed".into())?;
    demand(payloads(stage)?.is_empty(), Property::Conformance, || "what a start asked for that failed was done".into())
}

fn check_children(stage: &mut Stage) -> Outcome {
    let parent =
        Spec { mailboxes: vec![Mailbox::open("parent".into())], flow: Flow::default(), worker: Box::new(Parent) };
    stage.with(|node, env| node.start_worker(env, parent)).expect("a free address");
    say(stage, "child")?;
    stage.with(|node, env| node.stop_worker(env, &"child".into())).expect("it is there");
    say(stage, "other child")?;
    let heard: Vec<String> =
        payloads(stage)?.into_iter().map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
    let name = |name: &str| Address::local(name).to_string();
    let (first, other, taken) = (name("child"), name("other child"), name(INBOX));
    let expected =
        [format!("{taken}: Gone"), format!("{first}: Heard"), format!("{first}: Gone"), format!("{other}: Heard")];
    demand(heard == expected, Property::Conformance, || {
        format!("a worker heard of its children {heard:?}, and had to hear {expected:?}")
    })
}

/// Whoever is started after a parent is gone is not the parent, wherever it stands.
fn check_heirs(stage: &mut Stage) -> Outcome {
    stage.with(|node, env| node.stop_worker(env, &"parent".into())).expect("it is there");
    for name in ["heir", "other heir"] {
        let spec = Spec { mailboxes: vec![Mailbox::open(name.into())], flow: Flow::default(), worker: Box::new(Heir) };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    say(stage, "other child")?;
    stage.with(|node, env| node.stop_worker(env, &"other child".into())).expect("it is there");
    stage.pass(Duration::ZERO)?;
    let heard = payloads(stage)?;
    demand(heard.is_empty(), Property::Access, || {
        format!("a worker heard {} things of somebody whom another had started", heard.len())
    })
}

/// A worker has one timer: the one that it set last.
fn check_timers(stage: &mut Stage) -> Outcome {
    for (told, due) in [(&[9, 5][..], Some(5)), (&[5, 9], Some(9)), (&[5, 0], None), (&[0, 7, 7], Some(7))] {
        stage.send(Route::from_iter(["sleeper"]), Route::new(), told)?;
        for second in 1..=10 {
            stage.pass(Duration::from_secs(1))?;
            let calls = payloads(stage)?.len();
            demand(calls == usize::from(due == Some(second)), Property::Conformance, || {
                format!("a worker whose timer was set to {told:?} was called {calls} times after {second} seconds")
            })?;
        }
    }
    Ok(())
}

fn check_requests(stage: &mut Stage) -> Outcome {
    say(stage, "asker")?;
    let asked: Vec<RequestId> = std::mem::take(&mut stage.said)
        .into_iter()
        .filter_map(|output| match output {
            Output::Request { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    let mut heard = Vec::new();
    for id in asked.iter().chain(&asked) {
        let answer = Answer::Store(Ok(StoreAnswer::Loaded(None)));
        stage.must(Input::Answer { id: *id, answer })?;
        heard.extend(payloads(stage)?);
    }
    // The oldest are waited for no longer, and nothing is answered twice.
    let expected: Vec<Vec<u8>> = (ASKED - REQUESTS..ASKED).map(|number| vec![number as u8]).collect();
    demand(heard == expected, Property::Bounds, || {
        format!("of {ASKED} questions {} were answered; {REQUESTS} may be open, the newest", heard.len())
    })
}

fn check_echo(stage: &mut Stage) -> Outcome {
    say(stage, "echo")?;
    let delivered = stage.delivered();
    let way = Route::from_iter(["echo"]);
    let right = |delivery: &Delivery| {
        delivery.message.payload() == b"?"
            && delivery.message.return_route() == way.as_ref()
            && delivery.provenance.is_local()
    };
    demand(matches!(&delivered[..], [(_, delivery)] if right(delivery)), Property::Conformance, || {
        "an echo does not answer as it must".into()
    })?;
    stage.must(Input::Taken { inbox: INBOX.into(), messages: 1 })
}

/// The owner speaks from its own inboxes, and from nothing else.
fn check_owner(stage: &mut Stage) -> Outcome {
    for inbox in ["echo", "nobody"] {
        let input = Input::SendFrom { inbox: inbox.into(), message: to_inbox(b"as if"), provenance: Provenance::LOCAL };
        let refused = stage.give(input)?.is_err();
        let said = payloads(stage)?;
        demand(refused && said.is_empty(), Property::Access, || {
            format!("the owner spoke from {inbox}, which is no inbox of its own")
        })?;
    }
    let input = Input::SendFrom { inbox: INBOX.into(), message: to_inbox(b"own"), provenance: Provenance::LOCAL };
    stage.must(input)?;
    let said = payloads(stage)?;
    demand(said == [b"own"], Property::Liveness, || "the owner does not hear itself".into())
}
