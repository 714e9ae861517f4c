//! Nothing that a recording claims is passed over: it is checked, or it is counted as not checked.

use razor_vectors::Row;
use razor_vectors::captures::{self, Recording};
use serde_json::{Value, json};

const SESSION: &str = "/sessions/channel-one-echo";

fn production() -> Value {
    serde_json::from_str(include_str!("../production/production-captures.json")).expect("JSON")
}

/// The recording of production with another value somewhere.
fn with(path: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut recording = production();
    change(recording.pointer_mut(path).expect("the place"));
    recording
}

fn rows(recording: &Value) -> Vec<Row> {
    let recording = Recording::parse(&recording.to_string()).expect("a recording");
    captures::check("test", &recording, &mut |_| {})
}

fn row(recording: &Value, group: &str) -> Row {
    rows(recording).into_iter().find(|row| row.group.contains(group)).expect("the row")
}

fn failures(recording: &Value) -> Vec<String> {
    rows(recording).iter().flat_map(|row| &row.failed).map(ToString::to_string).collect()
}

fn refused(recording: &Value) -> String {
    Recording::parse(&recording.to_string()).expect_err("no recording")
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().expect("fields").remove(field).expect("the field");
}

fn remove_operations(session: &mut Value) {
    ["initiator", "responder"].iter().for_each(|party| remove(session, &format!("{party}_vault_operations")));
}

/// Drops the handshake, which is two opening bytes and three frames long.
fn begin_late(session: &mut Value) {
    list(&mut session["frames"]).drain(..5);
}

fn flip(text: &mut Value) {
    let old = text.as_str().expect("hex");
    let first = if old.starts_with('0') { "1" } else { "0" };
    *text = [first, &old[1..]].concat().into();
}

#[test]
fn a_recording_in_which_there_is_nothing_to_check_is_refused() {
    for nothing in [
        json!({}),
        json!({ "sessions": {} }),
        json!({ "sessions": { "x": {} } }),
        json!({ "sessions": { "x": { "frames": [], "secrets": {} } }, "identities": {} }),
    ] {
        assert!(refused(&nothing).contains("nothing to check"), "{nothing}");
    }
}

#[test]
fn a_session_without_frames_is_counted() {
    let empty = with("/sessions", |sessions| sessions["empty"] = json!({}));
    let (before, after) = (row(&production(), "replayed"), row(&empty, "replayed"));
    assert_eq!((after.checked, after.outside_count()), (before.checked, before.outside_count() + 1));
}

#[test]
fn a_session_without_secrets_is_replayed_with_those_of_the_vaults_or_counted() {
    let before = row(&production(), "replayed");
    let without = with(SESSION, |session| remove(session, "secrets"));
    let replayed = row(&without, "replayed");
    // Three secrets of each party were claims.
    assert_eq!((replayed.checked, replayed.outside_count()), (before.checked - 6, before.outside_count()));
    let nothing = with(SESSION, |session| {
        remove(session, "secrets");
        remove_operations(session);
    });
    let counted = row(&nothing, "replayed");
    assert_eq!(counted.outside_count(), before.outside_count() + 1);
    assert!(counted.outside.iter().any(|outside| outside.reason.contains("without secrets")), "{counted:?}");
    // The keys open messages; the times of attestations that nobody can read wait.
    assert_eq!((counted.holds(), counted.not_yet_count()), (true, 1));
}

#[test]
fn what_is_said_to_be_signed_is_all_of_what_is_signed() {
    for path in ["/purpose_key_attestations/0/signed_data_hex", "/credentials/0/credential_signed_data_hex"] {
        let whole = production().pointer(path).expect("the field").as_str().expect("hex").to_owned();
        for part in [&whole[..0], &whole[..2], &whole[2..], &whole[..whole.len() - 2]] {
            let cut = with(path, |field| *field = part.into());
            assert!(failures(&cut).iter().any(|f| f.contains("what is signed differs")), "{path}: {part}");
        }
    }
}

