//! A node of Razor's driver as an end of a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use razor::channel::HandshakeTime;
use razor::env::{Entropy, Purpose, Seeded, Timestamp};
use razor::identity::{self, AttestationDraft, IdentityDraft, NewKey, PurposeKey};
use razor::node::Event;
use razor::routing::{Address, Route};
use razor::vault::{SigningKind, SoftwareVault};
use razor_tokio::storage::{Kept, StaticKey, Storage};
use razor_tokio::{
    ChannelOptions, Connection, Context, Identifier, Identity, Listener, ListenerOptions, Node, Reach, SecureChannel,
    Suite, Trust,
};
use tempfile::TempDir;
use tokio::sync::broadcast;

use super::end::{Exchanged, Kind, Load, Opened, Papers};
use crate::capture::Capture;
use crate::table::Outcome;

pub(crate) struct Razor {
    node: Node,
    suite: Suite,
    /// Seconds that its clock is ahead of everybody else's.
    ahead: i64,
    /// Where its identity is kept.
    dir: TempDir,
    maker: Option<Maker>,
    identity: Option<Identity>,
    listeners: Vec<Listener>,
    /// What comes in by these reaches the services.
    doors: Vec<Reach>,
    connections: BTreeMap<String, Connection>,
    /// Connections that a worker is to stand for, by its name.
    bridges: Vec<(String, String)>,
    channels: Vec<SecureChannel>,
    events: broadcast::Receiver<Event>,
    /// The channels that peers have opened.
    accepted: BTreeSet<Address>,
    contexts: usize,
}

