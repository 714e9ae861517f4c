//! The symmetric state: what both sides have mixed so far. Spec: "Noise", section "Symmetric state".
//!
//! [`Transcript`] is the state before the first Diffie-Hellman, [`Keyed`] the state after it: what has no
//! key cannot encrypt.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::profile::Profile;
use super::trace::{Step, Token, Trace};
use crate::error::{Error, Result};
use crate::vault::suite::Suite;
use crate::vault::{Cipher, Hash, Key, PublicKey, SharedSecret, Tag};

/// Hash and chaining key; nothing is encrypted yet.
#[derive(Clone)]
pub(super) struct Transcript<S, P, T> {
    h: [u8; 32],
    ck: Key,
    trace: T,
    of: PhantomData<fn() -> (S, P)>,
}

/// The same with a key, and the nonce that it is used with next.
#[derive(Clone)]
pub(super) struct Keyed<S, P, T> {
    transcript: Transcript<S, P, T>,
    k: Key,
    n: u64,
}

impl<S: Suite, P: Profile<S>, T: Trace> Transcript<S, P, T> {
    pub(super) fn new(prologue: &[u8]) -> Self {
        //= spec/src/noise.md#noi-3
        //# The hash `h` MUST start as the protocol name, padded with zeros to 32 bytes if it is shorter and hashed if it is longer, and the chaining key `ck` as the same bytes.
        let name = P::NAME.as_bytes();
        let h = match name.split_at_checked(32) {
            Some((_, rest)) if !rest.is_empty() => S::Hash::hash(&[name]),
            _ => {
                let mut padded = [0; 32];
                padded.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
                padded
            }
        };
        let mut new = Self { h, ck: Key::new(h), trace: T::default(), of: PhantomData };
        new.step(Token::Name, None);
        //= spec/src/noise.md#noi-4
        //# A party MUST mix the prologue into `h` before the first message, even if it is empty.
        new.mix_hash(&[prologue]);
        new.step(Token::Prologue, None);
        new
    }

    fn mix_hash(&mut self, parts: &[&[u8]]) {
        self.h = self.hashed(parts);
    }

    /// What `h` becomes when `parts` are mixed in.
    fn hashed(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut all = [&self.h[..], &[], &[]];
        all.iter_mut().skip(1).zip(parts).for_each(|(to, from)| *to = from);
        S::Hash::hash(&all)
    }

    /// `e`: an ephemeral key, in the clear.
    pub(super) fn mix_ephemeral(&mut self, key: &PublicKey) {
        self.mix_hash(&[&key.0]);
        self.step(Token::E, None);
    }

    /// The payload of message 1, in the clear.
    pub(super) fn mix_payload(&mut self, payload: &[u8]) {
        //= spec/src/noise.md#noi-10
        //# The payload of message 1 MUST be mixed into `h` as it is, in the clear.
        if !planted!(ForgetsFirstPayload) {
            self.mix_hash(&[payload]);
        }
        self.step(Token::Payload, None);
    }

    /// `ee`: the first key.
    pub(super) fn mix_key(mut self, token: Token, shared: &SharedSecret) -> Result<Keyed<S, P, T>> {
        let k = self.derive(shared)?;
        self.step(token, Some((&k, 0)));
        Ok(Keyed { transcript: self, k, n: 0 })
    }

    /// Moves the chaining key on and gives the key that comes with it.
    fn derive(&mut self, shared: &SharedSecret) -> Result<Key> {
        //= spec/src/noise.md#noi-14
        //# Under the profile `ockam` a party MUST refuse a shared secret of zeros, whoever computed it.
        if P::STRICT && shared.is_zero() {
            return Err(Error::misbehaved("NOI-14", "a Diffie-Hellman gave zeros"));
        }
        //= spec/src/noise.md#noi-5
        //# A Diffie-Hellman token MUST replace `ck` and `k` by the first and the second output of HKDF with salt `ck` and the shared secret as input, and set `n` to 0.
        let (ck, k) = S::Hash::hkdf(&self.ck, &shared.0);
        self.ck = ck;
        Ok(k)
    }

    fn step(&mut self, token: Token, key: Option<(&Key, u64)>) {
        let (h, ck) = (self.h, &self.ck);
        let (k, n) = (key.map(|(k, _)| k), key.map_or(0, |(_, n)| n));
        self.trace.step(|| Step { token, h, ck: ck.clone(), k: k.cloned(), n });
    }
}

impl<S: Suite, P: Profile<S>, T: Trace> Keyed<S, P, T> {
    /// `es` or `se`: the next key.
    pub(super) fn mix_key(&mut self, token: Token, shared: &SharedSecret) -> Result<()> {
        self.k = self.transcript.derive(shared)?;
        self.n = 0;
        self.step(token);
        Ok(())
    }

    /// Encrypts `text` to the end of `message`: a static key or a payload.
    pub(super) fn seal(&mut self, token: Token, text: &[u8], message: &mut Vec<u8>) -> Result<()> {
        let start = message.len();
        message.extend_from_slice(text);
        let text = message.get_mut(start..).unwrap_or_default();
        //= spec/src/noise.md#noi-6
        //# A static key or payload after the first Diffie-Hellman MUST be encrypted with `k`, nonce `n` and `h` as associated data; then ciphertext and tag are mixed into `h`, and `n` grows by one.
        let tag = S::Cipher::new(&self.k).seal(self.n, self.data(), text)?;
        let h = self.transcript.hashed(&[text, &tag]);
        message.extend_from_slice(&tag);
        self.advance(token, h);
        Ok(())
    }

    /// Decrypts `text` in place: a static key or a payload. Nothing has changed when that fails.
    pub(super) fn open(&mut self, token: Token, text: &mut [u8], tag: &Tag) -> Result<()> {
        let h = self.transcript.hashed(&[text, tag]);
        //= spec/src/noise.md#noi-7
        //# A party MUST refuse a handshake message in which a tag is wrong.
        let cipher = S::Cipher::new(&self.k);
        let opened = if planted!(IgnoresHandshakeTag) {
            cipher.seal(self.n, self.data(), text).map(drop)
        } else {
            cipher.open(self.n, self.data(), text, tag)
        };
        opened.map_err(|_| Error::misbehaved("NOI-7", "a handshake message is not authentic"))?;
        self.advance(token, h);
        Ok(())
    }

    /// What a tag covers besides the text.
    fn data(&self) -> &[u8] {
        if planted!(ForgetsTranscript) { &[] } else { &self.transcript.h }
    }

    fn advance(&mut self, token: Token, h: [u8; 32]) {
        self.transcript.h = h;
        // Two texts at most are encrypted under one key.
        self.n = self.n.saturating_add(1);
        self.step(token);
    }

    fn step(&mut self, token: Token) {
        self.transcript.step(token, Some((&self.k, self.n)));
    }

    /// Ends the handshake: both keys of the split, the hash, and the trace.
    pub(super) fn split(self) -> ((Key, Key), [u8; 32], T) {
        //= spec/src/noise.md#noi-8
        //# After message 3 the two transport keys MUST be the two outputs of HKDF with salt `ck` and no input.
        let Transcript { h, ck, trace, .. } = self.transcript;
        let salt = if planted!(SplitsTheHash) { Key::new(h) } else { ck };
        (S::Hash::hkdf(&salt, &[]), h, trace)
    }
}
