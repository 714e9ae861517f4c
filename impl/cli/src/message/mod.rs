//! `razor message`: sends messages along routes, and through secure channels.

mod lines;
mod measure;
mod way;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use razor::error::Blame;
use razor::routing::Route;
use razor_tokio::{Error, Identity, Node, Received};
use serde::Serialize;
use tokio::time::timeout;

use crate::failure::{Failure, Result};
use crate::signals::Signals;
use crate::suite::SuiteName;
use crate::{identity, os};
use measure::{Load, Measured};
use way::{Through, Way};

/// The most bytes of a payload.
const PAYLOAD: u64 = 16 << 20;

/// Send messages
#[derive(Debug, Args)]
pub(crate) struct MessageCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(Send),
}

impl MessageCommand {
    /// Does what the command says.
    pub(crate) fn run(self) -> Result {
        match self.command {
            Command::Send(command) => command.run(),
        }
    }
}

/// Send a message along a route and print the answer
///
/// A route names what a message passes, separated by =>: TCP addresses as 1#HOST:PORT, workers by their names. The
/// TCP address at its beginning is dialled. With --through the message goes through secure channels, and --to begins
/// where the innermost ends. With --count many messages are sent, and latencies are printed instead of answers; with
/// --lines each line of standard input is one. Exits with 0 if every message was answered.
#[derive(Debug, Args)]
struct Send {
    /// The payload: text, or - for standard input [default: hello]
    payload: Option<String>,
    /// The route to the receiver
    #[arg(long, value_name = "ROUTE")]
    to: Route,
    #[command(flatten)]
    through: Through,
    /// Open channels as this identity [default: as a new one that nobody sees again]
    #[arg(long, value_name = "NAME", requires = "through")]
    identity: Option<String>,
    /// The folder where identities are kept [default: razor in the user's data folder]
    #[arg(long, value_name = "DIR", requires = "identity")]
    dir: Option<PathBuf>,
    /// Send so many, and print how long the answers took
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Send so many bytes instead of a payload
    #[arg(long, value_name = "BYTES", conflicts_with = "payload", value_parser = clap::value_parser!(u64).range(..=PAYLOAD))]
    size: Option<u64>,
    /// How many messages are in flight with --count
    #[arg(long, value_name = "N", default_value_t = 1, requires = "count", value_parser = clap::value_parser!(u64).range(1..=4096))]
    window: u64,
    /// Send each line of standard input, when the one before has its answer
    #[arg(long, conflicts_with_all = ["payload", "size", "count"])]
    lines: bool,
    /// The suite of the channels
    #[arg(long, value_name = "SUITE", default_value = "aes-256-gcm", requires = "through")]
    suite: SuiteName,
    /// How many seconds connecting, a channel, and each answer may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Send {
    fn run(self) -> Result {
        let payload = self.payload()?;
        os::runtime(1)?.block_on(async {
            let storage = identity::storage(self.dir.as_deref());
            let node = match &self.identity {
                Some(_) => Node::builder().storage(storage?).start()?,
                None => Node::start()?,
            };
            let mut signals = Signals::catch()?;
            let (result, mut signalled) = tokio::select! {
                result = self.send(&node, payload) => (result, None),
                (_, code) = signals.next() => (Ok(ExitCode::FAILURE), Some(code)),
            };
            // Whose channels end hears of it in any case, and who is told twice does not wait.
            let mut ending = pin!(node.shutdown());
            loop {
                tokio::select! {
                    () = &mut ending => break,
                    (_, code) = signals.next() => if signalled.replace(code).is_some() {
                        std::process::exit(code)
                    },
                }
            }
            signalled.map_or(result, |code| std::process::exit(code))
        })
    }

    async fn send(&self, node: &Node, payload: Vec<u8>) -> Result {
        let identity = self.identity(node).await?;
        let way = Way::open(node, identity.as_ref(), &self.through, self.suite, &self.to, self.timeout).await?;
        if !self.json {
            way.channels().for_each(|(route, peer)| eprintln!("secure channel along {route} with {peer}"));
        }
        match self.count {
            None if self.lines => lines::run(node, &way, self.timeout, self.json).await,
            None => self.one(node, &way, &payload).await,
            Some(count) => {
                let size = payload.len();
                let load = Load { count, window: self.window, payload: payload.into(), patience: self.timeout };
                let measured = measure::run(node, &way, &load).await?;
                self.many(node, &way, size, count, measured).await
            }
        }
    }

    /// Whom the channels are opened as; nobody, if there are none.
    async fn identity(&self, node: &Node) -> Result<Option<Identity>> {
        Ok(match &self.identity {
            _ if self.through.0.is_empty() => None,
            None => Some(node.create_identity().await?),
            Some(name) => {
                // It has to be there: the node itself would make one.
                identity::load(&identity::storage(self.dir.as_deref())?, name)?;
                Some(node.identity(name).await?)
            }
        })
    }