impl Razor {
    pub(crate) fn start(capture: &Capture, suite: Suite, ahead: i64) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let builder = Node::builder().network(capture.clone()).storage(Storage::at(dir.path()));
        let node = builder.wall_clock(move || now(ahead)).start()?;
        let events = node.events().pop().ok_or("a node without a shard")?;
        Ok(Self {
            node,
            suite,
            ahead,
            dir,
            maker: None,
            identity: None,
            listeners: Vec::new(),
            doors: Vec::new(),
            connections: BTreeMap::new(),
            bridges: Vec::new(),
            channels: Vec::new(),
            events,
            accepted: BTreeSet::new(),
            contexts: 0,
        })
    }

    /// Makes the identity in the node's folder, as the command does, and reads it from there.
    pub(crate) async fn identity(&mut self, papers: Papers) -> Outcome {
        let mut maker = Maker::new(papers.kind, Timestamp(now(self.ahead)))?;
        for _ in 0..papers.rotations {
            maker.rotate()?;
        }
        let storage = Storage::at(self.dir.path());
        storage.add_identity("own", &maker.kept())?;
        for _ in 0..papers.purpose_keys {
            storage.save_static_key("own", &maker.static_key()?)?;
        }
        self.maker = Some(maker);
        self.read_identity().await
    }

    /// Changes the identity's key, and its purpose key with it.
    pub(crate) async fn rotate(&mut self) -> Outcome<()> {
        let maker = self.maker.as_mut().ok_or("the node has no identity yet")?;
        maker.rotate()?;
        Storage::at(self.dir.path()).replace_identity("own", &maker.kept())?;
        self.read_identity().await.map(drop)
    }

    async fn read_identity(&mut self) -> Outcome {
        let identity = self.node.identity("own").await?;
        let identifier = identity.identifier().to_string();
        self.identity = Some(identity);
        Ok(identifier)
    }

    fn own(&self) -> Outcome<&Identity> {
        self.identity.as_ref().ok_or_else(|| "the node has no identity yet".into())
    }

    /// Listens for TCP, and at `api` for secure channels with whoever is trusted, and has the workers that peers reach.
    /// Gives the address.
    pub(crate) async fn serve(&mut self, trust: Option<&[String]>) -> Outcome {
        let address = self.listen().await?;
        self.accept(trust).await?;
        self.start_workers().await?;
        Ok(address)
    }

    async fn listen(&mut self) -> Outcome {
        let listener = self.node.listen("127.0.0.1:0").await?;
        let address = listener.local_addr().to_string();
        self.doors.push(listener.reach().clone());
        self.listeners.push(listener);
        Ok(address)
    }

    fn options(&self, trust: Option<&[String]>) -> Outcome<ChannelOptions> {
        let parse = |text: &String| text.parse::<Identifier>().map_err(|e| e.to_string());
        let trust = match trust {
            None => Trust::Everyone,
            Some(listed) => Trust::AnyOf(listed.iter().map(parse).collect::<Result<Vec<_>, _>>()?),
        };
        Ok(ChannelOptions { suite: self.suite, ..ChannelOptions::trusting(trust) })
    }

    async fn accept(&mut self, trust: Option<&[String]>) -> Outcome<()> {
        let mut options = ListenerOptions { channel: self.options(trust)?, ..ListenerOptions::default() };
        for door in &self.doors {
            options = options.reached_through(door);
        }
        let listener = self.node.create_secure_channel_listener(self.own()?, "api", options).await?;
        self.doors.push(listener.reach().clone());
        Ok(())
    }

    pub(crate) async fn connect(&mut self, to: &str) -> Outcome {
        let connection = self.node.connect(to).await?;
        let address = connection.address().to_string();
        self.connections.insert(address.clone(), connection);
        Ok(address)
    }

    /// A worker will stand for this connection.
    pub(crate) fn bridge(&mut self, address: &str) -> Outcome {
        let name = format!("onward-{}", self.bridges.len());
        self.bridges.push((name.clone(), address.to_owned()));
        Ok(name)
    }

    async fn start_workers(&mut self) -> Outcome<()> {
        let open = |name: &str| {
            let starting = self.node.open(name);
            self.doors.iter().fold(starting, |starting, door| starting.reached_through(door))
        };
        open("echo").echoer().await?;
        open("hop").hop().await?;
        for (name, address) in &self.bridges {
            let connection = self.connections.get(address).ok_or("there is no such connection")?;
            open(name).bridge(connection).await?;
        }
        Ok(())
    }

    pub(crate) async fn open(&mut self, route: &str, trust: Option<&[String]>, patience: Duration) -> Outcome<Opened> {
        let options = ChannelOptions { timeout: HandshakeTime(patience), ..self.options(trust)? };
        let opening = self.node.create_secure_channel(self.own()?, parse(route)?, options);
        let opened = match tokio::time::timeout(patience, opening).await {
            Err(_) => return Ok(Opened::Refused("no answer in time".into())),
            Ok(Err(error)) => return Ok(Opened::Refused(error.to_string())),
            Ok(Ok(opened)) => opened,
        };
        let (address, peer) = (opened.address().to_string(), opened.peer().to_string());
        self.channels.push(opened);
        Ok(Opened::Open { address, peer })
    }

    pub(crate) async fn exchange(&mut self, route: &str, load: &Load) -> Outcome<Exchanged> {
        self.contexts += 1;
        let starting = self.node.open(format!("asks-{}", self.contexts).as_str());
        let starting =
            self.connections.values().fold(starting, |it, connection| it.reached_through(connection.reach()));
        let starting = self.channels.iter().fold(starting, |it, channel| it.reached_through(channel.reach()));
        exchange(&mut starting.context().await?, &parse(route)?, load).await
    }

    /// Closes what it has opened, and what others have.
    pub(crate) async fn close(&mut self) -> Outcome<()> {
        for channel in self.channels.drain(..) {
            channel.close().await?;
        }
        self.hear();
        for encryptor in std::mem::take(&mut self.accepted) {
            self.node.stop_worker(encryptor).await?;
        }
        Ok(())
    }

    pub(crate) async fn channels(&mut self) -> Outcome<usize> {
        self.hear();
        Ok(self.accepted.len())
    }

    /// Why something was refused, if anything was: requirements of the specification.
    pub(crate) async fn refusals(&self) -> Outcome<Vec<&'static str>> {
        Ok(self.node.status().await?.failures.keys().map(|(requirement, _)| *requirement).collect())
    }

    /// Follows the events up to now: which channels are open.
    fn hear(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::ChannelOpened { encryptor, .. } => self.accepted.insert(encryptor),
                Event::ChannelClosed { encryptor } => self.accepted.remove(&encryptor),
                _ => false,
            };
        }
        for channel in &self.channels {
            if !channel.is_open() {
                self.accepted.remove(channel.address());
            }
        }
    }

    pub(crate) async fn end(self) {
        self.node.shutdown().await;
    }
}

