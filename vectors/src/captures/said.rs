//! What was said in one direction of a channel: decrypted with a key schedule and judged by a window of its
//! own, so that the channel machine is compared with something else than itself.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use razor::channel::{PaddingLimit, Plaintext, decode};
use razor::routing::{Address, Limits, Message};
use razor::vault::suite::Suite;
use razor::vault::{Cipher, Key};

use super::conversation::{Item, Part, Side, Tap};

/// Messages under one key, and the distance that nonces may have: by the wire's definition 32 and 32.
const INTERVAL: u64 = 32;
const WINDOW: u64 = 32;

/// The most intervals that are followed: more than any recording has.
const INTERVALS: u64 = 1 << 16;

/// What an application, or the channel itself, said.
#[derive(Clone)]
pub(super) enum Said {
    Payload(Message),
    Refresh { history: Vec<u8>, credentials: Vec<u8> },
    Close,
}

/// One direction.
pub(super) struct Direction<'t, S> {
    /// By nonce: where it was recorded first, and what it says.
    pub(super) by_nonce: BTreeMap<u64, (&'t Tap, Said)>,
    /// What is not authentic or says nothing, and why.
    pub(super) failures: Vec<(&'t Tap, String)>,
    keys: Vec<Key>,
    suite: PhantomData<S>,
}

impl<'t, S: Suite> Direction<'t, S> {
    /// Decrypts everything that `sender` sent.
    pub(super) fn new(items: &[Item<'t>], sender: Side, key: Key) -> Self {
        let mut direction =
            Self { by_nonce: BTreeMap::new(), failures: Vec::new(), keys: vec![key], suite: PhantomData };
        for item in items.iter().filter(|item| item.part == Part::Data && item.sender == sender) {
            if let Err(sentence) = direction.read(item.tap) {
                direction.failures.push((item.tap, sentence));
            }
        }
        direction
    }

    fn read(&mut self, tap: &'t Tap) -> Result<(), String> {
        let nonce = nonce(tap).ok_or("it is shorter than a nonce and a tag")?;
        if let Some((first, _)) = self.by_nonce.get(&nonce) {
            return if first.payload() == tap.payload() {
                Ok(())
            } else {
                Err(format!("the nonce {nonce} is used for two messages"))
            };
        }
        let key = self.key(nonce / INTERVAL)?;
        let cipher = S::Cipher::new(key);
        let (text, tag) = tap.payload().get(8..).and_then(<[u8]>::split_last_chunk).ok_or("there is no tag")?;
        let mut text = text.to_vec();
        cipher.open(nonce, &[], &mut text, tag).map_err(|e| format!("it is not authentic: {e}"))?;
        let mut message = Message::raw(text, 0);
        let refused = |e: razor::Error| format!("what it says is refused: {e}");
        let said = match decode(&mut message, &Limits::DEFAULT, PaddingLimit::DEFAULT).map_err(refused)? {
            Plaintext::Payload => Said::Payload(message),
            Plaintext::RefreshCredentials { history, credentials } => {
                let part = |range: std::ops::Range<usize>| message.payload().get(range).unwrap_or_default().to_vec();
                Said::Refresh { history: part(history), credentials: part(credentials) }
            }
            Plaintext::Close => Said::Close,
        };
        self.by_nonce.insert(nonce, (tap, said));
        Ok(())
    }

    /// The key of an interval.
    fn key(&mut self, interval: u64) -> Result<&Key, String> {
        if interval >= INTERVALS {
            return Err("its nonce is far beyond any recording".into());
        }
        while self.keys.len() as u64 <= interval {
            let last = self.keys.last().ok_or("there is no key")?;
            self.keys.push(S::Cipher::new(last).renewed_key().map_err(|e| e.to_string())?);
        }
        self.keys.get(interval as usize).ok_or_else(|| "there is no key".into())
    }

    /// What an authentic message says.
    pub(super) fn of(&self, tap: &Tap) -> Option<(u64, &Said)> {
        let nonce = nonce(tap)?;
        let (first, said) = self.by_nonce.get(&nonce)?;
        (first.payload() == tap.payload()).then_some((nonce, said))
    }

    /// The address that the sender's channel has for applications: it stands in the return route of what the
    /// channel itself says.
    pub(super) fn encryptor(&self) -> Option<Address> {
        let own = |said: &Said| !matches!(said, Said::Payload(_));
        let (tap, _) = self.by_nonce.values().find(|(_, said)| own(said))?;
        tap.message.return_route().last().map(|address| address.to_owned())
    }
}

fn nonce(tap: &Tap) -> Option<u64> {
    if tap.payload().len() < 24 {
        return None;
    }
    tap.payload().first_chunk().map(|nonce| u64::from_be_bytes(*nonce))
}

/// The rule that a receiver follows, written down once more: the largest accepted nonce and all others.
#[derive(Default)]
pub(super) struct Rule {
    largest: u64,
    accepted: std::collections::BTreeSet<u64>,
    closed: bool,
}

impl Rule {
    /// Whether a receiver takes this message; if so it has taken it.
    pub(super) fn takes(&mut self, nonce: u64, said: &Said) -> bool {
        if self.closed || nonce.abs_diff(self.largest) > WINDOW || !self.accepted.insert(nonce) {
            return false;
        }
        self.largest = self.largest.max(nonce);
        self.closed = matches!(said, Said::Close);
        true
    }

    /// Whether the channel is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The receiver has closed the channel itself.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}
