//! A world as one page: a sequence diagram with everything that happened, and what each adversary knew.
//!
//! The page is one file of HTML that needs nothing else: style and script are in it, and the world is in it as JSON.

mod data;

use serde_json::json;

use crate::report::Report;
use crate::telling::Telling;

use self::data::World;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: [&str; 3] = [include_str!("model.js"), include_str!("diagram.js"), include_str!("page.js")];

/// The page of a world that was [recording](crate::World::recording).
///
/// # Panics
/// If it was not.
pub fn page(report: &Report) -> String {
    let world = World::of(&Telling::of(report));
    // What comes from the world comes last: nothing is looked for in it.
    TEMPLATE
        .replace("{{title}}", &title(report))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", &SCRIPT.concat())
        .replace("{{world}}", &inert(&json!(world).to_string()))
}

/// The title of the page.
pub fn title(report: &Report) -> String {
    format!("Razor: world of seed {}", report.seed)
}

/// JSON that ends no script, begins no tag, and stands in any document.
fn inert(json: &str) -> String {
    // Outside of its strings JSON has none of these.
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::trace::What;
    use crate::{Plan, Preset, Seed, Sketch, drawn, world};

    /// The world that a page was made of, as its script reads it.
    fn data(page: &str) -> Value {
        let (_, rest) = page.split_once("<script type=\"application/json\" id=\"world\">").expect("the world");
        let (json, _) = rest.split_once("</script>").expect("the end of the world");
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn a_page_has_every_event_and_the_bytes_of_every_frame() {
        let report = drawn(2, Preset::Hostile).recording().run();
        let world = data(&page(&report));
        assert_eq!(world["title"], "Razor: world of seed 2");
        let (events, bytes) = (world["events"].as_array().expect("events"), world["bytes"].as_array().expect("bytes"));
        assert_eq!(events.len() as u64, report.events);
        let mut frames = 0;
        for (event, entry) in events.iter().zip(&report.entries) {
            assert_eq!(event["node"], entry.node);
            assert_eq!(event["at"], entry.at.as_nanos() / 1_000);
            if matches!(entry.what, What::Sent | What::Injected) {
                let place = event["bytes"].as_u64().expect("bytes") as usize;
                let hex: String = entry.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(bytes[place]["hex"], hex);
                assert!(bytes[place]["fields"].as_array().is_some_and(|fields| fields.len() > 1));
                frames += 1;
            }
        }
        assert!(frames > 100);
    }

    #[test]
    fn a_page_says_what_each_attacker_knew_and_did() {
        let report = drawn(2, Preset::Hostile).recording().run();
        let (record, world) = (report.record.as_ref().expect("a record"), data(&page(&report)));
        let count = |name: &str| world[name].as_array().map_or(0, Vec::len);
        assert_eq!(count("adversaries"), report.plan.adversaries.len());
        assert_eq!((count("lessons"), count("deeds")), (record.lessons.len(), record.deeds.len()));
        assert!(count("lessons") > 0 && count("deeds") > 0);
        for event in world["events"].as_array().expect("events") {
            if event["what"] == "injected" || event["what"] == "swallowed" {
                let deed = &world["deeds"][event["deed"].as_u64().expect("a deed") as usize];
                assert!(deed["why"].as_str().is_some_and(|why| why.len() > 10), "{event}");
            }
        }
    }

    #[test]
    fn a_page_refers_to_nothing_outside_of_it() {
        let page = page(&drawn(1, Preset::Swarm).recording().run());
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for reference in ["http:", "https:", "src=", "@import", "url(", "//cdn", "<link rel=\"stylesheet\"", "fetch("] {
            assert!(!page.contains(reference), "{reference}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn names_that_look_like_tags_stay_names() {
        const NAME: &str = "</script><!--<script>&";
        let text = Plan::draw(Seed(1), Preset::Calm).to_toml();
        let name = Plan::draw(Seed(1), Preset::Calm).nodes[0].name.clone();
        let text = text.replace(&format!("\"{name}\""), &format!("{NAME:?}"));
        let plan = Sketch::parse(&text).and_then(|sketch| sketch.draw(Seed(1))).expect("a plan");
        assert_eq!(plan.nodes[0].name, NAME);
        let page = page(&world(plan).recording().run());
        let clean = super::page(&drawn(1, Preset::Calm).recording().run());
        for tag in ["<script", "</script>", "<!--"] {
            assert_eq!(page.matches(tag).count(), clean.matches(tag).count(), "{tag}");
        }
        assert_eq!(data(&page)["nodes"][0]["name"], NAME);
    }

    #[test]
    fn the_same_world_makes_the_same_page() {
        let page = |seed| page(&drawn(seed, Preset::Faults).recording().run());
        assert_eq!(page(3), page(3));
        assert_ne!(page(3), page(4));
    }
}
