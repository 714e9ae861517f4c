//! Questions to vaults and stores that wait for their answer.

use super::worker::{RequestId, WorkerId};
use crate::env::Instant;
use crate::ordered::{Map, Set};

/// The requests of all workers, at most so many at once.
pub(super) struct Requests {
    limit: usize,
    next: u64,
    open: Map<RequestId, (WorkerId, Instant)>,
    by_worker: Set<(WorkerId, RequestId)>,
}

impl Requests {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, next: 0, open: Map::new(), by_worker: Set::new() }
    }

    /// The counter from which numbers are given.
    pub(super) fn counter(&mut self) -> &mut u64 {
        &mut self.next
    }

    /// Waits for an answer until `deadline`. When there are too many, the oldest is waited for no longer:
    /// it is the least likely to be answered, and who asked has a time limit of its own.
    pub(super) fn insert(&mut self, id: RequestId, worker: WorkerId, deadline: Instant) {
        //= spec/src/nodes.md#nod-28
        //# A node MUST NOT wait for more answers than the limit of requests.
        if self.open.len() >= self.limit
            && let Some((oldest, (worker, _))) = self.open.pop_first()
        {
            self.by_worker.remove(&(worker, oldest));
        }
        self.open.insert(id, (worker, deadline));
        self.by_worker.insert((worker, id));
    }

    /// Who waits for this answer, if it comes in time and for the first time.
    pub(super) fn take(&mut self, id: RequestId, now: Instant) -> Option<WorkerId> {
        let (worker, deadline) = self.open.remove(&id)?;
        self.by_worker.remove(&(worker, id));
        (now < deadline).then_some(worker)
    }

    /// The worker is gone.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        while let Some((_, id)) = self.by_worker.range((worker, RequestId(0))..).next().copied() {
            match self.by_worker.remove(&(worker, id)) {
                true => self.open.remove(&id),
                false => return,
            };
        }
    }
}
