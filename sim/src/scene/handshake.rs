//! Handshakes of channels alone, whose stores take their time. What overtakes message 3 is held, as much as may be, and
//! comes when the channel is open. Who is refused changes nothing for who comes after him.

use std::collections::VecDeque;
use std::time::Duration;

use razor::channel::{Event, HandshakeTime, HoldLimits, Input, State};
use razor::env::{Entropy, Instant, Purpose};
use razor::machine::{Machine as _, Refused};
use razor::noise::responder::NeedsStaticDh;
use razor::routing::{Message, Route};
use razor::vault::null::NullSuite;
use razor::vault::{self, KeyHandle};

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::machine::Alone;
use super::pair::{APP, Papers};
use super::{Outcome, demand, fault};

const TIME: Duration = Duration::from_secs(20);

/// What an initiator says as soon as it may.
const SAID: usize = 14;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("handshakes alone");
    overtaken(seed, &mut random)?;
    for meanwhile in [false, true] {
        refused(seed, meanwhile)?;
    }
    altered(seed, &mut random)?;
    weak(seed)?;
    zeros(seed)?;
    given_up(seed)
}

/// An initiator that gives up says what was wrong with the last thing that it refused, and otherwise that it took too long.
fn given_up(seed: Seed) -> Outcome {
    let mut random = seed.stream("reasons to give up");
    for refusals in [0, random.within(1..=3)] {
        let mut initiator = Alone::initiator(seed, "who gives up", |mut config| {
            config.timeout = HandshakeTime(TIME);
            config
        });
        let mut reason = None;
        let mut responder = Alone::responder(seed, "whom nobody takes", |config| config, &initiator.hear()?)?;
        let message_2 = responder.hear()?;
        for _ in 0..refusals {
            let garbage = match random.below(4) {
                0 => Message::new(Route::new().as_ref(), Route::from_iter(["x"]).as_ref(), &random.bytes(20)),
                1 => flipped(&message_2, random.index(32), &mut random),
                2 => flipped(&message_2, message_2.payload().len() - 1, &mut random),
                _ => {
                    let mut nowhere = message_2.clone();
                    nowhere.set_routes(Route::new().as_ref(), Route::new().as_ref());
                    nowhere
                }
            };
            if random.below(4) == 0 {
                // It is another than the store knows under its name.
                initiator.must(Input::Receive(message_2.clone()))?;
                initiator.events.clear();
                let other = initiator.papers.history.clone();
                initiator.answer_known(&responder.papers.name, Some(&other))?;
                reason = initiator.events.iter().find_map(|event| match event {
                    Event::Dropped(error) => Some(*error),
                    _ => None,
                });
            } else {
                reason = match initiator.give(Input::Receive(garbage)) {
                    Err(Refused::Error(error)) => Some(error),
                    _ => None,
                };
            }
            demand(reason.is_some(), Property::Authenticity, || "garbage was taken for a message 2".into())?;
        }
        initiator.events.clear();
        initiator.wait_until(Instant::ZERO + TIME);
        let told = initiator.events.iter().find_map(|event| match event {
            Event::Failed(error) => Some(*error),
            _ => None,
        });
        let right = match reason {
            Some(reason) => told == Some(reason),
            None => told.is_some_and(|told| told.requirement() == "CHN-18"),
        };
        demand(right, Property::Conformance, || {
            format!("a handshake is given up because of {told:?}, and the last refusal was {reason:?}")
        })?;
    }
    Ok(())
}

