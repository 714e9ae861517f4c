//! The scenarios, as data.

use std::time::Duration;

use razor_tokio::Suite;

use super::end::{Kind, Load, PATIENCE, Papers, Who};
use super::proxy::{Fault, Way};
use super::talk::{Between, Expected, Secrecy, Talk, Then, Trust};

/// Seconds of a year.
const YEAR: i64 = 365 * 86_400;

/// Every scenario, named as a sentence. Each is held twice: Razor initiates, and production does.
pub(super) fn scenarios() -> Vec<(String, Talk)> {
    [plain(), channels(), suites_and_keys(), times(), trust(), nested(), endings(), flaky()].concat()
}

fn talk(sentence: impl Into<String>, talk: Talk) -> (String, Talk) {
    (sentence.into(), talk)
}

const MIDDLES: [(&str, Who); 2] = [("production", Who::Production), ("Razor", Who::Razor)];

fn plain() -> Vec<(String, Talk)> {
    let without = Talk { secrecy: Secrecy::None, ..Talk::plain() };
    let through = |(name, who)| {
        let between = Between::Node(who);
        talk(
            format!("messages without a channel pass a node of {name} in the middle"),
            Talk { between, ..without.clone() },
        )
    };
    let mut list = vec![
        talk("messages without a channel pass one TCP connection", without.clone()),
        talk("messages without a channel pass a hop", Talk { between: Between::Hop, ..without.clone() }),
        talk(
            "messages without a channel have up to 1 MiB",
            Talk { load: Load { sizes: vec![1 << 20, 65_536, 0, 1], ..Talk::plain().load }, ..without.clone() },
        ),
    ];
    list.extend(MIDDLES.map(through));
    list
}

fn channels() -> Vec<(String, Talk)> {
    // From nothing to 1 MiB, some of them around the lengths at which encodings change.
    let edges = [0, 1, 23, 24, 255, 256, 1000, 4096, 65_535, 65_536, 100_000, 1 << 20];
    let sizes: Vec<usize> =
        (0..200).map(|index| if index % 9 == 0 { edges[index / 9 % edges.len()] } else { index }).collect();
    let through = |(name, who)| {
        talk(
            format!("a channel passes a node of {name} in the middle"),
            Talk { between: Between::Node(who), ..Talk::plain() },
        )
    };
    let mut list = vec![
        talk(
            "a channel carries 200 messages each way of 0 bytes to 1 MiB, over six renewals of its keys",
            Talk { load: Load { sizes, window: 1, patience: PATIENCE }, ..Talk::plain() },
        ),
        talk(
            "a channel carries 500 messages each way, 16 of them at a time",
            Talk { load: Load { sizes: vec![300; 500], window: 16, patience: PATIENCE }, ..Talk::plain() },
        ),
        talk("a channel passes a hop", Talk { between: Between::Hop, ..Talk::plain() }),
    ];
    list.extend(MIDDLES.map(through));
    list
}

fn suites_and_keys() -> Vec<(String, Talk)> {
    let p256 = Papers { kind: Kind::P256, ..Papers::PLAIN };
    let of =
        |sentence: &str, razor: Papers, production: Papers| talk(sentence, Talk { razor, production, ..Talk::plain() });
    let rotated = Papers { rotations: 2, ..Papers::PLAIN };
    let purpose = Papers { purpose_keys: 2, ..Papers::PLAIN };
    let aes128 = Talk {
        suite: Suite::Aes128GcmSha256,
        load: Load { sizes: vec![100; 200], ..Talk::plain().load },
        ..Talk::plain()
    };
    vec![
        talk("a channel with AES-128 carries 200 messages each way", aes128),
        of("identities with P-256 keys on both sides", p256, p256),
        of("Razor has an Ed25519 key, production a P-256 key", Papers::PLAIN, p256),
        of("Razor has a P-256 key, production an Ed25519 key", p256, Papers::PLAIN),
        of("identities that were rotated twice", rotated, rotated),
        of(
            "identities with P-256 keys that were rotated twice",
            Papers { rotations: 2, ..p256 },
            Papers { rotations: 2, ..p256 },
        ),
        of("purpose keys that were made anew twice", purpose, purpose),
        talk(
            "the initiator changes its keys and opens a second channel with the same responder",
            Talk { then: Then::NewKeys, ..Talk::plain() },
        ),
    ]
}

