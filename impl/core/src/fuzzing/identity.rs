//! Identities, attestations and handshake payloads.

use crate::env::Timestamp;
use crate::identity::{
    Comparison, HistoryLimits, Identity, Presentation, PresentationLimits, PurposeKeyAttestation, admit,
};

/// A history is refused, or it is exported as it came, within the limits, and is the same as itself.
pub fn identity_history(data: &[u8]) {
    let Ok(identity) = Identity::import(data, None) else { return };
    assert_eq!(identity.export(), data);
    assert!(data.len() <= HistoryLimits::DEFAULT.bytes);
    assert!((1..=usize::from(HistoryLimits::DEFAULT.changes)).contains(&identity.changes().len()));
    assert!(identity.changes().next().is_some_and(|first| first.hash().0 == identity.identifier().0));
    assert_eq!(Identity::compare(&identity, &identity), Comparison::Equal);
    assert!(admit(Some(data), identity).is_ok_and(|admission| admission.to_store().is_none()));
}

/// An attestation is refused, or it is exported as it came.
pub fn attestation(data: &[u8]) {
    if let Ok(attestation) = PurposeKeyAttestation::decode(data) {
        assert_eq!(attestation.export(), data);
    }
}

/// A handshake payload is refused, or what is known of it encodes to the same bytes; what it proves, it proves of its own
/// identity.
pub fn presentation(data: &[u8]) {
    let Ok(presentation) = Presentation::decode(data, &PresentationLimits::DEFAULT) else { return };
    let identity = presentation.claimed_identity().clone();
    let attestation = presentation.attestation();
    let known = Presentation::encode(&identity, attestation, presentation.credentials());
    // All but the number of items and the unknown ones at the end.
    assert!(data.len() >= known.len() && data[1..known.len()] == known[1..]);
    assert!(data[0] != known[0] || data == known);
    if let Ok(attested) = attestation.verify(&identity, Timestamp(1_700_000_000)) {
        assert_eq!(*attested.subject(), identity.identifier());
    }
}
