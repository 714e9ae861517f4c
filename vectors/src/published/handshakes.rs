//! Published, derived and recorded handshakes, their intermediate values, and the choice of keys after them.

use razor::channel::{self, Addresses, Event, Input};
use razor::noise::{Finished, Noise, Ockam, Profile, Step, Steps, Token, initiator, responder};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::{Aes256GcmSha256, Suite};
use razor::vault::{Key, KeyHandle, PublicKey};
use serde_json::Value;

use super::{Entry, hex_of, refused};
use crate::captures::party::{Means, Party, Payload};
use crate::captures::{decode_frame, encode_frame, encode_plaintext};
use crate::report::{Check, ensure, equal};

type Waiting<P> = initiator::AwaitsMessage2<Aes256GcmSha256, P, Steps>;
type Answering<P> = responder::NeedsStaticDh<Aes256GcmSha256, P, Steps>;

/// A handshake, both sides of it.
struct Run {
    messages: [Vec<u8>; 3],
    initiator: Finished<Steps>,
    responder: Finished<Steps>,
}

fn shared(means: &Means, with: PublicKey) -> Result<razor::vault::SharedSecret, String> {
    let (vault, public) = means.vault();
    vault.static_dh(&KeyHandle::of(&public.0), &with).map_err(refused)
}

fn run<P: Profile<Aes256GcmSha256>>(alice: &Means, bob: &Means, payloads: [&[u8]; 3]) -> Result<Run, String> {
    let [payload_1, payload_2, payload_3] = payloads;
    let (waiting, message_1) =
        Waiting::<P>::start_with_payload(alice.vault().1, &mut alice.entropy(), payload_1).map_err(refused)?;
    let (answering, read) =
        Answering::<P>::read_message_1(bob.vault().1, &mut bob.entropy(), &message_1).map_err(refused)?;
    equal("the payload of message 1", read, payload_1)?;
    let secret = shared(bob, answering.dh_with())?;
    let (answered, message_2) = answering.write_message_2(&secret, payload_2).map_err(refused)?;
    let (reading, read) = waiting.read_message_2(&message_2).map_err(refused)?;
    equal("the payload of message 2", &read, payload_2)?;
    let secret = shared(alice, reading.dh_with())?;
    let (initiator, message_3) = reading.write_message_3(&secret, payload_3).map_err(refused)?;
    let (responder, read) = answered.read_message_3(&message_3).map_err(refused)?;
    equal("the payload of message 3", &read, payload_3)?;
    Ok(Run { messages: [message_1, message_2, message_3], initiator, responder })
}

/// The keys of an entry: some call them `..._static_key`, some `..._static`.
fn means(entry: &Entry, role: &str) -> Result<Means, String> {
    let key =
        |kind: &str| entry.array(&format!("{role}_{kind}_key")).or_else(|_| entry.array(&format!("{role}_{kind}")));
    Ok(Means { static_secret: key("static")?, ephemeral: key("ephemeral")? })
}

/// The hash after the protocol name alone, that is after the empty prologue.
fn beginning(steps: &Steps) -> Option<&Step> {
    steps.0.iter().find(|step| step.token == Token::Prologue)
}

pub(super) fn initial_hash(entry: &Entry) -> Check {
    let means = Means { static_secret: [1; 32], ephemeral: [2; 32] };
    let run = run::<Noise>(&means, &means, [&[], &[], &[]])?;
    let step = beginning(&run.initiator.trace).ok_or("the trace has no beginning")?;
    equal("h", &step.h, &entry.bytes("h")?)?;
    equal("ck", step.ck.as_bytes(), &entry.bytes("ck")?)?;
    ensure(entry.fields.get("n").and_then(Value::as_u64) == Some(step.n), || format!("n is {}", step.n))
}

