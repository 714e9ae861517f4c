//! Plan files.

use std::time::Duration;

use serde::Deserialize;

use super::{Adversary, Channel, Fault, Invalid, Link, Node, Plan, Preset, Suite, Topology, units};

/// A plan with parts missing, which a seed draws: a file. An empty one leaves everything to the seed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sketch {
    /// The seed to use unless told otherwise.
    pub seed: Option<u64>,
    /// The family that what is missing is drawn from.
    pub preset: Option<Preset>,
    /// What all channels are made of.
    pub suite: Option<Suite>,
    /// How long the faults last.
    #[serde(default, with = "units::maybe_time")]
    pub faulty: Option<Duration>,
    /// How long the healed world may take.
    #[serde(default, with = "units::maybe_time")]
    pub healed: Option<Duration>,
    /// The network by its shape, instead of nodes and links.
    pub topology: Option<Topology>,
    /// The nodes; those that links name and that are not here are nodes, too.
    #[serde(rename = "node")]
    pub nodes: Option<Vec<Node>>,
    /// The links.
    #[serde(rename = "link")]
    pub links: Option<Vec<Link>>,
    /// What applications open and say.
    #[serde(rename = "channel")]
    pub channels: Option<Vec<Channel>>,
    /// What breaks. `fault = []` is nothing.
    #[serde(rename = "fault")]
    pub faults: Option<Vec<Fault>>,
    /// Who attacks. `adversary = []` is nobody.
    #[serde(rename = "adversary")]
    pub adversaries: Option<Vec<Adversary>>,
}

impl Sketch {
    /// Everything is drawn from this family.
    pub fn of(preset: Preset) -> Self {
        Self { preset: Some(preset), ..Self::default() }
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// What is wrong, and in which line, if its text is no plan.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let sketch: Self = toml::from_str(text).map_err(|error| Invalid(error.to_string().trim_end().to_owned()))?;
        let named = sketch.nodes.is_some() || sketch.links.is_some();
        if sketch.topology.is_some() && named {
            return Err(Invalid("a plan has either a topology or nodes and links".into()));
        }
        if sketch.nodes.is_some() && sketch.links.is_none() {
            return Err(Invalid("a plan that names nodes names the links between them, too".into()));
        }
        Ok(sketch)
    }
}

impl Plan {
    /// The plan as a file, from which [`Sketch::parse`] makes the same plan.
    pub fn to_toml(&self) -> String {
        // Empty lists leave no trace in TOML, and a missing list is drawn.
        let mut text = toml::to_string(self).unwrap_or_else(|error| panic!("a plan is written as TOML: {error}"));
        let empty = [
            ("channel", self.channels.is_empty()),
            ("fault", self.faults.is_empty()),
            ("adversary", self.adversaries.is_empty()),
        ];
        for (name, _) in empty.iter().filter(|(_, is_empty)| *is_empty) {
            text.insert_str(0, &format!("{name} = []\n"));
        }
        text
    }
}

impl From<Plan> for Sketch {
    fn from(plan: Plan) -> Self {
        Self {
            seed: Some(plan.seed),
            preset: Some(plan.preset),
            suite: Some(plan.suite),
            faulty: Some(plan.faulty),
            healed: Some(plan.healed),
            topology: None,
            nodes: Some(plan.nodes),
            links: Some(plan.links),
            channels: Some(plan.channels),
            faults: Some(plan.faults),
            adversaries: Some(plan.adversaries),
        }
    }
}
