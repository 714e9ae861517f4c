//! One frame on a line: how it is written, and how it is read byte by byte.

use alloc::vec::Vec;

use cobs::{CobsEncoder, DecodeResult, DecoderState};
use crc::{CRC_32_ISCSI, Crc, NoTable};

use super::{Config, VERSION};
use crate::error::{Error, Result};

/// Without a table: a line is slower than the bits can be counted, and a table is a KiB of a device's flash.
const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// The bytes of a TCP frame's length.
const LENGTH: usize = 4;

/// The bytes of the checksum.
const SUM: usize = 4;

/// Room before the content, so that its version and this are the place of a TCP frame's length.
const ROOM: usize = LENGTH - 1;

/// The least memory of a frame that has begun.
const LEAST: usize = 64;

const NOT_COBS: Error = Error::malformed("SER-4", "a frame on the line is not encoded as COBS");
const SHORT: Error = Error::malformed("SER-4", "a frame on the line is too short");
const DAMAGED: Error = Error::malformed("SER-5", "a frame on the line has another checksum");
const UNKNOWN: Error = Error::misbehaved("SER-6", "a frame on the line has another version");
const LARGE: Error = Error::limit("SER-7", "a frame on the line is larger than the configured limit");
const TOO_LARGE: Error = Error::limit("SER-8", "the message is larger than a frame on a line may be");
const NO_FRAME: Error = Error::misuse("SER-8", "what is sent on a line is no frame of TCP");

/// A frame of TCP as bytes on a line.
pub(super) fn encode(tcp: &[u8]) -> Result<Vec<u8>> {
    let message = tcp.get(LENGTH..).filter(|message| !message.is_empty()).ok_or(NO_FRAME)?;
    //= spec/src/serial.md#ser-8
    //# A node MUST NOT send a transport message on a line that is larger than the ceiling of lines.
    if message.len() > usize::try_from(Config::CEILING.frame).unwrap_or(usize::MAX) {
        return Err(TOO_LARGE);
    }
    let mut sum = CHECKSUM.digest();
    sum.update(&[VERSION]);
    sum.update(message);
    let sum = sum.finalize().to_be_bytes();
    //= spec/src/serial.md#ser-1
    //# A sender MUST write a byte 00 before the encoded content of a frame and another one after it.
    let most = cobs::max_encoding_length(message.len().saturating_add(1 + SUM));
    let mut bytes = Vec::with_capacity(most.saturating_add(2));
    bytes.resize(most.saturating_add(1), 0);
    let mut encoder = CobsEncoder::new(bytes.get_mut(1..).unwrap_or_default());
    for part in [&[VERSION], message, &sum] {
        // There is room for the longest encoding.
        encoder.push(part).map_err(|_| TOO_LARGE)?;
    }
    let encoded = encoder.finalize();
    // After a full block the encoder has written the beginning of another, which is not part of the frame.
    bytes.truncate(encoded.saturating_add(1));
    bytes.push(0);
    Ok(bytes)
}

/// The frame that is being received.
#[derive(Debug, Default)]
pub(super) struct Partial {
    decoder: DecoderState,
    /// `ROOM` bytes, then what has arrived of the content, decoded.
    bytes: Vec<u8>,
    /// It is larger than the limit: what follows until its end is not kept.
    skipping: bool,
}

impl Partial {
    /// Takes one byte from the line. Says what has become of the frame that it ends, if it ends one: a frame of TCP.
    pub(super) fn take(&mut self, byte: u8, limit: u32) -> Option<Result<Vec<u8>>> {
        if self.skipping {
            let over = byte == 0 && !planted!(SkipsForEver);
            self.skipping = !over;
            return over.then_some(Err(LARGE));
        }
        //= spec/src/serial.md#ser-2
        //# A receiver MUST take every byte 00 for the end of a frame and the beginning of the next.
        match self.decoder.feed(byte) {
            //= spec/src/serial.md#ser-3
            //# A receiver MUST ignore a frame without bytes.
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataStart) => {
                self.bytes = Vec::with_capacity(LEAST.min(Self::limit(limit)));
                self.bytes.resize(ROOM, 0);
                None
            }
            Ok(DecodeResult::DataContinue(byte)) => {
                self.push(byte, limit);
                None
            }
            Ok(DecodeResult::DataComplete) => Some(check(core::mem::take(&mut self.bytes))),
            //= spec/src/serial.md#ser-4
            //# A receiver MUST drop a frame that is not encoded as COBS, or whose content is shorter than six bytes.
            Err(_) => {
                self.bytes = Vec::new();
                Some(Err(NOT_COBS))
            }
        }
    }

    fn push(&mut self, byte: u8, limit: u32) {
        let most = Self::limit(limit);
        //= spec/src/serial.md#ser-7
        //# A receiver MUST drop a frame whose transport message is larger than the configured limit, and keep none of the bytes that follow before its end.
        if self.bytes.len() >= most {
            *self = Self { skipping: true, ..Self::default() };
            return;
        }
        //= spec/src/serial.md#ser-9
        //# A receiver MUST NOT allocate more memory for a frame than a small multiple of what has arrived of it.
        if self.bytes.len() == self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(most);
            self.bytes.reserve_exact(doubled.saturating_sub(self.bytes.len()));
        }
        self.bytes.push(byte);
    }

    /// The state that it is in, as the transition table names it.
    pub(super) fn state(&self) -> &'static str {
        match (self.skipping, &self.decoder) {
            (true, _) => "Skipping",
            (false, DecoderState::Idle) => "Between frames",
            (false, _) => "In a frame",
        }
    }

    /// How many bytes it holds.
    pub(super) fn footprint(&self) -> usize {
        self.bytes.capacity()
    }

    /// The most bytes that it holds when a transport message has at most `frame`.
    pub(super) fn limit(frame: u32) -> usize {
        usize::try_from(frame).unwrap_or(usize::MAX).saturating_add(ROOM + 1 + SUM)
    }
}

/// Makes a frame of TCP of a decoded content, in place.
fn check(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let Some((covered, sum)) = bytes.get(ROOM..).unwrap_or_default().split_last_chunk::<SUM>() else {
        return Err(SHORT);
    };
    // The version and something after it.
    if covered.len() < 2 {
        return Err(SHORT);
    }
    //= spec/src/serial.md#ser-5
    //# A receiver MUST drop a frame whose checksum is not that of its content.
    if CHECKSUM.checksum(covered).to_be_bytes() != *sum && !planted!(TakesDamagedFrames) {
        return Err(DAMAGED);
    }
    //= spec/src/serial.md#ser-6
    //# A receiver MUST drop a frame with a sound checksum whose version is not 01.
    if covered.first() != Some(&VERSION) && !planted!(TakesLineVersions) {
        return Err(UNKNOWN);
    }
    bytes.truncate(bytes.len().saturating_sub(SUM));
    let length = u32::try_from(bytes.len().saturating_sub(LENGTH)).map_err(|_| LARGE)?;
    if let Some(place) = bytes.first_chunk_mut::<LENGTH>() {
        *place = length.to_be_bytes();
    }
    Ok(bytes)
}