/// Messages and payloads, both ways.
pub(super) fn messages(entry: &Entry) -> Check {
    let field = |n: usize, what: &str| {
        entry.bytes(&format!("message{n}_{what}")).or_else(|_| entry.bytes(&format!("message_{n}_{what}")))
    };
    let payloads = [field(1, "payload")?, field(2, "payload")?, field(3, "payload")?];
    let (alice, bob) = (means(entry, "initiator")?, means(entry, "responder")?);
    let run = run::<Noise>(&alice, &bob, payloads.each_ref().map(|payload| &payload[..]))?;
    for (n, ours) in (1..).zip(&run.messages) {
        equal(&format!("message {n}"), ours, &field(n, "ciphertext")?)?;
    }
    Ok(())
}

/// Messages, the hash after each, and the keys of the split.
pub(super) fn intermediate(entry: &Entry) -> Check {
    if &entry.bytes("protocol_name")?[..] == Aes256GcmSha256::NAME.as_bytes() {
        intermediate_under::<Ockam>(entry, ["k2", "k1"])
    } else {
        // The entry names the keys as production would use them: standard Noise does it the other way round.
        intermediate_under::<Noise>(entry, ["k1", "k2"])
    }
}

/// `keys` are the initiator's sending key, then the responder's.
fn intermediate_under<P: Profile<Aes256GcmSha256>>(entry: &Entry, keys: [&str; 2]) -> Check {
    let payloads = [entry.bytes("payload1")?, entry.bytes("payload2")?, entry.bytes("payload3")?];
    let (alice, bob) = (means(entry, "initiator")?, means(entry, "responder")?);
    let run = run::<P>(&alice, &bob, payloads.each_ref().map(|payload| &payload[..]))?;
    for (n, ours) in (1..).zip(&run.messages) {
        equal(&format!("message {n}"), ours, &entry.bytes(&format!("message{n}"))?)?;
    }
    for (role, finished) in [("initiator", &run.initiator), ("responder", &run.responder)] {
        let first = beginning(&finished.trace).ok_or("the trace has no beginning")?;
        equal(&format!("h of the {role} at the beginning"), &first.h, &entry.bytes("h_initial")?)?;
        let ends = finished.trace.0.iter().filter(|step| step.token == Token::Payload);
        let mut count = 0;
        for (n, step) in (1..).zip(ends) {
            let theirs = entry.bytes(&format!("h_after_message{n}"))?;
            equal(&format!("h of the {role} after message {n}"), &step.h, &theirs)?;
            count = n;
        }
        ensure(count == 3, || format!("the trace of the {role} has {count} messages"))?;
        equal("the handshake hash", &finished.handshake_hash, &entry.bytes("h_after_message3")?)?;
    }
    let [forth, back] = [entry.bytes(keys[0])?, entry.bytes(keys[1])?];
    equal("what the initiator sends with", run.initiator.send.as_bytes(), &forth)?;
    equal("what the initiator receives with", run.initiator.receive.as_bytes(), &back)?;
    equal("what the responder sends with", run.responder.send.as_bytes(), &back)?;
    equal("what the responder receives with", run.responder.receive.as_bytes(), &forth)
}

