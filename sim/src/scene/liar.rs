//! A liar who writes its side of a handshake in its own hand, as the chapter "Noise" says and no further: messages as long
//! as may be and longer, and keys that nobody may have. And the longest presentation that there is.

use razor::channel::{Config, Input, State};
use razor::env::{Seeded, Timestamp};
use razor::identity::{
    AttestationDraft, Identity, PURPOSE_KEY_VALIDITY, PresentationLimits, PresentedCredential, PurposeKey,
};
use razor::noise::initiator::AwaitsMessage2;
use razor::noise::responder::{AwaitsMessage3, NeedsStaticDh};
use razor::vault::null::{Checksum, NullCipher, NullSuite};
use razor::vault::suite::Suite as _;
use razor::vault::{Cipher as _, Hash as _, Key, PublicKey, SharedSecret};
use razor::wire::cbor::Encoder;

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::machine::Alone;
use super::pair::Papers;
use super::{Fault, Outcome, demand, fault};

/// The most bytes of a message, and the bytes of each that are no payload.
const MOST: usize = 65_535;
const AROUND: [usize; 3] = [32, 96, 64];

/// The most bytes that a party presents.
const PRESENTED: usize = MOST - AROUND[1];

/// What both sides have mixed so far, of which neither knows more than what goes over the wire: public keys agree on what
/// they differ in.
#[derive(Clone)]
struct Hand {
    h: [u8; 32],
    ck: Key,
    k: Key,
    n: u64,
}

impl Hand {
    fn new() -> Self {
        let name = NullSuite::NAME.as_bytes().try_into().expect("a name of 32 bytes");
        let mut hand = Self { h: name, ck: Key::new(name), k: Key::new([0; 32]), n: 0 };
        hand.mix(&[]);
        hand
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.h = Checksum::hash(&[&self.h, bytes]);
    }

    fn agree(&mut self, [one, other]: [&PublicKey; 2]) {
        let (ck, k) = Checksum::hkdf(&self.ck, &shared([one, other]).0);
        (self.ck, self.k, self.n) = (ck, k, 0);
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        let tag = NullCipher::new(&self.k).seal(self.n, &self.h, &mut text).expect("a short text");
        text.extend(tag);
        self.pass(&text);
        text
    }

    /// What was sealed by the other side, whose texts anybody can read.
    fn pass(&mut self, sealed: &[u8]) {
        self.mix(sealed);
        self.n += 1;
    }
}

/// What two keys share.
fn shared([one, other]: [&PublicKey; 2]) -> SharedSecret {
    let mut shared = one.0;
    shared.iter_mut().zip(other.0).for_each(|(own, other)| *own ^= other);
    SharedSecret(shared)
}

/// A key that a correct peer could have.
fn good(random: &mut Stream) -> PublicKey {
    let mut key: [u8; 32] = random.bytes(32).try_into().expect("32 bytes");
    key[31] &= 0x3f;
    PublicKey(key)
}

/// A key that nobody may have: of small order, or not the one encoding of its number.
fn bad(random: &mut Stream) -> PublicKey {
    // 2^255 - 19, which is zero, and what follows it.
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let with_first = |mut bytes: [u8; 32], first| {
        bytes[0] = first;
        PublicKey(bytes)
    };
    match random.below(8) {
        0 => with_first([0; 32], 0),
        1 => with_first([0; 32], 1),
        2 => with_first(prime, 0xec),
        3 => PublicKey(
            *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
        ),
        4 => PublicKey(
            *b"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
        ),
        5 => with_first(prime, 0xed + random.below(19) as u8),
        // The highest bit belongs to no number.
        _ => {
            let mut key = good(random);
            key.0[31] |= 0x80;
            key
        }
    }
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("a liar's handshakes");
    let long = random.below(6);
    for number in 0..6 {
        let length = |message: usize, which| {
            // One length of six in each play: a message of that length costs as much as hundreds.
            let (most, short) = (MOST - AROUND[message], [0, 1, 100][which]);
            if number == long { [most, most + 1] } else { [short, short + 1] }
        };
        match number {
            0 | 1 => reads(&mut random, length(1, 2), number == 0)?,
            2 | 3 => answers(&mut random, length(2, 2), number == 2)?,
            _ => begins(&mut random, length(0, number as usize - 4), number == 4)?,
        }
    }
    presents(seed, &mut random)
}

