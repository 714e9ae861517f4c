//! Making changes: creating and rotating an identity, without a key in sight.
//!
//! A draft says which key has to sign what. Whoever drives it asks a vault, which may answer much
//! later, and gives the answer back. The finished history is verified as a whole, by the same code that
//! verifies everyone else's, before anyone sees it.

use alloc::vec::Vec;

use super::change::{Change, ChangeData};
use super::history::Identity;
use super::identifier::ChangeHash;
use super::limits::HistoryLimits;
use crate::env::{Env, Timestamp};
use crate::error::{Error, Result};
use crate::vault::{self, Agreement, KeyHandle, Signature, SigningKind, SoftwareVault, VerifyingKey};

/// How long an identity key may attest unless its owner says otherwise: ten years, in seconds.
pub const IDENTITY_KEY_VALIDITY: u64 = 10 * 365 * 24 * 3600;

/// The key of a new change, and when it may attest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewKey {
    /// The public key. Its secret is in the vault that will be asked to sign.
    pub key: VerifyingKey,
    /// Attestations are valid no earlier.
    pub valid_from: Timestamp,
    /// Attestations are valid no later.
    pub valid_until: Timestamp,
    /// Whether the change says that all purpose keys before it are given up.
    pub revoke_all_purpose_keys: bool,
}

impl NewKey {
    /// `key`, valid from `now` for [`IDENTITY_KEY_VALIDITY`].
    pub const fn starting(key: VerifyingKey, now: Timestamp) -> Self {
        let valid_until = now.plus(IDENTITY_KEY_VALIDITY);
        Self { key, valid_from: now, valid_until, revoke_all_purpose_keys: false }
    }
}

/// A change that waits for its signatures.
#[derive(Debug, Clone)]
pub struct IdentityDraft {
    base: Option<Identity>,
    signed: Vec<u8>,
    hash: ChangeHash,
    own_key: KeyHandle,
    own_signature: Option<Signature>,
}

/// What a draft needs next.
#[derive(Debug, Clone)]
pub enum Drafted {
    /// One more signature: see [`IdentityDraft::request`].
    Pending(IdentityDraft),
    /// Nothing: here is the verified identity.
    Done(Identity),
}

impl IdentityDraft {
    /// Drafts the first change of a new identity. It needs one signature.
    pub fn create(new: &NewKey) -> Self {
        Self::new(None, new)
    }

    /// Drafts a change of `identity` to another key. It needs two signatures: by the new key, then by
    /// the old one.
    ///
    /// # Errors
    /// `IDN-25` when the new key is the old one.
    pub fn rotate(identity: &Identity, new: &NewKey) -> Result<Self> {
        //= spec/src/identities.md#idn-25
        //# A rotation MUST NOT bring in the key that it takes out.
        if new.key == identity.latest().data.key {
            return Err(Error::misuse("IDN-25", "a rotation brings in the key that it takes out"));
        }
        Ok(Self::new(Some(identity.clone()), new))
    }

    fn new(base: Option<Identity>, new: &NewKey) -> Self {
        let signed = ChangeData {
            previous: base.as_ref().map(|identity| identity.latest().hash),
            key: new.key,
            revoke_all_purpose_keys: new.revoke_all_purpose_keys,
            valid_from: new.valid_from,
            valid_until: new.valid_until,
        }
        .encode();
        let hash = ChangeHash::of(&signed);
        Self { base, signed, hash, own_key: new.key.handle(), own_signature: None }
    }

    /// What to ask the vault for next.
    pub fn request(&self) -> vault::Request {
        let key = match (&self.base, &self.own_signature) {
            (Some(identity), Some(_)) => identity.latest().data.key.handle(),
            _ => self.own_key,
        };
        vault::Request::Sign(key, self.hash.0)
    }

    /// Takes the vault's answer to the last [`request`](Self::request).
    ///
    /// # Errors
    /// `IDN-24` when it is no signature; whatever [`Identity::import`] finds wrong with the result, for
    /// example `IDN-16` when the vault signed with another key, or `IDN-17` when the new key begins to
    /// be valid before the old one did.
    pub fn answer(mut self, answer: vault::Answer) -> Result<Drafted> {
        let vault::Answer::Signed(signature) = answer else {
            return Err(Error::misuse("IDN-24", "a draft asked for a signature"));
        };
        let bytes = match (&self.base, &self.own_signature) {
            (None, _) => Identity::encode(1, &[&Change::encode(&self.signed, &signature, None)]),
            (Some(_), None) => {
                self.own_signature = Some(signature);
                return Ok(Drafted::Pending(self));
            }
            (Some(identity), Some(own)) => identity.extended(&Change::encode(&self.signed, own, Some(&signature))),
        };
        //= spec/src/identities.md#idn-24
        //# A node MUST verify the whole history that it made, before it shows or stores it.
        let expected = self.base.as_ref().map(Identity::identifier);
        Identity::import_within(&bytes, expected.as_ref(), &HistoryLimits::CEILING).map(Drafted::Done)
    }

    /// Finishes the draft with a vault that answers at once.
    ///
    /// # Errors
    /// Those of the vault and of [`answer`](Self::answer).
    pub fn sign_with<A: Agreement>(self, vault: &SoftwareVault<A>) -> Result<Identity> {
        let mut draft = self;
        loop {
            let answer = vault.answer(&draft.request())?;
            match draft.answer(answer)? {
                Drafted::Pending(more) => draft = more,
                Drafted::Done(identity) => return Ok(identity),
            }
        }
    }
}

impl Identity {
    /// Makes a key in `vault` and an identity of it, with the default validity.
    ///
    /// # Errors
    /// Those of the vault.
    pub fn create(vault: &mut SoftwareVault, kind: SigningKind, env: &mut Env<'_>) -> Result<Self> {
        let key = vault.generate_signing_key(kind, env.entropy)?;
        IdentityDraft::create(&NewKey::starting(key, env.wall)).sign_with(vault)
    }

    /// Makes another key in `vault`, changes to it, and wipes the old key. When it fails, the vault
    /// holds what it held before.
    ///
    /// # Errors
    /// Those of the vault; `IDN-17` when the clock stands before the old key's validity.
    pub fn rotate(&self, vault: &mut SoftwareVault, kind: SigningKind, env: &mut Env<'_>) -> Result<Self> {
        let key = vault.generate_signing_key(kind, env.entropy)?;
        let rotated =
            IdentityDraft::rotate(self, &NewKey::starting(key, env.wall)).and_then(|draft| draft.sign_with(vault));
        //= spec/src/identities.md#idn-26
        //# A node that rotates an identity MUST wipe the old key only after the new history has been verified.
        match &rotated {
            Ok(_) => vault.delete(&self.latest().data.key.handle()),
            Err(_) => vault.delete(&key.handle()),
        };
        rotated
    }
}
