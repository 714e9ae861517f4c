//! Links: how the shards of a node are one. Messages cross them in memory, by the rules of the core (specification:
//! "Shards"): a worker lives on one shard, and all others have a gate at its address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use razor::error::Result as CoreResult;
use razor::machine::{Machine as _, Refused};
use razor::node::{self, ConnectionId, Crossing, Flow, Mailbox};
use razor::routing::Address;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::shard::Shard;

/// What goes from one shard to another.
pub(crate) enum Crossed {
    /// A message.
    Message { link: ConnectionId, crossing: Crossing },
    /// So many bytes of messages were taken.
    Taken { link: ConnectionId, bytes: u64 },
    /// A gate is to be opened to the shard that says so.
    Open { link: ConnectionId, mailbox: Mailbox, flow: Flow, kind: Kind, opened: oneshot::Sender<CoreResult<()>> },
    /// It is to be shut.
    Shut { link: ConnectionId, address: Address },
}

/// What is behind a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything else.
    Other,
    /// A channel, which its peer reaches: it remembers the way by which the peer came last.
    Channel,
}

/// A gate of a shard.
struct Gate {
    link: ConnectionId,
    kind: Kind,
}

/// A shard's end of the link to another.
pub(crate) struct Link {
    /// The number of the shard at the other end.
    shard: usize,
    /// What waits in here is bounded by the node: it sends no more before it hears that messages were taken.
    to: mpsc::UnboundedSender<Crossed>,
    /// Messages that the node did not take, in order.
    parked: VecDeque<Crossing>,
    /// Bytes that the node took, of which the other end has not heard.
    taken: u64,
}

/// The ends of all links of one shard.
pub(crate) struct Ends {
    pub(crate) links: Vec<(ConnectionId, usize, mpsc::UnboundedSender<Crossed>)>,
    pub(crate) crossed: mpsc::UnboundedReceiver<Crossed>,
}

/// The ends of the links between `shards` shards, and the first number that is left for connections. Each pair is
/// linked, under one number, which grows for each of the two.
pub(crate) fn ends(shards: usize) -> (Vec<Ends>, u64) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::unbounded_channel()).unzip();
    let mut ends: Vec<Ends> = receivers.into_iter().map(|crossed| Ends { links: Vec::new(), crossed }).collect();
    let mut next = 1;
    for a in 0..shards {
        for b in a + 1..shards {
            ends[a].links.push((ConnectionId(next), b, senders[b].clone()));
            ends[b].links.push((ConnectionId(next), a, senders[a].clone()));
            next += 1;
        }
    }
    (ends, next)
}

/// All links of a shard, and the gates that go with them.
#[derive(Default)]
pub(crate) struct Links {
    links: BTreeMap<ConnectionId, Link>,
    /// Gates of this shard, by address.
    gates: BTreeMap<Address, Gate>,
    /// Addresses of this shard that others have gates to.
    shared: BTreeSet<Address>,
    /// Connections of this shard that other shards have a gate to because a channel's peer has come by them.
    shown: BTreeSet<(ConnectionId, ConnectionId)>,
    /// Links whose other end is to hear that messages were taken.
    owing: Vec<ConnectionId>,
}

/// Gates that are being opened.
#[must_use = "nobody knows whether they are open"]
pub(crate) struct Opening(Vec<oneshot::Receiver<CoreResult<()>>>);

impl Opening {
    /// Waits until all are open.
    pub(crate) async fn opened(self, address: &Address) -> Result<()> {
        for opened in self.0 {
            opened.await.map_err(|_| Error::Stopped)?.map_err(|error| Error::at(error, address))?;
        }
        Ok(())
    }
}

