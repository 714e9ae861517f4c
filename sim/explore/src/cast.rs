//! Who takes part: Alice and Bob, who are honest, and Mallory, who owns the network.

use std::sync::Arc;

use razor::channel::{Config, HoldLimits, Trust};
use razor::env::Timestamp;
use razor::identity::{
    AttestationDraft, Identifier, Identity, IdentityDraft, NewKey, Presentation, PurposeKey, PurposeKeyAttestation,
};
use razor::vault::suite::Suite;
use razor::vault::{self, Agreement, PublicKey, SecretKey, SigningKind, SoftwareVault};

use crate::scenario::Scenario;

/// The wall-clock time of everything.
pub(crate) const WALL: Timestamp = Timestamp(1_750_000_000);

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Honest.
    Alice,
    /// Honest.
    Bob,
    /// The attacker. Has an identity that nobody trusts.
    Mallory,
}

impl Who {
    /// Their name.
    pub const fn name(self) -> &'static str {
        match self {
            Who::Alice => "Alice",
            Who::Bob => "Bob",
            Who::Mallory => "Mallory",
        }
    }

    /// With whom an honest party wants to speak.
    pub const fn peer(self) -> Self {
        match self {
            Who::Alice => Who::Bob,
            _ => Who::Alice,
        }
    }
}

/// Keys, papers and configuration of one of them.
pub(crate) struct Person<S: Suite> {
    identity: Identity,
    vault: SoftwareVault<S::Agreement>,
    /// The secret of the attested static key.
    pub(crate) secret: SecretKey,
    attestation: PurposeKeyAttestation,
    pub(crate) config: Arc<Config>,
}

impl<S: Suite> Person<S> {
    fn new(number: u8) -> Self {
        let (mut signer, mut vault) = (SoftwareVault::new(), SoftwareVault::<S::Agreement>::with_agreement());
        let key = signer.import_signing_key(SigningKind::Ed25519, &[number; 32]).expect("an Ed25519 key");
        let identity = IdentityDraft::create(&NewKey::starting(key, WALL)).sign_with(&signer).expect("an identity");
        let secret = [number; 32];
        let key = PurposeKey::SecureChannelStatic(vault.import_static_key(&secret));
        let draft = AttestationDraft::valid_from(&identity, key, WALL);
        let attestation = draft.sign_with(&signer).expect("an attestation");
        let config = Config::new(&identity, &attestation, &[], WALL).expect("a configuration");
        Self { identity, vault, secret: SecretKey::new(secret), attestation, config: Arc::new(config) }
    }

    pub(crate) fn identifier(&self) -> Identifier {
        self.identity.identifier()
    }

    /// The encoded change history.
    pub(crate) fn history(&self) -> &[u8] {
        self.identity.export()
    }

    /// What is presented in a handshake: the history of one, and the attestation of another or of the same.
    pub(crate) fn papers(&self, attested: &Self) -> Vec<u8> {
        Presentation::encode(&self.identity, &attested.attestation, &[])
    }

    /// Its own papers with another static key in them, which nobody signed.
    pub(crate) fn papers_with(&self, key: PublicKey) -> Vec<u8> {
        let (mut papers, own) = (self.papers(self), self.static_key());
        let at = papers.windows(own.0.len()).position(|bytes| bytes == own.0).expect("papers name the static key");
        papers[at..at + own.0.len()].copy_from_slice(&key.0);
        papers
    }

    pub(crate) fn static_key(&self) -> PublicKey {
        S::Agreement::public_key(&self.secret)
    }

    pub(crate) fn answer(&self, request: &vault::Request) -> razor::Result<vault::Answer> {
        self.vault.answer(request)
    }
}

/// All three.
pub(crate) struct Cast<S: Suite>([Person<S>; 3]);

impl<S: Suite> Cast<S> {
    /// Alice and Bob trust each other alone, or everyone.
    pub(crate) fn new(scenario: &Scenario, trust_everyone: bool) -> Self {
        let mut persons = [1, 2, 3].map(Person::new);
        let identifiers = persons.each_ref().map(Person::identifier);
        for who in [Who::Alice, Who::Bob] {
            let person = &mut persons[who as usize];
            let mut config = Config::clone(&person.config);
            config.trust = if trust_everyone { Trust::Everyone } else { Trust::One(identifiers[who.peer() as usize]) };
            config.hold = HoldLimits { messages: scenario.hold, ..HoldLimits::DEFAULT };
            person.config = Arc::new(config);
        }
        Self(persons)
    }

    pub(crate) fn person(&self, who: Who) -> &Person<S> {
        &self.0[who as usize]
    }

    /// Whose identifier it is.
    pub(crate) fn named(&self, identifier: &Identifier) -> Option<Who> {
        [Who::Alice, Who::Bob, Who::Mallory].into_iter().find(|who| self.person(*who).identifier() == *identifier)
    }
}
