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

/// How many levels an item that is skipped unread may have, its own included (spec `COD-8`).
pub const SKIP_DEPTH: usize = 8;

/// How many items an item that is skipped unread may hold, itself included (spec `COD-8`).
pub const SKIP_ITEMS: usize = 256;

/// How many unknown items may follow the known ones of an unsigned array (spec `EXT-1`).
pub const EXTENSION_ITEMS: u64 = 4;

//= spec/src/codecs.md#cod-4
//# A decoder MUST refuse input that ends inside an item.
const TRUNCATED: Error = Error::malformed("COD-4", "the message ends inside an item");
//= spec/src/codecs.md#cod-3
//# A decoder MUST refuse an item whose type, number of items or fixed length differs from what the structure says.
const WRONG_TYPE: Error = Error::malformed("COD-3", "an item has another type than the structure says");
//= spec/src/codecs.md#cod-2
//# A decoder MUST refuse a number, length, tag or simple value that is not in its shortest form.
const NOT_SHORTEST: Error = Error::malformed("COD-2", "a number or length is not in its shortest form");
//= spec/src/codecs.md#cod-1
//# A decoder MUST refuse an item of indefinite length.
const INDEFINITE: Error = Error::malformed("COD-1", "an item has an indefinite length");
//= spec/src/codecs.md#cod-7
//# A decoder MUST refuse a text that is not UTF-8.
const NOT_UTF8: Error = Error::malformed("COD-7", "a text is not UTF-8");
const SKIP_BOUND: Error = Error::limit("COD-8", "an unknown item nests too deep or holds too many items");
//= spec/src/codecs.md#cod-6
//# A decoder MUST refuse a string that is longer than the limit of its field.
const TOO_LONG: Error = Error::limit("COD-6", "a string or array is longer than this field allows");

/// How many bytes the shortest head for `value` takes.
//= spec/src/codecs.md#cod-9
//# An encoder MUST write every item in its shortest form with a definite length.
pub const fn head_len(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => HEAD_MAX,
    }
}

/// Checks that the head of `value`, of so many bytes, was its shortest.
fn shortest(length: usize, value: u64) -> Result<u64> {
    if length == head_len(value) || planted!(TakesLongHeads) { Ok(value) } else { Err(NOT_SHORTEST) }
}

