//! The channel as a machine: inputs, outputs, and which state handles what.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::identity::{Identifier, PresentedCredential};
use crate::machine::{Deadline, Machine, Refused, Snapshot, Transition};
use crate::node::{Answer, Request};
use crate::routing::{Address, Message, Route, RouteRef};
use crate::vault::suite::Suite;

use super::config::Config;
use super::handshake::Handshake;
#[cfg(any(test, feature = "arbitrary"))]
use super::keys::{Decryptor, Encryptor};
use super::session::{Received, Session};
use super::state::{self, State};

/// The two addresses of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Where the peer sends to.
    pub decryptor: Address,
    /// Where applications send to.
    pub encryptor: Address,
}

/// Numbers a channel's requests, so that an answer finds its question; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// What a channel takes.
#[derive(Debug)]
pub enum Input {
    /// A message that arrived at the decryptor address.
    Receive(Message),
    /// A message from an application, without the encryptor address in front of its onward route.
    Send(Message),
    /// The answer to a request.
    Answer(Ticket, Answer),
    /// The way to the peer has changed: its new route, without the peer's own address at the end.
    SetRoute(Route),
    /// Present these credentials: an encoded history and an encoded list.
    RefreshCredentials {
        /// The own change history.
        history: Vec<u8>,
        /// The list of credentials.
        credentials: Vec<u8>,
    },
    /// Close the channel.
    Close,
}

/// What a channel gives.
#[derive(Debug)]
pub enum Output {
    /// To be sent along its onward route.
    Transmit(Message),
    /// A message that the peer sent through the channel, to be sent along its onward route.
    Deliver(Message),
    /// A question to the vault or the store.
    Request {
        /// Comes back with the answer.
        ticket: Ticket,
        /// When an answer is of no use any more.
        deadline: Instant,
        /// The question.
        request: Request,
    },
    /// Something has happened.
    Event(Event),
}

/// What can happen to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is open, with this peer.
    Opened(Identifier),
    /// It could not be opened.
    Failed(Error),
    /// It was open and is closed.
    Closed,
    /// The peer presents these credentials: right after the channel has opened, if it has any, and whenever
    /// it has new ones. Their form is right; whether they are true is for access control to find out.
    Credentials(Vec<PresentedCredential>),
    /// A message was dropped.
    Dropped(Error),
}

/// A secure channel, one side of it.
///
/// ```text
/// initiator: await message 2 -> load peer -> store peer -> await key -> open -> closed
/// responder: await key -> await message 3 -> load peer -> store peer -> open -> closed
/// ```
///
/// Make one with [`initiate`](Self::initiate) or [`respond`](Self::respond), then drive it as every
/// [`Machine`].
pub struct Channel<S: Suite> {
    pub(super) shared: Shared,
    pub(super) phase: Phase<S>,
}

/// What all phases share.
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) addresses: Addresses,
    /// The latest time that an input came with.
    pub(super) now: Instant,
    outputs: VecDeque<Output>,
    tickets: u64,
}

pub(super) enum Phase<S: Suite> {
    Handshake(Box<Handshake<S>>),
    Open(Box<Session<S>>),
    Closed,
}

impl Shared {
    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    pub(super) fn ask(&mut self, deadline: Instant, request: Request) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.saturating_add(1);
        self.output(Output::Request { ticket, deadline, request });
        ticket
    }

    /// Sends a handshake message: its bytes are the payload, and the way back is the decryptor.
    pub(super) fn transmit_handshake(&mut self, route: RouteRef<'_>, bytes: &[u8]) {
        //= spec/src/channels.md#chn-1
        //# A handshake message MUST travel as the payload of a routed message, without a prefix or wrapper, with the sender's decryptor address as its return route.
        let back = Route::new().then(self.addresses.decryptor.clone());
        self.output(Output::Transmit(Message::new(route, back.as_ref(), bytes)));
    }
}

impl<S: Suite> Channel<S> {
    /// Starts a channel to the listener at the end of `route`: message 1 is the first output.
    #[cfg(feature = "initiator")]
    pub fn initiate(env: &mut Env<'_>, config: Arc<Config>, addresses: Addresses, route: &Route) -> Self {
        let mut shared = Shared::new(config, addresses, env.now);
        let handshake = Handshake::initiate(&mut shared, env, route);
        Self { shared, phase: Phase::Handshake(Box::new(handshake)) }
    }

