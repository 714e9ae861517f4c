//! The file format of recordings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::bytes::Hex;

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
    attestation_times: Option<IgnoredAny>,
    /// What this program does not know.
    #[serde(flatten)]
    pub(crate) unknown: BTreeMap<String, IgnoredAny>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// A sentence that says where the text is not such a file.
    pub fn parse(json: &str) -> Result<Self, String> {
        let recording: Self =
            serde_json::from_str(json).map_err(|e| format!("the file is not a recording in the known format: {e}"))?;
        if recording.sessions.is_empty() && recording.identities.is_empty() {
            return Err("the file has neither `sessions` nor `identities`: it is not a recording".into());
        }
        Ok(recording)
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
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Change {
    pub(crate) change_hash: Hex,
    #[serde(rename = "signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
    pub(crate) primary_public_key: Option<PublicKey>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PublicKey {
    pub(crate) hex: Hex,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    #[serde(rename = "secret_hex")]
    pub(crate) secret: Hex,
    #[serde(rename = "type")]
    pub(crate) kind: String,
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
    #[serde(rename = "signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
    #[serde(rename = "x25519_public_hex")]
    pub(crate) public: Option<Hex>,
    #[serde(rename = "x25519_secret_hex")]
    pub(crate) secret: Option<Hex>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Credential {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "credential_and_purpose_key_hex")]
    pub(crate) credential_and_purpose_key: Hex,
    #[serde(rename = "credential_signed_data_hex")]
    pub(crate) signed_data: Option<Hex>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Session {
    description: Option<IgnoredAny>,
    pub(crate) frames: Vec<Frame>,
    /// By party: `initiator`, `responder`, and whoever else takes part.
    pub(crate) secrets: Option<BTreeMap<String, Secrets>>,
    pub(crate) protocol_name_ascii: Option<String>,
    pub(crate) purpose_key_times: Option<PurposeKeyTimes>,
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

/// Where bytes were recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    /// Which connection.
    #[serde(default, rename = "conn")]
    connection: u64,
    /// Which way: `i2r` from the side that dialled it, `r2i` back.
    #[serde(rename = "dir")]
    pub(crate) direction: String,
}

impl Place {
    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Opening {
    pub(crate) hex: Hex,
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
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) identity_ed25519: Option<Hex>,
    pub(crate) static_x25519: Option<Hex>,
    pub(crate) ephemeral_x25519: Option<Hex>,
}

/// The validity of the parties' attestations: of all, or by party.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PurposeKeyTimes {
    All(Times),
    Each(BTreeMap<String, Times>),
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
    },
    #[serde(rename = "x25519")]
    X25519 {
        own_public: Hex,
        peer_public: Hex,
        shared: Hex,
    },
    Hkdf {
        chaining_key: Hex,
        ikm: Hex,
        outputs: Vec<Hex>,
    },
    AeadEncrypt(Aead),
    AeadDecrypt(Aead),
    ImportSecretBuffer {
        data: Hex,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Aead {
    pub(crate) key: Hex,
    pub(crate) nonce: Hex,
    #[serde(default)]
    pub(crate) aad: Hex,
    pub(crate) plaintext: Option<Hex>,
    pub(crate) ciphertext_and_tag: Hex,
}
