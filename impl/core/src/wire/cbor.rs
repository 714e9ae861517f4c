//! CBOR as this wire uses it: definite lengths, shortest heads, bounded sizes.
//!
//! [`Reader`] is a strict lens over `minicbor`: the library decodes, the lens checks that what was
//! decoded is the one canonical encoding, so that no two byte strings mean the same message.
//! Encoding uses [`minicbor::Encoder`] directly, which writes nothing but canonical heads.

use minicbor::data::Type;
use minicbor::decode::Decoder;

use crate::error::{Error, Result};

pub use minicbor::encode::Encoder;

/// The most bytes that a CBOR head takes.
pub const HEAD_MAX: usize = 9;

/// How deep an item that is skipped unread may nest (spec `COD-8`).
pub const SKIP_DEPTH: usize = 8;

/// How many heads an item that is skipped unread may hold (spec `COD-8`).
pub const SKIP_ITEMS: usize = 256;

const TRUNCATED: Error = Error::malformed("COD-4", "the message ends inside an item");
const WRONG_TYPE: Error = Error::malformed("COD-3", "an item has another type than the structure says");
const NOT_SHORTEST: Error = Error::malformed("COD-2", "a number or length is not in its shortest form");
const INDEFINITE: Error = Error::malformed("COD-1", "an item has an indefinite length");
const TOO_LONG: Error = Error::limit("COD-6", "a string or array is longer than this field allows");

/// How many bytes the shortest head for `value` takes.
pub const fn head_len(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => HEAD_MAX,
    }
}

