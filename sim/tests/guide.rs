//! The guide names every key and every word that plans can have.

use std::collections::BTreeSet;

use razor_sim::adversary::{Capability, Class};
use razor_sim::plan::Shape;
use razor_sim::{Preset, Seed, Sketch};

const GUIDE: &str = include_str!("../../docs/simulator.md");
const LIST: &str = include_str!("../../docs/output/sim/list.txt");
const EVERYTHING: &str = include_str!("../plans/everything.toml");

/// What a plan with a mistake is told: the words that would have been right.
fn expected(text: &str) -> Vec<String> {
    let error = Sketch::parse(text).expect_err("a mistake").to_string();
    let words = error.split_once("expected ").unwrap_or_else(|| panic!("{text}: {error}")).1;
    let words: Vec<String> = words.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!words.is_empty(), "{text}: {error}");
    words
}

/// The part of the guide under a heading.
fn section(heading: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n#").next().unwrap_or_default()
}

#[test]
fn the_guide_names_every_key() {
    let link = "[[link]]\nbetween = [\"a\", \"b\"]\n";
    let mut keys = 0;
    for (heading, text) in [
        ("The world", "zzz = 1".to_owned()),
        ("topology", "[topology]\nzzz = 1".to_owned()),
        ("node", "[[node]]\nzzz = 1".to_owned()),
        ("places", "[[node]]\nname = \"a\"\nplaces = { zzz = 1 }".to_owned()),
        ("link", "[[link]]\nzzz = 1".to_owned()),
        ("burst", format!("{link}burst = {{ zzz = 1 }}")),
        ("channel", "[[channel]]\nzzz = 1".to_owned()),
        ("fault", "[[fault]]\nwhat = \"zzz\"".to_owned()),
        ("adversary", "[[adversary]]\nzzz = 1".to_owned()),
    ] {
        for key in expected(&text) {
            assert!(section(heading).contains(&format!("`{key}`")), "{heading}: `{key}` is not in the guide");
            keys += 1;
        }
    }
    for what in expected("[[fault]]\nwhat = \"zzz\"") {
        let row = section("fault").lines().find(|line| line.starts_with(&format!("| `{what}`"))).expect("a row");
        for key in expected(&format!("[[fault]]\nwhat = \"{what}\"\nzzz = 1")).iter().filter(|key| *key != "at") {
            assert!(row.contains(&format!("`{key}`")), "{what}: `{key}` is not in the guide");
            keys += 1;
        }
    }
    assert!(keys > 60, "{keys}");
}

#[test]
fn the_guide_names_every_word() {
    for (heading, text) in [
        ("The world", "suite = \"zzz\""),
        ("topology", "topology = { shape = \"zzz\", nodes = 3 }"),
        ("node", "[[node]]\nname = \"a\"\nsigning = \"zzz\""),
        ("link", "[[link]]\nbetween = [\"a\", \"b\"]\nkind = \"zzz\""),
    ] {
        for word in expected(text) {
            assert!(section(heading).contains(&format!("`{word}`")), "{heading}: `{word}` is not in the guide");
        }
    }
}

#[test]
fn the_list_has_every_preset_shape_class_and_capability() {
    let words: BTreeSet<&str> =
        LIST.lines().filter(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next()).collect();
    let all = Preset::ALL.map(|one| one.to_string()).into_iter();
    let all = all.chain(Shape::ALL.map(|one| one.to_string())).chain(Class::ALL.map(|one| one.to_string()));
    for word in all.chain(Capability::ALL.map(|one| one.to_string())) {
        assert!(words.contains(word.as_str()), "`{word}` is not in the list");
    }
}

#[test]
fn the_example_with_every_key_is_a_plan_and_has_every_key() {
    Sketch::parse(EVERYTHING).and_then(|sketch| sketch.draw(Seed(1))).expect("a plan");
    for section in ["", "[[node]]\n", "[[link]]\n", "[[channel]]\n", "[[adversary]]\n"] {
        for key in expected(&format!("{section}zzz = 1")) {
            let key = format!("\n{key} = ");
            let list = format!("\n[[{}]]", key.trim().trim_end_matches(" ="));
            let comment = format!("\n#{}", key.trim_start());
            let there = [&key, &list, &comment].iter().any(|words| EVERYTHING.contains(words.as_str()));
            assert!(there || key.contains("poses-as") || EVERYTHING.contains(&format!("# {}", key.trim())), "{key}");
        }
    }
}
