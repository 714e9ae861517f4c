//! What is known of others: admitting received histories, and keeping them.

use alloc::vec::Vec;

use super::history::{Comparison, Identity};
use super::identifier::Identifier;
use super::limits::HistoryLimits;
use crate::error::{Error, Result};
use crate::ordered::Map;

/// A question to the store of known change histories.
#[derive(Debug, Clone)]
pub enum StoreRequest {
    /// Which history is known of this identity?
    Load(Identifier),
    /// Keep this history, in place of an older one.
    Store(Identifier, Vec<u8>),
}

/// The store's answer.
#[derive(Debug, Clone)]
pub enum StoreAnswer {
    /// The encoded history, if one is known.
    Loaded(Option<Vec<u8>>),
    /// It is kept.
    Stored,
}

/// A received identity that does not contradict what is known.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Nothing was known of it: it is to be stored.
    New(Identity),
    /// It is what is known; this is the known history.
    Same(Identity),
    /// It continues what is known: it is to be stored.
    Newer(Identity),
}

impl Admission {
    /// The identity to go on with.
    pub fn identity(&self) -> &Identity {
        match self {
            Admission::New(identity) | Admission::Same(identity) | Admission::Newer(identity) => identity,
        }
    }

    /// [`identity`](Self::identity), owned.
    pub fn into_identity(self) -> Identity {
        match self {
            Admission::New(identity) | Admission::Same(identity) | Admission::Newer(identity) => identity,
        }
    }

    /// What the store has to be told, if anything.
    pub fn to_store(&self) -> Option<StoreRequest> {
        //= spec/src/identities.md#idn-30
        //# A node MUST store a received history that is of an unknown identity or that continues the known one.
        match self {
            Admission::Newer(_) if planted!(ForgetsNewerHistory) => None,
            Admission::New(identity) | Admission::Newer(identity) => {
                Some(StoreRequest::Store(identity.identifier(), identity.export().to_vec()))
            }
            Admission::Same(_) => None,
        }
    }
}

/// Holds a received identity against the encoded history that the store knows.
///
/// # Errors
/// `IDN-28` when the received history is older, `IDN-29` when it contradicts the known one, `IDN-31` when
/// the store gave back what it cannot have been given.
pub fn admit(known: Option<&[u8]>, received: Identity) -> Result<Admission> {
    let Some(known) = known else {
        return Ok(Admission::New(received));
    };
    // Equal bytes are equal histories. Different bytes decide nothing: a signature has several forms.
    if known == received.export() {
        return Ok(Admission::Same(received));
    }
    //= spec/src/identities.md#idn-31
    //# A node MUST verify a history that comes from its store like one that comes from a peer.
    let known = match Identity::import_within(known, None, &HistoryLimits::CEILING) {
        Ok(known) => known,
        Err(_) if planted!(TakesGarbageForUnknown) => return Ok(Admission::New(received)),
        Err(_) => return Err(Error::misuse("IDN-31", "the store gave back a history that does not verify")),
    };
    match Identity::compare(&known, &received) {
        Comparison::Equal if planted!(ResignedConflicts) => {
            Err(Error::misbehaved("IDN-29", "a change history contradicts the known one"))
        }
        Comparison::Equal => Ok(Admission::Same(known)),
        Comparison::Newer => Ok(Admission::Newer(received)),
        Comparison::Older if planted!(OlderDisplacesNewer) => Ok(Admission::Newer(received)),
        //= spec/src/identities.md#idn-28
        //# A node MUST refuse a received history that is older than the one it knows.
        Comparison::Older => Err(Error::misbehaved("IDN-28", "a change history is older than the known one")),
        Comparison::Conflict if planted!(ConflictDisplacesKnown) => Ok(Admission::Newer(received)),
        //= spec/src/identities.md#idn-29
        //# A node MUST refuse a received history that conflicts with the one it knows, and keep the known one.
        Comparison::Conflict => Err(Error::misbehaved("IDN-29", "a change history contradicts the known one")),
    }
}

/// A store in memory that answers at once.
///
/// It keeps two kinds: *pinned* identities, which its owner names and which stay for ever, and
/// *strangers*, who present themselves. Anyone can make identities without end, so strangers share a
/// fixed number of bytes; the one unused for longest goes first.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    entries: Map<Identifier, Entry>,
    /// Strangers by the time of their last use.
    by_use: Map<u64, Identifier>,
    uses: u64,
    limit: usize,
    held: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    history: Vec<u8>,
    /// `None` when pinned.
    last_use: Option<u64>,
}

