//! Recordings that nobody has made yet: long, lossy, nested, in both directions. What is right in them holds, and
//! what is tampered with does not.

mod recorder;

use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor_vectors::Row;
use razor_vectors::captures::{self, Recording};
use recorder::{End, Party, Recorded, Recorder};
use serde_json::Value;

/// A recorder of the suite that production has.
type Production = Recorder<Aes256GcmSha256>;

fn parties() -> [Party; 2] {
    [Party::new("initiator", 1), Party::new("responder", 2)]
}

fn rows(recorded: &Recorded) -> Vec<Row> {
    let recording = Recording::parse(&recorded.0.to_string()).expect("a recording");
    captures::check("synthetic", &recording, &mut |_| {})
}

fn failures(recorded: &Recorded) -> Vec<String> {
    rows(recorded).iter().flat_map(|row| &row.failed).map(ToString::to_string).collect()
}

/// The row of the replay and the row of our node, which have to hold.
fn both_hold(recorded: &Recorded) -> [Row; 2] {
    let rows = rows(recorded);
    for row in &rows {
        assert!(row.holds(), "{}: {:#?}", row.group, row.failed);
    }
    ["replayed", "by our node"].map(|group| rows.iter().find(|row| row.group.contains(group)).expect("the row").clone())
}

/// The row of the replay.
fn holds(recorded: &Recorded) -> Row {
    let [replay, _] = both_hold(recorded);
    replay
}

/// What is checked of a channel with `data` messages after the handshake, each taken once: the handshake in Noise,
/// two attestations, two ends, and every message as sent and as received.
const fn of_channel(data: usize) -> usize {
    1 + 2 + 2 + 2 * (3 + data)
}

/// What is checked of each session: three secrets of each party.
const CLAIMS: usize = 6;

fn waiting(row: &Row, reason: &str) -> usize {
    row.not_yet.iter().filter(|waiting| waiting.reason.contains(reason)).map(|waiting| waiting.count).sum()
}

/// Both sides say `count` things.
fn talk(recorder: &mut Recorder<impl Suite>, tunnel: usize, count: u8) {
    for n in 0..count {
        recorder.say(tunnel, End::Initiator, &[n; 20]);
        recorder.say(tunnel, End::Responder, &[n; 70]);
    }
}

fn long() -> Production {
    let mut recorder = Production::new(parties());
    let tunnel = recorder.open(0, None);
    talk(&mut recorder, tunnel, 150);
    recorder
}

#[test]
fn hundreds_of_messages_cross_several_renewals_of_keys() {
    for operations in [false, true] {
        let mut recorder = long();
        recorder.close(0, End::Responder);
        let [row, node] = both_hold(&recorder.finish(operations));
        assert_eq!((row.checked, row.not_yet_count()), (of_channel(301) + CLAIMS, 0));
        // Every frame is sent by a node at one end and received by a node at the other.
        assert_eq!((node.checked, node.not_yet_count(), node.outside_count()), (2 * (304 + 1), 0, 0));
    }
}

/// A session of a suite, recorded whole.
fn of_suite<S: Suite>() -> Recorded {
    let mut recorder = Recorder::<S>::new(parties());
    let tunnel = recorder.open(0, None);
    talk(&mut recorder, tunnel, 40);
    recorder.finish(true)
}

#[test]
fn sessions_of_every_suite_are_replayed() {
    for mut recorded in [of_suite::<Aes128GcmSha256>(), of_suite::<Aes256GcmSha256>(), of_suite::<ChaChaPolyBlake2s>()]
    {
        let [row, node] = both_hold(&recorded);
        assert_eq!((row.checked, node.checked), (of_channel(80) + CLAIMS, 2 * (83 + 1)));
        recorded.session()["protocol_name_ascii"] = "OCKAM_XX_25519_NOBODY_KNOWS_THIS".into();
        assert_eq!(waiting(&holds(&recorded), "a suite that nobody knows"), 1);
    }
}

