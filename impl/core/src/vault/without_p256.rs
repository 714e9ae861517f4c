//! What stands in for ECDSA on P-256 in a program without it: there are no such keys, and no signature verifies.

use zeroize::ZeroizeOnDrop;

use crate::error::{Error, Result};

/// There is none.
#[derive(ZeroizeOnDrop)]
pub(super) enum SigningKey {}

impl SigningKey {
    pub(super) const fn new(_: &[u8; 32]) -> Result<(Self, [u8; 65])> {
        Err(ABSENT)
    }

    pub(super) const fn sign(&self, _: &[u8; 32]) -> [u8; 64] {
        match *self {}
    }
}

//= spec/src/vaults.md#vlt-34
//# An implementation without ECDSA P-256 MUST refuse every key and every signature of this kind.
pub(super) const fn validate(_: &[u8; 65]) -> Result<()> {
    Err(ABSENT)
}

pub(super) const fn verify(_: &[u8; 65], _: &[u8], _: &[u8; 64]) -> Result<()> {
    Err(ABSENT)
}

const ABSENT: Error = Error::denied("VLT-34", "this program has no ECDSA P-256");
