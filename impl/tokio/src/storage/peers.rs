//! What is known of others, on disk: one file for each change history.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use razor::identity::{Identifier, Identity};

use super::{Before, Storage, cannot_write, damaged, write};
use crate::error::{Error, Result};

const FOLDER: &str = "peers";

impl Storage {
    /// The histories that are kept, of which the most recent have room in `limit` bytes. One that does not
    /// verify is an error: a peer's old key could hide behind its loss.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn load_peers(&self, limit: u64) -> Result<Vec<Identity>> {
        let load = |path: PathBuf| {
            let history = fs::read(&path).map_err(|e| Error::io(format!("read {}", path.display()), e))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let imported = name.parse().and_then(|expected: Identifier| Identity::import(&history, Some(&expected)));
            imported.map_err(|e| damaged(&path, e.to_string()))
        };
        self.prune_peers(limit)?.into_iter().map(load).collect()
    }

    /// Deletes the oldest histories, until what is left has room in `limit` bytes; gives the files that are left.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn prune_peers(&self, limit: u64) -> Result<Vec<PathBuf>> {
        let folder = self.folder(FOLDER)?;
        let cannot_read = |e| Error::io(format!("read {}", folder.display()), e);
        let mut files: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(&folder).map_err(cannot_read)? {
            let entry = entry.map_err(cannot_read)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                let data = entry.metadata().map_err(cannot_read)?;
                files.push((data.modified().map_err(cannot_read)?, entry.path(), data.len()));
            }
        }
        files.sort_by(|a, b| b.cmp(a));
        let (mut held, mut left) = (0, Vec::new());
        for (_, path, length) in files {
            held += length;
            if held <= limit {
                left.push(path);
            } else {
                fs::remove_file(&path).map_err(|e| Error::io(format!("delete {}", path.display()), e))?;
            }
        }
        Ok(left)
    }

    /// Keeps a history, in place of an older one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save_peer(&self, identifier: &Identifier, history: &[u8]) -> Result<()> {
        let path = self.folder(FOLDER)?.join(identifier.to_string());
        write(&path, history, Before::Replaced).map_err(cannot_write(&path))
    }
}
