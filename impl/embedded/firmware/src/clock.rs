//! Time: the processor's own timer, which ticks a thousand times in a second.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use razor::env::Instant;

/// The board's clock.
const HERTZ: u32 = 25_000_000;

static MILLIS: AtomicU32 = AtomicU32::new(0);
static TURNS: AtomicU32 = AtomicU32::new(0);

/// Starts the clock.
pub fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(HERTZ / 1_000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

/// The time since then.
pub fn now() -> Instant {
    cortex_m::interrupt::free(|_| {
        let turns = u64::from(TURNS.load(Ordering::Relaxed));
        Instant::from_millis((turns << 32) | u64::from(MILLIS.load(Ordering::Relaxed)))
    })
}

#[exception]
fn SysTick() {
    let millis = MILLIS.load(Ordering::Relaxed).wrapping_add(1);
    MILLIS.store(millis, Ordering::Relaxed);
    if millis == 0 {
        TURNS.store(TURNS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}
