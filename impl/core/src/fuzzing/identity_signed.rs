//! Change histories and attestations by somebody who has the keys and signs whatever they like, against the rules in
//! plain words. Written with an encoder of its own, so that nothing is right only because both sides err alike.

use alloc::vec::Vec;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use minicbor::Encoder;

use crate::env::Timestamp;
use crate::identity::{Admission, Comparison, HistoryLimits, Identity, PurposeKeyAttestation, admit};
use crate::vault::{Signature, SigningKind, SoftwareVault, VerifyingKey, sha256};

/// Enough for rotations there and back, and both kinds.
const KEYS: usize = 4;

/// The keys: made once for all runs.
fn keys() -> &'static (SoftwareVault, [VerifyingKey; KEYS]) {
    static MADE: OnceLock<(SoftwareVault, [VerifyingKey; KEYS])> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut vault = SoftwareVault::new();
        let keys = [1, 2, 3, 4].map(|seed| {
            let kind = if seed == 4 { SigningKind::P256 } else { SigningKind::Ed25519 };
            vault.import_signing_key(kind, &[seed; 32]).expect("a key")
        });
        (vault, keys)
    })
}

/// Which key.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Which(u8);

impl Which {
    fn index(self) -> usize {
        usize::from(self.0) % KEYS
    }

    fn key(self) -> &'static VerifyingKey {
        &keys().1[self.index()]
    }

    fn sign(self, signed: &[u8]) -> Signature {
        keys().0.sign(&self.key().handle(), &sha256(signed)).expect("the vault has the key")
    }
}

/// Who signs in a place.
#[derive(Debug, Arbitrary)]
enum Signer {
    Right,
    Other(Which),
    /// The right one, and a byte of the signature is changed.
    Smudged(u8, u8),
    /// Nobody, where that can be said; the right one elsewhere.
    Absent,
}

impl Signer {
    /// The signature, and whether it is right.
    fn sign(&self, right: Which, signed: &[u8]) -> (Signature, bool) {
        match self {
            Signer::Right | Signer::Absent => (right.sign(signed), true),
            Signer::Other(other) => (other.sign(signed), other.index() == right.index()),
            Signer::Smudged(at, mask) => {
                let smudge = |mut bytes: [u8; 64]| {
                    bytes[usize::from(*at) % 64] ^= mask;
                    bytes
                };
                let signature = match right.sign(signed) {
                    Signature::Ed25519(bytes) => Signature::Ed25519(smudge(bytes)),
                    Signature::P256(bytes) => Signature::P256(smudge(bytes)),
                };
                (signature, *mask == 0)
            }
        }
    }
}

/// Which change another one names.
#[derive(Debug, Arbitrary)]
enum Named {
    Right,
    Nothing,
    /// The one with this number, or no change at all.
    Other(u8),
}

/// One change.
#[derive(Debug, Arbitrary)]
struct Link {
    previous: Named,
    key: Which,
    revokes: bool,
    from: u8,
    until: u16,
    /// The signed data have another version, or are of another kind.
    envelope: Option<(u8, u8)>,
    /// A byte is changed before it is signed.
    damage: Option<(u16, u8)>,
    own: Signer,
    earlier: Signer,
}

/// An attestation by the identity.
#[derive(Debug, Arbitrary)]
struct Paper {
    other_subject: bool,
    change: Named,
    credentials: bool,
    created: u16,
    expires: u16,
    now: u16,
    damage: Option<(u16, u8)>,
    signer: Signer,
}

#[derive(Debug, Arbitrary)]
struct Scenario {
    links: Vec<Link>,
    /// Changes that are announced and not there, or the other way round.
    miscounted: u8,
    papers: Vec<Paper>,
}

fn put_key(e: &mut Encoder<Vec<u8>>, key: &VerifyingKey) {
    let kind = u8::from(matches!(key, VerifyingKey::P256(_)));
    let e = e.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(key.as_bytes()));
    e.expect("a vector takes everything");
}

