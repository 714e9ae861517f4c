//! Whole recordings answered by our own node: bytes of a connection go in, and the bytes that come out are the
//! recorded ones, frame by frame. The recorded random addresses, ephemeral keys and tracing text are fed in as a script;
//! what applications said is said by the owner of the node, and echoes come from our own echoer.
//!
//! An end of a connection can be played when the parties of all its channels were there, and the connection showed
//! everything in order: that is what a node sees. The other ends are replayed channel by channel, without a node.

mod channel;
mod echoers;
mod end;
mod script;

use std::collections::BTreeSet;

use razor::routing::{Address, Message};
use razor::vault::suite::Suite;

use super::by_suite;
use super::conversation::{self, Part, Side, Tap};
use super::format::{Direction as Way, Recording, Session};
use super::replay::taps;
use super::secrets::Secrets;
use crate::report::{Progress, Row, Tally};

use channel::Channel;
use echoers::echoers;
use end::End;

const SERVICES: &str = "messages of services that are still to come: their frames are checked";
const ELSEWHERE: &str = "ends of connections that show only a part of what their node did: replayed channel by channel";

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let total = recording.sessions.values().map(|session| 2 * session.frames.len()).sum();
    let mut tally = Tally::new(source, "captures: whole frames by our node", total, progress);
    for (name, session) in &recording.sessions {
        by_suite!(session, one_session(&mut tally, name, recording, session), {});
    }
    tally.finish()
}

fn one_session<S: Suite>(tally: &mut Tally<'_>, name: &str, recording: &Recording, session: &Session) {
    // What is wrong with secrets or frames is told elsewhere.
    let Ok(secrets) = Secrets::new(recording, session) else { return };
    let taps: Vec<Tap> = taps(name, session).into_iter().filter_map(Result::ok).collect();
    let found = conversation::find(&secrets, &taps);
    let channels: Vec<Channel<'_, S>> =
        found.conversations.iter().filter_map(|conversation| Channel::new(&secrets, conversation)).collect();
    let whole = channels.len() == found.conversations.len() && found.orphans.is_empty();
    let mut answered = BTreeSet::new();
    let ends: BTreeSet<(u64, Way)> = taps.iter().map(|tap| (tap.connection, tap.direction)).collect();
    for (connection, direction) in ends {
        let here: Vec<&Tap> = taps.iter().filter(|tap| tap.connection == connection).collect();
        let channels: Vec<&Channel<'_, S>> =
            channels.iter().filter(|channel| channel.tap(Part::Message1).connection == connection).collect();
        if !whole || !channels.iter().all(|channel| channel.is_played_at(direction)) {
            tally.outside(ELSEWHERE);
            continue;
        }
        let echoers = echoers(&here, &channels, direction);
        if meets_a_listener(&here, &channels, direction) {
            tally.outside(ELSEWHERE);
            continue;
        }
        let mut end = match End::new(&secrets, &channels, &here, direction) {
            Ok(end) => end,
            Err(sentence) => {
                tally.check(format!("{name}, connection {connection}, the node that sends {direction}"), Err(sentence));
                continue;
            }
        };
        end.play(tally, &here, &echoers);
        for tap in here.iter().filter(|tap| echoers.iter().any(|echoer| concerns(tap, echoer))) {
            answered.insert(tap.case.clone());
        }
    }
    found.plain.iter().filter(|tap| !answered.contains(&tap.case)).for_each(|_| tally.not_yet(SERVICES));
}

/// Whether something other than a message 1 of this connection is for a listener: a channel inside a channel.
fn meets_a_listener<S: Suite>(here: &[&Tap], channels: &[&Channel<'_, S>], direction: Way) -> bool {
    let first = |message: &Message| message.onward().first().map(|first| first.to_owned());
    let answering = channels.iter().filter(|channel| channel.side_at(direction) == Side::Responder);
    let listeners: BTreeSet<_> = answering.map(|channel| first(&channel.tap(Part::Message1).message)).collect();
    let inner = channels.iter().flat_map(|channel| channel.inner(channel.side_at(direction)));
    let is_begun = |tap: &Tap| channels.iter().any(|channel| std::ptr::eq(channel.tap(Part::Message1), tap));
    let plain = here.iter().filter(|tap| tap.direction != direction && !is_begun(tap)).map(|tap| &tap.message);
    inner.chain(plain).any(|message| listeners.contains(&first(message)))
}

/// Whether a plain message goes to or comes from this address.
fn concerns(tap: &Tap, address: &Address) -> bool {
    let address = Some(address.as_ref());
    tap.message.onward().first() == address || tap.message.return_route().first() == address
}
