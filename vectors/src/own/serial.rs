//! Frames on a serial line, and what a receiver makes of what comes on one.
//!
//! What is to be received is written here by hand, byte stuffing, checksum and all, and not by the library that reads it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine;
use razor::routing::Message;
use razor::transport::serial::{Config, Input, Output, Serial};

use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "serial",
        name: "serial-frame",
        committed: include_str!("../../serial/serial-frame.json"),
        generate: || generate("serial-frame", "Transport messages as frames on a line.", frames(), write),
        check: |kind, text, progress| check(kind, text, progress, write),
    },
    Kind {
        layer: "serial",
        name: "line",
        committed: include_str!("../../serial/line.json"),
        generate: || generate("line", "What a receiver makes of the bytes on a line.", lines(), read),
        check: |kind, text, progress| check(kind, text, progress, read),
    },
];

/// A transport message: some bytes, so many times over. A line does not look into it.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    part: Hex,
    times: usize,
}

fn call<T>(call: impl FnOnce(&mut Env<'_>) -> T) -> T {
    call(&mut Env::new(Instant::ZERO, Timestamp::default(), &mut Seeded::from_u64(0)))
}

fn write(input: &Sent) -> Outcome {
    let message = input.part.repeat(input.times);
    let length = u32::try_from(message.len()).expect("a small number").to_be_bytes();
    let mut serial = Serial::new(Config::DEFAULT);
    let frame = Message::raw([&length[..], &message].concat(), 0);
    call(|env| serial.handle(env, Input::Send(frame))).map_err(|refused| refused.into_error("SER-8"))?;
    match serial.poll_output() {
        Some(Output::Write(bytes)) => Ok(json!({ "bytes": Hex(bytes) })),
        other => panic!("a message is written as {other:?}"),
    }
}

fn frames() -> Vec<Meant<Sent>> {
    let sent = |part: &[u8], times| Sent { part: part.into(), times };
    let most = Config::CEILING.frame as usize;
    vec![
        good("the heartbeat", sent(&[0x83, 0x80, 0x80, 0x40], 1)),
        good("one byte", sent(&[7], 1)),
        good("one byte of zero", sent(&[0], 1)),
        good("zeros alone", sent(&[0], 300)),
        good("a zero at the end", sent(&[7, 0], 1)),
        // With the version before them.
        good("252 bytes without a zero", sent(&[7], 252)),
        good("253 bytes without a zero: the first group is full", sent(&[7], 253)),
        good("254 bytes without a zero", sent(&[7], 254)),
        good("507 bytes without a zero: the second group is full", sent(&[7], 507)),
        // With the version before them, and the checksum after them, in which there is no zero.
        good("249 bytes without a zero: the frame ends with a full group", sent(&[7], 249)),
        good("503 bytes without a zero: the frame ends with the second full group", sent(&[7], 503)),
        good("every byte", sent(&(0..=255).collect::<Vec<u8>>(), 2)),
        good("as many bytes as anyone may send", sent(&[7], most)),
        bad("one byte more", "SER-8", sent(&[7], most + 1)),
    ]
}

/// What comes on a line.
#[derive(Debug, Serialize, Deserialize)]
struct Received {
    /// The configured limit of transport messages, in bytes.
    frame_limit: u32,
    bytes: Hex,
}

/// The bytes in pieces of this length.
fn read_in(input: &Received, piece: usize) -> Value {
    let mut serial = Serial::new(Config { frame: input.frame_limit, ..Config::DEFAULT });
    let mut outputs: Vec<Value> = Vec::new();
    for bytes in input.bytes.chunks(piece) {
        call(|env| serial.handle(env, Input::Received(bytes.to_vec()))).expect("no more than a chunk");
        while let Some(output) = serial.poll_output() {
            outputs.push(match output {
                Output::Deliver(frame) => json!({ "message": Hex::from(&frame[4..]) }),
                Output::Dropped(error) => json!({ "dropped": error.requirement() }),
                Output::Write(_) => panic!("a receiver writes"),
            });
        }
    }
    json!({ "outputs": outputs })
}

fn read(input: &Received) -> Outcome {
    let whole = read_in(input, 65_536);
    assert_eq!(whole, read_in(input, 1), "it matters how the bytes are cut");
    Ok(whole)
}

/// Consistent Overhead Byte Stuffing: each group says how far its end is, where a zero stood or the group was full.
pub(crate) fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::new();
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    for (nth, part) in parts.iter().enumerate() {
        let mut rest = *part;
        // A full group has no zero behind it, and nothing need follow it at the end.
        while rest.len() >= 254 {
            stuffed.push(255);
            stuffed.extend(&rest[..254]);
            rest = &rest[254..];
        }
        if !rest.is_empty() || part.is_empty() || part.len() % 254 != 0 || nth + 1 < parts.len() {
            stuffed.push(rest.len() as u8 + 1);
            stuffed.extend(rest);
        }
    }
    stuffed
}

