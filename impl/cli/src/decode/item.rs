//! What `decode` says: a tree of fields, each with its place in the bytes.

use std::fmt::Write as _;

use serde::Serialize;

/// One field, structure, or stretch of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// Where it begins, in bytes from the beginning of what was given (or of the decrypted bytes).
    pub(crate) offset: usize,
    /// How many bytes it takes.
    pub(crate) length: usize,
    /// What it is.
    pub(crate) name: String,
    /// What it says, if that can be said in a line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) value: String,
    /// The chapter of the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spec: Option<&'static str>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<Fault>,
    /// Whether it is left unexplained because so much stands before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unexplained: bool,
    /// What it consists of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<Item>,
}

/// What is wrong, by the requirement of the specification that is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// Where, in bytes.
    pub(crate) offset: usize,
    /// Whether these are the decrypted bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) decrypted: bool,
    /// The requirement's id.
    pub(crate) requirement: &'static str,
    /// Whose fault it is.
    pub(crate) blame: String,
    /// A sentence.
    pub(crate) sentence: &'static str,
}

impl Fault {
    pub(crate) fn new(offset: usize, error: &razor::Error) -> Self {
        let blame = error.blame().to_string();
        Self { offset, decrypted: false, requirement: error.requirement(), blame, sentence: error.what() }
    }

    /// Where it is, in words.
    pub(crate) fn place(&self) -> String {
        format!("byte {}{}", self.offset, if self.decrypted { " of the decrypted bytes" } else { "" })
    }
}

impl Item {
    pub(crate) fn new(offset: usize, length: usize, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            offset,
            length,
            name: name.into(),
            value: value.into(),
            spec: None,
            fault: None,
            unexplained: false,
            items: Vec::new(),
        }
    }

    /// The first fault in this item, depth first.
    pub(crate) fn first_fault(&self) -> Option<&Fault> {
        self.items.iter().find_map(Item::first_fault).or(self.fault.as_ref())
    }

    /// The first stretch that is left unexplained, depth first.
    pub(crate) fn first_unexplained(&self) -> Option<&Item> {
        self.items.iter().find_map(Item::first_unexplained).or(self.unexplained.then_some(self))
    }

    /// How many items there are in all.
    pub(crate) fn count(&self) -> usize {
        1 + self.items.iter().map(Item::count).sum::<usize>()
    }

    /// Says of all faults that they are in decrypted bytes.
    pub(crate) fn mark_decrypted(&mut self) {
        self.fault.iter_mut().for_each(|fault| fault.decrypted = true);
        self.items.iter_mut().for_each(Item::mark_decrypted);
    }

    /// The tree as text, one line for each item.
    pub(crate) fn render(&self) -> String {
        let mut out = String::from("offset  length  field\n");
        self.render_into(&mut out, 0);
        out
    }

    fn render_into(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        // Writing to a string cannot fail.
        let _ = write!(out, "{:>6}  {:>6}  {indent}{}", self.offset, self.length, self.name);
        if !self.value.is_empty() {
            let _ = write!(out, ": {}", self.value);
        }
        if let Some(spec) = self.spec {
            let _ = write!(out, "   ({spec})");
        }
        out.push('\n');
        self.items.iter().for_each(|item| item.render_into(out, depth + 1));
        if let Some(fault) = &self.fault {
            let _ = writeln!(
                out,
                "{:>6}       !  {indent}  [{}] {}: {}{}",
                fault.offset,
                fault.requirement,
                fault.blame,
                fault.sentence,
                if fault.decrypted { " (in the decrypted bytes)" } else { "" }
            );
        }
    }
}

/// Bytes in a line: hex, shortened when there are many, with the text beside it when it is one.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    const SHOWN: usize = 48;
    let mut line = hex::encode(&bytes[..bytes.len().min(SHOWN)]);
    if bytes.len() > SHOWN {
        let _ = write!(line, "... ({} bytes)", bytes.len());
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && (1..=80).contains(&text.len())
        && !text.chars().any(char::is_control)
    {
        let _ = write!(line, " \"{}\"", text.escape_default());
    }
    if line.is_empty() { "empty".into() } else { line }
}

/// A text in a line, shortened when it is long.
pub(crate) fn text(text: &str) -> String {
    const SHOWN: usize = 200;
    let line: String = text.chars().take(SHOWN).flat_map(char::escape_default).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{line}... ({} bytes)", text.len()) } else { line }
}
