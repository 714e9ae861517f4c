//! Noise XX with the static Diffie-Hellman as a question to a vault.
//!
//! Reads are transactional: they take `&self` and give the next state, so that a bad message changes
//! nothing.

use alloc::vec::Vec;
use core::marker::PhantomData;

use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::env::{Entropy, Purpose};
use crate::error::{Error, Result};
use crate::vault::suite::Suite;
use crate::vault::{PublicKey, SharedSecret};

/// A symmetric key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

struct Symmetric<S> {
    h: [u8; 32],
    ck: Key,
    k: Key,
    n: u64,
    suite: PhantomData<fn() -> S>,
}

impl<S> Clone for Symmetric<S> {
    fn clone(&self) -> Self {
        Self { h: self.h, ck: self.ck.clone(), k: self.k.clone(), n: self.n, suite: PhantomData }
    }
}

const SHORT: Error = Error::malformed("NOI-1", "a handshake message is too short");

impl<S: Suite> Symmetric<S> {
    fn new() -> Self {
        Self { h: S::hash(&[&S::NAME]), ck: Key(S::NAME), k: Key([0; 32]), n: 0, suite: PhantomData }
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.h = S::hash(&[&self.h, data]);
    }

    fn mix_key(&mut self, shared: &[u8; 32]) {
        let (ck, k) = S::hkdf(&self.ck.0, shared);
        (self.ck, self.k, self.n) = (Key(ck), Key(k), 0);
    }

    fn encrypt(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut bytes = text.to_vec();
        let tag = S::seal(&S::cipher(&self.k), self.n, &self.h, &mut bytes)?;
        bytes.extend_from_slice(&tag);
        self.n = self.n.saturating_add(1);
        self.mix_hash(&bytes);
        out.extend_from_slice(&bytes);
        Ok(())
    }

    fn decrypt(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let (text, tag) = bytes.split_last_chunk::<16>().ok_or(SHORT)?;
        let mut text = text.to_vec();
        S::open(&S::cipher(&self.k), self.n, &self.h, &mut text, tag)
            .map_err(|_| Error::misbehaved("NOI-2", "a handshake message is not authentic"))?;
        self.n = self.n.saturating_add(1);
        self.mix_hash(bytes);
        Ok(text)
    }

    fn split(&self) -> (Key, Key) {
        let (a, b) = S::hkdf(&self.ck.0, &[]);
        (Key(a), Key(b))
    }
}

fn dh(secret: &StaticSecret, public: &PublicKey) -> Result<SharedSecret> {
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(public.0));
    if !shared.was_contributory() {
        return Err(Error::misbehaved("NOI-3", "a Diffie-Hellman with a point of small order"));
    }
    Ok(SharedSecret(*shared.as_bytes()))
}

fn ephemeral(entropy: &mut dyn Entropy) -> (StaticSecret, [u8; 32]) {
    let secret = StaticSecret::from(entropy.array::<32>(Purpose::Ephemeral));
    let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
    (secret, public)
}

fn bounded(message: &[u8]) -> Result<()> {
    if message.len() > 65_535 { Err(Error::limit("NOI-4", "a handshake message is too long")) } else { Ok(()) }
}

/// What a finished handshake leaves.
pub struct Finished {
    /// Encrypts what this side sends.
    pub send: Key,
    /// Decrypts what the other side sends.
    pub receive: Key,
    /// The other side's static key.
    pub remote_static: PublicKey,
}

/// The initiator, waiting for message 2.
pub struct Initiator<S> {
    symmetric: Symmetric<S>,
    e: StaticSecret,
    s: PublicKey,
}

impl<S> Clone for Initiator<S> {
    fn clone(&self) -> Self {
        Self { symmetric: self.symmetric.clone(), e: self.e.clone(), s: self.s }
    }
}

/// The initiator, waiting for its static Diffie-Hellman.
pub struct InitiatorNeedsDh<S> {
    symmetric: Symmetric<S>,
    s: PublicKey,
    re: PublicKey,
    rs: PublicKey,
}

impl<S: Suite> Initiator<S> {
    /// Message 1.
    pub fn start(s: PublicKey, entropy: &mut dyn Entropy) -> (Self, Vec<u8>) {
        let mut symmetric = Symmetric::new();
        let (e, public) = ephemeral(entropy);
        symmetric.mix_hash(&public);
        symmetric.mix_hash(&[]);
        (Self { symmetric, e, s }, public.to_vec())
    }

