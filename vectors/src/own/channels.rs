//! Secure channels: handshakes with identities, messages around a renewal of keys, what a receiver takes and what
//! it refuses, and plaintexts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use razor::Error;
use razor::channel::{
    self, Addresses, Channel, Config, Decryptor, Encryptor, Event, Output, Padding, PaddingLimit, Plaintext,
};
use razor::env::{Env, Instant, Timestamp};
use razor::identity::{MemoryStore, Presentation, PresentationLimits};
use razor::machine::Machine;
use razor::node::{Answer, Request};
use razor::routing::{Address, Limits, Message, Route};
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Cipher, Key, SoftwareVault};

use super::forge::{ChangeData, Keys, cbor, history, signed};
use super::noise::{self, Secrets};
use super::presentations::{Subject, credential};
use super::{Kind, Meant, Outcome, bad, check, generate, good, tcp};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "channels",
        name: "channel",
        committed: include_str!("../../channels/channel.json"),
        generate: || generate("channel", "Handshakes with identities in their payloads.", channels(), establish),
        check: |kind, text, progress| check(kind, text, progress, establish),
    },
    Kind {
        layer: "channels",
        name: "message",
        committed: include_str!("../../channels/message.json"),
        generate: || generate("message", "Messages on both sides of each renewal of keys.", messages(), seal),
        check: |kind, text, progress| check(kind, text, progress, seal),
    },
    Kind {
        layer: "channels",
        name: "reception",
        committed: include_str!("../../channels/reception.json"),
        generate: || generate("reception", "What a receiver takes, and what it refuses.", receptions(), receive),
        check: |kind, text, progress| check(kind, text, progress, receive),
    },
    Kind {
        layer: "channels",
        name: "plaintext",
        committed: include_str!("../../channels/plaintext.json"),
        generate: || generate("plaintext", "What stands under the encryption.", plaintexts(), plaintext),
        check: |kind, text, progress| check(kind, text, progress, plaintext),
    },
];

/// A handshake under the suite with AES-256, up to the verdict of one side on the other.
#[derive(Debug, Serialize, Deserialize)]
struct Handshake {
    initiator: Secrets,
    responder: Secrets,
    /// What the responder presents, in message 2.
    payload_2: Hex,
    /// What the initiator presents, in message 3.
    payload_3: Hex,
    /// Who judges the other.
    judge: Judge,
    /// Its clock, in seconds since the Unix epoch.
    now: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Judge {
    Initiator,
    Responder,
}

/// The judge's machine, its vault and its store.
struct Court<'a> {
    machine: Channel<Aes256GcmSha256>,
    vault: SoftwareVault,
    store: MemoryStore,
    secrets: &'a Secrets,
    now: Timestamp,
    sent: Vec<Message>,
    events: Vec<Event>,
}

impl Court<'_> {
    fn input(&mut self, input: channel::Input) -> Result<(), Error> {
        let mut secrets = self.secrets;
        let mut env = Env::new(Instant::ZERO, self.now, &mut secrets);
        self.machine.handle(&mut env, input).map_err(|refused| refused.into_error("CHN-21"))?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut answers = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Transmit(message) => self.sent.push(message),
                Output::Event(Event::Failed(error)) => return Err(error),
                Output::Event(event) => self.events.push(event),
                Output::Deliver(_) => {}
                Output::Request { ticket, request, .. } => {
                    let answer = match request {
                        Request::Vault(request) => Answer::Vault(self.vault.answer(&request)),
                        Request::Store(request) => Answer::Store(self.store.answer(&request)),
                    };
                    answers.push(channel::Input::Answer(ticket, answer));
                }
            }
        }
        answers.into_iter().try_for_each(|answer| self.input(answer))
    }
}

/// The configuration of a party that presents `payload`.
fn config(payload: &Hex, now: u64) -> Result<Arc<Config>, Error> {
    let presentation = Presentation::decode(payload, &PresentationLimits::DEFAULT)?;
    let config = Config::new(
        presentation.claimed_identity(),
        presentation.attestation(),
        presentation.credentials(),
        Timestamp(now),
    )?;
    Ok(Arc::new(config))
}

fn addresses(decryptor: &str) -> Addresses {
    Addresses { decryptor: Address::local(decryptor), encryptor: Address::local("encryptor") }
}

