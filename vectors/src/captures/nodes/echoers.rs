//! Echoers, told by what they do.

use std::collections::BTreeMap;

use razor::routing::{Address, Message, Route};
use razor::vault::suite::Suite;

use super::channel::Channel;
use crate::captures::conversation::Tap;
use crate::captures::format::Direction as Way;
use crate::captures::said::Said;

/// The addresses at an end that answer every message at once with the same payload: an echoer can stand there.
pub(super) fn echoers<S: Suite>(here: &[&Tap], channels: &[&Channel<'_, S>], direction: Way) -> Vec<Address> {
    let nowhere = Route::new();
    let mut echoes: BTreeMap<Address, bool> = BTreeMap::new();
    // Per channel, or outside: whom the last message was for, and what answers it.
    let mut pending: BTreeMap<Option<usize>, (Address, Message)> = BTreeMap::new();
    for tap in here {
        let within = channels.iter().position(|c| c.conversation.items.iter().any(|i| std::ptr::eq(i.tap, *tap)));
        let message = match within {
            None => tap.message.clone(),
            Some(number) => {
                let channel = channels[number];
                let said = [&channel.to_responder, &channel.to_initiator].into_iter().find_map(|d| d.of(tap));
                match said {
                    Some((_, Said::Payload(message))) => message.clone(),
                    Some(_) if tap.direction == direction => Message::new(nowhere.as_ref(), nowhere.as_ref(), &[]),
                    _ => continue,
                }
            }
        };
        if tap.direction == direction {
            match pending.remove(&within) {
                Some((address, expected)) => {
                    let fits = message.onward() == expected.onward()
                        && message.payload() == expected.payload()
                        && message.return_route() == Route::new().then(address.clone()).as_ref();
                    *echoes.entry(address).or_insert(true) &= fits;
                }
                // It says something of its own.
                None => {
                    if let Some(from) = message.return_route().first() {
                        echoes.insert(from.to_owned(), false);
                    }
                }
            }
        } else if let (1, Some(address)) = (message.onward().len(), message.onward().first()) {
            let address = address.to_owned();
            let answer = Message::new(message.return_route(), nowhere.as_ref(), message.payload());
            if let Some((unanswered, _)) = pending.insert(within, (address, answer)) {
                echoes.insert(unanswered, false);
            }
        }
    }
    for (address, _) in pending.into_values() {
        echoes.insert(address, false);
    }
    echoes.into_iter().filter(|(_, echoes)| *echoes).map(|(address, _)| address).collect()
}
