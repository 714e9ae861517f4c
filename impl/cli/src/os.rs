//! What the operating system gives: randomness, the time, and a folder for data.

use std::env;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use razor::env::{Entropy, Purpose, Timestamp};
use tokio::runtime::{Builder, Runtime};

use crate::failure::{Failure, Result};

/// The operating system's randomness, for every purpose.
#[derive(Debug)]
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// When the operating system has no randomness to give: going on would make guessable keys.
    fn fill(&mut self, _purpose: Purpose, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives randomness");
    }
}

/// The time by the system's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// A runtime with so many threads for tasks.
pub(crate) fn runtime(threads: usize) -> Result<Runtime> {
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.map_err(|e| Failure::failed(format!("the threads cannot be started: {e}; is the system out of resources?")))
}

/// Prints to standard output. When whoever reads it has left, the rest is not printed; the exit code stays what it is.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().lock().write_fmt(text)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("razor: the output cannot be written: {error}");
        std::process::exit(1);
    }
}

/// The folder where `razor` keeps its data unless told otherwise.
pub(crate) fn data_dir() -> Result<PathBuf> {
    let home = || env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        env::var_os("APPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        let xdg = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        xdg.or_else(|| home().map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("razor"))
        .ok_or_else(|| Failure::usage("there is no home folder to keep identities in; choose a folder with --dir"))
}
