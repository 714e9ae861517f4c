//! Identities on disk: one JSON file each, secrets included, readable by its owner alone.
//!
//! `DIR/identities/NAME.json`:
//!
//! ```json
//! { "version": 1, "identifier": "I…", "key": "ed25519", "secret": "64 hex digits", "change_history": "hex" }
//! ```

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use razor::identity::Identity;
use razor::vault::{SigningKind, SoftwareVault};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::failure::{Failure, Result, quoted};

/// The folder of the identities.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// An identity with the secret of its latest key.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) identity: Identity,
    pub(crate) kind: SigningKind,
    pub(crate) secret: Zeroizing<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    identifier: String,
    key: String,
    secret: String,
    change_history: String,
}

impl Drop for File {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Store {
    /// The identities in `dir`.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.join("identities") }
    }

    /// Where the identity of this name is kept.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Failure::usage(format!(
                "`{name}` cannot be a name; use up to 64 letters, digits, hyphens and underscores"
            )));
        }
        Ok(self.dir.join(format!("{name}.json")))
    }

    /// Keeps other commands from changing identities as long as what it gives is held: who reads, changes and writes
    /// would undo what another wrote between.
    pub(crate) fn lock(&self) -> Result<fs::File> {
        let path = self.dir.join(".lock");
        private_folder(&self.dir).map_err(|e| Failure::file("make the folder", &self.dir, &e))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|e| Failure::file("lock", &path, &e))
    }

    /// Reads an identity and verifies it.
    pub(crate) fn load(&self, name: &str) -> Result<Kept> {
        let path = self.path(name)?;
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(Failure::failed(format!(
                    "there is no identity `{name}` in {}; make one with `razor identity create {name}`, or choose another folder with --dir",
                    self.dir.display()
                )));
            }
            text => Zeroizing::new(text.map_err(|e| Failure::file("read", &path, &e))?),
        };
        if is_readable_by_others(&path) {
            let shown = path.display().to_string();
            eprintln!(
                "razor: {shown} holds a secret, and others can read it; `chmod 600 {}` keeps it from them",
                quoted(&shown)
            );
        }
        Self::parse(&text)
            .map_err(|why| Failure::failed(format!("{} is damaged: {why}; restore it from a copy", path.display())))
    }

    fn parse(text: &str) -> std::result::Result<Kept, String> {
        let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if file.version != 1 {
            return Err(format!("its version is {}, and this program knows version 1", file.version));
        }
        let kind = match file.key.as_str() {
            "ed25519" => SigningKind::Ed25519,
            "p256" => SigningKind::P256,
            other => return Err(format!("`{other}` is no kind of key")),
        };
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(file.secret.as_bytes(), &mut secret[..]).map_err(|_| "its secret is not 64 hex digits")?;
        let history = hex::decode(&file.change_history).map_err(|_| "its change history is not hex")?;
        let expected = file.identifier.parse().map_err(|e: razor::Error| e.to_string())?;
        let identity = Identity::import(&history, Some(&expected)).map_err(|e| e.to_string())?;
        let key = SoftwareVault::new().import_signing_key(kind, &secret).map_err(|e| e.to_string())?;
        if key != *identity.latest().key() {
            return Err("its secret is not that of its latest key".into());
        }
        Ok(Kept { identity, kind, secret })
    }

    /// Writes an identity, all or nothing. `replace` says whether one of that name must exist or must not.
    pub(crate) fn save(&self, name: &str, kept: &Kept, replace: bool) -> Result<PathBuf> {
        let path = self.path(name)?;
        private_folder(&self.dir).map_err(|e| Failure::file("make the folder", &self.dir, &e))?;
        let file = File {
            version: 1,
            identifier: kept.identity.identifier().to_string(),
            key: kind_name(kept.kind).into(),
            secret: hex::encode(&kept.secret[..]),
            change_history: hex::encode(kept.identity.export()),
        };
        let text = Zeroizing::new(serde_json::to_string_pretty(&file).map_err(|e| Failure::failed(e.to_string()))?);
        let draft = self.dir.join(format!(".{name}.{}.tmp", std::process::id()));
        let written = private_file(&draft, &text).and_then(|()| {
            // A link, unlike a renaming, does not replace what is there.
            if replace { fs::rename(&draft, &path) } else { fs::hard_link(&draft, &path) }
        });
        let _ = fs::remove_file(&draft);
        match written {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Failure::failed(format!(
                "there is an identity `{name}` already; choose another name, or change its key with `razor identity rotate {name}`"
            ))),
            written => written.map(|()| path.clone()).map_err(|e| Failure::file("write", &path, &e)),
        }
    }
}

/// The name of a kind of key.
pub(crate) const fn kind_name(kind: SigningKind) -> &'static str {
    match kind {
        SigningKind::Ed25519 => "ed25519",
        SigningKind::P256 => "p256",
    }
}

/// Whether anybody but its owner may read or change a file.
fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(path).is_ok_and(|it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()) & 0o077 != 0);
    #[cfg(not(unix))]
    return false;
}

fn private_folder(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn private_file(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
