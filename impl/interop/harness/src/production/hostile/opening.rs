//! Deeds of an attacker who connects, and opens channels.

use super::attacker::{Attacker, Channel, OWN, message, plaintext, to};
use super::deeds::{Deed, How};
use super::papers::Person;
use super::{LISTEN, Stage};
use crate::production::end::{Papers, Who};
use crate::production::talk::Talk;
use crate::table::{Outcome, ensure};

/// What is looked for in what comes back: of a deed, and of what everybody may say.
const BAD: &[u8] = b"a deed that came back";
const GOOD: &[u8] = b"a message that came back";

/// Whether a node takes the deed for something that everybody may do.
pub(super) async fn accepts(stage: &Stage<'_>, deed: &Deed, who: Who) -> Outcome<bool> {
    let mut node = stage.end(who, &Talk::plain())?;
    node.identity(Papers::PLAIN).await?;
    let address = node.serve(None).await?;
    let accepted = tried(stage, deed, &address).await;
    node.end().await;
    accepted
}

async fn tried(stage: &Stage<'_>, deed: &Deed, address: &str) -> Outcome<bool> {
    let capture = &stage.run.capture;
    match &deed.how {
        How::Opening(byte) => {
            let mut attacker = Attacker::connect(address, capture, *byte).await?;
            attacker.good(BAD).await;
            Ok(count(&mut attacker, BAD).await > 0)
        }
        How::Frame(body) => {
            let mut attacker = Attacker::connect(address, capture, 1).await?;
            // The same in its right form is accepted: otherwise a refusal says nothing.
            attacker.good(GOOD).await;
            ensure(count(&mut attacker, GOOD).await == 1, || "a good frame is not answered".into())?;
            attacker.frame(&body(BAD)).await;
            Ok(count(&mut attacker, BAD).await > 0)
        }
        How::Between(bytes) => {
            let mut attacker = Attacker::connect(address, capture, 1).await?;
            attacker.good(GOOD).await;
            ensure(count(&mut attacker, GOOD).await == 1, || "a good frame is not answered".into())?;
            attacker.raw(bytes).await;
            attacker.good(BAD).await;
            Ok(count(&mut attacker, BAD).await > 0)
        }
        How::Message1(bytes) => {
            let mut attacker = Attacker::connect(address, capture, 1).await?;
            attacker.frame(&message(&to("api"), &to(OWN), bytes)).await;
            Ok(attacker.hear(LISTEN).await.is_some())
        }
        How::Presentation(present) => {
            let person = Person::new()?;
            let honest = presented(stage, address, &person, &person.presentation()).await?;
            ensure(honest, || "a good presentation is refused".into())?;
            let other = Person::new()?;
            presented(stage, address, &other, &present(&other)).await
        }
        How::Message2(_) => Err("who opens channels sends no message 2".into()),
        How::Plaintext(bad) => {
            let mut channel = open(stage, address).await?;
            let sealed = channel.seal(&bad(&echo(BAD)))?;
            channel.send(&sealed).await;
            Ok(heard(&mut channel, BAD).await > 0)
        }
        How::Ciphertext(bad) => {
            let mut channel = open(stage, address).await?;
            let sealed = bad(&mut channel, &echo(BAD))?;
            for ciphertext in &sealed {
                channel.send(ciphertext).await;
            }
            Ok(heard(&mut channel, BAD).await > sealed.len() - 1)
        }
    }
}

/// Whether somebody who presents this is answered.
async fn presented(stage: &Stage<'_>, address: &str, person: &Person, presentation: &[u8]) -> Outcome<bool> {
    let attacker = Attacker::connect(address, &stage.run.capture, 1).await?;
    let mut channel = Channel::open(attacker, person.static_secret(), presentation).await?;
    let sealed = channel.seal(&echo(BAD))?;
    channel.send(&sealed).await;
    Ok(heard(&mut channel, BAD).await > 0)
}

/// A channel in which a message is answered.
async fn open(stage: &Stage<'_>, address: &str) -> Outcome<Channel> {
    let person = Person::new()?;
    let attacker = Attacker::connect(address, &stage.run.capture, 1).await?;
    let mut channel = Channel::open(attacker, person.static_secret(), &person.presentation()).await?;
    let sealed = channel.seal(&echo(GOOD))?;
    channel.send(&sealed).await;
    ensure(heard(&mut channel, GOOD).await == 1, || "a good message is not answered".into())?;
    Ok(channel)
}

/// A plaintext for the echo.
fn echo(payload: &[u8]) -> Vec<u8> {
    plaintext(&to("echo"), payload)
}

/// How many frames come that have this in them.
async fn count(attacker: &mut Attacker, what: &[u8]) -> usize {
    let mut count = 0;
    while let Some(frame) = attacker.hear(LISTEN).await {
        count += usize::from(has(&frame, what));
    }
    count
}

/// How many messages of the channel come that have this in them.
async fn heard(channel: &mut Channel, what: &[u8]) -> usize {
    let mut count = 0;
    while let Some(text) = channel.hear(LISTEN).await {
        count += usize::from(has(&text, what));
    }
    count
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
