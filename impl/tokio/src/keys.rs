//! What all shards share: long-term keys, and what is known of others.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use razor::error::Result as CoreResult;
use razor::identity::{Identifier, Identity, MemoryStore, StoreAnswer, StoreRequest};
use razor::vault::{Answer, Request, SoftwareVault};

use crate::error::Result;
use crate::storage::Storage;

/// How many bytes of strangers' histories are kept on disk.
const PEERS: u64 = MemoryStore::DEFAULT_LIMIT as u64;

/// The vault and the store of a node. Keys are read once for each handshake, histories likewise: a lock is
/// held for microseconds, and never while anything else is waited for.
pub(crate) struct Keys {
    vault: RwLock<SoftwareVault>,
    peers: Mutex<MemoryStore>,
    storage: Option<Storage>,
    /// Bytes that were written to the storage since it was last pruned.
    written: AtomicU64,
}

/// A history that the store has taken, and that is to be written before it says so.
pub(crate) struct Unwritten {
    storage: Storage,
    identifier: Identifier,
    history: Vec<u8>,
}

impl Keys {
    /// An empty vault, and a store of what `storage` knows.
    pub(crate) fn new(storage: Option<Storage>) -> Result<Self> {
        let mut peers = MemoryStore::default();
        if let Some(storage) = &storage {
            for identity in storage.load_peers(PEERS)?.iter().rev() {
                peers.answer(&StoreRequest::Store(identity.identifier(), identity.export().to_vec()))?;
            }
        }
        let (vault, peers) = (RwLock::new(SoftwareVault::new()), Mutex::new(peers));
        Ok(Self { vault, peers, storage, written: AtomicU64::new(PEERS) })
    }

    /// Answers a machine's question to the vault.
    pub(crate) fn answer(&self, request: &Request) -> CoreResult<Answer> {
        self.read().answer(request)
    }

    /// Answers a machine's question to the store. The answer is good when what comes with it has been written.
    pub(crate) fn known(&self, request: &StoreRequest) -> (CoreResult<StoreAnswer>, Option<Unwritten>) {
        let answer = self.peers().answer(request);
        let unwritten = match (request, &self.storage) {
            (StoreRequest::Store(identifier, history), Some(storage)) if answer.is_ok() => {
                Some(Unwritten { storage: storage.clone(), identifier: *identifier, history: history.clone() })
            }
            _ => None,
        };
        (answer, unwritten)
    }

    /// Writes a history to disk. Takes the time that a disk takes.
    pub(crate) fn write(&self, unwritten: &Unwritten) -> Result<()> {
        let Unwritten { storage, identifier, history } = unwritten;
        let length = history.len() as u64;
        if self.written.fetch_add(length, Ordering::Relaxed) + length > PEERS {
            self.written.store(length, Ordering::Relaxed);
            storage.prune_peers(PEERS)?;
        }
        storage.save_peer(identifier, history)
    }

    /// Where things are kept, if anywhere.
    pub(crate) fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    /// Keeps an identity for ever.
    pub(crate) fn pin(&self, identity: &Identity) -> CoreResult<()> {
        self.peers().pin(identity)
    }

    /// The vault, to be changed.
    pub(crate) fn vault(&self) -> RwLockWriteGuard<'_, SoftwareVault> {
        // Nothing in it is half done when a thread that held it has panicked: each change is one insertion.
        self.vault.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, SoftwareVault> {
        self.vault.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn peers(&self) -> MutexGuard<'_, MemoryStore> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}
