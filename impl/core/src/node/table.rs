//! The address table: which worker is behind an address.
//!
//! Workers live in slots of fixed chunks, so that millions of them move nothing when one more comes; the
//! hash table holds eight bytes for each address and compares with the address in the slot.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::Config;
use super::outbox::Outbox;
use super::worker::{AccessControl, ConnectionId, Delivery, Flow, Port, Spec, Worker, WorkerId};
use crate::env::{Entropy, Instant, Purpose};
use crate::error::{Error, Result};
use crate::routing::{Address, AddressRef, Message};

/// Slots in a chunk.
const CHUNK: usize = if cfg!(feature = "fast") { 256 } else { 8 };

/// The most addresses of one worker.
pub(super) const PORTS: usize = 8;

/// Where an address leads.
#[derive(Clone, Copy)]
struct Place {
    index: u32,
    port: Port,
}

/// A worker in its slot.
pub(super) struct Resident {
    pub(super) worker: Box<dyn Worker>,
    pub(super) addresses: Box<[Address]>,
    pub(super) extras: Option<Box<Extras>>,
}

impl Resident {
    pub(super) fn flow(&self) -> Option<&Flow> {
        self.extras.as_ref().map(|extras| &extras.flow)
    }

    /// Whether it has stopped and only its outboxes are still here.
    pub(super) fn is_retired(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.retired)
    }

    pub(super) fn extras(&mut self, spare: &mut Spare) -> &mut Extras {
        self.extras.get_or_insert_with(|| spare.pop().unwrap_or_default())
    }

    /// Whether a message waits for it.
    pub(super) fn waits(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| !extras.inbox.deliveries.is_empty())
    }

    /// Whether it takes nothing for now.
    pub(super) fn is_blocked(&self, config: &Config) -> bool {
        let credit = self.extras.as_ref().and_then(|extras| extras.credit.as_ref());
        !self.worker.is_ready() || credit.is_some_and(|credit| credit.is_used_up(config))
    }

    /// Puts it into the queue of those that have work, once.
    pub(super) fn schedule(&mut self, id: WorkerId, queue: &mut VecDeque<WorkerId>) {
        if let Some(extras) = &mut self.extras
            && !core::mem::replace(&mut extras.scheduled, true)
        {
            queue.push_back(id);
        }
    }
}

/// Extras that their workers no longer need, boxes and all: a busy node does not allocate one per message.
pub(super) type Spare = Vec<Box<Extras>>;

/// What most workers do not have most of the time.
#[derive(Default)]
pub(super) struct Extras {
    /// By port; empty when everything may pass everywhere.
    pub(super) access: Vec<Access>,
    pub(super) flow: Flow,
    /// Messages that wait for the worker.
    pub(super) inbox: Inbox,
    /// Whether the worker stands in the queue of those that have work.
    pub(super) scheduled: bool,
    pub(super) timer: Option<(Instant, u64)>,
    /// What has left through this worker and is not yet taken.
    pub(super) credit: Option<Credit>,
    /// The link to which it is a gate.
    pub(super) gate: Option<ConnectionId>,
    /// Who hears of it.
    pub(super) parent: Option<WorkerId>,
    /// What it has sent to full receivers, by address.
    pub(super) outboxes: Vec<Outbox>,
    /// Whether it has stopped and only its outboxes are still here.
    pub(super) retired: bool,
}

impl Extras {
    /// Whether it holds nothing and can be used for another worker.
    fn is_spare(&self) -> bool {
        let Flow { producer, spawned_by, spawner, consumer_of, through: _ } = &self.flow;
        self.access.is_empty()
            && producer.or(*spawned_by).or(*spawner).is_none()
            && consumer_of.is_empty()
            && self.inbox.deliveries.is_empty()
            && !self.scheduled
            && self.timer.is_none()
            && self.credit.is_none()
            && self.gate.is_none()
            && self.parent.is_none()
            && self.outboxes.is_empty()
            && !self.retired
    }
}

/// Messages that wait for one worker, in order.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) deliveries: VecDeque<Delivery>,
    pub(super) load: Load,
    /// When the worker last took one.
    pub(super) taken: Instant,
    /// Whether it has taken none since another message waited for the stall time in vain.
    pub(super) stuck: bool,
    /// What outboxes hold whose first message waits for room in this one. Kept for connections alone.
    pub(super) awaited: Load,
}

impl Inbox {
    /// What an empty inbox keeps room for.
    const ROOM: usize = 16;

