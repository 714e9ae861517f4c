//! A conversation: a channel is opened or not, messages go there and come back. Every scenario without an attacker is
//! one of these, with other data.

use std::time::Duration;

use razor_tokio::Suite;

use super::Stage;
use super::end::{End, Exchanged, Load, Opened, PATIENCE, Papers, SILENCE, Who};
use super::proxy::{Fault, Proxy, Way};
use crate::table::{Outcome, Stop, ensure};

/// What is between the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// One TCP connection.
    Nothing,
    /// One TCP connection, and a worker of the responder's node that sends on.
    Hop,
    /// A node in the middle, and two TCP connections.
    Node(Who),
    /// A link that does what it is told to.
    Link,
}

/// How the ends speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Without a channel.
    None,
    /// Through a channel from end to end.
    Channel,
    /// Through a channel from end to end, inside of one between the initiator and the node in the middle.
    Nested,
}

/// Whom the two ends trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Everyone,
    /// Each the other alone.
    EachOther,
    /// The initiator somebody else alone.
    InitiatorAnother,
    /// The responder somebody else alone.
    ResponderAnother,
}

/// What is to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Everything comes back.
    Works,
    /// The initiator refuses to open the channel.
    InitiatorRefuses,
    /// The responder refuses, which the initiator is not told: nothing comes back.
    ResponderRefuses,
}

/// What happens when the channel is open, after the first messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    /// The initiator closes: the responder's end is closed too.
    InitiatorCloses,
    /// The responder closes: the initiator's end is closed too.
    ResponderCloses,
    /// The initiator changes its keys and opens another channel.
    NewKeys,
    /// What the initiator sends takes another connection, and the first one is closed: answers come back by the second.
    NewPath,
    /// The link does this to the next 60 messages.
    Fault(Way, Fault),
}

/// Which of the messages of a flaky link are to come back.
const BURST: usize = 60;

/// A conversation, as data.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) suite: Suite,
    pub(crate) between: Between,
    pub(crate) secrecy: Secrecy,
    pub(crate) razor: Papers,
    pub(crate) production: Papers,
    pub(crate) trust: Trust,
    /// Seconds that the clock of Razor is ahead of production's.
    pub(crate) ahead: i64,
    pub(crate) load: Load,
    pub(crate) expected: Expected,
    pub(crate) then: Then,
}

impl Talk {
    /// Five messages through one channel over one connection.
    pub(crate) fn plain() -> Self {
        Self {
            suite: Suite::Aes256GcmSha256,
            between: Between::Nothing,
            secrecy: Secrecy::Channel,
            razor: Papers::PLAIN,
            production: Papers::PLAIN,
            trust: Trust::Everyone,
            ahead: 0,
            load: Load { sizes: vec![5, 0, 100, 1000, 31], window: 1, patience: PATIENCE },
            expected: Expected::Works,
            then: Then::Nothing,
        }
    }
}

/// Holds the conversation, with Razor as the initiator or as the responder.
pub(crate) async fn hold(stage: &Stage<'_>, talk: &Talk, initiator: Who) -> Outcome {
    let responder = if initiator == Who::Razor { Who::Production } else { Who::Razor };
    let mut one = stage.end(initiator, talk)?;
    let mut other = stage.end(responder, talk)?;
    let mut middle = None;
    let outcome = match Held::between(stage, talk, &mut one, &mut other, &mut middle).await {
        Ok(held) => held.speak(talk, &mut one, &mut other).await,
        Err(stop) => Err(stop),
    };
    let refusals = match talk.expected {
        Expected::Works => Vec::new(),
        _ => [one.refusals().await?, other.refusals().await?].concat(),
    };
    // Whatever came of it.
    for end in [Some(one), Some(other), middle].into_iter().flatten() {
        end.end().await;
    }
    outcome?;
    Ok(if refusals.is_empty() { String::new() } else { format!("Razor counts {}", refusals.join(", ")) })
}

/// Two ends that reach each other.
struct Held {
    link: Option<Proxy>,
    /// The route by which the initiator reaches workers of the responder.
    way: Vec<String>,
    /// Who the two are.
    identifiers: [String; 2],
}

impl Held {
    async fn between(
        stage: &Stage<'_>,
        talk: &Talk,
        one: &mut End,
        other: &mut End,
        middle: &mut Option<End>,
    ) -> Outcome<Self> {
        let identifiers =
            [one.identity(stage.papers(one, talk)).await?, other.identity(stage.papers(other, talk)).await?];
        let trusted = |whom: &String| Some(vec![whom.clone()]);
        let [initiator, _] = &identifiers;
        let trust = match talk.trust {
            Trust::Everyone | Trust::InitiatorAnother => None,
            Trust::EachOther => trusted(initiator),
            Trust::ResponderAnother => trusted(&format!("I{}", "5a".repeat(32))),
        };
        let mut address = other.serve(trust.as_deref()).await?;
        let (mut link, mut onward) = (None, None);
        match talk.between {
            Between::Nothing => {}
            Between::Hop => onward = Some("hop".to_owned()),
            Between::Link => {
                let proxy = Proxy::start(&address, &stage.run.capture).await?;
                address.clone_from(&proxy.address);
                link = Some(proxy);
            }
            Between::Node(who) => {
                let node = middle.insert(stage.end(who, talk)?);
                node.identity(Papers::PLAIN).await?;
                onward = Some(node.lead_to(&address).await?);
                address = node.serve(None).await?;
            }
        }
        let connection = one.connect(&address).await?;
        let mut way = vec![connection.clone()];
        if talk.secrecy == Secrecy::Nested {
            match one.open(&format!("{connection} => api"), None, PATIENCE).await? {
                Opened::Open { address, .. } => way = vec![address],
                Opened::Refused(why) => return Err(format!("no channel with the node in the middle: {why}").into()),
            }
        }
        way.extend(onward);
        Ok(Self { link, way, identifiers })
    }

