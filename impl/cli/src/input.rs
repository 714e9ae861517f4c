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

/// Bytes given as `text`: a file, hex, or `-` for standard input.
pub(crate) fn file_or_argument(text: &str) -> Result<Vec<u8>> {
    let path = Path::new(text);
    if path.is_file() {
        return file(path);
    }
    if text != "-" && unhex(text).is_none() {
        return Err(Failure::usage(format!(
            "there is no file {text}, and it is not hexadecimal; give bytes as hex digits, the path of a file, or - for standard input"
        )));
    }
    argument(text)
}

/// Bytes of a file: raw, or hex if it holds nothing else.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Failure::file("read", path, &e))?;
    read(file, path)
}

fn read(from: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX + 1).read_to_end(&mut bytes).map_err(|e| Failure::file("read", path, &e))?;
    if bytes.len() as u64 > MAX {
        return Err(Failure::failed(format!("{} has more than {} MiB; give a part of it", path.display(), MAX >> 20)));
    }
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

    #[test]
    fn too_many_bytes_are_refused_and_not_cut() {
        let bytes = |count| read(io::repeat(0xff).take(count), Path::new("bytes"));
        assert_eq!(bytes(MAX).expect("the most").len() as u64, MAX);
        let refused = bytes(MAX + 1).expect_err("one more").to_string();
        assert_eq!(refused, "bytes has more than 40 MiB; give a part of it");
    }
}
