//! Production Ockam: whole nodes of it, whose peer is the driver's node.

mod end;
mod hostile;
mod list;
mod program;
mod proxy;
mod razor;
mod talk;

use std::path::PathBuf;
use std::time::Duration;

use razor_tokio::Suite;

use crate::child::Child;
use crate::table::{Outcome, Row, Stop};
use crate::{Run, build};
use end::{End, Papers, Who};
pub(crate) use hostile::Looser;
use list::scenarios;
use program::Program;
use razor::Razor;
use talk::Talk;

/// What the peer is, as the table names it.
const PEER: &str = "ockam 0.150.0";

/// How long a scenario may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What Razor's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The driver, in the harness itself.
    Driver,
    /// The command `razor`, in processes of its own.
    Program,
}

/// What was built: production's nodes, one for each suite, as a node has one; and the command `razor`.
#[derive(Default)]
struct Built {
    razor: Option<Outcome<PathBuf>>,
    aes256: Option<Outcome<PathBuf>>,
    aes128: Option<Outcome<PathBuf>>,
}

impl Built {
    async fn program(&mut self, run: &Run, suite: Suite) -> Outcome<PathBuf> {
        let (built, features): (_, &[&str]) = match suite {
            Suite::Aes128GcmSha256 => (&mut self.aes128, &["aes128"]),
            _ => (&mut self.aes256, &[]),
        };
        if built.is_none() {
            *built = Some(build::package(&run.root, "production-peer", features).await);
        }
        built.clone().unwrap_or_else(|| Err("it was not built".into()))
    }

    /// What a scenario with Razor in this form has to do with.
    async fn stage<'a>(&mut self, run: &'a Run, suite: Suite, form: Form) -> Outcome<Stage<'a>> {
        let production = self.program(run, suite).await?;
        let razor = match form {
            Form::Driver => None,
            Form::Program => {
                if self.razor.is_none() {
                    self.razor = Some(build::razor(&run.root).await);
                }
                self.razor.clone().transpose()?
            }
        };
        Ok(Stage { run, production, razor })
    }
}

/// What a scenario has to do with.
struct Stage<'a> {
    run: &'a Run,
    production: PathBuf,
    /// The command; without it Razor is the driver.
    razor: Option<PathBuf>,
}

impl Stage<'_> {
    fn end(&self, who: Who, talk: &Talk) -> Outcome<End> {
        Ok(match (who, &self.razor) {
            (Who::Razor, None) => End::Razor(Razor::start(&self.run.capture, talk.suite, talk.ahead)?),
            (Who::Razor, Some(razor)) => End::Program(Program::new(razor)?),
            (Who::Production, _) => End::Production(Child::start(&self.production, &[])?),
        })
    }

    fn papers(&self, end: &End, talk: &Talk) -> Papers {
        match end {
            End::Razor(_) | End::Program(_) => talk.razor,
            End::Production(_) => talk.production,
        }
    }
}

/// Tries everything that the run asks for.
pub(crate) async fn run(run: &mut Run) {
    let mut built = Built::default();
    for (sentence, talk) in scenarios() {
        for (initiator, form, role) in [
            (Who::Razor, Form::Driver, "initiator"),
            (Who::Production, Form::Driver, "responder"),
            (Who::Razor, Form::Program, "initiator, as `razor message`"),
            (Who::Production, Form::Program, "responder, as `razor node`"),
        ] {
            let is_possible = form == Form::Driver || Program::can(&talk, initiator);
            if !is_possible || !run.wants(&format!("{PEER}: {sentence} {role}")) {
                continue;
            }
            let outcome = match built.stage(run, talk.suite, form).await {
                Err(stop) => Err(stop),
                Ok(stage) => {
                    let held = tokio::time::timeout(PATIENCE, talk::hold(&stage, &talk, initiator)).await;
                    held.unwrap_or_else(|_| Err(Stop::Failed(format!("not finished within {PATIENCE:?}"))))
                }
            };
            run.table.push(Row { peer: PEER.into(), scenario: sentence.clone(), role, outcome });
        }
    }
    let reverse = "forbidden messages of production, said to Razor";
    if run.wants(&format!("{PEER}: {reverse} victim")) {
        let reason =
            "its public API writes nothing that the specification forbids; the deeds are Razor's own attacker's";
        let outcome = Err(Stop::unsupported(reason));
        run.table.push(Row { peer: PEER.into(), scenario: reverse.into(), role: "victim", outcome });
    }
    match built.program(run, Suite::Aes256GcmSha256).await {
        Ok(program) => hostile::run(run, &program).await,
        Err(outcome) => {
            let scenario = "what the specification forbids".into();
            run.table.push(Row { peer: PEER.into(), scenario, role: "attacker", outcome: Err(outcome) });
        }
    }
}