#[test]
fn lost_late_repeated_and_disordered_messages_are_no_failures() {
    let mut recorder = long();
    let mut order: Vec<usize> = (0..recorder.len()).collect();
    // Messages of one direction are two places apart: the handshake is 0 to 2, then i2r, r2i, ...
    let at = |nonce: usize| 3 + 2 * nonce;
    order.swap(at(30), at(33));
    order.swap(at(61) + 1, at(66) + 1);
    let repeated = [0, 1, 2, at(5), at(40), at(41), at(100) + 1];
    let late = order.remove(at(70));
    order.insert(at(85), late);
    for index in repeated {
        order.push(index);
    }
    order.retain(|index| ![at(10), at(31), at(32), at(95), at(96), at(120) + 1].contains(index));
    let count = order.len();
    recorder.arrange(&order);
    let row = holds(&recorder.finish(true));
    assert_eq!((row.checked, row.not_yet_count()), (of_channel(count - 3) + CLAIMS, 0));
}

#[test]
fn messages_that_overtake_message_3_are_held_by_the_responder() {
    // With the second order the recording shows an answer too early, which no responder can have sent so early.
    for beginning in [[0, 1, 3, 5, 2, 4], [0, 1, 3, 4, 5, 2]] {
        let mut recorder = long();
        let order: Vec<usize> = beginning.into_iter().chain(6..recorder.len()).collect();
        recorder.arrange(&order);
        let row = holds(&recorder.finish(true));
        assert_eq!((row.checked, row.not_yet_count()), (of_channel(300) + CLAIMS, 0));
    }
}

#[test]
fn after_more_than_a_window_of_losses_the_rest_is_still_what_was_sent() {
    let mut recorder = long();
    let lost = |index: &usize| *index >= 3 + 2 * 40 && *index < 3 + 2 * 80 && index % 2 == 1;
    let order: Vec<usize> = (0..recorder.len()).filter(|index| !lost(index)).collect();
    recorder.arrange(&order);
    let row = holds(&recorder.finish(true));
    assert_eq!((row.checked, row.not_yet_count()), (of_channel(260) + CLAIMS, 0));
}

fn tangled(relayed: bool) -> Production {
    let mut recorder = Production::new(parties());
    if relayed {
        recorder = recorder.relayed();
    }
    recorder.plain(End::Initiator, "outlet", &[1; 40]);
    let first = recorder.open(0, None);
    talk(&mut recorder, first, 3);
    recorder.plain(End::Responder, "inlet", b"portal data");
    let second = recorder.open(usize::from(!relayed), None);
    let inner = recorder.open(0, Some(first));
    let innermost = recorder.open(1, Some(inner));
    for _ in 0..4 {
        talk(&mut recorder, inner, 9);
        talk(&mut recorder, innermost, 9);
        talk(&mut recorder, second, 9);
    }
    recorder.close(innermost, End::Initiator);
    recorder.close(inner, End::Responder);
    recorder.close(second, End::Initiator);
    recorder
}

#[test]
fn channels_side_by_side_inside_each_other_and_in_both_directions_are_all_replayed() {
    let recorder = tangled(false);
    let recorded_frames = recorder.len();
    let [row, node] = both_hold(&recorder.finish(true));
    let innermost = 3 + 72 + 1;
    let inner = 3 + 72 + 1 + innermost;
    let data = [6 + inner, 73, 72 + 1 + innermost, 73];
    assert_eq!(row.checked, data.into_iter().map(of_channel).sum::<usize>() + CLAIMS);
    assert_eq!((row.not_yet_count(), waiting(&node, "services")), (0, 2));
    // Where a channel inside is for the listener that the channel outside was for, the end is replayed without a node.
    assert_eq!((node.checked, node.outside_count()), (recorded_frames + 1, 1));
}

#[test]
fn a_session_recorded_on_both_links_of_a_relay_is_replayed_on_both() {
    let [row, node] = both_hold(&tangled(true).finish(true));
    let one = holds(&tangled(false).finish(true));
    assert_eq!(row.checked, 2 * (one.checked - CLAIMS) + CLAIMS);
    assert_eq!((row.not_yet_count(), waiting(&node, "services")), (0, 2));
    assert_eq!((node.checked > 200, node.outside_count()), (true, 3));
}

fn credential() -> Vec<u8> {
    let recording: Value = serde_json::from_str(include_str!("../production/production-captures.json")).expect("JSON");
    hex::decode(recording["credentials"][0]["credential_and_purpose_key_hex"].as_str().expect("hex")).expect("hex")
}

