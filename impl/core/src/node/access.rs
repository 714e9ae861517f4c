//! Access controls: what may pass into and out of a worker.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::worker::{AccessControl, Relay};
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::routing::Address;

const DENIED: Error = Error::denied("NOD-5", "an access control refuses the message");

fn allow_if(allowed: bool) -> Result<()> {
    if allowed { Ok(()) } else { Err(DENIED) }
}

/// Nothing passes.
#[derive(Debug, Clone, Copy)]
pub struct DenyAll;

impl AccessControl for DenyAll {
    fn check(&self, _relay: &Relay<'_>) -> Result<()> {
        Err(DENIED)
    }
}

/// Only what began in this node.
#[derive(Debug, Clone, Copy)]
pub struct LocalOnly;

impl AccessControl for LocalOnly {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(relay.provenance.is_local())
    }
}

/// Only what these local workers send.
#[derive(Debug, Clone)]
pub struct FromAddresses(pub Vec<Address>);

impl AccessControl for FromAddresses {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(self.0.contains(relay.source))
    }
}

/// Only what goes to these workers next.
#[derive(Debug, Clone)]
pub struct ToAddresses(pub Vec<Address>);

impl AccessControl for ToAddresses {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(self.0.contains(relay.destination))
    }
}

/// Only what came out of a secure channel, whoever the peer is.
#[derive(Debug, Clone, Copy)]
pub struct AnyChannelPeer;

impl AccessControl for AnyChannelPeer {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(relay.provenance.peer().is_some())
    }
}

/// Only what came out of a secure channel with one of these identities.
#[derive(Debug, Clone)]
pub struct ChannelPeers(pub Vec<Identifier>);

impl AccessControl for ChannelPeers {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(relay.provenance.peer().is_some_and(|peer| self.0.contains(peer)))
    }
}

/// What all of these let pass; without any, everything.
#[derive(Clone)]
pub struct AllOf(pub Vec<Arc<dyn AccessControl>>);

impl AccessControl for AllOf {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        self.0.iter().try_for_each(|control| control.check(relay))
    }
}

/// What any of these lets pass; without any, nothing.
#[derive(Clone)]
pub struct AnyOf(pub Vec<Arc<dyn AccessControl>>);

impl AccessControl for AnyOf {
    fn check(&self, relay: &Relay<'_>) -> Result<()> {
        allow_if(self.0.iter().any(|control| control.check(relay).is_ok()))
    }
}
