//! Who reaches what: flow control ids of all shards as one thing.

use std::sync::Arc;

use razor::node::{Flow, FlowControlId};

/// What a connection, a listener or a channel may deliver to. Workers that are *reached through* it take
/// what comes out of it; all others are out of its peers' reach (specification: "Flow control").
#[derive(Debug, Clone)]
pub struct Reach {
    /// The flow control id on each shard; `None` where nothing comes out.
    ids: Arc<[Option<FlowControlId>]>,
}

impl Reach {
    pub(crate) fn new(ids: Vec<Option<FlowControlId>>) -> Self {
        Self { ids: ids.into() }
    }

    /// Of something that is on one of `shards` alone.
    pub(crate) fn only(shards: usize, shard: usize, id: Option<FlowControlId>) -> Self {
        Self::new((0..shards).map(|index| id.filter(|_| index == shard)).collect())
    }

    /// The one shard on which something comes out.
    pub(crate) fn home(&self) -> Option<usize> {
        let mut there = self.ids.iter().enumerate().filter(|(_, id)| id.is_some());
        let (home, _) = there.next()?;
        there.next().is_none().then_some(home)
    }

    /// The id on one shard.
    pub(crate) fn on(&self, shard: usize) -> Option<FlowControlId> {
        self.ids.get(shard).copied().flatten()
    }

    /// The part in flow control of a worker on one shard that is reached through all of these.
    pub(crate) fn flow(all: &[Self], shard: usize) -> Flow {
        Flow { consumer_of: Self::ids(all, shard), ..Flow::default() }
    }

    /// The ids of all of these on one shard.
    pub(crate) fn ids(all: &[Self], shard: usize) -> Vec<FlowControlId> {
        all.iter().filter_map(|reach| reach.on(shard)).collect()
    }
}
