//! Requirements of the specification and the places in the code that cite them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The folders whose Rust sources may cite requirements.
const SOURCES: [&str; 4] = ["impl", "sim", "vectors", "xtask"];

/// How many lines of code an excerpt shows after its citation.
const EXCERPT: usize = 14;

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// Its id, such as `CHN-14`.
    pub(crate) id: String,
    /// The sentence.
    pub(crate) sentence: String,
    /// The chapter's file name without extension.
    pub(crate) chapter: String,
}

impl Requirement {
    /// Whether code and tests have to cite it.
    pub(crate) fn is_binding(&self) -> bool {
        self.sentence.contains(" MUST ")
    }
}

/// A place that cites a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Citation {
    /// The file, relative to the repository.
    pub(crate) file: String,
    /// The line of the citation, from 1.
    pub(crate) line: usize,
    /// Whether it is a test.
    pub(crate) test: bool,
    /// The lines that follow.
    pub(crate) excerpt: String,
}

/// All requirements, in the order of chapters and of the text, with their citations.
pub(crate) struct Spec {
    /// The requirements.
    pub(crate) requirements: Vec<Requirement>,
    /// Who cites each, by lower-case id.
    pub(crate) citations: BTreeMap<String, Vec<Citation>>,
}

impl Spec {
    /// Reads the specification and the sources.
    pub(crate) fn read(root: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut requirements = Vec::new();
        for path in files(&root.join("spec/src"), "md")? {
            let chapter = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
            requirements.extend(parse_chapter(&chapter, &fs::read_to_string(&path)?));
        }
        let mut citations: BTreeMap<String, Vec<Citation>> = BTreeMap::new();
        for folder in SOURCES {
            for path in files(&root.join(folder), "rs")? {
                let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
                for (id, citation) in parse_source(&name, &fs::read_to_string(&path)?) {
                    citations.entry(id).or_default().push(citation);
                }
            }
        }
        Ok(Self { requirements, citations })
    }

    /// The citations of a requirement that are tests, or that are not.
    pub(crate) fn cited(&self, id: &str, test: bool) -> Vec<&Citation> {
        let all = self.citations.get(&id.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|citation| citation.test == test).collect()
    }

    /// A sentence for everything that is missing.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let mut seen = BTreeSet::new();
        for requirement in &self.requirements {
            if !seen.insert(&requirement.id) {
                gaps.push(format!("{} stands in the specification twice", requirement.id));
            }
            if !requirement.is_binding() {
                continue;
            }
            if self.cited(&requirement.id, false).is_empty() {
                gaps.push(format!("{} is cited by no code: {}", requirement.id, requirement.sentence));
            }
            if self.cited(&requirement.id, true).is_empty() {
                gaps.push(format!("{} is cited by no test: {}", requirement.id, requirement.sentence));
            }
        }
        let known: BTreeSet<String> = self.requirements.iter().map(|r| r.id.to_lowercase()).collect();
        for (id, citations) in &self.citations {
            if !known.contains(id) {
                let places: Vec<_> = citations.iter().map(|c| format!("{}:{}", c.file, c.line)).collect();
                gaps.push(format!("{} is cited but does not exist: {}", id.to_uppercase(), places.join(", ")));
            }
        }
        gaps
    }
}

/// Prints the figures and fails on a gap.
pub(crate) fn report(root: &Path) -> Outcome {
    let spec = Spec::read(root)?;
    let binding = spec.requirements.iter().filter(|requirement| requirement.is_binding()).count();
    println!("{} requirements, of which {binding} bind with MUST or MUST NOT", spec.requirements.len());
    let gaps = spec.gaps();
    if gaps.is_empty() { Ok(()) } else { Err(gaps.join("\n").into()) }
}

/// Whether `text` is an id: three capitals, a hyphen, a number.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(prefix, number)| {
        prefix.len() == 3
            && prefix.bytes().all(|b| b.is_ascii_uppercase())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn parse_chapter(chapter: &str, text: &str) -> Vec<Requirement> {
    let mut requirements = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(id) = line.strip_prefix("#### ").map(str::trim).filter(|id| is_id(id)) else { continue };
        let sentence = lines.by_ref().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        requirements.push(Requirement { id: id.to_owned(), sentence, chapter: chapter.to_owned() });
    }
    requirements
}