    pub(super) fn push(&mut self, delivery: Delivery, queues: &mut Queues) {
        queues.add(&mut self.load, cost(&delivery.message));
        self.deliveries.push_back(delivery);
    }

    /// The oldest.
    pub(super) fn pop(&mut self, queues: &mut Queues) -> Option<Delivery> {
        let delivery = self.deliveries.pop_front()?;
        queues.sub(&mut self.load, cost(&delivery.message));
        if self.deliveries.is_empty() && self.deliveries.capacity() > Self::ROOM {
            // A flood is over: its memory is free again.
            self.deliveries.shrink_to(Self::ROOM);
        }
        Some(delivery)
    }
}

/// What waits in all inboxes and outboxes of a node.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub(super) load: Load,
    /// In how many of them something waits.
    pub(super) busy: usize,
}

impl Queues {
    /// A message of this cost waits in a queue.
    pub(super) fn add(&mut self, queue: &mut Load, cost: usize) {
        if queue.messages == 0 {
            self.busy = self.busy.saturating_add(1);
        }
        queue.add(cost);
        self.load.add(cost);
    }

    /// A message of this cost waits there no more.
    pub(super) fn sub(&mut self, queue: &mut Load, cost: usize) {
        queue.sub(cost);
        self.load.sub(cost);
        if queue.messages == 0 {
            self.busy = self.busy.saturating_sub(1);
        }
    }

    /// A queue is gone with all that waited there.
    pub(super) fn remove(&mut self, queue: &Load) {
        self.load.remove(queue);
        if queue.messages > 0 {
            self.busy = self.busy.saturating_sub(1);
        }
    }

    /// Whether so much is less than what waits in a queue on average.
    pub(super) const fn is_below_average(&self, amount: usize, by_number: bool) -> bool {
        let all = if by_number { self.load.messages } else { self.load.bytes };
        amount.saturating_mul(self.busy) < all
    }
}

/// How much waits somewhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Load {
    pub(super) fn add(&mut self, cost: usize) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost);
    }

    pub(super) fn sub(&mut self, cost: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost);
    }

    /// Adds what waits elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Takes out what waited with a worker that is gone.
    pub(super) fn remove(&mut self, other: &Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    /// Whether a message of this cost is too much.
    pub(super) const fn is_full(&self, cost: usize, messages: usize, bytes: usize) -> bool {
        self.messages >= messages || self.bytes.saturating_add(cost) > bytes
    }
}

/// What a message costs that waits: its buffer, and its place in a queue.
pub(super) fn cost(message: &Message) -> usize {
    message.footprint().saturating_add(size_of::<Delivery>())
}

/// The access controls of one port.
#[derive(Clone, Default)]
pub(super) struct Access {
    pub(super) incoming: Option<Arc<dyn AccessControl>>,
    pub(super) outgoing: Option<Arc<dyn AccessControl>>,
}

/// What has left the node through a worker and is not yet taken.
pub(super) enum Credit {
    /// To the peer of a connection.
    OnTheWay { connection: ConnectionId, bytes: u64 },
    /// To the owner: what each message costs, the oldest first, and all of them.
    HandedOver { costs: VecDeque<usize>, bytes: usize },
}

impl Credit {
    /// Whether nothing more may leave for now.
    pub(super) fn is_used_up(&self, config: &Config) -> bool {
        match self {
            //= spec/src/nodes.md#nod-21
            //# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
            Self::OnTheWay { bytes, .. } => *bytes >= config.transmit && !planted!(TransmitsWithoutEnd),
            //= spec/src/nodes.md#nod-33
            //# A node MUST NOT hand over another message of an inbox while its limit of messages or of bytes is handed over and not taken.
            Self::HandedOver { costs, bytes } => {
                costs.len() as u64 >= config.hand_over || *bytes >= config.hand_over_bytes
            }
        }
    }
}

struct Slot {
    generation: u32,
    next_free: u32,
    resident: Option<Resident>,
}

pub(super) struct Table {
    places: HashTable<Place>,
    chunks: Vec<Vec<Slot>>,
    /// One more than the index of the first free slot; 0 when there is none.
    free: u32,
    keys: (u64, u64),
    len: usize,
    pub(super) spare: Spare,
}

