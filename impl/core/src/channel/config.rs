//! What a channel is configured with.

use alloc::vec::Vec;
use core::time::Duration;

use crate::env::Timestamp;
use crate::error::{Error, Result};
use crate::identity::{Identity, Presentation, PresentationLimits, PresentedCredential, PurposeKeyAttestation};
use crate::routing::Limits;
use crate::vault::{KeyHandle, PublicKey};

use super::message::{Padding, PaddingLimit};
use super::trust::Trust;

/// How long a handshake may take, on either side (spec: "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HandshakeTime(pub Duration);

impl HandshakeTime {
    /// Everybody waits for at least so long.
    pub const FLOOR: Self = Self(Duration::from_secs(5));
    /// Nobody waits for longer.
    pub const CEILING: Self = Self(Duration::from_secs(3600));
    /// How long is waited unless told otherwise.
    pub const DEFAULT: Self = Self(Duration::from_secs(120));

    /// The time that counts: between floor and ceiling.
    pub(super) fn effective(self) -> Duration {
        self.clamp(Self::FLOOR, Self::CEILING).0
    }
}

/// How long an open channel lives whose way to the peer is gone (spec: "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrphanTime(pub Duration);

impl OrphanTime {
    /// A peer has at least so long to come back over another connection.
    pub const FLOOR: Self = Self(Duration::from_secs(1));
    /// Nobody waits for longer.
    pub const CEILING: Self = Self(Duration::from_secs(86_400));
    /// How long is waited unless told otherwise: as long as for a handshake.
    pub const DEFAULT: Self = Self(Duration::from_secs(120));

    /// The time that counts: between floor and ceiling.
    pub fn effective(self) -> Duration {
        self.clamp(Self::FLOOR, Self::CEILING).0
    }
}

/// How much is held of what arrives before a handshake is finished (spec: "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// The most messages.
    pub messages: usize,
    /// The most bytes that they take in memory.
    pub bytes: usize,
}

impl HoldLimits {
    /// A small device holds nothing.
    pub const FLOOR: Self = Self { messages: 0, bytes: 0 };
    /// The most that anyone may hold.
    pub const CEILING: Self = Self { messages: 8, bytes: 32_768 };
    /// What a channel is configured with unless told otherwise.
    pub const DEFAULT: Self = Self::CEILING;
}

/// The most bytes of a presentation: what the two keys and the tags leave of message 2.
const PRESENTATION: usize = 65_439;

/// What a party says of itself, whom it trusts, and its bounds. Made once per identity and shared by
/// all its channels.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) presentation: Vec<u8>,
    pub(super) static_key: PublicKey,
    pub(super) static_handle: KeyHandle,
    /// With whom a channel may be opened.
    pub trust: Trust,
    /// How long a handshake may take.
    pub timeout: HandshakeTime,
    /// How much is held of what arrives too early.
    pub hold: HoldLimits,
    /// Padding of what is sent.
    pub padding: Padding,
    /// The most padding that is accepted.
    pub padding_limit: PaddingLimit,
    /// Bounds on inner routes.
    pub limits: Limits,
    /// Bounds on what the peer presents.
    pub presentation_limits: PresentationLimits,
}

impl Config {
    /// A configuration for `identity`, whose static key is attested. `credentials` are shown to peers.
    ///
    /// # Errors
    /// `PUR-*` when the attestation would not convince a peer now; `CHN-58` when all of it is too long for
    /// a handshake message.
    pub fn new(
        identity: &Identity,
        attestation: &PurposeKeyAttestation,
        credentials: &[PresentedCredential],
        now: Timestamp,
    ) -> Result<Self> {
        let static_key = *attestation.verify(identity, now)?.secure_channel_static()?;
        let presentation = Presentation::encode(identity, attestation, credentials);
        //= spec/src/channels.md#chn-58
        //# A party MUST NOT present more than 65 439 bytes.
        if presentation.len() > PRESENTATION && !planted!(PresentsTooMuch) {
            return Err(Error::limit("CHN-58", "history, attestation and credentials are too long for a handshake"));
        }
        Ok(Self {
            presentation,
            static_key,
            static_handle: KeyHandle::of(&static_key.0),
            trust: Trust::Everyone,
            timeout: HandshakeTime::DEFAULT,
            hold: HoldLimits::DEFAULT,
            padding: Padding::None,
            padding_limit: PaddingLimit::DEFAULT,
            limits: Limits::DEFAULT,
            presentation_limits: PresentationLimits::DEFAULT,
        })
    }

    /// The same, presenting these bytes instead: what a liar says. For simulations, where liars are found out.
    #[cfg(feature = "null-vault")]
    #[must_use]
    pub fn presenting(self, presentation: Vec<u8>) -> Self {
        Self { presentation, ..self }
    }

    /// The static key of its handshakes. For simulations.
    #[cfg(feature = "null-vault")]
    pub const fn static_key(&self) -> &PublicKey {
        &self.static_key
    }

    /// What it presents. For simulations.
    #[cfg(feature = "null-vault")]
    pub fn presentation(&self) -> &[u8] {
        &self.presentation
    }

    /// The same with another trust policy.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}
