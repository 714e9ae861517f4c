//! How much of the core the seeds of the fuzz targets cover, and a ratchet that keeps it from falling.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::corpus::Corpus;
use crate::{Outcome, rustc, succeed};

/// The committed share.
const RATCHET: &str = "fuzz/coverage.json";

/// What is measured, and what of it is not: the targets themselves.
const MEASURED: (&str, &str) = ("impl/core/src/", "impl/core/src/fuzzing/");

/// Where it is built and measured.
const BUILD: &str = "target/coverage";

/// Gives every seed in the archive to its target.
pub(crate) fn replay(root: &Path) -> Outcome {
    let corpus = Corpus::read(root)?;
    for (name, target) in razor::fuzzing::TARGETS {
        let mut count = 0;
        for (_, _, bytes) in corpus.of(name) {
            target(bytes);
            count += 1;
        }
        println!("{name}: {count} seeds");
    }
    Ok(())
}

/// Regions of source code: how many there are, and how many were run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Regions {
    all: u64,
    covered: u64,
}

impl Regions {
    /// Adds up a summary of llvm-cov.
    fn read(summary: &Value, root: &Path) -> Option<Self> {
        let mut regions = Self::default();
        for file in summary["data"][0]["files"].as_array()? {
            let name = Path::new(file["filename"].as_str()?);
            let name = name.strip_prefix(root).unwrap_or(name).to_str()?;
            if name.starts_with(MEASURED.0) && !name.starts_with(MEASURED.1) {
                let summary = &file["summary"]["regions"];
                regions.all += summary["count"].as_u64()?;
                regions.covered += summary["covered"].as_u64()?;
            }
        }
        (regions.all > 0).then_some(regions)
    }

    /// In hundredths of a per cent, rounded down.
    fn share(self) -> u64 {
        self.covered * 10_000 / self.all
    }
}

fn percent(share: u64) -> String {
    format!("{}.{:02} %", share / 100, share % 100)
}

/// Measures, and compares with what is committed: whole per cents, so that not every new line moves it.
pub(crate) fn measure(root: &Path, check: bool, update: bool) -> Outcome {
    let regions = run(root)?;
    let now = regions.share() / 100;
    let committed: Value = serde_json::from_str(&fs::read_to_string(root.join(RATCHET))?)?;
    let committed = committed["percent"].as_u64().ok_or("the committed share is no number")?;
    println!("{} of {} regions of the core, {}", regions.covered, regions.all, percent(regions.share()));
    if check && now < committed {
        return Err(
            format!("that is less than the committed {committed} %: add seeds, or say why and commit less").into()
        );
    }
    if update && now > committed {
        fs::write(root.join(RATCHET), format!("{}\n", json!({ "percent": now })))?;
    }
    Ok(())
}

/// Builds this program with counters, lets it replay the seeds, and reads the counters.
fn run(root: &Path) -> Result<Regions, Box<dyn std::error::Error>> {
    let build = root.join(BUILD);
    let profile = build.join("replay.profraw");
    // Build scripts have counters as well; theirs are for nothing.
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--quiet", "--locked", "--package", "xtask", "--target-dir", BUILD]);
    succeed(cargo.env("RUSTFLAGS", "-C instrument-coverage").env("LLVM_PROFILE_FILE", build.join("build.profraw")))?;
    let program = build.join("debug/xtask");
    succeed(Command::new(&program).arg("replay").env("LLVM_PROFILE_FILE", &profile))?;
    let merged = build.join("replay.profdata");
    succeed(Command::new(llvm("llvm-profdata")?).args(["merge", "-sparse", "-o"]).args([&merged, &profile]))?;
    let mut export = Command::new(llvm("llvm-cov")?);
    export.args(["export", "-summary-only"]).arg(&program).arg("-instr-profile").arg(&merged);
    let output = export.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let regions = Regions::read(&serde_json::from_slice(&output.stdout)?, root);
    regions.ok_or_else(|| "llvm-cov gave no regions of the core".into())
}

/// A tool of the compiler's LLVM: rustup's, or Debian's of the same major version.
fn llvm(tool: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let version = rustc("LLVM version")?;
    let major = version.split('.').next().unwrap_or_default();
    let sysroot = String::from_utf8(Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout)?;
    let places = [
        Path::new(sysroot.trim()).join("lib/rustlib").join(rustc("host")?).join("bin").join(tool),
        Path::new("/usr/lib").join(format!("llvm-{major}")).join("bin").join(tool),
    ];
    let found = places.iter().find(|place| place.exists());
    Ok(found
        .ok_or_else(|| format!("no {tool} of LLVM {major}: rustup's llvm-tools or Debian's rust-web-llvm have it"))?
        .clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_the_core_without_its_targets() {
        let file = |name: &str, count: u64, covered: u64| {
            let regions = json!({ "count": count, "covered": covered });
            json!({ "filename": name, "summary": { "regions": regions } })
        };
        let files = [
            file("/r/impl/core/src/lib.rs", 30, 20),
            file("/r/impl/core/src/channel/keys.rs", 3, 2),
            file("/r/impl/core/src/fuzzing/mod.rs", 50, 50),
            file("/r/xtask/src/main.rs", 50, 0),
        ];
        let regions = Regions::read(&json!({ "data": [{ "files": files }] }), Path::new("/r")).unwrap();
        assert_eq!(regions, Regions { all: 33, covered: 22 });
        assert_eq!((regions.share(), percent(regions.share()).as_str()), (6666, "66.66 %"));
        assert_eq!(Regions::read(&json!({ "data": [{ "files": [] }] }), Path::new("/r")), None);
    }
}
