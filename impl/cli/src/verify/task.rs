//! What there is to verify.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use razor_sim::{Campaign, Preset, Situation};
use razor_vectors::captures::{self, Recording};
use razor_vectors::{Options, Progress, Row, Section};

use crate::failure::{Failure, Result};

/// One thing to verify.
#[derive(Debug)]
pub(super) enum Task {
    /// Vectors, and live peers.
    Section(&'static Section),
    /// A recording from a file.
    Recording { path: PathBuf, recording: Box<Recording> },
    /// Worlds with a hostile middle: so many of each kind, with seeds from `first`.
    Worlds { first: u64, worlds: u64 },
}

/// The source of worlds in the report.
const SIMULATION: &str = "simulation";

/// Fewer worlds of each kind than this need not reach every situation.
const ENOUGH: u64 = 100;

/// Everything that is part of the program, in the order of the report.
pub(super) fn all() -> Vec<Task> {
    razor_vectors::sections().iter().map(Task::Section).collect()
}

impl Task {
    /// Reads a recording.
    pub(super) fn recording(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
        let recording = Recording::parse(&text).map_err(|why| {
            Failure::failed(format!(
                "{} cannot be replayed: {why}; the format is that of vectors/production/production-captures.json",
                path.display()
            ))
        })?;
        Ok(Self::Recording { path: path.into(), recording: Box::new(recording) })
    }

    /// The name that `--only` takes.
    pub(super) fn selector(&self) -> String {
        match self {
            Task::Section(section) => format!("{}/{}", section.source, section.name),
            Task::Recording { path, .. } => format!("{}/captures", source(path)),
            Task::Worlds { .. } => format!("{SIMULATION}/worlds"),
        }
    }

    /// One line about it.
    pub(super) fn about(&self) -> &str {
        match self {
            Task::Section(section) => section.about,
            Task::Recording { .. } => "a recording from a file",
            Task::Worlds { .. } => "worlds of real nodes with a hostile one in the middle",
        }
    }

    /// Whether `--only name` selects it.
    pub(super) fn selected_by(&self, name: &str) -> bool {
        match self {
            Task::Section(section) => section.selected_by(name),
            Task::Recording { path, .. } => {
                name == "captures" || name == source(path) || name == format!("{}/captures", source(path))
            }
            Task::Worlds { .. } => [SIMULATION, "worlds", "simulation/worlds"].contains(&name),
        }
    }

    /// Checks it.
    pub(super) fn run(self, options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
        match self {
            Task::Section(section) => section.run(options, progress),
            Task::Recording { path, recording } => captures::check(&source(&path), &recording, progress),
            Task::Worlds { first, worlds } => run_worlds(first, worlds, progress),
        }
    }
}

/// One row for each kind of world, and one for what they ought to have reached together: the worlds that
/// `razor sim swarm` runs, so many of each kind.
fn run_worlds(first: u64, worlds: u64, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    let mut whole = Campaign::default();
    let mut failed: BTreeMap<Preset, Vec<_>> = BTreeMap::new();
    let total = worlds.saturating_mul(Preset::ALL.len() as u64);
    for seed in (0..total).map(|n| first.wrapping_add(n)) {
        let preset = Preset::in_turn(seed);
        let report = razor_sim::drawn(seed, preset).run();
        if let Some(violation) = report.violations.first() {
            let sentence = format!("{violation}; see `{}`", report.command());
            failed.entry(preset).or_default().push(razor_vectors::Failure { case: format!("seed {seed}"), sentence });
        }
        whole.add(&report);
        progress(Progress { done: whole.worlds as usize, total: total as usize });
    }
    let of = |preset: &Preset| whole.presets.get(preset).map_or(0, |worlds| *worlds as usize);
    let kind = |preset| row(format!("{preset} worlds"), of(&preset), failed.remove(&preset).unwrap_or_default());
    let mut rows: Vec<_> = Preset::ALL.into_iter().map(kind).collect();
    if worlds >= ENOUGH {
        let never = whole.missing(Situation::ALL).into_iter();
        let failed = never.map(|situation| razor_vectors::Failure {
            case: situation.to_string(),
            sentence: "no world reached it, so that they prove too little".into(),
        });
        rows.push(row("situations reached".into(), Situation::ALL.len(), failed.collect()));
    }
    rows
}

fn row(group: String, checked: usize, failed: Vec<razor_vectors::Failure>) -> Row {
    Row { source: SIMULATION.into(), group, checked, failed, not_yet: vec![], outside: vec![] }
}

/// A recording's source in the report: its file's name.
fn source(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
