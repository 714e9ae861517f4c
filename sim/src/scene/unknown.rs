//! What nobody knows: items of later versions at the end of a frame or of a presentation. Whatever is well formed and
//! neither too deep nor too large is passed over; whatever is not is refused.

use razor::identity::{Presentation, PresentationLimits};
use razor::node::{Config, Flow, FlowControlId, Input, Mailbox, Output};
use razor::routing::Address;
use razor::transport::VERSION;

use crate::checker::Property;
use crate::frame::{Frame, LENGTH};
use crate::seed::{Seed, Stream};

use super::pair::Papers;
use super::stage::Stage;
use super::{Fault, Outcome, demand};

const INBOX: &str = "inbox";

/// How many levels and how many items an unknown item may have, itself the first of both.
const LEVELS: usize = 8;
const ITEMS: usize = 256;

/// Strangers that each say a frame, and presentations.
const FRAMES: usize = 30;
const PRESENTATIONS: usize = 4;

/// One item, and what is in it.
enum Item {
    /// A head of a major type alone: a number, up or down from zero.
    Number(u8, u64),
    Bytes(Vec<u8>),
    Text(String),
    /// An array; or a map, of which each key and each value is an item.
    Array(Vec<Item>),
    Map(Vec<Item>),
    Tag(u64, Box<Item>),
    /// A simple value, in one byte or two.
    Simple(u8),
    /// A floating-point number of two, four or eight bytes: it has no shortest form.
    Float(Vec<u8>),
}

/// An item as bytes, and where in them a head with a number begins.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    heads: Vec<usize>,
}

impl Written {
    fn head(&mut self, kind: u8, number: u64) {
        self.heads.push(self.bytes.len());
        self.bytes.extend(head(kind, number, 0));
    }
}

/// A head in its shortest form, or in one that is so many steps longer.
fn head(kind: u8, number: u64, longer: usize) -> Vec<u8> {
    let shortest = [24, 1 << 8, 1 << 16, 1 << 32].iter().filter(|end| number >= **end).count();
    let all = number.to_be_bytes();
    let (form, number) = match shortest + longer {
        0 => (number as u8, &[][..]),
        1 => (24, &all[7..]),
        2 => (25, &all[6..]),
        3 => (26, &all[4..]),
        _ => (27, &all[..]),
    };
    [&[kind << 5 | form], number].concat()
}

impl Item {
    /// Something that holds nothing.
    fn leaf(random: &mut Stream) -> Self {
        let number = random.below(u64::MAX) >> random.below(64);
        match random.below(9) {
            0 => Self::Number(0, number),
            1 => Self::Number(1, number),
            2 => {
                let len = [0, 5, 23, 24, 255, 256][random.index(6)];
                Self::Bytes(random.bytes(len))
            }
            3 => Self::Text(["", "text", "é", "a text of two dozen letters"][random.index(4)].into()),
            4 => Self::Array(Vec::new()),
            5 => Self::Map(Vec::new()),
            // Those from 20 to 23 are the booleans and those that say nothing.
            6 => Self::Simple(random.below(24) as u8),
            7 => Self::Simple(random.within(32..=255) as u8),
            _ => {
                let width = [2, 4, 8][random.index(3)];
                Self::Float(random.bytes(width))
            }
        }
    }

    /// Something that holds these.
    fn around(mut inner: Vec<Self>, random: &mut Stream) -> Self {
        match (random.below(3), inner.len()) {
            (0, 1) => Self::Tag(random.below(u64::MAX) >> random.below(64), Box::new(inner.remove(0))),
            (1, len) if len.is_multiple_of(2) => Self::Map(inner),
            _ => Self::Array(inner),
        }
    }

    /// One of so many levels.
    fn nested(levels: usize, random: &mut Stream) -> Self {
        if levels == 1 {
            return Self::leaf(random);
        }
        let mut inner: Vec<_> = (0..random.below(4)).map(|_| Self::leaf(random)).collect();
        inner.insert(random.index(inner.len() + 1), Self::nested(levels - 1, random));
        Self::around(inner, random)
    }

