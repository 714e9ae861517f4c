//! What the examples and the simulator say, where the guide shows it.

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
    simulator(root)
}

/// Runs the command in the first line of each file below `docs/output/sim`, `    $ razor sim ...`, and writes what it
/// says below it; a test of `razor-cli` compares it.
fn simulator(root: &Path) -> Outcome {
    for file in fs::read_dir(root.join("docs/output/sim"))? {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let first = text.lines().next().unwrap_or_default();
        let command = first.strip_prefix("$ razor ").ok_or_else(|| format!("{}: no command", path.display()))?;
        let mut run = Command::new("cargo");
        run.args(["run", "--release", "--quiet", "--package", "razor-cli", "--"]).args(command.split(' '));
        let ran = run.current_dir(root).stderr(Stdio::inherit()).output()?;
        fs::write(&path, [first.as_bytes(), b"\n", &ran.stdout].concat())?;
    }
    Ok(())
}
