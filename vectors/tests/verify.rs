//! Everything in the crate holds, and nothing is skipped without a reason.

use razor_vectors::{Options, Row, sections};

fn rows(selector: &str) -> Vec<Row> {
    let options = Options { quick: true, ..Options::default() };
    let rows: Vec<Row> =
        sections().iter().filter(|s| s.selected_by(selector)).flat_map(|s| s.run(&options, &mut |_| {})).collect();
    assert!(!rows.is_empty(), "{selector} selects something");
    rows
}

fn holds(selector: &str) -> Vec<Row> {
    let rows = rows(selector);
    for row in &rows {
        println!("{} / {}: {} checked, {:?}", row.source, row.group, row.checked, row.not_yet);
        assert!(row.holds(), "{} / {}: {:#?}", row.source, row.group, row.failed);
    }
    rows
}

#[test]
fn wycheproof_holds() {
    let rows = holds("wycheproof");
    for (group, cases, outside) in [
        ("X25519", 518, 0),
        ("Ed25519", 151, 0),
        ("ECDSA P-256", 262, 0),
        ("AES-GCM", 133, 183),
        ("ChaCha20-Poly1305", 316, 9),
        ("HKDF-SHA-256", 28, 58),
    ] {
        let row = rows.iter().find(|row| row.group == group).expect("a row for each file");
        assert_eq!((row.checked, row.not_yet_count(), row.outside_count()), (cases, 0, outside), "{group}");
    }
}

#[test]
fn every_published_entry_is_checked_or_waits_for_a_named_chapter() {
    let rows = holds("ockam/published");
    for (group, entries) in [("published", 67), ("derived", 13), ("recorded", 6), ("codec examples", 39)] {
        let row = rows.iter().find(|row| row.group == group).expect("a row for each group");
        assert!(row.checked + row.not_yet_count() >= entries, "{group}: {} + {}", row.checked, row.not_yet_count());
    }
}

#[test]
fn the_noise_vectors_hold_message_by_message() {
    let rows = holds("noise");
    // Two suites each; six messages and five, and the handshake of both sides.
    for (group, cases) in [("cacophony", 2 * (6 + 2)), ("snow", 2 * (5 + 2))] {
        let row = rows.iter().find(|row| row.group == group).expect("a row for each file");
        assert_eq!((row.checked, row.not_yet_count(), row.outside_count()), (cases, 0, 0), "{group}");
    }
}

#[test]
fn sessions_with_snow_hold_in_both_roles_and_with_both_suites() {
    let rows = holds("live/snow");
    assert_eq!(rows.len(), 4);
    // Three sessions of three handshake messages, hash, keys and 400 transport messages.
    assert!(rows.iter().all(|row| row.checked == 3 * (3 + 2 + 400)));
}
