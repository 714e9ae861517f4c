//! What the specification forbids, said to a live node of production and to one of Razor, by who opens channels and by who
//! answers. Razor has to refuse all of it. What production does is no verdict: it is noted, for the guide.

mod answering;
mod attacker;
mod deeds;
mod opening;
mod papers;

use std::time::Duration;

use super::Stage;
use super::end::Who;
use crate::Run;
use crate::table::{Outcome, Row, Stop, ensure};
use deeds::Deed;

/// How long to listen for what may come back.
const LISTEN: Duration = Duration::from_millis(400);

/// The attacker's part in channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It connects, and opens channels.
    Initiator,
    /// It waits for who opens channels with it.
    Responder,
}

impl Part {
    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }
}

/// What production was found to accept although the specification forbids it.
#[derive(Debug, Clone)]
pub(crate) struct Looser {
    pub(crate) sentence: &'static str,
    pub(crate) requirement: &'static str,
    pub(crate) part: Part,
}

/// Tries all deeds that the run asks for.
pub(super) async fn run(run: &mut Run, program: &std::path::Path) {
    for deed in deeds::all() {
        for (part, role) in [(Part::Initiator, "attacker that initiates"), (Part::Responder, "attacker that responds")]
        {
            let scenario = format!("forbidden: {} ({})", deed.sentence, deed.requirement);
            if !deed.how.is_of(part) || !run.wants(&format!("{}: {scenario} {role}", super::PEER)) {
                continue;
            }
            let stage = Stage { run, production: program.to_owned(), razor: None };
            let tried = tokio::time::timeout(Duration::from_secs(60), both(&stage, &deed, part)).await;
            let outcome = tried.unwrap_or_else(|_| Err(Stop::Failed("not finished within a minute".into())));
            if outcome.as_ref().is_ok_and(|accepts| *accepts) {
                run.looser.push(Looser { sentence: deed.sentence, requirement: deed.requirement, part });
            }
            let outcome = outcome
                .map(|accepts| if accepts { "production accepts it" } else { "production refuses it too" }.into());
            run.table.push(Row { peer: super::PEER.into(), scenario, role, outcome });
        }
    }
}

/// Whether production accepts the deed. Razor has to refuse it.
async fn both(stage: &Stage<'_>, deed: &Deed, part: Part) -> Outcome<bool> {
    let razor = accepts(stage, deed, part, Who::Razor).await.map_err(|stop| stop.at("Razor"))?;
    ensure(!razor, || "Razor accepts it".into())?;
    accepts(stage, deed, part, Who::Production).await.map_err(|stop| stop.at("production"))
}

async fn accepts(stage: &Stage<'_>, deed: &Deed, part: Part, who: Who) -> Outcome<bool> {
    match part {
        Part::Initiator => opening::accepts(stage, deed, who).await,
        Part::Responder => answering::accepts(stage, deed, who).await,
    }
}
