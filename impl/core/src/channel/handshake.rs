//! The handshake: Noise XX, with identities in its payloads.
//!
//! Everything is computed on the side. A state is left only when what arrived is right as a whole, so
//! that garbage, duplicates and late messages change nothing.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::identity::{self, Identifier, Presentation, Presented, PresentedCredential, StoreAnswer, StoreRequest};
use crate::node::{Answer, Request};
use crate::noise::{Finished, initiator, responder};
use crate::routing::{Message, Route};
use crate::vault::suite::Suite;
use crate::vault::{self, PublicKey};

use super::machine::{Event, Next, Shared, Ticket};
use super::session::Session;
use super::state::{self, State};

/// Bytes of a message 1 without a payload: a public key.
const MESSAGE_1: usize = 32;

/// A half-open channel.
pub(super) struct Handshake<S: Suite> {
    stage: Stage<S>,
    pub(super) deadline: Instant,
    /// Why the last message was refused: the reason that a timeout gives.
    pub(super) last_error: Option<Error>,
    /// Messages that came too early: data that overtook message 3, or anything while an answer is awaited.
    held: VecDeque<Message>,
}

/// Where a handshake stands. Secrets that are moved on are in boxes: whatever is moved leaves its bytes behind.
enum Stage<S: Suite> {
    /// Leaving this state; never seen from outside.
    Leaving(State),
    AwaitMessage2(initiator::AwaitsMessage2<S>),
    AwaitKeyForMessage2 {
        noise: Box<responder::NeedsStaticDh<S>>,
        remote: Route,
        ticket: Ticket,
    },
    AwaitMessage3(responder::AwaitsMessage3<S>),
    LoadPeer {
        side: Side<S>,
        presented: Box<Presented>,
        remote: Route,
        ticket: Ticket,
    },
    StorePeer {
        side: Side<S>,
        peer: Peer,
        ticket: Ticket,
    },
    AwaitKeyForMessage3 {
        noise: Box<initiator::NeedsStaticDh<S>>,
        peer: Peer,
        ticket: Ticket,
    },
}

/// Who is at the other end, once that is verified.
struct Peer {
    identifier: Identifier,
    credentials: Vec<PresentedCredential>,
    remote: Route,
}

/// What comes after the store, by role.
enum Side<S: Suite> {
    Initiator {
        noise: Box<initiator::NeedsStaticDh<S>>,
        /// To fall back to when this message 2 turns out to be worthless.
        waiting: Box<initiator::AwaitsMessage2<S>>,
    },
    Responder(Box<Finished>),
}

impl<S: Suite> Handshake<S> {
    #[cfg(feature = "initiator")]
    pub(super) fn initiate(shared: &mut Shared, env: &mut Env<'_>, route: &Route) -> Self {
        //= spec/src/channels.md#chn-2
        //# An initiator MUST send message 1 with an empty payload.
        let (noise, message_1) = initiator::AwaitsMessage2::start(shared.config.static_key, env.entropy);
        shared.transmit_handshake(route.as_ref(), &message_1);
        Self::new(deadline(shared), Stage::AwaitMessage2(noise))
    }

    pub(super) fn respond(shared: &mut Shared, env: &mut Env<'_>, message_1: &Message) -> Result<Self> {
        let remote = remote_route(message_1)?;
        //= spec/src/channels.md#chn-3
        //# A responder MUST take any payload in message 1 into the handshake hash, and use it for nothing else.
        let (noise, _) =
            responder::NeedsStaticDh::read_message_1(shared.config.static_key, env.entropy, message_1.payload())?;
        let deadline = deadline(shared);
        let ticket = ask_vault(shared, deadline, noise.dh_with());
        Ok(Self::new(deadline, Stage::AwaitKeyForMessage2 { noise: Box::new(noise), remote, ticket }))
    }

    const fn new(deadline: Instant, stage: Stage<S>) -> Self {
        Self { stage, deadline, last_error: None, held: VecDeque::new() }
    }

