//! The CDDL of the specification describes the bytes of the vectors: everything that is accepted fits it, and what is
//! no encoding at all does not.

use std::path::Path;

use razor_vectors::own::kinds;
use serde_json::Value;

/// Which field of which kind is which rule.
const RULES: &[(&str, &str, &str)] = &[
    ("route", "cbor", "route"),
    ("history", "history", "change-history"),
    ("attestation", "attestation", "purpose-key-attestation"),
    ("presentation", "presentation", "presentation"),
    ("channel", "payload_2", "presentation"),
    ("channel", "payload_3", "presentation"),
    ("plaintext", "plaintext", "padded-message"),
];

/// The specification's CDDL, all chapters, with `rule` first: that is what the validator starts from.
fn grammar(rule: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/cddl");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder spec/cddl")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cddl"))
        .collect();
    files.sort();
    let chapters: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).expect("a file")).collect();
    format!("start = {rule}\n{}", chapters.join("\n"))
}

fn fits(rule: &str, bytes: &[u8]) -> Result<(), String> {
    cddl::validate_cbor_from_slice(&grammar(rule), bytes, None).map_err(|e| e.to_string())
}

#[test]
fn what_is_accepted_fits_the_cddl() {
    for (name, field, rule) in RULES {
        let kind = kinds().into_iter().find(|kind| kind.name == *name).expect("a kind");
        let file: Value = serde_json::from_str(kind.committed).expect("JSON");
        for case in file["cases"].as_array().expect("cases").iter().filter(|case| !case["expect"]["ok"].is_null()) {
            let bytes = hex::decode(case["input"][field].as_str().expect("hex")).expect("hex");
            fits(rule, &bytes).unwrap_or_else(|e| panic!("{name}, {}: {e}", case["name"]));
        }
    }
}

#[test]
fn frames_fit_the_cddl_behind_their_length() {
    let kind = kinds().into_iter().find(|kind| kind.name == "frame").expect("a kind");
    let file: Value = serde_json::from_str(kind.committed).expect("JSON");
    let frames =
        file["cases"].as_array().expect("cases").iter().filter_map(|case| case["expect"]["ok"]["frame"].as_str());
    let mut count = 0;
    for frame in frames {
        let bytes = hex::decode(frame).expect("hex");
        fits("transport-message", &bytes[4..]).expect("a transport message");
        count += 1;
    }
    assert!(count > 5);
    let recording: Value = serde_json::from_str(include_str!("../production/production-captures.json")).expect("JSON");
    for session in recording["sessions"].as_object().expect("sessions").values() {
        for frame in
            session["frames"].as_array().expect("frames").iter().filter_map(|frame| frame["frame_hex"].as_str())
        {
            fits("transport-message", &hex::decode(frame).expect("hex")[4..]).expect("a recorded frame");
        }
    }
}

#[test]
fn the_recordings_fit_the_cddl() {
    let recording: Value = serde_json::from_str(include_str!("../production/production-captures.json")).expect("JSON");
    for (name, identity) in recording["identities"].as_object().expect("identities") {
        let bytes = hex::decode(identity["change_history_hex"].as_str().expect("hex")).expect("hex");
        fits("change-history", &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for attestation in recording["purpose_key_attestations"].as_array().expect("attestations") {
        let bytes = hex::decode(attestation["attestation_hex"].as_str().expect("hex")).expect("hex");
        fits("purpose-key-attestation", &bytes).expect("a recorded attestation");
    }
    for credential in recording["credentials"].as_array().expect("credentials") {
        let bytes = hex::decode(credential["credential_and_purpose_key_hex"].as_str().expect("hex")).expect("hex");
        fits("credential-and-purpose-key", &bytes).expect("a recorded credential");
    }
}

#[test]
fn pings_fit_the_cddl_and_what_the_session_refuses_does_not() {
    let encoded = |number: u64| {
        let mut encoder = razor::wire::cbor::Encoder::new(Vec::new());
        encoder.u64(number).expect("a vector");
        encoder.into_writer()
    };
    for number in [0, 23, 24, 0xffff_ffff, 0x0123_4567_89ab_cdef, u64::MAX] {
        fits("ping", &encoded(number)).expect("a ping");
        fits("attempt", &encoded(number)).expect("an attempt");
    }
    for other in ["20", "40", "6130", "8101", "f6", "fb3ff0000000000000"] {
        assert!(fits("ping", &hex::decode(other).expect("hex")).is_err(), "{other} is no ping");
    }
}

/// The words of a CDDL file that are names: no comments, strings, control operators or keys of members.
fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for line in text.lines().map(|line| line.split(';').next().unwrap_or_default()) {
        let mut rest = line;
        while let Some(start) = rest.find(|c: char| c.is_ascii_lowercase()) {
            let operator = rest[..start].ends_with('.');
            let word = &rest[start..];
            let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(word.len());
            let (name, after) = word.split_at(end);
            if !operator && !after.starts_with(':') {
                names.push(name);
            }
            rest = after;
        }
    }
    names
}

#[test]
fn every_name_in_the_cddl_is_defined_once_and_every_rule_is_used_or_stands_for_a_whole_message() {
    const PRELUDE: &[&str] = &["any", "bool", "bytes", "null", "text", "uint"];
    const WHOLE: &[&str] = &[
        "attempt",
        "noise-message-1",
        "noise-message-2",
        "noise-message-3",
        "padded-message",
        "ping",
        "presentation",
        "transport-message",
    ];
    let grammar = grammar("any");
    let defined: Vec<&str> = grammar.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    let all = names(&grammar);
    for name in &all {
        let times = defined.iter().filter(|rule| rule == &name).count();
        assert_eq!(times, usize::from(!PRELUDE.contains(name)), "{name} is defined {times} times");
    }
    for rule in defined.iter().filter(|rule| **rule != "start") {
        let used = all.iter().filter(|name| name == &rule).count() > 1;
        assert_ne!(used, WHOLE.contains(rule), "{rule}");
    }
}

#[test]
fn another_structure_does_not_fit() {
    let kind = kinds().into_iter().find(|kind| kind.name == "history").expect("a kind");
    let file: Value = serde_json::from_str(kind.committed).expect("JSON");
    let history = hex::decode(file["cases"][0]["input"]["history"].as_str().expect("hex")).expect("hex");
    assert!(fits("change-history", &history).is_ok());
    for rule in ["purpose-key-attestation", "presentation", "route", "change"] {
        assert!(fits(rule, &history).is_err(), "a history is no {rule}");
    }
    assert!(fits("change-history", &[0x80]).is_err(), "a history has at least one change");
}