impl Shard {
    /// Joins this shard with the others.
    pub(crate) fn join(&mut self, ends: Vec<(ConnectionId, usize, mpsc::UnboundedSender<Crossed>)>) {
        for (id, shard, to) in ends {
            match self.with(|node, env| node.link(env, id)) {
                Ok(_) => drop(self.links.links.insert(id, Link { shard, to, parked: VecDeque::new(), taken: 0 })),
                Err(error) => tracing::error!(%error, "a shard cannot be linked"),
            }
        }
    }

    /// Opens a gate on every other shard to an address of this one. `flow` says what part the worker plays on each.
    pub(crate) fn open_gates(&mut self, mailbox: &Mailbox, flow: impl Fn(usize) -> Flow) -> Opening {
        self.open_gates_to(Kind::Other, mailbox, flow)
    }

    /// The same for the peer of a channel, who does not wait for them: it knows one way already.
    pub(crate) fn open_gates_for_peer(&mut self, decryptor: &Address, flow: impl Fn(usize) -> Flow) {
        let Opening(_) = self.open_gates_to(Kind::Channel, &Mailbox::open(decryptor.clone()), flow);
    }

    fn open_gates_to(&mut self, kind: Kind, mailbox: &Mailbox, flow: impl Fn(usize) -> Flow) -> Opening {
        let mut opening = Vec::new();
        for (link, Link { shard, to, .. }) in &self.links.links {
            let (opened, wait) = oneshot::channel();
            let (link, mailbox, flow) = (*link, mailbox.clone(), flow(*shard));
            // A shard that is gone drops the question, and so answers it.
            let _ = to.send(Crossed::Open { link, mailbox, flow, kind, opened });
            opening.push(wait);
        }
        if !opening.is_empty() {
            self.links.shared.insert(mailbox.address.clone());
        }
        Opening(opening)
    }

    /// Shuts the gates to an address of this shard, if there are any.
    pub(crate) fn shut_gates(&mut self, address: &Address) {
        if self.links.shared.remove(address) {
            for (link, Link { to, .. }) in &self.links.links {
                let _ = to.send(Crossed::Shut { link: *link, address: address.clone() });
            }
        }
    }

    /// A message is to cross. What the node is told at once comes back.
    pub(crate) fn cross(&mut self, link: ConnectionId, crossing: Crossing) -> Option<node::Input> {
        self.show_way(link, &crossing);
        let bytes = crossing.size();
        let to = self.links.links.get(&link).map(|link| &link.to);
        let sent = to.map(|to| to.send(Crossed::Message { link, crossing }));
        (!matches!(sent, Some(Ok(())))).then_some(node::Input::Sent { connection: link, bytes })
    }

    /// When the peer of a channel of another shard comes by a connection of this one, that shard gets a gate to the
    /// connection: so it knows the way back for what it is, and hears when it is gone.
    fn show_way(&mut self, link: ConnectionId, crossing: &Crossing) {
        let Some(id) = crossing.provenance().from_connection() else { return };
        let message = crossing.message();
        let leads_to_channel = |to: Address| self.links.gates.get(&to).is_some_and(|gate| gate.kind == Kind::Channel);
        if !message.onward().first().is_some_and(|to| leads_to_channel(to.to_owned())) {
            return;
        }
        let Some(sender) = self.connections.get(&id).and_then(|pipe| pipe.sender.clone()) else { return };
        if message.return_route().first() != Some(sender.as_ref()) || !self.links.shown.insert((id, link)) {
            return;
        }
        if let Some(Link { to, .. }) = self.links.links.get(&link) {
            // It goes before the message. Who was dialled is known there already.
            let (opened, _) = oneshot::channel();
            let (mailbox, flow) = (Mailbox::open(sender.clone()), Flow::default());
            let _ = to.send(Crossed::Open { link, mailbox, flow, kind: Kind::Other, opened });
            self.links.shared.insert(sender);
        }
    }

    /// A connection is gone.
    pub(crate) fn unshow(&mut self, connection: ConnectionId) {
        self.links.shown.retain(|(shown, _)| *shown != connection);
    }

