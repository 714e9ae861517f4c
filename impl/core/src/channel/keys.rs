//! Transport keys: one direction encrypts, the other decrypts, both renew their key every 32 messages.
//!
//! ```text
//! nonce (8, big endian) || ciphertext || tag (16)
//! ```
//!
//! [`Decryptor::open`] computes on the side and commits after the tag was right: a forged message, even
//! one that claims a nonce of the next interval, costs constant work and leaves nothing behind.

use alloc::boxed::Box;

use crate::error::{Error, Result};
use crate::machine::Snapshot;
use crate::routing::Message;
use crate::vault::suite::Suite;
use crate::vault::{Cipher, Key, RESERVED_NONCE, Tag};

use super::window::Window;

/// After how many messages a direction renews its key.
pub const INTERVAL: u64 = 32;

/// Bytes before the ciphertext.
const NONCE: usize = 8;
/// Bytes after the ciphertext.
const TAG: usize = size_of::<Tag>();

/// The sending direction.
pub struct Encryptor<S: Suite> {
    key: Key,
    next: u64,
    /// The expanded key; made when needed.
    cipher: Option<Box<S::Cipher>>,
}

impl<S: Suite> Encryptor<S> {
    /// Starts at nonce 0.
    pub fn new(key: Key) -> Self {
        Self { key, next: 0, cipher: None }
    }

    /// As if `next` messages had been sent; `key` is that of the interval *before* a boundary.
    #[cfg(any(test, feature = "arbitrary"))]
    pub fn resumed(key: Key, next: u64) -> Self {
        Self { key, next, cipher: None }
    }

    /// Encrypts the payload of a message without routes, in place, and returns its nonce.
    ///
    /// # Errors
    /// `CHN-34` when all nonces are used; the message is untouched then.
    pub fn seal(&mut self, message: &mut Message) -> Result<u64> {
        let nonce = self.next;
        //= spec/src/channels.md#chn-34
        //# A party MUST NOT encrypt a message with the nonce 2^64 - 1, and a decryptor refuses it.
        let next = nonce.checked_add(1).ok_or(Error::limit("CHN-34", "all nonces of the channel are used"))?;
        //= spec/src/channels.md#chn-33
        //# An encryptor MUST renew its key before it encrypts nonce n when n is greater than 0 and a multiple of 32.
        let renewed = if nonce > 0 && nonce.is_multiple_of(INTERVAL) && !planted!(NeverRenewsKey) {
            let cipher = self.cipher.take().unwrap_or_else(|| Box::new(S::Cipher::new(&self.key)));
            Some(cipher.renewed_key()?)
        } else {
            None
        };
        let key = renewed.as_ref().unwrap_or(&self.key);
        let cipher = self.cipher.get_or_insert_with(|| Box::new(S::Cipher::new(key)));
        //= spec/src/channels.md#chn-31
        //# A channel message MUST be the nonce as 8 bytes big endian, the ciphertext, and the 16-byte tag, with empty associated data.
        let tag = cipher.seal(nonce, &[], message.payload_mut()).inspect_err(|_| {
            self.cipher = None;
            if planted!(RefusedUsesNonce) {
                self.next = next;
            }
        })?;
        if let Some(renewed) = renewed {
            self.key = renewed;
        }
        message.wrap(&nonce.to_be_bytes(), &tag);
        //= spec/src/channels.md#chn-30
        //# Each direction MUST start at nonce 0 and use every next nonce for the next message.
        if !planted!(RepeatsNonce) {
            self.next = next.saturating_add(planted!(LeavesNoncesOut).into());
        }
        Ok(nonce)
    }

    /// Drops the expanded key; the next message makes it anew.
    pub fn shrink(&mut self) {
        self.cipher = None;
    }

    #[cfg(test)]
    pub(super) const fn is_expanded(&self) -> bool {
        self.cipher.is_some()
    }

    pub(super) fn picture(&self, picture: &mut Snapshot) {
        picture.bytes(self.key.as_bytes()).number(self.next);
    }
}