fn parse_source(file: &str, text: &str) -> Vec<(String, Citation)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut citations = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(target) = line.trim().strip_prefix("//= spec/src/") else { continue };
        let Some((_, id)) = target.split_once('#') else { continue };
        let rest = lines.get(index + 1..).unwrap_or_default();
        let comment = rest.iter().take_while(|line| line.trim().starts_with("//")).count();
        let test = rest.iter().take(comment).take_while(|line| !line.contains("//#")).any(|l| l.contains("type=test"));
        let code: Vec<&str> = rest.iter().skip(comment).take(EXCERPT).copied().collect();
        let citation = Citation { file: file.to_owned(), line: index + 1, test, excerpt: dedent(&code) };
        citations.push((id.trim().to_lowercase(), citation));
    }
    citations
}

/// Removes the indentation that all lines share.
fn dedent(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(shared..).unwrap_or_default()).collect();
    lines.join("\n").trim_end().to_owned()
}

/// All files below `folder` with this extension, in order, build folders left out.
pub(crate) fn files(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    let mut entries = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_cited_by_code_and_by_a_test_and_every_citation_is_of_a_requirement() {
        let spec = Spec::read(&crate::root()).unwrap();
        assert!(spec.requirements.len() > 20);
        assert_eq!(spec.gaps(), Vec::<String>::new());
    }

    #[test]
    fn every_requirement_is_one_sentence_with_one_capital_word() {
        for requirement in Spec::read(&crate::root()).unwrap().requirements {
            let words = requirement.sentence.split([' ', ',', '.']).filter(|w| matches!(*w, "MUST" | "SHOULD")).count();
            assert_eq!(words, 1, "{}: {}", requirement.id, requirement.sentence);
            assert!(requirement.sentence.ends_with('.'), "{}: {}", requirement.id, requirement.sentence);
        }
    }

    #[test]
    fn every_id_that_an_error_names_stands_in_the_specification() {
        let root = crate::root();
        let known: BTreeSet<String> = Spec::read(&root).unwrap().requirements.into_iter().map(|r| r.id).collect();
        let mut named = 0;
        for path in files(&root.join("impl/core/src"), "rs").unwrap() {
            let text = fs::read_to_string(&path).unwrap();
            for literal in text.split('"').filter(|literal| is_id(literal)) {
                named += 1;
                assert!(known.contains(literal), "{} names {literal}", path.display());
            }
        }
        assert!(named > 20);
    }

    #[test]
    fn every_link_to_a_requirement_leads_to_one() {
        let root = crate::root();
        let spec = Spec::read(&root).unwrap();
        let mut links = 0;
        for path in files(&root.join("spec/src"), "md").unwrap() {
            let text = fs::read_to_string(&path).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let Some((chapter, anchor)) = link.split_once(".md#") else { continue };
                links += 1;
                let found = spec.requirements.iter().any(|r| r.chapter == chapter && r.id.to_lowercase() == anchor);
                assert!(found, "{}: {link}", path.display());
            }
        }
        assert!(links > 20);
    }

    #[test]
    fn a_missing_test_and_an_unknown_citation_are_gaps() {
        let chapter = "#### ABC-1\n\nA thing MUST hold.\n\n#### ABC-2\n\nIt SHOULD be nice.\n";
        let source =
            "    //= spec/src/abc.md#abc-1\n    //# A thing MUST hold.\n    fn f() {}\n//= spec/src/abc.md#abc-9\n";
        let mut citations: BTreeMap<String, Vec<Citation>> = BTreeMap::new();
        for (id, citation) in parse_source("a.rs", source) {
            citations.entry(id).or_default().push(citation);
        }
        let spec = Spec { requirements: parse_chapter("abc", chapter), citations };
        let place = spec.cited("ABC-1", false)[0].clone();
        assert!(place.line == 1 && place.excerpt.contains("fn f() {}"));
        let gaps = spec.gaps();
        assert_eq!(gaps.len(), 2);
        assert!(gaps[0].contains("ABC-1 is cited by no test") && gaps[1].contains("ABC-9"));
    }
}
