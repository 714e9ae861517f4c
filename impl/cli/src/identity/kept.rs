//! Identities that are kept on this machine.

use std::path::Path;

use razor_tokio::storage::{Kept, Storage};

use crate::failure::{Result, quoted};
use crate::os;

/// What is kept in `dir`, or in the usual folder.
pub(crate) fn storage(dir: Option<&Path>) -> Result<Storage> {
    Ok(match dir {
        Some(dir) => Storage::at(dir),
        None => Storage::at(os::data_dir()?),
    })
}

/// Reads an identity; warns when others can read it, too.
pub(crate) fn load(storage: &Storage, name: &str) -> Result<Kept> {
    let kept = storage.load_identity(name)?;
    let path = storage.identity_path(name)?;
    if is_readable_by_others(&path) {
        let shown = path.display().to_string();
        eprintln!(
            "razor: {shown} holds a secret, and others can read it; `chmod 600 {}` keeps it from them",
            quoted(&shown)
        );
    }
    Ok(kept)
}

/// Whether anybody but its owner may read or change a file.
fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(path)
        .is_ok_and(|it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()) & 0o077 != 0);
    #[cfg(not(unix))]
    return false;
}