#[test]
fn a_key_that_only_stands_somewhere_in_an_attestation_is_not_the_attested_one() {
    let signed = production().pointer("/purpose_key_attestations/0/signed_data_hex").expect("hex").clone();
    for path in ["x25519_public_hex", "x25519_secret_hex"] {
        let other = with(&format!("/purpose_key_attestations/0/{path}"), |key| {
            *key = signed.as_str().expect("hex")[..64].into();
        });
        assert!(!failures(&other).is_empty(), "{path}");
    }
    // Nor is a secret without its public half taken on trust.
    let alone = with("/purpose_key_attestations/0", |attestation| {
        remove(attestation, "x25519_public_hex");
        flip(&mut attestation["x25519_secret_hex"]);
    });
    assert!(!failures(&alone).is_empty());
}

#[test]
fn a_split_has_two_outputs_which_are_the_keys() {
    let path = format!("{SESSION}/final_hkdf_outputs");
    for change in [
        |outputs: &mut Vec<Value>| drop(outputs.pop()),
        |outputs: &mut Vec<Value>| outputs.push(outputs[0].clone()),
        |outputs: &mut Vec<Value>| outputs.swap(0, 1),
    ] {
        let changed = with(&path, |outputs| change(list(outputs)));
        assert!(!failures(&changed).is_empty());
    }
}

#[test]
fn keys_in_the_place_of_each_other_are_wrong_though_they_open_messages() {
    let swapped = with(SESSION, |session| {
        remove_operations(session);
        let (forth, back) = ("initiator_to_responder_key", "responder_to_initiator_key");
        let keys = [session[forth].take(), session[back].take()];
        let [first, second] = keys;
        session[back] = first;
        session[forth] = second;
        list(&mut session["final_hkdf_outputs"]).reverse();
    });
    assert!(failures(&swapped).iter().any(|failure| failure.contains("the key from initiator to responder")));
}

#[test]
fn every_key_and_change_of_an_identity_is_one_of_its_history() {
    for field in ["keys_in_order", "changes"] {
        let path = format!("/identities/rotated_ed25519_to_p256/{field}");
        let shorter = with(&path, |all| drop(list(all).pop()));
        let longer = with(&path, |all| {
            let last = list(all).last().expect("one").clone();
            list(all).push(last);
        });
        for changed in [shorter, longer] {
            assert!(failures(&changed).iter().any(|f| f.contains(&format!(" {}", field.replace("_in_order", "")))));
        }
    }
}

#[test]
fn the_validity_of_identities_is_that_of_one_of_them() {
    let other = with("/attestation_times/valid_until", |time| *time = 4_102_444_801u64.into());
    assert!(failures(&other).iter().any(|f| f.contains("the times of attestations")));
}

#[test]
fn bytes_were_recorded_somewhere_and_an_opening_byte_first_of_all() {
    for frame in [0, 2] {
        for (field, value) in [("dir", json!("sideways")), ("conn", json!("left"))] {
            let lost = with(&format!("{SESSION}/frames/{frame}"), |frame| frame[field] = value);
            assert!(refused(&lost).contains("not a recording in the known format"), "{frame} {field}");
        }
    }
    let again = with(&format!("{SESSION}/frames"), |frames| {
        let opening = list(frames)[0].clone();
        list(frames).push(opening);
    });
    assert!(failures(&again).iter().any(|f| f.contains("before the opening byte")));
    let elsewhere = with(&format!("{SESSION}/frames/0/dir"), |direction| *direction = "r2i".into());
    assert!(failures(&elsewhere).iter().any(|f| f.contains("before the opening byte")));
}

