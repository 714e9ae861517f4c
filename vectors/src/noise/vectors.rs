//! The vectors of cacophony and snow. Both sides are played: each message equals the published one and gives the
//! published payload on the other side, and both have the published hash.

use razor::env::{Entropy, Purpose};
use razor::noise::{Noise, Profile};
use razor::vault::suite::{Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use serde::Deserialize;

use super::{Ours, Role};
use crate::bytes::Hex;
use crate::report::{Check, Options, Progress, Row, Tally, equal};

const SOURCE: &str = "noise";

#[derive(Debug, Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Debug, Deserialize)]
struct Vector {
    protocol_name: String,
    init_prologue: Hex,
    init_static: Hex,
    init_ephemeral: Hex,
    resp_prologue: Hex,
    resp_static: Hex,
    resp_ephemeral: Hex,
    handshake_hash: Option<Hex>,
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    payload: Hex,
    ciphertext: Hex,
}

/// The ephemeral key of a vector.
struct Fixed([u8; 32]);

impl Entropy for Fixed {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        debug_assert_eq!(purpose, Purpose::Ephemeral);
        out.copy_from_slice(&self.0[..out.len()]);
    }
}

pub(crate) fn cacophony(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    file("cacophony", include_str!("../../third-party/noise/cacophony.json"), progress)
}

pub(crate) fn snow(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    file("snow", include_str!("../../third-party/noise/snow.json"), progress)
}

fn file(name: &str, json: &str, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    let file: File = match serde_json::from_str(json) {
        Ok(file) => file,
        Err(e) => return vec![Row::broken(SOURCE, name, format!("the file does not parse: {e}"))],
    };
    let total = file.vectors.iter().map(|vector| vector.messages.len()).sum();
    let mut tally = Tally::new(SOURCE, name, total, progress);
    for vector in &file.vectors {
        match vector.protocol_name.as_str() {
            "Noise_XX_25519_AESGCM_SHA256" => one::<Aes256GcmSha256>(&mut tally, vector),
            "Noise_XX_25519_ChaChaPoly_BLAKE2s" => one::<ChaChaPolyBlake2s>(&mut tally, vector),
            other => tally.outside(format!("the pattern or suite {other}")),
        }
    }
    vec![tally.finish()]
}

fn one<S: Suite>(tally: &mut Tally<'_>, vector: &Vector)
where
    Noise: Profile<S>,
{
    let name = &vector.protocol_name;
    let (mut sides, mut ephemerals) = match sides::<S>(vector) {
        Ok(sides) => sides,
        Err(sentence) => return tally.check(name, Err(sentence)),
    };
    for (index, message) in vector.messages.iter().enumerate() {
        // The sides take turns, after the handshake too.
        let check = exchange(&mut sides, &mut ephemerals, index % 2, message);
        tally.check(format!("{name}, message {}", index + 1), check);
    }
    for (side, role) in sides.iter().zip([Role::Initiator, Role::Responder]) {
        let check = side.outcome().ok_or_else(|| "the handshake is not finished".to_owned()).and_then(|(hash, _)| {
            vector.handshake_hash.as_ref().map_or(Ok(()), |theirs| equal("the handshake hash", &hash, theirs))
        });
        tally.check(format!("{name}, the handshake of the {role:?}"), check);
    }
}

fn sides<S: Suite>(vector: &Vector) -> Result<([Ours<S>; 2], [Fixed; 2]), String>
where
    Noise: Profile<S>,
{
    let initiator = Ours::new(Role::Initiator, &vector.init_static.array()?, &vector.init_prologue);
    let responder = Ours::new(Role::Responder, &vector.resp_static.array()?, &vector.resp_prologue);
    let ephemerals = [Fixed(vector.init_ephemeral.array()?), Fixed(vector.resp_ephemeral.array()?)];
    Ok(([initiator, responder], ephemerals))
}

fn exchange<S: Suite>(
    [initiator, responder]: &mut [Ours<S>; 2],
    [first, second]: &mut [Fixed; 2],
    sender: usize,
    message: &Message,
) -> Check
where
    Noise: Profile<S>,
{
    let (from, to, own, other) =
        if sender == 0 { (initiator, responder, first, second) } else { (responder, initiator, second, first) };
    let ours = from.write(own, &message.payload)?;
    equal("the message", &ours, &message.ciphertext)?;
    let payload = to.read(other, &message.ciphertext)?;
    equal("the payload", &payload, &message.payload)
}
