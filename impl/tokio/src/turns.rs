//! Handshakes take turns, so that those who open many channels at once do not displace their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use razor::routing::Route;
use tokio::sync::Semaphore;

/// How many handshakes with one listener are under way at once.
pub(crate) const AT_ONCE: usize = 32;

/// Who may begin a handshake, for each route to a listener.
#[derive(Default)]
pub(crate) struct Turns {
    by_route: BTreeMap<Vec<u8>, Weak<Semaphore>>,
    /// How many routes there may be before those that nobody uses are forgotten.
    room: usize,
}

impl Turns {
    /// A permit of this is a turn to begin a handshake with the listener at the end of `route`.
    pub(crate) fn at(&mut self, route: &Route) -> Arc<Semaphore> {
        if self.by_route.len() >= self.room {
            self.by_route.retain(|_, turns| turns.strong_count() > 0);
            self.room = 2 * self.by_route.len() + AT_ONCE;
        }
        let turns = self.by_route.entry(route.encode()).or_default();
        turns.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Semaphore::new(AT_ONCE));
            *turns = Arc::downgrade(&new);
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= spec/src/channels.md#chn-63
    //= type=test
    //# An initiator SHOULD NOT have more than 32 handshakes with one listener under way.
    #[test]
    fn a_listener_is_called_by_so_many_at_once() {
        let mut turns = Turns::default();
        let (here, there) = (Route::new().then("api"), Route::new().then("hop").then("api"));
        let held: Vec<_> = (0..32).map(|_| turns.at(&here).try_acquire_owned().unwrap()).collect();
        assert!(turns.at(&here).try_acquire_owned().is_err());
        assert!(turns.at(&there).try_acquire_owned().is_ok());
        drop(held);
        assert!(turns.at(&here).try_acquire_owned().is_ok());
    }

    #[test]
    fn routes_that_nobody_uses_are_forgotten() {
        let mut turns = Turns::default();
        let used = turns.at(&Route::new().then("used"));
        for n in 0..1_000 {
            drop(turns.at(&Route::new().then(format!("{n}").as_str())));
            assert!(turns.by_route.len() <= 2 + AT_ONCE);
        }
        assert!(Arc::ptr_eq(&used, &turns.at(&Route::new().then("used"))));
    }
}
