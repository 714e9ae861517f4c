//! Recorded channels, replayed: our machine plays the responder against the recorded initiator and the
//! initiator against the recorded responder, and every byte it sends is the recorded one.
//!
//! What the applications said is learnt by decrypting the recording with the other role's key. Messages
//! may be missing, late or twice. What comes out of a channel is searched for channels again, so that
//! channels inside channels are replayed too.

use std::collections::BTreeMap;

use razor::channel::{Addresses, Decryptor, Event, Input, PaddingLimit, Plaintext, decode};
use razor::env::Timestamp;
use razor::identity::{AttestationDraft, PresentedCredential, PurposeKey};
use razor::noise::{Finished, Initiator, ResponderNeedsDh};
use razor::routing::{Address, Limits, Message, Route};
use razor::vault::suite::Aes256Gcm;
use razor::vault::{KeyHandle, SigningKind, SoftwareVault};

use super::format::{Direction, Frame, Operation, Recording, Secrets, Session};
use super::frames;
use super::party::{Means, Out, Party, Payload};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

/// A routed message where it was recorded, or as it came out of a recorded channel.
struct Tap {
    case: String,
    dir: Direction,
    message: Message,
    /// The whole frame, when it was one.
    frame: Option<Vec<u8>>,
}

/// Ephemeral keys by their public halves.
type Ephemerals = BTreeMap<[u8; 32], [u8; 32]>;

/// The secrets of a session.
struct Known<'a> {
    secrets: &'a Secrets,
    session: &'a Session,
    initiator: Ephemerals,
    responder: Ephemerals,
}

/// One channel of a recording: its messages, sorted by what they are.
struct Conversation {
    initiator: Address,
    responder: Option<Address>,
    message_1: Tap,
    message_2: Option<Tap>,
    message_3: Option<Tap>,
    to_responder: Vec<Tap>,
    to_initiator: Vec<Tap>,
}

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let total = recording.sessions.values().map(|session| session.frames.len()).sum();
    let mut tally = Tally::new(source, "captures: channels replayed in both roles", total, progress);
    for (name, session) in &recording.sessions {
        match &session.secrets {
            Some(secrets) => one_session(&mut tally, name, session, secrets),
            None => session.frames.iter().for_each(|frame| {
                if matches!(frame, Frame::Frame(_)) {
                    tally.not_yet("plain messages: workers are not replayed, their frames are");
                }
            }),
        }
    }
    tally.finish()
}

fn one_session(tally: &mut Tally<'_>, name: &str, session: &Session, secrets: &Secrets) {
    if session.protocol_name_ascii.as_deref().is_some_and(|name| name != "OCKAM_XX_25519_AES256_GCM_SHA256") {
        return tally.not_yet("channels of another suite");
    }
    let mut taps = Vec::new();
    for (index, frame) in session.frames.iter().enumerate() {
        let Frame::Frame(frame) = frame else { continue };
        let case = format!("{name}, frame {index}");
        match frames::decode(frame.frame_hex.get(4..).unwrap_or_default()) {
            Ok(message) => taps.push(Tap { case, dir: frame.dir, message, frame: Some(frame.frame_hex.0.clone()) }),
            Err(sentence) => tally.check(case, Err(sentence)),
        }
    }
    let initiator = ephemerals(&secrets.initiator.ephemeral_x25519, &session.initiator_vault_operations);
    let responder = ephemerals(&secrets.responder.ephemeral_x25519, &session.responder_vault_operations);
    match (initiator, responder) {
        (Ok(initiator), Ok(responder)) => {
            let known = Known { secrets, session, initiator, responder };
            if replay(tally, &known, taps, 0) == 0 {
                tally.check(name, Err("no message of the session begins a channel with the recorded secrets".into()));
            }
        }
        (Err(sentence), _) | (_, Err(sentence)) => tally.check(name, Err(sentence)),
    }
}

fn ephemerals(first: &[u8], operations: &[Operation]) -> Result<Ephemerals, String> {
    let mut vault = SoftwareVault::new();
    let generated: Vec<Vec<u8>> = operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::GenerateEphemeral { secret, .. } => Some(secret.to_vec()),
            _ => None,
        })
        .collect();
    if !generated.is_empty() && !generated.iter().any(|secret| secret == first) {
        return Err("the session's ephemeral secret is none that its vault made".into());
    }
    std::iter::once(first.to_vec())
        .chain(generated)
        .map(|secret| {
            let secret = secret.try_into().map_err(|_| "an ephemeral secret is not 32 bytes long")?;
            Ok((vault.import_static_key(&secret).0, secret))
        })
        .collect()
}

