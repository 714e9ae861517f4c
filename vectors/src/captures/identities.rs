//! Recorded identities, attestations and credentials: verified, and made again from their secrets.

use razor::env::Timestamp;
use razor::identity::{
    AttestationDraft, Identity as Verified, IdentityDraft, NewKey, PresentedCredential, PurposeKey,
    PurposeKeyAttestation,
};
use razor::vault::{PublicKey, SigningKind, SoftwareVault, VerifyingKey};

use super::count_unknown;
use super::format::{Attestation, AttestationTimes, Credential, Identity, Key, Recording};
use super::signed::{Claim, PURPOSES, signed_of_credential};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

pub(super) fn identities(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let mut tally = Tally::new(source, "captures: identities", recording.identities.len(), progress);
    for (name, identity) in &recording.identities {
        tally.check(format!("identity {name}"), one_identity(identity));
        count_unknown(&mut tally, "an identity", &identity.unknown);
        for change in &identity.changes {
            count_unknown(&mut tally, "a change", &change.unknown);
            change.primary_public_key.iter().for_each(|key| count_unknown(&mut tally, "a public key", &key.unknown));
        }
        identity.keys.iter().for_each(|key| count_unknown(&mut tally, "a secret key", &key.unknown));
    }
    if let Some(times) = &recording.attestation_times {
        tally.check("the times of attestations", attestation_times(recording, times));
        count_unknown(&mut tally, "the times of attestations", &times.unknown);
    }
    tally.finish()
}

/// What a recording says of its identities together has to hold for one of their changes.
fn attestation_times(recording: &Recording, times: &AttestationTimes) -> Check {
    let identities = recording.identities.values().filter_map(|identity| verified(identity).ok());
    let validities: Vec<(u64, u64)> = identities
        .flat_map(|identity| identity.changes().map(|c| (c.valid_from().0, c.valid_until().0)).collect::<Vec<_>>())
        .collect();
    ensure(validities.is_empty() || validities.contains(&(times.valid_from, times.valid_until)), || {
        "no change of an identity has these times".into()
    })
}

fn one_identity(recorded: &Identity) -> Check {
    let identity = verified(recorded)?;
    ensure(identity.identifier().to_string() == recorded.identifier, || {
        format!("the identifier is {}, the recording says {}", identity.identifier(), recorded.identifier)
    })?;
    equal("the history, exported,", identity.export(), &recorded.history)?;
    for (what, count) in [("changes", recorded.changes.len()), ("keys", recorded.keys.len())] {
        ensure(count == 0 || count == identity.changes().len(), || {
            format!("the history has {} changes, the recording lists {count} {what}", identity.changes().len())
        })?;
    }
    for (index, (ours, theirs)) in identity.changes().zip(&recorded.changes).enumerate() {
        equal(&format!("the hash of change {index}"), &ours.hash().0, &theirs.change_hash)?;
        if let Some(signed) = &theirs.signed_data {
            equal(&format!("the hash of what change {index} signs"), &razor::vault::sha256(signed), &ours.hash().0)?;
        }
        if let Some(key) = &theirs.primary_public_key {
            equal(&format!("the key of change {index}"), ours.key().as_bytes(), &key.hex)?;
            ensure(kind(&key.kind) == Some(kind_of(ours.key())), || {
                format!("the key of change {index} is {:?}, the recording says {}", ours.key(), key.kind)
            })?;
        }
    }
    if recorded.keys.is_empty() { Ok(()) } else { made_again(&identity, &recorded.keys) }
}

fn verified(recorded: &Identity) -> Result<Verified, String> {
    Verified::import(&recorded.history, None).map_err(|e| format!("the history is refused: {e}"))
}

/// The identity, made from its secrets, is the recorded one. ECDSA signatures may differ, so that what
/// comes after the first P-256 key is compared by its hashes.
fn made_again(identity: &Verified, keys: &[Key]) -> Check {
    let mut vault = SoftwareVault::new();
    let mut ours: Option<Verified> = None;
    let mut deterministic = true;
    for (key, change) in keys.iter().zip(identity.changes()) {
        let kind = kind(&key.kind).ok_or_else(|| format!("unknown kind of key {}", key.kind))?;
        deterministic &= kind == SigningKind::Ed25519;
        let public = vault.import_signing_key(kind, &key.secret.array()?).map_err(|e| e.to_string())?;
        let new = NewKey {
            key: public,
            valid_from: change.valid_from(),
            valid_until: change.valid_until(),
            revoke_all_purpose_keys: change.data().revoke_all_purpose_keys,
        };
        let draft = match &ours {
            None => Ok(IdentityDraft::create(&new)),
            Some(identity) => IdentityDraft::rotate(identity, &new),
        };
        let next = draft.and_then(|draft| draft.sign_with(&vault)).map_err(|e| format!("making it again: {e}"))?;
        equal("the hash of a change, made again,", &next.latest().hash().0, &change.hash().0)?;
        ours = Some(next);
    }
    match ours {
        Some(ours) if deterministic => equal("the history, made again,", ours.export(), identity.export()),
        _ => Ok(()),
    }
}

fn kind(name: &str) -> Option<SigningKind> {
    match name {
        "EdDSACurve25519" => Some(SigningKind::Ed25519),
        "ECDSASHA256CurveP256" => Some(SigningKind::P256),
        _ => None,
    }
}

