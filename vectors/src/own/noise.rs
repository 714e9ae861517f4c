//! Handshakes with everything that is mixed on the way, and transport messages of the profile `noise`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use razor::Error;
use razor::env::{Entropy, Purpose};
use razor::noise::{CipherState, Finished, Noise, Ockam, Profile, Step, Steps, Token, initiator, responder};
use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Key, KeyHandle, PublicKey, SharedSecret, SoftwareVault};

use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "noise",
        name: "handshake",
        committed: include_str!("../../noise/handshake.json"),
        generate: || generate("handshake", "Handshakes, with the values after every token.", handshakes(), shake),
        check: |kind, text, progress| check(kind, text, progress, shake),
    },
    Kind {
        layer: "noise",
        name: "transport",
        committed: include_str!("../../noise/transport.json"),
        generate: || generate("transport", "Messages after a handshake of the profile noise.", transports(), transport),
        check: |kind, text, progress| check(kind, text, progress, transport),
    },
];

/// A party's secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secrets {
    #[serde(rename = "static")]
    pub(super) fixed: Hex,
    pub(super) ephemeral: Hex,
}

impl Secrets {
    pub(super) fn of(fixed: u8, ephemeral: u8) -> Self {
        Self { fixed: [fixed; 32].into(), ephemeral: [ephemeral; 32].into() }
    }

    pub(super) fn vault(&self) -> (SoftwareVault, PublicKey) {
        let mut vault = SoftwareVault::new();
        let public = vault.import_static_key(&self.fixed.array().expect("32 bytes"));
        (vault, public)
    }

    fn dh(&self, with: &PublicKey) -> Result<SharedSecret, Error> {
        let (vault, public) = self.vault();
        vault.static_dh(&KeyHandle::of(&public.0), with)
    }
}

