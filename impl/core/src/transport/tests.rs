use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::env::{Env, Instant, Seeded, Timestamp};
use crate::machine::{Machine, Refused};
use crate::routing::{Message, Route};
use crate::{Blame, Error};

const FRAME: &str = "0000001383818200446563686f81820043617070420102";
const TRACED: &str = "0000001684818200446563686f81820043617070420102627b7d";

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn with<T>(millis: u64, f: impl FnOnce(&mut Env<'_>) -> T) -> T {
    let mut entropy = Seeded::from_u64(1);
    f(&mut Env::new(Instant::from_millis(millis), Timestamp(0), &mut entropy))
}

fn drain(tcp: &mut Tcp) -> Vec<Output> {
    core::iter::from_fn(|| tcp.poll_output()).collect()
}

fn give(tcp: &mut Tcp, bytes: &[u8]) -> Vec<Output> {
    with(0, |env| tcp.handle(env, Input::Received(bytes.to_vec()))).unwrap();
    drain(tcp)
}

fn open_with(config: Config) -> Tcp {
    let mut tcp = Tcp::new(config, Instant::ZERO);
    //= spec/src/tcp.md#tcp-2
    //= type=test
    //# A node MUST write the opening byte 01 before anything else.
    assert_eq!(drain(&mut tcp), [Output::Open([1])]);
    assert_eq!(give(&mut tcp, &[1]), []);
    tcp
}

fn open() -> Tcp {
    open_with(Config::default())
}

fn echo() -> Message {
    Message::new(Route::new().then("echo").as_ref(), Route::new().then("app").as_ref(), &[1, 2])
}

fn closed_by(outputs: &[Output]) -> Error {
    match outputs {
        [Output::Close(error)] => *error,
        other => panic!("expected one close, got {other:?}"),
    }
}

#[test]
fn a_frame_of_the_fact_sheet_is_read_and_written() {
    for (tracing, frame) in [(None, FRAME), (Some("{}"), TRACED)] {
        let mut expected = echo();
        expected.set_tracing(tracing);
        let mut tcp = open();
        assert_eq!(give(&mut tcp, &hex(frame)), [Output::Deliver(expected.clone())]);
        with(0, |env| tcp.handle(env, Input::Send(expected))).unwrap();
        let [Output::Transmit(message)] = &drain(&mut tcp)[..] else { panic!() };
        assert_eq!(hex::encode(message.payload()), frame);
    }
}

#[test]
fn a_configured_tracing_text_goes_to_messages_that_have_none() {
    let mut tcp = open_with(Config { tracing: Some("{}".to_string()), ..Config::default() });
    with(0, |env| tcp.handle(env, Input::Send(echo()))).unwrap();
    let [Output::Transmit(message)] = &drain(&mut tcp)[..] else { panic!() };
    assert_eq!(hex::encode(message.payload()), TRACED);
    let mut own = echo();
    own.set_tracing(Some("{\"a\":1}"));
    with(0, |env| tcp.handle(env, Input::Send(own.clone()))).unwrap();
    let [Output::Transmit(message)] = &drain(&mut tcp)[..] else { panic!() };
    let frame = message.payload().to_vec();
    assert_eq!(give(&mut tcp, &frame), [Output::Deliver(own)]);
}

#[test]
fn frames_may_be_cut_anywhere() {
    let mut bytes = vec![1];
    bytes.extend(hex(FRAME));
    bytes.extend(hex(TRACED));
    for cut in 1..bytes.len() {
        let mut tcp = Tcp::new(Config::default(), Instant::ZERO);
        drain(&mut tcp);
        let mut outputs = Vec::new();
        for chunk in bytes.chunks(cut) {
            outputs.extend(give(&mut tcp, chunk));
        }
        assert_eq!(outputs.len(), 2, "cut every {cut} bytes");
        assert!(outputs.iter().all(|output| matches!(output, Output::Deliver(m) if m.payload() == [1, 2])));
        assert_eq!(tcp.deadline(), None);
    }
}

#[test]
fn another_opening_byte_closes_the_connection() {
    for version in (0..=255u8).filter(|v| *v != 1) {
        let mut tcp = Tcp::new(Config::default(), Instant::ZERO);
        drain(&mut tcp);
        //= spec/src/tcp.md#tcp-1
        //= type=test
        //# A node MUST close a connection whose first byte from the peer is not 01.
        let error = closed_by(&give(&mut tcp, &[version]));
        assert_eq!((error.blame(), error.requirement()), (Blame::Misbehaved, "TCP-1"));
    }
}

#[test]
fn an_empty_frame_closes_the_connection() {
    //= spec/src/tcp.md#tcp-3
    //= type=test
    //# A node MUST close a connection on which a frame has no bytes.
    assert_eq!(closed_by(&give(&mut open(), &[0; 4])).requirement(), "TCP-3");
}

#[test]
fn an_announced_length_beyond_the_limit_closes_and_one_at_the_limit_does_not() {
    let limit = Config::CEILING.frame;
    //= spec/src/tcp.md#tcp-4
    //= type=test
    //# A node MUST close a connection on which a frame announces more bytes than the configured limit of transport messages.
    let error = closed_by(&give(&mut open(), &(limit + 1).to_be_bytes()));
    assert_eq!((error.blame(), error.requirement()), (Blame::Limit, "TCP-4"));
    assert_eq!(give(&mut open(), &limit.to_be_bytes()), []);
}

#[test]
fn an_announced_length_is_not_allocated() {
    let mut tcp = open();
    give(&mut tcp, &Config::CEILING.frame.to_be_bytes());
    give(&mut tcp, &[0x83; 100]);
    //= spec/src/tcp.md#tcp-5
    //= type=test
    //# A node MUST NOT allocate more memory for a frame than a small multiple of what has arrived of it.
    assert!(tcp.provisional() < 4096, "{} bytes for 100", tcp.provisional());
    assert!(tcp.provisional() <= tcp.provisional_limit());
}

#[test]
fn a_heartbeat_is_ignored_and_counted() {
    let mut tcp = open();
    //= spec/src/tcp.md#tcp-6
    //= type=test
    //# A node MUST ignore a transport message with an empty onward route.
    assert_eq!(give(&mut tcp, &hex("0000000483808040")), []);
    assert_eq!(tcp.heartbeats(), 1);
    assert!(matches!(give(&mut tcp, &hex(FRAME))[..], [Output::Deliver(_)]));
}

#[test]
fn a_frame_that_cannot_be_decoded_closes_the_connection() {
    for (message, requirement) in [
        ("a0", "COD-3"),           // a map
        ("828080", "COD-3"),       // two items
        ("838080", "COD-4"),       // ends early
        ("8380804000", "COD-5"),   // a byte too many
        ("839f80ff40", "COD-1"),   // an indefinite length
        ("8398008040", "COD-2"),   // a length that is not the shortest
        ("83808161", "COD-3"),     // a text for an address
        ("8380804100f6", "COD-5"), // an item that the array does not count
    ] {
        let message = hex(message);
        let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
        bytes.extend(&message);
        let mut tcp = open();
        //= spec/src/tcp.md#tcp-7
        //= type=test
        //# A node MUST close a connection on which a frame cannot be decoded.
        let error = closed_by(&give(&mut tcp, &bytes));
        assert_eq!((error.blame(), error.requirement()), (Blame::Malformed, requirement), "{message:02x?}: {error}");
        assert!(tcp.is_closed());
    }
}

#[test]
fn a_route_of_millions_of_hops_costs_an_error_and_nothing_else() {
    // The head announces four million addresses; a few are there.
    let mut message = hex("839a00400000");
    message.extend(hex("82004161").repeat(16_000));
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend(message);
    let mut tcp = open();
    //= spec/src/tcp.md#tcp-8
    //= type=test
    //# A node MUST drop a frame with a route beyond a limit of RTE-2, RTE-3 or RTE-4, and keep the connection.
    let outputs = give(&mut tcp, &bytes);
    assert!(matches!(outputs[..], [Output::Dropped(error)] if error.requirement() == "RTE-3"), "{outputs:?}");
    assert!(matches!(give(&mut tcp, &hex(FRAME))[..], [Output::Deliver(_)]));
}

#[test]
fn up_to_four_unknown_items_are_skipped_and_a_fifth_is_not() {
    //= spec/src/extensions.md#ext-1
    //= type=test
    //# A receiver MUST skip up to 4 well-formed unknown items at the end of a transport message or a handshake payload, and refuse more.
    for unknown in 0..=5usize {
        let mut message = vec![0x84 + unknown as u8];
        message.extend(hex("818200446563686f81820043617070420102627b7d"));
        message.extend([0xf6].repeat(unknown));
        let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
        bytes.extend(message);
        let outputs = give(&mut open(), &bytes);
        if unknown <= 4 {
            let mut expected = echo();
            expected.set_tracing(Some("{}"));
            assert_eq!(outputs, [Output::Deliver(expected)]);
        } else {
            assert_eq!(closed_by(&outputs).requirement(), "EXT-1");
        }
    }
}

#[test]
fn a_later_version_may_leave_the_tracing_text_out() {
    //= spec/src/tcp.md#tcp-15
    //= type=test
    //# A receiver MUST take a fourth item that is `null` for the absence of a tracing text.
    for (items, rest) in [(0x84, "f6"), (0x85, "f607")] {
        let mut message = vec![items];
        message.extend(hex("818200446563686f81820043617070420102"));
        message.extend(hex(rest));
        let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
        bytes.extend(message);
        assert_eq!(give(&mut open(), &bytes), [Output::Deliver(echo())]);
    }
}

//= spec/src/tcp.md#tcp-7
//= type=test
//# A node MUST close a connection on which a frame cannot be decoded.
//= spec/src/tcp.md#tcp-8
//= type=test
//# A node MUST drop a frame with a route beyond a limit of RTE-2, RTE-3 or RTE-4, and keep the connection.
#[test]
fn only_a_limit_of_routes_is_forgiven() {
    let limits = crate::routing::Limits { hops: 2, address: 4, route: 12 };
    let address = |len: usize| [&[0x82, 0x00, 0x40 + len as u8][..], &vec![b'a'; len]].concat();
    let route = |addresses: &[Vec<u8>]| [&[0x80 + addresses.len() as u8][..], &addresses.concat()].concat();
    let (short, long) = (route(&[address(1)]), route(&[address(5)]));
    let many = route(&[address(1), address(1), address(1)]);
    let wide = route(&[address(4), address(4)]);
    // Around the one route or the other, with an unknown item that nests so deep.
    let frame = |onward: &[u8], back: &[u8], depth: usize| {
        let message = [&[0x85], onward, back, &[0x40, 0x60], &vec![0x81; depth - 1], &[0x07][..]].concat();
        [&(message.len() as u32).to_be_bytes()[..], &message].concat()
    };
    for (beyond, requirement) in [(long, "RTE-2"), (many, "RTE-3"), (wide, "RTE-4")] {
        for bytes in [frame(&beyond, &short, 1), frame(&short, &beyond, 1)] {
            let mut tcp = open_with(Config { limits, ..Config::default() });
            let outputs = give(&mut tcp, &bytes);
            assert!(matches!(outputs[..], [Output::Dropped(error)] if error.requirement() == requirement));
            assert!(matches!(give(&mut tcp, &frame(&short, &short, 1))[..], [Output::Deliver(_)]));
        }
    }
    for depth in 1..=8 {
        assert!(matches!(give(&mut open(), &frame(&short, &short, depth))[..], [Output::Deliver(_)]), "{depth}");
    }
    let mut tcp = open();
    assert_eq!(closed_by(&give(&mut tcp, &frame(&short, &short, 9))).requirement(), "COD-8");
    assert!(tcp.is_closed());
}

#[test]
fn a_message_of_the_largest_size_is_sent_and_one_byte_more_is_not() {
    // Array head, two empty-ish routes, payload head: 1 + 8 + 1 + 5 bytes around the payload.
    let around = 15;
    let of = |len: usize| Message::new(Route::new().then("echo").as_ref(), Route::new().as_ref(), &vec![0; len]);
    let largest = Config::CEILING.frame as usize - around;
    let mut tcp = open();
    with(0, |env| tcp.handle(env, Input::Send(of(largest)))).unwrap();
    let [Output::Transmit(frame)] = &drain(&mut tcp)[..] else { panic!() };
    assert_eq!(frame.payload().len(), Config::CEILING.frame as usize + 4);
    //= spec/src/tcp.md#tcp-9
    //= type=test
    //# A node MUST NOT send a transport message that is larger than their ceiling.
    let refused = with(0, |env| tcp.handle(env, Input::Send(of(largest + 1)))).unwrap_err();
    assert_eq!(refused.into_error("").requirement(), "TCP-9");
    assert_eq!(drain(&mut tcp), []);
}

#[test]
fn a_route_beyond_the_ceiling_is_not_sent() {
    let route: Route = (0..256).map(|_| crate::routing::Address::local("a")).collect();
    let message = Message::new(route.as_ref(), Route::new().as_ref(), &[]);
    let mut tcp = open();
    //= spec/src/tcp.md#tcp-12
    //= type=test
    //# A node MUST NOT send a route that exceeds the ceilings of routes.
    let refused = with(0, |env| tcp.handle(env, Input::Send(message))).unwrap_err();
    assert_eq!(refused.into_error("").requirement(), "TCP-12");
}

#[test]
fn an_opening_byte_that_does_not_come_closes_the_connection() {
    let mut tcp = Tcp::new(Config::default(), Instant::ZERO);
    drain(&mut tcp);
    with(4_999, |env| tcp.handle_timeout(env));
    assert_eq!(drain(&mut tcp), []);
    with(5_000, |env| tcp.handle_timeout(env));
    //= spec/src/tcp.md#tcp-10
    //= type=test
    //# A node MUST close a connection whose opening byte has not arrived within the opening time.
    assert_eq!(closed_by(&drain(&mut tcp)).requirement(), "TCP-10");
}

#[test]
fn a_frame_that_is_never_completed_closes_the_connection() {
    let mut tcp = open();
    give(&mut tcp, &hex(FRAME)[..5]);
    assert_eq!(tcp.deadline().map(|d| d.reason), Some("frame"));
    with(59_999, |env| tcp.handle_timeout(env));
    assert_eq!(drain(&mut tcp), []);
    with(60_000, |env| tcp.handle_timeout(env));
    //= spec/src/tcp.md#tcp-11
    //= type=test
    //# A node MUST close a connection on which a frame is not complete within the frame time.
    assert_eq!(closed_by(&drain(&mut tcp)).requirement(), "TCP-11");
}

//= spec/src/tcp.md#tcp-11
//= type=test
//# A node MUST close a connection on which a frame is not complete within the frame time.
#[test]
fn a_peer_that_sends_a_byte_now_and_then_gains_no_time() {
    let mut tcp = open();
    let late = |tcp: &mut Tcp, second: u64| {
        with(second * 1_000, |env| tcp.handle(env, Input::Received(vec![0x83]))).unwrap();
        assert_eq!(drain(tcp), []);
        tcp.deadline().unwrap().at
    };
    with(0, |env| tcp.handle(env, Input::Received(vec![0, 0, 1, 0]))).unwrap();
    assert_eq!(drain(&mut tcp), []);
    for second in [1, 20, 59] {
        assert_eq!(late(&mut tcp, second), Instant::from_millis(60_000));
    }
    with(60_000, |env| tcp.handle_timeout(env));
    assert_eq!(closed_by(&drain(&mut tcp)).requirement(), "TCP-11");
}

#[test]
fn nothing_is_read_after_closing() {
    let mut tcp = open();
    closed_by(&give(&mut tcp, &[0; 4]));
    //= spec/src/tcp.md#tcp-13
    //= type=test
    //# A node MUST ignore what arrives on a connection after it has closed it.
    assert_eq!(give(&mut tcp, &hex(FRAME)), []);
    assert!(with(0, |env| tcp.handle(env, Input::Send(echo()))).is_err());
}

#[test]
fn bytes_are_refused_while_earlier_ones_are_not_drained() {
    let mut tcp = open();
    with(0, |env| tcp.handle(env, Input::Received(hex(FRAME)))).unwrap();
    let refused = with(0, |env| tcp.handle(env, Input::Received(hex(TRACED))));
    let Err(Refused::Full(Input::Received(bytes))) = refused else { panic!("{refused:?}") };
    assert_eq!(bytes, hex(TRACED));
    assert_eq!(drain(&mut tcp).len(), 1);
    assert!(with(0, |env| tcp.handle(env, Input::Received(bytes))).is_ok());
}

#[test]
fn more_bytes_at_once_than_the_limit_are_misuse() {
    let mut tcp = open();
    // The length, and most of the frame.
    assert_eq!(give(&mut tcp, &[&[0, 2, 0, 0], &[0; 65_532][..]].concat()), []);
    let refused = with(0, |env| tcp.handle(env, Input::Received(vec![0; 65_537]))).unwrap_err();
    //= spec/src/tcp.md#tcp-14
    //= type=test
    //# A driver MUST NOT hand over more bytes at once than the chunk limit.
    assert_eq!(refused.into_error("").requirement(), "TCP-14");
}