fn kind_of(key: &VerifyingKey) -> SigningKind {
    match key {
        VerifyingKey::Ed25519(_) => SigningKind::Ed25519,
        VerifyingKey::P256(_) => SigningKind::P256,
    }
}

pub(super) fn attestations(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let recorded = &recording.purpose_key_attestations;
    let mut tally = Tally::new(source, "captures: attestations", recorded.len(), progress);
    for (index, attestation) in recorded.iter().enumerate() {
        let case = format!("attestation {index} of {}", attestation.identity);
        let by_name = recording.identities.get(&attestation.identity);
        let by_identifier =
            || recording.identities.values().find(|i| Some(&i.identifier) == attestation.identifier.as_ref());
        match by_name.or_else(by_identifier) {
            Some(identity) => tally.check(case, one_attestation(identity, attestation)),
            None => {
                tally.check(format!("{case}, its form"), form(attestation));
                tally.not_yet("signatures of attestations whose subject is not in the recording");
            }
        }
        if attestation.purpose.as_ref().is_some_and(|purpose| !PURPOSES.contains(&purpose.as_str())) {
            tally.not_yet("attestations with a purpose that is not known");
        }
        count_unknown(&mut tally, "an attestation", &attestation.unknown);
    }
    tally.finish()
}

fn one_attestation(identity: &Identity, recorded: &Attestation) -> Check {
    form(recorded)?;
    let subject = verified(identity)?;
    let attestation =
        PurposeKeyAttestation::decode(&recorded.attestation).map_err(|e| format!("does not decode: {e}"))?;
    let attested = attestation.verify_at_creation(&subject).map_err(|e| format!("does not verify: {e}"))?;
    if let Ok(key) = attested.secure_channel_static()
        && let Some(again) = attest(identity, key.0, attested.created_at(), attested.expires_at())
    {
        equal("the attestation, made again,", again?.export(), &recorded.attestation)?;
    }
    Ok(())
}

/// What holds of an attestation whoever its subject is.
fn form(recorded: &Attestation) -> Check {
    let attestation =
        PurposeKeyAttestation::decode(&recorded.attestation).map_err(|e| format!("does not decode: {e}"))?;
    equal("the attestation, exported,", attestation.export(), &recorded.attestation)?;
    if let Some(identifier) = &recorded.identifier {
        let ours = attestation.claimed_subject().to_string();
        ensure(ours == *identifier, || format!("its subject is {ours}, the recording says {identifier}"))?;
    }
    let claim = Claim::of(&recorded.attestation).map_err(|e| format!("cannot be taken apart: {e}"))?;
    if let Some(signed) = &recorded.signed_data {
        equal("what is signed", &claim.signed, signed)?;
    }
    for (what, ours, theirs) in [
        ("created_at", claim.times.created_at, recorded.created_at),
        ("expires_at", claim.times.expires_at, recorded.expires_at),
    ] {
        if let Some(theirs) = theirs {
            ensure(ours == theirs, || format!("{what} is {ours}, the recording says {theirs}"))?;
        }
    }
    if let Some(purpose) = recorded.purpose.as_deref().filter(|purpose| PURPOSES.contains(purpose)) {
        ensure(purpose == claim.purpose, || format!("it attests a {}, the recording says {purpose}", claim.purpose))?;
    }
    let key = claim.static_key.as_ref().map_or(&[][..], |key| key);
    if let Some(public) = &recorded.public {
        equal("the attested static key", key, public)?;
    }
    if let Some(secret) = &recorded.secret {
        equal(
            "the public key of the recorded secret",
            &SoftwareVault::new().import_static_key(&secret.array()?).0,
            key,
        )?;
    }
    Ok(())
}

/// An attestation made with the secret of an identity; `None` when its latest key is not a known Ed25519 key.
fn attest(
    identity: &Identity,
    static_key: [u8; 32],
    created_at: Timestamp,
    expires_at: Timestamp,
) -> Option<Result<PurposeKeyAttestation, String>> {
    let key = identity.keys.last().filter(|key| kind(&key.kind) == Some(SigningKind::Ed25519))?;
    Some((|| {
        let subject = verified(identity)?;
        let mut vault = SoftwareVault::new();
        vault.import_signing_key(SigningKind::Ed25519, &key.secret.array()?).map_err(|e| e.to_string())?;
        let key = PurposeKey::SecureChannelStatic(PublicKey(static_key));
        AttestationDraft::new(&subject, key, created_at, expires_at).sign_with(&vault).map_err(|e| e.to_string())
    })())
}

pub(super) fn credentials(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let mut tally = Tally::new(source, "captures: credentials", recording.credentials.len(), progress);
    for credential in &recording.credentials {
        tally.check(format!("credential {}, its form", credential.name), one_credential(credential));
        tally.not_yet("signatures, times and attributes of credentials");
        count_unknown(&mut tally, "a credential", &credential.unknown);
    }
    tally.finish()
}

fn one_credential(recorded: &Credential) -> Check {
    let bytes = &recorded.credential_and_purpose_key;
    let credential = PresentedCredential::decode(bytes, bytes.len()).map_err(|e| format!("does not decode: {e}"))?;
    equal("the credential, exported,", credential.export(), bytes)?;
    if let Some(signed) = &recorded.signed_data {
        let ours = signed_of_credential(bytes).map_err(|e| format!("cannot be taken apart: {e}"))?;
        equal("what is signed", ours, signed)?;
    }
    Ok(())
}