impl Entropy for &Secrets {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        out.fill(0);
        if purpose == Purpose::Ephemeral {
            out.copy_from_slice(&self.ephemeral);
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProfileName {
    Ockam,
    Noise,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Handshake {
    /// The suite's name under the profile `ockam`.
    suite: String,
    profile: ProfileName,
    initiator: Secrets,
    responder: Secrets,
    /// Of the messages 1 to 3.
    payloads: [Hex; 3],
    /// Only under the profile `noise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prologues: Option<[Hex; 2]>,
    /// What arrives in the place of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<Replaced>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Replaced {
    message: u8,
    bytes: Hex,
}

impl Handshake {
    /// What arrives when message `number` is sent.
    fn arrives(&self, number: u8, sent: &[u8]) -> Vec<u8> {
        match &self.replaced {
            Some(replaced) if replaced.message == number => replaced.bytes.0.clone(),
            _ => sent.to_vec(),
        }
    }
}

/// A finished handshake, as both sides see it.
pub(super) struct Run {
    pub(super) messages: [Vec<u8>; 3],
    pub(super) initiator: Finished<Steps>,
    pub(super) responder: Finished<Steps>,
}

fn shake(input: &Handshake) -> Outcome {
    let run = match (input.profile, input.suite.as_str()) {
        (ProfileName::Ockam, Aes256GcmSha256::NAME) => ockam::<Aes256GcmSha256>(input),
        (ProfileName::Ockam, Aes128GcmSha256::NAME) => ockam::<Aes128GcmSha256>(input),
        (ProfileName::Ockam, ChaChaPolyBlake2s::NAME) => ockam::<ChaChaPolyBlake2s>(input),
        (ProfileName::Noise, Aes256GcmSha256::NAME) => noise::<Aes256GcmSha256>(input),
        (ProfileName::Noise, ChaChaPolyBlake2s::NAME) => noise::<ChaChaPolyBlake2s>(input),
        (profile, suite) => panic!("there is no {suite} under {profile:?}"),
    }?;
    let (ours, theirs) = (&run.initiator, &run.responder);
    let steps = |finished: &Finished<Steps>| finished.trace.0.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(steps(ours), steps(theirs), "both sides mix the same");
    assert_eq!(ours.send.as_bytes(), theirs.receive.as_bytes());
    assert_eq!(ours.receive.as_bytes(), theirs.send.as_bytes());
    Ok(json!({
        "messages": run.messages.map(Hex),
        "steps": steps(ours),
        "handshake_hash": Hex::from(ours.handshake_hash),
        "initiator_sends_with": Hex::from(ours.send.as_bytes()),
        "responder_sends_with": Hex::from(theirs.send.as_bytes()),
    }))
}

fn shown(step: &Step) -> Value {
    let token = match step.token {
        Token::Name => "name",
        Token::Prologue => "prologue",
        Token::E => "e",
        Token::S => "s",
        Token::Ee => "ee",
        Token::Es => "es",
        Token::Se => "se",
        Token::Payload => "payload",
    };
    json!({
        "token": token,
        "h": Hex::from(step.h),
        "ck": Hex::from(step.ck.as_bytes()),
        "k": step.k.as_ref().map(|k| Hex::from(k.as_bytes())),
        "n": step.n,
    })
}

fn ockam<S: Suite>(input: &Handshake) -> Result<Run, Error> {
    let [payload, ..] = &input.payloads;
    let (_, own) = input.initiator.vault();
    let (waiting, message_1) =
        initiator::AwaitsMessage2::<S, Ockam, Steps>::start_with_payload(own, &mut &input.initiator, payload)?;
    let (_, own) = input.responder.vault();
    let arrived = input.arrives(1, &message_1);
    let (answering, _) =
        responder::NeedsStaticDh::<S, Ockam, Steps>::read_message_1(own, &mut &input.responder, &arrived)?;
    rest(input, waiting, answering, message_1)
}

fn noise<S: Suite>(input: &Handshake) -> Result<Run, Error>
where
    Noise: Profile<S>,
{
    let [payload, ..] = &input.payloads;
    let [ours, theirs] = input.prologues.clone().unwrap_or_default();
    let (_, own) = input.initiator.vault();
    let (waiting, message_1) =
        initiator::AwaitsMessage2::<S, Noise, Steps>::start_with_prologue(&ours, own, &mut &input.initiator, payload)?;
    let (_, own) = input.responder.vault();
    let arrived = input.arrives(1, &message_1);
    let (answering, _) = responder::NeedsStaticDh::<S, Noise, Steps>::read_message_1_with_prologue(
        &theirs,
        own,
        &mut &input.responder,
        &arrived,
    )?;
    rest(input, waiting, answering, message_1)
}

fn rest<S: Suite, P: Profile<S>>(
    input: &Handshake,
    waiting: initiator::AwaitsMessage2<S, P, Steps>,
    answering: responder::NeedsStaticDh<S, P, Steps>,
    message_1: Vec<u8>,
) -> Result<Run, Error> {
    let [_, payload_2, payload_3] = &input.payloads;
    let secret = input.responder.dh(&answering.dh_with())?;
    let (answered, message_2) = answering.write_message_2(&secret, payload_2)?;
    let (reading, read) = waiting.read_message_2(&input.arrives(2, &message_2))?;
    assert_eq!(read, payload_2.0, "what is authentic is what was sent");
    let secret = input.initiator.dh(&reading.dh_with())?;
    let (initiator, message_3) = reading.write_message_3(&secret, payload_3)?;
    let (responder, read) = answered.read_message_3(&input.arrives(3, &message_3))?;
    assert_eq!(read, payload_3.0, "what is authentic is what was sent");
    Ok(Run { messages: [message_1, message_2, message_3], initiator, responder })
}

/// The handshake of a channel: payloads of any kind, no trace of interest.
pub(super) fn channel(
    initiator: &Secrets,
    responder: &Secrets,
    payload_2: &Hex,
    payload_3: &Hex,
) -> Result<Run, Error> {
    ockam::<Aes256GcmSha256>(&Handshake {
        suite: Aes256GcmSha256::NAME.into(),
        profile: ProfileName::Ockam,
        initiator: initiator.clone(),
        responder: responder.clone(),
        payloads: [Hex(vec![]), payload_2.clone(), payload_3.clone()],
        prologues: None,
        replaced: None,
    })
}

fn handshakes() -> Vec<Meant<Handshake>> {
    let plain = |suite: &str, profile: ProfileName| Handshake {
        suite: suite.into(),
        profile,
        initiator: Secrets::of(1, 2),
        responder: Secrets::of(3, 4),
        payloads: [Hex(vec![]), Hex(vec![]), Hex(vec![])],
        prologues: None,
        replaced: None,
    };
    let says = |handshake: Handshake| Handshake {
        payloads: [b"first".into(), b"second".into(), b"third".into()],
        ..handshake
    };
    let ours = || says(plain(Aes256GcmSha256::NAME, ProfileName::Ockam));
    let standard = || says(plain(Aes256GcmSha256::NAME, ProfileName::Noise));
    let chacha = || says(plain(ChaChaPolyBlake2s::NAME, ProfileName::Noise));
    let with = |handshake: Handshake, message: u8, bytes: Vec<u8>| Handshake {
        replaced: Some(Replaced { message, bytes: Hex(bytes) }),
        ..handshake
    };
    let sent = |handshake: &Handshake| match handshake.profile {
        ProfileName::Ockam => ockam::<Aes256GcmSha256>(handshake),
        ProfileName::Noise => noise::<Aes256GcmSha256>(handshake),
    };
    let [m1, m2, m3] = sent(&ours()).expect("a good handshake").messages;
    let [_, s2, _] = sent(&standard()).expect("a good handshake").messages;
    let flip = |bytes: &[u8], at: usize, bit: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= bit;
        bytes
    };
    let key = |key: [u8; 32], rest: &[u8]| [&key[..], rest].concat();
    let prime = {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed, 0x7f);
        bytes
    };
    let another = {
        let other = Handshake { responder: Secrets::of(3, 5), ..ours() };
        sent(&other).expect("a good handshake").messages
    };
    let mut one = [0; 32];
    one[0] = 1;
    let (last2, last3) = (m2.len() - 1, m3.len() - 1);
    vec![
        good("ockam, AES-256, no payloads", plain(Aes256GcmSha256::NAME, ProfileName::Ockam)),
        good("ockam, AES-256", ours()),
        good("ockam, AES-128", says(plain(Aes128GcmSha256::NAME, ProfileName::Ockam))),
        good("ockam, ChaChaPoly", says(plain(ChaChaPolyBlake2s::NAME, ProfileName::Ockam))),
        good("noise, AES-256", standard()),
        good("noise, ChaChaPoly", chacha()),
        good("noise, with a prologue", {
            Handshake { prologues: Some([b"prologue".into(), b"prologue".into()]), ..standard() }
        }),
        bad("noise, with two prologues", "NOI-7", {
            Handshake { prologues: Some([b"prologue".into(), b"another".into()]), ..chacha() }
        }),
        bad("message 1 of 31 bytes", "NOI-1", with(ours(), 1, m1[..31].to_vec())),
        bad("message 2 of 95 bytes", "NOI-1", with(ours(), 2, m2[..95].to_vec())),
        bad("message 3 of 63 bytes", "NOI-1", with(ours(), 3, m3[..63].to_vec())),
        bad("message 1 with another payload than was sent", "NOI-7", with(ours(), 1, flip(&m1, 33, 1))),
        bad("message 1 with another key than was sent", "NOI-7", with(ours(), 1, flip(&m1, 3, 1))),
        bad("message 2 with another key", "NOI-7", with(ours(), 2, flip(&m2, 3, 1))),
        bad("message 2 with a flipped bit in the static key", "NOI-7", with(ours(), 2, flip(&m2, 40, 1))),
        bad("message 2 with a flipped bit in the static key's tag", "NOI-7", with(ours(), 2, flip(&m2, 70, 1))),
        bad("message 2 with a flipped bit in the payload", "NOI-7", with(ours(), 2, flip(&m2, 81, 1))),
        bad("message 2 with a flipped bit in the last tag", "NOI-7", with(ours(), 2, flip(&m2, last2, 1))),
        bad("message 2 with a byte after it", "NOI-7", with(ours(), 2, [&m2[..], &[0]].concat())),
        bad("message 2 of another handshake", "NOI-7", with(ours(), 2, another[1].clone())),
        bad("message 1 in the place of message 2", "NOI-1", with(ours(), 2, m1.clone())),
        bad("message 3 with a flipped bit in the static key", "NOI-7", with(ours(), 3, flip(&m3, 3, 1))),
        bad("message 3 with a flipped bit in the static key's tag", "NOI-7", with(ours(), 3, flip(&m3, 40, 1))),
        bad("message 3 with a flipped bit in the payload", "NOI-7", with(ours(), 3, flip(&m3, 50, 1))),
        bad("message 3 with a flipped bit in the last tag", "NOI-7", with(ours(), 3, flip(&m3, last3, 1))),
        bad("message 3 of another handshake", "NOI-7", with(ours(), 3, another[2].clone())),
        bad("message 2 in the place of message 3", "NOI-7", with(ours(), 3, m2.clone())),
        bad("message 1 with a key of zeros", "VLT-12", with(ours(), 1, key([0; 32], b""))),
        bad("message 1 with the point of order 1", "VLT-12", with(ours(), 1, key(one, b""))),
        bad("message 1 with a key that is not canonical", "VLT-11", with(ours(), 1, key(prime, b""))),
        bad("message 1 with the highest bit of its key set", "VLT-11", with(ours(), 1, flip(&m1, 31, 0x80))),
        bad("message 2 with a key of zeros", "VLT-12", with(ours(), 2, key([0; 32], &m2[32..]))),
        bad("message 2 with a key that is not canonical", "VLT-11", with(ours(), 2, key([0xff; 32], &m2[32..]))),
        bad(
            "noise takes a key of zeros, and the answer does not fit",
            "NOI-7",
            with(standard(), 2, key([0; 32], &s2[32..])),
        ),
    ]
}

#[derive(Debug, Serialize, Deserialize)]
struct Transport {
    /// The suite's name under the profile `ockam`.
    suite: String,
    key: Hex,
    steps: Vec<Action>,
}

/// What the sender does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Encrypt(Hex),
    Rekey,
}

