//! One static key: all that a device needs whose identity was made elsewhere, and signed what it says of itself.

use core::fmt;
use core::marker::PhantomData;

use super::{Agreement, Answer, KeyHandle, PublicKey, Request, SecretKey, SharedSecret, X25519};
use crate::error::{Error, Result};

/// A static X25519 key, and what a vault does with it. It signs nothing.
///
/// `A` is how static keys agree; anything but X25519 is for fuzzing and simulation.
pub struct StaticKey<A = X25519> {
    secret: SecretKey,
    public: PublicKey,
    agreement: PhantomData<fn() -> A>,
}

impl<A: Agreement> StaticKey<A> {
    /// The key with this secret.
    pub fn new(secret: SecretKey) -> Self {
        let public = A::public_key(&secret);
        Self { secret, public, agreement: PhantomData }
    }

    /// Its public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Diffie-Hellman with `peer`.
    ///
    /// # Errors
    /// `VLT-32` when the result is all zeros.
    pub fn agree(&self, peer: &PublicKey) -> Result<SharedSecret> {
        let shared = A::agree(&self.secret, peer);
        //= spec/src/vaults.md#vlt-32
        //# A vault MUST refuse a static Diffie-Hellman whose result is all zeros.
        if shared.is_zero() {
            return Err(Error::misbehaved("VLT-32", "a Diffie-Hellman with a point of small order"));
        }
        Ok(shared)
    }

    /// Answers a machine's request, as a vault that holds this key alone.
    ///
    /// # Errors
    /// `VLT-31` when it is to sign or names another key; those of [`agree`](Self::agree).
    pub fn answer(&self, request: &Request) -> Result<Answer> {
        match request {
            Request::StaticDh(handle, peer) if *handle == KeyHandle::of(&self.public.0) => {
                self.agree(peer).map(Answer::Shared)
            }
            _ => Err(Error::misuse("VLT-31", "the device holds one static key and nothing else")),
        }
    }
}

impl<A> fmt::Debug for StaticKey<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKey").field("public", &self.public).finish_non_exhaustive()
    }
}
