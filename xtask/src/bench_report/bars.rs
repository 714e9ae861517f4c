//! What is put beside what, and what the design asks of it.

use serde_json::{Value, json};

use super::measures::Measures;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Time,
    Instructions,
    Bytes,
    Allocations,
}

/// A number and what it counts. Less is better, whatever it is.
#[derive(Debug, Clone, Copy)]
struct Cost(f64, Unit);

/// What the design asks.
#[derive(Debug, Clone, Copy)]
enum Bar {
    /// The cost, as a multiple of what is beside it.
    TimesTheCost(f64),
    /// The rate, as a multiple of the rate of what is beside it.
    TimesTheRate(f64),
    /// The cost itself.
    AtMost(f64),
}

/// What stands beside a measurement.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    /// Another measurement of the same run.
    Measured(&'static str, &'static str),
    /// Production, taken as so many times what `snow` needs here for Noise XX.
    Production(f64),
    /// So many per second that production 0.150.0 does on another machine with two cores: for orientation.
    Elsewhere(f64),
    /// The same where it depends on the ciphers: with its own, and with those of AWS-LC if that was measured.
    ElsewhereBy(f64, Option<f64>),
}

/// A line of the report.
struct Line {
    group: &'static str,
    what: &'static str,
    unit: Unit,
    measured: &'static str,
    beside: Beside,
    bar: Option<Bar>,
}

const fn line(group: &'static str, what: &'static str, unit: Unit, measured: &'static str) -> Line {
    Line { group, what, unit, measured, beside: Beside::Nothing, bar: None }
}

impl Line {
    const fn beside(mut self, label: &'static str, name: &'static str) -> Self {
        self.beside = Beside::Measured(label, name);
        self
    }

    const fn against(mut self, beside: Beside) -> Self {
        self.beside = beside;
        self
    }

    const fn bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
        self
    }
}

/// Milliseconds of a handshake with identities, and of `snow`'s Noise XX, where production was measured.
const PRODUCTION: f64 = 2.4;
const SNOW: f64 = 0.55;

const HANDSHAKE: &str = "handshake";
const CHANNEL: &str = "channel";
const TCP: &str = "channel over loopback TCP";
const NODE: &str = "node";
const PRIMITIVES: &str = "primitives";
const SIMULATOR: &str = "simulator, 5 nodes in a line";

use Bar::{AtMost, TimesTheCost, TimesTheRate};
use Unit::{Allocations, Bytes, Instructions, Time};