/// Whether a message of so many bytes around and in its payload may be read or written.
fn fits(message: usize, payload: usize) -> bool {
    AROUND[message] + payload <= MOST
}

/// A handshake message was refused as it must be, or taken as it must be.
fn judge(taken: bool, right: bool, what: impl FnOnce() -> String) -> Outcome {
    demand(taken == right, Property::Conformance, || {
        format!("{} was {}", what(), if taken { "not refused" } else { "refused" })
    })
}

fn unread(message: u8) -> Fault {
    fault(Property::Conformance, format!("message {message} is not what the specification says"))
}

fn key(bytes: &[u8]) -> PublicKey {
    PublicKey(bytes[..32].try_into().expect("32 bytes"))
}

/// An initiator reads message 2 and writes message 3.
fn reads(random: &mut Stream, payloads: [usize; 2], long_2: bool) -> Outcome {
    let (own, mut entropy) = (good(random), Seeded::new(random.bytes(32).try_into().expect("32 bytes")));
    let (initiator, message_1) = AwaitsMessage2::<NullSuite>::start(own, &mut entropy);
    let e = key(&message_1);
    let mut begun = Hand::new();
    begun.mix(&message_1);
    begun.mix(&[]);
    let message_2 = |re: PublicKey, rs: PublicKey, payload: &[u8]| {
        let mut hand = begun.clone();
        hand.mix(&re.0);
        hand.agree([&e, &re]);
        let s = hand.seal(&rs.0);
        hand.agree([&e, &rs]);
        let payload = hand.seal(payload);
        (hand, [&re.0[..], &s, &payload].concat())
    };
    let (re, rs) = (good(random), good(random));
    for (re, rs) in [(re, bad(random)), (bad(random), rs)] {
        let taken = initiator.read_message_2(&message_2(re, rs, b"hello").1).is_ok();
        judge(taken, false, || format!("a message 2 with the keys {re:02x?} and {rs:02x?}"))?;
    }
    let lengths = if long_2 { payloads } else { [7, 8] };
    // What is refused leaves no mark: so the longer one comes first.
    let mut read = Err(unread(2));
    let mut hand = begun.clone();
    for length in [lengths[1], lengths[0]] {
        let payload = vec![7; length];
        let (after, message) = message_2(re, rs, &payload);
        let got = initiator.read_message_2(&message);
        judge(got.is_ok(), fits(1, length), || format!("a message 2 of {} bytes", message.len()))?;
        if let Ok((next, got)) = got {
            demand(got == payload, Property::Conformance, || "the payload of message 2 is another".into())?;
            (read, hand) = (Ok(next), after);
        }
    }
    let next = read?;
    // As much less is around the payload of message 3.
    let lengths = if long_2 { [7, 8] } else { payloads.map(|length| length + AROUND[1] - AROUND[2]) };
    for length in [lengths[1], lengths[0]] {
        let payload = vec![7; length];
        let written = next.clone().write_message_3(&shared([&own, &re]), &payload);
        judge(written.is_ok(), fits(2, length), || format!("a payload of {length} bytes for message 3"))?;
        let mut hand = hand.clone();
        if let Ok((_, message)) = written {
            let s = hand.seal(&own.0);
            hand.agree([&own, &re]);
            let right = [s, hand.seal(&payload)].concat();
            demand(message == right, Property::Conformance, || "message 3 is not what the specification says".into())?;
        }
    }
    Ok(())
}

