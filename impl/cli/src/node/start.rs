//! `razor node start`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use razor::channel::Trust;
use razor::identity::Identifier;
use razor_tokio::storage::Storage;
use razor_tokio::{ChannelOptions, Error, Identity, ListenerOptions, Node};
use tokio::task::JoinSet;

use super::endpoint::{Endpoint, Listener};
use super::entrance::{Dialled, Doors};
use super::onward::{self, Kept};
use super::report::{Facts, Named, Role, Source};
use super::settings::{Settings, Through};
use super::{logs, serve};
use crate::failure::{Failure, Result};
use crate::os;
use crate::signals::Signals;

/// Where a node listens unless it is told otherwise: on this machine alone.
const LISTEN: &str = "127.0.0.1:4000";

/// Run a node until it is told to stop
///
/// Nothing of the node is reached by anybody unless a flag says so. SIGTERM or SIGINT ends it: channels tell their
/// peers, and what is on its way is written; a second signal ends it at once.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// Take what is not said by flags from this file: TOML, with the names of the flags
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say how the node runs in one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Start {
    pub(super) fn run(self) -> Result {
        let file = self.config.as_deref().map(Settings::read).transpose()?;
        let settings = self.settings.or(file.unwrap_or_default());
        settings.check()?;
        let logs = logs::begin(settings.log_level.unwrap_or_default(), settings.log_format.unwrap_or_default());
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let shards = settings.shards.map_or_else(cores, |shards| usize::from(shards.get()));
        let result = os::runtime(shards)?.block_on(run(settings, shards, self.json));
        logs.finish();
        result
    }
}

async fn run(settings: Settings, shards: usize, json: bool) -> Result {
    let mut signals = Signals::catch()?;
    let dir = settings.dir.clone().map_or_else(os::data_dir, Ok)?;
    let endpoint = settings.status.clone().unwrap_or_else(|| Endpoint::of(&dir)).listen().await?;
    let node = Node::builder().shards(shards).storage(Storage::at(&dir)).start()?;
    let mut tasks = JoinSet::new();
    let running = begin(&node, &settings, &dir, shards, endpoint, &mut tasks).await;
    let result = match running {
        Ok(facts) => {
            greet(&facts, settings.dir.as_deref(), json);
            tracing::info!(node = %env!("CARGO_PKG_VERSION"), listening = ?facts.listening, "the node runs");
            let (signal, _) = signals.next().await;
            tracing::info!(%signal, "the node shuts down");
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => Err(failure),
    };
    // Nobody connects again, and nobody asks any more.
    tasks.shutdown().await;
    tokio::select! {
        () = node.shutdown() => result,
        (signal, code) = signals.next() => {
            tracing::warn!(%signal, "the node ends at once");
            std::process::exit(code)
        }
    }
}

/// Starts all that the node is to have.
async fn begin(
    node: &Node,
    settings: &Settings,
    dir: &Path,
    shards: usize,
    endpoint: Listener,
    tasks: &mut JoinSet<()>,
) -> Result<Facts> {
    let mut facts = Facts {
        razor: env!("CARGO_PKG_VERSION").into(),
        process: std::process::id(),
        shards,
        listening: Vec::new(),
        status: endpoint.endpoint().to_string(),
        identity: None,
        suite: settings.channels.as_ref().map(|_| settings.suite.unwrap_or_default()),
        trust: settings.trust.as_ref().map(|trust| trust.iter().map(Identifier::to_string).collect()),
        workers: Vec::new(),
    };
    let mut doors = Doors::default();
    let identity = match &settings.channels {
        Some(_) => Some(identity(node, settings, dir).await?),
        None => None,
    };
    let default = vec![LISTEN.to_owned()];
    for at in settings.listen.as_ref().unwrap_or(&default) {
        let listener = node.listen(at).await.map_err(cannot_listen)?;
        facts.listening.push(listener.local_addr().to_string());
        doors.listeners.push(listener.reach().clone());
    }
    if let (Some(address), Some((name, identity))) = (&settings.channels, identity) {
        let trust = settings.trust.clone().map_or(Trust::Everyone, Trust::AnyOf);
        let options = ListenerOptions {
            channel: ChannelOptions {
                suite: settings.suite.unwrap_or_default().into(),
                ..ChannelOptions::trusting(trust)
            },
            reached_through: doors.listeners.clone(),
            ..ListenerOptions::default()
        };
        let listener = node.create_secure_channel_listener(&identity, address.as_str(), options).await;
        doors.channels = Some(listener?.reach().clone());
        facts.identity = Some(Named { name, identifier: identity.identifier().to_string() });
        facts.worker(address, Role::Channels, Through::Both);
    }
    if let Some(name) = &settings.echo {
        let through = settings.through(settings.echo_through);
        doors.open(node, name, through, &Dialled::default()).echoer().await?;
        facts.worker(name, Role::Echo, through);
    }
    if let Some(name) = &settings.hop {
        let through = settings.through(settings.hop_through);
        doors.open(node, name, through, &doors.dialled).hop().await?;
        facts.worker(name, Role::Hop, through);
    }
    let kept: Vec<Arc<Kept>> = settings.connect.iter().flatten().map(|it| Arc::new(Kept::new(it.clone()))).collect();
    for kept in &kept {
        let through = settings.through(settings.connect_through);
        facts.worker(&kept.connect.name, Role::Onward, through);
        tasks.spawn(onward::keep(node.clone(), doors.clone(), through, kept.clone()));
    }
    let source = Source { node: node.clone(), facts: facts.clone(), kept, since: Instant::now() };
    tasks.spawn(serve::serve(endpoint, Arc::new(source)));
    Ok(facts)
}

/// The identity that the node speaks as. One that was named has to be there; without a name there is always one.
async fn identity(node: &Node, settings: &Settings, dir: &Path) -> Result<(String, Identity)> {
    const DEFAULT: &str = "default";
    let name = settings.identity.as_deref().unwrap_or(DEFAULT);
    match crate::identity::load(&Storage::at(dir), name) {
        Err(failure) if settings.identity.is_some() => return Err(failure),
        // Whatever else is wrong with it is said again.
        _ => {}
    }
    Ok((name.to_owned(), node.identity(name).await?))
}

fn cannot_listen(error: Error) -> Failure {
    match &error {
        Error::Io { what, error } => Failure::failed(format!(
            "could not {what}: {error}; choose another address or port with --listen (port 0 is any that is free)"
        )),
        _ => error.into(),
    }
}

/// Says that the node runs, and how it is used.
fn greet(facts: &Facts, dir: Option<&Path>, json: bool) {
    if json {
        crate::outln!("{}", serde_json::to_string(facts).unwrap_or_default());
        return;
    }
    crate::out!("the node runs\n{facts}");
    crate::outln!("            {}", facts.show(dir));
    match facts.other_side() {
        Some(command) => crate::outln!("\non the other side:\n  {command}"),
        None => crate::outln!("\nnobody reaches anything here: add --echo, --hop, --connect or --channels"),
    }
}
