//! # Deterministic worlds with a hostile middle
//!
//! One seed makes everything: a line of nodes, the links between them, what the middle node does to the
//! frames that pass, the identities, and what the applications say. Time is virtual and one thread runs
//! a world, so a seed reproduces it byte for byte. A [`World`] drives whatever stands at its places
//! through the trait [`host::Host`], and its checkers watch all along; a [`Campaign`] runs many seeds.

pub mod adversary;
pub mod campaign;
pub mod checker;
pub mod frame;
pub mod host;
pub mod link;
pub mod party;
pub mod plan;
pub mod queue;
pub mod report;
pub mod seed;
pub mod situation;
pub mod trace;
pub mod world;

pub use campaign::Campaign;
pub use plan::{Plan, Preset};
pub use report::Report;
pub use seed::Seed;
pub use situation::Situation;
pub use world::World;

/// The world of this seed and family, of real nodes.
pub fn world(seed: u64, preset: Preset) -> World {
    let seed = Seed(seed);
    let plan = Plan::draw(seed, preset);
    let hosts = party::line(seed, &plan);
    World::new(seed, plan, hosts)
}
