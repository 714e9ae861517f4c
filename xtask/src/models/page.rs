//! The models in the book: made whenever it is built, so that nothing of it can be stale.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::model::{Expected, FOLDER, Model, Pair};
use crate::requirements::Spec;

/// The models that cover a requirement, as links from a chapter.
pub(crate) fn cited(pairs: &[Pair], id: &str) -> String {
    let covering = pairs.iter().filter(|pair| pair.model.requirements.iter().any(|covered| covered == id));
    let links: Vec<_> = covering.map(|pair| format!("[{0}](models.md#{0})", pair.model.name())).collect();
    links.join(", ")
}

/// What stands in the chapter for each model: its claims, and what its twin lacks.
pub(crate) fn section(spec: &Spec, pairs: &[Pair]) -> String {
    let mut out = String::new();
    for Pair { model, twin } in pairs {
        let _ = writeln!(out, "### {}\n\n{}. [The model and its twin](models/{0}.md).\n", model.name(), model.title);
        let _ = writeln!(out, "| claim | expected; sessions of each party: {} |\n|---|---|", model.sessions);
        for query in &model.queries {
            let expected = match query.expected {
                Expected::Holds => "no attack",
                Expected::Attack => "an attack: not promised",
            };
            let _ = writeln!(out, "| {} | {expected} |", query.claim);
        }
        let _ = writeln!(out, "\nCovers {}.\n", links(spec, &model.requirements));
        let spare = model.kept(false);
        if !spare.is_empty() {
            let _ = writeln!(out, "Without {} alone no attack on these claims was found.\n", links(spec, spare));
        }
        let _ = writeln!(out, "**Broken twin**, without {}. {}:\n", links(spec, &twin.requirements), twin.title);
        for (whole, broken) in model.queries.iter().zip(&twin.queries) {
            if whole.expected != broken.expected {
                let _ = writeln!(out, "- {}", broken.claim);
            }
        }
        out.push('\n');
    }
    out
}

/// A page for each model: its text, and the lines in which its twin differs.
pub(crate) fn sources(pairs: &[Pair]) -> Vec<Value> {
    let page = |(number, pair): (usize, &Pair)| {
        let name = pair.model.name();
        let mut content = format!("# Model: {name}\n\nThe twin differs in these lines:\n\n```diff\n");
        let (gone, new) = pair.difference();
        for (sign, lines) in [('-', gone), ('+', new)] {
            for line in lines {
                let _ = writeln!(content, "{sign}{line}");
            }
        }
        let Model { file, text, .. } = &pair.model;
        let _ = writeln!(content, "```\n\nThe model, `{FOLDER}/{file}`:\n\n```text\n{text}```");
        json!({ "Chapter": {
            "name": format!("Model: {name}"), "content": content, "number": null, "sub_items": [],
            "path": format!("models/{name}.md"), "source_path": null, "parent_names": ["Symbolic models"], "order": number,
        }})
    };
    pairs.iter().enumerate().map(page).collect()
}

/// Requirements as links from the chapter.
fn links<'a>(spec: &Spec, ids: impl IntoIterator<Item = &'a String>) -> String {
    let link = |id: &String| {
        let chapter = spec.requirements.iter().find(|r| r.id == *id).map_or("", |r| r.chapter.as_str());
        format!("[{id}]({chapter}.md#{})", id.to_lowercase())
    };
    ids.into_iter().map(link).collect::<Vec<_>>().join(", ")
}
