//! Edges: just so much as a node takes, and one more. Frames, routes and addresses, what an application is handed, how long an
//! answer is waited for, who may be spoken to.

use std::sync::Arc;
use std::time::Duration;

use razor::error::Result as Handled;
use razor::identity::{Identifier, StoreAnswer, StoreRequest};
use razor::node::{
    AccessControl, Answer, Config, Context, Delivery, Echoer, Flow, FlowControlId, Hop, Input, LocalOnly, Mailbox,
    Output, Request, RequestId, Spec, ToAddresses, Worker,
};
use razor::routing::{Address, Limits, Message, Route};
use razor::transport::{self, VERSION};

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::Seed;

use super::stage::Stage;
use super::{Fault, Outcome, demand, fault};

const INBOX: &str = "inbox";
const PRIVATE: &str = "private";
/// A hop that may send to the inbox alone.
const CONFINED: &str = "confined";
const ECHO: &str = "echo";
const ASKER: &str = "asker";
const HOP: &str = "hop";

const LIMITS: Limits = Limits::FLOOR;
const FRAME: u32 = transport::Config::FLOOR.frame;

/// What an application may have been handed and not taken.
const HANDED: usize = 4_096;

/// How long the asker waits for its answer.
const PATIENCE: Duration = Duration::from_secs(9);

/// Whom a worker may send to.
type Control = Option<Arc<dyn AccessControl>>;

/// Asks its store, and tells of the answer.
struct Asker;

impl Worker for Asker {
    fn handle_message(&mut self, cx: &mut Context<'_>, _: Delivery) -> Handled<()> {
        let deadline = cx.now() + PATIENCE;
        cx.request(Request::Store(StoreRequest::Load(Identifier([7; 32]))), deadline);
        Ok(())
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, _: RequestId, _: Answer) -> Handled<()> {
        cx.send(0, Message::new(Route::from_iter([INBOX]).as_ref(), Route::new().as_ref(), b"answered"));
        Ok(())
    }
}

struct Edges {
    stage: Stage,
    accepted: FlowControlId,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let tcp = transport::Config { limits: LIMITS, frame: FRAME, ..transport::Config::DEFAULT };
    let config = Config { tcp, hand_over_bytes: HANDED, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "a node at its edges", config);
    let accepted = stage.node.new_flow_control_id();
    let flow = || Flow { consumer_of: vec![accepted], ..Flow::default() };
    let private = Some(Arc::new(LocalOnly) as Arc<dyn AccessControl>);
    for (name, incoming) in [(INBOX, None), (PRIVATE, private)] {
        let mailbox = Mailbox { incoming, ..Mailbox::open(name.into()) };
        stage.with(|node, env| node.open_inbox(env, mailbox, flow())).expect("a free address");
    }
    let to_inbox = Some(Arc::new(ToAddresses(vec![INBOX.into()])) as Arc<dyn AccessControl>);
    let workers: [(&str, Control, Box<dyn Worker>); 4] = [
        (CONFINED, to_inbox, Box::new(Hop)),
        (HOP, None, Box::new(Hop)),
        (ECHO, None, Box::new(Echoer)),
        (ASKER, None, Box::new(Asker)),
    ];
    for (name, outgoing, worker) in workers {
        let mailbox = Mailbox { outgoing, ..Mailbox::open(name.into()) };
        let spec = Spec { mailboxes: vec![mailbox], flow: flow(), worker };
        stage.with(|node, env| node.start_worker(env, spec)).expect("a free address");
    }
    let mut edges = Edges { stage, accepted };
    edges.routes()?;
    edges.frames()?;
    edges.versions()?;
    edges.confined()?;
    edges.traced()?;
    edges.extended()?;
    edges.longhand()?;
    edges.heartbeats()?;
    edges.chunks()?;
    edges.on_behalf()?;
    edges.handed()?;
    edges.late_answers()
}

fn frame(onward: &[&str], back: Vec<Address>, payload: &[u8]) -> Frame {
    let onward = onward.iter().map(|name| Address::local(name)).collect();
    Frame { onward, back, payload: payload.to_vec(), tracing: None }
}

/// A frame that has changed announces what it has become.
fn announced(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() - crate::frame::LENGTH) as u32;
    bytes[..crate::frame::LENGTH].copy_from_slice(&length.to_be_bytes());
    bytes
}

