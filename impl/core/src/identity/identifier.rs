//! Names: of a change, and of an identity.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::error::{Error, Result};
use crate::vault::sha256;

/// The name of a change: the SHA-256 of its signed bytes. Text form: 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash(pub [u8; 32]);

/// An identity's name for ever: the hash of its first change. Text form: `I` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(pub [u8; 32]);

impl ChangeHash {
    /// The hash of a change whose signed bytes are `data`.
    pub(super) fn of(data: &[u8]) -> Self {
        //= spec/src/identities.md#idn-1
        //# The hash of a change MUST be the whole 32-byte SHA-256 of the change's data bytes.
        Self(sha256(data))
    }
}

impl From<ChangeHash> for Identifier {
    /// The identifier of the identity whose *first* change has this hash.
    fn from(first: ChangeHash) -> Self {
        //= spec/src/identities.md#idn-2
        //# An identifier MUST be the hash of the identity's first change.
        Self(first.0)
    }
}

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= spec/src/identities.md#idn-3
        //# An identifier MUST be printed as an upper-case `I` followed by 64 lower-case hexadecimal digits.
        write!(f, "I{}", ChangeHash(self.0))
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChangeHash {
    type Err = Error;

    /// Reads 64 hexadecimal digits, in either case, with white space around them.
    fn from_str(text: &str) -> Result<Self> {
        digits(text.trim().as_bytes()).map(Self)
    }
}

impl FromStr for Identifier {
    type Err = Error;

    /// Reads `I` and 64 hexadecimal digits, in either case, with white space around them.
    fn from_str(text: &str) -> Result<Self> {
        //= spec/src/identities.md#idn-4
        //# A parser of identifiers MUST refuse every text that is not, after trimming white space, an upper-case `I` followed by exactly 64 hexadecimal digits.
        let text = text.trim().strip_prefix('I').ok_or(NOT_AN_IDENTIFIER)?;
        digits(text.as_bytes()).map(Self)
    }
}

impl From<Identifier> for String {
    fn from(identifier: Identifier) -> Self {
        alloc::format!("{identifier}")
    }
}

const NOT_AN_IDENTIFIER: Error = Error::malformed("IDN-4", "an identifier is the letter I and 64 hexadecimal digits");

fn digits(text: &[u8]) -> Result<[u8; 32]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return Err(NOT_AN_IDENTIFIER);
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Ok(bytes)
}

fn digit(character: u8) -> Result<u8> {
    char::from(character).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(NOT_AN_IDENTIFIER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "I923829d0397a06fa862be5a87b7966959b8ef99ab6455b843ca9131a747b4819";

    //= spec/src/identities.md#idn-3
    //= type=test
    //# An identifier MUST be printed as an upper-case `I` followed by 64 lower-case hexadecimal digits.
    #[test]
    fn an_identifier_is_printed_as_it_was_read() {
        assert_eq!(String::from(TEXT.parse::<Identifier>().unwrap()), TEXT);
        let upper = format!("I{}", TEXT[1..].to_uppercase());
        assert_eq!(upper.parse::<Identifier>().unwrap().to_string(), TEXT);
        assert_eq!(format!(" {TEXT}\n").parse::<Identifier>().unwrap().to_string(), TEXT);
    }

    //= spec/src/identities.md#idn-4
    //= type=test
    //# A parser of identifiers MUST refuse every text that is not, after trimming white space, an upper-case `I` followed by exactly 64 hexadecimal digits.
    #[test]
    fn every_other_text_is_no_identifier() {
        let wrong = [
            String::new(),
            "I".into(),
            TEXT[1..].into(),
            TEXT.to_lowercase(),
            TEXT.replacen('I', "P", 1),
            TEXT[..64].into(),
            TEXT[..41].into(), // the 20-byte form of old documents
            format!("{TEXT}0"),
            format!("{TEXT}00"),
            format!("I {}", &TEXT[1..]),
            TEXT.replace('9', "g"),
            TEXT.replace('9', "+"),
            TEXT.replacen("92", "é", 1),
        ];
        for text in wrong {
            assert_eq!(text.parse::<Identifier>().unwrap_err().requirement(), "IDN-4", "{text:?}");
        }
        assert!(TEXT.parse::<ChangeHash>().is_err());
        assert_eq!(TEXT[1..].parse::<ChangeHash>().unwrap().to_string(), TEXT[1..]);
    }
}
