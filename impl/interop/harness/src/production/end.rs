//! One end of a conversation: a node of Razor or of production. Both do the same things, so that a scenario is written
//! once and either may be the initiator.

use std::time::Duration;

use serde_json::{Value, json};

use super::program::Program;
use super::razor::Razor;
use crate::child::Child;
use crate::table::Outcome;

/// Whose node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Razor,
    Production,
}

/// The kind of an identity's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ed25519,
    P256,
}

/// An identity that is to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Papers {
    pub(crate) kind: Kind,
    /// How often its key is rotated before it is used.
    pub(crate) rotations: usize,
    /// How often its purpose key is made anew before it is used.
    pub(crate) purpose_keys: usize,
}

impl Papers {
    pub(crate) const PLAIN: Self = Self { kind: Kind::Ed25519, rotations: 0, purpose_keys: 0 };
}

/// How long an end may wait for the other.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for what is not to come.
pub(crate) const SILENCE: Duration = Duration::from_millis(700);

/// What came of opening a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It is open: the address to send to, and who the peer is.
    Open { address: String, peer: String },
    /// There is none, and why.
    Refused(String),
}

/// What came back of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchanged {
    /// The numbers of the messages that came back whole, in the order in which they came.
    pub(crate) answered: Vec<usize>,
    /// How many came back that are none of them.
    pub(crate) wrong: usize,
}

/// Messages that are to come back.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The size of each in bytes.
    pub(crate) sizes: Vec<usize>,
    /// How many may be on their way.
    pub(crate) window: usize,
    /// For how long nothing may come before the rest is taken for lost.
    pub(crate) patience: Duration,
}

/// A node.
#[expect(clippy::large_enum_variant, reason = "there are three of them at most")]
pub(crate) enum End {
    /// By the driver, in this process.
    Razor(Razor),
    /// By the command.
    Program(Program),
    Production(Child),
}

impl End {
    /// Makes the identity of the end and gives its identifier.
    pub(crate) async fn identity(&mut self, papers: Papers) -> Outcome {
        match self {
            Self::Razor(node) => node.identity(papers).await,
            Self::Program(program) => program.identity(papers).await,
            Self::Production(child) => {
                let kind = if papers.kind == Kind::P256 { "p256" } else { "ed25519" };
                let answer = child.call(json!({
                    "do": "identity", "name": "own", "kind": kind, "rotations": papers.rotations,
                    "purpose_keys": papers.purpose_keys,
                }));
                Ok(text(&answer.await?, "identifier"))
            }
        }
    }

    /// Changes the key of the end's identity, and its purpose key.
    pub(crate) async fn rotate(&mut self) -> Outcome<()> {
        match self {
            Self::Razor(node) => node.rotate().await,
            Self::Program(program) => program.rotate().await,
            Self::Production(child) => child.call(json!({ "do": "rotate", "name": "own" })).await.map(drop),
        }
    }

    /// Listens for TCP, and at `api` for secure channels with whoever is trusted: everybody, if nobody is named. Peers
    /// reach workers that send back and on. Gives the address.
    pub(crate) async fn serve(&mut self, trust: Option<&[String]>) -> Outcome {
        match self {
            Self::Razor(node) => node.serve(trust).await,
            Self::Program(program) => program.serve(trust).await,
            Self::Production(child) => {
                let address = text(&child.call(json!({ "do": "listen" })).await?, "address");
                child.call(json!({ "do": "accept", "identity": "own", "trust": trust })).await?;
                Ok(address)
            }
        }
    }

    /// Connects by TCP and gives the address to send to.
    pub(crate) async fn connect(&mut self, to: &str) -> Outcome {
        match self {
            Self::Razor(node) => node.connect(to).await,
            Self::Program(_) => Ok(Program::connect(to)),
            Self::Production(child) => Ok(text(&child.call(json!({ "do": "connect", "to": to })).await?, "address")),
        }
    }

