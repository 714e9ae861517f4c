//! Builds and installs the peers, below the workspace's target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::table::{Outcome, Stop};

/// How long a build may take: production takes about ten minutes of processor time.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Builds a package of this workspace with these features and gives its program. Programs of one package with other
/// features lie beside each other.
pub(crate) async fn package(root: &Path, package: &str, features: &[&str]) -> Outcome<PathBuf> {
    eprintln!("building {package} {}", features.join(" "));
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--quiet", "--locked", "--package", package]);
    cargo.args(["--features", &features.join(",")]);
    // Whatever the caller of this has set, the other builds lie here.
    cargo.args(["--target-dir", "target"]);
    run(cargo).await?;
    let built = root.join("target/debug").join(package);
    let program = root.join("target/peers").join([&[package], features].concat().join("-"));
    std::fs::create_dir_all(root.join("target/peers"))?;
    // Under another name first: an older one may be running.
    let draft = program.with_extension("new");
    std::fs::copy(&built, &draft).map_err(|e| format!("{}: {e}", built.display()))?;
    std::fs::rename(&draft, &program)?;
    Ok(program)
}

/// Builds the command `razor`, which is of the other workspace, and gives its program.
pub(crate) async fn razor(root: &Path) -> Outcome<PathBuf> {
    let other = root.join("../..");
    eprintln!("building razor");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&other).args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "razor-cli",
        "--target-dir",
        "target",
    ]);
    run(cargo).await?;
    Ok(other.join("target/debug/razor"))
}

/// An interpreter that has this package in this version. It is installed if it is not there.
pub(crate) async fn python(root: &Path, package: &str, version: &str) -> Outcome<PathBuf> {
    let folder = root.join("target/python").join(format!("{package}-{version}"));
    let (python, done) = (folder.join("bin/python"), folder.join("installed"));
    if !done.exists() {
        eprintln!("installing {package} {version} from PyPI");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        run(venv).await?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.arg(format!("{package}=={version}"));
        run(pip).await?;
        std::fs::write(&done, "")?;
    }
    Ok(python)
}

/// Runs a command to its end; its last words are the reason if it fails.
async fn run(mut command: Command) -> Outcome<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.map_err(|_| format!("{name} does not end"))?;
    let output = output.map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // What a library's own source says that it cannot do, when it is built so.
    let own_words = |line: &&str| line.starts_with("error: ") && line.ends_with(" is not supported yet");
    if let Some(line) = said.lines().find(own_words) {
        return Err(Stop::unsupported(format!(
            "its source refuses to be built so: `{}`",
            line.replacen("error: ", "", 1)
        )));
    }
    let last: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).take(3).collect();
    Err(format!("{name}: {}: {}", output.status, last.join("; ")).into())
}
