//! The state diagrams of the specification, drawn from the machines' own transition tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use razor::machine::Transition;

use crate::Outcome;

const PAGE: &str = "spec/src/state-diagrams.md";

/// A machine that has a diagram: its name, where its code is, and its table.
type Machine = (&'static str, &'static str, &'static [Transition]);

/// Every machine with states.
fn machines() -> Vec<Machine> {
    vec![
        ("TCP connection", "impl/core/src/transport/tcp.rs", razor::transport::Tcp::transitions()),
        ("Serial line", "impl/core/src/transport/serial/mod.rs", razor::transport::serial::Serial::transitions()),
        (
            "Secure channel",
            "impl/core/src/channel/state.rs",
            razor::channel::Channel::<razor::vault::suite::Aes256GcmSha256>::transitions(),
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

/// The page with each diagram as a picture, for the book. Without Graphviz's `dot` the page stays as it is.
pub(crate) fn with_pictures(page: &str) -> String {
    let mut out = String::new();
    let mut parts = page.split("```mermaid\n");
    out.push_str(parts.next().unwrap_or_default());
    for (part, (name, _, transitions)) in parts.zip(machines()) {
        match (part.split_once("```\n"), picture(name, transitions)) {
            (Some((_, rest)), Some(svg)) => {
                let _ = writeln!(out, "<div class=\"diagram\">\n{svg}\n</div>");
                out.push_str(rest);
            }
            _ => {
                out.push_str("```mermaid\n");
                out.push_str(part);
            }
        }
    }
    out
}

/// The diagram of one machine in SVG, laid out by `dot`.
fn picture(name: &str, transitions: &[Transition]) -> Option<String> {
    let mut dot = Command::new("dot").arg("-Tsvg").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    dot.stdin.take()?.write_all(graph(name, transitions).as_bytes()).ok()?;
    let output = dot.wait_with_output().ok().filter(|output| output.status.success())?;
    // The picture without the head of a document of its own, and on lines that Markdown does not end.
    let svg = String::from_utf8(output.stdout).ok()?;
    let svg = svg.get(svg.find("<svg")?..)?;
    Some(svg.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n"))
}

/// A machine in Graphviz's language: one arrow between two states, with all that leads along it.
fn graph(name: &str, transitions: &[Transition]) -> String {
    let mut arrows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Transition { from, event, to } in transitions {
        let from = if *from == "[*]" { "begin" } else { from };
        let to = if *to == "[*]" { "end" } else { to };
        arrows.entry((from, to)).or_default().push(event);
    }
    let mut out = format!(
        "digraph \"{name}\" {{\n\
         graph [bgcolor=transparent, nodesep=0.6]\n\
         node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=12]\n\
         edge [fontname=\"sans-serif\", fontsize=10]\n\
         begin [shape=point, width=0.18]\n\
         end [shape=doublecircle, label=\"\", width=0.12, style=filled, fillcolor=black]\n"
    );
    for ((from, to), events) in arrows {
        let lines: Vec<String> = events.iter().flat_map(|event| wrapped(event)).collect();
        let _ = writeln!(out, "{from} -> {to} [label=\"{}\"]", lines.join("\\n"));
    }
    out.push_str("}\n");
    out
}

/// The words of an event on lines of about twenty letters, so that the drawing does not grow wide.
fn wrapped(event: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in event.split(' ') {
        if lines.last().is_some_and(|line| !line.is_empty() && line.len() + word.len() > 20) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_machines_say() {
        check(&crate::root()).unwrap();
    }

    #[test]
    fn a_drawing_has_every_state_and_every_event() {
        for (name, _, transitions) in machines() {
            let graph = graph(name, transitions);
            for transition in transitions {
                let mut words = transition.event.split(' ');
                assert!(words.all(|word| graph.contains(word)), "{name}: {}", transition.event);
                assert!(transition.to == "[*]" || graph.contains(transition.to), "{name}: {}", transition.to);
            }
        }
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
