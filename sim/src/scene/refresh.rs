//! Papers that are shown anew through an open channel: how they travel, how many they may be and how large, and what the
//! store has to say before anybody hears of them. The store takes its time, and more papers come meanwhile.

use std::time::Duration;

use razor::channel::{Event, HandshakeTime, Input, Ticket};
use razor::env::{Instant, Timestamp};
use razor::error::Error;
use razor::identity::{
    HistoryLimits, Identity, IdentityDraft, NewKey, PresentationLimits, PresentedCredential, StoreAnswer, StoreRequest,
};
use razor::machine::Machine as _;
use razor::node::{Answer, Request};
use razor::routing::Address;
use razor::vault::SigningKind;
use razor::wire::cbor::Encoder;

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::machine::{self, Alone};
use super::pair::Papers;
use super::{Fault, Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 16;

/// The time that the store has.
const TIME: Duration = Duration::from_secs(20);

/// What is shown: how many changes the history has, and how many credentials come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    changes: usize,
    credentials: u16,
    /// Whether one of them is a byte too long, or the history of more than may be.
    large: bool,
}

/// Papers that wait for the store.
struct Waiting {
    shown: Shown,
    until: Instant,
    /// Whether they are only to be stored.
    known: bool,
}

struct Anew {
    looks: Alone,
    shows: Alone,
    random: Stream,
    /// Those of the peer, each longer than the one before, and the last longer than anybody takes.
    histories: Vec<Vec<u8>>,
    most: u16,
    /// A credential as long as may be, and one that is longer.
    credential: [Vec<u8>; 2],
    /// How many changes are known of the peer.
    known: usize,
    waiting: Option<Waiting>,
}

/// A credential of the right form with so many bytes in its envelope. Nobody looks whether it is true.
fn credential(attestation: &[u8], bytes: usize) -> Vec<u8> {
    let mut envelope = Encoder::new(Vec::new());
    let _ = envelope.array(3).and_then(|e| e.u64(1)).and_then(|e| e.u64(3)).and_then(|e| e.bytes(&vec![7; bytes]));
    let mut credential = Encoder::new(Vec::new());
    let _ = credential.array(2).and_then(|e| e.array(2)).and_then(|e| e.bytes(&envelope.into_writer()));
    // A signature of Ed25519.
    let _ = credential.array(2).and_then(|e| e.u64(0)).and_then(|e| e.array(1)).and_then(|e| e.bytes(&[7; 64]));
    [credential.into_writer(), attestation.to_vec()].concat()
}

/// The history of these papers, and as it goes on: so often.
fn histories(seed: Seed, papers: &mut Papers, label: &str, more: usize) -> Vec<Vec<u8>> {
    let mut identity = Identity::import(&papers.history, None).expect("an own history");
    let mut all = vec![papers.history.clone()];
    for number in 0..more {
        let secret = seed.derive(&format!("{label} signs anew {number}"));
        let key = papers.vault.import_signing_key(SigningKind::Ed25519, &secret).expect("any 32 bytes");
        let draft = IdentityDraft::rotate(&identity, &NewKey::starting(key, Timestamp(BEGIN - 1)));
        identity = draft.and_then(|draft| draft.sign_with(&papers.vault)).expect("own keys");
        all.push(identity.export().to_vec());
    }
    all
}

