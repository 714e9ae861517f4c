//! What a model says of itself: its head, its queries with what is expected of them, the lines that it can and cannot do
//! without, and how its broken twin differs.
//!
//! ```text
//! // A sentence: what is modelled, or what the twin does wrong.
//! // covers: CHN-6 CHN-7            in a twin `breaks:`, the requirements that it does not keep
//! // twin: handshake.broken.vp      in a twin `twin of:`
//! // sessions: 2                    how many of each party run side by side
//! ...
//! _ = ASSERT(attested, static)? // needed for CHN-8 PUR-15: without it there is an attack
//! _ = ASSERT(tag, change_tag)? // spare for IDN-6: without it alone there is none, other rules stop the same
//! ...
//! queries[
//!     confidentiality? message // holds: only Bob reads what Alice sends
//! ]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::requirements::files;

/// Where the models are, in the repository.
pub(crate) const FOLDER: &str = "spec/models";

/// The words that a query begins with.
const KINDS: [&str; 5] = ["confidentiality?", "authentication?", "freshness?", "unlinkability?", "equivalence?"];

/// What is expected of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// No attack is found.
    Holds,
    /// An attack is found.
    Attack,
}

/// One query and what is claimed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Its line in the file, from 1.
    pub(crate) line: usize,
    /// In the language of the tool, on one line.
    text: String,
    pub(crate) expected: Expected,
    /// In words.
    pub(crate) claim: String,
}

/// A line with a check that is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// Its number in the file, from 1.
    pub(crate) line: usize,
    /// The requirements that it keeps.
    pub(crate) requirements: Vec<String>,
    /// Whether there is an attack without it.
    pub(crate) needed: bool,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    /// The name of the file.
    pub(crate) file: String,
    /// The first sentence.
    pub(crate) title: String,
    /// The requirements that it covers, or that a twin breaks.
    pub(crate) requirements: Vec<String>,
    /// The file of the twin, or of the model that this is the twin of.
    other: String,
    /// How many of each party run side by side.
    pub(crate) sessions: u8,
    pub(crate) queries: Vec<Query>,
    pub(crate) checks: Vec<Check>,
    /// The lines without comments, up to the queries.
    code: Vec<String>,
    /// The whole text.
    pub(crate) text: String,
}

/// A model and its broken twin.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) model: Model,
    pub(crate) twin: Model,
}

impl Model {
    /// Reads a file; else a sentence for everything that is wrong with it.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//")).map(str::trim).collect();
        let mut value = |key: &str| {
            let mut values = head.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            let found = values.next();
            if found.is_none() || values.next().is_some() {
                wrong.push(format!("{file}: its head needs one line `// {key}: ...`"));
            }
            found.unwrap_or_default().trim()
        };
        let (requirements, other) =
            if is_twin(file) { (value("breaks"), value("twin of")) } else { (value("covers"), value("twin")) };
        let sessions = value("sessions");
        let sessions = sessions.parse().ok().filter(|n| (1..=16).contains(n)).unwrap_or_else(|| {
            wrong.push(format!("{file}: `sessions: {sessions}` is no number from 1 to 16"));
            0
        });
        let title = head.first().and_then(|line| line.strip_suffix('.')).unwrap_or_default();
        if title.is_empty() {
            wrong.push(format!("{file}: its first line says in a sentence what it is"));
        }
        let mut lines = text.lines().enumerate();
        let (mut code, mut checks) = (Vec::new(), Vec::new());
        for (index, line) in lines.by_ref().take_while(|(_, line)| !line.starts_with("queries[")) {
            code.push(without_comment(line).to_owned());
            for (mark, needed) in [("// needed for ", true), ("// spare for ", false)] {
                if let Some((_, ids)) = line.split_once(mark) {
                    checks.push(Check { line: index + 1, requirements: words(ids), needed });
                }
            }
        }
        code.retain(|line| !line.is_empty());
        let mut queries = Vec::new();
        for (index, line) in lines {
            let query = without_comment(line);
            if KINDS.iter().any(|kind| query.starts_with(kind)) {
                match expectation(line) {
                    Some((expected, claim)) => {
                        let (text, claim) = (query.to_owned(), claim.to_owned());
                        queries.push(Query { line: index + 1, text, expected, claim });
                    }
                    None => wrong.push(format!("{file}:{}: say `// holds: ...` or `// attack: ...`", index + 1)),
                }
            } else if let Some(last) = queries.last_mut()
                && query != "]"
            {
                last.text = format!("{} {query}", last.text).trim().to_owned();
            }
        }
        if queries.is_empty() {
            wrong.push(format!("{file}: it asks nothing"));
        }
        let model = Self {
            file: file.to_owned(),
            title: title.to_owned(),
            requirements: words(requirements),
            other: other.to_owned(),
            sessions,
            queries,
            checks,
            code,
            text: text.to_owned(),
        };
        if wrong.is_empty() { Ok(model) } else { Err(wrong) }
    }

    /// The file's name without its extension.
    pub(crate) fn name(&self) -> &str {
        self.file.trim_end_matches(".vp")
    }

    /// The requirements of its checks that are needed, or of the others.
    pub(crate) fn kept(&self, needed: bool) -> BTreeSet<&String> {
        self.checks.iter().filter(|check| check.needed == needed).flat_map(|check| &check.requirements).collect()
    }

    /// The text without this check. A line that computes something goes on to compute it, whether that succeeds or not.
    pub(crate) fn without(&self, check: &Check) -> String {
        let changed = |line: &str| {
            if line.trim_start().starts_with("_ =") { String::new() } else { line.replacen(")?", ")", 1) }
        };
        let lines = self.text.lines().enumerate();
        let lines = lines.map(|(index, line)| if index + 1 == check.line { changed(line) } else { line.to_owned() });
        lines.flat_map(|line| [line, "\n".to_owned()]).collect()
    }

    fn expects(&self, expected: Expected) -> bool {
        self.queries.iter().any(|query| query.expected == expected)
    }
}

