//! Every example runs to its end by itself, and says what the guide shows.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The names of the files with this ending in a folder of the repository.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let files = fs::read_dir(repository().join(folder)).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.to_str()?.strip_suffix(ending)?.to_owned())).collect();
    names.sort();
    names
}

/// Where cargo has put an example: beside the folder that this test is in.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(format!("{name}{EXE_SUFFIX}"));
    let written = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let source = repository().join(format!("impl/tokio/examples/{name}.rs"));
    assert!(
        written(&program) > written(&source),
        "`cargo test -p razor-tokio` builds the examples; {name} is not built"
    );
    program
}

#[test]
fn every_example_runs_to_its_end_and_says_what_the_guide_shows() {
    for name in names("impl/tokio/examples", ".rs") {
        let ran = Command::new(program(&name)).output().unwrap();
        assert!(ran.status.success(), "{name}: {}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
        let shown = fs::read_to_string(repository().join(format!("docs/output/{name}.txt"))).unwrap_or_default();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(said, shown, "docs/output/{name}.txt is stale: `cargo xtask examples` writes it");
    }
}

/// What the links of a page lead to: `(path, anchor)`, those to the web left out.
fn links(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(|target| target.split_once('#').unwrap_or((target, "")))
}

/// The anchor of a heading, as mdBook makes it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    plain.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn every_link_of_the_guide_leads_somewhere() {
    for name in names("docs", ".md") {
        let text = fs::read_to_string(repository().join(format!("docs/{name}.md"))).unwrap();
        for (path, wanted) in links(&text) {
            let file = if path.is_empty() { format!("{name}.md") } else { path.to_owned() };
            let page = fs::read(repository().join("docs").join(&file));
            let page = page.unwrap_or_else(|error| panic!("docs/{name}.md links to {file}: {error}"));
            // A picture has no headings.
            let page = String::from_utf8_lossy(&page);
            let mut headings = page.lines().filter(|line| line.starts_with('#'));
            assert!(
                wanted.is_empty() || headings.any(|heading| anchor(heading) == wanted),
                "docs/{name}.md links to {file}#{wanted}, and there is no such heading"
            );
        }
    }
}

#[test]
fn the_guide_shows_every_example_and_no_other() {
    let examples = names("impl/tokio/examples", ".rs");
    assert_eq!(names("docs/output", ".txt"), examples);
    let summary = fs::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    for name in examples {
        assert!(summary.contains(&format!("({name}.md)")), "docs/SUMMARY.md does not list {name}.md");
        let page = fs::read_to_string(repository().join(format!("docs/{name}.md"))).unwrap();
        for part in [
            format!("cargo run -p razor-tokio --example {name}\n"),
            format!("{{{{#include ../impl/tokio/examples/{name}.rs}}}}"),
            format!("{{{{#include output/{name}.txt}}}}"),
        ] {
            assert!(page.contains(&part), "docs/{name}.md does not show {part}");
        }
    }
}
