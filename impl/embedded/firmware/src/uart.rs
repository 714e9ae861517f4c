//! The board's first UART (Arm CMSDK): one byte in, one byte out.

use core::ptr::{read_volatile, write_volatile};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

const BASE: usize = 0x4000_4000;
const DATA: *mut u32 = BASE as *mut u32;
const STATE: *mut u32 = (BASE + 0x4) as *mut u32;
const CONTROL: *mut u32 = (BASE + 0x8) as *mut u32;
const CLEAR: *mut u32 = (BASE + 0xc) as *mut u32;
const DIVIDER: *mut u32 = (BASE + 0x10) as *mut u32;

/// Something has come.
#[derive(Clone, Copy)]
struct Received;

// SAFETY: it is the number of the UART's receive interrupt on this board.
unsafe impl InterruptNumber for Received {
    fn number(self) -> u16 {
        0
    }
}

/// The table of the board's interrupts ends with the only one that is ever on. It ends a sleep, and is not taken.
// SAFETY: the name and the section are those that the processor's runtime expects.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vector_table.interrupts")]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = {
    unsafe extern "C" {
        fn DefaultHandler();
    }
    [DefaultHandler]
};

/// The UART. There is one.
pub struct Uart(());

impl Uart {
    /// Switches it on.
    ///
    /// # Safety
    /// To be called once.
    pub unsafe fn new() -> Self {
        // SAFETY: these are its registers, and nobody else writes to them.
        unsafe {
            write_volatile(DIVIDER, 16);
            // Transmitter, receiver, and the interrupt of the latter.
            write_volatile(CONTROL, 0b1011);
        }
        Self(())
    }

    /// The next byte.
    pub fn read(&mut self) -> Option<u8> {
        // SAFETY: its registers.
        unsafe { (read_volatile(STATE) & 2 != 0).then(|| read_volatile(DATA) as u8) }
    }

    /// Writes a byte if there is room for it.
    pub fn write(&mut self, byte: u8) -> bool {
        // SAFETY: its registers.
        unsafe {
            let room = read_volatile(STATE) & 1 == 0;
            if room {
                write_volatile(DATA, byte.into());
            }
            room
        }
    }

    /// Sleeps until a byte comes or the clock ticks.
    pub fn wait(&mut self) {
        cortex_m::interrupt::free(|_| {
            // SAFETY: its registers. Unmasked only while no interrupt is taken: it ends the sleep and does nothing else.
            unsafe {
                write_volatile(CLEAR, 2);
                NVIC::unpend(Received);
                NVIC::unmask(Received);
                // What came before the interrupt was cleared is seen here; what comes now ends the sleep.
                if read_volatile(STATE) & 2 == 0 {
                    cortex_m::asm::wfi();
                }
            }
            NVIC::mask(Received);
        });
    }
}