fn transport(input: &Transport) -> Outcome {
    if input.suite == Aes256GcmSha256::NAME {
        transport_of::<Aes256GcmSha256>(input)
    } else {
        transport_of::<ChaChaPolyBlake2s>(input)
    }
}

fn transport_of<S: Suite>(input: &Transport) -> Outcome {
    let key = Key::new(input.key.array().expect("32 bytes"));
    let (mut sender, mut receiver) = (CipherState::<S>::new(&key), CipherState::<S>::new(&key));
    let mut messages = Vec::new();
    for step in &input.steps {
        match step {
            Action::Encrypt(text) => {
                let message = sender.encrypt(&[], text)?;
                assert_eq!(receiver.decrypt(&[], &message)?, text.0);
                messages.push(Hex(message));
            }
            Action::Rekey => {
                sender.rekey()?;
                receiver.rekey()?;
            }
        }
    }
    Ok(json!({ "messages": messages }))
}

fn transports() -> Vec<Meant<Transport>> {
    let of = |suite: &str, steps: Vec<Action>| Transport { suite: suite.into(), key: [7; 32].into(), steps };
    let say = |text: &[u8]| Action::Encrypt(text.into());
    let talk = || vec![say(b""), say(b"one"), Action::Rekey, say(b"two"), Action::Rekey, Action::Rekey, say(b"three")];
    vec![
        good("AES-256, with renewed keys", of(Aes256GcmSha256::NAME, talk())),
        good("ChaChaPoly, with renewed keys", of(ChaChaPolyBlake2s::NAME, talk())),
        good("AES-256, 40 messages under one key", of(Aes256GcmSha256::NAME, (0..40).map(|n| say(&[n])).collect())),
    ]
}