/// A responder that has answered a message 1; its static key, and what both have mixed.
fn answered(
    random: &mut Stream,
    e: PublicKey,
    payload: &[u8],
    lengths: [usize; 2],
) -> Result<(AwaitsMessage3<NullSuite>, PublicKey, Hand), Fault> {
    let (own, mut entropy) = (good(random), Seeded::new(random.bytes(32).try_into().expect("32 bytes")));
    let message_1 = [&e.0, payload].concat();
    let read = NeedsStaticDh::<NullSuite>::read_message_1(own, &mut entropy, &message_1);
    let (responder, got) = read.map_err(|_| unread(1))?;
    demand(got == payload, Property::Conformance, || "the payload of message 1 is another".into())?;
    let mut answer = Err(unread(2));
    for length in [lengths[1], lengths[0]] {
        let said = vec![7; length];
        let written = responder.clone().write_message_2(&shared([&own, &e]), &said);
        judge(written.is_ok(), fits(1, length), || format!("a payload of {length} bytes for message 2"))?;
        let Ok((next, message)) = written else { continue };
        let re = key(&message);
        let mut hand = Hand::new();
        hand.mix(&e.0);
        hand.mix(payload);
        hand.mix(&re.0);
        hand.agree([&e, &re]);
        let s = hand.seal(&own.0);
        hand.agree([&e, &own]);
        let right = [&re.0[..], &s, &hand.seal(&said)].concat();
        demand(message == right, Property::Conformance, || "message 2 is not what the specification says".into())?;
        answer = Ok((next, re, hand));
    }
    answer
}

/// A responder writes message 2 and reads message 3.
fn answers(random: &mut Stream, payloads: [usize; 2], long_3: bool) -> Outcome {
    let lengths = if long_3 { [7, 8] } else { payloads.map(|length| length + AROUND[2] - AROUND[1]) };
    let (e, s) = (good(random), good(random));
    let (responder, re, hand) = answered(random, e, b"", lengths)?;
    let message_3 = |s: PublicKey, payload: &[u8]| {
        let mut hand = hand.clone();
        let sealed = hand.seal(&s.0);
        hand.agree([&s, &re]);
        [sealed, hand.seal(payload)].concat()
    };
    let weak = bad(random);
    let taken = responder.read_message_3(&message_3(weak, b"hello")).is_ok();
    judge(taken, false, || format!("a message 3 with the key {weak:02x?}"))?;
    for length in if long_3 { [payloads[1], payloads[0]] } else { [8, 7] } {
        let payload = vec![7; length];
        let message = message_3(s, &payload);
        let got = responder.read_message_3(&message);
        judge(got.is_ok(), fits(2, length), || format!("a message 3 of {} bytes", message.len()))?;
        if let Ok((finished, got)) = got {
            let right = got == payload && finished.remote_static == s;
            demand(right, Property::Conformance, || "what message 3 says is another".into())?;
        }
    }
    Ok(())
}

/// A message 1 with a payload, which nodes neither send nor refuse: it is written and read.
fn begins(random: &mut Stream, payloads: [usize; 2], writes: bool) -> Outcome {
    let weak = bad(random);
    let mut entropy = Seeded::new(random.bytes(32).try_into().expect("32 bytes"));
    let own = good(random);
    let mut reads = |message: &[u8]| NeedsStaticDh::<NullSuite>::read_message_1(own, &mut entropy, message).is_ok();
    judge(reads(&weak.0), false, || format!("a message 1 with the key {weak:02x?}"))?;
    for length in payloads {
        let payload = vec![7; length];
        if writes {
            let mut entropy = Seeded::new(random.bytes(32).try_into().expect("32 bytes"));
            let written = AwaitsMessage2::<NullSuite>::start_with_payload(own, &mut entropy, &payload);
            judge(written.is_ok(), fits(0, length), || format!("a payload of {length} bytes for message 1"))?;
            let other = written.is_ok_and(|(_, message)| message[32..] != payload);
            demand(!other, Property::Conformance, || "message 1 does not end with its payload".into())?;
        } else if fits(0, length) {
            let e = good(random);
            answered(random, e, &payload, [7, 8])?;
        } else {
            let message = [&good(random).0, &payload[..]].concat();
            judge(reads(&message), false, || format!("a message 1 of {} bytes", message.len()))?;
        }
    }
    Ok(())
}

