//! Deeds of an attacker who waits for who opens channels with him.

use super::attacker::{Channel, Trap, answer};
use super::deeds::{Ciphertexts, Deed, How};
use super::papers::Person;
use super::{LISTEN, Stage};
use crate::production::end::{End, Load, Opened, PATIENCE, Papers, SILENCE, Who};
use crate::production::talk::Talk;
use crate::table::{Outcome, ensure};

/// Whether a node that opens a channel with the attacker takes the deed for something that everybody may do.
pub(super) async fn accepts(stage: &Stage<'_>, deed: &Deed, who: Who) -> Outcome<bool> {
    let trap = Trap::set(&stage.run.capture).await?;
    let mut node = stage.end(who, &Talk::plain())?;
    node.identity(Papers::PLAIN).await?;
    let accepted = tried(deed, &trap, &mut node).await;
    node.end().await;
    accepted
}

async fn tried(deed: &Deed, trap: &Trap, node: &mut End) -> Outcome<bool> {
    // What everybody may do works: otherwise a refusal says nothing.
    let (mut channel, echo) = open(trap, node, &Person::new()?).await?.ok_or("a good presentation is refused")?;
    match &deed.how {
        How::Presentation(present) => {
            let person = Person::new()?;
            Ok(answered(trap, node, &person, &present(&person), |_| {}).await?.is_some())
        }
        How::Message2(spoil) => {
            let person = Person::new()?;
            Ok(answered(trap, node, &person, &person.presentation(), *spoil).await?.is_some())
        }
        How::Plaintext(bad) => {
            let bad = |channel: &mut Channel, good: &[u8]| Ok(vec![channel.seal(&bad(good))?]);
            is_heard(&mut channel, node, &echo, bad).await
        }
        How::Ciphertext(bad) => is_heard(&mut channel, node, &echo, bad).await,
        How::Opening(_) | How::Frame(_) | How::Between(_) | How::Message1(_) => {
            Err("it is done by who connects".into())
        }
    }
}

/// Has the node open a channel with a person, who presents this and spoils message 2. Gives the channel and how the node
/// addresses it; none if the node refuses.
async fn answered(
    trap: &Trap,
    node: &mut End,
    person: &Person,
    presentation: &[u8],
    spoil: fn(&mut Vec<u8>),
) -> Outcome<Option<(Channel, String)>> {
    let address = trap.address()?;
    let (connected, caught) = tokio::join!(node.connect(&address), trap.catch());
    let (route, attacker) = (format!("{} => api", connected?), caught?);
    let answering = Channel::answer(attacker, person.static_secret(), presentation, spoil);
    let (opened, channel) = tokio::join!(node.open(&route, None, 2 * SILENCE), answering);
    Ok(match (opened?, channel?) {
        (Opened::Open { address, .. }, Some(channel)) => Some((channel, address)),
        (Opened::Open { .. }, None) => return Err("the node opens a channel without message 3".into()),
        (Opened::Refused(_), _) => None,
    })
}

/// A channel in which a message was answered, and the node's route to the attacker's echo.
async fn open(trap: &Trap, node: &mut End, person: &Person) -> Outcome<Option<(Channel, String)>> {
    let opened = answered(trap, node, person, &person.presentation(), |_| {}).await?;
    let Some((mut channel, address)) = opened else { return Ok(None) };
    let route = format!("{address} => echo");
    let load = Load { sizes: vec![40], window: 1, patience: PATIENCE };
    let answering = async {
        let text = channel.hear(PATIENCE).await.ok_or("the node says nothing")?;
        let sealed = channel.seal(&answer(&text)?)?;
        channel.send(&sealed).await;
        Outcome::Ok(())
    };
    let (exchanged, answering) = tokio::join!(node.exchange(&route, &load), answering);
    answering?;
    ensure(exchanged?.answered == [0], || "a good answer is not heard".into())?;
    Ok(Some((channel, route)))
}

/// Whether the node hears all that is made from the answer to the first of its messages.
async fn is_heard(
    channel: &mut Channel,
    node: &mut End,
    route: &str,
    bad: impl Fn(&mut Channel, &[u8]) -> Outcome<Ciphertexts>,
) -> Outcome<bool> {
    // The second is never answered, so that the node goes on listening.
    let load = Load { sizes: vec![40, 40], window: 2, patience: LISTEN };
    let answering = async {
        let text = channel.hear(PATIENCE).await.ok_or("the node says nothing")?;
        let sealed = bad(channel, &answer(&text)?)?;
        for ciphertext in &sealed {
            channel.send(ciphertext).await;
        }
        Outcome::Ok(sealed.len())
    };
    let (exchanged, sent) = tokio::join!(node.exchange(route, &load), answering);
    let (exchanged, sent) = (exchanged?, sent?);
    Ok(exchanged.answered.len() + exchanged.wrong >= sent)
}
