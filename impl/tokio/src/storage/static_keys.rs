//! Static keys on disk: the secret, and what the identity says of the key.
//!
//! ```json
//! { "version": 1, "secret": "64 hex digits", "attestation": "hex" }
//! ```

use razor::env::Timestamp;
use razor::identity::{Identity, PurposeKeyAttestation};
use razor::vault::SoftwareVault;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::identities::to_text;
use super::{Before, Storage, cannot_write, damaged, named, read, write};
use crate::error::Result;

const FOLDER: &str = "static-keys";

/// A static key for secure channels, and its attestation.
#[derive(Clone)]
pub struct StaticKey {
    /// The secret.
    pub secret: Zeroizing<[u8; 32]>,
    /// What its identity says of it.
    pub attestation: PurposeKeyAttestation,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    secret: String,
    attestation: String,
}

impl Drop for File {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Storage {
    /// The static key that `identity`, kept under this name, attests; `None` when there is none that a peer
    /// would believe at `now`, be it that the identity's own key has changed since.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when the file is not what was written.
    pub fn load_static_key(&self, name: &str, identity: &Identity, now: Timestamp) -> Result<Option<StaticKey>> {
        let path = named(&self.dir.join(FOLDER), name)?;
        let Some(text) = read(&path)? else { return Ok(None) };
        let key = parse(&text).map_err(|why| damaged(&path, why))?;
        let Ok(attested) = key.attestation.verify(identity, now) else { return Ok(None) };
        let public = SoftwareVault::new().import_static_key(&key.secret);
        if attested.secure_channel_static().ok() != Some(&public) {
            return Err(damaged(&path, "its secret is not that of the attested key"));
        }
        Ok(Some(key))
    }

    /// Writes a static key, in place of an older one.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn save_static_key(&self, name: &str, key: &StaticKey) -> Result<()> {
        let path = named(&self.folder(FOLDER)?, name)?;
        let file = File {
            version: 1,
            secret: hex::encode(&key.secret[..]),
            attestation: hex::encode(key.attestation.export()),
        };
        let text = to_text(&path, &file)?;
        write(&path, text.as_bytes(), Before::Replaced).map_err(cannot_write(&path))
    }
}

fn parse(text: &str) -> std::result::Result<StaticKey, String> {
    let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if file.version != 1 {
        return Err(format!("its version is {}, and this program knows version 1", file.version));
    }
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(file.secret.as_bytes(), &mut secret[..]).map_err(|_| "its secret is not 64 hex digits")?;
    let attestation = hex::decode(&file.attestation).map_err(|_| "its attestation is not hex")?;
    let attestation = PurposeKeyAttestation::decode(&attestation).map_err(|e| e.to_string())?;
    Ok(StaticKey { secret, attestation })
}

impl std::fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticKey(..)")
    }
}
