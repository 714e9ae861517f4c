//! `razor sim merge`: the shards of a campaign together.

use std::path::{Path, PathBuf};

use clap::Args;
use razor_sim::Results;

use crate::failure::{Failure, Result};

use super::{report, swarm};

/// Add up the results of the shards of one campaign
///
/// Prints the report of the whole, and exits as the whole would have; with 1 also if a shard is missing. Shards of
/// different campaigns or builds, and one that is there twice, are refused.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// What `razor sim swarm --json` wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the sum to this file, which can be merged again
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Do not mind situations that were never reached
    #[arg(long)]
    allow_unreached: bool,
}

impl Merge {
    /// Merges and reports.
    pub(super) fn run(self) -> Result {
        let mut whole: Option<Results> = None;
        for path in &self.files {
            let part = read(path)?;
            whole = Some(match whole {
                None => part,
                Some(whole) => whole.merge(part).map_err(|why| refused(path, &why))?,
            });
        }
        let Some(whole) = whole else { return Err(Failure::usage("there is nothing to merge")) };
        self.json.iter().try_for_each(|path| swarm::write(&whole, path))?;
        let holds = report::print(&whole, self.allow_unreached);
        if let Some(missing) = whole.shards.missing() {
            return Err(Failure::failed(format!(
                "not all of the campaign ran: shards {missing} of {} are missing; run them, or give their files",
                whole.shards.of
            )));
        }
        Ok(super::verdict(holds))
    }
}

fn read(path: &Path) -> Result<Results> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    Results::parse(&text).map_err(|why| refused(path, &why))
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{} cannot be merged: {why}", path.display()))
}
