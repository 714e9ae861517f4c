//! On what was measured, and with which versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Options;

/// The libraries whose versions the report gives.
const LIBRARIES: [&str; 10] =
    ["aes-gcm", "aws-lc-rs", "criterion", "ed25519-dalek", "gungraun", "hmac", "sha2", "snow", "tokio", "x25519-dalek"];

/// The machine, the versions, and what else went on.
pub(super) struct Machine(Value);

impl Machine {
    /// Describes this machine; `before` is its load when the measurements began.
    pub(super) fn describe(
        root: &Path,
        before: Option<f64>,
        options: &Options,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let cores = std::thread::available_parallelism()?.get();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let lock = fs::read_to_string(root.join("Cargo.lock"))?;
        let libraries = LIBRARIES.iter().filter_map(|name| Some(((*name).to_owned(), versions(&lock, name)?.into())));
        Ok(Self(json!({
            "processor": model.map_or("unknown", |(_, model)| model),
            "cores": cores,
            "target": crate::rustc("host")?,
            "rustc": crate::rustc("release")?,
            "commit": said("git", &["describe", "--always", "--dirty"]),
            "valgrind": said("valgrind", &["--version"]),
            "libraries": libraries.collect::<serde_json::Map<_, _>>(),
            "quick": options.quick,
            "AWS-LC": options.aws_lc,
            "load before": before,
            "load after": load(),
        })))
    }

    /// As it was written.
    pub(super) fn read(json: Value) -> Self {
        Self(json)
    }

    pub(super) fn json(&self) -> Value {
        self.0.clone()
    }

    /// The same for readers, and a warning if something else kept the machine busy.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = |key: &str| self.0[key].as_str().unwrap_or("unknown").to_owned();
        let libraries = self.0["libraries"].as_object().into_iter().flatten();
        let libraries = libraries.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()));
        let mut lines = vec![
            format!("{}, {} cores, {}", text("processor"), self.0["cores"], text("target")),
            format!("razor {}, rustc {}, {}", text("commit"), text("rustc"), text("valgrind")),
            libraries.collect::<Vec<_>>().join(", "),
        ];
        let (load, cores) = (self.0["load before"].as_f64(), self.0["cores"].as_f64());
        if let (Some(load), Some(cores)) = (load, cores)
            && load > cores / 2.0
        {
            lines.push(format!(
                "DISTURBED: the load was {load} on {cores} cores before anything was measured. Times are too long; \
                 ratios are rough; instructions, memory and allocations are right."
            ));
        }
        if self.0["AWS-LC"] == true {
            lines.push("The channels over TCP use AWS-LC.".into());
        }
        if self.0["quick"] == true {
            lines.push("Quick: few samples were taken.".into());
        }
        lines
    }
}

/// The load of the machine over the last minute, where the system tells it.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The versions of a package in the lock file, the newest first.
fn versions(lock: &str, name: &str) -> Option<String> {
    let head = format!("name = \"{name}\"\nversion = \"");
    let versions = lock.split(&head).skip(1).filter_map(|rest| rest.split('"').next());
    let versions: Vec<_> = versions.collect::<Vec<_>>().into_iter().rev().collect();
    (!versions.is_empty()).then(|| versions.join(" and "))
}

/// What a command prints, if it can be run.
fn said(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
