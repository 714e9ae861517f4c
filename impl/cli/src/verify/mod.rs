//! `razor verify`: holds the protocol stack to everything that is known about it.

mod render;
mod task;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use razor_vectors::{Options, Row};

use crate::failure::{Failure, Result, quoted};

use render::Bars;
use task::Task;

/// Verify the protocol stack against vectors, recordings, other implementations and hostile worlds
///
/// Exits with 0 only if everything that was checked holds. With --json the answer is one object: version, holds,
/// seconds, totals {checked, failed, not_yet, outside} and rows, each with source, group, checked,
/// failed [{case, sentence}], not_yet [{reason, count}]: what waits for a part of the protocol that is still to
/// come, and outside [{reason, count}]: what the protocol has nothing of the kind for.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only a small share of what is generated on the fly; fixed data is checked whole
    #[arg(long)]
    quick: bool,
    /// Only this: a source, a group, or source/group; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Also replay a recording of production; may be repeated
    #[arg(long, value_name = "FILE")]
    captures: Vec<PathBuf>,
    /// How many hostile worlds of each kind; 10 with --quick
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The seed of what is generated on the fly
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of everything.
#[derive(Debug)]
struct Outcome {
    rows: Vec<Row>,
    /// For each row, what `--only` takes to check it alone.
    selectors: Vec<String>,
    took: Duration,
}

impl Verify {
    /// Checks and reports.
    pub(crate) fn run(self) -> Result {
        let tasks = self.tasks()?;
        let options = Options { quick: self.quick, seed: self.seed };
        let start = Instant::now();
        let (rows, selectors) = check(tasks, &options).into_iter().unzip();
        let outcome = Outcome { rows, selectors, took: start.elapsed() };
        if self.json {
            crate::outln!("{}", render::json(&outcome)?);
        } else {
            crate::out!("{}", render::table(&outcome, &self.repeat()));
        }
        Ok(if outcome.rows.iter().all(Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tasks(&self) -> Result<Vec<Task>> {
        let mut tasks = task::all();
        let worlds = if self.quick { self.seeds.min(10) } else { self.seeds };
        tasks.push(Task::Worlds { first: self.seed, worlds });
        for path in &self.captures {
            tasks.push(Task::recording(path)?);
        }
        for name in &self.only {
            if !tasks.iter().any(|task| task.selected_by(name)) {
                let names: Vec<String> = tasks.iter().map(Task::selector).collect();
                return Err(Failure::usage(format!(
                    "there is nothing named `{name}` to verify; choose a source, a group or both of {}",
                    names.join(", ")
                )));
            }
        }
        if !self.only.is_empty() {
            tasks.retain(|task| self.only.iter().any(|name| task.selected_by(name)));
        }
        Ok(tasks)
    }

    /// The options that a repetition needs besides `--only`.
    fn repeat(&self) -> String {
        let mut options = format!("--seed {} --seeds {}", self.seed, self.seeds);
        if self.quick {
            options.push_str(" --quick");
        }
        for path in &self.captures {
            options.push_str(&format!(" --captures {}", quoted(&path.display().to_string())));
        }
        options
    }
}

/// Runs the tasks on all processors; the rows come in the order of the tasks.
fn check(tasks: Vec<Task>, options: &Options) -> Vec<(Row, String)> {
    let bars = Bars::new();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    let queue: Mutex<VecDeque<(usize, Task)>> = Mutex::new(tasks.into_iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).pop_front();
                    let Some((place, task)) = next else { break };
                    let bar = bars.add(&task.selector(), task.about());
                    let selector = task.selector();
                    let rows = task.run(options, &mut |progress| bar.show(progress));
                    bar.finish();
                    lock(&done).push((place, selector, rows));
                }
            });
        }
    });
    let mut done = std::mem::take(&mut *lock(&done));
    done.sort_by_key(|(place, ..)| *place);
    done.into_iter().flat_map(|(_, selector, rows)| rows.into_iter().map(move |row| (row, selector.clone()))).collect()
}

/// Locks; a worker that panicked has ended the process already.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