/// A credential of so many bytes with its issuer's attestation, which somebody shows: nobody verifies it here.
fn credential(bytes: usize, attestation: &[u8]) -> PresentedCredential {
    let encoded = |content: usize| {
        let mut signed = Encoder::new(Vec::new());
        _ = signed.array(3).and_then(|e| e.u8(1)).and_then(|e| e.u8(3)).and_then(|e| e.bytes(&vec![7; content]));
        let mut encoder = Encoder::new(Vec::new());
        _ = encoder.array(2).and_then(|e| e.array(2)).and_then(|e| e.bytes(&signed.into_writer()));
        _ = encoder.array(2).and_then(|e| e.u8(0)).and_then(|e| e.array(1)).and_then(|e| e.bytes(&[7; 64]));
        [encoder.into_writer(), attestation.to_vec()].concat()
    };
    // All lengths in it have heads of three bytes: so it is longer by what it is to be longer.
    let least = 1_000;
    let content = least + bytes - encoded(least).len();
    PresentedCredential::decode(&encoded(content), bytes).expect("the form of a credential")
}

/// As much as may be presented is presented, and read; and no byte more.
fn presents(seed: Seed, random: &mut Stream) -> Outcome {
    let liar = Papers::new(seed, "who presents much");
    let identity = Identity::import(&liar.history, None).expect("its own history");
    let fixed = PurposeKey::SecureChannelStatic(*liar.config.static_key());
    let then = Timestamp(BEGIN - 1);
    let draft = AttestationDraft::new(&identity, fixed, then, then.plus(PURPOSE_KEY_VALIDITY));
    let attestation = draft.sign_with(&liar.vault).expect("its own key");
    let of = |total: usize| {
        // Four or more, none of which is longer than may be.
        let count = 4 + (seed.0 % 12) as usize;
        let mut left = total - liar.config.presentation().len();
        let credentials: Vec<_> = (0..count)
            .map(|number| {
                let some = if number + 1 == count { left } else { left / (count - number) };
                left -= some;
                credential(some, attestation.export())
            })
            .collect();
        Config::new(&identity, &attestation, &credentials, then)
    };
    for total in [PRESENTED + 1, PRESENTED] {
        let config = of(total);
        demand(config.is_ok() == (total <= PRESENTED), Property::Bounds, || {
            format!("of {PRESENTED} bytes that may be presented, {total} were: {:?}", config.err())
        })?;
    }
    // It costs as much as all else that is said here.
    if random.below(3) > 0 {
        return Ok(());
    }
    let much = of(PRESENTED).expect("as much as may be");
    let limits = |mut config: Config| {
        config.presentation_limits = PresentationLimits::CEILING;
        config
    };
    let mut initiator = Alone::initiator(seed, "who takes much", limits);
    let message_1 = initiator.hear()?;
    let presenting = |config: Config| config.presenting(much.presentation().to_vec());
    let mut responder = Alone::responder(seed, "who presents much", presenting, &message_1)?;
    let message_2 = responder.hear()?;
    demand(message_2.payload().len() == MOST, Property::Bounds, || {
        format!("the longest message 2 has {} bytes", message_2.payload().len())
    })?;
    initiator.must(Input::Receive(message_2))?;
    initiator.answer_known(&responder.papers.name, None)?;
    initiator.answer_stored()?;
    initiator.answer_vault()?;
    let state = initiator.channel.state();
    demand(state == State::Open, Property::Liveness, || format!("the longest message 2 left a channel {state:?}"))
}