/// A strict reader of canonical CBOR. It never allocates.
//= spec/src/codecs.md#cod-12
//# A decoder MUST NOT allocate memory for a length or count that is only announced.
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

    /// The bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.decoder.input().get(self.position()..).unwrap_or_default()
    }

    /// Goes on reading at `rest`, the end of what was not read yet: what is before it was read by other means.
    pub fn skip_to(&mut self, rest: &'a [u8]) {
        self.decoder.set_position(self.decoder.input().len().saturating_sub(rest.len()));
    }

    /// Whether all bytes are read.
    pub fn is_at_end(&self) -> bool {
        self.position() >= self.decoder.input().len()
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// `COD-5` when bytes are left.
    //= spec/src/codecs.md#cod-5
    //# A decoder MUST refuse bytes that follow the end of the message.
    pub fn finish(self) -> Result<()> {
        if planted!(TakesTrailingBytes) || self.is_at_end() {
            Ok(())
        } else {
            Err(Error::malformed("COD-5", "bytes follow the end of the message"))
        }
    }

    /// A definite-length array's number of items.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn array(&mut self) -> Result<u64> {
        if let Some(short) = self.short_array() {
            return Ok(short);
        }
        self.expect(Type::Array, Type::ArrayIndef)?;
        self.head(|d| d.array().map(|n| n.unwrap_or(u64::MAX)))
    }

    /// The head of an array of fewer than 24 items: one byte. Every hop reads several of them, so they are read without a
    /// decoder.
    fn short_array(&mut self) -> Option<u64> {
        let at = self.position();
        let items = self.decoder.input().get(at)? ^ 0x80;
        (items < 24).then(|| {
            self.decoder.set_position(at.saturating_add(1));
            items.into()
        })
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

    /// An unsigned array of `known` items that a later version may have extended: how many unknown items
    /// follow the known ones, to be skipped with [`skip_unknown`](Self::skip_unknown).
    ///
    /// # Errors
    /// `COD-1` to `COD-4`; `EXT-1` when there are more than [`EXTENSION_ITEMS`] unknown ones.
    pub fn open_array_of(&mut self, known: u64) -> Result<u64> {
        const TOO_FEW: Error = Error::malformed("COD-3", "an array has fewer items than the structure says");
        let unknown = self.array()?.checked_sub(known).ok_or(TOO_FEW)?;
        //= spec/src/extensions.md#ext-1
        //# A receiver MUST skip up to 4 well-formed unknown items at the end of a transport message or a handshake payload, and refuse more.
        let most = if planted!(RefusesFourUnknown) { EXTENSION_ITEMS.saturating_sub(1) } else { EXTENSION_ITEMS };
        if unknown > most {
            return Err(Error::limit("EXT-1", "too many unknown items follow the known ones"));
        }
        Ok(unknown)
    }

    /// Skips `unknown` items.
    ///
    /// # Errors
    /// As [`skip`](Self::skip).
    pub fn skip_unknown(&mut self, unknown: u64) -> Result<()> {
        (0..unknown).try_for_each(|_| self.skip())
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
        let bytes = self.string(|d| d.bytes().map_err(|_| TRUNCATED))?;
        if bytes.len() > max { Err(TOO_LONG) } else { Ok(bytes) }
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`.
    pub fn array_bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.expect(Type::Bytes, Type::BytesIndef)?;
        let bytes = self.string(|d| d.bytes().map_err(|_| TRUNCATED))?;
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
        let text = self.string(|d| match d.str() {
            Ok(text) => Ok(text.as_bytes()),
            Err(e) if e.is_end_of_input() => Err(TRUNCATED),
            Err(_) => Err(NOT_UTF8),
        })?;
        if text.len() > max {
            return Err(TOO_LONG);
        }
        core::str::from_utf8(text).map_err(|_| NOT_UTF8)
    }

    /// Skips one item of any type, unread but well formed, of bounded depth and size.
    ///
    /// # Errors
    /// `COD-1` to `COD-4`, `COD-7`; `COD-8` when it nests too deep or holds too many items.
    //= spec/src/codecs.md#cod-8
    //# A decoder that skips an item MUST refuse it when it nests deeper than 8 levels or holds more than 256 items.
    pub fn skip(&mut self) -> Result<()> {
        self.pass_over(SKIP_ITEMS)
    }

    /// As [`skip`](Self::skip), for an item that somebody else will read and that may hold `items` items.
    ///
    /// # Errors
    /// As [`skip`](Self::skip).
    pub fn pass_over(&mut self, items: usize) -> Result<()> {
        // How many items are left at each level of nesting.
        let mut left = [0u64; SKIP_DEPTH];
        let mut depth = 0usize;
        *left.first_mut().ok_or(SKIP_BOUND)? = 1;
        for _ in 0..items.saturating_add(planted!(SkipsOneItemMore).into()) {
            while left.get(depth).is_some_and(|n| *n == 0) {
                match depth.checked_sub(1) {
                    Some(up) => depth = up,
                    None => return Ok(()),
                }
            }
            let level = left.get_mut(depth).ok_or(SKIP_BOUND)?;
            *level = level.saturating_sub(1);
            let inside = self.open()?;
            if inside > 0 {
                depth = depth.saturating_add(1);
                *left.get_mut(depth).ok_or(SKIP_BOUND)? = inside;
            }
        }
        if left.iter().all(|n| *n == 0) { Ok(()) } else { Err(SKIP_BOUND) }
    }

    /// Reads one item of any type, of an array, map or tag only the head, and says how many items that
    /// head announces inside.
    fn open(&mut self) -> Result<u64> {
        let first = *self.rest().first().ok_or(TRUNCATED)?;
        match (first >> 5, first & 0x1f) {
            // `-1 - n`: only the head of `n` matters here.
            (0 | 1, _) => self.argument().map(|_| 0),
            (2, _) => self.bytes(usize::MAX).map(|_| 0),
            (3, _) => self.text(usize::MAX).map(|_| 0),
            (4, _) => self.array(),
            (5, _) => self.map()?.checked_mul(if planted!(SkippedMapHalf) { 1 } else { 2 }).ok_or(SKIP_BOUND),
            (6, _) => self.argument().map(|_| 1),
            (_, 0..=19 | 24) => self.simple().map(|()| 0),
            // Booleans, null, undefined; floating-point numbers, which have no shortest form.
            (_, 20..=23) => self.take(1).map(|_| 0),
            (_, 25) => self.take(3).map(|_| 0),
            (_, 26) => self.take(5).map(|_| 0),
            (_, 27) => self.take(9).map(|_| 0),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Reads the head of an integer or a tag of any value. Not by the library, whose ways to do it tell all of its types apart.
    fn argument(&mut self) -> Result<u64> {
        let first = *self.rest().first().ok_or(TRUNCATED)?;
        let (inline, length) = match first & 0x1f {
            inline @ 0..=23 => (inline.into(), 1),
            24 => (0, 2),
            25 => (0, 3),
            26 => (0, 5),
            27 => (0, HEAD_MAX),
            _ => return Err(WRONG_TYPE),
        };
        let number = self.take(length)?.iter().skip(1).fold(inline, |n, byte| n << 8 | u64::from(*byte));
        if planted!(SkippedHeadsAnyForm) { Ok(number) } else { shortest(length, number) }
    }

    /// The next bytes.
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest().split_at_checked(length).ok_or(TRUNCATED)?;
        self.skip_to(rest);
        Ok(taken)
    }

    /// Reads a simple value: one byte below 24, two from 32 on, nothing in between.
    fn simple(&mut self) -> Result<()> {
        let start = self.position();
        let value = self.decoder.simple().map_err(|_| TRUNCATED)?;
        match (self.position().saturating_sub(start), value) {
            (1, _) | (2, 32..) => Ok(()),
            _ => Err(NOT_SHORTEST),
        }
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
        shortest(self.position().saturating_sub(start), value)
    }

    /// Reads one string with `read` and checks its head.
    fn string(&mut self, read: impl FnOnce(&mut Decoder<'a>) -> Result<&'a [u8]>) -> Result<&'a [u8]> {
        let start = self.position();
        let bytes = read(&mut self.decoder)?;
        let head = self.position().saturating_sub(start).saturating_sub(bytes.len());
        if head == head_len(bytes.len() as u64) { Ok(bytes) } else { Err(NOT_SHORTEST) }
    }
}

#[cfg(test)]
mod tests;
