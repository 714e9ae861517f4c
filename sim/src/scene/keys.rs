//! Keys and signatures in papers: keys that nobody may have, changes that last as short as may be and shorter, and the other
//! form of a signature, which says the same.

use razor::env::Timestamp;
use razor::error::Result as Read;
use razor::identity::{
    AttestationDraft, Comparison, Identity, IdentityDraft, NewKey, PresentedCredential, PurposeKey,
    PurposeKeyAttestation, admit,
};
use razor::vault::null::NullAgreement;
use razor::vault::{SigningKind, SoftwareVault, VerifyingKey, sha256};
use razor::wire::cbor::{Encoder, Reader};

use crate::checker::Property;
use crate::party::BEGIN;
use crate::seed::{Seed, Stream};

use super::{Outcome, demand};

/// What somebody signed and how: a change or an attestation.
#[derive(Clone)]
struct Signed {
    data: Vec<u8>,
    /// Of each signature its kind and its bytes.
    signatures: Vec<(u64, [u8; 64])>,
}

impl Signed {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let items = reader.array()?;
        let data = reader.bytes(usize::MAX)?.to_vec();
        let mut signatures = Vec::new();
        for _ in 1..items {
            reader.array_of(2)?;
            let kind = reader.uint()?;
            reader.array_of(1)?;
            signatures.push((kind, reader.array_bytes()?));
        }
        Ok(Self { data, signatures })
    }

    /// The changes of a history.
    fn history(bytes: &[u8]) -> Read<Vec<Self>> {
        let mut reader = Reader::new(bytes);
        (0..reader.array()?).map(|_| Self::read(&mut reader)).collect()
    }

    fn attestation(bytes: &[u8]) -> Read<Self> {
        Self::read(&mut Reader::new(bytes))
    }

    fn write(&self, encoder: &mut Encoder<Vec<u8>>) {
        _ = encoder.array(1 + self.signatures.len() as u64).and_then(|e| e.bytes(&self.data));
        for (kind, bytes) in &self.signatures {
            _ = encoder.array(2).and_then(|e| e.u64(*kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(bytes));
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder);
        encoder.into_writer()
    }

    fn encode_history(changes: &[Self]) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        _ = encoder.array(changes.len() as u64);
        changes.iter().for_each(|change| change.write(&mut encoder));
        encoder.into_writer()
    }

    /// These, instead of these that are in it, have been signed; `None` if they are not in it.
    fn with(&self, old: &[u8], new: &[u8], vault: &Vault, signers: &[VerifyingKey]) -> Option<Self> {
        let at = self.data.windows(old.len()).rposition(|window| window == old)?;
        // The lengths in front of them, of the key and of the whole, have the same heads.
        let data = [&self.data[..at], new, &self.data[at + old.len()..]].concat();
        let hash = sha256(&data);
        let sign = |key: &VerifyingKey| Some((kind(key), *vault.sign(&key.handle(), &hash).ok()?.as_bytes()));
        let signatures = signers.iter().map(sign).collect::<Option<_>>()?;
        Some(Self { data, signatures })
    }

    /// The other form of its ECDSA signatures, of those that are drawn.
    fn other_form(&self, random: &mut Stream) -> Self {
        let mut other = self.clone();
        let which = random.within(1..=3);
        for (number, (kind, bytes)) in other.signatures.iter_mut().enumerate() {
            if *kind == 1 && (which >> number & 1 == 1 || self.signatures.len() == 1) {
                let (_, s) = bytes.split_at_mut(32);
                s.copy_from_slice(&negative(s));
            }
        }
        other
    }
}

type Vault = SoftwareVault<NullAgreement>;

fn kind(key: &VerifyingKey) -> u64 {
    match key {
        VerifyingKey::Ed25519(_) => 0,
        VerifyingKey::P256(_) => 1,
    }
}

/// The order of P-256 less this number.
fn negative(number: &[u8]) -> [u8; 32] {
    const ORDER: [u8; 32] = *b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let mut difference = [0; 32];
    let mut borrow = false;
    for at in (0..32).rev() {
        let (some, less) = ORDER[at].overflowing_sub(number[at]);
        let (some, even_less) = some.overflowing_sub(borrow.into());
        (difference[at], borrow) = (some, less || even_less);
    }
    difference
}

