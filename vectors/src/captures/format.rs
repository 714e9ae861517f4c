//! The file format of recordings. Every field that is known stands here, those that are not judged as `IgnoredAny`; all
//! others end in an `unknown` map, whose names are reported.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::bytes::Hex;

/// The fields of a part of a recording that this program does not know.
pub(crate) type Unknown = BTreeMap<String, IgnoredAny>;

/// A recording: sessions between nodes, and the identities, attestations and credentials that occur in
/// them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Recording {
    /// Where it comes from, in words.
    pub about: String,
    pub(crate) identities: BTreeMap<String, Identity>,
    pub(crate) purpose_key_attestations: Vec<Attestation>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// The validity of the identities' attestations.
    pub(crate) attestation_times: Option<AttestationTimes>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// A sentence that says where the text is not such a file, or that there is nothing in it to check.
    pub fn parse(json: &str) -> Result<Self, String> {
        let recording: Self =
            serde_json::from_str(json).map_err(|e| format!("the file is not a recording in the known format: {e}"))?;
        if recording.is_empty() {
            return Err(
                "the file is not a recording: in its `sessions` are neither frames nor vault operations, and it \
                        has no identities, attestations or credentials, so that there is nothing to check"
                    .into(),
            );
        }
        Ok(recording)
    }

    fn is_empty(&self) -> bool {
        self.identities.is_empty()
            && self.purpose_key_attestations.is_empty()
            && self.credentials.is_empty()
            && self.sessions.values().all(Session::is_empty)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Identity {
    #[serde(rename = "change_history_hex")]
    pub(crate) history: Hex,
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
    pub(crate) identifier: String,
    #[serde(default, rename = "keys_in_order")]
    pub(crate) keys: Vec<Key>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Change {
    pub(crate) change_hash: Hex,
    #[serde(rename = "signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
    pub(crate) primary_public_key: Option<PublicKey>,
    #[serde(rename = "debug")]
    _debug: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PublicKey {
    pub(crate) hex: Hex,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    #[serde(rename = "secret_hex")]
    pub(crate) secret: Hex,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(rename = "label")]
    _label: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Attestation {
    #[serde(rename = "attestation_hex")]
    pub(crate) attestation: Hex,
    pub(crate) created_at: Option<u64>,
    pub(crate) expires_at: Option<u64>,
    pub(crate) identifier: Option<String>,
    #[serde(default)]
    pub(crate) identity: String,
    /// The kind of the attested key.
    pub(crate) purpose: Option<String>,
    #[serde(rename = "signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
    #[serde(rename = "x25519_public_hex")]
    pub(crate) public: Option<Hex>,
    #[serde(rename = "x25519_secret_hex")]
    pub(crate) secret: Option<Hex>,
    #[serde(rename = "debug")]
    _debug: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Credential {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "credential_and_purpose_key_hex")]
    pub(crate) credential_and_purpose_key: Hex,
    #[serde(rename = "credential_signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
    // What a credential says is for the chapter that is still to come.
    #[serde(rename = "attributes_hex")]
    _attributes_hex: Option<IgnoredAny>,
    #[serde(rename = "created_at")]
    _created_at: Option<IgnoredAny>,
    #[serde(rename = "expires_at")]
    _expires_at: Option<IgnoredAny>,
    #[serde(rename = "issuer")]
    _issuer: Option<IgnoredAny>,
    #[serde(rename = "schema")]
    _schema: Option<IgnoredAny>,
    #[serde(rename = "subject")]
    _subject: Option<IgnoredAny>,
    #[serde(rename = "ttl_seconds")]
    _ttl_seconds: Option<IgnoredAny>,
    #[serde(rename = "verified_by_ockam")]
    _verified_by_ockam: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Session {
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    pub(crate) frames: Vec<Frame>,
    /// By party: `initiator`, `responder`, and whoever else takes part.
    pub(crate) secrets: Option<BTreeMap<String, Secrets>>,
    pub(crate) protocol_name_ascii: Option<String>,
    pub(crate) purpose_key_times: Option<PurposeKeyTimes>,
    /// What the split of the handshake gave: the responder's sending key, then the initiator's.
    pub(crate) final_hkdf_outputs: Vec<Hex>,
    pub(crate) initiator_to_responder_key: Option<Hex>,
    pub(crate) responder_to_initiator_key: Option<Hex>,
    /// Vault operations by party, and what this program does not know.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

const OPERATIONS: &str = "_vault_operations";

impl Session {
    /// What each party's vault was asked.
    pub(crate) fn operations(&self) -> Vec<(&str, Result<Vec<Operation>, String>)> {
        let lists = self.rest.iter().filter_map(|(name, list)| Some((name.strip_suffix(OPERATIONS)?, list)));
        lists.map(|(party, list)| (party, Vec::deserialize(list).map_err(|e| e.to_string()))).collect()
    }

    /// The names of the fields that this program does not know.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.rest.keys().filter(|name| !name.ends_with(OPERATIONS)).map(String::as_str)
    }

    /// Whether there is nothing that could be checked.
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.rest.keys().any(|name| name.ends_with(OPERATIONS))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Frame {
    Version(Opening),
    #[serde(rename = "frame")]
    Message(Box<Routed>),
    #[serde(other)]
    Unknown,
}

/// Which way bytes went on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Direction {
    /// From the side that dialled it.
    #[serde(rename = "i2r")]
    Forth,
    /// To the side that dialled it.
    #[serde(rename = "r2i")]
    Back,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Forth => "i2r",
            Direction::Back => "r2i",
        })
    }
}

