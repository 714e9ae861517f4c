//! What the board says of itself.

use crate::Fault;

/// The numbers of the firmware's worker `status`, in its order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    /// Bytes of the heap that are in use.
    pub(crate) heap: u64,
    /// The most that ever were.
    pub(crate) heap_most: u64,
    /// The most bytes of the stack that ever were in use.
    pub(crate) stack_most: u64,
    /// The bytes of it that never were. None are left when it has run into the heap.
    pub(crate) stack_left: u64,
    /// Frames on the line that were dropped.
    pub(crate) dropped: u64,
    /// How often the connection over the line began anew.
    pub(crate) restarts: u64,
    /// For how many ticks of its clock the board did something.
    pub(crate) busy: u64,
}

impl Status {
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Fault> {
        let (numbers, rest) = payload.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().copied().map(u64::from_be_bytes).collect();
        match (&numbers[..], rest) {
            (&[heap, heap_most, stack_most, stack_left, dropped, restarts, busy], []) => {
                Ok(Self { heap, heap_most, stack_most, stack_left, dropped, restarts, busy })
            }
            _ => Err(format!("a status of {} bytes", payload.len()).into()),
        }
    }
}
