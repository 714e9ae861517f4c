//! Each checker can fail: real nodes, spoilt in one way at the seam to the world, and the property that must be named.
//! Mistakes inside the nodes are planted in the core (`cargo planted`). What is told of a world that fails is held
//! against what is known to be wrong with it.

mod spoilt;
mod story;

use std::time::Duration;

use razor_sim::checker::Property;
use razor_sim::{Campaign, Preset, Report};

use spoilt::{Spoilt, world};

fn run(seed: u64, preset: Preset, spoilt: Spoilt) -> Report {
    world(seed, preset, spoilt).run()
}

/// The properties that the worlds of a few seeds name.
fn noticed(preset: Preset, spoilt: Spoilt) -> Vec<Property> {
    let worlds = (0..10).map(|seed| run(seed, preset, spoilt));
    let mut properties: Vec<_> = worlds.filter_map(|report| Some(report.violations.first()?.property)).collect();
    properties.sort();
    properties.dedup();
    properties
}

#[test]
fn whole_nodes_are_let_pass() {
    assert_eq!(noticed(Preset::Hostile, Spoilt::Not), []);
}

#[test]
fn whatever_is_spoilt_is_noticed_by_the_checker_whose_it_is() {
    for (preset, spoilt, property) in [
        (Preset::Calm, Spoilt::LeaksPlaintext, Property::Confidentiality),
        (Preset::Calm, Spoilt::DeliversTwice, Property::AtMostOnce),
        (Preset::Calm, Spoilt::ChangesPayloads, Property::Authenticity),
        (Preset::Calm, Spoilt::MistakesPeers, Property::Provenance),
        (Preset::Calm, Spoilt::SaysThatAllIsLocal, Property::Provenance),
        (Preset::Calm, Spoilt::OpensWithStrangers, Property::Agreement),
        (Preset::Calm, Spoilt::NamesOneHandshakeForAll, Property::Agreement),
        (Preset::Hostile, Spoilt::ChangesWithEveryInput, Property::TrustedState),
        (Preset::Calm, Spoilt::HoldsTooMuch, Property::Bounds),
        (Preset::Hostile, Spoilt::WorksTooMuch, Property::Work),
        (Preset::Siege, Spoilt::HasTooManyGuests, Property::Bounds),
        (Preset::Siege, Spoilt::ClosesTheWrongOne, Property::Displacement),
        (Preset::Calm, Spoilt::IsAttestedForAMoment, Property::Validity),
        (Preset::Calm, Spoilt::LosesMessages, Property::Liveness),
        (Preset::Faults, Spoilt::LosesMessages, Property::Liveness),
        (Preset::Calm, Spoilt::IsNeverDone, Property::Liveness),
        (Preset::Calm, Spoilt::Panics, Property::NoPanic),
    ] {
        assert_eq!(noticed(preset, spoilt), [property], "{spoilt:?}");
    }
}

#[test]
fn a_campaign_finds_the_same_failures_on_any_number_of_threads() {
    let failures = |threads| {
        let world = |seed| Ok(run(seed, Preset::Calm, Spoilt::DeliversTwice));
        let campaign = Campaign::run(0..8, threads, world, |_| ()).expect("a preset is valid");
        Campaign { elapsed: Duration::ZERO, ..campaign }
    };
    let alone = failures(1);
    assert!(!alone.passed());
    assert_eq!(alone, failures(3));
}
