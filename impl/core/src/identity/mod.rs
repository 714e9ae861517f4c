//! Identities and purpose keys. Spec: "Identities" and "Purpose keys".
//!
//! An [`Identity`] is a verified history of key changes; a [`PurposeKeyAttestation`] is what its key says
//! of another key; a [`Presentation`] is both, as they travel in a handshake. What has been verified has
//! a type of its own ([`Identity`], [`Attested`], [`Presented`]) that cannot be had otherwise.

mod attestation;
mod change;
mod draft;
mod envelope;
mod history;
mod identifier;
mod limits;
mod presentation;
mod store;

pub use attestation::{
    AttestationDraft, Attested, CLOCK_SKEW, PURPOSE_KEY_VALIDITY, PurposeKey, PurposeKeyAttestation,
};
pub use change::{Change, ChangeData};
pub use draft::{Drafted, IDENTITY_KEY_VALIDITY, IdentityDraft, NewKey};
pub use history::{Comparison, Identity};
pub use identifier::{ChangeHash, Identifier};
pub use limits::{HistoryLimits, PresentationLimits};
pub use presentation::{Presentation, Presented, PresentedCredential};
pub use store::{Admission, MemoryStore, StoreAnswer, StoreRequest, admit};

// Most have keys of both kinds.
#[cfg(all(test, feature = "p256"))]
mod tests;
