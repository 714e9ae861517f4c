//! Recorded handshakes in Noise alone, both sides: every message equal byte for byte. This gives the payloads
//! and the keys that the channel is replayed with.

use razor::noise::Finished;
use razor::noise::initiator::AwaitsMessage2;
use razor::noise::responder::NeedsStaticDh;
use razor::vault::suite::Suite;
use razor::vault::{KeyHandle, PublicKey};

use super::conversation::{Conversation, Item, Part, Tap};
use super::party::Means;
use super::secrets::Secrets;
use crate::report::equal;

/// A handshake of which everything is known.
pub(super) struct Handshake {
    pub(super) initiator: Finished,
    pub(super) responder: Finished,
    pub(super) payload_2: Vec<u8>,
    pub(super) payload_3: Vec<u8>,
    pub(super) alice: Means,
    pub(super) bob: Means,
}

/// What a conversation's handshake turns out to be.
pub(super) enum Outcome {
    Whole(Box<Handshake>),
    /// Right as far as it goes, and why it goes no further.
    Part(&'static str),
}

pub(super) const MISSING: &str = "handshakes of which a message was not recorded";
pub(super) const STRANGER: &str = "channels with a party whose secrets are not recorded";

/// A key of which nothing is known.
const NOBODY: PublicKey = PublicKey([0; 32]);

fn refused(what: &'static str) -> impl Fn(razor::Error) -> String {
    move |e| format!("{what}: {e}")
}

fn ephemeral(secrets: &Secrets, tap: &Tap) -> Option<[u8; 32]> {
    secrets.ephemeral(tap.ephemeral()?).copied()
}

/// Runs the handshake of a conversation.
///
/// # Errors
/// A sentence when a message is not what the recorded secrets make.
pub(super) fn run<S: Suite>(secrets: &Secrets, c: &Conversation<'_>) -> Result<Outcome, String> {
    let message_1 = c.get(Part::Message1).ok_or("it has no message 1")?;
    let alice_e = ephemeral(secrets, message_1).ok_or("the initiator's ephemeral key is not recorded")?;
    let (waiting, first) = AwaitsMessage2::<S>::start(NOBODY, &mut Means::scripted(alice_e));
    equal("message 1", &first, message_1.payload())?;
    let Some(message_2) = c.get(Part::Message2) else { return unanswered(c, &waiting) };
    let (read, payload_2) = waiting.read_message_2(message_2.payload()).map_err(refused("message 2 is refused"))?;
    let bob_e = ephemeral(secrets, message_2).ok_or("the responder's ephemeral key is not recorded")?;
    let Some(bob_s) = secrets.static_key(read.remote_static()).copied() else { return Ok(Outcome::Part(STRANGER)) };
    let bob = Means { static_secret: bob_s, ephemeral: bob_e };

    let (vault, public) = bob.vault();
    let (responder, _) = NeedsStaticDh::<S>::read_message_1(public, &mut bob.entropy(), message_1.payload())
        .map_err(refused("message 1 is refused"))?;
    let shared = vault
        .static_dh(&KeyHandle::of(&public.0), &responder.dh_with())
        .map_err(refused("the responder's static key"))?;
    let (responder, second) = responder.write_message_2(&shared, &payload_2).map_err(refused("message 2"))?;
    equal("message 2", &second, message_2.payload())?;
    let Some(message_3) = c.get(Part::Message3) else { return Ok(Outcome::Part(MISSING)) };
    let (responder, payload_3) =
        responder.read_message_3(message_3.payload()).map_err(refused("message 3 is refused"))?;

    let Some(alice_s) = secrets.static_key(&responder.remote_static).copied() else {
        return Ok(Outcome::Part(STRANGER));
    };
    let alice = Means { static_secret: alice_s, ephemeral: alice_e };
    let (vault, public) = alice.vault();
    let (waiting, _) = AwaitsMessage2::<S>::start(public, &mut alice.entropy());
    let (initiator, _) = waiting.read_message_2(message_2.payload()).map_err(refused("message 2 is refused"))?;
    let shared = vault
        .static_dh(&KeyHandle::of(&public.0), &initiator.dh_with())
        .map_err(refused("the initiator's static key"))?;
    let (initiator, third) = initiator.write_message_3(&shared, &payload_3).map_err(refused("message 3"))?;
    equal("message 3", &third, message_3.payload())?;
    equal("the initiator's sending key", initiator.send.as_bytes(), responder.receive.as_bytes())?;
    equal("the responder's sending key", responder.send.as_bytes(), initiator.receive.as_bytes())?;
    Ok(Outcome::Whole(Box::new(Handshake { initiator, responder, payload_2, payload_3, alice, bob })))
}

/// No known party has answered: either nobody has, or somebody whose answer is authentic.
fn unanswered<S: Suite>(c: &Conversation<'_>, waiting: &AwaitsMessage2<S>) -> Result<Outcome, String> {
    let answers = |item: &&Item<'_>| item.part == Part::Data && !item.tap.is_like_data();
    match c.items.iter().find(answers) {
        None => Ok(Outcome::Part(MISSING)),
        Some(answer) if waiting.read_message_2(answer.tap.payload()).is_ok() => Ok(Outcome::Part(STRANGER)),
        Some(answer) => Err(format!("{} answers it and is no message 2", answer.tap.case)),
    }
}

/// Whether somebody whose secrets are recorded answered a message 1 of a stranger, and this is the answer. The
/// encrypted static key tells.
pub(super) fn answers_a_stranger<S: Suite>(secrets: &Secrets, message_1: &Tap, answer: &Tap) -> bool {
    let Some(ephemeral) = ephemeral(secrets, answer) else { return false };
    secrets.statics().values().any(|secret| {
        let bob = Means { static_secret: *secret, ephemeral };
        let (vault, public) = bob.vault();
        let Ok((responder, _)) = NeedsStaticDh::<S>::read_message_1(public, &mut bob.entropy(), message_1.payload())
        else {
            return false;
        };
        let shared = vault.static_dh(&KeyHandle::of(&public.0), &responder.dh_with());
        let written = shared.and_then(|shared| responder.write_message_2(&shared, &[]));
        written.is_ok_and(|(_, ours)| ours.get(..80) == answer.payload().get(..80))
    })
}
