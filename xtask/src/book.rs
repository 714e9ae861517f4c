//! The book's preprocessor: below every requirement it puts links to the code that implements it and
//! the tests that check it, and to the symbolic models that cover it; it adds pages with the excerpts and the models, and
//! it draws the state diagrams. Nothing of it is kept, so nothing of it can be stale.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::Outcome;
use crate::diagrams;
use crate::models::{self, Pair};
use crate::requirements::{Citation, Spec};

/// Reads mdbook's `[context, book]` from standard input and writes the changed book to standard output.
pub(crate) fn preprocess(root: &Path) -> Outcome {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut input: Value = serde_json::from_str(&input)?;
    let spec = Spec::read(root)?;
    let known = spec.requirements.iter().map(|requirement| requirement.id.clone()).collect();
    let pairs = models::read(root, &known)?;
    let book = input.get_mut(1).ok_or("mdbook sends a context and a book")?;
    let items = ["items", "sections"].into_iter().find(|key| book[*key].is_array()).ok_or("the book has no items")?;
    for item in book[items].as_array_mut().into_iter().flatten() {
        // Titles of parts and separators are items, too.
        if let Some(item) = item.get_mut("Chapter") {
            chapter(&spec, &pairs, item);
        }
    }
    println!("{book}");
    Ok(())
}

fn chapter(spec: &Spec, pairs: &[Pair], chapter: &mut Value) {
    let Some(path) = chapter["path"].as_str().map(str::to_owned) else { return };
    let Some(content) = chapter["content"].as_str() else { return };
    if path == "tracing.md" {
        chapter["content"] = content.replace("{{tracing}}", &table(spec)).into();
        chapter["sub_items"] = pages(spec).into();
    } else if path == "models.md" {
        chapter["content"] = content.replace("{{models}}", &models::section(spec, pairs)).into();
        chapter["sub_items"] = models::sources(pairs).into();
    } else if path == "state-diagrams.md" {
        chapter["content"] = diagrams::with_pictures(content).into();
    } else {
        chapter["content"] = link(spec, pairs, path.trim_end_matches(".md"), content).into();
    }
}

/// Adds the line with links below every requirement of a chapter.
fn link(spec: &Spec, pairs: &[Pair], name: &str, content: &str) -> String {
    let mut out = String::with_capacity(content.len() * 2);
    let mut below = None;
    for line in content.lines() {
        out.push_str(line);
        out.push('\n');
        if let Some(id) = line.strip_prefix("#### ") {
            below = spec.requirements.iter().find(|r| r.id == id.trim() && r.chapter == name);
        } else if !line.trim().is_empty()
            && let Some(requirement) = below.take()
        {
            let id = requirement.id.to_lowercase();
            let (code, tests) = (spec.cited(&id, false).len(), spec.cited(&id, true).len());
            let modelled = models::cited(pairs, &requirement.id);
            if code + tests > 0 {
                let modelled = if modelled.is_empty() { modelled } else { format!(", modelled in {modelled}") };
                let _ = writeln!(
                    out,
                    "\n<small>[code ({code}) and tests ({tests})](tracing/{name}.md#{id}){modelled}</small>"
                );
            }
        }
    }
    out
}

fn chapters(spec: &Spec) -> Vec<&str> {
    let mut names: Vec<&str> = spec.requirements.iter().map(|r| r.chapter.as_str()).collect();
    names.dedup();
    names
}

/// The table of all requirements.
fn table(spec: &Spec) -> String {
    let mut out = String::new();
    for name in chapters(spec) {
        let _ = writeln!(out, "## {name}\n\n| id | requirement | code | tests |\n|---|---|---|---|");
        for requirement in spec.requirements.iter().filter(|r| r.chapter == name) {
            let (id, anchor) = (&requirement.id, requirement.id.to_lowercase());
            let cell = |test| {
                let places = spec.cited(id, test);
                let places: Vec<_> =
                    places.iter().map(|c| format!("[{}](tracing/{name}.md#{anchor})", place(c))).collect();
                places.join("<br>")
            };
            let sentence = requirement.sentence.replace('|', "\\|");
            let _ = writeln!(out, "| [{id}]({name}.md#{anchor}) | {sentence} | {} | {} |", cell(false), cell(true));
        }
        out.push('\n');
    }
    out
}

/// One page of excerpts for each chapter.
fn pages(spec: &Spec) -> Vec<Value> {
    let page = |(number, name): (usize, &str)| {
        let path = format!("tracing/{name}.md");
        json!({ "Chapter": {
            "name": format!("Tracing: {name}"), "content": excerpts(spec, name), "number": null, "sub_items": [],
            "path": path, "source_path": null, "parent_names": ["Tracing"], "order": number,
        }})
    };
    chapters(spec).into_iter().enumerate().map(page).collect()
}

fn excerpts(spec: &Spec, name: &str) -> String {
    let mut out = format!("# Tracing: {name}\n");
    for requirement in spec.requirements.iter().filter(|r| r.chapter == name) {
        let id = &requirement.id;
        let back = format!("[in the chapter](../{name}.md#{})", id.to_lowercase());
        let _ = writeln!(out, "\n## {id}\n\n{} {back}", requirement.sentence);
        for (test, heading) in [(false, "Implemented in"), (true, "Tested in")] {
            for citation in spec.cited(id, test) {
                let _ = writeln!(out, "\n{heading} `{}`\n\n```rust,ignore\n{}\n```", place(citation), citation.excerpt);
            }
        }
    }
    out
}

fn place(citation: &Citation) -> String {
    format!("{}:{}", citation.file, citation.line)
}
