//! A worker that stands for a connection.

use razor::node::ConnectionId;
use razor::routing::{Address, Route};

use crate::error::Result;
use crate::worker::{Context, Received, Worker};

/// Sends what comes to it on over a connection, and what comes back over that to whom it is for. In routes its name
/// takes the place of the connection's address, which is random and another one for each connection.
pub(crate) struct Bridge {
    pub(crate) connection: ConnectionId,
    /// The connection's address.
    pub(crate) way: Address,
}

impl Worker for Bridge {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        let rest = message.onward_route().iter().skip(1);
        let mut back = Route::from(context.address().clone());
        let onward: Route = if message.provenance().from_connection() == Some(self.connection) {
            // The connection has put its address on the return route; who answers finds it by the bridge's name.
            message.return_route().iter().skip(1).for_each(|address| back.append(address));
            rest.collect()
        } else {
            back.extend(message.return_route());
            [self.way.as_ref()].into_iter().chain(rest).collect()
        };
        context.relay(message, onward, back).await
    }
}
