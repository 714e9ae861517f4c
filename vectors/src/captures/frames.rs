//! Every recorded frame decodes, means what the recording says, and encodes to the same bytes.

use razor::routing::{Limits, Message, RouteRef, Tail};

use super::format::{Frame, Recording, Routed};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let total = recording.sessions.values().map(|session| session.frames.len()).sum();
    let mut tally = Tally::new(source, "captures: frames", total, progress);
    for (name, session) in &recording.sessions {
        for (index, frame) in session.frames.iter().enumerate() {
            let case = format!("{name}, frame {index}");
            match frame {
                Frame::Version(opening) => tally.check(case, equal("the opening byte", &[1], &opening.hex)),
                Frame::Frame(frame) => tally.check(case, one(frame)),
            }
        }
    }
    tally.finish()
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
    ensure(message.tracing() == frame.tracing.as_deref(), || {
        format!("the tracing text is {:?}, the recording says {:?}", message.tracing(), frame.tracing)
    })?;
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
