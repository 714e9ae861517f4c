//! Which worlds: a family of plans, and a seed.

use std::path::{Path, PathBuf};

use clap::Args;
use razor_sim::plan::{Invalid, Shape, Topology};
use razor_sim::results::{PlanFile, Swarm};
use razor_sim::{Plan, Preset, Seed, Sketch};

use crate::failure::{Failure, Result, quoted};

/// A family of plans, as flags say it.
#[derive(Debug, Clone, Args)]
pub(super) struct Family {
    /// Draw from this family: calm, lossy, faults, hostile, impostors, siege or swarm. Without it, each seed belongs
    /// to one of them, in turn
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
    /// Draw only what this plan leaves open
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Lay the nodes out in this shape: line, star, tree, farm, mesh or random
    #[arg(long, value_name = "SHAPE", requires = "nodes", conflicts_with = "plan")]
    shape: Option<Shape>,
    /// So many nodes, 2 to 1000
    #[arg(long, value_name = "N", requires = "shape")]
    nodes: Option<usize>,
}

/// A seed or a plan file.
#[derive(Debug, Clone, Args)]
pub(super) struct Which {
    /// The seed of the world; or a plan file, which has its own
    #[arg(value_name = "SEED|PLAN")]
    world: String,
    #[command(flatten)]
    family: Family,
}

/// What makes the worlds of a family.
#[derive(Debug, Clone)]
pub(super) struct Source {
    family: Family,
    sketch: Sketch,
    file: Option<PlanFile>,
}

impl Which {
    /// The plan of the world.
    pub(super) fn plan(&self) -> Result<Plan> {
        if let Ok(seed) = self.world.parse() {
            return self.family.read()?.plan(seed);
        }
        let path = Path::new(&self.world);
        if !path.exists() {
            let sentence = format!("{:?} is neither a seed nor a file; seeds are 0 to {}", self.world, u64::MAX);
            return Err(Failure::usage(sentence));
        }
        if self.family.plan.is_some() || self.family.shape.is_some() {
            let sentence = format!("{:?} is a plan; --plan and --shape are for seeds", self.world);
            return Err(Failure::usage(sentence));
        }
        Family::of_file(path, self.family.preset).read()?.own_plan(None)
    }
}

impl Family {
    /// A plan file, and perhaps the preset that fills its gaps.
    pub(super) fn of_file(path: &Path, preset: Option<Preset>) -> Self {
        Self { preset, plan: Some(path.to_owned()), shape: None, nodes: None }
    }

    /// Reads what the flags name.
    pub(super) fn read(&self) -> Result<Source> {
        let (mut sketch, mut file) = (Sketch::default(), None);
        if let Some(path) = &self.plan {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(Failure::file("read", path, &error).to_string()))?;
            sketch = Sketch::parse(&text).map_err(|invalid| wrong(path, &invalid))?;
            file = Some(PlanFile::new(path.display().to_string(), &text));
        }
        sketch.preset = self.preset.or(sketch.preset);
        if let Some((shape, nodes)) = self.shape.zip(self.nodes) {
            sketch.topology = Some(Topology { shape, nodes });
        }
        Ok(Source { family: self.clone(), sketch, file })
    }
}

impl Source {
    /// The plan of a seed.
    pub(super) fn plan(&self, seed: u64) -> Result<Plan> {
        self.draw(seed).map_err(|invalid| match &self.family.plan {
            Some(path) => wrong(path, &invalid),
            None => Failure::usage(invalid.to_string()),
        })
    }

    /// The plan of a seed, for whoever knows what to say if there is none.
    pub(super) fn draw(&self, seed: u64) -> std::result::Result<Plan, Invalid> {
        let in_turn = self.file.is_none().then(|| Preset::in_turn(seed));
        Sketch { preset: self.sketch.preset.or(in_turn), ..self.sketch.clone() }.draw(Seed(seed))
    }

    /// The plan of this seed, or of the one that the plan file names.
    pub(super) fn own_plan(&self, seed: Option<u64>) -> Result<Plan> {
        self.plan(seed.or(self.sketch.seed).unwrap_or_default())
    }

    /// The worlds of these seeds.
    pub(super) fn swarm(&self, first: u64, seeds: u64) -> Swarm {
        let Family { preset, shape, nodes, .. } = self.family;
        Swarm { preset, plan: self.file.clone(), shape, nodes, first, seeds }
    }
}

/// The command that runs one of the worlds again.
pub(super) fn replay(swarm: &Swarm, seed: u64) -> String {
    let mut command = format!("razor sim replay {seed}");
    let mut add = |flag: &str, value: Option<String>| {
        value.iter().for_each(|value| command.push_str(&format!(" --{flag} {}", quoted(value))));
    };
    add("preset", swarm.preset.map(|preset| preset.to_string()));
    add("plan", swarm.plan.as_ref().map(|plan| plan.path.clone()));
    add("shape", swarm.shape.map(|shape| shape.to_string()));
    add("nodes", swarm.nodes.map(|nodes| nodes.to_string()));
    command
}

/// A plan file that is none: where, and why.
pub(super) fn wrong(path: &Path, invalid: &Invalid) -> Failure {
    Failure::usage(format!("{} is no plan: {invalid}", path.display()))
}
