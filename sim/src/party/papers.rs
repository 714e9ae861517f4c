//! Who a node is: its keys, its identity, its attestation; and who it says that it is, which is not always the same.

use std::collections::BTreeMap;

use razor::channel::Config;
use razor::env::Timestamp;
use razor::error::Result;
use razor::identity::{
    AttestationDraft, IDENTITY_KEY_VALIDITY, Identifier, Identity, IdentityDraft, NewKey, PURPOSE_KEY_VALIDITY,
    Presentation, PurposeKey, PurposeKeyAttestation,
};
use razor::vault::{Agreement, Answer, KeyHandle, PublicKey, Request, SigningKind, SoftwareVault, VerifyingKey};

use crate::adversary::{Claims, Class, Lie};
use crate::host::Shown;
use crate::plan::{self, Signing};
use crate::seed::Seed;

use super::lies::{Forger, Told};

/// The wall-clock time at which worlds begin.
pub const BEGIN: u64 = 1_750_000_000;

/// When everybody's papers were made: a day before, so that clocks may go back a little.
const THEN: Timestamp = Timestamp(BEGIN - 86_400);

/// How long an identity key may attest, as a rule.
const LONG: (Timestamp, Timestamp) = (THEN, THEN.plus(IDENTITY_KEY_VALIDITY));

/// An hour less at either end.
const SHORTER: (Timestamp, Timestamp) = (Timestamp(LONG.0.0 + 3_600), Timestamp(LONG.1.0 - 3_600));

/// How many identities a crowd has.
const CROWD: usize = 16;

/// Keys and papers of one node. All secrets are made of the seed, so that a thief can have them.
pub(super) struct Papers<A> {
    seed: Seed,
    name: String,
    signing: SigningKind,
    vault: SoftwareVault<A>,
    /// Keys by which others are used than those that they name.
    lies: BTreeMap<KeyHandle, KeyHandle>,
    pub(super) identity: Identity,
    pub(super) attestation: PurposeKeyAttestation,
    pub(super) static_key: PublicKey,
    /// The identity and the attestation as they were before each rotation, oldest first.
    earlier: Vec<(Identity, PurposeKeyAttestation)>,
    /// What is shown, in turns. The first is what a listener shows.
    faces: Vec<Face>,
    /// Which of them is shown first.
    start: usize,
    /// The history of its victim.
    pub(super) another: Option<Vec<u8>>,
    /// Others that it is.
    crowd: Vec<Identifier>,
    /// Counts keys, so that each is another.
    keys: u32,
}

/// Papers that are shown, true or not.
#[derive(Clone)]
struct Face {
    config: Config,
    /// Why they are false, if they are.
    lie: Option<Lie>,
    /// Whether their signatures are others than those that were made, and as good.
    malleated: bool,
    /// From when to when they say that the static key is attested.
    attested: (Timestamp, Timestamp),
}

impl<A: Agreement> Papers<A> {
    /// The papers of the node of this name, whose identity has changed its key so often before the world begins; `life`
    /// counts how often it has forgotten everything.
    pub(super) fn new(seed: Seed, plan: &plan::Node, life: u32) -> Self {
        let mut vault = SoftwareVault::with_agreement();
        let signing = match plan.signing {
            Signing::Ed25519 => SigningKind::Ed25519,
            Signing::P256 => SigningKind::P256,
        };
        let name = format!("{} {life}", plan.name);
        let key = import_signing_key(&mut vault, seed, &name, signing, 0);
        let static_key = import_static_key(&mut vault, seed, &name);
        let identity = IdentityDraft::create(&NewKey::starting(key, THEN)).sign_with(&vault).expect("a new identity");
        let attestation = attest(&vault, &identity, static_key, THEN).expect("a new static key");
        let mut papers = Self {
            seed,
            name,
            signing,
            vault,
            lies: BTreeMap::new(),
            identity,
            attestation,
            static_key,
            earlier: Vec::new(),
            faces: Vec::new(),
            start: 0,
            another: None,
            crowd: Vec::new(),
            keys: 1,
        };
        papers.show();
        (0..plan.rotations).for_each(|_| papers.rotate(THEN).expect("an own identity"));
        papers
    }

    /// Shows the own identity as it is now.
    fn show(&mut self) {
        self.faces = vec![face(&self.identity, &self.attestation)];
    }

    /// What the `n`th attempt shows.
    pub(super) fn config(&self, n: usize) -> &Config {
        &self.faces[(self.start + n) % self.faces.len()].config
    }