/// Which nonces have a key after a number of renewals. The entry's interval is 10 and ours 32: nonces are moved to
/// the same place of the same interval, and messages under the key of that interval open or do not.
pub(super) fn key_choice(entry: &Entry) -> Check {
    let number = |field: &str| entry.fields.get(field).and_then(Value::as_u64).ok_or(format!("no `{field}`"));
    let (interval, renewals) = (number("renewal_interval")?, number("number_of_rekeys")?);
    let expected = entry.fields.get("expect").and_then(Value::as_object).ok_or("no `expect`")?;
    let key = Key::new([3; 32]);
    let mut encryptor = channel::Encryptor::<Aes256GcmSha256>::new(key.clone());
    let last = (renewals + 3) * channel::INTERVAL;
    let mut sealed = Vec::new();
    for _ in 0..=last {
        let mut message = Message::raw(b"text".to_vec(), 0);
        encryptor.seal(&mut message).map_err(refused)?;
        sealed.push(message);
    }
    for (nonce, verdict) in expected {
        let nonce: u64 = nonce.parse().map_err(|_| "a nonce is no number")?;
        let moved = (nonce / interval).saturating_mul(channel::INTERVAL).saturating_add(nonce % interval);
        let message = usize::try_from(moved).ok().and_then(|n| sealed.get(n)).cloned();
        let mut message = message.unwrap_or_else(|| Message::raw([0xff; 40].to_vec(), 0));
        let mut decryptor = channel::Decryptor::<Aes256GcmSha256>::new(key.clone());
        // One message of each interval, the last of them at the beginning of its own.
        for passed in (0..=renewals).rev().map(|left| (renewals - left) * channel::INTERVAL + left) {
            let at = usize::try_from(passed).map_err(|e| e.to_string())?;
            if renewals > 0 {
                decryptor.open(&mut sealed[at].clone()).map_err(refused)?;
            }
        }
        // The nonce that moved the keys on is used up: its place is checked with the next.
        if renewals > 0 && moved == renewals * channel::INTERVAL {
            message = sealed[moved as usize + 1].clone();
        }
        let opens = decryptor.open(&mut message).is_ok();
        ensure(opens == (verdict != "error"), || format!("nonce {nonce}, moved to {moved}: opens is {opens}"))?;
    }
    Ok(())
}

fn text_route(value: Option<&Value>) -> Result<Route, String> {
    let list = value.and_then(Value::as_array).ok_or("there is no route")?;
    let mut route = Route::new();
    for address in list {
        let address: Address = address.as_str().unwrap_or_default().parse().map_err(refused)?;
        route.append(address.as_ref());
    }
    Ok(route)
}

/// A recorded channel with a production responder, whose secrets nobody has: our machine is the initiator.
pub(super) fn with_their_responder(entry: &Entry) -> Check {
    let alice = means(entry, "initiator")?;
    let says = Payload::parse(&entry.bytes("payload3")?)?;
    let answer = decode_frame(&entry.bytes("frame2_cbor")?)?;
    equal("message 2 in its frame", answer.payload(), &entry.bytes("message2")?)?;
    let responder = text_route(entry.fields.get("responder_decryptor_route_text"))?;
    ensure(answer.return_route() == responder.as_ref(), || "the return route of message 2 is another".into())?;
    let own = answer.onward().last().ok_or("message 2 goes nowhere")?.to_owned();
    let addresses = Addresses { decryptor: own, encryptor: Address::local("encryptor") };
    let listener = Route::new().then(Address::local("api"));
    let bob = Payload::parse(&entry.bytes("payload2")?)?;
    let now = says.created_at.max(bob.created_at);
    let (mut party, first) = Party::<Aes256GcmSha256>::initiate(&alice, &says, now, addresses, &listener)?;
    let [message_1] = first.sent.as_slice() else { return Err("no message 1 is sent".into()) };
    equal("message 1", message_1.payload(), &entry.bytes("message1")?)?;
    let out = party.input(Input::Receive(answer))?;
    let [message_3] = out.sent.as_slice() else { return Err("no message 3 is sent".into()) };
    equal("message 3", message_3.payload(), &entry.bytes("message3")?)?;
    ensure(message_3.onward() == responder.as_ref(), || "message 3 goes another way".into())?;
    let identifier = bob.identity.identifier();
    ensure(identifier.to_string() == entry.text("responder_identifier_text")?, || format!("the peer is {identifier}"))?;
    ensure(out.events.contains(&Event::Opened(identifier)), || "the channel is not open".into())?;

    let mut next = 0;
    for step in entry.list("exchange")? {
        let nonce = step.get("nonce").and_then(Value::as_u64).ok_or("a step has no nonce")?;
        while next < nonce {
            let nothing = Route::new();
            party.input(Input::Send(Message::new(nothing.as_ref(), nothing.as_ref(), &[])))?;
            next += 1;
        }
        next += 1;
        let said = plaintext(step, "sent_plaintext")?;
        let out = party.input(Input::Send(said))?;
        let [ours] = out.sent.as_slice() else { return Err("nothing is sent".into()) };
        equal(&format!("message {nonce}"), ours.payload(), &hex_of(step.get("sent"), "sent")?)?;
        let frame = decode_frame(&hex_of(step.get("received_frame_cbor"), "received_frame_cbor")?)?;
        equal("what is received in its frame", frame.payload(), &hex_of(step.get("received"), "received")?)?;
        let out = party.input(Input::Receive(frame))?;
        let [delivered] = out.delivered.as_slice() else { return Err("nothing is delivered".into()) };
        let mut expected = plaintext(step, "received_plaintext")?;
        expected.push_return(party.encryptor().as_ref());
        equal(&format!("the delivery of message {nonce}"), &encode_frame(delivered), &encode_frame(&expected))?;
    }
    Ok(())
}

