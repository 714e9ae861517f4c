//! Workers that every node can run.

use super::worker::{Context, Delivery, Op, Provenance, Worker};
use crate::error::Result;

/// Forwards messages: takes itself from the onward route and puts itself on the return route.
#[derive(Debug, Clone, Copy)]
pub struct Hop;

impl Worker for Hop {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        //= spec/src/nodes.md#nod-16
        //# A hop MUST remove its address from the front of the onward route and put it at the front of the return route.
        message.pop_onward()?;
        if let Some(own) = cx.address(port).filter(|_| !planted!(HopLeavesNoWayBack)) {
            message.push_return(own.as_ref());
        }
        let provenance = if planted!(HopIsLocal) { Provenance::LOCAL } else { provenance };
        cx.forward(port, message, provenance);
        Ok(())
    }
}

/// Sends every payload back along the return route.
#[derive(Debug, Clone, Copy)]
pub struct Echoer;

impl Worker for Echoer {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        //= spec/src/nodes.md#nod-17
        //# An echoer MUST send the payload unchanged along the return route of the message, with its own address as the new return route.
        message.turn_round();
        if let Some(own) = cx.address(port) {
            message.push_return(own.as_ref());
        }
        message.set_tracing(None);
        // Route and payload are the sender's: the answer speaks for it, not for this node.
        cx.forward(port, message, provenance);
        Ok(())
    }
}

/// Hands messages to the owner of the node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inbox;

impl Worker for Inbox {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        cx.ops.push(Op::HandOver(delivery));
        Ok(())
    }
}