    pub(super) fn state(&self) -> State {
        match &self.stage {
            Stage::AwaitMessage2(_) => State::AwaitMessage2,
            Stage::AwaitKeyForMessage2 { .. } => State::AwaitKeyForMessage2,
            Stage::AwaitMessage3(_) => State::AwaitMessage3,
            Stage::LoadPeer { .. } => State::LoadPeer,
            Stage::StorePeer { .. } => State::StorePeer,
            Stage::AwaitKeyForMessage3 { .. } => State::AwaitKeyForMessage3,
            Stage::Leaving(state) => *state,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.iter().map(Message::footprint).sum()
    }

    /// A message from the peer's side.
    pub(super) fn receive(&mut self, shared: &mut Shared, env: &Env<'_>, mut message: Message) -> Result<Next<S>> {
        let read = match &self.stage {
            Stage::AwaitMessage2(noise) => read_message_2(shared, env, noise, &message),
            //= spec/src/channels.md#chn-16
            //# A message 3 that is not authentic MUST leave the responder waiting with its state unchanged.
            Stage::AwaitMessage3(noise) => match noise.read_message_3(message.payload()) {
                Err(error) if planted!(GarbageEndsResponder) => return Ok(Next::Failed(error)),
                Err(_) => return self.hold(shared, message).map(|()| Next::Stay),
                Ok((finished, payload)) => match verify(shared, env, &payload, &finished.remote_static) {
                    Ok(presented) => Ok((Side::Responder(Box::new(finished)), presented)),
                    //= spec/src/channels.md#chn-17
                    //# A responder MUST end the handshake when an authentic message 3 carries a presentation that it refuses.
                    Err(error) => return Ok(Next::Failed(error)),
                },
            },
            _ => return self.hold(shared, message).map(|()| Next::Stay),
        };
        let checked = read.and_then(|(side, presented)| Ok((side, presented, remote_route(&message)?)));
        match checked {
            Ok((side, presented, remote)) => {
                //= spec/src/channels.md#chn-12
                //# A party MUST NOT send or show anything that depends on the store before the store has answered.
                let request = Request::Store(StoreRequest::Load(presented.identity.identifier()));
                let ticket = shared.ask(self.deadline, request);
                self.enter(Stage::LoadPeer { side, presented: Box::new(presented), remote, ticket });
                Ok(Next::Stay)
            }
            //= spec/src/channels.md#chn-15
            //# A message 2 that fails any check MUST leave the initiator waiting with its state unchanged.
            Err(error) if planted!(GarbageEndsInitiator) => Ok(Next::Failed(error)),
            Err(error) => {
                message.wipe();
                self.last_error = Some(error).filter(|_| !planted!(ForgetsLastRefusal));
                Err(error)
            }
        }
    }

    /// The vault or the store has answered.
    pub(super) fn answer(
        &mut self,
        shared: &mut Shared,
        env: &Env<'_>,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Next<S>> {
        //= spec/src/channels.md#chn-19
        //# An answer that comes late, twice, or to no question MUST change nothing.
        if self.ticket() != Some(ticket) {
            return Ok(Next::Stay);
        }
        //= spec/src/erasure.md#era-1
        //# A session secret MUST be overwritten with zeros when it is dropped: ephemeral keys, shared secrets, chaining keys, handshake keys, transport keys and the expanded keys of ciphers.
        // What comes out of a box is a clone, and the box is wiped: moved out, the secret would stay in its memory.
        let leaving = Stage::Leaving(self.state());
        match (core::mem::replace(&mut self.stage, leaving), answer) {
            (Stage::AwaitKeyForMessage2 { noise, remote, .. }, Answer::Vault(Ok(vault::Answer::Shared(secret)))) => {
                let (noise, message_2) = match (*noise).clone().write_message_2(&secret, &shared.config.presentation) {
                    Ok(written) => written,
                    Err(error) => return Ok(Next::Failed(error)),
                };
                //= spec/src/channels.md#chn-20
                //# A party MUST send each handshake message at most once.
                shared.transmit_handshake(remote.as_ref(), &message_2);
                //= spec/src/channels.md#chn-54
                //# Until message 3 is authentic a responder MUST send nothing but message 2, once.
                self.enter(Stage::AwaitMessage3(noise));
                Ok(Next::Stay)
            }
            (Stage::LoadPeer { side, presented, remote, .. }, Answer::Store(Ok(StoreAnswer::Loaded(known)))) => {
                Ok(self.loaded(shared, env, side, *presented, remote, known.as_deref()))
            }
            (Stage::StorePeer { side, peer, .. }, Answer::Store(Ok(StoreAnswer::Stored))) => {
                Ok(self.admitted(shared, side, peer))
            }
            (Stage::StorePeer { side, peer, .. }, Answer::Store(Err(_))) if planted!(IgnoresFailedStore) => {
                Ok(self.admitted(shared, side, peer))
            }
            (Stage::AwaitKeyForMessage3 { noise, peer, .. }, Answer::Vault(Ok(vault::Answer::Shared(secret)))) => {
                let (finished, message_3) = match (*noise).clone().write_message_3(&secret, &shared.config.presentation)
                {
                    Ok(written) => written,
                    Err(error) => return Ok(Next::Failed(error)),
                };
                //= spec/src/channels.md#chn-13
                //# Message 3 and everything after it MUST be sent along the return route of message 2, and what a responder sends along that of message 1 or 3.
                shared.transmit_handshake(peer.remote.as_ref(), &message_3);
                Ok(self.open(peer, &finished, false))
            }
            (_, Answer::Vault(Err(error)) | Answer::Store(Err(error))) => Ok(Next::Failed(error)),
            _ => Ok(Next::Failed(Error::misuse("CHN-19", "an answer does not fit its question"))),
        }
    }

    /// The store has said what it knows of the peer.
    fn loaded(
        &mut self,
        shared: &mut Shared,
        env: &Env<'_>,
        side: Side<S>,
        presented: Presented,
        remote: Route,
        known: Option<&[u8]>,
    ) -> Next<S> {
        let Presented { identity, credentials, .. } = presented;
        let peer = Peer { identifier: identity.identifier(), credentials, remote };
        //= spec/src/channels.md#chn-9
        //# A party MUST refuse a peer whose change history is older than the one it knows or conflicts with it.
        match identity::admit(known, identity) {
            Ok(admission) => {
                if let Some(request) = admission.to_store() {
                    let ticket = shared.ask(self.deadline, Request::Store(request));
                    if planted!(OpensBeforeStored) {
                        return self.admitted(shared, side, peer);
                    }
                    self.enter(Stage::StorePeer { side, peer, ticket });
                    return Next::Stay;
                }
                self.admitted(shared, side, peer)
            }
            Err(error) if planted!(RefusalEndsInitiator) => Next::Failed(error),
            Err(error) => match side {
                Side::Initiator { waiting, .. } => {
                    self.enter(Stage::AwaitMessage2((*waiting).clone()));
                    self.last_error = Some(error);
                    shared.event(Event::Dropped(error));
                    // What came meanwhile may be the real message 2.
                    for message in core::mem::take(&mut self.held) {
                        if let Err(error) = self.receive(shared, env, message) {
                            shared.event(Event::Dropped(error));
                        }
                    }
                    Next::Stay
                }
                Side::Responder(_) => Next::Failed(error),
            },
        }
    }

    /// The peer is known and trusted.
    fn admitted(&mut self, shared: &mut Shared, side: Side<S>, peer: Peer) -> Next<S> {
        match side {
            Side::Initiator { noise, .. } => {
                let ticket = ask_vault(shared, self.deadline, noise.dh_with());
                self.enter(Stage::AwaitKeyForMessage3 { noise, peer, ticket });
                Next::Stay
            }
            Side::Responder(finished) => self.open(peer, &finished, true),
        }
    }

    fn open(&mut self, peer: Peer, finished: &Finished, follows: bool) -> Next<S> {
        let Peer { identifier, credentials, remote } = peer;
        let session = Box::new(Session::new(identifier, remote, finished, follows));
        let mut held = core::mem::take(&mut self.held);
        if planted!(ForgetsHeld) {
            held.clear();
        }
        Next::Open { session, credentials, held }
    }

    /// Keeps a message that may make sense later.
    fn hold(&mut self, shared: &Shared, mut message: Message) -> Result<()> {
        //= spec/src/channels.md#chn-21
        //# A party MUST bound the number and the bytes of messages that it holds until the handshake is finished, and drop what exceeds them.
        let bytes = self.held_bytes().saturating_add(message.footprint());
        let limits = &shared.config.hold;
        let number = if planted!(HoldsAnyNumber) { 0 } else { self.held.len() };
        if (number >= limits.messages || bytes > limits.bytes) && !planted!(HoldsWithoutBound) {
            message.wipe();
            return Err(Error::limit("CHN-21", "too much came before the handshake was finished"));
        }
        self.held.push_back(message);
        Ok(())
    }

    fn enter(&mut self, stage: Stage<S>) {
        let from = self.state();
        self.stage = stage;
        debug_assert!(state::allows(from, self.state()), "{from:?} to {:?} is not in the table", self.state());
    }

    fn ticket(&self) -> Option<Ticket> {
        match &self.stage {
            Stage::AwaitKeyForMessage2 { ticket, .. }
            | Stage::LoadPeer { ticket, .. }
            | Stage::StorePeer { ticket, .. }
            | Stage::AwaitKeyForMessage3 { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}

/// When a handshake that begins now is given up.
fn deadline(shared: &Shared) -> Instant {
    shared.now + shared.config.timeout.effective()
}

fn read_message_2<S: Suite>(
    shared: &Shared,
    env: &Env<'_>,
    noise: &initiator::AwaitsMessage2<S>,
    message: &Message,
) -> Result<(Side<S>, Presented)> {
    let (next, payload) = noise.read_message_2(message.payload())?;
    let presented = verify(shared, env, &payload, next.remote_static())?;
    Ok((Side::Initiator { noise: Box::new(next), waiting: Box::new(noise.clone()) }, presented))
}

/// Who the peer is: its history, then its attestation of the very key that it used, then our policy.
// Large on the stack, and not there while the others are.
#[inline(never)]
fn verify(shared: &Shared, env: &Env<'_>, payload: &[u8], remote_static: &PublicKey) -> Result<Presented> {
    //= spec/src/channels.md#chn-6
    //# A party MUST verify the peer's change history and derive the peer's identifier from it.
    let presentation = Presentation::decode(payload, &shared.config.presentation_limits)?;
    //= spec/src/channels.md#chn-7
    //# A party MUST verify the peer's attestation with that identifier as its subject.
    //= spec/src/channels.md#chn-8
    //# A party MUST refuse a peer whose attested key is not of kind `SecureChannelStatic` or not the static key of the handshake.
    let presented = presentation.verify(remote_static, env.wall)?;
    shared.config.trust.admit(&presented.identity.identifier())?;
    Ok(presented)
}

fn ask_vault(shared: &mut Shared, deadline: Instant, with: PublicKey) -> Ticket {
    let handle = shared.config.static_handle;
    shared.ask(deadline, Request::Vault(vault::Request::StaticDh(handle, with)))
}

/// What a listener can see of a message 1 for nothing.
pub(super) fn check_message_1(message: &Message) -> Result<()> {
    //= spec/src/channels.md#chn-57
    //# A listener MUST refuse a message without a return route or with less than 32 bytes before it gives it a place.
    if message.return_route().is_empty() {
        return Err(NO_WAY_BACK);
    }
    if message.payload().len() < MESSAGE_1 {
        return Err(Error::malformed("CHN-57", "message 1 is shorter than a public key"));
    }
    Ok(())
}

/// The way back to the sender of a handshake message.
fn remote_route(message: &Message) -> Result<Route> {
    let route = message.return_route();
    if route.is_empty() {
        return Err(NO_WAY_BACK);
    }
    Ok(route.to_owned())
}

const NO_WAY_BACK: Error = Error::misbehaved("CHN-13", "a handshake message has no return route");
