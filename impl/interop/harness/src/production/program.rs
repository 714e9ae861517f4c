//! The command `razor` as an end of a conversation: `razor node start` serves, `razor message send` opens channels.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::end::{Exchanged, Kind, Load, Opened, Papers, Who};
use super::talk::{Talk, Then};
use crate::table::{Outcome, ensure};

/// How long the command may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Program {
    razor: PathBuf,
    /// Where its identity is kept, and what the node keeps.
    dir: TempDir,
    kind: Kind,
    /// Connections that a worker of the node is to stand for, as `--connect` takes them.
    onward: Vec<String>,
    node: Option<Child>,
    /// Those who send. What they have opened is addressed by their numbers.
    senders: Vec<Sender>,
}

/// A running `razor message send`.
struct Sender {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// The channels that it has opened, as arguments.
    through: Vec<String>,
}

impl Program {
    pub(crate) fn new(razor: &Path) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        Ok(Self {
            razor: razor.to_owned(),
            dir,
            kind: Kind::Ed25519,
            onward: Vec::new(),
            node: None,
            senders: Vec::new(),
        })
    }

    /// Whether the command can hold this conversation. It has the machine's clock, one purpose key for each change of an
    /// identity, the usual suite; and who sends lines waits for the answer to each.
    pub(crate) fn can(talk: &Talk, initiator: Who) -> bool {
        let sends = initiator == Who::Razor;
        let in_flight = talk.load.window > 1 || matches!(talk.then, Then::Fault(..));
        talk.ahead == 0
            && talk.razor.purpose_keys == 0
            && talk.suite == razor_tokio::Suite::default()
            && !(sends && in_flight)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.razor);
        command.args(arguments).arg("--dir").arg(self.dir.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end, and reads its JSON.
    async fn ask(&self, arguments: &[&str]) -> Outcome<Value> {
        let said = timeout(PATIENCE, self.command(arguments).arg("--json").output()).await;
        let Output { status, stdout, stderr } = said.map_err(|_| "the command does not end")??;
        ensure(status.success(), || format!("razor {}: {}", arguments.join(" "), text(&stderr)))?;
        Ok(serde_json::from_slice(&stdout)?)
    }

    pub(crate) async fn identity(&mut self, papers: Papers) -> Outcome {
        self.kind = papers.kind;
        let made = self.change("create").await?;
        for _ in 0..papers.rotations {
            self.change("rotate").await?;
        }
        Ok(made["identifier"].as_str().ok_or("an identity without an identifier")?.to_owned())
    }

    pub(crate) async fn rotate(&mut self) -> Outcome<()> {
        self.change("rotate").await.map(drop)
    }

    async fn change(&self, how: &str) -> Outcome<Value> {
        let p256: &[&str] = if self.kind == Kind::P256 { &["--p256"] } else { &[] };
        self.ask(&[&["identity", how, "own"], p256].concat()).await
    }

    /// Starts the node and gives its address.
    pub(crate) async fn serve(&mut self, trust: Option<&[String]>) -> Outcome {
        let mut command = self.command(&["node", "start", "--json", "--listen", "127.0.0.1:0", "--identity", "own"]);
        command.args(["--channels", "--echo", "--echo-through", "both", "--hop", "--hop-through", "both"]);
        command.args(trust.unwrap_or_default().iter().flat_map(|it| ["--trust", it]));
        command.args(self.onward.iter().flat_map(|it| ["--connect", it]));
        if !self.onward.is_empty() {
            command.args(["--connect-through", "both"]);
        }
        // A pipe would be full at some time, and nobody reads it.
        let mut node = command.stderr(Stdio::null()).spawn()?;
        let mut output = BufReader::new(node.stdout.take().ok_or("a node without output")?).lines();
        let line = timeout(PATIENCE, output.next_line()).await.map_err(|_| "the node does not say that it runs")??;
        let facts: Value = serde_json::from_str(&line.ok_or("the node does not run")?)?;
        self.node = Some(node);
        self.is_led_on().await?;
        Ok(facts["listening"][0].as_str().ok_or("the node does not say where it listens")?.to_owned())
    }

    /// Waits until its connections are there.
    async fn is_led_on(&self) -> Outcome<()> {
        let up = |report: &Value| report["onward"].as_array().is_some_and(|all| all.iter().all(|it| it["up"] == true));
        let waiting = async {
            while !up(&self.report().await?) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(PATIENCE, waiting).await.map_err(|_| "the node is not connected")?
    }

    /// What the node says of itself.
    async fn report(&self) -> Outcome<Value> {
        self.ask(&["node", "show"]).await
    }

    /// A connection, as routes name it: whoever sends connects.
    pub(crate) fn connect(to: &str) -> String {
        format!("1#{to}")
    }

    /// A worker of the node will stand for a connection to another.
    pub(crate) fn lead_to(&mut self, to: &str) -> String {
        let name = format!("onward-{}", self.onward.len());
        self.onward.push(format!("{name}={to}"));
        name
    }

    /// Starts who sends: through channels or without. There is none if that is refused; why not is said.
    async fn send(
        &self,
        through: Vec<String>,
        to: &str,
        patience: Duration,
    ) -> Outcome<std::result::Result<(Sender, Value), String>> {
        let seconds = patience.as_secs_f64().to_string();
        let mut command = Command::new(&self.razor);
        command.args(["message", "send", "--lines", "--json", "--to", to, "--timeout", &seconds]).args(&through);
        if !through.is_empty() {
            command.args(["--identity", "own", "--dir"]).arg(self.dir.path());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let input = process.stdin.take().ok_or("a program without input")?;
        let mut output = BufReader::new(process.stdout.take().ok_or("a program without output")?).lines();
        let first =
            timeout(patience + PATIENCE, output.next_line()).await.map_err(|_| "nobody says what came of it")??;
        Ok(match first {
            Some(line) => Ok((Sender { process, input, output, through }, serde_json::from_str(&line)?)),
            None => {
                let mut why = String::new();
                if let Some(mut stderr) = process.stderr.take() {
                    stderr.read_to_string(&mut why).await?;
                }
                Err(why.trim().to_owned())
            }
        })
    }

    /// Who has opened the channel with which a route begins, and the rest of the route.
    fn opened<'a>(&self, route: &'a str) -> Option<(usize, &'a str)> {
        let (channel, rest) = route.strip_prefix("channel-")?.split_once(" => ")?;
        let index = channel.parse().ok()?;
        self.senders.get(index).map(|_| (index, rest))
    }

    pub(crate) async fn open(&mut self, route: &str, trust: Option<&[String]>, patience: Duration) -> Outcome<Opened> {
        let (mut through, route) = match self.opened(route) {
            Some((index, rest)) => (self.senders[index].through.clone(), rest),
            None => (Vec::new(), route),
        };
        through.extend(["--through".to_owned(), route.to_owned()]);
        through.extend(trust.unwrap_or_default().iter().flat_map(|it| ["--trust".to_owned(), it.clone()]));
        // All that is ever sent through channels goes to the echo.
        Ok(match self.send(through, "echo", patience).await? {
            Err(why) => Opened::Refused(why),
            Ok((sender, said)) => {
                let peer = said["channels"].as_array().and_then(|all| all.last()?["peer"].as_str());
                let peer = peer.ok_or("a channel without a peer")?.to_owned();
                self.senders.push(sender);
                Opened::Open { address: format!("channel-{}", self.senders.len() - 1), peer }
            }
        })
    }

    pub(crate) async fn exchange(&mut self, route: &str, load: &Load) -> Outcome<Exchanged> {
        let index = match self.opened(route) {
            Some((index, "echo")) => index,
            Some((_, rest)) => return Err(format!("what is sent goes to the echo and not to {rest}").into()),
            None => {
                let (sender, _) = self.send(Vec::new(), route, load.patience).await??;
                self.senders.push(sender);
                self.senders.len() - 1
            }
        };
        self.senders[index].exchange(load).await
    }

    /// Closes all channels: who sends has no more to say, and the node is told to stop.
    pub(crate) async fn close(&mut self) -> Outcome<()> {
        for Sender { mut process, input, .. } in self.senders.drain(..) {
            drop(input);
            ends_well(&mut process).await?;
        }
        if let Some(mut node) = self.node.take() {
            let process = node.id().ok_or("the node has ended")?.to_string();
            ensure(Command::new("kill").args(["-s", "TERM", &process]).status().await?.success(), || {
                "the node cannot be told to stop".into()
            })?;
            ends_well(&mut node).await?;
        }
        Ok(())
    }

    /// How many channels are open.
    pub(crate) async fn channels(&mut self) -> Outcome<usize> {
        let mut open = 0;
        for sender in &mut self.senders {
            // Who sends ends when its channel does.
            open += usize::from(!sender.through.is_empty() && sender.process.try_wait()?.is_none());
        }
        if self.node.is_some() {
            open += usize::try_from(self.report().await?["secure_channels"].as_u64().unwrap_or(0))?;
        }
        Ok(open)
    }

    /// Requirements that the node says were not met.
    pub(crate) async fn refusals(&self) -> Outcome<Vec<String>> {
        if self.node.is_none() {
            return Ok(Vec::new());
        }
        let report = self.report().await?;
        let failures = report["failures"].as_array().cloned().unwrap_or_default();
        Ok(failures.iter().filter_map(|it| Some(it["requirement"].as_str()?.to_owned())).collect())
    }
}

impl Sender {
    /// Sends lines that are to come back, one after the other.
    async fn exchange(&mut self, load: &Load) -> Outcome<Exchanged> {
        let mut exchanged = Exchanged { answered: Vec::new(), wrong: 0 };
        for (index, size) in load.sizes.iter().enumerate() {
            let line: String = (0..*size).map(|at| char::from(b'a' + ((at * 7 + index * 31) % 26) as u8)).collect();
            let said = async {
                self.input.write_all(format!("{line}\n").as_bytes()).await?;
                self.output.next_line().await
            };
            let Ok(said) = timeout(load.patience, said).await else { break };
            let said: Value = match said? {
                Some(said) => serde_json::from_str(&said)?,
                None => break,
            };
            match said["answer"]["text"].as_str() {
                Some(text) if text == line => exchanged.answered.push(index),
                Some(_) => exchanged.wrong += 1,
                None => {}
            }
        }
        Ok(exchanged)
    }
}

async fn ends_well(process: &mut Child) -> Outcome<()> {
    let status = timeout(PATIENCE, process.wait()).await.map_err(|_| "the program does not end")??;
    ensure(status.success(), || format!("the program ends with {status}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
