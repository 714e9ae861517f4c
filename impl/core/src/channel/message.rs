//! The plaintext of a channel message: what stands under the encryption.
//!
//! ```text
//! [ message, padding ]
//! message = [0, [[onward route, return route, payload]]]    Payload
//!         | [1, [[change history, credentials]]]            RefreshCredentials
//!         | [2, []]                                         Close
//! ```
//!
//! A payload is folded and unfolded in place: it never moves.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{Error, Result};
use crate::identity::HistoryLimits;
use crate::routing::{Limits, Message, Tail};
use crate::wire::cbor::{self, Encoder, Reader};

/// What stands before the routes of a Payload: `[[0, [[…`.
const PAYLOAD: [u8; 5] = [0x82, 0x82, 0x00, 0x81, 0x83];
/// What stands before the change history of a RefreshCredentials: `[[1, [[…`.
const REFRESH: [u8; 5] = [0x82, 0x82, 0x01, 0x81, 0x82];
/// What stands before the padding of a Close: `[[2, []], …`.
const CLOSE: [u8; 4] = [0x82, 0x82, 0x02, 0x80];

/// The most CBOR items of a history that anyone may send: its own head, and ten for each change.
const HISTORY_ITEMS: usize = 1 + 10 * HistoryLimits::CEILING.changes as usize;

/// How much padding a plaintext may carry, in bytes (spec: "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaddingLimit(pub u32);

impl PaddingLimit {
    /// What every receiver accepts at least.
    pub const FLOOR: Self = Self(1024);
    /// The most that anyone may send.
    pub const CEILING: Self = Self(65_535);
    /// What a channel is configured with unless told otherwise.
    pub const DEFAULT: Self = Self::CEILING;
}

impl Default for PaddingLimit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How much padding a channel adds to what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// None, as production sends: the length of a message is visible.
    #[default]
    None,
    /// Zeros until the plaintext is a multiple of this many bytes, from 2 to 4096.
    MultipleOf(u16),
}

impl Padding {
    const BLOCK_MAX: u16 = 4096;

    /// How many zeros to add to a plaintext that is `len` bytes long before the padding's own head.
    fn zeros(self, len: usize) -> usize {
        let Padding::MultipleOf(block) = self else { return 0 };
        let block = usize::from(block.clamp(1, Self::BLOCK_MAX));
        let bare = len.saturating_add(1);
        let mut total = bare.next_multiple_of(block);
        // The head of the padding grows with it, so that a few totals cannot be reached exactly: then
        // the next multiple is taken. Three heads exist below the limit, so that three tries do.
        for _ in 0..3 {
            for head in 1..=3usize {
                let zeros = total.saturating_sub(len).saturating_sub(head);
                if len.saturating_add(head).saturating_add(zeros) == total && cbor::head_len(zeros as u64) == head {
                    return zeros;
                }
            }
            total = total.saturating_add(block);
        }
        0
    }

    /// The encoded padding that follows `len` bytes of plaintext.
    fn encode(self, len: usize, out: &mut Vec<u8>) {
        let zeros = self.zeros(len);
        // Writing to a `Vec` cannot fail.
        let _ = Encoder::new(&mut *out).bytes_len(zeros as u64);
        //= spec/src/channels.md#chn-42
        //# Padding MUST consist of zeros.
        out.resize(out.len().saturating_add(zeros), 0);
    }
}

/// A decoded plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plaintext {
    /// A routed message; the [`Message`] itself now carries its routes and payload.
    Payload,
    /// The peer presents its change history and credentials anew: where they stand in the payload.
    RefreshCredentials {
        /// The encoded change history.
        history: Range<usize>,
        /// The encoded list of credentials.
        credentials: Range<usize>,
    },
    /// The peer closes the channel.
    Close,
}

/// Turns a routed message into the plaintext of a Payload, in place.
pub fn encode_payload(message: &mut Message, padding: Padding) {
    if padding == Padding::None {
        // The empty byte string; nothing is allocated.
        return message.fold(&PAYLOAD, Tail::Bytes(&[0x40]));
    }
    message.fold(&PAYLOAD, Tail::Bytes(&[]));
    let mut tail = Vec::new();
    padding.encode(message.payload().len(), &mut tail);
    message.wrap(&[], &tail);
}

/// The plaintext of a Close.
pub fn encode_close(padding: Padding) -> Vec<u8> {
    let mut bytes = CLOSE.to_vec();
    padding.encode(bytes.len(), &mut bytes);
    bytes
}

