//! The secrets that a session was recorded with, and what the recording claims of them.

use std::collections::BTreeMap;

use razor::env::Timestamp;
use razor::identity::{AttestationDraft, Identity, PurposeKey, PurposeKeyAttestation};
use razor::vault::{PublicKey, SigningKind, SoftwareVault, VerifyingKey};

use super::format::{Operation, PurposeKeyTimes, Recording, Session, Times};
use crate::Hex;
use crate::report::{Check, Tally, ensure, equal};

/// Secret keys by their public halves.
type Pool = BTreeMap<[u8; 32], [u8; 32]>;

/// Everything secret that is known about a session.
pub(super) struct Secrets {
    ephemerals: Pool,
    /// Those that a vault made: they are recorded twice.
    generated: Pool,
    statics: Pool,
    signing: SoftwareVault,
}

/// What one channel turned out to use: the recording's claims are measured by it.
pub(super) struct Evidence {
    pub(super) ephemerals: [[u8; 32]; 2],
    pub(super) statics: [PublicKey; 2],
    pub(super) identities: [Identity; 2],
    pub(super) times: [Times; 2],
    /// The initiator's sending key, then the responder's.
    pub(super) keys: [[u8; 32]; 2],
}

impl Secrets {
    /// # Errors
    /// A sentence when a secret is none, or recorded differently in two places.
    pub(super) fn new(recording: &Recording, session: &Session) -> Result<Self, String> {
        let mut all = Self {
            ephemerals: Pool::new(),
            generated: Pool::new(),
            statics: Pool::new(),
            signing: SoftwareVault::new(),
        };
        for (_, operations) in session.operations() {
            for operation in operations? {
                if let Operation::GenerateEphemeral { secret, .. } = operation {
                    insert(&mut all.ephemerals, &secret)?;
                    insert(&mut all.generated, &secret)?;
                }
            }
        }
        for secret in recording.purpose_key_attestations.iter().filter_map(|attestation| attestation.secret.as_ref()) {
            insert(&mut all.statics, secret)?;
        }
        for secrets in session.secrets.iter().flat_map(|parties| parties.values()) {
            if let Some(secret) = &secrets.static_x25519 {
                insert(&mut all.statics, secret)?;
            }
            if let Some(secret) = &secrets.ephemeral_x25519 {
                insert(&mut all.ephemerals, secret)?;
            }
            if let Some(secret) = &secrets.identity_ed25519 {
                all.signing.import_signing_key(SigningKind::Ed25519, &secret.array()?).map_err(|e| e.to_string())?;
            }
        }
        Ok(all)
    }

    /// The secret half of an ephemeral key.
    pub(super) fn ephemeral(&self, public: &[u8; 32]) -> Option<&[u8; 32]> {
        self.ephemerals.get(public)
    }

    /// The secret half of a static key.
    pub(super) fn static_key(&self, public: &PublicKey) -> Option<&[u8; 32]> {
        self.statics.get(&public.0)
    }

    /// All static keys: secret halves by public ones.
    pub(super) fn statics(&self) -> &Pool {
        &self.statics
    }

    /// The attestation made again, when the identity's latest key is known and its signatures repeat.
    pub(super) fn attests(
        &self,
        identity: &Identity,
        key: PublicKey,
        times: Times,
        recorded: &PurposeKeyAttestation,
    ) -> Check {
        let signer = identity.latest().key();
        if !matches!(signer, VerifyingKey::Ed25519(_)) || !self.signing.holds(&signer.handle()) {
            return Ok(());
        }
        let (from, until) = (Timestamp(times.created_at), Timestamp(times.expires_at));
        let draft = AttestationDraft::new(identity, PurposeKey::SecureChannelStatic(key), from, until);
        let answer = self.signing.answer(&draft.request()).map_err(|e| e.to_string())?;
        let again = draft.answer(answer).map_err(|e| e.to_string())?;
        equal("the attestation, made again,", again.export(), recorded.export())
    }
}