impl Pair {
    /// The lines that the twin does not have, and those that it has instead.
    pub(crate) fn difference(&self) -> (Vec<&str>, Vec<&str>) {
        difference(&self.model.code, &self.twin.code)
    }

    /// A sentence for everything that does not fit between the two, or in the specification.
    fn gaps(&self, known: &BTreeSet<String>) -> Vec<String> {
        let Self { model, twin } = self;
        let mut gaps = Vec::new();
        for Model { file, requirements, .. } in [model, twin] {
            let spare = if file == &model.file { model.kept(false) } else { BTreeSet::new() };
            let unknown = requirements.iter().chain(spare).filter(|id| !known.contains(*id));
            gaps.extend(unknown.map(|id| format!("{file}: no requirement is called {id}")));
            if requirements.is_empty() {
                gaps.push(format!("{file}: it names no requirement"));
            }
        }
        let covered: BTreeSet<&String> = model.requirements.iter().collect();
        let shown: BTreeSet<&String> = twin.requirements.iter().chain(model.kept(true)).collect();
        let claimed = covered.difference(&shown);
        gaps.extend(claimed.map(|id| format!("{}: neither its twin nor a line shows that it covers {id}", model.file)));
        let silent = shown.difference(&covered);
        gaps.extend(silent.map(|id| format!("{}: it does not say that it covers {id}", model.file)));
        if twin.other != model.file {
            gaps.push(format!("{}: it is the twin of {}, not of {}", twin.file, model.file, twin.other));
        }
        if self.difference() == (Vec::new(), Vec::new()) {
            gaps.push(format!("{}: nothing is broken, it says what {} says", twin.file, model.file));
        }
        if !model.queries.iter().map(|query| &query.text).eq(twin.queries.iter().map(|query| &query.text)) {
            gaps.push(format!("{}: it does not ask what {} asks", twin.file, model.file));
        }
        if !model.expects(Expected::Holds) {
            gaps.push(format!("{}: nothing is expected to hold", model.file));
        }
        let attacked = |(whole, broken): (&Query, &Query)| {
            whole.expected == Expected::Holds && broken.expected == Expected::Attack
        };
        if !model.queries.iter().zip(&twin.queries).any(attacked) {
            gaps.push(format!("{}: no attack is expected where {} has none", twin.file, model.file));
        }
        gaps
    }
}

/// All models with their twins, in the order of their names; else everything that is wrong with them.
pub(crate) fn read(root: &Path, known: &BTreeSet<String>) -> Result<Vec<Pair>, Box<dyn std::error::Error>> {
    let mut texts = BTreeMap::new();
    for path in files(&root.join(FOLDER), "vp")? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        texts.insert(name, fs::read_to_string(&path)?);
    }
    pairs(&texts, known).map_err(|wrong| wrong.join("\n").into())
}

