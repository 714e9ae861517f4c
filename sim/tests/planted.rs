//! Planted bugs: for each checker a world of toys that are broken in one way, and the checker that
//! must notice. Whole toys pass every checker.

mod toy;

use razor_sim::checker::Property;
use razor_sim::{Campaign, Plan, Preset, Report, Seed, Situation, World};
use toy::Bug;

fn run(seed: u64, preset: Preset, bug: Bug) -> Report {
    let seed = Seed(seed);
    let plan = Plan::draw(seed, preset);
    let hosts = toy::line(seed, &plan, bug);
    World::new(seed, plan, hosts).run()
}

/// The property that the first failing world of a few names.
fn noticed(preset: Preset, bug: Bug) -> Option<Property> {
    (0..20).find_map(|seed| run(seed, preset, bug).violations.first().map(|violation| violation.property))
}

#[test]
fn whole_toys_pass_every_checker_in_every_kind_of_world() {
    for preset in Preset::ALL {
        let mut deliveries = 0;
        for seed in 0..15 {
            let report = run(seed, preset, Bug::None);
            assert!(report.passed(), "{report}");
            deliveries += report.deliveries;
        }
        assert!(deliveries > 500, "{preset}: {deliveries} deliveries prove nothing");
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice_and_another_seed_another() {
    for preset in Preset::ALL {
        for seed in 0..5 {
            let report = run(seed, preset, Bug::None);
            assert_eq!(report, run(seed, preset, Bug::None));
            assert_ne!(report.digest, run(seed + 1, preset, Bug::None).digest);
        }
    }
}

#[test]
fn the_links_and_the_adversary_reach_every_situation_that_is_theirs() {
    // A toy refuses strangers silently; the other situations are brought about by links and adversary.
    let silent = [Situation::ImpostorRefused, Situation::IntruderRefused, Situation::HandshakeFailed];
    let wanted: Vec<_> = Situation::ALL.iter().copied().filter(|situation| !silent.contains(situation)).collect();
    let campaign = [Preset::Lossy, Preset::Hostile, Preset::Swarm]
        .map(|preset| Campaign::run(0..40, 2, |seed| run(seed, preset, Bug::None), |_| ()))
        .into_iter()
        .fold(Campaign::default(), Campaign::merge);
    println!("{campaign}");
    assert_eq!(campaign.worlds, 120);
    assert_eq!(campaign.missing(&wanted), [], "never reached");
}

#[test]
fn a_campaign_finds_the_same_failures_on_any_number_of_threads() {
    let failures = |threads| {
        let campaign = Campaign::run(0..12, threads, |seed| run(seed, Preset::Hostile, Bug::SkipsTag), |_| ());
        (campaign.failures, campaign.situations)
    };
    let (alone, situations) = failures(1);
    assert!(!alone.is_empty());
    assert_eq!((alone, situations), failures(3));
}

#[test]
fn a_leak_of_plaintext_is_noticed() {
    assert_eq!(noticed(Preset::Calm, Bug::LeaksPlaintext), Some(Property::Confidentiality));
}

#[test]
fn a_second_delivery_is_noticed() {
    assert_eq!(noticed(Preset::Calm, Bug::DeliversTwice), Some(Property::AtMostOnce));
}

#[test]
fn a_replay_that_is_accepted_is_noticed() {
    assert_eq!(noticed(Preset::Hostile, Bug::AcceptsReplay), Some(Property::AtMostOnce));
    assert_eq!(noticed(Preset::Lossy, Bug::AcceptsReplay), Some(Property::AtMostOnce));
}

#[test]
fn a_tag_that_is_not_checked_is_noticed() {
    let property = noticed(Preset::Hostile, Bug::SkipsTag);
    assert!(matches!(property, Some(Property::Authenticity | Property::TrustedState)), "{property:?}");
}

#[test]
fn a_window_that_moves_before_authentication_is_noticed() {
    assert_eq!(noticed(Preset::Hostile, Bug::MovesWindowFirst), Some(Property::TrustedState));
}

#[test]
fn channels_that_share_a_key_are_noticed() {
    // In the channel of a guest, the message of another is taken for his.
    let property = noticed(Preset::Hostile, Bug::SharesKey);
    let expected = [Property::Authenticity, Property::TrustedState, Property::Provenance];
    assert!(property.is_some_and(|property| expected.contains(&property)), "{property:?}");
}

#[test]
fn a_stranger_that_is_trusted_is_noticed() {
    assert_eq!(noticed(Preset::Hostile, Bug::TrustsEveryone), Some(Property::Agreement));
}

#[test]
fn a_false_origin_is_noticed() {
    assert_eq!(noticed(Preset::Calm, Bug::MistakesPeer), Some(Property::Provenance));
}

#[test]
fn half_open_handshakes_without_bound_are_noticed() {
    assert_eq!(noticed(Preset::Hostile, Bug::KeepsHalfOpen), Some(Property::Bounds));
}

#[test]
fn a_listener_that_is_clogged_for_good_is_noticed() {
    assert_eq!(noticed(Preset::Hostile, Bug::Clogs), Some(Property::Liveness));
}

#[test]
fn open_channels_without_bound_are_noticed() {
    assert_eq!(noticed(Preset::Siege, Bug::NeverDisplaces), Some(Property::Bounds));
    assert_eq!(noticed(Preset::Hostile, Bug::NeverDisplaces), Some(Property::Bounds));
}

#[test]
fn a_quiet_channel_that_leaves_for_a_besiegers_is_noticed() {
    assert_eq!(noticed(Preset::Siege, Bug::DisplacesTheQuiet), Some(Property::Displacement));
    assert_eq!(noticed(Preset::Hostile, Bug::DisplacesTheQuiet), Some(Property::Displacement));
}

#[test]
fn a_busy_channel_that_leaves_while_another_is_silent_is_noticed() {
    assert_eq!(noticed(Preset::Siege, Bug::DisplacesTheBusy), Some(Property::Displacement));
}

#[test]
fn a_failure_prints_the_seed_the_property_the_last_events_and_a_command() {
    let report = run(3, Preset::Calm, Bug::LeaksPlaintext);
    let text = report.to_string();
    assert!(text.contains("seed 3 calm FAILED"), "{text}");
    assert!(text.contains("violated      confidentiality: "), "{text}");
    assert!(text.contains("the last events:\n"), "{text}");
    assert!(text.ends_with("reproduce with: razor sim --preset calm --seed 3"), "{text}");
}
