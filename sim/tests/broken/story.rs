//! What is told of worlds that fail.

use razor_sim::trace::What;
use razor_sim::{Preset, view};

use super::spoilt::{Spoilt, world};

/// The world that a page was made of, as its script reads it.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"world\">").expect("the world");
    let (json, _) = rest.split_once("</script>").expect("the end of the world");
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn the_page_of_a_world_that_fails_leads_from_its_violation_to_the_forgery_and_to_who_made_it() {
    let report = world(0, Preset::Hostile, Spoilt::ChangesWithEveryInput).recording().run();
    assert!(!report.passed());
    let world = data(&view::page(&report));
    assert_eq!(world["passed"], false);
    let events = world["events"].as_array().expect("events");
    let violated = events.last().expect("events");
    assert_eq!(violated["what"], "violated");
    let before = |event: &serde_json::Value| {
        let number = event["cause"].as_u64()? as usize;
        Some(events[number - 1].clone())
    };
    let chain: Vec<_> = std::iter::successors(Some(violated.clone()), before).collect();
    let what: Vec<_> = chain.iter().map(|event| event["what"].as_str().expect("a word")).collect();
    assert_eq!(what[..4], ["violated", "arrived", "sent", "injected"]);
    let deed = chain[3]["deed"].as_u64().expect("a deed") as usize;
    assert!(world["deeds"][deed]["why"].as_str().is_some_and(|why| !why.is_empty()));
    assert_eq!(report.entries.last().map(|entry| entry.what), Some(What::Violated));
}
