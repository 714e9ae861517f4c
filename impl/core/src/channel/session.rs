//! An open channel: what is sent, what is received, where the peer is.

use alloc::vec::Vec;
use core::time::Duration;

use crate::env::Instant;
use crate::error::{Error, Result};
use crate::identity::{self, Identifier, Identity, PresentedCredential, StoreAnswer, StoreRequest};
use crate::machine::{Deadline, Snapshot};
use crate::node::{Answer, Request};
use crate::noise::Finished;
use crate::routing::{Limits, Message, Route, RouteRef};
use crate::vault::suite::Suite;

use super::keys::{Decryptor, Encryptor};
use super::machine::{Event, Output, Shared, Ticket};
use super::message::{self, Plaintext};

/// An open channel.
pub(super) struct Session<S: Suite> {
    pub(super) peer: Identifier,
    pub(super) remote: Route,
    /// The hash of the handshake that the channel began with.
    pub(super) handshake_hash: [u8; 32],
    /// The nonce of the message that last moved the remote route; only a responder follows its peer.
    moved_by: Option<u64>,
    encryptor: Encryptor<S>,
    decryptor: Decryptor<S>,
    refresh: Option<Refresh>,
    /// When a message was last encrypted, or found authentic.
    used: Instant,
    /// When to look whether the expanded keys are still needed, while there are any.
    look: Option<Instant>,
}

/// How long expanded keys are kept after the last message.
const KEEP: Duration = Duration::from_secs(60);

/// The peer's new history, on its way through the store.
struct Refresh {
    ticket: Ticket,
    /// When the store is not waited for any longer.
    deadline: Instant,
    /// `None` once it is only to be stored.
    identity: Option<Identity>,
    credentials: Vec<PresentedCredential>,
}

/// What came of a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// The message is decrypted and is to be delivered.
    Deliver,
    Nothing,
    Close,
}

impl<S: Suite> Session<S> {
    /// `follows` says whether the remote route follows the peer: a responder's does.
    pub(super) fn new(peer: Identifier, remote: Route, finished: &Finished, follows: bool) -> Self {
        //= spec/src/channels.md#chn-29
        //# The initiator MUST encrypt with the second key of the split and decrypt with the first, and the responder the other way round.
        Self {
            peer,
            remote,
            handshake_hash: finished.handshake_hash,
            moved_by: (follows || planted!(InitiatorFollows)).then_some(0),
            encryptor: Encryptor::new(finished.send.clone()),
            decryptor: Decryptor::new(finished.receive.clone()),
            refresh: None,
            used: Instant::ZERO,
            look: None,
        }
    }

    /// As if it had been open for a while.
    #[cfg(any(test, feature = "arbitrary"))]
    pub(super) fn resumed(
        peer: Identifier,
        remote: Route,
        (encryptor, decryptor): (Encryptor<S>, Decryptor<S>),
        follows: bool,
    ) -> Self {
        let moved_by = follows.then_some(0);
        let handshake_hash = [0; 32];
        Self {
            peer,
            remote,
            handshake_hash,
            moved_by,
            encryptor,
            decryptor,
            refresh: None,
            used: Instant::ZERO,
            look: None,
        }
    }

    /// Encrypts and sends an application's message.
    pub(super) fn send(&mut self, shared: &mut Shared, mut message: Message) -> Result<()> {
        //= spec/src/channels.md#chn-44
        //# An encryptor MUST put both routes and the payload of a message, and not its tracing text, under the encryption.
        message::encode_payload(&mut message, shared.config.padding);
        self.transmit(shared, message, RouteRef::default())
    }

    /// Sends the last message of the channel. That it cannot be encrypted does not matter any more.
    pub(super) fn send_close(&mut self, shared: &mut Shared) {
        let message = plain(&message::encode_close(shared.config.padding));
        let back = Route::new().then(shared.addresses.encryptor.clone());
        let _ = self.transmit(shared, message, back.as_ref());
    }

    /// Presents credentials.
    pub(super) fn refresh(&mut self, shared: &mut Shared, history: &[u8], credentials: &[u8]) -> Result<()> {
        let message = plain(&message::encode_refresh(history, credentials, shared.config.padding));
        //= spec/src/channels.md#chn-62
        //# A RefreshCredentials MUST be sent to the remote route with the encryptor address as its return route.
        let back = Route::new().then(shared.addresses.encryptor.clone());
        self.transmit(shared, message, if planted!(RefreshWithoutReturn) { RouteRef::default() } else { back.as_ref() })
    }