pub(super) fn play(seed: Seed) -> Outcome {
    const LABELS: [&str; 2] = ["who looks at papers", "who shows papers anew"];
    let mut random = seed.stream("papers shown anew");
    let attestation = Papers::new(seed, LABELS[1]).attestation;
    let bytes = random.within(1..=200) as usize;
    let credential = [bytes, bytes + 1].map(|bytes| credential(&attestation, bytes));
    // As they will be drawn again.
    let histories = histories(seed, &mut Papers::new(seed, LABELS[1]), LABELS[1], 3);
    let most = random.within(1..=3) as u16;
    // The last is too long, by one change or by one byte.
    let history = if random.below(2) == 0 {
        HistoryLimits { changes: 3, ..HistoryLimits::CEILING }
    } else {
        HistoryLimits { bytes: histories[3].len() - 1, ..HistoryLimits::CEILING }
    };
    let limits = PresentationLimits { history, credentials: most, credential: credential[0].len() };
    let answers = random.below(2) == 0;
    let labels = if answers { [LABELS[1], LABELS[0]] } else { LABELS };
    let looks = usize::from(answers);
    let mut ends = machine::open(seed, labels, |number, mut config| {
        if number == looks {
            (config.timeout, config.presentation_limits) = (HandshakeTime(TIME), limits);
        }
        config
    })?;
    if !answers {
        ends.reverse();
    }
    let [shows, looks] = ends;
    let mut scene = Anew { looks, shows, random, histories, most, credential, known: 1, waiting: None };
    // Longer than what is known, and behind it another.
    let longer = Shown { changes: 2, credentials: most, large: false };
    scene.show(longer)?;
    scene.show(longer)?;
    scene.loaded()?;
    scene.show(longer)?;
    scene.stored(true)?;
    for _ in 0..LINES {
        scene.line()?;
    }
    Ok(())
}

impl Anew {
    fn line(&mut self) -> Outcome {
        match (self.random.below(5), &self.waiting) {
            (0..=1, _) | (2..=3, None) => {
                let shown = Shown {
                    changes: self.random.within(1..=self.histories.len() as u64) as usize,
                    credentials: self.random.within(0..=u64::from(self.most) + 1) as u16,
                    large: self.random.below(6) == 0,
                };
                self.show(shown)
            }
            (2..=3, Some(Waiting { known: false, .. })) => self.loaded(),
            (2..=3, Some(_)) => {
                let kept = self.random.below(4) > 0;
                self.stored(kept)
            }
            _ => self.wait(),
        }
    }

    /// The bytes of each credential that is shown.
    fn credentials(&self, shown: Shown) -> Vec<&[u8]> {
        let last = usize::from(shown.credentials).saturating_sub(1);
        let one = |number| &*self.credential[usize::from(shown.large && number == last)];
        (0..usize::from(shown.credentials)).map(one).collect()
    }

    /// Whether the looker has to take them, if it has time for them.
    fn fits(&self, shown: Shown) -> bool {
        let large = shown.large && shown.credentials > 0;
        shown.changes < self.histories.len() && shown.credentials <= self.most && !large
    }

    /// The peer shows papers: they travel as they have to, and wait for the store unless others do.
    fn show(&mut self, shown: Shown) -> Outcome {
        let mut list = vec![0x80 + shown.credentials as u8];
        list.extend(self.credentials(shown).concat());
        let history = self.histories[shown.changes - 1].clone();
        self.shows.must(Input::RefreshCredentials { history, credentials: list })?;
        let message = self.shows.hear()?;
        let alone = |address: &Address| vec![address.clone()];
        let ways = [message.onward(), message.return_route()].map(crate::frame::addresses);
        let right = [&self.looks.channel.addresses().decryptor, &self.shows.channel.addresses().encryptor].map(alone);
        demand(ways == right, Property::Conformance, || {
            format!("papers that are shown anew travel along {ways:?}, and not {right:?}")
        })?;
        let (fits, free) = (self.fits(shown), self.waiting.is_none());
        self.looks.events.clear();
        let taken = self.looks.give(Input::Receive(message)).is_ok();
        demand(taken == (fits && free), Property::Bounds, || {
            let meanwhile = if free { "" } else { ", while others wait for the store" };
            format!("{shown:?} of at most {} credentials{meanwhile}: taken {taken}", self.most)
        })?;
        if taken {
            let until = self.looks.now + TIME;
            self.waiting = Some(Waiting { shown, until, known: false });
        }
        self.nothing_told()
    }

    fn nothing_told(&self) -> Outcome {
        let told = self.looks.events.iter().any(|event| matches!(event, Event::Credentials(_)));
        demand(!told, Property::Agreement, || "papers are believed before the store has answered".into())?;
        let questions = usize::from(self.waiting.is_some());
        demand(self.looks.asked.len() == questions, Property::Bounds, || {
            format!("{questions} papers wait for the store, and it is asked {:?}", self.looks.asked)
        })
    }

