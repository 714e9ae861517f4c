//! What all shards share: long-term keys, and what is known of others.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use razor::error::Result as CoreResult;
use razor::identity::{Identity, MemoryStore, StoreAnswer, StoreRequest};
use razor::vault::{Answer, Request, SoftwareVault};

/// The vault and the store of a node. Keys are read once for each handshake, histories likewise: a lock is
/// held for microseconds, and never while anything else is waited for.
pub(crate) struct Keys {
    vault: RwLock<SoftwareVault>,
    peers: Mutex<MemoryStore>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { vault: RwLock::new(SoftwareVault::new()), peers: Mutex::new(MemoryStore::default()) }
    }

    /// Answers a machine's question to the vault.
    pub(crate) fn answer(&self, request: &Request) -> CoreResult<Answer> {
        self.read().answer(request)
    }

    /// Answers a machine's question to the store.
    pub(crate) fn known(&self, request: &StoreRequest) -> CoreResult<StoreAnswer> {
        self.peers().answer(request)
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