/// What an entry costs besides its history, roughly.
const ENTRY_OVERHEAD: usize = 128;

impl MemoryStore {
    /// How many bytes strangers share at least: room for one history that every receiver accepts.
    pub const FLOOR_LIMIT: usize = HistoryLimits::FLOOR.bytes + ENTRY_OVERHEAD;
    /// How many bytes strangers share at most; it fits where an address has 32 bits.
    pub const CEILING_LIMIT: usize = 1 << 30;
    /// How many bytes strangers share unless the owner says otherwise.
    pub const DEFAULT_LIMIT: usize = 4 << 20;

    /// An empty store in which strangers share `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { entries: Map::new(), by_use: Map::new(), uses: 0, limit, held: 0 }
    }

    /// Keeps an identity for ever: the node's own, or one that its policies name.
    ///
    /// # Errors
    /// Those of [`admit`] when another history is known.
    pub fn pin(&mut self, identity: &Identity) -> Result<()> {
        let identifier = identity.identifier();
        let known = self.entries.get(&identifier).map(|entry| entry.history.as_slice());
        let history = admit(known, identity.clone())?.into_identity().export().to_vec();
        self.remove(&identifier);
        self.entries.insert(identifier, Entry { history, last_use: None });
        Ok(())
    }

    /// Answers a machine's request.
    ///
    /// # Errors
    /// `IDN-28` and `IDN-29` when it has meanwhile come to know a newer or another history, `IDN-33` when a
    /// stranger's history alone is larger than what strangers share.
    pub fn answer(&mut self, request: &StoreRequest) -> Result<StoreAnswer> {
        match request {
            StoreRequest::Load(identifier) => Ok(StoreAnswer::Loaded(self.load(identifier))),
            StoreRequest::Store(identifier, history) => self.store(*identifier, history).map(|()| StoreAnswer::Stored),
        }
    }

    /// How many identities are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn load(&mut self, identifier: &Identifier) -> Option<Vec<u8>> {
        let now = self.tick();
        let entry = self.entries.get_mut(identifier)?;
        if let Some(last_use) = &mut entry.last_use {
            self.by_use.remove(last_use);
            self.by_use.insert(now, *identifier);
            *last_use = now;
        }
        Some(entry.history.clone())
    }

    fn store(&mut self, identifier: Identifier, history: &[u8]) -> Result<()> {
        //= spec/src/identities.md#idn-35
        //# A store MUST refuse a history that does not continue the one that it keeps of the identity, unless it is the same.
        if let Some(entry) = self.entries.get(&identifier) {
            // Equal bytes are equal histories.
            if entry.history == history {
                return Ok(());
            }
            let received = Identity::import_within(history, Some(&identifier), &HistoryLimits::CEILING)?;
            if let Admission::Same(_) = admit(Some(&entry.history), received)? {
                return Ok(());
            }
        }
        if let Some(entry) = self.entries.get_mut(&identifier).filter(|entry| entry.last_use.is_none()) {
            entry.history = history.to_vec();
            return Ok(());
        }
        let cost = history.len().saturating_add(ENTRY_OVERHEAD);
        //= spec/src/identities.md#idn-33
        //# A store MUST bound the memory that it gives to the histories of identities that are not pinned.
        if cost > self.limit {
            return Err(Error::limit("IDN-33", "a change history is larger than what strangers share"));
        }
        self.remove(&identifier);
        //= spec/src/identities.md#idn-34
        //# A store that is full MUST forget first the unpinned identity that was unused for longest.
        while self.held.saturating_add(cost) > self.limit && !planted!(KeepsAllStrangers) {
            //= spec/src/identities.md#idn-32
            //# A store MUST NOT forget a pinned identity.
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
        }
        let now = self.tick();
        self.held = self.held.saturating_add(cost);
        self.by_use.insert(now, identifier);
        self.entries.insert(identifier, Entry { history: history.to_vec(), last_use: Some(now) });
        Ok(())
    }

    fn remove(&mut self, identifier: &Identifier) {
        if let Some(Entry { history, last_use: Some(last_use) }) = self.entries.remove(identifier) {
            self.by_use.remove(&last_use);
            self.held = self.held.saturating_sub(history.len().saturating_add(ENTRY_OVERHEAD));
        }
    }

    fn tick(&mut self) -> u64 {
        self.uses = self.uses.saturating_add(1);
        self.uses
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}
