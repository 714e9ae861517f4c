//! The two services: one sends back, one sends on.

use ockam::{Context, Result, Routed, Worker};
use ockam_core::NeutralMessage;

/// Sends everything back.
pub(crate) struct Echo;

#[ockam::worker]
impl Worker for Echo {
    type Context = Context;
    type Message = NeutralMessage;

    async fn handle_message(&mut self, context: &mut Context, message: Routed<NeutralMessage>) -> Result<()> {
        let back = message.return_route().clone();
        context.send(back, NeutralMessage::from(message.into_payload())).await
    }
}

/// Sends everything on to the next address of its route.
pub(crate) struct Hop;

#[ockam::worker]
impl Worker for Hop {
    type Context = Context;
    type Message = NeutralMessage;

    async fn handle_message(&mut self, context: &mut Context, message: Routed<NeutralMessage>) -> Result<()> {
        let own = context.primary_address().clone();
        context.forward(message.into_local_message().step_forward(own)?).await
    }
}
