//! The command as its users meet it: the real binary, its answers, its exit codes.

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{razor, stderr, stdout};

/// An empty folder that is this test's alone.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

#[test]
fn decode_explains_a_route() {
    let output = razor(&["decode", "828200416182004162"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("0#a => 0#b"), "{}", stdout(&output));
}

#[test]
fn decode_answers_machines_in_json() {
    let output = razor(&["decode", "--json", "--as", "route", "828200416182004162"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["kind"], &answer["holds"]), (&"route".into(), &true.into()));
    assert_eq!(answer["item"]["items"][0]["value"], "0#a => 0#b");
}

#[test]
fn decode_names_the_requirement_that_is_not_met_and_where() {
    let output = razor(&["decode", "--as", "route", "8282004161820041"]);
    assert!(stdout(&output).contains("COD-4 at byte 7"), "{}", stdout(&output));
}

#[test]
fn decode_says_what_is_signed_in_words() {
    let text = include_str!("../../../vectors/production/production-captures.json");
    let recording: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let attestation = recording["purpose_key_attestations"][0]["attestation_hex"].as_str().expect("hex");
    let output = stdout(&razor(&["decode", attestation]));
    assert!(output.contains("versioned data of an attestation"), "{output}");
}

#[test]
fn decode_refuses_a_close_with_a_field_as_the_core_does() {
    let decoded = |hex: &str| stdout(&razor(&["decode", "--as", "channel-plaintext", hex]));
    assert!(!decoded("8282028040").contains("CHN-40"));
    assert!(decoded("828202814040").contains("CHN-40"));
}

#[test]
fn wrong_use_is_a_sentence_and_exit_code_2() {
    for (arguments, sentence) in [
        (&["decode", "xyz"][..], "the argument is not hexadecimal; give bytes as hex digits"),
        (&["decode", ""], "there are no bytes to explain"),
        (&["decode", "--key", "00", "00"], "--key is not a key: give 32 bytes"),
        (&["verify", "--only", "nothing-like-it"], "there is nothing named `nothing-like-it` to verify; choose"),
        (&["identity", "create", "a/b"], "`a/b` cannot be a name"),
        (&["identity", "verify", "81", "--identifier", "P12"], "--identifier is no identifier"),
        (&["identity", "verify", "no/such/file"], "there is no file no/such/file, and it is not hexadecimal"),
    ] {
        let output = razor(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(sentence), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_missing_file_is_a_sentence_and_exit_code_1() {
    for arguments in [&["decode", "--file", "no/such/file"][..], &["verify", "--captures", "no/such/file"]] {
        let output = razor(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("could not read no/such/file"), "{}", stderr(&output));
    }
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_a_sentence() {
    let path = folder("not-a-recording").join("captures.json");
    std::fs::write(&path, "{}").expect("written");
    let output = razor(&["verify", "--captures", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be replayed"), "{}", stderr(&output));
}

#[test]
fn verify_checks_one_group_and_says_so() {
    let output = razor(&["verify", "--only", "wycheproof/x25519"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("everything that was checked holds"), "{}", stdout(&output));
    assert!(stderr(&output).is_empty(), "no progress bars where there is no terminal");
}

#[test]
fn verify_answers_machines_in_json() {
    let output = razor(&["verify", "--only", "wycheproof/x25519", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["version"], &answer["holds"]), (&1.into(), &true.into()));
    let checked: u64 = answer["rows"].as_array().expect("rows").iter().filter_map(|row| row["checked"].as_u64()).sum();
    assert!(checked > 0);
    assert_eq!(answer["totals"]["checked"], checked);
}

#[test]
fn a_recording_that_does_not_hold_fails_and_says_how_to_repeat_it() {
    let text = include_str!("../../../vectors/production/production-captures.json");
    // Another identifier than the recorded history has.
    let damaged = text.replace("I919bf73c", "I919bf73d");
    assert_ne!(text, damaged);
    let path = folder("damaged recording").join("damaged.json");
    std::fs::write(&path, damaged).expect("written");
    let path = path.to_str().expect("text");
    let output = razor(&["verify", "--only", "damaged.json", "--captures", path]);
    assert_eq!(output.status.code(), Some(1));
    let report = stdout(&output);
    assert!(report.contains("FAILED: damaged.json"), "{report}");
    assert!(report.contains("repeat with: razor verify --only damaged.json/captures"), "{report}");
    assert!(report.contains(&format!("--captures '{path}'")), "a path with a space is quoted: {report}");
    assert!(report.contains("NOT everything holds"), "{report}");
}

#[test]
fn an_identity_is_created_shown_rotated_and_verified() {
    let dir = folder("identities");
    let dir = dir.to_str().expect("text");
    let show = |form: &[&str]| {
        let output = razor(&[&["identity", "show", "alice", "--dir", dir], form].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    assert_eq!(razor(&["identity", "create", "alice", "--dir", dir]).status.code(), Some(0));
    let first = show(&["--export", "hex"]);
    assert_eq!(razor(&["identity", "rotate", "alice", "--p256", "--dir", dir]).status.code(), Some(0));
    let second = show(&["--export", "hex"]);
    let shown: serde_json::Value = serde_json::from_str(&show(&["--json"])).expect("JSON");
    let identifier = shown["identifier"].as_str().expect("an identifier");
    assert_eq!(shown["changes"][1]["key"], "p256");
    assert_eq!(shown["changes"][1]["previous"], shown["changes"][0]["hash"]);
    assert!(show(&[]).contains(identifier));

    let newer = razor(&["identity", "verify", &second, "--identifier", identifier, "--known", &first]);
    assert_eq!(newer.status.code(), Some(0), "{}", stderr(&newer));
    assert!(stdout(&newer).contains("newer than the known history"));
    let json = razor(&["identity", "verify", &second, "--known", &first, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["comparison"], &json["identifier"]), (&"newer".into(), &identifier.into()));
    let equal = razor(&["identity", "verify", &first, "--known", &first]);
    assert!(stdout(&equal).contains("equal to the known history"));
    let older = razor(&["identity", "verify", &first, "--known", &second]);
    assert_eq!(older.status.code(), Some(1));
    assert!(stderr(&older).contains("older than the known one"));
    assert_eq!(razor(&["identity", "create", "bob", "--dir", dir]).status.code(), Some(0));
    let bob = stdout(&razor(&["identity", "show", "bob", "--dir", dir, "--export", "hex"]));
    let conflict = razor(&["identity", "verify", bob.trim(), "--known", &first]);
    assert_eq!(conflict.status.code(), Some(1));
    assert!(stderr(&conflict).contains("in conflict with the known one"));
}

#[test]
fn a_damaged_history_is_not_valid() {
    let text = include_str!("../../../vectors/production/production-captures.json");
    let recording: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let history = recording["identities"]["initiator"]["change_history_hex"].as_str().expect("hex");
    assert_eq!(razor(&["identity", "verify", history]).status.code(), Some(0));
    let attestation = recording["purpose_key_attestations"][0]["attestation_hex"].as_str().expect("hex");
    let attested = razor(&["identity", "verify", history, "--attestation", attestation]);
    assert!(stdout(&attested).contains("for secure channels"), "{}", stderr(&attested));
    let flipped = format!("{}0", &history[..history.len() - 1]);
    assert_ne!(history, flipped);
    let output = razor(&["identity", "verify", &flipped]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("this is not a valid identity") && stderr(&output).contains("IDN-16"));
}

#[test]
fn an_identity_is_not_overwritten_and_a_missing_one_is_explained() {
    let dir = folder("twice");
    let dir = dir.to_str().expect("text");
    let missing = razor(&["identity", "show", "--dir", dir]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("make one with `razor identity create default`"));
    assert_eq!(razor(&["identity", "create", "--dir", dir]).status.code(), Some(0));
    let again = razor(&["identity", "create", "--dir", dir]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("there is an identity `default` already"));
}

#[cfg(unix)]
#[test]
fn secrets_are_kept_in_files_that_only_their_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder("permissions");
    assert_eq!(razor(&["identity", "create", "--dir", dir.to_str().expect("text")]).status.code(), Some(0));
    let mode = |path: PathBuf| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(dir.join("identities")), 0o700);
    assert_eq!(mode(dir.join("identities/default.json")), 0o600);
    assert_eq!(std::fs::read_dir(dir.join("identities")).expect("a folder").count(), 1, "no drafts are left");
    let show = || razor(&["identity", "show", "--dir", dir.to_str().expect("text")]);
    assert_eq!(stderr(&show()), "");
    let file = dir.join("identities/default.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let shown = show();
    assert_eq!(shown.status.code(), Some(0));
    assert!(stderr(&shown).contains("others can read it; `chmod 600 "), "{}", stderr(&shown));
}

#[test]
fn a_reader_that_leaves_early_ends_the_command_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_razor"))
        .args(["sim", "replay", "0", "--preset", "calm", "--events", "all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
}

#[test]
fn the_last_seed_has_worlds_after_it() {
    let last = u64::MAX.to_string();
    let output = razor(&["verify", "--only", "simulation", "--quick", "--seeds", "2", "--seed", &last]);
    assert!(stdout(&output).contains("everything that was checked holds: 14 checked"), "{}", stdout(&output));
    for seeds in ["1", "2"] {
        let output = razor(&["sim", "swarm", "--preset", "calm", "--seeds", seeds, "--first", &last]);
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    }
}

#[test]
fn rotations_at_the_same_time_come_one_after_the_other() {
    let dir = folder("rotations");
    let dir = dir.to_str().expect("a path of text");
    assert!(razor(&["identity", "create", "--dir", dir]).status.success());
    let rotate = || {
        Command::new(env!("CARGO_BIN_EXE_razor"))
            .args(["identity", "rotate", "--dir", dir])
            .stdout(Stdio::null())
            .spawn()
    };
    let children: Vec<_> = (0..8).map(|_| rotate().expect("it runs")).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let shown = stdout(&razor(&["identity", "show", "--dir", dir]));
    assert!(shown.contains('9'), "the first change and eight more: {shown}");
    let export = razor(&["identity", "show", "--dir", dir, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&export)).expect("JSON");
    assert_eq!(value["changes"].as_array().expect("changes").len(), 9);
}