#[test]
fn an_attestation_is_for_the_purpose_that_is_claimed() {
    let path = "/purpose_key_attestations/0/purpose";
    let other = with(path, |purpose| *purpose = "CredentialSigning".into());
    assert!(failures(&other).iter().any(|f| f.contains("it attests a SecureChannelStatic")));
    let unknown = with(path, |purpose| *purpose = "SomethingElse".into());
    let (before, after) = (row(&production(), "attestations"), row(&unknown, "attestations"));
    assert_eq!((after.holds(), after.not_yet_count()), (true, before.not_yet_count() + 1));
}

/// The places of all structures, one of each kind: `identities/*/changes/0` stands for all changes.
fn structures(value: &Value, path: &str, kind: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            if !found.iter().any(|(known, _)| known == kind) {
                found.push((kind.into(), path.into()));
            }
            for (name, field) in fields {
                let is_name = ["/identities", "/sessions"].contains(&kind) || kind.ends_with("/secrets");
                let part = if is_name { "*" } else { name };
                structures(field, &format!("{path}/{name}"), &format!("{kind}/{part}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let which = ["kind", "op"].iter().find_map(|tag| item[*tag].as_str()).unwrap_or("*");
                structures(item, &format!("{path}/{index}"), &format!("{kind}/{which}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn an_unknown_field_is_counted_wherever_it_stands() {
    let not_yet = |recording: &Value| rows(recording).iter().map(Row::not_yet_count).sum::<usize>();
    let before = not_yet(&production());
    let mut all = Vec::new();
    structures(&production(), "", "", &mut all);
    let is_named = |kind: &str| ["/identities", "/sessions"].contains(&kind) || kind.ends_with("/secrets");
    all.retain(|(kind, _)| !is_named(kind));
    for (kind, path) in &all {
        let more = with(path, |structure| structure["unheard_of"] = 1.into());
        assert_eq!(failures(&more), Vec::<String>::new(), "{kind}");
        assert_eq!(not_yet(&more), before + 1, "{kind}");
    }
    assert!(all.len() >= 18, "{all:?}");
}

#[test]
fn what_the_vaults_were_asked_refutes_a_claim_about_a_session_that_begins_late() {
    let late = with(SESSION, begin_late);
    assert_eq!(failures(&late), Vec::<String>::new());
    for claim in [
        "initiator_to_responder_key",
        "responder_to_initiator_key",
        "final_hkdf_outputs/0",
        "secrets/initiator/ephemeral_x25519",
        "secrets/responder/static_x25519",
    ] {
        let mut wrong = late.clone();
        flip(wrong.pointer_mut(&format!("{SESSION}/{claim}")).expect("the claim"));
        assert!(!failures(&wrong).is_empty(), "{claim}");
    }
}

#[test]
fn a_key_that_opens_messages_is_right_though_the_handshake_is_missing() {
    let late = with(SESSION, |session| {
        begin_late(session);
        remove_operations(session);
        remove(session, "final_hkdf_outputs");
    });
    let waiting = row(&late, "replayed").not_yet_count();
    let mut wrong = late.clone();
    flip(wrong.pointer_mut(&format!("{SESSION}/initiator_to_responder_key")).expect("the key"));
    assert_eq!(failures(&wrong), Vec::<String>::new());
    assert_eq!(row(&wrong, "replayed").not_yet_count(), waiting + 1);
}

#[test]
fn the_secrets_of_another_session_are_not_those_of_a_session_recorded_whole() {
    let other = with(SESSION, |session| {
        remove_operations(session);
        ["initiator", "responder"].iter().for_each(|party| flip(&mut session["secrets"][*party]["ephemeral_x25519"]));
    });
    assert!(failures(&other).iter().any(|f| f.contains("no channel of the session is one with the recorded secrets")));
}

#[test]
fn the_secrets_of_one_party_are_enough_for_a_recording_to_be_right() {
    for party in ["initiator", "responder"] {
        let one = with(SESSION, |session| {
            remove_operations(session);
            remove(&mut session["secrets"], party);
        });
        assert_eq!(failures(&one), Vec::<String>::new(), "without the {party}");
        assert!(row(&one, "replayed").not_yet_count() > 0);
    }
}
