//! The two profiles, and all that they do differently. Spec: "Noise", section "Profiles".

use crate::error::Result;
use crate::vault::suite::{Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use crate::vault::{Agreement, Key, PublicKey};

/// How a handshake deviates from Noise, or does not.
pub trait Profile<S: Suite>: Copy + sealed::Sealed + 'static {
    /// The name that the handshake hash starts with.
    const NAME: &'static str;
    /// Whether public keys that no correct peer has, and shared secrets of zeros, are refused.
    const STRICT: bool;
    /// Whether the initiator encrypts with the second key of the split, and the responder with the first.
    const SWAPPED: bool;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ockam {}
    impl Sealed for super::Noise {}
}

/// What Ockam nodes speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ockam;

/// The standard, revision 34. AES-128 has no name in it and therefore no such profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise;

impl<S: Suite> Profile<S> for Ockam {
    //= spec/src/noise.md#noi-12
    //# Under the profile `ockam` the protocol name MUST be that of the suite, and the prologue empty.
    const NAME: &'static str = S::NAME;
    const STRICT: bool = true;
    const SWAPPED: bool = true;
}

impl Profile<Aes256GcmSha256> for Noise {
    const NAME: &'static str = "Noise_XX_25519_AESGCM_SHA256";
    const STRICT: bool = false;
    const SWAPPED: bool = false;
}

impl Profile<ChaChaPolyBlake2s> for Noise {
    const NAME: &'static str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
    const STRICT: bool = false;
    const SWAPPED: bool = false;
}

/// A public key that the peer sent.
pub(super) fn received<S: Suite, P: Profile<S>>(bytes: &[u8; 32]) -> Result<PublicKey> {
    let key = PublicKey(*bytes);
    //= spec/src/noise.md#noi-13
    //# Under the profile `ockam` a party MUST refuse a public key of the peer, ephemeral or static, that fails the strict check.
    if P::STRICT && !planted!(SkipsKeyCheck) {
        S::Agreement::validate(&key)?;
    }
    Ok(key)
}

/// The keys of the split as the initiator sends and receives with them.
pub(super) fn for_initiator<S: Suite, P: Profile<S>>((first, second): (Key, Key)) -> (Key, Key) {
    //= spec/src/noise.md#noi-15
    //# Under the profile `ockam` the initiator MUST encrypt with the second key of the split and decrypt with the first, and under the profile `noise` with the first and the second.
    if P::SWAPPED ^ planted!(SwapsSplitKeys) { (second, first) } else { (first, second) }
}
