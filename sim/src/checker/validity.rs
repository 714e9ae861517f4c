//! Validity: whoever is accepted is attested now, by the clock of who accepts him.

use razor::env::Timestamp;
use razor::identity::CLOCK_SKEW;

use super::{Property, Violation};

/// Checks that a peer who shows an attestation of this time is accepted at `wall`. What a store takes to answer, or a
/// vault, may pass in between: less than a second.
pub fn check_validity(node: usize, attested: (Timestamp, Timestamp), wall: Timestamp) -> Result<(), Violation> {
    let (created, expires) = attested;
    if created <= wall.plus(CLOCK_SKEW) && wall <= expires.plus(1) && created <= expires {
        Ok(())
    } else {
        let detail = format!("a peer was accepted at {wall}, who is attested from {created} to {expires}");
        Err(Violation::new(Property::Validity, node, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_borne_before_and_none_after() {
        let attested = (Timestamp(1_000), Timestamp(2_000));
        for (wall, holds) in [(939, false), (940, true), (1_500, true), (2_001, true), (2_002, false)] {
            assert_eq!(check_validity(0, attested, Timestamp(wall)).is_ok(), holds, "{wall}");
        }
        let ends_before_it_begins = (Timestamp(1_050), Timestamp(1_040));
        assert!(check_validity(0, ends_before_it_begins, Timestamp(1_000)).is_err());
    }
}
