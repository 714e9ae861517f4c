//! Nonces: what an encryptor counts, and which of them a decryptor takes, whatever overtakes what and however long the
//! channel is silent meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use razor::channel::{Decryptor, Encryptor, Input};
use razor::error::{Error, Result as Handled};
use razor::machine::Machine as _;
use razor::routing::{Message, Route};
use razor::vault::null::{Checksum, NullAgreement, NullCipher};
use razor::vault::suite::Suite;
use razor::vault::{Cipher, Key, Tag};
use zeroize::ZeroizeOnDrop;

use crate::checker::Property;
use crate::seed::{Seed, Stream};

use super::machine::{self, Alone};
use super::pair::APP;
use super::{Fault, Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 120;

/// How far a nonce may be from the greatest that was accepted, and how many messages a key is for.
const WINDOW: u64 = 32;

/// Longer than anybody keeps what can be made anew.
const SILENCE: Duration = Duration::from_secs(61);

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("nonces");
    let mut ends = machine::open(seed, ["who sends", "who is sent to"], |_, config| config)?;
    if random.below(2) == 0 {
        ends.reverse();
    }
    let [sends, takes] = ends;
    let mut scene = Nonces { sends, takes, random, next: 0, kept: Vec::new(), accepted: BTreeSet::new(), greatest: 0 };
    for _ in 0..LINES {
        scene.line()?;
    }
    refused(seed)
}

struct Nonces {
    sends: Alone,
    takes: Alone,
    random: Stream,
    /// How many messages were sent.
    next: u64,
    /// What was sent. It stays: each may come more than once.
    kept: Vec<(u64, Message)>,
    accepted: BTreeSet<u64>,
    greatest: u64,
}

impl Nonces {
    fn line(&mut self) -> Outcome {
        match self.random.below(10) {
            0..=1 => {
                let nonce = self.send()?;
                self.come(nonce)
            }
            2 => {
                for _ in 0..self.random.within(1..=12) {
                    self.send()?;
                }
                Ok(())
            }
            3 => self.silence(),
            4..=8 => {
                // Near the edges of what is accepted, on this side or that.
                let far = [1, 2, WINDOW - 1, WINDOW, WINDOW + 1, self.random.within(1..=WINDOW)][self.random.index(6)];
                let below = self.random.below(3) > 0;
                let nonce = if below { self.greatest.checked_sub(far) } else { Some(self.greatest + far) };
                nonce.map_or(Ok(()), |nonce| self.come(nonce))
            }
            _ => self.come(self.greatest),
        }
    }

    /// A message leaves with the next nonce, and does not come yet.
    fn send(&mut self) -> Result<u64, Fault> {
        let nonce = self.next;
        let words = Message::new(Route::from_iter([APP]).as_ref(), Route::new().as_ref(), &nonce.to_be_bytes());
        self.sends.must(Input::Send(words))?;
        let message = self.sends.hear()?;
        demand(message.payload().starts_with(&nonce.to_be_bytes()), Property::Conformance, || {
            format!("the message after {nonce} others has not that nonce")
        })?;
        self.kept.push((nonce, message));
        self.next += 1;
        Ok(nonce)
    }

    /// The message with this nonce comes, once or again, if it was sent.
    fn come(&mut self, nonce: u64) -> Outcome {
        let found = self.kept.iter().find(|(sent, _)| *sent == nonce);
        let Some(message) = found.map(|(_, message)| message.clone()) else { return Ok(()) };
        let right = nonce.abs_diff(self.greatest) <= WINDOW && !self.accepted.contains(&nonce);
        self.takes.got.clear();
        let taken = self.takes.give(Input::Receive(message)).is_ok();
        demand(taken == right, Property::AtMostOnce, || {
            let again = if self.accepted.contains(&nonce) { ", again," } else { "" };
            format!("after the nonce {} a message with {nonce} came{again} and was taken: {taken}", self.greatest)
        })?;
        if taken {
            demand(self.takes.got == [nonce.to_be_bytes()], Property::Authenticity, || {
                format!("a message with the nonce {nonce} came out as {:?}", self.takes.got)
            })?;
            self.accepted.insert(nonce);
            self.greatest = self.greatest.max(nonce);
        }
        Ok(())
    }

    /// Nobody says anything for more than a minute.
    fn silence(&mut self) -> Outcome {
        for end in [&mut self.sends, &mut self.takes] {
            let until = end.now + SILENCE;
            while let Some(due) = end.channel.deadline().filter(|due| due.at <= until) {
                end.wait_until(due.at);
            }
            end.wait_until(until);
        }
        Ok(())
    }
}

/// A suite whose cipher refuses some texts, as every cipher refuses those that are too long.
#[derive(Debug, Clone, Copy)]
struct Picky;

impl Suite for Picky {
    const NAME: &'static str = "NULL_XX_REFUSES_WHAT_BEGINS_WITH";
    type Agreement = NullAgreement;
    type Cipher = PickyCipher;
    type Hash = Checksum;
}

struct PickyCipher(NullCipher);

/// How a text begins that is refused.
const UNFIT: u8 = 0xff;

impl Cipher for PickyCipher {
    fn new(key: &Key) -> Self {
        Self(NullCipher::new(key))
    }

    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Handled<Tag> {
        if text.first() == Some(&UNFIT) {
            return Err(Error::limit("VLT-9", "a text is too long to be encrypted"));
        }
        self.0.seal(nonce, data, text)
    }

    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Handled<()> {
        self.0.open(nonce, data, text, tag)
    }

    fn renewed_key(&self) -> Handled<Key> {
        self.0.renewed_key()
    }
}

impl ZeroizeOnDrop for PickyCipher {}

/// What an encryptor refuses costs no nonce and no key, at the beginning, in the midst or where the key is renewed.
fn refused(seed: Seed) -> Outcome {
    let mut random = seed.stream("what an encryptor refuses");
    let key = seed.derive("what an encryptor begins with");
    let (mut sealer, mut opener) = (Encryptor::<Picky>::new(Key::new(key)), Decryptor::<Picky>::new(Key::new(key)));
    let text = |bytes: &[u8]| Message::new(Route::new().as_ref(), Route::new().as_ref(), bytes);
    for number in 0..3 * WINDOW {
        let often = if number % WINDOW < 2 { 2 } else { random.below(8).saturating_sub(5) };
        for _ in 0..often {
            let mut unfit = text(&[UNFIT; 9]);
            let sealed = sealer.seal(&mut unfit).is_ok();
            demand(!sealed && unfit.payload() == [UNFIT; 9], Property::Conformance, || {
                "a text was sealed that the cipher refuses, or is another now".into()
            })?;
            if random.below(3) == 0 {
                sealer.shrink();
            }
        }
        let words = number.to_be_bytes();
        let mut message = text(&words);
        let nonce = sealer.seal(&mut message).map_err(|_| fault(Property::Liveness, "a good text is refused"))?;
        let opened = opener.open(&mut message);
        demand(nonce == number && opened == Ok(number) && message.payload() == words, Property::Conformance, || {
            format!("after {number} messages, and others that were refused, the nonce is {nonce}: {:?}", opened.err())
        })?;
    }
    Ok(())
}