impl Edges {
    /// A stranger says this on a connection of its own: what came of it, and whether the connection stayed.
    fn hear(&mut self, opening: u8, bytes: Vec<u8>) -> Result<(Vec<Delivery>, Vec<Frame>, bool), Fault> {
        let (id, _) = self.stage.connect(Some(self.accepted), None).expect("few connections");
        self.stage.receive(id, vec![opening])?;
        for chunk in bytes.chunks(60_000) {
            self.stage.receive(id, chunk.to_vec())?;
        }
        let (mut got, mut said, mut stays) = (Vec::new(), Vec::new(), true);
        while let Some(output) = self.stage.said.pop_front() {
            match output {
                Output::Deliver { inbox, delivery } => {
                    got.push(delivery);
                    self.stage.must(Input::Taken { inbox, messages: 1 })?;
                }
                Output::Transmit { connection, frame } => {
                    said.extend(Frame::decode(frame.payload()));
                    self.stage.must(Input::Sent { connection, bytes: frame.payload().len() as u64 })?;
                }
                Output::Close { .. } => stays = false,
                _ => {}
            }
        }
        if stays {
            self.stage.must(Input::Disconnected { connection: id })?;
        }
        Ok((got, said, stays))
    }

    /// Routes of as many addresses and bytes as may be, addresses as long, and one more: it is dropped, no more.
    fn routes(&mut self) -> Outcome {
        let hops = usize::from(LIMITS.hops);
        let named = |count: usize, len: usize| vec![Address::local(&"a".repeat(len)); count];
        // Each of these takes its name and the four bytes before it: an array, a type and a length of two bytes.
        let whole = |bytes: usize| {
            let mut names = vec![60; bytes / 64];
            let rest = bytes - 64 * names.len();
            if rest > 0 {
                names.push(rest - 3);
            }
            names.into_iter().map(|len| Address::local(&"a".repeat(len))).collect::<Vec<_>>()
        };
        let route = usize::from(LIMITS.route);
        for (what, back, borne) in [
            ("addresses", named(hops, 1), true),
            ("addresses", named(hops + 1, 1), false),
            ("bytes in an address", named(1, LIMITS.address.into()), true),
            ("bytes in an address", named(1, usize::from(LIMITS.address) + 1), false),
            ("bytes in a route", whole(route), true),
            // The last is a little longer, and no address is too long.
            ("bytes in a route", [whole(route - 64), named(1, 61)].concat(), false),
        ] {
            let (got, _, stays) = self.hear(VERSION, frame(&[INBOX], back, b"?").encode())?;
            demand(stays, Property::Verdict, || format!("as many {what} as may be, or one more, closed a connection"))?;
            demand(got.len() == usize::from(borne), Property::Verdict, || {
                format!(
                    "of a message with {} {what} as may be {} came",
                    if borne { "as many" } else { "more" },
                    got.len()
                )
            })?;
        }
        Ok(())
    }

    /// A frame as large as may be, and one that is larger.
    fn frames(&mut self) -> Outcome {
        let rest = frame(&[INBOX], vec!["peer".into()], &[0; 60_000]).encode().len() - 60_000;
        let most = FRAME as usize + crate::frame::LENGTH - rest;
        for (len, borne) in [(most, true), (most + 1, false)] {
            let (got, _, stays) = self.hear(VERSION, frame(&[INBOX], vec!["peer".into()], &vec![7; len]).encode())?;
            demand(stays == borne && got.len() == usize::from(borne), Property::Verdict, || {
                format!(
                    "a frame {} the limit: {} came, and its connection {}",
                    if borne { "of" } else { "beyond" },
                    got.len(),
                    if stays { "stayed" } else { "closed" }
                )
            })?;
        }
        Ok(())
    }

    fn versions(&mut self) -> Outcome {
        for version in [0, VERSION + 1, u8::MAX] {
            let (got, _, stays) = self.hear(version, frame(&[INBOX], vec!["peer".into()], b"?").encode())?;
            demand(!stays && got.is_empty(), Property::Verdict, || format!("a peer may speak version {version}"))?;
        }
        Ok(())
    }