    /// One of so many items, and of no more levels than it may have.
    fn counted(items: usize, levels: usize, random: &mut Stream) -> Self {
        if items == 1 {
            return Self::leaf(random);
        }
        let (mut inner, mut rest) = (Vec::new(), items - 1);
        // All in one, or each for itself, or as it comes.
        let way = random.below(3);
        while rest > 0 {
            let some = match way {
                _ if levels == 2 => 1,
                0 => rest,
                1 => 1,
                _ => random.within(1..=rest as u64) as usize,
            };
            inner.push(Self::counted(some, levels - 1, random));
            rest -= some;
        }
        Self::around(inner, random)
    }

    fn inner(&self) -> &[Self] {
        match self {
            Self::Array(inner) | Self::Map(inner) => inner,
            Self::Tag(_, inner) => std::slice::from_ref(inner),
            _ => &[],
        }
    }

    fn levels(&self) -> usize {
        1 + self.inner().iter().map(Self::levels).max().unwrap_or_default()
    }

    fn items(&self) -> usize {
        1 + self.inner().iter().map(Self::items).sum::<usize>()
    }

    fn is_bounded(&self) -> bool {
        self.levels() <= LEVELS && self.items() <= ITEMS
    }

    fn write(&self, to: &mut Written) {
        match self {
            Self::Number(kind, number) => to.head(*kind, *number),
            Self::Bytes(bytes) => {
                to.head(2, bytes.len() as u64);
                to.bytes.extend(bytes);
            }
            Self::Text(text) => {
                to.head(3, text.len() as u64);
                to.bytes.extend(text.bytes());
            }
            Self::Array(inner) => to.head(4, inner.len() as u64),
            Self::Map(inner) => to.head(5, inner.len() as u64 / 2),
            Self::Tag(number, _) => to.head(6, *number),
            Self::Simple(value @ 0..=31) => to.bytes.push(0xe0 | value),
            Self::Simple(value) => to.bytes.extend([0xf8, *value]),
            Self::Float(bytes) => {
                to.bytes.push(0xf8 + bytes.len().trailing_zeros() as u8);
                to.bytes.extend(bytes);
            }
        }
        self.inner().iter().for_each(|item| item.write(to));
    }

    fn written(&self) -> Written {
        let mut written = Written::default();
        self.write(&mut written);
        written
    }
}

/// One of its heads says its number in more bytes than it needs.
fn longhand(written: &Written, random: &mut Stream) -> Option<Vec<u8>> {
    let at = *random.pick(&written.heads)?;
    let (first, rest) = written.bytes[at..].split_first()?;
    let width = [0, 1, 2, 4, 8][usize::from((first & 31).saturating_sub(23))];
    let number = match width {
        0 => u64::from(first & 31),
        _ => rest[..width].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    let forms = [0, 1, 2, 4, 8].iter().filter(|other| **other > width).count();
    let longer = head(first >> 5, number, 1 + random.index(forms.checked_sub(1)? + 1));
    Some([&written.bytes[..at], &longer, &rest[width..]].concat())
}

/// What is no item, in any version.
fn broken(random: &mut Stream) -> Vec<u8> {
    let kind = random.below(8) as u8;
    match random.below(7) {
        // A form that nothing has; a length that comes later; the end of such.
        0 => vec![kind << 5 | random.within(28..=30) as u8],
        1 => [&[0x5f, 0x41, 0, 0xff][..], &[0x7f, 0x61, b'a', 0xff], &[0x9f, 0xff], &[0xbf, 0xff]][random.index(4)]
            .into(),
        2 => vec![0xff],
        3 => vec![0xf8, random.below(32) as u8],
        // No UTF-8.
        4 => vec![0x62, 0xc3, 0x28],
        // A string, an array and a map of more than there is.
        5 => vec![[0x45, 0x65, 0x82, 0xa2, 0xc1][random.index(5)]],
        _ => [&[0x9b][..], &[0xbb], &[0x5b]][random.index(3)].iter().chain(&[0xff; 8]).copied().collect(),
    }
}

/// The end of something that may grow: how many items, what they are, and whether they are borne.
fn ending(random: &mut Stream) -> (u8, Vec<u8>, bool) {
    let unknown = [1, 1, 2, 3, 4, 4, 4, 5][random.index(8)];
    let odd = random.below(u64::from(unknown));
    let (mut bytes, mut borne) = (Vec::new(), unknown <= 4);
    for number in 0..u64::from(unknown) {
        if number != odd {
            bytes.extend(Item::leaf(random).written().bytes);
            continue;
        }
        let item = match random.below(5) {
            0 => Item::nested(LEVELS + random.index(2), random),
            1 | 2 => Item::counted(ITEMS - 1 + random.index(3), LEVELS, random),
            3 => Item::nested(1 + random.index(4), random),
            _ => Item::leaf(random),
        };
        let written = item.written();
        let (item, good) = match random.below(5) {
            0 => match longhand(&written, random) {
                Some(longer) => (longer, false),
                None => (written.bytes, item.is_bounded()),
            },
            // The last one, so that nothing follows that it could be made of.
            1 if odd + 1 == u64::from(unknown) => (broken(random), false),
            _ => (written.bytes, item.is_bounded()),
        };
        bytes.extend(item);
        borne &= good;
    }
    (unknown, bytes, borne)
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("what nobody knows");
    let mut stage = Stage::new(seed, "who does not know", Config::DEFAULT);
    let accepted = stage.node.new_flow_control_id();
    let flow = Flow { consumer_of: vec![accepted], ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(INBOX.into()), flow)).expect("a free address");
    for _ in 0..FRAMES {
        frame(&mut stage, accepted, &mut random)?;
    }
    let papers = Papers::new(seed, "who knows more");
    for _ in 0..PRESENTATIONS {
        let (unknown, bytes, borne) = ending(&mut random);
        let mut shown = [papers.config.presentation(), &bytes].concat();
        shown[0] += unknown;
        let read = Presentation::decode(&shown, &PresentationLimits::DEFAULT);
        demand(read.is_ok() == borne, Property::Verdict, || {
            let taken = if borne { "has to be taken" } else { "must not be taken" };
            format!("a presentation with {unknown} items that nobody knows {taken}: {:?}; {}", read.err(), hex(&bytes))
        })?;
    }
    Ok(())
}

