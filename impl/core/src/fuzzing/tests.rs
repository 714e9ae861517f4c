use alloc::format;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, string::String, vec::Vec};

use flate2::read::GzDecoder;

use super::TARGETS;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(repository().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().into())
        .collect();
    names.sort();
    names
}

/// Every committed seed, with its target's name, and whether a fuzzer found it.
fn seeds() -> Vec<(String, bool, Vec<u8>)> {
    let archive = fs::File::open(repository().join("fuzz/corpus.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let seed = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let path: String = entry.path().unwrap().to_str().unwrap().into();
        let (target, rest) = path.split_once('/').unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (target.into(), rest.starts_with("found/"), bytes)
    };
    archive.entries().unwrap().map(seed).collect()
}

#[test]
fn every_target_has_its_file_and_its_seeds() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(targets.is_sorted(), "the list of targets is in alphabetical order");
    assert_eq!(names("fuzz/fuzz_targets"), targets);
    let mut with_seeds: Vec<String> = seeds().into_iter().map(|(target, ..)| target).collect();
    with_seeds.dedup();
    assert_eq!(with_seeds, targets);
    let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "fuzz/Cargo.toml names {name}");
    }
}

#[test]
fn every_seed_of_every_corpus_holds_on_the_stable_compiler() {
    let seeds = seeds();
    for (name, target) in TARGETS {
        for (_, found, seed) in seeds.iter().filter(|(of, ..)| of == name) {
            target(seed);
            // A fuzzer has been around what it found.
            if *found {
                continue;
            }
            // The same bytes cut short and with one bit flipped are hostile bytes for nothing.
            for cut in 0..seed.len().min(64) {
                target(&seed[..seed.len() - cut - 1]);
            }
            for bit in 0..(seed.len() * 8).min(512) {
                let mut flipped = seed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                target(&flipped);
            }
        }
    }
}

#[test]
fn every_target_holds_for_any_bytes() {
    let config = proptest::test_runner::Config { cases: 100, failure_persistence: None, ..Default::default() };
    for (name, target) in TARGETS {
        let mut runner = proptest::test_runner::TestRunner::new(config.clone());
        let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..600);
        let outcome = runner.run(&bytes, |bytes| {
            target(&bytes);
            Ok(())
        });
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}
