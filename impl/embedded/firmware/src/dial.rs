//! The channel that the board opens itself, when it is told to.

use alloc::sync::Arc;

use razor::channel::{self, Addresses, Config, LISTENER};
use razor::routing::{Address, Route};
use razor::vault::suite::Aes256GcmSha256;

use crate::Node;
use crate::application::send;

pub struct Dial {
    config: Arc<Config>,
    /// The channel that is being opened to the other end of the line.
    dialled: Option<Addresses>,
}

impl Dial {
    pub const fn new(config: Arc<Config>) -> Self {
        Self { config, dialled: None }
    }

    /// Opens a channel to the other end of the line.
    pub fn dial(&mut self, driver: &mut Node) {
        let route = Route::from(Node::address(0)).then(LISTENER);
        let config = self.config.clone();
        let begun = driver.with(|node, env| channel::create::<Aes256GcmSha256>(node, env, config, &route));
        self.dialled = begun.ok();
    }

    /// Says hello through the channel that was dialled. What the other end sends through it reaches `echo`.
    pub fn greet(&mut self, driver: &mut Node, encryptor: Address) {
        if self.dialled.take_if(|dialled| dialled.encryptor == encryptor).is_none() {
            return;
        }
        if let Some(producer) = driver.node().producer_at(&encryptor) {
            let _ = driver.with(|node, _| node.add_consumer(&Address::local("echo"), producer));
        }
        send(driver, &Route::from(encryptor).then("greeter"), "echo", b"hello from the board");
    }
}
