//! `razor sim` as its users meet it: plans, swarms, shards, captures.

mod common;

use std::path::{Path, PathBuf};

use common::{razor, stderr, stdout};
use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository")
}

/// An empty folder that is this test's alone.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sim-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A file in a folder that is this test's alone.
fn file(name: &str, text: &str) -> String {
    let path = folder(name).join("plan.toml");
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

/// A world of two nodes that cannot keep a promise: after its faults it has no time to.
const HOPELESS: &str = "seed = 5\npreset = \"calm\"\nfaulty = \"0s\"\nhealed = \"1ms\"\n[[link]]\nbetween = [\"a\", \"b\"]\n\
                        [[channel]]\nfrom = \"a\"\nto = \"b\"\n";

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn every_plan_of_the_repository_runs_and_holds() {
    let mut plans = 0;
    for file in std::fs::read_dir(repository().join("sim/plans")).expect("plans") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let output = razor(&["sim", "run", path.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(0), "{}: {}{}", path.display(), stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("reached    a channel opened"), "{}: {}", path.display(), stdout(&output));
        plans += 1;
    }
    assert!(plans >= 4);
}

#[test]
fn a_world_in_which_a_property_does_not_hold_is_exit_code_1() {
    let plan = file("hopeless", HOPELESS);
    for command in ["run", "replay"] {
        let output = razor(&["sim", command, &plan]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stdout(&output).contains("violated  liveness"), "{}", stdout(&output));
    }
}

#[test]
fn a_file_that_is_no_plan_is_exit_code_2_and_says_where() {
    let link = "[[link]]\nbetween = [\"a\", \"b\"]\n";
    for (text, words) in [
        ("seed = 1\ncolour = 3\n", &["plan.toml", "line 2", "colour"][..]),
        ("[[link]]\nbetween = [\"a\"", &["plan.toml", "line 2"]),
        (&format!("{link}loss = \"200%\"\n"), &["line 3", "200%"]),
        (&format!("{link}[[channel]]\nfrom = \"a\"\nto = \"c\"\n"), &["plan.toml", "\"c\""]),
    ] {
        let output = razor(&["sim", "run", &file("no-plan", text)]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(words.iter().all(|word| stderr(&output).contains(word)), "{text}: {}", stderr(&output));
    }
    for arguments in
        [&["replay", "nonsense"][..], &["swarm", "--seeds", "5", "--shard", "6/5"], &["swarm", "--seeds", "0"]]
    {
        assert_eq!(razor(&[&["sim"], arguments].concat()).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_plan_of_a_seed_is_a_file_of_the_same_world() {
    let digest = |arguments: &[&str]| {
        let output = razor(&[&["sim", "replay"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).lines().find_map(|line| line.strip_prefix("digest ").map(str::to_owned)).expect("a digest")
    };
    for arguments in [&["6"][..], &["6", "--preset", "lossy"], &["6", "--shape", "star", "--nodes", "5"]] {
        let drawn = stdout(&razor(&[&["sim", "plan"], arguments].concat()));
        assert_eq!(digest(&[&file("drawn", &drawn)]), digest(arguments), "{arguments:?}");
    }
    assert_ne!(digest(&["6"]), digest(&["13"]));
}

#[test]
fn a_replay_prints_as_many_events_as_it_is_asked_for_and_is_the_same_twice() {
    let lines = |events: &str| {
        let output = razor(&["sim", "replay", "7", "--events", events, "--twice"]);
        assert_eq!(output.status.code(), Some(0));
        let text = stdout(&output);
        assert!(text.contains("both runs are the same, byte for byte"), "{text}");
        text.lines().filter(|line| line.contains("  node ")).count()
    };
    assert_eq!((lines("0"), lines("25")), (0, 25));
    assert!(lines("all") > 500);
}

#[test]
fn a_world_that_takes_too_long_ends_the_swarm_and_is_named() {
    let large = ["--shape", "star", "--nodes", "1000", "--first", "17", "--patience", "1"];
    let output = razor(&[&["sim", "swarm", "--seeds", "1"], &large[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("the world of seed 17 is not over after 1 s"), "{}", stderr(&output));
}

#[test]
fn shards_merged_are_the_whole_and_as_json_has_its_schema() {
    let folder = folder("shards");
    let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let swarm = |flags: &[&str]| {
        let output = razor(&[&["sim", "swarm", "--seeds", "7", "--first", "40"], flags].concat());
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        assert_eq!(stderr(&output), "", "no progress bar where there is no terminal");
        output
    };
    swarm(&["--jobs", "1", "--json", &path("whole")]);
    for shard in ["1", "2", "3"] {
        swarm(&["--jobs", "2", "--shard", &format!("{shard}/3"), "--json", &path(shard)]);
    }
    let merged = razor(&["sim", "merge", &path("3"), &path("1"), &path("2"), "--json", &path("merged")]);
    assert_eq!(merged.status.code(), Some(0), "{}", stderr(&merged));
    let (mut whole, mut merged) = (json(&folder.join("whole")), json(&folder.join("merged")));
    let schema: Value = serde_json::from_str(include_str!("../../../sim/results.schema.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    for results in [&mut whole, &mut merged] {
        let errors: Vec<_> = schema.iter_errors(results).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        results["outcome"]["seconds"] = Value::Null;
    }
    assert_eq!((&whole["outcome"], &whole["swarm"]), (&merged["outcome"], &merged["swarm"]));

    let some = razor(&["sim", "merge", &path("1"), &path("3")]);
    assert_eq!(some.status.code(), Some(1));
    assert!(stderr(&some).contains("shards 2 of 3 are missing"), "{}", stderr(&some));
    let twice = razor(&["sim", "merge", &path("1"), &path("1")]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(stderr(&twice).contains("shard 1/3 is there twice"), "{}", stderr(&twice));
    let other = razor(&["sim", "merge", &path("1"), &path("whole")]);
    assert!(stderr(&other).contains("into 1"), "{}", stderr(&other));
}

#[test]
fn what_does_not_hold_is_grouped_by_property_with_the_command_that_shows_it() {
    let plan = file("swarm hopeless", HOPELESS);
    let path = folder("failures").join("results");
    let output = razor(&["sim", "swarm", "--seeds", "7", "--plan", &plan, "--json", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let report = stdout(&output);
    assert!(report.contains("FAILED liveness: in 7 of 7 worlds"), "{report}");
    assert!(report.contains("and 2 more"), "{report}");
    let command = format!("razor sim replay 3 --plan '{plan}'");
    assert!(report.contains(&command), "{report}");
    assert_eq!(razor(&["sim", "replay", "3", "--plan", &plan]).status.code(), Some(1));
    let failures = &json(&path)["outcome"]["failures"]["liveness"];
    assert_eq!((&failures["worlds"], &failures["first"][6]["seed"]), (&7.into(), &6.into()));
}

#[test]
fn many_worlds_that_never_reach_a_situation_fail() {
    let folder = folder("unreached");
    let path = folder.join("results").to_str().expect("text").to_owned();
    assert_eq!(razor(&["sim", "swarm", "--seeds", "7", "--json", &path]).status.code(), Some(0), "a few need not");
    let mut results = json(Path::new(&path));
    (results["swarm"]["seeds"], results["outcome"]["worlds"]) = (2_000.into(), 2_000.into());
    std::fs::write(&path, results.to_string()).expect("written");
    let strict = razor(&["sim", "merge", &path]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(stdout(&strict).contains("NEVER reached"), "{}", stdout(&strict));
    assert_eq!(razor(&["sim", "merge", &path, "--allow-unreached"]).status.code(), Some(0));
}

#[test]
fn a_capture_is_a_pcap_file_with_nanoseconds() {
    let path = folder("pcap").join("world.pcap");
    let output = razor(&["sim", "pcap", "1", "-o", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let bytes = std::fs::read(path).expect("a file");
    assert_eq!(bytes[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
    assert!(bytes.len() > 10_000);
}

#[test]
fn the_messages_of_a_capture_are_listed_and_damage_in_one_is_named() {
    let path = folder("messages").join("world.pcap");
    let file = path.to_str().expect("text");
    assert_eq!(razor(&["sim", "pcap", "1", "-o", file]).status.code(), Some(0));
    let whole = razor(&["decode", "--pcap", file]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    let said = stdout(&whole);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() > 100, "{} messages", lines.len());
    assert!(lines.iter().all(|line| line.contains("  onward ") && line.ends_with(" bytes")), "{said}");
    assert!(lines.iter().any(|line| line.contains("=> 0#api") && line.ends_with("handshake1, 32 bytes")), "{said}");

    // The first array of a transport message becomes one of indefinite length.
    let mut bytes = std::fs::read(&path).expect("a file");
    let at =
        bytes.windows(4).position(|window| matches!(window, [0x83 | 0x84, 0x81..=0x84, 0x82, 0])).expect("a message");
    bytes[at] = 0x9f;
    std::fs::write(&path, bytes).expect("it is written");
    let damaged = razor(&["decode", "--pcap", file]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(stdout(&damaged).contains("[COD-1]"), "{}", stdout(&damaged));

    let other = razor(&["decode", "--pcap", env!("CARGO_BIN_EXE_razor")]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("give a PCAP or PCAPNG file"), "{}", stderr(&other));
}

/// What depends on the machine and the build.
fn is_of_the_moment(line: &str) -> bool {
    line.starts_with("took ") || line.starts_with("build ")
}

#[test]
fn the_guide_shows_what_the_commands_say() {
    let mut pages = 0;
    for file in std::fs::read_dir(repository().join("docs/output/sim")).expect("a folder") {
        let path = file.expect("a file").path();
        let shown = std::fs::read_to_string(&path).expect("text");
        let (command, shown) = shown.split_once('\n').expect("a command");
        let command = command.strip_prefix("$ razor ").expect("a command");
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_razor"))
            .args(command.split(' '))
            .current_dir(repository())
            .output()
            .expect("it runs");
        let said = stdout(&ran);
        let lasting = |text: &str| text.lines().filter(|line| !is_of_the_moment(line)).collect::<Vec<_>>().join("\n");
        assert_eq!(lasting(&said), lasting(shown), "{} is stale: `cargo xtask examples` writes it", path.display());
        pages += 1;
    }
    assert!(pages >= 4);
}