impl Table {
    pub(super) fn new(entropy: &mut dyn Entropy) -> Self {
        let mut keys = [0u64; 2];
        for key in &mut keys {
            *key = u64::from_le_bytes(entropy.array(Purpose::TableKey));
        }
        let [first, second] = keys;
        Self { places: HashTable::new(), chunks: Vec::new(), free: 0, keys: (first, second), len: 0, spare: Vec::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, address: AddressRef<'_>) -> Option<(WorkerId, Port)> {
        let place = self.places.find(self.hash(address), |place| self.address_at(place) == Some(address))?;
        let slot = self.slot(place.index)?;
        Some((WorkerId { index: place.index, generation: slot.generation }, place.port))
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Resident> {
        self.slot(id.index).filter(|slot| slot.generation == id.generation)?.resident.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Resident> {
        self.slot_mut(id.index).filter(|slot| slot.generation == id.generation)?.resident.as_mut()
    }

    /// What has left through a worker, if that is counted.
    pub(super) fn credit(&mut self, id: WorkerId) -> Option<&mut Credit> {
        self.get_mut(id)?.extras.as_mut()?.credit.as_mut()
    }

    /// The resident, and where its extras come from.
    pub(super) fn get_with_spare(&mut self, id: WorkerId) -> Option<(&mut Resident, &mut Spare)> {
        let index = usize::try_from(id.index).ok()?;
        let chunk = self.chunks.get_mut(index.checked_div(CHUNK)?)?;
        let slot = chunk.get_mut(index.checked_rem(CHUNK)?).filter(|slot| slot.generation == id.generation)?;
        Some((slot.resident.as_mut()?, &mut self.spare))
    }

    pub(super) fn insert(&mut self, spec: Spec) -> Result<WorkerId> {
        //= spec/src/nodes.md#nod-13
        //# A node MUST refuse to start a worker without an address, or with one that another worker has.
        let addresses: Box<[Address]> = spec.mailboxes.iter().map(|mailbox| mailbox.address.clone()).collect();
        if addresses.is_empty() || addresses.len() > PORTS.saturating_add(planted!(NineAddresses).into()) {
            return Err(Error::misuse("NOD-13", "a worker has one to eight addresses"));
        }
        for (i, address) in addresses.iter().enumerate() {
            if !address.as_ref().is_local() && !planted!(ForeignAddresses) {
                return Err(Error::misuse("NOD-13", "a worker's address is local"));
            }
            if self.find(address.as_ref()).is_some() || addresses.iter().take(i).any(|other| other == address) {
                return Err(Error::misuse("NOD-13", "another worker has this address"));
            }
        }
        let open = spec.mailboxes.iter().all(|mailbox| mailbox.incoming.is_none() && mailbox.outgoing.is_none());
        let access = if open {
            Vec::new()
        } else {
            spec.mailboxes.into_iter().map(|m| Access { incoming: m.incoming, outgoing: m.outgoing }).collect()
        };
        let extras = Extras { access, flow: spec.flow, ..Extras::default() };
        let extras = (!extras.is_spare()).then(|| Box::new(extras));
        let id = self.allocate(Resident { worker: spec.worker, addresses, extras })?;
        for port in 0..PORTS {
            let Some(address) = self.get(id).and_then(|resident| resident.addresses.get(port)) else { break };
            let hash = self.hash(address.as_ref());
            let place = Place { index: id.index, port: Port::try_from(port).unwrap_or_default() };
            // The closure cannot borrow the table whole while its places change.
            let (chunks, keys) = (&self.chunks, self.keys);
            self.places.insert_unique(hash, place, |place| address_in(chunks, place).map_or(0, |a| hash_of(keys, a)));
        }
        Ok(id)
    }

    //= spec/src/nodes.md#nod-12
    //# A node MUST NOT deliver a message for a worker that has stopped to another worker.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Resident> {
        self.unlist(id);
        let free = self.free;
        let slot = self.slot_mut(id.index).filter(|slot| slot.generation == id.generation)?;
        let resident = slot.resident.take();
        slot.generation = slot.generation.wrapping_add(u32::from(!planted!(KeepsGeneration)));
        slot.next_free = free;
        self.free = id.index.saturating_add(1);
        self.len = self.len.saturating_sub(1);
        resident
    }

    /// Frees the addresses of a worker, which is here still.
    pub(super) fn unlist(&mut self, id: WorkerId) {
        let Some(addresses) = self.get(id).map(|resident| resident.addresses.clone()) else { return };
        for address in &addresses {
            let hash = self.hash(address.as_ref());
            let chunks = &self.chunks;
            let own = |place: &Place| place.index == id.index && address_in(chunks, place) == Some(address.as_ref());
            if let Ok(entry) = self.places.find_entry(hash, own) {
                entry.remove();
            }
        }
    }

    /// Takes back extras that hold nothing, for the next worker that needs some.
    pub(super) fn tidy(&mut self, id: WorkerId) {
        const SPARE: usize = 64;
        let full = self.spare.len() >= SPARE;
        let Some(resident) = self.get_mut(id) else { return };
        if resident.extras.as_ref().is_some_and(|extras| extras.is_spare())
            && let Some(extras) = resident.extras.take()
            && !full
        {
            self.spare.push(extras);
        }
    }

    /// All workers, in the order of their slots.
    pub(super) fn residents(&self) -> impl Iterator<Item = &Resident> {
        self.chunks.iter().flatten().filter_map(|slot| slot.resident.as_ref())
    }

    fn allocate(&mut self, resident: Resident) -> Result<WorkerId> {
        const FULL: Error = Error::limit("NOD-13", "the node has no room for another worker");
        self.len = self.len.saturating_add(1);
        if let Some(index) = self.free.checked_sub(1)
            && let Some(slot) = self.slot_mut(index)
        {
            slot.resident = Some(resident);
            let (generation, next) = (slot.generation, slot.next_free);
            self.free = next;
            return Ok(WorkerId { index, generation });
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() >= CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        let chunk = self.chunks.last_mut().ok_or(FULL)?;
        let index = u32::try_from(before.saturating_add(chunk.len())).map_err(|_| FULL)?;
        chunk.push(Slot { generation: 0, next_free: 0, resident: Some(resident) });
        Ok(WorkerId { index, generation: 0 })
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        slot_in(&self.chunks, index)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get_mut(index.checked_div(CHUNK)?)?.get_mut(index.checked_rem(CHUNK)?)
    }

    fn address_at(&self, place: &Place) -> Option<AddressRef<'_>> {
        address_in(&self.chunks, place)
    }

    pub(super) fn hash(&self, address: AddressRef<'_>) -> u64 {
        hash_of(self.keys, address)
    }
}

fn slot_in(chunks: &[Vec<Slot>], index: u32) -> Option<&Slot> {
    let index = usize::try_from(index).ok()?;
    chunks.get(index.checked_div(CHUNK)?)?.get(index.checked_rem(CHUNK)?)
}

fn address_in<'a>(chunks: &'a [Vec<Slot>], place: &Place) -> Option<AddressRef<'a>> {
    let resident = slot_in(chunks, place.index)?.resident.as_ref()?;
    resident.addresses.get(usize::from(place.port)).map(Address::as_ref)
}

