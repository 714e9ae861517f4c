//! The table in the chapter "Limits" says what the constants say.

use razor::channel::{HandshakeTime, HoldLimits, PaddingLimit, Places};
use razor::identity::{HistoryLimits, PresentationLimits};
use razor::routing::Limits;

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
        ["changes in a history", "encoded history"],
        [HistoryLimits::FLOOR, HistoryLimits::CEILING, HistoryLimits::DEFAULT],
        |l| [l.changes.into(), l.bytes as u64],
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
        ["half-open handshakes of a listener", "half-open handshakes of one source"],
        [Places::FLOOR, Places::CEILING, Places::DEFAULT],
        |l| [l.total as u64, l.per_source as u64],
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
    all
}

#[test]
fn the_chapters_table_has_the_numbers_of_the_code() {
    assert_eq!(table(), code());
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
