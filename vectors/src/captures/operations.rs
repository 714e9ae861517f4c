//! What production's vault was asked, asked of ours.

use std::collections::BTreeMap;

use razor::vault::suite::{Aes128GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Cipher, Hash, Key, KeyHandle, PublicKey, SoftwareVault};

use super::by_suite;
use super::format::{Aead, Operation, Recording, Session};
use crate::report::{Check, Progress, Row, Tally, ensure, equal};

pub(super) fn check(source: &str, recording: &Recording, progress: &mut dyn FnMut(Progress)) -> Row {
    let mut tally = Tally::new(source, "captures: vault operations", 0, progress);
    for (name, session) in &recording.sessions {
        for (party, operations) in session.operations() {
            let operations = match operations {
                Ok(operations) => operations,
                Err(sentence) => {
                    tally.check(format!("{name}, the vault operations of the {party}"), Err(sentence));
                    continue;
                }
            };
            let secrets = secrets(recording, session, &operations);
            let case = format!("{name}, {party}");
            by_suite!(session, each(&mut tally, &case, &operations, &secrets), {
                operations.iter().for_each(|_| tally.not_yet("vault operations of a suite that nobody knows"));
            });
        }
    }
    tally.finish()
}

fn each<S: Suite>(tally: &mut Tally<'_>, case: &str, operations: &[Operation], secrets: &BTreeMap<[u8; 32], [u8; 32]>) {
    for (index, operation) in operations.iter().enumerate() {
        match one::<S>(operation, secrets) {
            Some(result) => tally.check(format!("{case}, operation {index}"), result),
            None => tally.not_yet("vault operations of an unknown kind, or with a key that is not recorded"),
        }
        operation.unknown().for_each(|field| tally.not_yet(format!("what a vault operation has as `{field}`")));
    }
}

/// The secrets of a party by their public keys.
fn secrets(recording: &Recording, session: &Session, operations: &[Operation]) -> BTreeMap<[u8; 32], [u8; 32]> {
    let claimed = session.secrets.iter().flat_map(|parties| parties.values());
    let claimed = claimed.flat_map(|secrets| [&secrets.static_x25519, &secrets.ephemeral_x25519]).flatten();
    let attested = recording.purpose_key_attestations.iter().filter_map(|attestation| attestation.secret.as_ref());
    let generated = operations.iter().filter_map(|operation| match operation {
        Operation::GenerateEphemeral { secret, .. } => Some(secret),
        _ => None,
    });
    let mut vault = SoftwareVault::new();
    let secrets = claimed.chain(attested).chain(generated).filter_map(|secret| secret.array().ok());
    secrets.map(|secret| (vault.import_static_key(&secret).0, secret)).collect()
}

fn one<S: Suite>(operation: &Operation, secrets: &BTreeMap<[u8; 32], [u8; 32]>) -> Option<Check> {
    Some(match operation {
        Operation::GenerateEphemeral { public, secret, .. } => secret
            .array()
            .and_then(|secret| equal("the public key", &SoftwareVault::new().import_static_key(&secret).0, public)),
        Operation::X25519 { own_public, peer_public, shared, .. } => {
            let secret = secrets.get(&own_public.array().ok()?)?;
            diffie_hellman(secret, peer_public, shared)
        }
        Operation::Hkdf { chaining_key, ikm, outputs, .. } => chaining_key.array().and_then(|salt| {
            let (first, second) = S::Hash::hkdf(&Key::new(salt), ikm);
            equal(
                "the outputs",
                &[*first.as_bytes(), *second.as_bytes()].concat(),
                &outputs.iter().flat_map(|o| o.to_vec()).collect::<Vec<_>>(),
            )
        }),
        Operation::AeadEncrypt(aead) | Operation::AeadDecrypt(aead) => both_ways::<S>(aead),
        Operation::ImportSecretBuffer { data, .. } => return imported::<S>(data),
        Operation::Unknown => return None,
    })
}

/// A handshake begins with the import of the protocol's name; of other imports nothing is known.
fn imported<S: Suite>(data: &[u8]) -> Option<Check> {
    let name = S::NAME.as_bytes();
    let alike = data.iter().zip(name).filter(|(ours, name)| ours == name).count();
    (alike >= 16).then(|| equal("the protocol's name", name, data))
}

fn diffie_hellman(secret: &[u8; 32], peer: &crate::Hex, shared: &[u8]) -> Check {
    let mut vault = SoftwareVault::new();
    let own = vault.import_static_key(secret);
    let ours = vault.static_dh(&KeyHandle::of(&own.0), &PublicKey(peer.array()?)).map_err(|e| e.to_string())?;
    equal("the shared secret", &ours.0, shared)
}

fn both_ways<S: Suite>(aead: &Aead) -> Check {
    let (zeros, nonce) = aead.nonce.split_at_checked(4).ok_or("the nonce is too short")?;
    ensure(zeros == [0; 4], || "the nonce does not begin with four zeros".into())?;
    let nonce: [u8; 8] = nonce.try_into().map_err(|_| "the nonce is not 12 bytes long")?;
    let is_chacha = S::NAME == ChaChaPolyBlake2s::NAME;
    let nonce = if is_chacha { u64::from_le_bytes(nonce) } else { u64::from_be_bytes(nonce) };
    // AES-128 uses the first half of a key: a vault may have been shown the whole or the half.
    let is_short = S::NAME == Aes128GcmSha256::NAME && aead.key.len() == 16;
    let key = if is_short { crate::Hex([&aead.key[..], &[0; 16]].concat()).array()? } else { aead.key.array()? };
    let cipher = S::Cipher::new(&Key::new(key));
    let (text, tag) = aead.ciphertext_and_tag.split_last_chunk::<16>().ok_or("there is no tag")?;
    let Some(plaintext) = &aead.plaintext else {
        let refused = cipher.open(nonce, &aead.aad, &mut text.to_vec(), tag).is_err();
        return ensure(refused, || "production refused what we accept".into());
    };
    let mut ours = plaintext.to_vec();
    let our_tag = cipher.seal(nonce, &aead.aad, &mut ours).map_err(|e| e.to_string())?;
    equal("the ciphertext", &[&ours[..], &our_tag].concat(), &aead.ciphertext_and_tag)?;
    let mut ours = text.to_vec();
    cipher.open(nonce, &aead.aad, &mut ours, tag).map_err(|e| format!("decrypting: {e}"))?;
    equal("the plaintext", &ours, plaintext)
}
