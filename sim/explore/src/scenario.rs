//! What is explored: how many channels, how much is said in them, and what the attacker may do.

use crate::cast::Who;

/// The most ends of channels in a scenario.
pub(crate) const ENDS: usize = 6;

/// The bounds of one exploration. Within them every order of everything is gone through, to the end.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Who begins a channel with the other, once for each.
    pub initiators: Vec<Who>,
    /// Who answers a first message, once for each.
    pub listeners: Vec<Who>,
    /// How many texts each end sends at most.
    pub texts: u8,
    /// How many texts of each end are lost before these: where a key is renewed begins after 32.
    pub lost: u8,
    /// How many early messages a half-open channel keeps.
    pub hold: usize,
    /// Applications close their channels, at any time.
    pub closes: bool,
    /// Handshakes time out, at any time.
    pub timeouts: bool,
    /// The vault and the store answer at any time, and not at once.
    pub late: bool,
    /// The attacker speaks the handshake itself: as itself, with the papers of others, and with their static keys.
    pub forges: bool,
    /// The attacker changes a byte at either end of each message, or puts one more.
    pub changes: bool,
}

impl Scenario {
    /// One channel from Alice to Bob and a listener that answers once; nothing else.
    pub fn plain(name: &'static str) -> Self {
        Self {
            name,
            initiators: vec![Who::Alice],
            listeners: vec![Who::Bob],
            texts: 1,
            lost: 0,
            hold: 1,
            closes: false,
            timeouts: false,
            late: false,
            forges: false,
            changes: false,
        }
    }

    /// What is explored in a few seconds, by the tests.
    pub fn small() -> Vec<Self> {
        use Who::{Alice, Bob};
        vec![
            Self { listeners: vec![Bob; 2], texts: 2, closes: true, timeouts: true, ..Self::plain("one channel") },
            Self { initiators: vec![Alice; 2], listeners: vec![Bob; 2], ..Self::plain("two channels") },
            Self { initiators: vec![Alice, Bob], listeners: vec![Alice, Bob], ..Self::plain("one channel each way") },
            Self { listeners: vec![Bob; 2], forges: true, changes: true, hold: 0, ..Self::plain("a forger") },
            Self { late: true, timeouts: true, ..Self::plain("late answers") },
            Self { lost: 31, texts: 3, changes: true, ..Self::plain("around a renewal of keys") },
        ]
    }

    /// What is explored in some minutes, by the command.
    pub fn full() -> Vec<Self> {
        use Who::{Alice, Bob};
        let ending = |scenario| Self { closes: true, timeouts: true, ..scenario };
        let two = |name| Self { initiators: vec![Alice; 2], listeners: vec![Bob; 2], ..Self::plain(name) };
        vec![
            ending(Self { listeners: vec![Bob; 2], texts: 4, hold: 2, ..Self::plain("one channel") }),
            ending(Self { texts: 2, hold: 2, ..two("two channels") }),
            ending(Self { texts: 3, ..two("two channels that say more") }),
            ending(Self { listeners: vec![Bob; 3], ..two("two channels, answered three times") }),
            ending(Self {
                initiators: vec![Alice, Bob],
                listeners: vec![Alice, Bob, Bob],
                ..Self::plain("one channel each way")
            }),
            ending(Self { forges: true, changes: true, ..two("a forger") }),
            Self { late: true, timeouts: true, hold: 2, ..two("late answers") },
            Self {
                listeners: vec![Bob; 2],
                lost: 30,
                texts: 4,
                changes: true,
                ..Self::plain("around a renewal of keys")
            },
        ]
    }

    /// The bounds, in words.
    pub fn bound(&self) -> String {
        let each = |list: &[Who], verb: &str| {
            let of = |who: Who| list.iter().filter(|one| **one == who).count();
            let parts = [Who::Alice, Who::Bob].map(|who| (who, of(who))).into_iter().filter(|(_, count)| *count > 0);
            parts.map(|(who, count)| format!("{} {verb} {count}", who.name())).collect::<Vec<_>>()
        };
        let mut parts = each(&self.initiators, "begins");
        parts.extend(each(&self.listeners, "answers"));
        parts.push(format!("{} {} an end", self.texts, if self.texts == 1 { "text" } else { "texts" }));
        if self.lost > 0 {
            parts.push(format!("{} lost before", self.lost));
        }
        parts.push(format!("{} held", self.hold));
        let options = [
            (self.closes, "closes"),
            (self.timeouts, "timeouts"),
            (self.late, "late answers"),
            (self.forges, "forges"),
            (self.changes, "changes"),
        ];
        parts.extend(options.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()));
        parts.join(", ")
    }

    /// Every end of a channel that there can be: first those who begin, then the places of listeners.
    pub(crate) fn ends(&self) -> Vec<End> {
        let mut ends: Vec<End> = Vec::new();
        let initiators = self.initiators.iter().map(|who| (*who, true));
        for (who, initiates) in initiators.chain(self.listeners.iter().map(|who| (*who, false))) {
            let before = ends.iter().filter(|end| end.who == who);
            let number = before.clone().count() + 1;
            let after = before.clone().rfind(|end| !end.initiates).filter(|_| !initiates).map(|end| end.index);
            ends.push(End { index: ends.len(), who, number, initiates, after });
        }
        assert!(ends.len() <= ENDS, "a scenario has at most {ENDS} ends");
        ends
    }
}

/// One end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Which of the scenario's.
    pub(crate) index: usize,
    /// Whose it is.
    pub(crate) who: Who,
    /// Which of this party's, from 1.
    pub(crate) number: usize,
    /// Whether it begins, or waits at a listener for a first message.
    pub(crate) initiates: bool,
    /// The place at the same listener that is taken before this one.
    pub(crate) after: Option<usize>,
}

impl End {
    /// An end of a new channel, which no scenario has.
    pub(crate) const fn fresh(who: Who, initiates: bool) -> Self {
        Self { index: if initiates { ENDS } else { ENDS + 1 }, who, number: 99, initiates, after: None }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.who.name(), self.number)
    }
}
