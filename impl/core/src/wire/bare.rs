//! BARE as this wire uses it: the bodies of plain worker messages.
//!
//! Only the unsigned variable-length integer, byte strings and texts occur. Spec: "Codecs", section
//! "BARE".

use alloc::vec::Vec;

use crate::error::{Error, Result};

//= spec/src/codecs.md#cod-11
//# A decoder MUST refuse a BARE value that ends early.
const TRUNCATED: Error = Error::malformed("COD-11", "a BARE value ends early");

/// Appends `value` as an unsigned LEB128 integer, in its shortest form.
//= spec/src/codecs.md#cod-9
//# An encoder MUST write every item in its shortest form with a definite length.
pub fn write_uint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends `bytes` with their length in front.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A reader of BARE values.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// One byte.
    ///
    /// # Errors
    /// `COD-11` when there is none.
    pub fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*first)
    }

    /// An unsigned LEB128 integer: at most ten bytes, the tenth `01`, in its shortest form.
    ///
    /// # Errors
    /// `COD-10` when it is too long or not the shortest; `COD-11` when it ends early.
    pub fn uint(&mut self) -> Result<u64> {
        //= spec/src/codecs.md#cod-10
        //# A decoder MUST refuse a BARE integer that exceeds 64 bits or is not in its shortest form.
        const INVALID: Error =
            Error::malformed("COD-10", "a BARE integer exceeds 64 bits or is not in its shortest form");
        let mut value = 0u64;
        for place in 0..10u32 {
            let byte = self.byte()?;
            if place == 9 && byte != 1 {
                return Err(INVALID);
            }
            value |= u64::from(byte & 0x7f) << place.saturating_mul(7);
            if byte & 0x80 == 0 {
                // The last byte of a longer form carries something.
                return if byte == 0 && place > 0 { Err(INVALID) } else { Ok(value) };
            }
        }
        Err(INVALID)
    }

    /// A byte string of at most `max` bytes. The announced length allocates nothing.
    ///
    /// # Errors
    /// `COD-10`, `COD-11`; `COD-6` when it is longer than `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8]> {
        let len = self.uint()?;
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= max)
            .ok_or(Error::limit("COD-6", "a BARE string is longer than this field allows"))?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A text of at most `max` bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and `COD-7` when it is not UTF-8.
    pub fn text(&mut self, max: usize) -> Result<&'a str> {
        core::str::from_utf8(self.bytes(max)?).map_err(|_| Error::malformed("COD-7", "a text is not UTF-8"))
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// `COD-5` when bytes are left.
    pub fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::malformed("COD-5", "bytes follow the end of the message"))
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn uint(bytes: &[u8]) -> Result<u64> {
        let mut reader = Reader::new(bytes);
        let value = reader.uint()?;
        reader.finish()?;
        Ok(value)
    }

    fn refusal<T: core::fmt::Debug>(result: Result<T>) -> &'static str {
        result.expect_err("it must be refused").requirement()
    }

    #[test]
    fn the_published_integers_are_read_and_written() {
        let cases: [(u64, &str); 9] = [
            (0, "00"),
            (1, "01"),
            (65535, "ffff03"),
            (65536, "808004"),
            (4294967295, "ffffffff0f"),
            (4294967296, "8080808010"),
            (281474976710655, "ffffffffffff3f"),
            (281474976710656, "80808080808040"),
            (u64::MAX, "ffffffffffffffffff01"),
        ];
        for (value, text) in cases {
            let bytes = hex::decode(text).unwrap();
            assert_eq!(uint(&bytes), Ok(value), "{text}");
            let mut out = Vec::new();
            write_uint(&mut out, value);
            assert_eq!(hex::encode(out), text);
        }
    }

    //= spec/src/codecs.md#cod-10
    //= type=test
    //# A decoder MUST refuse a BARE integer that exceeds 64 bits or is not in its shortest form.
    #[test]
    fn integers_beyond_64_bits_and_long_forms_are_refused() {
        for text in ["ffffffffffffffffffff", "ffffffffffffffffff03", "ffffffffffffffffff02", "8000", "ff00"] {
            assert_eq!(refusal(uint(&hex::decode(text).unwrap())), "COD-10", "{text}");
        }
    }

    //= spec/src/codecs.md#cod-11
    //= type=test
    //# A decoder MUST refuse a BARE value that ends early.
    #[test]
    fn a_value_cut_at_any_length_is_refused() {
        let mut out = Vec::new();
        write_uint(&mut out, 300);
        write_bytes(&mut out, &[7; 200]);
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            reader.uint()?;
            reader.bytes(200).map(drop)
        };
        assert_eq!(read(&out), Ok(()));
        for len in 0..out.len() {
            assert_eq!(refusal(read(&out[..len])), "COD-11", "cut to {len}");
        }
    }

    #[test]
    fn strings_are_bounded_and_texts_are_utf8() {
        let read = |bytes: &'static [u8], max| Reader::new(bytes).text(max);
        assert_eq!(read(b"\x05hello", 5), Ok("hello"));
        assert_eq!(refusal(read(b"\x05hello", 4)), "COD-6");
        assert_eq!(refusal(read(b"\x01\xff", 4)), "COD-7");
        assert_eq!(refusal(uint(&[0, 0])), "COD-5");
    }

    proptest! {
        //= spec/src/codecs.md#cod-9
        //= type=test
        //# An encoder MUST write every item in its shortest form with a definite length.
        #[test]
        fn what_is_written_is_read_again(value: u64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            write_uint(&mut out, value);
            write_bytes(&mut out, &bytes);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.uint(), Ok(value));
            prop_assert_eq!(reader.bytes(bytes.len()), Ok(&bytes[..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn an_accepted_integer_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(value) = uint(&bytes) {
                let mut out = Vec::new();
                write_uint(&mut out, value);
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
