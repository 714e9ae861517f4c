//! Seed corpora of the fuzz targets, made from the vectors: recorded and published bytes that are
//! what a parser meets in life; and the archive that they lie in with all others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::routing::{Message, Route, Tail};
use razor::transport::serial::{self, Serial};
use serde_json::Value;

use crate::Outcome;
use crate::corpus::{ARCHIVE, Corpus, Origin, WORKING};
use crate::fuzz::{self, Sanitizer};
use crate::requirements::files;

/// The most seeds of one target, and the most bytes of one seed: the corpus is part of every clone.
const SEEDS: usize = 24;
const SIZE: usize = 1024;

/// The targets that read one recorded or published string as it is.
const PARSERS: [&str; 9] = [
    "address_text",
    "attestation",
    "bare",
    "cbor",
    "channel_plaintext",
    "identity_history",
    "message",
    "presentation",
    "route",
];

/// Makes the archive of today's vectors; what it has from fuzzers and by hand stays, unless seeds made by hand are
/// to be taken from the working corpora.
pub(crate) fn write(root: &Path, keep: bool) -> Outcome {
    let mut corpus = made_anew(root, &Corpus::read(root)?)?;
    if keep {
        for (name, _) in razor::fuzzing::TARGETS {
            corpus.clear(name, Origin::Kept);
            let folder = root.join(WORKING).join(name).join(Origin::Kept.folder());
            for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
                let path = entry?.path();
                corpus.add(name, Origin::Kept, &path)?;
            }
        }
    }
    fs::write(root.join(ARCHIVE), corpus.pack()?)?;
    tell(&corpus);
    Ok(())
}

/// Fails when the archive is not, byte for byte, what it would be made anew.
pub(crate) fn check(root: &Path) -> Outcome {
    if made_anew(root, &Corpus::read(root)?)?.pack()? == fs::read(root.join(ARCHIVE))? {
        Ok(())
    } else {
        Err(format!("{ARCHIVE} is stale: cargo xtask seeds").into())
    }
}

/// Chooses anew what the archive keeps of all that fuzzers have found, there and in the working corpora: the
/// smallest inputs that cover every edge that any of them covers.
pub(crate) fn minimise(root: &Path) -> Outcome {
    let mut corpus = made_anew(root, &Corpus::read(root)?)?;
    fuzz::build(root, None, Sanitizer::None)?;
    corpus.lay_out(root)?;
    let scratch = root.join("target/fuzz-merge");
    for (name, _) in razor::fuzzing::TARGETS {
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch)?;
        // What lies in the first folder stays; of the others, what adds to it is copied there.
        for (origin, seed, bytes) in corpus.of(name).filter(|(origin, ..)| *origin != Origin::Found) {
            fs::write(scratch.join(format!("{}-{seed}", origin.folder())), bytes)?;
        }
        let given: Vec<_> = fs::read_dir(&scratch)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        let mut merge = Command::new(fuzz::binary(root, name)?);
        merge.current_dir(root).args(fuzz::LIMITS).args(["-merge=1", "-use_counters=0"]);
        let output = merge.arg(&scratch).arg(Path::new(WORKING).join(name)).output()?;
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        corpus.clear(name, Origin::Found);
        for entry in fs::read_dir(&scratch)? {
            let path = entry?.path();
            if !given.contains(&path) {
                corpus.add(name, Origin::Found, &path)?;
            }
        }
    }
    fs::remove_dir_all(&scratch)?;
    fs::write(root.join(ARCHIVE), corpus.pack()?)?;
    tell(&corpus);
    Ok(())
}

fn tell(corpus: &Corpus) {
    for (name, _) in razor::fuzzing::TARGETS {
        let count = |of| corpus.of(name).filter(|(origin, ..)| *origin == of).count();
        let [found, kept, vectors] = Origin::ALL.map(count);
        println!("{name}: {vectors} from the vectors, {kept} made by hand, {found} found");
    }
}

/// The same corpus with the seeds that today's vectors give.
fn made_anew(root: &Path, old: &Corpus) -> Result<Corpus, Box<dyn std::error::Error>> {
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
    let mut corpus = Corpus::default();
    let is_target = |name: &str| razor::fuzzing::TARGETS.iter().any(|(target, _)| *target == name);
    for ((target, origin, name), bytes) in &old.seeds {
        if *origin != Origin::Vectors && is_target(target) {
            corpus.seeds.insert((target.clone(), *origin, name.clone()), bytes.clone());
        }
    }
    let recorded = PARSERS.iter().flat_map(|target| recorded(target, &found));
    for (target, label, bytes) in made(&found).into_iter().chain(recorded) {
        corpus.seeds.insert((target.to_owned(), Origin::Vectors, label), bytes);
    }
    Ok(corpus)
}

/// A target, a label, bytes.
type Seed = (&'static str, String, Vec<u8>);

/// Seeds for parsers: recorded and published bytes of many shapes.
fn recorded(target: &'static str, found: &BTreeMap<String, Vec<u8>>) -> Vec<Seed> {
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
    let label = |key: &str| -> String {
        key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect()
    };
    shapes.into_values().step_by(step).map(|(key, seed)| (target, label(key), seed.clone())).collect()
}

/// Seeds for targets whose inputs are no single recorded string.
fn made(found: &BTreeMap<String, Vec<u8>>) -> Vec<Seed> {
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
    // The same on a serial line; their bytes are as good as any to make stories of lines from.
    for (label, bytes) in &sessions {
        seeds.push(("serial_line", label.clone(), on_a_line(bytes)));
        seeds.extend(["serial_noise", "contract_serial"].map(|target| (target, label.clone(), bytes.clone())));
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

/// Frames of TCP as they are written on a serial line.
fn on_a_line(mut frames: &[u8]) -> Vec<u8> {
    let mut entropy = Seeded::from_u64(1);
    let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
    let mut serial = Serial::new(serial::Config::default());
    let mut bytes = Vec::new();
    while let Some((length, rest)) = frames.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let (message, rest) = rest.split_at(length.min(rest.len()));
        let frame = Message::raw(frames[..4 + message.len()].to_vec(), 0);
        if serial.handle(&mut env, serial::Input::Send(frame)).is_ok()
            && let Some(serial::Output::Write(written)) = serial.poll_output()
        {
            bytes.extend(written);
        }
        frames = rest;
    }
    bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_made_of_the_vectors() {
        check(&crate::root()).unwrap();
    }

    #[test]
    fn every_parser_is_a_target() {
        assert!(PARSERS.iter().all(|parser| razor::fuzzing::TARGETS.iter().any(|(name, _)| name == parser)));
    }
}
