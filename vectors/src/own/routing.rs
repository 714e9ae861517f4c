//! Addresses and routes: their two forms, and the limits at both edges.

use serde::{Deserialize, Serialize};
use serde_json::json;

use razor::routing::{Address, Limits, Route, TransportType};
use razor::wire::cbor::Encoder;

use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "routing",
        name: "address-text",
        committed: include_str!("../../routing/address-text.json"),
        generate: || generate("address-text", "Addresses in text, and in CBOR.", texts(), address),
        check: |kind, text, progress| check(kind, text, progress, address),
    },
    Kind {
        layer: "routing",
        name: "route",
        committed: include_str!("../../routing/route.json"),
        generate: || generate("route", "Routes in CBOR, under the limits of a level.", routes(), route),
        check: |kind, text, progress| check(kind, text, progress, route),
    },
];

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    text: String,
}

fn address(input: &Text) -> Outcome {
    let address: Address = input.text.parse()?;
    let mut cbor = Vec::new();
    address.as_ref().encode(&mut cbor);
    let borrowed = address.as_ref();
    Ok(json!({
        "transport": borrowed.transport.0,
        "value": Hex::from(borrowed.value),
        "cbor": Hex(cbor),
        "text": address.to_string(),
    }))
}

fn texts() -> Vec<Meant<Text>> {
    let text = |text: &str| Text { text: text.into() };
    vec![
        good("a local name", text("echo")),
        good("a local name with its type", text("0#echo")),
        good("a TCP peer", text("1#127.0.0.1:4000")),
        good("the largest type", text("255#x")),
        good("an empty name", text("0#")),
        good("a name in another script", text("0#\u{00e9}cho")),
        good("a name with spaces, which are written as escapes", text("0# a b ")),
        good("a name with what separates addresses", text("0#a => 1\\x23b")),
        good("a name that ends a line", text("0#a\nb")),
        good("a name that turns the direction of writing", text("0#\u{202e}a\u{2028}")),
        good("escapes of any bytes", text("0#\\x00\\xff\\xC3\\xa9")),
        good("an escaped mark before the first mark is none", text("1\\x23x")),
        bad("half an escape", "RTE-14", text("0#\\x2")),
        bad("an escape without digits", "RTE-14", text("0#\\n")),
        bad("a type above 255", "RTE-6", text("256#x")),
        bad("a type that is no number", "RTE-6", text("tcp#x")),
        bad("a negative type", "RTE-6", text("-1#x")),
        bad("no type before the mark", "RTE-6", text("#x")),
        bad("two marks", "RTE-6", text("0#a#b")),
    ]
}

#[derive(Debug, Serialize, Deserialize)]
struct Encoded {
    limits: Level,
    cbor: Hex,
}

/// Which of the three limits applies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Floor,
    Default,
    Ceiling,
}

impl Level {
    fn limits(self) -> Limits {
        match self {
            Level::Floor => Limits::FLOOR,
            Level::Default => Limits::DEFAULT,
            Level::Ceiling => Limits::CEILING,
        }
    }
}

fn route(input: &Encoded) -> Outcome {
    let route = Route::decode(&input.cbor, &input.limits.limits())?;
    Ok(json!({ "hops": route.len(), "text": route.to_string(), "cbor": Hex(route.encode()) }))
}

fn of(limits: Level, addresses: impl IntoIterator<Item = Address>) -> Encoded {
    Encoded { limits, cbor: Hex(addresses.into_iter().collect::<Route>().encode()) }
}

/// An array head that announces more than what follows it.
fn announcing(count: u64) -> Encoded {
    let mut cbor = Vec::new();
    Encoder::new(&mut cbor).array(count).expect("a vector grows");
    Encoded { limits: Level::Default, cbor: Hex(cbor) }
}

fn routes() -> Vec<Meant<Encoded>> {
    let hex = |hex: &str| Encoded { limits: Level::Default, cbor: Hex(hex::decode(hex).expect("hex")) };
    let named = |len: usize| Address::new(TransportType::LOCAL, &vec![b'a'; len]);
    let mut cases = vec![
        good("the empty route", hex("80")),
        good("one local hop", of(Level::Default, [Address::local("echo")])),
        good("three kinds of hop", of(Level::Default, ["a", "1#h:1", "b"].map(|a| a.parse().expect("an address")))),
        good("an address without a name", hex("81820040")),
        bad("nothing", "COD-4", hex("")),
        bad("a map", "COD-3", hex("a0")),
        bad("an address of one item", "COD-3", hex("818100")),
        bad("an address of three items", "COD-3", hex("818300416140")),
        bad("a type above 255", "RTE-1", hex("818219010041 61".replace(' ', "").as_str())),
        bad("a type in a wider head", "COD-2", hex("818218004161")),
        bad("a text for a name", "COD-3", hex("8182006161")),
        bad("an indefinite array of addresses", "COD-1", hex("9f82004161ff")),
        bad("a byte after the route", "COD-5", hex("8000")),
        bad("a route that ends inside an address", "COD-4", hex("81820042 61".replace(' ', "").as_str())),
        bad("a route that announces 2^64-1 hops", "RTE-3", announcing(u64::MAX)),
        bad("a route that announces a million hops", "RTE-3", announcing(1_000_000)),
    ];
    for level in [Level::Floor, Level::Default, Level::Ceiling] {
        let limits = level.limits();
        let name = format!("{level:?}").to_lowercase();
        let hops = usize::from(limits.hops);
        let address = usize::from(limits.address);
        cases.push(good(&format!("as many hops as the {name}"), of(level, (0..hops).map(|_| named(1)))));
        cases.push(bad(&format!("one hop more than the {name}"), "RTE-3", of(level, (0..=hops).map(|_| named(1)))));
        cases.push(good(&format!("an address as long as the {name}"), of(level, [named(address)])));
        cases.push(bad(&format!("an address one longer than the {name}"), "RTE-2", of(level, [named(address + 1)])));
        let (fits, over) = filled(usize::from(limits.route), address);
        cases.push(good(&format!("a route of as many bytes as the {name}"), of(level, fits)));
        cases.push(bad(&format!("a route one byte longer than the {name}"), "RTE-4", of(level, over)));
    }
    cases
}

/// Two routes of few long addresses: one of exactly `bytes` without its head, one of a byte more.
fn filled(bytes: usize, longest: usize) -> (Vec<Address>, Vec<Address>) {
    let named = |len: usize| Address::new(TransportType::LOCAL, &vec![b'r'; len]);
    let size = |len: usize| named(len).as_ref().encoded_len();
    let one = |bytes: usize| {
        let mut left = bytes;
        let mut route = Vec::new();
        while left > 0 {
            // Leave room for a last address when this one would not end it.
            let len = (0..=longest).rev().find(|len| size(*len) == left || size(*len) + 64 <= left).expect("it fits");
            left -= size(len);
            route.push(named(len));
        }
        route
    };
    (one(bytes), one(bytes + 1))
}
