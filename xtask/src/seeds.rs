//! Seed corpora of the fuzz targets, made from the vectors: recorded and published bytes that are
//! what a parser meets in life.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use razor::routing::{Message, Route, Tail};
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
    let made = made(&found);
    for (name, _) in razor::fuzzing::TARGETS {
        let folder = root.join("fuzz/corpus").join(name);
        fs::create_dir_all(&folder)?;
        if made.iter().any(|(target, ..)| target == name) {
            for (_, label, bytes) in made.iter().filter(|(target, ..)| target == name) {
                fs::write(folder.join(label), bytes)?;
            }
        } else {
            recorded(&folder, name, &found)?;
        }
        println!("{name}: {} seeds", fs::read_dir(&folder)?.count());
    }
    Ok(())
}

/// Seeds for parsers: recorded and published bytes of many shapes.
fn recorded(folder: &Path, target: &str, found: &BTreeMap<String, Vec<u8>>) -> Outcome {
    let texts = target.ends_with("_text");
    let mut shapes = BTreeMap::new();
    for (key, bytes) in found {
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
    Ok(())
}

/// Seeds for targets whose inputs are no single recorded string: target, label, bytes.
fn made(found: &BTreeMap<String, Vec<u8>>) -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    // The frames of each recorded session, one after the other.
    let mut sessions: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (key, bytes) in found.iter().filter(|(key, _)| key.ends_with(" frame_hex")) {
        let session: Vec<&str> = key.split(' ').take(3).collect();
        let all = sessions.entry(session.join("-")).or_default();
        if all.len() + bytes.len() <= SIZE {
            all.extend(bytes);
        }
    }
    seeds.extend(sessions.into_iter().map(|(label, bytes)| ("tcp_frames", label, bytes)));
    // Messages for each worker of the exposed node, in pieces of at most 256 bytes on either connection.
    let frames: Vec<u8> = ["echo", "app", "private", "nobody", "1#inner:1"].iter().flat_map(|to| frame(to)).collect();
    for (label, cut, acts) in [
        ("whole", 256, &[][..]),
        ("in-small-pieces", 8, &[]),
        ("owner-takes-and-sends", 64, &[7, 3, 11]),
        ("time-passes", 16, &[0x2a, 0x82]),
    ] {
        let mut bytes = Vec::new();
        for (i, piece) in [frames.as_slice(), &frames, &[0xff; 12]].concat().chunks(cut).enumerate() {
            let mut piece = piece.to_vec();
            piece.resize(piece.len().next_multiple_of(4), 0);
            bytes.push(
                (u8::try_from(piece.len() / 4 - 1).unwrap_or(u8::MAX) << 2) | u8::from(label == "whole" && i % 2 == 1),
            );
            bytes.extend(piece);
            bytes.extend(acts);
        }
        seeds.push(("node_raw_connections", label.to_owned(), bytes));
    }
    // Lives of a session: 0 established, 1 failed, 2 a pong, 3 time, each with an amount in the upper six bits.
    let lives: [(&str, &[u8]); 5] = [
        ("answered", &[0, 2, 0x2b, 2, 0x2b, 2, 0x2b]),
        ("silent", &[0, 0x2b, 0x2b, 0x2b, 0x2b, 0x2b, 0]),
        ("never-there", &[1, 0x17, 1, 0x2b, 0x7f, 0xff, 0xff]),
        ("closed", &[0, 1, 0x17, 0, 2, 1, 0x17, 0]),
        ("late-and-twice", &[4, 5, 0, 0, 4, 5, 2, 6, 10, 1, 1]),
    ];
    seeds.extend(lives.map(|(label, bytes)| ("session", label.to_owned(), bytes.to_vec())));
    seeds
}

/// A frame for one worker.
fn frame(to: &str) -> Vec<u8> {
    let onward: Route = to.parse().expect("a route");
    let mut message = Message::new(onward.as_ref(), Route::new().then("far").as_ref(), b"payload");
    message.fold(&[0x83], Tail::Tracing);
    let length = u32::try_from(message.payload().len()).expect("it is small");
    [&length.to_be_bytes(), message.payload()].concat()
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