#[test]
fn credentials_wait_and_everything_else_of_their_session_is_checked() {
    let [mut alice, mut bob] = parties();
    alice.shows(&credential());
    bob.shows(&credential());
    bob.shows(&credential());
    let mut recorder = Production::new([alice, bob]);
    let tunnel = recorder.open(0, None);
    talk(&mut recorder, tunnel, 40);
    recorder.refresh(tunnel, End::Initiator);
    recorder.say(tunnel, End::Initiator, b"after");
    let row = holds(&recorder.finish(true));
    assert_eq!(row.checked, of_channel(82) + CLAIMS);
    assert_eq!((waiting(&row, "in handshakes"), waiting(&row, "anew"), row.not_yet_count()), (3, 1, 4));
}

#[test]
fn both_sides_may_close_at_once() {
    let mut recorder = long();
    recorder.close(0, End::Responder);
    let mut other = long();
    other.close(0, End::Initiator);
    let mut recorded = recorder.finish(true);
    let mut other = other.finish(true);
    let close = other.frames().pop().expect("a frame").clone();
    recorded.session()["frames"].as_array_mut().expect("frames").push(close);
    let row = holds(&recorded);
    assert_eq!(row.checked, of_channel(302) + CLAIMS);
}

#[test]
fn what_is_recorded_and_not_known_is_counted() {
    let mut recorded = long().finish(true);
    recorded.session()["frames"].as_array_mut().expect("frames").push(serde_json::json!({ "kind": "datagram" }));
    recorded.session()["datagrams"] = serde_json::json!([1, 2]);
    recorded.0["tickets"] = "none".into();
    let rows = rows(&recorded);
    assert!(rows.iter().all(Row::holds));
    assert_eq!(rows.iter().map(Row::not_yet_count).sum::<usize>(), 3);
}

#[test]
fn a_party_whose_secrets_are_not_recorded_is_not_a_failure_unless_its_answer_is_forged() {
    let mut recorder = long();
    recorder.open(0, None);
    let mut recorded = recorder.finish(true);
    // The second channel's responder is a stranger: the keys that its vault made are not recorded.
    recorded.session()["responder_vault_operations"].as_array_mut().expect("operations").truncate(1);
    let [row, node] = both_hold(&recorded);
    // Message 3 is for an address of which nothing is known.
    assert_eq!((waiting(&row, "whose secrets are not recorded"), waiting(&node, "services")), (2, 1));
    let message_2 = recorded.frames().len() - 2;
    let forged = recorded.tamper(message_2, 150);
    assert!(!failures(&forged).is_empty());
}

#[test]
fn a_handshake_that_was_cut_short_is_checked_as_far_as_it_goes() {
    for kept in [1, 2] {
        let mut recorder = long();
        recorder.open(0, None);
        let all = recorder.len();
        recorder.arrange(&(0..all - 3 + kept).collect::<Vec<_>>());
        let recorded = recorder.finish(true);
        let row = holds(&recorded);
        assert_eq!(row.checked, of_channel(300) + CLAIMS + 1);
        assert_eq!(waiting(&row, "was not recorded"), kept);
        if kept == 2 {
            assert!(!failures(&recorded.tamper(all - 2, 200)).is_empty());
        }
    }
}

#[test]
fn plain_messages_as_short_as_a_key_begin_no_channel() {
    for operations in [false, true] {
        let mut recorder = long();
        recorder.plain(End::Initiator, "somebody-else", &[7; 32]);
        recorder.plain(End::Responder, "somebody", &[8; 200]);
        // Without the handshake.
        recorder.arrange(&(3..recorder.len()).collect::<Vec<_>>());
        let row = holds(&recorder.finish(operations));
        assert_eq!(row.outside_count(), 1);
    }
}