/// The message in a plaintext, if encoding it again gives the same bytes.
fn plaintext(step: &Value, field: &str) -> Result<Message, String> {
    let bytes = hex_of(step.get(field), field)?;
    let mut message = Message::raw(bytes.to_vec(), 0);
    channel::decode(&mut message, &razor::routing::Limits::DEFAULT, channel::PaddingLimit::DEFAULT).map_err(refused)?;
    equal("a plaintext, encoded again,", &encode_plaintext(&message), &bytes)?;
    Ok(message)
}

/// A recorded channel with a production initiator, whose secrets nobody has: our machine is the responder.
pub(super) fn with_their_initiator(entry: &Entry) -> Check {
    let bob = means(entry, "responder")?;
    let says = Payload::parse(&entry.bytes("payload2")?)?;
    let alice = Payload::parse(&entry.bytes("payload3")?)?;
    let first = decode_frame(&entry.bytes("frame1")?)?;
    equal("message 1 in its frame", first.payload(), &entry.bytes("message1")?)?;
    let data = entry.list("data_from_initiator")?;
    let own = text_route(data.first().and_then(|step| step.get("outer_onward_text")))?;
    let own = own.as_ref().last().ok_or("no address of ours")?.to_owned();
    let addresses = Addresses { decryptor: own.clone(), encryptor: Address::local("encryptor") };
    let now = says.created_at.max(alice.created_at);
    let (mut party, out) = Party::<Aes256GcmSha256>::respond(&bob, &says, now, addresses, &first)?;
    let [message_2] = out.sent.as_slice() else { return Err("no message 2 is sent".into()) };
    equal("message 2", message_2.payload(), &entry.bytes("message2")?)?;
    ensure(message_2.onward() == first.return_route(), || "message 2 goes another way".into())?;
    let here = Route::new().then(own);
    let message_3 = Message::new(here.as_ref(), first.return_route(), &entry.bytes("message3")?);
    let out = party.input(Input::Receive(message_3))?;
    let identifier = alice.identity.identifier();
    ensure(identifier.to_string() == entry.text("initiator_identifier_text")?, || format!("the peer is {identifier}"))?;
    ensure(out.events.contains(&Event::Opened(identifier)), || "the channel is not open".into())?;
    for step in data {
        let (onward, back) = (text_route(step.get("outer_onward_text"))?, text_route(step.get("outer_return_text"))?);
        let message = Message::new(onward.as_ref(), back.as_ref(), &hex_of(step.get("message"), "message")?);
        let out = party.input(Input::Receive(message))?;
        let bytes = hex_of(step.get("plaintext"), "plaintext")?;
        if bytes.starts_with(&[0x82, 0x82, 0x02]) {
            ensure(out.events.contains(&Event::Closed), || "a Close does not close".into())?;
            continue;
        }
        let mut expected = plaintext(step, "plaintext")?;
        expected.push_return(party.encryptor().as_ref());
        let [delivered] = out.delivered.as_slice() else { return Err("nothing is delivered".into()) };
        equal("what is delivered", &encode_frame(delivered), &encode_frame(&expected))?;
    }
    Ok(())
}
