//! Nodes as their users run them: real processes, real sockets, real signals.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use common::{razor, stderr, stdout};

const SOON: Duration = Duration::from_secs(20);

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", stdout(output), stderr(output)))
}

/// Until something is so.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An empty folder that is this test's alone. Its name is short, as it holds a socket.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("razor-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A node that runs; it is killed when the test is over.
struct Running {
    child: Child,
    dir: PathBuf,
    /// What it said when it started.
    greeting: String,
    stderr: Option<ChildStderr>,
}

impl Running {
    /// Starts a node that listens on a free port, in a folder of its own.
    fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_in(&folder(name), &[&["--listen", "127.0.0.1:0"], arguments].concat())
    }

    fn start_in(dir: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_razor"))
            .args(["node", "start", "--dir", dir.to_str().expect("text")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut greeting = String::new();
        // The last line says what to type next.
        while let Some(Ok(line)) = lines.next() {
            greeting += &line;
            greeting.push('\n');
            if line.contains("razor message send") || line.contains("nobody reaches anything") {
                break;
            }
        }
        let stderr = child.stderr.take();
        Self { child, dir: dir.into(), greeting, stderr }
    }

    /// What follows a word at the beginning of a line of its greeting.
    fn said(&self, word: &str) -> &str {
        let mut lines = self.greeting.lines();
        let found = lines.find_map(|line| line.strip_prefix(word)?.split_whitespace().next());
        found.unwrap_or_else(|| panic!("no {word} in {}", self.greeting))
    }

    fn address(&self) -> &str {
        self.said("listens")
    }

    fn identifier(&self) -> &str {
        self.said("identity")
    }

    fn show(&self, arguments: &[&str]) -> Output {
        razor(&[&["node", "show", "--dir", self.dir.to_str().expect("text")], arguments].concat())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end; gives what it logged.
    fn end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(start.elapsed() < SOON, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut log = String::new();
        self.stderr.take().expect("not taken yet").read_to_string(&mut log).expect("text");
        (status, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn send(arguments: &[&str]) -> Output {
    razor(&[&["message", "send"], arguments].concat())
}

#[test]
fn a_message_goes_to_a_node_and_back() {
    let node = Running::start("plain", &["--echo"]);
    let to = format!("1#{} => echo", node.address());
    assert!(node.greeting.contains(&format!("razor message send hello --to '{to}'")), "{}", node.greeting);
    let output = send(&["good morning", "--to", &to]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "good morning\n"), "{}", stderr(&output));
    let sized = json(&send(&["--size", "60000", "--json", "--to", &to]));
    assert_eq!(sized["answer"]["hex"].as_str().map(str::len), Some(120_000));
    assert!(sized["milliseconds"].as_f64() > Some(0.0));
}

#[test]
fn what_the_greeting_says_to_type_works() {
    let node = Running::start("typed", &["--channels", "--echo"]);
    let typed = node.greeting.lines().last().expect("a line").trim().strip_prefix("razor ").expect("a command");
    let command = format!("{} {typed}", env!("CARGO_BIN_EXE_razor"));
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    assert_eq!(stdout(&output), "hello\n", "{command}: {}", stderr(&output));
    assert!(stderr(&output).contains(node.identifier()), "{}", stderr(&output));
}

#[test]
fn a_channel_is_opened_with_whom_is_trusted_and_with_nobody_else() {
    let node = Running::start("channel", &["--channels", "--echo"]);
    let listener = format!("1#{} => api", node.address());
    let good = send(&["--through", &listener, "--trust", node.identifier(), "--to", "echo", "--json"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert_eq!(json(&good)["channels"][0]["peer"], node.identifier());
    let other = format!("I{}", "00".repeat(32));
    let wrong = send(&["--through", &listener, "--trust", &other, "--to", "echo"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("who answered is not trusted"), "{}", stderr(&wrong));
    // By default, echo is there for channels alone.
    let plain = send(&["--to", &format!("1#{} => echo", node.address()), "--timeout", "0.5"]);
    assert_eq!(plain.status.code(), Some(1));
    assert!(stderr(&plain).contains("no answer from"), "{}", stderr(&plain));
}

#[test]
fn a_channel_has_the_suite_that_both_sides_are_told_and_no_other() {
    for suite in ["aes-128-gcm", "chachapoly-blake2s"] {
        let node = Running::start(&format!("suite-{suite}"), &["--channels", "--echo", "--suite", suite]);
        assert_eq!((node.said("suite"), &json(&node.show(&["--json"]))["suite"]), (suite, &suite.into()));
        let through = format!("1#{} => api", node.address());
        let arguments = ["--through", &through, "--to", "echo", "--timeout", "1"];
        let same = send(&[&arguments[..], &["--suite", suite]].concat());
        assert_eq!(stdout(&same), "hello\n", "{}", stderr(&same));
        let other = send(&arguments);
        assert_eq!((other.status.code(), stdout(&other).as_str()), (Some(1), ""));
        assert!(node.greeting.contains(&format!("--suite {suite} --to echo")), "{}", node.greeting);
    }
}

#[test]
fn each_line_is_a_message_and_one_channel_carries_them_all() {
    let node = Running::start("lines", &["--channels", "--echo"]);
    let through = format!("1#{} => api", node.address());
    let converse = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_razor"))
            .args(["message", "send", "--lines"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    let text = converse(&["--through", &through, "--to", "echo"], b"one\n\nthree \xff\nlast");
    assert_eq!((text.status.code(), stdout(&text).as_str()), (Some(0), "one\n\n0x746872656520ff\nlast\n"));
    assert_eq!(stderr(&text).matches("secure channel along").count(), 1);
    let many = converse(&["--through", &through, "--to", "echo", "--json"], "line\n".repeat(200).as_bytes());
    let said: Vec<serde_json::Value> =
        stdout(&many).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said[0]["channels"][0]["peer"], node.identifier());
    assert_eq!(said.len(), 201);
    assert!(said[1..].iter().all(|it| it["answer"]["text"] == "line"));
    let nobody = converse(&["--to", &format!("1#{} => nobody", node.address()), "--timeout", "0.2"], b"a\nb\n");
    assert_eq!((nobody.status.code(), stdout(&nobody).as_str()), (Some(1), ""));
    assert!(stderr(&nobody).contains("no answer to line 2"), "{}", stderr(&nobody));
}

/// Begins a conversation with the echo worker of a node, through a channel. It lasts until the input is dropped.
fn conversation(node: &Running) -> (Child, ChildStdin) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_razor"))
        .args(["message", "send", "--lines", "--to", "echo", "--through", &format!("1#{} => api", node.address())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let input = child.stdin.take().expect("a pipe");
    (child, input)
}

#[test]
fn a_conversation_ends_when_the_other_side_closes_the_channel() {
    let node = Running::start("goodbye", &["--channels", "--echo"]);
    let (child, mut input) = conversation(&node);
    input.write_all(b"hello\n").expect("it reads");
    eventually("the line is delivered", || json(&node.show(&["--json"]))["delivered"].as_u64() >= Some(2));
    node.signal("TERM");
    // It is not told to stop, and could read on.
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), "hello\n"));
    assert!(stderr(&output).contains("was closed by the other side"), "{}", stderr(&output));
    drop(input);
}

#[test]
fn who_sends_and_is_told_to_stop_closes_the_channel() {
    let node = Running::start("told", &["--channels", "--echo"]);
    let open = || json(&node.show(&["--json"]))["secure_channels"].as_u64();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (mut child, input) = conversation(&node);
        // It has nothing to say, and waits.
        eventually("the channel is open", || open() == Some(1));
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        eventually("the channel is closed", || open() == Some(0));
        drop(input);
    }
}

#[test]
fn who_is_told_to_stop_while_he_ends_closes_the_channel_all_the_same() {
    let node = Running::start("ending", &["--channels", "--echo"]);
    let open = || json(&node.show(&["--json"]))["secure_channels"].as_u64();
    // Whether the signal comes before the end of the input, or after it, or when all is over, is not known.
    for _ in 0..8 {
        let (mut child, input) = conversation(&node);
        eventually("the channel is open", || open() == Some(1));
        drop(input);
        let sent = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert!(matches!(child.wait().expect("it ends").code(), Some(0 | 143)));
        eventually("the channel is closed", || open() == Some(0));
    }
}

#[test]
fn a_message_that_is_too_large_is_a_sentence() {
    let node = Running::start("large", &["--channels", "--echo", "--echo-through", "both"]);
    let at = format!("1#{}", node.address());
    let (plain, through) = (format!("{at} => echo"), format!("{at} => api"));
    for way in [&["--to", &plain][..], &["--through", &through, "--to", "echo"]] {
        for more in [&[][..], &["--count", "1"]] {
            let arguments = [way, more, &["--size", "16777216", "--timeout", "2"]].concat();
            let output = send(&arguments);
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("it is beyond a limit ["), "{arguments:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_program_reads_how_the_node_runs() {
    let dir = folder("json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_razor"))
        .args(["node", "start", "--json", "--listen", "127.0.0.1:0", "--channels", "--echo", "--dir"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says something");
    let facts: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let at = facts["listening"][0].as_str().expect("an address");
    let identifier = facts["identity"]["identifier"].as_str().expect("an identifier");
    let output = send(&["--through", &format!("1#{at} => api"), "--trust", identifier, "--to", "echo"]);
    assert_eq!(stdout(&output), "hello\n", "{}", stderr(&output));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn logs_that_nobody_reads_do_not_stop_the_node() {
    let node = Running::start("unread", &["--echo", "--log-level", "trace"]);
    // Far more than a pipe holds.
    for _ in 0..1000 {
        let mut peer = TcpStream::connect(node.address()).expect("it listens");
        peer.set_read_timeout(Some(SOON)).expect("a socket");
        peer.write_all(&[1, 0, 0, 0, 4, 0x83, 0x80, 0x80, 0x40]).expect("it reads");
        peer.read_exact(&mut [0]).expect("it answers");
    }
    let output = send(&["--to", &format!("1#{} => echo", node.address())]);
    assert_eq!(stdout(&output), "hello\n", "{}", stderr(&output));
    node.signal("TERM");
    assert_eq!(node.end().0.code(), Some(0));
}

#[test]
fn a_node_opens_channels_with_those_it_trusts_alone() {
    let mine = folder("mine");
    let mine = mine.to_str().expect("text");
    let made = razor(&["identity", "create", "me", "--dir", mine, "--json"]);
    let me = json(&made)["identifier"].as_str().expect("an identifier").to_owned();
    let node = Running::start("trusting", &["--channels", "--trust", &me, "--echo"]);
    assert_eq!(json(&node.show(&["--json"]))["trust"], serde_json::json!([me]));
    let through = format!("1#{} => api", node.address());
    let known = send(&["--through", &through, "--to", "echo", "--identity", "me", "--dir", mine]);
    assert_eq!((known.status.code(), stdout(&known).as_str()), (Some(0), "hello\n"), "{}", stderr(&known));
    let stranger = send(&["--through", &through, "--to", "echo", "--timeout", "1"]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(stderr(&stranger).contains("does its node trust your identity"), "{}", stderr(&stranger));
    let absent = send(&["--through", &through, "--to", "echo", "--identity", "nobody", "--dir", mine]);
    assert!(stderr(&absent).contains("make one with `razor identity create nobody`"), "{}", stderr(&absent));
    let _ = std::fs::remove_dir_all(mine);
}

/// An end that echoes in channels, and a middle that leads to it.
fn two_nodes(name: &str, middle: &[&str]) -> (Running, Running) {
    let end = Running::start(&format!("{name}-end"), &["--channels", "--echo"]);
    let connect = format!("end={}", end.address());
    let middle = Running::start(&format!("{name}-mid"), &[&["--connect", &connect], middle].concat());
    eventually("the middle is connected", || json(&middle.show(&["--json"]))["onward"][0]["up"] == true);
    (middle, end)
}

#[test]
fn a_channel_goes_through_a_node_in_the_middle() {
    let (middle, end) = two_nodes("through", &[]);
    let through = format!("1#{} => end => api", middle.address());
    let output = send(&["--through", &through, "--trust", end.identifier(), "--to", "echo"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "hello\n"), "{}", stderr(&output));
}

#[test]
fn a_channel_in_a_channel_ends_at_two_nodes() {
    let (middle, end) = two_nodes("nested", &["--channels", "--hop"]);
    let outer = format!("1#{} => api", middle.address());
    let whole = |inner: &str| {
        let arguments = ["--through", &outer, "--trust", middle.identifier()];
        send(&[&arguments[..], &["--through", inner, "--trust", end.identifier(), "--to", "echo", "--json"]].concat())
    };
    for inner in ["end => api", "hop => end => api"] {
        let output = whole(inner);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let answer = json(&output);
        assert_eq!(answer["answer"]["text"], "hello");
        assert_eq!(answer["channels"][0]["peer"], middle.identifier());
        assert_eq!(answer["channels"][1]["peer"], end.identifier());
    }
    // Without the outer channel the middle lets nobody go on.
    let stranger = format!("1#{} => end => api", middle.address());
    let refused = send(&["--through", &stranger, "--to", "echo", "--timeout", "0.5"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("nobody answered in time"), "{}", stderr(&refused));
}

#[test]
fn a_hop_leads_nobody_past_the_door_of_another_worker() {
    let node = Running::start("door", &["--channels", "--echo", "--hop", "--hop-through", "both"]);
    // Strangers reach the hop, and it sends on; but echo is for channels alone.
    let stranger = send(&["--to", &format!("1#{} => hop => echo", node.address()), "--timeout", "0.5"]);
    assert_eq!(stranger.status.code(), Some(1), "{}", stdout(&stranger));
    let failures = json(&node.show(&["--json"]))["failures"].clone();
    assert_eq!((&failures[0]["requirement"], &failures[0]["blame"]), (&"NOD-5".into(), &"denied".into()));
    let peer = send(&["--through", &format!("1#{} => api", node.address()), "--to", "hop => echo"]);
    assert_eq!(stdout(&peer), "hello\n", "{}", stderr(&peer));
}

#[test]
fn a_connection_that_is_lost_is_made_again() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let at = format!("127.0.0.1:{port}");
    let dir = folder("again-end");
    let middle = Running::start("again-mid", &["--connect", &format!("end={at}")]);
    let up = || json(&middle.show(&["--json"]))["onward"][0]["up"] == true;
    for _ in 0..2 {
        let end = Running::start_in(&dir, &["--listen", &at, "--echo"]);
        eventually("the middle is connected", up);
        let output = send(&["--to", &format!("1#{} => end => echo", middle.address())]);
        assert_eq!(stdout(&output), "hello\n", "{}", stderr(&output));
        end.signal("KILL");
        eventually("the middle notices", || !up());
    }
}

#[test]
fn many_messages_are_counted_and_their_latencies_too() {
    let node = Running::start("many", &["--channels", "--echo"]);
    let through = format!("1#{} => api", node.address());
    let arguments = ["--through", &through, "--to", "echo", "--count", "500", "--size", "64", "--window", "8"];
    let many = json(&send(&[&arguments[..], &["--json"]].concat()));
    assert_eq!((&many["answered"], &many["lost"], &many["size"]), (&500.into(), &0.into(), &64.into()));
    let latency = &many["latency_milliseconds"];
    assert!(latency["p50"].as_f64() > Some(0.0) && latency["p50"].as_f64() <= latency["max"].as_f64());
    let text = stdout(&send(&arguments));
    assert!(text.contains("answered  500 of 500, 0 lost") && text.contains("99 %"), "{text}");
    assert!(json(&node.show(&["--json"]))["delivered"].as_u64() >= Some(1000));
}

#[test]
fn every_shard_of_a_node_answers() {
    let node = Running::start("shards", &["--shards", "3", "--channels", "--echo", "--echo-through", "both"]);
    // Connections are taken by one shard after the other.
    for _ in 0..3 {
        let plain = send(&["--to", &format!("1#{} => echo", node.address())]);
        assert_eq!(stdout(&plain), "hello\n", "{}", stderr(&plain));
        let channel = send(&["--through", &format!("1#{} => api", node.address()), "--to", "echo"]);
        assert_eq!(stdout(&channel), "hello\n", "{}", stderr(&channel));
    }
    assert_eq!(json(&node.show(&["--json"]))["shards"], 3);
}

#[test]
fn who_asks_for_the_status_and_says_nothing_keeps_nobody_else_from_it() {
    let node = Running::start("silent", &["--echo", "--status", "127.0.0.1:0"]);
    let at = node.said("status");
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(at).expect("it listens")).collect();
    let mut endless = TcpStream::connect(at).expect("it listens");
    // More than a question may be; the node hangs up in the middle of it.
    let _ = endless.write_all(&[b'x'; 1 << 20]);
    let shown = razor(&["node", "show", "--status", at]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    drop(silent);
    node.signal("TERM");
    assert_eq!(node.end().0.code(), Some(0));
}

#[test]
fn lost_messages_are_counted() {
    let node = Running::start("lost", &["--echo"]);
    let to = format!("1#{} => nobody", node.address());
    let output = send(&["--to", &to, "--count", "3", "--window", "3", "--timeout", "0.3", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&json(&output)["lost"], &json(&output)["answered"]), (&3.into(), &0.into()));
}

#[test]
fn a_node_shows_what_it_does() {
    let node = Running::start("show", &["--echo"]);
    assert_eq!(send(&["--to", &format!("1#{} => echo", node.address())]).status.code(), Some(0));
    let _ = send(&["--to", &format!("1#{} => nobody", node.address()), "--timeout", "0.3"]);
    let shown = stdout(&node.show(&[]));
    for words in [node.address(), "echo: sends back; for whoever connects by TCP", "NOD-2"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let report = json(&node.show(&["--json"]));
    assert_eq!((&report["version"], &report["process"]), (&1.into(), &node.child.id().into()));
    assert_eq!((&report["workers"][0]["role"], &report["workers"][0]["through"]), (&"echo".into(), &"tcp".into()));
    assert_eq!(report["failures"][0]["requirement"], "NOD-2");
}

#[test]
fn the_endpoint_for_status_speaks_http() {
    let node = Running::start("http", &["--echo", "--status", "127.0.0.1:0"]);
    let at = node.said("status");
    let ask = |question: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        write!(stream, "{question} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    };
    let metrics = ask("GET /metrics");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("\nrazor_connections 0\n") && metrics.contains("\nrazor_uptime_seconds "), "{metrics}");
    assert!(ask("GET /status").contains("\"version\":1"));
    assert!(ask("GET /other").starts_with("HTTP/1.1 404"));
    assert!(ask("POST /status").starts_with("HTTP/1.1 405"));
    assert!(ask("nonsense with spaces").starts_with("HTTP/1.1 400"));
    let shown = razor(&["node", "show", "--status", at]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
}

#[test]
fn a_node_that_is_told_to_stop_says_so_to_its_peers_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let node = Running::start(&format!("stop-{signal}"), &["--channels", "--echo"]);
        let socket = node.dir.join("node.sock");
        assert!(socket.exists());
        let through = format!("1#{} => api", node.address());
        // Somebody is in the middle of something.
        let sender = Command::new(env!("CARGO_BIN_EXE_razor"))
            .args(["message", "send", "--through", &through, "--to", "echo", "--count", "100000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        eventually("messages flow", || json(&node.show(&["--json"]))["delivered"].as_u64() > Some(10));
        node.signal(signal);
        let (status, log) = node.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("the node shuts down"), "{log}");
        assert!(!socket.exists());
        let sender = sender.wait_with_output().expect("it ends");
        assert_eq!(sender.status.code(), Some(1));
        assert!(
            stderr(&sender).contains("was closed") && stderr(&sender).contains("it ended after"),
            "{}",
            stderr(&sender)
        );
    }
}

#[test]
fn a_second_node_in_the_same_folder_is_refused_and_a_dead_one_makes_way() {
    let dir = folder("twice");
    let at = dir.to_str().expect("text");
    let first = Running::start_in(&dir, &["--listen", "127.0.0.1:0", "--echo"]);
    let second = razor(&["node", "start", "--dir", at, "--listen", "127.0.0.1:0", "--echo"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("a node is running at"), "{}", stderr(&second));
    first.signal("KILL");
    eventually("it is dead", || razor(&["node", "show", "--dir", at]).status.code() == Some(1));
    assert!(dir.join("node.sock").exists());
    let third = Running::start_in(&dir, &["--listen", "127.0.0.1:0", "--echo"]);
    assert_eq!(third.show(&[]).status.code(), Some(0));
}

#[test]
fn a_busy_port_is_a_sentence() {
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = busy.local_addr().expect("an address").to_string();
    let dir = folder("busy");
    let output = razor(&["node", "start", "--dir", dir.to_str().expect("text"), "--listen", &at]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&format!("could not listen at {at}")) && said.contains("choose another"), "{said}");
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn a_dead_peer_is_a_sentence() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let output = send(&["--to", &format!("1#{port} => echo")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("could not connect to {port}")), "{}", stderr(&output));
    let nowhere = razor(&["node", "show", "--dir", "no/such/folder"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("no node answers at unix:no/such/folder/node.sock"), "{}", stderr(&nowhere));
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = silent.local_addr().expect("an address");
    for arguments in [&["--to", "echo", "--through"][..], &["--to"]] {
        let output = send(&[arguments, &[&format!("1#{at} => api"), "--timeout", "0.5"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("answer"), "{}", stderr(&output));
    }
}

#[test]
fn a_file_says_what_flags_do_not() {
    let dir = folder("file");
    let config = dir.join("node.toml");
    let text = format!("listen = [\"127.0.0.1:0\"]\necho = \"e\"\nhop = \"h\"\nlog-format = \"json\"\ndir = {dir:?}\n");
    std::fs::write(&config, &text).expect("written");
    let config = config.to_str().expect("text");
    let node = Running::start_in(&dir, &["--config", config, "--echo", "f"]);
    assert!(node.greeting.contains("f: sends back") && node.greeting.contains("h: sends on"), "{}", node.greeting);
    node.signal("TERM");
    let (status, log) = node.end();
    assert_eq!(status.code(), Some(0));
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|it| it["level"].is_string()), "{line}");
    }
    let dir = folder("file-bad");
    let config = dir.join("node.toml");
    std::fs::write(&config, "ecko = \"e\"").expect("written");
    let output = razor(&["node", "start", "--config", config.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown field `ecko`"), "{}", stderr(&output));
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn a_list_without_anybody_trusts_nobody() {
    let dir = folder("nobody");
    let config = dir.join("node.toml");
    std::fs::write(&config, "listen = [\"127.0.0.1:0\"]\nchannels = \"api\"\ntrust = []\necho = \"echo\"\n")
        .expect("written");
    let node = Running::start_in(&dir, &["--config", config.to_str().expect("text")]);
    assert_eq!(node.said("trusts"), "nobody");
    let output = send(&["--through", &format!("1#{} => api", node.address()), "--to", "echo", "--timeout", "0.5"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn a_signal_in_the_shutdown_ends_the_node_at_once() {
    let node = Running::start("impatient", &["--echo"]);
    // A peer that takes nothing: the node waits a while for it.
    let _mute = TcpStream::connect(node.address()).expect("it listens");
    node.signal("TERM");
    node.signal("INT");
    let start = Instant::now();
    let (status, _) = node.end();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(status.code(), Some(0 | 130 | 143)) && status.signal().is_none());
}

#[test]
fn wrong_use_is_a_sentence_and_exit_code_2() {
    for (arguments, sentence) in [
        (&["node", "start", "--trust", &format!("I{}", "ab".repeat(32))][..], "add --channels"),
        (&["node", "start", "--echo-through", "tcp"], "add --echo"),
        (&["node", "start", "--echo", ""], "no route leads to a worker named ``"),
        (&["message", "send", "--to", "1#a:1 => echo", "--lines", "--count", "2"], "cannot be used with"),
        (&["node", "start", "--echo", "a", "--hop", "a"], "two workers are named `a`"),
        (&["node", "start", "--connect", "nowhere"], "give HOST:PORT"),
        (&["node", "start", "--status", "nowhere"], "give HOST:PORT or unix:PATH"),
        (&["message", "send", "--to", "echo"], "does not begin with the TCP address of a node"),
        (&["message", "send", "--to", "1#a:1 =>"], "RTE-7"),
        (&["message", "send", "--to", "echo", "--timeout", "0"], "give seconds, more than 0"),
        (&["completions", "no-shell"], "bash"),
        (&["man", "nothing"], "choose one of verify"),
    ] {
        let output = razor(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = stdout(&razor(&["completions", shell]));
        assert!(text.contains("echo-through") && text.contains("completions"), "{shell}");
    }
    let page = stdout(&razor(&["man", "node", "start"]));
    assert!(page.contains(".TH RAZOR-NODE-START") && page.contains("log\\-format"), "{page}");
    let dir = folder("man");
    assert_eq!(razor(&["man", "--all", dir.to_str().expect("text")]).status.code(), Some(0));
    for page in ["razor.1", "razor-message-send.1", "razor-identity-rotate.1"] {
        assert!(dir.join(page).exists(), "{page}");
    }
    let _ = std::fs::remove_dir_all(dir);
}
