//! Long ways: what is said along routes that are longer than the room which a message has for them says what it said, goes
//! where it went, and leads back.

use std::collections::VecDeque;

use razor::channel::{Input, LISTENER, State};
use razor::identity::PresentedCredential;
use razor::routing::{Address, Limits, Message, Route, Tail};

use crate::checker::Property;
use crate::frame::addresses;
use crate::seed::{Seed, Stream};

use super::machine::Alone;
use super::pair::APP;
use super::{Fault, Outcome, demand, fault};

/// Messages, and how often each is edited.
const MESSAGES: usize = 8;
const EDITS: usize = 24;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("long ways");
    for _ in 0..MESSAGES {
        edited(&mut random)?;
    }
    channel(seed, &mut random)
}

/// A message as its editors know it.
struct Known {
    onward: VecDeque<Address>,
    back: VecDeque<Address>,
    payload: Vec<u8>,
    tracing: Option<String>,
}

impl Known {
    fn is(&self, message: &Message) -> bool {
        let Self { onward, back, payload, tracing } = self;
        let (to, from) = (addresses(message.onward()), addresses(message.return_route()));
        *onward == to && *back == from && message.payload() == payload && message.tracing() == tracing.as_deref()
    }
}

fn address(random: &mut Stream) -> Address {
    let len = [1, 8, 32, 64, 255][random.index(5)];
    Address::local(&String::from_utf8(vec![b'a' + random.below(26) as u8; len]).expect("letters"))
}

fn route(random: &mut Stream) -> Route {
    (0..[0, 1, 3, 14][random.index(4)]).map(|_| address(random)).collect()
}

/// Whatever is done to a message's routes is done to them alone, however long they become.
fn edited(random: &mut Stream) -> Outcome {
    let (onward, back, payload) = (route(random), route(random), random.bytes(20));
    let mut message = Message::new(onward.as_ref(), back.as_ref(), &payload);
    let (onward, back) = (addresses(onward.as_ref()).into(), addresses(back.as_ref()).into());
    let mut known = Known { onward, back, payload, tracing: None };
    for _ in 0..EDITS {
        let edit = edit(&mut message, &mut known, random)?;
        demand(known.is(&message), Property::Conformance, || {
            let Known { onward, back, .. } = &known;
            format!("after {edit} a message is {message:?}, and has to be to {onward:?}, back {back:?}")
        })?;
    }
    Ok(())
}

fn edit(message: &mut Message, known: &mut Known, random: &mut Stream) -> Result<&'static str, Fault> {
    Ok(match random.below(10) {
        0 => {
            let address = address(random);
            message.push_onward(address.as_ref());
            known.onward.push_front(address);
            "an address more"
        }
        1..=3 => {
            let address = address(random);
            message.push_return(address.as_ref());
            known.back.push_front(address);
            "a hop"
        }
        4 => {
            // Nobody takes what is not there.
            let (popped, there) = (message.pop_onward().is_ok(), known.onward.pop_front().is_some());
            demand(popped == there, Property::Conformance, || {
                format!("of a way that {} empty an address was taken: {popped}", if there { "is not" } else { "is" })
            })?;
            "an address less"
        }
        5 => {
            let route = route(random);
            message.set_onward(route.as_ref());
            known.onward = addresses(route.as_ref()).into();
            "another way"
        }
        6 => {
            let (onward, back) = (route(random), route(random));
            message.set_routes(onward.as_ref(), back.as_ref());
            (known.onward, known.back) = (addresses(onward.as_ref()).into(), addresses(back.as_ref()).into());
            "other routes"
        }
        7 => {
            message.turn_round();
            known.onward = std::mem::take(&mut known.back);
            "turning round"
        }
        8 => {
            known.tracing = (random.below(2) == 0).then(|| "a trace".to_owned());
            message.set_tracing(known.tracing.as_deref());
            "a tracing text"
        }
        _ => {
            // Into a frame and out of it.
            let prefix = random.bytes(5);
            message.fold(&prefix, Tail::Tracing);
            let unfolded = message.unfold(prefix.len(), &Limits::CEILING, |reader| {
                if reader.is_at_end() { Ok(false) } else { reader.text(usize::MAX).map(|_| true) }
            });
            let unread = |error| fault(Property::Conformance, format!("a message's own frame is not read: {error}"));
            unfolded.map_err(unread)?;
            "a frame"
        }
    })
}

