//! Who a node is: its keys, its identity, its attestation; and who it says that it is, which is not always the same.

use std::collections::BTreeMap;

use razor::channel::Config;
use razor::env::Timestamp;
use razor::error::Result;
use razor::identity::{
    AttestationDraft, Drafted, Identity, IdentityDraft, NewKey, PURPOSE_KEY_VALIDITY, Presentation, PurposeKey,
    PurposeKeyAttestation,
};
use razor::vault::{Agreement, Answer, KeyHandle, PublicKey, Request, SigningKind, SoftwareVault, VerifyingKey};

use crate::adversary::Class;
use crate::plan::Signing;
use crate::seed::Seed;

/// The wall-clock time at which worlds begin.
pub(super) const BEGIN: u64 = 1_750_000_000;

/// How long before that everybody's papers were made: clocks may go back a little.
const EARLIER: u64 = 86_400;

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
    /// What is shown, in turns. The first is what a listener shows.
    faces: Vec<Config>,
    /// Counts keys, so that each is another.
    keys: u32,
}

impl<A: Agreement> Papers<A> {
    /// The papers of the node of this name; `life` counts how often it has forgotten everything.
    pub(super) fn new(seed: Seed, name: &str, signing: Signing, life: u32) -> Self {
        let mut vault = SoftwareVault::with_agreement();
        let signing = match signing {
            Signing::Ed25519 => SigningKind::Ed25519,
            Signing::P256 => SigningKind::P256,
        };
        let name = format!("{name} {life}");
        let then = Timestamp(BEGIN - EARLIER);
        let key = import_signing_key(&mut vault, seed, &name, signing, 0);
        let static_key = import_static_key(&mut vault, seed, &name);
        let identity = sign(&vault, IdentityDraft::create(&NewKey::starting(key, then))).expect("a new identity");
        let attestation = attest(&vault, &identity, static_key, then).expect("a new static key");
        let lies = BTreeMap::new();
        let mut papers =
            Self { seed, name, signing, vault, lies, identity, attestation, static_key, faces: Vec::new(), keys: 1 };
        papers.show();
        papers
    }

    /// Shows the own identity as it is now.
    fn show(&mut self) {
        self.faces = vec![self.config(&self.identity, &self.attestation)];
    }

    fn config(&self, identity: &Identity, attestation: &PurposeKeyAttestation) -> Config {
        let now = attestation.verify_at_creation(identity).expect("papers that were made here").created_at();
        Config::new(identity, attestation, &[], now).expect("a short presentation")
    }

    /// What the `n`th attempt shows.
    pub(super) fn face(&self, n: usize) -> &Config {
        &self.faces[n % self.faces.len()]
    }

    /// Changes the identity's key and attests the static key anew.
    pub(super) fn rotate(&mut self, now: Timestamp) -> Result<()> {
        let (identity, attestation) = self.branch(&self.identity.clone(), now)?;
        (self.identity, self.attestation) = (identity, attestation);
        self.show();
        Ok(())
    }

    /// Another history that goes on where this one ends, and an attestation by its key.
    fn branch(&mut self, identity: &Identity, now: Timestamp) -> Result<(Identity, PurposeKeyAttestation)> {
        let key = import_signing_key(&mut self.vault, self.seed, &self.name, self.signing, self.keys);
        self.keys += 1;
        let longer = sign(&self.vault, IdentityDraft::rotate(identity, &NewKey::starting(key, now))?)?;
        let attestation = attest(&self.vault, &longer, self.static_key, now)?;
        Ok((longer, attestation))
    }

    /// Becomes what an adversary of this class is, with what it has of `victim`, or posing as `other`.
    pub(super) fn turn(&mut self, class: Class, victim: Option<&Self>, other: Option<&Self>) {
        let then = Timestamp(BEGIN - EARLIER);
        match (class, victim, other) {
            (Class::Misbinder, Some(victim), _) => {
                let papers = Presentation::encode(&victim.identity, &victim.attestation, &[]);
                self.faces = vec![self.config(&self.identity, &self.attestation).presenting(papers)];
            }
            (Class::StaticThief, Some(victim), Some(other)) => {
                let stolen = import_static_key(&mut self.vault, victim.seed, &victim.name);
                self.lies.insert(KeyHandle::of(&other.static_key.0), KeyHandle::of(&stolen.0));
                self.faces = vec![self.config(&other.identity, &other.attestation)];
            }
            (Class::PurposeThief, Some(victim), _) => {
                import_static_key(&mut self.vault, victim.seed, &victim.name);
                self.faces = vec![self.config(&victim.identity, &victim.attestation)];
            }
            (Class::OldKeyThief, Some(victim), _) => {
                import_signing_key(&mut self.vault, victim.seed, &victim.name, victim.signing, 0);
                let (history, attestation) = self.branch(&victim.identity, then).expect("a thief has the old key");
                let stale =
                    attest(&self.vault, &victim.identity, self.static_key, then).expect("a thief has the old key");
                let branched = self.config(&history, &attestation);
                let stale = branched.clone().presenting(Presentation::encode(&history, &stale, &[]));
                self.faces = vec![branched, stale];
            }
            (Class::Equivocator, ..) => {
                let own = self.identity.clone();
                let histories = [(); 2].map(|()| self.branch(&own, then).expect("an own identity"));
                self.faces = histories.iter().map(|(history, attestation)| self.config(history, attestation)).collect();
            }
            _ => {}
        }
    }

    /// Uses a key; not always the one that is asked for.
    pub(super) fn answer(&self, request: &Request) -> Result<Answer> {
        let truly = |handle: &KeyHandle| *self.lies.get(handle).unwrap_or(handle);
        self.vault.answer(&match request {
            Request::Sign(handle, hash) => Request::Sign(truly(handle), *hash),
            Request::StaticDh(handle, peer) => Request::StaticDh(truly(handle), *peer),
        })
    }

    /// From when to when the attestation is valid.
    pub(super) fn attested(&self) -> (Timestamp, Timestamp) {
        let attested = self.attestation.verify_at_creation(&self.identity).expect("papers that were made here");
        (attested.created_at(), attested.expires_at())
    }
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

fn sign<A: Agreement>(vault: &SoftwareVault<A>, mut draft: IdentityDraft) -> Result<Identity> {
    loop {
        let answer = vault.answer(&draft.request())?;
        match draft.answer(answer)? {
            Drafted::Pending(more) => draft = more,
            Drafted::Done(identity) => return Ok(identity),
        }
    }
}

fn attest<A: Agreement>(
    vault: &SoftwareVault<A>,
    identity: &Identity,
    key: PublicKey,
    now: Timestamp,
) -> Result<PurposeKeyAttestation> {
    let until = now.plus(PURPOSE_KEY_VALIDITY);
    let draft = AttestationDraft::new(identity, PurposeKey::SecureChannelStatic(key), now, until);
    let answer = vault.answer(&draft.request())?;
    draft.answer(answer)
}
