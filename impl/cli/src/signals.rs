//! Signals that ask the program to stop.

#[cfg(unix)]
use crate::failure::Failure;
use crate::failure::Result;

/// Waits for signals that ask the process to stop.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on such a signal no longer ends the process.
    ///
    /// # Errors
    /// When the operating system does not say when they come.
    pub(crate) fn catch() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let caught = |kind| {
            let failed = |e| Failure::failed(format!("signals cannot be caught: {e}; is the system out of resources?"));
            signal(kind).map_err(failed)
        };
        Ok(Self { terminate: caught(SignalKind::terminate())?, interrupt: caught(SignalKind::interrupt())? })
    }

    /// The next signal: its name, and the exit code of a process that it ends.
    pub(crate) async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 128 + 15),
            _ = self.interrupt.recv() => ("SIGINT", 128 + 2),
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch() -> Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> (&'static str, i32) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ("Ctrl-C", 1)
    }
}