/// Where bytes were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    /// Which connection.
    #[serde(default, rename = "conn")]
    pub(crate) connection: u64,
    #[serde(rename = "dir")]
    pub(crate) direction: Direction,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}, {}", self.connection, self.direction)
    }
}

/// The byte that a side sends first.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Opening {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) hex: Hex,
    #[serde(rename = "t_ms")]
    _t_ms: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Routed {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) frame_hex: Hex,
    #[serde(rename = "onward_route")]
    pub(crate) onward: Option<Vec<String>>,
    #[serde(rename = "return_route")]
    pub(crate) back: Option<Vec<String>>,
    #[serde(rename = "payload_hex")]
    pub(crate) payload: Option<Hex>,
    #[serde(rename = "tracing_context")]
    pub(crate) tracing: Option<String>,
    #[serde(rename = "t_ms")]
    _t_ms: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) identity_ed25519: Option<Hex>,
    pub(crate) static_x25519: Option<Hex>,
    pub(crate) ephemeral_x25519: Option<Hex>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// The validity of the identities' changes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AttestationTimes {
    pub(crate) valid_from: u64,
    pub(crate) valid_until: u64,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// The validity of the parties' attestations: of all, or by party.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PurposeKeyTimes {
    All(ClaimedTimes),
    Each(BTreeMap<String, ClaimedTimes>),
}

impl PurposeKeyTimes {
    pub(crate) fn claimed(&self) -> Vec<&ClaimedTimes> {
        match self {
            PurposeKeyTimes::All(times) => vec![times],
            PurposeKeyTimes::Each(times) => times.values().collect(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ClaimedTimes {
    #[serde(flatten)]
    pub(crate) times: Times,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Times {
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
}

/// What production's vault was asked to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Operation {
    GenerateEphemeral {
        public: Hex,
        secret: Hex,
        #[serde(flatten)]
        unknown: Unknown,
    },
    #[serde(rename = "x25519")]
    X25519 {
        own_public: Hex,
        peer_public: Hex,
        shared: Hex,
        #[serde(flatten)]
        unknown: Unknown,
    },
    Hkdf {
        chaining_key: Hex,
        ikm: Hex,
        outputs: Vec<Hex>,
        #[serde(flatten)]
        unknown: Unknown,
    },
    AeadEncrypt(Aead),
    AeadDecrypt(Aead),
    ImportSecretBuffer {
        data: Hex,
        #[serde(flatten)]
        unknown: Unknown,
    },
    #[serde(other)]
    Unknown,
}

impl Operation {
    /// The names of the fields that this program does not know.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        let unknown = match self {
            Operation::GenerateEphemeral { unknown, .. }
            | Operation::X25519 { unknown, .. }
            | Operation::Hkdf { unknown, .. }
            | Operation::ImportSecretBuffer { unknown, .. } => Some(unknown),
            Operation::AeadEncrypt(aead) | Operation::AeadDecrypt(aead) => Some(&aead.unknown),
            Operation::Unknown => None,
        };
        unknown.into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Aead {
    pub(crate) key: Hex,
    pub(crate) nonce: Hex,
    #[serde(default)]
    pub(crate) aad: Hex,
    pub(crate) plaintext: Option<Hex>,
    pub(crate) ciphertext_and_tag: Hex,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}