    /// Reads message 2 and gives its payload.
    ///
    /// # Errors
    /// `NOI-*`; nothing has changed then.
    pub fn read_message_2(&self, message: &[u8]) -> Result<(InitiatorNeedsDh<S>, Vec<u8>)> {
        bounded(message)?;
        let mut symmetric = self.symmetric.clone();
        let (re, rest) = message.split_first_chunk::<32>().ok_or(SHORT)?;
        let (rs, payload) = rest.split_first_chunk::<48>().ok_or(SHORT)?;
        symmetric.mix_hash(re);
        let re = PublicKey(*re);
        symmetric.mix_key(&dh(&self.e, &re)?.0);
        let rs = PublicKey(symmetric.decrypt(rs)?.try_into().map_err(|_| SHORT)?);
        symmetric.mix_key(&dh(&self.e, &rs)?.0);
        let payload = symmetric.decrypt(payload)?;
        Ok((InitiatorNeedsDh { symmetric, s: self.s, re, rs }, payload))
    }
}

impl<S: Suite> InitiatorNeedsDh<S> {
    /// The static key of the responder.
    pub fn remote_static(&self) -> &PublicKey {
        &self.rs
    }

    /// With which key the static key is to be combined.
    pub fn dh_with(&self) -> PublicKey {
        self.re
    }

    /// Writes message 3.
    ///
    /// # Errors
    /// None in practice.
    pub fn write_message_3(mut self, shared: &SharedSecret, payload: &[u8]) -> Result<(Vec<u8>, Finished)> {
        let mut message = Vec::new();
        self.symmetric.encrypt(&self.s.0, &mut message)?;
        self.symmetric.mix_key(&shared.0);
        self.symmetric.encrypt(payload, &mut message)?;
        let (first, second) = self.symmetric.split();
        Ok((message, Finished { send: second, receive: first, remote_static: self.rs }))
    }
}

/// The responder, waiting for its static Diffie-Hellman.
pub struct ResponderNeedsDh<S> {
    symmetric: Symmetric<S>,
    s: PublicKey,
    re: PublicKey,
    e: StaticSecret,
    e_public: [u8; 32],
}

/// The responder, waiting for message 3.
pub struct Responder<S> {
    symmetric: Symmetric<S>,
    e: StaticSecret,
}

impl<S: Suite> ResponderNeedsDh<S> {
    /// Reads message 1.
    ///
    /// # Errors
    /// `NOI-*`.
    pub fn read_message_1(s: PublicKey, message: &[u8], entropy: &mut dyn Entropy) -> Result<Self> {
        bounded(message)?;
        let mut symmetric = Symmetric::<S>::new();
        let (re, payload) = message.split_first_chunk::<32>().ok_or(SHORT)?;
        symmetric.mix_hash(re);
        symmetric.mix_hash(payload);
        let (e, e_public) = ephemeral(entropy);
        symmetric.mix_hash(&e_public);
        let re = PublicKey(*re);
        symmetric.mix_key(&dh(&e, &re)?.0);
        Ok(Self { symmetric, s, re, e, e_public })
    }

    /// With which key the static key is to be combined.
    pub fn dh_with(&self) -> PublicKey {
        self.re
    }

    /// Writes message 2.
    ///
    /// # Errors
    /// None in practice.
    pub fn write_message_2(mut self, shared: &SharedSecret, payload: &[u8]) -> Result<(Vec<u8>, Responder<S>)> {
        let mut message = self.e_public.to_vec();
        self.symmetric.encrypt(&self.s.0, &mut message)?;
        self.symmetric.mix_key(&shared.0);
        self.symmetric.encrypt(payload, &mut message)?;
        Ok((message, Responder { symmetric: self.symmetric, e: self.e }))
    }
}

impl<S: Suite> Responder<S> {
    /// Reads message 3 and gives its payload.
    ///
    /// # Errors
    /// `NOI-*`; nothing has changed then.
    pub fn read_message_3(&self, message: &[u8]) -> Result<(Finished, Vec<u8>)> {
        bounded(message)?;
        let mut symmetric = self.symmetric.clone();
        let (rs, payload) = message.split_first_chunk::<48>().ok_or(SHORT)?;
        let rs = PublicKey(symmetric.decrypt(rs)?.try_into().map_err(|_| SHORT)?);
        symmetric.mix_key(&dh(&self.e, &rs)?.0);
        let payload = symmetric.decrypt(payload)?;
        let (first, second) = symmetric.split();
        Ok((Finished { send: first, receive: second, remote_static: rs }, payload))
    }
}
