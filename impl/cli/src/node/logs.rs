//! Logs on standard error. Whoever does not read them keeps the node from nothing: they are written by a thread of their
//! own, and what it has no room for is counted instead.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many lines wait to be written.
const QUEUE: usize = 1024;

/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Nothing
    Off,
    /// What keeps the node from working
    Error,
    /// What somebody should look at
    Warn,
    /// Connections and channels
    #[default]
    Info,
    /// Dropped messages
    Debug,
    /// Everything
    Trace,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object on each line
    Json,
}

/// From now on logs are written. What comes back waits for the last lines.
pub(super) fn begin(level: Level, format: Format) -> Lines {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let written = Lines::to(io::stderr());
    // What this project says, and not what its libraries do.
    let ours = tracing_subscriber::registry().with(Targets::new().with_target("razor", level));
    let lines = tracing_subscriber::fmt::layer().with_writer(written.clone());
    match format {
        Format::Text => ours.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        Format::Json => ours.with(lines.json().flatten_event(true)).init(),
    }
    written
}

/// What is left for the thread that writes.
#[derive(Debug)]
enum Work {
    Line(Vec<u8>),
    /// Says that all before it is written.
    Tell(SyncSender<()>),
}

/// Where lines go. Nobody waits here.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    work: SyncSender<Work>,
    /// How many lines there was no room for, and nobody has been told of.
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Lines are written there by a thread, which ends with the program.
    fn to(mut out: impl Write + Send + 'static) -> Self {
        let (work, queue) = mpsc::sync_channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let missing = lost.clone();
        std::thread::spawn(move || {
            for work in queue {
                // When nobody is there to read, there is nobody to tell.
                let _ = match work {
                    Work::Line(line) => out.write_all(&line),
                    Work::Tell(done) => {
                        let _ = done.try_send(());
                        continue;
                    }
                };
                let lost = missing.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(out, "razor: {lost} lines of the log were not read in time and are lost");
                }
            }
        });
        Self { work, lost }
    }

    /// Waits until what was logged so far is written, but not for a reader who does not read.
    pub(super) fn finish(&self) {
        let (done, written) = mpsc::sync_channel(1);
        let end = Instant::now() + LAST_LINES;
        let mut work = Work::Tell(done);
        while let Err(TrySendError::Full(back)) = self.work.try_send(work) {
            if Instant::now() >= end {
                return;
            }
            work = back;
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

impl Write for Lines {
    /// Takes a line. It is whole: the formatter hands over one at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.work.try_send(Work::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// A reader who begins to read when he is told to.
    #[derive(Clone, Default)]
    struct Reader {
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.text.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let reader = Reader::default();
        let mut lines = Lines::to(reader.clone());
        (0..500).for_each(|n| lines.write_all(format!("{n}\n").as_bytes()).unwrap());
        lines.finish();
        let text = String::from_utf8(reader.text.lock().unwrap().clone()).unwrap();
        assert_eq!(text, (0..500).map(|n| format!("{n}\n")).collect::<String>());
    }

    #[test]
    fn who_does_not_read_keeps_nobody_waiting_and_is_told_how_much_is_lost() {
        let reader = Reader::default();
        let mut lines = Lines::to(reader.clone());
        let asleep = reader.text.lock().unwrap();
        (0..QUEUE + 100).for_each(|_| lines.write_all(b"a line\n").unwrap());
        let start = Instant::now();
        lines.finish();
        assert!(start.elapsed() < 2 * LAST_LINES);
        drop(asleep);
        lines.finish();
        let text = String::from_utf8(reader.text.lock().unwrap().clone()).unwrap();
        assert!((QUEUE..=QUEUE + 1).contains(&text.matches("a line\n").count()), "{text}");
        assert!(text.contains(" lines of the log were not read in time and are lost\n"), "{text}");
    }
}
