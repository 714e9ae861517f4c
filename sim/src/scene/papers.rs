//! Papers at the edges of their time and of their size: to the second, to the change and to the byte.

use razor::env::Timestamp;
use razor::identity::{
    AttestationDraft, CLOCK_SKEW, HistoryLimits, Identity, IdentityDraft, NewKey, Presentation, PresentationLimits,
    PurposeKey,
};
use razor::vault::null::NullAgreement;
use razor::vault::{PublicKey, SigningKind, SoftwareVault};

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::Seed;

use super::{Outcome, demand};

/// When a key was attested, and until when.
const CREATED: Timestamp = Timestamp(BEGIN + 1_000);
const EXPIRES: Timestamp = Timestamp(BEGIN + 2_000);

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("papers at their edges");
    let mut vault = SoftwareVault::<NullAgreement>::with_agreement();
    let mut key = |name: &str| {
        let kind = [SigningKind::Ed25519, SigningKind::P256][random.index(2)];
        // Any bytes are an Ed25519 key, and nearly all are one of P-256: these are below its order.
        let mut secret = seed.derive(&format!("the {name} key of papers"));
        secret[0] &= 0x7f;
        vault.import_signing_key(kind, &secret).expect("a number below the order")
    };
    let keys = ["first", "second", "third"].map(&mut key);
    let then = Timestamp(BEGIN);
    let [first, later @ ..] = keys;
    let mut identity = IdentityDraft::create(&NewKey::starting(first, then)).sign_with(&vault).expect("an own key");
    for key in later {
        let draft = IdentityDraft::rotate(&identity, &NewKey::starting(key, then)).expect("another key");
        identity = draft.sign_with(&vault).expect("own keys");
    }
    let fixed = vault.import_static_key(&seed.derive("the static key of papers"));
    let draft = AttestationDraft::new(&identity, PurposeKey::SecureChannelStatic(fixed), CREATED, EXPIRES);
    let attestation = draft.sign_with(&vault).expect("an own key");
    let shown = Presentation::encode(&identity, &attestation, &[]);
    times(&shown, &fixed)?;
    key_times(&vault, &identity, fixed)?;
    sizes(&shown, &identity)
}

fn times(shown: &[u8], fixed: &PublicKey) -> Outcome {
    let early = CREATED.0 - CLOCK_SKEW;
    for (now, good) in [(early - 1, false), (early, true), (CREATED.0, true), (EXPIRES.0, true), (EXPIRES.0 + 1, false)]
    {
        let presentation = Presentation::decode(shown, &PresentationLimits::DEFAULT);
        let verified = presentation.and_then(|presentation| presentation.verify(fixed, Timestamp(now)));
        demand(verified.is_ok() == good, Property::Agreement, || {
            let (created, expires) = (CREATED.0, EXPIRES.0);
            format!("an attestation from {created} until {expires} was at {now}: {:?}", verified.err())
        })?;
    }
    Ok(())
}

/// What a key attests is good from when the key is to when it is no more; and no key begins before the one before it.
fn key_times(vault: &SoftwareVault<NullAgreement>, identity: &Identity, fixed: PublicKey) -> Outcome {
    let (from, until) = (identity.latest().valid_from(), identity.latest().valid_until());
    for (created, expires, good) in [
        (from.0, until.0, true),
        (from.0, until.0 + 1, false),
        (from.0 - 1, until.0, false),
        (until.0, until.0, true),
        (until.0, until.0 - 1, false),
    ] {
        let key = PurposeKey::SecureChannelStatic(fixed);
        let draft = AttestationDraft::new(identity, key, Timestamp(created), Timestamp(expires));
        let made = draft.sign_with(vault);
        demand(made.is_ok() == good, Property::Agreement, || {
            let (from, until) = (from.0, until.0);
            format!("a key from {from} until {until} attested from {created} until {expires}: {:?}", made.err())
        })?;
    }
    let first = identity.changes().next().map_or(identity.latest(), |first| first);
    for (earlier, good) in [(0, true), (1, false)] {
        let draft = IdentityDraft::rotate(identity, &NewKey::starting(*first.key(), Timestamp(from.0 - earlier)));
        let made = draft.and_then(|draft| draft.sign_with(vault));
        demand(made.is_ok() == good, Property::Agreement, || {
            format!("a key that begins {earlier} seconds before the one before it: {:?}", made.err())
        })?;
    }
    Ok(())
}

fn sizes(shown: &[u8], identity: &Identity) -> Outcome {
    let (changes, bytes) = (identity.changes().len() as u16, identity.export().len());
    let exact = HistoryLimits { changes, bytes };
    let one_change_less = HistoryLimits { changes: changes - 1, ..exact };
    let one_byte_less = HistoryLimits { bytes: bytes - 1, ..exact };
    for (history, good) in [(exact, true), (one_change_less, false), (one_byte_less, false)] {
        let limits = PresentationLimits { history, ..PresentationLimits::DEFAULT };
        let read = Presentation::decode(shown, &limits).is_ok();
        let alone = Identity::import_within(identity.export(), None, &history).is_ok();
        demand(read == good && alone == good, Property::Bounds, || {
            format!("a history of {changes} changes and {bytes} bytes within {history:?}: shown {read}, alone {alone}")
        })?;
    }
    Ok(())
}