/// A strict reader of canonical CBOR. It never allocates.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    decoder: Decoder<'a>,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { decoder: Decoder::new(bytes) }
    }

    /// The offset of the next byte to read.
    pub fn position(&self) -> usize {
        self.decoder.position()
    }

    /// The bytes that were read since the reader stood at offset `start`.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.decoder.input().get(start..self.position()).unwrap_or_default()
    }

    /// Whether all bytes are read.
    pub fn is_at_end(&self) -> bool {
        self.position() >= self.decoder.input().len()
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// `COD-5` when bytes are left.
    pub fn finish(self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(Error::malformed("COD-5", "bytes follow the end of the message")) }
    }

    /// A definite-length array's number of items.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn array(&mut self) -> Result<u64> {
        self.expect(Type::Array, Type::ArrayIndef)?;
        self.head(|d| d.array().map(|n| n.unwrap_or(u64::MAX)))
    }

    /// An array of exactly `len` items.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn array_of(&mut self, len: u64) -> Result<()> {
        if self.array()? == len {
            Ok(())
        } else {
            Err(Error::malformed("COD-3", "an array has another number of items than the structure says"))
        }
    }

    /// A definite-length map's number of entries.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn map(&mut self) -> Result<u64> {
        self.expect(Type::Map, Type::MapIndef)?;
        self.head(|d| d.map().map(|n| n.unwrap_or(u64::MAX)))
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// `COD-2` to `COD-4`.
    pub fn uint(&mut self) -> Result<u64> {
        match self.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.head(|d| d.u64()),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// `COD-3`, `COD-4`.
    pub fn boolean(&mut self) -> Result<bool> {
        match self.datatype()? {
            Type::Bool => self.decoder.bool().map_err(|_| WRONG_TYPE),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Whether the next item is `null`; if so it is read.
    ///
    /// # Errors
    /// `COD-4`.
    pub fn null(&mut self) -> Result<bool> {
        if self.datatype()? == Type::Null {
            self.decoder.null().map_err(|_| WRONG_TYPE)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`; `COD-6` when it is longer than `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8]> {
        self.expect(Type::Bytes, Type::BytesIndef)?;
        let bytes = self.string(|d| d.bytes())?;
        if bytes.len() > max { Err(TOO_LONG) } else { Ok(bytes) }
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn array_bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.expect(Type::Bytes, Type::BytesIndef)?;
        let bytes = self.string(|d| d.bytes())?;
        bytes
            .try_into()
            .map_err(|_| Error::malformed("COD-3", "a byte string has another length than the structure says"))
    }

    /// A text string of at most `max` bytes.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`; `COD-6` when it is longer than `max`; `COD-7` when it is not UTF-8.
    pub fn text(&mut self, max: usize) -> Result<&'a str> {
        self.expect(Type::String, Type::StringIndef)?;
        let text = self.string(|d| d.str().map(str::as_bytes));
        let text = match text {
            Err(e) if e == TRUNCATED && !self.is_truncated() => {
                return Err(Error::malformed("COD-7", "a text is not UTF-8"));
            }
            other => other?,
        };
        if text.len() > max {
            return Err(TOO_LONG);
        }
        core::str::from_utf8(text).map_err(|_| Error::malformed("COD-7", "a text is not UTF-8"))
    }

    /// Skips one item of any type, unread but well formed, of bounded depth and size.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`; `COD-8` when it nests too deep or holds too many items.
    pub fn skip(&mut self) -> Result<()> {
        const BOUND: Error = Error::limit("COD-8", "an unknown item nests too deep or holds too many items");
        // How many items are left at each level of nesting.
        let mut left = [0u64; SKIP_DEPTH];
        let mut depth = 0usize;
        *left.first_mut().ok_or(BOUND)? = 1;
        for _ in 0..SKIP_ITEMS {
            while left.get(depth).is_some_and(|n| *n == 0) {
                match depth.checked_sub(1) {
                    Some(up) => depth = up,
                    None => return Ok(()),
                }
            }
            let level = left.get_mut(depth).ok_or(BOUND)?;
            *level = level.saturating_sub(1);
            let inside = match self.datatype()? {
                Type::Array | Type::ArrayIndef => self.array()?,
                Type::Map | Type::MapIndef => self.map()?.checked_mul(2).ok_or(BOUND)?,
                Type::Tag => {
                    self.head(|d| d.tag().map(|tag| tag.as_u64()))?;
                    1
                }
                Type::Bytes | Type::BytesIndef => {
                    self.bytes(usize::MAX)?;
                    0
                }
                Type::String | Type::StringIndef => {
                    self.text(usize::MAX)?;
                    0
                }
                Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
                    self.uint()?;
                    0
                }
                _ => {
                    self.decoder.skip().map_err(|_| TRUNCATED)?;
                    0
                }
            };
            if inside > 0 {
                depth = depth.saturating_add(1);
                *left.get_mut(depth).ok_or(BOUND)? = inside;
            }
        }
        if left.iter().all(|n| *n == 0) { Ok(()) } else { Err(BOUND) }
    }

    fn datatype(&self) -> Result<Type> {
        self.decoder.datatype().map_err(|_| TRUNCATED)
    }

    fn expect(&self, definite: Type, indefinite: Type) -> Result<()> {
        match self.datatype()? {
            t if t == definite => Ok(()),
            t if t == indefinite => Err(INDEFINITE),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Reads one head with `read` and checks that it was the shortest for its value.
    fn head(&mut self, read: impl FnOnce(&mut Decoder<'a>) -> Result<u64, minicbor::decode::Error>) -> Result<u64> {
        let start = self.position();
        let value = read(&mut self.decoder).map_err(|_| TRUNCATED)?;
        if self.position().saturating_sub(start) == head_len(value) { Ok(value) } else { Err(NOT_SHORTEST) }
    }

    /// Reads one string with `read` and checks its head.
    fn string(
        &mut self,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<&'a [u8], minicbor::decode::Error>,
    ) -> Result<&'a [u8]> {
        let start = self.position();
        let bytes = read(&mut self.decoder).map_err(|_| TRUNCATED)?;
        let head = self.position().saturating_sub(start).saturating_sub(bytes.len());
        if head == head_len(bytes.len() as u64) { Ok(bytes) } else { Err(NOT_SHORTEST) }
    }

    /// Whether the next string item is longer than the input that is left.
    fn is_truncated(&self) -> bool {
        let mut probe = self.decoder.clone();
        // A string whose bytes are all there can be skipped whole; UTF-8 is not looked at then.
        probe.skip().is_err()
    }
}