    /// A worker that may send to one sends to nobody else.
    fn confined(&mut self) -> Outcome {
        for (to, may) in [(INBOX, true), (ECHO, false)] {
            let (got, said, _) = self.hear(VERSION, frame(&[CONFINED, to], vec!["peer".into()], b"?").encode())?;
            demand((got.len() == 1 && may) || (got.is_empty() && said.len() <= 1 && !may), Property::Access, || {
                format!("who may send to {INBOX} alone sent to {to}: {} came", got.len())
            })?;
        }
        Ok(())
    }

    /// An echo answers the words, and not the tracing text with them.
    fn traced(&mut self) -> Outcome {
        let asked = Frame { tracing: Some("a trace".into()), ..frame(&[ECHO], vec!["peer".into()], b"?") };
        let (_, said, _) = self.hear(VERSION, asked.encode())?;
        let right =
            Frame { back: vec![ECHO.into()], onward: vec!["peer".into()], payload: b"?".to_vec(), tracing: None };
        demand(said.contains(&right), Property::Conformance, || format!("an echo answered {said:?}"))?;
        // Whoever only sends a message on keeps the text with it.
        let (id, address) = self.stage.connect(Some(self.accepted), None).expect("few connections");
        let mut passing = Frame { tracing: Some("a trace".into()), ..frame(&[HOP], vec!["peer".into()], b"?") };
        passing.onward.extend([address, "far".into()]);
        let (_, said, _) = self.hear(VERSION, passing.encode())?;
        let right = |frame: &Frame| {
            let Frame { onward, back, payload, tracing } = frame;
            let ends = back.first() == Some(&HOP.into()) && back.last() == Some(&"peer".into()) && back.len() == 3;
            *onward == ["far".into()] && ends && payload == b"?" && tracing == &passing.tracing
        };
        self.stage.must(Input::Disconnected { connection: id })?;
        demand(matches!(&said[..], [frame] if right(frame)), Property::Conformance, || {
            format!("a message with a tracing text was sent on as {said:?}")
        })
    }

