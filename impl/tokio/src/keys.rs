//! What all shards share: long-term keys, and what is known of others.

use std::fmt;
use std::sync::PoisonError;

use razor::error::Result as CoreResult;
use razor::identity::{Identifier, Identity, MemoryStore, StoreAnswer, StoreRequest};
use razor::vault::{Answer, Request, SoftwareVault};

use crate::error::Result;
use crate::storage::Storage;
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many bytes of strangers' histories are kept on disk.
const PEERS: u64 = MemoryStore::DEFAULT_LIMIT as u64;

/// The vault and the store of a node. Keys are read once for each handshake, histories likewise: a lock is
/// held for microseconds, and never while anything else is waited for.
pub(crate) struct Keys {
    vault: RwLock<SoftwareVault>,
    peers: Mutex<MemoryStore>,
    storage: Option<Storage>,
    /// Bytes that were written to the storage since it was last pruned. Who has the lock writes.
    written: Mutex<u64>,
}

/// Whose history the store has taken, and which is to be written before it says so.
pub(crate) struct Unwritten(Identifier);

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
        Ok(Self { vault, peers, storage, written: Mutex::new(PEERS) })
    }

    /// Answers a machine's question to the vault.
    pub(crate) fn answer(&self, request: &Request) -> CoreResult<Answer> {
        self.read().answer(request)
    }

    /// Answers a machine's question to the store. The answer is good when what comes with it has been written.
    pub(crate) fn known(&self, request: &StoreRequest) -> (CoreResult<StoreAnswer>, Option<Unwritten>) {
        let answer = self.peers().answer(request);
        let unwritten = match request {
            StoreRequest::Store(identifier, _) if answer.is_ok() && self.storage.is_some() => {
                Some(Unwritten(*identifier))
            }
            _ => None,
        };
        (answer, unwritten)
    }

    /// Writes a history to disk. Takes the time that a disk takes.
    pub(crate) fn write(&self, Unwritten(identifier): &Unwritten) -> Result<()> {
        let Some(storage) = &self.storage else { return Ok(()) };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // As the store knows it now: another may have brought a newer one since, and written it already. What the store
        // has forgotten since need not be written.
        let known = self.peers().answer(&StoreRequest::Load(*identifier));
        let Ok(StoreAnswer::Loaded(Some(history))) = known else { return Ok(()) };
        *written += history.len() as u64;
        if *written > PEERS {
            *written = history.len() as u64;
            storage.prune_peers(PEERS)?;
        }
        storage.save_peer(identifier, &history)
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use razor::env::{Env, Instant, Seeded, Timestamp};
    use razor::vault::SigningKind;

    use super::*;

    /// A store on disk in a folder of its own, and the histories of a peer who has changed its key twice.
    struct Scene {
        keys: Arc<Keys>,
        folder: PathBuf,
        peer: Identifier,
        histories: [Vec<u8>; 3],
    }

    impl Scene {
        fn new(name: &str, histories: &[Identity; 3]) -> Self {
            let folder = std::env::temp_dir().join(format!("razor-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            let keys = Arc::new(Keys::new(Some(Storage::at(&folder))).unwrap());
            let peer = histories[0].identifier();
            let scene = Self { keys, folder, peer, histories: histories.each_ref().map(|h| h.export().to_vec()) };
            scene.keys.write(&scene.hears_of(0).unwrap()).unwrap();
            scene
        }

        /// A channel brings the history with so many changes of the key.
        fn hears_of(&self, changes: usize) -> Option<Unwritten> {
            self.keys.known(&StoreRequest::Store(self.peer, self.histories[changes].clone())).1
        }

        fn on_disk(&self) -> Vec<u8> {
            Storage::at(&self.folder).load_peers(PEERS).unwrap()[0].export().to_vec()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn histories() -> [Identity; 3] {
        let mut entropy = Seeded::from_u64(1);
        let mut vault = SoftwareVault::new();
        let mut env = Env::new(Instant::ZERO, Timestamp(1_750_000_000), &mut entropy);
        let first = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let second = first.rotate(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        let third = second.rotate(&mut vault, SigningKind::Ed25519, &mut env).unwrap();
        [first, second, third]
    }

    #[cfg(not(feature = "loom"))]
    #[test]
    fn a_history_that_is_written_late_does_not_replace_a_newer_one() {
        let scene = Scene::new("late", &histories());
        let [second, third] = [1, 2].map(|changes| scene.hears_of(changes).unwrap());
        scene.keys.write(&third).unwrap();
        scene.keys.write(&second).unwrap();
        assert_eq!(scene.on_disk(), scene.histories[2]);
    }

    /// Two channels with the same peer bring its newer histories, each on a thread, in every order that there is.
    #[cfg(feature = "loom")]
    #[test]
    fn whoever_writes_last_the_newest_history_is_on_disk_when_the_store_says_so() {
        let histories = Arc::new(histories());
        loom::model(move || {
            let scene = Arc::new(Scene::new("model", &histories));
            let channels = [1, 2].map(|changes| {
                let scene = scene.clone();
                loom::thread::spawn(move || {
                    // Refused when the newer one was there before.
                    let Some(unwritten) = scene.hears_of(changes) else { return assert_eq!(changes, 1) };
                    scene.keys.write(&unwritten).unwrap();
                    let known = Identity::import(&scene.on_disk(), Some(&scene.peer)).unwrap();
                    assert!(known.changes().len() > changes, "what was said to be kept is kept");
                })
            });
            channels.into_iter().for_each(|channel| channel.join().unwrap());
            assert_eq!(scene.on_disk(), scene.histories[2]);
        });
    }
}
