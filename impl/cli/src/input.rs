//! Bytes from the command line, a file, or standard input.

use std::io::{self, Read};
use std::path::Path;

use crate::failure::{Failure, Result};

/// The most bytes that are read: a frame of the largest size, in hex, and some room.
const MAX: u64 = 40 << 20;

/// Bytes given as `text`: hex, or `-` for standard input.
pub(crate) fn argument(text: &str) -> Result<Vec<u8>> {
    if text == "-" {
        return read(io::stdin().lock(), Path::new("standard input"));
    }
    unhex(text).ok_or_else(|| {
        Failure::usage(
            "the argument is not hexadecimal; give bytes as hex digits, a file with --file, or - for standard input",
        )
    })
}

/// Bytes of a file: raw, or hex if it holds nothing else.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Failure::file("read", path, &e))?;
    read(file, path)
}

fn read(from: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX).read_to_end(&mut bytes).map_err(|e| Failure::file("read", path, &e))?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(unhex).unwrap_or(bytes))
}

/// Hex digits; white space, colons and a leading `0x` are ignored.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let digits: String =
        text.strip_prefix("0x").unwrap_or(text).chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    hex::decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_may_be_spaced_and_prefixed() {
        assert_eq!(unhex(" 0x82 00:44\n6563 686f "), Some(b"\x82\x00\x44echo".to_vec()));
        assert_eq!(unhex("820"), None);
        assert_eq!(unhex("zz"), None);
    }
}
