//! `razor identity`: creates, rotates, shows and verifies identities.

mod kept;
mod show;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use razor::env::{Entropy, Purpose};
use razor::identity::{Identity, IdentityDraft, NewKey};
use razor::vault::{SigningKind, SoftwareVault, VerifyingKey};
use razor_tokio::storage::{Kept, kind_name};
use zeroize::Zeroizing;

use crate::failure::{Failure, Result};
use crate::os::{self, OsEntropy};

pub(crate) use kept::{load, storage};

/// Create, rotate, show and verify identities
///
/// Identities made here are kept in files that only their owner can read, one for each name:
/// DIR/identities/NAME.json, secret included. DIR is the folder `razor` in the user's data folder
/// ($XDG_DATA_HOME or ~/.local/share) unless --dir names another.
#[derive(Debug, Args)]
pub(crate) struct IdentityCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an identity with a new key
    Create(Create),
    /// Change an identity's key: the old and the new key both sign the change
    Rotate(Create),
    /// Print an identity that is kept here
    Show(show::Show),
    /// Verify anybody's change history
    Verify(verify::Verify),
}

#[derive(Debug, Args)]
struct Create {
    /// Its name on this machine
    #[arg(default_value = "default")]
    name: String,
    /// Make an ECDSA P-256 key instead of an Ed25519 key
    #[arg(long)]
    p256: bool,
    /// Keep identities in this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl IdentityCommand {
    /// Does what the command says.
    pub(crate) fn run(self) -> Result {
        match self.command {
            Command::Create(command) => command.create(),
            Command::Rotate(command) => command.rotate(),
            Command::Show(command) => command.run(),
            Command::Verify(command) => command.run(),
        }
    }
}

impl Create {
    fn create(self) -> Result {
        let mut vault = SoftwareVault::new();
        let (kind, secret, key) = self.key(&mut vault)?;
        let identity = IdentityDraft::create(&NewKey::starting(key, os::now())).sign_with(&vault).map_err(internal)?;
        let kept = Kept { identity, kind, secret };
        let path = storage(self.dir.as_deref())?.add_identity(&self.name, &kept)?;
        self.print(&kept, &path)
    }

    fn rotate(self) -> Result {
        let storage = storage(self.dir.as_deref())?;
        let _alone = storage.lock()?;
        let old = load(&storage, &self.name)?;
        let mut vault = SoftwareVault::new();
        vault.import_signing_key(old.kind, &old.secret).map_err(internal)?;
        let (kind, secret, key) = self.key(&mut vault)?;
        let identity = IdentityDraft::rotate(&old.identity, &NewKey::starting(key, os::now()))
            .and_then(|draft| draft.sign_with(&vault))
            .map_err(|e| {
                Failure::failed(format!(
                    "the key could not be changed: {e}; is the clock right, and is the file a whole copy?"
                ))
            })?;
        let kept = Kept { identity, kind, secret };
        let path = storage.replace_identity(&self.name, &kept)?;
        self.print(&kept, &path)
    }

    /// Makes a key. The secret is drawn here and not by the vault, which never gives one out.
    fn key(&self, vault: &mut SoftwareVault) -> Result<(SigningKind, Zeroizing<[u8; 32]>, VerifyingKey)> {
        let kind = if self.p256 { SigningKind::P256 } else { SigningKind::Ed25519 };
        let mut secret = Zeroizing::new([0; 32]);
        // One string in 2^32 is no P-256 scalar.
        for _ in 0..16 {
            OsEntropy.fill(Purpose::LongTermKey, &mut secret[..]);
            if let Ok(key) = vault.import_signing_key(kind, &secret) {
                return Ok((kind, secret, key));
            }
        }
        Err(Failure::failed("the operating system's randomness gives no usable key; do not use this machine for keys"))
    }

    fn print(&self, kept: &Kept, path: &Path) -> Result {
        show::print(&kept.identity, self.json)?;
        if !self.json {
            crate::outln!("kept in {}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn internal(error: razor::Error) -> Failure {
    Failure::failed(format!("the identity could not be made: {error}; please report this"))
}

/// The name of a key's kind.
fn key_kind(key: &VerifyingKey) -> &'static str {
    kind_name(match key {
        VerifyingKey::Ed25519(_) => SigningKind::Ed25519,
        VerifyingKey::P256(_) => SigningKind::P256,
    })
}

/// Reads and verifies a history given as hex, a file or standard input.
fn import(what: &str, expected: Option<&razor::identity::Identifier>) -> Result<Identity> {
    let bytes = crate::input::file_or_argument(what)?;
    Identity::import(&bytes, expected).map_err(|e| {
        Failure::failed(format!(
            "this is not a valid identity: {e}; `razor decode --as identity` shows its fields, and the requirement is in the chapter \"Identities\" of the specification"
        ))
    })
}
