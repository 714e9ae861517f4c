//! A store with room for few: whoever was used last stays, and whoever is pinned always.

use razor::env::Timestamp;
use razor::identity::{Identifier, Identity, IdentityDraft, MemoryStore, NewKey, StoreAnswer, StoreRequest};
use razor::vault::{SigningKind, SoftwareVault, VerifyingKey, X25519};

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::Seed;

use super::{Outcome, demand, fault};

/// Identities that come and go.
const CROWD: u8 = 6;

/// Lines of the script.
const LINES: usize = 40;

/// What the store may take for a history besides its bytes.
const OVERHEAD: usize = 128;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("full store");
    let crowd: Vec<Identity> = (0..CROWD).map(|number| identity(seed, number)).collect();
    let size = crowd.iter().map(|identity| identity.export().len() + OVERHEAD).max().unwrap_or_default();
    let fit = random.within(1..=3) as usize;
    let mut store = MemoryStore::new(fit * size);
    let pinned = &crowd[0];
    let longer = rotated(seed, pinned);
    store
        .pin(pinned)
        .map_err(|error| fault(Property::Conformance, format!("an identity cannot be pinned: {error}")))?;
    let strangers = &crowd[1..];
    // Those that are kept, whoever was used longest ago first.
    let mut kept: Vec<Identifier> = Vec::new();
    for line in 0..LINES {
        if line == LINES / 2 {
            // A pinned identity that has changed its key stays pinned.
            let stored = store.answer(&StoreRequest::Store(pinned.identifier(), longer.export().to_vec()));
            demand(stored.is_ok(), Property::Liveness, || format!("a newer history is not stored: {stored:?}"))?;
        }
        let among = if random.below(6) == 0 { &crowd[..1] } else { strangers };
        let Some(identity) = random.pick(among) else { continue };
        let is_pinned = identity.identifier() == pinned.identifier();
        let identity = if is_pinned && line >= LINES / 2 { &longer } else { identity };
        let (name, history) = (identity.identifier(), identity.export().to_vec());
        if random.below(2) == 0 {
            let loaded = store.answer(&StoreRequest::Load(name));
            let expected = (is_pinned || kept.contains(&name)).then_some(history);
            let holds = matches!(&loaded, Ok(StoreAnswer::Loaded(found)) if *found == expected);
            demand(holds, Property::Bounds, || {
                let of = if is_pinned { "a pinned identity" } else { "a stranger" };
                format!(
                    "a store of {fit} strangers that {} know {of} said otherwise",
                    if expected.is_some() { "must" } else { "cannot" }
                )
            })?;
        } else {
            let stored = store.answer(&StoreRequest::Store(name, history));
            demand(matches!(stored, Ok(StoreAnswer::Stored)), Property::Liveness, || {
                format!("a store with room does not store: {stored:?}")
            })?;
            if !is_pinned && !kept.contains(&name) {
                kept.push(name);
                kept.drain(..kept.len().saturating_sub(fit));
            }
            // That it has it already is no use of it.
            continue;
        }
        if let Some(place) = kept.iter().position(|kept| *kept == name) {
            let used = kept.remove(place);
            kept.push(used);
        }
    }
    Ok(())
}

fn identity(seed: Seed, number: u8) -> Identity {
    let mut vault = SoftwareVault::<X25519>::with_agreement();
    let key = import_key(&mut vault, seed, number);
    IdentityDraft::create(&NewKey::starting(key, Timestamp(BEGIN))).sign_with(&vault).expect("an own key")
}

/// The first of the identities, with another key.
fn rotated(seed: Seed, first: &Identity) -> Identity {
    let mut vault = SoftwareVault::<X25519>::with_agreement();
    import_key(&mut vault, seed, 0);
    let key = import_key(&mut vault, seed, CROWD);
    let draft = IdentityDraft::rotate(first, &NewKey::starting(key, Timestamp(BEGIN))).expect("another key");
    draft.sign_with(&vault).expect("own keys")
}

fn import_key(vault: &mut SoftwareVault<X25519>, seed: Seed, number: u8) -> VerifyingKey {
    let secret = seed.derive(&format!("stranger {number} of a full store"));
    vault.import_signing_key(SigningKind::Ed25519, &secret).expect("any 32 bytes")
}