/// How deep channels inside channels are followed.
const DEPTH: usize = 8;

/// Replays every channel among `taps`; says how many there are.
fn replay(tally: &mut Tally<'_>, known: &Known<'_>, taps: Vec<Tap>, depth: usize) -> usize {
    let (conversations, plain) = sort(known, taps);
    let count = conversations.len();
    if depth == 0 {
        plain.iter().for_each(|_| tally.not_yet("relays and plain messages around channels: their frames are checked"));
    }
    for conversation in conversations {
        let case = conversation.message_1.case.clone();
        match one_channel(tally, known, &conversation) {
            Ok(inner) if depth < DEPTH => {
                replay(tally, known, inner, depth + 1);
            }
            Ok(_) => tally.not_yet("channels nested deeper than eight times"),
            Err(sentence) => tally.check(case, Err(sentence)),
        }
    }
    count
}

fn sort(known: &Known<'_>, taps: Vec<Tap>) -> (Vec<Conversation>, Vec<Tap>) {
    let mut conversations: Vec<Conversation> = Vec::new();
    let mut plain = Vec::new();
    for tap in taps {
        let last = |route: razor::routing::RouteRef<'_>| route.last().map(|address| address.to_owned());
        let (to, from) = (last(tap.message.onward()), last(tap.message.return_route()));
        let first = tap.message.payload().first_chunk::<32>().copied().unwrap_or_default();
        if let (Some(from), true) = (&from, known.initiator.contains_key(&first)) {
            if !conversations.iter().any(|c| c.initiator == *from) {
                conversations.push(Conversation {
                    initiator: from.clone(),
                    responder: None,
                    message_1: tap,
                    message_2: None,
                    message_3: None,
                    to_responder: vec![],
                    to_initiator: vec![],
                });
            }
            continue;
        }
        let found =
            conversations.iter_mut().find(|c| to.is_some() && (to.as_ref() == Some(&c.initiator) || to == c.responder));
        match found {
            None => plain.push(tap),
            Some(c) if to == c.responder => {
                if c.message_3.is_none() && from.as_ref() == Some(&c.initiator) {
                    c.message_3 = Some(tap);
                } else {
                    c.to_responder.push(tap);
                }
            }
            Some(c) if c.message_2.is_none() && known.responder.contains_key(&first) => {
                c.responder = from;
                c.message_2 = Some(tap);
            }
            Some(c) => c.to_initiator.push(tap),
        }
    }
    (conversations, plain)
}

/// What an application, or the channel itself, said.
enum Said {
    Payload(Message),
    Refresh { history: Vec<u8>, credentials: Vec<u8> },
    Close,
}

