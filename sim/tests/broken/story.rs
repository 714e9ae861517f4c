//! What is told of worlds that fail.

use razor_sim::explain::explain;
use razor_sim::trace::What;
use razor_sim::{Preset, drawn, view};

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

/// The story of the first of a few worlds that fails, in one line.
fn story(preset: Preset, spoilt: Spoilt) -> String {
    let mut reports = (0..10).map(|seed| world(seed, preset, spoilt).recording().run());
    let report = reports.find(|report| !report.passed()).expect("a world that fails");
    explain(&report, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the story says led to the violation.
fn cause(story: &str) -> &str {
    let (_, cause) = story.split_once("What led to it").expect("a cause");
    cause.split_once("Again").map_or(cause, |(cause, _)| cause)
}

#[test]
fn the_story_of_a_forgery_names_who_made_it_and_why_and_where_it_arrived() {
    let story = story(Preset::Hostile, Spoilt::ChangesWithEveryInput);
    assert!(story.contains("It fails: no trusted state change on forgery"), "{story}");
    let cause = cause(&story);
    for word in ["Why: ", "forged, like ", " from ", "violated: no trusted state change on forgery"] {
        assert!(cause.contains(word), "{word:?} in {cause}");
    }
}

#[test]
fn the_story_of_a_message_that_came_twice_tells_of_both_times() {
    let story = story(Preset::Calm, Spoilt::DeliversTwice);
    let cause = cause(&story);
    assert!(cause.contains("It had been delivered before, at "), "{cause}");
    assert!(cause.matches(" is told message ").count() >= 2, "{cause}");
    assert!(cause.contains(" says message "), "{cause}");
}

#[test]
fn the_story_of_a_message_that_is_missing_follows_it_to_where_it_was_lost() {
    let story = story(Preset::Calm, Spoilt::LosesMessages);
    let cause = cause(&story);
    assert!(cause.contains("said and never told. The first:"), "{cause}");
    assert!(cause.contains("Nothing came of it at "), "{cause}");
}

#[test]
fn the_story_of_a_changed_message_tells_how_long_it_was() {
    let story = story(Preset::Calm, Spoilt::ChangesPayloads);
    assert!(cause(&story).contains(" when it was said, and "), "{story}");
}

#[test]
fn the_story_of_a_good_world_is_about_a_screen_and_everything_is_every_event() {
    for preset in Preset::ALL {
        let report = drawn(1, preset).recording().run();
        let story = explain(&report, false);
        assert!(report.passed() && story.contains("Every property holds."), "{story}");
        assert!((15..=70).contains(&story.lines().count()), "{preset}: {} lines", story.lines().count());
        assert!(story.lines().all(|line| line.chars().count() <= 120), "{story}");
        let all = explain(&report, true);
        assert!(all.starts_with(&story));
        assert!(all.lines().count() as u64 >= report.events, "{preset}");
    }
}
