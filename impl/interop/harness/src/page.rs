//! What came of a whole run, for the guide.

use std::fs;
use std::io;
use std::process::Command;

use crate::Run;

/// The folder of the guide, from the workspace.
const GUIDE: &str = "../../docs";

/// Writes the pages that the chapter includes.
pub(crate) fn write(run: &Run) -> io::Result<()> {
    let rustc = Command::new("rustc").arg("--version").output()?;
    let rustc = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
    let head = format!(
        "<!-- Written by `cargo interop --write`. -->\n\nRazor {}, built by {rustc}; seed {}.\n\n",
        env!("CARGO_PKG_VERSION"),
        run.seed
    );
    let mut looser = String::from(
        "<!-- Written by `cargo interop --write`. -->\n\n| what is sent | requirement | by the |\n|---|---|---|\n",
    );
    // Both parts of one deed stand beside each other.
    for found in run.looser.chunk_by(|one, next| one.sentence == next.sentence) {
        let by: Vec<&str> = found.iter().map(|it| it.part.word()).collect();
        looser.push_str(&format!("| {} | {} | {} |\n", found[0].sentence, found[0].requirement, by.join(", ")));
    }
    let guide = run.root.join(GUIDE);
    fs::write(guide.join("interop-looser.md"), looser)?;
    fs::write(guide.join("interop-table.md"), format!("{head}{}", run.table.markdown()))
}
