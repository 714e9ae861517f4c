//! Properties: random lives of an identity, and damage of every bit.

use proptest::prelude::*;

use super::*;
use crate::fuzzing;

#[test]
fn any_flipped_bit_of_a_history_is_noticed() {
    let mut owner = Owner::new(31);
    for kind in [SigningKind::Ed25519, SigningKind::P256] {
        let identity = owner.create(kind);
        let identity = owner.rotate(&identity, SigningKind::Ed25519, NOW).unwrap();
        for bit in 0..identity.export().len() * 8 {
            let mut bytes = identity.export().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(import(&bytes).is_err(), "bit {bit} of a {kind:?} history");
        }
    }
}

#[test]
fn any_flipped_bit_of_an_attestation_is_noticed() {
    let mut owner = Owner::new(32);
    for kind in [SigningKind::Ed25519, SigningKind::P256] {
        let identity = owner.create(kind);
        let (_, attestation) = owner.attest(&identity);
        for bit in 0..attestation.export().len() * 8 {
            let mut bytes = attestation.export().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let verdict = PurposeKeyAttestation::decode(&bytes).and_then(|other| other.verify(&identity, NOW));
            assert!(verdict.is_err(), "bit {bit} of an attestation by {kind:?}");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Rotate { p256: bool, later: u32 },
    Present { age: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (any::<bool>(), 0..1000u32).prop_map(|(p256, later)| Step::Rotate { p256, later }),
        (0..8usize).prop_map(|age| Step::Present { age }),
    ];
    proptest::collection::vec(step, 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A store that hears of an identity in any order knows the longest history it has heard.
    #[test]
    fn a_node_knows_the_newest_history_that_it_was_ever_shown(p256: bool, seed: u64, steps in steps()) {
        let kind = |p256| if p256 { SigningKind::P256 } else { SigningKind::Ed25519 };
        let mut owner = Owner::new(seed);
        let mut past = alloc::vec![owner.create(kind(p256))];
        let mut known: Option<Identity> = None;
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Rotate { p256, later } => {
                    now = now.plus(later.into());
                    let next = owner.rotate(past.last().unwrap(), kind(p256), now).unwrap();
                    past.push(next);
                }
                Step::Present { age } => {
                    let shown = past[past.len() - 1 - age.min(past.len() - 1)].clone();
                    let received = Identity::import(shown.export(), Some(&past[0].identifier())).unwrap();
                    let before = known.as_ref().map_or(0, |known| known.changes().len());
                    let admission = admit(known.as_ref().map(Identity::export), received);
                    match admission {
                        Ok(Admission::New(identity)) => { prop_assert_eq!(before, 0); known = Some(identity); }
                        Ok(Admission::Same(identity)) => prop_assert_eq!(before, identity.changes().len()),
                        Ok(Admission::Newer(identity)) => {
                            prop_assert!(identity.changes().len() > before);
                            known = Some(identity);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.requirement(), "IDN-28");
                            prop_assert!(shown.changes().len() < before);
                        }
                    }
                }
            }
        }
    }

    /// No bytes panic, and what is accepted is exactly what was sent.
    #[test]
    fn any_bytes_are_refused_or_exported_unchanged(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::identity_history(&bytes);
        fuzzing::attestation(&bytes);
        fuzzing::presentation(&bytes);
    }

    /// The same for bytes that are nearly right.
    #[test]
    fn nearly_right_bytes_are_refused_or_exported_unchanged(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut owner = Owner::new(33);
        let identity = owner.create(SigningKind::Ed25519);
        let (_, attestation) = owner.attest(&identity);
        let whole = Presentation::encode(&identity, &attestation, &[]);
        for mut bytes in [identity.export().to_vec(), attestation.export().to_vec(), whole] {
            for (at, value) in &edits {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            let cut = cut.index(bytes.len() * 4);
            bytes.truncate(cut);
            fuzzing::identity_history(&bytes);
            fuzzing::attestation(&bytes);
            fuzzing::presentation(&bytes);
        }
    }
}
