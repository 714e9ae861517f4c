//! How each [`Lie`] is told.

use razor::env::Timestamp;
use razor::identity::{CLOCK_SKEW, Identity, PURPOSE_KEY_VALIDITY, PurposeKey, PurposeKeyAttestation};
use razor::vault::{Agreement, PublicKey, Signature, SoftwareVault, VerifyingKey, sha256};
use razor::wire::cbor::{EXTENSION_ITEMS, Reader};

use crate::adversary::Lie;

use super::PAPERS;
use super::forge::{self, AttestationData, ChangeData};
use super::papers::BEGIN;

/// The most bytes of anything that is signed.
const SIGNED_MAX: usize = 512;

/// Somebody with keys of its own, and the papers of a victim, which are no secret.
pub(super) struct Forger<'a, A> {
    pub(super) vault: &'a SoftwareVault<A>,
    /// An identity that has changed its key once.
    pub(super) own: &'a Identity,
    /// Its first key and its second, and one of the victim's kind that is in no history.
    pub(super) keys: [VerifyingKey; 3],
    pub(super) static_key: PublicKey,
    pub(super) victim: &'a Identity,
    pub(super) attestation: &'a PurposeKeyAttestation,
}

/// What is shown.
pub(super) struct Told {
    pub(super) papers: Vec<u8>,
    pub(super) static_key: PublicKey,
    /// From when to when it is said to be attested.
    pub(super) attested: (Timestamp, Timestamp),
}

/// A history as it is told: what an attestation that fits it names.
struct Chain {
    changes: Vec<Vec<u8>>,
    latest: [u8; 32],
    signer: VerifyingKey,
}

