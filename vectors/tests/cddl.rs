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
