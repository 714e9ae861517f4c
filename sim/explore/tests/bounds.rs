//! The small bounds, gone through whole.

use razor::vault::suite::Aes256GcmSha256;
use razor_explore::suite::Masked;
use razor_explore::{Extent, Habits, Outcome, Scenario, Who, explore};

const LIMIT: usize = 1_000_000;

fn proven(scenario: Scenario) -> Extent {
    let name = scenario.name;
    match explore::<Masked>(scenario, Habits::default(), LIMIT) {
        (Outcome::Proven, extent) => extent,
        (Outcome::Refuted(violation, story), _) => panic!("{name}: {violation:?}\n{story}"),
        (outcome, _) => panic!("{name}: {outcome:?}"),
    }
}

#[test]
fn every_property_holds_in_every_state_of_the_small_bounds() {
    for scenario in Scenario::small() {
        let name = scenario.name;
        let extent = proven(scenario);
        assert!(extent.states > 50 && extent.ways > 20, "{name}: {extent:?}");
    }
}

#[test]
fn a_handshake_without_texts_has_the_states_that_one_counts_by_hand() {
    // Nobody has answered; Bob has; Alice is open; both are.
    let scenario = Scenario { texts: 0, hold: 0, ..Scenario::plain("four states") };
    let Extent { states, depth, moves, messages, .. } = proven(scenario.clone());
    assert_eq!((states, depth, moves, messages), (4, 3, 3, 3));
    // With time, Alice is gone before Bob has answered, or after; Bob is gone before Alice has heard of him, or after;
    // or both are.
    let Extent { states, .. } = proven(Scenario { timeouts: true, ..scenario });
    assert_eq!(states, 9);
}

#[test]
fn the_same_bounds_give_the_same_numbers_again() {
    let scenario = || Scenario::small().swap_remove(1);
    assert_eq!(proven(scenario()), proven(scenario()));
}

#[test]
fn real_cryptography_has_the_same_states_as_the_null_suite() {
    // At a second place of a listener a text may arrive first. The masked suite takes any 32 bytes for a key, X25519
    // does not: it has fewer states there. Here all that comes to a listener begins with a key.
    let plain = Scenario::plain;
    for scenario in [
        Scenario { texts: 3, closes: true, timeouts: true, ..plain("one channel") },
        Scenario { initiators: vec![Who::Alice; 2], hold: 2, ..plain("two begin") },
        Scenario { forges: true, changes: true, ..plain("a forger") },
        Scenario { late: true, timeouts: true, ..plain("late answers") },
        Scenario { lost: 31, texts: 3, ..plain("around a renewal of keys") },
    ] {
        let name = scenario.name;
        let (outcome, real) = explore::<Aes256GcmSha256>(scenario.clone(), Habits::default(), LIMIT);
        assert!(matches!(outcome, Outcome::Proven), "{name}: {outcome:?}");
        assert_eq!(real, proven(scenario), "{name}");
    }
}

#[test]
fn every_property_holds_with_real_cryptography() {
    for scenario in Scenario::small().into_iter().skip(1).take(3) {
        let name = scenario.name;
        let (outcome, _) = explore::<Aes256GcmSha256>(scenario, Habits::default(), LIMIT);
        assert!(matches!(outcome, Outcome::Proven), "{name}: {outcome:?}");
    }
}

#[test]
fn more_states_than_allowed_are_no_proof() {
    let (outcome, _) = explore::<Masked>(Scenario::small().swap_remove(1), Habits::default(), 100);
    assert!(matches!(outcome, Outcome::TooLarge));
}
