//! A Razor node on an emulated Cortex-M4 (QEMU's `mps2-an386`), reached over its UART.
//!
//! It has an echo worker at `echo` and a worker `status` that answers with what the board has to say of itself. With the
//! feature `responder` it has a listener for secure channels at `api`, and with `initiator` a worker `dial` that opens a
//! channel to the listener `api` at the other end of the line and says `hello` to the worker `greeter` behind it.
#![no_std]
#![no_main]

extern crate alloc;

mod application;
mod board;
mod clock;
#[cfg(feature = "initiator")]
mod dial;
mod known;
#[cfg(feature = "responder")]
mod listener;
mod memory;
mod uart;

use cortex_m_rt::{entry, exception};
use razor_embedded::{Driver, SMALL, line};

use crate::application::Application;
use crate::board::Emulated;
use crate::uart::Uart;

/// The largest transport message on the line.
const FRAME: u32 = if cfg!(feature = "initiator") { 4_096 } else { 2_048 };

type Node = Driver<Emulated>;

#[entry]
fn main() -> ! {
    let (mut driver, mut application) = start();
    loop {
        let begun = clock::ticks();
        while driver.turn() {
            application.look(&mut driver);
        }
        application.look(&mut driver);
        application.busy += clock::ticks() - begun;
        driver.wait();
    }
}

/// Switches everything on. Not within `main`, whose place on the stack is never given back.
#[inline(never)]
fn start() -> (Node, Application) {
    // SAFETY: called once, before anything is allocated.
    unsafe {
        memory::start();
    }
    clock::start(cortex_m::Peripherals::take().expect("taken once").SYST);
    // SAFETY: called once.
    let board = Emulated::new(unsafe { Uart::new() });
    let mut driver = Driver::new(board, SMALL, &[line(FRAME)]);
    let application = Application::start(&mut driver).expect("the addresses are free");
    (driver, application)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop()
}

#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    stop()
}

/// Something is wrong that a real board would start anew for. The emulator ends.
fn stop() -> ! {
    loop {
        cortex_m::asm::bkpt();
    }
}
