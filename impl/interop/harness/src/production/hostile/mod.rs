//! What the specification forbids, said to a live node of production and to one of Razor. Razor has to refuse all of it.
//! What production does is no verdict: it is noted, for the guide.

mod attacker;
mod deeds;
mod papers;

use std::time::Duration;

use super::Stage;
use super::end::{End, Papers, Who};
use super::talk::Talk;
use crate::Run;
use crate::table::{Outcome, Row, Stop, ensure};
use attacker::{Attacker, Channel, OWN, message, plaintext, to};
use deeds::{Deed, How};
use papers::Person;

/// How long to listen for what may come back.
const LISTEN: Duration = Duration::from_millis(400);

/// What is looked for in what comes back: of a deed, and of what everybody may say.
const BAD: &[u8] = b"a deed that came back";
const GOOD: &[u8] = b"a message that came back";

/// What production was found to accept although the specification forbids it.
#[derive(Debug, Clone)]
pub(crate) struct Looser {
    pub(crate) sentence: &'static str,
    pub(crate) requirement: &'static str,
}

/// Tries all deeds that the run asks for.
pub(super) async fn run(run: &mut Run, program: &std::path::Path) {
    for deed in deeds::all() {
        let scenario = format!("forbidden: {} ({})", deed.sentence, deed.requirement);
        if !run.wants(&format!("{}: {scenario} attacker", super::PEER)) {
            continue;
        }
        let stage = Stage { run, production: program.to_owned() };
        let tried = tokio::time::timeout(Duration::from_secs(60), both(&stage, &deed)).await;
        let outcome = tried.unwrap_or_else(|_| Err(Stop::Failed("not finished within a minute".into())));
        if outcome.as_ref().is_ok_and(|accepts| *accepts) {
            run.looser.push(Looser { sentence: deed.sentence, requirement: deed.requirement });
        }
        let outcome =
            outcome.map(|accepts| if accepts { "production accepts it" } else { "production refuses it too" }.into());
        run.table.push(Row { peer: super::PEER.into(), scenario, role: "attacker", outcome });
    }
}

/// Whether production accepts the deed. Razor has to refuse it.
async fn both(stage: &Stage<'_>, deed: &Deed) -> Outcome<bool> {
    let razor = accepts(stage, deed, Who::Razor).await.map_err(|stop| format!("Razor: {stop:?}"))?;
    ensure(!razor, || "Razor accepts it".into())?;
    accepts(stage, deed, Who::Production).await
}

async fn accepts(stage: &Stage<'_>, deed: &Deed, who: Who) -> Outcome<bool> {
    let mut node: End = stage.end(who, &Talk::plain()).await?;
    node.identity(Papers::PLAIN).await?;
    let address = node.listen().await?;
    node.accept(None).await?;
    node.serve().await?;
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
        How::Plaintext(bad) => {
            let mut channel = open(stage, address).await?;
            let sealed = channel.seal(&bad(&plaintext(BAD)))?;
            channel.send(&sealed).await;
            Ok(heard(&mut channel, BAD).await > 0)
        }
        How::Ciphertext(bad) => {
            let mut channel = open(stage, address).await?;
            let sealed = bad(&mut channel)?;
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
    let sealed = channel.seal(&plaintext(BAD))?;
    channel.send(&sealed).await;
    Ok(heard(&mut channel, BAD).await > 0)
}

/// A channel in which a message is answered.
async fn open(stage: &Stage<'_>, address: &str) -> Outcome<Channel> {
    let person = Person::new()?;
    let attacker = Attacker::connect(address, &stage.run.capture, 1).await?;
    let mut channel = Channel::open(attacker, person.static_secret(), &person.presentation()).await?;
    let sealed = channel.seal(&plaintext(GOOD))?;
    channel.send(&sealed).await;
    ensure(heard(&mut channel, GOOD).await == 1, || "a good message is not answered".into())?;
    Ok(channel)
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