#[rustfmt::skip]
const LINES: &[Line] = &[
    line(HANDSHAKE, "with identities, both roles", Instructions, "instructions/handshake/razor")
        .beside("its primitives", "instructions/handshake_primitives/primitives").bar(TimesTheCost(1.05)),
    line(HANDSHAKE, "with identities, both roles", Time, "handshake with identities/razor")
        .beside("its primitives", "handshake with identities/primitives"),
    line(HANDSHAKE, "with identities, both roles", Time, "handshake with identities/razor")
        .against(Beside::Production(PRODUCTION / SNOW)).bar(TimesTheRate(2.3)),
    line(HANDSHAKE, "with identities, AWS-LC but for signatures and vaults", Time, "handshake with identities/AWS-LC")
        .beside("the core's own", "handshake with identities/razor"),
    line(HANDSHAKE, "Noise XX alone, both roles", Time, "Noise XX/razor").beside("snow", "Noise XX/snow"),

    line(CHANNEL, "seal + open, 64 B", Time, "seal + open/channel/64")
        .beside("AEAD", "seal + open/AEAD/64").bar(TimesTheRate(0.6)),
    line(CHANNEL, "seal + open, 1 KiB", Time, "seal + open/channel/1024").beside("AEAD", "seal + open/AEAD/1024"),
    line(CHANNEL, "seal + open, 4 KiB", Time, "seal + open/channel/4096").beside("AEAD", "seal + open/AEAD/4096"),
    line(CHANNEL, "seal + open, 16 KiB", Time, "seal + open/channel/16384")
        .beside("AEAD", "seal + open/AEAD/16384").bar(TimesTheRate(0.9)),
    line(CHANNEL, "seal + open, 60 KiB", Time, "seal + open/channel/61440").beside("AEAD", "seal + open/AEAD/61440"),
    line(CHANNEL, "seal + open, 64 B, AWS-LC", Time, "seal + open/AWS-LC/64")
        .beside("the core's own", "seal + open/channel/64"),
    line(CHANNEL, "seal + open, 1 KiB, AWS-LC", Time, "seal + open/AWS-LC/1024")
        .beside("the core's own", "seal + open/channel/1024"),
    line(CHANNEL, "seal + open, 16 KiB, AWS-LC", Time, "seal + open/AWS-LC/16384")
        .beside("the core's own", "seal + open/channel/16384"),
    line(CHANNEL, "seal + open, 60 KiB, AWS-LC", Time, "seal + open/AWS-LC/61440")
        .beside("the core's own", "seal + open/channel/61440"),
    line(CHANNEL, "seal + open, 64 B", Instructions, "instructions/channel/bytes_64")
        .beside("AEAD", "instructions/aead/bytes_64").bar(TimesTheRate(0.6)),
    line(CHANNEL, "seal + open, 1 KiB", Instructions, "instructions/channel/bytes_1024")
        .beside("AEAD", "instructions/aead/bytes_1024"),
    line(CHANNEL, "seal + open, 16 KiB", Instructions, "instructions/channel/bytes_16384")
        .beside("AEAD", "instructions/aead/bytes_16384").bar(TimesTheRate(0.9)),
    line(CHANNEL, "seal + open, 60 KiB", Instructions, "instructions/channel/bytes_61440")
        .beside("AEAD", "instructions/aead/bytes_61440"),
    line(CHANNEL, "seal + open of 32 messages, both ends' new keys", Allocations, "seal + open of 32 messages, allocations"),
    line(CHANNEL, "an idle end of an open channel, raw keys", Bytes, "open channel with raw keys, bytes")
        .bar(AtMost(1024.0)),
    line(CHANNEL, "the same with expanded keys", Bytes, "open channel with expanded keys, bytes"),

    line(TCP, "a message of 64 B", Time, "TCP/channel/64").against(Beside::ElsewhereBy(70e3, None)).bar(TimesTheRate(5.0)),
    line(TCP, "a message of 1 KiB", Time, "TCP/channel/1024").against(Beside::ElsewhereBy(45e3, None)).bar(TimesTheRate(5.0)),
    line(TCP, "a message of 16 KiB", Time, "TCP/channel/16384").against(Beside::ElsewhereBy(15e3, Some(28e3))),
    line(TCP, "a message of 60 KiB", Time, "TCP/channel/61440")
        .against(Beside::ElsewhereBy(4.8e3, Some(9.3e3))).bar(TimesTheRate(1.8)),
    line(TCP, "8 messages of 1 KiB, one on each of 8 channels, two cores", Time, "8 channels of 1 KiB messages/2 core(s)")
        .beside("one core", "8 channels of 1 KiB messages/1 core(s)"),

    line(NODE, "one hop, and handed over", Time, "node/hops/1").against(Beside::Elsewhere(230e3)),
    line(NODE, "each of ten hops", Time, "node/each hop").bar(AtMost(300.0)),
    line(NODE, "no hop: handed over at once", Time, "node/hops/0"),
    line(NODE, "one hop, and handed over", Instructions, "instructions/node/hops_1"),
    line(NODE, "ten hops, and handed over", Instructions, "instructions/node/hops_10"),
    line(NODE, "ten hops", Allocations, "ten hops, allocations").bar(AtMost(0.0)),
    line(NODE, "an idle worker", Bytes, "idle worker, bytes").bar(AtMost(200.0)),

    line(SIMULATOR, "a delivery of 64 B, null vault, nothing checked", Time, "simulator, a delivery/null, unchecked")
        .bar(AtMost(1_000.0)),
    line(SIMULATOR, "a delivery of 64 B, null vault, all checkers", Time, "simulator, a delivery/null, checked")
        .beside("nothing checked", "simulator, a delivery/null, unchecked").bar(TimesTheRate(0.6)),
    line(SIMULATOR, "a delivery of 64 B, AES-256-GCM, nothing checked", Time, "simulator, a delivery/AES-256, unchecked")
        .bar(AtMost(3_333.0)),
    line(SIMULATOR, "a delivery of 64 B, AES-256-GCM, all checkers", Time, "simulator, a delivery/AES-256, checked")
        .beside("nothing checked", "simulator, a delivery/AES-256, unchecked").bar(TimesTheRate(0.6)),
    line(SIMULATOR, "a delivery of 64 B, null vault, nothing checked", Time, "simulator, a delivery/null, unchecked")
        .beside("bare event loop", "simulator, a delivery/bare event loop"),
    line(SIMULATOR, "a delivery of 64 B, null vault, nothing checked", Time, "simulator, a delivery/null, unchecked")
        .beside("turmoil, UDP", "simulator, a delivery/turmoil"),
    line(SIMULATOR, "a world: 10 handshakes, 2 000 messages end to end, all checkers, null vault", Time, "simulator, a world/null")
        .bar(AtMost(1e9 / 75.0)),
    line(SIMULATOR, "the same with AES-256-GCM", Time, "simulator, a world/AES-256").bar(AtMost(1e9 / 20.0)),
    line(SIMULATOR, "an idle node of a world", Bytes, "idle node of a world, bytes").bar(AtMost(10_240.0)),

    line(PRIMITIVES, "Diffie-Hellman", Time, "Diffie-Hellman/razor").beside("library", "Diffie-Hellman/library"),
    line(PRIMITIVES, "key generation", Time, "key generation/razor").beside("library", "key generation/library"),
    line(PRIMITIVES, "signature check, Ed25519", Time, "signature check, Ed25519/razor")
        .beside("library", "signature check, Ed25519/library"),
    line(PRIMITIVES, "signature, Ed25519", Time, "signature, Ed25519/razor"),
    line(PRIMITIVES, "signature check, P-256", Time, "signature check, P-256/razor"),
    line(PRIMITIVES, "signature, P-256", Time, "signature, P-256/razor"),
    line(PRIMITIVES, "HKDF", Time, "HKDF/razor").beside("library", "HKDF/library"),
    line(PRIMITIVES, "hash of 1 KiB", Time, "hash of 1 KiB/razor").beside("library", "hash of 1 KiB/library"),
    line(PRIMITIVES, "AEAD, new key, 64 B", Time, "AEAD, new key, 64 B/razor")
        .beside("library", "AEAD, new key, 64 B/library"),
];