    /// Encrypts a plaintext.
    pub(super) fn seal(&mut self, message: &mut Message) -> Result<u64> {
        self.encryptor.seal(message)
    }

    fn transmit(&mut self, shared: &mut Shared, mut message: Message, back: RouteRef<'_>) -> Result<()> {
        self.expand_keys(shared.now);
        self.seal(&mut message)?;
        self.used = shared.now;
        //= spec/src/channels.md#chn-43
        //# An encrypted Payload MUST be sent to the remote route with an empty return route.
        message.set_routes(self.remote.as_ref(), back);
        shared.output(Output::Transmit(message));
        Ok(())
    }

    /// Decrypts a message in place. On an error it is wiped.
    pub(super) fn receive(&mut self, shared: &mut Shared, message: &mut Message) -> Result<Received> {
        //= spec/src/channels.md#chn-39
        //# A message that fails authentication MUST be wiped and dropped, and the channel stays open.
        self.read(shared, message).inspect_err(|_| message.wipe())
    }

    fn read(&mut self, shared: &mut Shared, message: &mut Message) -> Result<Received> {
        let way = self.new_way(message.return_route());
        if planted!(ObeysBareClose) && message.payload() == message::encode_close(shared.config.padding) {
            return Ok(Received::Close);
        }
        if planted!(FollowsForgeries)
            && let Some(way) = &way
        {
            self.set_route(way, &shared.config.limits)?;
        }
        self.expand_keys(shared.now);
        let nonce = self.decryptor.open(message)?;
        self.used = shared.now;
        let config = &shared.config;
        match message::decode(message, &config.limits, config.padding_limit)? {
            Plaintext::Payload => {
                self.follow(nonce, way.as_ref(), &config.limits);
                //= spec/src/channels.md#chn-45
                //# A decryptor MUST put its encryptor address at the front of the inner return route before it delivers a message.
                if !planted!(ForgetsWayBack) {
                    message.push_return(shared.addresses.encryptor.as_ref());
                }
                Ok(Received::Deliver)
            }
            Plaintext::RefreshCredentials { history, credentials } => {
                let part = |range| message.payload().get(range).unwrap_or_default();
                self.refreshed(shared, part(history), part(credentials))?;
                Ok(Received::Nothing)
            }
            Plaintext::Close if planted!(IgnoresClose) => Ok(Received::Nothing),
            Plaintext::Close => Ok(Received::Close),
        }
    }

    /// The way that a message to a responder came, if that is not where the peer is known to be.
    fn new_way(&self, way: RouteRef<'_>) -> Option<Route> {
        self.moved_by?;
        let known = self.remote.as_ref();
        let same = way.last() != known.last()
            && way.len().saturating_add(1) == known.len()
            && known.items().starts_with(way.items());
        (!same).then(|| way.to_owned())
    }

    /// Lets the remote route follow the peer.
    fn follow(&mut self, nonce: u64, way: Option<&Route>, limits: &Limits) {
        //= spec/src/channels.md#chn-46
        //# Only a responder, and only for a Payload with a greater nonce than any Payload before, MUST take the message's return route as its way to the peer.
        if self.moved_by.is_some_and(|last| nonce > last || planted!(FollowsOldMessages)) {
            self.moved_by = Some(nonce);
            if let Some(way) = way {
                let _ = self.set_route(way, limits);
            }
        }
    }

    /// Replaces the way to the peer; the peer's own address at the end stays.
    pub(super) fn set_route(&mut self, way: &Route, limits: &Limits) -> Result<()> {
        let mut route = way.clone();
        if let Some(last) = self.remote.as_ref().last()
            && way.as_ref().last() != Some(last)
        {
            route.append(last);
        }
        route.check(limits)?;
        self.remote = route;
        Ok(())
    }

