//! Secure channels and their listeners.

use std::sync::Arc;

use razor::channel::{self, Addresses, HandshakeTime, Listening, Padding, Places, Trust};
use razor::identity::{Identifier, PresentedCredential};
use razor::node::{Flow, FlowControlId, Mailbox};
use razor::routing::{Address, Route};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::node::Node;
use crate::reach::Reach;
use crate::shard::{Handle, Shard};
use crate::suite::Suite;

/// How a secure channel is to be.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// With whom it may be opened; with anyone who proves an identity, by default.
    pub trust: Trust,
    /// How long the handshake may take.
    pub timeout: HandshakeTime,
    /// Padding of what is sent; none by default.
    pub padding: Padding,
    /// The suite.
    pub suite: Suite,
    /// What is presented to the peer.
    pub credentials: Vec<PresentedCredential>,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            trust: Trust::Everyone,
            timeout: HandshakeTime::DEFAULT,
            padding: Padding::None,
            suite: Suite::default(),
            credentials: Vec::new(),
        }
    }
}

impl ChannelOptions {
    /// Only with whom `trust` trusts.
    pub fn trusting(trust: Trust) -> Self {
        Self { trust, ..Self::default() }
    }

    pub(crate) fn config(&self, node: &Node, identity: &Identity) -> Result<Arc<channel::Config>> {
        let now = node.clock().wall();
        let mut config = channel::Config::new(&identity.identity, &identity.attestation, &self.credentials, now)?;
        config.trust = self.trust.clone();
        config.timeout = self.timeout;
        config.padding = self.padding;
        Ok(Arc::new(config))
    }
}

/// How a listener for secure channels is to be.
#[derive(Debug, Clone, Default)]
pub struct ListenerOptions {
    /// How its channels are to be.
    pub channel: ChannelOptions,
    /// Through what it is reached: connections, listeners, channels. Not at all, by default, but through
    /// its own channels.
    pub reached_through: Vec<Reach>,
    /// How many half-open handshakes and open channels it bears, on each shard.
    pub places: Places,
}

impl ListenerOptions {
    /// Only with whom `trust` trusts.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.channel.trust = trust;
        self
    }

    /// Reached through this as well.
    #[must_use]
    pub fn reached_through(mut self, reach: &Reach) -> Self {
        self.reached_through.push(reach.clone());
        self
    }
}

impl Node {
    /// Opens a secure channel with whoever listens at the end of `route`. Returns when it is open. A few handshakes
    /// with the same listener are under way at once, more of them wait for their turn.
    ///
    /// # Errors
    /// `CHN-10` when the peer is not trusted, `CHN-*` for everything else that is wrong with it, `CHN-45`
    /// when it does not answer in time; the address is that of the channel. When it is cancelled, there is no channel.
    pub async fn create_secure_channel(
        &self,
        identity: &Identity,
        route: impl Into<Route>,
        options: ChannelOptions,
    ) -> Result<SecureChannel> {
        let route = route.into();
        let config = options.config(self, identity)?;
        let shard = self.shard_of(&route).await?;
        //= spec/src/channels.md#chn-63
        //# An initiator SHOULD NOT have more than 32 handshakes with one listener under way.
        let turns = {
            let route = route.clone();
            shard.call(move |shard| shard.turns.at(&route)).await?
        };
        let _turn = turns.acquire().await.map_err(|_| Error::Stopped)?;
        let create = options.suite.makers().create;
        let handle = shard.clone();
        let channel = shard.call(move |shard| {
            shard.open_channel(create, config, &route).map(|channel| {
                let undo = handle.undo_workers(vec![channel.0.encryptor.clone()]);
                (channel, undo)
            })
        });
        let ((Addresses { encryptor, decryptor }, opened, alive), undo) = channel.await??;
        let opened = opened.await.map_err(|_| Error::Stopped)?.map_err(|error| Error::at(error, &encryptor))?;
        let (producer, gates) = {
            let encryptor = encryptor.clone();
            let shared = move |shard: &mut Shard| {
                let producer = shard.node.producer_at(&encryptor);
                // It may have been closed since; then there is nobody to shut gates again.
                (producer, producer.map(|_| shard.open_gates(&Mailbox::open(encryptor), |_| Flow::default())))
            };
            shard.call(shared).await?
        };
        if let Some(gates) = gates {
            gates.opened(&encryptor).await?;
        }
        undo.keep();
        let reach = Reach::only(self.shards().len(), shard.index(), producer);
        Ok(SecureChannel { shard, encryptor, decryptor, peer: opened.peer, alive, reach })
    }

