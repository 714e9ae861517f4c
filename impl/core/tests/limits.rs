//! The table in the chapter "Limits" says what the constants say.

use razor::channel::{HandshakeTime, HoldLimits, OrphanTime, PaddingLimit, Places};
use razor::identity::{HistoryLimits, MemoryStore, PresentationLimits};
use razor::routing::Limits;
use razor::transport::serial;
use razor::{node, session, transport};

const CHAPTER: &str = include_str!("../../../spec/src/limits.md");

/// A row of the table: its name, then floor, ceiling and default.
type Row = (String, [u64; 3]);

fn table() -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _unit, floor, ceiling, default] = cells.as_slice() else { return None };
        let numbers = [floor, ceiling, default].map(|n| n.parse::<u64>().ok());
        let [Some(floor), Some(ceiling), Some(default)] = numbers else { return None };
        Some(((*name).to_owned(), [floor, ceiling, default]))
    };
    CHAPTER.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

fn code() -> Vec<Row> {
    fn rows<L, const N: usize>(names: [&str; N], limits: [L; 3], numbers: impl Fn(&L) -> [u64; N]) -> Vec<Row> {
        let columns = limits.each_ref().map(numbers);
        names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), columns.map(|column| column[i]))).collect()
    }
    let mut all = rows(
        ["addresses in a route", "value of an address", "encoded addresses of a route"],
        [Limits::FLOOR, Limits::CEILING, Limits::DEFAULT],
        |l| [l.hops.into(), l.address.into(), l.route.into()],
    );
    all.extend(rows(
        ["transport message", "bytes handed over at once", "time for the opening byte", "time for a frame"],
        [transport::Config::FLOOR, transport::Config::CEILING, transport::Config::DEFAULT],
        |l| [l.frame.into(), l.chunk as u64, l.opening_time.as_secs(), l.frame_time.as_secs()],
    ));
    all.extend(rows(
        ["transport message on a serial line"],
        [serial::Config::FLOOR, serial::Config::CEILING, serial::Config::DEFAULT],
        |l| [l.frame.into()],
    ));
    all.extend(rows(
        [
            "connections of a node",
            "messages that wait in a node",
            "memory of messages that wait in a node",
            "messages that wait for a worker",
            "memory of messages that wait for a worker",
            "memory that connections hold together",
            "bytes on their way on a connection",
            "messages handed over and not taken, by inbox",
            "memory of messages handed over and not taken, by inbox",
            "steps of one call",
            "reports of dropped messages in one call",
            "stall time",
            "idle time of a connection",
            "unanswered requests",
        ],
        [node::Config::FLOOR, node::Config::CEILING, node::Config::DEFAULT],
        |l| {
            [
                l.connections as u64,
                l.queue as u64,
                l.queue_bytes as u64,
                l.inbox as u64,
                l.inbox_bytes as u64,
                l.held as u64,
                l.transmit,
                l.hand_over,
                l.hand_over_bytes as u64,
                l.steps as u64,
                l.reports as u64,
                l.stall.as_secs(),
                l.idle.as_secs(),
                l.requests as u64,
            ]
        },
    ));
    all.extend(rows(
        ["changes in a history", "encoded history"],
        [HistoryLimits::FLOOR, HistoryLimits::CEILING, HistoryLimits::DEFAULT],
        |l| [l.changes.into(), l.bytes as u64],
    ));
    all.extend(rows(
        ["memory of strangers' histories"],
        [MemoryStore::FLOOR_LIMIT, MemoryStore::CEILING_LIMIT, MemoryStore::DEFAULT_LIMIT],
        |limit| [*limit as u64],
    ));
    all.extend(rows(
        ["credentials in a presentation", "encoded credential"],
        [PresentationLimits::FLOOR, PresentationLimits::CEILING, PresentationLimits::DEFAULT],
        |l| [l.credentials.into(), l.credential as u64],
    ));
    all.extend(rows(
        ["padding of a channel message"],
        [PaddingLimit::FLOOR, PaddingLimit::CEILING, PaddingLimit::DEFAULT],
        |l| [l.0.into()],
    ));
    all.extend(rows(
        [
            "half-open handshakes of a listener",
            "half-open handshakes of one source",
            "open channels of a listener",
            "open channels of one source",
            "open channels of one peer",
        ],
        [Places::FLOOR, Places::CEILING, Places::DEFAULT],
        |l| [l.half_open, l.half_open_per_source, l.open, l.open_per_source, l.open_per_peer].map(|n| n as u64),
    ));
    all.extend(rows(
        ["messages held in a handshake", "bytes held in a handshake"],
        [HoldLimits::FLOOR, HoldLimits::CEILING, HoldLimits::DEFAULT],
        |l| [l.messages as u64, l.bytes as u64],
    ));
    all.extend(rows(
        ["time for a handshake"],
        [HandshakeTime::FLOOR, HandshakeTime::CEILING, HandshakeTime::DEFAULT],
        |l| [l.0.as_secs()],
    ));
    all.extend(rows(
        ["time of a channel without a way"],
        [OrphanTime::FLOOR, OrphanTime::CEILING, OrphanTime::DEFAULT],
        |l| [l.0.as_secs()],
    ));
    all.extend(rows(
        [
            "time between pings",
            "time for an attempt",
            "base pause after a failed attempt",
            "longest pause after a failed attempt",
        ],
        [session::Config::FLOOR, session::Config::CEILING, session::Config::DEFAULT],
        |l| [l.ping_interval, l.attempt_timeout, l.backoff_base, l.backoff_max].map(|time| time.as_secs()),
    ));
    all
}

#[test]
fn the_chapters_table_has_the_numbers_of_the_code() {
    assert_eq!(table(), code());
}

#[test]
fn every_limit_has_a_requirement_that_says_what_happens_at_it() {
    let said = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, requirement] = cells.as_slice() else { return None };
        requirement.starts_with('[').then(|| (*name).to_owned())
    };
    let said: Vec<String> = CHAPTER.lines().filter(|line| line.starts_with('|')).filter_map(said).collect();
    let limits: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
    assert_eq!(said, limits);
}

//= spec/src/limits.md#lim-1
//= type=test
//# The default of a limit MUST lie between its floor and its ceiling.
#[test]
fn every_default_lies_between_floor_and_ceiling() {
    let rows = table();
    assert!(!rows.is_empty());
    for (name, [floor, ceiling, default]) in rows {
        assert!(floor <= default && default <= ceiling, "{name}");
    }
}