    /// The peer presents itself anew: its history goes through the store before anyone hears of it.
    fn refreshed(&mut self, shared: &mut Shared, history: &[u8], credentials: &[u8]) -> Result<()> {
        //= spec/src/channels.md#chn-50
        //# A party MUST drop a RefreshCredentials whose change history does not verify as that of the channel's peer.
        let limits = &shared.config.presentation_limits;
        let identity = Identity::import_within(
            history,
            Some(&self.peer).filter(|_| !planted!(RefreshesAnybody)),
            &limits.history,
        )?;
        //= spec/src/channels.md#chn-59
        //# A party MUST drop a RefreshCredentials whose credentials would be refused in a presentation.
        let credentials = PresentedCredential::decode_list(
            credentials,
            if planted!(RefreshAtCeiling) { &identity::PresentationLimits::CEILING } else { limits },
        )?;
        if self.refresh.is_some() && !planted!(SecondRefreshReplaces) {
            return Err(Error::limit("CHN-50", "another refresh waits for the store"));
        }
        let deadline = shared.now + shared.config.timeout.effective();
        let ticket = shared.ask(deadline, Request::Store(StoreRequest::Load(self.peer)));
        self.refresh = Some(Refresh { ticket, deadline, identity: Some(identity), credentials });
        Ok(())
    }

    /// The store has answered.
    pub(super) fn answer(&mut self, shared: &mut Shared, ticket: Ticket, answer: Answer) -> Result<()> {
        let Some(Refresh { deadline, identity, credentials, .. }) =
            self.refresh.take_if(|refresh| refresh.ticket == ticket)
        else {
            return Ok(());
        };
        let unfit = Error::misuse("CHN-19", "an answer does not fit its question");
        let Answer::Store(answer) = answer else { return Err(unfit) };
        match (answer?, identity) {
            (StoreAnswer::Loaded(known), Some(identity)) => {
                if let Some(request) = identity::admit(known.as_deref(), identity)?.to_store() {
                    let ticket = shared.ask(deadline, Request::Store(request));
                    if !planted!(RefreshShownBeforeStored) {
                        self.refresh = Some(Refresh { ticket, deadline, identity: None, credentials });
                        return Ok(());
                    }
                }
            }
            (StoreAnswer::Stored, None) => {}
            _ => return Err(unfit),
        }
        shared.event(Event::Credentials(credentials));
        Ok(())
    }

    /// Keys are about to be expanded, if they are not.
    fn expand_keys(&mut self, now: Instant) {
        self.look.get_or_insert(now + KEEP);
    }

    /// Gives up a refresh for which the store has not answered in time. Says whether the channel has carried nothing
    /// for so long that it is to shrink.
    pub(super) fn handle_timeout(&mut self, shared: &mut Shared) -> bool {
        //= spec/src/channels.md#chn-51
        //# A party MUST give up a refresh for which its store has not answered within the timeout of handshakes.
        if self.refresh.take_if(|refresh| shared.now >= refresh.deadline).is_some() {
            shared.event(Event::Dropped(Error::limit("CHN-51", "the store did not answer in time")));
        }
        if self.look.take_if(|at| shared.now >= *at).is_none() {
            return false;
        }
        let end = self.used + KEEP;
        self.look = (shared.now < end).then_some(end);
        self.look.is_none()
    }

    /// What comes next: the store is not waited for any longer, or expanded keys may be of no use any more.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let store = self.refresh.as_ref().map(|refresh| Deadline::new(refresh.deadline, "store timeout"));
        Deadline::earlier(store, self.look.map(|at| Deadline::new(at, "idle keys")))
    }

    /// How many bytes wait for the store.
    pub(super) fn waiting(&self) -> usize {
        let Some(Refresh { identity, credentials, .. }) = &self.refresh else { return 0 };
        let history = identity.as_ref().map_or(0, |identity| identity.export().len());
        credentials.iter().fold(history, |sum, credential| sum.saturating_add(credential.export().len()))
    }

    /// Drops the expanded keys; the next message makes them anew.
    pub(super) fn shrink(&mut self) {
        self.encryptor.shrink();
        self.decryptor.shrink();
    }

    #[cfg(test)]
    pub(super) const fn expanded_keys(&self) -> (bool, bool) {
        (self.encryptor.is_expanded(), self.decryptor.is_expanded())
    }

    pub(super) fn picture(&self, picture: &mut Snapshot) {
        picture.bytes(&self.peer.0).bytes(self.remote.as_ref().items());
        picture.number(self.moved_by.unwrap_or(u64::MAX));
        self.encryptor.picture(picture);
        self.decryptor.picture(picture);
    }
}

/// A message without routes whose payload is a copy of `bytes`, with room around it.
fn plain(bytes: &[u8]) -> Message {
    Message::new(RouteRef::default(), RouteRef::default(), bytes)
}
