//! How a node is to be: by flags, or by a file with the same names.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use razor::identity::Identifier;
use razor::routing::{Address, Limits, Route};
use serde::{Deserialize, Deserializer, Serialize};

use super::endpoint::Endpoint;
use super::logs::{Format, Level};
use crate::failure::{Failure, Result};
use crate::suite::SuiteName;

/// Everything that can be said about a node. What is not said is `None`.
#[derive(Debug, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Settings {
    /// Listen for TCP connections there; may be repeated [default: 127.0.0.1:4000]
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<Vec<String>>,
    /// Listen for secure channels at this address [without a name: api]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "api")]
    pub(super) channels: Option<String>,
    /// Open channels with this identity alone; may be repeated [default: with whoever proves an identity]
    #[arg(long, value_name = "IDENTIFIER")]
    #[serde(deserialize_with = "identifiers")]
    pub(super) trust: Option<Vec<Identifier>>,
    /// The suite of the channels [default: aes-256-gcm]
    #[arg(long, value_name = "SUITE")]
    pub(super) suite: Option<SuiteName>,
    /// Run a worker that sends everything back [without a name: echo]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "echo")]
    pub(super) echo: Option<String>,
    /// Who reaches the echo worker [default: channels if there are any, else tcp]
    #[arg(long, value_name = "WHO")]
    pub(super) echo_through: Option<Through>,
    /// Run a worker that sends messages on to other workers of this node [without a name: hop]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "hop")]
    pub(super) hop: Option<String>,
    /// Who reaches the hop [default: channels if there are any, else tcp]
    #[arg(long, value_name = "WHO")]
    pub(super) hop_through: Option<Through>,
    /// Keep a connection to another node, and let peers go on over it by the worker NAME; may be repeated [default
    /// name: HOST:PORT]
    #[arg(long, value_name = "[NAME=]HOST:PORT")]
    pub(super) connect: Option<Vec<Connect>>,
    /// Who may go on over these connections [default: channels if there are any, else tcp]
    #[arg(long, value_name = "WHO")]
    pub(super) connect_through: Option<Through>,
    /// The identity that the node speaks as [default: default, made when it is not there]
    #[arg(long, value_name = "NAME")]
    pub(super) identity: Option<String>,
    /// The folder of identities, keys and the node's socket [default: razor in the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// How many cores to use [default: all]
    #[arg(long, value_name = "N")]
    pub(super) shards: Option<NonZeroU16>,
    /// Where to ask for /status and /metrics by HTTP: HOST:PORT or unix:PATH [default: unix:DIR/node.sock]
    #[arg(long, value_name = "ENDPOINT")]
    pub(super) status: Option<Endpoint>,
    /// What is logged to standard error [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<Level>,
    /// How it is written [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<Format>,
}

/// Whether a route, as it is written, can lead to a worker of this name.
fn is_worker(name: &str) -> bool {
    let route = name.parse::<Route>().is_ok_and(|route| route == Route::from(Address::from(name)));
    route && (1..=usize::from(Limits::DEFAULT.address)).contains(&name.len())
}

/// From where a worker is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Through {
    /// Whoever connects by TCP
    Tcp,
    /// Peers of secure channels
    Channels,
    /// Both
    Both,
}

impl Through {
    pub(super) fn tcp(self) -> bool {
        self != Self::Channels
    }

    pub(super) fn channels(self) -> bool {
        self != Self::Tcp
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Tcp => "whoever connects by TCP",
            Self::Channels => "peers of secure channels",
            Self::Both => "whoever connects by TCP, and peers of secure channels",
        }
    }
}

/// A connection that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Connect {
    /// The worker by which peers go on over it.
    pub(super) name: String,
    /// `host:port`.
    pub(super) peer: String,
}

impl FromStr for Connect {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (name, peer) = text.split_once('=').unwrap_or((text, text));
        let port = peer.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse().ok());
        match port {
            Some(1u16..) if !name.is_empty() => Ok(Self { name: name.into(), peer: peer.into() }),
            _ => Err("give HOST:PORT, or NAME=HOST:PORT"),
        }
    }
}

impl TryFrom<String> for Connect {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse()
    }
}

