//! Addresses and routes in writing: each address has one text, which is read as that address, and no text of any other kind
//! than the specification's is read at all.

use std::fmt::Write as _;

use razor::routing::{Address, Route, TransportType};

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::{Outcome, demand};

/// Addresses that are written, besides those that together have every byte.
const WRITTEN: usize = 40;

/// Texts that are read.
const READ: usize = 200;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("addresses in writing");
    let every: Vec<u8> = (0..=255).collect();
    let mut names: Vec<Vec<u8>> = every.chunks(1 + random.index(64)).map(<[u8]>::to_vec).collect();
    names.extend((0..WRITTEN).map(|_| name(&mut random)));
    for names in names.chunks(1 + random.index(6)) {
        let kind = [0, 1, random.below(256) as u8][random.index(3)];
        let all: Vec<_> = names.iter().map(|name| (kind, name.clone())).collect();
        for (kind, name) in &all {
            writes(*kind, name)?;
        }
        writes_route(&all)?;
    }
    for _ in 0..READ {
        let text = text(&mut random);
        reads(&text)?;
        reads_route(&text)?;
    }
    Ok(())
}

/// Bytes of which some have a meaning in a text.
fn name(random: &mut Stream) -> Vec<u8> {
    const PARTS: [&[u8]; 12] =
        [b"=>", b" => ", b"#", b"\\", b"\\x41", b">", b"=", b"a", b"0#b", b"\x7f", b"\xe2\x80\xae", b"\n"];
    (0..random.below(6)).flat_map(|_| PARTS[random.index(PARTS.len())]).copied().collect()
}

/// A text of an address, or nearly one.
fn text(random: &mut Stream) -> String {
    const PARTS: [&str; 24] = [
        "#",
        "#",
        "0#",
        "1#",
        "255#",
        "256#",
        "99999999999#",
        "-1#",
        "+1#",
        "x#",
        "\\x41",
        "\\x5C",
        "\\xfF",
        "\\xg0",
        "\\x4",
        "\\",
        "\\X41",
        "\\n",
        "=>",
        " => ",
        ">",
        "host:4000",
        "é",
        "a b",
    ];
    (0..1 + random.below(5)).map(|_| PARTS[random.index(PARTS.len())]).collect()
}

/// The text that an address has.
fn written(kind: u8, name: &[u8]) -> String {
    let mut text = format!("{kind}#");
    for byte in name {
        match byte {
            b'#' | b'>' | b'\\' => _ = write!(text, "\\x{byte:02x}"),
            0x21..=0x7e => text.push(char::from(*byte)),
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
    }
    text
}

/// The address that a text stands for, if any.
fn read(text: &str) -> Option<(u8, Vec<u8>)> {
    let (kind, value) = match text.split('#').collect::<Vec<_>>()[..] {
        [value] => (0, value),
        [kind, value] if !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_digit()) => {
            (u8::try_from(kind.parse::<u64>().ok()?).ok()?, value)
        }
        _ => return None,
    };
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| Some(char::from(byte?).to_digit(16)? as u8);
        bytes.push(match byte {
            b'\\' if rest.next() == Some(b'x') => digit(rest.next())? << 4 | digit(rest.next())?,
            b'\\' => return None,
            _ => byte,
        });
    }
    Some((kind, bytes))
}

/// An address's text, its own and as a stranger's, is the one that it has, and is read as that address.
fn writes(kind: u8, name: &[u8]) -> Outcome {
    let address = Address::new(TransportType(kind), name);
    let right = written(kind, name);
    for text in [address.to_string(), address.as_ref().to_string(), format!("{address:?}")] {
        demand(text == right, Property::Conformance, || format!("the address {right} is written {text:?}"))?;
    }
    let again = right.parse::<Address>();
    demand(again.as_ref().is_ok_and(|again| *again == address), Property::Conformance, || {
        format!("the address {right} is read as {again:?}")
    })
}

/// A route's text says its addresses, one after the other, and is read as that route.
fn writes_route(all: &[(u8, Vec<u8>)]) -> Outcome {
    let route: Route = all.iter().map(|(kind, name)| Address::new(TransportType(*kind), name)).collect();
    let text = route.to_string();
    let addresses: Vec<String> = text.split("=>").map(|text| text.trim().to_owned()).collect();
    let right: Vec<String> = all.iter().map(|(kind, name)| written(*kind, name)).collect();
    demand(addresses == right, Property::Conformance, || format!("a route of {right:?} is written {text:?}"))?;
    let again = text.parse::<Route>();
    demand(again.as_ref().is_ok_and(|again| *again == route), Property::Conformance, || {
        format!("the route {text} is read as {again:?}")
    })
}

/// A text is read as the address that it stands for, or as none.
fn reads(text: &str) -> Outcome {
    let right = read(text).map(|(kind, name)| Address::new(TransportType(kind), &name));
    let got = text.parse::<Address>();
    demand(got.as_ref().ok() == right.as_ref(), Property::Conformance, || {
        format!("the text {text:?} stands for {right:?} and was read as {got:?}")
    })
}

/// So is a text of several.
fn reads_route(text: &str) -> Outcome {
    let address = |text: &str| read(text).map(|(kind, name)| Address::new(TransportType(kind), &name));
    let parts = text.split("=>").map(str::trim);
    let right = parts.map(|part| if part.is_empty() { None } else { address(part) }).collect::<Option<Route>>();
    let got = text.parse::<Route>();
    demand(got.as_ref().ok() == right.as_ref(), Property::Conformance, || {
        format!("the text {text:?} stands for {right:?} and was read as {got:?}")
    })
}