/// Production judges by the machine's clock, Razor's is set. The initiator sees the other's papers first, so in one role
/// production judges Razor's and in the other Razor production's.
fn times() -> Vec<(String, Talk)> {
    let of = |sentence: &str, ahead: i64, expected: Expected| talk(sentence, Talk { ahead, expected, ..Talk::plain() });
    vec![
        of("clocks that differ by 50 seconds are no obstacle", 50, Expected::Works),
        of("clocks that differ by 50 seconds the other way are no obstacle", -50, Expected::Works),
        of("a peer whose clock is six years ahead: the attestation is refused", 6 * YEAR, Expected::InitiatorRefuses),
        of("a peer whose clock is six years behind: the attestation is refused", -6 * YEAR, Expected::InitiatorRefuses),
    ]
}

fn trust() -> Vec<(String, Talk)> {
    let of =
        |sentence: &str, trust: Trust, expected: Expected| talk(sentence, Talk { trust, expected, ..Talk::plain() });
    vec![
        of("each trusts the other's identifier alone", Trust::EachOther, Expected::Works),
        of("the initiator trusts another identifier, and refuses", Trust::InitiatorAnother, Expected::InitiatorRefuses),
        of(
            "the responder trusts another identifier, and answers nothing",
            Trust::ResponderAnother,
            Expected::ResponderRefuses,
        ),
    ]
}

fn nested() -> Vec<(String, Talk)> {
    let through = |(name, who)| {
        talk(
            format!("a channel inside of a channel that ends at a node of {name} in the middle"),
            Talk {
                between: Between::Node(who),
                secrecy: Secrecy::Nested,
                load: Load { sizes: vec![200; 80], ..Talk::plain().load },
                ..Talk::plain()
            },
        )
    };
    MIDDLES.map(through).to_vec()
}

fn endings() -> Vec<(String, Talk)> {
    vec![
        talk(
            "the initiator closes the channel, and the responder's end closes too",
            Talk { then: Then::InitiatorCloses, ..Talk::plain() },
        ),
        talk(
            "the responder closes the channel, and the initiator's end closes too",
            Talk { then: Then::ResponderCloses, ..Talk::plain() },
        ),
        talk(
            "the initiator comes by another connection: the responder answers by it",
            Talk { between: Between::Link, then: Then::NewPath, ..Talk::plain() },
        ),
    ]
}

fn flaky() -> Vec<(String, Talk)> {
    let drop = |after, count| Fault::Drop { after, count };
    let faults = [
        ("a link delays every message by 5 ms", Fault::Delay(Duration::from_millis(5))),
        ("a link reverses the order of 8 messages at a time", Fault::Reverse(8)),
        ("a link reverses the order of 32 messages at a time", Fault::Reverse(32)),
        ("a link loses one message, and the channel goes on", drop(10, 1)),
        ("a link loses 31 messages in a row, and the channel goes on", drop(10, 31)),
        ("a link loses 32 messages in a row, and the channel is dead", drop(10, 32)),
        ("a link loses 40 messages in a row, and the channel is dead", drop(10, 40)),
    ];
    let ways = [(Way::There, "to the responder"), (Way::Back, "to the initiator")];
    // The first messages of a channel: nothing was accepted yet, so that the window begins at nonce 0.
    let beginnings = [
        ("a link loses the first 32 messages of a channel, and the channel goes on", drop(0, 32)),
        ("a link loses the first 33 messages of a channel, and the channel is dead", drop(0, 33)),
    ];
    let scenario = |load: Load| {
        move |(sentence, fault): (&str, Fault)| {
            let load = load.clone();
            ways.map(move |(way, words)| {
                let then = Then::Fault(way, fault);
                let talk = Talk { between: Between::Link, load: load.clone(), then, ..Talk::plain() };
                (format!("{sentence}, on its way {words}"), talk)
            })
        }
    };
    let unused = Load { sizes: Vec::new(), ..Talk::plain().load };
    let later = faults.into_iter().flat_map(scenario(Talk::plain().load));
    later.chain(beginnings.into_iter().flat_map(scenario(unused))).collect()
}