    fn payload(&self) -> Result<Vec<u8>> {
        Ok(match (self.size, self.payload.as_deref()) {
            (Some(size), _) => vec![b'.'; usize::try_from(size).unwrap_or_default()],
            (None, Some("-")) => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().take(PAYLOAD).read_to_end(&mut bytes);
                read.map_err(|e| Failure::file("read", Path::new("standard input"), &e))?;
                bytes
            }
            (None, text) => text.unwrap_or("hello").into(),
        })
    }

    async fn one(&self, node: &Node, way: &Way, payload: &[u8]) -> Result {
        let mut context = measure::open(node, way).await?;
        let start = Instant::now();
        let asking = timeout(self.timeout, context.request(&way.route, payload, self.timeout));
        let answer = tokio::select! {
            biased;
            answer = asking => answer.map_err(|_| Error::Timeout).flatten(),
            _ = way.gone() => Err(Error::Stopped),
        };
        let answer = match (answer, way.is_gone()) {
            (Ok(answer), _) => answer,
            (Err(_), Some(what)) => {
                return Err(Failure::failed(format!(
                    "no answer from `{}`: {what} was closed by the other side",
                    self.to
                )));
            }
            (Err(error), None) => return Err(self.unanswered(node, &error).await),
        };
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if self.json {
            return print_json(&One { answer: Answer::of(&answer), milliseconds, channels: channels(way) });
        }
        Answer::of(&answer).print();
        Ok(ExitCode::SUCCESS)
    }

    async fn unanswered(&self, node: &Node, error: &Error) -> Failure {
        let Error::Timeout = error else {
            return Failure::failed(format!("the message was not sent to `{}`: {error}", self.to));
        };
        // What is dropped on its way through this node is nobody's error, and counted.
        let failures = node.status().await.map(|status| status.failures).unwrap_or_default();
        if let Some((requirement, _)) = failures.keys().find(|(_, blame)| *blame == Blame::Limit) {
            return Failure::failed(format!(
                "the message did not leave this node for `{}`: it is beyond a limit [{requirement}]; send less at once",
                self.to
            ));
        }
        let who = if self.through.0.is_empty() { "" } else { ", and does its node trust your identity" };
        Failure::failed(format!(
            "no answer from `{}` within {} s; is every worker on the way there and open to you{who}?",
            self.to,
            self.timeout.as_secs_f64()
        ))
    }

    async fn many(&self, node: &Node, way: &Way, size: usize, count: u64, measured: Measured) -> Result {
        let Measured { latency, answered, lost, took, broken } = measured;
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let at = |quantile| milliseconds(latency.value_at_quantile(quantile));
        let many = Many {
            count,
            answered,
            lost,
            size,
            window: self.window,
            seconds,
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            rate: if seconds > 0.0 { answered as f64 / seconds } else { 0.0 },
            latency_milliseconds: (answered > 0).then(|| Latency {
                min: milliseconds(latency.min()),
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: milliseconds(latency.max()),
            }),
            channels: channels(way),
        };
        if self.json {
            print_json(&many)?;
        } else {
            crate::outln!("answered  {answered} of {count}, {lost} lost; {size} bytes each, {} in flight", self.window);
            crate::outln!("rate      {:.0} messages/s for {seconds:.3} s", many.rate);
            if let Some(Latency { min, p50, p90, p99, p999, max }) = &many.latency_milliseconds {
                crate::outln!(
                    "latency   min {min:.3}  50 % {p50:.3}  90 % {p90:.3}  99 % {p99:.3}  99.9 % {p999:.3}  max {max:.3} ms"
                );
            }
        }
        match broken {
            Some(why) => Err(Failure::failed(format!("it ended after {answered} of {count} answers: {why}"))),
            None if answered == 0 => Err(self.unanswered(node, &Error::Timeout).await),
            None if answered < count => Ok(ExitCode::FAILURE),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// What came of one message.
#[derive(Serialize)]
struct One {
    answer: Answer,
    milliseconds: f64,
    channels: Vec<Channel>,
}

/// An answer's payload.
#[derive(Serialize)]
struct Answer {
    /// Where it can be shown as such.
    text: Option<String>,
    hex: String,
}

impl Answer {
    fn of(answer: &Received) -> Self {
        let payload = answer.payload();
        // What a peer sends must not steer a terminal.
        let plain = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
        Self { text: std::str::from_utf8(payload).ok().filter(plain).map(Into::into), hex: hex::encode(payload) }
    }

    fn print(&self) {
        match &self.text {
            Some(text) => crate::outln!("{text}"),
            None => crate::outln!("0x{}", self.hex),
        }
    }
}

/// What came of many messages.
#[derive(Serialize)]
struct Many {
    count: u64,
    answered: u64,
    lost: u64,
    size: usize,
    window: u64,
    seconds: f64,
    rate: f64,
    latency_milliseconds: Option<Latency>,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Latency {
    min: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// A channel that was opened.
#[derive(Serialize)]
struct Channel {
    route: String,
    peer: String,
}

fn channels(way: &Way) -> Vec<Channel> {
    way.channels().map(|(route, peer)| Channel { route: route.to_string(), peer: peer.to_string() }).collect()
}

fn print_json(value: &impl Serialize) -> Result {
    let text = serde_json::to_string(value).map_err(|e| Failure::failed(e.to_string()))?;
    crate::outln!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn seconds(text: &str) -> std::result::Result<Duration, &'static str> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
    seconds.map(Duration::from_secs_f64).ok_or("give seconds, more than 0 and at most 3600")
}
