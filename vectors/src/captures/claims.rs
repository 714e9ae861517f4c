//! What a recording claims of a session as a whole: its secrets, keys and times. Each claim has to hold for one of the
//! session's channels. Of channels that were not recorded whole, what the vaults were asked and the messages that a
//! key opens tell whether a claim is right; a claim about which nothing tells anything waits.

use std::collections::BTreeSet;

use razor::identity::Identity;
use razor::vault::suite::Suite;
use razor::vault::{Key, PublicKey, SigningKind, SoftwareVault};

use super::conversation::{Item, Part, Side, Tap};
use super::count_unknown;
use super::format::{self, Operation, Session, Times};
use super::said::Direction;
use super::secrets::public;
use crate::Hex;
use crate::report::{Tally, ensure};

/// What one channel turned out to use.
pub(super) struct Evidence {
    pub(super) statics: [PublicKey; 2],
    pub(super) identities: [Identity; 2],
    pub(super) times: [Times; 2],
    /// The initiator's sending key, then the responder's.
    pub(super) keys: [[u8; 32]; 2],
}

/// What was seen of the channels of a session.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) evidence: Vec<Evidence>,
    /// The ephemeral keys of their handshakes.
    pub(super) ephemerals: Vec<[u8; 32]>,
    /// Whether every channel was recorded from its first message, as far as anybody can tell.
    pub(super) whole: bool,
    /// Whether some are with a party whose secrets are not recorded.
    pub(super) strangers: bool,
}

/// Whether something shows that a claim is right; an error if something shows that it is wrong.
type Shown = Result<bool, String>;

/// Checks what the recording says of the session as a whole.
pub(super) fn check<S: Suite>(tally: &mut Tally<'_>, name: &str, session: &Session, taps: &[Tap], seen: &Seen) {
    // Without a party's secrets a channel does not show what the other one used.
    let of_both = ["initiator", "responder"].iter().all(|role| {
        session.secrets.as_ref().and_then(|parties| parties.get(*role)).is_some_and(|it| it.static_x25519.is_some())
    });
    // A key that a vault made and no handshake shows is that of a channel that was not recorded.
    let shown = operations(session, None).all(|operation| match operation {
        Operation::GenerateEphemeral { public, .. } => public.array().is_ok_and(|key| seen.ephemerals.contains(&key)),
        _ => true,
    });
    let whole = seen.whole && shown && (of_both || !seen.strangers);
    for (party, claimed) in session.secrets.iter().flatten() {
        secrets(tally, &format!("the {party} in {name}"), session, party, claimed, seen, whole);
        count_unknown(tally, "a party's secrets", &claimed.unknown);
    }
    for claimed in session.purpose_key_times.iter().flat_map(format::PurposeKeyTimes::claimed) {
        let found = seen.evidence.iter().any(|e| e.times.contains(&claimed.times));
        judge(tally, format!("{name}, the times of the attestations"), Ok(found), whole);
        count_unknown(tally, "the times of attestations", &claimed.unknown);
    }
    keys::<S>(tally, name, session, taps, seen, whole);
}

/// Records what comes of a claim.
fn judge(tally: &mut Tally<'_>, claim: String, shown: Shown, whole: bool) {
    match shown {
        Ok(false) if !whole => tally.not_yet("claims about channels that were not recorded whole"),
        shown => {
            tally.check(
                claim,
                shown.and_then(|found| ensure(found, || "it is that of no channel of the session".into())),
            );
        }
    }
}

/// The secrets of one party.
fn secrets(
    tally: &mut Tally<'_>,
    whose: &str,
    session: &Session,
    party: &str,
    claimed: &format::Secrets,
    Seen { evidence, ephemerals, .. }: &Seen,
    whole: bool,
) {
    // Whoever else takes part may have its channels where nothing was recorded.
    let whole = whole && ["initiator", "responder"].contains(&party);
    let vault = Vault::of(session, party);
    if let Some(secret) = &claimed.static_x25519 {
        let shown = public(secret).and_then(|public| {
            let used = evidence.iter().any(|e| e.statics.iter().any(|key| key.0 == public));
            let asked = vault.used(&public);
            ensure(used || asked || !vault.used_static(), || "its vault was asked to use another static key".into())?;
            Ok(used || asked)
        });
        judge(tally, format!("the static key of {whose}"), shown, whole);
    }
    if let Some(secret) = &claimed.ephemeral_x25519 {
        let shown = public(secret).and_then(|public| {
            let used = ephemerals.contains(&public);
            let made = vault.generated.contains(&public);
            ensure(made || vault.generated.is_empty(), || "its vault made another ephemeral key".into())?;
            Ok(used || made)
        });
        judge(tally, format!("the ephemeral key of {whose}"), shown, whole);
    }
    if let Some(secret) = &claimed.identity_ed25519 {
        let shown = secret.array().and_then(|secret| {
            let key = SoftwareVault::new()
                .import_signing_key(SigningKind::Ed25519, &secret)
                .map_err(|e| format!("the secret is none: {e}"))?;
            let owns = |identity: &Identity| identity.changes().any(|change| *change.key() == key);
            Ok(evidence.iter().any(|e| e.identities.iter().any(owns)))
        });
        judge(tally, format!("the identity key of {whose}"), shown, whole);
    }
}