    /// What the `n`th attempt shows in the eyes of the checkers; or what the listener shows, of the first face.
    pub(super) fn shown(&self, attempt: Option<usize>) -> Shown {
        let number = attempt.map_or(0, |n| (self.start + n) % self.faces.len());
        let Face { lie, malleated, attested, .. } = self.faces[number];
        Shown { face: number, rotations: self.rotations(), lie, malleated, attested }
    }

    /// How often the identity has changed its key.
    pub(super) fn rotations(&self) -> usize {
        self.identity.changes().len() - 1
    }

    /// Everybody that it is.
    pub(super) fn names(&self) -> Vec<Identifier> {
        [&[self.identity.identifier()], &self.crowd[..]].concat()
    }

    /// What listeners show: the first face, and those with the victim's name.
    pub(super) fn masks(&self) -> impl Iterator<Item = &Config> {
        let as_victim = |face: &&Face| face.lie.is_some_and(|lie| lie.claims() == Claims::Victim);
        self.faces[..1].iter().chain(self.faces[1..].iter().filter(as_victim)).map(|face| &face.config)
    }

    /// Changes the identity's key and attests the static key anew.
    pub(super) fn rotate(&mut self, now: Timestamp) -> Result<()> {
        self.rotate_within((now, now.plus(IDENTITY_KEY_VALIDITY)))
    }

    /// As [`rotate`](Self::rotate), with the time within which the new key may attest.
    fn rotate_within(&mut self, valid: (Timestamp, Timestamp)) -> Result<()> {
        let (identity, attestation) = self.branch(&self.identity.clone(), valid)?;
        let before =
            (std::mem::replace(&mut self.identity, identity), std::mem::replace(&mut self.attestation, attestation));
        self.earlier.push(before);
        self.show();
        Ok(())
    }

    /// Another history that goes on where this one ends, and an attestation by its key.
    fn branch(
        &mut self,
        identity: &Identity,
        (valid_from, valid_until): (Timestamp, Timestamp),
    ) -> Result<(Identity, PurposeKeyAttestation)> {
        let key = self.next_key(self.signing);
        let key = NewKey { valid_until, ..NewKey::starting(key, valid_from) };
        let longer = IdentityDraft::rotate(identity, &key)?.sign_with(&self.vault)?;
        let attestation = attest(&self.vault, &longer, self.static_key, valid_from)?;
        Ok((longer, attestation))
    }

    fn next_key(&mut self, kind: SigningKind) -> VerifyingKey {
        self.keys += 1;
        import_signing_key(&mut self.vault, self.seed, &self.name, kind, self.keys - 1)
    }

    /// The papers before the first rotation, if there was one: what somebody has who stole them long ago.
    fn first(&self) -> (&Identity, &PurposeKeyAttestation) {
        self.earlier
            .first()
            .map_or((&self.identity, &self.attestation), |(identity, attestation)| (identity, attestation))
    }

    /// Becomes what an adversary of this class is, with what it has of `victim`, or posing as `other`; a forger tells
    /// these `lies`.
    pub(super) fn turn(&mut self, class: Class, victim: Option<&Self>, other: Option<&Self>, lies: &[Lie]) {
        self.another = victim.map(|victim| victim.identity.export().to_vec());
        match (class, victim, other) {
            (Class::Misbinder, Some(victim), _) => {
                let papers = Presentation::encode(&victim.identity, &victim.attestation, &[]);
                self.faces = vec![self.faces[0].lying(Lie::AnothersAttestation, papers)];
            }
            (Class::StaticThief, Some(victim), Some(other)) => {
                let stolen = import_static_key(&mut self.vault, victim.seed, &victim.name);
                self.lies.insert(KeyHandle::of(&other.static_key.0), KeyHandle::of(&stolen.0));
                self.faces = vec![face(&other.identity, &other.attestation)];
            }
            (Class::PurposeThief, Some(victim), _) => {
                import_static_key(&mut self.vault, victim.seed, &victim.name);
                let (identity, attestation) = victim.first();
                self.faces = vec![face(identity, attestation)];
                if !victim.earlier.is_empty() {
                    let papers = Presentation::encode(&victim.identity, attestation, &[]);
                    self.faces.push(self.faces[0].lying(Lie::StaleAttestation, papers));
                }
            }
            (Class::OldKeyThief, Some(victim), _) => self.turn_with_an_old_key(victim),
            (Class::Equivocator, ..) => {
                let own = self.identity.clone();
                let histories = [(); 2].map(|()| self.branch(&own, LONG).expect("an own identity"));
                self.faces = histories.iter().map(|(history, attestation)| face(history, attestation)).collect();
            }
            (Class::Crowd, ..) => {
                for _ in 0..CROWD {
                    let key = self.next_key(SigningKind::Ed25519);
                    let draft = IdentityDraft::create(&NewKey::starting(key, THEN));
                    let identity = draft.sign_with(&self.vault).expect("a new identity");
                    let attestation = attest(&self.vault, &identity, self.static_key, THEN).expect("an own key");
                    self.crowd.push(identity.identifier());
                    self.faces.push(face(&identity, &attestation));
                }
            }
            (Class::Forger, Some(victim), _) => self.turn_into_a_forger(victim, lies),
            _ => {}
        }
    }

