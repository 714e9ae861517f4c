//! Recorded channels, replayed: our machine plays the responder against the recorded initiator and the
//! initiator against the recorded responder, and every byte it sends is the recorded one.
//!
//! What the applications said is learnt by decrypting the recording. Messages may be missing, late, twice or
//! in any order. What comes out of a channel is searched for channels again, so that channels inside channels
//! are replayed too.

use std::collections::{BTreeMap, VecDeque};

use razor::channel::{Addresses, Event, Input};
use razor::env::Timestamp;
use razor::identity::PresentedCredential;
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Suite;

use super::claims::{self, Evidence, Seen};
use super::conversation::{self, Conversation, Found, Item, MESSAGE_2, Part, Side, Tap};
use super::format::{Frame, Recording, Session, Times};
use super::frames;
use super::handshake::{self, Handshake, Outcome};
use super::party::{Out, Party, Payload};
use super::said::{Direction, Rule, Said};
use super::secrets::Secrets;
use super::{by_suite, count_unknown};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let total = recording.sessions.values().map(|session| session.frames.len()).sum();
    let mut tally = Tally::new(source, "captures: channels replayed in both roles", total, progress);
    for (name, session) in &recording.sessions {
        by_suite!(session, one_session(&mut tally, name, recording, session), {
            tally.not_yet("sessions of a suite that nobody knows");
        });
        session.unknown().for_each(|field| tally.not_yet(format!("what a session records as `{field}`")));
    }
    count_unknown(&mut tally, "a recording", &recording.unknown);
    tally.finish()
}

/// The messages of a session's frames.
pub(super) fn taps(name: &str, session: &Session) -> Vec<Result<Tap, (String, String)>> {
    let mut taps = Vec::new();
    for (index, frame) in session.frames.iter().enumerate() {
        let Frame::Message(frame) = frame else { continue };
        let case = format!("{name}, frame {index}");
        taps.push(match frames::decode(frame.frame_hex.get(4..).unwrap_or_default()) {
            Ok(message) => Ok(Tap {
                case,
                connection: frame.place.connection,
                direction: frame.place.direction,
                message,
                frame: Some(frame.frame_hex.0.clone()),
            }),
            Err(sentence) => Err((case, sentence)),
        });
    }
    taps
}

fn one_session<S: Suite>(tally: &mut Tally<'_>, name: &str, recording: &Recording, session: &Session) {
    let secrets = match Secrets::new(recording, session) {
        Ok(secrets) => secrets,
        Err(sentence) => return tally.check(format!("{name}, its secrets"), Err(sentence)),
    };
    let mut found = Vec::new();
    for tap in taps(name, session) {
        match tap {
            Ok(tap) => found.push(tap),
            Err((case, sentence)) => tally.check(case, Err(sentence)),
        }
    }
    let taps = found;
    let mut seen = Seen { whole: shows_every_beginning(session, &taps), ..Seen::default() };
    if replay::<S>(tally, &secrets, &taps, 0, &mut seen) == 0 {
        match (session.frames.is_empty(), secrets.is_empty(), shows_whole_channels(session, &taps)) {
            (true, ..) => tally.outside("sessions without frames"),
            (_, true, _) => tally.outside("sessions without secrets: none of their channels can be replayed"),
            (_, _, true) => {
                let sentence = "no channel of the session is one with the recorded secrets";
                tally.check(name, Err(sentence.into()));
            }
            (_, _, false) => tally.outside("sessions that do not show the beginning of a channel"),
        }
        seen.whole = false;
    }
    claims::check::<S>(tally, name, session, &taps, &seen);
}

/// Whether every connection was recorded from its first byte.
fn shows_every_beginning(session: &Session, taps: &[Tap]) -> bool {
    taps.iter().all(|tap| {
        let opens = |frame: &Frame| matches!(frame, Frame::Version(it) if it.place.connection == tap.connection);
        session.frames.iter().any(opens)
    })
}

