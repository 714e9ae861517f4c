//! # Deterministic worlds with adversaries who know the protocol
//!
//! One seed makes everything: nodes and the links between them, what breaks, who attacks and how, the identities, and
//! what applications say. Time is virtual and one thread runs a world, so a seed reproduces it byte for byte. A
//! [`Plan`] is what a world is made of, as data; a [`World`] drives whatever stands at its places through the trait
//! [`host::Host`], and its checkers watch all along; a [`Campaign`] runs many seeds.

pub mod adversary;
pub mod campaign;
pub mod checker;
pub mod contents;
pub mod explain;
pub mod fields;
pub mod frame;
pub mod host;
pub mod link;
pub mod minimise;
mod named;
pub mod party;
pub mod pcap;
pub mod plan;
pub mod queue;
pub mod record;
pub mod report;
pub mod requirement;
pub mod results;
pub mod scene;
pub mod seed;
pub mod situation;
pub mod telling;
pub mod trace;
pub mod view;
pub mod world;

use std::panic::{self, AssertUnwindSafe};

use checker::Violation;

pub use campaign::Campaign;
pub use plan::{Plan, Preset, Sketch};
pub use record::Record;
pub use report::Report;
pub use results::Results;
pub use seed::Seed;
pub use situation::Situation;
pub use world::World;

/// The world that this seed makes of a family of plans, of real nodes.
pub fn drawn(seed: u64, preset: Preset) -> World {
    world(Plan::draw(Seed(seed), preset))
}

/// Runs the world of this plan, of real nodes, once `prepare` has made it ready. A panic ends it as a violation, even
/// while its nodes are made.
pub fn run(plan: Plan, prepare: impl FnOnce(World) -> World) -> Report {
    let made = panic::catch_unwind(AssertUnwindSafe(|| prepare(world(plan.clone()))));
    made.map_or_else(|panic| Report::stillborn(plan, Violation::of_panic(None, &*panic)), World::run)
}

/// The world of this plan, of real nodes.
pub fn world(plan: Plan) -> World {
    let hosts = party::cast(&plan);
    World::new(plan, hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_a_world_is_made_is_a_violation_that_can_be_explained_and_shown() {
        let plan = Plan::draw(Seed(1), Preset::Calm);
        let report = run(plan, |_| panic!("a node cannot be made"));
        assert!(report.to_string().contains("a node cannot be made"), "{report}");
        assert!(explain::explain(&report, true).contains("a node cannot be made"));
        assert!(view::page(&report).contains("a node cannot be made"));
    }
}