    /// Connects to another node, before it serves, and gives the part of a route by which peers of this one go on to it.
    /// A node of Razor lets nobody name a connection: a worker stands for it.
    pub(crate) async fn lead_to(&mut self, to: &str) -> Outcome {
        match self {
            Self::Razor(node) => {
                let address = node.connect(to).await?;
                node.bridge(&address)
            }
            Self::Program(program) => Ok(program.lead_to(to)),
            Self::Production(_) => Ok(format!("hop => {}", self.connect(to).await?)),
        }
    }

    /// Opens a secure channel, with whoever is trusted.
    pub(crate) async fn open(&mut self, route: &str, trust: Option<&[String]>, patience: Duration) -> Outcome<Opened> {
        match self {
            Self::Razor(node) => node.open(route, trust, patience).await,
            Self::Program(program) => program.open(route, trust, patience).await,
            Self::Production(child) => {
                let patience = u64::try_from(patience.as_millis())?;
                let command = json!({
                    "do": "open", "identity": "own", "route": route, "trust": trust, "patience": patience,
                });
                let answer = child.call(command).await?;
                Ok(match answer["refused"].as_str() {
                    Some(why) => Opened::Refused(why.to_owned()),
                    None => Opened::Open { address: text(&answer, "address"), peer: text(&answer, "peer") },
                })
            }
        }
    }

    /// Sends messages that are to come back.
    pub(crate) async fn exchange(&mut self, route: &str, load: &Load) -> Outcome<Exchanged> {
        match self {
            Self::Razor(node) => node.exchange(route, load).await,
            Self::Program(program) => program.exchange(route, load).await,
            Self::Production(child) => {
                let patience = u64::try_from(load.patience.as_millis())?;
                let command = json!({
                    "do": "exchange", "route": route, "sizes": load.sizes, "window": load.window, "patience": patience,
                });
                let answer = child.call(command).await?;
                let number = |value: &Value| value.as_u64().and_then(|it| usize::try_from(it).ok());
                let answered = answer["answered"].as_array().map(|list| list.iter().filter_map(number).collect());
                Ok(Exchanged {
                    answered: answered.ok_or("the peer does not say what was answered")?,
                    wrong: number(&answer["wrong"]).ok_or("the peer does not say what was wrong")?,
                })
            }
        }
    }

    /// Closes all channels that are open.
    pub(crate) async fn close(&mut self) -> Outcome<()> {
        match self {
            Self::Razor(node) => node.close().await,
            Self::Program(program) => program.close().await,
            Self::Production(child) => child.call(json!({ "do": "close" })).await.map(drop),
        }
    }

    /// How many channels are open.
    pub(crate) async fn channels(&mut self) -> Outcome<usize> {
        match self {
            Self::Razor(node) => node.channels().await,
            Self::Program(program) => program.channels().await,
            Self::Production(child) => {
                let answer = child.call(json!({ "do": "channels" })).await?;
                Ok(usize::try_from(answer["open"].as_u64().ok_or("the peer does not count")?)?)
            }
        }
    }

    /// Waits until so many channels are open.
    pub(crate) async fn has_channels(&mut self, count: usize) -> Outcome<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let open = self.channels().await?;
            if open == count {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{open} channels are open instead of {count}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Why a node of Razor refused something, if it did: requirements of the specification.
    pub(crate) async fn refusals(&self) -> Outcome<Vec<String>> {
        match self {
            Self::Razor(node) => Ok(node.refusals().await?.into_iter().map(str::to_owned).collect()),
            Self::Program(program) => program.refusals().await,
            Self::Production(_) => Ok(Vec::new()),
        }
    }

    /// Ends the node, and waits for that.
    pub(crate) async fn end(self) {
        match self {
            Self::Razor(node) => node.end().await,
            // The processes are killed.
            Self::Program(_) | Self::Production(_) => {}
        }
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_default().to_owned()
}
