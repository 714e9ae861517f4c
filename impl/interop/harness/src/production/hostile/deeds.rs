//! The deeds, as data: one thing that the specification forbids each, with the requirement that forbids it.

use razor::routing::{Address, Route};
use razor_vectors::own::forge::{self, Attestation, ChangeData, cbor, envelope, signed};

use super::Part;
use super::attacker::{Channel, OWN, message, to};
use super::papers::Person;
use crate::table::Outcome;

pub(super) struct Deed {
    pub(super) requirement: &'static str,
    pub(super) sentence: &'static str,
    pub(super) how: How,
}

/// Messages of a channel, as they are sent.
pub(super) type Ciphertexts = Vec<Vec<u8>>;

/// Where the deed is done.
pub(super) enum How {
    /// As the byte that opens the connection.
    Opening(u8),
    /// As a frame that carries this payload to the echo.
    Frame(fn(&[u8]) -> Vec<u8>),
    /// As bytes between two good frames.
    Between(Vec<u8>),
    /// As the first message of a handshake.
    Message1(Vec<u8>),
    /// As the second message of a handshake, made from a good one.
    Message2(fn(&mut Vec<u8>)),
    /// As what is presented.
    Presentation(fn(&Person) -> Vec<u8>),
    /// As the plaintext of a channel's message, made from a good one.
    Plaintext(fn(&[u8]) -> Vec<u8>),
    /// As messages of a channel that carry a good plaintext, of which at least one may not be accepted.
    Ciphertext(fn(&mut Channel, &[u8]) -> Outcome<Ciphertexts>),
}

impl How {
    /// Whether an attacker in this part does it. What is done to a connection is the same in both: it is done by who
    /// connects.
    pub(super) fn is_of(&self, part: Part) -> bool {
        match self {
            Self::Opening(_) | Self::Frame(_) | Self::Between(_) | Self::Message1(_) => part == Part::Initiator,
            Self::Message2(_) => part == Part::Responder,
            Self::Presentation(_) | Self::Plaintext(_) | Self::Ciphertext(_) => true,
        }
    }
}

