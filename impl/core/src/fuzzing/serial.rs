//! Serial lines: any bytes, and sound frames with noise among them.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::machine::Machine;
use crate::routing::Message;
use crate::transport::serial::{Config, Input, Output, Serial};

/// Gives bytes to a new line in chunks of `cut`.
fn read(data: &[u8], cut: usize) -> Vec<Output> {
    let mut entropy = Seeded::from_u64(1);
    let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
    let mut serial = Serial::new(Config { frame: 512, ..Config::default() });
    let mut outputs = Vec::new();
    for chunk in data.chunks(cut) {
        serial.handle(&mut env, Input::Received(chunk.to_vec())).expect("it is drained and small");
        outputs.extend(core::iter::from_fn(|| serial.poll_output()));
        assert!(serial.provisional() <= serial.provisional_limit());
        // Twice what has come, and what a frame has from its beginning.
        assert!(serial.provisional() <= 2 * data.len() + 64);
    }
    outputs
}

/// A frame of TCP as it is written on a line.
fn write(tcp: &[u8]) -> Vec<u8> {
    let mut entropy = Seeded::from_u64(1);
    let mut serial = Serial::new(Config::default());
    let frame = Input::Send(Message::raw(tcp.to_vec(), 0));
    serial.handle(&mut Env::new(Instant::ZERO, Timestamp(0), &mut entropy), frame).expect("it is a frame");
    let Some(Output::Write(bytes)) = serial.poll_output() else { panic!("it is written") };
    bytes
}

/// However the bytes are cut, a line gives the same; what it delivers is a whole frame of TCP, and is read again when
/// it is written.
pub fn serial_line(data: &[u8]) {
    let outputs = read(data, 65_536);
    for cut in [1, 7] {
        assert_eq!(read(data, cut), outputs, "cut every {cut} bytes");
    }
    for output in outputs {
        match output {
            Output::Deliver(tcp) => {
                let (length, message) = tcp.split_first_chunk().expect("a length");
                assert!(!message.is_empty() && message.len() <= 512);
                assert_eq!(u32::from_be_bytes(*length) as usize, message.len());
                assert_eq!(read(&write(&tcp), 65_536), [Output::Deliver(tcp)]);
            }
            Output::Dropped(error) => assert!(error.requirement().starts_with("SER-")),
            Output::Write(_) => panic!("nothing was sent"),
        }
    }
}

/// What a line does to one byte.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Harm {
    /// It does not arrive.
    Lost,
    /// Bits of it are flipped.
    Flipped(u8),
    /// This arrives before it.
    Inserted(u8),
}

/// Messages, and what a line does to the bytes of their frames, counted from the first; what is beyond the last counts from
/// the first again.
#[derive(Debug, Clone, Arbitrary)]
pub(crate) struct Story {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) noise: Vec<(u16, Harm)>,
}

/// Tells a story: noise costs the frames that it touches, and no other; nothing is delivered that was not sent.
pub(crate) fn tell(Story { messages, noise }: &Story) {
    let mut sent = Vec::new();
    let mut line: Vec<(usize, u8)> = Vec::new();
    for message in messages.iter().filter(|message| !message.is_empty() && message.len() <= 512).take(16) {
        let tcp = [&u32::try_from(message.len()).expect("it is short").to_be_bytes()[..], message].concat();
        line.extend(write(&tcp).into_iter().map(|byte| (sent.len(), byte)));
        sent.push((tcp, false));
    }
    if line.is_empty() {
        return;
    }
    let mut harms: Vec<(usize, Harm)> = noise.iter().map(|(at, harm)| (usize::from(*at) % line.len(), *harm)).collect();
    harms.sort_by_key(|(at, _)| *at);
    let mut bytes = Vec::new();
    for (at, (frame, byte)) in line.iter().enumerate() {
        let mut arrives = Some(*byte);
        for (_, harm) in harms.iter().filter(|(place, _)| *place == at) {
            // What is made up between two frames touches neither.
            let between = at == 0 || line[at - 1].0 != *frame;
            match harm {
                Harm::Lost => arrives = None,
                Harm::Flipped(bits) => arrives = arrives.map(|byte| byte ^ bits),
                Harm::Inserted(byte) => bytes.push(*byte),
            }
            sent[*frame].1 |= !(between && matches!(harm, Harm::Inserted(_)));
        }
        bytes.extend(arrives);
    }
    let outputs = read(&bytes, 100).into_iter();
    let delivered: Vec<Vec<u8>> = outputs
        .filter_map(|output| match output {
            Output::Deliver(tcp) => Some(tcp),
            _ => None,
        })
        .collect();
    // Of equal messages nobody can tell which was delivered.
    let untouched = sent.iter().filter(|(_, touched)| !touched).map(|(tcp, _)| tcp);
    assert!(is_within(untouched, &delivered), "a frame that no noise touched was not delivered in its turn");
    assert!(is_within(&delivered, sent.iter().map(|(tcp, _)| tcp)), "something was delivered that was not sent");
}

/// Whether all of `part` are in `whole`, in the same order.
fn is_within<'a>(part: impl IntoIterator<Item = &'a Vec<u8>>, whole: impl IntoIterator<Item = &'a Vec<u8>>) -> bool {
    let mut whole = whole.into_iter();
    part.into_iter().all(|one| whole.any(|other| other == one))
}

/// Noise in any place of a line.
pub fn serial_noise(data: &[u8]) {
    if let Ok(story) = Story::arbitrary(&mut Unstructured::new(data)) {
        tell(&story);
    }
}
#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn of_two_equal_messages_one_may_be_lost() {
        tell(&Story { messages: vec![vec![0], vec![0]], noise: vec![(1, Harm::Flipped(50))] });
    }
}