/// Whether there are channels and all were recorded from their first message, as far as anybody can tell who has no
/// keys: handshakes stand out by their lengths and answers, and nothing is said to whoever had none.
fn shows_whole_channels(session: &Session, taps: &[Tap]) -> bool {
    const MESSAGE_3: usize = 64;
    let answers = |tap: &Tap, to: &Tap, least: usize| {
        tap.connection == to.connection
            && tap.direction != to.direction
            && tap.payload().len() >= least
            && tap.from().is_some()
            && to.from().is_some_and(|from| tap.to() == Some(from))
    };
    let mut parties = Vec::new();
    for message_1 in taps.iter().filter(|tap| tap.payload().len() == 32) {
        for message_2 in taps.iter().filter(|tap| answers(tap, message_1, MESSAGE_2)) {
            let ends = |tap: &Tap| answers(tap, message_2, MESSAGE_3) && tap.from() == message_1.from();
            if taps.iter().any(ends) {
                parties.extend([message_1.from(), message_2.from()]);
            }
        }
    }
    let had_a_handshake = |tap: &Tap| !tap.is_like_data() || parties.contains(&tap.to());
    !parties.is_empty() && shows_every_beginning(session, taps) && taps.iter().all(had_a_handshake)
}

/// How deep channels inside channels are followed.
const DEPTH: usize = 8;

/// Replays every channel among `taps`; says how many there are with a recorded secret.
fn replay<S: Suite>(tally: &mut Tally<'_>, secrets: &Secrets, taps: &[Tap], depth: usize, seen: &mut Seen) -> usize {
    let Found { conversations, orphans, plain } = conversation::find(secrets, taps);
    seen.whole &= depth > 0 || !plain.into_iter().any(Tap::is_like_data);
    let found = conversations.len() + orphans.len();
    for orphan in orphans {
        let to = orphan.message.onward().last();
        let answered = |tap: &&Tap| to.is_some() && tap.message.return_route().last() == to;
        match taps.iter().filter(|tap| tap.payload().len() < MESSAGE_2).find(answered) {
            None => {
                seen.whole = false;
                tally.not_yet(handshake::MISSING);
            }
            Some(message_1) if handshake::answers_a_stranger::<S>(secrets, message_1, orphan) => {
                seen.strangers = true;
                seen.ephemerals.extend(orphan.ephemeral());
                tally.not_yet(handshake::STRANGER);
            }
            Some(message_1) => tally.check(&orphan.case, Err(format!("it does not answer {}", message_1.case))),
        }
    }
    for conversation in &conversations {
        let case = conversation.get(Part::Message1).map_or("a channel", |tap| &tap.case);
        match handshake::run::<S>(secrets, conversation) {
            Ok(Outcome::Whole(handshake)) => {
                tally.check(format!("{case}, the handshake in Noise"), Ok(()));
                match one_channel::<S>(tally, secrets, conversation, *handshake, seen) {
                    Ok(inner) if depth < DEPTH => {
                        replay::<S>(tally, secrets, &inner, depth + 1, seen);
                    }
                    Ok(_) => tally.not_yet("channels nested deeper than eight times"),
                    Err(sentence) => tally.check(case, Err(sentence)),
                }
            }
            Ok(Outcome::Part(reason)) => {
                seen.whole &= reason != handshake::MISSING;
                seen.strangers |= reason == handshake::STRANGER;
                let parts = [Part::Message1, Part::Message2].map(|part| conversation.get(part)?.ephemeral());
                seen.ephemerals.extend(parts.into_iter().flatten());
                tally.check(format!("{case}, the handshake as far as it goes"), Ok(()));
                conversation.items.iter().for_each(|_| tally.not_yet(reason));
            }
            Err(sentence) => tally.check(format!("{case}, the handshake in Noise"), Err(sentence)),
        }
    }
    found
}

/// A channel of which everything is known, ready to be played.
struct Play<'c, 't, S> {
    conversation: &'c Conversation<'t>,
    /// Where the handshake was recorded: elsewhere routes are others.
    connection: u64,
    handshake: Handshake,
    responder: Address,
    alice: Payload,
    bob: Payload,
    now: Timestamp,
    to_responder: Direction<'t, S>,
    to_initiator: Direction<'t, S>,
}

