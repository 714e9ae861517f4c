//! `razor decode`: explains bytes, field by field.

mod channel;
mod identity;
mod item;
mod kind;
mod message;
mod pcap;
mod scribe;
mod serial;
mod streams;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::input;

use item::Item;
use kind::{Keys, Kind};

/// Explain bytes of the protocols, field by field
///
/// Says what kind of message the bytes are, every field with its offset and length, the chapter of the
/// specification, and where something is malformed, which requirement is not met. With --json the
/// answer is one object: kind, detected, alternatives, holds, item; an item has offset, length, name, value, spec,
/// fault {offset, decrypted, requirement, blame, sentence}, unexplained and items.
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// The bytes in hex, or - for standard input
    #[arg(required_unless_present_any = ["file", "pcap"], conflicts_with_all = ["file", "pcap"])]
    bytes: Option<String>,
    /// Read the bytes from a file, raw or hex
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Read a capture of network tools, PCAP or PCAPNG, and list the messages of the TCP transport in it, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "kind", "key"])]
    pcap: Option<PathBuf>,
    /// What the bytes are; found out if not given
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<Kind>,
    /// Decrypts a channel message: the AES key of its direction and rekeying interval, 32 or 16 bytes in hex
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The whole answer.
#[derive(Serialize)]
struct Answer {
    kind: Kind,
    detected: bool,
    alternatives: Vec<Kind>,
    holds: bool,
    item: Item,
}

impl Decode {
    /// Explains.
    pub(crate) fn run(self) -> Result {
        if let Some(path) = &self.pcap {
            return pcap::list(path, self.json);
        }
        let keys = Keys { channel: self.key.as_deref().map(key).transpose()? };
        let bytes = match (&self.file, &self.bytes) {
            (Some(path), _) => input::file(path)?,
            (None, Some(text)) => input::argument(text)?,
            (None, None) => return Err(Failure::usage("there are no bytes to explain; give them in hex")),
        };
        if bytes.is_empty() {
            return Err(Failure::usage("there are no bytes to explain; give at least one"));
        }
        let answer = explain(self.kind, &bytes, &keys);
        if self.json {
            let text = serde_json::to_string_pretty(&answer).map_err(|e| Failure::failed(e.to_string()))?;
            crate::outln!("{text}");
        } else {
            crate::out!("{}", answer.render(bytes.len()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Explains `bytes` as `kind`, or as what they most likely are.
fn explain(kind: Option<Kind>, bytes: &[u8], keys: &Keys) -> Answer {
    let (kind, detected, alternatives) = match kind {
        Some(kind) => (kind, false, Vec::new()),
        None => {
            let (kind, alternatives) = kind::detect(bytes);
            (kind, true, alternatives)
        }
    };
    let item = kind.explain(bytes, 0, keys);
    let holds = item.first_fault().is_none() && item.first_unexplained().is_none();
    Answer { kind, detected, alternatives, holds, item }
}

impl Answer {
    fn render(&self, length: usize) -> String {
        let mut out = format!("{} bytes: {}", length, self.kind.about());
        if self.detected {
            out.push_str(" (found out; --as says otherwise)");
        }
        out.push('\n');
        if !self.alternatives.is_empty() {
            let names: Vec<String> = self.alternatives.iter().map(|kind| format!("--as {}", kind.name())).collect();
            out.push_str(&format!("It could also be read {}.\n", names.join(" or ")));
        }
        out.push('\n');
        out.push_str(&self.item.render());
        if let Some(fault) = self.item.first_fault() {
            out.push_str(&format!("\nNot valid: {} at {}: {}.\n", fault.requirement, fault.place(), fault.sentence));
        }
        if let Some(rest) = self.item.first_unexplained() {
            out.push_str(&format!(
                "\nExplained up to byte {}: there are more than {} fields; give the {} bytes from there on alone.\n",
                rest.offset,
                scribe::FIELDS,
                rest.length
            ));
        }
        out
    }
}

fn key(text: &str) -> Result<Vec<u8>> {
    input::unhex(text)
        .filter(|key| matches!(key.len(), 16 | 32))
        .ok_or_else(|| Failure::usage("--key is not a key: give 32 bytes (AES-256) or 16 (AES-128) in hex"))
}

#[cfg(test)]
mod tests;