/// The keys that the session's channel began with.
fn keys<S: Suite>(
    tally: &mut Tally<'_>,
    name: &str,
    session: &Session,
    taps: &[Tap],
    Seen { evidence, .. }: &Seen,
    whole: bool,
) {
    let (forth, back) = (&session.initiator_to_responder_key, &session.responder_to_initiator_key);
    let mut claims: Vec<(&str, Side, &Hex)> = Vec::new();
    claims.extend(forth.iter().map(|key| ("the key from initiator to responder", Side::Initiator, key)));
    claims.extend(back.iter().map(|key| ("the key from responder to initiator", Side::Responder, key)));
    match session.final_hkdf_outputs.as_slice() {
        [] => {}
        [first, second] => {
            claims.push(("the first output of the split", Side::Responder, first));
            claims.push(("the second output of the split", Side::Initiator, second));
            let same = |split: &Hex, key: &Option<Hex>| key.as_ref().is_none_or(|key| key == split);
            let agree = ensure(same(first, back) && same(second, forth), || {
                "the recorded keys are not the outputs of the recorded split".into()
            });
            tally.check(format!("{name}, the split and the keys"), agree);
        }
        outputs => {
            let wrong = Err(format!("a split has two outputs, the recording has {}", outputs.len()));
            tally.check(format!("{name}, the outputs of the split"), wrong);
        }
    }
    let splits = splits(session);
    for (what, sender, key) in claims {
        let shown = key.array().and_then(|key: [u8; 32]| {
            let used = evidence.iter().any(|e| e.keys[sender as usize] == key);
            let output = splits.iter().any(|split| split[1 - sender as usize][..] == key);
            ensure(used || output || splits.is_empty(), || "no vault's split of a handshake gave it".into())?;
            // Where all channels were replayed their keys are known, and what else opens a message says nothing.
            Ok(used || output || (!whole && opens::<S>(taps, key)))
        });
        judge(tally, format!("{name}, {what}"), shown, whole);
    }
}

/// Whether a channel that begins with this key said any of the messages.
fn opens<S: Suite>(taps: &[Tap], key: [u8; 32]) -> bool {
    let item = |(index, tap)| Item { index, part: Part::Data, sender: Side::Initiator, tap };
    let items: Vec<Item<'_>> = taps.iter().enumerate().map(item).collect();
    !Direction::<S>::new(&items, Side::Initiator, Key::new(key)).by_nonce.is_empty()
}

/// What a party's vault was asked, as far as that was recorded.
struct Vault {
    /// The ephemeral keys that it made.
    generated: BTreeSet<[u8; 32]>,
    /// The keys that it was asked to use.
    used: BTreeSet<[u8; 32]>,
}

impl Vault {
    fn of(session: &Session, party: &str) -> Self {
        let mut vault = Self { generated: BTreeSet::new(), used: BTreeSet::new() };
        for operation in operations(session, Some(party)) {
            match operation {
                Operation::GenerateEphemeral { public, .. } => vault.generated.extend(public.array().ok()),
                Operation::X25519 { own_public, .. } => vault.used.extend(own_public.array().ok()),
                _ => {}
            }
        }
        vault
    }

    fn used(&self, public: &[u8; 32]) -> bool {
        self.used.contains(public)
    }

    fn used_static(&self) -> bool {
        self.used.difference(&self.generated).next().is_some()
    }
}

/// What the vaults' splits of handshakes gave: the only derivation from nothing but the chaining key.
fn splits(session: &Session) -> Vec<[Hex; 2]> {
    let split = |operation| match operation {
        Operation::Hkdf { ikm, outputs, .. } if ikm.is_empty() => outputs.try_into().ok(),
        _ => None,
    };
    operations(session, None).filter_map(split).collect()
}

/// The operations of one vault, or of all. Lists that cannot be read are told elsewhere.
fn operations(session: &Session, party: Option<&str>) -> impl Iterator<Item = Operation> {
    let of = session.operations().into_iter().filter(move |(name, _)| party.is_none_or(|party| party == *name));
    of.filter_map(|(_, list)| list.ok()).flatten().collect::<Vec<_>>().into_iter()
}
