//! Runs the fuzz targets round robin, and says what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};

use crate::corpus::{Corpus, WORKING};
use crate::{Outcome, rustc, succeed};

/// The longest slice of one target before the next has its turn.
const SLICE: Duration = Duration::from_secs(60);

/// The shortest: libFuzzer counts in seconds, and stops when one more has begun.
const LEAST: Duration = Duration::from_secs(2);

/// How often a waiting job looks whether a target is free.
const PAUSE: Duration = Duration::from_millis(200);

/// What an input may have: bytes, seconds, and megabytes of memory.
pub(crate) const LIMITS: [&str; 3] = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=1024"];

/// How long, which targets, on how many cores.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long to fuzz, all targets together; building comes on top
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How many targets run at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only this target; may be given several times
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    /// The core forbids unsafe code, so none is the default, which is several times faster
    #[arg(long, value_enum, default_value_t = Sanitizer::None)]
    sanitizer: Sanitizer,
}

/// What watches over memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sanitizer {
    /// Nothing.
    None,
    /// AddressSanitizer.
    Address,
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Address => "address",
        }
    }
}

/// A command of cargo-fuzz. The installed compiler takes the flags of nightly ones for RUSTC_BOOTSTRAP.
fn cargo_fuzz(root: &Path, command: &str, sanitizer: Sanitizer) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).env("RUSTC_BOOTSTRAP", "1");
    cargo.args(["fuzz", command, "--fuzz-dir", "fuzz", "--sanitizer", sanitizer.name()]);
    cargo
}

/// Builds the targets: one by its name, or all.
pub(crate) fn build(root: &Path, target: Option<&str>, sanitizer: Sanitizer) -> Outcome {
    succeed(cargo_fuzz(root, "build", sanitizer).args(target))
        .map_err(|error| format!("{error}\n(cargo install cargo-fuzz --locked, if it is missing)").into())
}

/// The binary of a target that has been built.
pub(crate) fn binary(root: &Path, target: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    Ok(root.join("fuzz/target").join(rustc("host")?).join("release").join(target))
}

/// What one target did so far.
#[derive(Debug, Default)]
struct Tally {
    /// Somebody runs it now.
    busy: bool,
    time: Duration,
    executions: u64,
    found: u64,
    edges: u64,
    features: u64,
    /// Inputs that failed, with what was said about them. The target is not run again.
    crash: Option<Crash>,
}

#[derive(Debug, Clone)]
struct Crash {
    /// Relative to the repository.
    input: String,
    message: String,
}

/// What a slice gave.
#[derive(Debug, Default, PartialEq, Eq)]
struct Slice {
    executions: u64,
    found: u64,
    edges: u64,
    features: u64,
    /// The file with the input that failed.
    failed: Option<String>,
}

impl Slice {
    /// Reads what libFuzzer says of itself.
    fn read(log: &str) -> Self {
        let mut slice = Self::default();
        for line in log.lines() {
            let mut words = line.split_ascii_whitespace();
            while let Some(word) = words.next() {
                let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
                match word {
                    "cov:" => slice.edges = number(),
                    "ft:" => slice.features = number(),
                    "stat::number_of_executed_units:" => slice.executions = number(),
                    "stat::new_units_added:" => slice.found = number(),
                    _ => {}
                }
            }
            if let Some((_, file)) = line.split_once("Test unit written to ")
                && !file.contains("slow-unit-")
            {
                slice.failed = Some(file.to_owned());
            }
        }
        slice
    }
}

/// The first panic of a log, or whatever else ended the run.
fn reason(log: &str) -> String {
    let mut lines = log.lines().skip_while(|line| !line.contains("panicked at"));
    match lines.next() {
        Some(place) => format!("{place} {}", lines.next().unwrap_or_default()),
        None => log.lines().find(|line| line.contains("ERROR:")).unwrap_or("it ended without a word").to_owned(),
    }
}