fn one_channel<'t, S: Suite>(
    tally: &mut Tally<'_>,
    secrets: &Secrets,
    conversation: &Conversation<'t>,
    handshake: Handshake,
    seen: &mut Seen,
) -> Result<Vec<Tap>, String> {
    let responder = conversation.responder.clone().ok_or("it has no responder")?;
    let message_1 = conversation.get(Part::Message1).ok_or("it has no message 1")?;
    let (bob, alice) = (Payload::parse(&handshake.payload_2)?, Payload::parse(&handshake.payload_3)?);
    let keys = [handshake.initiator.send.clone(), handshake.responder.send.clone()];
    let means = [&handshake.alice, &handshake.bob];
    let payloads = [&alice, &bob];
    let times = payloads.map(|p| Times { created_at: p.created_at.0, expires_at: p.expires_at.0 });
    for ((payload, means), times) in payloads.into_iter().zip(means).zip(times) {
        let attests = secrets.attests(&payload.identity, means.vault().1, times, &payload.attestation);
        tally.check(format!("{}, the attestation of {}", message_1.case, payload.identity.identifier()), attests);
        payload
            .credentials
            .iter()
            .for_each(|_| tally.not_yet("credentials in handshakes: signatures, times, attributes"));
    }
    let ephemerals = [message_1, conversation.get(Part::Message2).unwrap_or(message_1)].map(Tap::ephemeral);
    seen.ephemerals.extend(ephemerals.into_iter().flatten());
    seen.evidence.push(Evidence {
        statics: means.map(|means| means.vault().1),
        identities: payloads.map(|payload| payload.identity.clone()),
        times,
        keys: keys.each_ref().map(|key| *key.as_bytes()),
    });
    let [forth, back] = keys;
    let play = Play::<S> {
        conversation,
        connection: message_1.connection,
        responder,
        now: Timestamp(alice.created_at.0.max(bob.created_at.0)),
        to_responder: Direction::new(&conversation.items, Side::Initiator, forth),
        to_initiator: Direction::new(&conversation.items, Side::Responder, back),
        handshake,
        alice,
        bob,
    };
    for (tap, sentence) in play.to_responder.failures.iter().chain(&play.to_initiator.failures) {
        tally.check(format!("{}, decrypted", tap.case), Err(sentence.clone()));
    }
    for side in [Side::Initiator, Side::Responder] {
        play.as_party(tally, side)?;
    }
    for item in &conversation.items {
        if let Some((_, Said::Refresh { .. })) = play.direction(item.sender).of(item.tap) {
            tally.not_yet("credentials presented anew: signatures, times, attributes");
        }
    }
    Ok(play.inner())
}

impl<'t, S: Suite> Play<'_, 't, S> {
    /// What `sender` said.
    fn direction(&self, sender: Side) -> &Direction<'t, S> {
        match sender {
            Side::Initiator => &self.to_responder,
            Side::Responder => &self.to_initiator,
        }
    }

    /// What came out of the channel, in the order of the recording.
    fn inner(&self) -> Vec<Tap> {
        let mut seen = std::collections::BTreeSet::new();
        let items = self.conversation.items.iter().filter(|item| item.part == Part::Data);
        items
            .filter_map(|item| match self.direction(item.sender).of(item.tap)? {
                (nonce, Said::Payload(message)) if seen.insert((item.sender, nonce)) => Some(Tap {
                    case: format!("{}, inside", item.tap.case),
                    connection: item.tap.connection,
                    direction: item.tap.direction,
                    message: message.clone(),
                    frame: None,
                }),
                _ => None,
            })
            .collect()
    }

    /// Starts our machine in one role: it has sent message 1, or message 2.
    fn start(&self, side: Side) -> Result<(Party<S>, Out), String> {
        let message_1 = &self.conversation.get(Part::Message1).ok_or("it has no message 1")?.message;
        let encryptor = self.direction(side).encryptor().unwrap_or_else(|| Address::local("encryptor"));
        match side {
            Side::Initiator => {
                let addresses = Addresses { decryptor: self.conversation.initiator.clone(), encryptor };
                let route: Route = message_1.onward().to_owned();
                Party::initiate(&self.handshake.alice, &self.alice, self.now, addresses, &route)
            }
            Side::Responder => {
                let addresses = Addresses { decryptor: self.responder.clone(), encryptor };
                Party::respond(&self.handshake.bob, &self.bob, self.now, addresses, message_1)
            }
        }
    }

    /// The messages in an order that this side can have seen: it was open before it sent anything.
    fn in_order_of(&self, side: Side) -> Vec<Item<'t>> {
        let mut items = self.conversation.items.clone();
        let opens = items.iter().position(|item| item.part == Part::Message3);
        let first = items.iter().position(|item| item.part == Part::Data && item.sender == side);
        if let (Some(opens), Some(first)) = (opens, first)
            && first < opens
        {
            items[first..=opens].rotate_right(1);
        }
        items
    }

    /// Plays one role through the whole recording.
    fn as_party(&self, tally: &mut Tally<'_>, side: Side) -> Check {
        let (party, out) = self.start(side)?;
        let peer = match side {
            Side::Initiator => &self.bob,
            Side::Responder => &self.alice,
        };
        let mut role = Role {
            play: self,
            side,
            party,
            local: self.conversation.is_at(side),
            sent: out.sent.into(),
            next: 0,
            checked: BTreeMap::new(),
            rule: Rule::default(),
            is_open: false,
            early: Vec::new(),
        };
        let mut closing = None;
        for item in self.in_order_of(side) {
            let case = &item.tap.case;
            if item.sender == side {
                let check = role.sends(&item);
                tally.check(format!("{case}, sent by the {side:?}"), check);
            } else if matches!(self.direction(item.sender).of(item.tap), Some((_, Said::Close))) && closing.is_none() {
                // What this side has still sent was on its way before it heard of the end.
                closing = Some(item);
            } else {
                let check = role.receives(&item, peer);
                tally.check(format!("{case}, received by the {side:?}"), check);
            }
        }
        if let Some(item) = closing {
            let check = role.receives(&item, peer);
            tally.check(format!("{}, received by the {side:?}", item.tap.case), check);
        }
        tally.check(format!("the {side:?} of {}", self.conversation.initiator), role.ends());
        Ok(())
    }
}