fn pairs(texts: &BTreeMap<String, String>, known: &BTreeSet<String>) -> Result<Vec<Pair>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut models = BTreeMap::new();
    for (file, text) in texts {
        match Model::parse(file, text) {
            Ok(model) => drop(models.insert(file.as_str(), model)),
            Err(more) => wrong.extend(more),
        }
    }
    let mut pairs = Vec::new();
    for model in models.values().filter(|model| !is_twin(&model.file)) {
        match models.get(model.other.as_str()).filter(|twin| is_twin(&twin.file)) {
            Some(twin) => pairs.push(Pair { model: model.clone(), twin: twin.clone() }),
            None => wrong.push(format!("{}: its twin {} is not there", model.file, model.other)),
        }
    }
    let lonely = models.values().filter(|file| is_twin(&file.file) && !pairs.iter().any(|p| p.twin.file == file.file));
    wrong.extend(lonely.map(|twin| format!("{}: no model has this twin", twin.file)));
    wrong.extend(pairs.iter().flat_map(|pair| pair.gaps(known)));
    if wrong.is_empty() { Ok(pairs) } else { Err(wrong) }
}

fn is_twin(file: &str) -> bool {
    file.ends_with(".broken.vp")
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default().trim()
}

/// What the comment on the line of a query says.
fn expectation(line: &str) -> Option<(Expected, &str)> {
    let (_, comment) = line.split_once("//")?;
    let (word, claim) = comment.trim().split_once(": ")?;
    let expected = match word {
        "holds" => Expected::Holds,
        "attack" => Expected::Attack,
        _ => return None,
    };
    Some((expected, claim.trim())).filter(|(_, claim)| !claim.is_empty())
}