/// The plaintext of a RefreshCredentials with an encoded change history and an encoded list of credentials.
pub fn encode_refresh(history: &[u8], credentials: &[u8], padding: Padding) -> Vec<u8> {
    let mut bytes = REFRESH.to_vec();
    bytes.extend_from_slice(history);
    bytes.extend_from_slice(credentials);
    padding.encode(bytes.len(), &mut bytes);
    bytes
}

/// Decodes the plaintext that is the payload of `message`. A Payload is unfolded in place, so that
/// `message` becomes the routed message inside. Nothing changes on an error.
///
/// # Errors
/// `CHN-40` when it is none of the three messages, `CHN-41` when its padding is too long, and the
/// errors of codecs and routes.
pub fn decode(message: &mut Message, limits: &Limits, padding: PaddingLimit) -> Result<Plaintext> {
    //= spec/src/channels.md#chn-40
    //# A decryptor MUST drop a plaintext that is not exactly one canonical `padded-message`.
    let bytes = message.payload();
    if bytes.starts_with(&PAYLOAD) {
        message.unfold(PAYLOAD.len(), limits, |reader| read_padding(reader, padding).map(|()| false))?;
        return Ok(Plaintext::Payload);
    }
    if let Some(rest) = bytes.strip_prefix(&CLOSE) {
        read_padding(&mut Reader::new(rest), padding)?;
        return Ok(Plaintext::Close);
    }
    let Some(rest) = bytes.strip_prefix(&REFRESH) else {
        return Err(Error::malformed("CHN-40", "a plaintext is none of the messages of a channel"));
    };
    let mut reader = Reader::new(rest);
    let mut item = || -> Result<Range<usize>> {
        let start = reader.position();
        //= spec/src/channels.md#chn-61
        //# A party MUST accept in a RefreshCredentials every history that it accepts in a presentation.
        reader.pass_over(HISTORY_ITEMS)?;
        Ok(start.saturating_add(REFRESH.len())..reader.position().saturating_add(REFRESH.len()))
    };
    let (history, credentials) = (item()?, item()?);
    read_padding(&mut reader, padding)?;
    Ok(Plaintext::RefreshCredentials { history, credentials })
}