/// One side of a channel, on its way through a recording.
struct Role<'p, 'c, 't, S: Suite> {
    play: &'p Play<'c, 't, S>,
    side: Side,
    party: Party<S>,
    /// Whether whole frames are comparable.
    local: bool,
    /// What our machine has sent by itself and the recording has not shown yet.
    sent: VecDeque<Message>,
    /// The nonce of the next message.
    next: u64,
    /// What came of the messages that were sent when a later one was seen.
    checked: BTreeMap<u64, Check>,
    rule: Rule,
    is_open: bool,
    /// What overtook message 3 and is held.
    early: Vec<&'t Tap>,
}

impl<'t, S: Suite> Role<'_, '_, 't, S> {
    /// Our machine says what the recorded one said, in the order of the nonces. What was not recorded is filled in.
    fn sends(&mut self, item: &Item<'t>) -> Check {
        match item.part {
            Part::Message1 | Part::Message2 | Part::Message3 => {
                let ours = self.sent.pop_front().ok_or("our machine does not send it")?;
                self.is_open |= item.part == Part::Message3;
                self.same(&ours, item.tap)
            }
            // Somebody has repeated it; the sender has not.
            Part::Again => Ok(()),
            Part::Data => {
                let direction = self.play.direction(self.side);
                let (nonce, _) = direction.of(item.tap).ok_or("it cannot be decrypted")?;
                const FILLED: u64 = 1 << 20;
                if nonce.saturating_sub(self.next) > FILLED {
                    return Err("too many messages before it are missing".into());
                }
                while self.next <= nonce {
                    let check = match direction.by_nonce.get(&self.next) {
                        Some((tap, said)) => self.say(tap, said),
                        None => self.fill(),
                    };
                    self.checked.insert(self.next, check);
                    self.next += 1;
                }
                self.checked.get(&nonce).cloned().unwrap_or(Ok(()))
            }
        }
    }

    fn say(&mut self, tap: &Tap, said: &Said) -> Check {
        let input = match said {
            Said::Payload(message) => Input::Send(message.clone()),
            Said::Close => {
                self.rule.close();
                Input::Close
            }
            Said::Refresh { history, credentials } => {
                Input::RefreshCredentials { history: history.clone(), credentials: credentials.clone() }
            }
        };
        let out = self.party.input(input)?;
        let [ours] = out.sent.as_slice() else {
            return Err(format!("{} messages are sent, one was recorded", out.sent.len()));
        };
        self.same(ours, tap)
    }

    fn fill(&mut self) -> Check {
        let nothing = Route::new();
        self.party.input(Input::Send(Message::new(nothing.as_ref(), nothing.as_ref(), &[]))).map(|_| ())
    }

    /// A message that our machine sends is the recorded one.
    fn same(&self, ours: &Message, tap: &Tap) -> Check {
        equal("the payload", ours.payload(), tap.payload())?;
        let (back, recorded) = (ours.return_route(), tap.message.return_route());
        if !self.local || tap.connection != self.play.connection {
            // Nodes between have changed the routes; what they keep is the end of the way back.
            return ensure(back.last().is_none() || back.last() == recorded.last(), || {
                format!("the return route ends with {:?}, the recorded one with {:?}", back.last(), recorded.last())
            });
        }
        for (what, ours, theirs) in [("onward", ours.onward(), tap.message.onward()), ("return", back, recorded)] {
            ensure(ours.items() == theirs.items(), || {
                format!("the {what} route is {ours:?}, the recording has {theirs:?}")
            })?;
        }
        match &tap.frame {
            Some(frame) => {
                let mut ours = ours.clone();
                ours.set_tracing(tap.message.tracing());
                equal("the frame", &frames::encode(&ours), frame)
            }
            None => Ok(()),
        }
    }