    /// Listens for secure channels at `address`: on all shards, so that a channel lives where its connection does.
    ///
    /// # Errors
    /// `NOD-13` when the address is taken.
    pub async fn create_secure_channel_listener(
        &self,
        identity: &Identity,
        address: impl Into<Address>,
        options: ListenerOptions,
    ) -> Result<SecureChannelListener> {
        let address = address.into();
        let config = options.channel.config(self, identity)?;
        let listen = options.channel.suite.makers().listen;
        let mut ids = Vec::new();
        for shard in self.shards() {
            let listening = Listening {
                address: address.clone(),
                places: options.places,
                reached_through: Reach::ids(&options.reached_through, shard.index()),
            };
            let config = config.clone();
            let id = shard.call(move |shard| shard.with(|node, env| listen(node, env, config, listening))).await?;
            ids.push(Some(id.map_err(|error| Error::at(error, &address))?));
        }
        let reached = |(index, id): (usize, &Option<FlowControlId>)| {
            let mut reached = Reach::ids(&options.reached_through, index);
            reached.extend(*id);
            reached
        };
        let reached: Arc<[Vec<FlowControlId>]> = ids.iter().enumerate().map(reached).collect();
        for (shard, id) in self.shards().iter().zip(&ids) {
            let (reached, id) = (reached.clone(), *id);
            shard.call(move |shard| id.map(|id| shard.listens(id, reached))).await?;
        }
        Ok(SecureChannelListener { address, reach: Reach::new(ids) })
    }

    /// The shard on which the first hop of a route is; any, when it is on all of them.
    pub(crate) async fn shard_of(&self, route: &Route) -> Result<Handle> {
        let first = route.as_ref().first().map(|first| first.to_owned());
        for shard in self.shards() {
            let Some(first) = first.clone() else { break };
            if shard.call(move |shard| shard.node.producer_at(&first).is_some()).await? {
                return Ok(shard.clone());
            }
        }
        Ok(self.any_shard().clone())
    }
}

/// An open secure channel. It goes on when this is dropped; [`close`](Self::close) ends it.
#[derive(Debug)]
pub struct SecureChannel {
    shard: Handle,
    encryptor: Address,
    decryptor: Address,
    peer: Identifier,
    alive: watch::Receiver<()>,
    reach: Reach,
}

impl SecureChannel {
    /// The address to send to: what is sent on from there goes to the peer's node, and to nobody else.
    pub fn address(&self) -> &Address {
        &self.encryptor
    }

    /// The address that the peer sends to.
    pub fn decryptor(&self) -> &Address {
        &self.decryptor
    }

    /// A route through the channel to a worker of the peer's node.
    pub fn route(&self, to: impl Into<Address>) -> Route {
        Route::from(self.encryptor.clone()).then(to)
    }

    /// Who the peer has proved to be.
    pub fn peer(&self) -> &Identifier {
        &self.peer
    }

    /// What the peer reaches here.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.alive.has_changed().is_ok()
    }

    /// Waits until it is closed, by either side.
    pub async fn closed(&self) {
        let mut alive = self.alive.clone();
        // The other end is dropped with the channel.
        while alive.changed().await.is_ok() {}
    }

    /// Closes it and tells the peer.
    ///
    /// # Errors
    /// `NOD-2` when it is closed already.
    pub async fn close(self) -> Result<()> {
        let Self { shard, encryptor, .. } = self;
        let stopped = {
            let encryptor = encryptor.clone();
            shard.call(move |shard| shard.stop_worker(&encryptor)).await?
        };
        stopped.map_err(|error| Error::at(error, &encryptor))
    }
}

/// A listener for secure channels.
#[derive(Debug, Clone)]
pub struct SecureChannelListener {
    address: Address,
    reach: Reach,
}

impl SecureChannelListener {
    /// Where initiators send to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the peers of its channels reach.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }
}