fn one_channel(tally: &mut Tally<'_>, known: &Known<'_>, c: &Conversation) -> Result<Vec<Tap>, String> {
    let (Some(message_2), Some(message_3), Some(responder)) = (&c.message_2, &c.message_3, &c.responder) else {
        tally.not_yet("handshakes of which a message was not recorded");
        return Ok(vec![]);
    };
    let ephemeral = |pool: &Ephemerals, tap: &Tap| {
        let public = tap.message.payload().first_chunk::<32>().copied().unwrap_or_default();
        pool.get(&public).copied().ok_or("an ephemeral key is not in the recording")
    };
    let alice = Means {
        static_secret: known.secrets.initiator.static_x25519.array()?,
        ephemeral: ephemeral(&known.initiator, &c.message_1)?,
    };
    let bob = Means {
        static_secret: known.secrets.responder.static_x25519.array()?,
        ephemeral: ephemeral(&known.responder, message_2)?,
    };

    // Noise alone, both sides: this also gives the payloads and the keys.
    let handshake = noise(&alice, &bob, &c.message_1, message_2, message_3)?;
    tally.check(format!("{}, the handshake in Noise", c.message_1.case), Ok(()));
    tally.check(format!("{}, the keys", message_3.case), keys(known.session, &handshake));
    let payloads = [&handshake.payload_2, &handshake.payload_3].map(|bytes| Payload::parse(bytes));
    let [bob_says, alice_says] = payloads;
    let (bob_says, alice_says) = (bob_says?, alice_says?);
    tally.check(format!("{}, its attestation", message_2.case), attested(known, &bob_says, &bob, true));
    tally.check(format!("{}, its attestation", message_3.case), attested(known, &alice_says, &alice, false));
    let now = Timestamp(alice_says.created_at.0.max(bob_says.created_at.0));

    // What was said, by nonce.
    let to_responder = said(tally, &c.to_responder, Decryptor::new(handshake.responder.receive.clone()));
    let to_initiator = said(tally, &c.to_initiator, Decryptor::new(handshake.initiator.receive.clone()));

    let start = |encryptors: [Address; 2]| -> Result<(Party, Party, Check), String> {
        let [alice_sends, bob_sends] = encryptors;
        let addresses = Addresses { decryptor: c.initiator.clone(), encryptor: alice_sends };
        let route: Route = c.message_1.message.onward().to_owned();
        let (mut initiator, first) = Party::initiate(&alice, &alice_says, now, addresses, &route)?;
        let addresses = Addresses { decryptor: responder.clone(), encryptor: bob_sends };
        let (mut answering, second) = Party::respond(&bob, &bob_says, now, addresses, &c.message_1.message)?;
        let third = initiator.input(Input::Receive(message_2.message.clone()))?;
        let open = answering.input(Input::Receive(message_3.message.clone()))?;
        let check = (|| {
            same(&first, &c.message_1, local(c, true))?;
            same(&second, message_2, local(c, false))?;
            same(&third, message_3, local(c, true))?;
            opened(&third, &bob_says)?;
            opened(&open, &alice_says)
        })();
        Ok((initiator, answering, check))
    };
    let names = [encryptor(&to_responder), encryptor(&to_initiator)];

    // Receiving: what our machines deliver is what was said.
    let (mut initiator, mut answering, check) = start(names.clone())?;
    tally.check(format!("{}, the handshake of the machines", c.message_1.case), check);
    let mut inner = Vec::new();
    receive(tally, &mut answering, &c.to_responder, &to_responder, &names[1], &mut inner);
    receive(tally, &mut initiator, &c.to_initiator, &to_initiator, &names[0], &mut inner);

    // Sending: what our machines send is what was recorded.
    let (mut initiator, mut answering, _) = start(names)?;
    send(tally, &mut initiator, &to_responder, local(c, true));
    send(tally, &mut answering, &to_initiator, local(c, false));
    Ok(inner)
}

/// Whether a side's messages were recorded as it sent them, and not behind another node.
fn local(c: &Conversation, initiator: bool) -> bool {
    let first = if initiator { Some(&c.message_1) } else { c.message_2.as_ref() };
    first.is_some_and(|tap| tap.message.return_route().len() == 1)
}

struct Handshake {
    initiator: Finished,
    responder: Finished,
    payload_2: Vec<u8>,
    payload_3: Vec<u8>,
}

fn noise(alice: &Means, bob: &Means, message_1: &Tap, message_2: &Tap, message_3: &Tap) -> Result<Handshake, String> {
    let refused = |what: &'static str| move |e: razor::Error| format!("{what}: {e}");
    let ((alice_vault, alice_public), (bob_vault, bob_public)) = (alice.vault(), bob.vault());
    let (initiator, first) = Initiator::<Aes256Gcm>::start(alice_public, &mut alice.entropy());
    equal("message 1", &first, message_1.message.payload())?;
    let (initiator, payload_2) =
        initiator.read_message_2(message_2.message.payload()).map_err(refused("message 2 is refused"))?;
    let responder =
        ResponderNeedsDh::<Aes256Gcm>::read_message_1(bob_public, message_1.message.payload(), &mut bob.entropy())
            .map_err(refused("message 1 is refused"))?;
    let shared = bob_vault
        .static_dh(&KeyHandle::of(&bob_public.0), &responder.dh_with())
        .map_err(refused("the responder's static key"))?;
    let (second, responder) = responder.write_message_2(&shared, &payload_2).map_err(refused("message 2"))?;
    equal("message 2", &second, message_2.message.payload())?;
    let (responder, payload_3) =
        responder.read_message_3(message_3.message.payload()).map_err(refused("message 3 is refused"))?;
    let shared = alice_vault
        .static_dh(&KeyHandle::of(&alice_public.0), &initiator.dh_with())
        .map_err(refused("the initiator's static key"))?;
    let (third, initiator) = initiator.write_message_3(&shared, &payload_3).map_err(refused("message 3"))?;
    equal("message 3", &third, message_3.message.payload())?;
    Ok(Handshake { initiator, responder, payload_2, payload_3 })
}