/// A line with its numbers.
pub(super) struct Row {
    line: &'static Line,
    measured: Cost,
    beside: Option<(String, Cost)>,
}

/// All lines that were measured.
pub(super) fn rows(measures: &Measures) -> Vec<Row> {
    // Whoever measures AWS-LC has it under the channels over TCP.
    let aws_lc = measures.get("seal + open/AWS-LC/64").is_some();
    let row = |line: &'static Line| {
        let measured = Cost(measures.get(line.measured)?, line.unit);
        let beside = match line.beside {
            Beside::Nothing => None,
            Beside::Measured(label, name) => measures.get(name).map(|cost| (label.to_owned(), cost)),
            Beside::Production(times) => {
                measures.get("Noise XX/snow").map(|cost| (format!("production, as {times:.1} x snow"), cost * times))
            }
            Beside::Elsewhere(rate) => Some(("production elsewhere".to_owned(), 1e9 / rate)),
            // The same library on both sides, or nothing.
            Beside::ElsewhereBy(_, fast) if aws_lc => {
                fast.map(|rate| ("production elsewhere, AWS-LC".to_owned(), 1e9 / rate))
            }
            Beside::ElsewhereBy(rate, _) => Some(("production elsewhere".to_owned(), 1e9 / rate)),
        };
        Some(Row { line, measured, beside: beside.map(|(label, cost)| (label, Cost(cost, line.unit))) })
    };
    LINES.iter().filter_map(row).collect()
}

impl Row {
    pub(super) fn what(&self) -> String {
        format!("{}: {}", self.line.group, self.line.what)
    }

