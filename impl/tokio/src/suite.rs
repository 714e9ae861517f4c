//! The suites, chosen when the program runs. The core's machines are generic over them.

use std::sync::Arc;

use razor::channel::{self, Addresses, Listening};
use razor::env::Env;
use razor::error::Result as CoreResult;
use razor::node::{FlowControlId, Node};
use razor::routing::Route;
use razor::session::{self, Keeping, Kept};
use razor::vault::suite;

/// Whose AES-GCM and X25519 the node uses.
#[cfg(feature = "aws-lc")]
use crate::aws_lc as aes;
#[cfg(not(feature = "aws-lc"))]
use razor::vault::suite as aes;

/// Hash, cipher and key agreement of a channel. Both sides are configured with the same; nothing is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Suite {
    /// `OCKAM_XX_25519_AES256_GCM_SHA256`, production's default.
    #[default]
    Aes256GcmSha256,
    /// `OCKAM_XX_25519_AES128_GCM_SHA256`.
    Aes128GcmSha256,
    /// `OCKAM_XX_25519_ChaChaPolyBLAKE2s`; production has no more than its name.
    ChaChaPolyBlake2s,
}

/// What is made with a suite.
pub(crate) struct Makers {
    pub(crate) create: fn(&mut Node, &mut Env<'_>, Arc<channel::Config>, &Route) -> CoreResult<Addresses>,
    pub(crate) listen: fn(&mut Node, &mut Env<'_>, Arc<channel::Config>, Listening) -> CoreResult<FlowControlId>,
    pub(crate) keep: fn(&mut Node, &mut Env<'_>, Keeping) -> CoreResult<Kept>,
}

impl Makers {
    const fn of<S: suite::Secure>() -> Self {
        Self { create: channel::create::<S>, listen: channel::listen::<S>, keep: session::keep::<S> }
    }
}

impl Suite {
    pub(crate) const fn makers(self) -> Makers {
        match self {
            Self::Aes256GcmSha256 => Makers::of::<aes::Aes256GcmSha256>(),
            Self::Aes128GcmSha256 => Makers::of::<aes::Aes128GcmSha256>(),
            Self::ChaChaPolyBlake2s => Makers::of::<suite::ChaChaPolyBlake2s>(),
        }
    }
}
