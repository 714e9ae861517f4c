//! What must hold in every world, whatever the links and the middle do.

mod agreement;
mod auditor;
mod bounds;
mod confidentiality;
mod counts;
mod custody;
mod guests;
mod ledger;
mod outcomes;
mod state;
mod validity;
mod verdict;
mod work;

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use agreement::{Agreement, End, Opening, Stolen};
pub use auditor::{Auditor, Book, Bytes32, Draws};
pub use bounds::{check as check_bounds, check_growth, check_places, check_strangers};
pub use confidentiality::Watch;
pub use counts::Counts;
pub use custody::Custody;
pub use guests::Guests;
pub use ledger::{Ledger, MARK, Receipt, Sent, contains_mark};
pub use outcomes::Outcomes;
pub use state::Guard;
pub use validity::check_validity;
pub use verdict::Doings;
pub use work::check_work;

/// A property that was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// No secret and no plaintext is seen by a link or by the middle.
    Confidentiality,
    /// What a channel delivers was sent by its peer, to this node, in this channel, as it is.
    Authenticity,
    /// Each message is delivered at most once.
    AtMostOnce,
    /// Nobody reaches a worker that is not for him.
    Access,
    /// What is no frame closes the connection, and what leads nowhere does nothing.
    Verdict,
    /// What a node sends is what the specification says.
    Conformance,
    /// A delivery says truly where it came from.
    Provenance,
    /// Both ends of a channel agree on who they are, and nobody is accepted who should not be.
    Agreement,
    /// A forged input leaves trusted state as it was.
    TrustedState,
    /// A forged input costs bounded work.
    Work,
    /// Nobody is accepted outside the time for which he is attested.
    Validity,
    /// Provisional state, queues and open channels stay within their bounds.
    Bounds,
    /// Who fills a listener displaces his own channels, and of those the most silent.
    Displacement,
    /// Once the faults are healed, what can be delivered is delivered.
    Liveness,
    /// Nothing that comes makes a node, or the world, panic.
    NoPanic,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confidentiality => "confidentiality",
            Self::Authenticity => "authenticity",
            Self::AtMostOnce => "at most once",
            Self::Access => "access",
            Self::Verdict => "verdict",
            Self::Conformance => "conformance",
            Self::Provenance => "provenance",
            Self::Agreement => "agreement",
            Self::TrustedState => "no trusted state change on forgery",
            Self::Work => "bounded work",
            Self::Validity => "validity",
            Self::Bounds => "bounds",
            Self::Displacement => "displacement",
            Self::Liveness => "liveness",
            Self::NoPanic => "no panic",
        })
    }
}

/// A property that does not hold, where, and how it was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which property.
    pub property: Property,
    /// At which node of the world; at none if it was in a scene, which has nodes of its own.
    pub node: Option<usize>,
    /// One sentence.
    pub detail: String,
}

impl Violation {
    /// A violation.
    pub fn new(property: Property, node: usize, detail: impl Into<String>) -> Self {
        Self { property, node: Some(node), detail: detail.into() }
    }

    /// Something panicked, at a node if it is known at which.
    pub fn of_panic(node: Option<usize>, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self { property: Property::NoPanic, node, detail: text.unwrap_or_default() }
    }

    /// A violation in a scene.
    pub fn of_a_scene(property: Property, detail: impl Into<String>) -> Self {
        Self { property, node: None, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)?;
        self.node.map_or(Ok(()), |node| write!(f, " (node {node})"))
    }
}
