//! Channels that this side begins.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::env::Env;
use crate::error::Result;
use crate::node::{Context, FlowControlId, Node, Spec};
use crate::routing::Route;
use crate::vault::suite::Suite;

use super::config::Config;
use super::machine::{Addresses, Channel};
use super::worker::ChannelWorker;

/// Creates a channel to the listener at the end of `route`. Message 1 is on its way when this returns; an
/// event says later that the channel is open or has failed.
///
/// Answers come back through the first address of the route: when a connection or another channel is
/// behind it, the decryptor becomes a consumer of what that delivers.
///
/// # Errors
/// `NOD-*` when the node takes no more workers. A route that leads nowhere is an event.
pub fn create<S: Suite>(node: &mut Node, env: &mut Env<'_>, config: Arc<Config>, route: &Route) -> Result<Addresses> {
    let addresses = Addresses::random(env.entropy);
    let channel = Channel::<S>::initiate(env, config, addresses.clone(), route);
    let producer = node.new_flow_control_id();
    node.start_worker(env, ChannelWorker::initiator(channel).dialling(route, producer, None))?;
    Ok(addresses)
}

/// As [`create`], from within a worker. The peer also reaches the consumers of `id`, who need not be told
/// when one channel replaces another. The channel is a child of the worker, which hears when it opens and when it
/// is gone.
pub(crate) fn create_within<S: Suite>(
    cx: &mut Context<'_>,
    config: Arc<Config>,
    route: &Route,
    id: FlowControlId,
) -> Addresses {
    let addresses = Addresses::random(cx.entropy());
    let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
    let channel = Channel::<S>::initiate(&mut env, config, addresses.clone(), route);
    let producer = cx.new_flow_control_id();
    let worker = ChannelWorker::initiator(channel);
    cx.start_child(worker.dialling(route, producer, Some(id)));
    addresses
}

impl<S: Suite> ChannelWorker<S> {
    /// How a node starts an initiator's: what answers is behind the first address of the route.
    fn dialling(self, route: &Route, producer: FlowControlId, spawned_by: Option<FlowControlId>) -> Spec {
        let mut spec = self.spec(producer, spawned_by, Vec::new());
        spec.flow.through = route.as_ref().first().map(|first| first.to_owned());
        spec
    }
}