    /// A thief of the victim's first key makes a history that branches off there.
    fn turn_with_an_old_key(&mut self, victim: &Self) {
        import_signing_key(&mut self.vault, victim.seed, &victim.name, victim.signing, 0);
        let (first, _) = victim.first();
        let (branch, attestation) = self.branch(first, LONG).expect("a thief has the old key");
        let old = attest(&self.vault, first, self.static_key, THEN).expect("a thief has the old key");
        let branched = face(&branch, &attestation);
        let stale = branched.lying(Lie::StaleAttestation, Presentation::encode(&branch, &old, &[]));
        self.faces = vec![branched, stale];
        if !victim.earlier.is_empty() {
            // The history as it was, and as it is.
            self.faces.push(face(first, &old));
            let papers = Presentation::encode(&victim.identity, &old, &[]);
            self.faces.push(self.faces[0].lying(Lie::StaleAttestation, papers));
        }
    }

    fn turn_into_a_forger(&mut self, victim: &Self, lies: &[Lie]) {
        // A static key whose bytes are a key for signatures, too: it could be mistaken for one.
        for n in 0.. {
            let secret = self.seed.derive(&format!("static key {n} of {}", self.name));
            self.static_key = self.vault.import_static_key(&secret);
            if VerifyingKey::Ed25519(self.static_key.0).validate().is_ok() {
                break;
            }
        }
        let first = *self.identity.latest().key();
        self.rotate_within(SHORTER).expect("an own identity");
        let keys = [first, *self.identity.latest().key(), self.next_key(victim.signing)];
        let forger = Forger {
            vault: &self.vault,
            own: &self.identity,
            keys,
            static_key: self.static_key,
            victim: &victim.identity,
            attestation: &victim.attestation,
        };
        let honest = face(&self.identity, &self.attestation);
        let mut faces: Vec<_> = forger
            .malleate()
            .map(|papers| Face { config: honest.config.clone().presenting(papers), malleated: true, ..honest.clone() })
            .into_iter()
            .collect();
        for &lie in lies {
            let Some(Told { papers, static_key, attested }) = forger.tell(lie) else { continue };
            let mut config = honest.config.clone();
            if static_key != self.static_key {
                let attestation = attest(&self.vault, &self.identity, static_key, SHORTER.0).expect("any 32 bytes");
                config = face(&self.identity, &attestation).config;
                self.lies.insert(KeyHandle::of(&static_key.0), KeyHandle::of(&self.static_key.0));
            }
            faces.push(Face { config: config.presenting(papers), lie: Some(lie), malleated: false, attested });
        }
        faces.insert(0, honest);
        self.start = usize::from(self.seed.derive(&format!("first face of {}", self.name))[0]);
        self.faces = faces;
    }

    /// Uses a key; not always the one that is asked for.
    pub(super) fn answer(&self, request: &Request) -> Result<Answer> {
        let truly = |handle: &KeyHandle| *self.lies.get(handle).unwrap_or(handle);
        self.vault.answer(&match request {
            Request::Sign(handle, hash) => Request::Sign(truly(handle), *hash),
            Request::StaticDh(handle, peer) => Request::StaticDh(truly(handle), *peer),
        })
    }
}

impl Face {
    /// The same keys, showing papers that are false in this point.
    fn lying(&self, lie: Lie, papers: Vec<u8>) -> Self {
        Self { config: self.config.clone().presenting(papers), lie: Some(lie), ..*self }
    }
}

/// True papers, or at least such as verify.
fn face(identity: &Identity, attestation: &PurposeKeyAttestation) -> Face {
    let attested = attestation.verify_at_creation(identity).expect("papers that were made here");
    let config = Config::new(identity, attestation, &[], attested.created_at()).expect("a short presentation");
    Face { config, lie: None, malleated: false, attested: (attested.created_at(), attested.expires_at()) }
}

