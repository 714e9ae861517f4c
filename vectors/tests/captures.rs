//! Recordings: the one in the crate holds, and a corrupted one is noticed.

use razor_vectors::captures::{self, Recording};

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
fn a_file_of_another_kind_is_refused_with_a_sentence() {
    let error = Recording::parse("{\"vectors\": []}").unwrap_err();
    assert!(error.contains("not a recording"), "{error}");
}
