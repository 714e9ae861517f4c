//! A listener: an address where strangers begin handshakes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::machine::Snapshot;
use crate::node::{self, Context, Delivery, Flow, FlowControlId, Mailbox, News, Node, Spec, Worker};
use crate::routing::Address;
use crate::vault::suite::Suite;

use super::admission::{Admission, Places};
use super::config::Config;
use super::machine::{Addresses, Channel};
use super::worker::ChannelWorker;

/// The address of a listener unless told otherwise.
pub const LISTENER: &str = "api";

/// How a listener is set up.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Where initiators send message 1 to.
    pub address: Address,
    /// How many half-open handshakes and open channels it bears.
    pub places: Places,
    /// The ids of connections, channels and their listeners through which it may be reached. Its own is
    /// added: channels may be opened inside its channels.
    pub reached_through: Vec<FlowControlId>,
}

impl Default for Listening {
    fn default() -> Self {
        Self { address: Address::local(LISTENER), places: Places::DEFAULT, reached_through: Vec::new() }
    }
}

/// Starts a listener. The id that comes back is what workers are to be consumers of that peers may reach
/// through its channels.
///
/// # Errors
/// `NOD-13` when the address is taken.
pub fn listen<S: Suite>(
    node: &mut Node,
    env: &mut Env<'_>,
    config: Arc<Config>,
    listening: Listening,
) -> Result<FlowControlId> {
    let Listening { address, places, reached_through: mut consumer_of } = listening;
    let spawner = node.new_flow_control_id();
    consumer_of.push(spawner);
    let flow = Flow { spawner: Some(spawner), consumer_of: consumer_of.clone(), ..Flow::default() };
    let worker = Box::new(Listener::<S>::new(config, places, spawner, consumer_of));
    node.start_worker(env, Spec { mailboxes: vec![Mailbox::open(address)], flow, worker })?;
    Ok(spawner)
}

const DISPLACED: Error = Error::limit("CHN-66", "an open channel was closed to make room for another");

/// Takes every message as a message 1 and starts a responder for it.
pub(super) struct Listener<S: Suite> {
    config: Arc<Config>,
    admission: Admission,
    /// The id that it makes producers under.
    spawner: FlowControlId,
    /// Through which ids it is reached, and so what it starts.
    consumer_of: Vec<FlowControlId>,
    suite: PhantomData<fn() -> S>,
}

impl<S: Suite> Listener<S> {
    pub(super) fn new(
        config: Arc<Config>,
        places: Places,
        spawner: FlowControlId,
        consumer_of: Vec<FlowControlId>,
    ) -> Self {
        Self { config, admission: Admission::new(places), spawner, consumer_of, suite: PhantomData }
    }
}

impl<S: Suite> Worker for Listener<S> {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { message, provenance, .. } = delivery;
        super::handshake::check_message_1(&message)?;
        let addresses = Addresses::random(cx.entropy());
        //= spec/src/channels.md#chn-56
        //# A listener MUST give a handshake its place before it does any cryptography for it.
        let address = addresses.decryptor.clone();
        if let Some(evicted) = self.admission.admit(cx.entropy(), provenance, address.clone()) {
            cx.stop_worker(evicted);
        }
        let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
        match Channel::<S>::respond(&mut env, self.config.clone(), addresses, &message) {
            Ok(channel) => {
                let producer = cx.new_flow_control_id();
                let worker = ChannelWorker::responder(channel);
                //= spec/src/channels.md#chn-60
                //# A responder MUST be reachable through exactly the flow control ids through which its listener is, and deliver under the listener's.
                cx.start_child(worker.spec(producer, Some(self.spawner), self.consumer_of.clone()));
            }
            // Not an error of the handler: whoever has lost its place is stopped all the same.
            Err(error) => {
                self.admission.leave(&address);
                cx.event(node::Event::Dropped { to: cx.address(0).cloned(), error });
            }
        }
        Ok(())
    }

    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, news: News) -> Result<()> {
        match news {
            News::Opened(peer) => {
                for evicted in self.admission.opened(cx.now(), child, peer) {
                    cx.event(node::Event::Dropped { to: Some(evicted.clone()), error: DISPLACED });
                    cx.stop_worker(evicted);
                }
            }
            News::Heard => self.admission.heard(cx.now(), child),
            News::Gone if planted!(KeepsPlaceOfGone) => {}
            News::Gone => {
                self.admission.leave(child);
            }
        }
        Ok(())
    }

    fn trusted(&self, picture: &mut Snapshot) {
        self.admission.trusted(picture);
    }

    fn provisional(&self) -> usize {
        self.admission.footprint()
    }

    fn provisional_limit(&self) -> usize {
        self.admission.footprint_limit()
    }
}