/// The receiving direction.
///
/// The interval of the largest accepted nonce is the current one: the window reaches one interval at
/// most either way.
pub struct Decryptor<S: Suite> {
    current: Key,
    previous: Option<Key>,
    window: Window,
    /// The current key, expanded; made when needed.
    cipher: Option<Box<S::Cipher>>,
}

/// Which key opens a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Previous,
    Current,
    /// The current key, renewed once.
    Candidate,
}

impl<S: Suite> Decryptor<S> {
    /// Nothing accepted yet.
    pub fn new(key: Key) -> Self {
        Self { current: key, previous: None, window: Window::new(), cipher: None }
    }

    /// As if `largest` had been accepted under `key`.
    #[cfg(any(test, feature = "arbitrary"))]
    pub fn resumed(key: Key, largest: u64) -> Self {
        Self { current: key, previous: None, window: Window::at(largest), cipher: None }
    }

    /// Decrypts the payload of a message, in place, and returns its nonce. The message has no routes then.
    ///
    /// # Errors
    /// `CHN-31` when it is too short, `CHN-14` and `CHN-32` for its nonce, `CHN-34` for the last one,
    /// `CHN-35` when no key is left for it, `CHN-37` when it is not authentic. Nothing has changed then
    /// but the bytes of the message, which are to be wiped.
    pub fn open(&mut self, message: &mut Message) -> Result<u64> {
        let payload = message.payload_mut();
        let too_short = Error::malformed("CHN-31", "a channel message is shorter than a nonce and a tag");
        let (nonce, sealed) = payload.split_first_chunk_mut::<NONCE>().ok_or(too_short)?;
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(too_short)?;
        let nonce = u64::from_be_bytes(*nonce);
        if nonce == RESERVED_NONCE {
            return Err(Error::misbehaved("CHN-34", "a message uses the nonce of key renewal"));
        }
        let fresh = self.window.check(nonce)?;
        let choice = self.choose(nonce)?;
        if planted!(MovesWindowFirst) {
            self.window.commit(fresh);
        }
        //= spec/src/channels.md#chn-36
        //# A decryptor MUST keep a key of the next interval only after a message has been authentic under it.
        let candidate = match choice {
            Choice::Candidate => {
                let key = self.cipher().renewed_key()?;
                let cipher = Box::new(S::Cipher::new(&key));
                if planted!(KeepsKeyFirst) {
                    self.current = key.clone();
                }
                Some((key, cipher))
            }
            _ => None,
        };
        let mut open = |cipher: &S::Cipher| {
            if planted!(IgnoresTag) {
                cipher.seal(nonce, &[], text).map(drop)
            } else {
                cipher.open(nonce, &[], text, tag)
            }
        };
        let authentic = match (&candidate, choice) {
            (Some((_, cipher)), _) => open(cipher),
            (None, Choice::Previous) => open(&S::Cipher::new(self.previous.as_ref().ok_or(NO_KEY)?)),
            (None, _) => open(self.cipher()),
        };
        //= spec/src/channels.md#chn-37
        //# A decryptor MUST NOT change its window, its keys or its route before the tag of the message has been verified.
        authentic.map_err(|_| Error::misbehaved("CHN-37", "a channel message is not authentic"))?;
        self.window.commit(fresh);
        if let Some((key, cipher)) = candidate {
            //= spec/src/channels.md#chn-38
            //# A decryptor MUST erase the key of the interval before the previous one when it moves on.
            self.previous = Some(core::mem::replace(&mut self.current, key)).filter(|_| !planted!(DropsPreviousKey));
            self.cipher = Some(cipher);
        }
        message.clear_routes();
        message.unwrap_payload(NONCE, TAG);
        Ok(nonce)
    }

    /// Drops the expanded key; the next message makes it anew.
    pub fn shrink(&mut self) {
        self.cipher = None;
        if planted!(ShrinkForgetsPrevious) {
            self.previous = None;
        }
    }

    #[cfg(test)]
    pub(super) const fn is_expanded(&self) -> bool {
        self.cipher.is_some()
    }

    /// The current key, expanded.
    fn cipher(&mut self) -> &S::Cipher {
        self.cipher.get_or_insert_with(|| Box::new(S::Cipher::new(&self.current)))
    }

