//! Worlds of real nodes.

use razor_sim::plan::Suite;
use razor_sim::trace::Digested;
use razor_sim::{Campaign, Plan, Preset, Report, Seed, Situation};

fn run(seed: u64, preset: Preset) -> Report {
    razor_sim::drawn(seed, preset).run()
}

fn campaign(preset: Preset, worlds: u64) -> Campaign {
    let campaign = Campaign::run(0..worlds, 2, |seed| Ok(run(seed, preset)), |_| ()).expect("a preset is valid");
    for (property, failures) in &campaign.failures {
        failures.first.iter().for_each(|failure| println!("{property}: {failure}"));
    }
    println!("{preset}: {campaign}");
    campaign
}

#[test]
fn real_nodes_hold_every_property_in_every_kind_of_world_and_every_situation_is_reached() {
    let whole = Preset::ALL
        .map(|preset| {
            let campaign = campaign(preset, 30);
            assert!(campaign.deliveries > 500, "{preset}: {} deliveries prove nothing", campaign.deliveries);
            campaign
        })
        .into_iter()
        .fold(Campaign::default(), Campaign::merge);
    assert!(whole.passed());
    assert_eq!(whole.missing(Situation::ALL), [], "never reached");
}

#[test]
fn a_seed_gives_the_same_world_twice_and_another_seed_another() {
    for preset in Preset::ALL {
        let report = run(1, preset);
        assert_eq!(report, run(1, preset));
        assert_ne!(report.digest, run(2, preset).digest);
    }
}

#[test]
fn worlds_without_cryptography_go_as_those_with_it_event_by_event() {
    for preset in Preset::ALL {
        for seed in 0..4 {
            let run = |suite| {
                let plan = Plan { suite, ..Plan::draw(Seed(seed), preset) };
                razor_sim::world(plan).digesting(Digested::Symbols).run()
            };
            let real = run(Suite::Aes256);
            for other in [run(Suite::Null), run(Suite::ChaCha)] {
                assert!(real.passed() && other.passed(), "{real}\n{other}");
                assert_eq!((real.events, real.sent, real.deliveries), (other.events, other.sent, other.deliveries));
                assert_eq!((real.digest, &real.refusals), (other.digest, &other.refusals), "{preset} {seed}");
            }
        }
    }
}