fn put_signature(e: &mut Encoder<Vec<u8>>, signature: &Signature) {
    let kind = u8::from(matches!(signature, Signature::P256(_)));
    let e = e.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.array(1)).and_then(|e| e.bytes(signature.as_bytes()));
    e.expect("a vector takes everything");
}

/// Signed data of a version and a kind; and whether the damage that was asked for is any.
fn envelope(version: u8, kind: u8, data: Encoder<Vec<u8>>, damage: Option<(u16, u8)>) -> (Vec<u8>, bool) {
    let mut e = Encoder::new(Vec::new());
    let whole = e.array(3).and_then(|e| e.u8(version)).and_then(|e| e.u8(kind)).and_then(|e| e.bytes(data.writer()));
    whole.expect("a vector takes everything");
    let mut bytes = e.into_writer();
    let (at, mask) = damage.unwrap_or_default();
    let at = usize::from(at) % bytes.len();
    bytes[at] ^= mask;
    (bytes, mask != 0)
}

/// A history as it is made.
#[derive(Default)]
struct Made {
    /// Each change, encoded.
    changes: Vec<Vec<u8>>,
    hashes: Vec<[u8; 32]>,
    /// Whether every rule is kept; `None` when damage makes that hard to say.
    sound: Option<bool>,
}

impl Made {
    fn named(&self, name: &Named) -> Option<[u8; 32]> {
        match name {
            Named::Right => self.hashes.last().copied(),
            Named::Nothing => None,
            Named::Other(number) => Some(self.hashes.get(usize::from(*number)).copied().unwrap_or([*number; 32])),
        }
    }

    fn new(links: &[Link]) -> Self {
        let mut made = Self { sound: Some(true), ..Self::default() };
        for (i, link) in links.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| &links[i]);
            let previous = made.named(&link.previous);
            let mut data = Encoder::new(Vec::new());
            data.array(5).expect("a vector takes everything");
            match previous {
                Some(hash) => data.bytes(&hash),
                None => data.null(),
            }
            .expect("a vector takes everything");
            put_key(&mut data, link.key.key());
            let rest = data.bool(link.revokes).and_then(|e| e.u8(link.from)).and_then(|e| e.u16(link.until));
            rest.expect("a vector takes everything");
            let (version, kind) = link.envelope.unwrap_or((1, 1));
            let (signed, damaged) = envelope(version, kind, data, link.damage);

            let (own, own_is_right) = link.own.sign(link.key, &signed);
            let earlier = match (before, &link.earlier) {
                (_, Signer::Absent) | (None, Signer::Right) => None,
                (before, signer) => Some(signer.sign(before.map_or(link.key, |before| before.key), &signed)),
            };
            let sound = previous == made.hashes.last().copied()
                && (version, kind) == (1, 1)
                && own_is_right
                && match (before, earlier) {
                    (None, earlier) => earlier.is_none(),
                    (Some(before), earlier) => earlier.is_some_and(|(_, right)| right) && before.from <= link.from,
                }
                && u16::from(link.from) <= link.until;
            made.sound = if damaged { None } else { made.sound.map(|so_far| so_far && sound) };

            let mut e = Encoder::new(Vec::new());
            let head = e.array(if earlier.is_some() { 3 } else { 2 }).and_then(|e| e.bytes(&signed));
            head.expect("a vector takes everything");
            put_signature(&mut e, &own);
            if let Some((earlier, _)) = &earlier {
                put_signature(&mut e, earlier);
            }
            made.hashes.push(sha256(&signed));
            made.changes.push(e.into_writer());
            // What follows a damaged change is judged by the rules alone.
            if damaged {
                break;
            }
        }
        made
    }

    fn bytes(&self, count: usize, miscounted: u8) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        e.array(count as u64 ^ u64::from(miscounted)).expect("a vector takes everything");
        let mut bytes = e.into_writer();
        self.changes[..count].iter().for_each(|change| bytes.extend_from_slice(change));
        bytes
    }
}