    /// What was shown is told of, just as it was.
    fn told(&mut self, shown: Shown) -> Outcome {
        let told = self.looks.events.drain(..).find_map(|event| match event {
            Event::Credentials(credentials) => Some(credentials),
            _ => None,
        });
        let told =
            told.ok_or_else(|| fault(Property::Liveness, format!("the store knows, and nobody hears of {shown:?}")))?;
        let right = told.iter().map(PresentedCredential::export).eq(self.credentials(shown));
        demand(right, Property::Agreement, || format!("other papers are told of than were shown: {shown:?}"))
    }

    fn question(&mut self) -> Result<(Ticket, StoreRequest), Fault> {
        match self.looks.asked.pop_front() {
            Some((ticket, Request::Store(request))) => Ok((ticket, request)),
            other => Err(fault(Property::Liveness, format!("papers wait for the store, and it is asked {other:?}"))),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: razor::Result<StoreAnswer>) -> bool {
        self.looks.events.clear();
        self.looks.give(Input::Answer(ticket, Answer::Store(answer))).is_ok()
    }

    /// The store says what it knows: as much, less, or more than is shown.
    fn loaded(&mut self) -> Outcome {
        let (ticket, request) = self.question()?;
        let name = self.shows.papers.name;
        demand(matches!(request, StoreRequest::Load(asked) if asked == name), Property::Conformance, || {
            format!("papers are shown anew, and the store is asked {request:?}")
        })?;
        let Some(Waiting { shown, until, .. }) = self.waiting.take() else { return Ok(()) };
        let known = self.histories[self.known - 1].clone();
        let went_on = self.answer(ticket, Ok(StoreAnswer::Loaded(Some(known))));
        demand(went_on == (shown.changes >= self.known), Property::Agreement, || {
            format!("{} changes are known, and {shown:?} went on: {went_on}", self.known)
        })?;
        if shown.changes == self.known {
            return self.told(shown);
        }
        if shown.changes > self.known {
            self.waiting = Some(Waiting { shown, until, known: true });
        }
        self.nothing_told()
    }

    /// The store has kept the longer history, or has not.
    fn stored(&mut self, kept: bool) -> Outcome {
        let (ticket, request) = self.question()?;
        let Some(Waiting { shown, .. }) = self.waiting.take() else { return Ok(()) };
        let history = &self.histories[shown.changes - 1];
        let right = matches!(&request, StoreRequest::Store(name, bytes)
            if *name == self.shows.papers.name && bytes == history);
        demand(right, Property::Agreement, || "another history is stored than was shown".into())?;
        let failed = Error::limit("IDN-33", "no room");
        let went_on = self.answer(ticket, if kept { Ok(StoreAnswer::Stored) } else { Err(failed) });
        demand(went_on == kept, Property::Agreement, || format!("a history was kept: {kept}, and went on: {went_on}"))?;
        if !kept {
            return self.nothing_told();
        }
        self.known = shown.changes;
        self.told(shown)
    }

    /// Time passes, to the end of what the store has, or just not; an answer that comes later is too late.
    fn wait(&mut self) -> Outcome {
        let Some(Waiting { until, .. }) = &self.waiting else { return Ok(()) };
        let until = *until;
        self.looks.events.clear();
        self.looks.wait_until(Instant::from_nanos(until.as_nanos() - 1));
        let over = |scene: &Self| scene.looks.events.iter().any(|event| matches!(event, Event::Dropped(_)));
        demand(!over(self), Property::Liveness, || "papers were given up before the store's time was over".into())?;
        if self.random.below(2) == 0 {
            return self.nothing_told();
        }
        self.looks.wait_until(until);
        demand(over(self), Property::Bounds, || "the store's time is over, and its answer is waited for".into())?;
        demand(self.looks.channel.provisional() == 0, Property::Bounds, || "papers wait for nothing".into())?;
        self.waiting = None;
        let (ticket, _) = self.question()?;
        let known = self.histories[self.known - 1].clone();
        self.answer(ticket, Ok(StoreAnswer::Loaded(Some(known))));
        self.nothing_told()
    }
}