/// CRC-32C, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0x82f6_3b78 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// A frame of any content, with a checksum that is wrong in these bits.
fn framed(content: &[u8], wrong: u32) -> Vec<u8> {
    let sum = (crc32c(content) ^ wrong).to_be_bytes();
    [&[0][..], &stuffed(&[content, &sum].concat()), &[0]].concat()
}

/// The frame of a message of so many bytes.
fn of(length: usize) -> Vec<u8> {
    framed(&[&[1][..], &vec![7; length]].concat(), 0)
}

fn lines() -> Vec<Meant<Received>> {
    const FLOOR: u32 = Config::FLOOR.frame;
    let most = FLOOR as usize;
    let good = |name: &str, parts: &[Vec<u8>]| good(name, Received { frame_limit: FLOOR, bytes: Hex(parts.concat()) });
    let cut = |frame: Vec<u8>, end: usize| frame[..end].to_vec();
    let flipped = |mut frame: Vec<u8>, at: usize| {
        frame[at] ^= 0x10;
        frame
    };
    let without = |mut frame: Vec<u8>, at: usize| {
        frame.remove(at);
        frame
    };
    let mut cases = vec![
        good("nothing", &[]),
        good("zeros on an idle line", &[vec![0; 40]]),
        good("a frame", &[of(4)]),
        good("two frames with one byte between them", &[of(4), of(5)[1..].to_vec()]),
        good("half a frame", &[cut(of(20), 12)]),
        good("a frame that was cut off, and one after it", &[cut(of(20), 12), of(4)]),
        good("noise on an idle line, and a frame after it", &[vec![0x55; 30], of(4)]),
        good("a message of one byte", &[of(1)]),
        good("a content of five bytes, without a message", &[framed(&[1], 0), of(4)]),
        good("a content of four bytes, the checksum of nothing", &[framed(&[], 0), of(4)]),
        good("a group that says that it ends behind the frame", &[vec![0, 9, 1, 1, 0], of(4)]),
        good("a byte flipped in a message", &[flipped(of(20), 8), of(4)]),
        good("a byte of a message lost", &[without(of(20), 8), of(4)]),
        good("a byte too many", &[[&of(20)[..9], &[0x33], &of(20)[9..]].concat(), of(4)]),
        good("the zero between two frames lost on both", &[cut(of(20), 26), of(4)[1..].to_vec(), of(5)]),
        good("version 0", &[framed(&[0, 7, 7, 7, 7], 0), of(4)]),
        good("version 2", &[framed(&[2, 7, 7, 7, 7], 0), of(4)]),
        good("version 255", &[framed(&[255, 7, 7, 7, 7], 0), of(4)]),
        good("a message as large as the limit", &[of(most)]),
        good("a message one byte larger, and a frame after it", &[of(most + 1), of(4)]),
        good("a frame far beyond the limit, and one after it", &[of(9_000), of(4)]),
        good("253 bytes without a zero", &[of(253)]),
        good("a message of zeros", &[framed(&[1, 0, 0, 0, 0], 0)]),
    ];
    for bit in [0, 1, 15, 16, 31] {
        cases.push(good(&format!("bit {bit} of the checksum wrong"), &[framed(&[1, 7, 7, 7], 1 << bit), of(4)]));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_chapter() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_message_is_written_as_it_would_be_by_hand() {
        for case in frames().iter().filter(|case| case.breaks.is_none()) {
            let content = [&[1][..], &case.input.part.repeat(case.input.times)].concat();
            let Ok(written) = write(&case.input) else { panic!("{}", case.name) };
            assert_eq!(written["bytes"], json!(Hex(framed(&content, 0))), "{}", case.name);
        }
    }
}
