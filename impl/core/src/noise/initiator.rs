//! The side that sends message 1.

use alloc::vec::Vec;

use super::profile::{self, Noise, Ockam, Profile};
use super::symmetric::{Keyed, Transcript};
use super::trace::{Token, Trace};
use super::{Finished, SHORT, bounded};
use crate::env::{Entropy, Purpose};
use crate::error::Result;
use crate::vault::suite::Suite;
use crate::vault::{Agreement, PublicKey, SecretKey, SharedSecret};

/// Message 1 is written.
#[derive(Clone)]
pub struct AwaitsMessage2<S, P = Ockam, T = ()> {
    transcript: Transcript<S, P, T>,
    e: SecretKey,
    s: PublicKey,
}

/// Message 2 is read; the vault is to combine the static key with [`dh_with`](Self::dh_with).
#[derive(Clone)]
pub struct NeedsStaticDh<S, P = Ockam, T = ()> {
    keyed: Keyed<S, P, T>,
    s: PublicKey,
    re: PublicKey,
    rs: PublicKey,
}

impl<S: Suite, P: Profile<S>, T: Trace> AwaitsMessage2<S, P, T> {
    /// Writes message 1, with a new ephemeral key and no payload. `s` is the static key; its secret stays
    /// in a vault.
    pub fn start(s: PublicKey, entropy: &mut dyn Entropy) -> (Self, Vec<u8>) {
        Self::write_message_1(&[], s, entropy, &[])
    }

    /// [`start`](Self::start) with a payload, which goes in the clear.
    ///
    /// # Errors
    /// `NOI-2` when the payload is too long.
    pub fn start_with_payload(s: PublicKey, entropy: &mut dyn Entropy, payload: &[u8]) -> Result<(Self, Vec<u8>)> {
        let (state, message) = Self::write_message_1(&[], s, entropy, payload);
        bounded(message.len()).map(|()| (state, message))
    }

    fn write_message_1(prologue: &[u8], s: PublicKey, entropy: &mut dyn Entropy, payload: &[u8]) -> (Self, Vec<u8>) {
        let mut transcript = Transcript::new(prologue);
        //= spec/src/noise.md#noi-9
        //# A party MUST make a new ephemeral key for each handshake.
        let e = SecretKey::generate(Purpose::Ephemeral, entropy);
        let public = S::Agreement::public_key(&e);
        transcript.mix_ephemeral(&public);
        transcript.mix_payload(payload);
        (Self { transcript, e, s }, [&public.0, payload].concat())
    }

    /// Reads message 2 and gives its payload.
    ///
    /// # Errors
    /// `NOI-1` and `NOI-2` for its length, `NOI-7` when it is not authentic, `VLT-11`, `VLT-12` and
    /// `NOI-14` for its keys.
    pub fn read_message_2(&self, message: &[u8]) -> Result<(NeedsStaticDh<S, P, T>, Vec<u8>)> {
        bounded(message.len())?;
        //= spec/src/noise.md#noi-1
        //# A party MUST refuse a handshake message that is shorter than its fixed parts: 32 bytes for message 1, 96 for message 2, 64 for message 3.
        let (re, rest) = message.split_first_chunk::<32>().ok_or(SHORT)?;
        let (rs, rest) = rest.split_first_chunk::<32>().ok_or(SHORT)?;
        let (rs_tag, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (payload, tag) = rest.split_last_chunk::<16>().ok_or(SHORT)?;

        //= spec/src/noise.md#noi-11
        //# A message that a party refuses MUST leave its state as it was.
        let mut transcript = self.transcript.clone();
        let re = profile::received::<S, P>(re)?;
        transcript.mix_ephemeral(&re);
        let mut keyed = transcript.mix_key(Token::Ee, &S::Agreement::agree(&self.e, &re))?;
        let mut rs = *rs;
        keyed.open(Token::S, &mut rs, rs_tag)?;
        let rs = if planted!(StaticKeyUnchecked2) { PublicKey(rs) } else { profile::received::<S, P>(&rs)? };
        keyed.mix_key(Token::Es, &S::Agreement::agree(&self.e, &rs))?;
        let mut payload = payload.to_vec();
        keyed.open(Token::Payload, &mut payload, tag)?;
        Ok((NeedsStaticDh { keyed, s: self.s, re, rs }, payload))
    }
}

impl<S: Suite, T: Trace> AwaitsMessage2<S, Noise, T>
where
    Noise: Profile<S>,
{
    /// [`start_with_payload`](Self::start_with_payload) and a prologue: bytes that both sides know and that
    /// must be equal.
    ///
    /// # Errors
    /// `NOI-2` when the payload is too long.
    pub fn start_with_prologue(
        prologue: &[u8],
        s: PublicKey,
        entropy: &mut dyn Entropy,
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>)> {
        let (state, message) = Self::write_message_1(prologue, s, entropy, payload);
        bounded(message.len()).map(|()| (state, message))
    }
}

impl<S: Suite, P: Profile<S>, T: Trace> NeedsStaticDh<S, P, T> {
    /// The responder's static key. It is proved to be the responder's own.
    pub const fn remote_static(&self) -> &PublicKey {
        &self.rs
    }

    /// With which key the vault is to combine the static key.
    pub const fn dh_with(&self) -> PublicKey {
        self.re
    }

    /// Writes message 3. `shared` is the vault's answer.
    ///
    /// # Errors
    /// `NOI-2` when the payload is too long; `NOI-14` when the vault's answer is zeros.
    pub fn write_message_3(self, shared: &SharedSecret, payload: &[u8]) -> Result<(Finished<T>, Vec<u8>)> {
        let Self { mut keyed, s, rs, .. } = self;
        let mut message = Vec::with_capacity(payload.len().saturating_add(64));
        keyed.seal(Token::S, &s.0, &mut message)?;
        keyed.mix_key(Token::Se, shared)?;
        keyed.seal(Token::Payload, payload, &mut message)?;
        bounded(message.len())?;
        let (keys, handshake_hash, trace) = keyed.split();
        let (send, receive) = profile::for_initiator::<S, P>(keys);
        Ok((Finished { send, receive, remote_static: rs, handshake_hash, trace }, message))
    }
}