/// The transport keys are the recorded ones. A recording of several channels has the keys of one.
fn keys(session: &Session, handshake: &Handshake) -> Check {
    equal("the initiator's sending key", handshake.initiator.send.as_bytes(), handshake.responder.receive.as_bytes())?;
    equal("the responder's sending key", handshake.responder.send.as_bytes(), handshake.initiator.receive.as_bytes())?;
    let splits = session
        .initiator_vault_operations
        .iter()
        .filter(|operation| matches!(operation, Operation::Hkdf { ikm, .. } if ikm.is_empty()))
        .count();
    if splits > 1 {
        return Ok(());
    }
    let (forth, back) = (handshake.initiator.send.as_bytes(), handshake.responder.send.as_bytes());
    if let Some(key) = &session.initiator_to_responder_key {
        equal("the key from initiator to responder", forth, key)?;
    }
    if let Some(key) = &session.responder_to_initiator_key {
        equal("the key from responder to initiator", back, key)?;
    }
    match session.final_hkdf_outputs.as_slice() {
        [first, second] => {
            equal("the first key of the split", back, first)?;
            equal("the second key of the split", forth, second)
        }
        _ => Ok(()),
    }
}

/// The attestation is the one that the recorded identity key makes, when that is an Ed25519 key.
fn attested(known: &Known<'_>, payload: &Payload, means: &Means, responder: bool) -> Check {
    if let Some(times) = known.session.purpose_key_times {
        ensure((payload.created_at.0, payload.expires_at.0) == (times.created_at, times.expires_at), || {
            format!("it is valid from {} to {}", payload.created_at, payload.expires_at)
        })?;
    }
    let role = if responder { &known.secrets.responder } else { &known.secrets.initiator };
    let Some(secret) = &role.identity_ed25519 else { return Ok(()) };
    let mut vault = SoftwareVault::new();
    let key = vault.import_signing_key(SigningKind::Ed25519, &secret.array()?).map_err(|e| e.to_string())?;
    if key != *payload.identity.latest().key() {
        return Ok(());
    }
    let static_key = PurposeKey::SecureChannelStatic(means.vault().1);
    let draft = AttestationDraft::new(&payload.identity, static_key, payload.created_at, payload.expires_at);
    let answer = vault.answer(&draft.request()).map_err(|e| e.to_string())?;
    let again = draft.answer(answer).map_err(|e| e.to_string())?;
    equal("the attestation, made again,", again.export(), payload.attestation.export())
}

/// The recorded messages of one direction by nonce, with what they say.
fn said<'t>(tally: &mut Tally<'_>, taps: &'t [Tap], mut key: Decryptor<Aes256Gcm>) -> BTreeMap<u64, (&'t Tap, Said)> {
    let mut by_nonce: BTreeMap<u64, (&Tap, Said)> = BTreeMap::new();
    for tap in taps {
        let mut message = Message::raw(tap.message.payload().to_vec(), 0);
        let nonce = tap.message.payload().first_chunk::<8>().map(|nonce| u64::from_be_bytes(*nonce));
        if let Some((first, _)) = nonce.and_then(|nonce| by_nonce.get(&nonce))
            && first.message.payload() == tap.message.payload()
        {
            // The same message once more: the machine has to refuse it.
            continue;
        }
        let read = key.open(&mut message).and_then(|nonce| {
            let plaintext = decode(&mut message, &Limits::DEFAULT, PaddingLimit::DEFAULT)?;
            Ok((nonce, plaintext))
        });
        match read {
            Ok((nonce, plaintext)) => {
                let part = |range: std::ops::Range<usize>| message.payload().get(range).unwrap_or_default().to_vec();
                let said = match plaintext {
                    Plaintext::Payload => Said::Payload(message),
                    Plaintext::RefreshCredentials { history, credentials } => {
                        Said::Refresh { history: part(history), credentials: part(credentials) }
                    }
                    Plaintext::Close => Said::Close,
                };
                by_nonce.insert(nonce, (tap, said));
            }
            Err(error) => tally.check(format!("{}, decrypted", tap.case), Err(error.to_string())),
        }
    }
    by_nonce
}

/// The address that a side sends from: it stands in the return route of what the channel itself says.
fn encryptor(said: &BTreeMap<u64, (&Tap, Said)>) -> Address {
    said.values()
        .find(|(_, said)| !matches!(said, Said::Payload(_)))
        .and_then(|(tap, _)| tap.message.return_route().last().map(|address| address.to_owned()))
        .unwrap_or_else(|| Address::local("encryptor"))
}

fn opened(out: &Out, peer: &Payload) -> Check {
    ensure(out.events.contains(&Event::Opened(peer.identity.identifier())), || {
        format!("the channel with {} did not open: {:?}", peer.identity.identifier(), out.events)
    })
}

