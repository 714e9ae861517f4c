//! The libraries, and how their peers are built.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::build;
use crate::child::Child;
use crate::table::Outcome;

/// A library.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    kind: Kind,
}

enum Kind {
    /// A package of this workspace.
    Rust(&'static str),
    /// A package of PyPI, and the script that uses it.
    Python(&'static str),
}

pub(super) const PEERS: [Peer; 2] = [
    Peer { name: "snow", version: "0.10.0", kind: Kind::Rust("snow-peer") },
    Peer { name: "noiseprotocol", version: "0.3.1", kind: Kind::Python("python/noise_peer.py") },
];

/// What is started for each session.
#[derive(Debug, Clone)]
pub(super) struct Program {
    program: PathBuf,
    script: Option<PathBuf>,
}

impl Program {
    pub(super) fn start(&self) -> Outcome<Child> {
        let script: Vec<&OsStr> = self.script.iter().map(|path| path.as_os_str()).collect();
        Child::start(&self.program, &script)
    }
}

impl Peer {
    /// Builds or installs what is missing.
    pub(super) async fn build(&self, root: &Path) -> Outcome<Program> {
        match self.kind {
            Kind::Rust(package) => {
                let program = build::package(root, package, &[]).await?;
                Ok(Program { program, script: None })
            }
            Kind::Python(script) => {
                let python = build::python(root, self.name, self.version).await?;
                Ok(Program { program: python, script: Some(root.join(script)) })
            }
        }
    }
}
