//! A channel behind two addresses of a node.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::env::{Entropy, Env, Instant};
use crate::error::{Error, Result};
use crate::identity::{Identifier, PresentedCredential};
use crate::machine::{Deadline, Machine, Refused, Snapshot};
use crate::node::{
    self, Answer, Command, Context, Delivery, Flow, FlowControlId, Mailbox, News, Port, Provenance, RequestId, Spec,
    Worker,
};
use crate::routing::Address;
use crate::vault::suite::Suite;

use super::machine::{Addresses, Channel, Event, Input, Output, Ticket};
use super::state::State;

/// The port of the decryptor, which the peer sends to. What the peer sent leaves through it.
pub const DECRYPTOR: Port = 0;

/// The port of the encryptor, which applications send to. What goes to the peer leaves through it.
pub const ENCRYPTOR: Port = 1;

impl Addresses {
    /// Two random addresses. The decryptor's is drawn first: recordings are replayed in this order.
    pub fn random(entropy: &mut dyn Entropy) -> Self {
        let decryptor = Address::random(entropy);
        let encryptor = Address::random(entropy);
        Self { decryptor, encryptor }
    }
}

/// How often a parent hears that the peer is still there, at most.
const SILENCE: Duration = Duration::from_secs(60);

/// A [`Channel`] as a worker of a node.
pub(super) struct ChannelWorker<S: Suite> {
    channel: Channel<S>,
    /// Who the peer is, from when it is known until the end.
    peer: Option<Identifier>,
    /// The one question that waits for its answer.
    asked: Option<(RequestId, Ticket)>,
    /// Whether it was begun by a stranger, at a listener.
    responds: bool,
    /// When the parent last heard of the peer.
    heard: Instant,
    /// What the node's timer is set to.
    timer: Option<Deadline>,
}

impl<S: Suite> ChannelWorker<S> {
    pub(super) const fn initiator(channel: Channel<S>) -> Self {
        Self { channel, peer: None, asked: None, responds: false, heard: Instant::ZERO, timer: None }
    }

    pub(super) fn responder(channel: Channel<S>) -> Self {
        Self { responds: true, ..Self::initiator(channel) }
    }

    /// How a node starts it. `producer` is what the peer's messages are delivered under, `spawned_by` the
    /// id of the listener, and `consumer_of` the ids through which the peer's side reaches the decryptor.
    pub(super) fn spec(
        self,
        producer: FlowControlId,
        spawned_by: Option<FlowControlId>,
        consumer_of: Vec<FlowControlId>,
    ) -> Spec {
        let Addresses { decryptor, encryptor } = self.channel.addresses().clone();
        Spec {
            mailboxes: vec![Mailbox::open(decryptor), Mailbox::open(encryptor)],
            flow: Flow { producer: Some(producer), spawned_by, consumer_of, ..Flow::default() },
            worker: Box::new(self),
        }
    }

    fn input(&mut self, cx: &mut Context<'_>, input: Input) -> Result<()> {
        let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
        // A machine that returns an error has queued nothing.
        self.channel.handle(&mut env, input).map_err(|refused| Refused::into_error(refused, "CHN-21"))?;
        self.drain(cx);
        Ok(())
    }

    fn drain(&mut self, cx: &mut Context<'_>) {
        while let Some(output) = self.channel.poll_output() {
            match output {
                Output::Transmit(message) => cx.send(ENCRYPTOR, message),
                //= spec/src/channels.md#chn-55
                //# What a decryptor delivers MUST have the identity of the channel's peer as its provenance.
                Output::Deliver(message) => {
                    if let Some(peer) = self.peer {
                        let from = if planted!(ChannelIsLocal) { Provenance::LOCAL } else { Provenance::channel(peer) };
                        cx.forward(DECRYPTOR, message, from);
                    }
                }
                Output::Request { ticket, deadline, request } => {
                    self.asked = Some((cx.request(request, deadline), ticket));
                }
                Output::Event(event) => self.happened(cx, event),
            }
        }
        // The same for most messages.
        let deadline = self.channel.deadline();
        if self.timer != deadline {
            self.timer = deadline;
            cx.set_timer(deadline);
        }
    }

