//! What a node counts, call by call: no call does more than it may, each failure is counted, and told of once or counted as
//! not told of. What goes round in circles comes to an end here.

use razor::env::Instant;
use razor::node::{Config, Counters, Event, Output};

/// More messages than any node has to deliver within one time. What goes round in circles may grow with each round, so
/// this is not far beyond.
const AT_ONCE: u64 = 20_000;

/// The counts of one node, as somebody sees them who hears all that it says.
#[derive(Debug)]
pub struct Counts {
    steps: u64,
    reports: u64,
    /// How many failures it has told of.
    told: u64,
    /// What it had counted when the last call was over, and how many dropped messages it has reported since.
    before: Counters,
    reported: u64,
    /// The time of the last call, and how much had been delivered when it came.
    now: Instant,
    since: u64,
}

impl Counts {
    /// Those of a new node.
    pub fn new(config: &Config) -> Self {
        Self {
            steps: config.steps as u64,
            reports: config.reports as u64,
            told: 0,
            before: Counters::default(),
            reported: 0,
            now: Instant::ZERO,
            since: 0,
        }
    }

    /// A call made it say this.
    pub fn hear(&mut self, output: &Output) {
        match output {
            Output::Event(Event::Dropped { .. }) => {
                self.reported += 1;
                self.told += 1;
            }
            Output::Close { .. } | Output::Event(Event::ChannelFailed { .. }) => self.told += 1,
            _ => {}
        }
    }

    /// A call at this time is over, and all that it made the node say was heard.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn end(&mut self, now: Instant, counters: Counters) -> Result<(), String> {
        let before = std::mem::replace(&mut self.before, counters).delivered;
        let reported = std::mem::take(&mut self.reported);
        if self.now != now {
            (self.now, self.since) = (now, before);
        }
        let delivered = counters.delivered - before;
        if delivered > self.steps {
            return Err(format!("in one call {delivered} messages were delivered, and {} may be", self.steps));
        }
        if reported > self.reports {
            let reports = self.reports;
            return Err(format!("in one call {reported} dropped messages were reported, and {reports} may be"));
        }
        let (counted, unreported) = (counters.failures.iter().sum::<u64>(), counters.unreported);
        if counted != self.told + unreported {
            let told = self.told;
            return Err(format!("{counted} failures were counted, {told} told of, and {unreported} said to be not"));
        }
        Ok(())
    }

    /// How many messages were delivered within the time of the last call, if that is more than there can be.
    pub fn circles(&self) -> Option<u64> {
        Some(self.before.delivered - self.since).filter(|delivered| *delivered > AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use razor::error::Error;

    const LIMITS: Config = Config { steps: 2, reports: 1, ..Config::DEFAULT };
    const NONE: Counters = Counters { delivered: 0, failures: [0; 5], unreported: 0, relayouts: 0 };
    const NO: Error = Error::misuse("NOD-1", "nobody wants it");

    fn dropped() -> Output {
        Output::Event(Event::Dropped { to: None, error: NO })
    }

    #[test]
    fn a_call_that_does_more_than_it_may_is_noticed() {
        let mut counts = Counts::new(&LIMITS);
        let mut end = |told: usize, counters| {
            (0..told).for_each(|_| counts.hear(&dropped()));
            counts.end(Instant::ZERO, counters)
        };
        assert_eq!(end(0, Counters { delivered: 2, ..NONE }), Ok(()));
        assert!(end(0, Counters { delivered: 5, ..NONE }).is_err());
        assert_eq!(end(1, Counters { delivered: 5, failures: [1, 0, 0, 0, 0], ..NONE }), Ok(()));
        assert!(end(2, Counters { delivered: 5, failures: [3, 0, 0, 0, 0], ..NONE }).is_err());
    }

    #[test]
    fn a_failure_that_is_told_of_and_not_counted_or_counted_and_not_told_of_is_noticed() {
        let mut counts = Counts::new(&LIMITS);
        assert!(counts.end(Instant::ZERO, Counters { failures: [0, 1, 0, 0, 0], ..NONE }).is_err());
        assert_eq!(counts.end(Instant::ZERO, Counters { failures: [0, 1, 0, 0, 0], unreported: 1, ..NONE }), Ok(()));
        counts.hear(&dropped());
        assert!(counts.end(Instant::ZERO, NONE).is_err());
    }

    #[test]
    fn what_goes_round_in_circles_within_one_time_is_noticed() {
        let mut counts = Counts::new(&Config { steps: usize::MAX, ..LIMITS });
        let mut circles = |millis, delivered| {
            assert_eq!(counts.end(Instant::from_millis(millis), Counters { delivered, ..NONE }), Ok(()));
            counts.circles()
        };
        assert_eq!(circles(0, 5), None);
        assert_eq!(circles(1, 5 + AT_ONCE), None);
        assert_eq!(circles(1, 6 + AT_ONCE), Some(AT_ONCE + 1));
        assert_eq!(circles(2, 7 + AT_ONCE), None);
    }
}
