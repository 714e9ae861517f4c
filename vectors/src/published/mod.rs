//! The vectors that the Ockam projects publish, and those derived from production or recorded with it.
//! Every entry is either checked or waits for a later chapter, visibly.

mod handshakes;

use serde::Deserialize;
use serde_json::Value;

use razor::channel;
use razor::identity::{
    Identifier, Identity, Presentation, PresentationLimits, PresentedCredential, PurposeKeyAttestation,
};
use razor::routing::{Address, Limits, Route};
use razor::vault::suite::{Aes256GcmSha256, Suite};
use razor::vault::{Cipher, Hash, Key, SigningKind, SoftwareVault, VerifyingKey};
use razor::wire::bare;

use crate::bytes::Hex;
use crate::report::{Check, Options, Progress, Row, Tally, ensure, equal};

const JSON: &str = include_str!("../../production/ockam-published-vectors.json");
const SOURCE: &str = "ockam";

#[derive(Debug, Deserialize)]
struct File {
    published: Vec<Entry>,
    derived: Vec<Entry>,
    recorded: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    name: String,
    fields: Value,
}

impl Entry {
    pub(crate) fn bytes(&self, field: &str) -> Result<Hex, String> {
        hex_of(self.fields.get(field), field)
    }

    pub(crate) fn array<const N: usize>(&self, field: &str) -> Result<[u8; N], String> {
        self.bytes(field)?.array()
    }

    fn text(&self, field: &str) -> Result<&str, String> {
        text_of(self.fields.get(field), field)
    }

    pub(crate) fn list(&self, field: &str) -> Result<&[Value], String> {
        let list = self.fields.get(field).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| format!("the entry has no list `{field}`"))
    }
}

pub(crate) fn hex_of(value: Option<&Value>, field: &str) -> Result<Hex, String> {
    hex::decode(text_of(value, field)?).map(Hex).map_err(|e| format!("`{field}` is no hex: {e}"))
}

fn text_of<'a>(value: Option<&'a Value>, field: &str) -> Result<&'a str, String> {
    value.and_then(Value::as_str).ok_or_else(|| format!("the entry has no text `{field}`"))
}

