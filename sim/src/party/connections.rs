//! What a driver does with the connections of a node: bytes in, bytes out, and those that wait.

use std::collections::VecDeque;

use razor::machine::{Machine as _, Refused};
use razor::node::{self, Connected, ConnectionId};
use razor::routing::Address;
use razor::vault::suite::Suite;

use super::{Party, alias};

/// The bytes that one call gives to a node.
const CHUNK: usize = 4096;

/// The connection over a link.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) address: Address,
    /// Whether the world says when bytes have left.
    pub(super) slow: bool,
    /// So many have not.
    pub(super) on_its_way: u64,
    /// Whether more was sent than the node may.
    pub(super) is_overdrawn: bool,
    /// Bytes that the node could not take yet.
    pub(super) held: VecDeque<u8>,
}

impl<S: Suite> Party<S> {
    pub(super) fn connect(&mut self, link: usize, slow: bool) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let alias = Some(alias(link));
        let how = Connected { accepted_by: Some(self.connections_id), alias };
        // The opening byte comes out of this call: it has to be known whose it is.
        self.links.insert(id, link);
        self.connections.insert(
            link,
            Connection {
                id,
                address: Address::local(""),
                slow,
                on_its_way: 0,
                is_overdrawn: false,
                held: VecDeque::new(),
            },
        );
        let address = self.with(|node, env| node.connected(env, id, how)).expect("few connections");
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.address = address;
        }
    }

    pub(super) fn disconnect(&mut self, link: usize) {
        if let Some(Connection { id, .. }) = self.connections.remove(&link) {
            self.links.remove(&id);
            let input = node::Input::Disconnected { connection: id };
            self.with(|node, env| node.handle(env, input)).expect("a connection may always go");
        }
    }

    /// Bytes came in: the node takes them, or they are held.
    pub(super) fn receive(&mut self, link: usize, bytes: Vec<u8>) {
        let Some(Connection { id, held, .. }) = self.connections.get_mut(&link) else { return };
        if !held.is_empty() || bytes.len() > CHUNK {
            held.extend(bytes);
            return self.feed(link);
        }
        let input = node::Input::Received { connection: *id, bytes };
        let refused = self.with(|node, env| node.handle(env, input));
        self.take_back(link, refused);
    }

    /// Gives held bytes to the node, as far as it takes them.
    fn feed(&mut self, link: usize) {
        while let Some(Connection { id, held, .. }) = self.connections.get_mut(&link) {
            let chunk = held.len().min(CHUNK);
            if chunk == 0 {
                return;
            }
            let input = node::Input::Received { connection: *id, bytes: held.drain(..chunk).collect() };
            let refused = self.with(|node, env| node.handle(env, input));
            if self.take_back(link, refused) {
                return;
            }
        }
    }

    /// Holds what the node could not take.
    fn take_back(&mut self, link: usize, refused: Result<(), Refused<node::Input>>) -> bool {
        let Err(Refused::Full(node::Input::Received { bytes, .. })) = refused else { return false };
        if let Some(connection) = self.connections.get_mut(&link) {
            bytes.into_iter().rev().for_each(|byte| connection.held.push_front(byte));
        }
        true
    }

    pub(super) fn feed_all(&mut self) {
        if self.connections.values().all(|connection| connection.held.is_empty()) {
            return;
        }
        let waiting = self.connections.iter().filter(|(_, connection)| !connection.held.is_empty());
        for link in waiting.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.feed(link);
        }
    }

    pub(super) fn left(&mut self, link: usize, bytes: u64) {
        if let Some(Connection { id: connection, on_its_way, .. }) = self.connections.get_mut(&link) {
            *on_its_way = on_its_way.saturating_sub(bytes);
            let input = node::Input::Sent { connection: *connection, bytes };
            self.with(|node, env| node.handle(env, input)).expect("what was sent may always leave");
        }
    }
}
