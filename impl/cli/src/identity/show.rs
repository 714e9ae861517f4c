//! `razor identity show`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use razor::identity::Identity;
use serde::Serialize;

use crate::failure::{Failure, Result};

/// An identity of this machine, to be shown.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its name on this machine
    #[arg(default_value = "default")]
    name: String,
    /// The folder where identities are kept
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "export")]
    json: bool,
    /// Print only the change history, to give to others
    #[arg(long, value_name = "FORM")]
    export: Option<Export>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Export {
    /// Hexadecimal digits
    Hex,
}

impl Show {
    pub(super) fn run(self) -> Result {
        let kept = super::load(&super::storage(self.dir.as_deref())?, &self.name)?;
        match self.export {
            Some(Export::Hex) => crate::outln!("{}", hex::encode(kept.identity.export())),
            None => print(&kept.identity, self.json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The JSON form of a verified identity.
#[derive(Serialize)]
pub(super) struct Shown {
    identifier: String,
    change_history: String,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    hash: String,
    previous: Option<String>,
    key: &'static str,
    public_key: String,
    attestations_valid_from: u64,
    attestations_valid_until: u64,
    revoke_all_purpose_keys: bool,
}

impl Shown {
    pub(super) fn of(identity: &Identity) -> Self {
        Self {
            identifier: identity.identifier().to_string(),
            change_history: hex::encode(identity.export()),
            changes: identity.changes().map(Change::of).collect(),
        }
    }
}

impl Change {
    fn of(change: &razor::identity::Change) -> Self {
        let data = change.data();
        Self {
            hash: change.hash().to_string(),
            previous: data.previous.map(|hash| hash.to_string()),
            key: super::key_kind(&data.key),
            public_key: hex::encode(data.key.as_bytes()),
            attestations_valid_from: data.valid_from.0,
            attestations_valid_until: data.valid_until.0,
            revoke_all_purpose_keys: data.revoke_all_purpose_keys,
        }
    }
}

/// Prints JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::failed(e.to_string()))?;
    crate::outln!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Prints a verified identity.
pub(super) fn print(identity: &Identity, json: bool) -> Result<()> {
    let shown = Shown::of(identity);
    if json {
        return print_json(&shown).map(drop);
    }
    crate::outln!("identifier  {}", shown.identifier);
    crate::outln!("history     {} bytes, {} change(s)", identity.export().len(), shown.changes.len());
    for (i, change) in shown.changes.iter().enumerate() {
        crate::outln!("change {}    {}", i + 1, change.hash);
        crate::outln!("  key       {} {}", change.key, change.public_key);
        crate::outln!(
            "  attests   from {} until {} (seconds since 1970)",
            change.attestations_valid_from,
            change.attestations_valid_until
        );
        if change.revoke_all_purpose_keys {
            crate::outln!("  revokes   all purpose keys attested before");
        }
    }
    Ok(())
}