    /// A later version may say more in a frame: up to four items that nobody knows, after the text or where it would be.
    fn extended(&mut self) -> Outcome {
        for unknown in [4, 5] {
            for tracing in [None, Some("a trace".to_owned())] {
                let mut bytes = Frame { tracing: tracing.clone(), ..frame(&[INBOX], Vec::new(), b"?") }.encode();
                if tracing.is_none() {
                    bytes.push(0xf6);
                }
                // Numbers.
                bytes.extend(0..unknown);
                bytes[crate::frame::LENGTH] = 0x84 + unknown;
                let (got, _, stays) = self.hear(VERSION, announced(bytes))?;
                let borne = unknown == 4;
                demand(stays == borne && got.len() == usize::from(borne), Property::Verdict, || {
                    format!(
                        "of a frame with {unknown} unknown items, {} came, and its connection stayed: {stays}",
                        got.len()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// A number or a length may be written in one way only, wherever it stands.
    fn longhand(&mut self) -> Outcome {
        let plain = frame(&[INBOX], vec!["peer".into()], b"?").encode();
        let (inbox, peer) = (INBOX.len(), "peer".len());
        // Each route is its number of addresses, and of each the number of items, the type and the length of the name.
        let onward = crate::frame::BEFORE;
        let back = onward + 4 + inbox;
        let payload = back + 4 + peer;
        let heads = [onward, onward + 1, onward + 2, onward + 3, back, back + 1, back + 2, back + 3, payload];
        for at in heads.into_iter().chain([crate::frame::LENGTH]) {
            for zeros in [0, 1, 3] {
                let (kind, value) = (plain[at] & 0xe0, plain[at] & 0x1f);
                let width = [24, 25, 26][[0, 1, 3].iter().position(|other| *other == zeros).unwrap_or_default()];
                let mut bytes = plain.clone();
                let longer = [&[kind | width][..], &vec![0; zeros], &[value]].concat();
                bytes.splice(at..=at, longer);
                let (got, _, stays) = self.hear(VERSION, announced(bytes))?;
                demand(!stays && got.is_empty(), Property::Verdict, || {
                    format!("a number in a frame was written longer than it need be, at byte {at}: {} came", got.len())
                })?;
            }
        }
        Ok(())
    }

    /// A message for nobody says that somebody is there, and nothing else.
    fn heartbeats(&mut self) -> Outcome {
        let before = self.stage.node.counters();
        let (got, said, stays) = self.hear(VERSION, frame(&[], vec!["peer".into()], b"").encode())?;
        let after = self.stage.node.counters();
        let nothing = stays && got.is_empty() && said.is_empty() && before == after;
        demand(nothing, Property::Verdict, || format!("a heartbeat was more than that: {before:?} became {after:?}"))
    }

    /// As many bytes at once as may be, and one more.
    fn chunks(&mut self) -> Outcome {
        let most = transport::Config::DEFAULT.chunk;
        let heartbeat = frame(&[], Vec::new(), b"").encode();
        for (len, borne) in [(most, true), (most + 1, false)] {
            let (id, _) = self.stage.connect(Some(self.accepted), None).expect("few connections");
            self.stage.receive(id, vec![VERSION])?;
            let bytes = heartbeat.iter().copied().cycle().take(len).collect();
            let taken = self.stage.give(Input::Received { connection: id, bytes })?.is_ok();
            demand(taken == borne, Property::Bounds, || {
                format!("of {most} bytes that may come at once, {len} came, and were taken: {taken}")
            })?;
            self.stage.must(Input::Disconnected { connection: id })?;
        }
        self.stage.said.clear();
        Ok(())
    }

    /// The owner speaks for a stranger: to whom the stranger may not speak, it does not.
    fn on_behalf(&mut self) -> Outcome {
        let (got, _, _) = self.hear(VERSION, frame(&[INBOX], vec!["peer".into()], b"?").encode())?;
        let [Delivery { provenance, .. }] = &got[..] else {
            return Err(fault(Property::Liveness, "a stranger is not heard"));
        };
        let message = Message::new(Route::from_iter([PRIVATE]).as_ref(), Route::new().as_ref(), b"for him");
        let input = Input::SendFrom { inbox: INBOX.into(), message, provenance: *provenance };
        let _ = self.stage.give(input)?;
        let came = self.stage.delivered().len();
        demand(came == 0, Property::Access, || "an application spoke for a stranger, and as this node's own".into())
    }

    /// An application is handed no more bytes than it may, and as many again when it has taken them.
    fn handed(&mut self) -> Outcome {
        let say = |edges: &mut Self| edges.stage.send(Route::from_iter([INBOX]), Route::new(), &[7; 900]);
        for _ in 0..20 {
            say(self)?;
            let came = self.stage.delivered().len();
            demand(came == 1, Property::Liveness, || "an application has taken all, and is handed nothing".into())?;
            self.stage.must(Input::Taken { inbox: INBOX.into(), messages: 1 })?;
        }
        for _ in 0..10 {
            say(self)?;
        }
        let handed = self.stage.delivered().len();
        demand(handed <= HANDED.div_ceil(900), Property::Bounds, || {
            format!("{handed} messages of 900 bytes were handed over, and {HANDED} bytes may be")
        })?;
        for _ in 0..10 {
            self.stage.must(Input::Taken { inbox: INBOX.into(), messages: 1 })?;
        }
        self.stage.said.clear();
        Ok(())
    }

    /// An answer counts until its time, and not at it.
    fn late_answers(&mut self) -> Outcome {
        for wait in [PATIENCE - Duration::from_nanos(1), PATIENCE] {
            self.stage.send(Route::from_iter([ASKER]), Route::new(), b"?")?;
            let asked = std::mem::take(&mut self.stage.said).into_iter().find_map(|output| match output {
                Output::Request { id, .. } => Some(id),
                _ => None,
            });
            let Some(id) = asked else { return Err(fault(Property::Liveness, "a worker cannot ask")) };
            self.stage.pass(wait)?;
            let answer = Answer::Store(Ok(StoreAnswer::Loaded(None)));
            self.stage.must(Input::Answer { id, answer })?;
            let heard = !self.stage.delivered().is_empty();
            demand(heard == (wait < PATIENCE), Property::Conformance, || {
                format!("an answer after {wait:?} of {PATIENCE:?} {}", if heard { "counted" } else { "did not count" })
            })?;
            self.stage.must(Input::Taken { inbox: INBOX.into(), messages: 1 })?;
        }
        Ok(())
    }
}
