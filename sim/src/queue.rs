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
    /// When, in which order, and which of the events. They stay where they are while these change places.
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Where there is room among the events.
    free: Vec<usize>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { now: Instant::ZERO, scheduled: 0, heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new() }
    }
}

impl<E> Queue<E> {
    /// The time of the last event that was taken.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Schedules `event`; a time in the past is now.
    pub fn schedule(&mut self, at: Instant, event: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.heap.push(Reverse((at.max(self.now), self.scheduled, place)));
        self.scheduled += 1;
    }

    /// Takes the next event that is not after `until`, and moves the clock to it.
    pub fn pop_until(&mut self, until: Instant) -> Option<E> {
        if self.heap.peek()?.0.0 > until {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.now = at;
        self.free.push(place);
        self.events[place].take()
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
