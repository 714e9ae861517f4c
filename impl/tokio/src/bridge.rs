//! A worker that stands for a connection.

use razor::error::Result;
use razor::node::{ConnectionId, Context, Delivery, Worker};
use razor::routing::{Address, Route};

/// Sends what comes to it on over a connection, and what comes back over that to whom it is for. In routes its name
/// takes the place of the connection's address, which is random and another one for each connection.
///
/// Like a hop it serves many: what a receiver has no room for is dropped and counted, so that one who reads nothing
/// does not stop the others.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) connection: ConnectionId,
    /// The connection's address.
    pub(crate) way: Address,
}

impl Worker for Bridge {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        message.pop_onward()?;
        if provenance.from_connection() == Some(self.connection) {
            // The connection has put its address on the return route; who answers finds it by the bridge's name.
            let back: Route = message.return_route().iter().skip(1).collect();
            let onward = message.onward().to_owned();
            message.set_routes(onward.as_ref(), back.as_ref());
        } else {
            message.push_onward(self.way.as_ref());
        }
        if let Some(own) = cx.address(port) {
            message.push_return(own.as_ref());
        }
        cx.forward(port, message, provenance);
        Ok(())
    }
}