/// Makes an identity, and changes its keys.
struct Maker {
    kind: SigningKind,
    at: Timestamp,
    entropy: Seeded,
    vault: SoftwareVault,
    secret: [u8; 32],
    identity: identity::Identity,
}

impl Maker {
    fn new(kind: Kind, at: Timestamp) -> Outcome<Self> {
        let kind = if kind == Kind::P256 { SigningKind::P256 } else { SigningKind::Ed25519 };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let (mut entropy, mut vault) = (Seeded::new(seed), SoftwareVault::new());
        let secret = draw(&mut entropy);
        let key = vault.import_signing_key(kind, &secret)?;
        let identity = IdentityDraft::create(&NewKey::starting(key, at)).sign_with(&vault)?;
        Ok(Self { kind, at, entropy, vault, secret, identity })
    }

    fn rotate(&mut self) -> Outcome<()> {
        let secret = draw(&mut self.entropy);
        let key = self.vault.import_signing_key(self.kind, &secret)?;
        let draft = IdentityDraft::rotate(&self.identity, &NewKey::starting(key, self.at))?;
        self.identity = draft.sign_with(&self.vault)?;
        self.secret = secret;
        Ok(())
    }

    fn static_key(&mut self) -> Outcome<StaticKey> {
        let secret = draw(&mut self.entropy);
        let key = PurposeKey::SecureChannelStatic(self.vault.import_static_key(&secret));
        let attestation = AttestationDraft::valid_from(&self.identity, key, self.at).sign_with(&self.vault)?;
        Ok(StaticKey { secret: secret.into(), attestation })
    }

    fn kept(&self) -> Kept {
        Kept { identity: self.identity.clone(), kind: self.kind, secret: self.secret.into() }
    }
}

fn draw(entropy: &mut Seeded) -> [u8; 32] {
    let mut secret = [0; 32];
    entropy.fill(Purpose::LongTermKey, &mut secret);
    secret
}

/// The payload of one message: its number, as far as that fits, then bytes that follow from it. As in `production`.
fn payload(index: usize, size: usize) -> Vec<u8> {
    let number = (index as u32).to_be_bytes();
    let filled = (0..size).map(|at| number.get(at).copied().unwrap_or((at * 7 + index * 31) as u8));
    filled.collect()
}

async fn exchange(context: &mut Context, route: &Route, load: &Load) -> Outcome<Exchanged> {
    let mut waiting = BTreeSet::new();
    let mut exchanged = Exchanged { answered: Vec::new(), wrong: 0 };
    let mut next = 0;
    while next < load.sizes.len() || !waiting.is_empty() {
        while next < load.sizes.len() && waiting.len() < load.window {
            context.send(route, &payload(next, load.sizes[next])).await?;
            waiting.insert(next);
            next += 1;
        }
        let Ok(answer) = tokio::time::timeout(load.patience, context.receive()).await else {
            if next == load.sizes.len() {
                break;
            }
            // Those are lost; the others are still to be sent.
            waiting.clear();
            continue;
        };
        let answer = answer?;
        let number = answer.payload().first_chunk::<4>().map(|number| u32::from_be_bytes(*number) as usize);
        // What is too short for its number is the oldest one that is.
        let index = number.or_else(|| waiting.iter().copied().find(|index| load.sizes[*index] < 4));
        let is_one =
            |index: &usize| load.sizes.get(*index).is_some_and(|size| payload(*index, *size) == answer.payload());
        match index.filter(is_one) {
            Some(index) => {
                waiting.remove(&index);
                exchanged.answered.push(index);
            }
            None => exchanged.wrong += 1,
        }
    }
    Ok(exchanged)
}

/// The time that a clock shows which is so many seconds ahead.
fn now(ahead: i64) -> u64 {
    let true_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    true_time.saturating_add_signed(ahead)
}

fn parse(route: &str) -> Outcome<Route> {
    Ok(route.parse::<Route>()?)
}