    fn to(&self, worker: &str) -> String {
        format!("{} => {worker}", self.way.join(" => "))
    }

    async fn speak(&self, talk: &Talk, one: &mut End, other: &mut End) -> Outcome<()> {
        if talk.secrecy == Secrecy::None {
            return all_answered(&one.exchange(&self.to("echo"), &talk.load).await?, &talk.load);
        }
        let before = other.channels().await?;
        let Some(route) = self.open(talk, one).await? else {
            return ensure(other.channels().await? == before, || "the responder has a channel".into());
        };
        let is_silent = talk.expected == Expected::ResponderRefuses;
        let load = if is_silent { Load { patience: SILENCE, ..talk.load.clone() } } else { talk.load.clone() };
        let exchanged = one.exchange(&route, &load).await?;
        if is_silent {
            ensure(exchanged.answered.is_empty(), || "the responder answers".into())?;
            return ensure(other.channels().await? == before, || "the responder has a channel".into());
        }
        all_answered(&exchanged, &load)?;
        other.has_channels(before + 1).await?;
        self.go_on(talk, one, other, &route).await
    }

    /// Opens the channel and gives the way to the responder's echo; nothing, if that is refused as it should be.
    async fn open(&self, talk: &Talk, one: &mut End) -> Outcome<Option<String>> {
        let [_, responder] = &self.identifiers;
        let trust = match talk.trust {
            Trust::Everyone | Trust::ResponderAnother => None,
            Trust::EachOther => Some(vec![responder.clone()]),
            Trust::InitiatorAnother => Some(vec![format!("I{}", "5a".repeat(32))]),
        };
        let refuses = talk.expected == Expected::InitiatorRefuses;
        let patience = if refuses { 2 * SILENCE } else { PATIENCE };
        match one.open(&self.to("api"), trust.as_deref(), patience).await? {
            Opened::Open { .. } if refuses => Err("the initiator opens the channel".into()),
            Opened::Open { address, peer } => {
                ensure(peer == *responder, || format!("the peer is {peer} instead of {responder}"))?;
                Ok(Some(format!("{address} => echo")))
            }
            Opened::Refused(_) if refuses => Ok(None),
            Opened::Refused(why) => Err(format!("the channel is not opened: {why}").into()),
        }
    }

    async fn go_on(&self, talk: &Talk, one: &mut End, other: &mut End, route: &str) -> Outcome<()> {
        let open = one.channels().await?;
        let link = || self.link.as_ref().ok_or("there is no link that could do this");
        match talk.then {
            Then::Nothing => Ok(()),
            Then::InitiatorCloses => {
                one.close().await?;
                other.has_channels(0).await
            }
            Then::ResponderCloses => {
                other.close().await?;
                one.has_channels(open - 1).await
            }
            Then::NewKeys => {
                one.rotate().await?;
                let route = self.open(talk, one).await?.ok_or("the second channel is not opened")?;
                all_answered(&one.exchange(&route, &talk.load).await?, &talk.load)
            }
            Then::NewPath => {
                link()?.change_path();
                for _ in 0..3 {
                    all_answered(&one.exchange(route, &talk.load).await?, &talk.load)?;
                }
                Ok(())
            }
            Then::Fault(way, fault) => {
                link()?.set(way, fault);
                let patience = Duration::from_secs(2);
                let load = Load { sizes: vec![64; BURST], window: BURST, patience };
                let first = one.exchange(route, &load).await?;
                link()?.set(way, Fault::None);
                let second = one.exchange(route, &Load { sizes: vec![64; 3], window: 3, patience: SILENCE }).await?;
                as_specified(talk.load.sizes.len(), fault, &first, &second)
            }
        }
    }
}

/// Every message came back, once, and in order if none was to overtake another.
fn all_answered(exchanged: &Exchanged, load: &Load) -> Outcome<()> {
    let expected: Vec<usize> = (0..load.sizes.len()).collect();
    if exchanged.answered == expected && exchanged.wrong == 0 {
        return Ok(());
    }
    let Exchanged { answered, wrong } = exchanged;
    Err(format!("{} of {} came back, {wrong} wrong", answered.len(), expected.len()).into())
}

/// What the specification says of a window of 32 nonces: a message whose nonce is up to 32 above the largest one that
/// was accepted is accepted, later ones are not, and then nothing ever is. Before the first the largest is 0. So many
/// messages have passed `before`, each with the next nonce.
fn as_specified(before: usize, fault: Fault, first: &Exchanged, second: &Exchanged) -> Outcome<()> {
    const WINDOW: usize = 32;
    let (expected, survives): (Vec<usize>, bool) = match fault {
        Fault::Drop { after, count } => {
            let passed = before + after;
            let survives = passed + count <= passed.saturating_sub(1) + WINDOW;
            let rest = if survives { after + count..BURST } else { BURST..BURST };
            ((0..after).chain(rest).collect(), survives)
        }
        _ => ((0..BURST).collect(), true),
    };
    let mut answered = first.answered.clone();
    answered.sort_unstable();
    if matches!(fault, Fault::Reverse(_)) {
        ensure(answered != first.answered, || "nothing was overtaken".into())?;
    }
    ensure(answered == expected && first.wrong == 0, || {
        format!("of {BURST} messages {:?} came back instead of {expected:?}", first.answered)
    })?;
    let goes_on = !second.answered.is_empty();
    if goes_on == survives {
        return Ok(());
    }
    Err(Stop::Failed(if survives { "the channel is dead afterwards" } else { "the channel goes on" }.into()))
}
