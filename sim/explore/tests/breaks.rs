//! What is broken on purpose is found.

use razor_explore::{Break, Outcome, Property};

#[test]
fn every_break_is_found_and_its_story_told() {
    for broken in Break::ALL {
        let (outcome, _) = broken.run();
        assert!(broken.is_found(&outcome), "{}: {outcome:?}", broken.name);
        if let Outcome::Refuted(_, story) = outcome {
            assert!(story.0[0].contains("message"), "{}: {story}", broken.name);
        }
    }
}

#[test]
fn every_property_has_a_break_that_refutes_it() {
    for property in Property::ALL {
        assert!(Break::ALL.iter().any(|broken| broken.refutes == Some(property)), "{property:?}");
    }
}

#[test]
fn the_story_of_a_reflected_text_is_the_shortest() {
    let twins = Break::ALL.iter().find(|broken| broken.name == "one key for both directions").unwrap();
    let (Outcome::Refuted(violation, story), _) = twins.run() else { panic!("it is broken") };
    assert_eq!(violation.what, "Alice 1 delivers text 1 of Alice 1, which its partner did not send");
    assert_eq!(
        story.0,
        [
            "Alice 1 sends its message 1.",
            "The attacker gives message 1 of Alice 1 to the listener of Bob: Bob 1 begins, sends message 2 of Bob 1 (to Alice 1).",
            "The attacker gives message 2 of Bob 1 (to Alice 1) to Alice 1: Alice 1 is open with Bob, sends message 3 of Alice 1 (to Bob 1).",
            "The application at Alice 1 speaks: Alice 1 sends text 1 of Alice 1.",
            "The attacker gives text 1 of Alice 1 to Alice 1: Alice 1 delivers text 1 of Alice 1.",
        ]
    );
}
