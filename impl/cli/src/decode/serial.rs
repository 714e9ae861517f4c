//! Frames on a serial line.

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::transport::serial::{Config, Input, Output, Serial};
use razor::{Error, Result};

use super::item::{self, Item};
use super::kind::Keys;
use super::message;
use super::scribe::{Read, Scribe};

const SERIAL: Option<&str> = Some("Serial transport");

/// What stands in a frame's content before the transport message: a byte of the stuffing, and the version.
const BEFORE: usize = 2;

/// What comes on a line: frames, and what noise has left of them.
pub(crate) fn line(bytes: &[u8], base: usize, keys: &Keys) -> Item {
    Scribe::explain("serial line", SERIAL, bytes, base, |s| {
        while !s.is_at_end() {
            frame(s, keys)?;
        }
        Ok(())
    })
}

fn frame(s: &mut Scribe<'_>, keys: &Keys) -> Read {
    let zeros = s.rest().iter().take_while(|byte| **byte == 0).count();
    if zeros > 0 {
        s.raw("end and beginning of frames", zeros)?;
    }
    let length = s.rest().iter().take_while(|byte| **byte != 0).count();
    if length == 0 {
        return Ok(());
    }
    if length == s.rest().len() {
        s.raw("frame without its end", length)?;
        s.fault(&Error::malformed("SER-2", "no byte 00 ends the frame"));
        return Ok(());
    }
    let (offset, stuffed) = (s.offset(), &s.rest()[..length]);
    match unstuffed(stuffed) {
        Ok(content) => {
            let mut frame = Item::new(offset, length, "frame, byte stuffing taken off", item::bytes(&content));
            frame.items.push(message::transport(&content, offset + BEFORE, keys));
            s.add(frame);
            s.skip(length);
        }
        Err(error) => {
            s.raw("frame that is dropped", length)?;
            s.fault(&error);
        }
    }
    Ok(())
}

/// The transport message of a frame, or why it is dropped.
fn unstuffed(stuffed: &[u8]) -> Result<Vec<u8>> {
    const LENGTH: usize = 4;
    const NONE: Error = Error::malformed("SER-4", "there is no frame");
    let mut serial = Serial::new(Config { frame: Config::CEILING.frame, chunk: usize::MAX });
    let mut entropy = Seeded::from_u64(0);
    let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut entropy);
    let line = Input::Received([stuffed, &[0]].concat());
    serial.handle(&mut env, line).map_err(|refused| refused.into_error("SER-14"))?;
    match serial.poll_output() {
        Some(Output::Deliver(frame)) => frame.get(LENGTH..).map(<[u8]>::to_vec).ok_or(NONE),
        Some(Output::Dropped(error)) => Err(error),
        _ => Err(NONE),
    }
}
