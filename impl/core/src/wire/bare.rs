//! BARE as this wire uses it: the bodies of plain worker messages.
//!
//! Only the unsigned variable-length integer, byte strings and texts occur. Spec: "Codecs", section
//! "BARE".

use alloc::vec::Vec;

use crate::error::{Error, Result};

const TRUNCATED: Error = Error::malformed("COD-11", "a BARE value ends early");

/// Appends `value` as an unsigned LEB128 integer, in its shortest form.
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
