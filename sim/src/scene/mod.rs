//! Scenes: short plays of one or two real nodes, of which every line is known.
//!
//! A world is large, and its checkers bear whatever may happen on bad links. After a world, the same seed plays scenes in
//! which nothing is left to chance but the script: each input, each answer and each moment is the scene's own. So it knows
//! what the node must do, to the nanosecond and to the message, and asks for just that.
//!
//! | file | what |
//! |---|---|
//! | `stage` | the node and its driver, and a worker that sends on what it gets |
//! | `script` | what is done and said there, if somebody asks why a scene failed |
//! | `strangers` | connections that say nothing, or half of something, at a node that takes few |
//! | `waiting` | applications that take late: what waits is what it was, in its order |
//! | `turns` | who waits for room, and goes on as soon as there is some |
//! | `full` | whom a full node closes, whose peers take nothing |
//! | `queues` | the same, with relays in front of the peers and a link |
//! | `manners` | workers, requests and reports at their edges |
//! | `outbox` | a worker says more than is taken, and stops |
//! | `store` | who is forgotten by a full store |
//! | `papers` | papers at the edges of their time and size |
//! | `pair` | two nodes and the wire between them |
//! | `channel` | a channel that pads, is silent for minutes, is under pressure, loses its way |
//! | `crowd` | who has a place at a listener with few, and who has to make room |
//! | `edges` | just so much as a node takes, and one more |
//! | `tasks` | what workers have from their node, and how much of it in one call |
//! | `machine` | one channel alone |
//! | `handshake` | what is held until a handshake is finished, and who is refused |
//! | `nonces` | which nonces are used, and which are taken |
//! | `answers` | who may answer an initiator |
//! | `insider` | a peer with the keys of its channel says what it must not |
//! | `refresh` | papers that are shown anew, and a store that takes its time |
//! | `line` | a bad serial line, and an attacker who writes on it |
//! | `unknown` | what later versions may say, and passes for nothing |
//! | `texts` | addresses and routes in writing |
//! | `ways` | routes that are longer than the room for them |
//! | `liar` | a handshake in somebody's own hand: too long, or with keys that nobody may have |
//! | `keys` | keys that nobody may have, and signatures in their other form |
//! | `largest` | the largest message that leaves |
//! | `links` | two nodes of one driver, gates and their controls |
//! | `gates` | a link that is slow, and what waits for it |
//! | `session` | when a session pings, gives up and tries again |
//! | `outcomes` | what a session is told of its attempts |
//! | `kept` | what is sent through a session |

mod answers;
mod channel;
mod crowd;
mod edges;
mod full;
mod gates;
mod handshake;
mod insider;
mod kept;
mod keys;
mod largest;
mod liar;
mod line;
mod links;
mod machine;
mod manners;
mod nonces;
mod outbox;
mod outcomes;
mod pair;
mod papers;
mod queues;
mod refresh;
mod script;
mod session;
mod stage;
mod store;
mod strangers;
mod tasks;
mod texts;
mod turns;
mod unknown;
mod waiting;
mod ways;

use crate::checker::Property;
use crate::seed::Seed;

pub use self::script::Line;

/// What does not hold, and how that was noticed.
pub(crate) type Fault = (Property, String);

/// Whether a scene went as it must.
pub(crate) type Outcome = Result<(), Fault>;

fn fault(property: Property, detail: impl Into<String>) -> Fault {
    (property, detail.into())
}

/// A scene demands something.
fn demand(holds: bool, property: Property, detail: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(fault(property, detail())) }
}

/// A scene: its name, and how it is played.
type Scene = (&'static str, fn(Seed) -> Outcome);

/// Those that every seed plays: they cost little and have many turns.
const ALWAYS: &[Scene] = &[
    ("strangers at a small node", strangers::play),
    ("applications that take late", waiting::play),
    ("a bad line", line::play),
    ("a line for room", turns::play),
    ("a full node", full::play),
];

/// Those of which every seed plays one row.
const IN_TURN: &[&[Scene]] = &[
    &[
        ("workers at their edges", manners::play),
        ("addresses in writing", texts::play),
        ("a worker that says much", outbox::play),
    ],
    &[("a full store", store::play)],
    &[("a channel's days", channel::play)],
    &[
        ("a session's times", session::play),
        ("outcomes of attempts", outcomes::play),
        ("through a session", kept::play),
    ],
    &[("a crowd at a listener", crowd::play), ("the largest message", largest::play)],
    &[
        ("linked nodes", links::play),
        ("long ways", ways::play),
        ("a slow link", gates::play),
        ("a full node with relays", queues::play),
    ],
    &[
        ("handshakes alone", handshake::play),
        ("a liar's handshakes", liar::play),
        ("nonces", nonces::play),
        ("answers to an initiator", answers::play),
    ],
    &[("an insider", insider::play), ("papers shown anew", refresh::play)],
    &[
        ("a node at its edges", edges::play),
        ("what nobody knows", unknown::play),
        ("a node and its workers", tasks::play),
    ],
    &[("papers at their edges", papers::play), ("keys and signatures", keys::play)],
];

/// A scene that did not go as it must.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) property: Property,
    pub(crate) detail: String,
    /// What was done and said in it, to its end.
    pub(crate) lines: Vec<Line>,
}

/// Plays the scenes of a seed, as long as they go as they must.
pub(crate) fn play(seed: Seed) -> Result<(), Failure> {
    let turn = (seed.0 % IN_TURN.len() as u64) as usize;
    ALWAYS.iter().chain(IN_TURN[turn]).try_for_each(|(name, play)| {
        play(seed).map_err(|(property, detail)| Failure {
            property,
            detail: format!("in the scene \"{name}\", {detail}"),
            // That it fails again is known.
            lines: script::of(|| _ = play(seed)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_every_scene() {
        const GUIDE: &str = include_str!("../../../docs/simulator.md");
        let always = ALWAYS.iter().map(|(name, _)| (name, "all"));
        let in_turn = IN_TURN.iter().copied().flatten().map(|(name, _)| (name, "in turn"));
        for (name, seeds) in always.chain(in_turn) {
            let row = GUIDE.lines().find(|line| line.starts_with(&format!("| {name} |")));
            assert!(row.is_some_and(|row| row.ends_with(&format!("| {seeds} |"))), "{name}");
        }
    }

    #[test]
    fn every_scene_goes_as_it_must() {
        for seed in 0..100 {
            for (name, play) in ALWAYS.iter().chain(IN_TURN.iter().copied().flatten()) {
                assert_eq!(play(Seed(seed)), Ok(()), "{name}, seed {seed}");
            }
        }
    }
}
