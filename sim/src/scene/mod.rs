//! Scenes: short plays of one or two real nodes, of which every line is known.
//!
//! A world is large, and its checkers bear whatever may happen on bad links. After a world, the same seed plays scenes in
//! which nothing is left to chance but the script: each input, each answer and each moment is the scene's own. So it knows
//! what the node must do, to the nanosecond and to the message, and asks for just that.
//!
//! | file | what |
//! |---|---|
//! | `stage` | the node and its driver |
//! | `strangers` | connections that say nothing, or half of something, at a node that takes few |
//! | `waiting` | applications that take late: what waits is what it was, in its order |
//! | `manners` | workers, requests and reports at their edges |
//! | `store` | who is forgotten by a full store |
//! | `pair` | two nodes and the wire between them |
//! | `channel` | a channel that pads, is silent for minutes, is under pressure, loses its way |
//! | `session` | when a session pings, gives up and tries again |

mod channel;
mod manners;
mod pair;
mod session;
mod stage;
mod store;
mod strangers;
mod waiting;

use crate::checker::Property;
use crate::seed::Seed;

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
const ALWAYS: &[Scene] =
    &[("strangers at a small node", strangers::play), ("applications that take late", waiting::play)];

/// Those of which every seed plays one.
const IN_TURN: &[Scene] = &[
    ("workers at their edges", manners::play),
    ("a full store", store::play),
    ("a channel's days", channel::play),
    ("a session's times", session::play),
];

/// Plays the scenes of a seed, as long as they go as they must.
pub(crate) fn play(seed: Seed) -> Outcome {
    let turn = seed.stream("scenes").index(IN_TURN.len());
    ALWAYS.iter().chain(&IN_TURN[turn..=turn]).try_for_each(|(name, play)| {
        play(seed).map_err(|(property, detail)| (property, format!("in the scene \"{name}\", {detail}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_goes_as_it_must() {
        for seed in 0..100 {
            assert_eq!(play(Seed(seed)), Ok(()), "seed {seed}");
        }
    }
}