/// Adds a secret key and returns its public half.
fn insert(pool: &mut Pool, secret: &Hex) -> Result<[u8; 32], String> {
    let secret = secret.array()?;
    let public = SoftwareVault::new().import_static_key(&secret).0;
    match pool.insert(public, secret) {
        Some(other) if other != secret => Err("one public key has two secret ones in the recording".into()),
        _ => Ok(public),
    }
}

/// What was seen of the channels of a session.
pub(super) struct Seen {
    pub(super) evidence: Vec<Evidence>,
    /// Whether every channel was recorded from its first message.
    pub(super) whole: bool,
}

/// Checks what the recording says of the session as a whole: each claim has to hold for one of its channels.
pub(super) fn check_claims(
    tally: &mut Tally<'_>,
    name: &str,
    session: &Session,
    secrets: &Secrets,
    Seen { evidence, whole }: &Seen,
) {
    let mut judge = |what: String, claim: Check| match claim {
        Err(_) if !whole => tally.not_yet("claims about channels that were not recorded whole"),
        claim => tally.check(what, claim),
    };
    for (party, claimed) in session.secrets.iter().flatten() {
        let role = [("initiator", 0), ("responder", 1)].into_iter().find(|(role, _)| role == party);
        // Whoever else takes part may have its channels where nothing was recorded.
        let seen = |found: bool, what: &str| ensure(found || role.is_none(), || format!("no channel uses its {what}"));
        if let Some(secret) = &claimed.static_x25519 {
            let public = insert(&mut Pool::new(), secret);
            let check = public.and_then(|public| {
                seen(evidence.iter().any(|e| e.statics.iter().any(|key| key.0 == public)), "static key")
            });
            judge(format!("{name}, the static key of the {party}"), check);
        }
        if let Some(secret) = &claimed.ephemeral_x25519 {
            let public = insert(&mut Pool::new(), secret);
            let check = public.and_then(|public| {
                let used = evidence.iter().any(|e| e.ephemerals.contains(&public));
                ensure(secrets.generated.is_empty() || secrets.generated.contains_key(&public) || used, || {
                    "its vault made another ephemeral key".into()
                })?;
                seen(used || secrets.generated.contains_key(&public), "ephemeral key")
            });
            judge(format!("{name}, the ephemeral key of the {party}"), check);
        }
        if let Some(secret) = &claimed.identity_ed25519 {
            let check = secret.array().and_then(|secret| {
                let key = SoftwareVault::new()
                    .import_signing_key(SigningKind::Ed25519, &secret)
                    .map_err(|e| format!("the secret is none: {e}"))?;
                let owns = |identity: &Identity| identity.changes().any(|change| *change.key() == key);
                seen(evidence.iter().any(|e| e.identities.iter().any(owns)), "identity key")
            });
            judge(format!("{name}, the identity key of the {party}"), check);
        }
    }
    if let Some(times) = &session.purpose_key_times {
        let claimed: Vec<Times> = match times {
            PurposeKeyTimes::All(times) => vec![*times],
            PurposeKeyTimes::Each(times) => times.values().copied().collect(),
        };
        let found = claimed.iter().all(|times| evidence.iter().any(|e| e.times.contains(times)));
        let check = ensure(found, || "no attestation of a channel is valid at these times".into());
        judge(format!("{name}, the times of the attestations"), check);
    }
    let split = match session.final_hkdf_outputs.as_slice() {
        // The first output is the responder's sending key, the second the initiator's.
        [first, second] => {
            vec![("the first output of the split", 1, first), ("the second output of the split", 0, second)]
        }
        _ => vec![],
    };
    let forth = session.initiator_to_responder_key.iter().map(|key| ("the key from initiator to responder", 0, key));
    let back = session.responder_to_initiator_key.iter().map(|key| ("the key from responder to initiator", 1, key));
    for (what, which, key) in forth.chain(back).chain(split) {
        let found = evidence.iter().any(|e| e.keys.get(which).is_some_and(|ours| ours.as_slice() == &key[..]));
        judge(format!("{name}, {what}"), ensure(found, || "no channel has this key".into()));
    }
}