    pub(super) fn name(&self) -> &'static str {
        self.line.what
    }

    pub(super) fn group(&self) -> &'static str {
        self.line.group
    }

    /// The multiple that the bar is about; that of the cost where there is no bar.
    fn ratio(&self) -> Option<f64> {
        let (_, beside) = self.beside.as_ref()?;
        match self.line.bar {
            Some(TimesTheRate(_)) => Some(beside.0 / self.measured.0),
            _ => Some(self.measured.0 / beside.0),
        }
    }

    /// How much of what the bar allows is used: 1 is the bar itself.
    pub(super) fn used(&self) -> Option<f64> {
        match self.line.bar? {
            TimesTheCost(most) => Some(self.ratio()? / most),
            TimesTheRate(least) => Some(least / self.ratio()?),
            // Nothing may be used where nothing is allowed.
            AtMost(0.0) => Some(if self.measured.0 > 0.0 { f64::INFINITY } else { 0.0 }),
            AtMost(most) => Some(self.measured.0 / most),
        }
    }

    /// Whether the bar holds.
    pub(super) fn holds(&self) -> Option<bool> {
        self.used().map(|used| used <= 1.0)
    }

    /// Whether the numbers are the same in every run.
    pub(super) fn is_steady(&self) -> bool {
        self.line.unit != Time
    }

    /// What, measured, beside, ratio, bar, holds.
    pub(super) fn cells(&self) -> [String; 6] {
        let beside = self.beside.as_ref().map(|(label, cost)| format!("{label}: {}", cost.text()));
        let ratio = self.ratio().map(|ratio| match self.line.bar {
            Some(TimesTheRate(_)) => format!("{ratio:.2} x as fast"),
            _ => format!("{ratio:.2} x"),
        });
        let bar = self.line.bar.filter(|_| self.used().is_some()).map(|bar| match bar {
            TimesTheCost(most) => format!("at most {most} x"),
            TimesTheRate(least) => format!("at least {least} x as fast"),
            AtMost(most) => format!("at most {}", Cost(most, self.line.unit).text()),
        });
        let holds = self.holds().map(|holds| if holds { "yes" } else { "NO" }.to_owned());
        [self.what(), self.measured.text()]
            .into_iter()
            .chain([beside, ratio, bar, holds].map(Option::unwrap_or_default))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_default()
    }

    pub(super) fn json(&self) -> Value {
        let (label, beside) = self.beside.as_ref().map(|(label, cost)| (label.as_str(), cost.0)).unzip();
        let [.., bar, _] = self.cells();
        json!({
            "group": self.line.group,
            "what": self.line.what,
            "unit": self.measured.1.name(),
            "measured": self.measured.0,
            "beside": label,
            "beside measured": beside,
            "ratio": self.ratio(),
            "bar": bar,
            "holds": self.holds(),
        })
    }
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Time => "nanoseconds",
            Instructions => "instructions",
            Bytes => "bytes",
            Allocations => "allocations",
        }
    }
}

impl Cost {
    fn text(self) -> String {
        match self {
            Self(nanos, Time) if nanos < 1e3 => format!("{nanos:.0} ns"),
            Self(nanos, Time) if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
            Self(nanos, Time) => format!("{:.2} ms", nanos / 1e6),
            Self(count, Bytes) => format!("{count:.0} B"),
            Self(count, unit) => format!("{} {}", grouped(count), unit.name()),
        }
    }
}

/// A whole number, its digits in threes.
fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Bytes per second, by size.
pub(super) type Rates = Vec<(u32, f64)>;

/// How fast texts go through `seal + open`: through the channel and through the raw AEAD.
pub(super) fn throughput(measures: &Measures) -> Vec<(&'static str, Rates)> {
    const SIZES: [u32; 5] = [64, 1024, 4096, 16384, 61440];
    let of = |who| {
        let time = |size| measures.get(&format!("seal + open/{who}/{size}"));
        (who, SIZES.iter().filter_map(|size| Some((*size, f64::from(*size) / time(size)? * 1e9))).collect())
    };
    ["channel", "AEAD", "AWS-LC"].into_iter().map(of).filter(|(_, rates): &(_, Rates)| !rates.is_empty()).collect()
}
