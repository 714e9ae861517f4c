//! A bad serial line, and an attacker who writes on it. What a receiver must make of it is read off all of the bytes at
//! once, as the chapter "Serial transport" says it.

use crc::{CRC_32_ISCSI, Crc};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::{Machine as _, Refused, Snapshot};
use razor::routing::Message;
use razor::transport;
use razor::transport::serial::{Config, Counters, Input, Output, Serial, VERSION};

use crate::checker::Property;
use crate::explain::count;
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::{Fault, Outcome, demand, fault, script};

/// How many frames are written.
const FRAMES: usize = 32;

/// A receiver with little room: a largest frame has two blocks of COBS.
const SMALL: Config = Config { frame: 300, chunk: 128 };

/// What a frame's content has beside the message: the version and the checksum.
const AROUND: usize = 1 + SUM;
const SUM: usize = 4;

/// What a receiver says of a frame that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It is this frame of TCP.
    Delivered(Vec<u8>),
    /// It was dropped, because of this requirement.
    Dropped(&'static str),
}

/// One side of the line.
struct Side {
    name: &'static str,
    serial: Serial,
    entropy: Seeded,
}

impl Side {
    fn new(seed: Seed, name: &'static str, config: Config) -> Self {
        Self { name, serial: Serial::new(config), entropy: Seeded::new(seed.derive(name)) }
    }

    fn give(&mut self, input: Input) -> Result<(), Refused<Input>> {
        script::note(Instant::ZERO, self.name, || match &input {
            Input::Received(bytes) => format!("reads {}", count(bytes.len(), "byte")),
            Input::Send(message) => format!("is to send {}", count(message.payload().len(), "byte")),
            Input::Connected => "a connection begins above it".into(),
        });
        self.serial.handle(&mut Env::new(Instant::ZERO, Timestamp(BEGIN), &mut self.entropy), input)
    }

    fn next(&mut self) -> Option<Output> {
        let output = self.serial.poll_output();
        if let Some(output) = &output {
            script::note(Instant::ZERO, self.name, || match output {
                Output::Write(bytes) => format!("writes {}", count(bytes.len(), "byte")),
                Output::Deliver(bytes) => format!("delivers {}", count(bytes.len(), "byte")),
                Output::Dropped(error) => format!("drops a frame: {error}"),
            });
        }
        output
    }

    fn trusted(&self) -> Snapshot {
        let mut picture = Snapshot::new();
        self.serial.trusted(&mut picture);
        picture
    }
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a bad line");
    edges(seed)?;
    let mut line = Vec::new();
    let mut writer = Side::new(seed, "the writer", Config::DEFAULT);
    for _ in 0..FRAMES {
        let message = message(&mut random);
        let written = write(&mut writer, &message)?;
        harm(&mut random, &message, written, &mut line);
    }
    read(seed, &mut random, &line)
}

/// Messages of all lengths, those about which something changes more often; with many zeros.
fn message(random: &mut Stream) -> Vec<u8> {
    let most = SMALL.frame as usize;
    let edges = [1, 2, 248, 249, 250, most - 1, most, most + 1];
    let length = if random.index(2) == 0 { edges[random.index(edges.len())] } else { 1 + random.index(most) };
    let mut bytes = random.bytes(length);
    if random.index(2) == 0 {
        bytes.iter_mut().for_each(|byte| *byte = byte.saturating_sub(200));
    }
    bytes
}

