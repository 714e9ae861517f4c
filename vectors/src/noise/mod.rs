//! Noise XX as the standard has it: published vectors, and sessions with another implementation. [`Ours`] is the core's
//! side of a session, message by message.

mod live;
mod vectors;

pub(crate) use live::section as live;
pub(crate) use vectors::{cacophony, snow};

use razor::env::Entropy;
use razor::noise::{CipherState, Finished, Noise, Profile, initiator, responder};
use razor::vault::suite::Suite;
use razor::vault::{KeyHandle, PublicKey, SharedSecret, SoftwareVault};

/// Who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Writes the first message.
    Initiator,
    /// Reads the first message.
    Responder,
}

/// Our side of a session: the three messages of the handshake, then transport messages.
pub struct Ours<S: Suite>
where
    Noise: Profile<S>,
{
    vault: SoftwareVault,
    pub(crate) public: PublicKey,
    prologue: Vec<u8>,
    state: State<S>,
}

enum State<S: Suite>
where
    Noise: Profile<S>,
{
    Initiator,
    AwaitsMessage2(initiator::AwaitsMessage2<S, Noise>),
    BeforeMessage3(initiator::NeedsStaticDh<S, Noise>),
    Responder,
    BeforeMessage2(responder::NeedsStaticDh<S, Noise>),
    AwaitsMessage3(responder::AwaitsMessage3<S, Noise>),
    Transport {
        send: CipherState<S>,
        receive: CipherState<S>,
        hash: [u8; 32],
        peer: PublicKey,
    },
    /// A step is being taken, or has failed.
    Gone,
}

impl<S: Suite> Ours<S>
where
    Noise: Profile<S>,
{
    /// A session that has not begun.
    pub fn new(role: Role, static_secret: &[u8; 32], prologue: &[u8]) -> Self {
        let mut vault = SoftwareVault::new();
        let public = vault.import_static_key(static_secret);
        let state = match role {
            Role::Initiator => State::Initiator,
            Role::Responder => State::Responder,
        };
        Self { vault, public, prologue: prologue.to_vec(), state }
    }

    fn shared(&self, with: &PublicKey) -> Result<SharedSecret, String> {
        self.vault.static_dh(&KeyHandle::of(&self.public.0), with).map_err(|e| e.to_string())
    }

    /// Writes the next message.
    ///
    /// # Errors
    /// A sentence: it is not our turn, or the payload is too long.
    pub fn write(&mut self, entropy: &mut dyn Entropy, payload: &[u8]) -> Result<Vec<u8>, String> {
        let told = |e: razor::Error| format!("writing: {e}");
        let (state, message) = match std::mem::replace(&mut self.state, State::Gone) {
            State::Initiator => {
                let start = initiator::AwaitsMessage2::start_with_prologue;
                let (next, message) = start(&self.prologue, self.public, entropy, payload).map_err(told)?;
                (State::AwaitsMessage2(next), message)
            }
            State::BeforeMessage2(state) => {
                let shared = self.shared(&state.dh_with())?;
                let (next, message) = state.write_message_2(&shared, payload).map_err(told)?;
                (State::AwaitsMessage3(next), message)
            }
            State::BeforeMessage3(state) => {
                let shared = self.shared(&state.dh_with())?;
                let (finished, message) = state.write_message_3(&shared, payload).map_err(told)?;
                (State::of(&finished), message)
            }
            State::Transport { mut send, receive, hash, peer } => {
                let message = send.encrypt(&[], payload).map_err(told)?;
                (State::Transport { send, receive, hash, peer }, message)
            }
            _ => return Err("it is not our turn to write".into()),
        };
        self.state = state;
        Ok(message)
    }

    /// Reads the next message and gives its payload. A message that is refused changes nothing.
    ///
    /// # Errors
    /// A sentence: it is not our turn, or the message is refused.
    pub fn read(&mut self, entropy: &mut dyn Entropy, message: &[u8]) -> Result<Vec<u8>, String> {
        let told = |e: razor::Error| format!("reading: {e}");
        let (state, payload) = match &mut self.state {
            State::Responder => {
                let read = responder::NeedsStaticDh::read_message_1_with_prologue;
                let (next, payload) = read(&self.prologue, self.public, entropy, message).map_err(told)?;
                (State::BeforeMessage2(next), payload.to_vec())
            }
            State::AwaitsMessage2(state) => {
                let (next, payload) = state.read_message_2(message).map_err(told)?;
                (State::BeforeMessage3(next), payload)
            }
            State::AwaitsMessage3(state) => {
                let (finished, payload) = state.read_message_3(message).map_err(told)?;
                (State::of(&finished), payload)
            }
            State::Transport { receive, .. } => return receive.decrypt(&[], message).map_err(told),
            _ => return Err("it is not our turn to read".into()),
        };
        self.state = state;
        Ok(payload)
    }

    /// The handshake hash and the peer's static key, once the handshake is finished.
    pub fn outcome(&self) -> Option<([u8; 32], PublicKey)> {
        match &self.state {
            State::Transport { hash, peer, .. } => Some((*hash, *peer)),
            _ => None,
        }
    }

    /// Both directions, once the handshake is finished: sending, receiving.
    ///
    /// # Errors
    /// A sentence: the handshake is not finished.
    pub fn transport(&mut self) -> Result<(&mut CipherState<S>, &mut CipherState<S>), String> {
        match &mut self.state {
            State::Transport { send, receive, .. } => Ok((send, receive)),
            _ => Err("the handshake is not finished".into()),
        }
    }
}

impl<S: Suite> std::fmt::Debug for Ours<S>
where
    Noise: Profile<S>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ours").field("public", &self.public).finish_non_exhaustive()
    }
}

impl<S: Suite> State<S>
where
    Noise: Profile<S>,
{
    fn of(finished: &Finished) -> Self {
        State::Transport {
            send: CipherState::new(&finished.send),
            receive: CipherState::new(&finished.receive),
            hash: finished.handshake_hash,
            peer: finished.remote_static,
        }
    }
}
