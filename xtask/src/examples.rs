//! What the examples say, where the guide shows it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;

/// Runs every example and writes its output; a test of `razor-tokio` compares it.
pub(crate) fn write(root: &Path) -> Outcome {
    let output = root.join("docs/output");
    fs::create_dir_all(&output)?;
    for file in fs::read_dir(root.join("impl/tokio/examples"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default();
        let mut run = Command::new("cargo");
        run.args(["run", "--quiet", "--package", "razor-tokio", "--example"]).arg(name);
        let ran = run.stderr(Stdio::inherit()).output()?;
        if !ran.status.success() {
            return Err(format!("{run:?}: {}", ran.status).into());
        }
        fs::write(output.join(name).with_extension("txt"), ran.stdout)?;
    }
    Ok(())
}
