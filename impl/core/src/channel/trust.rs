//! Trust policies: with whom a channel may be opened at all.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{Error, Result};
use crate::identity::Identifier;

/// A policy of the caller's own.
pub trait TrustPolicy: Send + Sync {
    /// Whether a channel with `peer`, who has proved to be that identity, may open.
    fn trusts(&self, peer: &Identifier) -> bool;
}

/// With whom a channel may be opened. Asked after everything else about the peer has been verified.
#[derive(Clone, Default)]
pub enum Trust {
    /// Anyone who proves an identity; access control then decides what they reach. The default.
    #[default]
    Everyone,
    /// Exactly this identity.
    One(Identifier),
    /// Any of these identities; nobody when the list is empty.
    AnyOf(Vec<Identifier>),
    /// Whom all of these trust.
    All(Vec<Trust>),
    /// Whom at least one of these trusts; nobody when the list is empty.
    Any(Vec<Trust>),
    /// Whom the caller's policy trusts.
    Custom(Arc<dyn TrustPolicy>),
}

impl Trust {
    /// Whether a channel with `peer` may open.
    pub fn trusts(&self, peer: &Identifier) -> bool {
        match self {
            Trust::Everyone => true,
            Trust::One(identifier) if planted!(ComparesPrefixes) => {
                identifier.0.first_chunk::<8>() == peer.0.first_chunk()
            }
            Trust::One(identifier) => identifier == peer,
            Trust::AnyOf(identifiers) => identifiers.contains(peer),
            Trust::All(policies) if planted!(TrustsForAnyOfAll) => policies.iter().any(|policy| policy.trusts(peer)),
            Trust::All(policies) => policies.iter().all(|policy| policy.trusts(peer)),
            Trust::Any(policies) => policies.iter().any(|policy| policy.trusts(peer)),
            Trust::Custom(policy) => policy.trusts(peer),
        }
    }

    /// # Errors
    /// `CHN-10` when `peer` is not trusted.
    pub(super) fn admit(&self, peer: &Identifier) -> Result<()> {
        //= spec/src/channels.md#chn-10
        //# A party MUST NOT open a channel with an identity that its trust policy does not trust.
        if self.trusts(peer) || planted!(TrustsEveryone) {
            Ok(())
        } else {
            Err(Error::denied("CHN-10", "the trust policy does not trust the peer's identity"))
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Everyone => f.write_str("everyone"),
            Trust::One(identifier) => write!(f, "{identifier}"),
            Trust::AnyOf(identifiers) => f.debug_list().entries(identifiers).finish(),
            Trust::All(policies) => f.debug_tuple("all").field(policies).finish(),
            Trust::Any(policies) => f.debug_tuple("any").field(policies).finish(),
            Trust::Custom(_) => f.write_str("custom"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Identifier = Identifier([1; 32]);
    const B: Identifier = Identifier([2; 32]);

    struct FirstByteIsTwo;

    impl TrustPolicy for FirstByteIsTwo {
        fn trusts(&self, peer: &Identifier) -> bool {
            peer.0[0] == 2
        }
    }

    //= spec/src/channels.md#chn-10
    //= type=test
    //# A party MUST NOT open a channel with an identity that its trust policy does not trust.
    #[test]
    fn each_policy_trusts_whom_it_names_and_nobody_else() {
        assert!(Trust::default().trusts(&A));
        assert!(Trust::One(A).trusts(&A) && !Trust::One(A).trusts(&B));
        assert!(Trust::AnyOf(vec![A, B]).trusts(&B) && !Trust::AnyOf(vec![]).trusts(&B));
        assert!(Trust::Custom(Arc::new(FirstByteIsTwo)).trusts(&B));
        assert_eq!(Trust::Custom(Arc::new(FirstByteIsTwo)).admit(&A).unwrap_err().requirement(), "CHN-10");
    }

    #[test]
    fn combinators_ask_all_or_any_of_their_parts() {
        let two = || vec![Trust::One(A), Trust::AnyOf(vec![A, B])];
        assert!(Trust::All(two()).trusts(&A) && !Trust::All(two()).trusts(&B));
        assert!(Trust::Any(two()).trusts(&A) && Trust::Any(two()).trusts(&B));
        assert!(!Trust::Any(vec![]).trusts(&A));
    }
}