/// The one message that our machine sends is the recorded one.
fn same(out: &Out, tap: &Tap, local: bool) -> Check {
    let [ours] = out.sent.as_slice() else {
        return Err(format!("{} messages are sent, one was recorded", out.sent.len()));
    };
    equal(&format!("the payload of {}", tap.case), ours.payload(), tap.message.payload())?;
    if !local {
        // Nodes between have changed the routes; what they keep is the end of the way back.
        return match ours.return_route().last() {
            Some(last) => {
                ensure(tap.message.return_route().last() == Some(last), || "the return route ends elsewhere".into())
            }
            None => Ok(()),
        };
    }
    for (what, ours, theirs) in
        [("onward", ours.onward(), tap.message.onward()), ("return", ours.return_route(), tap.message.return_route())]
    {
        ensure(ours.items() == theirs.items(), || {
            format!("the {what} route is {ours:?}, the recording has {theirs:?}")
        })?;
    }
    match &tap.frame {
        Some(frame) => {
            let mut ours = ours.clone();
            ours.set_tracing(tap.message.tracing());
            equal("the frame", &frames::encode(&ours), frame)
        }
        None => Ok(()),
    }
}

/// Feeds the recorded messages of one direction to the side that received them, in the recorded order.
fn receive(
    tally: &mut Tally<'_>,
    party: &mut Party,
    taps: &[Tap],
    said: &BTreeMap<u64, (&Tap, Said)>,
    own: &Address,
    inner: &mut Vec<Tap>,
) {
    for tap in taps {
        let found = said.values().find(|(first, _)| std::ptr::eq(*first, tap));
        let out = party.input(Input::Receive(tap.message.clone()));
        let check = match (out, found) {
            (Err(_), None) => Ok(()),
            (Err(sentence), Some(_)) => Err(sentence),
            (Ok(out), None) => ensure(out.delivered.is_empty(), || "a message is delivered twice".into()),
            (Ok(out), Some((_, said))) => delivered(&out, said, own),
        };
        if let Some((_, Said::Payload(message))) = found {
            let case = format!("{}, inside", tap.case);
            inner.push(Tap { case, dir: tap.dir, message: message.clone(), frame: None });
        }
        tally.check(format!("{}, received", tap.case), check);
    }
}

fn delivered(out: &Out, said: &Said, own: &Address) -> Check {
    match said {
        Said::Payload(message) => {
            let mut expected = message.clone();
            expected.push_return(own.as_ref());
            let [ours] = out.delivered.as_slice() else {
                return Err(format!("{} messages are delivered: {:?}", out.delivered.len(), out.events));
            };
            equal("the delivered payload", ours.payload(), expected.payload())?;
            equal("the delivered onward route", ours.onward().items(), expected.onward().items())?;
            equal("the delivered return route", ours.return_route().items(), expected.return_route().items())
        }
        Said::Close => ensure(out.events.contains(&Event::Closed), || "the channel is still open".into()),
        Said::Refresh { credentials, .. } => ensure(out.delivered.is_empty(), || "something is delivered".into())
            .and_then(|()| {
                let is_told = |event: &Event| {
                    matches!(event, Event::Credentials(list) if PresentedCredential::encode_list(list) == *credentials)
                };
                let told = out.events.iter().any(is_told);
                ensure(told || out.events.is_empty(), || format!("the credentials are not told: {:?}", out.events))
            }),
    }
}

/// Lets one side say again what it said, in the order of the nonces; what was not recorded is filled in and lost.
fn send(tally: &mut Tally<'_>, party: &mut Party, said: &BTreeMap<u64, (&Tap, Said)>, local: bool) {
    let mut next = 0;
    for (nonce, (tap, said)) in said {
        while next < *nonce {
            let filler = Message::new(Route::new().as_ref(), Route::new().as_ref(), &[]);
            if let Err(sentence) = party.input(Input::Send(filler)) {
                return tally.check(format!("{}, sent", tap.case), Err(sentence));
            }
            next += 1;
        }
        next += 1;
        let input = match said {
            Said::Payload(message) => Input::Send(message.clone()),
            Said::Close => Input::Close,
            Said::Refresh { history, credentials } => {
                Input::RefreshCredentials { history: history.clone(), credentials: credentials.clone() }
            }
        };
        let check = party.input(input).and_then(|out| same(&out, tap, local));
        tally.check(format!("{}, sent", tap.case), check);
    }
}