fn establish(input: &Handshake) -> Outcome {
    let Handshake { initiator, responder, payload_2, payload_3, judge, now } = input;
    // Noise alone carries any payload.
    let run = noise::channel(initiator, responder, payload_2, payload_3)?;
    let routed = |to: &str, from: &str, payload: &[u8]| {
        let (to, from) = (Route::new().then(Address::local(to)), Route::new().then(Address::local(from)));
        Message::new(to.as_ref(), from.as_ref(), payload)
    };
    let [message_1, message_2, message_3] = &run.messages;
    let message_1 = routed("api", "alice", message_1);
    let (own, secrets) = match judge {
        Judge::Initiator => (payload_3, initiator),
        Judge::Responder => (payload_2, responder),
    };
    let config = config(own, *now)?;
    let mut entropy = secrets;
    let mut env = Env::new(Instant::ZERO, Timestamp(*now), &mut entropy);
    let machine = match judge {
        Judge::Initiator => {
            let route = Route::new().then(Address::local("api"));
            Channel::initiate(&mut env, config, addresses("alice"), &route)
        }
        Judge::Responder => Channel::respond(&mut env, config, addresses("bob"), &message_1)?,
    };
    let mut court = Court {
        machine,
        vault: secrets.vault().0,
        store: MemoryStore::new(MemoryStore::DEFAULT_LIMIT),
        secrets,
        now: Timestamp(*now),
        sent: Vec::new(),
        events: Vec::new(),
    };
    court.drain()?;
    court.input(channel::Input::Receive(match judge {
        Judge::Initiator => routed("alice", "bob", message_2),
        Judge::Responder => routed("bob", "alice", message_3),
    }))?;
    let peer = court.events.iter().find_map(|event| match event {
        Event::Opened(peer) => Some(peer.to_string()),
        _ => None,
    });
    let sent: Vec<&[u8]> = court.sent.iter().map(Message::payload).collect();
    let expected: Vec<&[u8]> = match judge {
        Judge::Initiator => vec![message_1.payload(), message_3],
        Judge::Responder => vec![message_2],
    };
    assert_eq!(sent, expected, "the machine sends what Noise sends");
    Ok(json!({
        "messages": run.messages.map(Hex),
        "initiator_sends_with": Hex::from(run.initiator.send.as_bytes()),
        "responder_sends_with": Hex::from(run.responder.send.as_bytes()),
        "peer": peer,
    }))
}

fn channels() -> Vec<Meant<Handshake>> {
    const NOW: u64 = super::presentations::NOW;
    let (alice, bob, mallory) = (Subject::new(1, 2), Subject::new(3, 4), Subject::new(5, 6));
    // Every subject attests the static key of 32 bytes 09.
    let secrets = |ephemeral: u8| Secrets::of(9, ephemeral);
    let by = |judge: Judge| Handshake {
        initiator: secrets(2),
        responder: secrets(4),
        payload_2: Hex(bob.presentation(&bob.sign(&bob.data()))),
        payload_3: Hex(alice.presentation(&alice.sign(&alice.data()))),
        judge,
        now: NOW,
    };
    let mut cases = Vec::new();
    for (judge, who) in [(Judge::Initiator, "the responder"), (Judge::Responder, "the initiator")] {
        let presents = |payload: Vec<u8>| match judge {
            Judge::Initiator => Handshake { payload_2: Hex(payload), ..by(judge) },
            Judge::Responder => Handshake { payload_3: Hex(payload), ..by(judge) },
        };
        let another_key = match judge {
            Judge::Initiator => Handshake { responder: Secrets::of(8, 4), ..by(judge) },
            Judge::Responder => Handshake { initiator: Secrets::of(8, 2), ..by(judge) },
        };
        let subject = if judge == Judge::Initiator { &bob } else { &alice };
        let right = || subject.sign(&subject.data());
        let late = {
            let data = super::forge::Attestation { expires: NOW - 1, ..subject.data() };
            subject.sign(&data)
        };
        cases.push(good(&format!("{who} is who it says"), by(judge)));
        cases.push(bad(&format!("{who} uses another static key than it attests"), "PUR-15", another_key));
        cases.push(bad(
            &format!("{who} presents the papers of another with that one's attestation of another change"),
            "PUR-3",
            presents(mallory.presentation(&right())),
        ));
        cases.push(bad(
            &format!("{who} signs its attestation with another's key"),
            "PUR-10",
            presents(subject.presentation(&mallory.sign(&subject.data()))),
        ));
        cases.push(bad(
            &format!("{who} signs its attestation with the key that it has rotated out"),
            "PUR-10",
            presents(subject.presentation(&subject.sign_with_the_old_key(&subject.data()))),
        ));
        cases.push(bad(
            &format!("the attestation of {who} has expired"),
            "PUR-8",
            presents(subject.presentation(&late)),
        ));
        cases.push(bad(&format!("{who} presents nothing"), "COD-4", presents(vec![])));
        cases.push(bad(
            &format!("a byte follows what {who} presents"),
            "COD-5",
            presents([subject.presentation(&right()), vec![0]].concat()),
        ));
    }
    cases
}