    /// Answers message 1.
    ///
    /// # Errors
    /// `NOI-*` when it is none; `CHN-13` when it has no return route.
    pub fn respond(env: &mut Env<'_>, config: Arc<Config>, addresses: Addresses, message_1: &Message) -> Result<Self> {
        let mut shared = Shared::new(config, addresses, env.now);
        let handshake = Handshake::respond(&mut shared, env, message_1)?;
        Ok(Self { shared, phase: Phase::Handshake(Box::new(handshake)) })
    }

    /// One side of a channel that has been open for a while, with the keys of both directions. `follows` is
    /// whether it is the responder.
    #[cfg(any(test, feature = "arbitrary"))]
    pub fn resumed(
        config: Arc<Config>,
        addresses: Addresses,
        peer: Identifier,
        remote: Route,
        keys: (Encryptor<S>, Decryptor<S>),
        follows: bool,
    ) -> Self {
        let session = Session::resumed(peer, remote, keys, follows);
        Self { shared: Shared::new(config, addresses, Instant::ZERO), phase: Phase::Open(Box::new(session)) }
    }

    /// The addresses of this side.
    pub fn addresses(&self) -> &Addresses {
        &self.shared.addresses
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// The peer, once the channel is open.
    pub fn peer(&self) -> Option<&Identifier> {
        match &self.phase {
            Phase::Open(session) => Some(&session.peer),
            _ => None,
        }
    }

    /// The hash of the handshake that the channel began with, once it is open: both ends have the same, and no other
    /// channel has it. Who binds something to a channel from above binds it to this. It is no secret.
    pub fn handshake_hash(&self) -> Option<&[u8; 32]> {
        match &self.phase {
            Phase::Open(session) => Some(&session.handshake_hash),
            _ => None,
        }
    }

    /// The route to the peer, once the channel is open.
    pub fn remote_route(&self) -> Option<&Route> {
        match &self.phase {
            Phase::Open(session) => Some(&session.remote),
            _ => None,
        }
    }

    /// Drops what can be made anew: expanded keys, and room for outputs. An open channel that carries nothing does
    /// so by itself after a minute.
    pub fn shrink(&mut self) {
        self.shared.outputs.shrink_to_fit();
        if let Phase::Open(session) = &mut self.phase {
            session.shrink();
        }
    }

    /// Every move that a channel makes.
    pub const fn transitions() -> &'static [Transition] {
        state::TRANSITIONS
    }

    /// Takes a message from the peer's side. On an error it is wiped and nothing has changed.
    fn receive(&mut self, env: &mut Env<'_>, message: Message) -> Result<()> {
        let Phase::Handshake(handshake) = &mut self.phase else { return self.receive_sealed(message) };
        let next = handshake.receive(&mut self.shared, env, message)?;
        self.advance(next);
        Ok(())
    }

    fn receive_sealed(&mut self, mut message: Message) -> Result<()> {
        let Phase::Open(session) = &mut self.phase else {
            message.wipe();
            return Err(CLOSED);
        };
        match session.receive(&mut self.shared, &mut message)? {
            Received::Deliver => self.shared.output(Output::Deliver(message)),
            Received::Nothing => {}
            //= spec/src/channels.md#chn-48
            //# A party that receives a Close MUST close the channel and send nothing.
            Received::Close => self.close(Event::Closed),
        }
        Ok(())
    }

    /// Moves on to what a handshake has become.
    fn advance(&mut self, next: Next<S>) {
        match next {
            Next::Stay => {}
            Next::Open { session, credentials, held } => {
                self.shared.event(Event::Opened(session.peer));
                if !credentials.is_empty() {
                    self.shared.event(Event::Credentials(credentials));
                }
                self.enter(Phase::Open(session));
                for message in held {
                    // Provisional until now: each is authenticated like any other.
                    if let Err(error) = self.receive_sealed(message) {
                        self.shared.event(Event::Dropped(error));
                    }
                }
            }
            Next::Failed(error) => self.close(Event::Failed(error)),
        }
    }

    /// Ends the channel.
    fn close(&mut self, event: Event) {
        //= spec/src/channels.md#chn-49
        //# A party MUST erase all keys of a channel when the channel is closed.
        self.enter(Phase::Closed);
        self.shared.event(event);
    }

    fn enter(&mut self, phase: Phase<S>) {
        debug_assert!(
            state::allows(self.phase.state(), phase.state()),
            "{:?} to {:?} is not in the table",
            self.phase.state(),
            phase.state()
        );
        self.phase = phase;
    }
}

