//! Seed corpora of the fuzz targets, made from the vectors: recorded and published bytes that are
//! what a parser meets in life.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::requirements::files;

/// The most seeds of one target, and the most bytes of one seed: the corpus is part of every clone.
const SEEDS: usize = 24;
const SIZE: usize = 1024;

/// Makes the seeds of every target of `razor::fuzzing`. Seeds that are there already stay: a fuzzer's
/// finds are seeds as well.
pub(crate) fn write(root: &Path) -> Outcome {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for path in files(&root.join("vectors"), "json")? {
        // The third parties' data are about primitives, not about this wire.
        if !path.components().any(|part| part.as_os_str() == "third-party") {
            collect("", &serde_json::from_str(&fs::read_to_string(&path)?)?, &mut found);
        }
    }
    if found.is_empty() {
        return Err("no vectors found below vectors/".into());
    }
    for (name, _) in razor::fuzzing::TARGETS {
        let folder = root.join("fuzz/corpus").join(name);
        fs::create_dir_all(&folder)?;
        let texts = name.ends_with("_text");
        let mut shapes = BTreeMap::new();
        for (key, bytes) in &found {
            let seed = if texts != key.starts_with("text ") { continue } else { bytes };
            // One of each shape: first bytes, and length to a power of two.
            let shape = (seed.iter().take(3).copied().collect::<Vec<_>>(), seed.len().ilog2());
            shapes.entry(shape).or_insert((key, seed));
        }
        // Every so many, so that all shapes have their share.
        let step = shapes.len().div_ceil(SEEDS).max(1);
        for (key, seed) in shapes.values().step_by(step) {
            let label: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            fs::write(folder.join(label.chars().take(60).collect::<String>()), seed)?;
        }
        println!("{name}: {} seeds", fs::read_dir(&folder)?.count());
    }
    Ok(())
}

/// Collects every string of a vector file: hex as bytes, routes and addresses as text.
fn collect(path: &str, value: &Value, found: &mut BTreeMap<String, Vec<u8>>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| collect(&format!("{path} {key}"), value, found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| collect(&format!("{path} {i}"), value, found));
        }
        Value::String(text) if !text.is_empty() && text.len() <= SIZE * 2 => {
            let key = path.trim();
            match hex::decode(text) {
                Ok(bytes) => found.insert(format!("hex {key}"), bytes),
                Err(_) if text.len() <= 128 && (text.contains('#') || text.contains("=>") || !text.contains(' ')) => {
                    found.insert(format!("text {key}"), text.clone().into_bytes())
                }
                Err(_) => None,
            };
        }
        _ => {}
    }
}