/// One run of a campaign.
struct Campaign<'a> {
    root: &'a Path,
    slice: Duration,
    until: Instant,
    tallies: Mutex<BTreeMap<&'static str, Tally>>,
}

impl Campaign<'_> {
    /// Takes the target that has had the least time of all that are free.
    fn take(&self) -> Option<&'static str> {
        let mut tallies = self.tallies.lock().expect("no job panics");
        let free = tallies.iter_mut().filter(|(_, tally)| !tally.busy && tally.crash.is_none());
        let (name, tally) = free.min_by_key(|(_, tally)| tally.time)?;
        tally.busy = true;
        Some(name)
    }

    /// Runs slices until time is over or nothing is left to run.
    fn work(&self) -> Outcome {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let rest = |tally: &Tally| tally.crash.is_none() && (left > LEAST || (tally.time.is_zero() && !tally.busy));
            // The first round is always whole.
            if !self.tallies.lock().expect("no job panics").values().any(rest) {
                return Ok(());
            }
            match self.take() {
                Some(target) => self.run(target, self.slice.min(left))?,
                None => thread::sleep(PAUSE),
            }
        }
    }

    fn run(&self, target: &'static str, time: Duration) -> Outcome {
        let artifacts = format!("fuzz/artifacts/{target}/");
        fs::create_dir_all(self.root.join(&artifacts))?;
        let began = Instant::now();
        let output = Command::new(binary(self.root, target)?)
            .current_dir(self.root)
            .args(LIMITS)
            .args(["-print_final_stats=1", &format!("-artifact_prefix={artifacts}")])
            .arg(format!("-max_total_time={}", time.max(LEAST).as_secs() - 1))
            .arg(Path::new(WORKING).join(target))
            .stdin(Stdio::null())
            .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        let slice = Slice::read(&log);
        if !output.status.success() && slice.failed.is_none() {
            return Err(format!("{target} did not run: {}\n{log}", output.status).into());
        }
        let mut tallies = self.tallies.lock().expect("no job panics");
        let tally = tallies.get_mut(target).ok_or("no such target")?;
        tally.busy = false;
        tally.time += began.elapsed();
        tally.executions += slice.executions;
        tally.found += slice.found;
        tally.edges = tally.edges.max(slice.edges);
        tally.features = tally.features.max(slice.features);
        tally.crash = slice.failed.map(|input| Crash { input, message: reason(&log) });
        let seconds = tally.time.as_secs();
        println!("{target}: {seconds} s, {} executions, {} new inputs", tally.executions, tally.found);
        Ok(())
    }
}

/// Fuzzes.
pub(crate) fn all(root: &Path, options: &Options) -> Outcome {
    let known = razor::fuzzing::TARGETS.iter().map(|(name, _)| *name);
    let names: Vec<_> =
        known.filter(|name| options.targets.is_empty() || options.targets.iter().any(|of| of == name)).collect();
    if let Some(unknown) = options.targets.iter().find(|of| !names.contains(&of.as_str())) {
        return Err(format!("no fuzz target is called {unknown}").into());
    }
    match names[..] {
        [one] => build(root, Some(one), options.sanitizer)?,
        _ => build(root, None, options.sanitizer)?,
    }
    Corpus::read(root)?.lay_out(root)?;
    let total = Duration::try_from_secs_f64(options.minutes * 60.0)?;
    let jobs = options.jobs.clamp(1, names.len());
    let share = total * u32::try_from(jobs)? / u32::try_from(names.len())?;
    let campaign = Campaign {
        root,
        slice: share.min(SLICE),
        until: Instant::now() + total,
        tallies: Mutex::new(names.into_iter().map(|name| (name, Tally::default())).collect()),
    };
    let outcomes: Vec<Result<(), String>> = thread::scope(|scope| {
        let work = || campaign.work().map_err(|error| error.to_string());
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        jobs.into_iter().map(|job| job.join().expect("no job panics")).collect()
    });
    report(&campaign.tallies.into_inner().expect("no job panics"), options.sanitizer)?;
    Ok(outcomes.into_iter().collect::<Result<(), String>>()?)
}

