use alloc::format;
use std::path::{Path, PathBuf};
use std::{fs, string::String, vec::Vec};

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

#[test]
fn every_target_has_its_file_and_its_seeds() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(targets.is_sorted(), "the list of targets is in alphabetical order");
    assert_eq!(names("fuzz/fuzz_targets"), targets);
    assert_eq!(names("fuzz/corpus"), targets);
    let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "fuzz/Cargo.toml names {name}");
    }
}

#[test]
fn every_seed_of_every_corpus_holds_on_the_stable_compiler() {
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(repository().join("fuzz/corpus").join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            target(&seed);
            // The same bytes cut short and with one bit flipped are hostile bytes for nothing.
            for cut in 0..seed.len().min(64) {
                target(&seed[..seed.len() - cut - 1]);
            }
            for bit in 0..(seed.len() * 8).min(512) {
                let mut flipped = seed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                target(&flipped);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "no seeds for {name}");
    }
}