fn import_signing_key<A: Agreement>(
    vault: &mut SoftwareVault<A>,
    seed: Seed,
    name: &str,
    kind: SigningKind,
    number: u32,
) -> VerifyingKey {
    let secret = seed.derive(&format!("identity key {number} of {name}"));
    vault.import_signing_key(kind, &secret).expect("all but one in 2^32 are keys")
}

fn import_static_key<A: Agreement>(vault: &mut SoftwareVault<A>, seed: Seed, name: &str) -> PublicKey {
    vault.import_static_key(&seed.derive(&format!("static key of {name}")))
}

fn attest<A: Agreement>(
    vault: &SoftwareVault<A>,
    identity: &Identity,
    key: PublicKey,
    now: Timestamp,
) -> Result<PurposeKeyAttestation> {
    let until = now.plus(PURPOSE_KEY_VALIDITY);
    AttestationDraft::new(identity, PurposeKey::SecureChannelStatic(key), now, until).sign_with(vault)
}

#[cfg(test)]
mod tests {
    use razor::vault::X25519;

    use crate::plan::Trusts;

    use super::super::PAPERS;
    use super::*;

    fn papers(name: &str, signing: Signing, rotations: u8) -> Papers<X25519> {
        let (trusts, lateness) = (Trusts::Everybody, std::time::Duration::ZERO);
        let plan = plan::Node {
            name: name.into(),
            trusts,
            signing,
            lateness,
            rotations,
            clock: 0,
            places: None,
            strangers: None,
            store_fails: crate::seed::Ppm::NEVER,
        };
        Papers::new(Seed(7), &plan, 0)
    }

    /// What an honest verifier says of what is shown.
    fn verdict(papers: &Papers<X25519>, n: usize) -> std::result::Result<Identifier, &'static str> {
        let config = &papers.faces[n].config;
        // What the handshake itself checks of a static key comes first.
        X25519::validate(config.static_key()).map_err(|error| error.requirement())?;
        let presented = Presentation::decode(config.presentation(), &PAPERS)
            .and_then(|presentation| presentation.verify(config.static_key(), Timestamp(BEGIN)));
        presented.map(|presented| presented.identity.identifier()).map_err(|error| error.requirement())
    }

    #[test]
    fn every_lie_is_refused_by_the_requirement_that_it_breaks_and_true_papers_are_accepted() {
        for (own, of_victim, rotations) in [
            (Signing::Ed25519, Signing::Ed25519, 0),
            (Signing::Ed25519, Signing::P256, 1),
            (Signing::P256, Signing::Ed25519, 2),
        ] {
            let (victim, mut forger) = (papers("victim", of_victim, rotations), papers("forger", own, 0));
            forger.turn(Class::Forger, Some(&victim), None, Lie::ALL);
            let told = forger.faces.iter().filter_map(|face| face.lie).count();
            assert_eq!(told, Lie::ALL.len() - usize::from(own == Signing::P256));
            for (n, face) in forger.faces.iter().enumerate() {
                let expected = match face.lie {
                    Some(lie) => Err(lie.requirement()),
                    None => Ok(forger.identity.identifier()),
                };
                assert_eq!(verdict(&forger, n), expected, "{own:?} {:?} {}", face.lie, face.malleated);
            }
            assert_eq!(forger.faces.iter().any(|face| face.malleated), own == Signing::P256);
        }
    }

    #[test]
    fn what_is_encoded_again_is_what_honest_code_encoded() {
        let victim = papers("victim", Signing::P256, 2);
        assert_eq!(
            super::super::forge::list(&super::super::forge::changes(&victim.identity)),
            victim.identity.export()
        );
    }

    #[test]
    fn thieves_show_true_papers_of_their_victim_and_such_as_are_too_old() {
        let victim = papers("victim", Signing::Ed25519, 1);
        for class in [Class::PurposeThief, Class::OldKeyThief] {
            let mut thief = papers("thief", Signing::Ed25519, 0);
            thief.turn(class, Some(&victim), None, &[]);
            for (n, face) in thief.faces.iter().enumerate() {
                let expected = face.lie.map_or(Ok(victim.identity.identifier()), |lie| Err(lie.requirement()));
                assert_eq!(verdict(&thief, n), expected, "{class} {n}");
            }
            assert!(thief.faces.iter().any(|face| face.lie == Some(Lie::StaleAttestation)), "{class}");
        }
    }
}
