//! The times that a node is told.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use razor::env::{Instant, Timestamp};

/// Monotonic time from when the node began, by tokio's clock, so that tests can stop it; and wall-clock time.
#[derive(Clone)]
pub(crate) struct Clock {
    begin: tokio::time::Instant,
    wall: WallClock,
}

/// Tells the wall-clock time in whole seconds since the Unix epoch. Only keys and credentials look at it.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Clock {
    pub(crate) fn new(wall: Option<WallClock>) -> Self {
        Self { begin: tokio::time::Instant::now(), wall: wall.unwrap_or_else(|| Arc::new(system)) }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp((self.wall)())
    }

    /// When `at` is, by tokio's clock.
    pub(crate) fn when(&self, at: Instant) -> tokio::time::Instant {
        // A time that never comes is looked at again in a day.
        let after = at.since(Instant::ZERO);
        let day = std::time::Duration::from_secs(86_400);
        self.begin.checked_add(after).unwrap_or_else(|| tokio::time::Instant::now() + day)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

fn system() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
