//! Every recorded frame decodes, means what the recording says, and encodes to the same bytes; and what went one
//! way on a connection is read by our framing, cut into small pieces.

use std::collections::BTreeSet;

use razor::env::{Entropy, Env, Instant, Purpose, Timestamp};
use razor::machine::Machine;
use razor::routing::{Limits, Message, RouteRef, Tail};
use razor::transport::{Config, Input, Output, Tcp};

use super::count_unknown;
use super::format::{Frame, Opening, Place, Recording, Routed, Session};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let total = recording.sessions.values().map(|session| session.frames.len()).sum();
    let mut tally = Tally::new(source, "captures: frames", total, progress);
    for (name, session) in &recording.sessions {
        // Where bytes were recorded so far.
        let mut begun = BTreeSet::new();
        for (index, frame) in session.frames.iter().enumerate() {
            let case = format!("{name}, frame {index}");
            match frame {
                Frame::Version(opening) => {
                    tally.check(case, opens(opening, begun.insert(opening.place)));
                    count_unknown(&mut tally, "an opening", &opening.unknown);
                }
                Frame::Message(frame) => {
                    begun.insert(frame.place);
                    tally.check(case, one(frame));
                    count_unknown(&mut tally, "a frame", &frame.unknown);
                }
                Frame::Unknown => tally.not_yet("recorded bytes of a kind that is not known"),
            }
        }
        streams(&mut tally, name, session);
    }
    tally.finish()
}

fn opens(opening: &Opening, is_first: bool) -> Check {
    equal("the opening byte", &[1], &opening.hex)?;
    ensure(is_first, || format!("other bytes went before the opening byte ({})", opening.place))
}

fn one(frame: &Routed) -> Check {
    let bytes = &frame.frame_hex;
    let (length, body) = bytes.split_first_chunk::<4>().ok_or("the frame is shorter than its length field")?;
    equal("the frame's length field", &(body.len() as u32).to_be_bytes(), length)?;
    let message = decode(body)?;
    if let Some(onward) = &frame.onward {
        same_route("the onward route", message.onward(), onward)?;
    }
    if let Some(back) = &frame.back {
        same_route("the return route", message.return_route(), back)?;
    }
    if let Some(payload) = &frame.payload {
        equal("the payload", message.payload(), payload)?;
    }
    if let Some(tracing) = &frame.tracing {
        ensure(message.tracing() == Some(tracing), || {
            format!("the tracing text is {:?}, the recording says {tracing:?}", message.tracing())
        })?;
    }
    equal("the frame, encoded again,", &encode(&message), bytes)
}

fn same_route(what: &str, ours: RouteRef<'_>, theirs: &[String]) -> Check {
    let ours: Vec<String> = ours.iter().map(|address| address.to_string()).collect();
    ensure(ours == theirs, || format!("{what} is {ours:?}, the recording says {theirs:?}"))
}

/// Decodes the message inside a frame.
pub(crate) fn decode(body: &[u8]) -> Result<Message, String> {
    let mut message = Message::raw(body.to_vec(), 0);
    let count = body.first().map_or(0, |head| head & 0x1f);
    message
        .unfold(1, &Limits::DEFAULT, |tail| {
            if count == 4 {
                tail.text(usize::MAX)?;
            }
            Ok(count == 4)
        })
        .map_err(|e| format!("the frame does not decode: {e}"))?;
    Ok(message)
}

/// Encodes a message as a frame.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut message = message.clone();
    let head = if message.tracing().is_some() { 0x84 } else { 0x83 };
    message.fold(&[head], Tail::Tracing);
    let mut frame = (message.payload().len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(message.payload());
    frame
}

/// Encodes a message as a channel's plaintext: a payload, without padding.
pub(crate) fn encode_plaintext(message: &Message) -> Vec<u8> {
    let mut message = message.clone();
    razor::channel::encode_payload(&mut message, razor::channel::Padding::None);
    message.payload().to_vec()
}

/// No randomness: framing asks for none.
struct Nothing;

impl Entropy for Nothing {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        out.fill(0);
    }
}

/// The two ends of each connection, played by our framing.
fn streams(tally: &mut Tally<'_>, name: &str, session: &Session) {
    let frames: Vec<&Routed> = session.frames.iter().filter_map(routed).collect();
    let mut places: Vec<&Place> = frames.iter().map(|frame| &frame.place).collect();
    places.sort();
    places.dedup();
    for place in places {
        let here: Vec<&Routed> = frames.iter().filter(|frame| frame.place == *place).copied().collect();
        let case = format!("{name}, {place}");
        tally.check(format!("{case}, as our framing reads it"), read(&here));
        tally.check(format!("{case}, as our framing writes it"), write(&here));
    }
}

fn routed(frame: &Frame) -> Option<&Routed> {
    match frame {
        Frame::Message(frame) => Some(frame),
        _ => None,
    }
}

fn open() -> Result<Tcp, String> {
    let mut tcp = Tcp::new(Config::default(), Instant::ZERO);
    match tcp.poll_output() {
        Some(Output::Open([1])) => Ok(tcp),
        other => Err(format!("a connection does not begin with the byte 01: {other:?}")),
    }
}

fn read(frames: &[&Routed]) -> Check {
    /// A number that cuts lengths, heads and payloads at ever other places.
    const PIECE: usize = 61;
    let mut tcp = open()?;
    let stream: Vec<u8> = std::iter::once(1).chain(frames.iter().flat_map(|frame| frame.frame_hex.to_vec())).collect();
    let mut expected = frames.iter().filter(|frame| !is_heartbeat(frame));
    let mut nothing = Nothing;
    for piece in stream.chunks(PIECE) {
        let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut nothing);
        tcp.handle(&mut env, Input::Received(piece.to_vec())).map_err(|e| e.into_error("TCP-13").to_string())?;
        while let Some(output) = tcp.poll_output() {
            let Output::Deliver(message) = output else { return Err(format!("it gives {output:?}")) };
            let frame = expected.next().ok_or("more messages come out than were recorded")?;
            equal("a message, encoded again,", &encode(&message), &frame.frame_hex)?;
        }
    }
    ensure(expected.next().is_none(), || "not every message comes out".into())
}

fn write(frames: &[&Routed]) -> Check {
    let mut tcp = open()?;
    let mut nothing = Nothing;
    for frame in frames.iter().filter(|frame| !is_heartbeat(frame)) {
        let message = decode(frame.frame_hex.get(4..).unwrap_or_default())?;
        let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut nothing);
        tcp.handle(&mut env, Input::Send(message)).map_err(|e| e.into_error("TCP-13").to_string())?;
        let Some(Output::Transmit(ours)) = tcp.poll_output() else { return Err("nothing is written".into()) };
        equal("the frame", ours.payload(), &frame.frame_hex)?;
    }
    Ok(())
}

fn is_heartbeat(frame: &Routed) -> bool {
    decode(frame.frame_hex.get(4..).unwrap_or_default()).is_ok_and(|message| message.onward().is_empty())
}
