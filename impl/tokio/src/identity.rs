//! Identities whose keys are in a node's vault.

use std::fmt;

use razor::env::Env;
use razor::identity::{self, Identifier, PurposeKeyAttestation};
use razor::vault::SigningKind;

use crate::error::Result;
use crate::node::{Node, entropy};

/// An identity that a node can speak as: its keys are in the node's vault.
#[derive(Clone)]
pub struct Identity {
    pub(crate) identity: identity::Identity,
    pub(crate) attestation: PurposeKeyAttestation,
}

impl Identity {
    /// Its name for everybody.
    pub fn identifier(&self) -> Identifier {
        self.identity.identifier()
    }

    /// Its change history, encoded, to be given to others.
    pub fn export(&self) -> &[u8] {
        self.identity.export()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.identifier())
    }
}

impl Node {
    /// Makes a new identity with an Ed25519 key. It is gone when the node is.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the operating system gives no randomness.
    pub async fn create_identity(&self) -> Result<Identity> {
        let mut entropy = entropy()?;
        let mut env = Env::new(self.clock().now(), self.clock().wall(), &mut entropy);
        let (identity, attestation) = {
            let mut vault = self.keys().vault();
            let identity = identity::Identity::create(&mut vault, SigningKind::Ed25519, &mut env)?;
            let (_, attestation) = identity.attest_static_key(&mut vault, &mut env)?;
            (identity, attestation)
        };
        self.keys().pin(&identity)?;
        Ok(Identity { identity, attestation })
    }
}
