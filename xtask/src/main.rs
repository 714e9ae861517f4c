//! The repository's own commands: `cargo xtask <command>`.

mod bench_report;
mod book;
mod channels;
mod corpus;
mod coverage;
mod diagrams;
mod embedded;
mod examples;
mod explore;
mod fuzz;
mod idle;
mod interop;
mod models;
mod planted;
mod requirements;
mod seeds;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Parser, Subcommand};

/// The repository's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// How many requirements there are, and every one that no code or no test cites
    Trace,
    /// Draw the state diagrams from the machines' tables
    Diagrams(Check),
    /// Run the driver's examples, and the simulator's, and write what they say where the guide shows it
    Examples,
    /// Go through every interleaving of a few secure channels in the hands of an attacker
    Explore(explore::Options),
    /// Make the archive with the seeds of the fuzz targets: from the vectors, and what it has of other origin
    Seeds {
        #[command(flatten)]
        check: Check,
        /// Take the seeds made by hand from the working corpora
        #[arg(long, conflicts_with = "check")]
        keep: bool,
        /// Take what fuzzers found into the archive, as far as it covers more
        #[arg(long, conflicts_with_all = ["check", "keep"])]
        minimise: bool,
    },
    /// Run the fuzz targets round robin
    FuzzAll(fuzz::Options),
    /// How much of the core the seeds in the archive cover
    Coverage {
        /// Fail if it is less than the committed share
        #[arg(long, conflicts_with = "update")]
        check: bool,
        /// Raise the committed share to what it is now
        #[arg(long)]
        update: bool,
    },
    /// Give every seed in the archive to its target; `coverage` watches this
    Replay,
    /// What that many idle workers cost in one node; 10_000_000 take about a gigabyte
    IdleWorkers { count: String },
    /// What that many channels leave behind that are opened and closed one after the other, and how long each takes
    Channels { count: String },
    /// Run the benchmarks and hold what they measure against the bars of the design
    BenchReport(bench_report::Options),
    /// Look for attacks on the symbolic models of the specification and on their broken twins, with Verifpal
    Models(models::Options),
    /// Hunt for the bugs that are planted in the core: the simulator's worlds have to find each of them
    Planted(planted::Options),
    /// Hold live sessions with production Ockam and other Noise libraries, over real sockets
    #[command(disable_help_flag = true)]
    Interop(interop::Options),
    /// Run the firmware on an emulated board, and talk to it over its serial line
    EmbeddedTest,
    /// Run the firmware on an emulated board, for nodes that connect to its serial line
    EmbeddedBoard {
        /// Where they connect
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4100")]
        listen: String,
    },
    /// Measure what each image of the firmware takes, and write that into the guide
    EmbeddedFigures {
        /// Only check that the guide says it
        #[arg(long)]
        check: bool,
    },
    /// The preprocessor that mdbook calls: links every requirement to code and tests
    Book {
        #[command(subcommand)]
        question: Option<Question>,
    },
}

#[derive(Debug, Args)]
struct Check {
    /// Write nothing; fail if what is committed is stale
    #[arg(long)]
    check: bool,
}

/// What mdbook asks before it pipes the book through.
#[derive(Debug, Subcommand)]
enum Question {
    /// Whether a renderer is supported
    Supports { renderer: String },
}

/// What a command gives back: a sentence about what went wrong, if anything did.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_path_buf()
}

/// Runs a command to its end, with this one's input and output.
fn succeed(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// What the compiler says of itself after `name: ` in its verbose version.
fn rustc(name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(value.ok_or_else(|| format!("rustc does not say its {name}"))?.to_owned())
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Arguments::parse().task {
        Task::Trace => requirements::report(&root),
        Task::Diagrams(Check { check: false }) => diagrams::write(&root),
        Task::Diagrams(Check { check: true }) => diagrams::check(&root),
        Task::Examples => examples::write(&root),
        Task::Explore(options) => explore::run(&root, &options),
        Task::Seeds { check: Check { check: true }, .. } => seeds::check(&root),
        Task::Seeds { minimise: true, .. } => seeds::minimise(&root),
        Task::Seeds { keep, .. } => seeds::write(&root, keep),
        Task::FuzzAll(options) => fuzz::all(&root, &options),
        Task::Coverage { check, update } => coverage::measure(&root, check, update),
        Task::Replay => coverage::replay(&root),
        Task::IdleWorkers { count } => idle::measure(&count),
        Task::Channels { count } => channels::measure(&count),
        Task::BenchReport(options) => bench_report::run(&root, &options),
        Task::Models(options) => models::run(&root, &options),
        Task::Planted(options) => planted::run(&root, &options),
        Task::Interop(options) => interop::run(&root, &options),
        Task::EmbeddedTest => embedded::run(&root, &["test"]),
        Task::EmbeddedBoard { listen } => embedded::run(&root, &["board", &listen]),
        Task::EmbeddedFigures { check: false } => embedded::run(&root, &["figures"]),
        Task::EmbeddedFigures { check: true } => embedded::run(&root, &["figures", "--check"]),
        Task::Book { question: None } => book::preprocess(&root),
        Task::Book { question: Some(Question::Supports { renderer }) } if renderer == "html" => Ok(()),
        Task::Book { .. } => Err("only the html renderer is supported".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