    /// Our machine receives what was recorded.
    fn receives(&mut self, item: &Item<'t>, peer: &Payload) -> Check {
        if item.part == Part::Message1 {
            // The responder was made from it.
            return Ok(());
        }
        // An answer takes the way that a message came, and on another connection that is another way.
        self.local &= item.tap.connection == self.play.connection;
        let out = self.party.input(Input::Receive(item.tap.message.clone()));
        match item.part {
            Part::Message1 | Part::Message2 | Part::Message3 => {
                let out = out?;
                self.is_open |= item.part == Part::Message3;
                let who = peer.identity.identifier();
                ensure(out.events.contains(&Event::Opened(who)), || {
                    format!("the channel with {who} does not open: {:?}", out.events)
                })?;
                let told = Event::Credentials(peer.credentials.clone());
                ensure(peer.credentials.is_empty() || out.events.contains(&told), || {
                    format!("the credentials of the handshake are not told: {:?}", out.events)
                })?;
                self.sent.extend(out.sent.iter().cloned());
                self.held(&out)
            }
            Part::Again => {
                let quiet = |out: Out| out.sent.is_empty() && out.delivered.is_empty() && out.events.is_empty();
                ensure(out.map_or(true, quiet), || "a repeated handshake message has an effect".into())
            }
            Part::Data if self.side == Side::Responder && !self.is_open => {
                if out.is_ok() {
                    self.early.push(item.tap);
                }
                Ok(())
            }
            Part::Data => {
                let direction = self.play.direction(item.sender);
                let (nonce, said) = direction.of(item.tap).ok_or("it cannot be decrypted")?;
                if self.rule.takes(nonce, said) {
                    self.told(&out?, said)
                } else {
                    let quiet = |out: Out| out.delivered.is_empty() && out.sent.is_empty();
                    ensure(out.map_or(true, quiet), || "a message that comes twice or too late is taken".into())
                }
            }
        }
    }

    /// What was held comes out when the channel opens, each once.
    fn held(&mut self, out: &Out) -> Check {
        let mut delivered = out.delivered.iter();
        for tap in std::mem::take(&mut self.early) {
            let direction = self.play.direction(Side::Initiator);
            let (nonce, said) = direction.of(tap).ok_or("a message that was held cannot be decrypted")?;
            match said {
                Said::Payload(message) if self.rule.takes(nonce, said) => {
                    let ours = delivered.next().ok_or("a message that was held is not delivered")?;
                    self.is_delivered(ours, message)?;
                }
                said => {
                    self.rule.takes(nonce, said);
                }
            }
        }
        ensure(delivered.next().is_none(), || "more is delivered than was said".into())
    }

    fn told(&self, out: &Out, said: &Said) -> Check {
        match said {
            Said::Payload(message) => {
                let [ours] = out.delivered.as_slice() else {
                    return Err(format!("{} messages are delivered: {:?}", out.delivered.len(), out.events));
                };
                self.is_delivered(ours, message)
            }
            Said::Close => ensure(out.events.contains(&Event::Closed), || "the channel is still open".into()),
            Said::Refresh { credentials, .. } => {
                ensure(out.delivered.is_empty(), || "something is delivered".into())?;
                let told = |event: &Event| matches!(event, Event::Credentials(list) if PresentedCredential::encode_list(list) == *credentials);
                ensure(out.events.iter().any(told), || format!("the credentials are not told: {:?}", out.events))
            }
        }
    }

    fn is_delivered(&self, ours: &Message, said: &Message) -> Check {
        let mut expected = said.clone();
        expected.push_return(self.party.encryptor().as_ref());
        equal("the delivered payload", ours.payload(), expected.payload())?;
        equal("the delivered onward route", ours.onward().items(), expected.onward().items())?;
        equal("the delivered return route", ours.return_route().items(), expected.return_route().items())
    }

    /// Nothing is left that the recording does not show.
    fn ends(&self) -> Check {
        ensure(self.sent.is_empty(), || format!("{} more messages are sent than were recorded", self.sent.len()))
    }
}
