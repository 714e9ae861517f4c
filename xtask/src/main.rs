//! The repository's own commands: `cargo xtask <command>`.

mod book;
mod diagrams;
mod idle;
mod requirements;
mod seeds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  trace               how many requirements there are, and every one that no code or no test cites
  diagrams [--check]  draw the state diagrams from the machines' tables; --check: fail if the page is stale
  seeds               make the seed corpora of the fuzz targets from the vectors
  idle-workers COUNT  what that many idle workers cost in one node; 10_000_000 take about a gigabyte
  book                the preprocessor that mdbook calls: links every requirement to code and tests";

/// What a command gives back: a sentence about what went wrong, if anything did.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_path_buf()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["trace"] => requirements::report(&root()),
        ["diagrams"] => diagrams::write(&root()),
        ["diagrams", "--check"] => diagrams::check(&root()),
        ["idle-workers", workers] => idle::measure(workers),
        ["seeds"] => seeds::write(&root()),
        // mdbook asks first whether the preprocessor supports a renderer, then pipes the book through it.
        ["book", "supports", renderer] if *renderer == "html" => Ok(()),
        ["book", "supports", _] => Err("only the html renderer is supported".into()),
        ["book"] => book::preprocess(&root()),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