/// A history is taken exactly when every rule is kept; its beginnings are older, and it continues them; an attestation
/// by it is good exactly when every rule is kept.
pub fn identity_signed(data: &[u8]) {
    let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(data)) else { return };
    let links = &scenario.links[..scenario.links.len().min(12)];
    let made = Made::new(links);
    let count = made.changes.len();
    let bytes = made.bytes(count, scenario.miscounted);
    let imported = Identity::import(&bytes, None);
    if let Some(sound) = made.sound {
        assert_eq!(imported.is_ok(), sound && count > 0 && scenario.miscounted == 0, "{imported:?}");
    }
    let Ok(identity) = imported else { return };
    assert_eq!(identity.export(), bytes);
    assert_eq!(identity.identifier().0, made.hashes[0]);
    assert!(identity.changes().map(|change| change.hash().0).eq(made.hashes.iter().copied()));
    for keep in 1..count {
        let older = Identity::import(&made.bytes(keep, 0), None).expect("a history's beginning is one");
        assert_eq!(Identity::compare(&older, &identity), Comparison::Newer);
        assert_eq!(Identity::compare(&identity, &older), Comparison::Older);
        assert!(matches!(admit(Some(older.export()), identity.clone()), Ok(Admission::Newer(_))));
        assert!(admit(Some(&bytes), older).is_err(), "an older history replaces nothing");
    }
    assert!(bytes.len() <= HistoryLimits::DEFAULT.bytes);
    for paper in scenario.papers.iter().take(4) {
        attest(&made, links, &identity, paper);
    }
}

fn attest(made: &Made, links: &[Link], identity: &Identity, paper: &Paper) {
    let (Some(latest), Some(last)) = (made.hashes.last(), links.get(made.hashes.len() - 1)) else { return };
    // A damaged change may say another key and other times than its link.
    if made.sound.is_none() {
        return;
    }
    let mut subject = identity.identifier().0;
    subject[0] ^= u8::from(paper.other_subject);
    let change = made.named(&paper.change).unwrap_or_default();
    let mut data = Encoder::new(Vec::new());
    let head = data.array(5).and_then(|e| e.bytes(&subject)).and_then(|e| e.bytes(&change)).and_then(|e| e.array(2));
    head.and_then(|e| e.u8(paper.credentials.into())).and_then(|e| e.array(1)).expect("a vector takes everything");
    if paper.credentials {
        put_key(&mut data, last.key.key());
    } else {
        data.bytes(&[9; 32]).expect("a vector takes everything");
    }
    data.u16(paper.created).and_then(|e| e.u16(paper.expires)).expect("a vector takes everything");
    let (signed, damaged) = envelope(1, 2, data, paper.damage);
    let (signature, right) = paper.signer.sign(last.key, &signed);
    let mut e = Encoder::new(Vec::new());
    e.array(2).and_then(|e| e.bytes(&signed)).expect("a vector takes everything");
    put_signature(&mut e, &signature);
    let bytes = e.into_writer();

    let Ok(attestation) = PurposeKeyAttestation::decode(&bytes) else {
        assert!(damaged, "its form is right");
        return;
    };
    assert_eq!(attestation.export(), bytes);
    let attested = attestation.verify(identity, Timestamp(paper.now.into()));
    let sound = !paper.other_subject
        && change == *latest
        && paper.expires <= last.until
        && paper.created >= u16::from(last.from)
        && u32::from(paper.created) <= u32::from(paper.now) + 60
        && paper.expires >= paper.now.max(paper.created)
        && right;
    if !damaged {
        assert_eq!(attested.is_ok(), sound, "{attested:?}");
    }
    if let Ok(attested) = attested {
        assert_eq!(*attested.subject(), identity.identifier());
        // A key is good for its own purpose only.
        assert!(attested.secure_channel_static().is_ok() != attested.credential_signing().is_ok());
        assert!(damaged || attested.credential_signing().is_ok() == paper.credentials);
    }
}