/// The lines of `before` that are not in `after`, and the other way round: what is left beside the longest common part.
fn difference<'a>(before: &'a [String], after: &'a [String]) -> (Vec<&'a str>, Vec<&'a str>) {
    // common[i][j]: the length of the longest common part of before[i..] and after[j..].
    let mut common = vec![vec![0usize; after.len() + 1]; before.len() + 1];
    for (i, old) in before.iter().enumerate().rev() {
        for (j, new) in after.iter().enumerate().rev() {
            common[i][j] = if old == new { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || (i < before.len() && common[i + 1][j] >= common[i][j + 1]) {
            gone.push(before[i].as_str());
            i += 1;
        } else {
            new.push(after[j].as_str());
            j += 1;
        }
    }
    (gone, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::Spec;

    const WHOLE: &str = "\
// Bob checks who signs.
// covers: ABC-1 ABC-2
// twin: x.broken.vp
// sessions: 2
//
// More prose: with a colon.
attacker[active]
principal Bob[
\t_ = SIGNVERIF(key, data, signature)?
\t_ = ASSERT(data, expected)? // needed for ABC-2
\topened = HASH(data)
]
queries[
\tconfidentiality? data // attack: it is public
\tauthentication? Alice -> Bob: data[ // holds: Alice signed it
\t\tprecondition[Bob -> Carol: done]
\t]
]
";

    const BROKEN: &str = "\
// Bob checks nothing.
// breaks: ABC-1
// twin of: x.vp
// sessions: 1
attacker[active]
principal Bob[
\t_ = ASSERT(data, expected)?
\topened = HASH(data)
]
queries[
\tconfidentiality? data // attack: it is public
\tauthentication? Alice -> Bob: data[ // attack: anybody made it
\t\tprecondition[Bob -> Carol: done]
\t]
]
";

    fn wrong(whole: &str, broken: &str) -> String {
        let known = ["ABC-1".to_owned(), "ABC-2".to_owned()].into();
        let texts = [("x.vp", whole), ("x.broken.vp", broken)].map(|(name, text)| (name.to_owned(), text.to_owned()));
        pairs(&texts.into(), &known).err().unwrap_or_default().join("\n")
    }

    #[test]
    fn a_head_and_the_expectations_are_read() {
        let model = Model::parse("x.vp", WHOLE).unwrap();
        assert_eq!(model.title, "Bob checks who signs");
        assert_eq!(model.requirements, ["ABC-1", "ABC-2"]);
        assert_eq!(model.sessions, 2);
        let expected: Vec<_> = model.queries.iter().map(|q| (q.line, q.expected, q.claim.as_str())).collect();
        assert_eq!(expected, [(14, Expected::Attack, "it is public"), (15, Expected::Holds, "Alice signed it")]);
        assert!(model.queries[1].text.contains("precondition[Bob -> Carol: done]"));
        assert_eq!(wrong(WHOLE, BROKEN), "");
    }

    #[test]
    fn the_difference_is_the_line_that_was_taken_away_whatever_the_comments() {
        let [model, twin] = [("x.vp", WHOLE), ("x.broken.vp", BROKEN)].map(|(f, text)| Model::parse(f, text).unwrap());
        let pair = Pair { model, twin };
        assert_eq!(pair.difference(), (vec!["_ = SIGNVERIF(key, data, signature)?"], vec![]));
    }

    #[test]
    fn a_head_without_one_of_its_lines_is_refused() {
        for key in ["// covers", "// twin", "// sessions", "// Bob"] {
            let without: String = WHOLE.lines().filter(|l| !l.starts_with(key)).map(|l| format!("{l}\n")).collect();
            assert!(Model::parse("x.vp", &without).is_err(), "{key}");
        }
        assert!(wrong(&WHOLE.replace("sessions: 2", "sessions: none"), BROKEN).contains("no number"));
    }

    #[test]
    fn a_query_without_an_expectation_is_refused() {
        let silent = WHOLE.replace(" // attack: it is public", "");
        assert!(wrong(&silent, BROKEN).contains("x.vp:14: say"));
        assert!(wrong(&WHOLE.replace("attack: it", "perhaps: it"), BROKEN).contains("x.vp:14: say"));
    }

    #[test]
    fn an_unknown_requirement_is_refused() {
        assert!(wrong(&WHOLE.replace("ABC-2", "ABC-3"), BROKEN).contains("no requirement is called ABC-3"));
    }

    #[test]
    fn a_twin_breaks_what_its_model_covers_and_is_attacked_where_its_model_is_not() {
        assert!(wrong(WHOLE, &BROKEN.replace("breaks: ABC-1", "breaks: ABC-9")).contains("that it covers ABC-9"));
        assert!(wrong(WHOLE, &BROKEN.replace("attack: anybody", "holds: anybody")).contains("no attack is expected"));
        assert!(wrong(WHOLE, &BROKEN.replace("data[ //", "opened[ //")).contains("does not ask what"));
        let same = BROKEN.replace("Bob[\n", "Bob[\n\t_ = SIGNVERIF(key, data, signature)?\n");
        assert!(wrong(WHOLE, &same).contains("nothing is broken"));
    }

    #[test]
    fn a_model_covers_what_its_twin_breaks_and_what_its_lines_are_needed_for_and_nothing_else() {
        let model = Model::parse("x.vp", WHOLE).unwrap();
        assert_eq!(model.checks, [Check { line: 10, requirements: vec!["ABC-2".to_owned()], needed: true }]);
        assert!(
            wrong(&WHOLE.replace(" // needed for ABC-2", ""), BROKEN).contains("nor a line shows that it covers ABC-2")
        );
        assert!(
            wrong(&WHOLE.replace("covers: ABC-1 ABC-2", "covers: ABC-1"), BROKEN)
                .contains("does not say that it covers ABC-2")
        );
    }

    #[test]
    fn a_line_that_only_checks_is_taken_away_and_one_that_computes_goes_on_without_its_check() {
        let text = WHOLE.replace("HASH(data)", "AEAD_DEC(key, zero, data, nil)? // spare for ABC-1");
        let model = Model::parse("x.vp", &text).unwrap();
        let [first, second] = [&model.checks[0], &model.checks[1]].map(|check| model.without(check));
        assert_eq!(first, text.replace("\t_ = ASSERT(data, expected)? // needed for ABC-2", ""));
        assert_eq!(second, text.replace("nil)?", "nil)"));
        assert!(wrong(&text.replace("spare for ABC-1", "spare for ABC-3"), BROKEN).contains("called ABC-3"));
    }

    #[test]
    fn a_model_without_a_twin_and_a_twin_without_a_model_are_refused() {
        assert!(wrong(&WHOLE.replace("twin: x", "twin: y"), BROKEN).contains("its twin y.broken.vp is not there"));
        assert!(wrong(&WHOLE.replace("twin: x", "twin: y"), BROKEN).contains("no model has this twin"));
        assert!(wrong(WHOLE, &BROKEN.replace("twin of: x", "twin of: y")).contains("it is the twin of x.vp"));
    }

    #[test]
    fn every_model_in_the_specification_says_what_it_has_to() {
        let root = crate::root();
        let known = Spec::read(&root).unwrap().requirements.into_iter().map(|r| r.id).collect();
        let pairs = read(&root, &known).unwrap_or_else(|error| panic!("{error}"));
        assert!(!pairs.is_empty());
    }
}