/// Ed25519 keys that nobody may have: of small order, in all their forms, and all numbers that are not below 2^255 - 19.
fn bad_ed25519() -> Vec<[u8; 32]> {
    const ORDER_8: [[u8; 32]; 2] = [
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    ];
    let near = |mut bytes: [u8; 32], first: u8, last: u8| {
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let small = [near([0; 32], 0, 0), near([0; 32], 1, 0), near([0xff; 32], 0xec, 0x7f)];
    let large = (0xed..=0xff).map(|first| near([0xff; 32], first, 0x7f));
    let all = small.into_iter().chain(ORDER_8).chain(large);
    // The highest bit is the sign of the other coordinate.
    all.flat_map(|key| [key, near(key, key[0], key[31] | 0x80)]).collect()
}

/// P-256 keys that nobody may have: not on the curve, or in another form.
fn bad_p256(good: &[u8], random: &mut Stream) -> Vec<Vec<u8>> {
    let at = 1 + random.index(64);
    let off = |at: usize, by: u8| {
        let mut key = good.to_vec();
        key[at] ^= by;
        key
    };
    // In the first byte is the form: uncompressed, and none of those that have the same length or nearly.
    let forms = [0, 2, 3, 5, 6, 7].map(|form| off(0, 4 ^ form));
    let zeros = [&[4][..], &[0; 64]].concat();
    [off(at, 1 << random.index(8)), off(64, 1), zeros].into_iter().chain(forms).collect()
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("keys and signatures");
    let mut vault = Vault::with_agreement();
    let mut new = |kind, name: &str| {
        let mut secret = seed.derive(&format!("the {name} of keys and signatures"));
        secret[0] &= 0x7f;
        vault.import_signing_key(kind, &secret).expect("a number below the order")
    };
    let keys = [new(SigningKind::Ed25519, "first"), new(SigningKind::P256, "second"), new(SigningKind::P256, "third")];
    attested(&vault, keys, &mut random)?;
    forged(&vault, keys[0])?;
    moments(&vault, keys, &mut random)?;
    signed_anew(&vault, keys, &mut random)
}

fn created(vault: &Vault, new: &NewKey) -> Identity {
    IdentityDraft::create(new).sign_with(vault).expect("an own key")
}

/// Keys that sign credentials are attested: good ones, and such as nobody may have.
fn attested(vault: &Vault, keys: [VerifyingKey; 3], random: &mut Stream) -> Outcome {
    let then = Timestamp(BEGIN);
    // Its signatures cost less.
    let owner = keys[0];
    let identity = created(vault, &NewKey::starting(owner, then));
    for key in [keys[0], keys[1]] {
        let good = key.as_bytes();
        let draft = AttestationDraft::new(&identity, PurposeKey::CredentialSigning(key), then, then.plus(1));
        let attestation = draft.sign_with(vault).expect("an own key");
        let shown = Signed::attestation(attestation.export()).expect("an attestation");
        let mut others = match key {
            VerifyingKey::Ed25519(_) => bad_ed25519().iter().map(|key| key.to_vec()).collect(),
            VerifyingKey::P256(_) => bad_p256(good, random),
        };
        // All forms are read, and a few are signed as well.
        let thorough = [random.index(others.len()), others.len()];
        others.push(good.to_vec());
        for (number, other) in others.iter().enumerate() {
            let is_good = other == good;
            let signers = if thorough.contains(&number) { &[owner][..] } else { &[] };
            let mut with = shown.with(good, other, vault, signers).expect("its own key");
            if signers.is_empty() {
                with.signatures.clone_from(&shown.signatures);
            }
            let bytes = with.encode();
            let read = PurposeKeyAttestation::decode(&bytes);
            let believed = if signers.is_empty() {
                read.is_ok()
            } else {
                read.is_ok_and(|read| read.verify(&identity, then).is_ok())
            };
            let credential = PresentedCredential::decode(&credential(&bytes), usize::MAX).is_ok();
            demand(believed == is_good && credential == is_good, Property::Validity, || {
                format!("the key {other:02x?} is attested: believed {believed}, taken with a credential {credential}")
            })?;
        }
    }
    Ok(())
}

/// A credential with this attestation of its issuer's key. Nobody verifies it here.
fn credential(attestation: &[u8]) -> Vec<u8> {
    let mut data = Encoder::new(Vec::new());
    _ = data.array(3).and_then(|e| e.u8(1)).and_then(|e| e.u8(3)).and_then(|e| e.bytes(b"who says so"));
    let signed = Signed { data: data.into_writer(), signatures: vec![(0, [7; 64])] };
    [vec![0x82], signed.encode(), attestation.to_vec()].concat()
}

/// Of the point that is nothing everybody can write signatures: whoever has it for a key has none.
fn forged(vault: &Vault, key: VerifyingKey) -> Outcome {
    let identity = created(vault, &NewKey::starting(key, Timestamp(BEGIN)));
    let [own] = &Signed::history(identity.export()).expect("an own history")[..] else { return Ok(()) };
    for (first, last) in [(1, 0), (1, 0x80), (0xee, 0x7f), (0xee, 0xff)] {
        let mut nothing = [if first == 1 { 0 } else { 0xff }; 32];
        (nothing[0], nothing[31]) = (first, last);
        let mut change = own.with(key.as_bytes(), &nothing, vault, &[]).expect("its own key");
        // Once the base point, and one: what that adds up to is the same for all that is signed.
        let mut signature = [0x66; 64];
        signature[0] = 0x58;
        signature[32..].copy_from_slice(&[0; 32]);
        signature[32] = 1;
        change.signatures = vec![(0, signature)];
        let read = Identity::import(&Signed::encode_history(&[change]), None);
        demand(read.is_err(), Property::Validity, || {
            format!("a history has the key {nothing:02x?}, which is nobody's")
        })?;
    }
    Ok(())
}

/// A change may last one second, and no second less: made here, or by somebody else.
fn moments(vault: &Vault, keys: [VerifyingKey; 3], random: &mut Stream) -> Outcome {
    let from = Timestamp(BEGIN + random.below(1_000));
    let first = created(vault, &NewKey { valid_until: from.plus(1), ..NewKey::starting(keys[0], from) });
    let mut changes = Signed::history(first.export()).expect("an own history");
    let own = changes.remove(0);
    // A second of validity, two, and one that ends before it begins, by little or by much.
    let early = 1 + random.below(from.0);
    for until in [from.0, from.0 + 1, from.0 - 1, from.0 - early] {
        let good = from.0 <= until;
        let new = NewKey { valid_until: Timestamp(until), ..NewKey::starting(keys[0], from) };
        let made = IdentityDraft::create(&new).sign_with(vault);
        let time = |time: u64| {
            let mut encoder = Encoder::new(Vec::new());
            _ = encoder.u64(time);
            encoder.into_writer()
        };
        // A small number is shorter, and the lengths before it would be others.
        let end = time(until);
        let read = if end.len() == time(from.0 + 1).len() {
            let change = own.with(&time(from.0 + 1), &end, vault, &[keys[0]]).expect("its own time");
            Identity::import(&Signed::encode_history(&[change]), None).is_ok()
        } else {
            good
        };
        demand(made.is_ok() == good && read == good, Property::Validity, || {
            format!("a change from {} until {until} is made: {:?}; and read: {read}", from.0, made.err())
        })?;
        let next = NewKey { key: keys[1], ..new };
        let rotated = IdentityDraft::rotate(&first, &next).and_then(|draft| draft.sign_with(vault));
        demand(rotated.is_ok() == good, Property::Validity, || {
            format!("a second change from {} until {until}: {:?}", from.0, rotated.err())
        })?;
    }
    Ok(())
}

/// The same changes with other signatures are the same; so they are where they are the beginning of more.
fn signed_anew(vault: &Vault, keys: [VerifyingKey; 3], random: &mut Stream) -> Outcome {
    let then = Timestamp(BEGIN);
    let short = created(vault, &NewKey::starting(keys[1], then));
    let rotated = |key: usize| {
        let draft = IdentityDraft::rotate(&short, &NewKey::starting(keys[key], then)).expect("another key");
        draft.sign_with(vault).expect("own keys")
    };
    let (long, contradicts) = (rotated(2), rotated(0));
    let mut other = |identity: &Identity| {
        let changes = Signed::history(identity.export()).expect("an own history");
        let changes: Vec<_> = changes.iter().map(|change| change.other_form(random)).collect();
        Identity::import(&Signed::encode_history(&changes), None)
    };
    let anew = [other(&short), other(&long)];
    let [Ok(short_anew), Ok(long_anew)] = anew else {
        return demand(false, Property::Validity, || format!("the other form of a signature is refused: {anew:?}"));
    };
    for (what, known, received, right) in [
        ("the same", &short, &short_anew, Comparison::Equal),
        ("the same", &long_anew, &long, Comparison::Equal),
        ("the same and more", &short_anew, &long, Comparison::Newer),
        ("a part of the same", &long_anew, &short, Comparison::Older),
        ("something else", &long_anew, &contradicts, Comparison::Conflict),
    ] {
        let got = Identity::compare(known, received);
        demand(got == right, Property::Agreement, || {
            format!("who is shown {what} with other signatures takes it for {got:?}")
        })?;
        let admitted = admit(Some(known.export()), received.clone());
        let stored = admitted.as_ref().is_ok_and(|admission| admission.to_store().is_some());
        let (taken, stores) = match right {
            Comparison::Equal => (true, false),
            Comparison::Newer => (true, true),
            Comparison::Older | Comparison::Conflict => (false, false),
        };
        demand(admitted.is_ok() == taken && stored == stores, Property::Agreement, || {
            format!("who is shown {what} with other signatures stores it: {stored}; {:?}", admitted.err())
        })?;
    }
    Ok(())
}
