//! The side that answers message 1.

use alloc::vec::Vec;

use super::profile::{self, Noise, Ockam, Profile};
use super::symmetric::{Keyed, Transcript};
use super::trace::{Token, Trace};
use super::{Finished, SHORT, bounded};
use crate::env::{Entropy, Purpose};
use crate::error::Result;
use crate::vault::suite::Suite;
use crate::vault::{Agreement, PublicKey, SecretKey, SharedSecret};

/// Message 1 is read; the vault is to combine the static key with [`dh_with`](Self::dh_with).
#[derive(Clone)]
pub struct NeedsStaticDh<S, P = Ockam, T = ()> {
    keyed: Keyed<S, P, T>,
    e: SecretKey,
    e_public: PublicKey,
    s: PublicKey,
    re: PublicKey,
}

/// Message 2 is written.
#[derive(Clone)]
pub struct AwaitsMessage3<S, P = Ockam, T = ()> {
    keyed: Keyed<S, P, T>,
    e: SecretKey,
}

impl<S: Suite, P: Profile<S>, T: Trace> NeedsStaticDh<S, P, T> {
    /// Reads message 1, makes an ephemeral key, and gives the payload. `s` is the static key, whose secret
    /// a vault holds.
    ///
    /// # Errors
    /// `NOI-1` and `NOI-2` for its length, `VLT-11` and `VLT-12` for its key. No randomness is drawn then.
    pub fn read_message_1<'m>(s: PublicKey, entropy: &mut dyn Entropy, message: &'m [u8]) -> Result<(Self, &'m [u8])> {
        Self::read(&[], s, entropy, message)
    }

    fn read<'m>(
        prologue: &[u8],
        s: PublicKey,
        entropy: &mut dyn Entropy,
        message: &'m [u8],
    ) -> Result<(Self, &'m [u8])> {
        bounded(message.len())?;
        //= spec/src/noise.md#noi-1
        //# A party MUST refuse a handshake message that is shorter than its fixed parts: 32 bytes for message 1, 96 for message 2, 64 for message 3.
        let (re, payload) = message.split_first_chunk::<32>().ok_or(SHORT)?;
        let re = profile::received::<S, P>(re)?;

        let mut transcript = Transcript::new(prologue);
        transcript.mix_ephemeral(&re);
        transcript.mix_payload(payload);
        //= spec/src/noise.md#noi-9
        //# A party MUST make a new ephemeral key for each handshake.
        let e = SecretKey::generate(Purpose::Ephemeral, entropy);
        let e_public = S::Agreement::public_key(&e);
        transcript.mix_ephemeral(&e_public);
        let keyed = transcript.mix_key(Token::Ee, &S::Agreement::agree(&e, &re))?;
        Ok((Self { keyed, e, e_public, s, re }, payload))
    }

    /// With which key the vault is to combine the static key.
    pub const fn dh_with(&self) -> PublicKey {
        self.re
    }

    /// Writes message 2. `shared` is the vault's answer.
    ///
    /// # Errors
    /// `NOI-2` when the payload is too long; `NOI-14` when the vault's answer is zeros.
    pub fn write_message_2(self, shared: &SharedSecret, payload: &[u8]) -> Result<(AwaitsMessage3<S, P, T>, Vec<u8>)> {
        let Self { mut keyed, e, e_public, s, .. } = self;
        let mut message = Vec::with_capacity(payload.len().saturating_add(96));
        message.extend_from_slice(&e_public.0);
        keyed.seal(Token::S, &s.0, &mut message)?;
        keyed.mix_key(Token::Es, shared)?;
        keyed.seal(Token::Payload, payload, &mut message)?;
        bounded(message.len())?;
        Ok((AwaitsMessage3 { keyed, e }, message))
    }
}

impl<S: Suite, T: Trace> NeedsStaticDh<S, Noise, T>
where
    Noise: Profile<S>,
{
    /// [`read_message_1`](Self::read_message_1) with a prologue: bytes that both sides know and that must be
    /// equal.
    ///
    /// # Errors
    /// Those of [`read_message_1`](Self::read_message_1).
    pub fn read_message_1_with_prologue<'m>(
        prologue: &[u8],
        s: PublicKey,
        entropy: &mut dyn Entropy,
        message: &'m [u8],
    ) -> Result<(Self, &'m [u8])> {
        Self::read(prologue, s, entropy, message)
    }
}

impl<S: Suite, P: Profile<S>, T: Trace> AwaitsMessage3<S, P, T> {
    /// Reads message 3 and gives its payload.
    ///
    /// # Errors
    /// `NOI-1` and `NOI-2` for its length, `NOI-7` when it is not authentic, `VLT-11`, `VLT-12` and
    /// `NOI-14` for its key.
    pub fn read_message_3(&self, message: &[u8]) -> Result<(Finished<T>, Vec<u8>)> {
        bounded(message.len())?;
        //= spec/src/noise.md#noi-1
        //# A party MUST refuse a handshake message that is shorter than its fixed parts: 32 bytes for message 1, 96 for message 2, 64 for message 3.
        let (rs, rest) = message.split_first_chunk::<32>().ok_or(SHORT)?;
        let (rs_tag, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (payload, tag) = rest.split_last_chunk::<16>().ok_or(SHORT)?;

        //= spec/src/noise.md#noi-11
        //# A message that a party refuses MUST leave its state as it was.
        let mut keyed = self.keyed.clone();
        let mut rs = *rs;
        keyed.open(Token::S, &mut rs, rs_tag)?;
        let rs = profile::received::<S, P>(&rs)?;
        keyed.mix_key(Token::Se, &S::Agreement::agree(&self.e, &rs))?;
        let mut payload = payload.to_vec();
        keyed.open(Token::Payload, &mut payload, tag)?;
        let (keys, handshake_hash, trace) = keyed.split();
        let (receive, send) = profile::for_initiator::<S, P>(keys);
        Ok((Finished { send, receive, remote_static: rs, handshake_hash, trace }, payload))
    }
}
