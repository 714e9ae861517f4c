//! Live sessions of Razor with other implementations, over real sockets: `cargo interop`.
//!
//! | file | what |
//! |---|---|
//! | `noise` | profile `noise`: the libraries snow and noiseprotocol |
//! | `production` | production Ockam, whole nodes of it |
//! | `child`, `build` | peers are processes that are steered by lines of JSON; they are built when they are needed |
//! | `capture` | the traffic as a file |
//! | `table`, `page` | what came of it: for the terminal, and for the guide |

mod build;
mod capture;
mod child;
mod noise;
mod page;
mod production;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use capture::Capture;
use table::Table;

/// Hold live sessions with production Ockam and other Noise libraries, over real sockets
///
/// Without an option everything is tried. Peers are built or installed when they are not there; production takes about
/// ten minutes of processor time for that, once. Exits with 1 if anything fails.
#[derive(Debug, Parser)]
#[command(name = "cargo interop", version)]
struct Options {
    /// Only what has these words in its peer or scenario
    filter: Vec<String>,
    /// Try the Noise libraries, and not production
    #[arg(long)]
    noise: bool,
    /// Try production, and not the Noise libraries
    #[arg(long, conflicts_with = "noise")]
    production: bool,
    /// Write the TCP traffic as a PCAP file
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Write the pages of the guide that show what came of it; everything has to be tried for that
    #[arg(long, conflicts_with_all = ["filter", "noise", "production"])]
    write: bool,
    /// Where everything random begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One run of the command.
struct Run {
    /// This workspace.
    root: PathBuf,
    filter: Vec<String>,
    seed: u64,
    capture: Capture,
    table: Table,
    /// What production accepts and the specification forbids.
    looser: Vec<production::Looser>,
}

impl Run {
    /// Whether what has this name is asked for.
    fn wants(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.filter.iter().all(|word| name.contains(&word.to_lowercase()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a workspace").to_path_buf();
    let capture = match options.capture.as_deref().map(Capture::create).transpose() {
        Ok(capture) => capture.unwrap_or_default(),
        Err(error) => {
            eprintln!("the capture cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut run =
        Run { root, filter: options.filter, seed: options.seed, capture, table: Table::default(), looser: Vec::new() };
    if !options.production {
        noise::run(&mut run).await;
    }
    if !options.noise {
        production::run(&mut run).await;
    }
    run.capture.flush();
    if run.table.is_empty() {
        eprintln!("nothing has these words in its name");
        return ExitCode::FAILURE;
    }
    print!("{}", run.table.text());
    if options.write
        && let Err(error) = page::write(&run)
    {
        eprintln!("the guide is not written: {error}");
        return ExitCode::FAILURE;
    }
    if run.table.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
