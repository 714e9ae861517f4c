use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::env::{Instant, Seeded, Timestamp};
use crate::fuzzing::serial::{Harm, Story, tell};
use crate::transport::Tcp;

/// The heartbeat as a frame of TCP, and as the chapter shows it on a line.
const TCP: &str = "0000000483808040";
const LINE: &str = "000a0183808040" /* content */;
const SUM: &str = "7c7ec99900";

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn heartbeat() -> Vec<u8> {
    [hex(LINE), hex(SUM)].concat()
}

fn with<T>(f: impl FnOnce(&mut Env<'_>) -> T) -> T {
    f(&mut Env::new(Instant::ZERO, Timestamp(0), &mut Seeded::from_u64(1)))
}

fn give(serial: &mut Serial, bytes: &[u8]) -> Vec<Output> {
    with(|env| serial.handle(env, Input::Received(bytes.to_vec()))).unwrap();
    core::iter::from_fn(|| serial.poll_output()).collect()
}

fn send(tcp: &[u8]) -> Result<Vec<Output>, Error> {
    let mut serial = Serial::new(Config::default());
    let sent = with(|env| serial.handle(env, Input::Send(Message::raw(tcp.to_vec(), 0))));
    sent.map_err(|refused| refused.into_error("full"))?;
    Ok(core::iter::from_fn(|| serial.poll_output()).collect())
}

fn tcp(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn written(message: &[u8]) -> Vec<u8> {
    match send(&tcp(message)).unwrap().as_slice() {
        [Output::Write(bytes)] => bytes.clone(),
        other => panic!("expected one frame, got {other:?}"),
    }
}

/// A frame with this content, and the checksum that it has or another.
fn frame(content: &[u8], flip: u32) -> Vec<u8> {
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(content) ^ flip;
    let content = [content, &sum.to_be_bytes()].concat();
    [&[0][..], &cobs::encode_vec(&content), &[0]].concat()
}

fn dropped(outputs: &[Output]) -> &'static str {
    match outputs {
        [Output::Dropped(error)] => error.requirement(),
        other => panic!("expected one dropped frame, got {other:?}"),
    }
}

#[test]
fn the_frame_of_the_chapter_is_written_and_read() {
    //= spec/src/serial.md#ser-1
    //= type=test
    //# A sender MUST write a byte 00 before the encoded content of a frame and another one after it.
    assert_eq!(send(&hex(TCP)).unwrap(), [Output::Write(heartbeat())]);
    assert_eq!(give(&mut Serial::new(Config::default()), &heartbeat()), [Output::Deliver(hex(TCP))]);
    assert_eq!(frame(&hex("0183808040"), 0), heartbeat(), "another implementation writes the same");
}

#[test]
fn no_byte_of_a_frame_but_its_ends_is_zero() {
    // With and without a zero before it, the last block of COBS is full at some of these lengths.
    let ending =
        (240..600).flat_map(|length| [vec![1; length], [vec![1; length - 240], vec![0], vec![1; 300]].concat()]);
    for message in [vec![0; 700], vec![1; 2_000], (0..=255).collect()].into_iter().chain(ending) {
        let bytes = written(&message);
        assert!(bytes.first() == Some(&0) && bytes.last() == Some(&0));
        assert!(bytes[1..bytes.len() - 1].iter().all(|byte| *byte != 0));
        assert_eq!(give(&mut Serial::new(Config::default()), &bytes), [Output::Deliver(tcp(&message))]);
    }
}

#[test]
fn a_frame_after_one_that_was_cut_off_is_read() {
    let mut serial = Serial::new(Config::default());
    for cut in 2..heartbeat().len() - 1 {
        assert_eq!(give(&mut serial, &heartbeat()[..cut]), []);
        //= spec/src/serial.md#ser-2
        //= type=test
        //# A receiver MUST take every byte 00 for the end of a frame and the beginning of the next.
        let outputs = give(&mut serial, &heartbeat());
        //= spec/src/serial.md#ser-10
        //= type=test
        //# A dropped frame MUST NOT change what becomes of the frames after it.
        assert!(matches!(&outputs[..], [Output::Dropped(_), Output::Deliver(frame)] if *frame == hex(TCP)), "{cut}");
    }
    let cuts = u64::try_from(heartbeat().len() - 3).unwrap();
    assert_eq!(serial.counters(), Counters { sound: cuts, dropped: cuts });
}

#[test]
fn an_idle_line_may_say_zero_for_ever() {
    let mut serial = Serial::new(Config::default());
    //= spec/src/serial.md#ser-3
    //= type=test
    //# A receiver MUST ignore a frame without bytes.
    assert_eq!(give(&mut serial, &[0; 1_000]), []);
    assert_eq!(serial.counters(), Counters::default());
}

#[test]
fn what_is_not_cobs_or_too_short_is_dropped() {
    let mut serial = Serial::new(Config::default());
    //= spec/src/serial.md#ser-4
    //= type=test
    //# A receiver MUST drop a frame that is not encoded as COBS, or whose content is shorter than six bytes.
    assert_eq!(dropped(&give(&mut serial, &[0, 9, 1, 1, 0])), "SER-4");
    assert_eq!(dropped(&give(&mut serial, &[1, 0])), "SER-4");
    assert_eq!(dropped(&give(&mut serial, &frame(&[1], 0))), "SER-4");
    assert_eq!(give(&mut serial, &frame(&[1, 7], 0)), [Output::Deliver(tcp(&[7]))]);
}

#[test]
fn a_frame_with_another_checksum_is_dropped_whichever_bit_of_it_is_wrong() {
    for bit in 0..32 {
        //= spec/src/serial.md#ser-5
        //= type=test
        //# A receiver MUST drop a frame whose checksum is not that of its content.
        let outputs = give(&mut Serial::new(Config::default()), &frame(&[1, 2, 3, 4], 1 << bit));
        assert_eq!(dropped(&outputs), "SER-5");
    }
}

#[test]
fn a_sound_frame_of_another_version_is_dropped() {
    for version in (0..=255).filter(|version| *version != VERSION) {
        //= spec/src/serial.md#ser-6
        //= type=test
        //# A receiver MUST drop a frame with a sound checksum whose version is not 01.
        let outputs = give(&mut Serial::new(Config::default()), &frame(&[version, 2, 3, 4], 0));
        assert_eq!(dropped(&outputs), "SER-6");
    }
}

#[test]
fn a_frame_beyond_the_limit_is_dropped_once_and_not_kept() {
    let mut serial = Serial::new(Config { frame: 100, chunk: 65_536 });
    assert_eq!(give(&mut serial, &written(&[7; 100])), [Output::Deliver(tcp(&[7; 100]))]);
    assert_eq!(dropped(&give(&mut serial, &written(&[7; 101]))), "SER-7");
    for _ in 0..10 {
        assert_eq!(give(&mut serial, &[7; 65_536]), []);
        //= spec/src/serial.md#ser-7
        //= type=test
        //# A receiver MUST drop a frame whose transport message is larger than the configured limit, and keep none of the bytes that follow before its end.
        assert_eq!((serial.provisional(), serial.state()), (0, "Skipping"));
    }
    let outputs = give(&mut serial, &heartbeat());
    assert!(matches!(&outputs[..], [Output::Dropped(error), Output::Deliver(_)] if error.requirement() == "SER-7"));
}

#[test]
fn what_is_larger_than_anyone_may_send_is_not_sent() {
    let most = usize::try_from(Config::CEILING.frame).unwrap();
    assert!(send(&tcp(&vec![7; most])).is_ok());
    //= spec/src/serial.md#ser-8
    //= type=test
    //# A node MUST NOT send a transport message on a line that is larger than the ceiling of lines.
    assert_eq!(send(&tcp(&vec![7; most + 1])).unwrap_err().requirement(), "SER-8");
    assert_eq!(send(&[0, 0, 0, 0]).unwrap_err().blame(), crate::Blame::Misuse);
}

#[test]
fn memory_is_taken_for_what_has_arrived() {
    for length in [1, 10, 100, 1_000, 10_000] {
        let mut serial = Serial::new(Config::default());
        give(&mut serial, &written(&vec![7; 16_384])[..length]);
        //= spec/src/serial.md#ser-9
        //= type=test
        //# A receiver MUST NOT allocate more memory for a frame than a small multiple of what has arrived of it.
        assert!(serial.provisional() <= 2 * length + LEAST_ROOM, "{} for {length}", serial.provisional());
        assert!(serial.provisional() <= serial.provisional_limit());
    }
}

/// What a frame may take when it begins.
const LEAST_ROOM: usize = 64;

#[test]
fn an_opening_byte_is_given_and_never_written() {
    //= spec/src/serial.md#ser-11
    //= type=test
    //# The opening bytes of a connection MUST NOT be written on a line.
    assert_eq!(send(&[transport::VERSION]).unwrap(), []);
    let mut serial = Serial::new(Config::default());
    with(|env| serial.handle(env, Input::Connected)).unwrap();
    //= spec/src/serial.md#ser-12
    //= type=test
    //# A node MUST take the peer's opening byte for received when it begins a connection over a line.
    assert_eq!(serial.poll_output(), Some(Output::Deliver(vec![transport::VERSION])));
    assert!(serial.is_drained() && serial.poll_output().is_none());
    // The framing of TCP takes what a line gives.
    let mut above = Tcp::new(transport::Config::default(), Instant::ZERO);
    for bytes in [vec![transport::VERSION], hex(TCP)] {
        with(|env| above.handle(env, transport::Input::Received(bytes))).unwrap();
        while above.poll_output().is_some() {}
    }
    assert_eq!(above.heartbeats(), 1);
}

#[test]
fn bytes_are_refused_while_earlier_ones_are_not_drained_and_beyond_a_chunk() {
    let mut serial = Serial::new(Config { chunk: 100, ..Config::default() });
    //= spec/src/serial.md#ser-14
    //= type=test
    //# A driver of a line MUST NOT hand over more bytes at once than the chunk limit.
    let refused = with(|env| serial.handle(env, Input::Received(vec![0; 101]))).unwrap_err();
    assert_eq!(refused.into_error("full").requirement(), "SER-14");
    with(|env| serial.handle(env, Input::Received(heartbeat()))).unwrap();
    let refused = with(|env| serial.handle(env, Input::Received(vec![5]))).unwrap_err();
    assert!(matches!(refused, Refused::Full(Input::Received(bytes)) if bytes == [5]));
}

#[test]
fn every_move_is_in_the_table() {
    let mut serial = Serial::new(Config { frame: 20, chunk: 1 });
    let mut seen = std::collections::BTreeSet::new();
    let long = written(&[7; 40]);
    for byte in [&heartbeat(), &[0, 9, 1, 0][..], &long].concat() {
        let before = serial.state();
        give(&mut serial, &[byte]);
        let moved = (before, serial.state());
        let tabled = Serial::transitions().iter().any(|row| (row.from, row.to) == moved);
        assert!(tabled || (before == serial.state() && before != "Between frames"), "{moved:?}");
        seen.insert(moved);
    }
    let rows = Serial::transitions().iter().filter(|row| row.from != "[*]");
    assert!(rows.into_iter().all(|row| seen.contains(&(row.from, row.to))));
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![Just(Harm::Lost), (1..=255u8).prop_map(Harm::Flipped), any::<u8>().prop_map(Harm::Inserted)]
}

proptest! {
    #[test]
    fn noise_costs_the_frames_that_it_touches_and_no_other(
        messages in proptest::collection::vec(proptest::collection::vec(0..4u8, 1..300), 1..10),
        noise in proptest::collection::vec((any::<u16>(), harm()), 0..12),
    ) {
        tell(&Story { messages, noise });
    }
}
