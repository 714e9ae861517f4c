//! The allocator of the system, with a look at every block that comes back. All unsafe code of the workspace is here.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without it, and none that is published searches blocks"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use crate::watch;

#[global_allocator]
static ALLOCATOR: Searching = Searching;

struct Searching;

// `realloc` is the one that the trait provides: a new block, a copy, and the old block given back below. A block that
// grows is therefore always one that moves.
//
// SAFETY: every block comes from `System` and goes back to it, with the layout that the caller gave. Nothing here
// unwinds but by a bug, and nothing keeps a block.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that all of the block may be read when it comes back, and so that what is found there was written
        // by its last owner and not by the one before.
        //
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if watch::is_on() {
            // SAFETY: the block is `layout.size()` bytes long, it was zeroed when it was handed out, and its owner has
            // given it back: nobody writes to it.
            watch::given_back(unsafe { std::slice::from_raw_parts(block, layout.size()) });
        }
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.dealloc(block, layout) }
    }
}
