//! Names the build: its version, and the commit of its sources, so that whoever reads a result finds them.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RAZOR_COMMIT");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // Sources that change, and commits, make another name.
    for folder in ["impl", "sim", "vectors", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    if let Some(log) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = std::env::var("RAZOR_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| git(&["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]));
    let commit = commit.map_or(String::new(), |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=RAZOR_BUILD={}{commit}", env!("CARGO_PKG_VERSION"));
}