impl<A: Agreement> Forger<'_, A> {
    /// Papers that are false in this one point; `None` when the keys at hand are of no use for it.
    pub(super) fn tell(&self, lie: Lie) -> Option<Told> {
        let mut said = self.said();
        let mut static_key = self.static_key;
        let own = || self.own_chain();
        let papers = match lie {
            Lie::ForgedAttestation => {
                let data = self.said_of(self.victim, self.victim.latest().hash().0).signed();
                self.with_victims_history(&forge::sealed(&data, &self.sign(2, &data), None))
            }
            Lie::BorrowedAttestationSignature => {
                let data = self.said_of(self.victim, self.victim.latest().hash().0).signed();
                self.with_victims_history(&forge::sealed(&data, self.victim.latest().signature(), None))
            }
            Lie::AnothersAttestation => self.with_victims_history(self.attestation.export()),
            Lie::UnapprovedChange => self.usurp(|data, _| Some(self.sign(2, data))),
            Lie::CopiedSignature => self.usurp(|_, own| Some(*own)),
            Lie::BorrowedSignature => self.usurp(|_, _| Some(self.first_of_victim())),
            Lie::BorrowedFromAttestation => self.usurp(|_, _| Some(self.victims_attestation().1)),
            Lie::MissingSignature => self.usurp(|_, _| None),
            Lie::AttestationAsChange => {
                let (signed, signature) = self.victims_attestation();
                let mut chain = self.victims_chain();
                chain.changes.push(forge::sealed(&signed, &signature, Some(&signature)));
                chain.latest = sha256(&signed);
                self.present(self.victim, &chain)
            }
            Lie::UnsignedChange => self.change(|_| {}, &|data| (self.sign(1, data), self.sign(1, data))),
            Lie::UnsignedFirstChange => {
                let mut chain = own();
                let first = ChangeData::of(self.own.changes().next()?).signed();
                chain.changes[0] = forge::sealed(&first, &self.sign(1, &first), None);
                self.present(self.own, &chain)
            }
            Lie::ApprovedByOldKey => self.change(|_| {}, &|data| (self.sign(2, data), self.sign(0, data))),
            Lie::TooManyChanges => self.many_changes(usize::from(PAPERS.history.changes) + 1, &[]),
            Lie::SwappedSignatures => self.change(|_| {}, &|data| (self.sign(1, data), self.sign(2, data))),
            Lie::WrongPreviousHash => {
                let first = self.own.changes().next().map(|change| change.hash().0.to_vec());
                self.change(|data| data.previous = first, &|data| self.well_signed(data))
            }
            Lie::TwoFirstChanges => self.change(|data| data.previous = None, &|data| self.well_signed(data)),
            Lie::ShortPreviousHash => {
                let short = self.own.latest().hash().0[..20].to_vec();
                self.change(|data| data.previous = Some(short), &|data| self.well_signed(data))
            }
            Lie::ChangeBeginsTooEarly => {
                self.change(|data| data.from = Timestamp(data.from.0 - 1), &|data| self.well_signed(data))
            }
            Lie::ChangeEndsBeforeItBegins => {
                // An older change: the latest could not attest anything.
                let data = ChangeData { until: Timestamp(self.next().from.0 - 1), ..self.next() }.signed();
                self.many_changes(4, &[data])
            }
            Lie::UnknownKeyKind => {
                let key = forge::key_of_kind(2, &self.keys[2]);
                self.change(|data| data.key = key, &|data| self.well_signed(data))
            }
            Lie::KeyOfSmallOrder => self.anything_verifies(),
            Lie::RepeatedChange => {
                let mut chain = own();
                let latest = self.own.latest();
                let again = ChangeData::of(latest).signed();
                chain.changes.push(forge::sealed(&again, latest.signature(), Some(latest.signature())));
                self.present(self.own, &chain)
            }
            Lie::FirstChangeSignedTwice => {
                let mut chain = own();
                let first = self.own.changes().next()?;
                let signed = ChangeData::of(first).signed();
                chain.changes[0] = forge::sealed(&signed, first.signature(), Some(first.signature()));
                self.present(self.own, &chain)
            }
            Lie::ChangeUnderWrongTag => self.envelope(|data| forge::envelope(forge::VERSION, forge::ATTESTATION, data)),
            Lie::ChangeUnderUnknownTag => self.envelope(|data| forge::envelope(forge::VERSION, forge::UNKNOWN, data)),
            Lie::ChangeOfOtherVersion => self.envelope(|data| forge::envelope(2, forge::CHANGE, data)),
            Lie::ItemAfterChange => self.envelope(|data| {
                // An array of six, the last one null.
                let longer = [&[data[0] + 1], &data[1..], &[0xf6]].concat();
                forge::envelope(forge::VERSION, forge::CHANGE, &longer)
            }),
            Lie::ByteAfterChange => {
                self.envelope(|data| forge::envelope(forge::VERSION, forge::CHANGE, &[data, &[0]].concat()))
            }
            Lie::AttestationUnderWrongTag => self.attest(&forge::envelope(1, forge::CHANGE, &said.encode())),
            Lie::AttestationUnderUnknownTag => self.attest(&forge::envelope(1, forge::UNKNOWN, &said.encode())),
            Lie::AttestationOfOtherVersion => self.attest(&forge::envelope(2, forge::ATTESTATION, &said.encode())),
            Lie::ByteAfterAttestation => {
                self.attest(&forge::envelope(1, forge::ATTESTATION, &[said.encode(), vec![0]].concat()))
            }
            Lie::LongNumber => self.attest(&forge::envelope(1, forge::ATTESTATION, &said.encode_long())),
            Lie::AnothersSubject => {
                said.subject = self.victim.identifier().0.to_vec();
                self.attest(&said.signed())
            }
            Lie::ShortSubject => {
                said.subject.truncate(20);
                self.attest(&said.signed())
            }
            Lie::OlderChange => {
                said.change = self.own.changes().next()?.hash().0;
                self.attest(&said.signed())
            }
            Lie::StaleAttestation => {
                said.change = self.own.changes().next()?.hash().0;
                self.attest_by(0, &said.signed())
            }
            Lie::SignedByOldKey => self.attest_by(0, &said.signed()),
            Lie::OutlivesKey => {
                said.expires = self.own.latest().valid_until().plus(1);
                self.attest(&said.signed())
            }
            Lie::PrecedesKey => {
                said.created = Timestamp(self.own.latest().valid_from().0 - 1);
                self.attest(&said.signed())
            }
            Lie::FromTheFuture => {
                said.created = Timestamp(BEGIN + CLOCK_SKEW + 30);
                self.attest(&said.signed())
            }
            Lie::Expired => {
                said.expires = Timestamp(BEGIN - 30);
                self.attest(&said.signed())
            }
            Lie::EndsBeforeItBegins => {
                // Within the minute that clocks may differ: before it began, and not over yet.
                (said.created, said.expires) = (Timestamp(BEGIN + 58), Timestamp(BEGIN + 57));
                self.attest(&said.signed())
            }
            Lie::WrongPurpose => {
                said.key = forge::attested(&PurposeKey::CredentialSigning(VerifyingKey::Ed25519(self.static_key.0)));
                self.attest(&said.signed())
            }
            Lie::UnknownPurpose => {
                said.key = forge::attested_for_nothing(&self.static_key.0);
                self.attest(&said.signed())
            }
            Lie::HighBit => {
                static_key.0[31] |= 0x80;
                said.key = forge::attested(&PurposeKey::SecureChannelStatic(static_key));
                self.attest(&said.signed())
            }
            Lie::StretchedSignature => {
                let data = said.signed();
                let signature = self.sign(1, &data);
                // What stretches a signature of P-256 is a true one.
                if matches!(signature, Signature::P256(_)) {
                    return None;
                }
                self.with_own_history(&forge::sealed(&data, &forge::malleated(&signature), None))
            }
            Lie::LongLength => {
                let papers = self.attest(&said.signed());
                [&[0x98, 3], &papers[1..]].concat()
            }
            Lie::TooManyCredentials => {
                let limit = usize::from(PAPERS.credentials);
                self.with_credentials(&vec![self.credential(forge::VERSION, forge::CREDENTIAL, 40); limit + 1])
            }
            Lie::LargeCredential => {
                let limit = PAPERS.credential;
                self.with_credentials(&[self.credential(forge::VERSION, forge::CREDENTIAL, limit - 100)])
            }
            Lie::CredentialOfOtherVersion => self.with_credentials(&[self.credential(2, forge::CREDENTIAL, 40)]),
            Lie::CredentialUnderWrongTag => {
                self.with_credentials(&[self.credential(forge::VERSION, forge::ATTESTATION, 40)])
            }
            Lie::TooManyUnknownItems => {
                let papers = self.attest(&said.signed());
                let more = EXTENSION_ITEMS as u8 + 1;
                [&[papers[0] + more], &papers[1..], &vec![0; usize::from(more)]].concat()
            }
            Lie::ByteAfterPapers => [self.attest(&said.signed()), vec![0]].concat(),
            Lie::FirstChangeHasPrevious => {
                let data = ChangeData { previous: Some(self.own.latest().hash().0.to_vec()), ..self.next() }.signed();
                let latest = sha256(&data);
                let chain = Chain {
                    changes: vec![forge::sealed(&data, &self.sign(2, &data), None)],
                    latest,
                    signer: self.keys[2],
                };
                let said = AttestationData { subject: latest.to_vec(), change: latest, ..said.clone() }.signed();
                let signature = self.sign(2, &said);
                forge::presentation(&forge::list(&chain.changes), &forge::sealed(&said, &signature, None))
            }
        };
        Some(Told { papers, static_key, attested: (said.created, said.expires) })
    }

    /// True papers, each signature exchanged for the other one that is as good; `None` when there is no other.
    pub(super) fn malleate(&self) -> Option<Vec<u8>> {
        if matches!(self.keys[1], VerifyingKey::Ed25519(_)) {
            return None;
        }
        let other = |change: &razor::identity::Change| {
            let previous = change.previous_signature().map(forge::malleated);
            forge::sealed(&ChangeData::of(change).signed(), &forge::malleated(change.signature()), previous.as_ref())
        };
        let changes: Vec<_> = self.own.changes().map(other).collect();
        let data = self.said().signed();
        let attestation = forge::sealed(&data, &forge::malleated(&self.sign(1, &data)), None);
        Some(forge::presentation(&forge::list(&changes), &attestation))
    }

    fn sign(&self, key: usize, data: &[u8]) -> Signature {
        self.vault.sign(&self.keys[key].handle(), &sha256(data)).expect("an own key")
    }

    /// By the key that a third change brings in, and by the one that it takes out.
    fn well_signed(&self, data: &[u8]) -> (Signature, Signature) {
        (self.sign(2, data), self.sign(1, data))
    }

    /// What a true attestation of the own static key says.
    fn said(&self) -> AttestationData {
        self.said_of(self.own, self.own.latest().hash().0)
    }

    fn said_of(&self, subject: &Identity, change: [u8; 32]) -> AttestationData {
        let created = subject.latest().valid_from();
        AttestationData {
            subject: subject.identifier().0.to_vec(),
            change,
            key: forge::attested(&PurposeKey::SecureChannelStatic(self.static_key)),
            created,
            expires: created.plus(PURPOSE_KEY_VALIDITY),
        }
    }

    fn own_chain(&self) -> Chain {
        let (changes, latest) = (forge::changes(self.own), self.own.latest().hash().0);
        Chain { changes, latest, signer: self.keys[1] }
    }

    fn victims_chain(&self) -> Chain {
        let (changes, latest) = (forge::changes(self.victim), self.victim.latest().hash().0);
        Chain { changes, latest, signer: self.keys[2] }
    }

    /// The history with an attestation that fits it.
    fn present(&self, subject: &Identity, chain: &Chain) -> Vec<u8> {
        let data = self.said_of(subject, chain.latest).signed();
        let signature = self.vault.sign(&chain.signer.handle(), &sha256(&data)).expect("an own key");
        forge::presentation(&forge::list(&chain.changes), &forge::sealed(&data, &signature, None))
    }

    fn with_own_history(&self, attestation: &[u8]) -> Vec<u8> {
        forge::presentation(self.own.export(), attestation)
    }

    fn with_victims_history(&self, attestation: &[u8]) -> Vec<u8> {
        forge::presentation(self.victim.export(), attestation)
    }

    /// The own history with an attestation of this data, signed as it should be.
    fn attest(&self, data: &[u8]) -> Vec<u8> {
        self.attest_by(1, data)
    }

    /// The same, signed by this one of the keys.
    fn attest_by(&self, key: usize, data: &[u8]) -> Vec<u8> {
        self.with_own_history(&forge::sealed(data, &self.sign(key, data), None))
    }

    /// What a true third change says.
    fn next(&self) -> ChangeData {
        let latest = self.own.latest();
        ChangeData {
            previous: Some(latest.hash().0.to_vec()),
            key: forge::key(&self.keys[2]),
            revokes: false,
            from: latest.valid_from(),
            until: latest.valid_until(),
        }
    }

    /// The own history and a third change that says something else, signed like this.
    fn change(&self, edit: impl FnOnce(&mut ChangeData), sign: &dyn Fn(&[u8]) -> (Signature, Signature)) -> Vec<u8> {
        let mut data = self.next();
        edit(&mut data);
        self.extend(&data.signed(), sign)
    }

    /// The own history and a third change in an envelope of another kind.
    fn envelope(&self, seal: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        self.extend(&seal(&self.next().encode()), &|data| self.well_signed(data))
    }

    fn extend(&self, signed: &[u8], sign: &dyn Fn(&[u8]) -> (Signature, Signature)) -> Vec<u8> {
        let mut chain = self.own_chain();
        let (own, previous) = sign(signed);
        chain.changes.push(forge::sealed(signed, &own, Some(&previous)));
        (chain.latest, chain.signer) = (sha256(signed), self.keys[2]);
        self.present(self.own, &chain)
    }

    /// The victim's history and a change to a key of the forger's.
    fn usurp(&self, previous: impl FnOnce(&[u8], &Signature) -> Option<Signature>) -> Vec<u8> {
        let latest = self.victim.latest();
        let data = ChangeData {
            previous: Some(latest.hash().0.to_vec()),
            from: latest.valid_from(),
            until: latest.valid_until(),
            ..self.next()
        }
        .signed();
        let own = self.sign(2, &data);
        let mut chain = self.victims_chain();
        chain.changes.push(forge::sealed(&data, &own, previous(&data, &own).as_ref()));
        chain.latest = sha256(&data);
        self.present(self.victim, &chain)
    }

    /// The own history, and changes to and fro between two keys until there are so many; the first of them say this.
    fn many_changes(&self, number: usize, first: &[Vec<u8>]) -> Vec<u8> {
        let mut chain = self.own_chain();
        let (mut own, mut before) = (2, 1);
        while chain.changes.len() < number {
            let key = forge::key(&self.keys[own]);
            let data = ChangeData { previous: Some(chain.latest.to_vec()), key, ..self.next() }.signed();
            let data = first.get(chain.changes.len() - self.own.changes().len()).cloned().unwrap_or(data);
            chain.changes.push(forge::sealed(&data, &self.sign(own, &data), Some(&self.sign(before, &data))));
            (chain.latest, chain.signer) = (sha256(&data), self.keys[own]);
            std::mem::swap(&mut own, &mut before);
        }
        self.present(self.own, &chain)
    }

    /// True papers, and these credentials.
    fn with_credentials(&self, credentials: &[Vec<u8>]) -> Vec<u8> {
        let mut papers = self.attest(&self.said().signed());
        // The list stands last, and is empty.
        papers.pop();
        [papers, forge::list(credentials)].concat()
    }

    /// Something in the form of a credential, with an attestation of a key that signed it.
    fn credential(&self, version: u8, tag: u8, length: usize) -> Vec<u8> {
        let data = forge::envelope(version, tag, &vec![7; length]);
        let said = self.said().signed();
        let attestation = forge::sealed(&said, &self.sign(1, &said), None);
        forge::list(&[forge::sealed(&data, &self.sign(1, &data), None), attestation])
    }

    /// A third change to a key under which, where nobody looks at its order, one signature is good for everything.
    fn anything_verifies(&self) -> Vec<u8> {
        // The neutral element, and a signature of that and zero.
        let (mut neutral, mut signature) = ([0; 32], [0; 64]);
        (neutral[0], signature[0]) = (1, 1);
        let signature = Signature::Ed25519(signature);
        let data = ChangeData { key: forge::key(&VerifyingKey::Ed25519(neutral)), ..self.next() }.signed();
        let mut changes = forge::changes(self.own);
        changes.push(forge::sealed(&data, &signature, Some(&self.sign(1, &data))));
        let said = self.said_of(self.own, sha256(&data)).signed();
        forge::presentation(&forge::list(&changes), &forge::sealed(&said, &signature, None))
    }

    fn first_of_victim(&self) -> Signature {
        *self.victim.changes().next().expect("there is always a first one").signature()
    }

    /// What the victim signed as its attestation, and the signature.
    fn victims_attestation(&self) -> (Vec<u8>, Signature) {
        let mut reader = Reader::new(self.attestation.export());
        let mut read = || {
            reader.array_of(2)?;
            let signed = reader.bytes(SIGNED_MAX)?.to_vec();
            reader.array_of(2)?;
            let kind = reader.uint()?;
            reader.array_of(1)?;
            let bytes = reader.array_bytes()?;
            Ok::<_, razor::error::Error>((
                signed,
                if kind == 0 { Signature::Ed25519(bytes) } else { Signature::P256(bytes) },
            ))
        };
        read().expect("an attestation that was made here")
    }
}
