//! The board's memory: a heap, and how much of it and of the stack was ever used.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::read_volatile;
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

/// More than hosts, however hostile, can make the node take from the heap. What the board has beside it is the stack's.
const SIZE: usize = if cfg!(feature = "all") {
    96 * 1024
} else if cfg!(feature = "responder") {
    56 * 1024
} else {
    24 * 1024
};

#[global_allocator]
static HEAP: Heap = Heap { free: LlffHeap::empty(), most: AtomicUsize::new(0) };

struct Heap {
    free: LlffHeap,
    /// The most that was in use at once.
    most: AtomicUsize,
}

// SAFETY: the other heap does it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        let memory = unsafe { self.free.alloc(layout) };
        self.most.fetch_max(self.free.used(), Ordering::Relaxed);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { self.free.dealloc(memory, layout) }
    }
}

/// Makes the heap.
///
/// # Safety
/// To be called once, before anything is allocated.
pub unsafe fn start() {
    // Nothing is in there before it is used.
    #[unsafe(link_section = ".uninit.heap")]
    static mut MEMORY: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();
    // SAFETY: nobody else has it.
    unsafe { HEAP.free.init(&raw mut MEMORY as usize, SIZE) }
}

/// How much of the heap is in use, and the most that ever was.
pub fn heap() -> (usize, usize) {
    (HEAP.free.used(), HEAP.most.load(Ordering::Relaxed))
}

/// How much of the stack was ever used, and how much never. It was painted when the board was switched on.
pub fn stack() -> (usize, usize) {
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let (top, end) = (&raw const _stack_start, &raw const _stack_end);
    let mut at = end;
    // SAFETY: between the two is the stack, which is always there.
    while at < top && unsafe { read_volatile(at) } == cortex_m_rt::STACK_PAINT_VALUE {
        at = at.wrapping_add(1);
    }
    (top as usize - at as usize, at as usize - end as usize)
}