/// A handshake message with any one bit changed is none: the true one still counts.
fn altered(seed: Seed, random: &mut Stream) -> Outcome {
    let mut initiator = Alone::initiator(seed, "who is lied to", |config| config);
    let mut responder = Alone::responder(seed, "who is lied about", |config| config, &initiator.hear()?)?;
    let message_2 = responder.hear()?;
    for place in places(&message_2, random) {
        let taken = initiator.give(Input::Receive(flipped(&message_2, place, random))).is_ok();
        demand(!taken && initiator.asked.is_empty(), Property::Authenticity, || {
            format!("a message 2 was taken whose byte {place} is another")
        })?;
    }
    initiator.must(Input::Receive(message_2))?;
    initiator.answer_known(&responder.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    let message_3 = initiator.hear()?;
    for place in places(&message_3, random) {
        // It may be held: data could have overtaken the true one.
        let _ = responder.give(Input::Receive(flipped(&message_3, place, random)));
        demand(responder.asked.is_empty(), Property::Authenticity, || {
            format!("a message 3 was taken whose byte {place} is another")
        })?;
    }
    responder.must(Input::Receive(message_3))?;
    responder.answer_known(&initiator.papers.name, None)?;
    responder.answer_stored()?;
    let hashes = [&initiator, &responder].map(|end| end.channel.handshake_hash().copied());
    demand(hashes[0].is_some() && hashes[0] == hashes[1], Property::Agreement, || {
        "two ends of a channel do not have the same handshake".into()
    })
}

/// Bytes of a handshake message: in its key, in the encrypted key's tag, somewhere, in the last tag.
fn places(message: &Message, random: &mut Stream) -> [usize; 5] {
    let len = message.payload().len();
    [0, 33, len / 2, random.index(len), len - 1 - random.index(16)]
}

fn flipped(message: &Message, place: usize, random: &mut Stream) -> Message {
    let mut message = message.clone();
    if let Some(byte) = message.payload_mut().get_mut(place) {
        *byte ^= 1 << random.index(8);
    }
    message
}

/// Draws a secret whose public key is one that nobody may have.
struct Weak([u8; 32]);

impl Entropy for Weak {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        out.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
    }
}

/// Somebody's ephemeral key is not canonical, or of small order; all else is right.
fn weak(seed: Seed) -> Outcome {
    let liar = Papers::new(seed, "who draws badly");
    let own = *liar.config.static_key();
    // The null agreement's public key is the secret's complement.
    for secret in [[0; 32], [0xff; 32]] {
        let mut initiator = Alone::initiator(seed, "who meets a bad draw", |config| config);
        let message_1 = initiator.hear()?;
        let read = NeedsStaticDh::<NullSuite>::read_message_1(own, &mut Weak(secret), message_1.payload());
        let Ok((noise, _)) = read else { return Err(fault(Property::Conformance, "message 1 cannot be read")) };
        let request = vault::Request::StaticDh(KeyHandle::of(&own.0), noise.dh_with());
        let Ok(vault::Answer::Shared(secret)) = liar.vault.answer(&request) else {
            return Err(fault(Property::Liveness, "a vault has no own key"));
        };
        // With a shared secret of zeros, there is nothing to say.
        let Ok((_, message_2)) = noise.write_message_2(&secret, liar.config.presentation()) else { continue };
        let onward = Route::from(initiator.channel.addresses().decryptor.clone());
        let message_2 = Message::new(onward.as_ref(), Route::from_iter(["liar"]).as_ref(), &message_2);
        let taken = initiator.give(Input::Receive(message_2)).is_ok();
        demand(!taken && initiator.asked.is_empty(), Property::Conformance, || {
            "an initiator takes an ephemeral key that nobody may have".into()
        })?;
    }
    Ok(())
}

