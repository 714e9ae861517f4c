//! Profile `noise`: sessions of the core with other libraries, message by message over a socket. The peer is a process
//! that does the next step when it is told to; see `python/noise_peer.py` for its commands.

mod peers;
mod session;

use razor::noise::{Noise, Profile};
use razor::vault::suite::{Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor_vectors::noise::Role;

use crate::Run;
use crate::table::{Outcome, Row, Stop};
use peers::{PEERS, Peer};
use session::Session;

/// What is tried with each peer, suite and role.
const SCENARIOS: [(&str, Scenario); 4] = [
    ("a handshake carries payloads and ends with one hash", Scenario::Handshake),
    ("400 messages of 0 to 65519 bytes pass, both ways", Scenario::Messages),
    ("keys are renewed now and then, in each direction", Scenario::Rekey),
    ("a flipped byte is refused by both, and changes nothing", Scenario::Flipped),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Handshake,
    Messages,
    Rekey,
    Flipped,
}

/// Tries everything that the run asks for.
pub(crate) async fn run(run: &mut Run) {
    for peer in &PEERS {
        let name = format!("{} {}", peer.name, peer.version);
        let program = if run.wants(&name) { Some(peer.build(&run.root).await) } else { None };
        for role in [Role::Initiator, Role::Responder] {
            for (sentence, scenario) in SCENARIOS {
                with::<Aes256GcmSha256>(run, peer, program.as_ref(), sentence, scenario, role).await;
                with::<ChaChaPolyBlake2s>(run, peer, program.as_ref(), sentence, scenario, role).await;
            }
            let reason = "the Noise specification has no cipher with AES-128: there is no name for such a suite";
            let scenario = "the suite with AES-128";
            if run.wants(&format!("{name}: {scenario}")) {
                let outcome = Err(Stop::unsupported(reason));
                run.table.push(Row { peer: name.clone(), scenario: scenario.into(), role: words(role), outcome });
            }
        }
    }
}

async fn with<S: Suite>(
    run: &mut Run,
    peer: &Peer,
    program: Option<&Outcome<peers::Program>>,
    sentence: &str,
    scenario: Scenario,
    role: Role,
) where
    Noise: Profile<S>,
{
    let suite = <Noise as Profile<S>>::NAME;
    let name = format!("{} {}", peer.name, peer.version);
    let scenario_name = format!("{suite}: {sentence}");
    if !run.wants(&format!("{name}: {scenario_name}")) {
        return;
    }
    let outcome = match program {
        Some(Ok(program)) => session::<S>(run, program, scenario, role).await,
        Some(Err(why)) => Err(why.clone()),
        None => match peer.build(&run.root).await {
            Ok(program) => session::<S>(run, &program, scenario, role).await,
            Err(why) => Err(why),
        },
    };
    run.table.push(Row { peer: name, scenario: scenario_name, role: words(role), outcome });
}

async fn session<S: Suite>(run: &Run, program: &peers::Program, scenario: Scenario, role: Role) -> Outcome
where
    Noise: Profile<S>,
{
    let mut session = Session::<S>::begin(run, program, role).await?;
    session.handshake(scenario == Scenario::Flipped).await?;
    match scenario {
        Scenario::Handshake => Ok(String::new()),
        Scenario::Messages => session.messages(400, |_| false, |_| false).await,
        Scenario::Rekey => session.messages(200, |index| index % 17 == 0, |_| false).await,
        Scenario::Flipped => session.messages(60, |index| index % 17 == 0, |index| index % 3 == 0).await,
    }
}

const fn words(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}
