//! Virtual time: a clock that jumps to the next event. Events of one instant keep the order in which
//! they were scheduled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use razor::env::Instant;

/// The event queue and the clock.
#[derive(Debug)]
pub struct Queue<E> {
    now: Instant,
    scheduled: u64,
    heap: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: Instant,
    order: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { now: Instant::ZERO, scheduled: 0, heap: BinaryHeap::new() }
    }
}

impl<E> Queue<E> {
    /// The time of the last event that was taken.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Schedules `event`; a time in the past is now.
    pub fn schedule(&mut self, at: Instant, event: E) {
        let order = self.scheduled;
        self.scheduled += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), order, event }));
    }

    /// Takes the next event that is not after `until`, and moves the clock to it.
    pub fn pop_until(&mut self, until: Instant) -> Option<E> {
        if self.heap.peek()?.0.at > until {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }

    /// Lets the clock run to `until` when nothing is left to happen before.
    pub fn advance(&mut self, until: Instant) {
        self.now = self.now.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_then_of_scheduling() {
        let mut queue = Queue::default();
        queue.schedule(Instant::from_millis(2), 'c');
        queue.schedule(Instant::from_millis(1), 'a');
        queue.schedule(Instant::from_millis(1), 'b');
        let until = Instant::from_millis(1);
        assert_eq!(queue.pop_until(until), Some('a'));
        queue.schedule(Instant::ZERO, 'x');
        assert_eq!(queue.pop_until(until), Some('b'));
        assert_eq!(queue.pop_until(until), Some('x'), "the past is now");
        assert_eq!(queue.pop_until(until), None);
        assert_eq!(queue.pop_until(Instant::NEVER), Some('c'));
        assert_eq!(queue.now(), Instant::from_millis(2));
    }
}
