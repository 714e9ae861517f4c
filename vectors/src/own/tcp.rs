//! Frames of the TCP transport, and what a connection makes of its peer's bytes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine;
use razor::routing::{Address, Limits, Message, Route};
use razor::transport::{self, Tcp};
use razor::wire::cbor::{Encoder, SKIP_DEPTH};

use super::forge::cbor;
use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "tcp",
        name: "frame",
        committed: include_str!("../../tcp/frame.json"),
        generate: || generate("frame", "Messages as frames.", frames(), write),
        check: |kind, text, progress| check(kind, text, progress, write),
    },
    Kind {
        layer: "tcp",
        name: "connection",
        committed: include_str!("../../tcp/connection.json"),
        generate: || generate("connection", "What a connection makes of its peer's bytes.", connections(), read),
        check: |kind, text, progress| check(kind, text, progress, read),
    },
];

/// A message to be sent.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    /// Addresses in their text form; no text is the empty route.
    onward: Vec<String>,
    #[serde(rename = "return")]
    back: Vec<String>,
    payload: Hex,
    tracing: Option<String>,
}

fn route(addresses: &[String]) -> Route {
    addresses.iter().map(|text| text.parse::<Address>().expect("an address")).collect()
}

fn open(frame: u32) -> Tcp {
    let mut tcp = Tcp::new(transport::Config { frame, ..transport::Config::default() }, Instant::ZERO);
    assert_eq!(tcp.poll_output(), Some(transport::Output::Open([1])));
    tcp
}

fn write(input: &Sent) -> Outcome {
    let mut message = Message::new(route(&input.onward).as_ref(), route(&input.back).as_ref(), &input.payload);
    message.set_tracing(input.tracing.as_deref());
    let mut tcp = open(transport::Config::CEILING.frame);
    let mut entropy = Seeded::from_u64(0);
    let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut entropy);
    tcp.handle(&mut env, transport::Input::Send(message)).map_err(|refused| refused.into_error("TCP-9"))?;
    match tcp.poll_output() {
        Some(transport::Output::Transmit(frame)) => Ok(json!({ "frame": Hex::from(frame.payload()) })),
        other => panic!("a message is sent as {other:?}"),
    }
}

fn frames() -> Vec<Meant<Sent>> {
    let sent = |onward: &[&str], back: &[&str], payload: &[u8], tracing: Option<&str>| Sent {
        onward: onward.iter().map(ToString::to_string).collect(),
        back: back.iter().map(ToString::to_string).collect(),
        payload: payload.into(),
        tracing: tracing.map(str::to_owned),
    };
    let hops = |count: u16| vec!["0#a"; usize::from(count)];
    let most = Limits::CEILING.hops;
    vec![
        good("to an echoer", sent(&["0#echo"], &["0#app"], b"hello", None)),
        good("with a tracing text", sent(&["0#echo"], &["0#app"], b"hello", Some("{}"))),
        good("without a return route", sent(&["0#echo"], &[], b"", None)),
        good("with a payload of 23 bytes", sent(&["0#echo"], &[], &[7; 23], None)),
        good("with a payload of 24 bytes", sent(&["0#echo"], &[], &[7; 24], None)),
        good("with a payload of 256 bytes", sent(&["0#echo"], &[], &[7; 256], None)),
        good("to a TCP address", sent(&["1#127.0.0.1:4000", "0#echo"], &["0#app"], b"x", None)),
        good("over as many hops as anyone may send", sent(&hops(most), &["0#app"], b"x", None)),
        bad("over one hop more", "TCP-12", sent(&hops(most + 1), &["0#app"], b"x", None)),
        bad("back over one hop more", "TCP-12", sent(&["0#echo"], &hops(most + 1), b"x", None)),
    ]
}

/// What a peer sends.
#[derive(Debug, Serialize, Deserialize)]
struct Received {
    /// The configured limit of frames, in bytes.
    frame_limit: u32,
    /// Everything, from the opening byte on.
    bytes: Hex,
}

/// The bytes in pieces of this length.
fn read_in(input: &Received, piece: usize) -> Outcome {
    let mut tcp = open(input.frame_limit);
    let mut entropy = Seeded::from_u64(0);
    let mut outputs: Vec<Value> = Vec::new();
    for bytes in input.bytes.chunks(piece) {
        let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut entropy);
        tcp.handle(&mut env, transport::Input::Received(bytes.to_vec())).map_err(|r| r.into_error("TCP-14"))?;
        while let Some(output) = tcp.poll_output() {
            match output {
                transport::Output::Deliver(message) => outputs.push(shown(&message)),
                transport::Output::Dropped(error) => outputs.push(json!({ "dropped": error.requirement() })),
                transport::Output::Close(error) => return Err(error),
                other => panic!("a reader gives {other:?}"),
            }
        }
    }
    Ok(json!({ "outputs": outputs, "heartbeats": tcp.heartbeats() }))
}