/// A vault computes a shared secret of zeros, which everybody can: its own side ends the handshake, and says nothing.
fn zeros(seed: Seed) -> Outcome {
    let mut initiator = Alone::initiator(seed, "whose vault is lied to", |config| config);
    let message_1 = initiator.hear()?;
    let mut responder = Alone::unanswered(seed, "whose vault computes zeros", &message_1)?;
    responder.answer_zeros()?;
    let mut second = Alone::responder(seed, "whose vault does not", |config| config, &message_1)?;
    initiator.must(Input::Receive(second.hear()?))?;
    initiator.answer_known(&second.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_zeros()?;
    for end in [&initiator, &responder] {
        let over = end.channel.state() == State::Closed && end.said.is_empty();
        demand(over, Property::Conformance, || {
            format!("after a shared secret of zeros a handshake went on: {:?}", end.channel.state())
        })?;
    }
    Ok(())
}

/// What an initiator says comes before its message 3, or while its peer asks the store.
fn overtaken(seed: Seed, random: &mut Stream) -> Outcome {
    let hold = HoldLimits {
        messages: random.within(0..=HoldLimits::CEILING.messages as u64) as usize,
        bytes: [HoldLimits::CEILING.bytes, 6_000][random.index(2)],
    };
    let mut initiator = Alone::initiator(seed, "who is overtaken", |config| config);
    let message_1 = initiator.hear()?;
    let mut responder = Alone::responder(
        seed,
        "who holds",
        |mut config| {
            (config.hold, config.timeout) = (hold, HandshakeTime(TIME));
            config
        },
        &message_1,
    )?;
    let began = responder.now;
    initiator.must(Input::Receive(responder.hear()?))?;
    initiator.answer_known(&responder.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    let message_3 = initiator.hear()?;
    let mut coming = VecDeque::new();
    for number in 0..SAID as u32 {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize([10, 10, 10, 700, 3_000][random.index(5)], 7);
        let words = Message::new(Route::from_iter([APP]).as_ref(), Route::new().as_ref(), &payload);
        initiator.must(Input::Send(words))?;
        coming.push_back((initiator.hear()?, Some(payload)));
        if random.below(4) == 0 {
            let garbage = random.bytes(100);
            let stranger = Message::new(Route::from_iter([APP]).as_ref(), Route::from_iter(["x"]).as_ref(), &garbage);
            coming.push_back((stranger, None));
        }
    }
    let early = random.index(coming.len());
    let (mut held, mut bytes, mut owed) = (0, 0, Vec::new());
    let mut message_3 = Some(message_3);
    for (number, (message, payload)) in coming.into_iter().enumerate() {
        if number == early
            && let Some(message_3) = message_3.take()
        {
            responder.must(Input::Receive(message_3))?;
        }
        let size = message.footprint();
        let fits = held < hold.messages && bytes + size <= hold.bytes;
        let taken = responder.give(Input::Receive(message)).is_ok();
        demand(taken == fits, Property::Bounds, || {
            format!("with {held} messages and {bytes} bytes held of {hold:?}, one of {size} was held: {taken}")
        })?;
        if fits {
            (held, bytes) = (held + 1, bytes + size);
            owed.extend(payload);
        }
        demand(responder.channel.provisional() == bytes, Property::Bounds, || {
            format!("{bytes} bytes are held, and {} are said to be", responder.channel.provisional())
        })?;
        let due = responder.channel.deadline().map(|due| due.at);
        demand(due == Some(began + TIME), Property::Bounds, || {
            format!("what comes in a handshake changes when it ends: {due:?}")
        })?;
        responder.now = responder.now + Duration::from_millis(10);
    }
    responder.answer_known(&initiator.papers.name, None)?;
    demand(!responder.has_opened_with(&initiator.papers.name), Property::Agreement, || {
        "a channel is open whose peer is not stored yet".into()
    })?;
    responder.answer_stored()?;
    demand(responder.has_opened_with(&initiator.papers.name), Property::Liveness, || {
        "the store has answered, and the channel is not open".into()
    })?;
    demand(responder.got == owed && responder.channel.provisional() == 0, Property::Liveness, || {
        format!("of {} messages that were held {} came", owed.len(), responder.got.len())
    })
}

/// Two answer one message 1, the first of whom contradicts what is known of him; the second after that has come out, or
/// meanwhile.
fn refused(seed: Seed, meanwhile: bool) -> Outcome {
    let mut initiator = Alone::initiator(seed, "who is answered twice", |mut config| {
        config.timeout = HandshakeTime(TIME);
        config
    });
    let message_1 = initiator.hear()?;
    let mut first = Alone::responder(seed, "who is refused", |config| config, &message_1)?;
    let mut second = Alone::responder(seed, "who is not refused", |config| config, &message_1)?;
    initiator.must(Input::Receive(first.hear()?))?;
    let mut answer = Some(second.hear()?);
    if meanwhile && let Some(answer) = answer.take() {
        initiator.must(Input::Receive(answer))?;
    }
    // What it knows under this name is of somebody else.
    initiator.answer_known(&first.papers.name, Some(&second.papers.history))?;
    if let Some(answer) = answer {
        let state = initiator.channel.state();
        demand(state == State::AwaitMessage2, Property::Liveness, || {
            format!("a message 2 that was refused has left its mark: {state:?}")
        })?;
        initiator.must(Input::Receive(answer))?;
    }
    initiator.answer_known(&second.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    demand(initiator.has_opened_with(&second.papers.name), Property::Liveness, || {
        "who answered after somebody who was refused has no channel".into()
    })?;
    let message_3 = initiator.hear()?;
    second.must(Input::Receive(message_3))?;
    second.answer_known(&initiator.papers.name, None)?;
    // A history that does not reach the store opens nothing, whatever comes later.
    let due = Instant::ZERO + TIME;
    initiator.wait_until(due);
    demand(initiator.channel.peer() == Some(&second.papers.name), Property::Liveness, || {
        "the time of a handshake ended a channel that is open".into()
    })
}
