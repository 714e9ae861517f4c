//! A peer: a process that is steered by lines of JSON and answers each with one.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::table::{Outcome, Stop};

/// How long a peer may take for one command.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running peer. It is killed when this is dropped.
pub(crate) struct Child {
    _process: Process,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(crate) fn start(program: &Path, arguments: &[&OsStr]) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let input = process.stdin.take().ok_or("a peer without input")?;
        let output = BufReader::new(process.stdout.take().ok_or("a peer without output")?).lines();
        Ok(Self { _process: process, input, output })
    }

    /// Gives a command and waits for its answer. What the peer calls an error or unsupported is one here.
    pub(crate) async fn call(&mut self, command: Value) -> Outcome<Value> {
        let answer = async {
            self.input.write_all(format!("{command}\n").as_bytes()).await?;
            self.output.next_line().await
        };
        let action = &command["do"];
        let answer = timeout(PATIENCE, answer).await.map_err(|_| format!("{action}: the peer does not answer"))?;
        let line = answer?.ok_or_else(|| format!("{action}: the peer has ended"))?;
        let answer: Value = serde_json::from_str(&line).map_err(|e| format!("{action}: {e} in {line}"))?;
        if let Some(why) = answer["error"].as_str() {
            return Err(Stop::Failed(format!("the peer says of {action}: {why}")));
        }
        if let Some(why) = answer["unsupported"].as_str() {
            return Err(Stop::unsupported(why));
        }
        Ok(answer)
    }
}