    /// Which key a nonce belongs to.
    fn choose(&self, nonce: u64) -> Result<Choice> {
        //= spec/src/channels.md#chn-35
        //# A decryptor MUST open a message with the key of its nonce's interval: the previous, the current or the next one.
        let interval = nonce / INTERVAL;
        let current = self.window.largest() / INTERVAL;
        if interval == current {
            Ok(Choice::Current)
        } else if current.checked_add(1) == Some(interval) {
            Ok(Choice::Candidate)
        } else if interval.checked_add(1) == Some(current) && self.previous.is_some() {
            Ok(Choice::Previous)
        } else {
            Err(NO_KEY)
        }
    }

    pub(super) fn picture(&self, picture: &mut Snapshot) {
        let previous = self.previous.as_ref().map_or(&[][..], |key| key.as_bytes());
        picture.bytes(self.current.as_bytes()).bytes(previous);
        picture.number(self.window.largest()).number(self.window.map());
    }
}

const NO_KEY: Error = Error::misbehaved("CHN-35", "a nonce belongs to an interval whose key is gone or not made yet");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::suite::Aes256GcmSha256;

    type Sealer = Encryptor<Aes256GcmSha256>;
    type Opener = Decryptor<Aes256GcmSha256>;
    type Aes = <Aes256GcmSha256 as Suite>::Cipher;

    fn renewed(key: &Key) -> Key {
        Aes::new(key).renewed_key().unwrap()
    }

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn sealed(sealer: &mut Sealer, text: &[u8]) -> Message {
        let mut message = Message::raw([&[0; 64], text].concat(), 64);
        sealer.seal(&mut message).unwrap();
        message
    }

    fn open(opener: &mut Opener, message: &Message) -> Result<Vec<u8>> {
        let mut message = message.clone();
        opener.open(&mut message).map(|_| message.payload().to_vec())
    }

    fn picture(opener: &Opener) -> Snapshot {
        let mut picture = Snapshot::new();
        opener.picture(&mut picture);
        picture
    }

    /// The example that is derived in the protocol's fact sheet: key, nonce 0, an echo request.
    //= spec/src/channels.md#chn-31
    //= type=test
    //# A channel message MUST be the nonce as 8 bytes big endian, the ciphertext, and the 16-byte tag, with empty associated data.
    #[test]
    fn a_known_plaintext_is_sealed_to_known_bytes() {
        let key: [u8; 32] = hex::decode("831124fa3e1606b97f5cda4d81c3aa04c7c0151666f05f49a09cd0faf63a05d8")
            .unwrap()
            .try_into()
            .unwrap();
        let mut sealer = Sealer::new(Key::new(key));
        let text = hex::decode("8282008183818200446563686f81820043617070460568656c6c6f40").unwrap();
        assert_eq!(
            hex::encode(sealed(&mut sealer, &text).payload()),
            "0000000000000000730a7fb64a78d67040e6e239c48ae3598df77168b4aeab8c03dd5489f80b3e0ceadd6cf310165bd2be9e4c49"
        );
    }

    //= spec/src/channels.md#chn-33
    //= type=test
    //# An encryptor MUST renew its key before it encrypts nonce n when n is greater than 0 and a multiple of 32.
    //= spec/src/channels.md#chn-30
    //= type=test
    //# Each direction MUST start at nonce 0 and use every next nonce for the next message.
    #[test]
    fn the_key_is_renewed_before_nonces_32_64_and_96_and_at_no_other() {
        let mut sealer = Sealer::new(key());
        let mut expected = key();
        for nonce in 0..100u64 {
            if [32, 64, 96].contains(&nonce) {
                expected = renewed(&expected);
            }
            let message = sealed(&mut sealer, b"text");
            assert_eq!(message.payload()[..8], nonce.to_be_bytes());
            let mut by_hand = b"text".to_vec();
            let tag = Aes::new(&expected).seal(nonce, &[], &mut by_hand).unwrap();
            assert_eq!(message.payload()[8..], [&by_hand[..], &tag].concat(), "nonce {nonce}");
        }
    }

    #[test]
    fn renewal_encrypts_zeros_with_the_last_nonce() {
        let key = |text| Key::new(hex::decode(text).unwrap().try_into().unwrap());
        let first = key("831124fa3e1606b97f5cda4d81c3aa04c7c0151666f05f49a09cd0faf63a05d8");
        let second = key("4699ba00b29842a236c781ce67c044de2bc43eaaaf35f6bfa4353581ada3d044");
        assert_eq!(renewed(&first).as_bytes(), second.as_bytes());
    }

    /// The published choices for an interval, with our interval of 32: before any renewal and after five.
    //= spec/src/channels.md#chn-35
    //= type=test
    //# A decryptor MUST open a message with the key of its nonce's interval: the previous, the current or the next one.
    #[test]
    fn keys_are_chosen_by_interval_as_published() {
        let fresh = Opener::new(key());
        let later = Opener { previous: Some(key()), ..Opener::resumed(key(), 5 * INTERVAL) };
        for (nonce, expected) in [
            (0, Some(Choice::Current)),
            (31, Some(Choice::Current)),
            (32, Some(Choice::Candidate)),
            (64, None),
            (RESERVED_NONCE, None),
        ] {
            assert_eq!(fresh.choose(nonce).ok(), expected, "nonce {nonce}");
        }
        for (nonce, expected) in [
            (0, None),
            (127, None),
            (128, Some(Choice::Previous)),
            (159, Some(Choice::Previous)),
            (160, Some(Choice::Current)),
            (191, Some(Choice::Current)),
            (192, Some(Choice::Candidate)),
            (224, None),
            (RESERVED_NONCE, None),
        ] {
            assert_eq!(later.choose(nonce).ok(), expected, "nonce {nonce}");
        }
    }

    #[test]
    fn dropping_expanded_keys_at_any_time_changes_nothing() {
        let (mut sealer, mut shrunk) = (Sealer::new(key()), Sealer::new(key()));
        let (mut opener, mut forgetful) = (Opener::new(key()), Opener::new(key()));
        for n in 0..100 {
            let message = sealed(&mut sealer, &[n]);
            assert_eq!(sealed(&mut shrunk, &[n]).payload(), message.payload(), "nonce {n}");
            assert_eq!(open(&mut forgetful, &message), open(&mut opener, &message), "nonce {n}");
            shrunk.shrink();
            forgetful.shrink();
            assert!(shrunk.cipher.is_none() && forgetful.cipher.is_none());
            assert_eq!(picture(&forgetful), picture(&opener));
        }
    }

    #[test]
    fn every_message_that_is_sealed_or_opened_shows_in_the_picture_of_its_direction() {
        let (mut sealer, mut opener) = (Sealer::new(key()), Opener::new(key()));
        let of_sealer = |sealer: &Sealer| {
            let mut picture = Snapshot::new();
            sealer.picture(&mut picture);
            picture
        };
        for n in 0..70 {
            let before = (of_sealer(&sealer), picture(&opener));
            let message = sealed(&mut sealer, &[n]);
            open(&mut opener, &message).unwrap();
            assert!(of_sealer(&sealer) != before.0 && picture(&opener) != before.1, "nonce {n}");
        }
        let other_key = (Sealer::new(renewed(&key())), Opener::new(renewed(&key())));
        let (sealer, opener) = (Sealer::new(key()), Opener::new(key()));
        assert!(of_sealer(&other_key.0) != of_sealer(&sealer) && picture(&other_key.1) != picture(&opener));
    }

    #[test]
    fn messages_around_a_renewal_open_in_any_order() {
        let mut sealer = Sealer::new(key());
        let messages: Vec<_> = (0..70).map(|n| sealed(&mut sealer, &[n])).collect();
        let mut opener = Opener::new(key());
        for n in [0, 31, 33, 30, 32, 62, 40, 64, 63, 34, 69, 41] {
            assert_eq!(open(&mut opener, &messages[n]).unwrap(), [n as u8], "nonce {n}");
        }
    }

    //= spec/src/channels.md#chn-37
    //= type=test
    //# A decryptor MUST NOT change its window, its keys or its route before the tag of the message has been verified.
    //= spec/src/channels.md#chn-36
    //= type=test
    //# A decryptor MUST keep a key of the next interval only after a message has been authentic under it.
    #[test]
    fn ten_thousand_forged_messages_of_the_next_interval_leave_nothing_behind() {
        let mut sealer = Sealer::new(key());
        let messages: Vec<_> = (0..34).map(|n| sealed(&mut sealer, &[n])).collect();
        let mut opener = Opener::new(key());
        for message in &messages[..20] {
            open(&mut opener, message).unwrap();
        }
        let before = picture(&opener);
        for n in 0..10_000u64 {
            let nonce = [32 + n % 20, n % 52, 20 + n % 12][n as usize % 3];
            let mut forged = Message::raw([&nonce.to_be_bytes()[..], &[n as u8; 40]].concat(), 0);
            assert!(opener.open(&mut forged).is_err());
        }
        assert_eq!(picture(&opener), before);
        assert!(messages[20..].iter().all(|message| open(&mut opener, message).is_ok()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut sealer = Sealer::new(key());
        let message = sealed(&mut sealer, b"text");
        let mut opener = Opener::new(key());
        for bit in 0..message.payload().len() * 8 {
            let mut forged = message.clone();
            forged.payload_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open(&mut forged).is_err(), "bit {bit}");
        }
        assert!(open(&mut opener, &message).is_ok());
        for len in 0..24 {
            let mut short = Message::raw(vec![0; len], 0);
            assert_eq!(opener.open(&mut short).unwrap_err().requirement(), "CHN-31");
        }
    }

    //= spec/src/channels.md#chn-38
    //= type=test
    //# A decryptor MUST erase the key of the interval before the previous one when it moves on.
    #[test]
    fn only_the_previous_key_is_kept() {
        let mut sealer = Sealer::new(key());
        let mut opener = Opener::new(key());
        let mut expected = (key(), None);
        for nonce in 0..100u64 {
            if nonce > 0 && nonce % 32 == 0 {
                let renewed = renewed(&expected.0);
                expected = (renewed, Some(expected.0));
            }
            open(&mut opener, &sealed(&mut sealer, b"")).unwrap();
            assert_eq!(opener.current.as_bytes(), expected.0.as_bytes());
            assert_eq!(opener.previous.as_ref().map(Key::as_bytes), expected.1.as_ref().map(Key::as_bytes));
        }
    }

    //= spec/src/channels.md#chn-34
    //= type=test
    //# A party MUST NOT encrypt a message with the nonce 2^64 - 1, and a decryptor refuses it.
    #[test]
    fn the_last_nonce_is_never_used() {
        let mut sealer = Sealer::resumed(key(), u64::MAX - 1);
        let mut opener = Opener::resumed(key(), u64::MAX - 2);
        assert!(open(&mut opener, &sealed(&mut sealer, b"last")).is_ok());
        let mut message = Message::raw(b"one too many".to_vec(), 0);
        assert_eq!(sealer.seal(&mut message).unwrap_err().requirement(), "CHN-34");
        assert_eq!(message.payload(), b"one too many");
        let mut text = vec![];
        let tag = Aes::new(&key()).seal(u64::MAX, &[], &mut text).unwrap();
        let mut genuine = Message::raw([&[0xff; 8][..], &tag].concat(), 0);
        assert_eq!(opener.open(&mut genuine).unwrap_err().requirement(), "CHN-34");
    }

    #[test]
    fn sealing_and_opening_move_no_payload() {
        let mut sealer = Sealer::new(key());
        let mut opener = Opener::new(key());
        let mut message = Message::raw(
            {
                let mut bytes = Vec::with_capacity(256);
                bytes.extend_from_slice(&[0; 100]);
                bytes.extend_from_slice(b"payload");
                bytes
            },
            100,
        );
        let at = message.payload().as_ptr();
        sealer.seal(&mut message).unwrap();
        opener.open(&mut message).unwrap();
        assert_eq!((message.payload(), message.payload().as_ptr()), (&b"payload"[..], at));
        assert_eq!(message.relayouts(), 0);
    }
}
