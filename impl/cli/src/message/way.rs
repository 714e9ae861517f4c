//! The way of a message: the connection that is made, and the channels along it, one inside the other.

use std::fmt;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use razor::channel::Trust;
use razor::identity::Identifier;
use razor::routing::{Route, TransportType};
use razor_tokio::{ChannelOptions, Connection, Error, Identity, Node, Reach, SecureChannel};
use tokio::time::timeout;

use crate::failure::{Failure, Result};
use crate::suite::SuiteName;

/// The channels that are to be opened, from the outermost to the innermost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Through(pub(super) Vec<Wanted>);

/// A channel that is to be opened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// The route to its listener.
    pub(super) route: Route,
    /// With whom; with everybody, if there is nobody.
    pub(super) trust: Vec<Identifier>,
}

// By hand, because `--trust` belongs to the `--through` before it.
impl Args for Through {
    fn augment_args(command: Command) -> Command {
        command
            .arg(
                Arg::new("through")
                    .long("through")
                    .value_name("ROUTE")
                    .value_parser(value_parser!(Route))
                    .action(ArgAction::Append)
                    .help("Open a secure channel with the listener at the end of this route, and send through it")
                    .long_help(
                        "Open a secure channel with the listener at the end of this route, and send through it; may \
                         be repeated: each further channel is opened through the one before, and its route begins \
                         where that one ends",
                    ),
            )
            .arg(
                Arg::new("trust")
                    .long("trust")
                    .value_name("IDENTIFIER")
                    .value_parser(value_parser!(Identifier))
                    .action(ArgAction::Append)
                    .requires("through")
                    .help("Open the channel of the --through before it with this identity alone; may be repeated"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Through {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let routes = matches.get_many::<Route>("through").into_iter().flatten();
        let trusted = matches.get_many::<Identifier>("trust").into_iter().flatten();
        let begins: Vec<usize> = matches.indices_of("through").into_iter().flatten().collect();
        let mut wanted: Vec<Wanted> = routes.map(|route| Wanted { route: route.clone(), trust: Vec::new() }).collect();
        for (identifier, at) in trusted.zip(matches.indices_of("trust").into_iter().flatten()) {
            // With a single channel there is no doubt which one is meant.
            let before = if wanted.len() == 1 { 1 } else { begins.iter().filter(|begin| **begin < at).count() };
            let Some(channel) = before.checked_sub(1).and_then(|index| wanted.get_mut(index)) else {
                let why = "give each --trust after the --through of the channel that it is about\n";
                return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, why));
            };
            channel.trust.push(*identifier);
        }
        Ok(Self(wanted))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The way, opened.
#[derive(Debug)]
pub(super) struct Way {
    connection: Connection,
    /// With the routes along which they were opened.
    channels: Vec<(Route, SecureChannel)>,
    /// The whole route, from here to the receiver.
    pub(super) route: Route,
}

impl Way {
    /// Connects, and opens the channels.
    pub(super) async fn open(
        node: &Node,
        identity: Option<&Identity>,
        through: &Through,
        suite: SuiteName,
        to: &Route,
        patience: Duration,
    ) -> Result<Self> {
        let first = through.0.first().map_or(to, |wanted| &wanted.route);
        let peer = dialled(first)?;
        let connection = match timeout(patience, node.connect(&peer)).await {
            Ok(connection) => connection.map_err(|error| cannot_connect(&peer, error))?,
            Err(_) => return Err(cannot_connect(&peer, Error::Timeout)),
        };
        let mut way = Self { connection, channels: Vec::new(), route: to.clone() };
        if let Some(identity) = identity {
            for wanted in &through.0 {
                let trust = match wanted.trust.as_slice() {
                    [] => Trust::Everyone,
                    trusted => Trust::AnyOf(trusted.to_vec()),
                };
                let options = ChannelOptions { suite: suite.into(), ..ChannelOptions::trusting(trust) };
                let opening = node.create_secure_channel(identity, way.onward(&wanted.route), options);
                let channel = match timeout(patience, opening).await {
                    Ok(channel) => channel.map_err(|error| no_channel(&wanted.route, error))?,
                    Err(_) => return Err(no_channel(&wanted.route, Error::Timeout)),
                };
                way.channels.push((wanted.route.clone(), channel));
            }
        }
        way.route = way.onward(to);
        Ok(way)
    }

    /// A route that begins where the innermost channel ends.
    fn onward(&self, route: &Route) -> Route {
        let mut whole = self.channels.last().map_or_else(Route::new, |(_, channel)| channel.address().clone().into());
        whole.extend(route.as_ref());
        whole
    }

    /// What the receiver reaches here.
    pub(super) fn reach(&self) -> &Reach {
        self.channels.last().map_or_else(|| self.connection.reach(), |(_, channel)| channel.reach())
    }

    /// The channels: the routes to their listeners, and who answered.
    pub(super) fn channels(&self) -> impl Iterator<Item = (&Route, &Identifier)> {
        self.channels.iter().map(|(route, channel)| (route, channel.peer()))
    }

    /// What of it is gone, if something is.
    pub(super) fn is_gone(&self) -> Option<&'static str> {
        let closed = |(_, channel): &(Route, SecureChannel)| !channel.is_open();
        match self.connection.is_open() {
            false => Some("the connection"),
            true => self.channels.last().is_some_and(closed).then_some("the secure channel"),
        }
    }

    /// Waits until it is gone; says what of it.
    pub(super) async fn gone(&self) -> &'static str {
        match self.channels.last() {
            Some((_, channel)) => tokio::select! {
                () = self.connection.closed() => "the connection",
                () = channel.closed() => "the secure channel",
            },
            None => {
                self.connection.closed().await;
                "the connection"
            }
        }
    }
}

/// The TCP peer with which a route begins.
fn dialled(route: &Route) -> Result<String> {
    let first = route.as_ref().first().filter(|first| first.transport == TransportType::TCP);
    first.and_then(|first| String::from_utf8(first.value.to_vec()).ok()).ok_or_else(|| {
        Failure::usage(format!(
            "the route `{route}` does not begin with the TCP address of a node; give for example '1#127.0.0.1:4000 => {route}'"
        ))
    })
}

fn cannot_connect(peer: &str, error: Error) -> Failure {
    let why: &dyn fmt::Display = match &error {
        Error::Io { error, .. } => error,
        Error::Timeout => &"it does not answer",
        other => other,
    };
    Failure::failed(format!(
        "could not connect to {peer}: {why}; is a node listening there? `razor node start --listen {peer}` starts one"
    ))
}

fn no_channel(route: &Route, error: Error) -> Failure {
    Failure::failed(match (&error, error.requirement()) {
        (_, Some("CHN-10")) => format!(
            "no secure channel along `{route}`: who answered is not trusted; give the identifier that the node there shows as --trust, if you trust it"
        ),
        (Error::Timeout, _) | (_, Some("CHN-45")) => format!(
            "no secure channel along `{route}`: nobody answered in time; is there a listener for channels at its end, and is every worker on the way open to you? --timeout gives more time"
        ),
        _ => format!("no secure channel along `{route}`: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> std::result::Result<Through, clap::Error> {
        let command = Through::augment_args(Command::new("test").no_binary_name(true));
        Through::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    fn identifier(byte: &str) -> String {
        format!("I{}", byte.repeat(32))
    }

    #[test]
    fn trust_belongs_to_the_channel_before_it() {
        let (a, b, c) = (identifier("0a"), identifier("0b"), identifier("0c"));
        let parsed = parse(&["--through", "1#h:1 => x", "--trust", &a, "--trust", &b, "--through", "y", "--trust", &c]);
        let trust: Vec<Vec<String>> =
            parsed.unwrap().0.iter().map(|it| it.trust.iter().map(Identifier::to_string).collect()).collect();
        assert_eq!(trust, [vec![a, b], vec![c]]);
    }

    #[test]
    fn trust_is_never_given_to_a_channel_in_doubt() {
        let a = identifier("0a");
        assert_eq!(parse(&["--trust", &a, "--through", "x"]).unwrap().0[0].trust.len(), 1);
        assert!(parse(&["--trust", &a, "--through", "x", "--through", "y"]).is_err());
        assert!(parse(&["--trust", &a]).is_err());
        let late = parse(&["--through", "x", "--through", "y", "--trust", &a]).unwrap();
        assert_eq!((late.0[0].trust.len(), late.0[1].trust.len()), (0, 1));
    }

    #[test]
    fn only_a_route_that_begins_with_a_tcp_address_says_whom_to_dial() {
        assert_eq!(dialled(&"1#host:4000 => echo".parse().unwrap()).unwrap(), "host:4000");
        assert!(dialled(&"echo => 1#host:4000".parse().unwrap()).is_err());
    }
}