    /// Something has come from another shard.
    pub(crate) fn crossed(&mut self, crossed: Crossed) {
        match crossed {
            Crossed::Message { link, crossing } => match self.links.links.get_mut(&link) {
                // Those before it have their turn first.
                Some(end) if !end.parked.is_empty() => end.parked.push_back(crossing),
                _ => self.arrive(link, crossing),
            },
            Crossed::Taken { link, bytes } => self.tell(node::Input::Sent { connection: link, bytes }),
            Crossed::Open { link, mailbox, flow, kind, opened } => {
                let address = mailbox.address.clone();
                let result = self.with(|node, env| node.open_gate(env, mailbox, flow, link));
                if result.is_ok() {
                    self.links.gates.insert(address, Gate { link, kind });
                }
                let _ = opened.send(result);
            }
            Crossed::Shut { link, address } => {
                // The address may be somebody else's by now.
                if self.links.gates.get(&address).is_some_and(|gate| gate.link == link) {
                    self.links.gates.remove(&address);
                    self.sweep_soon();
                    let _ = self.with(|node, env| node.stop_worker(env, &address));
                }
            }
        }
    }

    /// Whether the address is a gate's.
    pub(crate) fn is_gate(&self, address: &Address) -> bool {
        self.links.gates.contains_key(address)
    }

    /// Gives a message to the node, or keeps it until there is room.
    fn arrive(&mut self, link: ConnectionId, crossing: Crossing) {
        let bytes = crossing.size();
        let input = node::Input::Crossed { connection: link, crossing };
        match self.with(|node, env| node.handle(env, input)) {
            Ok(()) => {
                if let Some(end) = self.links.links.get_mut(&link) {
                    if end.taken == 0 {
                        self.links.owing.push(link);
                    }
                    end.taken += bytes;
                }
            }
            Err(Refused::Full(node::Input::Crossed { crossing, .. })) => {
                if let Some(end) = self.links.links.get_mut(&link) {
                    end.parked.push_front(crossing);
                }
            }
            Err(refused) => tracing::warn!(?refused, "the node refuses what has crossed"),
        }
    }

    /// Tells the others what was taken of theirs.
    pub(crate) fn acknowledge_links(&mut self) {
        for link in self.links.owing.drain(..) {
            if let Some(end) = self.links.links.get_mut(&link) {
                let bytes = std::mem::take(&mut end.taken);
                let _ = end.to.send(Crossed::Taken { link, bytes });
            }
        }
    }

    /// Offers again what the node did not take before.
    pub(crate) fn resume_links(&mut self) {
        let waiting = |(id, link): (&ConnectionId, &Link)| (!link.parked.is_empty()).then_some(*id);
        let links: Vec<ConnectionId> = self.links.links.iter().filter_map(waiting).collect();
        for id in links {
            while self.node.reads(id)
                && let Some(crossing) = self.links.links.get_mut(&id).and_then(|link| link.parked.pop_front())
            {
                self.arrive(id, crossing);
            }
        }
    }
}

/// What was dialled, and the address of the connection to it: known on all shards, as any may send there.
#[derive(Debug, Default)]
pub(crate) struct Dialled(Mutex<BTreeMap<Address, (ConnectionId, Address)>>);

impl Dialled {
    /// Who sends to `alias` now uses this connection.
    pub(crate) fn insert(&self, alias: Address, id: ConnectionId, sender: Address) {
        self.lock().insert(alias, (id, sender));
    }

    /// The connection is gone; another to the same place may have come since.
    pub(crate) fn remove(&self, alias: &Address, id: ConnectionId) {
        let mut dialled = self.lock();
        if dialled.get(alias).is_some_and(|(newest, _)| *newest == id) {
            dialled.remove(alias);
        }
    }

    /// Where to send what is for `alias`.
    pub(crate) fn get(&self, alias: &Address) -> Option<Address> {
        self.lock().get(alias).map(|(_, sender)| sender.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, (ConnectionId, Address)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