/// A stranger says a frame with such an ending: it comes without that, or the connection closes.
fn frame(stage: &mut Stage, accepted: FlowControlId, random: &mut Stream) -> Outcome {
    let (unknown, bytes, borne) = ending(random);
    let tracing = (random.below(2) == 0).then(|| "a trace".to_owned());
    let back = vec![Address::local("peer")];
    let said = Frame { onward: vec![INBOX.into()], back, payload: b"?".to_vec(), tracing: tracing.clone() };
    let mut frame = said.encode();
    if tracing.is_none() {
        frame.push(0xf6);
    }
    frame[LENGTH] = 0x84 + unknown;
    frame.extend(&bytes);
    let length = (frame.len() - LENGTH) as u32;
    frame[..LENGTH].copy_from_slice(&length.to_be_bytes());
    let (came, stays) = hear(stage, accepted, frame)?;
    let right = if borne { vec![(b"?".to_vec(), tracing)] } else { Vec::new() };
    demand(came == right && stays == borne, Property::Verdict, || {
        let closed = if stays { "stayed" } else { "closed" };
        let taken = if borne { "has to be taken" } else { "must not be taken" };
        format!(
            "a frame with {unknown} items that nobody knows {taken}: {} came, and its connection {closed}; {}",
            came.len(),
            hex(&bytes)
        )
    })
}

/// What came of a frame on a connection of its own, payloads and tracing texts, and whether the connection stayed.
#[allow(clippy::type_complexity)]
fn hear(
    stage: &mut Stage,
    accepted: FlowControlId,
    frame: Vec<u8>,
) -> Result<(Vec<(Vec<u8>, Option<String>)>, bool), Fault> {
    let (connection, _) = stage.connect(Some(accepted), None).expect("few connections");
    stage.receive(connection, [vec![VERSION], frame].concat())?;
    let (mut came, mut stays) = (Vec::new(), true);
    while let Some(output) = stage.said.pop_front() {
        match output {
            Output::Deliver { inbox, delivery } => {
                let message = delivery.message;
                came.push((message.payload().to_vec(), message.tracing().map(str::to_owned)));
                stage.must(Input::Taken { inbox, messages: 1 })?;
            }
            Output::Close { .. } => stays = false,
            _ => {}
        }
    }
    if stays {
        stage.must(Input::Disconnected { connection })?;
    }
    Ok((came, stays))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(40).map(|byte| format!("{byte:02x}")).collect()
}
