//! Which worlds: a family of plans, and a seed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use razor_sim::plan::{Invalid, Shape, Topology};
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

impl Which {
    /// The plan of the world.
    pub(super) fn plan(&self) -> Result<Plan> {
        let Ok(seed) = self.world.parse() else {
            if self.family.plan.is_some() {
                let sentence = format!("{:?} is no seed, and a plan is given with --plan already", self.world);
                return Err(Failure::usage(sentence));
            }
            let family = Family { plan: Some(PathBuf::from(&self.world)), ..self.family.clone() };
            return family.read()?.own_plan(None);
        };
        self.family.read()?.plan(seed)
    }
}

/// A family of plans: a sketch, and whether the seed says which preset fills it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    sketch: Sketch,
    in_turn: bool,
    path: Option<PathBuf>,
    /// The flags that name this family.
    flags: String,
}

impl Family {
    /// A plan file, and perhaps the preset that fills its gaps.
    pub(super) fn of_file(path: &Path, preset: Option<Preset>) -> Self {
        Self { preset, plan: Some(path.to_owned()), shape: None, nodes: None }
    }

    /// Reads what the flags name.
    pub(super) fn read(&self) -> Result<Source> {
        let mut sketch = Sketch::default();
        let mut flags = String::new();
        if let Some(path) = &self.plan {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
            sketch = Sketch::parse(&text).map_err(|invalid| wrong(path, &invalid))?;
            let _ = write!(flags, " --plan {}", quoted(&path.display().to_string()));
        }
        if let Some(preset) = self.preset {
            sketch.preset = Some(preset);
            let _ = write!(flags, " --preset {preset}");
        }
        if let (Some(shape), Some(nodes)) = (self.shape, self.nodes) {
            sketch.topology = Some(Topology { shape, nodes });
            let _ = write!(flags, " --shape {shape} --nodes {nodes}");
        }
        let in_turn = self.plan.is_none() && self.preset.is_none();
        Ok(Source { sketch, in_turn, path: self.plan.clone(), flags })
    }
}

impl Source {
    /// The plan of a seed.
    pub(super) fn plan(&self, seed: u64) -> Result<Plan> {
        let mut sketch = self.sketch.clone();
        if self.in_turn {
            sketch.preset = Some(Preset::in_turn(seed));
        }
        sketch.draw(Seed(seed)).map_err(|invalid| match &self.path {
            Some(path) => wrong(path, &invalid),
            None => Failure::usage(invalid.to_string()),
        })
    }

    /// The plan of this seed, or of the one that the plan file names.
    pub(super) fn own_plan(&self, seed: Option<u64>) -> Result<Plan> {
        self.plan(seed.or(self.sketch.seed).unwrap_or_default())
    }

    /// The command that runs the world of `seed` again.
    pub(super) fn command(&self, seed: u64) -> String {
        format!("razor sim replay {seed}{}", self.flags)
    }
}

/// A plan file that is none: where, and why.
fn wrong(path: &Path, invalid: &Invalid) -> Failure {
    Failure::usage(format!("{} is no plan: {invalid}", path.display()))
}