/// Reads the padding, which ends the plaintext.
fn read_padding(reader: &mut Reader<'_>, limit: PaddingLimit) -> Result<()> {
    let padding = reader.bytes(usize::MAX)?;
    //= spec/src/channels.md#chn-41
    //# A decryptor MUST accept padding of any content up to its limit, and drop a plaintext with more.
    if padding.len() > limit.0 as usize {
        return Err(Error::limit("CHN-41", "the padding is longer than the limit"));
    }
    if !reader.is_at_end() && !planted!(TakesTrailingPlaintext) {
        return Err(Error::malformed("CHN-40", "bytes follow the padding of a plaintext"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::Route;

    fn routed() -> Message {
        let (onward, back) = (Route::from_iter(["echo"]), Route::from_iter(["app"]));
        Message::new(onward.as_ref(), back.as_ref(), &hex::decode("0568656c6c6f").unwrap())
    }

    fn plain(bytes: &[u8]) -> Message {
        Message::raw(bytes.to_vec(), 0)
    }

    fn read(message: &mut Message) -> Result<Plaintext> {
        decode(message, &Limits::DEFAULT, PaddingLimit::DEFAULT)
    }

    #[test]
    fn a_payload_is_encoded_as_production_does() {
        let mut message = routed();
        encode_payload(&mut message, Padding::None);
        assert_eq!(hex::encode(message.payload()), "8282008183818200446563686f81820043617070460568656c6c6f40");
        assert_eq!(read(&mut message), Ok(Plaintext::Payload));
        assert_eq!(message, routed());
        assert_eq!(message.relayouts(), 0);
    }

    #[test]
    fn close_is_encoded_as_production_does() {
        assert_eq!(hex::encode(encode_close(Padding::None)), "8282028040");
        assert_eq!(read(&mut plain(&encode_close(Padding::MultipleOf(64)))), Ok(Plaintext::Close));
    }

    #[test]
    fn a_refresh_says_where_its_parts_stand() {
        let bytes = encode_refresh(&[0x81, 0x01], &[0x82, 0x02, 0x03], Padding::None);
        let mut message = plain(&bytes);
        let Ok(Plaintext::RefreshCredentials { history, credentials }) = read(&mut message) else { panic!() };
        assert_eq!(message.payload()[history], [0x81, 0x01]);
        assert_eq!(message.payload()[credentials], [0x82, 0x02, 0x03]);
    }

    //= spec/src/channels.md#chn-61
    //= type=test
    //# A party MUST accept in a RefreshCredentials every history that it accepts in a presentation.
    #[test]
    fn a_refresh_holds_a_history_of_as_many_changes_as_anyone_may_send() {
        let change = hex::decode("83408200814082008140").unwrap();
        let history = |changes: u8| [&[0x98, changes][..], &change.repeat(usize::from(changes))].concat();
        let most = u8::try_from(HistoryLimits::CEILING.changes).unwrap();
        let read = |history: &[u8]| read(&mut plain(&encode_refresh(history, &[0x80], Padding::None)));
        let Ok(Plaintext::RefreshCredentials { history: at, .. }) = read(&history(most)) else { panic!() };
        assert_eq!(at.len(), history(most).len());
        assert_eq!(read(&history(most + 1)).unwrap_err().requirement(), "COD-8");
    }

    //= spec/src/channels.md#chn-40
    //= type=test
    //# A decryptor MUST drop a plaintext that is not exactly one canonical `padded-message`.
    #[test]
    fn anything_but_one_canonical_message_is_refused_and_changes_nothing() {
        for bad in [
            "",
            "82",
            "8282038040",                                                 // an unknown message
            "828202804000",                                               // a byte after the padding
            "82820280",                                                   // no padding
            "8282028140",                                                 // Close with a field
            "829f0280ff40",                                               // indefinite
            "82820280f6",                                                 // padding is null
            "8282028058020000",                                           // padding's length not shortest
            "8282008183818200446563686f81820043617070460568656c6c6f",     // no padding
            "8282008183818200446563686f8182004361707058060568656c6c6f40", // payload's length not shortest
            "8282008182818200446563686f8182004361707040",                 // a field is missing
            "8282008184818200446563686f81820043617070460568656c6c6f4040", // a field too many
        ] {
            let mut message = plain(&hex::decode(bad).unwrap());
            let before = message.clone();
            assert!(read(&mut message).is_err(), "{bad}");
            assert_eq!(message, before, "{bad}");
        }
    }

    //= spec/src/channels.md#chn-41
    //= type=test
    //# A decryptor MUST accept padding of any content up to its limit, and drop a plaintext with more.
    #[test]
    fn padding_of_any_content_is_accepted_up_to_the_limit() {
        let mut bytes = CLOSE.to_vec();
        bytes.extend_from_slice(&hex::decode("43ff00aa").unwrap());
        let mut message = plain(&bytes);
        assert_eq!(decode(&mut message, &Limits::DEFAULT, PaddingLimit(3)), Ok(Plaintext::Close));
        let error = decode(&mut message, &Limits::DEFAULT, PaddingLimit(2)).unwrap_err();
        assert_eq!(error.requirement(), "CHN-41");
    }

    proptest! {
        //= spec/src/channels.md#chn-42
        //= type=test
        //# Padding MUST consist of zeros.
        #[test]
        fn padded_plaintexts_are_multiples_of_the_block_and_decode_to_the_same(
            len in 0usize..700, block in 2u16..600,
        ) {
            let mut message = Message::new(Route::from_iter(["echo"]).as_ref(), Route::new().as_ref(), &vec![7; len]);
            let plainly = message.clone();
            encode_payload(&mut message, Padding::MultipleOf(block));
            prop_assert_eq!(message.payload().len() % usize::from(block), 0);
            prop_assert_eq!(read(&mut message), Ok(Plaintext::Payload));
            prop_assert_eq!(message, plainly);
            let zeros = Padding::MultipleOf(block).zeros(len);
            let mut tail = Vec::new();
            Padding::MultipleOf(block).encode(len, &mut tail);
            prop_assert!(tail[tail.len() - zeros..].iter().all(|byte| *byte == 0));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_what_decodes_encodes_to_the_same_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0usize..4,
        ) {
            let prefix: &[u8] = [&PAYLOAD[..], &REFRESH, &CLOSE, &[]][kind];
            let bytes = [prefix, &bytes].concat();
            let mut message = plain(&bytes);
            if let Ok(Plaintext::Payload) = read(&mut message) {
                encode_payload(&mut message, Padding::None);
                prop_assert!(bytes.starts_with(&message.payload()[..message.payload().len() - 1]));
            }
        }
    }
}