/// Prints the table, then how to see each crash again. An error if there is one.
fn report(tallies: &BTreeMap<&'static str, Tally>, sanitizer: Sanitizer) -> Outcome {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "target",
        "seconds",
        "executions",
        "exec/s",
        "edges",
        "features",
        "new",
        "crashes",
    ]);
    for (target, tally) in tallies {
        let per_second = u128::from(tally.executions) * 1000 / tally.time.as_millis().max(1);
        let crashes = u32::from(tally.crash.is_some());
        table.add_row([
            (*target).to_owned(),
            tally.time.as_secs().to_string(),
            tally.executions.to_string(),
            per_second.to_string(),
            tally.edges.to_string(),
            tally.features.to_string(),
            tally.found.to_string(),
            crashes.to_string(),
        ]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
    let crashes: Vec<_> = tallies.iter().filter_map(|(target, tally)| Some((*target, tally.crash.as_ref()?))).collect();
    for (target, Crash { input, message }) in &crashes {
        println!("\n{target}: {message}\nsee it again:");
        println!("  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz -s {} {target} {input}", sanitizer.name());
    }
    match crashes.len() {
        0 => Ok(()),
        count => Err(format!("{count} targets crashed").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb
#9000\tNEW    cov: 203 ft: 511 corp: 44/4096b lim: 68 exec/s: 3000 rss: 40Mb L: 68/68 MS: 1 CrossOver-
#90000\tDONE   cov: 207 ft: 530 corp: 51/5000b lim: 900 exec/s: 30000 rss: 44Mb
Done 90000 runs in 3 second(s)
stat::number_of_executed_units: 90000
stat::average_exec_per_sec:     30000
stat::new_units_added:          57
";

    #[test]
    fn a_log_of_libfuzzer_is_read() {
        let expected = Slice { executions: 90_000, found: 57, edges: 207, features: 530, failed: None };
        assert_eq!(Slice::read(LOG), expected);
    }

    #[test]
    fn a_crash_is_found_with_its_reason_and_a_slow_input_is_none() {
        let crash = "thread '<unnamed>' panicked at src/x.rs:1:2:\nit is wrong\n\
                     artifact_prefix='a/'; Test unit written to fuzz/artifacts/x/crash-1\n";
        assert_eq!(Slice::read(crash).failed.as_deref(), Some("fuzz/artifacts/x/crash-1"));
        assert_eq!(reason(crash), "thread '<unnamed>' panicked at src/x.rs:1:2: it is wrong");
        let slow = "artifact_prefix='a/'; Test unit written to fuzz/artifacts/x/slow-unit-1\n";
        assert_eq!(Slice::read(slow).failed, None);
        assert_eq!(reason("ERROR: libFuzzer: timeout"), "ERROR: libFuzzer: timeout");
    }

    #[test]
    fn the_target_with_the_least_time_is_next_and_one_that_crashed_is_not_run_again() {
        let tally = |seconds| Tally { time: Duration::from_secs(seconds), ..Tally::default() };
        let crashed = Tally { crash: Some(Crash { input: String::new(), message: String::new() }), ..tally(0) };
        let campaign = Campaign {
            root: Path::new("."),
            slice: SLICE,
            until: Instant::now(),
            tallies: Mutex::new([("a", tally(3)), ("b", tally(2)), ("c", crashed)].into()),
        };
        assert_eq!([campaign.take(), campaign.take(), campaign.take()], [Some("b"), Some("a"), None]);
    }

    #[test]
    fn a_crash_makes_the_report_fail() {
        let crash = Crash { input: "fuzz/artifacts/a/crash-1".to_owned(), message: "it is wrong".to_owned() };
        assert!(report(&[("a", Tally::default())].into(), Sanitizer::None).is_ok());
        assert!(report(&[("a", Tally { crash: Some(crash), ..Tally::default() })].into(), Sanitizer::None).is_err());
    }
}