pub(super) fn all() -> Vec<Deed> {
    let deed = |requirement, sentence, how| Deed { requirement, sentence, how };
    let frame = |requirement, sentence, body| deed(requirement, sentence, How::Frame(body));
    let papers = |requirement, sentence, present| deed(requirement, sentence, How::Presentation(present));
    let plain = |requirement, sentence, bad| deed(requirement, sentence, How::Plaintext(bad));
    let cipher = |requirement, sentence, bad| deed(requirement, sentence, How::Ciphertext(bad));
    vec![
        deed("TCP-1", "a connection is opened with the byte 02", How::Opening(2)),
        deed("TCP-3", "a frame has no bytes", How::Between(vec![0; 4])),
        deed("TCP-4", "a frame announces 16 MiB and one byte", How::Between(vec![1, 0, 0, 1])),
        frame("COD-1", "a transport message is an array of indefinite length", |payload| {
            let good = good(payload);
            [&[0x9f], &good[1..], &[0xff]].concat()
        }),
        frame("COD-2", "a transport message has a length in a wider form than it needs", |payload| {
            let good = good(payload);
            [&[0x98, 3], &good[1..]].concat()
        }),
        frame("COD-5", "a byte follows a transport message in its frame", |payload| [good(payload), vec![0]].concat()),
        frame("COD-3", "the tracing text of a transport message is a number", |payload| with(payload, &[&[7]])),
        frame("COD-7", "the tracing text of a transport message is not UTF-8", |payload| {
            with(payload, &[&[0x61, 0xff]])
        }),
        frame("EXT-1", "a transport message has five unknown items", |payload| {
            with(payload, &[&[0x60], &[7], &[7], &[7], &[7], &[7]])
        }),
        frame("COD-8", "an unknown item of a transport message is nested nine deep", |payload| {
            with(payload, &[&[0x60], &[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 7]])
        }),
        frame("RTE-3", "a return route has 70 addresses", |payload| {
            let back: Route = (0..70).map(|_| Address::from(OWN)).collect();
            message(&to("echo"), &back, payload)
        }),
        frame("RTE-2", "an address of a return route has 300 bytes", |payload| {
            message(&to("echo"), &to(&"a".repeat(300)), payload)
        }),
        deed("NOI-14", "message 1 has the point of order one", How::Message1(vec![0; 32])),
        deed("CHN-57", "message 1 has 31 bytes", How::Message1(vec![9; 31])),
        deed("NOI-14", "message 2 has the point of order one", How::Message2(|message| message[..32].fill(0))),
        deed("NOI-1", "message 2 has 95 bytes", How::Message2(|message| message.truncate(95))),
        deed("NOI-7", "a bit of message 2 is flipped", How::Message2(|message| message[40] ^= 1)),
        papers("COD-5", "a byte follows a presentation", |it| [it.presentation(), vec![0]].concat()),
        papers("COD-1", "a presentation is an array of indefinite length", |it| {
            [&[0x9f], &it.presentation()[1..], &[0xff]].concat()
        }),
        papers("COD-2", "a presentation has a length in a wider form than it needs", |it| {
            [&[0x98, 3], &it.presentation()[1..]].concat()
        }),
        papers("EXT-1", "a presentation has five unknown items", |it| {
            [&[0x88], &it.presentation()[1..], &[7; 5]].concat()
        }),
        papers("COD-2", "a signed attestation has a time in a wider form than it needs", |it| {
            let data = it.attestation();
            let mut bytes = data.encode();
            let at = bytes.len() - 10;
            let wide = |time: u64| [&[0x1b], &time.to_be_bytes()[..]].concat();
            bytes.truncate(at);
            bytes.extend([wide(data.created), wide(data.expires)].concat());
            it.present(&it.history(), &it.sign(&envelope(1, 2, &bytes)))
        }),
        papers("EXT-3", "a signed attestation has a sixth item", |it| {
            let mut bytes = it.attestation().encode();
            bytes[0] = 0x86;
            bytes.push(7);
            it.present(&it.history(), &it.sign(&envelope(1, 2, &bytes)))
        }),
        papers("PUR-1", "an attestation is of version 2", |it| {
            it.present(&it.history(), &it.sign(&envelope(2, 2, &it.attestation().encode())))
        }),
        papers("PUR-3", "an attestation names another subject", |it| {
            it.attesting(&Attestation { subject: razor::identity::Identifier([5; 32]), ..it.attestation() })
        }),
        papers("PUR-4", "an attestation names the change before the latest", |it| {
            let first = razor::vault::sha256(&it.change(it.old).signed());
            it.attesting(&Attestation { change: razor::identity::ChangeHash(first), ..it.attestation() })
        }),
        papers("PUR-5", "an attestation expires after the key that signed it", |it| {
            it.attesting(&Attestation { expires: it.now + 86_401, ..it.attestation() })
        }),
        papers("PUR-6", "an attestation was made before the key that signed it was valid", |it| {
            it.attesting(&Attestation { created: it.now - 1001, ..it.attestation() })
        }),
        papers("PUR-7", "an attestation is made in five minutes", |it| {
            it.attesting(&Attestation { created: it.now + 300, ..it.attestation() })
        }),
        papers("PUR-8", "an attestation has expired", |it| {
            it.attesting(&Attestation { expires: it.now - 10, ..it.attestation() })
        }),
        papers("PUR-9", "an attestation expires before it is made, both soon", |it| {
            it.attesting(&Attestation { created: it.now + 50, expires: it.now + 30, ..it.attestation() })
        }),
        papers("PUR-10", "an attestation is signed with the key before the latest", |it| {
            let data = it.attestation().signed();
            it.present(&it.history(), &signed(&data, &it.keys.sign(&it.old, &data), None))
        }),
        papers("CHN-8", "the attested key is not the one of the handshake", |it| {
            it.attesting(&Attestation { key: forge::static_key(&[9; 32]), ..it.attestation() })
        }),
        papers("CHN-8", "the attested key is for credentials", |it| {
            it.attesting(&Attestation { key: forge::signing_key(&it.new), ..it.attestation() })
        }),
        papers("PUR-22", "what stands among the credentials is a change", |it| {
            let change = it.sign(&it.change(it.new).signed());
            let attestation = it.sign(&it.attestation().signed());
            let credential = [&[0x82][..], &change, &attestation].concat();
            [&[0x83], &it.history()[..], &attestation, &[0x81], &credential].concat()
        }),
        papers("IDN-13", "the first change has a previous signature", |it| {
            let one = it.change(it.new).signed();
            let signature = it.keys.sign(&it.new, &one);
            let history = forge::history(&[signed(&one, &signature, Some(&signature))]);
            it.of_history(&history, &one, &one)
        }),
        papers("IDN-18", "an earlier change is valid until before it is valid", |it| {
            let odd = ChangeData { until: it.now - 2000, ..it.change(it.old) };
            let one = odd.signed();
            let two = it.change(it.new).after(&one).signed();
            it.of_history(&it.history_of(&odd, it.change(it.new)), &two, &one)
        }),
        papers("IDN-15", "a change is not signed by the key before it", |it| {
            let one = it.change(it.old).signed();
            let two = it.change(it.new).after(&one).signed();
            let own = it.keys.sign(&it.new, &two);
            let history =
                forge::history(&[signed(&one, &it.keys.sign(&it.old, &one), None), signed(&two, &own, Some(&own))]);
            it.of_history(&history, &two, &one)
        }),
        plain("CHN-40", "a byte follows the plaintext of a message", |good| [good, &[0]].concat()),
        plain("CHN-40", "the plaintext of a message is an array of indefinite length", |good| {
            [&[0x9f], &good[1..], &[0xff]].concat()
        }),
        plain("CHN-40", "the plaintext of a message has a length in a wider form than it needs", |good| {
            [&[0x98, 2], &good[1..]].concat()
        }),
        plain("CHN-40", "the plaintext of a message has a third item", |good| [&[0x83], &good[1..], &[7]].concat()),
        plain("CHN-41", "a message has 65536 bytes of padding", |good| {
            let padding = cbor(|e| {
                e.bytes(&vec![0; 65_536]).expect("memory takes everything");
            });
            [&good[..good.len() - 1], &padding].concat()
        }),
        cipher("CHN-14", "a message is repeated", |channel, good| {
            let message = channel.seal(good)?;
            Ok(vec![message.clone(), message])
        }),
        cipher("CHN-32", "a nonce is 33 above the largest", |channel, good| {
            for _ in 0..32 {
                channel.seal(good)?;
            }
            Ok(vec![channel.seal(good)?])
        }),
        cipher("CHN-39", "a bit of a message is flipped", |channel, good| {
            let mut message = channel.seal(good)?;
            message[40] ^= 1;
            Ok(vec![message])
        }),
    ]
}

/// A transport message to the echo, without tracing text.
fn good(payload: &[u8]) -> Vec<u8> {
    message(&to("echo"), &to(OWN), payload)
}

/// The same with more items.
fn with(payload: &[u8], items: &[&[u8]]) -> Vec<u8> {
    let mut bytes = good(payload);
    bytes[0] += items.len() as u8;
    bytes.extend(items.concat());
    bytes
}