/// Messages of one direction.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    suite: String,
    /// The first key of the direction.
    key: Hex,
    /// Every message has this plaintext.
    plaintext: Hex,
    /// Which messages are shown; the others are sent too.
    nonces: Vec<u64>,
}

fn seal(input: &Sealed) -> Outcome {
    match input.suite.as_str() {
        Aes256GcmSha256::NAME => seal_with::<Aes256GcmSha256>(input),
        Aes128GcmSha256::NAME => seal_with::<Aes128GcmSha256>(input),
        _ => seal_with::<ChaChaPolyBlake2s>(input),
    }
}

fn seal_with<S: Suite>(input: &Sealed) -> Outcome {
    let mut key = Key::new(input.key.array().expect("32 bytes"));
    let mut encryptor = Encryptor::<S>::new(key.clone());
    let mut shown: Vec<Value> = Vec::new();
    for nonce in 0..=input.nonces.iter().copied().max().unwrap_or(0) {
        if nonce > 0 && nonce % 32 == 0 {
            key = S::Cipher::new(&key).renewed_key()?;
        }
        let mut message = Message::raw(input.plaintext.to_vec(), 0);
        encryptor.seal(&mut message)?;
        if input.nonces.contains(&nonce) {
            shown.push(json!({
                "nonce": nonce,
                "key": Hex::from(key.as_bytes()),
                "message": Hex::from(message.payload()),
            }));
        }
    }
    Ok(json!({ "messages": shown }))
}

fn messages() -> Vec<Meant<Sealed>> {
    let of = |suite: &str, plaintext: Vec<u8>| Sealed {
        suite: suite.into(),
        key: [7; 32].into(),
        plaintext: Hex(plaintext),
        nonces: vec![0, 1, 31, 32, 33, 63, 64, 95, 96, 255, 256],
    };
    vec![
        good("AES-256", of(Aes256GcmSha256::NAME, payload("echo", "app", b"hello"))),
        good("AES-256, Close", of(Aes256GcmSha256::NAME, channel::encode_close(Padding::None))),
        good("AES-128", of(Aes128GcmSha256::NAME, payload("echo", "app", b"hello"))),
        good("ChaChaPoly", of(ChaChaPolyBlake2s::NAME, payload("echo", "app", b"hello"))),
        good("a plaintext of nothing", of(Aes256GcmSha256::NAME, vec![])),
    ]
}

/// A receiver and what arrives, one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Reception {
    suite: String,
    /// The first key of the direction.
    key: Hex,
    /// What arrives before: all of it is taken.
    before: Vec<Hex>,
    /// What arrives after that and is refused: it changes nothing.
    refused: Vec<Hex>,
    /// What arrives then.
    message: Hex,
}

fn receive(input: &Reception) -> Outcome {
    let mut decryptor = Decryptor::<Aes256GcmSha256>::new(Key::new(input.key.array().expect("32 bytes")));
    let mut open = |bytes: &Hex| {
        let mut message = Message::raw(bytes.to_vec(), 0);
        decryptor.open(&mut message).map(|nonce| json!({ "nonce": nonce, "plaintext": Hex::from(message.payload()) }))
    };
    for bytes in &input.before {
        open(bytes).expect("what arrives before is taken");
    }
    for bytes in &input.refused {
        open(bytes).expect_err("what arrives in between is refused");
    }
    open(&input.message)
}

