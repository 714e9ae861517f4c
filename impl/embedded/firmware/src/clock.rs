//! Time: the processor's own timer, which wraps a thousand times in a second.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use razor::env::{Instant, Timestamp};

/// The board's clock.
const HERTZ: u32 = 25_000_000;

/// The ticks of a millisecond.
const MILLI: u32 = HERTZ / 1_000;

/// In the processor's register of interrupts: the timer's is pending.
const PENDING: u32 = 1 << 26;

static MILLIS: AtomicU32 = AtomicU32::new(0);
static TURNS: AtomicU32 = AtomicU32::new(0);

/// Starts the clock.
pub fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(MILLI - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

/// The time since then.
pub fn now() -> Instant {
    cortex_m::interrupt::free(|_| Instant::from_millis(millis()))
}

/// The time of day. The board has no calendar: it asks the emulator, as it would ask a debugger.
pub fn wall() -> Timestamp {
    const TIME: u32 = 0x11;
    let seconds: u32;
    // SAFETY: the emulator answers in the register, and changes nothing else.
    unsafe {
        asm!("bkpt 0xab", inout("r0") TIME => seconds, in("r1") 0, options(nostack, nomem));
    }
    Timestamp(seconds.into())
}

/// The ticks of the board's clock since then.
pub fn ticks() -> u64 {
    cortex_m::interrupt::free(|_| {
        let mut left = SYST::get_current();
        let mut millis = millis();
        // SAFETY: a register that is only read. It has wrapped, and nobody has counted that yet.
        if unsafe { (*SCB::PTR).icsr.read() } & PENDING != 0 {
            left = SYST::get_current();
            millis += 1;
        }
        // A millisecond begins when none are left, and the timer starts from above only a tick later.
        millis * u64::from(MILLI) + u64::from(if left == 0 { 0 } else { MILLI - left })
    })
}

fn millis() -> u64 {
    u64::from(TURNS.load(Ordering::Relaxed)) << 32 | u64::from(MILLIS.load(Ordering::Relaxed))
}

#[exception]
fn SysTick() {
    let millis = MILLIS.load(Ordering::Relaxed).wrapping_add(1);
    MILLIS.store(millis, Ordering::Relaxed);
    if millis == 0 {
        TURNS.store(TURNS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}
