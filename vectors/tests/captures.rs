//! Recordings: the one in the crate holds, and a corrupted one is noticed.

use razor_vectors::captures::{self, Recording};
use serde_json::Value;

const RECORDING: &str = include_str!("../production/production-captures.json");

fn failures(json: &str) -> Vec<String> {
    let recording = Recording::parse(json).expect("a recording");
    let rows = captures::check("test", &recording, &mut |_| {});
    rows.iter().flat_map(|row| &row.failed).map(ToString::to_string).collect()
}

#[test]
fn the_recording_in_the_crate_holds() {
    assert_eq!(failures(RECORDING), Vec::<String>::new());
}

#[test]
fn a_flipped_byte_in_a_frame_names_session_frame_and_byte() {
    // The first byte of the payload of the plain echo.
    let broken = RECORDING.replacen("0000004184818200466563686f6572", "0000004184818200466563686f6573", 1);
    assert_ne!(broken, RECORDING);
    let failures = failures(&broken);
    assert!(failures.iter().any(|f| f.starts_with("plain-echo, frame 1: ")), "{failures:?}");
}

#[test]
fn every_recorded_channel_is_replayed_in_both_roles() {
    let recording = Recording::parse(RECORDING).expect("a recording");
    let rows = captures::check("test", &recording, &mut |_| {});
    let row = |group: &str| rows.iter().find(|row| row.group.contains(group)).expect("the row");
    for row in &rows {
        println!("{}: {} checked, {:?}", row.group, row.checked, row.not_yet);
    }
    // Three channels with six messages each: the handshake in Noise, two attestations, each message sent by one role
    // and received by the other, the end of both roles; and twelve claims of each session.
    assert_eq!(row("channels replayed").checked, 3 * (1 + 2 + 2 * 6 + 2 + 12));
    // The plain echo at both ends, the channel at both, the two hops at the initiator's, the relay at the responder's.
    assert_eq!(row("by our node").checked, 2 * (2 + 1) + 2 * (6 + 1) + (6 + 1) + (8 + 1));
    assert_eq!(row("by our node").outside_count(), 2);
    assert_eq!(row("vault operations").checked, 3 * 2 * 16);
}

#[test]
fn a_recording_that_begins_late_ends_early_or_misses_a_message_is_incomplete_and_not_wrong() {
    let whole: Value = serde_json::from_str(RECORDING).expect("JSON");
    let sessions = whole["sessions"].as_object().expect("sessions");
    let mut incomplete = 0;
    for (name, session) in sessions {
        let frames = session["frames"].as_array().expect("frames");
        for at in (0..frames.len()).filter(|at| frames[*at].get("frame_hex").is_some()) {
            let without = [&frames[..at], &frames[at + 1..]].concat();
            for (what, kept) in
                [("without", without), ("until", frames[..at].to_vec()), ("from", frames[at..].to_vec())]
            {
                let mut some = whole.clone();
                some["sessions"][name]["frames"] = kept.into();
                assert_eq!(failures(&some.to_string()), Vec::<String>::new(), "{name} {what} frame {at}");
                incomplete += 1;
            }
        }
    }
    assert!(incomplete > 50);
}

/// A recording in which one hex digit of a field is another.
fn flipped(field: &str, nth: usize, digit: usize) -> String {
    let marker = format!("\"{field}\": \"");
    let at = RECORDING.match_indices(&marker).nth(nth).expect("the field").0 + marker.len() + digit;
    let other = if &RECORDING[at..=at] == "0" { "1" } else { "0" };
    [&RECORDING[..at], other, &RECORDING[at + 1..]].concat()
}

#[test]
fn any_flipped_digit_of_a_session_is_noticed() {
    for field in [
        "frame_hex",
        "payload_hex",
        "static_x25519",
        "ephemeral_x25519",
        "identity_ed25519",
        "initiator_to_responder_key",
        "responder_to_initiator_key",
        "signed_data_hex",
        "attestation_hex",
        "change_history_hex",
        "shared",
        "ciphertext_and_tag",
        "chaining_key",
    ] {
        let count = RECORDING.matches(&format!("\"{field}\": \"")).count();
        for nth in 0..count {
            let failures = failures(&flipped(field, nth, 5));
            assert!(!failures.is_empty(), "{field} {nth}");
        }
    }
}

#[test]
fn a_file_of_another_kind_is_refused_with_a_sentence() {
    let error = Recording::parse("{\"vectors\": []}").unwrap_err();
    assert!(error.contains("not a recording"), "{error}");
}