/// What becomes of an entry.
pub(crate) enum Fate {
    Checked(Check),
    NotYet(&'static str),
    /// Its form is checked; the rest waits.
    Partly(Check, &'static str),
}

pub(crate) fn section(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    let file: File = match serde_json::from_str(JSON) {
        Ok(file) => file,
        Err(e) => return vec![Row::broken(SOURCE, "published", format!("the file does not parse: {e}"))],
    };
    let mut rows: Vec<Row> = [("published", &file.published), ("derived", &file.derived), ("recorded", &file.recorded)]
        .into_iter()
        .map(|(group, entries)| {
            let mut tally = Tally::new(SOURCE, group, entries.len(), progress);
            for entry in entries {
                let case = format!("{} {}", entry.id, entry.name);
                match fate(entry) {
                    Fate::Checked(result) => tally.check(case, result),
                    Fate::NotYet(reason) => tally.not_yet(reason),
                    Fate::Partly(result, reason) => {
                        tally.check(case, result);
                        tally.not_yet(reason);
                    }
                }
            }
            tally.finish()
        })
        .collect();
    rows.extend(
        file.derived.iter().filter(|e| e.name == "codec-examples").map(|entry| codec_examples(entry, progress)),
    );
    rows
}

const CREDENTIALS: &str = "credentials: signatures, times, attributes";
const PORTALS: &str = "portals";
const POLICIES: &str = "access policies (ABAC)";
const LEGACY: &str = "legacy BARE transport message of the UDS and WebSocket transports";
const MULTIADDR: &str = "MultiAddr";
const RELAYS: &str = "relays";
const RPC: &str = "request/response API, Kafka and services";
const UDP: &str = "UDP transport and hole punching";
const KEY_EXCHANGE_ONLY: &str = "key-exchange-only channels";
const BARE_TYPES: &str = "BARE signed integers, options and tuples: no message specified so far has them";

fn fate(entry: &Entry) -> Fate {
    let name = entry.name.as_str();
    match name {
        "secure-channel-refresh-credentials" => Fate::Partly(refresh_credentials(entry), CREDENTIALS),
        "identity-obsolete-format" => Fate::Checked(obsolete_identity(entry)),
        "controller-identifier" | "identity-documentation-example" => Fate::Checked(identifier_text(entry)),
        "identity-rotated" => Fate::Checked(rotated(entry)),
        "credential" => Fate::Partly(credential(entry), CREDENTIALS),
        "leb128-round-trip" => Fate::Checked(leb128_round_trip(entry)),
        "address-text" => Fate::Checked(address_text(entry)),
        "route-text" => Fate::Checked(route_text(entry)),
        "codec-examples" => Fate::Partly(
            codec_examples(entry, &mut |_| {}).failed.into_iter().next().map_or(Ok(()), |f| Err(f.to_string())),
            "examples of structures of later chapters (see `codec examples`)",
        ),
        "nonce-window" => Fate::Checked(nonce_window(entry)),
        "secure-channel-close" => Fate::Checked(
            entry
                .bytes("message")
                .and_then(|theirs| equal("Close", &channel::encode_close(channel::Padding::None), &theirs)),
        ),
        "hkdf-sha256" => Fate::Checked(hkdf(entry)),
        "aes-256-gcm" => Fate::Checked(aes_gcm(entry)),
        "transport-initiator-to-responder" | "transport-responder-to-initiator" => Fate::Checked(transport(entry)),
        "attestation-secure-channel" => Fate::Checked(attestation(entry)),
        "identity-and-credentials" => Fate::Checked(entry.bytes("payload").and_then(|payload| {
            Presentation::decode(&payload, &PresentationLimits::DEFAULT).map(|_| ()).map_err(refused)
        })),
        "noise-initial-hash" => Fate::Checked(handshakes::initial_hash(entry)),
        "channel-node-is-responder" => Fate::Partly(handshakes::with_their_responder(entry), CREDENTIALS),
        "channel-node-is-initiator" => Fate::Partly(handshakes::with_their_initiator(entry), CREDENTIALS),
        "multiaddr" => Fate::NotYet(MULTIADDR),
        "relay-answer" => Fate::NotYet(RELAYS),
        _ if name.starts_with("identity-") && entry.fields.get("change_history").is_some() => {
            Fate::Checked(identity(entry))
        }
        _ if name.starts_with("leb128-") => Fate::Checked(leb128(entry)),
        _ if name.starts_with("bare-tuple-") => Fate::NotYet(BARE_TYPES),
        _ if name.starts_with("transport-message-") || name.starts_with("address-bare-") => Fate::NotYet(LEGACY),
        "legacy-transport-message" => Fate::NotYet(LEGACY),
        _ if name.starts_with("portal-") => Fate::NotYet(PORTALS),
        _ if name.starts_with("abac-") || name.starts_with("policy-") => Fate::NotYet(POLICIES),
        _ if name.starts_with("tls-certificate-") => Fate::NotYet(RPC),
        _ if name.starts_with("noise-xx-") => Fate::Checked(handshakes::messages(entry)),
        _ if name.starts_with("handshake-") => Fate::Checked(handshakes::intermediate(entry)),
        _ if name.starts_with("key-tracker-") => Fate::Checked(handshakes::key_choice(entry)),
        _ => Fate::Checked(Err("no checker knows this entry".into())),
    }
}

fn refused(error: razor::Error) -> String {
    format!("it is refused: {error}")
}

fn identity(entry: &Entry) -> Check {
    let history = entry.bytes("change_history")?;
    let identity = Identity::import(&history, None).map_err(refused)?;
    ensure(identity.identifier().to_string() == entry.text("identifier_text")?, || {
        format!("the identifier is {}", identity.identifier())
    })?;
    equal("the history, exported,", identity.export(), &history)?;
    let latest = identity.latest();
    if entry.fields.get("public_key").is_some() {
        equal("the key", latest.key().as_bytes(), &entry.bytes("public_key")?)?;
    }
    for (field, ours) in
        [("attestations_valid_from", latest.valid_from()), ("attestations_valid_until", latest.valid_until())]
    {
        if let Some(theirs) = entry.fields.get(field).and_then(Value::as_u64) {
            ensure(ours.0 == theirs, || format!("`{field}` is {ours}, the vector says {theirs}"))?;
        }
    }
    if entry.fields.get("signing_secret").is_some() {
        let key = SoftwareVault::new()
            .import_signing_key(SigningKind::Ed25519, &entry.array("signing_secret")?)
            .map_err(refused)?;
        equal("the public key of the secret", key.as_bytes(), latest.key().as_bytes())?;
    }
    Ok(())
}

fn rotated(entry: &Entry) -> Check {
    identity_without_secret(entry)?;
    let identity = Identity::import(&entry.bytes("change_history")?, None).map_err(refused)?;
    equal("the latest change hash", &identity.latest().hash().0, &entry.bytes("latest_change_hash")?)
}

fn identity_without_secret(entry: &Entry) -> Check {
    let mut entry = entry.clone();
    if let Some(fields) = entry.fields.as_object_mut() {
        fields.remove("signing_secret");
    }
    identity(&entry)
}

fn obsolete_identity(entry: &Entry) -> Check {
    let imported = Identity::import(&entry.bytes("change_history")?, None);
    ensure(imported.is_err(), || "the obsolete history is accepted".into())?;
    ensure(entry.text("identifier_text")?.parse::<Identifier>().is_err(), || "a 20-byte identifier is accepted".into())
}

fn identifier_text(entry: &Entry) -> Check {
    let text = entry.text("identifier_text")?;
    let identifier: Identifier = text.parse().map_err(refused)?;
    ensure(identifier.to_string() == text, || format!("it prints as {identifier}"))?;
    match entry.fields.get("public_key") {
        Some(_) => VerifyingKey::Ed25519(entry.array("public_key")?).validate().map_err(refused),
        None => Ok(()),
    }
}

fn refresh_credentials(entry: &Entry) -> Check {
    identity_without_secret(entry)?;
    let message = entry.bytes("message")?;
    for field in ["change_history", "credential_data_versioned", "credential_signature", "attestation_signature"] {
        let part = entry.bytes(field)?;
        ensure(message.windows(part.len()).any(|window| window == part.0), || {
            format!("`{field}` does not stand in the message")
        })?;
    }
    // Two array heads, the history, one credential: what follows the history is the list of credentials.
    let start = message.windows(128).position(|window| Some(window) == entry.bytes("change_history").ok().as_deref());
    let list = start
        .and_then(|at| message.get(at + 129..message.len() - 1))
        .ok_or("the message holds no list of credentials")?;
    PresentedCredential::decode(list, list.len()).map(|_| ()).map_err(refused)
}

fn credential(entry: &Entry) -> Check {
    let issuer = Identity::import(&entry.bytes("issuer_change_history")?, None).map_err(refused)?;
    ensure(issuer.identifier().to_string() == entry.text("issuer_identifier_text")?, || {
        format!("the issuer's identifier is {}", issuer.identifier())
    })?;
    let bytes = entry.bytes("credential_and_purpose_key")?;
    let credential = PresentedCredential::decode(&bytes, bytes.len()).map_err(refused)?;
    equal("the credential, exported,", credential.export(), &bytes)
}

fn nonce_window(entry: &Entry) -> Check {
    let mut window = channel::Window::new();
    for step in entry.list("steps")? {
        let nonce = step.get("nonce").and_then(Value::as_u64).ok_or("a step has no nonce")?;
        let expected = step.get("accepted").and_then(Value::as_bool).ok_or("a step has no verdict")?;
        let fresh = window.check(nonce);
        ensure(fresh.is_ok() == expected, || format!("nonce {nonce}: {fresh:?}, the vector says {expected}"))?;
        if let Ok(fresh) = fresh {
            window.commit(fresh);
        }
    }
    Ok(())
}

fn hkdf(entry: &Entry) -> Check {
    let (first, second) = <Aes256GcmSha256 as Suite>::Hash::hkdf(&Key::new(entry.array("salt")?), &entry.bytes("ikm")?);
    equal("the first output", first.as_bytes(), &entry.bytes("k1")?)?;
    equal("the second output", second.as_bytes(), &entry.bytes("k2")?)
}

fn aes_gcm(entry: &Entry) -> Check {
    let nonce: [u8; 12] = entry.array("nonce")?;
    let number = nonce.iter().skip(4).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    ensure(nonce.starts_with(&[0; 4]), || "the nonce is none of Noise's".into())?;
    let mut text = entry.bytes("plaintext")?.0;
    let cipher = <Aes256GcmSha256 as Suite>::Cipher::new(&Key::new(entry.array("key")?));
    let tag = cipher.seal(number, &entry.bytes("aad")?, &mut text).map_err(refused)?;
    equal("the ciphertext", &[&text[..], &tag].concat(), &entry.bytes("ciphertext_and_tag")?)
}

/// Every nonce up to the last of the entry is used, in order, so that the key is renewed on the way.
fn transport(entry: &Entry) -> Check {
    let messages = entry.list("messages")?;
    let first = messages.first().ok_or("there are no messages")?;
    let key = Key::new(hex_of(first.get("key"), "key")?.array()?);
    let mut encryptor = channel::Encryptor::<Aes256GcmSha256>::new(key.clone());
    let mut decryptor = channel::Decryptor::<Aes256GcmSha256>::new(key);
    let plaintext = entry.bytes("plaintext")?;
    let mut sent = Vec::new();
    let last = messages.iter().filter_map(|m| m.get("nonce").and_then(Value::as_u64)).max().unwrap_or_default();
    for _ in 0..=last {
        let mut message = razor::routing::Message::raw(plaintext.0.clone(), 0);
        encryptor.seal(&mut message).map_err(refused)?;
        sent.push(message);
    }
    for message in messages {
        let nonce = message.get("nonce").and_then(Value::as_u64).unwrap_or_default();
        let mut ours = sent.get(nonce as usize).cloned().ok_or("a nonce is missing")?;
        equal(&format!("message {nonce}"), ours.payload(), &hex_of(message.get("message"), "message")?)?;
        decryptor.open(&mut ours).map_err(refused)?;
        equal(&format!("the text of message {nonce}"), ours.payload(), &plaintext)?;
    }
    Ok(())
}

fn attestation(entry: &Entry) -> Check {
    let public = SoftwareVault::new().import_static_key(&entry.array("x25519_secret")?);
    equal("the public key", &public.0, &entry.bytes("x25519_public")?)?;
    for field in ["attestation_for_identity_one_change", "attestation_for_identity_rotated"] {
        let bytes = entry.bytes(field)?;
        let attestation = PurposeKeyAttestation::decode(&bytes).map_err(refused)?;
        equal(field, attestation.export(), &bytes)?;
    }
    Ok(())
}

fn read_uint(bytes: &[u8]) -> razor::Result<u64> {
    let mut reader = bare::Reader::new(bytes);
    let value = reader.uint()?;
    reader.finish()?;
    Ok(value)
}

fn leb128(entry: &Entry) -> Check {
    let expected = entry.fields.get("value").and_then(Value::as_str);
    same_uint(&entry.bytes("bytes")?, expected)
}

fn same_uint(bytes: &[u8], expected: Option<&str>) -> Check {
    let ours = read_uint(bytes).ok().map(|value| value.to_string());
    ensure(ours.as_deref() == expected, || format!("it reads as {ours:?}, the vector says {expected:?}"))
}

fn leb128_round_trip(entry: &Entry) -> Check {
    for case in entry.list("cases")? {
        let bytes = hex_of(case.get("bytes"), "bytes")?;
        let text = text_of(case.get("value"), "value")?;
        same_uint(&bytes, Some(text))?;
        let mut ours = Vec::new();
        bare::write_uint(&mut ours, text.parse().map_err(|_| "the value is no number")?);
        equal(&format!("the encoding of {text}"), &ours, &bytes)?;
    }
    Ok(())
}

fn address_text(entry: &Entry) -> Check {
    for case in entry.list("cases")? {
        let text = text_of(case.get("text"), "text")?;
        let parsed = text.parse::<Address>();
        match (case.get("type").and_then(Value::as_u64), parsed) {
            (Some(kind), Ok(address)) => {
                let address = address.as_ref();
                ensure(u64::from(address.transport.0) == kind, || {
                    format!("{text}: the type is {:?}", address.transport)
                })?;
                equal(
                    &format!("the value of {text}"),
                    address.value,
                    text_of(case.get("value_text"), "value")?.as_bytes(),
                )?;
            }
            (None, Err(_)) => {}
            (Some(_), Err(error)) => return Err(format!("{text} is refused: {error}")),
            (None, Ok(address)) => return Err(format!("{text} parses as {address}")),
        }
    }
    Ok(())
}

fn route_text(entry: &Entry) -> Check {
    for case in entry.list("cases")? {
        let text = text_of(case.get("text"), "text")?;
        let ours: Option<Vec<String>> =
            text.parse::<Route>().ok().map(|route| route.as_ref().iter().map(|a| a.to_string()).collect());
        let theirs: Option<Vec<String>> = case.get("route_text").and_then(|list| Vec::deserialize(list).ok());
        ensure(ours == theirs, || format!("{text:?} parses as {ours:?}, the vector says {theirs:?}"))?;
    }
    Ok(())
}

/// The small examples, one by one: a row of their own.
fn codec_examples(entry: &Entry, progress: &mut dyn FnMut(Progress)) -> Row {
    let cases = entry.list("cases").unwrap_or_default();
    let mut tally = Tally::new(SOURCE, "codec examples", cases.len(), progress);
    for case in cases {
        let name = case.get("name").and_then(Value::as_str).unwrap_or_default();
        let bytes = hex_of(case.get("bytes"), "bytes");
        match example(name, bytes.as_ref().map_or(&[], |bytes| &bytes[..])) {
            Fate::Checked(result) => tally.check(name, bytes.and(result)),
            Fate::NotYet(reason) => tally.not_yet(reason),
            Fate::Partly(..) => {}
        }
    }
    tally.finish()
}

fn example(name: &str, bytes: &[u8]) -> Fate {
    let route = |text: &str| text.parse::<Route>().unwrap_or_default();
    let frame = |tracing: Option<&str>| {
        let mut message = razor::routing::Message::new(route("echo").as_ref(), route("app").as_ref(), &[1, 2]);
        message.set_tracing(tracing);
        crate::captures::encode_frame(&message)
    };
    match name {
        "Address 0#echo, CBOR" => {
            let mut ours = Vec::new();
            Address::local("echo").as_ref().encode(&mut ours);
            Fate::Checked(equal("the address", &ours, bytes))
        }
        "Route [0#a, 0#b], CBOR" => Fate::Checked(equal("the route", &route("a => b").encode(), bytes)),
        "empty route, CBOR" => Fate::Checked(
            equal("the route", &Route::new().encode(), bytes)
                .and_then(|()| Route::decode(bytes, &Limits::DEFAULT).map(|_| ()).map_err(refused)),
        ),
        "TcpTransportMessage onward [0#echo] return [0#app] payload 0102, no tracing" => {
            Fate::Checked(equal("the message", &frame(None)[4..], bytes))
        }
        "same with tracing text {}" => Fate::Checked(equal("the message", &frame(Some("{}"))[4..], bytes)),
        "full TCP frame of the first" => Fate::Checked(equal("the frame", &frame(None), bytes)),
        "TCP heartbeat message" => {
            let heartbeat = razor::routing::Message::new(Route::new().as_ref(), Route::new().as_ref(), &[]);
            Fate::Checked(equal("the heartbeat", &crate::captures::encode_frame(&heartbeat)[4..], bytes))
        }
        "secure channel Payload onward [0#echo] return [0#app] payload 0568656c6c6f" => {
            let payload = [0x05, b'h', b'e', b'l', b'l', b'o'];
            let message = razor::routing::Message::new(route("echo").as_ref(), route("app").as_ref(), &payload);
            Fate::Checked(equal("the plaintext", &crate::captures::encode_plaintext(&message), bytes))
        }
        "Address 0#echo, BARE" => Fate::NotYet(LEGACY),
        _ if name.starts_with("Udp")
            || name.starts_with("rendezvous")
            || name.to_lowercase().starts_with("puncture") =>
        {
            Fate::NotYet(UDP)
        }
        _ if name.starts_with("Expr") || name.starts_with("PolicyExpression") => Fate::NotYet(POLICIES),
        _ if name.starts_with("portal") => Fate::NotYet(PORTALS),
        _ if name.starts_with("Encryption") => Fate::NotYet(KEY_EXCHANGE_ONLY),
        _ => Fate::NotYet(RPC),
    }
}