impl Settings {
    /// Those of a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
        toml::from_str(&text).map_err(|e| {
            Failure::usage(format!(
                "{} says nothing that a node understands: {}; its names are those of the flags, see `razor node start --help`",
                path.display(),
                e.to_string().trim_end()
            ))
        })
    }

    /// These, and what they do not say from `others`.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            listen: self.listen.or(others.listen),
            channels: self.channels.or(others.channels),
            trust: self.trust.or(others.trust),
            suite: self.suite.or(others.suite),
            echo: self.echo.or(others.echo),
            echo_through: self.echo_through.or(others.echo_through),
            hop: self.hop.or(others.hop),
            hop_through: self.hop_through.or(others.hop_through),
            connect: self.connect.or(others.connect),
            connect_through: self.connect_through.or(others.connect_through),
            identity: self.identity.or(others.identity),
            dir: self.dir.or(others.dir),
            shards: self.shards.or(others.shards),
            status: self.status.or(others.status),
            log_level: self.log_level.or(others.log_level),
            log_format: self.log_format.or(others.log_format),
        }
    }

    /// Whether what is said goes together: whoever restricts what is not there has something else in mind.
    pub(super) fn check(&self) -> Result<()> {
        let through = [
            ("echo-through", self.echo_through, self.echo.is_some(), "--echo"),
            ("hop-through", self.hop_through, self.hop.is_some(), "--hop"),
            ("connect-through", self.connect_through, self.connect.is_some(), "--connect"),
        ];
        for (name, through, is_there, what) in through {
            if through.is_some() && !is_there {
                return Err(Failure::usage(format!("--{name} says who reaches what is not there; add {what}")));
            }
            if through.is_some_and(Through::channels) && self.channels.is_none() {
                return Err(Failure::usage(format!(
                    "--{name} lets peers of secure channels in, and there are none; add --channels"
                )));
            }
        }
        let mut names: Vec<&str> =
            [&self.channels, &self.echo, &self.hop].into_iter().flatten().map(String::as_str).collect();
        names.extend(self.connect.iter().flatten().map(|it| it.name.as_str()));
        if let Some(name) = names.iter().find(|name| !is_worker(name)) {
            return Err(Failure::usage(format!(
                "no route leads to a worker named `{name}`; give it a name of 1 to {} bytes without `#`, `=>` and `\\`",
                Limits::DEFAULT.address
            )));
        }
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[one, next]| one == next) {
            return Err(Failure::usage(format!("two workers are named `{name}`; give one of them another name")));
        }
        for (name, is_said, what) in [
            ("trust", self.trust.is_some(), "with whom channels are opened"),
            ("suite", self.suite.is_some(), "how channels are encrypted"),
        ] {
            if is_said && self.channels.is_none() {
                return Err(Failure::usage(format!("--{name} says {what}, and there are none; add --channels")));
            }
        }
        Ok(())
    }

    /// Who reaches a worker of which nothing is said: as few as possible, but somebody.
    pub(super) fn through(&self, said: Option<Through>) -> Through {
        said.unwrap_or(if self.channels.is_some() { Through::Channels } else { Through::Tcp })
    }
}

fn identifiers<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Vec<Identifier>>, D::Error> {
    let parse = |text: String| text.parse().map_err(|e: razor::Error| serde::de::Error::custom(e.what()));
    Vec::<String>::deserialize(from)?.into_iter().map(parse).collect::<std::result::Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Settings, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = parse("echo = \"e\"\nhop = \"h\"\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]").unwrap();
        let flags = Settings { echo: Some("f".into()), listen: Some(vec!["127.0.0.1:3".into()]), ..Default::default() };
        let both = flags.or(file);
        assert_eq!((both.echo.as_deref(), both.hop.as_deref()), (Some("f"), Some("h")));
        assert_eq!(both.listen, Some(vec!["127.0.0.1:3".into()]));
    }

    #[test]
    fn everything_can_be_said_in_a_file() {
        let id = format!("I{}", "ab".repeat(32));
        let all = parse(&format!(
            r#"
            listen = ["127.0.0.1:4000"]
            channels = "api"
            trust = ["{id}"]
            suite = "aes-128-gcm"
            echo = "echo"
            echo-through = "both"
            hop = "hop"
            hop-through = "tcp"
            connect = ["end=127.0.0.1:4001"]
            connect-through = "channels"
            identity = "default"
            dir = "data"
            shards = 2
            status = "127.0.0.1:9000"
            log-level = "debug"
            log-format = "json"
            "#
        ))
        .unwrap();
        let nothing = Settings::default();
        // Whatever had been forgotten would be taken from the other side.
        assert_eq!(all.or(nothing).or(parse("echo = \"other\"").unwrap()).echo.as_deref(), Some("echo"));
    }

    #[test]
    fn the_file_of_the_guide_is_understood() {
        let guide = include_str!("../../../../docs/command.md");
        let file = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("a file");
        assert_eq!(parse(file).map(|it| it.check().is_ok()), Ok(true));
    }

    #[test]
    fn a_file_with_an_unknown_key_or_a_wrong_value_is_refused_and_says_where() {
        for (text, why) in [
            ("ecko = \"e\"", "unknown field `ecko`"),
            ("shards = 0", "nonzero"),
            ("trust = [\"P12\"]", "an identifier is the letter I and 64 hexadecimal digits"),
            ("connect = [\"nowhere\"]", "give HOST:PORT"),
            ("echo-through = \"anything\"", "unknown variant `anything`"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for text in [
            "trust = []",
            "echo = \"e\"\nhop = \"e\"",
            "echo-through = \"tcp\"",
            "echo = \"e\"\necho-through = \"channels\"",
            "suite = \"aes-128-gcm\"",
            "echo = \"\"",
            "echo = \"1#host:4000\"",
            "hop = \"a => b\"",
            &format!("echo = \"{}\"", "e".repeat(256)),
        ] {
            assert!(parse(text).unwrap().check().is_err(), "{text}");
        }
        assert!(parse("echo = \"e\"\necho-through = \"tcp\"").unwrap().check().is_ok());
    }

    #[test]
    fn a_connection_has_the_name_that_it_is_given() {
        let connect = |text: &str| text.parse::<Connect>().map(|it| (it.name, it.peer));
        assert_eq!(connect("end=[::1]:80"), Ok(("end".into(), "[::1]:80".into())));
        assert_eq!(connect("host:80"), Ok(("host:80".into(), "host:80".into())));
        for wrong in ["host", "host:", ":80", "=host:80", "end=host:0", "host:99999"] {
            assert!(connect(wrong).is_err(), "{wrong}");
        }
    }
}
