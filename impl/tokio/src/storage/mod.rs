//! What a node keeps on disk.
//!
//! | path | what | who reads it |
//! |---|---|---|
//! | `identities/NAME.json` | an identity of this node: its change history, and the secret of its latest key | its owner |
//! | `static-keys/NAME.json` | the secret of the static key that it attests for secure channels, and the attestation | its owner |
//! | `peers/IDENTIFIER` | the newest change history known of somebody else, as it came | its owner |
//!
//! Every file is written whole under another name, then renamed; folders and files are for their owner alone.
//! Whatever is read is verified as if a stranger had sent it.

mod identities;
mod peers;
mod static_keys;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

pub use identities::{Kept, kind_name};
pub use static_keys::StaticKey;

use crate::error::{Error, Result};

/// The folder in which a node keeps what is to outlive it.
#[derive(Debug, Clone)]
pub struct Storage {
    dir: PathBuf,
}

impl Storage {
    /// What is kept in `dir`. Nothing is read or made yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps other processes from changing identities as long as what it gives is held: who reads, changes and
    /// writes would undo what another wrote between.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn lock(&self) -> Result<fs::File> {
        let path = self.folder("identities")?.join(".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|e| Error::io(format!("lock {}", path.display()), e))
    }

    /// One of the folders, made if it is not there.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|e| Error::io(format!("make the folder {}", path.display()), e))?;
        Ok(path)
    }
}

/// Where the file of this name is in `folder`.
fn named(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(folder.join(format!("{name}.json")))
}

/// Whether a file may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// What is there is replaced.
    Replaced,
    /// There must be nothing: [`ErrorKind::AlreadyExists`].
    Absent,
}

/// Writes a file that its owner alone may read, all or nothing.
fn write(path: &Path, content: &[u8], before: Before) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_private(&draft, content).and_then(|()| match before {
        Before::Replaced => fs::rename(&draft, path),
        // A link, unlike a renaming, does not replace what is there.
        Before::Absent => fs::hard_link(&draft, path),
    });
    let _ = fs::remove_file(&draft);
    written
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Reads a file; `None` when there is none.
fn read(path: &Path) -> Result<Option<zeroize::Zeroizing<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(zeroize::Zeroizing::new(text))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(format!("read {}", path.display()), e)),
    }
}

fn damaged(path: &Path, why: impl Into<String>) -> Error {
    Error::Damaged { path: path.to_owned(), why: why.into() }
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("write {}", path.display());
    move |e| Error::io(what, e)
}
