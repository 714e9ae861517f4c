//! Wycheproof's vectors against the vault. Each case respects its verdict: *valid* must work, *invalid* must be
//! refused, *acceptable* means what the specification says about it.

use serde::Deserialize;

use razor::vault::suite::{Aes128GcmSha256, Aes256GcmSha256, ChaChaPolyBlake2s, Suite};
use razor::vault::{Cipher, Hash, Key, KeyHandle, PublicKey, Signature, SoftwareVault, VerifyingKey};

use crate::bytes::Hex;
use crate::report::{Check, Options, Progress, Row, Tally, equal};

const SOURCE: &str = "wycheproof";

#[derive(Debug, Deserialize)]
struct File<G> {
    #[serde(rename = "testGroups")]
    groups: Vec<G>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Acceptable,
    Invalid,
}

fn parse<G: for<'de> Deserialize<'de>>(json: &str) -> Result<Vec<G>, String> {
    serde_json::from_str::<File<G>>(json).map(|file| file.groups).map_err(|e| format!("the file does not parse: {e}"))
}

/// Runs `check` on each case of a file; `Ok(None)` counts it as checked, `Ok(Some(reason))` as one of a kind that
/// this protocol does not have.
fn run<G, T>(
    name: &str,
    json: &str,
    progress: &mut dyn FnMut(Progress),
    cases: impl Fn(&G) -> &[T],
    mut check: impl FnMut(&G, &T) -> (u64, Result<Option<&'static str>, String>),
) -> Vec<Row>
where
    G: for<'de> Deserialize<'de>,
{
    let groups: Vec<G> = match parse(json) {
        Ok(groups) => groups,
        Err(sentence) => return vec![Row::broken(SOURCE, name, sentence)],
    };
    let mut tally = Tally::new(SOURCE, name, groups.iter().map(|group| cases(group).len()).sum(), progress);
    for group in &groups {
        for case in cases(group) {
            let (id, result) = check(group, case);
            match result {
                Ok(None) => tally.check(format!("tcId {id}"), Ok(())),
                Ok(Some(reason)) => tally.outside(reason),
                Err(sentence) => tally.check(format!("tcId {id}"), Err(sentence)),
            }
        }
    }
    vec![tally.finish()]
}

#[derive(Debug, Deserialize)]
struct DhGroup {
    tests: Vec<Dh>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dh {
    tc_id: u64,
    public: Hex,
    private: Hex,
    shared: Hex,
    result: Verdict,
}

pub(crate) fn x25519(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/x25519_test.json");
    run(
        "X25519",
        JSON,
        progress,
        |group: &DhGroup| &group.tests,
        |_, case: &Dh| (case.tc_id, diffie_hellman(case).map(|()| None)),
    )
}

fn diffie_hellman(case: &Dh) -> Check {
    let mut vault = SoftwareVault::new();
    let own = vault.import_static_key(&case.private.array()?);
    let result = vault.static_dh(&KeyHandle::of(&own.0), &PublicKey(case.public.array()?));
    let all_zero = case.shared.iter().all(|byte| *byte == 0);
    match (case.result, result) {
        (Verdict::Acceptable, Err(_)) if all_zero => Ok(()),
        (_, Ok(_)) if all_zero => Err("a shared secret of zeros is handed out".into()),
        (Verdict::Valid | Verdict::Acceptable, Ok(shared)) => equal("the shared secret", &shared.0, &case.shared),
        (Verdict::Invalid, Ok(_)) => Err("an invalid case is accepted".into()),
        (Verdict::Invalid, Err(_)) => Ok(()),
        (_, Err(error)) => Err(format!("a good case is refused: {error}")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureGroup {
    public_key: Public,
    tests: Vec<Signed>,
}

#[derive(Debug, Deserialize)]
struct Public {
    pk: Option<Hex>,
    uncompressed: Option<Hex>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    tc_id: u64,
    msg: Hex,
    sig: Hex,
    result: Verdict,
}

pub(crate) fn ed25519(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/ed25519_test.json");
    signatures("Ed25519", JSON, progress, |key, sig| {
        Ok((VerifyingKey::Ed25519(key.array()?), Signature::Ed25519(sig.array()?)))
    })
}

pub(crate) fn ecdsa_p256(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    signatures("ECDSA P-256", JSON, progress, |key, sig| {
        Ok((VerifyingKey::P256(key.array()?), Signature::P256(sig.array()?)))
    })
}

fn signatures(
    name: &str,
    json: &str,
    progress: &mut dyn FnMut(Progress),
    types: impl Fn(&Hex, &Hex) -> Result<(VerifyingKey, Signature), String>,
) -> Vec<Row> {
    run(
        name,
        json,
        progress,
        |group: &SignatureGroup| &group.tests,
        |group, case: &Signed| {
            let key = group.public_key.pk.as_ref().or(group.public_key.uncompressed.as_ref());
            let accepted = key
                .ok_or_else(|| "the group has no key".to_owned())
                .and_then(|key| types(key, &case.sig))
                .and_then(|(key, sig)| key.verify_message(&case.msg, &sig).map_err(|e| e.to_string()));
            let verdict = match (case.result, accepted) {
                (Verdict::Valid, Ok(())) | (Verdict::Invalid, Err(_)) => Ok(()),
                (Verdict::Valid, Err(e)) => Err(format!("a valid signature is refused: {e}")),
                (Verdict::Invalid, Ok(())) => Err("an invalid signature is accepted".into()),
                (Verdict::Acceptable, _) => Err("the specification says nothing about this case".into()),
            };
            (case.tc_id, verdict.map(|()| None))
        },
    )
}

#[derive(Debug, Deserialize)]
struct HkdfGroup {
    tests: Vec<Hkdf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hkdf {
    tc_id: u64,
    ikm: Hex,
    salt: Hex,
    info: Hex,
    size: usize,
    okm: Hex,
    result: Verdict,
}

pub(crate) fn hkdf_sha256(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/hkdf_sha256_test.json");
    run(
        "HKDF-SHA-256",
        JSON,
        progress,
        |group: &HkdfGroup| &group.tests,
        |_, case: &Hkdf| (case.tc_id, derivation(case)),
    )
}

/// Noise derives with a chaining key of 32 bytes as salt, without info, and takes two outputs of 32 bytes. A shorter
/// salt is the same salt with zeros behind it.
fn derivation(case: &Hkdf) -> Result<Option<&'static str>, String> {
    if !case.info.is_empty() {
        return Ok(Some("key derivation with info: Noise has none"));
    }
    if case.salt.len() > 32 || case.size > 64 {
        return Ok(Some("key derivation with a longer salt or more output than Noise has"));
    }
    let (first, second) = <Aes256GcmSha256 as Suite>::Hash::hkdf(&padded(&case.salt), &case.ikm);
    let ours = [*first.as_bytes(), *second.as_bytes()].concat();
    let ours = equal("the output", ours.get(..case.size).unwrap_or_default(), &case.okm);
    match case.result {
        Verdict::Valid => ours.map(|()| None),
        _ => Err("nothing can be wrong with this case".into()),
    }
}

/// A key of 32 bytes that begins with `bytes`.
fn padded(bytes: &[u8]) -> Key {
    let mut key = [0; 32];
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Key::new(key)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AeadGroup {
    iv_size: usize,
    key_size: usize,
    tests: Vec<Aead>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aead {
    tc_id: u64,
    key: Hex,
    iv: Hex,
    aad: Hex,
    msg: Hex,
    ct: Hex,
    tag: Hex,
    result: Verdict,
}

type Seal = dyn Fn(&[u8; 12], &[u8], &mut [u8]) -> razor::Result<[u8; 16]>;
type Open = dyn Fn(&[u8; 12], &[u8], &mut [u8], &[u8; 16]) -> razor::Result<()>;

/// A suite's cipher with a key, under whole nonces.
struct Sealer {
    seal: Box<Seal>,
    open: Box<Open>,
}

macro_rules! sealer {
    ($suite:ty, $key:expr) => {{
        let [sealer, opener] = [(), ()].map(|()| <$suite as Suite>::Cipher::new(&padded($key)));
        Sealer {
            seal: Box::new(move |nonce, data, text| sealer.seal_under(nonce, data, text)),
            open: Box::new(move |nonce, data, text, tag| opener.open_under(nonce, data, text, tag)),
        }
    }};
}

pub(crate) fn aes_gcm(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/aes_gcm_test.json");
    aead("AES-GCM", JSON, progress, |group, key| match group.key_size {
        128 => Some(sealer!(Aes128GcmSha256, key)),
        256 => Some(sealer!(Aes256GcmSha256, key)),
        _ => None,
    })
}

pub(crate) fn chacha20_poly1305(_: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
    const JSON: &str = include_str!("../third-party/wycheproof/chacha20_poly1305_test.json");
    aead("ChaCha20-Poly1305", JSON, progress, |group, key| {
        (group.key_size == 256).then(|| sealer!(ChaChaPolyBlake2s, key))
    })
}

fn aead(
    name: &str,
    json: &str,
    progress: &mut dyn FnMut(Progress),
    cipher: impl Fn(&AeadGroup, &[u8]) -> Option<Sealer>,
) -> Vec<Row> {
    run(
        name,
        json,
        progress,
        |group: &AeadGroup| &group.tests,
        |group, case: &Aead| {
            let result = match cipher(group, &case.key) {
                None => Ok(Some("keys of a size that no suite has")),
                Some(_) if group.iv_size != 96 => Ok(Some("nonces of another size than 12 bytes")),
                Some(cipher) => encryption(&cipher, case).map(|()| None),
            };
            (case.tc_id, result)
        },
    )
}

fn encryption(cipher: &Sealer, case: &Aead) -> Check {
    let (nonce, tag) = (case.iv.array()?, case.tag.array()?);
    let mut opened = case.ct.to_vec();
    let verdict = (cipher.open)(&nonce, &case.aad, &mut opened, &tag);
    match (case.result, verdict) {
        (Verdict::Valid, Err(e)) => Err(format!("a valid ciphertext is refused: {e}")),
        (Verdict::Valid, Ok(())) => {
            equal("the plaintext", &opened, &case.msg)?;
            let mut sealed = case.msg.to_vec();
            let ours = (cipher.seal)(&nonce, &case.aad, &mut sealed).map_err(|e| e.to_string())?;
            equal("the ciphertext", &sealed, &case.ct)?;
            equal("the tag", &ours, &case.tag)
        }
        (Verdict::Invalid, Ok(())) => Err("an invalid ciphertext is accepted".into()),
        (Verdict::Invalid, Err(_)) => Ok(()),
        (Verdict::Acceptable, _) => Err("the specification says nothing about this case".into()),
    }
}