/// SipHash with random keys: peers choose addresses, so they must not be able to choose collisions. A small program has
/// so few workers that they may all collide.
fn hash_of(keys: (u64, u64), address: AddressRef<'_>) -> u64 {
    if cfg!(not(feature = "fast")) {
        return 0;
    }
    // All of them are of one type.
    SipHasher13::new_with_keys(keys.0, keys.1).hash(address.value)
}

#[cfg(test)]
impl Table {
    /// All workers with their ids.
    pub(super) fn residents_with_ids(&self) -> impl Iterator<Item = (WorkerId, &Resident)> {
        let slots = self.chunks.iter().flatten().enumerate();
        slots.filter_map(|(index, slot)| {
            let id = WorkerId { index: index as u32, generation: slot.generation };
            Some((id, slot.resident.as_ref()?))
        })
    }

    /// The loads say what waits.
    pub(super) fn check(&self, all: &Queues) {
        let mut sum = Load::default();
        let mut busy = 0;
        let mut addresses = 0;
        for resident in self.residents() {
            let Some(extras) = &resident.extras else {
                addresses += resident.addresses.len();
                continue;
            };
            let waiting = &extras.inbox.deliveries;
            let bytes = waiting.iter().map(|delivery| cost(&delivery.message)).sum();
            assert_eq!((extras.inbox.load.messages, extras.inbox.load.bytes), (waiting.len(), bytes));
            for load in extras.outboxes.iter().map(Outbox::load).chain([&extras.inbox.load]) {
                sum.join(load);
                busy += usize::from(load.messages > 0);
            }
            addresses += if extras.retired { 0 } else { resident.addresses.len() };
        }
        assert_eq!((all.load.messages, all.load.bytes, all.busy), (sum.messages, sum.bytes, busy));
        assert_eq!(self.len, self.residents().count());
        assert_eq!(self.places.len(), addresses);
    }
}
