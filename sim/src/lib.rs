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

/// The world of this plan, of real nodes.
pub fn world(plan: Plan) -> World {
    let hosts = party::cast(&plan);
    World::new(plan, hosts)
}