fn read(input: &Received) -> Outcome {
    let whole = read_in(input, 65_536);
    let bytewise = read_in(input, 1);
    assert_eq!(whole.as_ref().ok(), bytewise.as_ref().ok(), "it matters how the bytes are cut");
    assert_eq!(whole.as_ref().err(), bytewise.as_ref().err(), "it matters how the bytes are cut");
    whole
}

/// A message, readable.
pub(super) fn shown(message: &Message) -> Value {
    let texts =
        |route: razor::routing::RouteRef<'_>| route.iter().map(|address| address.to_string()).collect::<Vec<_>>();
    json!({
        "onward": texts(message.onward()),
        "return": texts(message.return_route()),
        "payload": Hex::from(message.payload()),
        "tracing": message.tracing(),
    })
}

/// A frame of any bytes.
fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn address(e: &mut Encoder<&mut Vec<u8>>, name: &str) {
    e.array(2).unwrap().u8(0).unwrap().bytes(name.as_bytes()).unwrap();
}

/// A transport message of `items` items, those after the fourth unknown.
fn body(hops: usize, items: u64) -> Vec<u8> {
    cbor(|e| {
        e.array(items).unwrap();
        e.array(hops as u64).unwrap();
        (0..hops).for_each(|_| address(e, "a"));
        e.array(0).unwrap().bytes(b"x").unwrap();
        if items > 3 {
            e.str("{}").unwrap();
        }
        (4..items).for_each(|_| {
            e.u8(7).unwrap();
        });
    })
}

/// A transport message with one unknown item of this depth.
fn nested(depth: usize) -> Vec<u8> {
    let mut body = body(1, 5);
    body.pop();
    body.extend(vec![0x81; depth - 1]);
    body.push(7);
    body
}

fn connections() -> Vec<Meant<Received>> {
    const FLOOR: u32 = transport::Config::FLOOR.frame;
    let after = |opening: &[u8], frames: &[Vec<u8>]| Received {
        frame_limit: FLOOR,
        bytes: Hex([opening, &frames.concat()].concat()),
    };
    let of = |frames: &[Vec<u8>]| after(&[1], frames);
    let plain = || framed(&body(1, 3));
    let most = usize::from(Limits::DEFAULT.hops);
    let announced = |length: u32| length.to_be_bytes().to_vec();
    let raw = |hex: &str| framed(&hex::decode(hex).expect("hex"));
    vec![
        good("the opening byte alone", of(&[])),
        bad("another opening byte", "TCP-1", after(&[2], &[plain()])),
        bad("an opening byte of zero", "TCP-1", after(&[0], &[])),
        good("a frame", of(&[plain()])),
        good("three frames", of(&[plain(), framed(&body(2, 4)), plain()])),
        good("half a frame", of(&[plain(), plain()[..7].to_vec()])),
        bad("a frame of no bytes", "TCP-3", of(&[framed(&[])])),
        good("a heartbeat between two frames", of(&[plain(), raw("83808040"), plain()])),
        good("a heartbeat with a payload", of(&[raw("8380804178")])),
        good("an announced frame as long as the limit", of(&[announced(FLOOR)])),
        bad("an announced frame one byte longer", "TCP-4", of(&[announced(FLOOR + 1)])),
        bad("an announced frame of 4 GiB", "TCP-4", of(&[announced(u32::MAX)])),
        good("as many hops as the default limit, then another frame", of(&[framed(&body(most, 3)), plain()])),
        good("one hop more is dropped, then another frame", of(&[framed(&body(most + 1, 3)), plain()])),
        good("four unknown items", of(&[framed(&body(1, 8))])),
        good("null in place of the tracing text", of(&[raw("848182004161804178f6"), plain()])),
        good("null in place of the tracing text, and an unknown item", of(&[raw("858182004161804178f607"), plain()])),
        bad("five unknown items", "EXT-1", of(&[framed(&body(1, 9)), plain()])),
        good("an unknown item, nested as deep as may be", of(&[framed(&nested(SKIP_DEPTH)), plain()])),
        bad("an unknown item, nested one deeper", "COD-8", of(&[framed(&nested(SKIP_DEPTH + 1)), plain()])),
        bad("an array of two items", "COD-3", of(&[raw("828080")])),
        bad("a frame that ends inside its message", "COD-4", of(&[raw("838182004161")])),
        bad("a byte after the message", "COD-5", of(&[raw("8381820041618040ff")])),
        bad("an indefinite array", "COD-1", of(&[raw("9f8182004161804178ff")])),
        bad("a length in a wider form", "COD-2", of(&[raw("838182004161805800")])),
        bad("a map", "COD-3", of(&[raw("a0")])),
        bad("a tracing text that is a number", "COD-3", of(&[raw("848182004161804000")])),
        bad(
            "a tracing text that is not UTF-8",
            "COD-7",
            of(&[raw("8481820041618040 62c328".replace(' ', "").as_str())]),
        ),
        bad("an address with a type above 255", "RTE-1", of(&[raw("8381821901004161804178")])),
    ]
}
