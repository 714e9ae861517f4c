//! Runs the benchmarks and reads what they measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Options;
use super::machine::Machine;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The benchmarks that take times.
const TIMED: [&str; 5] = ["channel", "node", "primitives", "simulator", "tcp"];

/// What was measured, by name.
#[derive(Default)]
pub(super) struct Measures {
    numbers: BTreeMap<String, f64>,
    /// What could not be measured, and why.
    pub(super) missing: Vec<String>,
}

impl Measures {
    /// Runs all benchmarks.
    pub(super) fn take(root: &Path, folder: &Path, options: &Options) -> Fallible<Self> {
        let mut measures = Self::default();
        // Of earlier runs nothing may be left: a benchmark that is gone would still be reported.
        let criterion = folder.join("criterion");
        if criterion.exists() {
            fs::remove_dir_all(&criterion)?;
        }
        let mut times = cargo_bench(root, &TIMED, options);
        times.env("CRITERION_HOME", &criterion).arg("--").args(options.quick.then_some("--quick"));
        crate::succeed(&mut times)?;
        measures.times(&criterion)?;
        if let (Some(none), Some(ten)) = (measures.get("node/hops/0"), measures.get("node/hops/10")) {
            measures.numbers.insert("node/each hop".into(), (ten - none) / 10.0);
        }
        measures.memory(&output(&mut cargo_bench(root, &["memory"], options))?)?;
        let mut instructions = cargo_bench(root, &["instructions"], options);
        match output(instructions.env("GUNGRAUN_OUTPUT_FORMAT", "json")) {
            Ok(lines) => measures.instructions(&lines)?,
            Err(error) => measures.missing.push(format!(
                "Instructions were not counted: {error}. They take valgrind, and gungraun-runner in the version of the \
                 library: cargo install gungraun-runner --version <it>."
            )),
        }
        Ok(measures)
    }

    /// The number of that name.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.numbers.get(name).copied()
    }

    /// Writes down what was measured, for [`read`](Self::read).
    pub(super) fn keep(&self, folder: &Path, machine: &Machine) -> Fallible<()> {
        let all = json!({ "machine": machine.json(), "numbers": self.numbers, "missing": self.missing });
        Ok(fs::write(folder.join("measured.json"), format!("{all:#}\n"))?)
    }

    /// What was measured last.
    pub(super) fn read(folder: &Path) -> Fallible<(Machine, Self)> {
        let mut all: Value = serde_json::from_slice(&fs::read(folder.join("measured.json"))?)?;
        let measures = Self {
            numbers: serde_json::from_value(all["numbers"].take())?,
            missing: serde_json::from_value(all["missing"].take())?,
        };
        Ok((Machine::read(all["machine"].take()), measures))
    }

    /// The medians of criterion, in nanoseconds: `group/function/parameter`.
    fn times(&mut self, folder: &Path) -> Fallible<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.ends_with("new") {
                let benchmark = json_of(&path.join("benchmark.json"))?;
                let name = benchmark["full_id"].as_str().ok_or("a benchmark without a name")?;
                let estimates = json_of(&path.join("estimates.json"))?;
                let median = estimates["median"]["point_estimate"].as_f64().ok_or("a benchmark without a median")?;
                self.numbers.insert(name.to_owned(), median);
            } else if path.is_dir() {
                self.times(&path)?;
            }
        }
        Ok(())
    }

    /// What the benchmark `memory` prints.
    fn memory(&mut self, printed: &str) -> Fallible<()> {
        let numbers: BTreeMap<String, f64> = serde_json::from_str(printed)?;
        self.numbers.extend(numbers);
        Ok(())
    }

    /// What gungraun prints, a benchmark in each line: `instructions/function/id`.
    fn instructions(&mut self, printed: &str) -> Fallible<()> {
        for line in printed.lines().filter(|line| line.starts_with('{')) {
            let benchmark: Value = serde_json::from_str(line)?;
            let name = |key: &str| benchmark[key].as_str().unwrap_or_default();
            let name = format!("instructions/{}/{}", name("function_name"), name("id"));
            let count = find(&benchmark["profiles"], "Ir").and_then(first_number).ok_or("no instructions")?;
            self.numbers.insert(name, count);
        }
        Ok(())
    }
}

fn cargo_bench(root: &Path, names: &[&str], options: &Options) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["bench", "--package", "razor-benches"]);
    command.args(options.aws_lc.then_some("--features=aws-lc"));
    command.args(names.iter().flat_map(|name| ["--bench", name]));
    command
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Fallible<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo bench: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn json_of(path: &Path) -> Fallible<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The first value under that key, however deep.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(key).or_else(|| fields.values().find_map(|value| find(value, key))),
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

fn first_number(value: &Value) -> Option<f64> {
    match value {
        Value::Object(fields) => fields.values().find_map(first_number),
        Value::Array(values) => values.iter().find_map(first_number),
        value => value.as_f64(),
    }
}