fn tcp(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// A message as the writer writes it: one frame, which says just that message.
fn write(writer: &mut Side, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let refused = |refused| fault(Property::Liveness, format!("a line does not take a frame to send: {refused:?}"));
    writer.give(Input::Send(Message::raw(tcp(message), 0))).map_err(refused)?;
    let Some(Output::Write(bytes)) = writer.next() else {
        return Err(fault(Property::Liveness, "a line does not write a frame that it took"));
    };
    let ends = bytes.first() == Some(&0) && bytes.last() == Some(&0);
    let said = verdicts(&bytes, Config::CEILING.frame).into_iter().map(|(_, said)| said).collect::<Vec<_>>();
    demand(ends && said == [Said::Delivered(tcp(message))], Property::Conformance, || {
        format!("a message of {} bytes is written as something else: {said:?}", message.len())
    })?;
    Ok(bytes)
}

/// What the line makes of a frame, or its attacker of the message in it.
fn harm(random: &mut Stream, message: &[u8], mut written: Vec<u8>, line: &mut Vec<u8>) {
    let at = random.index(written.len());
    match random.index(12) {
        0 => written[at] ^= 1 << random.index(8),
        1 => drop(written.remove(at)),
        2 => written.insert(at, random.bytes(1)[0]),
        3 => written.truncate(at),
        4 => drop(written.drain(..at)),
        5 => written = forged(&[&[VERSION + 1], message].concat(), 0),
        6 => written = forged(&[&[VERSION], message].concat(), 1 << random.index(32)),
        // A sound checksum, over a content that is too short or just long enough.
        7 => written = forged(&random.bytes(2)[..random.index(3)], 0),
        8 => written = vec![1 + random.bytes(1)[0] / 2; 2 * SMALL.frame as usize],
        _ => {}
    }
    line.append(&mut written);
}

/// A frame with this content, and its checksum with these bits flipped.
fn forged(content: &[u8], flipped: u32) -> Vec<u8> {
    let sum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(content) ^ flipped;
    let content = [content, &sum.to_be_bytes()].concat();
    [&[0][..], &cobs::encode_vec(&content), &[0]].concat()
}

/// Lets a receiver read the line, cut anywhere. It says what the bytes say, as soon as they say it, and holds little.
fn read(seed: Seed, random: &mut Stream, line: &[u8]) -> Outcome {
    let mut reader = Side::new(seed, "the reader", SMALL);
    let before = reader.trusted();
    let mut expected = verdicts(line, SMALL.frame).into_iter().peekable();
    let mut counters = Counters::default();
    let mut read = 0;
    while read < line.len() {
        let chunk = &line[read..line.len().min(read + 1 + random.index(SMALL.chunk))];
        read += chunk.len();
        if let Err(refused) = reader.give(Input::Received(chunk.to_vec())) {
            return Err(fault(Property::Liveness, format!("a line that has read all reads no more: {refused:?}")));
        }
        if !reader.serial.is_drained() {
            let full = reader.give(Input::Received(vec![0]));
            demand(matches!(full, Err(Refused::Full(_))), Property::Bounds, || {
                "a line takes more than it reads".into()
            })?;
        }
        let (held, limit) = (reader.serial.provisional(), reader.serial.provisional_limit());
        demand(held <= limit, Property::Bounds, || format!("a line holds {held} bytes, and may hold {limit}"))?;
        while let Some(output) = reader.next() {
            let said = match output {
                Output::Deliver(bytes) => Said::Delivered(bytes),
                Output::Dropped(error) => Said::Dropped(error.requirement()),
                Output::Write(_) => return Err(fault(Property::Conformance, "a line writes what it reads")),
            };
            match said {
                Said::Delivered(_) => counters.sound += 1,
                Said::Dropped(_) => counters.dropped += 1,
            }
            let due = expected.next_if(|(end, _)| *end <= read).map(|(_, said)| said);
            demand(due.as_ref() == Some(&said), Property::Authenticity, || {
                format!("after {read} bytes of a line, what must be said is {due:?}, and it says {said:?}")
            })?;
        }
        demand(expected.peek().is_none_or(|(end, _)| *end > read), Property::Liveness, || {
            format!("after {read} bytes of a line, it says nothing of a frame that has ended")
        })?;
        let most = 2 * chunk.len() + 2 * read + 64;
        demand(reader.serial.provisional() <= most, Property::Bounds, || {
            format!("{read} bytes came, and it holds more")
        })?;
    }
    demand(reader.serial.counters() == counters, Property::Conformance, || "a line counts other frames".into())?;
    demand(reader.trusted() == before, Property::TrustedState, || "noise changes how a line is configured".into())
}

/// What must be said of the frames in these bytes, and after how many of them.
fn verdicts(line: &[u8], frame: u32) -> Vec<(usize, Said)> {
    let mut begin = 0;
    let ends = line.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
    let frames = ends.map(|end| (end + 1, &line[std::mem::replace(&mut begin, end + 1)..end]));
    frames.filter(|(_, encoded)| !encoded.is_empty()).map(|(end, it)| (end, verdict(it, frame as usize))).collect()
}

fn verdict(encoded: &[u8], frame: usize) -> Said {
    let mut content = Vec::new();
    let mut rest = encoded;
    let mut is_whole = true;
    while let Some((code, after)) = rest.split_first() {
        let length = usize::from(*code) - 1;
        is_whole = length <= after.len();
        let (block, next) = after.split_at(length.min(after.len()));
        content.extend(block);
        if *code != u8::MAX && !next.is_empty() {
            content.push(0);
        }
        rest = next;
    }
    if content.len() > frame + AROUND {
        return Said::Dropped("SER-7");
    }
    match content.split_last_chunk::<SUM>() {
        Some((covered, sum)) if is_whole && covered.len() >= 2 => match covered {
            _ if Crc::<u32>::new(&CRC_32_ISCSI).checksum(covered).to_be_bytes() != *sum => Said::Dropped("SER-5"),
            [VERSION, message @ ..] => Said::Delivered(tcp(message)),
            _ => Said::Dropped("SER-6"),
        },
        _ => Said::Dropped("SER-4"),
    }
}

/// What stands above a line and below it, and how much of it at once.
fn edges(seed: Seed) -> Outcome {
    let mut side = Side::new(seed, "a side", SMALL);
    let most = Config::CEILING.frame as usize;
    let frame = |length: usize| Input::Send(Message::raw(tcp(&vec![7; length]), 0));
    for (what, input, refused, written) in [
        ("a whole chunk", Input::Received(vec![0; SMALL.chunk]), None, 0),
        ("more than a chunk", Input::Received(vec![0; SMALL.chunk + 1]), Some("SER-14"), 0),
        ("the largest frame", frame(most), None, 1),
        ("a larger frame", frame(most + 1), Some("SER-8"), 0),
        ("an opening byte", Input::Send(Message::raw(vec![transport::VERSION], 0)), None, 0),
    ] {
        let given = side.give(input).err().map(|refused| refused.into_error("full").requirement());
        demand(given == refused, Property::Bounds, || format!("a line says {given:?} to {what}"))?;
        let outputs: Vec<Output> = std::iter::from_fn(|| side.next()).collect();
        let writes = outputs.iter().all(|output| matches!(output, Output::Write(_)));
        demand(writes && outputs.len() == written, Property::Conformance, || {
            format!("a line says {} things about {what}", outputs.len())
        })?;
    }
    side.give(Input::Connected).map_err(|refused| fault(Property::Liveness, format!("{refused:?}")))?;
    let greeted = side.next() == Some(Output::Deliver(vec![transport::VERSION])) && side.next().is_none();
    demand(greeted, Property::Liveness, || "a connection above a line does not hear its peer's opening byte".into())
}