#[test]
fn claims_about_a_channel_that_was_not_recorded_wait_while_another_is_replayed() {
    // The secrets are of the first of two channels. What is left of it: some messages, or nothing.
    for (cut, opened) in [(3, true), (3 + 20, false)] {
        for operations in [false, true] {
            let mut recorder = Production::new(parties());
            let first = recorder.open(0, None);
            talk(&mut recorder, first, 10);
            let second = recorder.open(0, None);
            talk(&mut recorder, second, 10);
            recorder.arrange(&(cut..recorder.len()).collect::<Vec<_>>());
            let mut recorded = recorder.finish(operations);
            recorded.session()["initiator_to_responder_key"] = "77".repeat(32).into();
            if !opened {
                recorded.session()["frames"].as_array_mut().expect("frames").remove(0);
            }
            let row = holds(&recorded);
            // Without the vaults' operations the second channel is that of strangers.
            let replayed = if operations { of_channel(20) } else { 0 };
            assert!(row.checked >= replayed, "{}", row.checked);
            assert!(waiting(&row, "claims about channels") > 0);
        }
    }
}

#[test]
fn a_tangled_recording_cut_anywhere_is_incomplete_and_not_wrong() {
    for relayed in [false, true] {
        let count = tangled(relayed).len();
        // The beginning, where the handshakes are, frame by frame; the rest in steps.
        let places = (1..60).step_by(5).chain((60..count).step_by(97));
        for at in places {
            for (what, kept) in [
                ("from", (at..count).collect::<Vec<_>>()),
                ("until", (0..at).collect()),
                ("without", (0..count).filter(|index| *index != at).collect()),
            ] {
                for operations in [false, true] {
                    let mut recorder = tangled(relayed);
                    recorder.arrange(&kept);
                    let failures = failures(&recorder.finish(operations));
                    assert_eq!(failures, Vec::<String>::new(), "{what} {at} of {count}, relayed: {relayed}");
                }
            }
        }
    }
}

/// The bytes of a frame that its payload takes: what stands around it is not authenticated by anybody.
fn payload_of(frame: &Value) -> std::ops::Range<usize> {
    let bytes = hex::decode(frame["frame_hex"].as_str().expect("hex")).expect("hex");
    let payload = hex::decode(frame["payload_hex"].as_str().expect("hex")).expect("hex");
    let start = bytes.windows(payload.len()).position(|window| window == payload).expect("the payload");
    start..start + payload.len()
}

#[test]
fn a_flipped_bit_in_any_message_of_a_channel_is_noticed_by_cryptography_alone() {
    let mut recorder = Production::new(parties());
    let first = recorder.open(0, None);
    talk(&mut recorder, first, 36);
    let inner = recorder.open(1, Some(first));
    talk(&mut recorder, inner, 3);
    recorder.close(first, End::Initiator);
    let mut recorded = recorder.finish(true);
    holds(&recorded);
    let places: Vec<_> = recorded.frames().iter().map(|frame| payload_of(frame)).collect();
    for (frame, place) in places.into_iter().enumerate() {
        // Every byte of the handshake, and of data some that move from frame to frame.
        let step = if frame < 3 { 7 } else { 41 };
        for byte in place.skip(frame % step).step_by(step) {
            assert!(!failures(&recorded.tamper(frame, byte)).is_empty(), "frame {frame}, byte {byte}");
        }
    }
}

/// Flips a hex digit of every hex text below `value`; calls `check` with each result.
fn flip_digits(all: &Value, path: &str, value: &Value, step: usize, check: &mut dyn FnMut(&str, Value)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                flip_digits(all, &format!("{path}/{name}"), field, step, check);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flip_digits(all, &format!("{path}/{index}"), item, step, check);
            }
        }
        Value::String(text) if text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            for at in (0..text.len()).skip(path.len() % step).step_by(step) {
                let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
                let mut changed = all.clone();
                *changed.pointer_mut(path).expect("the text") = [&text[..at], other, &text[at + 1..]].concat().into();
                check(path, changed);
            }
        }
        _ => {}
    }
}

#[test]
fn a_changed_digit_anywhere_in_a_recording_is_noticed() {
    let mut recorder = Production::new(parties());
    let tunnel = recorder.open(0, None);
    talk(&mut recorder, tunnel, 17);
    let recorded = recorder.finish(true);
    let mut count = 0;
    flip_digits(&recorded.0, "", &recorded.0, 29, &mut |path, changed| {
        count += 1;
        assert!(!failures(&Recorded(changed)).is_empty(), "{path}");
    });
    assert!(count > 100, "{count} digits were changed");
}