fn receptions() -> Vec<Meant<Reception>> {
    let key = Key::new([7; 32]);
    let mut encryptor = Encryptor::<Aes256GcmSha256>::new(key.clone());
    let sent: Vec<Hex> = (0..200u8)
        .map(|n| {
            let mut message = Message::raw(vec![n; 3], 0);
            encryptor.seal(&mut message).expect("a nonce is left");
            message.payload().into()
        })
        .collect();
    let all = |nonces: &[usize]| nonces.iter().map(|n| sent[*n].clone()).collect::<Vec<_>>();
    let then = |before: &[usize], refused: Vec<Hex>, message: Hex| Reception {
        suite: Aes256GcmSha256::NAME.into(),
        key: key.as_bytes().into(),
        before: all(before),
        refused,
        message,
    };
    let after = |before: &[usize], nonce: usize| then(before, vec![], sent[nonce].clone());
    let flipped = |nonce: usize, at: usize| {
        let mut bytes = sent[nonce].clone();
        bytes.0[at] ^= 1;
        bytes
    };
    let renumbered = |nonce: usize, as_nonce: u64| {
        let mut bytes = sent[nonce].clone();
        bytes.0[..8].copy_from_slice(&as_nonce.to_be_bytes());
        bytes
    };
    let cut = |length: usize| Hex(sent[0].0[..length].to_vec());
    let to_31: Vec<usize> = (0..32).collect();
    vec![
        good("the first message", after(&[], 0)),
        good("a first message whose nonce is the last of the window", after(&[], 32)),
        bad("a first message one beyond the window", "CHN-32", after(&[], 33)),
        good("the next message", after(&[0], 1)),
        bad("the same message again", "CHN-14", after(&[0], 0)),
        bad("a message again after a later one", "CHN-14", after(&[0, 5], 0)),
        bad("a message again at the window's lower end", "CHN-14", after(&[4, 36], 4)),
        good("a late message at the window's lower end", after(&[5, 36], 4)),
        bad("a late message one below the window", "CHN-32", after(&[5, 36], 3)),
        good("a message at the window's upper end", after(&[0, 5], 37)),
        bad("a message one above the window", "CHN-32", after(&[0, 5], 38)),
        good("the last message of an interval", after(&to_31[..31], 31)),
        good("the first message of the next interval", after(&to_31, 32)),
        good("a message of the next interval before this one's end", after(&[20], 45)),
        good("a message of the interval before, after the renewal", after(&[20, 40], 30)),
        bad("a message of the interval before, again", "CHN-14", after(&[20, 40], 20)),
        good("across four renewals", after(&[31, 63, 95, 127], 128)),
        bad("a flipped bit in the text", "CHN-37", then(&[], vec![], flipped(0, 8))),
        bad("a flipped bit in the tag", "CHN-37", then(&[], vec![], flipped(0, 20))),
        bad("a flipped bit in the nonce", "CHN-37", then(&[], vec![], flipped(0, 7))),
        bad("a message under another nonce of its interval", "CHN-37", then(&[], vec![], renumbered(3, 4))),
        bad("a message under a nonce of the next interval", "CHN-37", then(&[20], vec![], renumbered(21, 40))),
        bad("a message of 7 bytes", "CHN-31", then(&[], vec![], cut(7))),
        bad("a message of 23 bytes", "CHN-31", then(&[], vec![], cut(23))),
        bad("the reserved nonce", "CHN-34", then(&[], vec![], renumbered(0, u64::MAX))),
        bad("a nonce far away", "CHN-32", then(&[], vec![], renumbered(0, 1 << 40))),
        good("the real message after a forged one of the same nonce", {
            then(&[0], vec![flipped(1, 9)], sent[1].clone())
        }),
        good("the next message after a forged one at the window's upper end", {
            then(&[0], vec![renumbered(1, 32), flipped(32, 9)], sent[1].clone())
        }),
        good("a message of this interval after a forged one of the next", {
            then(&[20], vec![renumbered(21, 45), flipped(45, 9)], sent[21].clone())
        }),
        good("the real first message of the next interval after a forged one", {
            then(&[31], vec![flipped(32, 9)], sent[32].clone())
        }),
        good("a late message after forged ones ahead", {
            then(&[0, 5], vec![renumbered(1, 36), renumbered(1, 37)], sent[1].clone())
        }),
    ]
}

/// A plaintext.
#[derive(Debug, Serialize, Deserialize)]
struct Text {
    plaintext: Hex,
    /// The most padding that is accepted, in bytes.
    padding_limit: u32,
}