/// A way of so many hops that a message has no room for it, or few.
fn way(random: &mut Stream) -> Route {
    let len = [8, 32, 64][random.index(3)];
    let hop = |number| Address::local(&format!("{number:0len$}"));
    (0..[0, 3, 14, 30][random.index(4)]).map(hop).collect()
}

/// A message as it comes when it has gone this way.
fn carried(message: &Message, way: &Route) -> Message {
    let mut back = way.clone();
    message.return_route().iter().for_each(|address| back.append(address));
    Message::new(message.onward(), back.as_ref(), message.payload())
}

/// Two ends of a channel, each of which the other reaches by a way of its own.
fn channel(seed: Seed, random: &mut Stream) -> Outcome {
    let ways = [way(random), way(random)];
    let mut initiator = Alone::initiator(seed, "who calls from afar", |config| config);
    let message_1 = initiator.hear()?;
    goes(&message_1, &Route::from_iter([LISTENER]), &Route::from(initiator.channel.addresses().decryptor.clone()))?;
    let message_1 = carried(&message_1, &ways[0]);
    let mut responder = Alone::responder(seed, "who is called from afar", |config| config, &message_1)?;
    let ends = [&initiator, &responder].map(|end| end.channel.addresses().clone());
    let [to_initiator, to_responder] = [0, 1].map(|end| ways[end].clone().then(ends[end].decryptor.clone()));
    let message_2 = responder.hear()?;
    goes(&message_2, &to_initiator, &Route::from(ends[1].decryptor.clone()))?;
    initiator.must(Input::Receive(carried(&message_2, &ways[1])))?;
    initiator.answer_known(&responder.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    let message_3 = initiator.hear()?;
    goes(&message_3, &to_responder, &Route::from(ends[0].decryptor.clone()))?;
    responder.must(Input::Receive(carried(&message_3, &ways[0])))?;
    responder.answer_known(&initiator.papers.name, None)?;
    responder.answer_stored()?;
    let mut both = [initiator, responder];
    let routes = [to_responder, to_initiator];
    let closer = random.index(2);
    for end in [0, 1, closer] {
        let words = random.bytes(10);
        let message = Message::new(Route::from_iter([APP]).as_ref(), route(random).as_ref(), &words);
        both[end].must(Input::Send(message))?;
        let said = both[end].hear()?;
        goes(&said, &routes[end], &Route::new())?;
        both[1 - end].must(Input::Receive(said))?;
        let got = std::mem::take(&mut both[1 - end].got);
        demand(got == [words], Property::Conformance, || format!("of words on a long way {} came", got.len()))?;
        // Papers anew, and a Close, say where their sender is.
        let own = Route::from(ends[end].encryptor.clone());
        let history = both[end].papers.history.clone();
        let credentials = PresentedCredential::encode_list(&[]);
        both[end].must(Input::RefreshCredentials { history, credentials })?;
        goes(&both[end].hear()?, &routes[end], &own)?;
    }
    both[closer].must(Input::Close)?;
    let said = both[closer].hear()?;
    goes(&said, &routes[closer], &Route::from(ends[closer].encryptor.clone()))?;
    both[1 - closer].must(Input::Receive(said))?;
    let state = both[1 - closer].channel.state();
    demand(state == State::Closed, Property::Liveness, || {
        format!("a Close came a long way, and left a channel {state:?}")
    })
}

fn goes(message: &Message, onward: &Route, back: &Route) -> Outcome {
    demand(
        message.onward() == onward.as_ref() && message.return_route() == back.as_ref(),
        Property::Conformance,
        || format!("a channel said {message:?}, to go to {onward}, back by {back}"),
    )
}
