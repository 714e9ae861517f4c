//! Sessions with the crate `snow`, in both roles and with both suites that it has.

use razor::env::{Entropy, Purpose, Seeded};
use razor::noise::{Noise, Profile};
use razor::vault::suite::{Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use snow::{HandshakeState, TransportState};

use super::{Ours, Role};
use crate::report::{Check, Options, Progress, Row, Tally, ensure, equal};

/// Sessions for each suite and role.
const SESSIONS: usize = 24;
const QUICK_SESSIONS: usize = 3;
/// Transport messages in each session, in both directions together.
const MESSAGES: usize = 400;
/// The longest message of Noise.
const MAX: usize = 65_535;

pub(crate) fn section(options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    let sessions = if options.quick { QUICK_SESSIONS } else { SESSIONS };
    let mut rows = Vec::new();
    for role in [Role::Initiator, Role::Responder] {
        rows.push(suite::<Aes256GcmSha256>(role, sessions, options.seed, progress));
        rows.push(suite::<ChaChaPolyBlake2s>(role, sessions, options.seed, progress));
    }
    rows
}

fn suite<S: Suite>(role: Role, sessions: usize, seed: u64, progress: &mut dyn FnMut(Progress)) -> Row
where
    Noise: Profile<S>,
{
    let name = <Noise as Profile<S>>::NAME;
    let group = format!("snow, {name}, ours the {}", format!("{role:?}").to_lowercase());
    let mut tally = Tally::new("live", &group, sessions * (MESSAGES + 5), progress);
    for number in 0..sessions {
        let mut dice = Dice::new(seed, &group, number);
        let case = format!("session {number}");
        if let Err(sentence) = session::<S>(&mut tally, &case, role, &mut dice) {
            tally.check(case, Err(sentence));
        }
    }
    tally.finish()
}

/// Everything random in a session.
struct Dice(Seeded);

impl Dice {
    fn new(seed: u64, group: &str, number: usize) -> Self {
        let label = format!("{seed} {group} {number}");
        Self(Seeded::new(razor::vault::sha256(label.as_bytes())))
    }

    fn number(&mut self, below: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(Purpose::Ping, &mut bytes);
        (u64::from_le_bytes(bytes) % below as u64) as usize
    }

    fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.0.fill(Purpose::LongTermKey, &mut key);
        key
    }

    /// Mostly short, at times the longest there is.
    fn payload(&mut self, longest: usize) -> Vec<u8> {
        let length = match self.number(24) {
            0 => 0,
            1 => longest,
            2..4 => self.number(longest),
            _ => self.number(200),
        };
        let mut payload = vec![0; length];
        self.0.fill(Purpose::Ping, &mut payload);
        payload
    }
}