/// What becomes of a handshake.
pub(super) enum Next<S: Suite> {
    Stay,
    /// It is open.
    Open {
        session: Box<Session<S>>,
        credentials: Vec<PresentedCredential>,
        /// What came too early.
        held: VecDeque<Message>,
    },
    Failed(Error),
}

const CLOSED: Error = Error::misuse("CHN-49", "the channel is closed");
const STOPPED: Error = Error::denied("CHN-18", "this side gave the handshake up");
const NOT_OPEN: Error = Error::misuse("CHN-43", "the channel is not open yet");

impl Shared {
    fn new(config: Arc<Config>, addresses: Addresses, now: Instant) -> Self {
        Self { config, addresses, now, outputs: VecDeque::new(), tickets: 0 }
    }
}

impl<S: Suite> Phase<S> {
    fn state(&self) -> State {
        match self {
            Phase::Handshake(handshake) => handshake.state(),
            Phase::Open(_) => State::Open,
            Phase::Closed => State::Closed,
        }
    }
}

impl<S: Suite> Machine for Channel<S> {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, env: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        debug_assert!(self.shared.outputs.is_empty(), "outputs are drained before the next input");
        self.shared.now = self.shared.now.max(env.now);
        match (input, &mut self.phase) {
            (Input::Receive(message), _) => self.receive(env, message)?,
            (Input::Close, Phase::Open(session)) => {
                //= spec/src/channels.md#chn-47
                //# A party that closes an open channel MUST send one Close, with its encryptor address as return route.
                session.send_close(&mut self.shared);
                self.close(Event::Closed);
            }
            (Input::Close, Phase::Handshake(_)) => self.close(Event::Failed(STOPPED)),
            (Input::Close, Phase::Closed) => {}
            (Input::Send(message), Phase::Open(session)) => session.send(&mut self.shared, message)?,
            (Input::SetRoute(route), Phase::Open(session)) => session.set_route(&route, &self.shared.config.limits)?,
            (Input::RefreshCredentials { history, credentials }, Phase::Open(session)) => {
                session.refresh(&mut self.shared, &history, &credentials)?;
            }
            (Input::Answer(ticket, answer), Phase::Open(session)) => {
                session.answer(&mut self.shared, ticket, answer)?
            }
            (Input::Answer(ticket, answer), Phase::Handshake(handshake)) => {
                let next = handshake.answer(&mut self.shared, env, ticket, answer)?;
                self.advance(next);
            }
            // An answer that comes after the end.
            (Input::Answer(..), Phase::Closed) => {}
            (_, Phase::Closed) => return Err(CLOSED.into()),
            (_, Phase::Handshake(_)) => return Err(NOT_OPEN.into()),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        self.shared.now = self.shared.now.max(env.now);
        match &mut self.phase {
            Phase::Handshake(handshake) if self.shared.now >= handshake.deadline => {
                //= spec/src/channels.md#chn-18
                //# Each party MUST give up a handshake that is not finished when its timeout has passed, and erase its keys.
                let error = handshake.last_error.unwrap_or(Error::limit("CHN-18", "the handshake took too long"));
                self.close(Event::Failed(error));
            }
            Phase::Open(session) => {
                let idle = session.handle_timeout(&mut self.shared);
                if idle {
                    self.shrink();
                }
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        match &self.phase {
            Phase::Handshake(_) if planted!(HandshakeWithoutEnd) => None,
            Phase::Handshake(handshake) => Some(Deadline::new(handshake.deadline, "handshake timeout")),
            Phase::Open(session) => session.deadline(),
            Phase::Closed => None,
        }
    }

    fn trusted(&self, picture: &mut Snapshot) {
        picture.bytes(self.state().name().as_bytes());
        if let Phase::Open(session) = &self.phase {
            session.picture(picture);
        }
    }

    fn provisional(&self) -> usize {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.held_bytes(),
            Phase::Open(session) => session.waiting(),
            Phase::Closed => 0,
        }
    }

    fn provisional_limit(&self) -> usize {
        let Config { hold, presentation_limits, .. } = &*self.shared.config;
        hold.bytes.max(presentation_limits.total())
    }
}

impl<S: Suite> core::fmt::Debug for Channel<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Channel").field("state", &self.state()).field("peer", &self.peer()).finish_non_exhaustive()
    }
}
