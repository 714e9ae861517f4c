//! A conversation: each line of standard input is a message, and is answered before the next is sent.

use std::io::BufRead as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use razor_tokio::{Context, Error, Node};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::way::Way;
use super::{Answer, Channel, PAYLOAD, channels, measure, print_json};
use crate::failure::{Failure, Result};

/// What is said when the way is open.
#[derive(Serialize)]
struct Open {
    channels: Vec<Channel>,
}

/// What came of one line.
#[derive(Serialize)]
struct Said {
    /// Nothing, if there was none in time.
    answer: Option<Answer>,
    milliseconds: f64,
}

/// Holds the conversation until the input or the way ends. Exits with 0 if every line was answered.
pub(super) async fn run(node: &Node, way: &Way, patience: Duration, json: bool) -> Result {
    if json {
        print_json(&Open { channels: channels(way) })?;
    }
    let mut lines = input();
    let mut context = measure::open(node, way).await?;
    let (mut code, mut number) = (ExitCode::SUCCESS, 0u64);
    let ended = |what: &str| Failure::failed(format!("{what} was closed by the other side"));
    loop {
        let line = tokio::select! {
            biased;
            line = lines.recv() => line,
            what = way.gone() => return Err(ended(what)),
        };
        let Some(line) = line else { return Ok(code) };
        number += 1;
        let line = line?;
        let start = Instant::now();
        let asked = tokio::select! {
            biased;
            asked = ask(&mut context, way, &line, patience) => asked,
            what = way.gone() => return Err(ended(what)),
        };
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let answer = match asked {
            Ok(answer) => Some(answer),
            Err(Error::Timeout) => {
                code = ExitCode::FAILURE;
                eprintln!("razor: no answer to line {number} within {} s", patience.as_secs_f64());
                // An answer that comes late is not taken for that of the next line.
                context = measure::open(node, way).await?;
                None
            }
            Err(error) => {
                let why = way.is_gone().map_or_else(|| error.to_string(), |what| format!("{what} was closed"));
                return Err(Failure::failed(format!("line {number} was not sent: {why}")));
            }
        };
        match answer {
            answer if json => drop(print_json(&Said { answer, milliseconds })?),
            Some(answer) => answer.print(),
            None => {}
        }
    }
}

async fn ask(context: &mut Context, way: &Way, line: &[u8], patience: Duration) -> std::result::Result<Answer, Error> {
    // The way in may be full as well.
    let asking = timeout(patience, context.request(&way.route, line, patience));
    asking.await.map_err(|_| Error::Timeout).flatten().map(|answer| Answer::of(&answer))
}

/// The lines of standard input, without their ends. A thread reads them, for a read cannot be given up: the program may
/// end while it waits.
fn input() -> mpsc::Receiver<Result<Vec<u8>>> {
    let (lines, input) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut stdin, PAYLOAD + 1).read_until(b'\n', &mut line);
            let read = match read {
                Ok(0) => return,
                Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 > PAYLOAD => Err(Failure::failed(format!(
                    "a line has more than {PAYLOAD} bytes, and no message holds so much; send it in parts"
                ))),
                Ok(_) => {
                    line.pop_if(|last| *last == b'\n');
                    Ok(line)
                }
                Err(error) => Err(Failure::file("read", std::path::Path::new("standard input"), &error)),
            };
            let is_last = read.is_err();
            if lines.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    input
}