fn session<S: Suite>(tally: &mut Tally<'_>, case: &str, role: Role, dice: &mut Dice) -> Check
where
    Noise: Profile<S>,
{
    let (our_key, their_key, their_ephemeral) = (dice.key(), dice.key(), dice.key());
    let prologue = dice.payload(300);
    let mut ours = Ours::<S>::new(role, &our_key, &prologue);
    let mut theirs = peer(<Noise as Profile<S>>::NAME, role, &their_key, &their_ephemeral, &prologue)?;

    // The longest payloads of messages 1 to 3: what their keys and tags leave. Snow wants room for a tag in message 1
    // too.
    for (index, longest) in [MAX - 48, MAX - 96, MAX - 64].into_iter().enumerate() {
        let payload = dice.payload(longest);
        let is_ours = (index % 2 == 0) == (role == Role::Initiator);
        let check = if is_ours {
            let message = ours.write(&mut dice.0, &payload)?;
            their_read(|message, out| theirs.read_message(message, out), &message)
                .and_then(|read| equal("the payload", &read, &payload))
        } else {
            let message = their_write(|payload, out| theirs.write_message(payload, out), &payload)?;
            forged(&mut ours, dice, &message, index)?;
            ours.read(&mut dice.0, &message).and_then(|read| equal("the payload", &read, &payload))
        };
        tally.check(format!("{case}, message {}", index + 1), check.clone());
        check?;
    }
    let (hash, peer) = ours.outcome().ok_or("our handshake is not finished")?;
    tally.check(format!("{case}, the handshake hash"), equal("the handshake hash", &hash, theirs.get_handshake_hash()));
    let known = theirs.get_remote_static().map(<[u8]>::to_vec);
    let check = equal("our static key, as they know it,", &ours.public.0, &known.unwrap_or_default())
        .and_then(|()| equal("their static key, as we know it,", &peer.0, &public(&their_key)));
    tally.check(format!("{case}, the static keys"), check);
    let theirs = theirs.into_transport_mode().map_err(|e| format!("snow: {e}"))?;
    transport(tally, case, ours, theirs, dice)
}

/// A damaged message of theirs is refused and changes nothing. Message 1 has nothing by which damage shows.
fn forged<S: Suite>(ours: &mut Ours<S>, dice: &mut Dice, message: &[u8], index: usize) -> Check
where
    Noise: Profile<S>,
{
    if index == 0 {
        return Ok(());
    }
    let mut damaged = message.to_vec();
    let at = dice.number(damaged.len());
    // The highest bit of a public key means nothing.
    damaged[at] ^= 1 << dice.number(7);
    ensure(ours.read(&mut dice.0, &damaged).is_err(), || format!("a message damaged at byte {at} is accepted"))
}

fn transport<S: Suite>(
    tally: &mut Tally<'_>,
    case: &str,
    mut ours: Ours<S>,
    mut theirs: TransportState,
    dice: &mut Dice,
) -> Check
where
    Noise: Profile<S>,
{
    for index in 0..MESSAGES {
        // Keys are renewed now and then, on both sides at once.
        match dice.number(40) {
            0 => {
                ours.transport()?.0.rekey().map_err(|e| e.to_string())?;
                theirs.rekey_incoming();
            }
            1 => {
                ours.transport()?.1.rekey().map_err(|e| e.to_string())?;
                theirs.rekey_outgoing();
            }
            _ => {}
        }
        let payload = dice.payload(MAX - 16);
        let check = if dice.number(2) == 0 {
            let message = ours.write(&mut dice.0, &payload)?;
            their_read(|message, out| theirs.read_message(message, out), &message)
                .and_then(|read| equal("the payload", &read, &payload))
        } else {
            let message = their_write(|payload, out| theirs.write_message(payload, out), &payload)?;
            forged(&mut ours, dice, &message, index + 1)?;
            ours.read(&mut dice.0, &message).and_then(|read| equal("the payload", &read, &payload))
        };
        tally.check(format!("{case}, transport message {index}"), check.clone());
        check?;
    }
    Ok(())
}

/// Snow in the other role.
fn peer(
    name: &str,
    role: Role,
    secret: &[u8; 32],
    ephemeral: &[u8; 32],
    prologue: &[u8],
) -> Result<HandshakeState, String> {
    let params = name.parse().map_err(|e| format!("snow does not know {name}: {e}"))?;
    let builder = snow::Builder::new(params)
        .local_private_key(secret)
        .and_then(|builder| builder.prologue(prologue))
        .map(|builder| builder.fixed_ephemeral_key_for_testing_only(ephemeral));
    let built = builder.and_then(|builder| match role {
        Role::Initiator => builder.build_responder(),
        Role::Responder => builder.build_initiator(),
    });
    built.map_err(|e| format!("snow: {e}"))
}

fn public(secret: &[u8; 32]) -> [u8; 32] {
    razor::vault::SoftwareVault::new().import_static_key(secret).0
}

fn their_write(
    mut write: impl FnMut(&[u8], &mut [u8]) -> Result<usize, snow::Error>,
    payload: &[u8],
) -> Result<Vec<u8>, String> {
    let mut message = vec![0; MAX];
    let length = write(payload, &mut message).map_err(|e| format!("snow cannot write: {e}"))?;
    message.truncate(length);
    Ok(message)
}

fn their_read(
    mut read: impl FnMut(&[u8], &mut [u8]) -> Result<usize, snow::Error>,
    message: &[u8],
) -> Result<Vec<u8>, String> {
    let mut payload = vec![0; MAX];
    let length = read(message, &mut payload).map_err(|e| format!("snow refuses it: {e}"))?;
    payload.truncate(length);
    Ok(payload)
}
