//! A node with an inbox and some hops, and messages that go by way of them.

use razor::env::Seeded;
use razor::machine::Machine;
use razor::node::{Config, Flow, Hop, Input, Mailbox, Node, Output, Spec};
use razor::routing::{Address, Message, Route};

const INBOX: &str = "inbox";

/// A node with its randomness.
pub struct Host {
    node: Node,
    entropy: Seeded,
}

impl Host {
    /// A node in which messages can go by way of `hops` hops, one after the other.
    pub fn new(hops: usize) -> Self {
        let mut entropy = Seeded::from_u64(1);
        let mut node = Node::new(Config::default(), &mut entropy);
        for hop in 0..hops {
            let mailboxes = vec![Mailbox::open(address(hop))];
            let spec = Spec { mailboxes, flow: Flow::default(), worker: Box::new(Hop) };
            node.start_worker(&mut crate::env(&mut entropy), spec).expect("the address is free");
        }
        let inbox = Mailbox::open(INBOX.into());
        node.open_inbox(&mut crate::env(&mut entropy), inbox, Flow::default()).expect("the address is free");
        Self { node, entropy }
    }

    /// Sends a message and takes it out of the inbox.
    pub fn deliver(&mut self, message: Message) -> Message {
        self.input(Input::Send(message));
        while let Some(output) = self.node.poll_output() {
            if let Output::Deliver { inbox, delivery } = output {
                self.input(Input::Taken { inbox, messages: 1 });
                return delivery.message;
            }
        }
        panic!("nothing was delivered");
    }

    fn input(&mut self, input: Input) {
        self.node.handle(&mut crate::env(&mut self.entropy), input).expect("there is room");
    }
}

/// A message of 64 bytes to the inbox, by way of that many hops.
pub fn message(hops: usize) -> Message {
    let onward: Route = (0..hops).map(address).chain([INBOX.into()]).collect();
    Message::new(onward.as_ref(), Route::new().as_ref(), &[7; 64])
}

fn address(hop: usize) -> Address {
    Address::local(&format!("hop{hop}"))
}