fn plaintext(input: &Text) -> Outcome {
    let mut message = Message::raw(input.plaintext.to_vec(), 0);
    let decoded = channel::decode(&mut message, &Limits::DEFAULT, PaddingLimit(input.padding_limit))?;
    let part = |range: std::ops::Range<usize>| Hex::from(message.payload().get(range).unwrap_or_default());
    Ok(match decoded {
        Plaintext::Payload => json!({ "payload": tcp::shown(&message) }),
        Plaintext::RefreshCredentials { history, credentials } => {
            json!({ "refresh_credentials": { "history": part(history), "credentials": part(credentials) } })
        }
        Plaintext::Close => json!({ "close": {} }),
    })
}

fn payload(to: &str, from: &str, payload: &[u8]) -> Vec<u8> {
    let (to, from) = (Route::new().then(Address::local(to)), Route::new().then(Address::local(from)));
    let mut message = Message::new(to.as_ref(), from.as_ref(), payload);
    channel::encode_payload(&mut message, Padding::None);
    message.payload().to_vec()
}

/// A history of so many changes.
fn rotated(changes: u8) -> Vec<u8> {
    let mut keys = Keys::new();
    let first = keys.ed25519(1);
    let mut before = (first, ChangeData::new(first).signed());
    let mut all = vec![signed(&before.1, &keys.sign(&first, &before.1), None)];
    for seed in 2..=changes {
        let key = keys.ed25519(seed);
        let data = ChangeData::new(key).after(&before.1).signed();
        all.push(signed(&data, &keys.sign(&key, &data), Some(&keys.sign(&before.0, &data))));
        before = (key, data);
    }
    history(&all)
}

fn plaintexts() -> Vec<Meant<Text>> {
    let of = |plaintext: Vec<u8>| Text { plaintext: Hex(plaintext), padding_limit: PaddingLimit::FLOOR.0 };
    let hex = |text: &str| of(hex::decode(text.replace(' ', "")).expect("hex"));
    let echo = || payload("echo", "app", b"hello");
    let padded = |bytes: usize| {
        let text = echo();
        let padding = cbor(|e| {
            e.bytes(&vec![0x5a; bytes]).unwrap();
        });
        of([&text[..text.len() - 1], &padding].concat())
    };
    let subject = Subject::new(1, 2);
    let refresh = |credentials: &[u8]| channel::encode_refresh(&subject.history, credentials, Padding::None);
    let most = PaddingLimit::FLOOR.0 as usize;
    vec![
        good("a payload", of(echo())),
        good("a payload without a return route", hex("82 82 00 81 83 81 82 00 41 61 80 41 78 40")),
        good("a payload to nobody", hex("82 82 00 81 83 80 80 40 40")),
        good("with a byte of padding", padded(1)),
        good("with as much padding as the limit", padded(most)),
        bad("with a byte more", "CHN-41", padded(most + 1)),
        good("a close", hex("82 82 02 80 40")),
        good("a padded close", hex("82 82 02 80 42 00 00")),
        good("credentials anew", of(refresh(&[0x80]))),
        good("credentials anew, one of them", of(refresh(&[&[0x81], &credential(&subject, 3)[..]].concat()))),
        good("credentials anew, after 26 changes", {
            of(channel::encode_refresh(&rotated(26), &[0x80], Padding::None))
        }),
        bad("an unknown kind", "CHN-40", hex("82 82 03 80 40")),
        bad("a close with a field", "CHN-40", hex("82 82 02 81 00 40")),
        bad("no padding", "CHN-40", hex("81 82 02 80")),
        bad("a third item", "CHN-40", hex("83 82 02 80 40 00")),
        bad("a payload of two items", "CHN-40", hex("82 82 00 81 82 80 80 40")),
        bad("a payload without its inner array", "CHN-40", hex("82 82 00 83 80 80 40 40")),
        bad("padding that is a text", "COD-3", hex("82 82 02 80 60")),
        bad("a byte after it", "CHN-40", hex("82 82 02 80 40 00")),
        bad("an indefinite array", "CHN-40", hex("9f 82 02 80 40 ff")),
        bad("a kind in a wider head", "CHN-40", hex("82 82 18 02 80 40")),
        bad("a payload that ends early", "COD-4", of(echo()[..12].to_vec())),
        bad("nothing", "CHN-40", of(vec![])),
        bad("a map", "CHN-40", hex("a0")),
        bad("a route with a type above 255", "RTE-1", hex("82 82 00 81 83 81 82 19 0100 41 61 80 41 78 40")),
    ]
}
