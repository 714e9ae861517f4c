//! An open channel between two honest sides in a hostile network, against a model.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use super::{Direction, Fate, Side, addresses, people};
use crate::channel::{Channel, Decryptor, Encryptor, Input, State};
use crate::env::Env;
use crate::routing::{Message, Route};
use crate::vault::Key;

/// What happens to an open channel.
#[derive(Debug, Arbitrary)]
enum Operation {
    /// The side sends so many messages.
    Send(bool, u8),
    /// A message that is on its way to the side arrives, and may arrive again.
    Arrive(bool, u8),
    /// One arrives changed.
    Tamper(bool, u8, Fate),
    /// One is lost.
    Lose(bool, u8),
    Refresh(bool, Vec<u8>, Vec<u8>),
    Route(bool, Route),
    Wait(bool, u8),
    Shrink(bool),
    Close(bool),
}

/// An open channel delivers exactly what a simple model says, whatever a network does.
pub fn channel_session(data: &[u8]) {
    let Ok((start, operations)) = <(Option<u64>, Vec<Operation>)>::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    let start = start.map_or(0, |start| start.max(1));
    let keys = [3, 4].map(|byte| [byte; 32]);
    let mut sides = [0, 1].map(|who| {
        let open = |_: &mut Env<'_>, config| {
            let [send, receive] = if who == 0 { keys } else { [keys[1], keys[0]] }.map(Key::new);
            let (encryptor, decryptor) = match start.checked_sub(1) {
                None => (Encryptor::new(send), Decryptor::new(receive)),
                Some(last) => (Encryptor::resumed(send, start), Decryptor::resumed(receive, last)),
            };
            let remote = Route::from(addresses(1 - who).decryptor);
            let peer = people()[1 - who].identity.identifier();
            Some(Channel::resumed(config, addresses(who), peer, remote, (encryptor, decryptor), who == 1))
        };
        Side::new(&people()[who], open).expect("it is open")
    });
    let mut ways = [0, 1].map(|_| Direction {
        flying: Vec::new(),
        next: start,
        largest: start.saturating_sub(1),
        accepted: start.checked_sub(1).into_iter().collect(),
    });
    for operation in operations.iter().take(64) {
        match operation {
            Operation::Send(who, count) => {
                let who = usize::from(*who);
                for _ in 0..=count % 40 {
                    send(&mut sides[who], &mut ways[who]);
                }
            }
            Operation::Arrive(to, which) => {
                let (to, way) = (usize::from(*to), &mut ways[1 - usize::from(*to)]);
                let Some((nonce, message)) = pick(&way.flying, *which).cloned() else { continue };
                let open = sides[to].channel.state() == State::Open;
                let before = sides[to].delivered.len();
                assert_eq!(sides[to].input(Input::Receive(message)), open && way.accepts(nonce), "nonce {nonce}");
                if sides[to].delivered.len() > before {
                    assert_eq!(sides[to].delivered[before].payload(), nonce.to_be_bytes());
                }
            }
            Operation::Tamper(to, which, fate) => {
                let (to, way) = (usize::from(*to), &ways[1 - usize::from(*to)]);
                let Some((_, message)) = pick(&way.flying, *which) else { continue };
                let changed = fate.of(message);
                if changed.payload() != message.payload()
                    && !way.flying.iter().any(|(_, m)| m.payload() == changed.payload())
                {
                    assert!(!sides[to].input(Input::Receive(changed)), "it is not what the peer sent");
                }
            }
            Operation::Lose(to, which) => {
                let way = &mut ways[1 - usize::from(*to)];
                if !way.flying.is_empty() {
                    let index = usize::from(*which) % way.flying.len();
                    way.flying.remove(index);
                }
            }
            Operation::Refresh(who, history, credentials) => {
                let who = usize::from(*who);
                let own = people()[who].identity.export().to_vec();
                let history = if history.is_empty() { own } else { history.clone() };
                let input = Input::RefreshCredentials { history, credentials: credentials.clone() };
                if sides[who].input(input) {
                    let message = sides[who].sent.pop_back().expect("a refresh");
                    ways[who].next += 1;
                    // It arrives at once; whether it is taken is for its content to say.
                    let nonce = ways[who].next - 1;
                    if sides[1 - who].channel.state() == State::Open && sides[1 - who].authentic(message) {
                        ways[who].accepts(nonce);
                    }
                }
            }
            Operation::Route(who, route) => {
                sides[usize::from(*who)].input(Input::SetRoute(route.clone()));
            }
            Operation::Wait(who, seconds) => sides[usize::from(*who)].wait(u64::from(*seconds)),
            Operation::Shrink(who) => {
                let side = &mut sides[usize::from(*who)];
                let before = side.picture();
                side.channel.shrink();
                assert!(side.picture() == before);
            }
            Operation::Close(who) => close(&mut sides, &mut ways, usize::from(*who)),
        }
    }
}

fn pick<T>(list: &[T], which: u8) -> Option<&T> {
    list.get(usize::from(which).checked_rem(list.len())?)
}

fn send(side: &mut Side, way: &mut Direction) {
    let message =
        Message::new(Route::from_iter(["echo"]).as_ref(), Route::from_iter(["app"]).as_ref(), &way.next.to_be_bytes());
    let possible = side.channel.state() == State::Open && way.next < u64::MAX;
    assert_eq!(side.input(Input::Send(message)), possible);
    if possible {
        way.flying.push((way.next, side.sent.pop_back().expect("it is sent")));
        way.next += 1;
    }
}

fn close(sides: &mut [Side; 2], ways: &mut [Direction; 2], who: usize) {
    let was_open = sides[who].channel.state() == State::Open;
    sides[who].sent.clear();
    sides[who].input(Input::Close);
    assert_eq!(sides[who].channel.state(), State::Closed);
    let can_say_so = was_open && ways[who].next < u64::MAX;
    assert_eq!(sides[who].sent.len(), usize::from(can_say_so));
    if let Some(message) = sides[who].sent.pop_back() {
        let nonce = ways[who].next;
        ways[who].next += 1;
        let open = sides[1 - who].channel.state() == State::Open;
        let taken = sides[1 - who].input(Input::Receive(message));
        assert_eq!(taken, open && ways[who].accepts(nonce));
        assert!(!taken || sides[1 - who].channel.state() == State::Closed);
    }
}
