//! An insider: a peer who is who it says, and has the keys of its channel. It says what a channel must not take, and what
//! it must, in its own hand: plaintexts, ways and papers.

use std::time::Duration;

use razor::channel::{
    Encryptor, Event, HandshakeTime, Input, LISTENER, Padding, PaddingLimit, State, encode_close, encode_refresh,
};
use razor::env::Seeded;
use razor::identity::PresentedCredential;
use razor::machine::Machine as _;
use razor::node::Request;
use razor::noise::initiator::AwaitsMessage2;
use razor::routing::{Address, Limits, Message, Route};
use razor::vault::null::NullSuite;
use razor::vault::{self, KeyHandle};
use razor::wire::cbor::Encoder;

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::machine::Alone;
use super::pair::{APP, Papers};
use super::{Fault, Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 40;

/// The time that the store has.
const TIME: Duration = Duration::from_secs(20);

/// What may be in the routes of a Payload, and on the way of a message.
const LIMITS: Limits = Limits::FLOOR;

/// Where the insider is told something: the last address of each way to it.
const INSIDER: &str = "insider";

struct Inside {
    victim: Alone,
    /// Somebody else.
    other: Papers,
    insider: Papers,
    encryptor: Encryptor<NullSuite>,
    random: Stream,
    /// The greatest nonce of a Payload, and the way that it came.
    greatest: u64,
    way: Route,
    /// What the victim has to have delivered.
    owed: Vec<Vec<u8>>,
    said: u32,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let (insider, other) = (Papers::new(seed, "an insider"), Papers::new(seed, "somebody else"));
    let mut entropy = Seeded::new(seed.derive("an insider draws"));
    let (noise, message_1) = AwaitsMessage2::<NullSuite>::start(*insider.config.static_key(), &mut entropy);
    let say = |bytes: &[u8]| {
        Message::new(Route::from_iter([LISTENER]).as_ref(), Route::from_iter(["hop", INSIDER]).as_ref(), bytes)
    };
    let mut victim = Alone::responder(
        seed,
        "a victim",
        |mut config| {
            (config.timeout, config.limits) = (HandshakeTime(TIME), LIMITS);
            config.padding_limit = PaddingLimit::FLOOR;
            config
        },
        &say(&message_1),
    )?;
    let wrong = |_| fault(Property::Conformance, "message 2 is not what the specification says");
    let (noise, _) = noise.read_message_2(victim.hear()?.payload()).map_err(wrong)?;
    let request = vault::Request::StaticDh(KeyHandle::of(&insider.config.static_key().0), noise.dh_with());
    let Ok(vault::Answer::Shared(secret)) = insider.vault.answer(&request) else {
        return Err(fault(Property::Liveness, "a vault has no own key"));
    };
    let (finished, message_3) = noise.write_message_3(&secret, insider.config.presentation()).map_err(wrong)?;
    victim.must(Input::Receive(say(&message_3)))?;
    victim.answer_known(&insider.name, None)?;
    victim.answer_stored()?;
    demand(victim.has_opened_with(&insider.name), Property::Liveness, || "good papers open no channel".into())?;
    let mut scene = Inside {
        victim,
        other,
        insider,
        encryptor: Encryptor::new(finished.send),
        random: seed.stream("an insider"),
        greatest: 0,
        way: Route::from_iter(["hop", INSIDER]),
        owed: Vec::new(),
        said: 0,
    };
    let first = scene.payload(b"first", 1, 0);
    // The nonce 0 moves nothing.
    scene.say(&first, &Route::from_iter(["early", INSIDER]), true)?;
    for _ in 0..LINES {
        scene.line()?;
    }
    scene.unanswered()?;
    scene.end()
}

/// A plaintext's padding: zeros, or not.
fn padding(len: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let _ = encoder.bytes(&vec![7; len]);
    encoder.into_writer()
}

impl Inside {
    /// The plaintext of a Payload whose onward route has so many addresses, with so much padding.
    fn payload(&self, words: &[u8], addresses: usize, zeros: usize) -> Vec<u8> {
        let route: Route = (0..addresses).map(|_| Address::local(APP)).collect();
        let mut plaintext = vec![0x82, 0x82, 0x00, 0x81, 0x83];
        plaintext.extend(route.encode());
        plaintext.extend(Route::from_iter(["back"]).encode());
        let mut encoder = Encoder::new(Vec::new());
        let _ = encoder.bytes(words);
        plaintext.extend(encoder.into_writer());
        plaintext.extend(padding(zeros));
        plaintext
    }

    fn words(&mut self) -> Vec<u8> {
        self.said += 1;
        self.said.to_be_bytes().to_vec()
    }

    fn line(&mut self) -> Outcome {
        let same = self.way.clone();
        let words = self.words();
        match self.random.below(8) {
            0..=1 => self.wander(words),
            2 => {
                // At the edges of what is borne: just so much, and one more.
                let most = PaddingLimit::FLOOR.0 as usize;
                let (addresses, zeros, borne) = [
                    (usize::from(LIMITS.hops), 0, true),
                    (usize::from(LIMITS.hops) + 1, 0, false),
                    (1, most, true),
                    (1, most + 1, false),
                ][self.random.index(4)];
                let plaintext = self.payload(&words, addresses, zeros);
                if borne {
                    self.owed.push(words);
                }
                self.say(&plaintext, &same, borne)
            }
            3 => {
                // Something behind the end, or not all of it.
                let mut plaintext = match self.random.index(3) {
                    0 => self.payload(&words, 1, 0),
                    1 => encode_close(Padding::None),
                    _ => encode_refresh(&self.insider.history, &PresentedCredential::encode_list(&[]), Padding::None),
                };
                if self.random.below(2) == 0 {
                    plaintext.push(0);
                } else {
                    plaintext.pop();
                }
                self.say(&plaintext, &same, false)
            }
            4 => self.say(&[0x82, 0x82, 0x03, 0x80, 0x40], &same, false),
            5 => self.late(words),
            _ => self.refresh(),
        }
    }

    fn sealed(&mut self, plaintext: &[u8], way: &Route) -> Result<(u64, Message), Fault> {
        let mut message = Message::new(Route::new().as_ref(), Route::new().as_ref(), plaintext);
        let nonce =
            self.encryptor.seal(&mut message).map_err(|_| fault(Property::Liveness, "nothing can be sealed"))?;
        message.set_routes(Route::from_iter([APP]).as_ref(), way.as_ref());
        Ok((nonce, message))
    }

    /// A plaintext that the victim takes, or not.
    fn say(&mut self, plaintext: &[u8], way: &Route, taken: bool) -> Outcome {
        let (nonce, message) = self.sealed(plaintext, way)?;
        self.hand_over(nonce, message, way, taken)
    }

    fn hand_over(&mut self, nonce: u64, message: Message, way: &Route, taken: bool) -> Outcome {
        let asked = self.victim.asked.len();
        let was_taken = self.victim.give(Input::Receive(message)).is_ok();
        demand(was_taken == taken, Property::Authenticity, || {
            format!(
                "an insider said what a channel must {}, and it was {}",
                if taken { "take" } else { "drop" },
                if was_taken { "taken" } else { "dropped" }
            )
        })?;
        if taken && nonce > self.greatest {
            self.greatest = nonce;
            self.moved(way);
        }
        demand(self.victim.asked.len() == asked, Property::Conformance, || {
            "a plaintext made a channel ask something".into()
        })?;
        self.look()
    }

    /// The way is that of the newest Payload; the last address stays; one that is too long is not taken.
    fn moved(&mut self, way: &Route) {
        let mut way = way.clone();
        let insider = Address::local(INSIDER);
        if way.as_ref().last() != Some(insider.as_ref()) {
            way.append(insider.as_ref());
        }
        if way.len() <= usize::from(LIMITS.hops) {
            self.way = way;
        }
    }

    /// The victim is open, has delivered what it has to, and sends where it has to.
    fn look(&mut self) -> Outcome {
        demand(self.victim.channel.state() == State::Open, Property::Liveness, || {
            "what is no Close has closed a channel".into()
        })?;
        let way = self.victim.channel.remote_route();
        demand(way == Some(&self.way), Property::Provenance, || {
            format!("the way to a peer is {way:?}, and has to be {:?}", self.way)
        })?;
        let owed = self.owed.drain(..).collect::<Vec<_>>();
        let got = std::mem::take(&mut self.victim.got);
        demand(got.iter().filter(|words| **words != b"first").eq(&owed), Property::AtMostOnce, || {
            format!("an insider's channel delivered {got:?}, and had to deliver {owed:?}")
        })
    }

    /// It comes another way: a short one, its own end alone, or one that is too long.
    fn wander(&mut self, words: Vec<u8>) -> Outcome {
        let length = [0, 1, 2, usize::from(LIMITS.hops) - 1, usize::from(LIMITS.hops)][self.random.index(5)];
        let name = format!("way-{}", self.said);
        let mut way: Route = (0..length).map(|_| Address::local(&name)).collect();
        if length == 0 || self.random.below(3) == 0 {
            way = way.then(INSIDER);
        }
        if self.random.below(2) == 0 {
            // A part of the way as it is, from its beginning.
            let known = self.way.as_ref();
            let some = self.random.within(1..=known.len().max(2) as u64 - 1) as usize;
            way = known.iter().take(some).map(|address| address.to_owned()).collect();
        }
        let plaintext = self.payload(&words, 1, 0);
        self.owed.push(words);
        self.say(&plaintext, &way, true)
    }

    /// A message overtakes another that came another way.
    fn late(&mut self, words: Vec<u8>) -> Outcome {
        let more = self.words();
        let [one, other] = [1, 2].map(|which| Route::from_iter([format!("late-{which}-{}", self.said).as_str()]));
        let (plain, later) = (self.payload(&words, 1, 0), self.payload(&more, 1, 0));
        let (nonce, message) = self.sealed(&plain, &one)?;
        self.owed.push(more);
        self.say(&later, &other, true)?;
        self.owed.push(words);
        self.hand_over(nonce, message, &one, true)
    }

    /// Papers are shown anew: its own, another's, its own that contradict what is known. None moves the way.
    fn refresh(&mut self) -> Outcome {
        let others = self.random.below(3) == 0;
        let history = if others { self.other.history.clone() } else { self.insider.history.clone() };
        let plaintext = encode_refresh(&history, &PresentedCredential::encode_list(&[]), Padding::None);
        let (_, message) = self.sealed(&plaintext, &Route::from_iter(["elsewhere", INSIDER]))?;
        let taken = self.victim.give(Input::Receive(message)).is_ok();
        demand(taken != others, Property::Agreement, || {
            format!(
                "papers of {} were {}",
                if others { "somebody else" } else { "the peer" },
                if taken { "taken" } else { "refused" }
            )
        })?;
        if others {
            demand(self.victim.asked.is_empty(), Property::Agreement, || "another's papers are looked up".into())?;
            return self.look();
        }
        self.victim.events.clear();
        let contradicts = self.random.below(2) == 0;
        let known = if contradicts { self.other.history.clone() } else { self.insider.history.clone() };
        let name = self.insider.name;
        let answered = self.victim.answer_known(&name, Some(&known));
        let told = self.victim.events.iter().any(|event| matches!(event, Event::Credentials(_)));
        demand(told != contradicts && answered.is_ok() != contradicts, Property::Agreement, || {
            format!(
                "papers that {} what is known were {}",
                if contradicts { "contradict" } else { "are" },
                if told { "believed" } else { "not believed" }
            )
        })?;
        self.look()
    }

    /// The store does not say what it knows: after a time nobody waits for it, and later papers are looked up.
    fn unanswered(&mut self) -> Outcome {
        let plaintext = encode_refresh(&self.insider.history, &PresentedCredential::encode_list(&[]), Padding::None);
        let same = self.way.clone();
        for wait in [TIME - Duration::from_nanos(1), TIME] {
            self.victim.asked.clear();
            let (_, message) = self.sealed(&plaintext, &same)?;
            self.victim.must(Input::Receive(message))?;
            demand(matches!(self.victim.asked.front(), Some((_, Request::Store(_)))), Property::Liveness, || {
                "papers are shown anew, and nobody looks up what is known".into()
            })?;
            let waits = |scene: &Self| scene.victim.channel.provisional() > 0;
            self.victim.wait_until(self.victim.now + wait);
            demand(waits(self) == (wait < TIME), Property::Bounds, || {
                "papers wait for a store that does not answer, for too long or too short".into()
            })?;
            self.victim.wait_until(self.victim.now + TIME);
        }
        self.victim.asked.clear();
        self.look()
    }

    /// It closes the channel, in so many words.
    fn end(&mut self) -> Outcome {
        let same = self.way.clone();
        let (_, message) = self.sealed(&encode_close(Padding::None), &same)?;
        self.victim.must(Input::Receive(message))?;
        demand(self.victim.channel.state() == State::Closed, Property::Liveness, || {
            "a peer closed a channel, and it is open".into()
        })
    }
}
