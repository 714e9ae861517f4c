//! What a world writes down of itself.

use std::collections::BTreeMap;

use razor_sim::checker::contains_mark;
use razor_sim::record::{Fact, Occasion};
use razor_sim::trace::{Entry, What};
use razor_sim::{Preset, Report, drawn};

fn recorded(seed: u64, preset: Preset) -> Report {
    drawn(seed, preset).recording().run()
}

/// What led to an entry, from itself back to the beginning. An arrival follows from what was sent.
fn back(entries: &[Entry], number: u64) -> Vec<&Entry> {
    let sent: BTreeMap<u64, u64> =
        entries.iter().filter(|entry| entry.what == What::Sent).map(|entry| (entry.frame, entry.number)).collect();
    let mut chain = Vec::new();
    let mut next = number;
    while let Some(entry) = next.checked_sub(1).map(|index| &entries[index as usize]) {
        chain.push(entry);
        next = if entry.what == What::Arrived { sent[&entry.frame] } else { entry.cause.entry };
    }
    chain
}

#[test]
fn a_world_that_keeps_a_record_is_the_same_world() {
    for preset in Preset::ALL {
        let (plain, recorded) = (drawn(3, preset).run(), recorded(3, preset));
        assert_eq!(plain.digest, recorded.digest, "{preset}");
        assert_eq!(plain.record, None);
        assert_eq!(recorded.events as usize, recorded.entries.len());
    }
}

#[test]
fn what_is_delivered_leads_back_to_who_asked_for_it_or_who_replayed_it() {
    let report = recorded(1, Preset::Hostile);
    let honest = |entry: &&Entry| entry.what == What::Delivered && contains_mark(&entry.bytes);
    let delivered: Vec<_> = report.entries.iter().filter(honest).collect();
    assert!(delivered.len() > 20);
    for entry in delivered {
        let chain = back(&report.entries, entry.number);
        let first = chain.last().expect("the entry itself");
        match first.what {
            What::Asked if first.bytes == entry.bytes => {}
            // What was held back comes when something else passes.
            What::Asked => assert!(chain.iter().any(|entry| entry.cause.deed.is_some()), "{first}"),
            // What was swallowed, and comes again.
            what => assert_eq!(what, What::Injected, "{first}"),
        }
        assert!(chain.iter().any(|entry| entry.what == What::Arrived));
        assert!(chain.windows(2).all(|pair| pair[0].number > pair[1].number));
    }
}

#[test]
fn whatever_an_adversary_does_names_a_deed() {
    let mut changed = 0;
    for seed in 0..4 {
        let report = recorded(seed, Preset::Hostile);
        let record = report.record.expect("a record was to be kept");
        for entry in report.entries.iter().filter(|entry| matches!(entry.what, What::Injected | What::Swallowed)) {
            let deed = &record.deeds[entry.cause.deed.expect("a deed")];
            assert!(deed.at <= entry.at);
            if entry.what == What::Injected {
                assert!(entry.words.ends_with(&deed.capability.to_string()), "{entry}");
                changed +=
                    usize::from(matches!(&deed.occasion, Occasion::Passing { bytes, .. } if *bytes != entry.bytes));
            }
        }
    }
    assert!(changed > 0);
}

#[test]
fn an_adversary_learns_before_it_acts_and_a_thief_of_live_keys_has_channels() {
    let report = recorded(2, Preset::Hostile);
    let lessons = &report.record.as_ref().expect("a record was to be kept").lessons;
    let frames = lessons.iter().filter(|lesson| matches!(lesson.fact, Fact::Frame { .. })).count();
    let channels = lessons.iter().filter(|lesson| matches!(lesson.fact, Fact::Channel { .. })).count();
    let listeners = lessons.iter().filter(|lesson| matches!(lesson.fact, Fact::Listener { .. })).count();
    assert!(frames > channels && channels > 0 && listeners > 0, "{frames} {channels} {listeners}");
    assert!(lessons.windows(2).all(|pair| pair[0].before <= pair[1].before));
    let is_believed = |seed| {
        let record = recorded(seed, Preset::Impostors).record.expect("a record was to be kept");
        record.lessons.iter().any(|lesson| matches!(lesson.fact, Fact::Keys { .. }))
    };
    assert!((0..20).any(is_believed), "somebody with live keys of another has a channel");
}
