//! The state diagrams of the specification, drawn from the machines' own transition tables.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use razor::machine::Transition;

use crate::Outcome;

const PAGE: &str = "spec/src/state-diagrams.md";

/// A machine that has a diagram: its name, where its code is, and its table.
type Machine = (&'static str, &'static str, &'static [Transition]);

/// Every machine with states.
fn machines() -> Vec<Machine> {
    vec![
        ("TCP connection", "impl/core/src/transport/tcp.rs", razor::transport::Tcp::transitions()),
        (
            "Secure channel",
            "impl/core/src/channel/state.rs",
            razor::channel::Channel::<razor::vault::suite::Aes256Gcm>::transitions(),
        ),
        ("Session", "impl/core/src/session/machine.rs", razor::session::Session::transitions()),
    ]
}

/// Writes the page.
pub(crate) fn write(root: &Path) -> Outcome {
    Ok(fs::write(root.join(PAGE), page(&machines()))?)
}

/// Fails when the page is not what the machines say.
pub(crate) fn check(root: &Path) -> Outcome {
    if fs::read_to_string(root.join(PAGE))? == page(&machines()) {
        Ok(())
    } else {
        Err(format!("{PAGE} is stale: run `cargo xtask diagrams` and commit what it writes").into())
    }
}

fn page(machines: &[Machine]) -> String {
    let mut out = String::from(
        "# State diagrams\n\n\
         Drawn by `cargo xtask diagrams` from the transition tables of the machines; do not edit. `[*]` is the state\n\
         before a machine exists and after it is gone. What stands after a slash is sent.\n",
    );
    for (name, file, transitions) in machines {
        let _ = writeln!(out, "\n## {name}\n\nThe table is in `{file}`.\n\n```mermaid\nstateDiagram-v2");
        for Transition { from, event, to } in *transitions {
            let _ = writeln!(out, "    {from} --> {to}: {event}");
        }
        out.push_str("```\n\n| in state | on | goes to |\n|---|---|---|\n");
        for Transition { from, event, to } in *transitions {
            let _ = writeln!(out, "| `{from}` | {event} | `{to}` |");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_machines_say() {
        check(&crate::root()).unwrap();
    }

    #[test]
    fn every_machine_begins_and_ends_and_leaves_no_state_without_an_exit() {
        for (name, _, transitions) in machines() {
            assert!(transitions.iter().any(|t| t.from == "[*]"), "{name} has no beginning");
            for transition in transitions.iter().filter(|t| t.to != "[*]") {
                assert!(transitions.iter().any(|t| t.from == transition.to), "{name}: no way out of {}", transition.to);
            }
        }
    }
}