    fn happened(&mut self, cx: &mut Context<'_>, event: Event) {
        let Addresses { decryptor, encryptor } = self.channel.addresses().clone();
        // It is told of before the worker is gone: a stranger's is one of many.
        let over = match &event {
            Event::Failed(_) => !planted!(FailedStays),
            Event::Closed => true,
            _ => false,
        };
        let event = match event {
            Event::Opened(peer) => {
                self.peer = Some(peer);
                self.heard = cx.now();
                cx.tell_parent(News::Opened(peer));
                //= spec/src/channels.md#chn-68
                //# A party MUST tell the owner of its node, with a channel that opens, the hash `h` of the whole handshake.
                let handshake_hash = self.channel.handshake_hash().copied().unwrap_or_default();
                node::Event::ChannelOpened { encryptor, decryptor, peer, handshake_hash }
            }
            Event::Failed(error) => node::Event::ChannelFailed { encryptor, error },
            Event::Closed => node::Event::ChannelClosed { encryptor },
            Event::Credentials(credentials) => node::Event::ChannelCredentials { encryptor, credentials },
            Event::Dropped(error) => node::Event::Dropped { to: Some(decryptor), error },
        };
        cx.event(event);
        if over {
            cx.stop();
        }
    }

    /// Something has come through the open channel.
    fn heard(&mut self, cx: &mut Context<'_>) {
        if self.peer.is_some() && cx.now().since(self.heard) >= SILENCE {
            self.heard = cx.now();
            cx.tell_parent(News::Heard);
        }
    }
}

impl<S: Suite> Worker for ChannelWorker<S> {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.drain(cx);
        Ok(())
    }

    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, .. } = delivery;
        match port {
            DECRYPTOR => {
                self.input(cx, Input::Receive(message))?;
                self.heard(cx);
                Ok(())
            }
            ENCRYPTOR => {
                message.pop_onward()?;
                self.input(cx, Input::Send(message))
            }
            _ => Err(Error::misuse("CHN-1", "a channel has two addresses")),
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.timer = None;
        let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
        self.channel.handle_timeout(&mut env);
        self.drain(cx);
        Ok(())
    }

    fn handle_answer(&mut self, cx: &mut Context<'_>, id: RequestId, answer: Answer) -> Result<()> {
        match self.asked.take_if(|(asked, _)| *asked == id) {
            Some((_, ticket)) => self.input(cx, Input::Answer(ticket, answer)),
            //= spec/src/channels.md#chn-19
            //# An answer that comes late, twice, or to no question MUST change nothing.
            None => Ok(()),
        }
    }

    fn handle_command(&mut self, cx: &mut Context<'_>, command: Command) -> Result<()> {
        match command {
            Command::SetChannelRoute(route) => self.input(cx, Input::SetRoute(route)),
            Command::PresentCredentials { history, credentials } => {
                let credentials = PresentedCredential::encode_list(&credentials);
                self.input(cx, Input::RefreshCredentials { history, credentials })
            }
        }
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        // Whoever is closed already says nothing more.
        let _ = self.input(cx, Input::Close);
    }

    /// While this side asks its own vault or store about a peer who has shown itself, what the peer says next waits in
    /// the inbox: there is more room, and whoever sends it hears when there is none.
    fn is_ready(&self) -> bool {
        //= spec/src/channels.md#chn-67
        //# While a party asks its own vault or store about a peer whose handshake messages are authentic, what arrives at its channel MUST wait as for a worker that takes no more.
        !matches!(self.channel.state(), State::LoadPeer | State::StorePeer | State::AwaitKeyForMessage3)
    }

    /// A message that is lost on its way into or out of an encryptor leaves a gap that its peer sees.
    fn leads_on(&self, port: Port) -> bool {
        port == ENCRYPTOR
    }

    fn way(&self) -> Option<Address> {
        Some(self.channel.remote_route()?.as_ref().first()?.to_owned())
    }

    fn trusted(&self, picture: &mut Snapshot) {
        self.channel.trusted(picture);
    }

    /// A responder to which nobody has proved anything yet.
    fn is_provisional(&self) -> bool {
        self.responds && self.peer.is_none()
    }

    fn provisional(&self) -> usize {
        self.channel.provisional()
    }

    fn provisional_limit(&self) -> usize {
        self.channel.provisional_limit()
    }
}
